"""What becomes of targets whose turn has come, when windows and one-run-at-a-time have a say: go, be left out, be put off. Pure."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from watchbill.core.states import TargetEvent
from watchbill.core.windows import OPEN, Verdict, WindowSet
from watchbill.runs.moves import Move

Covering = Mapping[tuple[int, uuid.UUID], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that could go now. `zone` = that of its device's site."""

    id: int
    run_id: int
    job_id: int
    device_id: uuid.UUID
    expires_at: datetime
    starts_at: datetime | None
    reason: str | None
    detail: str | None
    ignores_windows: bool
    zone: str


@dataclass(frozen=True, slots=True)
class PutOff:
    """A target that starts when its window opens."""

    target_id: int
    starts_at: datetime
    reason: str
    detail: str


@dataclass
class Fates:
    """`going`: (target, run, when to stop it). What stays as it is is in none of them."""

    going: list[tuple[int, int, datetime | None]] = field(default_factory=list)
    left_out: list[Move] = field(default_factory=list)
    put_off: list[PutOff] = field(default_factory=list)

    @property
    def target_ids(self) -> list[int]:
        ids = [one for one, _, _ in self.going]
        return [*ids, *(one.target_id for one in self.left_out), *(one.target_id for one in self.put_off)]

    def only(self, target_ids: Collection[int]) -> "Fates":
        """Those of the given targets."""
        kept = set(target_ids)
        return Fates(
            [one for one in self.going if one[0] in kept],
            [one for one in self.left_out if one.target_id in kept],
            [one for one in self.put_off if one.target_id in kept],
        )


def fates(candidates: Sequence[Candidate], windows: WindowSet, covering: Covering, now: datetime) -> Fates:
    """One verdict for each set of windows and zone, however many targets share it."""
    found = Fates()
    for (ids, zone), some in _grouped(candidates, covering).items():
        verdict = windows.verdict(ids, zone, now, until=max(one.expires_at for one in some)) if ids else OPEN
        for one in some:
            _decide(found, one, verdict)
    found.going.sort()
    return found


def _grouped(candidates: Iterable[Candidate], covering: Covering) -> dict[tuple[frozenset[int], str], list[Candidate]]:
    groups: dict[tuple[frozenset[int], str], list[Candidate]] = {}
    for one in candidates:
        ids = frozenset[int]() if one.ignores_windows else covering.get((one.job_id, one.device_id), frozenset())
        groups.setdefault((ids, one.zone if ids else ""), []).append(one)
    return groups


def _decide(found: Fates, one: Candidate, verdict: Verdict) -> None:
    if verdict.is_open:
        found.going.append((one.id, one.run_id, verdict.stop_at))
        return
    why, reason = verdict.sentence or "a window is closed", verdict.reason or "outside_window"
    if verdict.action == "skip" or verdict.opens_at is None:
        found.left_out.append(Move(one.id, TargetEvent.SKIP, reason=reason, detail=f"Not run: {why}."))
    elif verdict.opens_at >= one.expires_at:
        late = f"Not run: {why}, and it may not start after {one.expires_at:%Y-%m-%d %H:%M} UTC."
        found.left_out.append(Move(one.id, TargetEvent.SKIP, reason=reason, detail=late))
    else:
        later = PutOff(one.id, verdict.opens_at, reason, f"Put off: {why}.")
        if (one.starts_at, one.reason, one.detail) != (later.starts_at, later.reason, later.detail):
            found.put_off.append(later)


@dataclass(frozen=True, slots=True)
class Busy:
    """A run that other runs of its job must wait for. `is_active`: some of it runs; else it is only ahead of them in line."""

    job_id: int
    run_id: int
    target_id: int
    is_active: bool
    is_backfill: bool


@dataclass(frozen=True, slots=True)
class Lone:
    """A run that wants the whole job for itself; `target_id` = its first target that could go."""

    job_id: int
    run_id: int
    target_id: int
    is_backfill: bool


_NOBODY: Final[Sequence[Busy]] = ()


def whose_turn(lone: Iterable[Lone], busy: Iterable[Busy]) -> tuple[list[int], list[int]]:
    """Whose turn it is: runs that may go, at most one of each job; and targets that the others wait for."""
    by_job: dict[int, list[Busy]] = {}
    for other in busy:
        by_job.setdefault(other.job_id, []).append(other)
    going: dict[int, Lone] = {}
    behind: list[int] = []
    for one in sorted(lone, key=lambda run: (run.is_backfill, run.target_id)):
        ahead = next((other for other in by_job.get(one.job_id, _NOBODY) if _is_ahead(other, one)), None)
        first = going.get(one.job_id)
        if ahead is not None:
            behind.append(ahead.target_id)
        elif first is not None:
            behind.append(first.target_id)
        else:
            going[one.job_id] = one
    return [one.run_id for one in going.values()], behind


def _is_ahead(other: Busy, one: Lone) -> bool:
    if other.run_id == one.run_id:
        return False
    return other.is_active or (other.is_backfill, other.target_id) < (one.is_backfill, one.target_id)
