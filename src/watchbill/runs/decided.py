"""What comes next on a target, or in one session of it, and the sentence that tells of it. Pure; knows no store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from watchbill.core import steps as core
from watchbill.core.states import TargetEvent
from watchbill.core.steps import SESSION_ENDED, Ended
from watchbill.runs.stopping import stopped_because

_Row = Row[*tuple[Any, ...]]
_SAYS: Final = {
    TargetEvent.FAIL: "failed",
    TargetEvent.TIME_OUT: "ran out of time",
    TargetEvent.WARN: "had warnings",
}


class Session(NamedTuple):
    """One sign-in of a user on a device."""

    id: str
    user: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A target, or one session of it, with what comes next there, and the execution that says so.

    Of a target that runs in sessions, `lines` are those of them in which something has just been decided, and `session_ends` what
    is to be kept of all that have ended. `attempt`: the try that is meant, where it is not the target's present one.
    """

    target: _Row
    next: core.Next
    told: _Row | None = None
    detail: str | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    session: Session | None = None
    attempt: int | None = None
    lines: Sequence["Decided"] = ()
    session_ends: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def parts(self) -> Sequence["Decided"]:
        """Where something is to be started or left out: its sessions, or the target itself."""
        return self.lines if self.session_ends is not None else (self,)


def said(one: Decided) -> str | None:
    """Which of several components it was, and what its device says."""
    if one.detail is not None:
        return one.detail
    if isinstance(one.next, Ended) and one.next.event is TargetEvent.STOPPED:
        return stopped_because(one.next.reason)
    number, told = len(one.target.components), one.told
    if told is None:
        return None
    if getattr(one.next, "reason", None) == SESSION_ENDED:
        return f"Component {told.component + 1} of {number} was not begun: {told.detail or 'the session was over'}."
    event = getattr(one.next, "event", None)
    which = f"Component {told.component + 1} of {number} {_SAYS[event]}." if number > 1 and event in _SAYS else None
    return " ".join(filter(None, (which, told.detail))) or None
