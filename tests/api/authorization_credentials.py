"""The rows of credentials in the authorization matrix, and all rows together."""

from tests.api.authorization_files import ROWS as OTHERS
from tests.api.authorization_table import READ, SITE, Kind, P, Row
from tests.api.authorization_world import HIDDEN_NAME, credential_body

_ALL, _ONE = "/api/credentials", "/api/credentials/{credential_id}"
_KEEP = (P.CREDENTIALS_WRITE,)
#: The shared one is for every site: seen by all, and changed by who sees every site.
_CREDENTIAL = Kind(("own", "foreign", "shared", "absent"), ("own", "shared"))
CREDENTIALS = (
    Row(f"GET {_ALL}", READ, query=lambda _: {"limit": 500}),
    Row(f"GET {_ALL}", READ, query=lambda _: {"q": HIDDEN_NAME}),
    Row(f"GET {_ALL}", READ, SITE, query=lambda it: {"site_id": it.site_id}, is_in_path=False, unseen=200),
    Row(f"POST {_ALL}", _KEEP, body=lambda _: credential_body("Fresh", None), ok=201, is_for_every_site=True),
    Row(
        f"POST {_ALL}",
        _KEEP,
        SITE,
        lambda it: credential_body("Fresh", it.site_id),
        ok=201,
        is_in_path=False,
        unseen=422,
    ),
    Row(f"GET {_ONE}", READ, _CREDENTIAL),
    Row(f"GET {_ONE}/usage", READ, _CREDENTIAL),
    Row(f"PUT {_ONE}", _KEEP, _CREDENTIAL, lambda it: credential_body("Fresh", it.site_id), spans=403),
    Row(f"DELETE {_ONE}", _KEEP, _CREDENTIAL, ok=204, spans=403),
)
ROWS = (*OTHERS, *CREDENTIALS)
