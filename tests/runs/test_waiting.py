"""What waits is seen across jobs, withdrawn or given other time at once, taken over by a rerun, and never reaches who left."""

from datetime import timedelta

import pytest

from tests.factories.scene import Scene, counters_hold
from watchbill import devices, runs
from watchbill.core.retargeting import Which
from watchbill.core.states import TargetState as S
from watchbill.devices import DeviceStatus
from watchbill.kit.db import Database
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.runs import Again, waiting
from watchbill.runs.waiting import Choice

MINUTE = timedelta(minutes=1)


async def _two_jobs_wait(tx, scene: Scene) -> list[int]:
    """Two jobs of which `away` has a row each, and `here` one that runs."""
    await scene.device(tx, "away", online=False)
    await scene.device(tx, "here")
    found = [await scene.job(tx, "away", "here", name="One"), await scene.job(tx, "away", name="Two")]
    for job in found:
        await scene.open(tx, job)
    await scene.take(tx, "here")
    return found


async def test_what_waits_is_listed_across_jobs_with_its_expiry(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        one, two = await _two_jobs_wait(tx, scene)
        first = await waiting.list_waiting(tx, scene.admin.scope, Choice(), limit=1)
        rest = await waiting.list_waiting(tx, scene.admin.scope, Choice(), limit=1, cursor=first.next_cursor)
        assert [row.job_id for row in [*first.items, *rest.items]] == [one, two]
        assert (rest.next_cursor, {row.hostname for row in [*first.items, *rest.items]}) == (None, {"away"})
        (only,) = (await waiting.list_waiting(tx, scene.admin.scope, Choice(job_id=two), limit=9)).items
        assert (only.job_name, only.state, only.is_online) == ("Two", S.WAITING_ONLINE, False)


async def test_a_purge_counts_first_and_withdraws_exactly_that(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        one, two = await _two_jobs_wait(tx, scene)
        choice = Choice(device_id=scene.devices["away"])
        counted = await waiting.purge(tx, scene.admin, choice, None, "it is gone", is_dry_run=True, now=scene.now)
        assert (counted.rows, counted.devices, counted.jobs) == (2, 1, 2)
        with pytest.raises(ConflictError, match="2 rows wait now, not 3"):
            await waiting.purge(tx, scene.admin, choice, 3, "it is gone", is_dry_run=False, now=scene.now)
        await waiting.purge(tx, scene.admin, choice, 2, "it is gone", is_dry_run=False, now=scene.now)
        ended, going = (await scene.ledger(tx, two))[0], (await scene.ledger(tx, one))[0]
        row = (await scene.rows(tx, ended.id))["away"]
        assert (row.state, row.reason) == (S.CANCELLED, "not_started_cancelled")
        assert row.detail == "It was withdrawn while it waited: it is gone"
        assert (row.cancel_answer, ended.state, going.state) == ("withdrawn", "closed", "open")
        assert (await scene.states(tx, going.id))["here"] == (S.DISPATCHED, None)
        await counters_hold(tx)


@pytest.mark.parametrize(
    ("choice", "expected", "is_dry_run", "fields"),
    [
        (Choice(), None, False, ["everything", "expected"]),
        (Choice(job_id=1, everything=True), 4, True, ["everything", "expected"]),
    ],
)
async def test_nothing_said_never_means_everything(
    db: Database, scene: Scene, choice: Choice, expected: int | None, is_dry_run: bool, fields: list[str]
) -> None:
    async with db.begin() as tx:
        with pytest.raises(InvalidError) as refused:
            await waiting.purge(tx, scene.admin, choice, expected, "x", is_dry_run=is_dry_run, now=scene.now)
        assert [problem.field for problem in refused.value.problems] == fields


async def test_what_waits_is_given_more_time(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        _, two = await _two_jobs_wait(tx, scene)
        later = scene.now + timedelta(days=2)
        await waiting.set_expiry(tx, scene.admin, Choice(job_id=two), later, 1, is_dry_run=False, now=scene.now)
        await runs.reap(tx, scene.now + timedelta(days=1))
        (occurrence,) = await scene.ledger(tx, two)
        assert (await scene.states(tx, occurrence.id))["away"] == (S.WAITING_ONLINE, None)
        await runs.reap(tx, later)
        assert (await scene.states(tx, occurrence.id))["away"] == (S.EXPIRED, "offline")
        with pytest.raises(InvalidError) as refused:
            await waiting.set_expiry(tx, scene.admin, Choice(job_id=two), scene.now, 0, is_dry_run=False, now=scene.now)
        assert [problem.code for problem in refused.value.problems] == ["past"]


@pytest.mark.parametrize("overlap", ["skip", "allow"])
async def test_a_rerun_of_what_still_waits_takes_it_over(db: Database, scene: Scene, overlap: str) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        await scene.device(tx, "here")
        job = await scene.job(tx, "away", "here", policies={"overlap": overlap})
        first = await scene.open(tx, job, overlap=overlap)
        (delivery,) = await scene.take(tx, "here")
        await runs.finished(tx, [scene.report(delivery)], scene.now)
        counts = await runs.count_meant(tx, scene.admin.scope, first)
        assert {word: number for word, number in counts.items() if number} == {"still_waiting": 1}
        with pytest.raises(ConflictError, match="on 1 device now, not on 2"):
            await runs.rerun(tx, scene.admin, job, Again("still_waiting", first, expected=2), now=scene.now + MINUTE)
        again = await runs.rerun(
            tx, scene.admin, job, Again("still_waiting", first, expected=1), now=scene.now + MINUTE
        )
        old, new = (await scene.rows(tx, first))["away"], (await scene.rows(tx, again.id))["away"]
        assert (old.state, old.reason) == (S.EXPIRED, "superseded")
        assert (again.origin_occurrence_id, new.origin_target_id) == (first, old.target_id)
        assert old.rerun_as is not None
        assert (old.rerun_as.target_id, old.rerun_as.occurrence_id) == (new.target_id, again.id)
        assert set(await scene.rows(tx, again.id)) == {"away"}
        await counters_hold(tx)


async def test_each_word_means_its_own_devices(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("bad", "lost", "away", "good"):
            await scene.device(tx, name, online=name != "away")
        job = await scene.job(tx, "bad", "lost", "away", "good")
        first = await scene.open(tx, job)
        code = {scene.devices["bad"]: 1, scene.devices["good"]: 0}
        given = await scene.take(tx)
        reports = [scene.report(one, exit_code=code[one.device_id]) for one in given if one.device_id in code]
        await runs.finished(tx, reports, scene.now)
        await runs.reap(tx, scene.now + timedelta(days=2))
        counts = await runs.count_meant(tx, scene.admin.scope, first)
        assert counts == {
            "failed": 2, "not_finished": 3, "unreachable": 1, "never_started": 1, "still_waiting": 0, "lost": 1
        }  # fmt: skip
        meant: dict[Which, set[str]] = {"lost": {"lost"}, "unreachable": {"away"}}
        for number, (word, names) in enumerate(meant.items(), 1):
            again = await runs.rerun(tx, scene.admin, job, Again(word, first), now=scene.now + number * MINUTE)
            assert set(await scene.rows(tx, again.id)) == names


async def test_what_waited_for_a_revoked_device_ends_and_never_runs(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _two_jobs_wait(tx, scene)
        away = scene.devices["away"]
        await devices.set_status(tx, scene.admin, away, DeviceStatus.REVOKED, now=scene.now)
        await scene.connect(tx, "away")
        assert await scene.take(tx, "away") == [], "also before its rows are settled"
        await runs.leave_revoked(tx, [away], scene.now)
        assert (await waiting.list_waiting(tx, scene.admin.scope, Choice(), limit=9)).items == []
        await scene.device(tx, "away")  # the same name, another device
        assert await scene.take(tx, "away") == []


async def test_a_disabled_device_gets_nothing_and_what_is_still_in_time_once_it_is_enabled(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        await _two_jobs_wait(tx, scene)
        away = scene.devices["away"]
        await devices.set_status(tx, scene.admin, away, DeviceStatus.DISABLED, now=scene.now)
        await scene.connect(tx, "away")
        assert await scene.take(tx, "away") == []
        await devices.set_status(tx, scene.admin, away, DeviceStatus.ACTIVE, now=scene.now)
        await scene.connect(tx, "away")
        assert len(await scene.take(tx, "away")) == 2
