"""Who is signed in on devices, as they tell it: at each connection, and whenever it changes. Only what a device's present connection
says counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_TELLS = text("""
UPDATE device_presence p SET tells_sessions = g.tells
FROM unnest(CAST(:connections AS uuid[]), CAST(:devices AS uuid[]), CAST(:tells AS boolean[])) AS g(connection_id, device_id, tells)
WHERE p.device_id = g.device_id AND p.connection_id = g.connection_id AND p.tells_sessions <> g.tells
""")

_PRESENT = text("""
SELECT p.device_id FROM unnest(CAST(:connections AS uuid[]), CAST(:devices AS uuid[])) AS g(connection_id, device_id)
JOIN device_presence p ON p.device_id = g.device_id AND p.connection_id = g.connection_id
""")

_OVER = text("""
WITH over AS (
  SELECT s.device_id, s.session_id FROM device_sessions s
  WHERE s.device_id = ANY(:present) AND NOT EXISTS (
    SELECT FROM unnest(CAST(:devices AS uuid[]), CAST(:ids AS text[])) AS g(device_id, session_id)
    WHERE g.device_id = s.device_id AND g.session_id = s.session_id)
  ORDER BY s.device_id, s.session_id FOR UPDATE
)
DELETE FROM device_sessions s USING over o WHERE s.device_id = o.device_id AND s.session_id = o.session_id
""")

_PUT = text("""
INSERT INTO device_sessions AS s (device_id, session_id, user_name, place, is_remote, since_at)
SELECT * FROM unnest(CAST(:devices AS uuid[]), CAST(:ids AS text[]), CAST(:users AS text[]), CAST(:places AS text[]),
  CAST(:remote AS boolean[]), CAST(:since AS timestamptz[])) AS g(device_id, session_id, user_name, place, is_remote, since_at)
ORDER BY 1, 2
ON CONFLICT (device_id, session_id) DO UPDATE SET user_name = excluded.user_name, place = excluded.place,
  is_remote = excluded.is_remote, since_at = excluded.since_at
  WHERE (s.user_name, s.place, s.is_remote, s.since_at)
    IS DISTINCT FROM (excluded.user_name, excluded.place, excluded.is_remote, excluded.since_at)
RETURNING s.device_id
""")

_OF = text("""
SELECT s.session_id, s.user_name, s.place, s.is_remote, s.since_at FROM device_presence p
LEFT JOIN device_sessions s ON s.device_id = p.device_id
WHERE p.device_id = :device_id AND p.tells_sessions ORDER BY s.since_at, s.session_id
""")


@dataclass(frozen=True, slots=True)
class UserSession:
    """One session of a person on a device. `place`: a terminal or a screen, as the device names it."""

    id: str
    user: str
    place: str | None
    is_remote: bool
    since_at: datetime | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a device told over one of its connections; None = its agent does not know of sessions."""

    device_id: UUID
    connection_id: UUID
    sessions: Sequence[UserSession] | None


async def greeted(tx: AsyncConnection, told: Sequence[SignedIn]) -> None:
    """What newcomers said at once. Their presence is written in the same transaction, before."""
    if not told:
        return
    tells = [one.sessions is not None for one in told]
    await tx.execute(_TELLS, {**_connections(told), "tells": tells})
    await changed(tx, told)


async def changed(tx: AsyncConnection, told: Sequence[SignedIn]) -> set[UUID]:
    """Store it; returns the devices on which a session is new or another. Of several reports of one device the last counts."""
    last = {one.device_id: one for one in told}
    rows = await tx.execute(_PRESENT, _connections(list(last.values()))) if last else ()
    present = [row.device_id for row in rows]
    columns = _columns({device_id: last[device_id].sessions or () for device_id in present})
    if present:
        await tx.execute(_OVER, {"present": present, "devices": columns["devices"], "ids": columns["ids"]})
    return set((await tx.execute(_PUT, columns)).scalars()) if columns["ids"] else set()


async def sessions_of(tx: AsyncConnection, device_id: UUID) -> list[UserSession] | None:
    """Who is signed in on a device, or was when it went offline; None = its agent does not tell."""
    rows = (await tx.execute(_OF, {"device_id": device_id})).all()
    return [UserSession(*row) for row in rows if row.session_id is not None] if rows else None


def _connections(told: Sequence[SignedIn]) -> dict[str, list[UUID]]:
    return {"connections": [one.connection_id for one in told], "devices": [one.device_id for one in told]}


def _columns(sessions: Mapping[UUID, Sequence[UserSession]]) -> dict[str, list[Any]]:
    rows = [(device_id, one) for device_id, some in sessions.items() for one in {one.id: one for one in some}.values()]
    return {
        "devices": [device_id for device_id, _ in rows],
        "ids": [one.id for _, one in rows],
        "users": [one.user for _, one in rows],
        "places": [one.place for _, one in rows],
        "remote": [one.is_remote for _, one in rows],
        "since": [one.since_at for _, one in rows],
    }
