"""What a target has come to that ran in several sessions at once: nothing until all have ended, then the worst of them. Pure.

Each session has its own line of components (`core.steps`). What they found and whether they are tried again is joined here too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from watchbill.core.states import TargetEvent
from watchbill.core.steps import Verdict as Found
from watchbill.core.steps import worst_of

_E = TargetEvent
#: From the best to the worst. A session that was over before its turn came says nothing about the others.
RANKS: Final = (_E.SKIP, _E.SUCCEED, _E.WARN, _E.STOPPED, _E.EXPIRE, _E.TIME_OUT, _E.FAIL)


@dataclass(frozen=True, slots=True)
class End:
    """How it ended in one user's session; `event` None = it has not. `again_at`: another try of it is due then."""

    user: str
    event: TargetEvent | None
    found: Found | None = None
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`place` is that of the end by which the whole is judged; `note` says whose it is where not all ended so."""

    place: int
    event: TargetEvent
    note: str | None


def verdict(ends: Sequence[End]) -> Verdict | None:
    """None while one of them goes on."""
    events = [end.event for end in ends if end.event is not None]
    if not events or len(events) < len(ends):
        return None
    event = max(events, key=RANKS.index)
    users = [end.user for end in ends if end.event is event]
    note = None if len(users) == len(ends) else f"In {len(users)} of {len(ends)} sessions: {', '.join(users)}."
    return Verdict(events.index(event), event, note)


def found(ends: Sequence[End]) -> Found | None:
    """What the checks found in all sessions that had something to say: the worst of it, and nothing where one check failed."""
    return worst_of([end.found for end in ends if end.event is not _E.SKIP])


def tried_again_at(ends: Sequence[End], now: datetime) -> datetime | None:
    """When the sessions that are to be tried again are, all at once; None where none is. A stop of one is a stop of all."""
    wanted = [end.again_at for end in ends if end.again_at is not None]
    if not wanted or any(end.event is _E.STOPPED for end in ends):
        return None
    return max(now, *wanted)
