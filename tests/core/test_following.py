"""Schedules that follow the clocks of their targets: one name everywhere, a wave for each zone, nothing twice and nothing never."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.schedule_strategies import CRONS, MOMENTS, RULES, STARTS, UNTIMED, ZONES, zone_of
from watchbill.core import following as sut
from watchbill.core import schedule as calendar
from watchbill.core.leading import reached_at
from watchbill.core.occurrence import CatchUpPolicy, first_mark, next_start, owed, wave_timing
from watchbill.core.zones import zone_names

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
ZONE_SETS = st.sets(ZONES, min_size=1, max_size=4).map(frozenset)


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def read(kind="daily", start="2026-01-01T02:30", source="device", **more):
    return calendar.parse({"type": kind, "start": start, "timezone_source": source} | more)


def fixed(plan, zone):
    spec = {name: value for name, value in calendar.to_json(plan).items() if name != "timezone_source"}
    return calendar.parse(spec | {"timezone": zone})


@st.composite
def near_changes(draw):
    """A zone, a change of its clocks, and a second not far from it."""
    zone = draw(ZONES)
    begin = draw(MOMENTS)
    change = zone_of(zone).change_between(begin, begin + 2000 * DAY)
    at_change = change.at if change else begin
    seconds = draw(st.integers(-8_000, 8_000) | st.integers(-172_800, 172_800))
    return zone, at_change, at_change + seconds * SECOND


NEAR = near_changes()
#: Zones whose clocks are never ahead of those of a zone that is looked at, and some that are.
OTHERS = st.sampled_from(
    [frozenset[str](), frozenset({"Etc/GMT+12"}), frozenset({"UTC", "Asia/Tokyo", "Pacific/Kiritimati"})]
)


@st.composite
def followers(draw):
    kind = draw(st.sampled_from(["once", "daily", "weekly", "monthly", "yearly", "cron", "rrule"]))
    spec = {"type": kind, "start": draw(STARTS), "timezone_source": draw(st.sampled_from(["site", "device"]))}
    if kind == "cron":
        spec["expression"] = draw(CRONS.filter(lambda text: text[0].isdigit() and text.split()[1][0].isdigit()))
    if kind == "rrule":
        spec["rule"] = draw(RULES.filter(lambda text: not text.startswith(("FREQ=HOURLY", "FREQ=MINUTELY"))))
    return calendar.parse(spec)


# --- how far the clocks have come ----------------------------------------------------------------------------------------


@UNTIMED
@given(NEAR, OTHERS, st.lists(st.integers(0, 4_000), min_size=8, max_size=12))
def test_the_leading_clock_never_goes_back_and_is_never_ahead_of_now(near, others, steps):
    zone, _, now = near
    earlier = sut.leading_now({zone} | others, now)
    for step in steps:
        now += step * SECOND
        leading = sut.leading_now({zone} | others, now)
        assert earlier <= leading <= now
        earlier = leading


@UNTIMED
@given(NEAR, OTHERS)
def test_the_leading_clock_is_the_furthest_one_shown_but_for_a_repetition(near, others):
    zone, change, now = near
    zones = {zone} | others
    shown, leading = max(zone_of(name).wall(now) for name in zones), sut.local_time(sut.leading_now(zones, now))
    assert leading >= shown
    if leading > shown:  # what is shown just now was shown before
        assert zone_of(zone).spread(shown) < timedelta()
        assert zone_of(zone).wall(change - SECOND) <= leading


@UNTIMED
@given(NEAR, OTHERS)
def test_a_wall_clock_is_reached_at_the_very_second_it_is_said_to_be(near, others):
    zone, change, moment = near
    # Counted on without the change, so that what is skipped is asked for too.
    zones, wall = {zone} | others, zone_of(zone).wall(change - SECOND) + (moment - change)
    reached, nominal = reached_at(zones, wall), wall.replace(tzinfo=UTC) - timedelta(hours=14)
    assert sut.leading_now(zones, reached) >= nominal > sut.leading_now(zones, reached - SECOND)


def test_zones_that_the_wheel_lacks_are_left_out_and_utc_stands_in_for_none():
    noon = at("2026-05-04T12:00Z")
    assert sut.local_time(sut.leading_now(["Mars/Olympus", "Asia/Tokyo"], noon)) == datetime(2026, 5, 4, 21)
    assert sut.local_time(sut.leading_now(["Mars/Olympus"], noon)) == datetime(2026, 5, 4, 12)
    assert sut.local_time(sut.leading_now([], noon)) == datetime(2026, 5, 4, 12)
    assert sut.wave_start(read(), sut.leading_now(["UTC"], at("2026-05-04T02:30Z")), "Mars/Olympus") == at(
        "2026-05-04T02:30Z"
    )


# --- waves ----------------------------------------------------------------------------------------------------------------


@UNTIMED
@given(st.data(), followers(), ZONES)
def test_seen_from_one_zone_the_waves_are_the_instants_of_the_schedule_fixed_there(data, plan, zone):
    assert plan.start is not None
    begin = plan.start.instant + 3 * DAY
    change = zone_of(zone).change_between(begin, begin + 2000 * DAY)
    middle = (change.at if change else begin) + data.draw(st.integers(-172_800, 172_800)) * SECOND
    low, high = middle - 3 * DAY, middle + 3 * DAY
    nominals = calendar.instants_between(plan, low - 2 * DAY, high + 2 * DAY)
    starts = [start for nominal in nominals if (start := sut.wave_start(plan, nominal, zone))]
    there = list(calendar.instants_between(fixed(plan, zone), low, high))
    assert sorted(start for start in starts if low < start <= high) == there


@UNTIMED
@given(followers(), ZONE_SETS)
def test_an_occurrence_starts_with_its_first_wave_and_ends_within_26_hours(plan, zones):
    for nominal in islice(calendar.instants_after(plan, at("1980-01-01T00:00Z")), 5):
        starts = {zone: sut.wave_start(plan, nominal, zone) for zone in zones}
        known = [start for start in starts.values() if start]
        assert all(nominal <= start <= nominal + sut.LAST_WAVE for start in known)
        if known:
            assert sut.due_at(plan, nominal, zones) == min(known)
        assert reached_at(zones, sut.local_time(nominal)) <= sut.due_at(plan, nominal, zones)


@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        ("Europe/Berlin", date(2026, 1, 1)),
        ("America/Denver", date(2026, 1, 1)),
        ("America/Santiago", date(2026, 1, 1)),
        ("Pacific/Auckland", date(2026, 1, 1)),
        ("Australia/Lord_Howe", date(2026, 1, 1)),
        ("Africa/Casablanca", date(2026, 1, 1)),
        ("Antarctica/Troll", date(2026, 1, 1)),
        ("Asia/Kolkata", date(2026, 1, 1)),
    ],
)
@pytest.mark.parametrize("time", ["00:00", "00:30", "01:45", "02:00", "02:15", "02:30", "03:00", "23:30"])
def test_every_device_runs_once_on_each_of_its_dates(zone, begin, time):
    for plan in (
        read(start=f"2026-01-01T{time}"),
        read("cron", None, expression=f"{int(time[3:])} {int(time[:2])} * * *"),
    ):
        first = at("2025-12-31T00:00Z")
        nominals = islice(calendar.instants_after(plan, first), 800)
        starts = [sut.wave_start(plan, nominal, zone) for nominal in nominals]
        dates = [zone_of(zone).wall(start).date() for start in starts if start]
        since = dates.index(begin)
        assert dates[since:] == [begin + number * DAY for number in range(len(dates) - since)]
        assert len(dates) - since > 750


def test_the_day_that_samoa_skipped_is_not_run_twice():
    plan = read(start="2011-12-28T09:00")
    nominals = list(islice(calendar.instants_after(plan, at("2011-12-01T00:00Z")), 4))
    starts = [sut.wave_start(plan, nominal, "Pacific/Apia") for nominal in nominals]
    assert starts == [at("2011-12-28T19:00Z"), at("2011-12-29T19:00Z"), None, at("2011-12-30T19:00Z")]


@pytest.mark.parametrize(
    ("plan", "local", "zone", "expected"),
    [
        (read(), "2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30Z"),
        (read("cron", None, expression="30 2 * * *"), "2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00Z"),
        (read("cron", None, expression="15,30 2 * * *"), "2026-03-29T02:15", "Europe/Berlin", "2026-03-29T01:00Z"),
        (read("cron", None, expression="15,30 2 * * *"), "2026-03-29T02:30", "Europe/Berlin", None),
        (read("cron", None, expression="30 2,3 * * *"), "2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00Z"),
        (read("cron", None, expression="0 2,3 * * *"), "2026-03-29T02:00", "Europe/Berlin", None),
        (read("rrule", rule="FREQ=DAILY;BYHOUR=2,3"), "2026-03-29T02:30", "Europe/Berlin", None),
        (read("rrule", rule="FREQ=DAILY;BYHOUR=2,3"), "2026-03-29T03:30", "Europe/Berlin", "2026-03-29T01:30Z"),
        (read("cron", None, expression="0 9 * * *"), "2011-12-30T09:00", "Pacific/Apia", None),
        (read(), "2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30Z"),
        (read(), "2026-10-04T02:30", "Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ],
)
def test_what_a_zones_clocks_skip_or_repeat(plan, local, zone, expected):
    nominal = datetime.fromisoformat(local).replace(tzinfo=UTC) - timedelta(hours=14)
    assert sut.wave_start(plan, nominal, zone) == (at(expected) if expected else None)


# --- what is owed ----------------------------------------------------------------------------------------------------------


@UNTIMED
@given(NEAR, OTHERS, st.data(), st.lists(st.integers(1, 3_600) | st.integers(1, 200_000), min_size=1, max_size=12))
def test_ticks_open_each_wall_clock_once_when_the_first_zone_gets_there(near, others, data, steps):
    zone, change, now = near
    zones = {zone} | others
    wall = zone_of(zone).wall(change) - 3 * DAY + data.draw(st.integers(-120, 120)) * timedelta(minutes=1)
    start = wall.isoformat(timespec="minutes")
    plan = data.draw(
        st.sampled_from(
            [
                read(start=start),
                read("cron", start, expression=f"{wall.minute},30 {wall.hour},{(wall.hour + 1) % 24} * * *"),
                read("rrule", start, rule="FREQ=DAILY;BYMINUTE=0,15,30,45"),
            ]
        )
    )
    first = mark = first_mark(plan, now, zones)
    opened: list[datetime] = []
    for step in steps:
        now += step * SECOND
        result = owed(plan, mark, now, CatchUpPolicy("all", 7 * 86_400), zones)
        opened += [due.at for due in result.open]
        assert not result.missed
        assert result.next_due == next_start(plan, result.mark, zones)
        # Whoever rests until then has something to open then, and never looks in a tight loop.
        if result.next_due:
            assert now < result.next_due
            assert owed(plan, result.mark, result.next_due, CatchUpPolicy(), zones).open
            assert not owed(plan, result.mark, result.next_due - SECOND, CatchUpPolicy(), zones).open
        mark = result.mark
    assert opened == list(calendar.instants_between(plan, first, sut.leading_now(zones, now)))


def test_an_occurrence_is_on_time_until_the_last_zone_on_earth_has_started():
    plan, zones = read(start="2026-05-04T03:00"), frozenset({"UTC", "Pacific/Honolulu"})
    nominal = at("2026-05-03T13:00Z")
    for hours in (14, 26):
        result = owed(plan, nominal - SECOND, nominal + timedelta(hours=hours, seconds=60), CatchUpPolicy(), zones)
        assert [(due.at, due.late) for due in result.open if due.at == nominal] == [(nominal, False)]
    late = owed(plan, nominal - SECOND, nominal + timedelta(hours=26, seconds=61), CatchUpPolicy("all"), zones)
    assert [(due.at, due.late) for due in late.open] == [(nominal, True)]
    gone = owed(plan, nominal - SECOND, nominal + timedelta(hours=28), CatchUpPolicy("all"), zones)
    assert [(row.first, row.count, row.reason) for row in gone.missed] == [(nominal, 1, "catch_up_window")]


def test_each_wave_is_late_by_its_own_start():
    plan, nominal = read(start="2026-05-04T03:00"), at("2026-05-03T13:00Z")
    now = at("2026-05-04T01:30Z")
    found = {
        (zone, catch_up): wave_timing(plan, nominal, start, now, CatchUpPolicy(catch_up))
        for zone in ("Asia/Tokyo", "Europe/Berlin", "Europe/London", "America/Denver")
        for catch_up in ("skip", "latest", "all")
        if (start := sut.wave_start(plan, nominal, zone))
    }
    assert {zone for (zone, _), timing in found.items() if timing == "on_time"} == {"Europe/London", "America/Denver"}
    assert found["Europe/Berlin", "latest"] == found["Europe/Berlin", "all"] == "catch_up"
    assert found["Europe/Berlin", "skip"] == "late_start"
    assert {found["Asia/Tokyo", catch_up] for catch_up in ("skip", "latest", "all")} == {"late_start"}
    assert wave_timing(plan, nominal, now - timedelta(seconds=60), now, CatchUpPolicy("skip")) == "on_time"
    assert wave_timing(plan, nominal, now - timedelta(hours=3), now, CatchUpPolicy("all", 3 * 3600)) == "catch_up"


def test_a_zone_that_goes_out_of_use_or_comes_into_use_neither_repeats_nor_loses_a_wall_clock():
    plan, east, west = read(start="2026-05-04T03:00"), frozenset({"UTC", "Asia/Tokyo"}), frozenset({"UTC"})
    nominal, now = at("2026-05-04T13:00Z"), at("2026-05-04T20:00Z")
    opened = owed(plan, at("2026-05-03T20:00Z"), now, CatchUpPolicy(), east)
    assert [due.at for due in opened.open] == [nominal]
    rest = owed(plan, opened.mark, now + timedelta(minutes=1), CatchUpPolicy(), west)
    assert (rest.open, rest.mark, rest.next_due) == ((), opened.mark, at("2026-05-06T03:00Z"))
    back = owed(plan, rest.mark, now + DAY, CatchUpPolicy(), east)
    assert [due.at for due in back.open] == [nominal + DAY]


def test_a_job_saved_now_begins_with_what_no_clock_has_reached():
    plan, zones, now = read(start="2026-05-04T03:00"), frozenset({"UTC", "Asia/Tokyo"}), at("2026-05-04T19:00Z")
    mark = first_mark(plan, now, zones)
    assert next_start(plan, mark, zones) == at("2026-05-05T18:00Z")  # 03:00 of the 5th was an hour ago in Tokyo
    assert first_mark(fixed(plan, "UTC"), now, zones) == now
    assert next_start(fixed(plan, "UTC"), now, zones) == at("2026-05-05T03:00Z")


def test_once_is_past_when_any_zone_in_use_has_reached_it():
    plan = read("once", "2026-05-04T03:00")
    assert calendar.check_new(plan, at("2026-05-03T23:00Z")) == []
    assert [one.code for one in calendar.check_new(plan, at("2026-05-03T23:00Z"), ["UTC", "Asia/Tokyo"])] == [
        "in_the_past"
    ]


# --- reading, writing, words -------------------------------------------------------------------------------------------------


@UNTIMED
@given(followers())
def test_writing_and_reading_gives_it_back(plan):
    stored = calendar.to_json(plan)
    assert stored["timezone_source"] == plan.zone_source
    assert "timezone" not in stored
    assert calendar.parse(stored) == plan


def test_fixed_is_the_default_and_is_not_written():
    spec = {"type": "daily", "start": "2026-01-01T02:30", "timezone": "Europe/Berlin"}
    assert calendar.parse(spec | {"timezone_source": "fixed"}) == calendar.parse(spec)
    assert "timezone_source" not in calendar.to_json(calendar.parse(spec))
    assert calendar.parse({"type": "immediately", "timezone_source": "fixed"})


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"type": "daily", "start": "2026-01-01T02:30", "timezone": "UTC"}, {"timezone"}),
        ({"type": "daily", "start": "2026-01-01T02:30Z", "end": "2027-01-01T00:00+01:00"}, {"start", "end"}),
        ({"type": "hourly", "start": "2026-01-01T02:30"}, {"timezone_source"}),
        ({"type": "immediately"}, {"timezone_source"}),
        ({"type": "cron", "expression": "*/5 2 * * *"}, {"expression"}),
        ({"type": "cron", "expression": "@hourly", "timezone": "UTC"}, {"expression", "timezone"}),
        ({"type": "cron", "expression": "0 3 * * *", "count": 3}, {"start"}),
        ({"type": "rrule", "rule": "FREQ=HOURLY", "start": "2026-01-01T02:30"}, {"rule"}),
        ({"type": "rrule", "rule": "FREQ=DAILY;UNTIL=20270101T000000Z", "start": "2026-01-01T02:30"}, {"rule"}),
        (
            {"type": "rrule", "rule": "FREQ=DAILY", "start": "2026-01-01T02:30", "exdate": ["2026-01-02T02:30Z"], "rdate": [7]},
            {"exdate[0]", "rdate[0]"},
        ),
        ({"type": "daily", "start": "2026-01-01T02:30", "timezone_source": "moon"}, {"timezone_source"}),
        ({"type": "daily", "start": "2026-01-01T02:30", "timezone_source": ["site"]}, {"timezone_source"}),
    ],
)  # fmt: skip
def test_what_cannot_be_read_on_many_clocks_is_refused_all_at_once(spec, fields):
    with pytest.raises(calendar.ScheduleProblems) as caught:
        calendar.parse({"timezone_source": "site"} | spec)
    assert {problem.field for problem in caught.value.problems} == fields
    assert all(problem.code and problem.message for problem in caught.value.problems)


def test_words_say_whose_clocks_and_what_changes_of_the_clocks_do():
    skipped = " Where the clocks skip such a time, it runs later, by what they skip."
    repeated = " Where they repeat it, it runs the first time only."
    assert calendar.in_words(read(start="2026-05-04T03:00")) == (
        f"Every day at 03:00, where each device is, from 4 May 2026 03:00.{skipped}{repeated}"
    )
    assert calendar.in_words(read("once", "2026-05-04T03:00", "site")) == (
        f"Once at 4 May 2026 03:00, on the clocks of each device's site.{skipped}{repeated}"
    )
    assert calendar.in_words(read("cron", None, "site", expression="0 3 * * mon")) == (
        "At 03:00, on Monday, on the clocks of each device's site. Where the clocks skip such a time, it runs once, as soon as "
        f"they have gone forward, and not at all if they skip three hours or more.{repeated}"
    )


def test_every_zone_of_the_wheel_can_be_a_wave():
    plan, nominal = read(start="2026-05-04T03:00"), at("2026-05-03T13:00Z")
    starts = {zone: sut.wave_start(plan, nominal, zone) for zone in zone_names()}
    assert min(start for start in starts.values() if start) == nominal
    assert max(start for start in starts.values() if start) == nominal + sut.LAST_WAVE
