"""Next due instants of many mixed schedules, as after a release of new zone rules, and the slowest schedules that can be saved.

Measured is `core.schedule.next_due` on one core, for schedules read before. The worst cases are rules made to be searched for long:
what they name is rare, or nothing. No database takes part.
"""

import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

from bench import common
from watchbill.core import schedule as calendar
from watchbill.core.schedule import Schedule, ScheduleProblems

ZONES = (
    *("UTC", "Europe/Berlin", "America/Denver", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"),
    *("Asia/Tokyo", "America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia", "Asia/Kathmandu", "Europe/London"),
)
PRESETS = ("every_5_minutes", "every_15_minutes", "hourly", "daily", "weekly", "monthly", "yearly")
CRONS = (
    *("*/5 * * * *", "30 2 * * *", "0 3 * * mon-fri", "15 4 1 * *", "0 0 */5 * 1", "5 5 31 * *", "0 12 29 2 *"),
    *("*/7 8-18 * * 1,3,5", "0 22 L * *", "30 6 * * mon#1"),
)
RULES = (
    *("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=TU,TH", "FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYMONTHDAY=-1"),
    *("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "FREQ=HOURLY;INTERVAL=6", "FREQ=MINUTELY;INTERVAL=30"),
    *("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=DAILY;INTERVAL=10;COUNT=300"),
)
_RARE_CRONS = ("0 0 29 2 1", "59 23 31 12 6", "0 0 29 2 6", "30 2 29 2 *")
_RARE_RULES = (
    *("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29"),
    *("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=0", "FREQ=HOURLY;BYMONTHDAY=31;BYDAY=FR"),
    *("FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=SU;BYSETPOS=-1", "FREQ=MINUTELY;INTERVAL=1439;COUNT=10000"),
    *("FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO", "FREQ=YEARLY;BYYEARDAY=366", "FREQ=DAILY;COUNT=10000"),
)
# Refused at save, and looked for up to the horizon until that is known.
_IMPOSSIBLE_CRONS = ("0 0 30 2 *", "0 0 31 4,6,9,11 *")
_IMPOSSIBLE_RULES = ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=31")


def _worst_specs() -> list[dict[str, object]]:
    crons = (*_RARE_CRONS, *_IMPOSSIBLE_CRONS)
    rules = (*_RARE_RULES, *_IMPOSSIBLE_RULES)
    zones = ("UTC", "America/Denver")
    found: list[dict[str, object]] = []
    found += [{"type": "cron", "expression": one, "timezone": zone} for one in crons for zone in zones]
    begun = {"type": "rrule", "start": "2020-01-01T00:00"}
    return found + [{**begun, "rule": one, "timezone": zone} for one in rules for zone in zones]


def mixed(number: int, seed: int) -> list[Schedule]:
    """A third presets, a third cron, a third RRULE, in zones of every kind."""
    chance = random.Random(seed)
    return [_one(chance, ("preset", "cron", "rrule")[place % 3]) for place in range(number)]


def _one(chance: random.Random, kind: str) -> Schedule:
    start = f"20{chance.randint(15, 25)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T{chance.randint(0, 23):02}:30"
    spec: dict[str, object] = {"timezone": chance.choice(ZONES), "start": start}
    match kind:
        case "preset":
            spec["type"] = chance.choice(PRESETS)
        case "cron":
            spec |= {"type": "cron", "expression": chance.choice(CRONS)}
        case _:
            spec |= {"type": "rrule", "rule": chance.choice(RULES)}
    return calendar.parse(spec)


def rate(schedules: Sequence[Schedule], after: datetime, rounds: int) -> float:
    """Instants in a second, each round from another moment so that nothing is remembered from the last one."""
    began = time.perf_counter()
    for round_ in range(rounds):
        moment = after + timedelta(days=37 * round_, minutes=11 * round_)
        for one in schedules:
            calendar.next_due(one, moment)
    return len(schedules) * rounds / (time.perf_counter() - began)


def worst(after: datetime) -> tuple[float, str]:
    """Milliseconds of the slowest: read, checked as at a save, and asked for its next instant; and which it is."""
    slowest = (0.0, "")
    for spec in _worst_specs():
        began = time.perf_counter()
        _save(spec, after)
        took = (time.perf_counter() - began) * 1000
        slowest = max(slowest, (took, str(spec.get("rule") or spec["expression"])))
    return slowest


def _save(spec: dict[str, object], after: datetime) -> None:
    try:
        schedule = calendar.parse(spec)
    except ScheduleProblems:
        return  # refused as it is read
    if not calendar.check_new(schedule, after):
        calendar.next_due(calendar.anchored(schedule, after), after)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, help="mixed schedules")
    parser.add_argument("--rounds", type=int, default=3, help="times that all are computed, after a first one")
    parser.add_argument("--seed", type=int, default=20260501)
    options = parser.parse_args()
    common.tell("calendar", f"{options.schedules} mixed schedules on one core, seed {options.seed}")
    schedules = mixed(options.schedules, options.seed)
    after = datetime(2026, 5, 1, 12, tzinfo=UTC)
    first = rate(schedules, after - timedelta(days=400), 1)
    rates = {name: rate(schedules[begin::step], after, options.rounds) for name, begin, step in _PARTS}
    slowest, rule = worst(after)
    rows = [["all, zone rules read for the first time", round(first)]]
    rows += [[name.removesuffix("_per_s"), round(value)] for name, value in rates.items()]
    common.table(["schedules", "per second"], rows)
    print(f"slowest of {len(_worst_specs())}: {slowest:.1f} ms, {rule}\n")
    common.finish({**{name: round(value) for name, value in rates.items()}, "worst_ms": round(slowest, 1)})


_PARTS = (("schedules_per_s", 0, 1), ("preset_per_s", 0, 3), ("cron_per_s", 1, 3), ("rrule_per_s", 2, 3))

if __name__ == "__main__":
    main()
