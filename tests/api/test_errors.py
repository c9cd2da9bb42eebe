"""What every endpoint has in common: who gets in, how refusals look, which headers go out, what the document says."""

import json
import re

import httpx
import pytest

from tests.api.conftest import BASE_URL, codes
from watchbill.api import auth
from watchbill.api.app import ROUTERS, create_app
from watchbill.api.common import Deps, PublicRoute, TransactionalRoute
from watchbill.api.middleware import MAX_BODY_BYTES
from watchbill.kit.db import Database

#: Everything that answers somebody who is not signed in. A new public endpoint has to be added here by hand.
PUBLIC = {
    ("GET", "/{path:console_path}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/api/docs"),
    ("GET", "/api/openapi.json"),
    ("POST", "/api/session"),
    ("POST", "/api/agent/enrol"),
    ("POST", "/api/agent/enrol/{enrolment_id}/poll"),
    ("POST", "/api/agent/challenge"),
    ("POST", "/api/agent/token"),
    # Each with a proof of its own: an enrolment code, a signature or a token; and a script that says nothing of anybody.
    ("GET", "/api/agent/packages/{platform}/{arch}"),
    ("GET", "/install.sh"),
    ("POST", "/hooks/{public_id}"),
}


#: Streams hold no transaction while they last; they ask who is there themselves (and are asked below like all others).
STREAMS = {
    ("GET", "/api/audit/export"),
    ("GET", "/api/events"),
    ("POST", "/api/agent_packages"),
    ("POST", "/api/assembly_files"),
    ("POST", "/api/assemblies/import_zip"),
    ("GET", "/api/assemblies/{assembly_id}/export_zip"),
    ("GET", "/api/assemblies/{assembly_id}/files/{name}"),
    ("GET", "/api/executions/{execution_id}/output/download"),
    ("GET", "/api/executions/{execution_id}/output/follow"),
    ("GET", "/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/export"),
    ("GET", "/api/onboarding/jobs/{job_id}/targets/export"),
}


def filled(path: str) -> str:
    """The path with ids of things that do not exist."""
    path = re.sub(
        r"\{(device|approval|assembly|execution|enrolment|target)_id\}", "00000000-0000-4000-8000-000000000001", path
    )
    return re.sub(r"\{[^}]+\}", "1", path)


def operations(app) -> list[tuple[str, str, dict[str, object]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


async def test_every_operation_but_the_listed_ones_needs_a_caller(app, anonymous):
    unlisted = [(method, path) for method, path, _ in operations(app) if (method, path) not in PUBLIC]
    assert len(unlisted) > 25
    for method, path in unlisted:
        reply = await anonymous.request(method, filled(path))
        assert (method, path, reply.status_code) == (method, path, 401)
        assert reply.json()["code"] == "not_signed_in"


async def test_a_write_with_a_cookie_needs_the_csrf_token_at_every_operation(app, admin):
    del admin.headers[auth.CSRF_HEADER]
    for method, path, _ in operations(app):
        if method != "GET" and (method, path) not in PUBLIC:
            reply = await admin.request(method, filled(path))
            assert (method, path, reply.json()["code"]) == (method, path, "csrf_token_mismatch")


def test_only_listed_routes_are_public_in_code():
    public = {
        (method, str(getattr(route, "path", "")).replace("{name:path}", "{name}"))
        for router in ROUTERS
        for route in router.routes
        for method in getattr(route, "methods", ())
        if isinstance(route, PublicRoute) or not isinstance(route, TransactionalRoute)
    }
    assert public <= PUBLIC | STREAMS


def test_operation_ids_are_unique_and_every_operation_is_described_by_openapi_3_1(app):
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    ids = [operation["operationId"] for _, _, operation in operations(app)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"{", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"", "invalid_content"),
        (b"[]", "invalid_content"),
        (b'"text"', "invalid_content"),
        (b'{"name": NaN}', "invalid_content"),
        (b'{"name": "x", "nmae": "y"}', "invalid_content"),
        (b'{"name": "a\\u0000b"}', "invalid_content"),
        (b'{"name": "a", "description": "\\ud800"}', "invalid_content"),
    ],
)
async def test_a_body_that_is_not_what_is_asked_for_is_refused_with_a_problem(admin, sent, code):
    reply = await admin.post("/api/sites", content=sent, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert set(reply.json()) == {"type", "title", "status", "detail", "code", "errors"}


async def test_a_body_nested_beyond_all_reason_is_refused(admin):
    sent = b"[" * 100_000
    reply = await admin.post("/api/sites", content=sent, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_request")


async def test_every_unstorable_text_is_named(admin):
    body = {"name": "\0", "list": [1, {"deep": "\ud800x"}], "fine": "\ud83d\ude00"}
    sent = json.dumps(body).encode()
    reply = await admin.post("/api/sites", content=sent, headers={"Content-Type": "application/json"})
    assert codes(reply) == {"name": "unstorable_text", "list.1.deep": "unstorable_text"}


async def test_a_text_with_emoji_is_kept_as_it_is(admin):
    sent = b'{"name": "Depot \\ud83d\\ude00"}'
    reply = await admin.post("/api/sites", content=sent, headers={"Content-Type": "application/json"})
    assert reply.json()["name"] == "Depot \U0001f600"


async def test_form_data_is_no_way_in(anonymous, world):
    """A foreign page can post a form without asking; it must not be taken for JSON."""
    form = {"Content-Type": "text/plain"}
    reply = await anonymous.post("/api/session", content=b'{"username":"ada","password":"x"}', headers=form)
    assert reply.status_code == 422


@pytest.mark.parametrize("path", ["/api/sites/0", "/api/sites/x", "/api/sites/9223372036854775808", "/api/devices/x"])
async def test_an_id_that_cannot_be_one_is_invalid(admin, path):
    assert (await admin.get(path)).status_code == 422


async def test_nul_in_a_query_is_invalid_not_a_fault(admin):
    reply = await admin.get("/api/sites?q=a%00b")
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_content")


async def test_unknown_paths_and_methods_are_problems_too(admin):
    assert (await admin.get("/api/nothing")).json()["code"] == "not_found"
    reply = await admin.put("/api/sites")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in reply.headers["allow"]


async def test_a_body_beyond_the_limit_is_refused_whether_announced_or_not(admin, anonymous):
    big = b" " * (MAX_BODY_BYTES + 1)

    async def in_pieces():
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    headers = {"Content-Type": "application/json"}
    for client, path in ((admin, "/api/sites"), (anonymous, "/api/session"), (anonymous, "/api/agent/enrol")):
        for content in (big, in_pieces()):
            reply = await client.post(path, content=content, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (413, "too_large")


async def test_security_headers_are_on_replies_refusals_and_pages(admin, anonymous):
    for reply in (await admin.get("/api/sites"), await anonymous.get("/api/sites"), await anonymous.get("/api/docs")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["cache-control"] == "no-store"


async def test_pages_fetch_nothing_from_elsewhere(anonymous):
    page = await anonymous.get("/api/docs")
    assert page.status_code == 200
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", page.text)
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert "docs" in page.text or "openapi.json" in page.text


async def test_a_request_id_is_given_or_taken_over(anonymous):
    assert len((await anonymous.get("/healthz")).headers["x-request-id"]) == 32
    given = {"X-Request-Id": "trace-12345678"}
    assert (await anonymous.get("/healthz", headers=given)).headers["x-request-id"] == "trace-12345678"
    forged = {"X-Request-Id": "a b"}
    assert (await anonymous.get("/healthz", headers=forged)).headers["x-request-id"] != "a b"


async def test_the_log_tells_who_did_what_but_no_secret(anonymous, world, capsys):
    await anonymous.post("/api/session?token=wbt_in_the_query", json={"username": "ada", "password": "in-the-body-1"})
    out, err = capsys.readouterr()
    assert "/api/session" in out + err
    assert "wbt_in_the_query" not in out + err and "in-the-body-1" not in out + err


async def test_without_a_database_the_process_lives_but_is_not_ready(deps: Deps):
    lost = Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)
    transport = httpx.ASGITransport(app=create_app(Deps(lost, deps.clock, deps.keys, deps.settings)))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        reply = await client.get("/readyz")
    assert (reply.status_code, reply.json()["code"]) == (503, "database_unavailable")
    assert reply.headers["retry-after"]


async def test_an_unforeseen_fault_is_a_problem_that_names_the_request(deps: Deps, app):
    async def fail() -> None:
        raise RuntimeError("a secret of ours")

    app.add_api_route("/api/boom", fail)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        reply = await client.get("/api/boom", headers={"X-Request-Id": "trace-12345678"})
    assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
    assert "trace-12345678" in reply.json()["detail"]
    assert "secret" not in reply.text


async def test_metrics_count_requests_by_route_for_signed_in_scrapers(viewer, world):
    await viewer.get(f"/api/sites/{world.site_a}")
    page = await viewer.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert 'route="/api/sites/{site_id}",status="200"' in page.text
