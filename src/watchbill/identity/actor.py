"""Who is asking, what they may do, and which sites they see. Every face above takes an Actor; none looks it up again."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, any_, false, literal, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from watchbill.kit.errors import ForbiddenError


class Role(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Permission(StrEnum):
    """What an operator may be allowed to do; API tokens carry a subset as their scopes."""

    READ = "read"
    JOBS_WRITE = "jobs:write"
    JOBS_RUN = "jobs:run"
    RUN_AS_SYSTEM = "run_as_system"
    ASSEMBLIES_WRITE = "assemblies:write"
    DEVICES_WRITE = "devices:write"
    APPROVALS_DECIDE = "approvals:decide"
    SITES_WRITE = "sites:write"
    OPERATORS_WRITE = "operators:write"
    SERVICES_WRITE = "services:write"
    AUDIT_READ = "audit:read"
    WINDOWS_WRITE = "windows:write"
    CUSTOM_FIELDS_WRITE = "custom_fields:write"
    FILTERS_WRITE = "filters:write"
    NOTIFICATIONS_WRITE = "notifications:write"
    #: Channels lead out of the Engine, and are for those who see every site.
    CHANNELS_WRITE = "channels:write"
    #: Values of variables for sites and devices; for everything, with every site in sight.
    VARIABLES_WRITE = "variables:write"
    #: Credentials of sites; those for every site, with every site in sight.
    CREDENTIALS_WRITE = "credentials:write"
    #: What agents are made of, on every device.
    PACKAGES_WRITE = "packages:write"
    #: Start work by hand although a window is closed; the reason is kept.
    WINDOWS_OVERRIDE = "windows:override"


_OPERATOR = frozenset(
    {
        Permission.READ,
        Permission.JOBS_WRITE,
        Permission.JOBS_RUN,
        Permission.RUN_AS_SYSTEM,
        Permission.ASSEMBLIES_WRITE,
        Permission.DEVICES_WRITE,
        Permission.APPROVALS_DECIDE,
        Permission.WINDOWS_WRITE,
        Permission.WINDOWS_OVERRIDE,
        Permission.FILTERS_WRITE,
        Permission.NOTIFICATIONS_WRITE,
        Permission.VARIABLES_WRITE,
        Permission.CREDENTIALS_WRITE,
    }
)
ROLE_PERMISSIONS = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: _OPERATOR,
    Role.VIEWER: frozenset({Permission.READ}),
}


@dataclass(frozen=True, slots=True)
class SiteScope:
    """The sites somebody sees. `site_ids` None = every site, and what belongs to none; an empty set sees nothing."""

    site_ids: frozenset[int] | None

    def allows(self, site_id: int | None) -> bool:
        return self.site_ids is None or site_id in self.site_ids

    def clause(self, column: ColumnElement[int] | ColumnElement[int | None]) -> ColumnElement[bool]:
        """The scope as a condition on a site id column. NULL, and 0 for 'no site', match the unlimited scope only."""
        if self.site_ids is None:
            return true()
        if not self.site_ids:
            return false()
        return column == any_(literal(sorted(self.site_ids), ARRAY(BigInteger)))

    def as_list(self) -> list[int] | None:
        """For a nullable array parameter or column: None = every site."""
        return None if self.site_ids is None else sorted(self.site_ids)


EVERY_SITE = SiteScope(None)


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in operator as seen by one request. `name` is what audit rows show."""

    operator_id: int | None
    name: str
    role: Role
    scope: SiteScope
    permissions: frozenset[Permission]
    remote_addr: str | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, *needed: Permission) -> None:
        """Raise ForbiddenError unless every permission is held."""
        lacking = [permission for permission in needed if permission not in self.permissions]
        if lacking:
            raise ForbiddenError(f"This needs the permission {_listed(lacking)}, which {self.name} does not have.")


def _listed(permissions: Iterable[Permission]) -> str:
    return " and ".join(f"`{permission}`" for permission in permissions)


#: The Engine itself, when it acts on its own (auto-approval, retention, first start).
ENGINE = Actor(None, "engine", Role.ADMIN, EVERY_SITE, frozenset(Permission))
