"""Reading: where the device rows of an occurrence are in their list, so that a reader can go to any place of it without all before.

Rows are ordered by host name, which is frozen with them: without a filter by state or verdict a place never moves. Every query
carries the reader's site scope.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, Row, Select, any_, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.retargeting import FAILED
from watchbill.identity.actor import SiteScope
from watchbill.kit.paging import encode_cursor
from watchbill.runs.device_rows import RowFilter, conditions_of, run_ids_of
from watchbill.runs.tables import run_targets

Step = Literal["here", "next", "previous"]

_HOST: Final = func.lower(run_targets.c.hostname)
_PLACE: Final = (_HOST, run_targets.c.id)


@dataclass(frozen=True, slots=True)
class Places:
    """How many rows there are, and the cursor of each page of `every` rows; that of the first is None."""

    total: int
    every: int
    cursors: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Place:
    """A row, and how many are before it."""

    target_id: int
    place: int


async def device_places(
    tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID, wanted: RowFilter, *, every: int
) -> Places:
    """Where each page of a list of device rows begins. One look at all rows of the occurrence, by the index of their order."""
    mine = await _mine(tx, scope, occurrence_id, wanted)
    number = func.row_number().over(order_by=_PLACE).label("number")
    rows = mine.add_columns(number, func.count().over().label("total")).subquery()
    ends = select(rows).where(or_(rows.c.number % every == 0, rows.c.number == rows.c.total)).order_by(rows.c.number)
    found = (await tx.execute(ends)).all()
    total = found[-1].total if found else 0
    return Places(total, every, [None, *(encode_cursor((row.host, row.id)) for row in found if row.number < total)])


async def device_place(
    tx: AsyncConnection,
    scope: SiteScope,
    occurrence_id: uuid.UUID,
    wanted: RowFilter,
    target_id: int | None,
    step: Step,
) -> Place | None:
    """The place of a row; or of the next or previous one after it, or from an end of the list on, that failed, and which that is."""
    mine = await _mine(tx, scope, occurrence_id, wanted)
    here = None
    if target_id is not None:
        here = (await tx.execute(mine.where(run_targets.c.id == target_id))).one_or_none()
    found = here if step == "here" else (await tx.execute(_failed(mine, here, step))).one_or_none()
    if found is None:
        return None
    before = mine.where(tuple_(*_PLACE) < _literal(found)).subquery()
    number = (await tx.execute(select(func.count()).select_from(before))).scalar_one()
    return Place(found.id, number)


async def _mine(tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID, wanted: RowFilter) -> Select[Any]:
    table = run_targets.c
    return select(_HOST.label("host"), table.id).where(
        table.run_id == any_(literal(await run_ids_of(tx, occurrence_id), ARRAY(BigInteger))),
        table.occurrence_id == occurrence_id,
        scope.clause(table.site_id),
        *conditions_of(wanted, occurrence_id),
    )


def _failed(mine: Select[Any], here: Row[Any] | None, step: Step) -> Select[Any]:
    failed = mine.where(run_targets.c.state.in_([str(one) for one in sorted(FAILED)])).limit(1)
    if step == "previous":
        rest = failed if here is None else failed.where(tuple_(*_PLACE) < _literal(here))
        return rest.order_by(*(one.desc() for one in _PLACE))
    rest = failed if here is None else failed.where(tuple_(*_PLACE) > _literal(here))
    return rest.order_by(*_PLACE)


def _literal(row: Row[Any]) -> Any:
    return tuple_(literal(row.host), literal(row.id))
