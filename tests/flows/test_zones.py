"""When devices start on their own: by the clocks of their zone, spread over a while, kept back by a window until it is lifted.

Real agents under a clock that is set; every bound is checked against what the script itself saw.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.flows.clockwork import Rehearsal, rehearsing
from tests.flows.fleet import Agent, until
from watchbill.apps import doctor
from watchbill.kit.secrets import KeyRing

pytestmark = pytest.mark.timeout(240)

#: The script began at its start, not at somebody's next look around, which comes every 60 s.
SOON = timedelta(seconds=30)
LEAD = timedelta(seconds=1)
SCRIPT = 'echo "$WATCHBILL_SCHEDULED_FOR $WATCHBILL_LOCAL_TIME"; date +%s.%N'

Rehearse = Callable[[datetime], AbstractAsyncContextManager[Rehearsal]]


@pytest.fixture
def rehearse(database_url: str, keys: KeyRing, tmp_path: Path) -> Rehearse:
    @asynccontextmanager
    async def begin(at: datetime) -> AsyncIterator[Rehearsal]:
        async with rehearsing(database_url, keys, tmp_path, at) as rehearsal:
            yield rehearsal

    return begin


def at(clock: str, date: str = "2027-06-01") -> datetime:
    return datetime.fromisoformat(f"{date}T{clock}Z")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def get(rehearsal: Rehearsal, path: str, **query: Any) -> Any:
    reply = await rehearsal.fleet.http.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def occurrence_of(rehearsal: Rehearsal, job: dict[str, Any], which: str = "latest") -> dict[str, Any]:
    return dict(await get(rehearsal, f"/api/scheduled_jobs/{job['id']}/occurrences/{which}"))


async def row_of(rehearsal: Rehearsal, job: dict[str, Any], agent: Agent) -> dict[str, Any]:
    (row,) = [one for one in await rehearsal.fleet.rows(job) if one["device"]["id"] == agent.device_id]
    return row


async def ended(rehearsal: Rehearsal, job: dict[str, Any], agent: Agent) -> dict[str, Any]:
    """The agent's row in the latest occurrence, once there is one and its script has ended."""

    async def there() -> dict[str, Any] | None:
        if not await rehearsal.fleet.occurrences(job):
            return None
        row = await row_of(rehearsal, job, agent)
        return row if row["finished_at"] else None

    row = dict(await until(there, patience=60, every=0.2))
    assert row["state"] == "success", row
    return row


async def said(rehearsal: Rehearsal, row: dict[str, Any]) -> tuple[str, datetime]:
    """What the script printed, and when by the Engine's clock."""
    words, seconds = (await rehearsal.fleet.output(row)).splitlines()
    return words, rehearsal.as_engine_time(float(seconds))


async def is_sound(rehearsal: Rehearsal) -> None:
    engine = rehearsal.fleet.engine()
    try:
        assert await doctor.check(engine) == []
    finally:
        await engine.db.close()


async def test_one_occurrence_starts_on_each_device_when_its_own_clock_is_there(rehearse: Rehearse) -> None:
    async with rehearse(at("21:10")) as rehearsal:
        fleet = rehearsal.fleet
        east = await fleet.enrol("east", timezone="Asia/Kolkata")  # UTC+5:30
        west = await fleet.enrol("west", timezone="Asia/Karachi")  # UTC+5
        for agent in (east, west):
            await until(partial(tells_its_zone, rehearsal, agent), every=0.2)
        schedule = {"type": "daily", "start": "2027-06-01T03:00", "timezone_source": "device"}
        job = await fleet.job(await fleet.script(SCRIPT), east, west, schedule=schedule)
        assert instant(job["next_due_at"]) == at("21:30")

        await rehearsal.set_clock(at("21:30") - LEAD)
        words, began = await said(rehearsal, await ended(rehearsal, job, east))
        assert words == "2027-06-01T13:00:00Z 2027-06-02T03:00:00"
        assert at("21:30") <= began < at("21:30") + SOON
        first = await occurrence_of(rehearsal, job)
        assert (first["state"], first["local_time"], first["is_late"]) == ("open", "2027-06-02T03:00", False)
        assert waves(first) == [
            (1, "Asia/Kolkata", at("21:30"), {"success": 1}),
            (2, "Asia/Karachi", at("22:00"), {"pending": 1}),
        ]
        waiting = await row_of(rehearsal, job, west)
        assert (waiting["state"], instant(waiting["starts_at"]), waiting["executions"]) == ("pending", at("22:00"), [])

        await rehearsal.set_clock(at("22:00") - LEAD)
        words, began = await said(rehearsal, await ended(rehearsal, job, west))
        assert words == "2027-06-01T13:00:00Z 2027-06-02T03:00:00"
        assert at("22:00") <= began < at("22:00") + SOON
        last = await fleet.closed(job)
        assert (last["id"], last["state"], last["outcome"]) == (first["id"], "closed", "success")
        assert [counts for *_, counts in waves(last)] == [{"success": 1}, {"success": 1}]
        assert len(await fleet.occurrences(job)) == 1
        assert len((await row_of(rehearsal, job, east))["executions"]) == 1
        await is_sound(rehearsal)


async def test_a_time_that_one_zone_skips_tonight_starts_there_by_the_rules_of_its_schedule(rehearse: Rehearse) -> None:
    """Berlin goes from 02:00 to 03:00 at 01:00Z; Lagos, an hour east of Greenwich too, has its 02:30 at 01:30Z."""
    tonight = partial(at, date="2027-03-28")
    async with rehearse(tonight("00:40")) as rehearsal:
        fleet = rehearsal.fleet
        berlin = await fleet.enrol("berlin", timezone="Europe/Berlin")
        lagos = await fleet.enrol("lagos", timezone="Africa/Lagos")
        for agent in (berlin, lagos):
            await until(partial(tells_its_zone, rehearsal, agent), every=0.2)
        script = await fleet.script(SCRIPT)
        following = {"timezone_source": "device"}
        cron = {"type": "cron", "expression": "30 2 * * *", **following}
        daily = {"type": "daily", "start": "2027-03-01T02:30", **following}
        by_cron = await fleet.job(script, berlin, lagos, schedule=cron)
        by_day = await fleet.job(script, berlin, lagos, schedule=daily)

        await rehearsal.set_clock(tonight("01:00") - LEAD)
        _, began = await said(rehearsal, await ended(rehearsal, by_cron, berlin))
        assert tonight("01:00") <= began < tonight("01:00") + SOON
        # What a preset names is half an hour past the hour also where the clocks have skipped it: 03:30.
        later = [(by_cron, lagos), (by_day, berlin), (by_day, lagos)]
        for job, agent in later:
            await until(partial(fleet.occurrences, job))
            row = await row_of(rehearsal, job, agent)
            assert (row["state"], instant(row["starts_at"]), row["executions"]) == ("pending", tonight("01:30"), [])

        await rehearsal.set_clock(tonight("01:30") - LEAD)
        for job, agent in later:
            words, began = await said(rehearsal, await ended(rehearsal, job, agent))
            assert words.split()[1] == "2027-03-28T02:30:00"
            assert tonight("01:30") <= began < tonight("01:30") + SOON
        for job in (by_cron, by_day):
            assert (await fleet.closed(job))["counts"] == {"success": 2}
            assert len(await fleet.occurrences(job)) == 1
        await is_sound(rehearsal)


async def tells_its_zone(rehearsal: Rehearsal, agent: Agent) -> bool:
    return bool((await get(rehearsal, f"/api/devices/{agent.device_id}"))["timezone"] == agent.timezone)


def waves(occurrence: dict[str, Any]) -> list[tuple[int, str, datetime, dict[str, int]]]:
    return [(one["wave"], one["timezone"], instant(one["starts_at"]), one["counts"]) for one in occurrence["waves"]]


def delay(job: dict[str, Any], agent: Agent, splay_seconds: int) -> int:
    """D10, written anew: the first 64 bits of SHA-256 of job and device, as a part of the whole splay."""
    digest = hashlib.sha256(f"{job['id']}|{agent.device_id}".encode()).hexdigest()
    return int(digest[:16], 16) * splay_seconds // 2**64


async def test_a_splay_starts_each_device_at_its_own_second(rehearse: Rehearse) -> None:
    async with rehearse(at("11:50")) as rehearsal:
        fleet = rehearsal.fleet
        agents = [await fleet.enrol(name) for name in ("alpha", "bravo", "charlie")]
        job = await a_job_that_spreads(rehearsal, agents, 9)
        delays = {agent.device_id: timedelta(seconds=delay(job, agent, 9)) for agent in agents}
        await rehearsal.set_clock(at("12:00") - LEAD)
        for agent in agents:
            row = await ended(rehearsal, job, agent)
            start = at("12:00") + delays[agent.device_id]
            assert instant(row["starts_at"]) == start
            words, began = await said(rehearsal, row)
            assert words.strip() == "2027-06-01T12:00:00Z"
            assert start <= began < start + SOON
        assert (await fleet.closed(job))["counts"] == {"success": 3}
        await is_sound(rehearsal)


async def a_job_that_spreads(rehearsal: Rehearsal, agents: list[Agent], splay_seconds: int) -> dict[str, Any]:
    """One whose number puts these devices on different seconds, the first of them not at once."""
    fleet = rehearsal.fleet
    script = await fleet.script(SCRIPT)
    schedule = {"type": "daily", "start": "2027-06-01T12:00", "timezone": "UTC"}
    for _ in range(50):
        job = await fleet.job(script, *agents, schedule=schedule, policies={"splay_seconds": splay_seconds})
        delays = {delay(job, agent, splay_seconds) for agent in agents}
        if len(delays) == len(agents) and min(delays):
            return job
        await fleet.http.delete(f"/api/scheduled_jobs/{job['id']}")
    raise AssertionError("no job spreads them")


async def test_a_blackout_keeps_a_device_back_until_it_is_lifted(rehearse: Rehearse) -> None:
    async with rehearse(at("11:50")) as rehearsal:
        fleet = rehearsal.fleet
        agent, other = await fleet.enrol("alpha"), await fleet.enrol("bravo")
        daily = {"type": "daily", "start": "2027-06-01T12:00", "timezone": "UTC"}
        job = await fleet.job(await fleet.script(SCRIPT), agent, other, schedule=daily)
        blackout = await fleet.http.post("/api/windows", json=a_blackout(agent))
        assert blackout.status_code == 201, blackout.text

        await rehearsal.set_clock(at("12:00") - LEAD)
        _, began = await said(rehearsal, await ended(rehearsal, job, other))
        assert at("12:00") <= began < at("12:00") + SOON

        async def kept_back() -> dict[str, Any] | None:
            row = await row_of(rehearsal, job, agent)
            return row if row["starts_at"] else None

        row = await until(kept_back, every=0.2)
        assert (row["state"], instant(row["starts_at"]), row["executions"]) == ("pending", at("13:00"), [])
        assert "closing time" in row["detail"]
        assert (await occurrence_of(rehearsal, job))["state"] == "open"

        lifted = await rehearsal.now()
        gone = await fleet.http.delete(f"/api/windows/{blackout.json()['id']}")
        assert gone.status_code == 204, gone.text
        _, began = await said(rehearsal, await ended(rehearsal, job, agent))
        assert lifted <= began < lifted + SOON
        assert (await fleet.closed(job))["counts"] == {"success": 2}
        await is_sound(rehearsal)


def a_blackout(agent: Agent) -> dict[str, Any]:
    """From 11:00 to 13:00 every day."""
    return {
        "name": "closing time",
        "kind": "deny",
        "when_closed": "defer",
        "spans": [
            {
                "schedule": {"type": "daily", "start": "2027-01-01T11:00", "timezone": "UTC"},
                "duration_seconds": 2 * 3600,
            }
        ],
        "attachments": [{"kind": "device", "device_id": agent.device_id}],
    }
