"""Components and tries in several sessions of one device: each session is a line of its own, and the target is what they come to together.

A line that has ended waits for the others, also where it is tried again: one try of a target is one for all its sessions, and the next
begins for those that want it. Pure; `core.together` joins them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from watchbill.core import together
from watchbill.core.states import TargetEvent, TargetState
from watchbill.core.steps import NO_SESSION, RETRIED, Again, Ended, LeftOut, Start, Step, Verdict, Waits
from watchbill.core.together import End
from watchbill.runs.decided import Decided, Session, said

_Row = Row[*tuple[Any, ...]]
#: How a line ended, as it is kept: user, attempt, event, reason, detail, verdict, step, again, again_at, is_too_late.
_End = Mapping[str, Any]
_NOT_RETRIED: Final = f"Another try was due, and did not come about: {NO_SESSION}."


def going(target: _Row, rows: Sequence[_Row]) -> list[tuple[Session, list[_Row]]]:
    """The sessions in which the present try goes on, each with everything that has run in it, oldest first."""
    found: dict[Session, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.session_id is not None:
            found[Session(row.session_id, row.session_user_name)].append(row)
    ended = {name for name, end in (target.session_ends or {}).items() if end["attempt"] == target.attempt}
    return [
        (session, some)
        for session, some in found.items()
        if some[-1].attempt == target.attempt and session.id not in ended
    ]


def joined(target: _Row, lines: Sequence[Decided], rows: Sequence[_Row], now: datetime) -> Decided:
    """The target, from what has just been decided in each session in which its try went on, and from what ended before."""
    before: Mapping[str, _End] = target.session_ends or {}
    over = {line.session.id: _end(line, before) for line in lines if line.session and _is_over(line)}
    began = min((line.began_at for line in lines if line.began_at is not None), default=None)
    ends = {**before, **over}
    if len(over) == len(lines):
        return _all_over(target, lines, ends, rows, now)
    starts = [line.next for line in lines if isinstance(line.next, Start)]
    latest = max(starts, key=lambda one: one.time_left, default=None)
    return Decided(target, latest or Waits(), began_at=began, lines=lines, session_ends=ends)


def _is_over(line: Decided) -> bool:
    return isinstance(line.next, Again | Ended)


def _end(line: Decided, before: Mapping[str, _End]) -> _End:
    assert line.session is not None
    assert isinstance(line.next, Again | Ended)
    found, earlier = line.next, before.get(line.session.id)
    if earlier is not None and (found.event, found.reason) == (TargetEvent.SKIP, NO_SESSION):
        return {**_not_retried(earlier), "attempt": line.target.attempt}
    step, again = found.decided_by, found if isinstance(found, Again) else None
    return {
        "user": line.session.user,
        "attempt": line.target.attempt,
        "event": str(found.event),
        "reason": found.reason,
        "detail": said(line),
        "verdict": str(found.verdict) if isinstance(found, Ended) and found.verdict else None,
        "step": [step.component, step.is_recheck] if step else None,
        "again": again.component if again else None,
        "again_at": again.at.isoformat() if again else None,
        "is_too_late": isinstance(found, Ended) and found.is_too_late_for_another,
    }


def _not_retried(end: _End) -> _End:
    return {**end, "reason": "not_retried", "detail": _NOT_RETRIED, "again": None, "again_at": None}


def _all_over(
    target: _Row, lines: Sequence[Decided], ends: Mapping[str, _End], rows: Sequence[_Row], now: datetime
) -> Decided:
    """Those that were to be tried again and whose session was gone when the others were end as their last try did."""
    gone = {name: end for name, end in ends.items() if end["again"] is not None and end["attempt"] < target.attempt}
    settled = {**ends, **{name: _not_retried(end) for name, end in gone.items()}}
    given_up = [_given_up(target, name, end, rows) for name, end in gone.items()]
    names = sorted(settled)
    some = [_as_end(settled[name]) for name in names]
    worst = together.verdict(some)
    assert worst is not None
    end = settled[names[worst.place]]
    return Decided(
        target,
        _next(target, some, settled, end, now),
        told=_told(rows, names[worst.place], end),
        detail=" ".join(filter(None, (worst.note, end["detail"]))) or None,
        began_at=min((row.started_at for row in rows if row.started_at is not None), default=None),
        ended_at=max((row.finished_at for row in rows if row.finished_at is not None), default=None),
        lines=[*lines, *given_up],
        session_ends=settled,
    )


def _as_end(end: _End) -> End:
    at = datetime.fromisoformat(end["again_at"]) if end["again_at"] else None
    return End(end["user"], TargetEvent(end["event"]), Verdict(end["verdict"]) if end["verdict"] else None, at)


def _next(target: _Row, some: Sequence[End], ends: Mapping[str, _End], worst: _End, now: datetime) -> Again | Ended:
    event, step = TargetEvent(worst["event"]), Step(*worst["step"]) if worst["step"] else None
    at = together.tried_again_at(some, now) if target.state in (TargetState.DISPATCHED, TargetState.RUNNING) else None
    until = min(target.expires_at, target.stop_by_at or target.expires_at)
    if at is not None and at < until:
        again = min(end["again"] for end in ends.values() if end["again"] is not None)
        return Again(again, at, _repeated(event, some), "retrying", step or Step(again))
    is_too_late = at is not None or worst["is_too_late"]
    return Ended(event, worst["reason"], step, verdict=together.found(some), is_too_late_for_another=is_too_late)


def _repeated(event: TargetEvent, some: Sequence[End]) -> TargetEvent:
    """What the target has come to if there is no other try: one of those that are tried again."""
    if event in RETRIED.values():
        return event
    again = together.verdict([end for end in some if end.again_at is not None])
    assert again is not None
    return again.event


def _told(rows: Sequence[_Row], session_id: str, end: _End) -> _Row | None:
    its = (row for row in rows if row.session_id == session_id and row.outcome != "skipped")
    found = [row for row in its if [row.component, row.is_recheck] == end["step"]]
    return found[-1] if found else None


def _given_up(target: _Row, session_id: str, end: _End, rows: Sequence[_Row]) -> Decided:
    """What another try would have run, left out."""
    ran = {row.component for row in rows if row.session_id == session_id and row.attempt == end["attempt"]}
    rest = [LeftOut(place, "not_retried") for place in _after(ran, len(target.components))]
    over = Ended(TargetEvent(end["event"]), end["reason"], None, rest)
    return Decided(target, over, session=Session(session_id, end["user"]), attempt=end["attempt"])


def _after(ran: set[int], number: int) -> Iterator[int]:
    return (place for place in range(min(ran, default=0), number) if place not in ran)
