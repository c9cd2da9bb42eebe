"""Owns schedules that follow the clocks of their targets: when each zone's wave of an occurrence starts.

Such a schedule names wall clocks. One of them is one occurrence everywhere, identified by the instant at which the first clock on
Earth could show it; each zone is a wave that starts when its own clocks are there. Seen from one zone, the waves are the
instants of the same schedule fixed to that zone.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from watchbill.core.leading import known, leading_now, local_time, nominal_of, reached_at, zone_or_utc
from watchbill.core.schedule import Schedule, next_due
from watchbill.core.schedule_cron import Cron, fixed_instant
from watchbill.core.zones import Zone

__all__ = ["LAST_WAVE", "due_at", "leading_now", "local_time", "next_start", "wave_start", "when_reached"]

#: From UTC+14 to UTC-12: when the last zone on Earth has started.
LAST_WAVE: Final = timedelta(hours=26)
_SECOND: Final = timedelta(seconds=1)


def wave_start(schedule: Schedule, nominal: datetime, zone: str) -> datetime | None:
    """When the occurrence starts on the clocks of `zone`; None where they never show that time and it is not made up for.

    Two times of the schedule that come to one instant there start once, as they would in a schedule of that zone.
    """
    rules, wall = zone_or_utc(zone), local_time(nominal)
    is_skipped = rules.spread(wall) > timedelta()
    if isinstance(schedule.rule, Cron):
        at = fixed_instant(rules, wall)
        return None if at is None or (is_skipped and not _is_first_in_gap(schedule, rules, wall)) else at
    at = rules.resolve(wall)
    return None if is_skipped and _names(schedule, rules.wall(at)) else at


def due_at(schedule: Schedule, nominal: datetime, zones: Collection[str]) -> datetime:
    """When the first of these zones starts the occurrence."""
    starts = (wave_start(schedule, nominal, zone.name) for zone in known(zones))
    return min((start for start in starts if start), default=reached_at(zones, local_time(nominal)))


def next_start(schedule: Schedule, mark: datetime, zones: Collection[str]) -> datetime | None:
    """When to look at a schedule that is settled up to `mark`: the real instant at which its next one is reached."""
    following = next_due(schedule, mark)
    return None if following is None else when_reached(schedule, following, zones)


def when_reached(schedule: Schedule, nominal: datetime, zones: Collection[str]) -> datetime:
    """The real instant at which an instant of a schedule is there: its own, or that of the first zone to show its wall clock."""
    return reached_at(zones, local_time(nominal)) if schedule.is_following else nominal


def _names(schedule: Schedule, wall: datetime) -> bool:
    nominal = nominal_of(wall)
    return next_due(schedule, nominal - _SECOND) == nominal


def _is_first_in_gap(schedule: Schedule, zone: Zone, wall: datetime) -> bool:
    """Whether a skipped time is the one that runs when the clocks have gone forward."""
    at = zone.resolve(wall)
    change = zone.change_between(at - zone.spread(wall), at)
    if change is None or _names(schedule, change.wall_after):
        return False
    return next_due(schedule, nominal_of(change.wall_before) - _SECOND) == nominal_of(wall)
