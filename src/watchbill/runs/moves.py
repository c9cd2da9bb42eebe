"""The one way in which a target changes its state: the state table decides, in SQL, and counters move in the same transaction.

What others waited for and what ends now rings for them, in the same transaction too.

Order of locks, the same for everybody: targets by id, then counters by key, then occurrences by id, then their rollouts.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TARGET, Outcome, TargetEvent, TargetState, fold, is_closed, is_terminal
from watchbill.kit import events
from watchbill.kit.events import Event
from watchbill.runs import rollouts, turns, workflow_wakes

#: Longer lists of changed rows are cut in one event; the counts tell the rest.
_ROWS_PER_EVENT = 200


@dataclass(frozen=True, slots=True)
class Move:
    """What happened to a target. `term` None = whoever holds it; else a newer term means that this is stale."""

    target_id: int
    event: TargetEvent
    term: int | None = None
    reason: str | None = None
    detail: str | None = None
    deadline_at: datetime | None = None
    exit_code: int | None = None
    last_line: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A change that took place. `frees`: others waited behind this row, and need not any more."""

    target_id: int
    occurrence_id: uuid.UUID
    job_id: int
    site_id: int
    device_id: uuid.UUID
    wave: int
    before: TargetState
    after: TargetState
    reason: str | None = None
    exit_code: int | None = None
    frees: bool = False


# Locked in a statement of its own, so that the update below sees each row as its last writer left it.
_LOCK = "SELECT t.id FROM run_targets t WHERE t.id = ANY(:ids) AND {which} ORDER BY t.id FOR UPDATE"

_MOVE = """
WITH rules AS (
  SELECT * FROM unnest(CAST(:befores AS text[]), CAST(:events AS text[]), CAST(:afters AS text[]), CAST(:terminals AS boolean[]))
    AS r(before, event, after, is_terminal)
), old AS MATERIALIZED (
  -- Each row is found once, by its id, whatever the planner thinks of the table. Arrays, not JSON: it sees their length.
  SELECT t.id, t.run_id, t.state, m.event, m.reason, m.detail, m.deadline_at, m.exit_code, m.last_line, m.started_at, m.finished_at,
    m.term IS NULL OR m.term = t.term AS is_fresh, -- a newer term: this report is stale
    -- What waits for another try that does not come about ends as the last try did.
    CASE WHEN t.state IN ('pending', 'waiting_online') AND m.event IN ('skip', 'expire', 'supersede') THEN t.retry_of END AS instead
  FROM unnest(CAST(:ids AS bigint[]), CAST(:terms AS bigint[]), CAST(:happened AS text[]), CAST(:reasons AS text[]),
    CAST(:details AS text[]), CAST(:deadlines AS timestamptz[]), CAST(:exit_codes AS integer[]), CAST(:last_lines AS text[]),
    CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
    AS m(target_id, term, event, reason, detail, deadline_at, exit_code, last_line, started_at, finished_at)
  JOIN run_targets t ON t.id = m.target_id WHERE {which}
), moves AS (
  -- Not in the state table: nothing happens.
  SELECT o.*, r.after, r.is_terminal FROM old o JOIN rules r ON r.before = o.state AND r.event = coalesce(o.instead, o.event)
  WHERE o.is_fresh
)
UPDATE run_targets t SET
  state = m.after,
  -- The answer to a stop ends the row with the reason of the stop, also when it comes after the row was given up for lost.
  reason = coalesce(CASE WHEN m.event = 'stopped' AND t.cancel_requested_at IS NOT NULL THEN t.stop_reason END,
    CASE WHEN m.instead IS NOT NULL THEN 'not_retried' END, m.reason, CASE WHEN m.is_terminal THEN NULL ELSE t.reason END),
  detail = coalesce(CASE WHEN m.instead IS NOT NULL THEN 'Another try was due, and did not come about: ' || m.reason || '.' END,
    m.detail, CASE WHEN m.is_terminal AND NOT (m.event = 'stopped' AND m.state = 'cancelling') THEN NULL ELSE t.detail END),
  stop_reason = CASE WHEN m.event = 'cancel' THEN m.reason ELSE t.stop_reason END,
  deadline_at = CASE WHEN m.is_terminal THEN NULL ELSE coalesce(m.deadline_at, t.deadline_at) END,
  exit_code = coalesce(m.exit_code, t.exit_code),
  last_line = coalesce(m.last_line, t.last_line),
  started_at = coalesce(t.started_at, m.started_at),
  finished_at = CASE WHEN m.is_terminal THEN coalesce(m.finished_at, :now) END,
  cancel_requested_at = CASE WHEN m.event = 'cancel' THEN :now ELSE t.cancel_requested_at END
FROM moves m WHERE t.id = m.id AND t.run_id = m.run_id AND {which}
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave, m.state AS before, t.state AS after,
  t.reason, t.exit_code, t.is_awaited AND (m.is_terminal OR m.event = 'retry') AS frees
"""
# What has not ended is looked for first, where it can be: the planner leaves sealed partitions out. To what is not there nothing
# happens, as a rule; but a lost target may learn the truth, however old it is.
# By their states, not by their bounds: those have an index of their own, which the planner takes for empty whenever nothing was
# unfinished at the time of its statistics, and then reads whole for each row. Measured: 500 results in 800 ms instead of 110.
_UNFINISHED = "t.state IN ('pending', 'waiting_online', 'connecting', 'dispatched', 'running', 'cancelling')"
_BOUNDED = (text(_LOCK.format(which=_UNFINISHED)), text(_MOVE.format(which=_UNFINISHED)))
_ENDED = (text(_LOCK.format(which="t.deadline_at IS NULL")), text(_MOVE.format(which="t.deadline_at IS NULL")))

_COUNT = text("""
INSERT INTO occurrence_counts AS c (occurrence_id, site_id, wave, state, number)
SELECT occurrence_id, site_id, wave, state, number
FROM unnest(CAST(:occurrences AS uuid[]), CAST(:sites AS bigint[]), CAST(:waves AS integer[]), CAST(:states AS text[]),
  CAST(:numbers AS integer[])) AS d(occurrence_id, site_id, wave, state, number)
ORDER BY 1, 2, 3, 4
ON CONFLICT (occurrence_id, site_id, wave, state) DO UPDATE SET number = c.number + excluded.number
""")

_LOCK_OCCURRENCES = text(
    "SELECT id, job_id, state, outcome, failure_threshold_percent FROM occurrences WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"
)
_COUNTS = text(
    "SELECT occurrence_id, site_id, state, sum(number)::integer AS number FROM occurrence_counts"
    " WHERE occurrence_id = ANY(:ids) GROUP BY occurrence_id, site_id, state HAVING sum(number) > 0"
)
_CLOSE = text("""
UPDATE occurrences o SET state = 'closed', outcome = c.outcome, closed_at = coalesce(o.closed_at, :now),
  -- Everybody was left out after it had begun.
  reason = CASE WHEN c.outcome = 'skipped' THEN coalesce(o.reason, 'no_eligible_targets') ELSE o.reason END
FROM unnest(CAST(:ids AS uuid[]), CAST(:outcomes AS text[])) AS c(id, outcome)
WHERE o.id = c.id AND o.state IN ('open', 'closed')
""")

_RULES = {
    "befores": [str(before) for before, _ in TARGET],
    "events": [str(event) for _, event in TARGET],
    "afters": [str(after) for after in TARGET.values()],
    "terminals": [is_terminal(after) for after in TARGET.values()],
}


async def move(tx: AsyncConnection, moves: Sequence[Move], now: datetime) -> list[Moved]:
    """Apply `moves`; returns those that took place. The others were refused by the state table or by a newer term.

    At most one move for each target. Counters, closing of occurrences and live events follow in the same transaction.
    """
    if not moves:
        return []
    moved = await apply(tx, moves, now)
    await settle(tx, moved, now)
    return moved


async def apply(tx: AsyncConnection, moves: Sequence[Move], now: datetime) -> list[Moved]:
    """The same without what follows: the caller settles it, together with other changes of its transaction."""
    moved: list[Moved] = []
    left = {one.target_id: one for one in moves}
    for lock, change in (_BOUNDED, _ENDED):
        found = (await tx.execute(lock, {"ids": list(left)})).scalars().all() if left else ()
        chosen = [left.pop(target_id) for target_id in found]
        rows = await tx.execute(change, {**_RULES, **_columns(chosen), "now": now}) if chosen else ()
        moved += [changed(row, row.before, row.after, row.reason, row.exit_code, frees=row.frees) for row in rows]
    return moved


def changed(
    row: Row[*tuple[Any, ...]],
    before: str,
    after: str,
    reason: str | None = None,
    exit_code: int | None = None,
    *,
    frees: bool = False,
) -> Moved:
    """A change as a statement returned it: `row` has target_id, occurrence_id, job_id, site_id, device_id and wave."""
    return Moved(
        row.target_id,
        row.occurrence_id,
        row.job_id,
        row.site_id,
        row.device_id,
        row.wave,
        TargetState(before),
        TargetState(after),
        reason,
        exit_code,
        frees,
    )


def _columns(moves: Sequence[Move]) -> dict[str, list[Any]]:
    return {
        "ids": [one.target_id for one in moves],
        "terms": [one.term for one in moves],
        "happened": [str(one.event) for one in moves],
        "reasons": [one.reason for one in moves],
        "details": [_storable(one.detail) for one in moves],
        "deadlines": [one.deadline_at for one in moves],
        "exit_codes": [one.exit_code for one in moves],
        "last_lines": [_storable(one.last_line) for one in moves],
        "starts": [one.started_at for one in moves],
        "ends": [one.finished_at for one in moves],
    }


def _storable(text_: str | None) -> str | None:
    """PostgreSQL's text has no NUL; devices may send one."""
    return None if text_ is None else text_.replace("\0", "\ufffd")


async def settle(tx: AsyncConnection, moved: Sequence[Moved], now: datetime) -> None:
    """Bring counters, occurrences and live views up to what `moved` says, and wake who waited behind it."""
    if not moved:
        return
    await _count(tx, moved)
    touched = sorted({one.occurrence_id for one in moved})
    if any(is_terminal(one.after) for one in moved):
        await close_finished(tx, touched, now)
    paced = sorted({one.occurrence_id for one in moved if _may_move_waves(one)})
    if paced:
        await publish_occurrences(tx, await rollouts.advance(tx, paced, now), now)
    freed = [(one.job_id, one.device_id) for one in moved if one.frees]
    if freed:
        await turns.ring(tx, freed, now)
    await _publish(tx, moved, now)


def _may_move_waves(one: Moved) -> bool:
    """It has ended, waits for its device, or was put off: it takes no place any more."""
    return is_terminal(one.after) or one.after is TargetState.WAITING_ONLINE or one.after is one.before


async def _count(tx: AsyncConnection, moved: Iterable[Moved]) -> None:
    deltas: dict[tuple[uuid.UUID, int, int, str], int] = defaultdict(int)
    for one in moved:
        deltas[one.occurrence_id, one.site_id, one.wave, one.before] -= 1
        deltas[one.occurrence_id, one.site_id, one.wave, one.after] += 1
    await count(tx, deltas)


async def count(tx: AsyncConnection, deltas: Mapping[tuple[uuid.UUID, int, int, str], int]) -> None:
    """Change counters by (occurrence, site, wave, state)."""
    changed = sorted((key, number) for key, number in deltas.items() if number)
    if not changed:  # a row that is put off stays in its state
        return
    columns = {
        "occurrences": [key[0] for key, _ in changed],
        "sites": [key[1] for key, _ in changed],
        "waves": [key[2] for key, _ in changed],
        "states": [str(key[3]) for key, _ in changed],
        "numbers": [number for _, number in changed],
    }
    await tx.execute(_COUNT, columns)


async def close_finished(
    tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime, *, idle: Outcome = Outcome.SKIPPED
) -> None:
    """Close each of these whose targets are all terminal; fold the outcome again where a lost target told its truth later.

    `idle`: what an occurrence is that has targets, none of which took part.
    """
    # Locked first, counted after: of two transactions that end the last two targets, the second sees the first.
    rows = (await tx.execute(_LOCK_OCCURRENCES, {"ids": list(occurrence_ids)})).all()
    counts: dict[uuid.UUID, dict[TargetState, int]] = defaultdict(lambda: defaultdict(int))
    for row in await tx.execute(_COUNTS, {"ids": list(occurrence_ids)}):
        counts[row.occurrence_id][TargetState(row.state)] += row.number
    ended = {
        row.id: (row.job_id, str(_outcome(counts[row.id], row.failure_threshold_percent, idle)))
        for row in rows
        if row.state in ("open", "closed") and is_closed(counts[row.id])
    }
    await close(tx, ended, now)


async def close(tx: AsyncConnection, ended: Mapping[uuid.UUID, tuple[int, str]], now: datetime) -> None:
    """Close occurrences: each with its job and its outcome. Who waits for one is woken."""
    if not ended:
        return
    await tx.execute(_CLOSE, {"ids": list(ended), "outcomes": [outcome for _, outcome in ended.values()], "now": now})
    await workflow_wakes.occurrences_ended(tx, list(ended), now)
    await publish_occurrences(tx, [(job, occurrence) for occurrence, (job, _) in ended.items()], now)


def _outcome(counts: Mapping[TargetState, int], threshold: int, idle: Outcome) -> Outcome:
    folded = fold(counts, failure_threshold_percent=threshold)
    return idle if folded is Outcome.SKIPPED and counts else folded


_SITES_OF = text("SELECT DISTINCT occurrence_id, site_id FROM occurrence_counts WHERE occurrence_id = ANY(:ids)")


async def publish_occurrences(tx: AsyncConnection, changed: Sequence[tuple[int, uuid.UUID]], now: datetime) -> None:
    """Tell live views, for every site an occurrence touches, that it changed."""
    if not changed:
        return
    jobs = {occurrence: job for job, occurrence in changed}
    sites = (await tx.execute(_SITES_OF, {"ids": list(jobs)})).all()
    pairs = [(row.occurrence_id, row.site_id) for row in sites] or [(occurrence, 0) for occurrence in jobs]
    await publish_in_sites(tx, [(jobs[occurrence], occurrence, site) for occurrence, site in pairs], now)


async def publish_in_sites(tx: AsyncConnection, places: Sequence[tuple[int, uuid.UUID, int]], now: datetime) -> None:
    """The same for (job, occurrence, site) triples that are known already."""
    told = [
        Event("occurrence.changed", {"job_id": job, "occurrence_id": str(occurrence)}, site or None)
        for job, occurrence, site in places
    ]
    await events.publish(tx, told, now)


async def _publish(tx: AsyncConnection, moved: Sequence[Moved], now: datetime) -> None:
    groups: dict[tuple[uuid.UUID, int], list[Moved]] = defaultdict(list)
    for one in moved:
        groups[one.occurrence_id, one.site_id].append(one)
    counts = await counts_in_sites(tx, {occurrence for occurrence, _ in groups})
    told = []
    for key, some in groups.items():
        about = {"job_id": some[0].job_id, "occurrence_id": str(key[0]), "site_id": key[1] or None}
        told.append(Event("run.progress", {**about, "counts": counts[key]}, key[1] or None))
        told.append(Event("target.changed", {**about, "targets": _brief(some)}, key[1] or None))
    await events.publish(tx, told, now)


async def counts_in_sites(
    tx: AsyncConnection, occurrence_ids: Collection[uuid.UUID]
) -> dict[tuple[uuid.UUID, int], dict[str, int]]:
    """Targets by state, of each occurrence in each of its sites."""
    counts: dict[tuple[uuid.UUID, int], dict[str, int]] = defaultdict(dict)
    for row in await tx.execute(_COUNTS, {"ids": sorted(occurrence_ids)}):
        counts[row.occurrence_id, row.site_id][row.state] = row.number
    return counts


def _brief(moved: Sequence[Moved]) -> list[dict[str, object]]:
    return [
        {
            "target_id": one.target_id,
            "device_id": str(one.device_id),
            "state": str(one.after),
            "reason": one.reason,
            "exit_code": one.exit_code,
        }
        for one in moved[:_ROWS_PER_EVENT]
    ]
