"""The authorization matrix: every route × everyone who may ask × every side of a site boundary.

Not seen = 404, seen and not allowed = 403, not signed in = 401, and in no reply a word about what the caller does not see. What each
route needs is the table in `authorization_table`; the things are those of `authorization_world`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from tests.api.authorization_runs import ROWS
from tests.api.authorization_table import Kind, Row, Who
from tests.api.authorization_world import HIDDEN_NAME, Caller, Stage, Things, World, build
from tests.api.conftest import Connect, SignIn
from tests.api.test_openapi import DOCUMENT, opening_of
from watchbill.api.app import ROUTERS, create_app
from watchbill.api.common import Deps
from watchbill.api.events import Feed

_WORD = re.compile(r"[0-9A-Za-z-]+")
#: Numbers of devices or targets: nobody but an admin may be told of more than the own site has.
_NUMBERS = ("devices", "device_count", "targets", "eligible", "online_count")


@pytest.fixture
async def stage(deps: Deps):
    made = Stage(deps)
    yield made
    await made.close()


@pytest.fixture
async def sides(deps: Deps, signed_in: SignIn, connect: Connect) -> World:
    return await build(deps, signed_in, connect)


def routes_of(app: FastAPI) -> set[str]:
    """Of the OpenAPI document, and those that are not in it."""
    documented = {f"{method.upper()} {path}" for path, some in DOCUMENT["paths"].items() for method in some}
    served = {
        f"{method} {route.path.replace('{name:path}', '{name}')}"
        for route in [*app.routes, *(one for router in ROUTERS for one in router.routes)]
        if isinstance(route, APIRoute | Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    return documented | served


def test_every_route_has_its_row_and_every_row_its_route(app: FastAPI) -> None:
    there, told = routes_of(app), {row.route for row in ROWS}
    assert sorted(there - told) == [], "these routes have no row in tests/api/authorization_table.py"
    assert sorted(told - there) == [], "these rows have no route"


@dataclass(frozen=True)
class Cell:
    """One request: who asks for what by which route."""

    row: Row
    caller: Caller
    side: str
    things: Things
    own: Things

    def __str__(self) -> str:
        return f"{self.row.route} as {self.caller.name} of what is {self.side}"

    @property
    def expected(self) -> int:
        row, caller = self.row, self.caller
        if row.who is not Who.SIGNED_IN:
            return row.ok
        if caller.permissions is None:
            return 401
        refused = not set(row.needs) <= caller.permissions or (row.needs_session and not caller.has_session)
        refused = refused or (row.is_for_every_site and not caller.sees_all)
        is_seen = row.names is None or self._is_seen(row.names)
        # Under a job that is seen, what may not be done at all is refused before it is looked for.
        is_refused_first = row.is_closed or self.side == "crossed"
        if not is_seen and row.is_in_path and not (refused and is_refused_first):
            return 404
        if refused:
            return 403
        if not is_seen:
            return row.unseen
        if not set(row.asks) <= caller.permissions:
            return 403
        return row.ok if caller.sees_all or self.side != "shared" or row.spans is None else row.spans

    def _is_seen(self, kind: Kind) -> bool:
        if self.side in ("absent", "crossed") or (kind.owners is not None and self.caller.name not in kind.owners):
            return False
        return (self.caller.sees_all and not kind.is_for_all) or self.side in kind.seen

    def request(self) -> tuple[str, str, dict[str, Any]]:
        method, _, template = self.row.route.partition(" ")
        path = self._path(template)
        sent: dict[str, Any] = {"headers": dict(self.row.headers)} if self.row.headers else {}
        if self.row.query:
            sent["params"] = self.row.query(self.things)
        if self.row.body:
            body = self.row.body(self.things)
            sent["content"] = body if isinstance(body, str | bytes) else json.dumps(body)
            sent["headers"] = {"Content-Type": self.row.content_type}
        return method, path, sent

    def _path(self, template: str) -> str:
        is_own = not self.row.is_in_path and self.row.path_of == "own"
        named, renamed = self.own if is_own else self.things, dict(self.row.path_as)
        for name in re.findall(r"{(\w+)}", template):
            template = template.replace(f"{{{name}}}", str(getattr(named, renamed.get(name, name))))
        return template


def cells(world: World) -> Iterator[Cell]:
    own, foreign = world.sides["own"], world.sides["foreign"]
    crossed = replace(own, occurrence=foreign.occurrence, held=foreign.held)
    for row in ROWS:
        for side in row.names.sides if row.names else ("own",):
            things = crossed if side == "crossed" else world.sides[side]
            yield from (Cell(row, caller, side, things, own) for caller in world.callers.values())


def words_of(text: str) -> set[str]:
    return set(_WORD.findall(text))


def leaks(world: World, cell: Cell, sent: str, reply: httpx.Response) -> set[str]:
    """What stands in a reply and may not: but for what the caller has said himself."""
    caller, text = cell.caller, reply.text
    if caller.sees_all:
        return set()
    told = words_of(text) - words_of(sent)
    found = told & world.hidden
    if HIDDEN_NAME in text and HIDDEN_NAME not in sent:
        found.add(HIDDEN_NAME)
    for permission, secrets in world.secrets.items():
        if permission not in (caller.permissions or ()):
            found |= {f"secret of {permission}" for one in secrets if one in text}
    return found | set(too_many(reply))


def too_many(reply: httpx.Response) -> Iterator[str]:
    """Counts of more than the one device that the own site has."""
    if reply.headers.get("content-type") != "application/json" or not reply.content:
        return
    waiting = [reply.json()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            yield from (
                f"{name} {value[name]}" for name in _NUMBERS if type(value.get(name)) is int and value[name] > 1
            )
            counts = value.get("counts")
            if isinstance(counts, dict) and sum(one for one in counts.values() if isinstance(one, int)) > 1:
                yield f"counts {counts}"


@pytest.mark.timeout(600)
async def test_everybody_sees_and_does_what_is_theirs_and_nothing_else(
    stage: Stage, sides: World, record_property
) -> None:
    wrong, number, told_to_admins = [], 0, 0
    for cell in cells(sides):
        if cell.row.is_stream and cell.caller.permissions is not None:
            continue
        method, path, sent = cell.request()
        reply = await stage.ask(cell.caller, method, path, **sent)
        number += 1
        if reply.status_code != cell.expected:
            wrong.append(f"{cell}: {reply.status_code}, not {cell.expected}: {reply.text[:300]}")
        said = f"{path} {sent.get('params', '')} {sent.get('content', '')}"
        if found := leaks(sides, cell, said, reply):
            wrong.append(f"{cell}: tells of {sorted(found)[:5]}: {reply.text[:300]}")
        told_to_admins += cell.caller.sees_all and bool(words_of(reply.text) & sides.hidden)
    record_property("counted", f"{number} cells of the authorization matrix")
    assert not wrong, f"{len(wrong)} of {number} cells:\n" + "\n".join(wrong)
    assert told_to_admins > 50, "what must not be told is not even told to admins: the matrix would see no leak"


async def test_a_stream_tells_everybody_of_their_sites_only(deps: Deps, sides: World, record_property) -> None:
    """From the first event on that there was, up to the last, which everybody sees."""
    app = create_app(deps)
    app.state.feed = Feed(deps)
    seen = {}
    readers = [caller for caller in sides.callers.values() if caller.permissions is not None]
    for caller in readers:
        request = httpx.Request(
            "GET", "http://watchbill.test/api/events", headers={**caller.headers, "Last-Event-ID": "0-0"}
        )
        status, received = await opening_of(app, request, until=b'"change":"toggled"')
        assert status == 200
        seen[caller.name] = received.decode()
    record_property("counted", f"{len(readers)} streams of the authorization matrix")
    assert {name for name, text in seen.items() if words_of(text) & sides.hidden} == {"admin"}
    assert all(str(sides.sides["own"].job_id) in text for text in seen.values())
