"""The SQL of the catalogue. Decides nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.assemblies.tables import assemblies, assembly_revisions
from watchbill.core.assembly_check import from_json
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.identity.tables import operators
from watchbill.kit.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True)
class Revision:
    """What one immutable revision of an assembly holds."""

    assembly_id: UUID
    revision: int
    draft: AssemblyDraft
    content_sha256: str
    created_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Assembly:
    """An assembly as it stands: its latest revision, who made it and when."""

    id: UUID
    revision: int
    draft: AssemblyDraft
    content_sha256: str
    created_by: str | None
    updated_by: str | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkflowUse:
    """A workflow that has an assembly as a node. `revisions`: those of the assembly that it runs; None = each new one."""

    id: UUID
    name: str
    revisions: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class AssemblyBrief:
    """An assembly in a list: everything but its script or graph. `definition` is the rest of its draft as JSON."""

    id: UUID
    revision: int
    definition: Mapping[str, Any]
    content_sha256: str
    created_by: str | None
    updated_by: str | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class AssemblyFilter:
    """Which assemblies a list shows: `q` is found in name or description, `archived` None = both."""

    q: str | None = None
    kind: str | None = None
    interpreter: str | None = None
    archived: bool | None = False


# A revision says "latest" of an assembly that it takes as it is when it runs.
_NODES = """
FROM assemblies a JOIN assembly_revisions r ON r.assembly_id = a.id AND r.revision = a.revision
CROSS JOIN LATERAL jsonb_array_elements(r.content->'workflow'->'nodes') AS n(node)
WHERE a.kind = 'workflow' AND a.archived_at IS NULL"""
_USING = text(f"""
SELECT a.id, a.name, array_agg(DISTINCT nullif(n.node->'settings'->>'revision', 'latest')::integer) AS revisions
{_NODES} AND n.node->'settings'->>'assembly_id' = :id
GROUP BY a.id, a.name ORDER BY lower(a.name), a.id
""")
_COUNT_USERS = text(f"""
SELECT (n.node->'settings'->>'assembly_id')::uuid AS id, count(DISTINCT a.id) AS number
{_NODES} AND n.node->'settings'->>'assembly_id' = ANY(CAST(:ids AS text[])) GROUP BY 1
""")
#: What lists leave out of a definition.
_BODIES: ColumnElement[Any] = literal_column("ARRAY['content', 'workflow']")

_CREATOR, _EDITOR = operators.alias("creator"), operators.alias("editor")


def _current(content: ColumnElement[Any] = assembly_revisions.c.content) -> Select[Any]:
    """Assemblies with their latest revision; `content` may be less than all of it."""
    revision = assembly_revisions.c
    is_latest = and_(revision.assembly_id == assemblies.c.id, revision.revision == assemblies.c.revision)
    return (
        select(
            assemblies.c.id,
            assemblies.c.revision,
            _CREATOR.c.username.label("created_by"),
            _EDITOR.c.username.label("updated_by"),
            assemblies.c.created_at,
            assemblies.c.updated_at,
            assemblies.c.archived_at,
            content.label("content"),
            revision.content_sha256,
            func.lower(assemblies.c.name).label("sort_name"),
        )
        .select_from(assemblies)
        .join(assembly_revisions, is_latest)
        .outerjoin(_CREATOR, _CREATOR.c.id == assemblies.c.created_by)
        .outerjoin(_EDITOR, _EDITOR.c.id == assemblies.c.updated_by)
    )


def _assembly(row: Row[Any]) -> Assembly:
    plain = {name: getattr(row, name) for name in Assembly.__slots__ if name != "draft"}
    return Assembly(draft=from_json(row.content), **plain)


def _brief(row: Row[Any]) -> AssemblyBrief:
    plain = {name: getattr(row, name) for name in AssemblyBrief.__slots__ if name != "definition"}
    return AssemblyBrief(definition=row.content, **plain)


def _revisions() -> Select[Any]:
    table = assembly_revisions.c
    return (
        select(
            table.assembly_id,
            table.revision,
            table.content,
            table.content_sha256,
            operators.c.username.label("created_by"),
            table.created_at,
        )
        .select_from(assembly_revisions)
        .outerjoin(operators, operators.c.id == table.created_by)
    )


def _revision(row: Row[Any]) -> Revision:
    plain = {name: getattr(row, name) for name in Revision.__slots__ if name != "draft"}
    return Revision(draft=from_json(row.content), **plain)


async def find(tx: AsyncConnection, assembly_id: UUID, *, for_update: bool = False) -> Assembly | None:
    query = _current().where(assemblies.c.id == assembly_id)
    if for_update:
        query = query.with_for_update(of=assemblies)
    row = (await tx.execute(query)).one_or_none()
    return _assembly(row) if row is not None else None


async def find_named(tx: AsyncConnection, names: Collection[str]) -> list[Assembly]:
    """Those in use with one of these names; case does not count."""
    lowered = [func.lower(name) for name in names]
    query = _current().where(func.lower(assemblies.c.name).in_(lowered), assemblies.c.archived_at.is_(None))
    return [_assembly(row) for row in await tx.execute(query)]


async def hold_many(tx: AsyncConnection, ids: Collection[UUID]) -> list[Assembly]:
    """Those with one of these ids; none of them is changed or archived before the transaction ends."""
    query = _current().where(assemblies.c.id.in_(ids)).order_by(assemblies.c.id)
    return [_assembly(row) for row in await tx.execute(query.with_for_update(of=assemblies, read=True))]


async def hold_name(tx: AsyncConnection, name: str) -> None:
    """Whoever gives an assembly this name waits here for the other: so that a look before the insert can be trusted."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('assembly ' || lower(:name), 0))"), {"name": name}
    )


async def list_page(
    tx: AsyncConnection, wanted: AssemblyFilter, *, limit: int, cursor: str | None
) -> Page[AssemblyBrief]:
    name = func.lower(assemblies.c.name)
    query = _filtered(_current(assembly_revisions.c.content.op("-")(_BODIES)), wanted)
    if cursor is not None:
        after, last = decode_cursor(cursor, (str, str))
        query = query.where(tuple_(name, func.cast(assemblies.c.id, Text)) > tuple_(literal(after), literal(last)))
    query = query.order_by(name, func.cast(assemblies.c.id, Text)).limit(limit + 1)
    rows = (await tx.execute(query)).all()
    return page_of(rows, limit, lambda row: (row.sort_name, str(row.id))).map(_brief)


def _filtered(query: Select[Any], wanted: AssemblyFilter) -> Select[Any]:
    if wanted.q:
        found = assemblies.c.name.icontains(wanted.q, autoescape=True)
        query = query.where(found | assemblies.c.description.icontains(wanted.q, autoescape=True))
    if wanted.kind is not None:
        query = query.where(assemblies.c.kind == wanted.kind)
    if wanted.interpreter is not None:
        query = query.where(assembly_revisions.c.content["interpreter"].astext == wanted.interpreter)
    if wanted.archived is not None:
        is_archived = assemblies.c.archived_at.is_not(None)
        query = query.where(is_archived if wanted.archived else ~is_archived)
    return query


async def insert_assembly(
    tx: AsyncConnection, assembly_id: UUID, draft: AssemblyDraft, *, operator_id: int | None, now: datetime
) -> None:
    row = {
        "id": assembly_id,
        "name": draft.name,
        "kind": draft.kind,
        "description": draft.description,
        "revision": 1,
        "created_by": operator_id,
        "updated_by": operator_id,
        "created_at": now,
        "updated_at": now,
    }
    await tx.execute(insert(assemblies).values(row))


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A revision to be written."""

    assembly_id: UUID
    revision: int
    draft: AssemblyDraft
    content_sha256: str
    operator_id: int | None
    now: datetime


async def insert_revision(tx: AsyncConnection, new: NewRevision) -> None:
    row = {
        "assembly_id": new.assembly_id,
        "revision": new.revision,
        "content": new.draft.to_json(),
        "content_sha256": new.content_sha256,
        "created_by": new.operator_id,
        "created_at": new.now,
    }
    await tx.execute(insert(assembly_revisions).values(row))


async def point_to(tx: AsyncConnection, new: NewRevision) -> None:
    """Make a new revision the current one."""
    change = update(assemblies).where(assemblies.c.id == new.assembly_id)
    await tx.execute(
        change.values(
            name=new.draft.name,
            description=new.draft.description,
            revision=new.revision,
            updated_by=new.operator_id,
            updated_at=new.now,
        )
    )


async def set_archived(
    tx: AsyncConnection, assembly_id: UUID, archived_at: datetime | None, *, operator_id: int | None, now: datetime
) -> None:
    change = update(assemblies).where(assemblies.c.id == assembly_id)
    await tx.execute(change.values(archived_at=archived_at, updated_by=operator_id, updated_at=now))


async def load_revisions(tx: AsyncConnection, wanted: Sequence[tuple[UUID, int]]) -> list[Revision]:
    if not wanted:
        return []
    table = assembly_revisions.c
    query = _revisions().where(tuple_(table.assembly_id, table.revision).in_(list(wanted)))
    return [_revision(row) for row in await tx.execute(query)]


async def list_revisions(tx: AsyncConnection, assembly_id: UUID, *, limit: int, cursor: str | None) -> Page[Revision]:
    """Newest first."""
    table = assembly_revisions.c
    query = _revisions().where(table.assembly_id == assembly_id)
    if cursor is not None:
        [before] = decode_cursor(cursor, (int,))
        query = query.where(table.revision < before)
    rows = (await tx.execute(query.order_by(table.revision.desc()).limit(limit + 1))).all()
    return page_of(rows, limit, lambda row: (row.revision,)).map(_revision)


async def using_assembly(tx: AsyncConnection, assembly_id: UUID) -> list[WorkflowUse]:
    """The workflows in use, as they stand, that have an assembly as a node."""
    rows = await tx.execute(_USING, {"id": str(assembly_id)})
    return [WorkflowUse(row.id, row.name, row.revisions) for row in rows]


async def count_users(tx: AsyncConnection, assembly_ids: Collection[UUID]) -> dict[UUID, int]:
    """In how many workflows each of these assemblies is a node; those of none are left out."""
    rows = await tx.execute(_COUNT_USERS, {"ids": [str(one) for one in assembly_ids]})
    return {row.id: row.number for row in rows}
