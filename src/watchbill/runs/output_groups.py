"""Reading: outputs of an occurrence that are the same, with how many devices wrote them. Every query carries the reader's site scope.

Of each device its last execution counts: the one that its row shows. The same are two when what is stored of both streams, their true
sizes, the outcome and the exit code are; nothing is normalised, not even blanks at the end.
"""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, LargeBinary, Row, Select, and_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.identity import SiteScope
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.output_texts import text_of
from watchbill.runs.tables import executions, run_targets, runs

#: Characters of each stream that a group shows.
SAMPLE: Final = 2000
#: The name of those that ended before outputs were compared.
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class OutputGroup:
    """Devices that wrote the same. `name` is that of the output; a sample of no output is empty."""

    name: str
    devices: int
    outcome: str | None
    exit_code: int | None
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    #: One of them; its output is that of all.
    execution_id: uuid.UUID
    stdout: str
    stderr: str


async def output_groups(
    tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID, *, limit: int, cursor: str | None = None
) -> Page[OutputGroup]:
    """The largest first."""
    rows = (await tx.execute(_grouped(scope, occurrence_id, limit, cursor))).all()
    page = page_of(rows, limit, lambda row: (row.devices, row.name))
    keys = sorted({(row.run_id, bytes(row.output_hash)) for row in page.items if row.output_hash is not None})
    texts = await text_of(tx, keys, characters=SAMPLE)
    return page.map(lambda row: _group(row, texts))


def _last(scope: SiteScope, occurrence_id: uuid.UUID) -> Select[Any]:
    """The last execution of each device, of those that have ended."""
    table = executions.c
    mine = select(runs.c.id).where(runs.c.occurrence_id == occurrence_id)
    return (
        select(table.run_id, table.id, table.state, table.outcome, table.exit_code, table.output_hash)
        .add_columns(table.stdout_bytes, table.stderr_bytes, table.truncated)
        .ext(distinct_on(table.run_id, table.target_id))
        .where(table.run_id.in_(mine), scope.clause(table.site_id))
        .order_by(table.run_id, table.target_id, table.attempt.desc(), table.component.desc())
    )


def _grouped(scope: SiteScope, occurrence_id: uuid.UUID, limit: int, cursor: str | None) -> Select[Any]:
    last = _last(scope, occurrence_id).cte("last").prefix_with("MATERIALIZED", dialect="postgresql")
    number = func.count().label("devices")
    name = func.coalesce(func.encode(last.c.output_hash, "hex"), UNKNOWN)
    # Of those that are not compared nothing else is the same.
    first = func.min
    query = (
        select(name.label("name"), last.c.output_hash, number, first(last.c.run_id).label("run_id"))
        .add_columns(first(last.c.outcome).label("outcome"), first(last.c.exit_code).label("exit_code"))
        .add_columns(first(last.c.stdout_bytes).label("stdout_bytes"), first(last.c.stderr_bytes).label("stderr_bytes"))
        .add_columns(func.bool_or(last.c.truncated).label("truncated"), func.array_agg(last.c.id)[1].label("sample"))
        .where(last.c.state == "finished")
        .group_by(last.c.output_hash)
        .order_by(number.desc(), name)
        .limit(limit + 1)
    )
    if cursor is not None:
        devices, after = decode_cursor(cursor, (int, str))
        query = query.having(or_(func.count() < devices, and_(func.count() == devices, name > after)))
    return query


def _group(row: Row[Any], texts: dict[tuple[int, bytes], tuple[str, str]]) -> OutputGroup:
    is_known = row.output_hash is not None
    stdout, stderr = texts.get((row.run_id, bytes(row.output_hash)), ("", "")) if is_known else ("", "")
    return OutputGroup(
        name=row.name,
        devices=row.devices,
        outcome=row.outcome if is_known else None,
        exit_code=row.exit_code if is_known else None,
        stdout_bytes=row.stdout_bytes,
        stderr_bytes=row.stderr_bytes,
        truncated=row.truncated,
        execution_id=row.sample,
        stdout=stdout,
        stderr=stderr,
    )


def in_group(occurrence_id: uuid.UUID, name: str) -> ColumnElement[bool]:
    """A condition on target rows of an occurrence: their last execution wrote the output of that name."""
    table, later = executions.c, executions.alias("later").c
    same = table.output_hash.is_(None) if name == UNKNOWN else table.output_hash == literal(hash_of(name), LargeBinary)
    after = select(later.id).where(
        later.run_id == table.run_id,
        later.target_id == table.target_id,
        or_(later.attempt > table.attempt, and_(later.attempt == table.attempt, later.component > table.component)),
    )
    members = select(table.target_id).where(
        table.run_id.in_(select(runs.c.id).where(runs.c.occurrence_id == occurrence_id)),
        table.state == "finished",
        same,
        ~after.exists(),
    )
    return run_targets.c.id.in_(members)


def hash_of(name: str) -> bytes:
    try:
        found = bytes.fromhex(name)
    except ValueError:
        found = b""
    if len(found) != 32:
        problem = Problem(
            "output", "invalid", f"must be the name of a group of outputs: 64 hexadecimal digits, or `{UNKNOWN}`"
        )
        raise InvalidError.of([problem], what="The request")
    return found
