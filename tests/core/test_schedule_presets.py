"""Presets: exact steps, and the same wall clock by day, week, month and year through gaps, folds and month ends."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from watchbill.core import schedule as sut


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def read(kind, start, zone, **more):
    return sut.parse({"type": kind, "start": start, "timezone": zone} | more)


def local_times(plan, after, n):
    return [item.local.isoformat(timespec="minutes") for item in sut.upcoming(plan, at(after), n)]


def test_monthly_on_the_31st_returns_to_the_31st():
    plan = read("monthly", "2025-01-31T09:00", "Europe/Berlin")
    assert local_times(plan, "2025-01-01T00:00Z", 4) == [
        "2025-01-31T09:00",
        "2025-02-28T09:00",
        "2025-03-31T09:00",
        "2025-04-30T09:00",
    ]
    assert [item.flags for item in sut.upcoming(plan, at("2025-01-01T00:00Z"), 2)] == [(), ("clamped",)]


def test_yearly_on_a_leap_day_runs_on_the_28th_and_returns():
    plan = read("yearly", "2024-02-29T12:00", "UTC")
    assert local_times(plan, "2024-01-01T00:00Z", 5) == [
        "2024-02-29T12:00",
        "2025-02-28T12:00",
        "2026-02-28T12:00",
        "2027-02-28T12:00",
        "2028-02-29T12:00",
    ]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        ("America/New_York", "2026-03-07T02:30", ["2026-03-07T07:30Z", "2026-03-08T07:30Z", "2026-03-09T06:30Z"]),
        ("Europe/Berlin", "2026-03-28T02:30", ["2026-03-28T01:30Z", "2026-03-29T01:30Z", "2026-03-30T00:30Z"]),
        ("Australia/Lord_Howe", "2026-10-03T02:15", ["2026-10-02T15:45Z", "2026-10-03T15:45Z", "2026-10-04T15:15Z"]),
    ],
)
def test_daily_in_a_gap_keeps_the_offset_before_it(zone, start, expected):
    plan = read("daily", start, zone)
    coming = sut.upcoming(plan, at("2026-01-01T00:00Z"), 3)
    assert [item.at for item in coming] == [at(text) for text in expected]
    assert [item.flags for item in coming] == [(), ("shifted_gap",), ()]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        ("America/New_York", "2026-10-31T01:30", ["2026-10-31T05:30Z", "2026-11-01T05:30Z", "2026-11-02T06:30Z"]),
        ("Europe/Berlin", "2026-10-24T02:30", ["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
        ("Australia/Lord_Howe", "2026-04-04T01:45", ["2026-04-03T14:45Z", "2026-04-04T14:45Z", "2026-04-05T15:15Z"]),
    ],
)
def test_daily_at_a_repeated_time_runs_in_the_first_pass_only(zone, start, expected):
    plan = read("daily", start, zone)
    coming = sut.upcoming(plan, at("2026-01-01T00:00Z"), 3)
    assert [item.at for item in coming] == [at(text) for text in expected]
    assert coming[1].flags == ("first_of_two",)


def test_the_day_that_samoa_skipped_runs_once():
    plan = read("daily", "2011-12-28T09:00", "Pacific/Apia")
    assert local_times(plan, "2011-12-01T00:00Z", 4) == [
        "2011-12-28T09:00",
        "2011-12-29T09:00",
        "2011-12-31T09:00",
        "2012-01-01T09:00",
    ]


def test_hourly_keeps_its_step_through_both_changes_of_the_clocks():
    plan = read("hourly", "2026-01-01T00:00", "Europe/Berlin")
    for begin in ("2026-03-28T22:00Z", "2026-10-24T22:00Z"):
        instants = [item.at for item in sut.upcoming(plan, at(begin), 8)]
        assert {later - earlier for earlier, later in pairwise(instants)} == {timedelta(hours=1)}


def test_a_step_without_start_is_aligned_to_the_zones_own_clocks():
    plan = sut.anchored(
        sut.parse({"type": "every_15_minutes", "timezone": "Asia/Kathmandu"}), at("2026-05-04T10:07:31Z")
    )
    assert local_times(plan, "2026-05-04T10:00Z", 2) == ["2026-05-04T16:00", "2026-05-04T16:15"]
    assert sut.parse(sut.to_json(plan)) == plan


def test_a_step_without_start_asks_for_its_anchor():
    with pytest.raises(ValueError, match="anchored"):
        sut.next_due(sut.parse({"type": "hourly"}), at("2026-05-04T10:00Z"))


def test_flags_of_others_are_added_once_and_in_order():
    [plain] = sut.upcoming(read("daily", "2026-03-28T02:30", "Europe/Berlin"), at("2026-03-28T12:00Z"), 1)
    assert plain.flags == ("shifted_gap",)
    assert sut.with_flags(plain, ["held", "in_blackout", "shifted_gap"]).flags == ("shifted_gap", "in_blackout", "held")
    assert sut.with_flags(plain, []) == plain


def test_count_ends_the_schedule_after_that_many_instants():
    for kind in ("hourly", "daily", "weekly"):
        plan = read(kind, "2026-05-04T07:00", "Europe/Berlin", count=3)
        instants = [item.at for item in sut.upcoming(plan, at("2026-01-01T00:00Z"), 9)]
        assert len(instants) == 3
        assert sut.latest_before(plan, at("2030-01-01T00:00Z")) == instants[-1]


def test_start_and_end_are_inclusive():
    plan = read("daily", "2026-05-04T07:00:59", "UTC", end="2026-05-06T07:00")
    assert local_times(plan, "2026-01-01T00:00Z", 9) == ["2026-05-04T07:00", "2026-05-05T07:00", "2026-05-06T07:00"]


def test_once_in_the_past_is_refused_beyond_sixty_seconds():
    plan = read("once", "2026-05-04T07:00", "Europe/Berlin")
    assert sut.check_new(plan, at("2026-05-04T05:00:59Z")) == []
    assert [problem.code for problem in sut.check_new(plan, at("2026-05-04T05:01:01Z"))] == ["in_the_past"]


def test_immediately_names_no_instant_and_may_be_saved():
    plan = sut.parse({"type": "immediately", "start": None, "timezone": "Europe/Berlin"})
    assert sut.next_due(plan, at("2026-01-01T00:00Z")) is None
    assert sut.check_new(plan, at("2026-01-01T00:00Z")) == []


def test_every_problem_is_named_at_once():
    with pytest.raises(sut.ScheduleProblems) as caught:
        sut.parse({"type": "daily", "timezone": "europe/berlin", "end": "soon", "count": 0, "cron": "* * * * *"})
    assert {(problem.field, problem.code) for problem in caught.value.problems} == {
        ("timezone", "unknown_timezone"),
        ("start", "required"),
        ("end", "invalid_time"),
        ("count", "invalid_count"),
        ("cron", "unknown_field"),
    }
