"""Requests of nodes to real servers: how they end, what is kept of an answer, and that no secret comes back."""

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import Scene
from tests.notifications import sinks
from tests.winrm.certificates import authority, signed
from watchbill import variables
from watchbill.core.http_texts import build
from watchbill.core.variable_rules import Found, Place
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.workflows import http_requests
from watchbill.workflows.http_requests import MOST_BODY, HttpAnswer

TOKEN = 'S3cret"Tok/en+1'


def answer(body: bytes, kind: str = "application/json", status: int = 200, *more: str) -> bytes:
    head = [
        f"HTTP/1.1 {status} Said",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *more,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def held(value: Any = TOKEN, *, is_secret: bool = True) -> dict[str, Found]:
    return {"TOKEN": Found(1, Place(), "TOKEN", is_secret, value)}


async def sent(url: str, values: dict[str, Found] | None = None, *, allows: bool = True, **settings: Any) -> HttpAnswer:
    request = build({"method": "GET", "url": url, "timeout_seconds": 10, **settings}, lambda source: source)
    async with asyncio.timeout(15):
        return await http_requests.send(request, values or {}, allows_private=allows)


async def test_an_answer_in_json_is_parsed(capfd: pytest.CaptureFixture[str]) -> None:
    async with sinks.http(
        answer(b'{"a": [1, {"b": null}]}', "application/problem+json", 201, "ETag: x", "Set-Cookie: c")
    ) as server:
        got = await sent(
            server.url(),
            held(),
            method="POST",
            body='{"q": 1}',
            headers={"Authorization": "Bearer {{ variables.TOKEN }}"},
        )
    assert got.result() == {
        "state": "success",
        "status": 201,
        "headers": {"content-type": "application/problem+json", "etag": "x"},
        "body": {"a": [1, {"b": None}]},
    }
    (request,) = server.requests
    assert (request.method, request.body) == ("POST", b'{"q": 1}')
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"{not json", b"\xff\xfe", b"[NaN]", b"[" * 5000, b"[" * 60 + b"]" * 60, b""])
async def test_what_is_no_json_stays_a_text(body: bytes) -> None:
    async with sinks.http(answer(body)) as server:
        got = await sent(server.url())
    assert (got.state, got.body) == ("success", body.decode("utf-8", "replace"))


async def test_nothing_comes_back_that_cannot_be_stored() -> None:
    async with sinks.http(answer(b'{"a\\u0000": "\\ud800"}'), answer(b"a\0b", "text/plain")) as server:
        assert (await sent(server.url())).body == {"a\ufffd": "\ufffd"}
        assert (await sent(server.url())).body == "a\ufffdb"


async def test_of_a_huge_answer_the_beginning_is_kept_and_it_is_said() -> None:
    flood = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500000000\r\n\r\n" + b"x" * 200_000
    async with sinks.http(flood) as server:
        got = await sent(server.url())
    assert got.state == "success"
    assert len(got.body) == MOST_BODY
    assert "only the first 64 KiB" in (got.detail or "")


async def test_a_slow_server_is_given_up() -> None:
    async with sinks.http(None) as server:
        got = await sent(server.url(), timeout_seconds=1)
    assert (got.state, got.reason) == ("timed_out", "timed_out")
    assert got.detail == "There was no whole answer within 1 seconds."


async def test_a_server_that_goes_on_slowly_for_ever_is_given_up() -> None:
    has_ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
            writer.close()
            await writer.wait_closed()
        has_ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        got = await sent(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", timeout_seconds=1)
        await has_ended.wait()
    assert (got.state, got.reason) == ("timed_out", "timed_out")
    assert got.detail == "There was no whole answer within 1 seconds."


async def test_a_redirect_is_not_followed() -> None:
    async with sinks.http(
        b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/other\r\nContent-Length: 0\r\n\r\n"
    ) as server:
        got = await sent(server.url())
        expected = await sent(server.url(), expect=[302])
    assert (got.state, got.reason, got.status) == ("failed", "redirected", 302)
    assert (expected.state, expected.headers["location"]) == ("success", "http://127.0.0.1:1/other")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "expect", "state"), [(404, None, "failed"), (404, [404], "success"), (200, [201], "failed")]
)
async def test_the_status_is_judged_by_what_is_expected(status: int, expect: Any, state: str) -> None:
    async with sinks.http(answer(b'{"why": 1}', status=status)) as server:
        got = await sent(server.url(), expect=expect)
    assert (got.state, got.status, got.body) == (state, status, {"why": 1})
    assert (got.reason == "unexpected_status") == (state == "failed")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"])
async def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    async with sinks.http() as server:
        got = await sent(server.url(host=host), allows=False)
    assert (got.state, got.reason) == ("failed", "refused_address")
    assert "not a public address" in (got.detail or "")
    assert server.requests == []


async def test_who_is_not_there_or_hangs_up_is_told_apart() -> None:
    assert (await sent("http://127.0.0.1:1/")).reason == "unreachable"
    assert (await sent("http://no-such-host.invalid/")).reason == "unreachable"
    async with sinks.http(b"") as server:
        assert (await sent(server.url())).reason == "connection_lost"
    async with sinks.http(b"garbage\r\n\r\n") as server:
        assert (await sent(server.url())).reason == "connection_lost"
    async with sinks.http(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") as server:
        server.gone.set()
        assert (await sent(server.url())).reason == "connection_lost"


async def test_a_reset_connection_is_a_failure() -> None:
    async with resetting() as port:
        assert (await sent(f"http://127.0.0.1:{port}/")).reason == "connection_lost"


@asynccontextmanager
async def resetting() -> AsyncIterator[int]:
    """A server that answers with a TCP reset."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    pair = signed(authority("Nobody"), "server", "127.0.0.1")
    (tmp_path / "tls.pem").write_text(pair.pem + pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        greeting = asyncio.get_running_loop().run_in_executor(None, greet, listener, context)
        got = await sent(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        await greeting
    assert (got.state, got.reason) == ("failed", "tls_error"), got


def greet(listener: socket.socket, context: ssl.SSLContext) -> None:
    """One TLS handshake, which whoever connects may refuse."""
    raw, _ = listener.accept()
    with raw, suppress(OSError):
        context.wrap_socket(raw, server_side=True).close()


async def test_a_secret_never_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    escaped = "".join(f"\\u{ord(sign):04x}" for sign in TOKEN)
    echo = (
        json.dumps({"token": TOKEN, TOKEN: [base64.b64encode(TOKEN.encode()).decode()]})[:-1]
        + f', "u": "{escaped}"'
        + "}"
    )
    location = f"X-Request-Id: {TOKEN}"
    headers = {"Authorization": "Bearer {{ variables.TOKEN }}"}
    async with sinks.http(
        answer(echo.encode(), "application/json", 200, location), answer(TOKEN.encode(), "text/plain", 500)
    ) as server:
        first = await sent(server.url(), held(), headers=headers)
        second = await sent(server.url(), held(), headers=headers)
    assert first.body == {"token": "***", "***": ["***"], "u": "***"}
    assert first.headers["x-request-id"] == "***"
    assert second.body == "***"
    for got in (first, second):
        assert TOKEN not in repr(got)
    assert TOKEN not in caplog.text


async def test_a_secret_at_the_cut_is_masked_whole() -> None:
    body = b"x" * (MOST_BODY - 5) + TOKEN.encode() + b"y" * 1000
    async with sinks.http(answer(body, "text/plain")) as server:
        got = await sent(server.url(), held(), headers={"X-A": "{{ variables.TOKEN }}"})
    assert got.body.endswith("x***yy")
    assert len(got.body) == MOST_BODY


async def test_plain_variables_are_left_in_the_answer() -> None:
    async with sinks.http(answer(b'"region north"')) as server:
        got = await sent(server.url("/{{ variables.TOKEN }}"), held("north", is_secret=False))
    assert (server.requests[0].path, got.body) == ("/north", "region north")


async def test_what_does_not_fit_is_not_sent_and_not_told() -> None:
    async with sinks.http() as server:
        broken = await sent(server.url(), held("two\r\nlines"), headers={"X-A": "{{ variables.TOKEN }}"})
        missing = await sent(server.url(), headers={"X-A": "{{ variables.TOKEN }}"})
        hosts = await sent("http://{{ variables.TOKEN }}/", held("no-such-host-3141.invalid"))
    assert [one.reason for one in (broken, missing, hosts)] == ["unsendable", "unsendable", "unreachable"]
    assert "lines" not in (broken.detail or "")
    assert "3141" not in (hosts.detail or "")
    assert server.requests == []


async def test_only_values_for_everything_are_opened(db: Database, scene: Scene, keys: KeyRing) -> None:
    async with db.begin() as tx:
        await _set(tx, scene, keys, name="TOKEN", value=TOKEN, is_secret=True)
        await _set(tx, scene, keys, name="PORT", value=8080)
        await _set(tx, scene, keys, name="LOCAL", value="x", site_id=scene.site)
        found = await variables.for_everything(tx, keys, {"TOKEN", "PORT", "LOCAL", "NONE"})
    assert {name: (one.value, one.is_secret) for name, one in found.items()} == {
        "TOKEN": (TOKEN, True),
        "PORT": (8080, False),
    }


async def _set(tx: AsyncConnection, scene: Scene, keys: KeyRing, **value: Any) -> None:
    await variables.create(tx, scene.admin, value, keys=keys, now=scene.now)
