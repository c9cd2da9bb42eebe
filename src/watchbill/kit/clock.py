"""Time. The database's clock is the Engine's clock: read once a step, passed down as `now`; SQL never calls now() itself.

`offset` shifts it as a whole, for rehearsals and tests.
"""

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


def rfc3339(instant: datetime) -> str:
    """An instant as the API and the wire write it: UTC, `Z`, microseconds only when there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
