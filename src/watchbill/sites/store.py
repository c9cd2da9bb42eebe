"""SQL of sites. Decides nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, any_, delete, func, insert, literal, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from watchbill.core.problems import Problem
from watchbill.identity import SiteScope
from watchbill.kit.errors import ConflictError
from watchbill.sites.tables import sites


@dataclass(frozen=True, slots=True)
class Site:
    """A network place. The enrolment code is sealed; `sites.enrolment_code` opens it for those who may see it."""

    id: int
    name: str
    description: str
    timezone: str
    enrolment_code_sealed: str = field(repr=False)
    enrolment_code_hash: bytes = field(repr=False)
    enrolment_code_rotated_at: datetime
    auto_approve_until: datetime | None
    created_at: datetime
    updated_at: datetime

    def is_auto_approving(self, now: datetime) -> bool:
        return self.auto_approve_until is not None and now < self.auto_approve_until


def _site(row: RowMapping) -> Site:
    return Site(**row)


async def find(tx: AsyncConnection, site_id: int, scope: SiteScope) -> Site | None:
    query = select(sites).where(sites.c.id == site_id, scope.clause(sites.c.id))
    row = (await tx.execute(query)).mappings().one_or_none()
    return _site(row) if row else None


async def sealed_codes(tx: AsyncConnection) -> list[tuple[int, bytes, str]]:
    """(site, hash of its code, the code sealed), held."""
    query = select(sites.c.id, sites.c.enrolment_code_hash, sites.c.enrolment_code_sealed).order_by(sites.c.id)
    return [(row[0], row[1], row[2]) for row in await tx.execute(query.with_for_update())]


async def find_by_code(tx: AsyncConnection, code_hash: bytes) -> Site | None:
    row = (await tx.execute(select(sites).where(sites.c.enrolment_code_hash == code_hash))).mappings().one_or_none()
    return _site(row) if row else None


async def list_sites(
    tx: AsyncConnection, scope: SiteScope, *, q: str | None, after: tuple[str, int] | None, limit: int
) -> list[Site]:
    name = func.lower(sites.c.name)
    query = select(sites).where(scope.clause(sites.c.id)).order_by(name, sites.c.id).limit(limit)
    if q:
        query = query.where(
            or_(*(column.icontains(q, autoescape=True) for column in (sites.c.name, sites.c.description)))
        )
    if after is not None:
        query = query.where(tuple_(name, sites.c.id) > tuple_(func.lower(after[0]), literal(after[1])))
    return [_site(row) for row in (await tx.execute(query)).mappings()]


async def existing(tx: AsyncConnection, site_ids: Collection[int], scope: SiteScope) -> set[int]:
    wanted = literal(sorted(site_ids), ARRAY(BigInteger))
    query = select(sites.c.id).where(sites.c.id == any_(wanted), scope.clause(sites.c.id))
    return set((await tx.execute(query)).scalars())


_NAMED = text("""
SELECT n.name, s.id FROM unnest(CAST(:names AS text[])) n(name) JOIN sites s ON lower(s.name) = lower(n.name)
WHERE CAST(:sites AS bigint[]) IS NULL OR s.id = ANY(:sites)
""")


async def names_of(tx: AsyncConnection, site_ids: Collection[int], scope: SiteScope) -> dict[int, str]:
    """The names of these sites, as far as they are in the scope."""
    wanted = literal(sorted(site_ids), ARRAY(BigInteger))
    query = select(sites.c.id, sites.c.name).where(sites.c.id == any_(wanted), scope.clause(sites.c.id))
    return {row.id: row.name for row in await tx.execute(query)}


async def ids_named(tx: AsyncConnection, names: Collection[str], scope: SiteScope) -> dict[str, int]:
    """The sites in the scope with these names; case does not count."""
    rows = await tx.execute(_NAMED, {"names": list(names), "sites": scope.as_list()})
    return {row.name: row.id for row in rows}


async def insert_site(tx: AsyncConnection, values: Mapping[str, object]) -> int:
    try:
        async with tx.begin_nested():
            return int((await tx.execute(insert(sites).values(values).returning(sites.c.id))).scalar_one())
    except IntegrityError:
        raise _name_taken(values["name"]) from None


async def update_site(tx: AsyncConnection, site_id: int, values: Mapping[str, object]) -> None:
    try:
        async with tx.begin_nested():
            await tx.execute(update(sites).where(sites.c.id == site_id).values(values))
    except IntegrityError:
        raise _name_taken(values["name"]) from None


def _name_taken(name: object) -> ConflictError:
    taken = Problem("name", "taken", "must be a name that no other site has")
    return ConflictError(f"There is already a site called {name}.", code="site_name_taken", problems=[taken])


async def delete_site(tx: AsyncConnection, site_id: int) -> None:
    try:
        async with tx.begin_nested():
            await tx.execute(delete(sites).where(sites.c.id == site_id))
    except IntegrityError:
        detail = (
            "This site still has devices, jobs, windows, credentials or a history of runs; move or remove those first."
        )
        raise ConflictError(detail, code="site_in_use") from None
