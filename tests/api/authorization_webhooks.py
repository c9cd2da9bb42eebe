"""The rows of webhooks in the authorization matrix, and all rows together."""

from tests.api.authorization_table import COMMON, READ, SAVE, Body, Kind, Row, Who
from tests.api.authorization_workflows import ROWS as OTHERS

_OF_WORKFLOW, _ONE = "/api/workflows/{assembly_id}/webhooks", "/api/webhooks/{webhook_id}"
_AS = (("assembly_id", "hooked_id"),)
#: Seen by who sees every site that it may reach: the shared one reaches all of them.
_HOOK = Kind(("own", "foreign", "shared", "absent"))
_BODY: Body = lambda _: {"name": "Fresh"}  # noqa: E731 - one of many bodies
WEBHOOKS = (
    Row(f"GET {_OF_WORKFLOW}", READ, COMMON, query=lambda _: {"limit": 500}, path_as=_AS),
    Row(f"POST {_OF_WORKFLOW}", SAVE, COMMON, _BODY, ok=201, path_as=_AS),
    Row(f"GET {_ONE}", READ, _HOOK),
    Row(f"PUT {_ONE}", SAVE, _HOOK, _BODY),
    Row(f"DELETE {_ONE}", SAVE, _HOOK, ok=204),
    Row(f"POST {_ONE}/rotate", SAVE, _HOOK),
    Row(f"GET {_ONE}/deliveries", SAVE, _HOOK),
    Row(f"POST {_ONE}/test", SAVE, _HOOK, lambda _: {"payload": {}}),
    # No proof: the same for everyone, and for every address.
    Row("POST /hooks/{public_id}", who=Who.ANYONE, body=lambda _: {}, ok=401, path_as=(("public_id", "webhook_id"),)),
)
ROWS = (*OTHERS, *WEBHOOKS)
