"""D11 by the letter: what becomes of each instant that is owed, one by one, without the arithmetic that makes it quick."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from watchbill.core import schedule as calendar
from watchbill.core.schedule import Schedule

_ON_TIME = timedelta(seconds=60)
_HOUR = timedelta(hours=1)
#: What follows the clocks of its targets is in time until the last zone on Earth has started.
_LAST_WAVE = timedelta(hours=26)
_MOST = 100


def settle(
    schedule: Schedule, owed: Sequence[datetime], now: datetime, policies: dict[str, Any], guard: datetime | None
) -> dict[datetime, str]:
    """`owed` ascends. `guard`: late instants up to then wait for a person."""
    now = now - _LAST_WAVE if schedule.is_following else now
    late = [one for one in owed if now - one > _ON_TIME]
    ways = dict.fromkeys(owed, "on_time")
    if not late:
        return ways
    recent = [one for one in late if now - one <= _window(schedule, late[-1], policies["catch_up_window_seconds"])]
    ways |= dict.fromkeys(late, "missed:catch_up_window")
    ways |= dict.fromkeys(recent, "missed:misfire_policy")
    runs: Sequence[datetime] = ()
    catch_up: str = policies["catch_up"]
    if catch_up == "latest" and len(late) == len(owed):
        runs = recent[-1:]
    elif catch_up == "all":
        runs = recent[:_MOST]
    elif catch_up == "hold":
        ways |= dict.fromkeys(recent[:_MOST], "held:misfire_hold")
    return ways | {one: "held:storm_guard" if guard and one <= guard else "late" for one in runs}


def _window(schedule: Schedule, newest: datetime, seconds: int | None) -> timedelta:
    if seconds:
        return timedelta(seconds=seconds)
    following = calendar.next_due(schedule, newest)
    return min(following - newest, _HOUR) if following else _HOUR
