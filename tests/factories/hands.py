"""A gateway's work done by hand: targets let go and taken, results and answers reported. For tests of faces above that work."""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import runs
from watchbill.devices import presence
from watchbill.runs import Delivery, Report

GATEWAY = uuid.uuid4()


async def let_go(tx: AsyncConnection, occurrence: uuid.UUID, now: datetime) -> None:
    """What a site worker does: to everybody of an occurrence who may start."""
    for run in await runs.runs_of(tx, [occurrence]):
        sites = await tx.execute(text("SELECT DISTINCT site_id FROM run_targets WHERE run_id = :run"), {"run": run.id})
        for site in sites.scalars().all():
            await runs.release(tx, run.id, site, now)


async def hand_out(
    tx: AsyncConnection, occurrence: uuid.UUID, devices: Collection[uuid.UUID], now: datetime
) -> dict[uuid.UUID, Delivery]:
    """Connect these devices and hand out what there is of the occurrence for them; the others wait."""
    await presence.connected(tx, GATEWAY, [(one, one) for one in devices], now)
    await let_go(tx, occurrence, now)
    taken = await runs.take(tx, GATEWAY, now, runs.Look(device_ids=list(devices)))
    return {one.device_id: one for one in taken.deliveries}


async def gone(tx: AsyncConnection, device: uuid.UUID, now: datetime) -> None:
    """Its connection, which `hand_out` made, has ended."""
    await presence.disconnected(tx, [(device, device)], now)


def report(delivery: Delivery, now: datetime, **changes: Any) -> Report:
    """A script that ended with exit code 0 and wrote nothing, but for the changes."""
    values: Mapping[str, Any] = {
        "execution_id": delivery.execution_id,
        "device_id": delivery.device_id,
        "outcome": "exited",
        "exit_code": 0,
        "signal": None,
        "reason": None,
        "detail": None,
        "tree": None,
        "started_at": now,
        "finished_at": now,
        "stdout_bytes": 0,
        "stderr_bytes": 0,
        "truncated": False,
        "last_line": None,
    }
    return Report(**{**values, **changes})
