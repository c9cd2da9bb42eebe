"""What a schedule owes after an outage, and the identity of an occurrence."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.schedule_strategies import UNTIMED
from watchbill.core import occurrence as sut
from watchbill.core import schedule
from watchbill.core.following import LAST_WAVE, leading_now

ALL_POLICIES = ("skip", "latest", "all", "hold")


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def plan(kind="every_5_minutes", start="2026-01-01T00:00", **more):
    return schedule.parse({"type": kind, "start": start, "timezone": "Europe/Berlin"} | more)


def owed(spec, mark, now, catch_up="latest", window=None):
    return sut.owed(spec, at(mark), at(now), sut.CatchUpPolicy(catch_up, window))


def test_an_instant_up_to_a_minute_late_is_on_time_under_every_policy():
    for catch_up in ALL_POLICIES:
        result = owed(plan(), "2026-05-04T10:00:30Z", "2026-05-04T10:06:00Z", catch_up)
        assert result.open == (sut.Due(at("2026-05-04T10:05Z"), late=False),)
        assert result.missed == result.held == ()
        assert result.mark == at("2026-05-04T10:06Z")
        assert result.next_due == at("2026-05-04T10:10Z")


def test_a_month_of_missed_five_minute_runs_is_one_row_and_one_late_run():
    result = owed(plan(), "2026-05-04T10:00Z", "2026-06-04T10:03Z")
    assert result.open == (sut.Due(at("2026-06-04T10:00Z"), late=True),)
    assert result.missed == (
        sut.MissedRange(at("2026-05-04T10:05Z"), at("2026-06-04T09:55Z"), 31 * 288 - 1, False, "catch_up_window"),
    )


def test_a_year_of_missed_minutes_is_counted_exactly_and_a_dense_calendar_rule_up_to_a_limit():
    cron = schedule.parse({"type": "cron", "expression": "* * * * *", "timezone": "Europe/Berlin"})
    assert [(row.count, row.capped) for row in owed(cron, "2025-05-04T10:00Z", "2026-05-04T10:00Z").missed] == [
        (525598, False)
    ]
    every_minute = f"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}"
    rule = schedule.parse({"type": "rrule", "rule": every_minute, "start": "2025-01-01T00:00"})
    assert [(row.count, row.capped) for row in owed(rule, "2025-05-04T10:00Z", "2026-05-04T10:00Z").missed] == [
        (sut.WALK_CAP, True)
    ]


def test_latest_beside_an_instant_just_due_runs_that_one_only():
    result = owed(plan(), "2026-05-04T10:00Z", "2026-05-04T11:00:05Z", "latest", 3600)
    assert result.open == (sut.Due(at("2026-05-04T11:00Z"), late=False),)
    assert [(row.count, row.reason) for row in result.missed] == [(11, "misfire_policy")]


def test_all_opens_the_oldest_hundred_and_accounts_for_the_rest():
    result = owed(plan(), "2026-05-04T00:00Z", "2026-05-05T00:03Z", "all", 7 * 86400)
    assert [due.at for due in result.open[:2]] == [at("2026-05-04T00:05Z"), at("2026-05-04T00:10Z")]
    assert len(result.open) == 100
    assert [(row.count, row.reason) for row in result.missed] == [(188, "misfire_policy")]


def test_hold_keeps_late_instants_for_a_person():
    result = owed(plan("daily", "2026-01-01T03:00"), "2026-05-01T12:00Z", "2026-05-04T12:00Z", "hold", 2 * 86400)
    assert result.held == (at("2026-05-03T01:00Z"), at("2026-05-04T01:00Z"))
    assert result.open == ()
    assert [(row.count, row.reason) for row in result.missed] == [(1, "catch_up_window")]


def test_the_default_window_is_one_hour_for_a_daily_job():
    assert owed(plan("daily", "2026-01-01T03:00"), "2026-05-03T12:00Z", "2026-05-04T02:00Z").open == (
        sut.Due(at("2026-05-04T01:00Z"), late=True),
    )
    late = owed(plan("daily", "2026-01-01T03:00"), "2026-05-03T12:00Z", "2026-05-04T02:00:01Z")
    assert late.open == ()
    assert [(row.count, row.reason) for row in late.missed] == [(1, "catch_up_window")]


def test_a_clock_that_went_back_owes_nothing_twice():
    result = owed(plan(), "2026-05-04T12:00Z", "2026-05-04T09:00Z")
    assert (result.open, result.held, result.missed) == ((), (), ())
    assert result.mark == at("2026-05-04T12:00Z")
    assert result.next_due == at("2026-05-04T12:05Z")


def test_a_window_outside_its_bounds_is_refused():
    for seconds in (59, 7 * 86400 + 1):
        with pytest.raises(ValueError, match="window_seconds"):
            sut.CatchUpPolicy("all", seconds)


SPECS = st.sampled_from(
    [
        plan(),
        plan("hourly", "2026-03-29T00:00"),
        plan("daily", "2026-01-01T02:30"),
        plan("daily", "2026-03-01T02:30", count=40),
        plan("monthly", "2026-01-31T02:30"),
        plan("weekly", "2026-01-05T02:30", end="2026-12-01T00:00"),
        plan("once", "2026-03-29T02:30"),
    ]
)
FOLLOWERS = st.sampled_from(
    [
        schedule.parse({"timezone_source": "device"} | spec)
        for spec in (
            {"type": "daily", "start": "2026-01-01T02:30"},
            {"type": "weekly", "start": "2026-01-04T02:15", "end": "2026-06-01T00:00"},
            {"type": "cron", "expression": "15,45 1-3 * * *"},
            {"type": "rrule", "rule": "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;COUNT=300", "start": "2026-01-01T02:30"},
            {"type": "once", "start": "2026-03-08T02:30"},
        )
    ]
)
MOMENTS = st.integers(0, 200 * 86400).map(lambda seconds: at("2026-01-01T00:00Z") + timedelta(seconds=seconds))
WINDOWS = st.none() | st.integers(60, 7 * 86400)


@UNTIMED
@given(SPECS, MOMENTS, st.integers(0, 30 * 86400), st.sampled_from(ALL_POLICIES), WINDOWS)
def test_every_instant_is_opened_held_or_missed_exactly_once(spec, mark, seconds, catch_up, window):
    now = mark + timedelta(seconds=seconds)
    result = sut.owed(spec, mark, now, sut.CatchUpPolicy(catch_up, window))
    found = Counter(due.at for due in result.open) + Counter(result.held)
    for row in result.missed:
        inside = list(schedule.instants_between(spec, row.first - timedelta(seconds=1), row.last))
        assert (inside[0], inside[-1], len(inside)) == (row.first, row.last, row.count)
        found += Counter(inside)
    assert found == Counter(schedule.instants_between(spec, mark, now))


@UNTIMED
@given(FOLLOWERS, MOMENTS, st.integers(0, 30 * 86400), st.sampled_from(ALL_POLICIES), WINDOWS)
def test_every_wall_clock_of_a_follower_is_opened_held_or_missed_exactly_once(spec, begin, seconds, catch_up, window):
    zones = ["UTC", "America/Denver", "Australia/Lord_Howe"]
    mark, now = sut.first_mark(spec, begin, zones), begin + timedelta(seconds=seconds)
    result = sut.owed(spec, mark, now, sut.CatchUpPolicy(catch_up, window), zones)
    found = Counter(due.at for due in result.open) + Counter(result.held)
    for row in result.missed:
        found += Counter(schedule.instants_between(spec, row.first - timedelta(seconds=1), row.last))
    assert found == Counter(schedule.instants_between(spec, mark, leading_now(zones, now)))
    # What some zone has yet to start is never written off.
    assert all(row.last <= now - LAST_WAVE for row in result.missed)


@UNTIMED
@given(SPECS, MOMENTS, st.lists(st.integers(1, 60), min_size=40, max_size=80))
def test_what_a_preview_shows_is_what_fires(spec, begin, steps):
    first = schedule.next_due(spec, begin)
    now = mark = begin if first is None else first - timedelta(seconds=30)
    shown = [item.at for item in schedule.upcoming(spec, mark, 10)]
    fired: list[datetime] = []
    for step in steps:
        now += timedelta(seconds=step)
        result = sut.owed(spec, mark, now, sut.CatchUpPolicy())
        fired += [due.at for due in result.open]
        mark = result.mark
    assert fired == [at for at in shown if at <= now]
    assert bool(fired) == bool(first)


@UNTIMED
@given(SPECS, MOMENTS, st.lists(st.integers(1, 86400), min_size=1, max_size=20))
def test_any_sequence_of_ticks_settles_the_same_instants_as_one(spec, mark, steps):
    settled: Counter[datetime] = Counter()
    begin = mark
    for step in steps:
        result = sut.owed(spec, mark, mark + timedelta(seconds=step), sut.CatchUpPolicy("all", 7 * 86400))
        settled += Counter(due.at for due in result.open)
        for row in result.missed:
            settled += Counter(schedule.instants_between(spec, row.first - timedelta(seconds=1), row.last))
        mark = result.mark
    assert settled == Counter(schedule.instants_between(spec, begin, mark))


def test_the_identity_is_stable_and_tells_every_part_apart():
    nominal, zoned = at("2026-05-04T10:00Z"), datetime.fromisoformat("2026-05-04T12:00+02:00")
    assert sut.public_id(7, "schedule", nominal, "") == sut.public_id(7, "schedule", zoned, "")
    others = {
        sut.public_id(7, "schedule", nominal, ""),
        sut.public_id(8, "schedule", nominal, ""),
        sut.public_id(7, "backfill", nominal, ""),
        sut.public_id(7, "schedule", nominal + timedelta(seconds=1), ""),
        sut.public_id(7, "schedule", nominal, "retry"),
    }
    assert len(others) == 5
    assert sut.public_id(7, "schedule", nominal, "") == UUID("d49819d3-6385-55c6-85e3-a885199b212b")


def test_splay_spreads_devices_evenly_and_stays_the_same():
    devices = [UUID(int=number) for number in range(2000)]
    delays = [sut.splay_delay(5, device, 600) for device in devices]
    assert delays == [sut.splay_delay(5, device, 600) for device in devices]
    assert 0 <= min(delays) < 10
    assert 590 <= max(delays) < 600
    assert 270 < sum(delays) / len(delays) < 330
    assert [sut.splay_delay(5, device, 600, at("2026-05-04T10:00Z")) for device in devices] != delays
    assert {sut.splay_delay(5, device, 0) for device in devices} == {0}


def test_splay_never_reaches_the_next_instant():
    assert sut.fitting_splay(plan(), at("2026-05-04T10:00Z"), 3600) == 299
    assert sut.fitting_splay(plan("once"), at("2026-01-01T00:00Z"), 3600) == 3600
