"""SQL of the agent's packages. Decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, delete, exists, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.agent_packages.tables import agent_package_chunks, agent_packages
from watchbill.kit.db import LOCK_SPACE

_PUBLISHING_LOCK = 36
_LOCK = text("SELECT pg_advisory_xact_lock(:space, :lock)")
#: Bytes of a stored chunk; only the last one of a content may have fewer.
CHUNK_BYTES: Final = 1024 * 1024
_COLUMNS = tuple(column for column in agent_packages.c if column.name != "version_key")


@dataclass(frozen=True, slots=True)
class Package:
    """One version for one platform on one branch. `manifest` is what `signature` was made over, by the Engine's key `key_id`."""

    id: int
    branch: str
    platform: str
    arch: str
    version: str
    size: int
    sha256: str
    manifest: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    key_id: str
    glibc: str | None
    built_at: datetime
    published_at: datetime
    published_by: str
    withdrawn_at: datetime | None
    withdrawn_by: str | None


def _package(row: RowMapping) -> Package:
    return Package(**row)


async def hold(tx: AsyncConnection) -> None:
    """One change of what is published at a time."""
    await tx.execute(_LOCK, {"space": LOCK_SPACE, "lock": _PUBLISHING_LOCK})


async def find(tx: AsyncConnection, package_id: int) -> Package | None:
    row = (await tx.execute(select(*_COLUMNS).where(agent_packages.c.id == package_id))).mappings().one_or_none()
    return _package(row) if row else None


async def find_version(tx: AsyncConnection, branch: str, platform: str, arch: str, version: str) -> Package | None:
    c = agent_packages.c
    query = select(*_COLUMNS).where(c.branch == branch, c.platform == platform, c.arch == arch, c.version == version)
    row = (await tx.execute(query)).mappings().one_or_none()
    return _package(row) if row else None


async def newest(tx: AsyncConnection, branch: str, platform: str, arch: str) -> Package | None:
    c = agent_packages.c
    query = select(*_COLUMNS).where(
        c.branch == branch, c.platform == platform, c.arch == arch, c.withdrawn_at.is_(None)
    )
    row = (await tx.execute(query.order_by(c.version_key.desc(), c.id.desc()).limit(1))).mappings().one_or_none()
    return _package(row) if row else None


async def page(tx: AsyncConnection, branch: str | None, before: int | None, limit: int) -> Sequence[Package]:
    c = agent_packages.c
    query = select(*_COLUMNS).order_by(c.id.desc()).limit(limit)
    if branch is not None:
        query = query.where(c.branch == branch)
    if before is not None:
        query = query.where(c.id < before)
    return [_package(row) for row in (await tx.execute(query)).mappings()]


async def offered(tx: AsyncConnection) -> Sequence[tuple[str, str, str]]:
    """(branch, platform, architecture) of everything that can be had."""
    c = agent_packages.c
    query = select(c.branch, c.platform, c.arch).where(c.withdrawn_at.is_(None)).distinct()
    return [
        (row.branch, row.platform, row.arch) for row in await tx.execute(query.order_by(c.branch, c.platform, c.arch))
    ]


async def put(tx: AsyncConnection, values: Mapping[str, object]) -> int:
    return int((await tx.execute(insert(agent_packages).values(values).returning(agent_packages.c.id))).scalar_one())


async def forget(tx: AsyncConnection, package_id: int) -> None:
    await tx.execute(delete(agent_packages).where(agent_packages.c.id == package_id))


async def withdraw(tx: AsyncConnection, package_id: int, by: str, now: datetime) -> None:
    own = agent_packages.c.id == package_id
    await tx.execute(update(agent_packages).where(own).values(withdrawn_at=now, withdrawn_by=by))


async def put_chunk(tx: AsyncConnection, sha256: str, position: int, data: bytes) -> None:
    given = {"sha256": sha256, "position": position, "data": data}
    await tx.execute(upsert(agent_package_chunks).values(given).on_conflict_do_nothing())


async def chunk(tx: AsyncConnection, sha256: str, position: int) -> bytes | None:
    c = agent_package_chunks.c
    query = select(c.data).where(c.sha256 == sha256, c.position == position)
    found: bytes | None = (await tx.execute(query)).scalar_one_or_none()
    return found


async def stored_bytes(tx: AsyncConnection, sha256: str) -> int:
    c = agent_package_chunks.c
    query = select(func.coalesce(func.sum(func.length(c.data)), 0)).where(c.sha256 == sha256)
    return int((await tx.execute(query)).scalar_one())


async def drop_unused(tx: AsyncConnection, sha256: str) -> None:
    """The content goes when nothing that can be had is made of it."""
    c = agent_packages.c
    is_used = exists().where(c.sha256 == sha256, c.withdrawn_at.is_(None))
    await tx.execute(delete(agent_package_chunks).where(agent_package_chunks.c.sha256 == sha256, ~is_used))
