"""Hypothesis strategies shared by the calendar's tests: any schedule in any zone of the wheel, and moments to ask about."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st

from watchbill.core import schedule
from watchbill.core.zones import find_zone, zone_names

# A busy machine is no fault of the calendar: what an example costs is measured by the bench, not by a deadline.
UNTIMED = settings(deadline=None)

ZONES = st.sampled_from(sorted(zone_names()))


def zone_of(name):
    """A zone that is known to exist."""
    zone = find_zone(name)
    assert zone is not None
    return zone


STEPS = ("every_5_minutes", "every_10_minutes", "every_15_minutes", "every_30_minutes", "hourly")
UNITS = ("daily", "weekly", "monthly", "yearly")
STARTS = st.integers(0, 60 * 24 * 365 * 60).map(
    lambda minutes: (datetime(1990, 1, 1) + timedelta(minutes=minutes)).isoformat(timespec="minutes")
)
MOMENTS = st.integers(0, 86400 * 365 * 70).map(
    lambda seconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
CRONS = st.sampled_from(
    [
        "* * * * *",
        "*/7 * * * *",
        "30 * * * *",
        "0,30 */2 * * *",
        "30 2 * * *",
        "0 0 * * *",
        "15,45 1-3 * * *",
        "59 23 31 * *",
        "0 3 */5 * 1",
        "0 3 1,15 * MON",
        "0 12 29 2 *",
        "5 0 L * *",
        "5 0 * * 2#2,friL",
        "@weekly",
    ]
)
RULES = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3;BYHOUR=1,2,3;BYMINUTE=0,30",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,WE;WKST=SU",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30",
        "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO",
        "FREQ=HOURLY;INTERVAL=5",
        "FREQ=MINUTELY;INTERVAL=40",
        "FREQ=MINUTELY;INTERVAL=7;BYHOUR=2,3",
        "FREQ=DAILY;COUNT=20",
    ]
)


@st.composite
def specs(draw, *, kinds=(*STEPS, *UNITS, "cron", "rrule", "once"), zones=ZONES):
    """The API object of any schedule that has a start."""
    kind = draw(st.sampled_from(kinds))
    spec = {"type": kind, "start": draw(STARTS), "timezone": draw(zones)}
    if kind == "cron":
        spec["expression"] = draw(CRONS)
    if kind == "rrule":
        spec["rule"] = draw(RULES)
    if kind != "once" and draw(st.booleans()):
        spec["count"] = draw(st.integers(1, 40))
    return spec


@st.composite
def near_change(draw, spec):
    """A moment at most two days around a change of the clocks in the zone of a spec, or any moment where there is none."""
    zone = schedule.parse(spec).zone
    begin = draw(MOMENTS)
    change = zone.change_between(begin, begin + timedelta(days=2 * 365))
    return (change.at if change else begin) + timedelta(seconds=draw(st.integers(-172800, 172800)))
