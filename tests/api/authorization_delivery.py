"""The rows of stops, waves, waiting work, reruns and output in the authorization matrix, and all rows together."""

from datetime import UTC, datetime, timedelta

from tests.api.authorization_files import ROWS as OTHERS
from tests.api.authorization_table import DEVICE, FILTER, JOB, OCCURRENCE, OF_JOB, READ, RUN, SITE, START, WORK, Row

_SOON = (datetime.now(UTC) + timedelta(days=2)).isoformat()
_WAITING = "GET /api/waiting"
DELIVERY = (
    Row("GET /api/devices", READ, FILTER, query=lambda it: {"filter_id": it.filter_id}, is_in_path=False),
    Row("GET /api/devices/{device_id}/jobs", READ, DEVICE),
    # Its run does not go in waves: whoever may say so is told.
    Row(f"POST {OF_JOB}/promote", START, OCCURRENCE, ok=409, spans=403),
    Row(f"POST {OF_JOB}/brake", RUN, OCCURRENCE, ok=409, spans=403),
    Row(f"GET {OF_JOB}/cancel", READ, OCCURRENCE),
    Row(f"GET {OF_JOB}/rerun", READ, OCCURRENCE),
    Row(f"POST {JOB}/cancel", RUN, WORK, ok=202, spans=403),
    Row("POST /api/runs/{run_id}/cancel", RUN, WORK, ok=202, spans=403),
    Row(f"POST {OF_JOB}/targets/{{target_id}}/cancel", RUN, OCCURRENCE, ok=202),
    Row(_WAITING, READ, query=lambda _: {"limit": 500}),
    Row(_WAITING, READ, WORK, query=lambda it: {"job_id": it.job_id}, is_in_path=False, unseen=200),
    Row(_WAITING, READ, SITE, query=lambda it: {"site_id": it.site_id}, is_in_path=False, unseen=200),
    Row(_WAITING, READ, DEVICE, query=lambda it: {"device_id": it.device_id}, is_in_path=False, unseen=200),
    Row("POST /api/waiting/purge", RUN, body=lambda _: {"everything": True, "reason": "x"}),
    Row("POST /api/waiting/expiry", RUN, body=lambda _: {"everything": True, "expires_at": _SOON}),
    Row("GET /api/executions/{execution_id}/output/download", READ, WORK, query=lambda _: {"stream": "both"}),
    Row(
        "GET /api/executions/{execution_id}/output/follow", READ, WORK, ok=204, headers=(("Last-Event-ID", "9-9-end"),)
    ),
    Row(f"GET {OF_JOB}/output_groups", READ, OCCURRENCE),
    Row(f"GET {OF_JOB}/export", READ, OCCURRENCE, query=lambda _: {"output": True}),
    Row(f"GET {OF_JOB}/export", READ, OCCURRENCE, query=lambda _: {"format": "jsonl"}),
    Row("GET /api/search", READ, query=lambda _: {"q": "output"}),
    Row("GET /api/search", READ, query=lambda it: {"q": "output", "job_id": it.job_id}),
)
ROWS = (*OTHERS, *DELIVERY)
