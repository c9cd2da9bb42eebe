"""Targets that run as who is signed in: one execution in each session, one verdict of them all, and devices where nobody is.

Order of locks: executions, then their targets by id, as everywhere.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TargetEvent
from watchbill.core.together import End, verdict
from watchbill.runs import turns
from watchbill.runs.left_out import leave_rest_out
from watchbill.runs.moves import Move, Moved, apply, changed

REASON: Final = "no_user_session"
#: Of a session `s` and `session_ends` of a target: whether it is for this one, too. Another try is for the sessions that want it.
_IS_WANTED: Final = """({x}.session_ends IS NULL
    OR ({x}.session_ends->s.session_id->>'again' IS NOT NULL AND {x}.session_ends->s.session_id->>'user' = s.user_name))"""
#: Of a target `t` of a run `r`: there is somebody as whom it can run.
HAS_SOMEBODY: Final = f"""(r.execution_context <> 'current_user'
    OR EXISTS (SELECT FROM device_sessions s WHERE s.device_id = t.device_id AND {_IS_WANTED.format(x="t")}))"""
#: Of what was taken as `k`: its sessions `s`, and the component with which each of them begins.
SESSIONS: Final = f"""device_sessions s ON k.execution_context = 'current_user' AND s.device_id = k.device_id
    AND {_IS_WANTED.format(x="k")}"""
FIRST_COMPONENT: Final = "coalesce((k.session_ends->s.session_id->>'again')::integer, k.next_component)"
#: Of a target `t`: it does not wait for somebody to sign in, or somebody has.
IS_ATTENDED: Final = """(t.reason IS DISTINCT FROM 'no_user_session'
    OR EXISTS (SELECT FROM device_sessions s WHERE s.device_id = t.device_id))"""

_NOBODY_THERE: Final = "Nobody was signed in on this device."
_SILENT: Final = "The agent of this device does not tell who is signed in: a newer one does."
_WAITS: Final = "Waits until somebody signs in on this device."
NOBODY_CAME: Final = "Nobody signed in on this device until its latest start."

_LEFT_ALONE = text("""
SELECT t.id, t.device_id, r.no_user_session = 'wait' AND t.session_ends IS NULL AS waits, p.tells_sessions
FROM run_targets t JOIN runs r ON r.id = t.run_id JOIN device_presence p ON p.device_id = t.device_id
WHERE t.id = ANY(:ids) AND t.state IN ('pending', 'waiting_online') ORDER BY t.id
""")
_WAIT = text("""
UPDATE run_targets t SET reason = 'no_user_session', detail = :detail
WHERE t.id = ANY(:ids) AND t.state IN ('pending', 'waiting_online')
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave, t.state
""")
_WAITING = text("""
SELECT DISTINCT p.gateway_id, t.device_id FROM run_targets t
JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id IS NOT NULL
WHERE t.device_id = ANY(:devices) AND t.state IN ('pending', 'waiting_online') AND t.released_at IS NOT NULL
  AND t.reason = 'no_user_session' ORDER BY 1, 2
""")
# In a statement of its own, before they are looked at: of two that end the last two executions, the second sees the first.
_LOCK = text("SELECT id FROM run_targets WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_TOGETHER = text("""
SELECT e.id, e.run_id, e.device_id, e.target_id, e.term, e.component, e.outcome, e.exit_code, e.signal, e.reason, e.detail, e.tree,
  e.started_at, e.finished_at, e.last_line, e.state, e.session_user_name, e.session_id,
  r.components->e.component->'warning_exit_codes' AS warning_exit_codes
FROM (SELECT DISTINCT run_id, target_id, term, component FROM unnest(CAST(:runs AS bigint[]), CAST(:targets AS bigint[]),
  CAST(:terms AS bigint[]), CAST(:components AS integer[])) AS g(run_id, target_id, term, component)) g
JOIN executions e ON e.run_id = g.run_id AND e.target_id = g.target_id AND e.term = g.term AND e.component = g.component
JOIN runs r ON r.id = e.run_id
ORDER BY e.target_id, e.session_id
""")
_LONGER = text("""
UPDATE run_targets t SET deadline_at = g.deadline_at
FROM (SELECT id, max(deadline_at) AS deadline_at
  FROM unnest(CAST(:ids AS bigint[]), CAST(:deadlines AS timestamptz[])) AS g(id, deadline_at) GROUP BY id) g
WHERE t.id = g.id AND t.state = 'running' AND t.deadline_at < g.deadline_at
""")

_Row = Row[*tuple[Any, ...]]
Meaning = Callable[[_Row], Move]


@dataclass
class LeftAlone:
    """What became of targets whose devices have nobody. `waiting`: devices that wait from now on."""

    moved: list[Moved] = field(default_factory=list)
    waiting: set[uuid.UUID] = field(default_factory=set)


async def left_alone(tx: AsyncConnection, target_ids: Collection[int], now: datetime) -> LeftAlone:
    """Targets that are held here, could go, and have nobody to run as: left out, or waiting, as their runs say.

    Sessions that were to be tried again do not come back: nobody is waited for there.
    """
    found = LeftAlone()
    rows = (await tx.execute(_LEFT_ALONE, {"ids": sorted(target_ids)})).all() if target_ids else []
    waiting = [row.id for row in rows if row.waits and row.tells_sessions]
    skipped = [row for row in rows if not (row.waits and row.tells_sessions)]
    moves = [
        Move(row.id, TargetEvent.SKIP, reason=REASON, detail=_NOBODY_THERE if row.tells_sessions else _SILENT)
        for row in skipped
    ]
    found.moved += await apply(tx, moves, now) if moves else []
    await leave_rest_out(tx, found.moved, now)
    for row in await tx.execute(_WAIT, {"ids": waiting, "detail": _WAITS}) if waiting else ():
        found.moved.append(changed(row, row.state, row.state, REASON))
        found.waiting.add(row.device_id)
    return found


async def somebody_came(tx: AsyncConnection, device_ids: Collection[uuid.UUID]) -> None:
    """Ring for what waits on these devices for somebody to sign in."""
    if device_ids:
        rows = await tx.execute(_WAITING, {"devices": sorted(device_ids)})
        await turns.ring_devices(tx, [(row.gateway_id, row.device_id) for row in rows])


async def decided(tx: AsyncConnection, ended: Sequence[_Row], meaning: Meaning) -> tuple[list[Move], set[int]]:
    """What executions that have just ended mean for their targets, and the targets that wait for executions in other sessions.

    `meaning`: what the end of one means by itself. Rows need run_id, target_id, term, component and session_id.
    """
    moves = [meaning(row) for row in ended if row.session_id is None]
    shared = [row for row in ended if row.session_id is not None]
    if not shared:
        return moves, set()
    groups = await _together(tx, shared)
    judged = {target_id: _judged(rows, meaning) for target_id, rows in groups.items()}
    moves += [one for one in judged.values() if one is not None]
    return moves, {target_id for target_id, one in judged.items() if one is None}


async def _together(tx: AsyncConnection, shared: Sequence[_Row]) -> dict[int, list[_Row]]:
    await tx.execute(_LOCK, {"ids": sorted({row.target_id for row in shared})})
    columns = {
        "runs": [row.run_id for row in shared],
        "targets": [row.target_id for row in shared],
        "terms": [row.term for row in shared],
        "components": [row.component for row in shared],
    }
    groups: dict[int, list[_Row]] = defaultdict(list)
    for row in await tx.execute(_TOGETHER, columns):
        groups[row.target_id].append(row)
    return groups


def _judged(rows: Sequence[_Row], meaning: Meaning) -> Move | None:
    """One move for a target, from all the executions of one of its components; None while one of them goes on."""
    moves = [meaning(row) if row.state == "finished" else None for row in rows]
    ends = [
        End(row.session_user_name, None if one is None else one.event) for row, one in zip(rows, moves, strict=True)
    ]
    found = verdict(ends)
    chosen = None if found is None else moves[found.place]
    if found is None or chosen is None:
        return None
    return replace(
        chosen,
        detail=" ".join(filter(None, (found.note, chosen.detail))) or None,
        started_at=min((row.started_at for row in rows if row.started_at is not None), default=None),
        finished_at=max(row.finished_at for row in rows),
    )


async def goes_on(tx: AsyncConnection, starts: Sequence[Move]) -> None:
    """A target of which one more execution has started is waited for as long as that may take."""
    if starts:
        ids = [one.target_id for one in starts]
        await tx.execute(_LOCK, {"ids": sorted(set(ids))})
        await tx.execute(_LONGER, {"ids": ids, "deadlines": [one.deadline_at for one in starts]})
