"""When windows are open, and what that means for work: named cases, and everything against a minute-by-minute count."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windows.oracle import MINUTE, NaiveWindow, Oracle, stretches
from watchbill.core import windows as core
from watchbill.core.window_spans import read_spans
from watchbill.core.windows import Window, WindowSet

BERLIN = "Europe/Berlin"
LONG = timedelta(days=40)


def window(kind, *spans, name="W", number=1, follows_site=False, **rest):
    stored = read_spans(json.dumps(spans), follows_site=follows_site)
    return Window(number, name, kind, stored, **rest)


def span(kind, start=None, zone=BERLIN, *, seconds=None, days=None, **rest):
    schedule = {"type": kind, **({"start": start} if start else {}), **({"timezone": zone} if zone else {}), **rest}
    return {"schedule": schedule, **({"duration_seconds": seconds} if seconds else {"duration_days": days})}


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ask(windows, at, zone="UTC", until=LONG):
    return WindowSet(windows).verdict([one.id for one in windows], zone, utc(at), until=utc(at) + until)


FREEZE = window("deny", span("yearly", "2025-12-24T00:00", days=9), name="Year-end freeze")
SUNDAY = span("weekly", "2025-01-05T02:00", seconds=7200)
MAINTENANCE = window("allow", SUNDAY, name="Sunday maintenance", number=2)


# --- sentences --------------------------------------------------------------------------------------------------------


def test_a_blackout_says_until_when_in_its_own_zone():
    verdict = ask([FREEZE], "2025-12-27T00:00")
    assert verdict.sentence == "blackout `Year-end freeze` until 2026-01-02 00:00 Europe/Berlin"
    assert (verdict.is_open, verdict.reason, verdict.action) == (False, "blackout", "skip")
    assert verdict.opens_at == utc("2026-01-01T23:00")
    assert verdict.names == ("Year-end freeze",)


def test_outside_a_maintenance_window_it_says_when_it_opens():
    verdict = ask([MAINTENANCE], "2026-11-25T12:00")
    assert verdict.sentence == "outside `Sunday maintenance`, which opens 2026-11-29 02:00 Europe/Berlin"
    assert (verdict.reason, verdict.opens_at) == ("outside_window", utc("2026-11-29T01:00"))


def test_everything_that_blocks_is_named_and_the_blackout_is_the_reason():
    verdict = ask([FREEZE, MAINTENANCE], "2025-12-26T00:00")
    assert verdict.reason == "blackout"
    assert verdict.names == ("Year-end freeze", "Sunday maintenance")
    assert "; outside `Sunday maintenance`" in verdict.sentence
    assert verdict.opens_at == utc("2026-01-04T01:00")  # the Sunday within the freeze does not count


def test_a_window_that_never_opens_again_is_closed_for_good():
    over = window("allow", span("once", "2020-01-01T00:00", seconds=3600), when_closed="defer", name="Move")
    verdict = ask([over], "2026-01-01T00:00")
    assert (verdict.is_open, verdict.action, verdict.opens_at) == (False, "skip", None)
    assert verdict.sentence == "outside `Move`, which does not open again"


# --- what closed windows do -------------------------------------------------------------------------------------------


def test_one_blocking_window_that_skips_is_enough_to_skip():
    waits = window("deny", span("daily", "2026-01-01T00:00", seconds=3600), number=3, when_closed="defer")
    also = window("deny", span("daily", "2026-01-01T00:00", seconds=1800), number=4)
    assert ask([waits], "2026-03-01T23:10").action == "defer"
    assert ask([waits, also], "2026-03-01T23:10").action == "skip"
    assert ask([waits, also], "2026-03-01T23:40").action == "defer"


def test_what_opens_too_late_is_skipped_instead_of_deferred():
    waits = window("deny", span("daily", "2026-01-01T00:00", seconds=3600), when_closed="defer")
    assert ask([waits], "2026-03-01T23:10", until=timedelta(minutes=50)).action == "defer"
    late = ask([waits], "2026-03-01T23:10", until=timedelta(minutes=49))
    assert (late.action, late.opens_at) == ("skip", None)


def test_the_end_is_outside_and_the_start_is_inside():
    assert ask([MAINTENANCE], "2026-11-29T01:00").is_open
    assert ask([MAINTENANCE], "2026-11-29T02:59:59").is_open
    assert not ask([MAINTENANCE], "2026-11-29T03:00").is_open
    assert not ask([MAINTENANCE], "2026-11-29T00:59:59").is_open


def test_nothing_starts_later_than_the_cutoff_before_the_end():
    cut = window("allow", SUNDAY, cutoff=timedelta(minutes=30), name="Sunday", when_closed="defer")
    assert ask([cut], "2026-11-29T02:30").is_open
    late = ask([cut], "2026-11-29T02:30:01")
    assert (late.reason, late.action, late.opens_at) == ("outside_window", "defer", utc("2026-12-06T01:00"))
    assert (
        late.sentence == "`Sunday` lets nothing start shortly before its end; it opens 2026-12-06 02:00 Europe/Berlin"
    )


def test_maintenance_windows_add_up():
    other = window("allow", span("weekly", "2025-01-04T02:00", seconds=7200), number=3)
    assert ask([MAINTENANCE, other], "2026-11-28T01:30").is_open
    closed = ask([MAINTENANCE, other], "2026-11-27T01:30")
    assert closed.opens_at == utc("2026-11-28T01:00")


def test_ids_that_are_not_loaded_do_not_count():
    only = WindowSet([FREEZE])
    at = utc("2025-12-27T00:00")
    assert only.verdict([99], "UTC", at, until=at).is_open
    assert not only.verdict([99, FREEZE.id], "UTC", at, until=at).is_open


# --- stops ------------------------------------------------------------------------------------------------------------


def test_work_stops_at_the_end_only_where_the_window_says_so():
    stops = window("allow", SUNDAY, number=3, stop_at_end=True)
    assert ask([stops], "2026-11-29T01:30").stop_at == utc("2026-11-29T03:00")
    assert ask([MAINTENANCE], "2026-11-29T01:30").stop_at is None
    assert ask([stops, MAINTENANCE], "2026-11-29T01:30").stop_at is None


def test_spans_that_overlap_or_touch_stop_at_the_end_of_all():
    spans = (SUNDAY, span("weekly", "2025-01-05T04:00", seconds=1800), span("weekly", "2025-01-05T04:15", seconds=3600))
    joined = window("allow", *spans, stop_at_end=True)
    assert ask([joined], "2026-11-29T01:30").stop_at == utc("2026-11-29T04:15")


def test_work_goes_on_into_the_next_window_that_is_open_when_the_first_ends():
    first = window("allow", SUNDAY, stop_at_end=True)
    second = window("allow", span("weekly", "2025-01-05T03:30", seconds=7200), number=2, stop_at_end=True)
    assert ask([first, second], "2026-11-29T01:30").stop_at == utc("2026-11-29T04:30")


def test_a_window_without_an_end_stops_nothing():
    always = window("allow", span("every_5_minutes", "2020-01-01T00:00", seconds=600), stop_at_end=True)
    verdict = ask([always], "2026-01-01T00:00")
    assert (verdict.is_open, verdict.stop_at) == (True, None)


# --- clocks -----------------------------------------------------------------------------------------------------------


def test_a_duration_in_seconds_is_elapsed_time_on_the_night_the_clocks_change():
    night = window("deny", span("weekly", "2025-01-05T01:00", seconds=4 * 3600))
    assert ask([night], "2026-03-29T00:30").opens_at == utc("2026-03-29T04:00")  # 06:00 on the clocks
    assert ask([night], "2026-10-25T00:30").opens_at == utc("2026-10-25T03:00")  # 04:00 on the clocks


def test_whole_days_end_at_the_same_wall_clock():
    day = window("deny", span("weekly", "2025-01-05T00:00", days=1))
    assert ask([day], "2026-03-29T00:30").opens_at == utc("2026-03-29T22:00")
    assert ask([day], "2026-10-25T00:30").opens_at == utc("2026-10-25T23:00")


@pytest.mark.parametrize(
    ("kind", "start", "extra"),
    [
        ("once", "2026-03-08T00:00", {}),
        ("weekly", "2026-03-01T00:00", {}),
        ("cron", None, {"expression": "0 0 * * sun"}),
        ("rrule", "2026-03-01T00:00", {"rule": "FREQ=WEEKLY"}),
    ],
)
def test_a_whole_day_whose_midnight_is_skipped_still_ends_at_midnight(kind, start, extra):
    day = window("deny", span(kind, start, "America/Havana", days=1, **extra))
    verdict = ask([day], "2026-03-08T12:00")
    assert verdict.opens_at == utc("2026-03-09T04:00")
    assert "until 2026-03-09 00:00 America/Havana" in verdict.sentence


def test_a_window_in_the_zone_of_the_site_is_open_at_each_sites_own_time():
    nights = window("allow", span("daily", "2025-01-01T02:00", None, seconds=3600), follows_site=True, name="Nights")
    assert ask([nights], "2026-06-01T00:30", "Europe/Berlin").is_open
    closed = ask([nights], "2026-06-01T00:30", "America/New_York")
    assert closed.sentence == "outside `Nights`, which opens 2026-06-01 02:00 America/New_York"


def test_what_cannot_be_read_lets_nothing_through():
    lost = window("allow", span("daily", "2025-01-01T02:00", "Atlantis/Capital", seconds=3600), name="Old")
    for one in (lost, window("deny", span("daily", "2025-01-01T02:00", "Atlantis/Capital", seconds=3600), name="Old")):
        verdict = ask([one], "2026-06-01T00:30")
        assert (verdict.is_open, verdict.action, verdict.opens_at) == (False, "skip", None)
        assert verdict.sentence.startswith("`Old` cannot be read and counts as closed: timezone:")
    assert ask([lost, window("allow", span("daily", "2025-01-01T00:00", days=1), number=2)], "2026-06-01T00:30").is_open


def test_a_stretch_of_many_starts_is_answered_quickly_and_again_from_memory():
    dense = window("deny", span("cron", expression="* * * * *", seconds=120), name="Dense")
    for _ in range(500):
        assert ask([dense], "2026-01-01T00:00").sentence == "blackout `Dense`, whose end is not in sight"


# --- against the count ------------------------------------------------------------------------------------------------

ZONES = ["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu"]
#: Nights on which clocks change, month ends, a leap day.
DAYS = ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01", "2026-04-05", "2026-01-31", "2026-02-28", "2028-02-29"]
ASKED, SEEN = timedelta(days=4), timedelta(days=14)


@st.composite
def moments(draw, day):
    shift = timedelta(days=draw(st.integers(-9, 3)), minutes=draw(st.sampled_from(range(0, 1440, 15))))
    return (datetime.fromisoformat(day) + shift).isoformat(timespec="minutes")


@st.composite
def spans_near(draw, day, follows_site):
    kind = draw(st.sampled_from(["once", "daily", "weekly", "hourly", "cron", "rrule"]))
    schedule = {"type": kind}
    if kind == "cron":
        expressions = ["30 2 * * *", "0 0 * * sun", "15 */6 * * *", "*/20 1-3 * * *", "0 12 1,31 * *"]
        schedule["expression"] = draw(st.sampled_from(expressions))
    else:
        schedule["start"] = draw(moments(day))
    if kind == "rrule":
        rules = [
            "FREQ=DAILY;INTERVAL=2",
            "FREQ=WEEKLY;BYDAY=MO,SA,SU",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "FREQ=DAILY;COUNT=3",
        ]
        schedule["rule"] = draw(st.sampled_from(rules))
    if not follows_site:
        schedule["timezone"] = draw(st.sampled_from(ZONES))
    if kind in {"once", "daily", "weekly"} and draw(st.booleans()):
        return {"schedule": schedule, "duration_days": draw(st.integers(1, 3))}
    return {
        "schedule": schedule,
        "duration_seconds": draw(st.sampled_from([5, 30, 60, 119, 120, 600, 2000, 5000])) * 60,
    }


@st.composite
def naive_windows(draw, day):
    kind, follows_site = draw(st.sampled_from(["allow", "deny"])), draw(st.booleans())
    spans = draw(st.lists(spans_near(day, follows_site), min_size=1, max_size=3))
    extras = {}
    if kind == "allow":
        extras = {"cutoff": draw(st.sampled_from([0, 1, 4])) * MINUTE, "stop_at_end": draw(st.booleans())}
    closed = draw(st.sampled_from(["skip", "defer"]))
    return NaiveWindow(kind, spans, closed, follows_site=follows_site, **extras)


@st.composite
def scenes(draw):
    day = draw(st.sampled_from(DAYS))
    windows = draw(st.lists(naive_windows(day), min_size=1, max_size=3))
    at = utc(day) + draw(st.integers(-720, 2160)) * MINUTE
    return windows, draw(st.sampled_from(ZONES)), at


def real(naive, number):
    rest = {"when_closed": naive.when_closed, "cutoff": naive.cutoff, "stop_at_end": naive.stop_at_end}
    return window(naive.kind, *naive.spans, number=number, name=f"W{number}", follows_site=naive.follows_site, **rest)


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_verdicts_are_those_of_counting_every_minute(scene):
    naive, zone, at = scene
    oracle = Oracle(naive, zone, at, at + ASKED, at + SEEN)
    chosen = WindowSet(real(one, number) for number, one in enumerate(naive))
    verdict = chosen.verdict(range(len(naive)), zone, at, until=at + ASKED)
    blockers = oracle.blockers(0)
    assert verdict.is_open == (not blockers)
    assert set(verdict.names) == {f"W{number}" for number in blockers}
    if verdict.is_open:
        stop_at = oracle.stop_at(0)
        assert verdict.stop_at == stop_at or (
            stop_at == "beyond" and (not verdict.stop_at or verdict.stop_at >= at + SEEN)
        )
        return
    assert verdict.opens_at == oracle.first_open(0)
    has_skip = any(naive[number].when_closed == "skip" for number in blockers)
    assert verdict.action == ("skip" if has_skip or verdict.opens_at is None else "defer")


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_stretches_are_those_of_counting_every_minute(scene):
    naive, zone, at = scene
    marks = naive[0].inside(zone, at, at + SEEN)
    found = list(core.stretches(real(naive[0], 1), zone, at, at + SEEN))
    assert [(start, end or at + SEEN) for start, end in found] == stretches(marks, at)


@settings(max_examples=60, deadline=None)
@given(scenes(), st.lists(st.integers(0, int(ASKED / MINUTE)), max_size=12))
def test_answers_do_not_depend_on_what_was_asked_before(scene, questions):
    naive, zone, at = scene
    known = WindowSet(real(one, number) for number, one in enumerate(naive))
    oracle = Oracle(naive, zone, at, at + ASKED, at + SEEN)
    for minutes in questions:
        asked = at + minutes * MINUTE
        assert known.verdict(range(len(naive)), zone, asked, until=asked).is_open == oracle.is_open(minutes)
