"""Components one after another on a device: what the end of one means for the next, in the transaction that stores that end.

What comes next is decided by `core.steps`. A set of statements for any number of devices; the rows of the targets are held meanwhile.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import windows
from watchbill.core import steps as core
from watchbill.core.states import TargetEvent, TargetState, is_terminal
from watchbill.core.steps import RETRIED, Again, Answer, Ended, LeftOut, Part, Role, Rules, Situation, Start, Step
from watchbill.runs.fates import Candidate, fates
from watchbill.runs.moves import Move, Moved
from watchbill.runs.stopping import stopped_because
from watchbill.runs.taking import KILL_GRACE, SILENCE, Delivery

_LOCK = text("SELECT id FROM run_targets WHERE id = ANY(:ids) AND run_id = ANY(:runs) ORDER BY id FOR UPDATE")
_TARGETS = text("""
SELECT t.id, t.run_id, t.occurrence_id, t.job_id, t.device_id, t.site_id, t.state, t.term, t.attempt, t.retried, t.expires_at,
  t.starts_at, t.stop_by_at, t.stop_reason, r.components, r.step_rules, r.time_limit_seconds, o.ignores_windows,
  coalesce(s.timezone, 'UTC') AS zone
FROM run_targets t JOIN runs r ON r.id = t.run_id JOIN occurrences o ON o.id = t.occurrence_id
LEFT JOIN devices d ON d.id = t.device_id LEFT JOIN sites s ON s.id = d.site_id
WHERE t.id = ANY(:ids) AND t.run_id = ANY(:runs)
""")
_EXECUTIONS = text("""
SELECT target_id, component, is_recheck, attempt, state, outcome, exit_code, signal, reason, tree, detail, last_line, started_at, finished_at
FROM executions WHERE run_id = ANY(:runs) AND target_id = ANY(:ids) ORDER BY target_id, attempt, dispatched_at, id
""")
_START = text("""
INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, is_recheck, attempt, term, state, start_by_at,
  time_limit_seconds, dispatched_at)
SELECT e.id, t.id, t.run_id, t.device_id, t.site_id, e.component, e.is_recheck, t.attempt, t.term, 'dispatched', e.start_by_at,
  e.seconds, :now
FROM unnest(CAST(:ids AS uuid[]), CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:components AS integer[]),
  CAST(:rechecks AS boolean[]), CAST(:bounds AS timestamptz[]), CAST(:seconds AS integer[]))
  AS e(id, target_id, run_id, component, is_recheck, start_by_at, seconds)
JOIN run_targets t ON t.id = e.target_id AND t.run_id = e.run_id
""")
_LEAVE_OUT = text("""
INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, outcome, reason, start_by_at,
  dispatched_at, finished_at, received_at)
SELECT gen_random_uuid(), t.id, t.run_id, t.device_id, t.site_id, e.component, t.attempt, t.term, 'finished', 'skipped', e.reason,
  :now, :now, :now, :now
FROM unnest(CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:components AS integer[]), CAST(:reasons AS text[]))
  AS e(target_id, run_id, component, reason)
JOIN run_targets t ON t.id = e.target_id AND t.run_id = e.run_id
ON CONFLICT DO NOTHING
""")
_RETRY = text("""
UPDATE run_targets t SET starts_at = n.starts_at, retried = t.retried + 1, retry_of = n.retry_of, next_component = n.component
FROM unnest(CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:events AS text[]),
  CAST(:components AS integer[])) AS n(target_id, run_id, starts_at, retry_of, component)
WHERE t.id = n.target_id AND t.run_id = n.run_id
""")
# A verdict is given once: with the end of its target, which never changes.
_VERDICT = text("""
WITH given AS (
  UPDATE run_targets t SET verdict = v.verdict
  FROM unnest(CAST(:targets AS bigint[]), CAST(:runs AS bigint[]), CAST(:verdicts AS text[])) AS v(target_id, run_id, verdict)
  WHERE t.id = v.target_id AND t.run_id = v.run_id AND t.verdict IS NULL
  RETURNING t.occurrence_id, t.site_id, t.verdict
)
INSERT INTO occurrence_verdicts AS c (occurrence_id, site_id, verdict, number)
SELECT occurrence_id, site_id, verdict, count(*) FROM given GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (occurrence_id, site_id, verdict) DO UPDATE SET number = c.number + excluded.number
""")

_SAYS: Final = {
    TargetEvent.FAIL: "failed",
    TargetEvent.TIME_OUT: "ran out of time",
    TargetEvent.WARN: "had warnings",
}
_TOO_LATE: Final = "There is no time left for another try."


@dataclass
class Followed:
    """What is to be done once this is committed: orders to send; `later_since`, after which some target starts again."""

    deliveries: list[Delivery] = field(default_factory=list)
    later_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A target with what comes next on it, and the execution that says so."""

    target: Row[*tuple[Any, ...]]
    next: core.Next
    told: Row[*tuple[Any, ...]] | None = None
    detail: str | None = None
    began_at: datetime | None = None


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
    return await _within_windows(tx, [_next(row, done[row.id], now) for row in targets], now)


def _next(target: Row[*tuple[Any, ...]], done: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> Decided:
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


def rules_of(components: Sequence[Mapping[str, Any]], stored: Mapping[str, Any] | None) -> Rules:
    """A run's frozen components and rules; runs of before have neither roles nor rules."""
    parts = [
        Part(
            Role(one.get("role", "run")), one.get("warning_exit_codes") or (), one.get("not_compliant_exit_codes") or ()
        )
        for one in components
    ]
    if stored is None:
        return Rules(parts)
    return Rules(
        parts,
        continue_on_failure=stored["continue_on_failure"],
        retries=stored["retries"],
        retry_delay=timedelta(seconds=stored["retry_delay_seconds"]),
        retry_on=frozenset(RETRIED[name] for name in stored["retry_on"]),
    )


def _step(row: Row[*tuple[Any, ...]]) -> Step:
    return Step(row.component, row.is_recheck)


def _answer(row: Row[*tuple[Any, ...]], part: Part) -> Answer:
    if row.state != "finished":
        return Answer(_step(row), row.attempt, None)
    spent = row.finished_at - row.started_at if row.started_at is not None else timedelta()
    told = {name: getattr(row, name) for name in ("outcome", "exit_code", "signal", "reason", "tree")}
    return core.answer(_step(row), row.attempt, part, told, max(spent, timedelta()))


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
    return [_shut_out(one, *closed[one.target.id]) if one.target.id in closed else one for one in decided]


def _candidate(one: Decided, now: datetime) -> Candidate:
    row = one.target
    until = max(row.expires_at, now + SILENCE)
    return Candidate(
        row.id, row.run_id, row.job_id, row.device_id, until, None, None, None, row.ignores_windows, row.zone
    )


def _shut_out(one: Decided, reason: str | None, why: str) -> Decided:
    assert isinstance(one.next, Start)
    known = {left.component for left in one.next.left_out}
    first = one.next.step.component + one.next.step.is_recheck
    rest = [LeftOut(place, reason or "") for place in range(first, len(one.target.components)) if place not in known]
    ended = Ended(TargetEvent.STOPPED, reason, None, [*one.next.left_out, *rest])
    return replace(one, next=ended, detail=f"Component {first + 1} was not begun: {why.partition(': ')[2]}")


def move_of(one: Decided, now: datetime, note: str | None) -> Move | None:
    """What happens to the target. `note`: what is to be said if nothing graver is."""
    match one.next:
        case Start(time_left=left):
            bound = now + left + KILL_GRACE + SILENCE
            return Move(
                one.target.id, TargetEvent.START, term=one.target.term, deadline_at=bound, started_at=one.began_at
            )
        case Again(at=at):
            detail = " ".join(filter(None, (_said(one), f"It is tried again at {at:%Y-%m-%d %H:%M:%S} UTC.")))
            return _move(one, TargetEvent.RETRY, "retrying", detail, one.target.expires_at)
        case Ended() as ended:
            said = [_said(one), _TOO_LATE if ended.is_too_late_for_another else None]
            return _move(one, ended.event, ended.reason, " ".join(filter(None, said)) or note)
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
        finished_at=told.finished_at if told and event is not TargetEvent.RETRY else None,
    )


def _said(one: Decided) -> str | None:
    """Which of several components it was, and what its device says."""
    if one.detail is not None:
        return one.detail
    if isinstance(one.next, Ended) and one.next.event is TargetEvent.STOPPED:
        return stopped_because(one.next.reason)
    number, event = len(one.target.components), getattr(one.next, "event", None)
    parts = []
    if one.told is not None and number > 1 and event in _SAYS:
        parts.append(f"Component {one.told.component + 1} of {number} {_SAYS[event]}.")
    if one.told is not None and one.told.detail:
        parts.append(one.told.detail)
    return " ".join(parts) or None


async def carry_out(tx: AsyncConnection, decided: Iterable[Decided], moved: Sequence[Moved], now: datetime) -> Followed:
    """Write down what comes next for those whose move took place."""
    there = {one.target_id for one in moved}
    some = [one for one in decided if one.target.id in there]
    followed = Followed(later_since=now if any(isinstance(one.next, Again) for one in some) else None)
    await _leave_out(tx, some, now)
    await _retry(tx, [(one.target, one.next) for one in some if isinstance(one.next, Again)])
    await _give_verdicts(tx, some)
    followed.deliveries = await _start(tx, [(one.target, one.next) for one in some if isinstance(one.next, Start)], now)
    return followed


async def _leave_out(tx: AsyncConnection, some: Sequence[Decided], now: datetime) -> None:
    rows = [(one.target, left) for one in some if isinstance(one.next, Start | Ended) for left in one.next.left_out]
    if rows:
        columns = {
            "targets": [target.id for target, _ in rows],
            "runs": [target.run_id for target, _ in rows],
            "components": [left.component for _, left in rows],
            "reasons": [left.reason for _, left in rows],
        }
        await tx.execute(_LEAVE_OUT, {**columns, "now": now})


async def _retry(tx: AsyncConnection, some: Sequence[tuple[Row[*tuple[Any, ...]], Again]]) -> None:
    if some:
        columns = {
            "targets": [target.id for target, _ in some],
            "runs": [target.run_id for target, _ in some],
            "starts": [again.at for _, again in some],
            "events": [str(again.event) for _, again in some],
            "components": [again.component for _, again in some],
        }
        await tx.execute(_RETRY, columns)


async def _give_verdicts(tx: AsyncConnection, some: Sequence[Decided]) -> None:
    given = [(one.target, one.next.verdict) for one in some if isinstance(one.next, Ended) and one.next.verdict]
    if given:
        columns = {
            "targets": [target.id for target, _ in given],
            "runs": [target.run_id for target, _ in given],
            "verdicts": [str(verdict) for _, verdict in given],
        }
        await tx.execute(_VERDICT, columns)


async def _start(
    tx: AsyncConnection, some: Sequence[tuple[Row[*tuple[Any, ...]], Start]], now: datetime
) -> list[Delivery]:
    deliveries = [_delivery(target, start, now) for target, start in some]
    if deliveries:
        columns = {
            "ids": [one.execution_id for one in deliveries],
            "targets": [one.target_id for one in deliveries],
            "runs": [one.run_id for one in deliveries],
            "components": [one.component for one in deliveries],
            "rechecks": [start.step.is_recheck for _, start in some],
            "bounds": [one.start_by_at for one in deliveries],
            "seconds": [one.time_limit_seconds for one in deliveries],
        }
        await tx.execute(_START, {**columns, "now": now})
    return deliveries


def _delivery(target: Row[*tuple[Any, ...]], start: Start, now: datetime) -> Delivery:
    """Its latest start: as long as the device is waited for before it counts as lost."""
    bound = now + max(start.time_left, SILENCE)
    return Delivery(
        uuid.uuid4(),
        target.id,
        target.run_id,
        target.occurrence_id,
        target.job_id,
        target.device_id,
        min(bound, target.stop_by_at or bound),
        component=start.step.component,
        attempt=target.attempt,
        time_limit_seconds=max(int(start.time_left.total_seconds()), 1),
    )
