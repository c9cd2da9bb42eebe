"""Live views: `GET /api/events`, server-sent events that resume where they stopped, filtered by the caller's sites.

One reader a process follows the event log and hands each event to every open stream; a stream that cannot keep up is closed,
and its browser resumes from the last event it has.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.api.auth import sign_in_of
from watchbill.api.common import PROBLEMS, Deps, TheDeps
from watchbill.core.problems import Problem
from watchbill.identity import Permission, SiteScope
from watchbill.kit import events
from watchbill.kit.clock import rfc3339
from watchbill.kit.errors import InvalidError
from watchbill.kit.events import Cursor, StoredEvent
from watchbill.kit.service import Wake

#: A stream ends after this long, so that a session that was closed meanwhile ends too; clients reconnect by themselves.
LONGEST_STREAM_SECONDS = 600.0
KEEP_ALIVE_SECONDS = 15.0
MOST_WAITING = 2000
_PAGE = 1000
#: What concerns everybody, whatever sites they see, and says nothing of any site.
FOR_EVERYBODY = frozenset({"outage.noticed", "outage.released"})
#: Where it is of no site it is of all of them, and so everybody's.
OF_ANY_SITE = frozenset({"workflow.changed"})
_BLOCKED_SECONDS, _QUIET_SECONDS = 0.05, 60.0

router = APIRouter(tags=["events"], responses=PROBLEMS)


@dataclass(eq=False)
class _Subscriber:
    scope: SiteScope
    queue: "asyncio.Queue[StoredEvent | None]" = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def offer(self, event: StoredEvent | None) -> None:
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(None)


class Feed:
    """A service that follows the event log. `wake` is rung by NOTIFY."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self.wake = Wake()
        self.cursor: Cursor | None = None
        self._subscribers: set[_Subscriber] = set()

    async def run(self, stop: asyncio.Event) -> None:
        async with self._deps.db.begin() as tx:
            self.cursor = self.cursor or await events.end(tx)
        while not stop.is_set():
            rest = await self._advance()
            if rest:
                await self.wake.wait(stop, rest)
        self.close()

    def close(self) -> None:
        for subscriber in self._subscribers:
            subscriber.offer(None)

    async def _advance(self) -> float:
        """Hand on what is new; returns how long to rest."""
        assert self.cursor is not None
        async with self._deps.db.begin() as tx:
            fresh = await events.read_after(tx, self.cursor, limit=_PAGE)
            is_blocked = await events.has_unreadable(tx)
        for event in fresh:
            self.cursor = event.cursor
            for subscriber in self._subscribers:
                if _is_for(subscriber.scope, event):
                    subscriber.offer(event)
        if len(fresh) == _PAGE:
            return 0
        # What an older open transaction hides becomes readable without a notice of its own.
        return _BLOCKED_SECONDS if is_blocked else _QUIET_SECONDS

    def subscribe(self, scope: SiteScope) -> _Subscriber:
        subscriber = _Subscriber(scope)
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: _Subscriber) -> None:
        self._subscribers.discard(subscriber)


def _is_for(scope: SiteScope, event: StoredEvent) -> bool:
    is_everybodys = event.site_id is None and event.kind in OF_ANY_SITE
    return is_everybodys or event.kind in FOR_EVERYBODY or scope.allows(event.site_id)


@router.get("/api/events", response_class=StreamingResponse)
async def get_events(
    request: Request,
    deps: TheDeps,
    last_event_id: Annotated[str | None, Header(max_length=60)] = None,
    kinds: Annotated[str | None, Query(max_length=500, description="comma-separated; all without")] = None,
) -> StreamingResponse:
    """Events as they happen. `Last-Event-ID` resumes; an event `reset` says that too much was missed: read everything again."""
    async with deps.db.begin() as tx:
        sign_in = await sign_in_of(request, tx, await deps.clock.now(tx))
        since = _cursor(last_event_id)
        is_gap = await _is_gap(tx, since)
    sign_in.actor.require(Permission.READ)
    feed: Feed = request.app.state.feed
    wanted = frozenset(kinds.split(",")) if kinds else None
    lines = _stream(deps, feed, sign_in.actor.scope, None if is_gap else since, wanted, is_gap=is_gap)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)


async def _is_gap(tx: AsyncConnection, since: Cursor | None) -> bool:
    """Whether events after `since` are gone, or `since` comes from another life of the database."""
    if since is None or since.tx == 0:
        return False
    oldest = await events.oldest(tx)
    return oldest is None or since < oldest or since >= await events.end(tx)


def _cursor(last_event_id: str | None) -> Cursor | None:
    if last_event_id is None:
        return None
    try:
        return Cursor.parse(last_event_id)
    except ValueError as error:
        raise InvalidError("Bad request.", problems=[Problem("Last-Event-ID", "invalid", str(error))]) from None


async def _stream(
    deps: Deps, feed: Feed, scope: SiteScope, since: Cursor | None, kinds: frozenset[str] | None, *, is_gap: bool
) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    if is_gap:
        yield "event: reset\ndata: {}\n\n"
    subscriber = feed.subscribe(scope)
    try:
        position = since
        if position is not None:
            async for event in _missed(deps, scope, position):
                position = event.cursor
                yield _text(event, kinds)
        async for text in _live(subscriber, position, kinds):
            yield text
    finally:
        feed.unsubscribe(subscriber)


async def _missed(deps: Deps, scope: SiteScope, since: Cursor) -> AsyncIterator[StoredEvent]:
    while True:
        async with deps.db.begin() as tx:
            page = await events.read_after(tx, since, limit=_PAGE)
        for event in page:
            since = event.cursor
            if _is_for(scope, event):
                yield event
        if len(page) < _PAGE:
            return


async def _live(subscriber: _Subscriber, after: Cursor | None, kinds: frozenset[str] | None) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LONGEST_STREAM_SECONDS
    while (left := ends - loop.time()) > 0:
        try:
            async with asyncio.timeout(min(KEEP_ALIVE_SECONDS, left)):
                event = await subscriber.queue.get()
        except TimeoutError:
            yield ": still here\n\n"
            continue
        if event is None:
            return
        if after is None or event.cursor > after:
            yield _text(event, kinds)


def _text(event: StoredEvent, kinds: frozenset[str] | None) -> str:
    if kinds is not None and event.kind not in kinds:
        return f"id: {event.cursor}\n\n"
    data = json.dumps({"at": rfc3339(event.at), "site_id": event.site_id, **event.payload}, separators=(",", ":"))
    return f"id: {event.cursor}\nevent: {event.kind}\ndata: {data}\n\n"
