"""The rows of runs of workflows in the authorization matrix and all rows together."""

from tests.api.authorization_table import COMMON, READ, RUN, START, Kind, Row
from tests.api.authorization_webhooks import ROWS as OTHERS

_OF_WORKFLOW, _ONE = "/api/workflows/{assembly_id}/runs", "/api/workflow_runs/{run_id}"
_NODE = f"{_ONE}/nodes/{{node_id}}"
_AS = (("assembly_id", "hooked_id"),)
_RUN = (("run_id", "workflow_run_id"), ("node_id", "asking_node"))
#: The shared one reaches every site: everybody looks at it, and who does not see all of them changes nothing.
_RUNS = Kind(("own", "foreign", "shared", "absent"), ("own", "shared"))
RUNS = (
    Row(f"POST {_OF_WORKFLOW}", START, COMMON, lambda _: {"parameters": {"host": "web-1"}}, ok=202, path_as=_AS),
    Row(f"GET {_OF_WORKFLOW}", READ, COMMON, query=lambda _: {"limit": 500}, path_as=_AS),
    Row("GET /api/workflow_runs", READ, query=lambda _: {"limit": 500}),
    Row(f"GET {_ONE}", READ, _RUNS, path_as=_RUN),
    Row(f"POST {_ONE}/cancel", RUN, _RUNS, ok=202, spans=403, path_as=_RUN),
    # It goes on still.
    Row(f"POST {_ONE}/resume", START, _RUNS, lambda _: {"from": None}, ok=409, spans=403, path_as=_RUN),
    Row(f"GET {_NODE}", READ, _RUNS, path_as=_RUN),
    Row(f"GET {_NODE}/devices", READ, _RUNS, path_as=_RUN),
    Row(f"GET {_NODE}/rows", READ, _RUNS, path_as=_RUN),
    Row(f"POST {_NODE}/decision", RUN, _RUNS, lambda _: {"decision": "approve"}, spans=403, path_as=_RUN),
    Row("GET /api/workflow_approvals", READ, query=lambda _: {"limit": 500}),
)
ROWS = (*OTHERS, *RUNS)
