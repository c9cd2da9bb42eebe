"""Other people's engines name the same instants, each where it is right.

cronsim follows Debian's cron through changes of the clocks below three hours, but with wildcards loses its place around those
that are not whole hours at a whole hour, and when midnight itself is skipped. croniter is right in UTC and for fixed times in gaps; it runs repeated times twice. whenever knows
clocks and month ends. dateutil's rules are compared in test_schedule_rrule.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.resources import files
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
import whenever
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.schedule_strategies import MOMENTS, STARTS, UNITS, UNTIMED, ZONES, zone_of
from watchbill.core import schedule as sut

croniter = import_module("croniter").croniter  # it comes without types
HOUR = timedelta(hours=1)
MINUTES = st.sampled_from([0, 7, 15, 30, 45, 59])


@pytest.fixture(scope="module", autouse=True)
def _all_read_the_wheel():
    wheel = str(Path(str(files("tzdata"))) / "zoneinfo")
    whenever.reset_tzpath([wheel])
    whenever.clear_tzcache()
    reset_tzpath([wheel])
    yield
    reset_tzpath()


@cache
def there(name):
    """Read anew: another test may have read the host's rules under that name."""
    return ZoneInfo.no_cache(name)


@st.composite
def changes(draw):
    """A zone with one of its changes of the clocks, and a moment up to thirty hours before it."""
    zone = zone_of(draw(ZONES))
    begin = draw(MOMENTS)
    change = zone.change_between(begin, begin + timedelta(days=1500))
    assume(change is not None and abs(change.gap) < 3 * HOUR and change.at.second == change.at.microsecond == 0)
    assert change is not None
    return zone, change, change.at - draw(st.integers(1, 1800)) * timedelta(minutes=1)


def instants(expression, zone, after, n=6):
    plan = sut.parse({"type": "cron", "expression": expression, "timezone": zone.name})
    return list(islice(sut.instants_after(plan, after), n))


def by_cronsim(expression, zone, after, n=6):
    return [found.astimezone(UTC) for found in islice(CronSim(expression, after.astimezone(there(zone.name))), n)]


def by_croniter(expression, zone, after, n=6):
    walk = croniter(expression, after.astimezone(there(zone.name)), ret_type=datetime)
    return [walk.get_next().astimezone(UTC) for _ in range(n)]


@UNTIMED
@given(changes(), MINUTES, MINUTES, st.integers(-2, 3))
def test_cronsim_runs_fixed_times_at_the_same_instants(near, minute, other, hours):
    zone, change, after = near
    hour = (change.wall_before + hours * HOUR).hour
    for expression in (f"{minute} {hour} * * *", f"{minute},{other} {hour},{(hour + 1) % 24} * * mon-sat"):
        assert instants(expression, zone, after) == by_cronsim(expression, zone, after)


@UNTIMED
@given(changes(), st.sampled_from(["*/15 * * * *", "30 * * * *", "* 1-4 * * *", "59 */2 * * *", "*/20 */3 * * sun"]))
def test_cronsim_runs_wildcards_at_the_same_instants(near, expression):
    zone, change, after = near
    assume(change.gap % HOUR == timedelta() and change.wall_before.minute == 0 and change.wall_before.hour > 0)
    assert instants(expression, zone, after) == by_cronsim(expression, zone, after)


@UNTIMED
@given(changes(), MINUTES, st.integers(-2, 3))
def test_croniter_makes_up_for_fixed_times_in_gaps_at_the_same_instants(near, minute, hours):
    zone, change, after = near
    expression = f"{minute} {(change.wall_before + hours * HOUR).hour} * * *"
    expected = by_croniter(expression, zone, after, 3)
    assume(change.gap > timedelta() and change.gap % HOUR == timedelta())
    assert instants(expression, zone, after, 3) == expected


@UNTIMED
@given(
    MOMENTS,
    st.sampled_from(["*", "*/7", "0,30", "5-50/9"]),
    st.sampled_from(["*", "*/5", "0", "8-17"]),
    st.sampled_from([("*", "*"), ("1,15,31", "*"), ("*", "mon-fri"), ("13", "fri"), ("29", "sun"), ("L", "*")]),
    st.sampled_from(["*", "2", "feb,jun", "*/4"]),
)
def test_croniter_in_utc_names_the_same_instants(after, minute, hour, days, month):
    expression = f"{minute} {hour} {days[0]} {month} {days[1]}"
    utc = zone_of("UTC")
    assert instants(expression, utc, after, 4) == by_croniter(expression, utc, after, 4)


@UNTIMED
@given(st.sampled_from(UNITS), STARTS, ZONES, st.integers(0, 400))
def test_whenever_steps_calendars_to_the_same_instants(kind, start, zone, index):
    plan = sut.parse({"type": kind, "start": start, "timezone": zone})
    assert plan.start is not None
    anchor = whenever.PlainDateTime.parse_iso(f"{start}:00")
    units = {"daily": "days", "weekly": "weeks", "monthly": "months", "yearly": "years"}[kind]
    index //= 8 if kind == "yearly" else 1

    def stepped(number):
        date = anchor.date().add(**{units: number})
        return date.at(anchor.time()).assume_tz(zone, disambiguation="compatible").timestamp()

    expected = sorted({stepped(number) for number in range(index, index + 4)})
    after = datetime.fromtimestamp(expected[0] - 1, UTC)
    if index == 0 or stepped(index - 1) < expected[0]:  # a skipped day lets two of them change places
        assert [found.timestamp() for found in islice(sut.instants_after(plan, after), len(expected))] == expected


@UNTIMED
@given(changes(), st.integers(-1500, 1500))
def test_whenever_shifts_and_chooses_as_rules_do(near, minutes):
    zone, change, _ = near
    wall = (change.wall_before + minutes * timedelta(minutes=1)).replace(second=0)
    plan = sut.parse({"type": "once", "start": wall.isoformat(timespec="minutes"), "timezone": zone.name})
    other = whenever.PlainDateTime(wall.year, wall.month, wall.day, wall.hour, wall.minute)
    seconds = other.assume_tz(zone.name, disambiguation="compatible").timestamp()
    expected = datetime.fromtimestamp(seconds, UTC)
    assert sut.next_due(plan, expected - timedelta(seconds=1)) == expected
