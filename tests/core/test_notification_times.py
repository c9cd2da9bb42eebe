"""When messages go out: quiet hours and digests over any zone and any change of its clocks; pauses between attempts."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.notification_times import (
    GIVE_UP,
    Digest,
    Quiet,
    Timing,
    is_given_up,
    next_slot,
    pause_after,
    quiet_until,
    timing_of,
    turn,
)
from watchbill.core.zones import Zone

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Africa/Cairo",
    ]
).map(Zone)
INSTANTS = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
QUIET = st.tuples(CLOCKS, CLOCKS).filter(lambda two: two[0] != two[1]).map(lambda two: Quiet(*two))
DIGESTS = st.one_of(
    st.integers(5, 1440).map(lambda n: Digest(every_minutes=n)), CLOCKS.map(lambda at: Digest(daily_at=at))
)
TIMINGS = st.builds(Timing, ZONES, st.none() | DIGESTS, st.none() | QUIET)
BERLIN = Zone("Europe/Berlin")
NIGHT = Quiet(time(22), time(7))


@given(TIMINGS, INSTANTS)
def test_nothing_goes_back_in_time_nor_out_in_quiet_hours(timing: Timing, now: datetime) -> None:
    found = turn(timing, now, is_urgent=False)
    assert found.at >= now
    assert found.is_gathered == (found.at > now)
    assert timing.quiet is None or quiet_until(timing.quiet, timing.zone, found.at) is None
    assert found.at - now <= timedelta(days=3, hours=2), "a day that Apia leaves out, a digest and a night"


@given(TIMINGS, INSTANTS)
def test_what_is_urgent_goes_at_once(timing: Timing, now: datetime) -> None:
    assert turn(timing, now, is_urgent=True).at == now


@given(TIMINGS, INSTANTS, st.timedeltas(timedelta(), timedelta(hours=3)))
def test_who_comes_later_never_goes_earlier(timing: Timing, now: datetime, later: timedelta) -> None:
    assert turn(timing, now + later, is_urgent=False).at >= turn(timing, now, is_urgent=False).at


@given(QUIET, ZONES, INSTANTS)
def test_quiet_hours_are_those_of_the_wall_clock(quiet: Quiet, zone: Zone, at: datetime) -> None:
    """Apart from days on which clocks change, they are quiet exactly when a clock on the wall says so."""
    calm = zone.offset(at - timedelta(days=2)) == zone.offset(at + timedelta(days=2)) == zone.offset(at)
    wall = zone.wall(at).time()
    is_day = quiet.start < quiet.end
    says = quiet.start <= wall < quiet.end if is_day else not quiet.end <= wall < quiet.start
    if calm:
        assert (quiet_until(quiet, zone, at) is not None) == says


@given(DIGESTS, ZONES, INSTANTS)
def test_all_that_comes_before_a_slot_shares_it(digest: Digest, zone: Zone, now: datetime) -> None:
    slot = next_slot(digest, zone, now)
    assert slot > now
    assert next_slot(digest, zone, now + (slot - now) * 0.999) == slot or slot - now < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        # 28 March 2027: 02:00 becomes 03:00, so this night is an hour shorter.
        (datetime(2027, 3, 27, 21, 0, tzinfo=UTC), datetime(2027, 3, 28, 5, 0, tzinfo=UTC)),
        (datetime(2027, 3, 28, 4, 59, tzinfo=UTC), datetime(2027, 3, 28, 5, 0, tzinfo=UTC)),
        (datetime(2027, 3, 28, 5, 0, tzinfo=UTC), None),
        # 31 October 2027: 03:00 becomes 02:00, so that one is an hour longer.
        (datetime(2027, 10, 30, 20, 0, tzinfo=UTC), datetime(2027, 10, 31, 6, 0, tzinfo=UTC)),
        (datetime(2027, 10, 31, 1, 30, tzinfo=UTC), datetime(2027, 10, 31, 6, 0, tzinfo=UTC)),
        (datetime(2027, 10, 30, 19, 59, tzinfo=UTC), None),
    ],
)
def test_a_night_over_a_change_of_the_clocks(at: datetime, ends: datetime | None) -> None:
    assert quiet_until(NIGHT, BERLIN, at) == ends


def test_quiet_hours_that_begin_in_the_skipped_hour_begin_after_it() -> None:
    quiet = Quiet(time(2, 30), time(4))
    assert quiet_until(quiet, BERLIN, datetime(2027, 3, 28, 1, 15, tzinfo=UTC)) is None
    assert quiet_until(quiet, BERLIN, datetime(2027, 3, 28, 1, 30, tzinfo=UTC)) == datetime(2027, 3, 28, 2, tzinfo=UTC)


def test_a_daily_digest_follows_the_wall_clock_over_a_change() -> None:
    digest = Digest(daily_at=time(8))
    summer = next_slot(digest, BERLIN, datetime(2027, 3, 27, 8, tzinfo=UTC))
    assert summer == datetime(2027, 3, 28, 6, tzinfo=UTC)
    assert next_slot(digest, BERLIN, summer) == datetime(2027, 3, 29, 6, tzinfo=UTC)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_to_an_hour_and_are_never_the_same_for_all(attempt: int, chance: float) -> None:
    pause = pause_after(attempt, chance)
    assert timedelta(seconds=2.5) <= pause <= timedelta(hours=1)
    assert pause_after(attempt, 0) <= pause_after(attempt + 1, 0)
    assert pause_after(attempt, 1) == pause_after(attempt, 0) / 2


def test_attempts_end_within_a_day() -> None:
    first = now = datetime(2027, 1, 1, tzinfo=UTC)
    attempts = 1
    while not is_given_up(first, following := now + pause_after(attempts, 0)):
        now, attempts = following, attempts + 1
    assert now - first <= GIVE_UP
    assert 30 <= attempts <= 40


def test_what_is_stored_reads_as_it_was_meant() -> None:
    made = timing_of(BERLIN, {"daily_at": "08:15"}, {"from": "22:00", "to": "06:30"})
    assert made == Timing(BERLIN, Digest(daily_at=time(8, 15)), Quiet(time(22), time(6, 30)))
    assert timing_of(BERLIN, {"every_minutes": 10}, None) == Timing(BERLIN, Digest(every_minutes=10))
