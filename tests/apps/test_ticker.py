"""The tick: every due instant leaves exactly one mark, whoever ticks, whenever, and however often."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from tests.apps.conftest import EngineAt
from tests.factories.logins import make_credential, sign_in_with
from tests.factories.scene import Scene
from tests.flows.fleet import until
from watchbill import jobs, runs
from watchbill.apps import doctor
from watchbill.apps.scheduler import TICK_LIMIT, Reaper, Relief, Ticker
from watchbill.kit.db import Database, Listener
from watchbill.kit.secrets import KeyRing
from watchbill.runs import Ledger


async def _ledger(db: Database, scene: Scene, job: int) -> list[tuple[str, str | None, bool, int]]:
    """(state, reason, late, instants) of a job's occurrences, oldest first."""
    async with db.begin() as tx:
        page = await runs.list_occurrences(tx, scene.admin.scope, Ledger(job), limit=500, cursor=None)
    return [(one.state, one.reason, one.is_late, one.range_count) for one in reversed(page.items)]


async def _job(db: Database, scene: Scene, **changes: object) -> int:
    async with db.begin() as tx:
        if "alpha" not in scene.devices:
            await scene.device(tx, "alpha")
        return await scene.job(tx, "alpha", **changes)


async def test_nothing_is_opened_before_it_is_due_and_the_rest_lasts_until_then(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    job = await _job(db, scene)
    rest = await Ticker(engine_at()).tick()
    assert 0 <= rest <= 60
    assert await _ledger(db, scene, job) == []


async def test_each_due_instant_is_opened_once_by_any_number_of_schedulers(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    job = await _job(db, scene, policies={"overlap": "allow"})
    for minutes in (1, 6, 11):
        tickers = [Ticker(engine_at(minutes=minutes)) for _ in range(3)]
        await asyncio.gather(*[ticker.tick() for ticker in tickers for _ in range(2)])
    ledger = await _ledger(db, scene, job)
    assert [(state, reason, number) for state, reason, _, number in ledger] == [("open", None, 1)] * 3
    await Reaper(engine_at(minutes=11)).reap()
    assert await doctor.check(engine_at(minutes=11)) == []


async def test_after_an_outage_the_latest_instant_runs_and_the_others_are_one_row(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    job = await _job(db, scene, policies={"catch_up": "latest", "catch_up_window_seconds": 3600})
    await Ticker(engine_at(minutes=64)).tick()
    ledger = await _ledger(db, scene, job)
    assert sum(number for *_, number in ledger) == 13
    assert [one for one in ledger if one[0] == "open"] == [ledger[-1]]
    assert {one[1] for one in ledger if one[0] == "missed"} <= {"catch_up_window", "misfire_policy"}
    assert await doctor.check(engine_at(minutes=64)) == []


async def test_who_does_not_want_to_catch_up_has_every_miss_on_record(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    job = await _job(db, scene, policies={"catch_up": "skip"}, schedule=scene.every("hourly"))
    await Ticker(engine_at(days=3, minutes=30)).tick()
    ledger = await _ledger(db, scene, job)
    missed = sum(number for state, _, _, number in ledger if state == "missed")
    assert missed == 73
    assert len(ledger) <= 2, "neighbours share a row"
    assert await doctor.check(engine_at(days=3, minutes=30)) == []


async def test_a_schedule_that_cannot_be_read_stops_its_own_job_only(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    broken, sound = await _job(db, scene), await _job(db, scene)
    async with db.begin() as tx:
        statement = (
            "UPDATE jobs SET definition = jsonb_set(definition, '{schedule,timezone}', '\"Moon/Base\"') WHERE id = :id"
        )
        await tx.execute(text(statement), {"id": broken})
    await Ticker(engine_at(minutes=1)).tick()
    async with db.begin() as tx:
        states = {one: (await jobs.get(tx, scene.admin, one)) for one in (broken, sound)}
    assert (states[broken].state, states[sound].state) == ("error", "active")
    assert "Moon/Base" in (states[broken].state_reason or "")
    assert states[broken].next_due_at is None
    assert len(await _ledger(db, scene, sound)) == 1


async def test_a_job_that_runs_once_is_completed_after_it(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    start = (scene.now + timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M")
    job = await _job(db, scene, schedule={"type": "once", "start": start, "timezone": "UTC"})
    await Ticker(engine_at(minutes=4)).tick()
    await Ticker(engine_at(minutes=9)).tick()
    assert await _ledger(db, scene, job) in ([("open", None, False, 1)], [("open", None, True, 1)])
    async with db.begin() as tx:
        after = await jobs.get(tx, scene.admin, job)
    assert (after.state, after.next_due_at) == ("completed", None)


async def test_a_paused_job_is_left_alone_and_resumes_by_itself(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    job = await _job(db, scene)
    async with db.begin() as tx:
        before = await jobs.lock(tx, scene.admin, job)
        until = (scene.now + timedelta(minutes=31)).isoformat()
        await jobs.toggle(
            tx, scene.admin, before, {"enabled": False, "until": until, "reason": "holiday"}, now=scene.now
        )
    await Ticker(engine_at(minutes=30)).tick()
    assert await _ledger(db, scene, job) == []
    await Ticker(engine_at(minutes=32)).tick()
    await Ticker(engine_at(minutes=36)).tick()
    assert [one[0] for one in await _ledger(db, scene, job)] == ["open"]


async def test_a_new_job_wakes_a_resting_scheduler_at_once(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    ticker = Ticker(engine_at(minutes=10))
    listener = Listener(db.conninfo)
    listener.on(jobs.CHANNEL, ticker.wake.ring)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(listener.run(stop))
        group.create_task(ticker.run(stop))
        await listener.is_listening.wait()
        await asyncio.sleep(0.2)
        job = await _job(db, scene)
        async with asyncio.timeout(5):
            while not await _ledger(db, scene, job):
                await asyncio.sleep(0.02)
        stop.set()


async def test_a_clock_that_goes_back_opens_nothing_twice(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    job = await _job(db, scene, policies={"overlap": "allow"})
    for minutes in (1, 6, 2, 1, 6):
        await Ticker(engine_at(minutes=minutes)).tick()
    assert [one[0] for one in await _ledger(db, scene, job)] == ["open", "open"]


async def test_while_more_is_due_than_one_tick_takes_a_second_one_helps(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    first = await _job(db, scene)
    async with db.begin() as tx:
        columns = "name, job_kind, revision, enabled, state, schedule_type, mark_at, next_due_at, tzdata_version, created_at, updated_at"
        made = await tx.execute(
            text(
                f"INSERT INTO jobs ({columns}, definition) SELECT name || n, {columns.removeprefix('name, ')}, definition"
                " FROM jobs, generate_series(1, :more) n WHERE id = :first RETURNING id"
            ),
            {"more": TICK_LIMIT, "first": first},
        )
        copies = {"ids": list(made.scalars()), "first": first}
        for table, rest in (
            ("job_revisions", "revision, definition, changed_at"),
            ("job_targets", "position, kind, is_exclusion, device_id"),
            ("job_components", "position, assembly_id, variables"),
        ):
            await tx.execute(
                text(
                    f"INSERT INTO {table} (job_id, {rest}) SELECT i, {rest} FROM {table}, unnest(CAST(:ids AS bigint[])) i WHERE job_id = :first"
                ),
                copies,
            )
    ticker, stop = Ticker(engine_at(minutes=1)), asyncio.Event()
    relief = asyncio.ensure_future(Relief(ticker).run(stop))
    wait = await ticker.tick()
    assert wait < 1, "more is due"
    await until(lambda: _is_opened(db, TICK_LIMIT + 1))
    stop.set()
    await relief
    assert await doctor.check(engine_at(minutes=1)) == []


async def _is_opened(db: Database, number: int) -> bool:
    async with db.begin() as tx:
        return bool(
            (await tx.execute(text("SELECT count(*) FROM occurrences WHERE state = 'open'"))).scalar_one() == number
        )


async def test_a_scheduler_that_starts_opens_nothing_that_needs_a_lost_key(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    job, other = await _job(db, scene), await _job(db, scene)
    async with db.begin() as tx:
        lost = KeyRing("k9", {"k9": bytes(32)})
        await sign_in_with(tx, job, await make_credential(tx, "Fleet root", keys=lost, now=scene.now))
    stop = asyncio.Event()
    ticker = Ticker(engine_at(minutes=6))
    async with asyncio.TaskGroup() as group:
        group.create_task(ticker.run(stop))
        await until(lambda: _opened(db, scene, other))
        stop.set()
    assert await _ledger(db, scene, job) == []
    async with db.begin() as tx:
        found = await jobs.get(tx, scene.admin, job)
    assert (found.state, found.locked_by) == ("paused", "Fleet root")


async def _opened(db: Database, scene: Scene, job: int) -> bool:
    return bool(await _ledger(db, scene, job))
