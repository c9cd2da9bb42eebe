"""Cron as Debian reads it: fields, AND/OR of days, gaps and repeated times, sparse dates, refusals."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.schedule_strategies import UNTIMED, ZONES, zone_of
from watchbill.core import schedule as sut


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def read(expression, zone="UTC", **more):
    return sut.parse({"type": "cron", "expression": expression, "timezone": zone} | more)


def local_times(expression, zone, after, n):
    return [item.local.isoformat(timespec="minutes") for item in sut.upcoming(read(expression, zone), at(after), n)]


def instants(expression, zone, after, n):
    return list(islice(sut.instants_after(read(expression, zone), at(after)), n))


@pytest.mark.parametrize(
    ("zone", "after", "expression", "expected"),
    [
        ("America/New_York", "2026-03-08T05:00Z", "30 2 * * *", ["2026-03-08T07:00Z", "2026-03-09T06:30Z"]),
        ("Europe/Berlin", "2026-03-29T00:00Z", "0,15,30 2 * * *", ["2026-03-29T01:00Z", "2026-03-30T00:00Z"]),
        ("Europe/Berlin", "2026-03-29T00:00Z", "30 2,3 * * *", ["2026-03-29T01:00Z", "2026-03-29T01:30Z"]),
        ("Europe/Berlin", "2026-03-29T00:00Z", "0 2,3 * * *", ["2026-03-29T01:00Z", "2026-03-30T00:00Z"]),
        ("Australia/Lord_Howe", "2026-10-03T12:00Z", "15 2 * * *", ["2026-10-03T15:30Z", "2026-10-04T15:15Z"]),
        ("Africa/Casablanca", "2026-03-21T12:00Z", "30 2 22 3 *", ["2026-03-22T02:00Z"]),
        ("Pacific/Apia", "2011-12-29T23:00Z", "0 9 * * *", ["2011-12-30T19:00Z"]),
        ("Antarctica/Casey", "2009-10-17T00:00Z", "30 3 * * *", ["2009-10-18T16:30Z"]),
    ],
)
def test_a_fixed_time_in_a_gap_runs_once_when_the_clocks_have_gone_forward(zone, after, expression, expected):
    assert instants(expression, zone, after, len(expected)) == [at(text) for text in expected]


@pytest.mark.parametrize(
    ("zone", "after", "expression", "expected"),
    [
        ("America/New_York", "2026-11-01T04:00Z", "30 1 * * *", ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]),
        ("Europe/Berlin", "2026-10-25T00:10Z", "0,30 2 * * *", ["2026-10-25T00:30Z", "2026-10-26T01:00Z"]),
        ("Europe/Berlin", "2026-10-25T01:10Z", "0,30 2 * * *", ["2026-10-26T01:00Z", "2026-10-26T01:30Z"]),
    ],
)
def test_a_fixed_time_that_is_repeated_runs_in_the_first_pass(zone, after, expression, expected):
    assert instants(expression, zone, after, len(expected)) == [at(text) for text in expected]


def test_a_wildcard_runs_at_every_real_instant_that_matches():
    assert local_times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15Z", 3) == [
        "2026-03-29T01:30",
        "2026-03-29T03:00",
        "2026-03-29T03:30",
    ]
    assert local_times("0 */1 * * *", "Australia/Lord_Howe", "2026-04-04T13:30Z", 4) == [
        "2026-04-05T01:00",
        "2026-04-05T02:00",
        "2026-04-05T03:00",
        "2026-04-05T04:00",
    ]
    assert local_times("30 * * * *", "Europe/Berlin", "2026-10-25T00:00Z", 3) == [
        "2026-10-25T02:30",
        "2026-10-25T02:30",
        "2026-10-25T03:30",
    ]


def test_a_quarter_hour_zone_keeps_its_own_quarters():
    assert instants("45 5 * * *", "Asia/Kathmandu", "2026-05-04T00:00Z", 1) == [at("2026-05-05T00:00Z")]


def test_days_are_joined_by_and_when_either_field_begins_with_a_star():
    assert local_times("0 0 */5 * 1", "UTC", "2026-01-01T00:00Z", 3) == [
        "2026-01-26T00:00",
        "2026-02-16T00:00",
        "2026-03-16T00:00",
    ]
    assert local_times("0 0 13 * */5", "UTC", "2026-01-01T00:00Z", 2) == ["2026-02-13T00:00", "2026-03-13T00:00"]


def test_days_are_joined_by_or_when_both_fields_are_given():
    assert local_times("0 0 13 * 5", "UTC", "2026-01-01T00:00Z", 4) == [
        "2026-01-02T00:00",
        "2026-01-09T00:00",
        "2026-01-13T00:00",
        "2026-01-16T00:00",
    ]


def test_a_leap_day_on_a_sunday_is_found_forty_years_ahead():
    for expression in ("0 0 29 2 */7", "*/5 * 29 2 */7"):
        for zone in ("UTC", "Europe/Berlin"):
            assert local_times(expression, zone, "2088-03-01T12:00Z", 1) == ["2128-02-29T00:00"]


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("@hourly", "0 * * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * sun"),
        ("@annually", "0 0 1 1 *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("50/3 0 * * *", "50,53,56,59 0 * * *"),
        ("10-20/5 0 * JAN-mar Mon", "10,15,20 0 * 1,2,3 1"),
    ],
)
def test_two_ways_to_write_one_rule(expression, same):
    assert instants(expression, "UTC", "2026-01-01T00:00Z", 20) == instants(same, "UTC", "2026-01-01T00:00Z", 20)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 0 30 2 *", "never occurs"),
        ("0 0 31 4,6,9,11 *", "never occurs"),
        ("0 0 0 * * *", "five fields"),
        ("0 0 1 1 * 2027", "five fields"),
        ("@reboot", "@hourly"),
        ("TZ=UTC 0 0 * * *", "timezone"),
        ("0 22-2 * * *", "backwards"),
        ("0 0 * * fri-sun", "backwards"),
        ("*/0 * * * *", "step of 0"),
        ("60 * * * *", "0 to 59"),
        ("* 24 * * *", "0 to 23"),
        ("* * 0 * *", "1 to 31"),
        ("* * * foo *", "jan to dec"),
        ("* * * * 1#6", "day of week"),
        ("1,,2 * * * *", "minute ''"),
        ("-1 * * * *", "minute"),
        ("1.5 * * * *", "minute"),
        ("٣ * * * *", "minute"),
        ("0 0 " + "1," * 130 + "1 * *", "256 characters"),
    ],
)
def test_what_cron_cannot_mean_is_refused(expression, said):
    with pytest.raises(sut.ScheduleProblems) as caught:
        read(expression)
    assert [problem.field for problem in caught.value.problems] == ["expression"]
    assert said in caught.value.problems[0].message


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(sut.ScheduleProblems) as caught:
        read("60 24 32 13 8")
    assert len(caught.value.problems) == 5


def test_the_preview_names_what_is_passed_over():
    coming = sut.upcoming(read("0 0 31 * *"), at("2026-03-01T00:00Z"), 2)
    assert coming[1].passed_over == ("no 31st in April 2026",)
    coming = sut.upcoming(read("0 0 * * mon#5"), at("2026-03-01T00:00Z"), 2)
    assert coming[1].passed_over == ("no fifth Monday in April 2026", "no fifth Monday in May 2026")
    coming = sut.upcoming(read("*/30 2 * * *", "Europe/Berlin"), at("2026-03-28T12:00Z"), 1)
    assert coming[0].passed_over == ("02:00 does not exist on 2026-03-29, the clocks skip it",)


# --- against a walk through every minute, written the plain way ---------------------------------------------------------

VALUES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


@st.composite
def fields(draw, name):
    low, high = VALUES[name]
    value = st.integers(low, high)
    form = draw(st.sampled_from(["*", "*/n", "a/n", "a-b", "list"] if name != "month" else ["*", "*", "*", "list"]))
    if form == "*/n":
        return f"*/{draw(st.integers(1, 12))}"
    if form == "a/n":
        return f"{draw(value)}/{draw(st.integers(1, 12))}"
    if form == "a-b":
        return "-".join(str(end) for end in sorted([draw(value), draw(value)]))
    return form if form == "*" else ",".join(str(one) for one in draw(st.lists(value, min_size=1, max_size=3)))


def values(text, name):
    low, high = VALUES[name]
    found = set()
    for term in text.split(","):
        span, _, step = term.partition("/")
        first, _, last = span.partition("-")
        begin = low if first == "*" else int(first)
        end = high if first == "*" or (step and not last) else int(last or first)
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def matcher(expression):
    minute, hour, day, month, weekday = expression.split()
    minutes, hours, days = values(minute, "minute"), values(hour, "hour"), values(day, "day")
    months, weekdays = values(month, "month"), {one % 7 for one in values(weekday, "weekday")}
    both = day.startswith("*") or weekday.startswith("*")

    def matches(wall):
        dated, named = wall.day in days, wall.isoweekday() % 7 in weekdays
        is_day = (dated and named) if both else (dated or named)
        return wall.minute in minutes and wall.hour in hours and wall.month in months and is_day

    return matches


def minutes_between(begin, end):
    return (begin + timedelta(minutes=number) for number in range((end - begin) // timedelta(minutes=1) + 1))


def expected_wildcard(zone, matches, begin, end):
    return {instant for instant in minutes_between(begin, end) if matches(zone.wall(instant))}


def expected_fixed(zone, matches, begin, end):
    found = set()
    naive = (begin - timedelta(days=2)).replace(tzinfo=None), (end + timedelta(days=2)).replace(tzinfo=None)
    for wall in filter(matches, minutes_between(*naive)):
        gap, landed = zone.spread(wall), wall
        while zone.spread(landed) > timedelta():
            landed += timedelta(minutes=1)
        if gap < timedelta(hours=3):
            found.add(zone.resolve(landed))
    return {instant for instant in found if begin <= instant <= end}


@UNTIMED
@given(st.data(), ZONES, st.integers(1972, 2090), st.integers(0, 40))
def test_around_changes_of_the_clocks_a_plain_walk_finds_the_same(data, zone_name, year, hours):
    zone = zone_of(zone_name)
    change = zone.change_between(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 9, 1, 1, tzinfo=UTC))
    begin = (change.at if change else datetime(year, 5, 1, tzinfo=UTC)) - timedelta(hours=hours)
    assume(begin.second == 0 and zone.wall(begin).second == 0)
    end = begin + timedelta(hours=44)
    expression = " ".join(data.draw(fields(name), label=name) for name in VALUES)
    try:
        plan = read(expression, zone_name)
    except sut.ScheduleProblems as refusal:
        assert "never occurs" in str(refusal)
        return
    is_wildcard = "*" in {part[0] for part in expression.split()[:2]}
    expected = (expected_wildcard if is_wildcard else expected_fixed)(zone, matcher(expression), begin, end)
    assert set(sut.instants_between(plan, begin - timedelta(seconds=1), end)) == expected


@UNTIMED
@given(st.data(), st.integers(0, 86400 * 365 * 40))
def test_in_utc_cronsim_agrees(data, seconds):
    expression = " ".join(data.draw(fields(name), label=name) for name in VALUES)
    after = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    try:
        plan = read(expression)
    except sut.ScheduleProblems:
        return
    assert list(islice(sut.instants_after(plan, after), 5)) == list(islice(CronSim(expression, after), 5))
