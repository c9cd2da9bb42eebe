"""The rows of the agent's packages in the authorization matrix, and all rows together."""

from tests.api.authorization_accounts import ROWS as OTHERS
from tests.api.authorization_table import READ, P, Row, Who
from tests.factories.packages import package

_WRITE = (P.PACKAGES_WRITE,)
_NUMBERED = (("package_id", "site_id"),)
_PACKAGES = "/api/agent_packages"
PACKAGES = (
    Row(f"GET {_PACKAGES}", READ),
    Row(
        f"POST {_PACKAGES}",
        _WRITE,
        body=lambda _: package(),
        ok=201,
        content_type="application/octet-stream",
        is_for_every_site=True,
    ),
    # There is none of that number: whoever may is told.
    Row(
        f"POST {_PACKAGES}/{{package_id}}/promote",
        _WRITE,
        body=lambda _: {"branch": "beta"},
        ok=404,
        is_for_every_site=True,
        path_as=_NUMBERED,
    ),
    Row(f"POST {_PACKAGES}/{{package_id}}/withdraw", _WRITE, ok=404, is_for_every_site=True, path_as=_NUMBERED),
    # A machine that there is not; tests/api/test_agent_packages.py has who gets what.
    Row(
        "GET /api/agent/packages/{platform}/{arch}",
        who=Who.AGENTS,
        ok=422,
        path_as=(("platform", "site_id"), ("arch", "site_id")),
    ),
    Row("GET /install.sh", who=Who.ANYONE),
)
ROWS = (*OTHERS, *PACKAGES)
