"""Waves of a run: how its devices are split, when the next wave may begin, and when the brake stops the rest. Pure.

A wave is over when each of its devices has ended or waits to come online. One in which no device gave a result is not over
while some are waited for: nothing is known by it yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from watchbill.core import targets as aims
from watchbill.core.states import ACTIVE_TARGET, TargetState

Promote = Literal["auto", "manual"]
OrderBy = Literal["hostname", "site", "os", "last_seen", "random"]
IfNone = Literal["refuse", "go_on"]

#: Results below which no share stops a run in the middle of a wave; at the end of a wave every result counts.
LEAST_RESULTS: Final = 5

_S = TargetState
_FAILED: Final = (_S.FAILED, _S.TIMED_OUT)
_UNREACHABLE: Final = (_S.EXPIRED, _S.LOST)
_FINE: Final = (_S.SUCCESS, _S.WARNING)
Counts = Mapping[TargetState, int]


@dataclass(frozen=True, slots=True)
class Size:
    """So many devices, or so many percent of all."""

    number: int
    is_percent: bool = False

    def to_json(self) -> int | str:
        return f"{self.number}%" if self.is_percent else self.number

    def of(self, total: int) -> int:
        """Part of a device is a whole one."""
        return -(-total * self.number // 100) if self.is_percent else self.number


@dataclass(frozen=True, slots=True)
class Stop:
    """When the brake stops a run: at a share of its results or at a number. None = never for that."""

    failed_percent: int | None = None
    failed_count: int | None = None
    unreachable_percent: int | None = None
    unreachable_count: int | None = None
    least_results: int = LEAST_RESULTS
    cancel_running: bool = False

    def to_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in Stop.__slots__}


@dataclass(frozen=True, slots=True)
class Canary:
    """Who goes first: the devices with the tag, and those that `targets` name or find, as far as the run is for them.

    `if_none`: an occurrence with nobody among its devices does not start (`refuse`), or goes on with its other waves.
    """

    tag: str | None = None
    #: Devices and filters, each with its place in the list that it was read from.
    targets: aims.Placed = field(default_factory=dict)
    if_none: IfNone = "refuse"

    def to_json(self) -> dict[str, object]:
        return {
            "tag": self.tag,
            "targets": [aims.to_json(one) for one in self.targets],
            "if_none": self.if_none,
        }


@dataclass(frozen=True, slots=True)
class WavePlan:
    """The waves that a job asks for. `canary`: these devices are a wave of their own before the sizes."""

    sizes: tuple[Size, ...]
    soak_seconds: int = 0
    promote: Promote = "auto"
    order_by: OrderBy = "hostname"
    #: The last of that order go first.
    is_reversed: bool = False
    canary: Canary | None = None
    stop: Stop = field(default_factory=Stop)

    def to_json(self) -> dict[str, object]:
        return {
            "sizes": [one.to_json() for one in self.sizes],
            "soak_seconds": self.soak_seconds,
            "promote": self.promote,
            "order_by": self.order_by,
            "reversed": self.is_reversed,
            "canary": self.canary.to_json() if self.canary else None,
            "stop": self.stop.to_json(),
        }


def size_of(value: object) -> Size | None:
    """`10` or `"10%"`; None when it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Size(value) if 1 <= value <= 1_000_000 else None
    if isinstance(value, str) and value.endswith("%") and value[:-1].isascii() and value[:-1].isdigit():
        return Size(int(value[:-1]), is_percent=True) if len(value) <= 4 and 1 <= int(value[:-1]) <= 100 else None
    return None


def from_json(stored: Mapping[str, Any] | None) -> WavePlan | None:
    """A plan as `to_json` wrote it."""
    if stored is None:
        return None
    sizes = tuple(size for size in map(size_of, stored["sizes"]) if size is not None)
    canary = canary_from_json(stored["canary"]) if stored["canary"] else None
    stop = Stop(**stored["stop"])
    order = stored["order_by"], stored.get("reversed", False)
    return WavePlan(sizes, stored["soak_seconds"], stored["promote"], *order, canary, stop)


def canary_from_json(stored: Mapping[str, Any]) -> Canary:
    """What was stored before there was a choice goes on without a canary, as it always did."""
    some = {aims.from_json(one): place for place, one in enumerate(stored.get("targets", ()))}
    return Canary(stored.get("tag"), some, stored.get("if_none", "go_on"))


def split(total: int, plan: WavePlan | None, canaries: int = 0) -> list[int]:
    """How many devices each wave has: the canaries, the sizes as far as there are devices, and one more for what they leave."""
    if plan is None:
        return [total] if total else []
    return list(_parts(total, plan, min(canaries, total)))


def _parts(total: int, plan: WavePlan, canaries: int) -> Iterator[int]:
    left = total
    for wanted in (canaries, *(size.of(total) for size in plan.sizes), total):
        number = min(wanted, left)
        left -= number
        if number:
            yield number


class Phase(StrEnum):
    """Where the waves of an occurrence stand. In the first three the named wave is the last that has begun."""

    RUNNING = "running"
    SOAKING = "soaking"
    AWAITING = "awaiting_promotion"
    BRAKED = "braked"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Progress:
    """`counts` by wave; `soak_until` only while it soaks."""

    phase: Phase
    wave: int
    waves: int
    counts: Mapping[int, Counts]
    soak_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of the devices of the waves that have begun."""

    results: int
    failed: int
    unreachable: int


@dataclass(frozen=True, slots=True)
class Step:
    """What follows next. `detail`: why the brake stops."""

    phase: Phase
    wave: int
    soak_until: datetime | None = None
    detail: str | None = None


def tally(progress: Progress, *, is_over: bool) -> Tally:
    """Skipped and cancelled devices are neutral. Who is still waited for when a wave is over counts as unreachable."""
    begun = [progress.counts.get(number, {}) for number in range(1, progress.wave + 1)]
    over = begun if is_over else begun[:-1]
    failed = sum(_sum(one, _FAILED) for one in begun)
    away = sum(one.get(_S.WAITING_ONLINE, 0) for one in over)
    unreachable = sum(_sum(one, _UNREACHABLE) for one in begun) + away
    return Tally(failed + unreachable + sum(_sum(one, _FINE) for one in begun), failed, unreachable)


def _sum(counts: Counts, states: Sequence[TargetState]) -> int:
    return sum(counts.get(state, 0) for state in states)


def brake(stop: Stop, known: Tally, *, is_over: bool) -> str | None:
    """Why the brake stops the run, None = it does not. A share is judged from `least_results` on, and at the end of a wave."""
    is_enough = is_over or known.results >= stop.least_results
    for what, number, percent, count in (
        ("failed", known.failed, stop.failed_percent, stop.failed_count),
        ("could not be reached", known.unreachable, stop.unreachable_percent, stop.unreachable_count),
    ):
        if count is not None and number >= count:
            return f"{number} of {known.results} devices {what}; the brake is set at {count}."
        if percent is not None and number and is_enough and number * 100 >= percent * known.results:
            return f"{number} of {known.results} devices {what}; the brake is set at {percent}%."
    return None


def is_over(counts: Counts) -> bool:
    """Whether a wave has nothing more to tell for now."""
    if counts.get(_S.PENDING, 0) or any(counts.get(state, 0) for state in ACTIVE_TARGET):
        return False
    known = _sum(counts, (*_FINE, *_FAILED, *_UNREACHABLE))
    return bool(known) or not counts.get(_S.WAITING_ONLINE, 0)


def is_ended(progress: Progress) -> bool:
    """Whether no device of any wave has anything before it."""
    unfinished = (_S.PENDING, _S.WAITING_ONLINE, *ACTIVE_TARGET)
    return not any(counts.get(state, 0) for counts in progress.counts.values() for state in unfinished)


def next_step(plan: WavePlan | None, progress: Progress, now: datetime) -> Step:
    """Where the waves go from here. To be asked again until it answers with where they are."""
    same = Step(progress.phase, progress.wave, progress.soak_until)
    if is_ended(progress):
        return Step(Phase.ENDED, progress.wave)
    if plan is None or progress.phase in (Phase.BRAKED, Phase.ENDED):
        return same
    over = progress.phase is not Phase.RUNNING or is_over(progress.counts.get(progress.wave, {}))
    why = brake(plan.stop, tally(progress, is_over=over), is_over=over)
    if why is not None:
        return Step(Phase.BRAKED, progress.wave, detail=why)
    if not over or progress.wave >= progress.waves or not _has_rest(progress):
        return same
    return _after(plan, progress, now)


def _has_rest(progress: Progress) -> bool:
    """Whether a wave that has not begun holds a device that could."""
    return any(counts.get(_S.PENDING, 0) for wave, counts in progress.counts.items() if wave > progress.wave)


def _after(plan: WavePlan, progress: Progress, now: datetime) -> Step:
    """A wave is over: it soaks, then waits for a person where one is asked, then the next begins."""
    if progress.phase is Phase.RUNNING and plan.soak_seconds:
        return Step(Phase.SOAKING, progress.wave, now + timedelta(seconds=plan.soak_seconds))
    if progress.soak_until is not None and now < progress.soak_until:
        return Step(Phase.SOAKING, progress.wave, progress.soak_until)
    if plan.promote == "manual":
        return Step(Phase.AWAITING, progress.wave)
    return Step(Phase.RUNNING, progress.wave + 1)


def free_slots(limit: int | None, busy: int) -> int | None:
    """How many more may be let go; None = any number."""
    return None if limit is None else max(limit - busy, 0)
