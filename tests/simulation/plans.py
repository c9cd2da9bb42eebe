"""What a seed stands for: which part of the calendar is lived through, by which jobs, and with how much trouble."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

_HOUR = 3600.0
_DAY = 24 * _HOUR
#: Weekends in which the clocks of some of the population's zones change.
_NIGHTS = (
    *(datetime(2027, 3, 13, 18), datetime(2027, 3, 27, 18), datetime(2026, 10, 24, 18), datetime(2026, 10, 31, 18)),
    *(datetime(2027, 4, 3, 9), datetime(2026, 10, 3, 9), datetime(2028, 4, 1, 9), datetime(2027, 4, 29, 12)),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a world is, and how much goes wrong in it."""

    seed: int
    #: How many jobs of each density.
    jobs: dict[str, int]
    begins: datetime
    #: The run ends at this many gates, or at the end of the calendar.
    steps: int
    calendar: timedelta
    schedulers: int = 2
    #: Chances at each gate.
    crash: float = 0.004
    cut: float = 0.001
    stall: float = 0.0015
    #: Seconds of calendar between such events, on average; 0 = never.
    outage_every: float = 0.0
    step_every: float = 0.0
    edit_every: float = 0.0
    move_every: float = 0.0
    reap_every: float = 7200.0
    #: When new zone rules are installed; 0 = never.
    release_at: float = 0.0
    #: The share of NOTIFYs that nobody hears.
    lost_doorbells: float = 0.1


#: What may be left out of a plan to see whether it still goes wrong.
LESS: tuple[dict[str, float], ...] = (
    {"schedulers": 1},
    {"crash": 0.0},
    {"cut": 0.0},
    {"stall": 0.0},
    {"edit_every": 0.0},
    {"step_every": 0.0},
    {"outage_every": 0.0},
    {"move_every": 0.0},
    {"release_at": 0.0},
    {"lost_doorbells": 0.0},
)


def plan_of(seed: int, *, steps: int = 4000) -> Plan:
    """Seeds go round: nights in which clocks change, weeks of days, years of months; some change the zone rules on the way."""
    chance = Random(seed * 7919 + 13)
    match seed % 3:
        case 0:
            return _night(seed, chance, steps)
        case 1:
            return _weeks(seed, chance, steps)
        case _:
            return _years(seed, chance, steps)


def _night(seed: int, chance: Random, steps: int) -> Plan:
    return Plan(
        seed=seed,
        jobs={"short": 8, "daily": 8},
        begins=chance.choice(_NIGHTS).replace(tzinfo=UTC),
        steps=steps,
        calendar=timedelta(days=6),
        schedulers=chance.choice((2, 3)),
        outage_every=2 * _HOUR,
        step_every=_HOUR,
        edit_every=_HOUR / 4,
        move_every=4 * _HOUR,
        release_at=chance.choice((0.0, 0.0, 3 * _HOUR)),
    )


def _weeks(seed: int, chance: Random, steps: int) -> Plan:
    return Plan(
        seed=seed,
        jobs={"daily": 20, "sparse": 6},
        begins=_begin(chance),
        steps=steps,
        calendar=timedelta(days=200),
        schedulers=chance.choice((2, 3)),
        outage_every=2 * _DAY,
        step_every=_DAY,
        edit_every=4 * _HOUR,
        move_every=3 * _DAY,
        reap_every=2 * _DAY,
        release_at=chance.choice((0.0, 0.0, 3 * _DAY)),
    )


def _years(seed: int, chance: Random, steps: int) -> Plan:
    return Plan(
        seed=seed,
        jobs={"sparse": 24},
        begins=_begin(chance),
        steps=steps,
        calendar=timedelta(days=365 * 12),
        schedulers=2,
        outage_every=20 * _DAY,
        step_every=15 * _DAY,
        edit_every=4 * _DAY,
        move_every=40 * _DAY,
        reap_every=20 * _DAY,
        release_at=chance.choice((0.0, 0.0, 100 * _DAY)),
    )


def _begin(chance: Random) -> datetime:
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(60 * 24 * 800))
