"""SQL of the credentials of jobs: who signs in with which, and whose is locked. Decides nothing."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, Select, Uuid, and_, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.credentials.tables import credentials
from watchbill.devices.tables import devices
from watchbill.filters import Use
from watchbill.jobs.tables import jobs


def is_locking() -> ColumnElement[bool]:
    """Whether a row of `credentials` is the one that a row of `jobs` signs in with, and is locked.

    Of several that are tried in order one may be locked: the others are tried.
    """
    return and_(credentials.c.id == jobs.c.credential_id, func.cardinality(credentials.c.lost) > 0)


async def devices_at(tx: AsyncConnection, site_id: int, ids: Collection[UUID]) -> frozenset[UUID]:
    """Of these devices those that are in a site."""
    wanted = devices.c.id == any_(literal(list(ids), ARRAY(Uuid)))
    query = select(devices.c.id).where(wanted, devices.c.site_id == literal(site_id, BigInteger))
    return frozenset((await tx.execute(query)).scalars())


async def using_credential(tx: AsyncConnection, credential_id: int, visible: Select[tuple[int]]) -> list[Use]:
    query = (
        select(jobs.c.id, jobs.c.name, jobs.c.id.in_(visible).label("is_visible"))
        .where(
            jobs.c.deleted_at.is_(None),
            or_(
                jobs.c.credential_id == literal(credential_id, BigInteger),
                jobs.c.credential_ids.contains([credential_id]),
            ),
        )
        .order_by(func.lower(jobs.c.name), jobs.c.id)
    )
    return [Use(row.id, row.name, row.is_visible, is_exclusion=False) for row in await tx.execute(query)]


async def locked_by(tx: AsyncConnection, job_ids: Collection[int]) -> dict[int, str]:
    """By job the name of its credential, where that is locked."""
    wanted = jobs.c.id == any_(literal(list(job_ids), ARRAY(BigInteger)))
    query = select(jobs.c.id, credentials.c.name).join(credentials, is_locking()).where(wanted)
    return {row.id: row.name for row in await tx.execute(query)}


async def hold_locked(tx: AsyncConnection) -> Sequence[Row[*tuple[Any, ...]]]:
    """The jobs that run, or will by themselves, although their credential is locked. Those that somebody else holds come next time."""
    query = (
        select(jobs.c.id, jobs.c.mark_at, credentials.c.name)
        .join(credentials, is_locking())
        .where(jobs.c.deleted_at.is_(None), or_(jobs.c.enabled, jobs.c.paused_until.is_not(None)))
        .order_by(jobs.c.id)
    )
    return (await tx.execute(query.with_for_update(skip_locked=True, of=jobs))).all()
