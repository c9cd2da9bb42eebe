"""Every change of the clocks from 1950 to 2050 in every zone of the wheel, and every kind of it with every type of schedule.

Kinds are told apart by how much is skipped or repeated and by whether summer time begins, ends or has nothing to do with it:
half hours, skipped and repeated days, wars' double summer time, and plain moves of a zone.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import islice, pairwise

import pytest

from tests.core.schedule_strategies import zone_of
from tests.core.tzif import Clocks, data_of, instant, wall_seconds
from watchbill.core import following
from watchbill.core import schedule as sut
from watchbill.core.zones import zone_names

pytestmark = pytest.mark.timeout(180)

FIRST, LAST = 1950, 2050
BEGIN, END = wall_seconds(datetime(FIRST, 1, 1)), wall_seconds(datetime(LAST + 1, 1, 1))
#: How many events of each kind are looked at with every type of schedule, spread over zones and years.
EACH_KIND = 6
DAY, HOUR, MINUTE = 86400, 3600, 60


def distinct_zones():
    """One name for each set of rules: many names are links."""
    by_rules = defaultdict(list)
    for name in sorted(zone_names()):
        by_rules[data_of(name)].append(name)
    return [names[0] for names in by_rules.values()]


@pytest.fixture(scope="module")
def clocks():
    return [Clocks(name, LAST) for name in distinct_zones()]


@pytest.fixture(scope="module")
def events(clocks):
    return [(one, change) for one in clocks for change in one.changes if BEGIN <= change.at < END]


def kinds_of(events):
    found = defaultdict(list)
    for one, change in events:
        found[change.gap, change.dst].append((one, change))
    return found


def spread_over(events, number):
    """A few of many, evenly from the earliest to the latest, of different zones where there are."""
    ordered = sorted(events, key=lambda event: (event[1].at, event[0].name))
    chosen = [ordered[index * (len(ordered) - 1) // max(1, number - 1)] for index in range(number)]
    return list({(one.name, change.at): (one, change) for one, change in chosen}.values())


def wall_of(seconds):
    return instant(seconds).replace(tzinfo=None)


# --- all of them ----------------------------------------------------------------------------------------------------


def test_every_change_is_found_at_its_second_as_the_zone_files_have_it(clocks):
    found = 0
    for one in clocks:
        zone, at, until = zone_of(one.name), instant(BEGIN - 1), instant(END - 1)
        expected = [(c.at, c.before, c.after) for c in one.changes if BEGIN <= c.at < END]
        seen = []
        while change := zone.change_between(at, until):
            at = change.at
            seen.append((wall_seconds(at), change.before // timedelta(seconds=1), change.after // timedelta(seconds=1)))
        assert seen == expected, one.name
        found += len(seen)
    print(f"{found} changes in {len(clocks)} sets of rules, {len(zone_names())} names")


def test_no_zone_changes_its_clocks_twice_within_six_days(clocks):
    """What the search for changes relies on."""
    for one in clocks:
        times = [change.at for change in one.changes if change.at > wall_seconds(datetime(1900, 1, 1))]
        assert all(later - earlier > 6 * DAY for earlier, later in pairwise(times)), one.name


def test_the_edges_of_every_gap_and_every_repetition_mean_what_they_should(events):
    for one, change in events:
        zone, low = zone_of(one.name), change.at + min(change.before, change.after)
        high = low + abs(change.gap)
        for wall in (low - 1, low, (low + high) // 2, high - 1, high):
            assert zone.resolve(wall_of(wall)) == instant(one.shifted(wall)), (one.name, wall_of(wall))
            inside = change.gap if low <= wall < high else 0
            assert zone.spread(wall_of(wall)) == timedelta(seconds=inside)
        assert zone.wall(instant(change.at - 1)) == wall_of(change.at - 1 + change.before)
        assert zone.wall(instant(change.at)) == wall_of(change.at + change.after)


# --- every kind of them -----------------------------------------------------------------------------------------------


def days_around(change):
    first = (change.at // DAY - 3) * DAY
    return [first + number * DAY for number in range(8)]


def times_near(change):
    """Times of day before, inside, at both ends of and after what is skipped or repeated, in whole minutes."""
    low = (change.at + min(change.before, change.after)) // MINUTE * MINUTE
    high = low + abs(change.gap)
    chosen = (low - MINUTE, low, low + MINUTE, (low + high) // 2, high - MINUTE, high, high + 30 * MINUTE)
    return sorted({wall // MINUTE * MINUTE % DAY for wall in chosen})


def clock(time):
    return f"{time // HOUR:02}:{time % HOUR // MINUTE:02}"


class Look:
    """Compares a schedule's instants around one change with what they should be."""

    def __init__(self, one, change):
        self.one, self.change, self.instants = one, change, 0
        self.low, self.high = change.at - 2 * DAY, change.at + 2 * DAY
        self.anchor = wall_of(days_around(change)[0] - 30 * DAY)

    def read(self, kind, time=0, **more):
        start = (self.anchor + timedelta(seconds=time)).isoformat(timespec="minutes")
        return sut.parse({"type": kind, "start": start, "timezone": self.one.name} | more)

    def expect(self, plan, expected):
        wanted = sorted({at for at in expected if at is not None and self.low < at <= self.high})
        found = sut.instants_between(plan, instant(self.low), instant(self.high))
        assert [wall_seconds(at) for at in found] == wanted, (self.one.name, self.change, sut.to_json(plan))
        after = [self.low, self.change.at - HOUR, self.change.at - 1, self.change.at, self.change.at + 1, *wanted]
        for moment in after:
            following_at = min((at for at in wanted if at > moment), default=None)
            if following_at is not None:
                assert sut.next_due(plan, instant(moment)) == instant(following_at)
        assert sut.count_between(plan, instant(self.low), instant(self.high), 10**6) == len(wanted)
        if wanted:
            assert sut.latest_before(plan, instant(self.high)) == instant(wanted[-1])
        self.instants += len(wanted)

    def expect_waves(self, plan):
        """One zone's waves of a schedule that follows clocks are the instants of the schedule fixed to that zone."""
        spec = {name: value for name, value in sut.to_json(plan).items() if name != "timezone"}
        follower = sut.parse(spec | {"timezone_source": "device"})
        nominals = sut.instants_between(follower, instant(self.low - 2 * DAY), instant(self.high + 2 * DAY))
        starts = [following.wave_start(follower, nominal, self.one.name) for nominal in nominals]
        seen = sorted(start for start in starts if start and instant(self.low) < start <= instant(self.high))
        assert seen == list(sut.instants_between(plan, instant(self.low), instant(self.high))), spec


def look_at_presets(look):
    days, one = days_around(look.change), look.one
    for time in times_near(look.change):
        shifted = [one.shifted(day + time) for day in days]
        daily = look.read("daily", time)
        rule = look.read("rrule", time, rule="FREQ=DAILY")
        for plan in (daily, rule):
            look.expect(plan, shifted)
            look.expect_waves(plan)
        for item in islice(sut.upcoming(daily, instant(look.low), 5), 4):
            is_repeated = len(one.passes(wall_seconds(item.local))) > 1
            # What lands on the clocks' own time of day was shifted by nothing, unless a whole day was skipped.
            assert ("first_of_two" in item.flags) == (is_repeated and "shifted_gap" not in item.flags)
            assert (clock(wall_seconds(item.local) % DAY) == clock(time)) or "shifted_gap" in item.flags
    late = wall_of(days[4]).replace(day=1) - timedelta(days=1)  # the last day of a month: shorter ones are clamped
    monthly = look.read("monthly", start=late.replace(hour=2, minute=30).isoformat(timespec="minutes"))
    months = [(wall_of(day).replace(day=1) + timedelta(days=40)).replace(day=1) - timedelta(days=1) for day in days]
    clamped = {
        one.shifted(wall_seconds(month.replace(day=min(month.day, late.day), hour=2, minute=30))) for month in months
    }
    clamped.add(one.shifted(wall_seconds(late.replace(hour=2, minute=30))))
    look.expect(monthly, clamped)


def look_at_lists_of_times(look):
    """Several times a day: in a gap some of them come to one instant, or overtake each other."""
    days, times = days_around(look.change), times_near(look.change)
    hours, minutes = sorted({time // HOUR for time in times}), sorted({time % HOUR // MINUTE for time in times})[:3]
    walls = [day + hour * HOUR + minute * MINUTE for day in days for hour in hours for minute in minutes]
    listed = {"hours": ",".join(map(str, hours)), "minutes": ",".join(map(str, minutes))}
    rule = look.read("rrule", rule="FREQ=DAILY;BYHOUR={hours};BYMINUTE={minutes}".format(**listed))
    look.expect(rule, [look.one.shifted(wall) for wall in walls])
    look.expect_waves(rule)
    cron = look.read("cron", expression="{minutes} {hours} * * *".format(**listed))
    look.expect(cron, [look.one.made_up(wall) for wall in walls])
    look.expect_waves(cron)


def look_at_cron(look):
    days, one = days_around(look.change), look.one
    for time in times_near(look.change):
        fixed = look.read("cron", expression=f"{time % HOUR // MINUTE} {time // HOUR} * * *")
        look.expect(fixed, [one.made_up(day + time) for day in days])
        look.expect_waves(fixed)
    walls = range(days[0], days[-1], 10 * MINUTE)
    look.expect(look.read("cron", expression="*/10 * * * *"), (at for wall in walls for at in one.passes(wall)))
    minute = times_near(look.change)[2] % HOUR // MINUTE
    walls = range(days[0] + minute * MINUTE, days[-1], HOUR)
    look.expect(look.read("cron", expression=f"{minute} * * * *"), (at for wall in walls for at in one.passes(wall)))


def look_at_steps(look):
    anchor = wall_seconds(look.read("hourly").start.instant)
    first = look.low - (look.low - anchor) % (30 * MINUTE)
    look.expect(look.read("every_30_minutes"), range(first, look.high + 1, 30 * MINUTE))
    once = wall_of(days_around(look.change)[3] + times_near(look.change)[1])
    plan = look.read("once", start=once.isoformat(timespec="minutes"))
    look.expect(plan, [look.one.shifted(wall_seconds(once))])


@pytest.mark.parametrize("look_at", [look_at_presets, look_at_lists_of_times, look_at_cron, look_at_steps])
def test_every_kind_of_change_with_every_type_of_schedule(events, look_at):
    kinds = kinds_of(events)
    instants = looked = 0
    for of_one_kind in kinds.values():
        for one, change in spread_over(of_one_kind, EACH_KIND):
            if change.before % MINUTE or change.after % MINUTE:
                continue  # clocks that go by the second of a meridian show no whole minutes at whole minutes
            look = Look(one, change)
            look_at(look)
            instants, looked = instants + look.instants, looked + 1
    print(
        f"{look_at.__name__}: {instants} instants around {looked} changes of {len(kinds)} kinds, out of {len(events)}"
    )
    assert looked > 50


def test_the_kinds_include_half_hours_days_and_zones_that_only_moved(events):
    kinds = kinds_of(events)
    gaps = {gap for gap, _ in kinds}
    assert {1800, -1800, 3600, -3600, 7200, 3 * HOUR, DAY, -23 * HOUR} <= gaps
    assert {dst for _, dst in kinds} == {(False, False), (False, True), (True, False), (True, True)}
    by_kind = {f"{gap:+d} {dst}": len(found) for (gap, dst), found in sorted(kinds.items())}
    print(f"{len(events)} changes of {len(kinds)} kinds: {by_kind}")
