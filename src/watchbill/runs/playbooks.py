"""Targets on which the work item of a site runs playbooks itself: what agents and gateways do for scripts, a site worker does here.

It takes targets as a gateway does, reports as a device does (`runs.started`, `runs.finished` and the rest, with its item's id), and
is fenced by its lease, which the caller holds in the same transaction. Order of locks: executions, then targets by id.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.recap import Recap
from watchbill.core.states import SkipReason, TargetEvent, TargetState
from watchbill.runs import pacing
from watchbill.runs.left_out import leave_rest_out
from watchbill.runs.moves import Move, move
from watchbill.runs.record import never_came
from watchbill.runs.steps import Followed
from watchbill.runs.taking import KILL_GRACE, SILENCE, take_for_item

# What a work item had in hand and has not ended. Locked before it is judged.
_IN_HAND = text("""
SELECT e.id, e.run_id, e.target_id, e.term, e.component, t.state, t.expires_at, r.interrupted FROM executions e
JOIN run_targets t ON t.run_id = e.run_id AND t.id = e.target_id AND t.term = e.term JOIN runs r ON r.id = e.run_id
WHERE e.item_id = :item_id AND e.state <> 'finished' ORDER BY e.id FOR UPDATE OF e
""")
_END = text("""
UPDATE executions SET state = 'finished', outcome = 'interrupted', reason = 'worker_died', finished_at = :now, received_at = :now
WHERE id = ANY(:ids) AND item_id = :item_id AND state <> 'finished'
""")
_FROM_THERE = text("""
UPDATE run_targets t SET next_component = b.component
FROM unnest(CAST(:ids AS bigint[]), CAST(:runs AS bigint[]), CAST(:components AS integer[])) AS b(id, run_id, component)
WHERE t.id = b.id AND t.run_id = b.run_id
""")
_LET_GO = text("""
SELECT id FROM run_targets WHERE run_id = :run_id AND site_id = :site_id AND state = 'pending' AND released_at IS NOT NULL
""")
_LIMITS = text("""
SELECT e.target_id, e.term, r.time_limit_seconds FROM executions e JOIN runs r ON r.id = e.run_id
WHERE e.id = ANY(:ids) AND e.item_id = :item_id AND e.state <> 'finished' ORDER BY e.target_id
""")
_OWN = text("UPDATE executions SET item_id = :item_id WHERE id = ANY(:ids)")
# It gives its place back, and the waves look for it when it may start.
_PUT_BACK = text("""
UPDATE run_targets SET released_at = NULL WHERE run_id = :run_id AND site_id = :site_id AND is_paced AND released_at IS NOT NULL
  AND state IN ('pending', 'waiting_online') AND starts_at > :now RETURNING occurrence_id
""")
_TO_STOP = text("""
SELECT e.id FROM executions e JOIN run_targets t ON t.run_id = e.run_id AND t.id = e.target_id AND t.term = e.term
WHERE e.item_id = :item_id AND e.state <> 'finished' AND t.state = 'cancelling'
""")
_NOTE_RECAPS = text("""
UPDATE executions e SET recap = n.recap FROM jsonb_to_recordset(:rows) AS n(id uuid, recap jsonb)
WHERE e.id = n.id AND e.item_id = :item_id
""").bindparams(bindparam("rows", type_=JSONB))

_DIED: Final = "The worker that ran the playbook died in the middle of it; how far it came is not known."
_GIVEN_UP: Final = "The playbook was not run: its work was given up. "

#: What a playbook may know of its device, as variables of its host.
_FACTS = text("""
SELECT d.id, d.hostname, coalesce(s.name, '') AS site, coalesce(d.os_family, '') AS os_family, coalesce(d.os_name, '') AS os_name,
  coalesce(d.os_version, '') AS os_version, coalesce(d.domain, '') AS domain, ARRAY(SELECT g.tag FROM device_tags g WHERE g.device_id = d.id ORDER BY 1) AS tags
FROM devices d LEFT JOIN sites s ON s.id = d.site_id WHERE d.id = ANY(:ids)
""")

_SITES = text("SELECT id, site_id FROM devices WHERE id = ANY(:ids)")

take = take_for_item


async def facts_of(tx: AsyncConnection, device_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, object]]:
    """By device: `watchbill_hostname`, `watchbill_site`, `watchbill_tags` and so on."""
    rows = await tx.execute(_FACTS, {"ids": list(device_ids)})
    names = ("hostname", "site", "os_family", "os_name", "os_version", "domain", "tags")
    return {
        row.id: {"watchbill_device_id": str(row.id), **{f"watchbill_{name}": getattr(row, name) for name in names}}
        for row in rows
    }


async def sites_of(tx: AsyncConnection, device_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int | None]:
    """Where these devices are now."""
    return {row.id: row.site_id for row in await tx.execute(_SITES, {"ids": sorted(device_ids)})}


async def take_up(tx: AsyncConnection, item_id: int, now: datetime) -> None:
    """Settle what an earlier holder of this item had in hand when it died: what had not begun is free again, and so is what a job
    calls repeatable; of the rest nobody knows how far it came, and it is never run a second time.
    """
    rows = (await tx.execute(_IN_HAND, {"item_id": item_id})).all()
    if not rows:
        return
    await tx.execute(_END, {"ids": [row.id for row in rows], "item_id": item_id, "now": now})
    again = [row for row in rows if _may_run_again(row, now)]
    columns = {name: [getattr(row, name) for row in again] for name in ("target_id", "run_id", "component")}
    places = {"ids": columns["target_id"], "runs": columns["run_id"], "components": columns["component"]}
    await tx.execute(_FROM_THERE, places)
    moved = await move(tx, [_taken_up(row, now) for row in rows], now)
    await leave_rest_out(tx, moved, now)


def _may_run_again(row: Row[*tuple[Any, ...]], now: datetime) -> bool:
    if row.state == TargetState.CANCELLING or row.expires_at <= now:
        return False
    return bool(row.state == TargetState.CONNECTING or row.interrupted == "again")


def _taken_up(row: Row[*tuple[Any, ...]], now: datetime) -> Move:
    if _may_run_again(row, now):
        return Move(row.target_id, TargetEvent.RETRY, term=row.term, deadline_at=row.expires_at)
    return Move(row.target_id, TargetEvent.LOSE, term=row.term, reason="worker_died", detail=_DIED)


async def give_up(tx: AsyncConnection, item_id: int, run_id: int, site_id: int, why: str, now: datetime) -> None:
    """No attempt came to an end: what had begun is lost, what had been let go fails with the reason."""
    rows = (await tx.execute(_IN_HAND, {"item_id": item_id})).all()
    await tx.execute(_END, {"ids": [row.id for row in rows], "item_id": item_id, "now": now})
    moves = [Move(row.target_id, TargetEvent.LOSE, term=row.term, reason="worker_died", detail=_DIED) for row in rows]
    waiting = (await tx.execute(_LET_GO, {"run_id": run_id, "site_id": site_id})).scalars().all()
    moves += [Move(one, TargetEvent.FAIL, reason="worker_failed", detail=_GIVEN_UP + why) for one in waiting]
    await leave_rest_out(tx, await move(tx, moves, now), now)


async def dispatched(tx: AsyncConnection, execution_ids: Sequence[uuid.UUID], item_id: int, now: datetime) -> None:
    """Their devices can be reached, and their playbook is being started."""
    rows = await tx.execute(_LIMITS, {"ids": list(execution_ids), "item_id": item_id})
    moves = {
        row.target_id: Move(
            row.target_id,
            TargetEvent.DISPATCH,
            term=row.term,
            deadline_at=now + timedelta(seconds=row.time_limit_seconds) + KILL_GRACE + SILENCE,
        )
        for row in rows
    }
    await move(tx, list(moves.values()), now)


async def left_out(
    tx: AsyncConnection, reasons: Mapping[uuid.UUID, tuple[SkipReason, str]], now: datetime
) -> Sequence[Followed]:
    """Devices that cannot be reached as the job wants it, each with the reason and a sentence; the others go on."""
    by_reason: dict[SkipReason, dict[uuid.UUID, str]] = {}
    for execution_id, (reason, detail) in reasons.items():
        by_reason.setdefault(reason, {})[execution_id] = detail
    return [
        await never_came(tx, some, TargetEvent.SKIP, reason, now, details=some)
        for reason, some in sorted(by_reason.items())
    ]


async def own(tx: AsyncConnection, followed: Followed, item_id: int) -> None:
    """What follows on a result, another playbook of the same target, is this item's too."""
    if followed.deliveries:
        ids = [one.execution_id for one in followed.deliveries]
        await tx.execute(_OWN, {"ids": ids, "item_id": item_id})


async def put_back(tx: AsyncConnection, run_id: int, site_id: int, now: datetime) -> None:
    """What starts later, another try or what a window has put off, is looked for when its time has come."""
    ids = (await tx.execute(_PUT_BACK, {"run_id": run_id, "site_id": site_id, "now": now})).scalars().all()
    await pacing.drive(tx, sorted(set(ids)), now)


async def to_stop(tx: AsyncConnection, item_id: int) -> set[uuid.UUID]:
    """Executions in this item's hand of which the target is to be stopped."""
    return set((await tx.execute(_TO_STOP, {"item_id": item_id})).scalars())


async def note_recaps(tx: AsyncConnection, recaps: Mapping[uuid.UUID, Recap], item_id: int) -> None:
    """How far each execution has come, in Ansible's counters."""
    if recaps:
        rows = [{"id": str(one), "recap": recap.to_json()} for one, recap in recaps.items()]
        await tx.execute(_NOTE_RECAPS, {"rows": rows, "item_id": item_id})


def ids_of(followed: Collection[Followed]) -> list[uuid.UUID]:
    return [one.execution_id for some in followed for one in some.deliveries]
