"""SQL of values: the current ones within a site scope, and their revisions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, insert, literal, or_, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.assembly_rules import Value
from watchbill.core.problems import Problem
from watchbill.core.variable_rules import Place, Scope
from watchbill.devices.tables import devices
from watchbill.identity import SiteScope
from watchbill.identity.tables import operators
from watchbill.kit.errors import ConflictError
from watchbill.sites.tables import sites
from watchbill.variables.tables import variable_ids, variable_values

_V = variable_values.c
#: Held while a value is added: two at once must not both find room.
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended('watchbill variables of ' || :place, 0))")


@dataclass(frozen=True, slots=True)
class VariableValue:
    """A value as it stands. A secret has no `value` here: only that it is set, and when."""

    id: int
    variable_id: int
    revision: int
    place: Place
    name: str
    description: str
    is_secret: bool
    value: Value | None
    set_at: datetime
    set_by: str | None
    site_name: str | None
    hostname: str | None
    #: The site that it belongs to, also by its device.
    of_site: int | None


@dataclass(frozen=True, slots=True)
class Used:
    """A value that a script was given, as it is still told: a secret was set, and when."""

    name: str
    place: Place
    revision: int
    is_secret: bool
    value: Value | None
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """Which values: of one scope, site or device, or with this text in their names."""

    scope: Scope | None = None
    site_id: int | None = None
    device_id: UUID | None = None
    q: str | None = None


def _visible(scope: SiteScope) -> ColumnElement[bool]:
    """What is for everything concerns everybody; the rest is for who sees the site."""
    is_for_all = and_(_V.site_id.is_(None), _V.device_id.is_(None))
    return or_(is_for_all, scope.clause(func.coalesce(_V.site_id, devices.c.site_id, 0)))


def _query(scope: SiteScope) -> Select[Any]:
    return (
        select(
            *(_V.id, _V.variable_id, _V.revision, _V.site_id, _V.device_id, _V.name, _V.description, _V.is_secret),
            *(_V.value, _V.set_at, operators.c.username.label("set_by"), sites.c.name.label("site_name")),
            *(devices.c.hostname, func.coalesce(_V.site_id, devices.c.site_id).label("of_site")),
        )
        .outerjoin(sites, sites.c.id == _V.site_id)
        .outerjoin(devices, devices.c.id == _V.device_id)
        .outerjoin(operators, operators.c.id == _V.set_by)
        .where(_V.ended_at.is_(None), _visible(scope))
    )


def _value(row: Mapping[str, Any]) -> VariableValue:
    rest = {name: value for name, value in row.items() if name not in ("site_id", "device_id")}
    return VariableValue(place=Place(row["site_id"], row["device_id"]), **rest)


async def find(tx: AsyncConnection, scope: SiteScope, variable_id: int) -> VariableValue | None:
    row = (await tx.execute(_query(scope).where(_V.variable_id == variable_id))).mappings().one_or_none()
    return _value(row) if row else None


async def hold(tx: AsyncConnection, variable_id: int) -> None:
    """Keep the current revision as it is until the transaction ends."""
    query = select(_V.id).where(_V.variable_id == variable_id, _V.ended_at.is_(None))
    await tx.execute(query.with_for_update())


async def list_page(
    tx: AsyncConnection, scope: SiteScope, wanted: Listed, *, after: tuple[str, int] | None, limit: int
) -> list[VariableValue]:
    query = _query(scope).order_by(_V.name, _V.variable_id).limit(limit)
    if wanted.scope is not None:
        query = query.where(
            _V.device_id.is_not(None) if wanted.scope is Scope.DEVICE else _V.device_id.is_(None),
            _V.site_id.is_not(None) if wanted.scope is Scope.SITE else _V.site_id.is_(None),
        )
    if wanted.site_id is not None:
        query = query.where(_V.site_id == wanted.site_id)
    if wanted.device_id is not None:
        query = query.where(_V.device_id == wanted.device_id)
    if wanted.q:
        query = query.where(_V.name.icontains(wanted.q, autoescape=True))
    if after is not None:
        query = query.where(tuple_(_V.name, _V.variable_id) > tuple_(literal(after[0]), literal(after[1])))
    return [_value(row) for row in (await tx.execute(query)).mappings()]


async def hold_place(tx: AsyncConnection, place: Place) -> int:
    """Let nobody else add a value there until the transaction ends; how many there are."""
    await tx.execute(_HOLD, {"place": f"{place.scope}:{place.site_id or place.device_id or ''}"})
    query = select(func.count()).where(
        _V.ended_at.is_(None),
        _V.site_id.is_not_distinct_from(place.site_id),
        _V.device_id.is_not_distinct_from(place.device_id),
    )
    return int((await tx.execute(query)).scalar_one())


async def next_id(tx: AsyncConnection) -> int:
    return int((await tx.execute(select(variable_ids.next_value()))).scalar_one())


async def insert_revision(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    try:
        async with tx.begin_nested():
            await tx.execute(insert(variable_values).values(values))
    except IntegrityError:
        taken = Problem("name", "name_taken", "has a value there already; change that one")
        raise ConflictError("This variable has a value there already.", code="name_taken", problems=[taken]) from None


async def end_current(tx: AsyncConnection, variable_id: int, now: datetime) -> None:
    """The current revision is over: a secret is forgotten with it."""
    current = update(variable_values).where(_V.variable_id == variable_id, _V.ended_at.is_(None))
    await tx.execute(current.values(ended_at=now, sealed=None))


async def names_among(tx: AsyncConnection, scope: SiteScope, names: Collection[str]) -> set[str]:
    """Those of these names that have a value which the reader sees."""
    query = _query(scope).where(_V.name.in_(sorted(names)))
    return {row["name"] for row in (await tx.execute(query)).mappings()}


async def revisions(tx: AsyncConnection, ids: Collection[int]) -> dict[int, Used]:
    """Values as they were, by the ids of their revisions; those that went with their site are missing."""
    columns = (_V.id, _V.name, _V.site_id, _V.device_id, _V.revision, _V.is_secret, _V.value, _V.set_at)
    rows = await tx.execute(select(*columns).where(_V.id.in_(sorted(ids))))
    return {
        row.id: Used(row.name, Place(row.site_id, row.device_id), row.revision, row.is_secret, row.value, row.set_at)
        for row in rows
    }


async def sealed(tx: AsyncConnection, variable_id: int | None = None) -> list[tuple[int, int, str]]:
    """Every secret that is kept, or that of one variable, held: row, variable, envelope."""
    query = select(_V.id, _V.variable_id, _V.sealed).where(_V.sealed.is_not(None)).order_by(_V.id).with_for_update()
    if variable_id is not None:
        query = query.where(_V.variable_id == variable_id)
    return [(row.id, row.variable_id, row.sealed) for row in await tx.execute(query)]


_RESEAL = text("""
UPDATE variable_values v SET sealed = n.sealed
FROM unnest(CAST(:ids AS bigint[]), CAST(:sealed AS text[])) AS n(id, sealed) WHERE v.id = n.id
""")


async def replace_sealed(tx: AsyncConnection, envelopes: Mapping[int, str]) -> None:
    if envelopes:
        await tx.execute(_RESEAL, {"ids": list(envelopes), "sealed": list(envelopes.values())})
