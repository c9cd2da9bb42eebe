"""The sign of life that goes out while schedulers do their work: asked of the database alone, sent by one of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity import Actor, Permission
from watchbill.kit.guarded_http import UNANSWERED, RefusedAddressError
from watchbill.notifications import network, webhook
from watchbill.notifications.values import Sent

#: A tick is felt at least every minute, and what is due is taken at once: beyond this something is wrong.
PATIENCE: Final = timedelta(minutes=3)

_CLAIM = text("""
UPDATE outbound_heartbeat SET next_at = :next WHERE next_at IS NULL OR next_at <= :now OR next_at > :next RETURNING id
""")
_STATE = text("""
SELECT h.next_at, h.last_success_at, h.last_failure_at, h.last_error, p.ticked_at,
  (SELECT min(next_due_at) FROM jobs WHERE enabled AND deleted_at IS NULL AND next_due_at IS NOT NULL) AS earliest_due
FROM outbound_heartbeat h CROSS JOIN scheduler_pulse p
""")
_NOTE = text("""
UPDATE outbound_heartbeat SET
  last_success_at = CASE WHEN :is_ok THEN CAST(:now AS timestamptz) ELSE last_success_at END,
  last_failure_at = CASE WHEN :is_ok THEN last_failure_at ELSE CAST(:now AS timestamptz) END,
  last_error = CASE WHEN :is_ok THEN NULL ELSE :error END
""")


@dataclass(frozen=True, slots=True)
class Life:
    """What the sign of life stands on. `why_not`: what is wrong when schedulers do not do their work."""

    next_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str | None
    why_not: str | None


async def life(tx: AsyncConnection, now: datetime) -> Life:
    row = (await tx.execute(_STATE)).one()
    why = None
    if row.ticked_at is None or row.ticked_at < now - PATIENCE:
        why = "No scheduler has ticked for three minutes."
    elif row.earliest_due is not None and row.earliest_due < now - PATIENCE:
        why = "A job has been due for three minutes, and no scheduler has taken it."
    return Life(row.next_at, row.last_success_at, row.last_failure_at, row.last_error, why)


async def get_life(tx: AsyncConnection, actor: Actor, now: datetime) -> Life:
    actor.require(Permission.READ)
    return await life(tx, now)


async def claim(tx: AsyncConnection, now: datetime, every: timedelta) -> bool:
    """Whether this scheduler is the one to send the sign that is due now."""
    return (await tx.execute(_CLAIM, {"now": now, "next": now + every})).one_or_none() is not None


async def ask(url: str) -> Sent:
    """Ask for the URL once. It is set by whoever runs the Engine, so it may lead anywhere."""
    try:
        answer = await network.request("GET", url, {"User-Agent": "Watchbill"}, allows_private=True)
    except (*UNANSWERED, OSError, RefusedAddressError) as error:
        return webhook.failure(error)
    is_ok = 200 <= answer.status < 300
    return Sent(is_ok=is_ok, sentence=f"The receiver answered with status {answer.status}.")


async def note(tx: AsyncConnection, sent: Sent, now: datetime) -> None:
    await tx.execute(_NOTE, {"is_ok": sent.is_ok, "error": sent.sentence, "now": now})
