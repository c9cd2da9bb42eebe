"""Limits on failed attempts, kept in the database so that every api process counts together. Fixed windows."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.tables import rate_limits


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` attempts in `window` for each subject of a bucket."""

    bucket: str
    most: int
    window: timedelta

    def _retry_after(self, window_started_at: datetime, now: datetime) -> int:
        return max(1, math.ceil((window_started_at + self.window - now).total_seconds()))

    async def hit(self, tx: AsyncConnection, subject: str, now: datetime) -> int | None:
        """Count one attempt; the seconds to wait when it was one too many."""
        fresh = insert(rate_limits).values(bucket=self.bucket, subject=subject, window_started_at=now, hits=1)
        is_over = rate_limits.c.window_started_at <= now - self.window
        counted = fresh.on_conflict_do_update(
            index_elements=[rate_limits.c.bucket, rate_limits.c.subject],
            set_={
                "hits": case((is_over, 1), else_=rate_limits.c.hits + 1),
                "window_started_at": case((is_over, now), else_=rate_limits.c.window_started_at),
            },
        ).returning(rate_limits.c.hits, rate_limits.c.window_started_at)
        row = (await tx.execute(counted)).one()
        return self._retry_after(row.window_started_at, now) if row.hits > self.most else None

    async def blocked_for(self, tx: AsyncConnection, subject: str, now: datetime) -> int | None:
        """The seconds to wait when the attempts are used up; counts nothing."""
        query = select(rate_limits.c.hits, rate_limits.c.window_started_at).where(
            rate_limits.c.bucket == self.bucket,
            rate_limits.c.subject == subject,
            rate_limits.c.window_started_at > now - self.window,
        )
        row = (await tx.execute(query)).one_or_none()
        return self._retry_after(row.window_started_at, now) if row and row.hits >= self.most else None

    async def forgive(self, tx: AsyncConnection, subject: str) -> None:
        """Start again with nothing counted."""
        await tx.execute(
            delete(rate_limits).where(rate_limits.c.bucket == self.bucket, rate_limits.c.subject == subject)
        )

    async def take_back(self, tx: AsyncConnection, subject: str) -> None:
        """The attempt just counted was a good one."""
        await tx.execute(
            rate_limits.update()
            .where(rate_limits.c.bucket == self.bucket, rate_limits.c.subject == subject, rate_limits.c.hits > 0)
            .values(hits=rate_limits.c.hits - 1)
        )


async def prune(tx: AsyncConnection, now: datetime) -> None:
    """Forget windows of a day ago; no limit has a longer one."""
    await tx.execute(delete(rate_limits).where(rate_limits.c.window_started_at < now - timedelta(days=1)))
