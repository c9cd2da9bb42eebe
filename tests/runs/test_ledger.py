"""The stored ledger: every filter, both directions, every sentence."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import places
from tests.factories.scene import Scene
from watchbill import runs
from watchbill.core.occurrence import public_id
from watchbill.core.states import OccurrenceReason
from watchbill.identity.actor import EVERY_SITE, SiteScope
from watchbill.kit.db import Database
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import encode_cursor
from watchbill.runs import Held, Missed, Skipped, ledger, outages
from watchbill.runs.ledger import LedgerFilter, LedgerRow
from watchbill.runs.sentences import Absence, Circumstances, coming, sentence, spoken

DAY = datetime(2026, 3, 2, 2, tzinfo=UTC)


async def rows_of(
    db: Database, scene: Scene, *, scope: SiteScope = EVERY_SITE, limit: int = 500, **changes: Any
) -> list[LedgerRow]:
    found: list[LedgerRow] = []
    cursor = None
    while True:
        async with db.begin() as tx:
            page = await ledger.list_ledger(
                tx, scope, LedgerFilter(**changes), now=scene.now, limit=limit, cursor=cursor
            )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def fill(tx: AsyncConnection, scene: Scene) -> dict[str, int]:
    """Two jobs in two sites with one row of each state."""
    pier = await places.make_site(tx, "Pier", now=scene.now)
    await scene.device(tx, "alpha")
    await scene.device(tx, "beta", site=pier, online=False)
    ids = {name: await scene.job(tx, name, name=f"Clean {name}") for name in ("alpha", "beta")}
    alpha = ids["alpha"]

    def at(minutes: int) -> datetime:
        return scene.now.replace(microsecond=0) + timedelta(minutes=minutes)

    def key(minutes: int) -> tuple[uuid.UUID, int, int]:
        return public_id(alpha, "schedule", at(minutes), ""), alpha, 1

    await runs.record_missed(tx, [Missed(*key(-90), at(-90), at(-60), 7, "catch_up_window")], scene.now)
    await runs.record_skipped(
        tx, [Skipped(*key(-50), at(-50), OccurrenceReason.BLACKOUT, "blackout `Freeze` until 12:00 UTC")], scene.now
    )
    await runs.record_held(tx, [Held(*key(-40), at(-40), OccurrenceReason.MISFIRE_HOLD, "It was late.")], scene.now)
    await scene.open(tx, alpha, -30, is_late=True)
    await scene.open(tx, ids["beta"], -20, kind="manual", request_id="once")
    return {**ids, "pier": pier}


async def test_every_filter_keeps_what_it_names(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        ids = await fill(tx, scene)

    async def found(**changes: Any) -> list[str]:
        return [f"{row.job_name.removeprefix('Clean ')} {row.state}" for row in await rows_of(db, scene, **changes)]

    everything = ["beta open", "alpha open", "alpha held", "alpha skipped", "alpha missed"]
    assert await found() == everything
    assert await found(sort="time") == everything[::-1]
    assert await found(states=["missed", "held"]) == ["alpha held", "alpha missed"]
    assert await found(reasons=["blackout"]) == ["alpha skipped"]
    assert await found(outcomes=["failed"]) == []
    assert await found(kinds=["manual"]) == ["beta open"]
    assert await found(job_id=ids["beta"]) == ["beta open"]
    assert await found(late=True) == ["alpha open", "alpha held"]
    assert await found(late=False) == ["beta open", "alpha skipped", "alpha missed"]
    assert await found(q="EAN b") == ["beta open"]
    assert await found(site_id=ids["pier"]) == ["beta open"]
    assert await found(since=scene.now - timedelta(minutes=41)) == everything[:3]
    assert await found(until=scene.now - timedelta(minutes=41)) == everything[3:]
    assert await found(states=["planned"], sort="time", until=scene.now) == []


@pytest.mark.parametrize("sort", ["time", "-time"])
async def test_pages_of_any_size_are_the_list(db: Database, scene: Scene, sort: str) -> None:
    async with db.begin() as tx:
        await fill(tx, scene)
    whole = [row.id for row in await rows_of(db, scene, sort=sort)]
    for limit in (1, 2, 4, 5):
        assert [row.id for row in await rows_of(db, scene, sort=sort, limit=limit)] == whole


async def test_readers_see_the_jobs_of_their_sites_and_the_counts_of_them(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        ids = await fill(tx, scene)
    pier = SiteScope(frozenset({ids["pier"]}))
    (row,) = await rows_of(db, scene, scope=pier)
    assert (row.job_id, dict(row.counts)) == (ids["beta"], {"pending": 1})
    assert await rows_of(db, scene, scope=pier, job_id=ids["alpha"]) == []
    assert await rows_of(db, scene, scope=pier, site_id=scene.site) == []
    assert await rows_of(db, scene, scope=SiteScope(frozenset())) == []


@pytest.mark.parametrize(
    "keys",
    [
        ("time", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", str(uuid.uuid4())),
        ("-time", "yesterday", "2026-01-01T00:00:00+00:00", str(uuid.uuid4())),
        ("-time", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "7"),
        ("planned", "2026-01-01T00:00:00+00:00", "-3", "2026-01-01T00:00:00+00:00"),
        ("other", "", "", ""),
    ],
)
async def test_a_cursor_of_something_else_is_refused(db: Database, scene: Scene, keys: tuple[str, ...]) -> None:
    wanted = LedgerFilter(sort="time" if keys[0] == "planned" else "-time", until=scene.now + timedelta(hours=1))
    async with db.begin() as tx:
        with pytest.raises(InvalidError):
            await ledger.list_ledger(tx, EVERY_SITE, wanted, now=scene.now, limit=5, cursor=encode_cursor(keys))


async def test_an_old_place_among_the_planned_begins_at_the_present(db: Database, scene: Scene) -> None:
    wanted = LedgerFilter(sort="time", until=scene.now + timedelta(minutes=2))
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await scene.job(tx, "alpha")
        old = encode_cursor(("planned", "0001-01-01T00:00:00+00:00", "1", "0001-01-01T00:00:00+00:00"))
        page = await ledger.list_ledger(tx, EVERY_SITE, wanted, now=scene.now, limit=5, cursor=old)
    assert [row.state for row in page.items] == ["planned"]


async def test_a_miss_is_explained_by_the_outage_it_fell_into_and_by_the_policy_of_its_time(
    db: Database, scene: Scene
) -> None:
    schedule = {"type": "every_5_minutes", "start": "2026-03-01T00:00", "timezone": "Europe/Berlin"}
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha", schedule=schedule, policies={"catch_up_window_seconds": 5400})
        await outages.notice(tx, DAY)
        await outages.notice(tx, DAY + timedelta(hours=3, minutes=10))
        made = DAY + timedelta(hours=3, minutes=10)
        first, last = DAY + timedelta(minutes=5), DAY + timedelta(minutes=95)
        missed = Missed(public_id(job, "schedule", first, ""), job, 1, first, last, 19, "catch_up_window")
        await runs.record_missed(tx, [missed], made)
        # What the job says now has nothing to do with it.
        changed = "UPDATE jobs SET definition = jsonb_set(definition, '{policies,catch_up_window_seconds}', '60')"
        await tx.execute(text(changed))
    (row,) = await rows_of(db, scene)
    assert row.sentence == (
        "Did not run: the Engine was away from 03:00 to 06:10 (Europe/Berlin),"
        " and the catch-up window of 1 h 30 min had passed (19 instants)."
    )


async def test_a_default_window_is_told_as_what_it_came_to(db: Database, scene: Scene) -> None:
    schedule = {"type": "every_5_minutes", "start": "2026-03-01T00:00", "timezone": "UTC"}
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha", schedule=schedule)
        missed = Missed(public_id(job, "schedule", DAY, ""), job, 1, DAY, DAY, 1, "catch_up_window")
        await runs.record_missed(tx, [missed], DAY + timedelta(minutes=8))
    (row,) = await rows_of(db, scene)
    assert (
        row.sentence
        == "Did not run: no scheduler looked before 02:08 (UTC), and the catch-up window of 5 min had passed."
    )


async def test_the_ledger_is_read_by_an_index_at_any_depth(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        await tx.execute(
            text("""
                INSERT INTO occurrences (id, job_id, kind, scheduled_for_at, state, outcome, reason, job_revision, created_at)
                SELECT gen_random_uuid(), :job, 'schedule', CAST(:now AS timestamptz) - n * interval '1 minute',
                  CASE WHEN n % 50 = 0 THEN 'missed' ELSE 'closed' END, CASE WHEN n % 50 <> 0 THEN 'success' END, NULL, 1, :now
                FROM generate_series(1, 30000) AS n
            """),
            {"job": job, "now": scene.now},
        )
        await tx.execute(text("ANALYZE"))
        await tx.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        place = ("-time", (scene.now - timedelta(days=10)).isoformat(), scene.now.isoformat(), str(uuid.uuid4()))
        for wanted, index in (
            (LedgerFilter(), "occurrences_time"),
            (LedgerFilter(states=["missed"]), "occurrences_not_run"),
            (LedgerFilter(late=True), "occurrences_late"),
            (LedgerFilter(outcomes=["failed"]), "occurrences_failed"),
        ):
            query = ledger.stored_query(EVERY_SITE, wanted, 51, place)
            compiled = query.compile(tx.sync_connection.engine, compile_kwargs={"literal_binds": True})  # type: ignore[union-attr]
            plan = "\n".join((await tx.execute(text("EXPLAIN " + str(compiled).replace("%%", "%")))).scalars())
            assert index in plan, plan
            assert "Sort" not in plan, plan


# --- sentences ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    state: str
    reason: str | None = None
    detail: str | None = None
    outcome: str | None = None
    scheduled_for_at: datetime = DAY
    is_late: bool = False
    range_end_at: datetime | None = None
    range_count: int = 1
    is_range_capped: bool = False
    held_until_at: datetime | None = None
    created_at: datetime | None = DAY
    opened_at: datetime | None = DAY
    counts: Mapping[str, int] = field(default_factory=dict)


GONE = "the Engine was away from 01:55 to 2026-03-03 02:00 (UTC)"
AWAY = Circumstances("UTC", Absence(DAY - timedelta(minutes=5), DAY + timedelta(days=1)))


@pytest.mark.parametrize(
    ("row", "around", "words"),
    [
        (
            Row("missed", "misfire_policy", range_count=3),
            AWAY,
            f"Did not run: {GONE}, and the job makes up for the latest instant only (3 instants).",
        ),
        (
            Row("missed", "misfire_policy"),
            Circumstances("Asia/Kolkata", Absence(DAY, DAY + timedelta(hours=1), is_jump=True), catch_up="skip"),
            "Did not run: the clock jumped from 07:30 to 08:30 (Asia/Kolkata), and the job does not make up for what it missed.",
        ),
        (
            Row("missed", "misfire_policy", range_count=900, is_range_capped=True, created_at=None),
            Circumstances(catch_up="all"),
            "Did not run: no scheduler looked, and no more than the first hundred are made up for (at least 900 instants).",
        ),
        (
            Row("held", "held_by_window", "Blackout `Freeze` until 04:00", held_until_at=DAY + timedelta(hours=2)),
            Circumstances(),
            "Waits until 04:00 (UTC): blackout `Freeze` until 04:00.",
        ),
        (
            Row("held", "storm_guard", "It was late after an outage."),
            AWAY,
            f"Waits to be let go: {GONE}, and the storm guard holds what was late then.",
        ),
        (Row("held", "storm_guard", "It was late."), Circumstances(), "Waits for a person: it was late."),
        (Row("held", "misfire_hold"), Circumstances(), "Waits for a person."),
        (Row("held", "awaiting_approval"), Circumstances(), "Waits for an approval."),
        (Row("skipped", "job_gone", "The job was deleted."), Circumstances(), "Did not run: the job was deleted."),
        (Row("skipped", "overlap"), Circumstances(), "Did not run: an earlier run of this job was still active."),
        (Row("skipped", "blackout", "blackout `X`."), Circumstances(), "Did not run: blackout `X`."),
        (Row("skipped", "by_operator", "Not now"), Circumstances(), "Did not run: a person decided so (not now)."),
        (Row("skipped", "by_operator"), Circumstances(), "Did not run: a person decided so."),
        (Row("skipped", "brand_new"), Circumstances(), "Did not run: brand_new."),
        (Row("open", counts={"running": 2, "success": 1}), Circumstances(), "Runs: 1 of 3 devices has ended."),
        (
            Row("open", is_late=True, opened_at=DAY + timedelta(minutes=12), counts={"pending": 1}),
            Circumstances(),
            "Runs 12 min late: 0 of 1 device has ended.",
        ),
        (
            Row("closed", outcome="failed", counts={"success": 3, "failed": 1, "lost": 0}),
            Circumstances(),
            "Ran and failed: of 4 devices 3 succeeded, 1 failed.",
        ),
        (
            Row("closed", outcome="success", counts={"success": 1}),
            Circumstances(counted="step"),
            "Ran: of 1 step 1 succeeded.",
        ),
        (Row("open", counts={"pending": 2}), Circumstances(counted="step"), "Runs: 0 of 2 steps have ended."),
        (Row("closed", outcome="success"), Circumstances(), "Ran."),
        (Row("closed", outcome="cancelled"), Circumstances(), "Was stopped."),
    ],
)
def test_every_row_says_in_words_what_became_of_it(row: Row, around: Circumstances, words: str) -> None:
    assert sentence(row, around) == words


def test_a_coming_instant_says_when_and_what_stands_against_it() -> None:
    assert coming(DAY, "Asia/Tokyo", None, None, is_deferred=False) == "Due 2026-03-02 11:00 (Asia/Tokyo)."
    wall = datetime(2026, 3, 2, 3)
    assert coming(DAY, None, wall, None, is_deferred=False) == "Due 2026-03-02 03:00 where the devices are."
    assert (
        coming(DAY, "UTC", None, "blackout `X` until 04:00 UTC", is_deferred=True)
        == "Due 2026-03-02 02:00 (UTC), but blackout `X` until 04:00 UTC: it waits until then."
    )
    assert coming(DAY, "UTC", None, "closed.", is_deferred=False).endswith("but closed: it will not run.")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (2.34, "2.3 s"), (9, "9 s"), (59.6, "1 min"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3661, "1 h 1 min"),
        (3601, "1 h"), (86_400, "1 d"), (90_061, "1 d 1 h"), (-300, "5 min"),
    ],
)  # fmt: skip
def test_spans_are_told_by_their_two_largest_units(seconds: float, words: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == words
