"""What comes next on a target, or in one session of it, and the sentence that tells of it. Pure; knows no store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from watchbill.core import steps as core
from watchbill.core.states import TargetEvent, TargetState
from watchbill.core.steps import RETRIED, SESSION_ENDED, Again, Answer, Ended, Part, Role, Rules, Situation, Step
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


def next_on(target: _Row, done: Sequence[_Row], now: datetime) -> Decided:
    """What the executions of a target, or of one session of it, mean for it. Rows of executions, oldest first."""
    rules = rules_of(target.components, target.step_rules)
    known = [row for row in done if row.component < len(rules.parts)]
    situation = Situation(
        now=now,
        state=TargetState(target.state),
        attempt=target.attempt,
        retried=target.retried,
        expires_at=target.expires_at,
        time_limit=timedelta(seconds=target.time_limit_seconds),
        stop_by_at=target.stop_by_at,
        stop_reason=target.stop_reason,
    )
    following = core.following(rules, [_answer(row, rules.parts[row.component]) for row in known], situation)
    step = following.decided_by if isinstance(following, Again | Ended) else None
    told = [row for row in known if step == _step(row) and row.outcome != "skipped"]
    began = min((row.started_at for row in known if row.started_at is not None), default=None)
    return Decided(target, following, told[-1] if told else None, began_at=began)


def part_of(component: Mapping[str, Any]) -> Part:
    """What of a frozen component decides; one of before has no role."""
    codes = (component.get(name) or () for name in ("warning_exit_codes", "not_compliant_exit_codes"))
    return Part(Role(component.get("role") or "run"), *codes)


def rules_of(components: Sequence[Mapping[str, Any]], stored: Mapping[str, Any] | None) -> Rules:
    """A run's frozen components and rules; runs of before have neither roles nor rules."""
    parts = [part_of(one) for one in components]
    if stored is None:
        return Rules(parts)
    return Rules(
        parts,
        continue_on_failure=stored["continue_on_failure"],
        retries=stored["retries"],
        retry_delay=timedelta(seconds=stored["retry_delay_seconds"]),
        retry_on=frozenset(RETRIED[name] for name in stored["retry_on"]),
    )


def _step(row: _Row) -> Step:
    return Step(row.component, row.is_recheck)


def _answer(row: _Row, part: Part) -> Answer:
    if row.state != "finished":
        return Answer(_step(row), row.attempt, None)
    spent = row.finished_at - row.started_at if row.started_at is not None else timedelta()
    told = {name: getattr(row, name) for name in ("outcome", "exit_code", "signal", "reason", "tree")}
    return core.answer(_step(row), row.attempt, part, told, max(spent, timedelta()))


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
