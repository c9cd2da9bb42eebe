"""The rows of stops, waves, waiting work, reruns, output, places, the calendar and workers in the authorization matrix, and all rows together."""

from datetime import UTC, datetime, timedelta

from tests.api.authorization_credentials import ROWS as OTHERS
from tests.api.authorization_table import DEVICE, FILTER, JOB, OCCURRENCE, OF_JOB, READ, RUN, SITE, START, WORK, P, Row
from tests.api.authorization_vpn import ROWS as TUNNELS
from tests.api.authorization_world import HIDDEN_NAME, window_body

_SOON = (datetime.now(UTC) + timedelta(days=2)).isoformat()
_WAITING = "GET /api/waiting"
_CALENDAR = "GET /api/calendar"
_AROUND = {"from": (datetime.now(UTC) - timedelta(days=2)).isoformat(), "to": _SOON}
DELIVERY = (
    Row("GET /api/devices", READ, FILTER, query=lambda it: {"filter_id": it.filter_id}, is_in_path=False),
    Row("GET /api/devices/{device_id}/software", READ, DEVICE),
    Row("GET /api/devices/{device_id}/jobs", READ, DEVICE),
    Row("GET /api/devices/{device_id}/ssh_host_key", READ, DEVICE),
    Row("DELETE /api/devices/{device_id}/ssh_host_key", (P.DEVICES_WRITE,), DEVICE, ok=204),
    Row(f"GET {JOB}/devices/places", READ, WORK),
    Row(f"GET {JOB}/devices/places", READ, WORK, query=lambda _: {"q": HIDDEN_NAME}),
    Row(f"GET {JOB}/devices/place", READ, WORK, query=lambda _: {"step": "next"}),
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
    Row(_CALENDAR, READ, query=lambda _: _AROUND),
    Row(_CALENDAR, READ, WORK, query=lambda it: {**_AROUND, "job_id": it.job_id}, is_in_path=False, unseen=200),
    Row(_CALENDAR, READ, SITE, query=lambda it: {**_AROUND, "site_id": it.site_id}, is_in_path=False, unseen=200),
    Row("GET /api/audit/export", (P.AUDIT_READ,)),
    Row("GET /api/workers", (P.SERVICES_WRITE,), is_for_every_site=True),
    Row("POST /api/windows/preview", READ, body=lambda _: window_body("Not yet", [{"kind": "site", "site_id": 1}])),
    Row("GET /api/search", READ, query=lambda _: {"q": "output"}),
    Row("GET /api/search", READ, query=lambda it: {"q": "output", "job_id": it.job_id}),
)
ROWS = (*OTHERS, *TUNNELS, *DELIVERY)
