"""The merge of many jobs' futures: the same as computing all of them, at a fraction of the looks."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from watchbill.core.job_rules_values import Policies
from watchbill.core.leading import local_time, reached_at
from watchbill.core.occurrence import next_start
from watchbill.core.schedule import anchored, instants_after, parse
from watchbill.jobs import DueJob
from watchbill.runs.forecast import Forecast, Place

NOW = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)  # a day before the clocks go forward in Europe
ZONES = frozenset({"UTC", "Europe/Berlin", "Asia/Tokyo", "America/Denver"})
POLICIES = Policies("skip", "device", "latest", None, "wait", 0, 0, 60, False, None, 0)
FIRST = datetime(1, 1, 1, tzinfo=UTC)

SCHEDULES: list[dict[str, Any]] = [
    {"type": "every_5_minutes", "timezone": "UTC", "start": "2026-03-01T00:00"},
    {"type": "hourly", "timezone": "Asia/Tokyo", "start": "2026-03-01T00:20"},
    {"type": "daily", "timezone": "Europe/Berlin", "start": "2026-03-01T02:30"},
    {"type": "cron", "timezone": "Europe/Berlin", "expression": "*/20 1-3 * * *"},
    {"type": "cron", "timezone": "Europe/Berlin", "expression": "0,30 2 * * *"},
    {"type": "weekly", "timezone": "America/Denver", "start": "2026-03-01T23:00"},
    {"type": "rrule", "timezone": "UTC", "start": "2026-03-01T00:00", "rule": "FREQ=HOURLY;INTERVAL=5;COUNT=150"},
    {"type": "once", "timezone": "UTC", "start": "2026-03-28T12:00"},
    {"type": "cron", "timezone_source": "site", "expression": "0,30 2,3 * * *"},
    {"type": "daily", "timezone_source": "device", "start": "2026-03-01T02:30"},
]


def job(number: int, which: int, mark: timedelta) -> DueJob:
    schedule = anchored(parse(SCHEDULES[which]), NOW)
    at = NOW - mark
    due = next_start(schedule, at, ZONES)
    return DueJob(number, 1, schedule, None, at, due, POLICIES, 60, None, None, "fixed", None, None, 0, "x")


def every_place(one: DueJob, until: datetime) -> list[Place]:
    """Computed one by one, without regard to what is asked for."""
    assert one.schedule is not None
    names = takewhile(lambda at: at <= until + timedelta(hours=26), instants_after(one.schedule, one.mark_at))
    if one.schedule.is_following:
        places = [(reached_at(ZONES, local_time(name)), one.id, name) for name in names]
    else:
        places = [(name, one.id, name) for name in names]
    return [place for place in places if place[0] <= until]


@settings(max_examples=150, deadline=None)
@given(
    chosen=st.lists(st.tuples(st.integers(0, len(SCHEDULES) - 1), st.integers(0, 90)), min_size=1, max_size=12),
    limit=st.integers(1, 40),
    begin=st.integers(-60, 30 * 60),
    hours=st.integers(1, 40),
)
def test_a_page_is_what_computing_everything_gives(
    chosen: list[tuple[int, int]], limit: int, begin: int, hours: int
) -> None:
    jobs = [job(number, which, timedelta(minutes=mark)) for number, (which, mark) in enumerate(chosen, 1)]
    live = sorted((one for one in jobs if one.next_due_at), key=lambda one: (one.next_due_at, one.id))
    until = NOW + timedelta(hours=hours)
    after: Place = (NOW + timedelta(minutes=begin), 0, FIRST)
    whole = sorted(place for one in live for place in every_place(one, until))
    for _ in range(3):
        forecast = Forecast(limit, after, until, ZONES)
        forecast.take(live)
        page = [one.place for one in forecast.found]
        assert page == [place for place in whole if place > after][:limit]
        if page:
            after = page[-1]


def test_jobs_that_fall_due_behind_the_page_are_not_looked_at() -> None:
    near = [job(number, 0, timedelta()) for number in range(1, 31)]
    far = [job(number, 5, timedelta()) for number in range(31, 61)]
    forecast = Forecast(20, (NOW, 0, FIRST), NOW + timedelta(days=30), ZONES)
    assert forecast.take([*near, *far]) is False
    assert forecast.looked_at == 30
    assert len(forecast.found) == 20


def test_what_cannot_be_read_has_no_future() -> None:
    broken = DueJob(1, 1, None, "why", NOW, NOW, POLICIES, 60, None, None, "fixed", None, None, 0, "x")
    forecast = Forecast(5, (NOW, 0, FIRST), NOW + timedelta(days=1), ZONES)
    assert forecast.take([broken]) is True
    assert forecast.found == []
