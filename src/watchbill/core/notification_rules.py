"""What is told of an occurrence: which events it makes for a rule, of which each counts once, and by when it is to be looked at again.

Failed is an occurrence whose outcome is `failed`; `success` and `warning` end a streak of failures, all others neither begin, lengthen
nor end one. What came before is told by the order in which occurrences ended.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watchbill.core.problems import Problem

#: The usual duration is the median of so many successful occurrences, and there is none before there were `LEAST_USUAL`.
MOST_USUAL: Final = 20
LEAST_USUAL: Final = 5


class Event(StrEnum):
    MISSED = "missed"
    SKIPPED = "skipped"
    NOT_STARTED = "not_started"
    SLOWER_THAN_USUAL = "slower_than_usual"
    FAILED = "failed"
    FIRST_FAILURE = "first_failure"
    FAILURES_IN_A_ROW = "failures_in_a_row"
    RECOVERED = "recovered"
    BRAKE_TRIPPED = "brake_tripped"
    WAITING_EXPIRED = "waiting_expired"


#: Told by a node of a workflow, in words of its own; no rule asks for it.
MESSAGE: Final = "message"
#: These are looked for by the clock, while the occurrence goes on.
BY_CLOCK: Final = frozenset({Event.NOT_STARTED, Event.SLOWER_THAN_USUAL})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a rule asks for."""

    events: frozenset[Event]
    not_started_minutes: int = 15
    failures_in_a_row: int = 3
    slower_factor: float = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """An occurrence as it is seen at one moment, and what came before it.

    `streak`: the failures up to this one, itself among them. `streak_key`: what names that streak, the success before it. `ended_streak`:
    how many failures this success comes after, and `ended_key` the last of them.
    """

    id: str
    state: str
    outcome: str | None = None
    streak: int = 0
    streak_key: str = ""
    ended_streak: int = 0
    ended_key: str = ""
    braked: int = 0
    expired: int = 0
    #: When it began to count: opened, or the first of its waves; when it was written, as long as it is held.
    begins_at: datetime | None = None
    is_held_by_window: bool = False
    usual: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Something to tell, once for each key."""

    event: Event
    key: str


@dataclass(frozen=True, slots=True)
class Bound:
    """When an occurrence that goes on is to be looked at for an event."""

    event: Event
    at: datetime


def told(look: Look, wanted: Wanted) -> list[Told]:
    """What a rule tells of an occurrence as it is now."""
    return [one for one in _happened(look, wanted) if one.event in wanted.events]


def _happened(look: Look, wanted: Wanted) -> Iterator[Told]:
    if look.state in ("missed", "skipped"):
        yield Told(Event(look.state), look.id)
    if look.braked:
        yield Told(Event.BRAKE_TRIPPED, look.id)
    if look.state != "closed":
        return
    if look.expired:
        yield Told(Event.WAITING_EXPIRED, look.id)
    if look.outcome == "failed":
        yield from _failures(look, wanted)
    elif look.outcome in ("success", "warning") and look.ended_streak >= _told_from(wanted):
        yield Told(Event.RECOVERED, look.ended_key)


def _failures(look: Look, wanted: Wanted) -> Iterator[Told]:
    yield Told(Event.FAILED, look.id)
    if look.streak == 1:
        yield Told(Event.FIRST_FAILURE, look.streak_key)
    if look.streak >= wanted.failures_in_a_row:
        yield Told(Event.FAILURES_IN_A_ROW, look.streak_key)


def _told_from(wanted: Wanted) -> int:
    """From how many failures on the rule has told of a streak: who heard of none is not told that it is over."""
    is_any = {Event.FAILED, Event.FIRST_FAILURE} & wanted.events or Event.FAILURES_IN_A_ROW not in wanted.events
    return 1 if is_any else wanted.failures_in_a_row


def bounds(look: Look, wanted: Wanted) -> list[Bound]:
    """By when to look again for what only the clock tells. What a window holds starts later by design."""
    if look.begins_at is None:
        return []
    found = []
    if Event.NOT_STARTED in wanted.events and look.state in ("open", "held") and not look.is_held_by_window:
        found.append(Bound(Event.NOT_STARTED, look.begins_at + timedelta(minutes=wanted.not_started_minutes)))
    if Event.SLOWER_THAN_USUAL in wanted.events and look.state == "open" and look.usual is not None:
        found.append(Bound(Event.SLOWER_THAN_USUAL, look.begins_at + look.usual * wanted.slower_factor))
    return found


def rule_problems(events: Collection[str], urgent: Collection[str]) -> list[Problem]:
    """What is wrong with the events of a rule, each by itself being known."""
    strange = [one for one in urgent if one not in events]
    return [
        Problem("urgent_events", "not_told", f"{one} is not among the events that the rule tells") for one in strange
    ]
