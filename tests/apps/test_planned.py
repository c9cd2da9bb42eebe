"""The ledger's future: what it says is what later fires, bounded, in order, and only what the reader may see."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.apps.conftest import EngineAt
from tests.factories import places
from tests.factories.scene import Scene
from watchbill import jobs, runs
from watchbill.apps.scheduler import Pulse, Starter, Ticker
from watchbill.identity.actor import EVERY_SITE, SiteScope
from watchbill.jobs import JobFilter
from watchbill.kit.db import Database
from watchbill.kit.errors import InvalidError
from watchbill.runs import ledger, partly
from watchbill.runs.ledger import LedgerFilter, LedgerRow
from watchbill.runs.partly import ClosedFor

STEPS = ("every_5_minutes", "every_10_minutes", "every_15_minutes", "every_30_minutes", "hourly")


async def look(
    db: Database, now: datetime, until: datetime, *, limit: int = 500, scope: SiteScope = EVERY_SITE, **changes: Any
) -> list[LedgerRow]:
    """Every page of a look ahead."""
    wanted = LedgerFilter(**{"sort": "time", "since": now, "until": until, **changes})
    found: list[LedgerRow] = []
    cursor = None
    while True:
        async with db.begin() as tx:
            page = await ledger.list_ledger(tx, scope, wanted, now=now, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def make_jobs(db: Database, scene: Scene) -> list[int]:
    """Of each step one, a cron, a weekly rule, and two that never fire: paused, and over."""
    start = (scene.now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
    allow = {"policies": {"overlap": "allow"}}
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        made = [await scene.job(tx, "alpha", name=kind, schedule=scene.every(kind), **allow) for kind in STEPS]
        cron = {"type": "cron", "expression": "*/7 * * * *", "timezone": "Europe/Berlin"}
        rule = {"type": "rrule", "rule": "FREQ=MINUTELY;INTERVAL=13;COUNT=3", "start": start, "timezone": "UTC"}
        made.append(await scene.job(tx, "alpha", name="cron", schedule=cron, **allow))
        made.append(await scene.job(tx, "alpha", name="rule", schedule=rule, **allow))
        await scene.job(tx, "alpha", name="paused", enabled=False)
        return made


async def fired(db: Database) -> list[tuple[Any, datetime, int]]:
    async with db.begin() as tx:
        rows = await tx.execute(
            text("SELECT id, scheduled_for_at, job_id, state, is_late FROM occurrences ORDER BY 2, 3")
        )
        found = rows.all()
    assert {(row.state, row.is_late) for row in found} == {("open", False)}
    return [(row.id, row.scheduled_for_at, row.job_id) for row in found]


def planned(rows: Sequence[LedgerRow]) -> list[tuple[Any, datetime, int]]:
    assert {row.state for row in rows} <= {"planned"}
    return [(row.id, row.due_at, row.job_id) for row in rows]


@pytest.mark.parametrize("limit", [3, 500])
async def test_what_it_says_is_what_later_fires(db: Database, scene: Scene, engine_at: EngineAt, limit: int) -> None:
    await make_jobs(db, scene)
    said = planned(await look(db, scene.now, scene.now + timedelta(minutes=90), limit=limit))
    assert len(said) > 40
    assert said == sorted(said, key=lambda one: one[1:])
    for minute in range(91):
        await Ticker(engine_at(minutes=minute)).tick()
    assert await fired(db) == said


async def test_planned_rows_say_when_how_and_in_words(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        schedule = {"type": "daily", "start": "2026-01-01T02:30", "timezone": "Europe/Berlin"}
        job = await scene.job(tx, "alpha", name="Nightly", schedule=schedule)
        await tx.execute(
            text("UPDATE jobs SET mark_at = :at, next_due_at = :due"),
            {
                "at": datetime(2027, 3, 27, 12, tzinfo=UTC),
                "due": datetime(2027, 3, 28, 1, 30, tzinfo=UTC),
            },
        )
    now = datetime(2027, 3, 27, 12, tzinfo=UTC)
    shifted, plain = await look(db, now, now + timedelta(days=2))
    assert (shifted.job_id, shifted.job_name, shifted.kind, shifted.timezone) == (
        job,
        "Nightly",
        "schedule",
        "Europe/Berlin",
    )
    assert (shifted.due_at, list(shifted.flags)) == (datetime(2027, 3, 28, 1, 30, tzinfo=UTC), ["shifted_gap"])
    assert (list(plain.flags), plain.sentence) == ([], "Due 2027-03-29 02:30 (Europe/Berlin).")


async def test_where_a_window_is_closed_it_says_so_and_so_it_comes(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    """One job is skipped and one waits; what is said of each is what becomes of it."""
    begin = (scene.now + timedelta(minutes=1)).replace(second=0, microsecond=0)
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        made = [
            await scene.job(tx, "alpha", name=name, schedule=scene.every("every_30_minutes"))
            for name in ("skip", "defer")
        ]
        for job_id, when_closed in zip(made, ("skip", "defer"), strict=True):
            span = {
                "name": "span",
                "schedule": {"type": "once", "start": begin.strftime("%Y-%m-%dT%H:%M"), "timezone": "UTC"},
                "duration_seconds": 600,
            }
            window_id = (
                await tx.execute(
                    text(
                        "INSERT INTO windows (name, kind, spans, when_closed, revision, created_at, updated_at)"
                        " VALUES (:name, 'deny', jsonb_build_array(CAST(:span AS jsonb)), :when_closed, 1, :now, :now) RETURNING id"
                    ),
                    {
                        "name": f"Freeze {when_closed}",
                        "span": json.dumps(span),
                        "when_closed": when_closed,
                        "now": scene.now,
                    },
                )
            ).scalar_one()
            await tx.execute(
                text(
                    "INSERT INTO window_attachments (window_id, position, kind, job_id) VALUES (:window, 0, 'job', :job)"
                ),
                {"window": window_id, "job": job_id},
            )
    rows = await look(db, scene.now, scene.now + timedelta(minutes=20))
    assert [(row.job_name, list(row.flags)) for row in rows] == [
        ("skip", ["in_blackout"]),
        ("defer", ["in_blackout", "held"]),
    ]
    assert "will not run" in rows[0].sentence and "`Freeze skip`" in rows[0].sentence
    assert "waits until then" in rows[1].sentence
    assert rows[1].held_until_at == begin + timedelta(minutes=10)
    await Ticker(engine_at(minutes=1)).tick()
    async with db.begin() as tx:
        stored = {
            row.job_id: row for row in await tx.execute(text("SELECT job_id, state, held_until_at FROM occurrences"))
        }
    assert [stored[one].state for one in made] == ["skipped", "held"]
    assert stored[made[1]].held_until_at == rows[1].held_until_at
    await Ticker(engine_at(minutes=6)).tick()
    later = engine_at(minutes=12)
    await Starter(later, Pulse(later)).step()
    async with db.begin() as tx:
        assert (
            await tx.execute(text("SELECT state FROM occurrences WHERE job_id = :id"), {"id": made[1]})
        ).scalar_one() == "open"


async def test_it_tells_for_how_many_devices_windows_of_sites_and_devices_are_closed(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    """And the dispatch then does just that; a device that the job leaves out is not counted."""
    async with db.begin() as tx:
        pier = await places.make_site(tx, "Pier", now=scene.now)
        for name, site in {"alpha": scene.site, "beta": scene.site, "gamma": pier, "delta": pier}.items():
            await scene.device(tx, name, site=site)
        spared = [{"kind": "device", "device_id": str(scene.devices["delta"])}]
        job = await scene.job(tx, "alpha", "beta", "gamma", "delta", schedule=scene.every("hourly"), exclusions=spared)
        here = [{"kind": "site", "site_id": scene.site}]
        one = [{"kind": "device", "device_id": str(scene.devices["beta"])}]
        await scene.window(tx, 0, 30, name="Fair", attachments=here, when_closed="defer")
        await scene.window(tx, 0, 30, name="Repair", attachments=one, when_closed="skip")
        await scene.window(tx, 90, 10, name="Off", attachments=here, enabled=False)
    first, second, *_ = await look(db, scene.now, scene.now + timedelta(hours=3))
    assert (first.job_id, list(first.flags), first.closed_for) == (job, [], ClosedFor(2, 3, 1, ("Fair", "Repair")))
    assert first.sentence.endswith(
        "but closed for 2 of its 3 devices by `Fair`, `Repair`: 1 of them waits for the opening, the others will not run."
    )
    assert (second.closed_for, "but" in second.sentence) == (None, False)
    await Ticker(engine_at(minutes=1)).tick()
    async with db.begin() as tx:
        scene.now += timedelta(minutes=1)
        for run in await runs.runs_of(tx, [first.id]):
            for site in (scene.site, pier):
                await runs.release(tx, run.id, site, scene.now)
        await scene.take(tx)
        states = await scene.states(tx, first.id)
    assert {name: str(state) for name, (state, _) in states.items()} == {
        "alpha": "pending",
        "beta": "skipped",
        "gamma": "dispatched",
        "delta": "skipped",
    }


async def test_each_zone_of_a_planned_row_is_judged_at_its_own_start(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "bear", timezone="Etc/GMT-2")
        await scene.device(tx, "apple", timezone="Etc/GMT+4")
        begins = (scene.now + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
        job = await scene.job(
            tx, "bear", "apple", schedule={"type": "daily", "start": begins, "timezone_source": "device"}
        )
        await scene.window(tx, 55, 10, attachments=[{"kind": "site", "site_id": scene.site}], name="Fair")
    first, *_ = await look(db, scene.now, scene.now + timedelta(hours=20))
    assert (first.job_id, first.closed_for) == (job, ClosedFor(1, 2, 0, ("Fair",)))


async def test_a_page_with_too_many_windows_says_that_they_were_not_counted(
    db: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partly, "COUNTING_SECONDS", -1.0)
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.job(tx, "alpha", schedule=scene.every("hourly"))
        await scene.window(tx, 0, 30, attachments=[{"kind": "site", "site_id": scene.site}])
    (row,) = await look(db, scene.now, scene.now + timedelta(minutes=50))
    assert (row.flags, row.closed_for, row.sentence[-1]) == (["not_counted"], None, ".")


async def test_a_job_that_follows_clocks_is_planned_when_the_first_zone_comes_to_it(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    async with db.begin() as tx:
        await places.make_site(tx, "Pier", now=scene.now, timezone="Asia/Tokyo")
        await scene.device(tx, "alpha")
        soon = (scene.now + timedelta(hours=9, minutes=2)).strftime("%Y-%m-%dT%H:%M")
        schedule = {"type": "daily", "start": soon, "timezone_source": "site"}
        job = await scene.job(tx, "alpha", schedule=schedule)
        due = (await jobs.get(tx, scene.admin, job)).next_due_at
    assert due is not None
    rows = await look(db, scene.now, scene.now + timedelta(hours=30))
    assert [row.due_at for row in rows] == [due, due + timedelta(days=1)]
    assert rows[0].local_time == datetime.fromisoformat(soon)
    assert rows[0].timezone is None
    assert rows[0].scheduled_for_at < rows[0].due_at
    assert "where the devices are" in rows[0].sentence
    await Ticker(engine_at(minutes=3)).tick()
    assert [one[0] for one in await fired(db)] == [rows[0].id]


async def test_only_jobs_of_the_readers_sites_are_planned(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        pier = await places.make_site(tx, "Pier", now=scene.now)
        await scene.device(tx, "alpha")
        await scene.device(tx, "beta", site=pier)
        here, there = [
            await scene.job(tx, name, name=name, schedule=scene.every("hourly")) for name in ("alpha", "beta")
        ]
    until = scene.now + timedelta(minutes=50)

    async def seen(scope: SiteScope, **changes: Any) -> set[int]:
        return {row.job_id for row in await look(db, scene.now, until, scope=scope, **changes)}

    assert await seen(EVERY_SITE) == {here, there}
    assert await seen(SiteScope(frozenset({pier}))) == {there}
    assert await seen(SiteScope(frozenset())) == set()
    assert await seen(EVERY_SITE, site_id=scene.site) == {here}
    assert await seen(SiteScope(frozenset({pier})), site_id=scene.site) == set()
    assert await seen(EVERY_SITE, q="ALPH") == {here}
    assert await seen(EVERY_SITE, job_id=there) == {there}


@pytest.mark.parametrize(
    "changes",
    [
        {"outcomes": ["failed"]},
        {"reasons": ["overlap"]},
        {"late": True},
        {"kinds": ["manual"]},
        {"states": ["missed"]},
        {"sort": "-time"},
    ],
)
async def test_nothing_is_planned_where_only_the_past_is_asked_for(
    db: Database, scene: Scene, changes: dict[str, Any]
) -> None:
    await make_jobs(db, scene)
    assert await look(db, scene.now, scene.now + timedelta(hours=1), **changes) == []


async def test_past_and_future_follow_each_other_and_no_row_is_lost_between_pages(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await make_jobs(db, scene)
    for minutes in range(12):
        await Ticker(engine_at(minutes=minutes)).tick()
    now = scene.now + timedelta(minutes=12)
    span: dict[str, Any] = {"since": scene.now - timedelta(hours=1), "until": now + timedelta(minutes=30)}
    whole = await look(db, now, **span)
    states = [row.state for row in whole]
    assert states == sorted(states), "open before planned"
    assert {"open", "planned"} == set(states)
    for limit in (1, 2, 7, states.count("open")):
        pages = await look(db, now, limit=limit, **span)
        assert [row.id for row in pages] == [row.id for row in whole]
    only = await look(db, now, states=["planned"], **span)
    assert [row.id for row in only] == [row.id for row in whole if row.state == "planned"]


async def test_what_exists_already_is_not_planned_again(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    """The mark went back, as after a clock that was ahead."""
    await make_jobs(db, scene)
    before = await look(db, scene.now, scene.now + timedelta(minutes=30))
    await Ticker(engine_at(minutes=1)).tick()
    async with db.begin() as tx:
        await tx.execute(
            text("UPDATE jobs SET mark_at = :now, next_due_at = :now WHERE next_due_at IS NOT NULL"), {"now": scene.now}
        )
    after = await look(db, scene.now, scene.now + timedelta(minutes=30))
    assert {row.id for row in after if row.state == "open"} == {one for one, *_ in await fired(db)}
    ids = [row.id for row in after]
    assert len(ids) == len(set(ids)) == len(before)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until": timedelta(days=367)}, "to"),
        ({"until": timedelta(hours=-3)}, "to"),
        ({"states": ["planned"], "sort": "-time"}, "sort"),
        ({"states": ["planned"], "until": None}, "to"),
    ],
)
async def test_what_cannot_be_computed_is_refused(
    db: Database, scene: Scene, changes: dict[str, Any], field: str
) -> None:
    until = changes.pop("until", timedelta(hours=1))
    wanted = LedgerFilter(**{"sort": "time", "since": scene.now, "until": until and scene.now + until, **changes})
    async with db.begin() as tx:
        with pytest.raises(InvalidError) as refused:
            await ledger.list_ledger(tx, EVERY_SITE, wanted, now=scene.now, limit=5, cursor=None)
    assert [one.field for one in refused.value.problems] == [field]


async def test_a_page_looks_at_the_jobs_it_shows_and_one_too_deep_is_refused(db: Database, scene: Scene) -> None:
    """Twenty-one thousand jobs, one due each second: the first page is quick, one beyond all of them is refused."""
    (first, *_) = await make_jobs(db, scene)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE jobs SET next_due_at = NULL, enabled = false WHERE id <> :id"), {"id": first})
        await tx.execute(
            text("""
                INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, next_due_at,
                  tzdata_version, created_at, updated_at)
                SELECT 'Copy ' || n, j.job_kind, 1,
                  jsonb_set(j.definition, '{schedule}', jsonb_build_object('type', 'every_5_minutes', 'timezone', 'UTC',
                    'start', to_char(CAST(:now AS timestamptz) AT TIME ZONE 'UTC' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI'))),
                  true, 'active', 'every_5_minutes', :now, CAST(:now AS timestamptz) + n * interval '1 second',
                  j.tzdata_version, :now, :now
                FROM jobs j, generate_series(1, 21000) AS n WHERE j.id = :id
            """),
            {"id": first, "now": scene.now},
        )
        await tx.execute(text("ANALYZE jobs"))
        assert (await jobs.list_jobs(tx, scene.admin, JobFilter(), limit=1, cursor=None)).next_cursor is not None

    async def page(since: timedelta) -> int:
        wanted = LedgerFilter(sort="time", since=scene.now + since, until=scene.now + timedelta(days=300))
        async with db.begin() as tx:
            found = await ledger.list_ledger(tx, EVERY_SITE, wanted, now=scene.now, limit=50, cursor=None)
            return len(found.items)

    assert await page(timedelta()) == 50
    with pytest.raises(InvalidError) as refused:
        await page(timedelta(days=200))
    assert refused.value.problems[0].code == "too_many_jobs"
    assert "job_id" in refused.value.problems[0].message
