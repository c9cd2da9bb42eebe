"""Rows of the ledger in plain English: what became of an instant and why, or what will. Pure; knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from watchbill.core.leading import zone_or_utc
from watchbill.core.states import TERMINAL_TARGET

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

_SKIPPED: Final[Mapping[str, str]] = {
    "overlap": "an earlier run of this job was still active",
    "no_devices_targeted": "the job names no device",
    "no_eligible_targets": "none of its devices could run it",
    "targets_unknown": "it could not be told whom to run on",
    "no_canaries": "none of its devices is a canary",
    "paused": "the job was paused",
    "job_gone": "the job was deleted while it was held",
}
_OUTCOMES: Final[Mapping[str, str]] = {
    "success": "Ran",
    "warning": "Ran with warnings",
    "failed": "Ran and failed",
    "cancelled": "Was stopped",
    "skipped": "Did not run",
}
_ENDS: Final = {
    "success": "succeeded", "warning": "had warnings", "failed": "failed", "timed_out": "ran out of time",
    "expired": "stayed away", "cancelled": "were stopped", "skipped": "were left out", "lost": "were lost",
}  # fmt: skip


class Told(Protocol):
    """The parts of a row that sentences speak of."""

    @property
    def scheduled_for_at(self) -> datetime: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def detail(self) -> str | None: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def is_late(self) -> bool: ...
    @property
    def range_end_at(self) -> datetime | None: ...
    @property
    def range_count(self) -> int: ...
    @property
    def is_range_capped(self) -> bool: ...
    @property
    def held_until_at(self) -> datetime | None: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def opened_at(self) -> datetime | None: ...
    @property
    def counts(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Absence:
    """Why nobody looked: the Engine was away, or its clock jumped over the time."""

    from_at: datetime
    to_at: datetime
    is_jump: bool = False


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a sentence needs besides the row. `zone` names the clocks that its times are told on; `counted` is what its counts count."""

    zone: str = "UTC"
    absence: Absence | None = None
    catch_up: str = "latest"
    window: timedelta | None = None
    counted: Literal["device", "step"] = "device"


def spoken(span: timedelta) -> str:
    """3 h 10 min, 45 s, 2 d: the two largest units, and tenths of a few seconds."""
    seconds = abs(span.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    left, parts = round(seconds), list[str]()
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def sentence(row: Told, around: Circumstances) -> str:
    """What became of a stored row."""
    match row.state:
        case "missed":
            return f"Did not run: {_nobody(row, around)}, and {_policy(row, around)}{_number(row)}."
        case "held":
            return _held(row, around)
        case "skipped":
            return _skipped(row)
        case "open":
            return f"Runs{_lateness(row)}{_progress(row, around)}."
        case _:
            return f"{_OUTCOMES.get(row.outcome or '', 'Ended')}{_lateness(row)}{_ended(row, around)}."


def coming(
    at: datetime,
    zone: str | None,
    local: datetime | None,
    closed: str | None,
    *,
    is_deferred: bool,
    some: str | None = None,
) -> str:
    """What will become of a computed instant. `zone` None = each device's own; `closed`: which window stands against it.

    `some`: for which of its devices one does, where none stands against the whole.
    """
    wall = local or zone_or_utc(zone or "UTC").wall(at)
    due = f"Due {wall:%Y-%m-%d %H:%M} ({zone})" if zone else f"Due {wall:%Y-%m-%d %H:%M} where the devices are"
    if closed is None:
        return f"{due}, but {some}." if some else f"{due}."
    return f"{due}, but {_bare(closed)}: it {'waits until then' if is_deferred else 'will not run'}."


def _nobody(row: Told, around: Circumstances) -> str:
    absence = around.absence
    if absence is None:
        looked = f" before {_clock(row.created_at, row, around)} ({around.zone})" if row.created_at else ""
        return f"no scheduler looked{looked}"
    span = f"from {_clock(absence.from_at, row, around)} to {_clock(absence.to_at, row, around)} ({around.zone})"
    return f"the clock jumped {span}" if absence.is_jump else f"the Engine was away {span}"


def _clock(at: datetime, row: Told, around: Circumstances) -> str:
    """A time of day where the row's own day is meant, else with its date."""
    zone = zone_or_utc(around.zone)
    wall = zone.wall(at)
    return f"{wall:%H:%M}" if wall.date() == zone.wall(row.scheduled_for_at).date() else f"{wall:%Y-%m-%d %H:%M}"


def _policy(row: Told, around: Circumstances) -> str:
    if row.reason == "catch_up_window":
        return f"the catch-up window{f' of {spoken(around.window)}' if around.window else ''} had passed"
    match around.catch_up:
        case "skip":
            return "the job does not make up for what it missed"
        case "latest":
            return "the job makes up for the latest instant only"
        case _:
            return "no more than the first hundred are made up for"


def _number(row: Told) -> str:
    if row.range_count <= 1:
        return ""
    return f" ({'at least ' if row.is_range_capped else ''}{row.range_count} instants)"


def _held(row: Told, around: Circumstances) -> str:
    if row.reason == "held_by_window":
        until = f" until {_clock(row.held_until_at, row, around)} ({around.zone})" if row.held_until_at else ""
        return f"Waits{until}{f': {_bare(row.detail)}' if row.detail else ''}."
    if row.reason == "storm_guard" and around.absence is not None:
        return f"Waits to be let go: {_nobody(row, around)}, and the storm guard holds what was late then."
    if row.reason == "awaiting_approval":
        return "Waits for an approval."
    return f"Waits for a person{f': {_bare(row.detail)}' if row.detail else ''}."


def _skipped(row: Told) -> str:
    if row.reason == "by_operator":
        return f"Did not run: a person decided so{f' ({_bare(row.detail)})' if row.detail else ''}."
    why = _bare(row.detail) if row.detail else _SKIPPED.get(row.reason or "", row.reason or "it was skipped")
    return f"Did not run: {why}."


def _bare(text: str) -> str:
    """A sentence as a part of another one."""
    text = text.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _lateness(row: Told) -> str:
    if not row.is_late or row.opened_at is None:
        return ""
    return f" {spoken(row.opened_at - row.scheduled_for_at)} late"


def _progress(row: Told, around: Circumstances) -> str:
    number = sum(row.counts.values())
    ended = sum(count for state, count in row.counts.items() if state in TERMINAL_TARGET)
    return (
        f": {ended} of {_some(number, around.counted)} {'has' if 1 in (ended, number) else 'have'} ended"
        if number
        else ""
    )


def _ended(row: Told, around: Circumstances) -> str:
    number = sum(row.counts.values())
    if not number:
        return ""
    parts = [f"{count} {_end_of(count, words)}" for state, words in _ENDS.items() if (count := row.counts.get(state))]
    return f": of {_some(number, around.counted)} {', '.join(parts)}"


def _end_of(count: int, words: str) -> str:
    return f"was {words.removeprefix('were ')}" if count == 1 and words.startswith("were ") else words


def _some(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
