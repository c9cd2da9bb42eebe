"""What a target has come to that ran in several sessions at once: nothing until all have ended, then the worst of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from watchbill.core.states import TargetEvent

_E = TargetEvent
#: From the best to the worst. A session that was over before its turn came says nothing about the others.
RANKS: Final = (_E.SKIP, _E.SUCCEED, _E.WARN, _E.STOPPED, _E.EXPIRE, _E.TIME_OUT, _E.FAIL)


@dataclass(frozen=True, slots=True)
class End:
    """How an execution in one user's session ended; None = it has not."""

    user: str
    event: TargetEvent | None


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
