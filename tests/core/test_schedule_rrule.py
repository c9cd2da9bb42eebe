"""RFC 5545 rules: dateutil's expansion where it is right, RFC examples, gaps, added and removed dates, refusals, cost."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from tests.core.schedule_strategies import UNTIMED
from watchbill.core import schedule as sut

BEFORE = datetime(1990, 1, 1, tzinfo=UTC)
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def read(rule, start="2026-01-01T02:30", zone="UTC", **more):
    return sut.parse({"type": "rrule", "rule": rule, "start": start, "timezone": zone} | more)


def local_times(plan, n, after=BEFORE):
    return [item.local.isoformat(timespec="minutes") for item in sut.upcoming(plan, after, n)]


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        ("FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02", ["1997-09-02", "1997-09-12", "1997-09-22", "1997-10-02", "1997-10-12"]),
        ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05", ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"]),
        ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05", ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28", ["1997-09-28", "1997-10-29", "1997-11-28", "1997-12-29"]),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU", "1997-09-07", ["1997-09-07", "1997-09-28", "1997-11-02", "1997-11-30"]),
        ("FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "1997-01-01", ["1997-01-01", "1997-04-10", "1997-07-19", "2000-01-01"]),
        ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19", ["1997-05-19", "1998-05-18", "1999-05-17"]),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12", ["1997-05-12", "1998-05-11", "1999-05-17"]),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1997-09-02", ["1998-02-13", "1998-03-13", "1998-11-13", "1999-08-13"]),
        ("FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "1996-11-05", ["1996-11-05", "2000-11-07", "2004-11-02"]),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04", ["1997-09-04", "1997-10-07", "1997-11-06"]),
        ("FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15", ["2007-01-15", "2007-01-30", "2007-02-15", "2007-03-15", "2007-03-30"]),
    ],
)  # fmt: skip
def test_examples_of_the_rfc(rule, start, expected):
    plan = read(rule, f"{start}T09:00", "America/New_York")
    assert local_times(plan, len(expected)) == [f"{day}T09:00" for day in expected]


def test_hours_and_minutes_of_the_rfc():
    plan = read("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", "1997-09-02T09:00", "America/New_York")
    assert local_times(plan, 9) == ["1997-09-02T09:00", "1997-09-02T12:00", "1997-09-02T15:00"]
    every = "9,10,11,12,13,14,15,16"
    daily = read(f"FREQ=DAILY;BYHOUR={every};BYMINUTE=0,20,40", "1997-09-02T09:00")
    minutely = read(f"FREQ=MINUTELY;INTERVAL=20;BYHOUR={every}", "1997-09-02T09:00")
    assert local_times(daily, 100) == local_times(minutely, 100)


def test_a_start_that_does_not_match_is_no_occurrence():
    assert local_times(read("FREQ=MONTHLY;BYMONTHDAY=15", "2026-01-01T02:30"), 1) == ["2026-01-15T02:30"]


def test_monthly_on_the_31st_passes_shorter_months_over_and_says_so():
    coming = sut.upcoming(read("FREQ=MONTHLY", "2026-01-31T02:30"), BEFORE, 2)
    assert [item.local.month for item in coming] == [1, 3]
    assert coming[1].passed_over == ("no 31st in February 2026",)


def test_a_time_in_a_gap_keeps_the_offset_before_it_and_order_is_kept():
    plan = read("FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,45", "2026-03-29T00:00", "Europe/Berlin")
    coming = sut.upcoming(plan, at("2026-03-29T00:00Z"), 3)
    assert [item.at for item in coming] == [at("2026-03-29T01:00Z"), at("2026-03-29T01:45Z"), at("2026-03-30T00:00Z")]
    every_year = read("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "2026-01-01T02:30", "Europe/Berlin")
    assert [item.flags for item in sut.upcoming(every_year, BEFORE, 3)] == [("shifted_gap",)] * 3


def test_both_ends_of_until_are_read_as_written():
    assert len(local_times(read("FREQ=DAILY;UNTIL=20260103T023000", zone="Asia/Tokyo"), 9)) == 3
    assert len(local_times(read("FREQ=DAILY;UNTIL=20260102T173000Z", zone="Asia/Tokyo"), 9)) == 3
    assert len(local_times(read("FREQ=DAILY;UNTIL=20260102T172959Z", zone="Asia/Tokyo"), 9)) == 2


def test_dates_are_added_once_and_taken_out_after_counting():
    plan = read(
        "FREQ=DAILY;COUNT=3",
        exdate=["2026-01-02T02:30"],
        rdate=["2026-01-03T02:30", "2026-02-01T10:00", "2025-01-01T00:00"],
    )
    assert local_times(plan, 9) == ["2026-01-01T02:30", "2026-01-03T02:30", "2026-02-01T10:00"]
    gone = read("FREQ=DAILY;COUNT=1", exdate=["2026-02-01T10:00"], rdate=["2026-02-01T10:00:00Z"])
    assert local_times(gone, 9) == ["2026-01-01T02:30"]
    assert sut.parse(sut.to_json(plan)) == plan


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=3",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
        "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=31",
        "FREQ=MINUTELY;INTERVAL=1441;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=MINUTELY;BYSETPOS=2;BYHOUR=3",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    ],
)
def test_a_rule_that_names_no_instant_is_refused_at_save(rule):
    plan = read(rule)
    assert [(one.field, one.code) for one in sut.check_new(plan, at("2026-01-01T00:00Z"))] == [("rule", "never_fires")]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("", "RFC 5545"),
        ("DAILY", "NAME=VALUE"),
        ("INTERVAL=2", "FREQ must be one of"),
        ("FREQ=SECONDLY", "FREQ must be one of"),
        ("FREQ=DAILY;BYSECOND=5", "BYSECOND is not supported"),
        ("FREQ=MONTHLY;RSCALE=GREGORIAN", "RSCALE is not supported"),
        ("FREQ=DAILY;FREQ=DAILY", "given twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=YEARLY;INTERVAL=61", "1 to 60"),
        ("FREQ=DAILY;COUNT=10001", "1 to 10000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260103T000000Z", "exclude each other"),
        ("FREQ=DAILY;UNTIL=20260103", "a date with a time"),
        ("FREQ=DAILY;UNTIL=20260230T000000Z", "a date with a time"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "1 to 31 or -31 to -1"),
        ("FREQ=MONTHLY;BYDAY=6MO", "from 1 to 5"),
        ("FREQ=WEEKLY;BYDAY=1MO", "only in MONTHLY and YEARLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "not allowed in a WEEKLY rule"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "not allowed in a MONTHLY rule"),
        ("FREQ=DAILY;BYYEARDAY=1", "not allowed in a DAILY rule"),
        ("FREQ=MONTHLY;BYSETPOS=1", "another BY part"),
        ("FREQ=DAILY;BYHOUR=24", "0 to 23"),
        ("FREQ=DAILY;BYMONTH=-1", "1 to 12"),
        ("FREQ=DAILY;WKST=XX", "WKST=XX"),
        ("FREQ=DAILY;BYHOUR=" + "1," * 600 + "1", "1000 characters"),
    ],
)
def test_what_a_rule_cannot_mean_is_refused(rule, said):
    with pytest.raises(sut.ScheduleProblems) as caught:
        read(rule)
    assert any(problem.field == "rule" and said in problem.message for problem in caught.value.problems)


def test_a_rule_needs_a_start_and_readable_dates():
    with pytest.raises(sut.ScheduleProblems) as caught:
        sut.parse(
            {"type": "rrule", "rule": "FREQ=DAILY", "exdate": ["soon", "2026-01-01T00:00"], "rdate": "2026-01-01T00:00"}
        )
    fields = {(problem.field, problem.code) for problem in caught.value.problems}
    assert fields == {("start", "required"), ("exdate[0]", "invalid_time"), ("rdate", "invalid_list")}


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=DAILY;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=HOURLY;BYYEARDAY=366",
        "FREQ=YEARLY",
    ],
)
def test_a_count_that_outlasts_the_calendar_ends_with_it(rule):
    for plan in (read(f"{rule};COUNT=10000", "2499-12-31T23:59"), read(rule, "2499-12-31T23:59", count=10_000)):
        assert sut.next_due(plan, BEFORE) is not None
        latest = sut.latest_before(plan, datetime(9999, 1, 1, tzinfo=UTC))
        assert latest is not None
        assert sut.next_due(plan, latest) is None


# --- against dateutil, walked from the start ------------------------------------------------------------------------------

DAY_PARTS = {
    "YEARLY": ["", "BYMONTH=3,10", "BYMONTHDAY=1,28,-1", "BYYEARDAY=1,100,-1", "BYWEEKNO=1,20,53", "BYDAY=MO,2TU,-1FR", "BYMONTH=2;BYDAY=1MO,-1SU"],
    "MONTHLY": ["", "BYMONTHDAY=1,15,31", "BYMONTHDAY=-1,-2", "BYDAY=2TU", "BYDAY=MO,FR", "BYDAY=FR;BYMONTHDAY=13", "BYMONTH=1,7"],
    "WEEKLY": ["", "BYDAY=MO,WE,FR", "BYDAY=SU", "BYMONTH=6,12"],
    "DAILY": ["", "BYDAY=MO,TU", "BYMONTH=2,3", "BYMONTHDAY=1,10,-1"],
    "HOURLY": ["", "BYDAY=MO,TU", "BYMONTHDAY=1,-1", "BYYEARDAY=1,50,-1"],
    "MINUTELY": ["", "BYDAY=SA,SU", "BYMONTHDAY=1,20"],
}  # fmt: skip


@st.composite
def rules(draw):
    frequency = draw(st.sampled_from(sorted(DAY_PARTS)))
    parts = [f"FREQ={frequency}", draw(st.sampled_from(DAY_PARTS[frequency]))]
    if frequency == "MINUTELY":
        parts.append(f"INTERVAL={draw(st.sampled_from([1, 7, 20, 45, 90, 1000]))}")
    else:
        parts.append(f"INTERVAL={draw(st.integers(1, 5))}")
        parts.append(draw(st.sampled_from(["", "BYMINUTE=0,30"])))
        parts.append(draw(st.sampled_from(["", "BYHOUR=0,12,23"] if frequency != "HOURLY" else [""])))
    parts.append(f"WKST={draw(st.sampled_from(DAYS))}")
    chosen = [part for part in parts if part]
    if frequency in {"YEARLY", "MONTHLY"} and any(part.startswith("BY") for part in chosen):
        chosen.append(draw(st.sampled_from(["BYSETPOS=1", "BYSETPOS=-1,1", "X"])))
    chosen.append(draw(st.sampled_from(["X", "COUNT=7"])))
    return ";".join(part for part in chosen if part != "X")


@UNTIMED
@given(rules(), st.integers(0, 3000), st.integers(0, 1439), st.integers(-10, 60 * 24 * 30))
def test_dateutil_walking_from_the_start_names_the_same_instants(rule, day, minute, later):
    start = datetime(2015, 1, 1) + timedelta(days=day, minutes=minute)
    after = start + timedelta(minutes=later)
    until = after + timedelta(days=400)
    walked = (instant for instant in rrulestr(rule, dtstart=start) if instant > after)
    expected = [instant for instant in islice(walked, 5) if instant <= until]
    plan = read(rule, start.isoformat(timespec="minutes"))
    found = (instant.replace(tzinfo=None) for instant in sut.instants_after(plan, after.replace(tzinfo=UTC)))
    assert [instant for instant in islice(found, 5) if instant <= until] == expected
