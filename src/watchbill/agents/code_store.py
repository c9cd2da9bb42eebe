"""SQL of enrolment codes that are for one machine and one use. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_ISSUE = text("""
INSERT INTO enrolment_codes (code_hash, site_id, onboarding_target_id, created_at, expires_at)
VALUES (:code_hash, :site_id, :target_id, :now, :expires_at)
""")
_WITHDRAW = text("DELETE FROM enrolment_codes WHERE onboarding_target_id = ANY(:target_ids) AND used_at IS NULL")
# A second use by the same key is the same machine that did not hear the answer.
_USE = text("""
UPDATE enrolment_codes SET used_at = coalesce(used_at, :now), used_by = :key
WHERE code_hash = :code_hash AND expires_at > :now AND (used_at IS NULL OR used_by = :key)
RETURNING site_id, onboarding_target_id
""")
_FIND = text(
    "SELECT site_id FROM enrolment_codes WHERE code_hash = :code_hash AND expires_at > :now AND used_at IS NULL"
)


_WITHDRAW_REQUESTS = text("""
UPDATE enrolment_requests SET state = 'denied', reason = :why, decided_at = :now, onboarding_target_id = NULL
WHERE onboarding_target_id = ANY(CAST(:target_ids AS bigint[])) AND state = 'pending' RETURNING id, site_id
""")


@dataclass(frozen=True, slots=True)
class Use:
    """What a code was for."""

    site_id: int
    onboarding_target_id: int


async def issue(
    tx: AsyncConnection, code_hash: bytes, *, site_id: int, target_id: int, now: datetime, expires_at: datetime
) -> None:
    """Keep a new code for a target; the ones before it that nobody used are good no more."""
    await tx.execute(_WITHDRAW, {"target_ids": [target_id]})
    values = {"code_hash": code_hash, "site_id": site_id, "target_id": target_id, "now": now, "expires_at": expires_at}
    await tx.execute(_ISSUE, values)


async def use(tx: AsyncConnection, code_hash: bytes, key: bytes, now: datetime) -> Use | None:
    """Use a code up for a machine's key; None where it is not good."""
    row = (await tx.execute(_USE, {"code_hash": code_hash, "key": key, "now": now})).one_or_none()
    return Use(row.site_id, row.onboarding_target_id) if row else None


async def withdraw(tx: AsyncConnection, target_ids: Sequence[int], why: str, now: datetime) -> list[tuple[UUID, int]]:
    """Take back codes that nobody used, and requests that nobody decided about; which ones (id, site)."""
    await tx.execute(_WITHDRAW, {"target_ids": list(target_ids)})
    values = {"target_ids": list(target_ids), "why": why, "now": now}
    return [(row.id, row.site_id) for row in await tx.execute(_WITHDRAW_REQUESTS, values)]


async def site_of(tx: AsyncConnection, code_hash: bytes, now: datetime) -> int | None:
    """The site of a code that may still be used."""
    found: int | None = (await tx.execute(_FIND, {"code_hash": code_hash, "now": now})).scalar_one_or_none()
    return found
