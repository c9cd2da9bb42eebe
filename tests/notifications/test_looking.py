"""What is told of real occurrences: which events, once each, whoever looks, however late, and in which words."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories import people, places
from tests.notifications.conftest import Watch
from watchbill import jobs, notifications, runs
from watchbill.core.notification_rules import Event
from watchbill.identity import Role
from watchbill.identity.tables import operator_sites
from watchbill.kit.errors import ForbiddenError, InvalidError
from watchbill.notifications import RuleDraft
from watchbill.runs import Held, Missed, Skipped

E = Event


async def test_without_rules_nothing_is_marked(watch: Watch) -> None:
    await watch.ran(await watch.job(), 1)
    assert await watch.rows("SELECT * FROM notification_marks") == []
    assert await watch.looked() == []


async def test_a_failure_is_told_with_how_many_devices_did_not_succeed(watch: Watch) -> None:
    job = await watch.job("alpha", "beta")
    await watch.rule(E.FAILED, job_id=job)
    occurrence = await watch.ran(job, 1)
    assert await watch.looked() == ["failed"]
    (one,) = await watch.told()
    assert one.sentence == "Clear print spool failed: 2 of 2 devices did not succeed."
    assert (one.occurrence_id, one.counts) == (occurrence, {"failed": 2})
    assert [(sent.state, sent.attempt) for sent in one.deliveries] == [("waiting", 0)]


async def test_a_streak_is_told_at_its_first_at_its_third_and_at_its_end(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.FIRST_FAILURE, E.FAILURES_IN_A_ROW, E.RECOVERED, job_id=job)
    seen: list[str] = []
    for exit_code in (0, 1, 1, 1, 1, 0, 0, 9, 1, 0):
        await watch.ran(job, exit_code)
        before = len(seen)
        await watch.look()
        seen = [one.event for one in await watch.told()]
        assert len(seen) - before <= 1
    assert seen == ["first_failure", "failures_in_a_row", "recovered", "first_failure", "recovered"]
    assert [one.sentence for one in await watch.told()][1:3] == [
        "Clear print spool failed 3 times in a row: 1 of 1 device did not succeed.",
        "Clear print spool works again after 4 failures: 1 device succeeded.",
    ]


async def test_who_is_told_of_three_in_a_row_only_hears_of_no_recovery_from_two(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.FAILURES_IN_A_ROW, E.RECOVERED, job_id=job)
    for exit_code in (1, 1, 0, 1, 1, 1, 0):
        await watch.ran(job, exit_code)
    assert await watch.looked() == ["failures_in_a_row", "recovered"]


async def test_what_was_stopped_by_hand_neither_ends_nor_lengthens_a_streak(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.FIRST_FAILURE, E.FAILURES_IN_A_ROW, E.RECOVERED, job_id=job, failures_in_a_row=2)
    await watch.ran(job, 1)
    stopped = await watch.open(job)
    async with watch.db.begin() as tx:
        await runs.cancel_occurrences(tx, [stopped], operator_id=watch.scene.admin.operator_id, now=watch.now)
    await watch.ran(job, 1)
    assert sorted(await watch.looked()) == ["failures_in_a_row", "first_failure"]


async def test_a_streak_is_told_once_also_when_its_ends_become_known_in_another_order(watch: Watch) -> None:
    """The earlier failure commits after the later one was looked at: each alone seems to be the first."""
    job = await watch.job()
    await watch.rule(E.FIRST_FAILURE, job_id=job)
    async with watch.db.begin() as tx:
        await watch.scene.device(tx, "beta")
    deliveries = []
    for _ in range(2):
        await watch.open(job)
        async with watch.db.begin() as tx:
            deliveries += await watch.scene.take(tx, "alpha")
    earlier, later = deliveries
    async with watch.db.begin() as late:
        await runs.finished(late, [watch.scene.report(earlier, exit_code=1)], watch.now)
        watch.go(minutes=1)
        async with watch.db.begin() as tx:
            await runs.finished(tx, [watch.scene.report(later, exit_code=1)], watch.now)
        assert await watch.looked() == ["first_failure"]
    assert len(await watch.rows("SELECT * FROM notification_marks")) == 1
    assert await watch.looked() == ["first_failure"], "told already, of the same streak"


async def test_what_commits_late_is_not_passed_over(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.FAILED, job_id=job)
    await watch.open(job)
    async with watch.db.begin() as late:
        (one,) = await watch.scene.take(late)
        await runs.finished(late, [watch.scene.report(one, exit_code=1)], watch.now)
        other = await watch.job("beta")
        await watch.rule(E.FAILED, job_id=other)
        assert await watch.looked() == []
    assert await watch.looked() == ["failed"]


async def test_a_look_that_fails_takes_nothing_with_it(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.FAILED, job_id=job)
    await watch.ran(job, 1)
    with pytest.raises(RuntimeError):
        async with watch.db.begin() as tx:
            assert (await notifications.look(tx, watch.now)).told == 1
            raise RuntimeError("the process dies here")
    assert await watch.looked() == ["failed"]


async def test_two_schedulers_tell_it_once(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.FAILED, E.FIRST_FAILURE, E.NOT_STARTED, job_id=job)
    for _ in range(5):
        await watch.ran(job, 1)
    await watch.open(job)
    await watch.look()
    watch.go(minutes=20)
    await asyncio.gather(*(watch.look() for _ in range(6)))
    events = [one.event for one in await watch.told()]
    assert sorted(events) == ["failed"] * 5 + ["first_failure", "not_started"]
    assert len(await watch.rows("SELECT * FROM notification_messages")) == 7


async def test_missed_and_skipped_instants_are_told_with_their_reason(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.MISSED, E.SKIPPED, job_id=job)
    at = watch.now.replace(second=0, microsecond=0)
    async with watch.db.begin() as tx:
        missed = Missed(uuid.uuid4(), job, 1, at - timedelta(hours=3), at - timedelta(hours=1), 25, "catch_up_window")
        await runs.record_missed(tx, [missed], watch.now)
        await runs.record_skipped(tx, [Skipped(uuid.uuid4(), job, 1, at, "overlap")], watch.now)
    assert sorted(await watch.looked()) == ["missed", "skipped"]
    said = {one.event: one.sentence for one in await watch.told()}
    assert "was missed 25 times, from " in said["missed"]
    assert said["missed"].endswith("(catch_up_window).")
    assert said["skipped"].endswith("(overlap).")


async def test_a_real_tick_after_an_outage_tells_what_it_missed(watch: Watch) -> None:
    job = await watch.job(schedule=watch.scene.every("hourly"))
    async with watch.db.begin() as tx:
        before = await jobs.lock(tx, watch.scene.admin, job)
    assert before.id == job
    await watch.rule(E.MISSED, job_id=job)
    watch.go(hours=6)
    async with watch.db.begin() as tx:
        await watch.scene.tick(tx, watch.now)
    assert set(await watch.looked()) == {"missed"}


async def test_what_has_not_started_in_time_is_told_when_the_time_comes(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.NOT_STARTED, job_id=job, not_started_minutes=10)
    await watch.open(job)
    rest = await watch.look()
    assert rest == 60, "ten minutes off, and it rests for one at most"
    watch.go(minutes=9, seconds=30)
    assert 29 <= await watch.look() <= 30, "the clock wakes it at the bound"
    watch.go(seconds=30)
    assert await watch.looked() == ["not_started"]
    assert (await watch.told())[
        0
    ].sentence == "Clear print spool has not started on any device 10 min after it was due."
    await watch.ran(job, 0)
    watch.go(hours=1)
    assert await watch.looked() == ["not_started"], "told once, and what ran in time is not told"


async def test_what_starts_in_time_is_not_told(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.NOT_STARTED, job_id=job)
    await watch.open(job)
    await watch.look()
    await watch.finish(0)
    watch.go(hours=1)
    assert await watch.looked() == []


async def test_what_a_person_has_to_release_counts_as_not_started_and_what_a_window_holds_does_not(
    watch: Watch,
) -> None:
    job = await watch.job()
    await watch.rule(E.NOT_STARTED, job_id=job)
    async with watch.db.begin() as tx:
        at = watch.now.replace(microsecond=0)
        reasons = ("misfire_hold", "held_by_window")
        held = [Held(uuid.uuid4(), job, 1, at - timedelta(minutes=n), reason) for n, reason in enumerate(reasons)]
        await runs.record_held(tx, held, watch.now)
    await watch.look()
    watch.go(hours=1)
    assert await watch.looked() == ["not_started"]
    assert (await watch.told())[0].occurrence_id == held[0].id


async def test_slower_than_usual_needs_five_successes_and_counts_from_their_median(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.SLOWER_THAN_USUAL, job_id=job, slower_factor=3)
    for seconds in (10, 100, 30, 90):
        await watch.ran(job, 0, seconds=seconds)
    await watch.open(job)
    watch.go(hours=1)
    assert await watch.looked() == [], "four are not enough to know what is usual"
    await watch.finish(0)  # the fifth: an hour; the median of 10, 30, 90, 100 and 3600 is 90
    await watch.open(job)
    await watch.look()
    watch.go(seconds=269)
    assert await watch.looked() == []
    watch.go(seconds=1)
    assert await watch.looked() == ["slower_than_usual"]
    expected = "Clear print spool takes longer than usual: 4 min 30 s by now, and 1 min 30 s is usual."
    assert (await watch.told())[0].sentence == expected


async def test_who_looks_only_after_the_end_still_tells_that_it_took_longer(watch: Watch) -> None:
    job = await watch.job()
    await watch.rule(E.SLOWER_THAN_USUAL, job_id=job)
    for _ in range(5):
        await watch.ran(job, 0, seconds=60)
    await watch.open(job)
    await watch.look()
    watch.go(seconds=121)
    await watch.finish(0)
    assert await watch.looked() == ["slower_than_usual"]


async def test_a_brake_is_told_by_the_reason_of_its_targets_as_soon_as_somebody_is_asked_to_look(watch: Watch) -> None:
    job = await watch.job("alpha", "beta", "gamma")
    await watch.rule(E.BRAKE_TRIPPED, job_id=job)
    occurrence = await watch.open(job)
    await watch.look()
    async with watch.db.begin() as tx:
        query = "UPDATE run_targets SET state = 'skipped', reason = 'not_started_brake', deadline_at = NULL WHERE hostname <> 'alpha'"
        await tx.execute(text(query))
        await notifications.look_at(tx, [occurrence])
    assert await watch.looked() == ["brake_tripped"]
    assert "it was not started on 2 devices" in (await watch.told())[0].sentence
    await watch.finish(0)
    assert await watch.looked() == ["brake_tripped"]


async def test_devices_that_stayed_offline_are_counted_at_the_end(watch: Watch) -> None:
    async with watch.db.begin() as tx:
        await watch.scene.device(tx, "alpha")
        await watch.scene.device(tx, "laptop", online=False)
    job = await watch.job("alpha", "laptop")
    await watch.rule(E.WAITING_EXPIRED, job_id=job)
    await watch.open(job)
    await watch.finish(0)
    assert await watch.looked() == []
    watch.go(hours=3)
    async with watch.db.begin() as tx:
        await runs.reap(tx, watch.now)
    assert await watch.looked() == ["waiting_expired"]
    assert (await watch.told())[0].sentence.startswith("Clear print spool ended without 1 device that stayed offline")


# --- which rules -------------------------------------------------------------------------------------------------------


async def test_rules_of_a_job_of_its_site_and_of_all_jobs_add_up_unless_the_job_has_its_own_way(watch: Watch) -> None:
    job, other = await watch.job(), await watch.job("beta")
    everything = await watch.rule(E.FAILED)
    of_site = await watch.rule(E.FAILED, site_id=watch.scene.site)
    own = await watch.rule(E.FAILED, job_id=job, replaces_general=True)
    await watch.ran(job, 1)
    await watch.ran(other, 1)
    await watch.look()
    assert {(one.job_id, one.rule_id) for one in await watch.told()} == {
        (job, own.id),
        (other, everything.id),
        (other, of_site.id),
    }


async def test_a_rule_of_a_site_counts_the_devices_of_that_site_only(watch: Watch) -> None:
    async with watch.db.begin() as tx:
        far = await places.make_site(tx, "Lighthouse", now=watch.now)
        await watch.scene.device(tx, "alpha")
        await watch.scene.device(tx, "lamp", site=far)
    job = await watch.job("alpha", "lamp")
    await watch.rule(E.FAILED, site_id=far)
    occurrence = await watch.open(job)
    async with watch.db.begin() as tx:
        for run in await runs.runs_of(tx, [occurrence]):
            await runs.release(tx, run.id, far, watch.now)
    await watch.finish(1)
    assert await watch.looked() == ["failed"]
    assert (await watch.told())[0].counts == {"failed": 1}


async def test_a_site_that_whoever_saved_a_rule_loses_is_lost_to_the_rule(watch: Watch) -> None:
    job = await watch.job()
    channel = await watch.channel(site_ids=[watch.scene.site])
    async with watch.db.begin() as tx:
        actor = await people.make_actor(tx, "otto", Role.OPERATOR, now=watch.now, site_ids=(watch.scene.site,))
        draft = RuleDraft([E.FAILED], [], [channel.id], 15, 3, 2.0, replaces_general=False, enabled=True, job_id=job)
        await notifications.create_rule(tx, actor, draft, now=watch.now)
    await watch.ran(job, 1)
    assert await watch.looked() == ["failed"]
    async with watch.db.begin() as tx:
        await tx.execute(operator_sites.delete())
    await watch.ran(job, 1)
    assert await watch.looked() == ["failed"]


async def test_an_operator_uses_the_channels_of_their_sites_only_and_makes_no_rule_of_all_jobs(watch: Watch) -> None:
    job = await watch.job()
    foreign = await watch.channel()
    async with watch.db.begin() as tx:
        actor = await people.make_actor(tx, "otto", Role.OPERATOR, now=watch.now, site_ids=(watch.scene.site,))
        draft = RuleDraft([E.FAILED], [E.MISSED], [foreign.id], 15, 3, 2.0, replaces_general=False, enabled=True, job_id=job)  # fmt: skip
        with pytest.raises(InvalidError) as refused:
            await notifications.create_rule(tx, actor, draft, now=watch.now)
        assert [one.field for one in refused.value.problems] == ["urgent_events", "channel_ids.0"]
        with pytest.raises(ForbiddenError):
            whole = RuleDraft([E.FAILED], [], [foreign.id], 15, 3, 2.0, replaces_general=False, enabled=True)
            await notifications.create_rule(tx, actor, whole, now=watch.now)


async def test_an_archived_rule_tells_nothing_and_a_new_one_looks_at_what_goes_on(watch: Watch) -> None:
    job = await watch.job()
    rule = await watch.rule(E.NOT_STARTED, E.FAILED, job_id=job)
    await watch.open(job)
    await watch.look()
    async with watch.db.begin() as tx:
        locked = await notifications.lock_rule(tx, watch.scene.admin, rule.id)
        await notifications.archive_rule(tx, watch.scene.admin, locked, now=watch.now)
    watch.go(minutes=20)
    assert await watch.looked() == []
    await watch.rule(E.NOT_STARTED, job_id=job)
    await watch.look()
    assert await watch.looked() == ["not_started"]
