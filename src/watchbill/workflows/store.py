"""The SQL of runs of workflows: taking those that are to be looked at, their nodes, and writing what became of them."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.workflow_steps import Row
from watchbill.core.workflow_types import NodeState, Source, WorkflowState

# A run that another scheduler is at is passed over; its wakes stay. Who wakes a run refers to its row, and must not wait for this hold.
_TAKE = text("""
SELECT w.run_id, w.occurrence_id, w.workflow_id, w.revision, w.draft, w.job_id, w.source, w.state, w.reason, w.parameters, w.pins,
  w.allowed_site_ids, w.only_device_id, w.parent_run_id, w.parent_node, w.origin_run_id, w.rerun_from, w.started_by, w.created_at,
  w.started_at, w.deadline_at, w.finished_at
FROM workflow_runs w
WHERE w.run_id IN (
  SELECT k.run_id FROM (SELECT run_id, min(at) AS at FROM (
    SELECT run_id, at FROM workflow_wakes WHERE at <= :now ORDER BY at, run_id LIMIT :look) AS k GROUP BY run_id ORDER BY 2 LIMIT :limit) AS k)
ORDER BY w.run_id FOR NO KEY UPDATE OF w SKIP LOCKED
""")
# After the rows are held: what is deleted here has been committed, and so can be seen by what is read next.
_HEARD = text("DELETE FROM workflow_wakes WHERE run_id = ANY(:runs) AND at <= :now")
_FORGET_WAKES = text("DELETE FROM workflow_wakes WHERE run_id = ANY(:runs)")
_NEXT = text("SELECT min(at) FROM workflow_wakes")
_OCCURRENCES = text("""
SELECT o.id, o.job_id, o.cancel_requested_at IS NOT NULL AS is_cancelled, o.kind FROM occurrences o WHERE o.id = ANY(CAST(:ids AS uuid[]))
""")
_NODES = text("""
SELECT run_id, node_id, state, reason, detail, attempt, is_kept, starts_at, deadline_at, started_at, finished_at, result, occurrence_ids,
  child_run_id, request, taken_at IS NOT NULL AS is_taken
FROM workflow_nodes WHERE run_id = ANY(:runs) ORDER BY run_id, position
""")
_COLUMNS: Final = """run_id bigint, node_id text, type text, position integer, state text, reason text, detail text, attempt integer,
  is_kept boolean, starts_at timestamptz, deadline_at timestamptz, started_at timestamptz, finished_at timestamptz, result jsonb,
  occurrence_ids uuid[], child_run_id bigint, request jsonb"""
_INSERT = text(f"""
INSERT INTO workflow_nodes (run_id, node_id, type, position, state, reason, detail, attempt, is_kept, starts_at, deadline_at, started_at,
  finished_at, result, occurrence_ids, child_run_id, request)
SELECT r.run_id, r.node_id, r.type, r.position, r.state, r.reason, r.detail, r.attempt, r.is_kept, r.starts_at, r.deadline_at,
  r.started_at, r.finished_at, r.result, r.occurrence_ids, r.child_run_id, r.request
FROM jsonb_to_recordset(:rows) AS r({_COLUMNS})
""").bindparams(bindparam("rows", type_=JSONB))
_UPDATE = text(f"""
UPDATE workflow_nodes n SET state = r.state, reason = r.reason, detail = r.detail, attempt = r.attempt, starts_at = r.starts_at,
  deadline_at = r.deadline_at, started_at = r.started_at, finished_at = r.finished_at, result = r.result,
  occurrence_ids = r.occurrence_ids, child_run_id = r.child_run_id,
  -- An answer to the same try may have come since it was read.
  request = CASE WHEN r.attempt = n.attempt AND r.request IS NOT NULL THEN coalesce(n.request, '{{}}') || r.request ELSE r.request END,
  taken_at = CASE WHEN r.attempt = n.attempt AND r.request IS NOT NULL THEN n.taken_at END,
  taken_by = CASE WHEN r.attempt = n.attempt AND r.request IS NOT NULL THEN n.taken_by END
FROM jsonb_to_recordset(:rows) AS r({_COLUMNS})
WHERE n.run_id = r.run_id AND n.node_id = r.node_id
""").bindparams(bindparam("rows", type_=JSONB))
_RUNS = text("""
UPDATE workflow_runs w SET state = r.state, reason = r.reason, detail = r.detail, pins = r.pins, started_at = r.started_at,
  deadline_at = r.deadline_at, finished_at = r.finished_at, parameters = r.parameters
FROM jsonb_to_recordset(:rows) AS r(run_id bigint, state text, reason text, detail text, pins jsonb, parameters jsonb, started_at timestamptz,
  deadline_at timestamptz, finished_at timestamptz)
WHERE w.run_id = r.run_id
""").bindparams(bindparam("rows", type_=JSONB))
_CHILDREN = text("""
SELECT o.id, o.state, o.outcome, o.reason, o.detail,
  coalesce((SELECT jsonb_object_agg(c.state, c.number) FROM (SELECT state, sum(number) AS number FROM occurrence_counts
    WHERE occurrence_id = o.id GROUP BY state HAVING sum(number) > 0) c), '{}') AS counts,
  (SELECT count(*) FROM run_targets t WHERE t.occurrence_id = o.id AND (t.state = 'expired' AND t.reason = 'offline'
    OR t.state = 'skipped' AND t.reason = 'offline_skip')) AS offline
FROM occurrences o WHERE o.id = ANY(CAST(:ids AS uuid[]))
""")
_CHILD_RUNS = text("""
SELECT w.run_id, w.occurrence_id, w.state, w.detail,
  coalesce((SELECT jsonb_object_agg(c.state, c.number) FROM (SELECT state, sum(number) AS number FROM occurrence_counts
    WHERE occurrence_id = w.occurrence_id GROUP BY state HAVING sum(number) > 0) c), '{}') AS counts
FROM workflow_runs w WHERE w.run_id = ANY(:runs)
""")
_RUNS_OF_OCCURRENCES = text(
    "SELECT occurrence_id, run_id FROM workflow_runs WHERE occurrence_id = ANY(CAST(:ids AS uuid[]))"
)
# The oldest that waits behind a run that has ended.
_QUEUED = text("""
SELECT DISTINCT w.run_id FROM workflow_runs w
WHERE w.state = 'queued' AND w.workflow_id = ANY(CAST(:workflows AS uuid[]))
""")
_AHEAD = text("""
SELECT EXISTS (SELECT FROM workflow_runs o WHERE o.workflow_id = w.workflow_id AND o.finished_at IS NULL AND o.run_id < w.run_id
  AND (w.reason = 'behind_workflow' OR o.job_id = w.job_id))
FROM workflow_runs w WHERE w.run_id = :run
""")
_DOCUMENTS = text("""
SELECT a.assembly_id, a.revision, a.content FROM unnest(CAST(:ids AS uuid[]), CAST(:revisions AS integer[])) AS g(id, revision)
JOIN assembly_revisions a ON a.assembly_id = g.id AND a.revision = g.revision
""")
_LATEST = text("SELECT id, revision FROM assemblies WHERE id = ANY(CAST(:ids AS uuid[]))")
_WORKFLOWS = text(
    "SELECT id, name, revision, archived_at FROM assemblies WHERE id = ANY(CAST(:ids AS uuid[])) AND kind = 'workflow'"
)
_PINS = text("SELECT pins FROM workflow_runs WHERE run_id = :run")
# How deep a run is within others.
_LEVELS = text("""
WITH RECURSIVE above AS (
  SELECT parent_run_id, 1 AS level FROM workflow_runs WHERE run_id = :run
  UNION ALL
  SELECT w.parent_run_id, a.level + 1 FROM above a JOIN workflow_runs w ON w.run_id = a.parent_run_id WHERE a.level < 100
)
SELECT max(level) FROM above
""")


@dataclass(slots=True)
class Run:
    """A run that is held while a step of it is made."""

    run_id: int
    occurrence_id: uuid.UUID
    workflow_id: uuid.UUID
    revision: int
    draft: Mapping[str, Any] | None
    job_id: int | None
    source: Source
    state: WorkflowState
    reason: str | None
    parameters: Mapping[str, Any]
    pins: Mapping[str, int] | None
    allowed_site_ids: Sequence[int] | None
    only_device_id: uuid.UUID | None
    parent_run_id: int | None
    parent_node: str | None
    origin_run_id: int | None
    rerun_from: Sequence[str]
    started_by: int | None
    created_at: datetime
    started_at: datetime | None
    deadline_at: datetime | None
    detail: str | None = None
    finished_at: datetime | None = None
    #: Of its occurrence.
    owner_job_id: int = 0
    is_cancelled: bool = False
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """What became of an occurrence that a node opened, or of the run of a workflow that it is."""

    state: str
    outcome: str | None
    reason: str | None
    detail: str | None
    counts: Mapping[str, int]
    offline: int = 0


async def take(tx: AsyncConnection, now: datetime, limit: int) -> tuple[int, list[Run]]:
    """Hold runs that are to be looked at by now, with what is asked of their occurrences; nobody else is at them.

    Also how many were woken, of which some may have ended.
    """
    rows = (await tx.execute(_TAKE, {"now": now, "limit": limit, "look": limit * 4})).mappings().all()
    if not rows:
        return 0, []
    held = [Run(**{**row, "state": WorkflowState(row["state"])}) for row in rows]
    await tx.execute(_HEARD, {"runs": [run.run_id for run in held], "now": now})
    found = {row.id: row for row in await tx.execute(_OCCURRENCES, {"ids": [run.occurrence_id for run in held]})}
    for run in held:
        occurrence = found[run.occurrence_id]
        run.owner_job_id, run.is_cancelled = occurrence.job_id, occurrence.is_cancelled
    # Somebody may have woken one that had just ended.
    return len(held), [run for run in held if run.finished_at is None]


@dataclass(frozen=True, slots=True)
class Held:
    """An open run that is held by itself."""

    occurrence_id: uuid.UUID
    owner_job_id: int
    workflow_id: uuid.UUID


async def hold(tx: AsyncConnection, run_id: int) -> Held | None:
    """Hold an open run; None where it has ended."""
    row = (await tx.execute(_HOLD, {"run": run_id})).one_or_none()
    return Held(row.occurrence_id, row.job_id, row.workflow_id) if row else None


async def give_up(tx: AsyncConnection, run_id: int, why: str, now: datetime) -> None:
    """A held run, its open nodes and their counters, ended as failed."""
    await tx.execute(_GIVE_UP_COUNTS, {"run": run_id})
    for statement in (_GIVE_UP_NODES, _GIVE_UP_RUN):
        await tx.execute(statement, {"run": run_id, "why": why, "now": now})


async def forget_wakes(tx: AsyncConnection, run_ids: Sequence[int]) -> None:
    """Nobody is to look at these any more."""
    if run_ids:
        await tx.execute(_FORGET_WAKES, {"runs": list(run_ids)})


async def next_wake(tx: AsyncConnection) -> datetime | None:
    found: datetime | None = (await tx.execute(_NEXT)).scalar_one_or_none()
    return found


async def nodes_of(tx: AsyncConnection, run_ids: Sequence[int]) -> dict[int, dict[str, Row]]:
    """The rows of the nodes of runs that have begun, in the order of their documents."""
    found: dict[int, dict[str, Row]] = {}
    if not run_ids:
        return found
    for row in (await tx.execute(_NODES, {"runs": list(run_ids)})).mappings():
        values = {**row, "state": NodeState(row["state"]), "occurrence_ids": list(row["occurrence_ids"])}
        run_id = values.pop("run_id")
        found.setdefault(run_id, {})[row["node_id"]] = Row(**values)
    return found


def _as_json(run_id: int, node_type: str, position: int, row: Row) -> dict[str, Any]:
    instants = {
        name: at.isoformat() if (at := getattr(row, name)) else None
        for name in ("starts_at", "deadline_at", "started_at", "finished_at")
    }
    return {
        "run_id": run_id,
        "node_id": row.node_id,
        "type": node_type,
        "position": position,
        "state": row.state.value,
        "reason": row.reason,
        "detail": row.detail,
        "attempt": row.attempt,
        "is_kept": row.is_kept,
        **instants,
        "result": row.result,
        "occurrence_ids": [str(one) for one in row.occurrence_ids],
        "child_run_id": row.child_run_id,
        "request": row.request,
    }


async def insert_nodes(tx: AsyncConnection, new: Sequence[tuple[int, str, int, Row]]) -> None:
    """(run, type, position, row) of nodes of runs that begin."""
    if new:
        await tx.execute(_INSERT, {"rows": [_as_json(*one) for one in new]})


async def update_nodes(tx: AsyncConnection, changed: Sequence[tuple[int, Row]]) -> None:
    if changed:
        await tx.execute(_UPDATE, {"rows": [_as_json(run_id, "", 0, row) for run_id, row in changed]})


async def update_runs(tx: AsyncConnection, changed: Sequence[Run]) -> None:
    if changed:
        rows = [
            {
                "run_id": run.run_id,
                "state": run.state.value,
                "reason": run.reason,
                "detail": run.detail,
                "pins": run.pins,
                "parameters": dict(run.parameters),
                "started_at": run.started_at.isoformat() if run.started_at else None,
                "deadline_at": run.deadline_at.isoformat() if run.deadline_at else None,
                "finished_at": run.finished_at.isoformat() if run.finished_at else None,
            }
            for run in changed
        ]
        await tx.execute(_RUNS, {"rows": rows})


async def children(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Child]:
    rows = await tx.execute(_CHILDREN, {"ids": list(occurrence_ids)}) if occurrence_ids else ()
    return {
        row.id: Child(row.state, row.outcome, row.reason, row.detail, _numbers(row.counts), row.offline) for row in rows
    }


async def child_runs(tx: AsyncConnection, run_ids: Sequence[int]) -> dict[int, tuple[uuid.UUID, Child]]:
    """Of the runs of workflows that are nodes of others: their occurrences, and what became of them."""
    rows = await tx.execute(_CHILD_RUNS, {"runs": list(run_ids)}) if run_ids else ()
    return {
        row.run_id: (row.occurrence_id, Child(row.state, None, None, row.detail, _numbers(row.counts))) for row in rows
    }


def _numbers(counts: Mapping[str, Any]) -> dict[str, int]:
    return {state: int(number) for state, number in counts.items()}


async def runs_of_occurrences(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    rows = await tx.execute(_RUNS_OF_OCCURRENCES, {"ids": list(occurrence_ids)}) if occurrence_ids else ()
    return {row.occurrence_id: row.run_id for row in rows}


async def waiting_behind(tx: AsyncConnection, workflow_ids: Sequence[uuid.UUID]) -> list[int]:
    """The runs that wait for others of these workflows to end."""
    return list((await tx.execute(_QUEUED, {"workflows": list(workflow_ids)})).scalars())


async def has_one_ahead(tx: AsyncConnection, run_id: int) -> bool:
    return bool((await tx.execute(_AHEAD, {"run": run_id})).scalar_one())


async def documents(tx: AsyncConnection, wanted: Sequence[tuple[uuid.UUID, int]]) -> dict[tuple[uuid.UUID, int], Any]:
    """The stored content of revisions."""
    columns = {"ids": [one for one, _ in wanted], "revisions": [number for _, number in wanted]}
    rows = await tx.execute(_DOCUMENTS, columns) if wanted else ()
    return {(row.assembly_id, row.revision): row.content for row in rows}


@dataclass(frozen=True, slots=True)
class Newest:
    """A workflow as the catalogue has it now."""

    name: str
    revision: int
    is_archived: bool


async def workflows(tx: AsyncConnection, assembly_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Newest]:
    """Those of these assemblies that are workflows."""
    rows = await tx.execute(_WORKFLOWS, {"ids": list(assembly_ids)}) if assembly_ids else ()
    return {row.id: Newest(row.name, row.revision, row.archived_at is not None) for row in rows}


async def latest(tx: AsyncConnection, assembly_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The newest revision of each assembly that is there."""
    rows = await tx.execute(_LATEST, {"ids": list(assembly_ids)}) if assembly_ids else ()
    return {row.id: row.revision for row in rows}


async def pins_of(tx: AsyncConnection, run_id: int) -> dict[str, int]:
    """The revisions that the nodes of a run run."""
    found: dict[str, int] | None = (await tx.execute(_PINS, {"run": run_id})).scalar_one_or_none()
    return found or {}


async def levels(tx: AsyncConnection, run_id: int) -> int:
    """1 = a run that is no node of another."""
    return int((await tx.execute(_LEVELS, {"run": run_id})).scalar_one() or 1)


_DECIDE = text("""
UPDATE workflow_nodes SET state = :state, reason = :reason, detail = :detail, finished_at = :now, deadline_at = NULL,
  result = result || CAST(:told AS jsonb)
WHERE run_id = :run AND node_id = :node AND state = 'awaiting_approval' AND deadline_at > :now
RETURNING node_id
""")
_HOLD = text("""
SELECT w.occurrence_id, o.job_id, w.workflow_id FROM workflow_runs w JOIN occurrences o ON o.id = w.occurrence_id
WHERE w.run_id = :run AND w.finished_at IS NULL FOR NO KEY UPDATE OF w
""")
_GIVE_UP_NODES = text("""
UPDATE workflow_nodes SET state = CASE WHEN state = 'pending' THEN 'skipped' ELSE 'failed' END, reason = 'gave_up', detail = :why,
  finished_at = :now, starts_at = NULL, deadline_at = NULL
WHERE run_id = :run AND state IN ('pending', 'running', 'awaiting_approval')
""")
# As the nodes do: what was at work counts as failed from now on, what had not begun as skipped.
_GIVE_UP_COUNTS = text("""
WITH open AS (
  SELECT c.* FROM occurrence_counts c JOIN workflow_runs w ON w.occurrence_id = c.occurrence_id
  WHERE w.run_id = :run AND c.state IN ('pending', 'running') AND c.number > 0
), gone AS (
  UPDATE occurrence_counts c SET number = 0 FROM open o
  WHERE (c.occurrence_id, c.site_id, c.wave, c.state) = (o.occurrence_id, o.site_id, o.wave, o.state)
)
INSERT INTO occurrence_counts AS c (occurrence_id, site_id, wave, state, number)
SELECT occurrence_id, site_id, wave, CASE state WHEN 'pending' THEN 'skipped' ELSE 'failed' END, number FROM open
ON CONFLICT (occurrence_id, site_id, wave, state) DO UPDATE SET number = c.number + excluded.number
""")
_GIVE_UP_RUN = text("""
UPDATE workflow_runs SET state = 'failed', reason = 'gave_up', detail = :why, finished_at = :now WHERE run_id = :run
""")


# What is sent to other systems: taken by one sender, answered under the name of who took it.
_CLAIM = text("""
UPDATE workflow_nodes n SET taken_at = :now, taken_by = :sender
FROM (SELECT run_id, node_id FROM workflow_nodes
  WHERE type = 'http' AND state = 'running' AND request IS NOT NULL AND taken_at IS NULL ORDER BY run_id LIMIT :limit FOR UPDATE SKIP LOCKED) q
WHERE n.run_id = q.run_id AND n.node_id = q.node_id
RETURNING n.run_id, n.node_id, n.attempt, n.request
""")
_ANSWER = text("""
UPDATE workflow_nodes SET request = request || jsonb_build_object('answer', CAST(:answer AS jsonb))
WHERE run_id = :run AND node_id = :node AND attempt = :attempt AND taken_by = :sender AND state = 'running'
  AND NOT request ? 'answer'
RETURNING run_id
""")
# Whoever took it is gone, or has had more time than the request may take.
_ABANDONED = text("""
UPDATE workflow_nodes SET request = request || jsonb_build_object('answer', jsonb_build_object('lost', true))
WHERE type = 'http' AND state = 'running' AND NOT request ? 'answer' AND taken_at IS NOT NULL AND (
  taken_at + make_interval(secs => (request->>'timeout_seconds')::integer + :grace) < :now
  OR NOT EXISTS (SELECT FROM services s WHERE s.id = taken_by AND s.stopped_at IS NULL))
RETURNING run_id
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A request to send. `request`: rendered, as `node_work` wrote it."""

    run_id: int
    node_id: str
    attempt: int
    request: Mapping[str, Any]


async def claim_requests(tx: AsyncConnection, sender: uuid.UUID, now: datetime, limit: int) -> list[Claimed]:
    return [Claimed(*row) for row in await tx.execute(_CLAIM, {"sender": sender, "now": now, "limit": limit})]


async def answer(tx: AsyncConnection, one: Claimed, sender: uuid.UUID, told: Mapping[str, Any]) -> bool:
    """Keep what came back; False where the node does not wait for this answer any more."""
    values = {"run": one.run_id, "node": one.node_id, "attempt": one.attempt, "sender": sender}
    return (await tx.execute(_ANSWER, {**values, "answer": json.dumps(told)})).first() is not None


async def give_up_abandoned(tx: AsyncConnection, now: datetime, grace: timedelta) -> list[int]:
    """The runs of requests of which nobody will say any more what became of them."""
    values = {"now": now, "grace": grace.total_seconds()}
    return list((await tx.execute(_ABANDONED, values)).scalars())


async def decide(
    tx: AsyncConnection,
    run_id: int,
    node_id: str,
    state: NodeState,
    words: tuple[str | None, str | None],
    told: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Keep what a person decided, `words` being reason and detail; False where nothing is asked any more. Holds the run, as a step does."""
    if (await tx.execute(_HOLD, {"run": run_id})).first() is None:
        return False
    values = {"run": run_id, "node": node_id, "state": state.value, "reason": words[0], "detail": words[1], "now": now}
    return (await tx.execute(_DECIDE, {**values, "told": json.dumps(told)})).first() is not None
