"""Live views: events as they happen, only of one's own sites, resumed where they stopped."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from httpx_sse import EventSource

from tests.factories import people
from tests.flows.fleet import Fleet
from watchbill.api import auth
from watchbill.identity import Role


async def _events(http: httpx.AsyncClient, last: str | None = None) -> AsyncIterator[tuple[str, str, Any]]:
    headers = {"Last-Event-ID": last} if last else {}
    async with http.stream("GET", "/api/events", headers=headers, timeout=30) as reply:
        assert reply.status_code == 200
        async for event in EventSource(reply).aiter_sse():
            if event.event != "message":
                yield event.id, event.event, json.loads(event.data or "{}")


async def _until_closed(stream: AsyncIterator[tuple[str, str, Any]], job_id: int) -> list[tuple[str, str, Any]]:
    """All that is heard of a job until its occurrence has no open target any more."""
    heard = []
    async for event in stream:
        if event[2].get("job_id") != job_id:
            continue
        heard.append(event)
        if any(one["state"] in ("success", "failed") for one in event[2].get("targets", [])):
            return heard
    raise AssertionError("the stream ended")


async def test_a_run_is_followed_live_and_resumed_without_a_gap(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("true")
    stream = _events(fleet.http)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(_first(stream))
        first = await fleet.job(script, agent)
        await following
        heard = await asyncio.wait_for(_until_closed(stream, first["id"]), 20)
    assert {"run.progress", "target.changed"} <= {kind for _, kind, _ in heard}
    states = [one["state"] for _, kind, data in heard if kind == "target.changed" for one in data["targets"]]
    assert states[-1] == "success"
    last = heard[-1][0]
    second = await fleet.job(script, agent)
    await fleet.closed(second)
    resumed = await asyncio.wait_for(_until_closed(_events(fleet.http, last), second["id"]), 20)
    places = [tuple(map(int, place.split("-"))) for place, _, _ in resumed]
    assert places == sorted(places)
    assert places[0] > tuple(map(int, last.split("-")))
    again = await asyncio.wait_for(_until_closed(_events(fleet.http, last), second["id"]), 20)
    assert again == resumed


async def _first(stream: AsyncIterator[tuple[str, str, Any]]) -> tuple[str, str, Any]:
    async for event in stream:
        return event
    raise AssertionError("the stream ended")


async def test_nobody_hears_of_other_sites(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    async with fleet.db.begin() as tx:
        now = await fleet.clock.now(tx)
        stranger = await people.make_operator(tx, "stranger", Role.OPERATOR, now=now)
        session = await people.sign_in(tx, stranger, now=now)
    cookies = {auth.COOKIE: session.token}
    async with httpx.AsyncClient(base_url=fleet.http.base_url, cookies=cookies) as http:
        heard: list[tuple[str, str, Any]] = []

        async def listen() -> None:
            async for event in _events(http, "0-0"):
                heard.append(event)

        listening = asyncio.ensure_future(listen())
        job = await fleet.job(await fleet.script("true"), agent)
        await fleet.closed(job)
        await asyncio.sleep(0.5)  # whatever was to come has come: the admin's view has it
        listening.cancel()
        assert [kind for _, kind, _ in heard if kind != "reset"] == []


async def test_a_stream_needs_a_caller_and_a_sound_place(fleet: Fleet) -> None:
    async with httpx.AsyncClient(base_url=fleet.http.base_url) as http:
        assert (await http.get("/api/events")).status_code == 401
    assert (await fleet.http.get("/api/events", headers={"Last-Event-ID": "yesterday"})).status_code == 422


async def test_who_was_away_too_long_is_told_to_read_everything_again(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    await fleet.closed(await fleet.job(await fleet.script("true"), agent))
    _, kind, _ = await asyncio.wait_for(_first(_events(fleet.http, "1-1")), 10)
    assert kind == "reset"
