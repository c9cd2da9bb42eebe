"""Components one after another on a device: what the end of one means for the next, in the transaction that stores that end.

What comes next is decided by `core.steps`. A set of statements for any number of devices; the rows of the targets are held meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import windows
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.states import TargetEvent, TargetState, is_terminal
from watchbill.core.steps import (
    Again,
    Ended,
    LeftOut,
    Start,
    Waits,
)
from watchbill.runs import lines, step_writes
from watchbill.runs.decided import Decided, next_on, said
from watchbill.runs.fates import Candidate, fates
from watchbill.runs.moves import Move, Moved
from watchbill.runs.taking import KILL_GRACE, SILENCE, Delivery

_LOCK = text("SELECT id FROM run_targets WHERE id = ANY(:ids) AND run_id = ANY(:runs) ORDER BY id FOR UPDATE")
_TARGETS = text("""
SELECT t.id, t.run_id, t.occurrence_id, t.job_id, t.device_id, t.site_id, t.state, t.term, t.attempt, t.retried, t.expires_at,
  t.deadline_at, t.stop_by_at, t.stop_reason, r.components, r.step_rules, r.time_limit_seconds, o.ignores_windows,
  coalesce(s.timezone, 'UTC') AS zone, t.session_ends, r.execution_context
FROM run_targets t JOIN runs r ON r.id = t.run_id JOIN occurrences o ON o.id = t.occurrence_id
LEFT JOIN devices d ON d.id = t.device_id LEFT JOIN sites s ON s.id = d.site_id
WHERE t.id = ANY(:ids) AND t.run_id = ANY(:runs)
""")
_EXECUTIONS = text("""
SELECT target_id, component, is_recheck, attempt, state, outcome, exit_code, signal, reason, tree, detail, last_line, started_at, finished_at,
  session_id, session_user_name
FROM executions WHERE run_id = ANY(:runs) AND target_id = ANY(:ids) ORDER BY target_id, attempt, dispatched_at, id
""")
_TOO_LATE: Final = "There is no time left for another try."


@dataclass
class Followed:
    """What is to be done once this is committed: orders to send; `later_since`, after which some target starts again."""

    deliveries: list[Delivery] = field(default_factory=list)
    later_since: datetime | None = None


async def decide(tx: AsyncConnection, ended: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> list[Decided]:
    """What comes next on each target of these executions, which have just ended. Rows that are not theirs any more have nothing next."""
    place = {"ids": sorted({row.target_id for row in ended}), "runs": sorted({row.run_id for row in ended})}
    await tx.execute(_LOCK, place)
    if not any(row.has_steps for row in ended):
        return []
    place["ids"] = sorted({row.target_id for row in ended if row.has_steps})
    done: dict[int, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    for row in await tx.execute(_EXECUTIONS, place):
        done[row.target_id].append(row)
    terms = {(row.target_id, row.term) for row in ended}
    targets = [
        row
        for row in await tx.execute(_TARGETS, place)
        if (row.id, row.term) in terms and (row.state == "lost" or not is_terminal(TargetState(row.state)))
    ]
    found = [one for row in targets for one in _decided_on(row, done[row.id], now)]
    return _joined(await _within_windows(tx, found, now), done, now)


def _decided_on(target: Row[*tuple[Any, ...]], done: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> list[Decided]:
    if target.execution_context != ExecutionContext.CURRENT_USER:
        return [next_on(target, done, now)]
    return [replace(next_on(target, its, now), session=session) for session, its in lines.going(target, done)]


def _joined(
    found: Sequence[Decided], done: Mapping[int, Sequence[Row[*tuple[Any, ...]]]], now: datetime
) -> list[Decided]:
    """One for each target, whatever goes on in its sessions."""
    of_targets: dict[int, list[Decided]] = defaultdict(list)
    for one in found:
        of_targets[one.target.id].append(one)
    return [
        lines.joined(some[0].target, some, done[target_id], now) if some[0].session else some[0]
        for target_id, some in of_targets.items()
    ]


async def _within_windows(tx: AsyncConnection, decided: list[Decided], now: datetime) -> list[Decided]:
    """A component starts only where a device could: what a window has closed meanwhile ends before it."""
    starts = {one.target.id: one for one in decided if isinstance(one.next, Start)}
    shut = await windows.load(tx) if starts else windows.WindowSet()
    if shut.is_empty:
        return decided
    pairs = [(one.target.job_id, one.target.device_id) for one in starts.values()]
    covering = await windows.covering_devices(tx, pairs, now)
    judged = fates([_candidate(one, now) for one in starts.values()], shut, covering, now)
    closed = {one.target_id: (one.reason, one.detail or "") for one in judged.left_out}
    closed |= {one.target_id: (one.reason, one.detail) for one in judged.put_off}
    return [
        _shut_out(one, one.next, *closed[one.target.id])
        if isinstance(one.next, Start) and one.target.id in closed
        else one
        for one in decided
    ]


def _candidate(one: Decided, now: datetime) -> Candidate:
    row = one.target
    until = max(row.expires_at, now + SILENCE)
    return Candidate(
        row.id, row.run_id, row.job_id, row.device_id, until, None, None, None, row.ignores_windows, row.zone
    )


def _shut_out(one: Decided, start: Start, reason: str | None, why: str) -> Decided:
    known = {left.component for left in start.left_out}
    first = start.step.component + start.step.is_recheck
    rest = [LeftOut(place, reason or "") for place in range(first, len(one.target.components)) if place not in known]
    ended = Ended(TargetEvent.STOPPED, reason, None, [*start.left_out, *rest])
    return replace(one, next=ended, detail=f"Component {first + 1} was not begun: {why.partition(': ')[2]}")


def move_of(one: Decided, now: datetime, note: str | None) -> Move | None:
    """What happens to the target. `note`: what is to be said if nothing graver is."""
    match one.next:
        case Start(time_left=left):
            bound = now + left + KILL_GRACE + SILENCE
            if one.lines:  # what runs in another session may take longer
                bound = max(bound, one.target.deadline_at or bound)
            return Move(
                one.target.id, TargetEvent.START, term=one.target.term, deadline_at=bound, started_at=one.began_at
            )
        case Again(at=at):
            detail = " ".join(filter(None, (said(one), f"It is tried again at {at:%Y-%m-%d %H:%M:%S} UTC.")))
            return _move(one, TargetEvent.RETRY, "retrying", detail, one.target.expires_at)
        case Ended() as ended:
            told = [said(one), _TOO_LATE if ended.is_too_late_for_another else None]
            return _move(one, ended.event, ended.reason, " ".join(filter(None, told)) or note)
        case _:
            return None


def _move(
    one: Decided, event: TargetEvent, reason: str | None, detail: str | None, deadline_at: datetime | None = None
) -> Move:
    told = one.told
    return Move(
        one.target.id,
        event,
        term=one.target.term,
        reason=reason,
        detail=detail,
        deadline_at=deadline_at,
        exit_code=told.exit_code if told else None,
        last_line=told.last_line if told else None,
        started_at=one.began_at,
        finished_at=one.ended_at or (told.finished_at if told else None) if event is not TargetEvent.RETRY else None,
    )


async def carry_out(tx: AsyncConnection, decided: Iterable[Decided], moved: Sequence[Moved], now: datetime) -> Followed:
    """Write down what comes next for those whose move took place."""
    there = {one.target_id for one in moved}
    # One session may have ended where another goes on: nothing has happened to the target yet.
    some = [one for one in decided if one.target.id in there or (isinstance(one.next, Waits) and one.lines)]
    parts = [part for one in some for part in one.parts]
    followed = Followed(later_since=now if any(isinstance(one.next, Again) for one in some) else None)
    await step_writes.leave_out(tx, parts, now)
    await step_writes.keep_ends(tx, some)
    await step_writes.retry(tx, some)
    await step_writes.give_verdicts(tx, some)
    followed.deliveries = await step_writes.start(tx, parts, now)
    return followed
