"""Sites: the network places that devices and operators belong to, and how a new device gets in."""

from watchbill.sites.codes import code_hash, masked, new_code
from watchbill.sites.service import (
    MAX_AUTO_APPROVAL,
    SiteChange,
    SiteDraft,
    by_id,
    create_site,
    delete_site,
    enrolment_code,
    find_by_code,
    get_site,
    list_sites,
    reseal,
    rotate_enrolment_code,
    set_auto_approval,
    timezone_problems,
    update_site,
)
from watchbill.sites.store import Site, existing, ids_named, names_of

__all__ = [
    "MAX_AUTO_APPROVAL",
    "Site",
    "SiteChange",
    "SiteDraft",
    "by_id",
    "code_hash",
    "create_site",
    "delete_site",
    "enrolment_code",
    "existing",
    "find_by_code",
    "get_site",
    "ids_named",
    "list_sites",
    "masked",
    "names_of",
    "new_code",
    "reseal",
    "rotate_enrolment_code",
    "set_auto_approval",
    "timezone_problems",
    "update_site",
]
