"""Reading: the addresses of occurrences that look for machines, each with its timeline, in the reader's sites."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of

_COLUMNS: Final = """
  t.id, t.run_id, t.occurrence_id, t.job_id, t.site_id, host(t.address) AS address, t.ports, t.names, t.entry, t.state, t.reason,
  t.detail, t.snippet, t.timeline, t.platform, t.hostname, t.agent_version, t.credential_id, t.credential_name, t.host_key,
  t.approval_id, t.device_id, t.attempt, t.started_at, t.finished_at"""
_SEEN: Final = "(CAST(:sites AS bigint[]) IS NULL OR t.site_id = ANY(:sites))"
_LIST = text(f"""
SELECT t.place, {_COLUMNS} FROM onboarding_targets t
WHERE t.occurrence_id = :occurrence_id AND {_SEEN}
  AND (CAST(:states AS text[]) IS NULL OR t.state = ANY(:states))
  AND (CAST(:reasons AS text[]) IS NULL OR t.reason = ANY(:reasons))
  AND (CAST(:ids AS bigint[]) IS NULL OR t.id = ANY(:ids))
  AND (CAST(:q AS text) IS NULL OR host(t.address) LIKE :q OR lower(coalesce(t.hostname, '')) LIKE :q
    OR lower(array_to_string(t.names, ' ')) LIKE :q)
  AND (CAST(:place AS integer) IS NULL OR (t.place, t.id) > (:place, :last))
ORDER BY t.place, t.id LIMIT :limit
""")
_COUNTS = text(f"""
SELECT t.state, t.reason, count(*) AS number FROM onboarding_targets t WHERE t.occurrence_id = :occurrence_id AND {_SEEN}
GROUP BY t.state, t.reason
""")
_ONE = text(f"SELECT {_COLUMNS} FROM onboarding_targets t WHERE t.id = :id AND {_SEEN}")
_OF_REQUESTS = text("""
SELECT r.id AS approval_id, t.id, t.job_id, j.name AS job_name, t.occurrence_id, t.run_id, host(t.address) AS address
FROM enrolment_requests r JOIN onboarding_targets t ON t.id = r.onboarding_target_id JOIN jobs j ON j.id = t.job_id
WHERE r.id = ANY(CAST(:ids AS uuid[]))
""")
_LEFT = text("""
SELECT t.key, t.state, t.reason FROM onboarding_targets t WHERE t.occurrence_id = :occurrence_id ORDER BY t.place, t.id
""")
_LATEST = text("""
SELECT o.id FROM occurrences o WHERE o.job_id = :job_id AND EXISTS (SELECT FROM runs r WHERE r.occurrence_id = o.id)
ORDER BY o.scheduled_for_at DESC, o.created_at DESC, o.id DESC LIMIT 1
""")
_KEYS = text(
    "SELECT t.id, t.key FROM onboarding_targets t WHERE t.occurrence_id = :occurrence_id AND t.id = ANY(CAST(:ids AS bigint[]))"
)


@dataclass(frozen=True, slots=True)
class OnboardingRow:
    """One address and what became of it. `ports`: those its entries gave besides the job's. `entry`: the first that names it."""

    id: int
    run_id: int
    occurrence_id: uuid.UUID
    job_id: int
    site_id: int
    address: str | None
    ports: Sequence[int]
    names: Sequence[str]
    entry: str
    state: OnboardingState
    reason: OnboardingReason | None
    detail: str | None
    snippet: str | None
    timeline: Sequence[Mapping[str, Any]] = field(repr=False)
    platform: str | None
    hostname: str | None
    agent_version: str | None
    credential_id: int | None
    credential_name: str | None
    host_key: str | None
    approval_id: uuid.UUID | None
    device_id: uuid.UUID | None
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class OnboardingOrigin:
    """Where a request for approval comes from."""

    job_id: int
    job_name: str
    occurrence_id: uuid.UUID
    run_id: int
    target_id: int
    address: str | None


@dataclass(frozen=True, slots=True)
class OnboardingFilter:
    """Which addresses to list; empty = all. `q`: part of an address, of a name, of a host name."""

    states: Sequence[str] = ()
    reasons: Sequence[str] = ()
    q: str | None = None
    ids: Sequence[int] = ()


async def onboarding_rows(
    tx: AsyncConnection,
    scope: SiteScope,
    occurrence_id: uuid.UUID,
    wanted: OnboardingFilter,
    *,
    limit: int,
    cursor: str | None,
) -> Page[OnboardingRow]:
    """The addresses in the order of the scope. That the reader sees the job is known already."""
    place, last = decode_cursor(cursor, (int, int)) if cursor is not None else (None, None)
    values = {
        "occurrence_id": occurrence_id,
        "sites": scope.as_list(),
        "states": list(wanted.states) or None,
        "reasons": list(wanted.reasons) or None,
        "ids": list(wanted.ids) or None,
        "q": f"%{_escaped(wanted.q.lower())}%" if wanted.q else None,
        "place": place,
        "last": last,
        "limit": limit + 1,
    }
    page = page_of((await tx.execute(_LIST, values)).all(), limit, lambda row: (row.place, row.id))
    return page.map(lambda row: _row(row[1:]))


def _escaped(given: str) -> str:
    return given.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _row(values: Sequence[Any]) -> OnboardingRow:
    one = dict(zip(OnboardingRow.__slots__, values, strict=True))
    reason = OnboardingReason(one["reason"]) if one["reason"] else None
    return OnboardingRow(**{**one, "state": OnboardingState(one["state"]), "reason": reason})


async def onboarding_counts(
    tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID
) -> dict[tuple[OnboardingState, OnboardingReason | None], int]:
    """How many addresses ended how."""
    rows = await tx.execute(_COUNTS, {"occurrence_id": occurrence_id, "sites": scope.as_list()})
    return {
        (OnboardingState(row.state), OnboardingReason(row.reason) if row.reason else None): row.number for row in rows
    }


async def onboarding_row(tx: AsyncConnection, scope: SiteScope, target_id: int) -> OnboardingRow:
    row = (await tx.execute(_ONE, {"id": target_id, "sites": scope.as_list()})).one_or_none()
    if row is None:
        raise NotFoundError("There is no such address.", code="target_not_found")
    return _row(tuple(row))


async def onboarding_origins(
    tx: AsyncConnection, approval_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, OnboardingOrigin]:
    """Of requests for approval that the reader sees those that a job brought."""
    rows = (await tx.execute(_OF_REQUESTS, {"ids": list(approval_ids)})).all() if approval_ids else ()
    return {row.approval_id: _origin(row) for row in rows}


def _origin(row: Row[*tuple[Any, ...]]) -> OnboardingOrigin:
    return OnboardingOrigin(row.job_id, row.job_name, row.occurrence_id, row.run_id, row.id, row.address)


async def latest_that_looked(tx: AsyncConnection, job_id: int) -> uuid.UUID | None:
    """The newest occurrence of a job that was opened: one that was skipped has no addresses."""
    found: uuid.UUID | None = (await tx.execute(_LATEST, {"job_id": job_id})).scalar_one_or_none()
    return found


async def keys_and_ends(
    tx: AsyncConnection, occurrence_id: uuid.UUID
) -> list[tuple[str, OnboardingState, OnboardingReason | None]]:
    """Every address of an occurrence by its key, and how it ended."""
    rows = await tx.execute(_LEFT, {"occurrence_id": occurrence_id})
    return [(row.key, OnboardingState(row.state), OnboardingReason(row.reason) if row.reason else None) for row in rows]


async def keys_of(tx: AsyncConnection, occurrence_id: uuid.UUID, target_ids: Sequence[int]) -> dict[int, str]:
    """Of these rows of an occurrence the keys."""
    rows = await tx.execute(_KEYS, {"occurrence_id": occurrence_id, "ids": list(target_ids)})
    return {row.id: row.key for row in rows}
