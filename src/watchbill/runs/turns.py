"""Turns: who waits behind whom, and how gateways hear of it. Whatever gets out of the way rings for those behind it, in its own
transaction; nothing here decides who goes first.

A row that others were found to wait for is marked, under its lock. So either whoever ends it sees the mark and rings, or whoever
marks it sees that it has ended: no turn is lost, and where nobody waits nobody asks.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import queue
from watchbill.queue import Lane, NewItem

#: NOTIFY channel of all gateways, for what may have become ready on any of them; the payload is a run id, a job, or "" = everything.
GATEWAYS = "watchbill_gateways"
#: NOTIFY channel of the site workers that run playbooks: something of theirs is to be stopped.
PLAYBOOKS = "watchbill_playbooks"
#: NOTIFY channel of the reapers, for a bound that comes soon.
BOUNDS = "watchbill_bounds"

_DEVICES, _JOB = "devices:", "job:"
#: A payload has less than 8,000 bytes.
_DEVICES_IN_ONE = 200

# In a statement of its own: the next one sees what the last owners of these rows have committed.
_LOCK = text("SELECT id FROM run_targets WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_MARK = text("""
WITH standing AS (
  SELECT id, run_id, is_awaited FROM run_targets WHERE id = ANY(:ids) AND deadline_at IS NOT NULL
    AND (starts_at IS NULL OR starts_at <= :now OR released_at IS NULL OR state NOT IN ('pending', 'waiting_online'))
), marked AS (
  UPDATE run_targets t SET is_awaited = true FROM standing s WHERE t.id = s.id AND t.run_id = s.run_id AND NOT s.is_awaited
)
SELECT count(*) FROM standing
""")

# Runs of the whole job at a time may wait on any gateway; devices on the one that holds them.
_WHO_WAITS = text("""
SELECT p.gateway_id, p.device_id, CAST(NULL AS bigint) AS job_id FROM device_presence p
WHERE p.device_id = ANY(:devices) AND p.gateway_id IS NOT NULL
UNION ALL
SELECT NULL, NULL, j.job_id FROM unnest(CAST(:jobs AS bigint[])) AS j(job_id)
WHERE EXISTS (SELECT FROM occurrences o JOIN runs r ON r.occurrence_id = o.id AND r.exclusivity = 'job'
  WHERE o.job_id = j.job_id AND o.state = 'open')
ORDER BY 1, 2, 3
""")
_PLAYBOOKS_BEHIND = text("""
SELECT DISTINCT t.run_id, t.site_id FROM run_targets t JOIN runs r ON r.id = t.run_id AND r.kind = 'playbook'
WHERE t.job_id = ANY(:jobs) AND t.deadline_at IS NOT NULL AND t.state IN ('pending', 'waiting_online') AND t.released_at IS NOT NULL
ORDER BY 1, 2
""")
_RING = text(
    "SELECT pg_notify(channel, payload) FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS r(channel, payload)"
)


def gateway_channel(gateway_id: uuid.UUID) -> str:
    """NOTIFY channel of one gateway; the payload is a run id to look into, devices to look at, or "cancel"."""
    return f"watchbill_gateway_{gateway_id.hex}"


def devices_in(payload: str) -> list[uuid.UUID] | None:
    """The devices that a gateway's payload names; None when it says something else."""
    if not payload.startswith(_DEVICES):
        return None
    return [uuid.UUID(part) for part in payload.removeprefix(_DEVICES).split(",")]


def job_in(payload: str) -> int | None:
    """The job of which a run may go now; None when the payload says something else."""
    return int(payload.removeprefix(_JOB)) if payload.startswith(_JOB) else None


async def await_turn(tx: AsyncConnection, target_ids: Collection[int], now: datetime) -> bool:
    """Mark rows that others wait for; False when some of them is out of the way already, so that it is worth to look again.

    To be called in a transaction that holds no other locks: it waits for whoever is changing these rows.
    """
    ids = sorted(set(target_ids))
    await tx.execute(_LOCK, {"ids": ids})
    standing: int = (await tx.execute(_MARK, {"ids": ids, "now": now})).scalar_one()
    return standing == len(ids)


async def ring(tx: AsyncConnection, freed: Sequence[tuple[int, uuid.UUID]], now: datetime) -> None:
    """Rows of these (job, device) pairs got out of the way: wake the gateways where something may wait behind them."""
    jobs = sorted({job for job, _ in freed})
    values = {"jobs": jobs, "devices": sorted({device for _, device in freed})}
    devices: dict[uuid.UUID, list[uuid.UUID]] = {}
    told: list[tuple[str, str]] = []
    for row in await tx.execute(_WHO_WAITS, values):
        if row.job_id is None:
            devices.setdefault(row.gateway_id, []).append(row.device_id)
        else:
            told.append((GATEWAYS, f"{_JOB}{row.job_id}"))
    await _tell(tx, [*told, *_in_payloads(devices)])
    await _queue(tx, jobs, now)


async def _queue(tx: AsyncConnection, job_ids: Sequence[int], now: datetime) -> None:
    """Playbooks that wait behind others have nobody who waits with them: their work is queued again."""
    rows = await tx.execute(_PLAYBOOKS_BEHIND, {"jobs": job_ids})
    await queue.put_unless_queued(tx, [NewItem(row.run_id, row.site_id, Lane.PLAYBOOKS) for row in rows], now)


async def ring_devices(tx: AsyncConnection, held: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """Something may go on these devices now: wake the gateways that hold them, given as (gateway, device) pairs."""
    devices: dict[uuid.UUID, list[uuid.UUID]] = {}
    for gateway_id, device_id in held:
        devices.setdefault(gateway_id, []).append(device_id)
    await _tell(tx, _in_payloads(devices))


def _in_payloads(devices: Mapping[uuid.UUID, Sequence[uuid.UUID]]) -> list[tuple[str, str]]:
    return [
        (
            gateway_channel(gateway_id),
            _DEVICES + ",".join(device.hex for device in held[begin : begin + _DEVICES_IN_ONE]),
        )
        for gateway_id, held in devices.items()
        for begin in range(0, len(held), _DEVICES_IN_ONE)
    ]


async def _tell(tx: AsyncConnection, told: Sequence[tuple[str, str]]) -> None:
    if told:
        await tx.execute(_RING, {"channels": [one for one, _ in told], "payloads": [one for _, one in told]})
