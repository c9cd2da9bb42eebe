"""Targets that wait for their device, a window or their turn, across all jobs: seen, withdrawn at once, given more or less time.

Nothing of them has been handed out; whether they still may run is judged again at the hand-out (`runs.taking`).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, literal, text, tuple_
from sqlalchemy import select as query_for
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.core.states import NOT_STARTED_TARGET, TargetEvent, TargetState
from watchbill.core.waiting_rules import choice_problems, count_problems, expiry_problems
from watchbill.devices.tables import device_presence
from watchbill.identity import Actor, Permission, audit
from watchbill.identity.actor import SiteScope
from watchbill.jobs.tables import jobs
from watchbill.kit import db
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.cursors import instant_of
from watchbill.runs.moves import Move, changed, move, settle
from watchbill.runs.stopping import stop_targets
from watchbill.runs.tables import occurrences, run_targets
from watchbill.runs.turns import BOUNDS
from watchbill.sites.tables import sites

_WAITS = [str(state) for state in sorted(NOT_STARTED_TARGET)]
_CHOSEN = """state IN ('pending', 'waiting_online') AND deadline_at IS NOT NULL
  AND (CAST(:sites AS bigint[]) IS NULL OR site_id = ANY(:sites))
  AND (CAST(:job_id AS bigint) IS NULL OR job_id = :job_id)
  AND (CAST(:device_id AS uuid) IS NULL OR device_id = :device_id)
  AND (CAST(:site_id AS bigint) IS NULL OR site_id = :site_id)"""
_COUNT = text(
    f"SELECT count(*) AS rows, count(DISTINCT device_id) AS devices, count(DISTINCT job_id) AS jobs FROM run_targets WHERE {_CHOSEN}"
)
_LOCK = text(f"SELECT id, state, attempt FROM run_targets WHERE {_CHOSEN} ORDER BY id FOR UPDATE")
_NEW_EXPIRY = text("""
UPDATE run_targets t SET expires_at = :expires_at, deadline_at = :expires_at
WHERE t.id = ANY(:ids) AND t.state IN ('pending', 'waiting_online')
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave, t.state, t.reason
""")
_ON_REVOKED = text("""
SELECT t.id FROM run_targets t JOIN devices d ON d.id = t.device_id AND d.status = 'revoked'
WHERE t.device_id = ANY(:devices) AND t.state IN ('pending', 'waiting_online') ORDER BY t.id
""")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the waiting targets of the caller's sites; `everything` has to be said."""

    job_id: int | None = None
    device_id: uuid.UUID | None = None
    site_id: int | None = None
    everything: bool = False

    @property
    def narrowing(self) -> dict[str, Any]:
        return {"job_id": self.job_id, "device_id": self.device_id, "site_id": self.site_id}


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows are meant, on how many devices and of how many jobs."""

    rows: int
    devices: int
    jobs: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A target that waits, until when, and what for."""

    target_id: int
    run_id: int
    occurrence_id: uuid.UUID
    job_id: int
    job_name: str
    scheduled_for_at: datetime
    device_id: uuid.UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    is_online: bool
    state: TargetState
    reason: str | None
    detail: str | None
    starts_at: datetime | None
    expires_at: datetime


async def list_waiting(
    tx: AsyncConnection,
    scope: SiteScope,
    choice: Choice,
    *,
    states: Sequence[str] = (),
    limit: int,
    cursor: str | None = None,
) -> Page[WaitingRow]:
    """What waits in the reader's sites; what expires next comes first."""
    t = run_targets.c
    wanted = [scope.clause(t.site_id), t.deadline_at.is_not(None), t.state.in_(list(states) or _WAITS)]
    wanted += [t[name] == value for name, value in choice.narrowing.items() if value is not None]
    if cursor is not None:
        at, last = decode_cursor(cursor, (str, int))
        wanted.append(tuple_(t.deadline_at, t.id) > tuple_(literal(instant_of(at)), literal(last)))
    query = (
        query_for(*_COLUMNS)
        .select_from(
            run_targets.join(occurrences, occurrences.c.id == t.occurrence_id)
            .join(jobs, jobs.c.id == t.job_id)
            .outerjoin(sites, sites.c.id == t.site_id)
            .outerjoin(device_presence, device_presence.c.device_id == t.device_id)
        )
        .where(*wanted)
        .order_by(t.deadline_at, t.id)
        .limit(limit + 1)
    )
    page = page_of((await tx.execute(query)).all(), limit, lambda row: (row.deadline_at.isoformat(), row.target_id))
    return page.map(_row)


_T = run_targets.c
_COLUMNS = (
    _T.id.label("target_id"),
    jobs.c.name.label("job_name"),
    occurrences.c.scheduled_for_at,
    sites.c.name.label("site_name"),
    device_presence.c.gateway_id.is_not(None).label("is_online"),
    *(
        _T[name]
        for name in ("run_id", "occurrence_id", "job_id", "device_id", "hostname", "site_id", "state", "reason")
    ),
    *(_T[name] for name in ("detail", "starts_at", "expires_at", "deadline_at")),
)


def _row(row: Row[*tuple[Any, ...]]) -> WaitingRow:
    values = {one.name: getattr(row, one.name) for one in fields(WaitingRow)}
    return WaitingRow(**{**values, "site_id": row.site_id or None, "state": TargetState(row.state)})


async def purge(
    tx: AsyncConnection,
    actor: Actor,
    choice: Choice,
    expected: int | None,
    reason: str,
    *,
    is_dry_run: bool,
    now: datetime,
) -> Counted:
    """Withdraw what waits, exactly as many as were counted before; a dry run only counts."""
    _check(actor, choice, expected, is_dry_run=is_dry_run)
    counted = await _count(tx, actor.scope, choice)
    if is_dry_run:
        return counted
    rows = await _locked(tx, actor.scope, choice, expected)
    await stop_targets(tx, rows, now, why=f"It was withdrawn while it waited: {reason}")
    await _tell(tx, actor, "waiting.purge", choice, {"targets": len(rows), "reason": reason}, now)
    return counted


async def set_expiry(
    tx: AsyncConnection,
    actor: Actor,
    choice: Choice,
    expires_at: datetime,
    expected: int | None,
    *,
    is_dry_run: bool,
    now: datetime,
) -> Counted:
    """Let what waits expire at another time, exactly as many rows as were counted before; a dry run only counts."""
    _check(actor, choice, expected, expiry_problems(expires_at, now), is_dry_run=is_dry_run)
    counted = await _count(tx, actor.scope, choice)
    if is_dry_run:
        return counted
    rows = await _locked(tx, actor.scope, choice, expected)
    moved = await tx.execute(_NEW_EXPIRY, {"ids": [row.id for row in rows], "expires_at": expires_at})
    await settle(tx, [changed(row, row.state, row.state, row.reason) for row in moved], now)
    await db.notify(tx, BOUNDS)  # whoever sleeps until the bounds that were
    detail = {"targets": len(rows), "expires_at": expires_at.isoformat()}
    await _tell(tx, actor, "waiting.expiry", choice, detail, now)
    return counted


async def leave_revoked(tx: AsyncConnection, device_ids: Sequence[uuid.UUID], now: datetime) -> None:
    """What waited for a device that is revoked by now never runs: the machine may come back, but as another device."""
    ids = (await tx.execute(_ON_REVOKED, {"devices": list(device_ids)})).scalars().all()
    why = "The device was revoked while this waited for it."
    await move(tx, [Move(one, TargetEvent.SKIP, reason="not_approved", detail=why) for one in ids], now)


def _check(
    actor: Actor, choice: Choice, expected: int | None, others: Sequence[Problem] = (), *, is_dry_run: bool
) -> None:
    actor.require(Permission.JOBS_RUN)
    problems = choice_problems(choice.narrowing, everything=choice.everything)
    problems += [*count_problems(expected, is_dry_run=is_dry_run), *others]
    if problems:
        raise InvalidError.of(problems, what="The request")


def _values(scope: SiteScope, choice: Choice) -> dict[str, Any]:
    return {"sites": None if scope.site_ids is None else sorted(scope.site_ids), **choice.narrowing}


async def _count(tx: AsyncConnection, scope: SiteScope, choice: Choice) -> Counted:
    return Counted(*(await tx.execute(_COUNT, _values(scope, choice))).one())


async def _locked(
    tx: AsyncConnection, scope: SiteScope, choice: Choice, expected: int | None
) -> Sequence[Row[*tuple[Any, ...]]]:
    rows = (await tx.execute(_LOCK, _values(scope, choice))).all()
    if len(rows) != expected:
        detail = f"{len(rows)} {'row waits' if len(rows) == 1 else 'rows wait'} now, not {expected}: nothing was done."
        raise ConflictError(detail, code="count_changed")
    return rows


async def _tell(
    tx: AsyncConnection, actor: Actor, action: str, choice: Choice, detail: Mapping[str, object], now: datetime
) -> None:
    chosen = {name: str(value) for name, value in choice.narrowing.items() if value is not None}
    about = {"job": choice.job_id, "device": choice.device_id, "site": choice.site_id}
    kind, named = next(((kind, one) for kind, one in about.items() if one is not None), ("site", None))
    await audit.record(
        tx, actor, action, kind, named or 0, now=now, site_id=choice.site_id, detail={"chosen": chosen, **detail}
    )
