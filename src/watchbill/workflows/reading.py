"""Reading: runs of workflows, each with its graph, its nodes and which edges were taken, in the reader's sites."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row as SqlRow
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.assembly_check import from_json
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.workflow_steps import Board, Row
from watchbill.core.workflow_types import NodeState, Source, WorkflowState
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.workflows import sets, store
from watchbill.workflows.documents import wiring_of

#: A run for every site is everybody's to see; of others those with one of the reader's sites.
_SEEN: Final = (
    "(CAST(:sites AS bigint[]) IS NULL OR w.allowed_site_ids IS NULL OR w.allowed_site_ids && CAST(:sites AS bigint[]))"
)
_COLUMNS: Final = """w.run_id AS id, w.occurrence_id, w.workflow_id, a.name AS workflow_name, w.revision, w.draft, w.source, w.state, w.reason,
  w.detail, w.job_id, j.name AS job_name, w.parent_run_id, w.parent_node, w.origin_run_id, w.rerun_from, w.parameters,
  p.username AS started_by, w.allowed_site_ids, w.only_device_id, w.created_at, w.started_at, w.finished_at, w.deadline_at"""
_FROM: Final = """FROM workflow_runs w JOIN assemblies a ON a.id = w.workflow_id
  LEFT JOIN jobs j ON j.id = w.job_id LEFT JOIN operators p ON p.id = w.started_by"""
_ONE = text(f"SELECT {_COLUMNS} {_FROM} WHERE w.run_id = :run AND {_SEEN}")
_LIST = text(f"""
SELECT {_COLUMNS} {_FROM}
WHERE {_SEEN} AND (CAST(:workflow AS uuid) IS NULL OR w.workflow_id = :workflow)
  AND (CAST(:states AS text[]) IS NULL OR w.state = ANY(:states))
  AND (CAST(:below AS bigint) IS NULL OR w.run_id < :below)
  AND (CAST(:parent AS bigint) IS NULL OR w.parent_run_id = :parent)
ORDER BY w.run_id DESC LIMIT :limit
""")
_NODES = text("""
SELECT n.node_id, n.type, n.state, n.reason, n.detail, n.attempt, n.is_kept, n.starts_at, n.deadline_at, n.started_at, n.finished_at,
  n.result, n.occurrence_ids, n.child_run_id, r.id AS run_id, n.occurrence_ids[cardinality(n.occurrence_ids)] AS occurrence_id,
  coalesce((SELECT jsonb_object_agg(c.state, c.number) FROM (SELECT state, sum(number)::integer AS number FROM occurrence_counts
    WHERE occurrence_id = n.occurrence_ids[cardinality(n.occurrence_ids)]
      AND (CAST(:sites AS bigint[]) IS NULL OR site_id = ANY(:sites)) GROUP BY state HAVING sum(number) > 0) c), '{}') AS counts
FROM workflow_nodes n
LEFT JOIN LATERAL (SELECT r.id FROM runs r WHERE r.occurrence_id = n.occurrence_ids[cardinality(n.occurrence_ids)] ORDER BY r.id LIMIT 1)
  AS r ON n.child_run_id IS NULL
WHERE n.run_id = :run ORDER BY n.position
""")
_APPROVALS = text(f"""
SELECT w.run_id, w.workflow_id, a.name AS workflow_name, w.job_id, j.name AS job_name, n.node_id, n.started_at, n.deadline_at,
  n.result->>'message' AS message, w.allowed_site_ids
FROM workflow_nodes n JOIN workflow_runs w ON w.run_id = n.run_id JOIN assemblies a ON a.id = w.workflow_id
LEFT JOIN jobs j ON j.id = w.job_id
WHERE n.state = 'awaiting_approval' AND {_SEEN} AND (CAST(:after AS bigint) IS NULL OR (w.run_id, n.node_id) > (:after, :node))
ORDER BY w.run_id, n.node_id LIMIT :limit
""")
_DEVICES = text("""
SELECT d.id, d.hostname, d.site_id, y.name AS site_name, p.gateway_id IS NOT NULL AS is_online, u.place
FROM workflow_sets s CROSS JOIN LATERAL unnest(s.devices) WITH ORDINALITY AS u(id, place)
JOIN devices d ON d.id = u.id LEFT JOIN sites y ON y.id = d.site_id LEFT JOIN device_presence p ON p.device_id = d.id
WHERE s.run_id = :run AND s.node_id = :node AND s.port = :port AND u.place > :after
  AND (CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites))
ORDER BY u.place LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node in a run. `run_id`, `occurrence_id`: of its work on devices, the newest try; `child_run_id`: of the workflow that it is."""

    node_id: str
    type: str
    state: str
    reason: str | None
    detail: str | None
    attempt: int
    is_kept: bool
    starts_at: datetime | None
    deadline_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: Any
    occurrence_ids: Sequence[uuid.UUID]
    child_run_id: int | None
    run_id: int | None
    occurrence_id: uuid.UUID | None
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run of a workflow as one reader sees it. `document` and `nodes` are there when one run was asked for."""

    id: int
    occurrence_id: uuid.UUID
    workflow_id: uuid.UUID
    workflow_name: str
    revision: int
    draft: Mapping[str, Any] | None
    source: Source
    state: WorkflowState
    reason: str | None
    detail: str | None
    job_id: int | None
    job_name: str | None
    parent_run_id: int | None
    parent_node: str | None
    origin_run_id: int | None
    rerun_from: Sequence[str]
    parameters: Mapping[str, Any]
    started_by: str | None
    allowed_site_ids: Sequence[int] | None
    only_device_id: uuid.UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    nodes: Sequence[NodeView] = ()
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    content: AssemblyDraft | None = None

    @property
    def document(self) -> AssemblyDraft:
        """Of one that was asked for by itself."""
        if self.content is None:
            raise ValueError("the document of this run was not read")
        return self.content

    def node(self, node_id: str) -> NodeView:
        found = next((one for one in self.nodes if one.node_id == node_id), None)
        if found is None:
            raise NotFoundError("There is no such node in this run.", code="node_not_found")
        return found

    def edges_taken(self) -> list[bool | None]:
        """Of every edge of the document whether it was taken: control that went along it, data that was read; None = not decided."""
        wiring = wiring_of(self.document)
        rows = {one.node_id: Row(one.node_id, NodeState(one.state), result=one.result) for one in self.nodes}
        for node in wiring.graph.nodes:
            rows.setdefault(node.id, Row(node.id))
        board = Board(wiring, rows, self.created_at)
        control = {id(edge) for edges in wiring.control_in.values() for edge in edges}
        taken: list[bool | None] = []
        for edge in wiring.graph.edges:
            if id(edge) in control:
                taken.append(board.taken(edge))
            else:
                ends = rows[edge.source], rows[edge.target]
                is_read = all(row.state not in (NodeState.PENDING, NodeState.SKIPPED) for row in ends)
                taken.append(is_read if is_read or all(row.is_over for row in ends) else None)
        return taken


#: The columns of a run, in the order of its fields.
_NAMES: Final = tuple(name for name in RunView.__slots__ if name not in {"nodes", "sizes", "content"})


def _view(row: SqlRow[Any]) -> RunView:
    return RunView(**{**dict(zip(_NAMES, row, strict=True)), "state": WorkflowState(row.state)})


async def get_run(tx: AsyncConnection, scope: SiteScope, run_id: int) -> RunView:
    """One run with its document and nodes; NotFoundError where there is none, or none for this reader."""
    asked = {"run": run_id, "sites": scope.as_list()}
    row = (await tx.execute(_ONE, asked)).one_or_none() if 0 < run_id < 2**63 else None
    if row is None:
        raise NotFoundError("There is no such run of a workflow.", code="run_not_found")
    pinned = (row.workflow_id, row.revision)
    content = row.draft or (await store.documents(tx, [pinned]))[pinned]
    nodes = [NodeView(**one) for one in (await tx.execute(_NODES, asked)).mappings()]
    sizes = await sets.sizes(tx, run_id)
    return replace(_view(row), nodes=nodes, sizes=sizes, content=from_json(content))


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list; empty = all."""

    workflow_id: uuid.UUID | None = None
    states: Sequence[str] = ()
    parent_run_id: int | None = None


async def list_runs(
    tx: AsyncConnection, scope: SiteScope, wanted: RunFilter, *, limit: int, cursor: str | None
) -> Page[RunView]:
    """Newest first, without documents and nodes."""
    (below,) = decode_cursor(cursor, (int,)) if cursor is not None else (None,)
    values = {
        "sites": scope.as_list(),
        "workflow": wanted.workflow_id,
        "states": list(wanted.states) or None,
        "parent": wanted.parent_run_id,
        "below": below,
        "limit": limit + 1,
    }
    return page_of((await tx.execute(_LIST, values)).all(), limit, lambda row: (row.id,)).map(_view)


@dataclass(frozen=True, slots=True)
class OpenApproval:
    """What a person is asked."""

    run_id: int
    workflow_id: uuid.UUID
    workflow_name: str
    job_id: int | None
    job_name: str | None
    node_id: str
    started_at: datetime | None
    deadline_at: datetime | None
    message: str | None
    allowed_site_ids: Sequence[int] | None


async def open_approvals(
    tx: AsyncConnection, scope: SiteScope, *, limit: int, cursor: str | None
) -> Page[OpenApproval]:
    """What people are asked, the oldest run first."""
    after, node = decode_cursor(cursor, (int, str)) if cursor is not None else (None, "")
    values = {"sites": scope.as_list(), "after": after, "node": node, "limit": limit + 1}
    page = page_of((await tx.execute(_APPROVALS, values)).all(), limit, lambda row: (row.run_id, row.node_id))
    return page.map(lambda row: OpenApproval(*row))


@dataclass(frozen=True, slots=True)
class SetDevice:
    """A device of a set."""

    id: uuid.UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    is_online: bool


async def set_devices(
    tx: AsyncConnection, scope: SiteScope, run_id: int, place: tuple[str, str], *, limit: int, cursor: str | None
) -> Page[SetDevice]:
    """The devices of a set, by (node, port), in their order, those of the reader's sites."""
    (after,) = decode_cursor(cursor, (int,)) if cursor is not None else (0,)
    node, port = place
    values = {"run": run_id, "node": node, "port": port, "after": after, "sites": scope.as_list(), "limit": limit + 1}
    page = page_of((await tx.execute(_DEVICES, values)).all(), limit, lambda row: (row.place,))
    return page.map(lambda row: SetDevice(*row[:-1]))
