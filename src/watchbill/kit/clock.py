"""Time. The database's clock is the Engine's clock: read once a step, passed down as `now`; SQL never calls now() itself.

`offset` shifts it as a whole, for rehearsals and tests.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_READ = text("SELECT clock_timestamp()")


@dataclass(frozen=True, slots=True)
class Clock:
    """The database clock plus `offset`."""

    offset: timedelta = timedelta()

    async def now(self, tx: AsyncConnection) -> datetime:
        """The present instant, aware, in UTC."""
        read: datetime = (await tx.execute(_READ)).scalar_one()
        return read.astimezone(UTC) + self.offset

    async def host_skew(self, tx: AsyncConnection) -> tuple[timedelta, timedelta]:
        """How far this host's clock is ahead of the database's, and how far off that may be: half of the way there and back.

        Only for telling people about it: nothing is decided by a host's clock.
        """
        before = _host_now()
        read: datetime = (await tx.execute(_READ)).scalar_one()
        after = _host_now()
        return before + (after - before) / 2 - read, (after - before) / 2


def host_seconds() -> float:
    """Seconds since 1970 by this host's clock: for the age of what this host itself has dated, and nothing else."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def _host_now() -> datetime:
    return datetime.fromtimestamp(host_seconds(), UTC)


def rfc3339(instant: datetime) -> str:
    """An instant as the API and the wire write it: UTC, `Z`, microseconds only when there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
