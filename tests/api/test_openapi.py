"""Whatever is sent, no operation answers with a server error, and every reply is what the OpenAPI document says.

Requests are made by schemathesis from the document itself, valid ones and broken ones, with the ids of things that exist put
into half of them; they go to the real application over a real database. The seed is printed with a failure: `FUZZ_SEED=… make
test ARGS=tests/api/test_openapi.py` repeats it. `make soak` sends many more, on a fresh seed.
"""

import asyncio
import json
import os
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from sqlalchemy import insert

from tests.api import document
from tests.api.conftest import SignIn, World
from tests.api.test_onboarding import found
from tests.api.test_onboarding import job as onboarding_job
from tests.factories.machines import Machine
from watchbill.api.common import Deps, ProblemDetails
from watchbill.api.events import Feed
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.runs.tables import executions, output_chunks

SEED = int(os.environ.get("FUZZ_SEED", "20261107"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
#: A stream of server-sent events does not end; its parameters are tried below, and what it sends in its own tests.
STREAMS = {"GET /api/events", "GET /api/executions/{execution_id}/output/follow"}

fuzzing = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],  # what was sent changes the database, so a smaller request is another story
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

load_all_checks()
CHECKS = [content_type_conformance, response_schema_conformance]


DOCUMENT = document.document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS: dict[str, APIOperation[Any, Any, Any, Any]] = {}
for one in SCHEMA.get_all_operations():
    assert isinstance(one, Ok), one.err()
    OPERATIONS[one.ok().label] = one.ok()


Known = dict[str, list[Any]]
Send = Callable[[httpx.Request], Awaitable[httpx.Response]]


@pytest.fixture
async def known(admin: httpx.AsyncClient, connect, db, world: World, clock, make_device) -> Known:
    """Ids of everything there can be, by the names that paths, queries and bodies call them."""
    crane, pump = [str(await make_device(name, world.site_a, online=True)) for name in ("crane", "pump")]
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await created(admin, "/api/assemblies", script))["id"]
    job = {
        "name": "Clean",
        "components": [{"assembly_id": assembly}],
        "targets": [{"kind": "device", "device_id": one} for one in (crane, pump)],
        "schedule": {"type": "every_15_minutes"},
    }
    job_id = (await created(admin, "/api/scheduled_jobs", job))["id"]
    occurrence = (await created(admin, f"/api/scheduled_jobs/{job_id}/rerun", {"targets": "all"}, status=202))["id"]
    run = (await admin.get(f"/api/scheduled_jobs/{job_id}/runs")).json()["items"][0]["runs"][0]["id"]
    rows = (await admin.get(f"/api/scheduled_jobs/{job_id}/devices")).json()["items"]
    login = {"name": "Root", "kind": "ssh", "username": "root", "password": "correct-horse"}
    credential = (await created(admin, "/api/credentials", login))["id"]
    looking = (await created(admin, "/api/scheduled_jobs", onboarding_job(world.site_a, credential)))["id"]
    looked = await created(admin, f"/api/onboarding/jobs/{looking}/redeploy", {"targets": "all"}, status=202)
    address = (await found(db, looked["id"], ("10.4.0.1", "failed", "no_space")))[0]
    window = {
        "name": "Sundays",
        "kind": "allow",
        "spans": [{"schedule": {"type": "weekly", "start": "2026-01-04T02:00"}, "duration_seconds": 7200}],
        "attachments": [{"kind": "site", "site_id": world.site_a}],
    }
    window_id = (await created(admin, "/api/windows", window))["id"]
    field = await created(admin, "/api/custom_fields", {"name": "asset_number", "label": "Asset", "type": "text"})
    view_id = (await created(admin, "/api/views", {"name": "All", "screen": "jobs"}))["id"]
    hook = {"kind": "webhook", "name": "Night", "url": "https://192.0.2.1/hook"}
    channel_id = (await created(admin, "/api/notification_channels", hook))["id"]
    told = {"events": ["failed"], "channel_ids": [channel_id]}
    rule_id = (await created(admin, "/api/notification_rules", told))["id"]
    token = await created(admin, "/api/api_tokens", {"name": "one", "scopes": ["read"]})
    code = (await admin.get(f"/api/sites/{world.site_a}")).json()["enrolment_code"]
    approval = (await Machine(await connect()).enrol(code)).json()["enrolment_id"]
    execution = await began(db, clock, run, rows[0]["target_id"], crane, world.site_a)
    return {
        "site_id": [world.site_a, world.site_b],
        "device_id": [crane, pump],
        "operator_id": [world.viewer.id, world.admin.id],
        "assembly_id": [assembly],
        "revision": [1],
        "job_id": [job_id, looking],
        "occurrence": [occurrence, "latest", looked["id"]],
        "target_id": [address],
        "credential_id": [credential],
        "run_id": [run],
        "execution_id": [execution],
        "token_id": [token["id"]],
        "window_id": [window_id],
        "field_id": [field["id"]],
        "view_id": [view_id],
        "channel_id": [channel_id],
        "rule_id": [rule_id],
        "approval_id": [approval],
        "enrolment_id": [approval],
    }


async def created(client: httpx.AsyncClient, path: str, body: object, *, status: int = 201) -> Any:
    reply = await client.post(path, json=body)
    assert reply.status_code == status, reply.text
    return reply.json()


async def began(db: Database, clock: Clock, run_id: int, target_id: int, device_id: str, site_id: int) -> str:
    """An execution with some output, as if the device had started."""
    made = uuid.uuid4()
    async with db.begin() as tx:
        now = await clock.now(tx)
        row = {
            "id": made,
            "target_id": target_id,
            "run_id": run_id,
            "device_id": uuid.UUID(device_id),
            "site_id": site_id,
            "component": 0,
            "attempt": 1,
            "term": 1,
            "state": "running",
            "start_by_at": now,
            "dispatched_at": now,
            "started_at": now,
            "stdout_bytes": 6,
            "stderr_bytes": 0,
            "stored_bytes": 6,
            "truncated": False,
        }
        await tx.execute(insert(executions).values(row))
        chunk = {"run_id": run_id, "execution_id": made, "stream": 1, "at_offset": 0, "data": b"hello\n"}
        await tx.execute(insert(output_chunks).values(chunk))
    return str(made)


@pytest.fixture
async def send(connect, world: World, signed_in: SignIn) -> Send:
    """Sends as the admin, who signs in again when a request has ended the session."""
    client = await signed_in(world.admin)

    async def as_admin(request: httpx.Request) -> httpx.Response:
        nonlocal client
        for name in ("cookie", "x-csrf-token"):
            if name not in request.headers:
                request.headers[name] = client.build_request("GET", "/").headers[name]
        reply = await client.send(request)
        if reply.status_code == 401 and await is_signed_out(client):
            client = await signed_in(world.admin)
        return reply

    return as_admin


async def is_signed_out(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/session")).status_code == 401


@pytest.mark.parametrize("label", sorted(OPERATIONS.keys() - STREAMS))
@pytest.mark.timeout(120)
@seed(SEED)
@fuzzing
@given(data=st.data())
async def test_whatever_is_sent_is_answered(label: str, known: Known, send: Send, data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    case = data.draw(OPERATIONS[label].as_strategy(generation_mode=mode))
    if data.draw(st.booleans()):
        put_real_ids(case, known, random.Random(data.draw(st.integers(0, 2**32))))
    reply = await send(request_of(case))
    assert reply.status_code < 500, reply.text
    if reply.status_code < 400:
        is_json = reply.headers.get("content-type") == "application/json"
        case.validate_response(reply, checks=CHECKS if is_json else CHECKS[:1])
    else:
        assert reply.headers["content-type"] == "application/problem+json"
        refusal = ProblemDetails.model_validate_json(reply.content)
        assert refusal.status == reply.status_code


def put_real_ids(case: Case[Any], known: Known, chance: random.Random) -> None:
    for part in (case.path_parameters, case.query, case.body):
        put_into(part, known, chance)


def put_into(value: Any, known: Known, chance: random.Random) -> None:
    """Replace, at any depth, what stands under a known name."""
    if isinstance(value, list):
        for one in value:
            put_into(one, known, chance)
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in known:
            value[name] = chance.choice(known[name])
        elif name.removesuffix("s") in known:
            value[name] = known[name.removesuffix("s")]
        else:
            put_into(inner, known, chance)


def request_of(case: Case[Any]) -> httpx.Request:
    """The case as it goes over the wire; what no client could write is not tried."""
    made = case.as_transport_kwargs(base_url="http://watchbill.test")
    content = json.dumps(made["json"]).encode() if "json" in made else made.get("data")
    headers = {name: str(value).encode("utf-8", "replace") for name, value in made["headers"].items()}
    if made.get("cookies"):
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in made["cookies"].items()).encode()
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    try:
        return httpx.Request(made["method"], made["url"], params=made["params"], headers=headers, content=content)
    except (httpx.InvalidURL, UnicodeEncodeError):
        assume(condition=False)
        raise


_GARBAGE = st.one_of(
    st.sampled_from(
        [b'""', b"*", b'W/"1"', b'"1", "2"', b"0", b"-1", b"1-1", b"99999999999999999999-1", b"1-99999999999999999999"]
    ),
    st.sampled_from([b"Bearer wbt_", b"Bearer ", b"Basic eDp5", b"null", b"\xff\xfe", b"a" * 5000, b"=;=;;", b"%00"]),
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")),
)
_HEADERS = st.sampled_from(
    (
        *(b"if-match", b"idempotency-key", b"last-event-id", b"authorization", b"cookie", b"x-csrf-token", b"range"),
        *(b"x-request-id", b"content-type", b"accept", b"host", b"content-length", b"transfer-encoding", b"origin"),
    )
)
_REQUESTS = [
    ("GET", "/api/session", None),
    ("GET", "/api/scheduled_jobs", None),
    ("PUT", "/api/scheduled_jobs/1", {}),
    ("POST", "/api/sites", {"name": "Pier"}),
    ("POST", "/api/scheduled_jobs/1/rerun", {"targets": "all"}),
    ("PATCH", "/api/sites/1", {"description": "new"}),
    ("POST", "/api/session", {"username": "ada", "password": "wrong"}),
    ("POST", "/api/agent/challenge", {"device_id": "00000000-0000-0000-0000-000000000000"}),
    ("GET", "/api/nothing", None),
    ("TRACE", "/api/sites", None),
]


@pytest.mark.timeout(120)
@seed(SEED)
@settings(fuzzing, max_examples=EXAMPLES * 10)
@given(what=st.sampled_from(_REQUESTS), headers=st.dictionaries(_HEADERS, _GARBAGE, min_size=1, max_size=4))
async def test_headers_of_any_kind_are_answered(known: Known, send: Send, what, headers: dict[bytes, bytes]) -> None:
    method, path, body = what
    request = httpx.Request(method, f"http://watchbill.test{path}", json=body, headers=list(headers.items()))
    reply = await send(request)
    assert reply.status_code < 500, (reply.status_code, reply.text)
    if reply.status_code >= 400:
        assert reply.headers["content-type"] == "application/problem+json"


@pytest.fixture
def fed(app: FastAPI, deps: Deps) -> FastAPI:
    app.state.feed = Feed(deps)
    return app


@pytest.mark.timeout(120)
@seed(SEED)
@settings(fuzzing, max_examples=EXAMPLES * 2)
@given(last=_GARBAGE, kinds=st.none() | st.text(max_size=20))
async def test_a_stream_begins_or_is_refused(
    known: Known, fed: FastAPI, world: World, signed_in: SignIn, last: bytes, kinds: str | None
) -> None:
    client = await signed_in(world.admin)
    params = {"kinds": kinds} if kinds is not None else {}
    request = client.build_request("GET", "/api/events", params=params, headers=[(b"last-event-id", last)])
    status, received = await opening_of(fed, request)
    assert status in {200, 422}, status
    if status == 200:
        assert received.startswith(b"retry:")


async def opening_of(app: FastAPI, request: httpx.Request, until: bytes = b"") -> tuple[int, bytes]:
    """Status and first lines of a reply that need not end: the client goes away once it has read them, or read `until`."""
    status, received, gone = 0, b"", asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def answer(message: Any) -> None:
        nonlocal status, received
        status = message.get("status", status)
        received += message.get("body", b"")
        if received and until in received:
            asyncio.get_running_loop().call_later(0.02, gone.set)

    asked: list[bool] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "root_path": "",
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("192.0.2.1", 40_000),
        "server": ("watchbill.test", 80),
    }
    async with asyncio.timeout(10):
        await app(scope, receive, answer)
    return status, received


def test_the_consoles_client_knows_this_document() -> None:
    is_same = document.FILE.read_text(encoding="utf-8") == document.text()
    assert is_same, "`make api-client` writes the document and the client anew"


def test_every_operation_is_named_once() -> None:
    names = [one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()]
    assert sorted(set(names)) == sorted(names)
    assert DOCUMENT["openapi"].startswith("3.1")


def test_nothing_but_streams_is_left_out() -> None:
    assert OPERATIONS.keys() >= STREAMS
    assert len(OPERATIONS) > 60
