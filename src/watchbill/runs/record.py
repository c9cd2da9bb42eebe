"""What devices report: acceptance, start, output, answers to a stop, results. Idempotent: a repeat changes nothing.

Reports are believed only from the device that the execution was handed to.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.states import TargetEvent
from watchbill.devices import Setting
from watchbill.kit.clock import rfc3339
from watchbill.runs import script_values
from watchbill.runs.moves import Move, move
from watchbill.runs.script_values import Ended
from watchbill.runs.taking import KILL_GRACE, SILENCE

_ACCEPT = text("""
UPDATE executions SET state = 'accepted' WHERE id = ANY(:ids) AND device_id = ANY(:devices) AND state = 'dispatched'
""")

_START = text("""
UPDATE executions e SET state = 'running', started_at = s.started_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:devices AS uuid[]), CAST(:times AS timestamptz[])) AS s(id, device_id, started_at), runs r
WHERE e.id = s.id AND e.device_id = s.device_id AND e.state IN ('dispatched', 'accepted') AND r.id = e.run_id
RETURNING e.target_id, e.term, e.started_at, r.time_limit_seconds
""")

_FINISH = text("""
UPDATE executions e SET state = 'finished', outcome = s.outcome, exit_code = s.exit_code, signal = s.signal, reason = s.reason,
  detail = s.detail, tree = s.tree, started_at = coalesce(e.started_at, s.started_at), finished_at = s.finished_at,
  received_at = :now, stdout_bytes = s.stdout_bytes, stderr_bytes = s.stderr_bytes, truncated = s.truncated
FROM unnest(CAST(:execution_id AS uuid[]), CAST(:device_id AS uuid[]), CAST(:outcome AS text[]), CAST(:exit_code AS integer[]),
  CAST(:signal AS integer[]), CAST(:reason AS text[]), CAST(:detail AS text[]), CAST(:tree AS text[]),
  CAST(:started_at AS timestamptz[]), CAST(:finished_at AS timestamptz[]), CAST(:stdout_bytes AS bigint[]),
  CAST(:stderr_bytes AS bigint[]), CAST(:truncated AS boolean[]), CAST(:last_line AS text[]))
  AS s(execution_id, device_id, outcome, exit_code, signal, reason, detail, tree, started_at, finished_at, stdout_bytes,
    stderr_bytes, truncated, last_line), runs r
WHERE e.id = s.execution_id AND e.device_id = s.device_id AND e.state <> 'finished' AND r.id = e.run_id
RETURNING e.id, e.run_id, e.device_id, e.target_id, e.term, e.component, e.outcome, e.exit_code, e.signal, e.reason, e.detail,
  e.tree, e.started_at, e.finished_at, e.stdout_bytes, e.stored_bytes, s.last_line, r.components->e.component->'warning_exit_codes' AS warning_exit_codes
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

_NEVER_CAME = text("""
UPDATE executions SET state = 'finished', outcome = 'refused', reason = :reason, finished_at = :now, received_at = :now
WHERE id = ANY(:ids) AND state <> 'finished' RETURNING id, target_id, term, state
""")


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


async def accepted(tx: AsyncConnection, rows: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """(execution, device) pairs that a device has taken into its spool."""
    if rows:
        await tx.execute(_ACCEPT, {"ids": [e for e, _ in rows], "devices": list({d for _, d in rows})})


async def started(tx: AsyncConnection, rows: Sequence[tuple[uuid.UUID, uuid.UUID, datetime]], now: datetime) -> None:
    """(execution, device, instant) of scripts that run now; from here their time limit counts."""
    if not rows:
        return
    columns = {"ids": [r[0] for r in rows], "devices": [r[1] for r in rows], "times": [min(r[2], now) for r in rows]}
    found = await tx.execute(_START, columns)
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
    await move(tx, moves, now)


async def finished(tx: AsyncConnection, reports: Sequence[Report], now: datetime) -> list[Setting]:
    """Store results. A repeat is ignored; one that comes after its target was settled is kept beside it as late.

    Their output is stored already. Returns the custom values that it sets, for `devices.reported` in the same transaction.
    """
    if not reports:
        return []
    unique = {report.execution_id: report for report in reports}
    rows = (await tx.execute(_FINISH, {**_columns(list(unique.values())), "now": now})).all()
    ended = [Ended(row.run_id, row.id, row.stdout_bytes, row.stored_bytes) for row in rows if _is_success(row)]
    told = await script_values.told(tx, ended)
    moved = await move(tx, [move_of(row, told[row.id].note() if row.id in told else None) for row in rows], now)
    settled = {one.target_id for one in moved}
    late = [{"target_id": row.target_id, "result": _late(row, now)} for row in rows if row.target_id not in settled]
    if late:
        await tx.execute(_LATE, {"rows": late})
    return [
        Setting(row.device_id, field_id, value, min(row.finished_at, now))
        for row in rows
        if row.id in told
        for field_id, value in told[row.id].values.items()
    ]


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
    match row.outcome:
        case "exited":
            return _of_exit(row.exit_code, row.warning_exit_codes or [], row.signal)
        case "timed_out":
            return TargetEvent.TIME_OUT, "tree_survived" if row.tree == "survived" else None
        case "cancelled":
            return TargetEvent.STOPPED, "tree_survived" if row.tree == "survived" else None
        case "interrupted":
            return TargetEvent.FAIL, "interrupted"
        case _:
            return _of_refusal(row.reason)


def _of_exit(exit_code: int | None, warning_codes: Sequence[int], signal: int | None) -> tuple[TargetEvent, str | None]:
    if exit_code == 0:
        return TargetEvent.SUCCEED, None
    if exit_code in warning_codes:
        return TargetEvent.WARN, None
    return TargetEvent.FAIL, f"killed_by_signal_{signal}" if signal else None


def _of_refusal(reason: str | None) -> tuple[TargetEvent, str | None]:
    match reason:
        case "expired":
            return TargetEvent.EXPIRE, "offline"
        case "cancelled":
            return TargetEvent.STOPPED, None
        case "interpreter_missing":
            return TargetEvent.SKIP, "interpreter_missing"
        case _:
            return TargetEvent.FAIL, f"refused_{reason}"


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
) -> None:
    """Settle executions that their device, back again, knows nothing of; `details` say more of some of them."""
    if not execution_ids:
        return
    found = await tx.execute(_NEVER_CAME, {"ids": list(execution_ids), "reason": reason, "now": now})
    said = [(row, details.get(row.id)) for row in found]
    await move(tx, [Move(row.target_id, event, term=row.term, reason=reason, detail=why) for row, why in said], now)


_FIELDS = tuple(field.name for field in fields(Report))
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
