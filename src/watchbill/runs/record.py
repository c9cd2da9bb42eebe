"""What devices report: acceptance, start, output, answers to a stop, results. Idempotent: a repeat changes nothing.

Reports are believed only from the device that the execution was handed to.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.answers import meaning
from watchbill.core.states import TargetEvent
from watchbill.core.steps import Waits
from watchbill.devices import Setting
from watchbill.kit.clock import rfc3339
from watchbill.runs import in_sessions, script_values, steps
from watchbill.runs.left_out import HAS_STEPS
from watchbill.runs.moves import Move, move
from watchbill.runs.output import Stored
from watchbill.runs.script_values import Ended
from watchbill.runs.steps import Followed
from watchbill.runs.taking import KILL_GRACE, SILENCE

_ACCEPT = text("""
UPDATE executions e SET state = 'accepted' FROM unnest(CAST(:ids AS uuid[]), CAST(:devices AS uuid[])) AS a(id, device_id)
WHERE e.id = a.id AND e.device_id = a.device_id AND e.state = 'dispatched'
""")

_START = text("""
UPDATE executions e SET state = 'running', started_at = s.started_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:devices AS uuid[]), CAST(:times AS timestamptz[])) AS s(id, device_id, started_at), runs r
WHERE e.id = s.id AND e.device_id = s.device_id AND e.state IN ('dispatched', 'accepted') AND r.id = e.run_id
  AND e.item_id IS NOT DISTINCT FROM CAST(:item_id AS bigint)
RETURNING e.target_id, e.term, e.started_at, e.session_id, r.time_limit_seconds
""")

_FINISH = text(f"""
UPDATE executions e SET state = 'finished', outcome = s.outcome, exit_code = s.exit_code, signal = s.signal, reason = s.reason,
  detail = s.detail, tree = s.tree, started_at = coalesce(e.started_at, s.started_at), finished_at = s.finished_at,
  received_at = :now, stdout_bytes = s.stdout_bytes, stderr_bytes = s.stderr_bytes, truncated = s.truncated, last_line = s.last_line,
  stored_bytes = e.stored_bytes + s.added_bytes, output_hash = s.output_hash
FROM unnest(CAST(:execution_id AS uuid[]), CAST(:device_id AS uuid[]), CAST(:outcome AS text[]), CAST(:exit_code AS integer[]),
  CAST(:signal AS integer[]), CAST(:reason AS text[]), CAST(:detail AS text[]), CAST(:tree AS text[]),
  CAST(:started_at AS timestamptz[]), CAST(:finished_at AS timestamptz[]), CAST(:stdout_bytes AS bigint[]),
  CAST(:stderr_bytes AS bigint[]), CAST(:truncated AS boolean[]), CAST(:last_line AS text[]), CAST(:added_bytes AS bigint[]),
  CAST(:output_hash AS bytea[]))
  AS s(execution_id, device_id, outcome, exit_code, signal, reason, detail, tree, started_at, finished_at, stdout_bytes,
    stderr_bytes, truncated, last_line, added_bytes, output_hash), runs r
WHERE e.id = s.execution_id AND e.device_id = s.device_id AND e.state <> 'finished' AND r.id = e.run_id
  AND e.item_id IS NOT DISTINCT FROM CAST(:item_id AS bigint)
RETURNING e.id, e.run_id, e.device_id, e.target_id, e.term, e.component, e.outcome, e.exit_code, e.signal, e.reason, e.detail,
  e.tree, e.started_at, e.finished_at, e.stdout_bytes, e.stored_bytes, e.session_id, s.last_line, nullif(r.components->e.component->'warning_exit_codes', '[]') AS warning_exit_codes,
  {HAS_STEPS} AS has_steps
""")

# Output counts also where the result that came with it does not.
_COUNT = text("""
UPDATE executions e SET stored_bytes = e.stored_bytes + s.bytes,
  stdout_bytes = CASE WHEN e.state = 'finished' THEN e.stdout_bytes ELSE greatest(e.stdout_bytes, s.stdout) END,
  stderr_bytes = CASE WHEN e.state = 'finished' THEN e.stderr_bytes ELSE greatest(e.stderr_bytes, s.stderr) END
FROM unnest(CAST(:ids AS uuid[]), CAST(:runs AS bigint[]), CAST(:bytes AS bigint[]), CAST(:stdout AS bigint[]), CAST(:stderr AS bigint[]))
  AS s(id, run_id, bytes, stdout, stderr)
WHERE e.id = s.id AND e.run_id = s.run_id
""")

_LATE = text("""
UPDATE run_targets t SET late_result = l.result
FROM jsonb_to_recordset(:rows) AS l(target_id bigint, result jsonb) WHERE t.id = l.target_id AND t.late_result IS NULL
""").bindparams(bindparam("rows", type_=JSONB))

_ANSWER = text("""
UPDATE executions e SET cancel_answer = s.answer
FROM unnest(CAST(:ids AS uuid[]), CAST(:devices AS uuid[]), CAST(:answers AS text[])) AS s(id, device_id, answer)
WHERE e.id = s.id AND e.device_id = s.device_id
RETURNING e.id, e.target_id, e.term, e.state, s.answer
""")

_NEVER_CAME = text(f"""
UPDATE executions e SET state = 'finished', outcome = 'refused', reason = :reason, finished_at = :now, received_at = :now
FROM runs r WHERE e.id = ANY(:ids) AND e.state <> 'finished' AND r.id = e.run_id
RETURNING e.id, e.run_id, e.target_id, e.term, e.component, e.session_id, e.state, {HAS_STEPS} AS has_steps
""")


#: An execution, and the device that says something of it: it need not be the one that has it.
Told = tuple[uuid.UUID, uuid.UUID]

_SURVIVED = "Some of its processes could not be stopped and may still run."


@dataclass(frozen=True, slots=True)
class Report:
    """The end of an execution as its device tells it; the fields are those of the wire's `result`."""

    execution_id: uuid.UUID
    device_id: uuid.UUID
    outcome: str
    exit_code: int | None
    signal: int | None
    reason: str | None
    detail: str | None
    tree: str | None
    started_at: datetime | None
    finished_at: datetime
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    last_line: str | None

    @property
    def told(self) -> Told:
        """Of which execution who tells it."""
        return self.execution_id, self.device_id


async def accepted(tx: AsyncConnection, rows: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """(execution, device) pairs that a device has taken into its spool."""
    if rows:
        await tx.execute(_ACCEPT, {"ids": [e for e, _ in rows], "devices": [d for _, d in rows]})


async def started(
    tx: AsyncConnection,
    rows: Sequence[tuple[uuid.UUID, uuid.UUID, datetime]],
    now: datetime,
    *,
    item_id: int | None = None,
) -> None:
    """(execution, device, instant) of what runs now; from here their time limit counts. `item_id`: who says so, if not the device."""
    if not rows:
        return
    columns = {"ids": [r[0] for r in rows], "devices": [r[1] for r in rows], "times": [min(r[2], now) for r in rows]}
    found = (await tx.execute(_START, {**columns, "item_id": item_id})).all()
    moves = [
        Move(
            row.target_id,
            TargetEvent.START,
            term=row.term,
            started_at=row.started_at,
            deadline_at=now + timedelta(seconds=row.time_limit_seconds) + KILL_GRACE + SILENCE,
        )
        for row in found
    ]
    # Of several at once on a target only the first starts it.
    await move(tx, list({one.target_id: one for one in reversed(moves)}.values()), now)
    shared = {row.target_id for row in found if row.session_id is not None}
    await in_sessions.goes_on(tx, [one for one in moves if one.target_id in shared])


@dataclass
class Finished(Followed):
    """What results lead to. `settings`: custom values, for `devices.reported` in the same transaction."""

    settings: list[Setting] = field(default_factory=list)


@dataclass(frozen=True)
class Outputs:
    """What is known of the output of executions that end: `hashes` by which it is known, and what of it was stored just now."""

    hashes: Mapping[Told, bytes] = field(default_factory=dict)
    stored: Mapping[uuid.UUID, Stored] = field(default_factory=dict)

    def added(self, execution_id: uuid.UUID) -> int:
        found = self.stored.get(execution_id)
        return found.bytes if found is not None else 0


_NONE = Outputs()


async def finished(
    tx: AsyncConnection,
    reports: Sequence[Report],
    now: datetime,
    outputs: Outputs = _NONE,
    *,
    item_id: int | None = None,
) -> Finished:
    """Store results. A repeat is ignored; one that comes after its target was settled is kept beside it as late.

    Their output is stored already. Where another component follows it is written down with the result of the one before.
    `item_id`: the work item that says so, if not the device.
    """
    if not reports:
        return Finished()
    unique = {report.told: report for report in reports}
    rows = await _finish(tx, list(unique.values()), outputs, item_id, now)
    ended = [Ended(row.run_id, row.id, row.stdout_bytes, row.stored_bytes) for row in rows if _is_success(row)]
    told = await script_values.told(tx, ended)
    notes = {row.target_id: told[row.id].note() for row in rows if row.id in told}
    followed, concerned = await _settle(tx, rows, notes, now)
    late = [{"target_id": row.target_id, "result": _late(row, now)} for row in rows if row.target_id not in concerned]
    if late:
        await tx.execute(_LATE, {"rows": late})
    settings = [
        Setting(row.device_id, field_id, value, min(row.finished_at, now))
        for row in rows
        if row.id in told
        for field_id, value in told[row.id].values.items()
    ]
    return Finished(followed.deliveries, followed.later_since, settings)


async def _finish(
    tx: AsyncConnection, reports: Sequence[Report], outputs: Outputs, item_id: int | None, now: datetime
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Those that had not ended yet."""
    columns = {
        **_columns(reports),
        "added_bytes": [outputs.added(one.execution_id) for one in reports],
        "output_hash": [outputs.hashes.get(one.told) for one in reports],
    }
    rows = (await tx.execute(_FINISH, {**columns, "item_id": item_id, "now": now})).all()
    counted = {row.id for row in rows}
    rest = {id_: one for id_, one in outputs.stored.items() if id_ not in counted}
    if rest:
        some = {name: [getattr(one, name) for one in rest.values()] for name in ("bytes", "stdout", "stderr")}
        await tx.execute(_COUNT, {**some, "ids": list(rest), "runs": [one.run_id for one in rest.values()]})
    return rows


async def _settle(
    tx: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]], notes: Mapping[int, str | None], now: datetime
) -> tuple[Followed, set[int]]:
    """Move the targets of ended executions, whatever follows on them; and which targets these ends were of use to."""
    decided = await steps.decide(tx, rows, now) if any(row.has_steps for row in rows) else []
    plain = [row for row in rows if not row.has_steps]
    moves, going_on = await in_sessions.decided(tx, plain, lambda row: move_of(row, notes.get(row.target_id)))
    moves += [one for each in decided if (one := steps.move_of(each, now, notes.get(each.target.id))) is not None]
    moved = await move(tx, moves, now)
    waiting = {each.target.id for each in decided if isinstance(each.next, Waits)}
    concerned = {one.target_id for one in moved} | waiting | going_on
    return await steps.carry_out(tx, decided, moved, now), concerned


def _is_success(row: Row[*tuple[Any, ...]]) -> bool:
    return bool(row.outcome == "exited" and row.exit_code == 0)


def move_of(row: Row[*tuple[Any, ...]], note: str | None = None) -> Move:
    """What a finished execution means for its target. `note`: what is to be said about it if nothing graver is."""
    event, reason = _meaning(row)
    return Move(
        row.target_id,
        event,
        term=row.term,
        reason=reason,
        detail=row.detail or (_SURVIVED if row.tree == "survived" else note),
        exit_code=row.exit_code,
        last_line=row.last_line,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _meaning(row: Row[*tuple[Any, ...]]) -> tuple[TargetEvent, str | None]:
    codes = row.warning_exit_codes or []
    told = {name: getattr(row, name) for name in ("exit_code", "signal", "reason", "tree")}
    return meaning(row.outcome, **told, warning_exit_codes=codes)


async def cancel_answered(tx: AsyncConnection, rows: Sequence[tuple[uuid.UUID, uuid.UUID, str]], now: datetime) -> None:
    """(execution, device, answer) to a stop. `not_known` settles the target: the script never got there."""
    if not rows:
        return
    columns = {"ids": [r[0] for r in rows], "devices": [r[1] for r in rows], "answers": [r[2] for r in rows]}
    answers = (await tx.execute(_ANSWER, columns)).all()
    unknown = [row.id for row in answers if row.answer == "not_known" and row.state == "dispatched"]
    await never_came(tx, unknown, TargetEvent.STOPPED, "not_delivered", now)


async def never_came(
    tx: AsyncConnection,
    execution_ids: Collection[uuid.UUID],
    event: TargetEvent,
    reason: str,
    now: datetime,
    *,
    details: Mapping[uuid.UUID, str] = MappingProxyType({}),
) -> Followed:
    """Settle executions that their device, back again, knows nothing of; `details` say more of some of them."""
    if not execution_ids:
        return Followed()
    found = (await tx.execute(_NEVER_CAME, {"ids": list(execution_ids), "reason": reason, "now": now})).all()
    alone = [row for row in found if not row.has_steps and row.session_id is None]
    moves = [Move(row.target_id, event, term=row.term, reason=reason, detail=details.get(row.id)) for row in alone]
    shared = [row for row in found if not row.has_steps and row.session_id is not None]
    moves += (await in_sessions.decided(tx, shared, move_of))[0]
    decided = await steps.decide(tx, found, now) if any(row.has_steps for row in found) else []
    moves += [one for each in decided if (one := steps.move_of(each, now, None)) is not None]
    return await steps.carry_out(tx, decided, await move(tx, moves, now), now)


_FIELDS = tuple(one.name for one in fields(Report))
_WORDS = {"detail", "last_line"}


def _columns(reports: Sequence[Report]) -> dict[str, list[Any]]:
    return {name: [_value(one, name) for one in reports] for name in _FIELDS}


def _value(report: Report, name: str) -> Any:
    value = getattr(report, name)
    return _clean(value) if name in _WORDS else value


def _clean(words: str | None) -> str | None:
    """PostgreSQL's text has no NUL; devices may send one."""
    return None if words is None else words.replace("\0", "\ufffd")[:4000]


def _late(row: Row[*tuple[Any, ...]], now: datetime) -> dict[str, object]:
    return {
        "outcome": row.outcome,
        "exit_code": row.exit_code,
        "reason": row.reason,
        "finished_at": rfc3339(row.finished_at),
        "received_at": rfc3339(now),
        "last_line": row.last_line,
    }
