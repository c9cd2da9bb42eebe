"""The rows of workflows in the authorization matrix, and all rows together."""

from tests.api.authorization_onboarding import ROWS as OTHERS
from tests.api.authorization_table import READ, SITE, P, Row
from tests.api.authorization_world import Things
from tests.api.workflow_graphs import document, node, pausing

_WRITE = (P.ASSEMBLIES_WRITE,)


def _on_site(things: Things):
    """A workflow with the devices of a site, which is seen or not."""
    return document(node("web", "devices_site", site_id=things.site_id), node("tell", "approval", message="?",
                    timeout_seconds=60), name="Drawn")  # fmt: skip


WORKFLOWS = (
    Row("GET /api/workflows/schema", READ),
    Row("GET /api/workflows/node_types", READ),
    Row("POST /api/workflows/check", _WRITE, body=lambda _: {"definition": pausing(name="Drawn")}),
    Row("POST /api/assemblies", _WRITE, SITE, _on_site, ok=201, is_in_path=False, unseen=422),
)
ROWS = (*OTHERS, *WORKFLOWS)
