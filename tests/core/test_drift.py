"""Does a job keep to its schedule? Only longer gaps than the schedule's own count, and only where the schedule was the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core import schedule as calendar
from watchbill.core.drift import LEAST_GAPS, drift, every

START = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)


def parsed(kind, **more):
    return calendar.parse({"type": kind, "start": "2026-05-04T07:00", "timezone": "UTC", **more})


def starts(schedule, step, number):
    """Every `step`-th instant of a schedule, newest first."""
    return [at for place, at in zip(range(step * number), calendar.instants_after(schedule, START), strict=False)][
        ::step
    ][::-1]


def test_every_ten_minutes_that_is_every_thirty_is_said():
    schedule = parsed("every_10_minutes")
    found = drift(schedule, starts(schedule, 3, 10))
    assert found is not None
    assert (found.said, found.real) == (timedelta(minutes=10), timedelta(minutes=30))
    assert found.sentence == "Its schedule says every 10 minutes, most of its last starts were every 30 minutes."


@pytest.mark.parametrize("kind", ["every_5_minutes", "hourly", "daily", "weekly", "monthly"])
def test_a_job_that_keeps_to_its_schedule_has_none(kind):
    schedule = parsed(kind)
    assert drift(schedule, starts(schedule, 1, 10)) is None


def test_uneven_gaps_of_the_schedule_are_its_own():
    schedule = parsed("cron", expression="0 8,9,10 * * 1-5")
    assert drift(schedule, starts(schedule, 1, 10)) is None


def test_one_long_gap_is_no_drift():
    schedule = parsed("every_5_minutes")
    kept = starts(schedule, 1, 9)
    assert drift(schedule, [kept[0] + timedelta(days=3), *kept]) is None


def test_starts_under_an_earlier_schedule_say_nothing():
    daily = parsed("daily")
    schedule = parsed("cron", expression="3-59/5 * * * *")
    assert drift(schedule, [*starts(schedule, 1, 3), *starts(daily, 1, 7)]) is None


@pytest.mark.parametrize("number", range(LEAST_GAPS + 1))
def test_too_few_starts_say_nothing(number):
    schedule = parsed("hourly")
    assert drift(schedule, starts(schedule, 4, number)) is None


@pytest.mark.parametrize("kind", ["once", "immediately"])
def test_what_has_one_instant_cannot_drift(kind):
    schedule = parsed(kind) if kind == "once" else calendar.parse({"type": kind})
    assert drift(schedule, [START]) is None


@given(st.integers(1, 12), st.integers(LEAST_GAPS + 1, 14))
def test_the_real_gap_is_the_one_that_was_made(step, number):
    schedule = parsed("every_15_minutes")
    found = drift(schedule, starts(schedule, step, number))
    assert (found is None) == (step == 1)
    assert found is None or found.real == step * found.said == step * timedelta(minutes=15)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (60, "every minute"),
        (600, "every 10 minutes"),
        (3600, "every hour"),
        (5400, "every 1 hour 30 minutes"),
        (86_400, "every day"),
        (31 * 86_400, "every 31 days"),
        (90_061, "every 1 day 1 hour"),
    ],
)
def test_gaps_in_words(seconds, words):
    assert every(timedelta(seconds=seconds)) == words
