"""A worker's side of runs that look for machines: their addresses as rows, what is known of them, who is taken up, what was done."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.core.scope import Place
from watchbill.kit import events
from watchbill.kit.db import LOCK_SPACE
from watchbill.kit.events import Event
from watchbill.runs.onboarding_moves import CUT_OFF, OnboardingMove, added, move_onboarding, storable
from watchbill.runs.onboarding_rows import OnboardingRow

#: A device that was heard of since then counts as there, also where it is not connected at this moment.
_HEARD_OF: Final = timedelta(minutes=5)
#: How long a machine's refusal of an account keeps a schedule from trying it there again. Who redeploys by hand asks for the try.
REFUSED_FOR: Final = timedelta(days=7)
_TAKING_LOCK: Final = 41
_S, _R = OnboardingState, OnboardingReason

_TOLD = text("""
SELECT r.occurrence_id, r.job_id, r.components->0 AS component, r.target_specs->0 AS scope, r.time_limit_seconds, o.kind,
  o.cancel_requested_at IS NOT NULL AS is_cancelled, o.state AS occurrence_state,
  EXISTS (SELECT FROM onboarding_targets t WHERE t.run_id = r.id) AS is_placed
FROM runs r JOIN occurrences o ON o.id = r.occurrence_id WHERE r.id = :run_id
""")
_PLACE = text("""
INSERT INTO onboarding_targets (run_id, occurrence_id, job_id, site_id, place, key, address, ports, names, entry, state, reason, detail,
  created_at, finished_at)
SELECT :run_id, :occurrence_id, :job_id, :site_id, p.place, p.key, CAST(p.address AS inet), p.ports, p.names, p.entry,
  CASE WHEN p.reason = 'excluded' THEN 'skipped' WHEN p.reason IS NOT NULL THEN 'unreachable' ELSE 'pending' END, p.reason, p.detail, :now,
  CASE WHEN p.reason IS NOT NULL THEN CAST(:now AS timestamptz) END
FROM jsonb_to_recordset(CAST(:places AS jsonb))
  AS p(place integer, key text, address text, ports integer[], names text[], entry text, reason text, detail text)
ORDER BY p.place
ON CONFLICT (run_id, key) DO NOTHING
RETURNING id, occurrence_id, job_id, site_id, state, reason
""")
_INTERRUPTED = text("""
SELECT id FROM onboarding_targets WHERE run_id = :run_id AND state IN ('connecting', 'installing') ORDER BY id FOR UPDATE
""")
# Each side is read once and met by hash: thousands of addresses against thousands of devices. Of this site alone: other sites' networks have the same addresses. A machine that asked for this very row, before its worker died,
# is none that others brought: its install goes on.
_KNOWN = text("""
WITH here AS (
  SELECT site_id FROM onboarding_targets WHERE run_id = :run_id LIMIT 1
), managed AS MATERIALIZED (
  SELECT a.address, d.id, d.hostname, p.last_seen_at
  FROM devices d JOIN device_presence p ON p.device_id = d.id, unnest(d.internal_addresses) AS a(address)
  WHERE d.site_id = (SELECT site_id FROM here) AND d.status <> 'revoked' AND (p.gateway_id IS NOT NULL OR p.last_seen_at > :heard)
), asking AS MATERIALIZED (
  SELECT q.id, q.hostname, q.created_at, q.onboarding_target_id, a.address
  FROM enrolment_requests q LEFT JOIN onboarding_targets b ON b.id = q.onboarding_target_id AND b.site_id = q.site_id,
    unnest(ARRAY[q.remote_addr, host(b.address)]) AS a(address)
  WHERE q.site_id = (SELECT site_id FROM here) AND q.state = 'pending' AND q.expires_at > :now
)
SELECT DISTINCT ON (t.id) t.id, d.id AS device_id, d.hostname, r.id AS approval_id, r.hostname AS asking
FROM onboarding_targets t
LEFT JOIN managed d ON d.address = t.address
  AND NOT EXISTS (SELECT FROM enrolment_requests o WHERE o.onboarding_target_id = t.id AND o.device_id = d.id)
LEFT JOIN asking r ON r.address = host(t.address) AND r.onboarding_target_id IS DISTINCT FROM t.id
WHERE t.run_id = :run_id AND t.state = 'pending' AND t.address IS NOT NULL AND (d.id IS NOT NULL OR r.id IS NOT NULL)
ORDER BY t.id, d.last_seen_at DESC NULLS LAST, r.created_at DESC NULLS LAST
""")
_BY_KEY = text("""
SELECT d.id, d.hostname, d.site_id, p.gateway_id IS NOT NULL OR p.last_seen_at > :heard AS is_heard
FROM device_host_keys k JOIN devices d ON d.id = k.device_id AND d.status <> 'revoked' JOIN device_presence p ON p.device_id = d.id
WHERE k.key = :key ORDER BY p.last_seen_at DESC LIMIT 1
""")
_DEVICE = text("""
SELECT d.hostname, d.site_id, d.status, p.gateway_id IS NOT NULL AS is_online FROM devices d
LEFT JOIN device_presence p ON p.device_id = d.id WHERE d.id = :id
""")
_LOCK_SITE = text("SELECT pg_advisory_xact_lock(:space, :lock + CAST(:site_id % 1000 AS integer) * 1000)")
_OTHERS = text("""
SELECT w.id, j.name FROM onboarding_targets w
JOIN onboarding_targets b ON b.site_id = w.site_id AND b.address = w.address AND b.id <> w.id AND b.state IN ('connecting', 'installing')
JOIN jobs j ON j.id = b.job_id
WHERE w.id = :id
""")
_IS_CONNECTING = text("SELECT state = 'connecting' FROM onboarding_targets WHERE id = :id")
_PENDING = text("""
SELECT id, key, host(address) AS address, ports, names FROM onboarding_targets WHERE run_id = :run_id AND state = 'pending' ORDER BY place, id
""")
_TIMELINE = text("""
UPDATE onboarding_targets SET timeline = CAST(:timeline AS jsonb) WHERE id = :id AND run_id = :run_id
RETURNING job_id, occurrence_id, site_id, state, reason
""")
_NAME = text("UPDATE onboarding_targets SET hostname = coalesce(hostname, :hostname) WHERE id = :id")
_LINES = text("SELECT timeline FROM onboarding_targets WHERE id = :id")
_FACTS = text("""
UPDATE onboarding_targets SET platform = coalesce(:platform, platform), hostname = coalesce(:hostname, hostname),
  agent_version = coalesce(:agent_version, agent_version), credential_id = coalesce(:credential_id, credential_id),
  credential_name = coalesce(:credential_name, credential_name), host_key = coalesce(:host_key, host_key),
  device_id = coalesce(:device_id, device_id), approval_id = coalesce(:approval_id, approval_id)
WHERE id = :id
""")
_PIN = text("""
INSERT INTO onboarding_host_keys (site_id, address, port, key, pinned_at) VALUES (:site_id, CAST(:address AS inet), :port, :key, :now)
ON CONFLICT (site_id, address, port) DO NOTHING
""")
_PINNED = text(
    "SELECT key FROM onboarding_host_keys WHERE site_id = :site_id AND address = CAST(:address AS inet) AND port = :port"
)
_UNPIN = text("DELETE FROM onboarding_host_keys WHERE site_id = :site_id AND address = CAST(:address AS inet)")
_REFUSED = text("""
SELECT credential_id, revision FROM onboarding_refusals
WHERE site_id = :site_id AND address = CAST(:address AS inet) AND refused_at > :since
""")
_REFUSE = text("""
INSERT INTO onboarding_refusals (site_id, address, credential_id, revision, refused_at)
VALUES (:site_id, CAST(:address AS inet), :credential_id, :revision, :now)
ON CONFLICT (site_id, address, credential_id) DO UPDATE SET revision = excluded.revision, refused_at = excluded.refused_at
""")
_ACCEPT = text("""
DELETE FROM onboarding_refusals WHERE site_id = :site_id AND address = CAST(:address AS inet) AND credential_id = :credential_id
""")
_SAME_KEY = text("""
SELECT t.id, host(t.address) AS address FROM onboarding_targets t
WHERE t.run_id = :run_id AND t.id <> :id AND t.host_key = :key AND t.state NOT IN ('unreachable', 'skipped') ORDER BY t.id LIMIT 1
""")
_REQUEST = text("""
SELECT r.id FROM enrolment_requests r WHERE r.onboarding_target_id = :id ORDER BY r.created_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class OnboardingRun:
    """What a run is told. `scope`: entries, exclusions, and of them `only` some (None = all); `is_placed`: its addresses are rows."""

    occurrence_id: uuid.UUID
    job_id: int
    component: Mapping[str, Any]
    scope: Mapping[str, Any]
    time_limit_seconds: int
    kind: str
    is_cancelled: bool
    occurrence_state: str
    is_placed: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """An address that is to be looked at."""

    id: int
    key: str
    address: str
    ports: Sequence[int]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device of this Engine, whichever its site. `is_here`: of the run's own."""

    device_id: uuid.UUID
    hostname: str
    is_here: bool
    is_heard: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a machine by now; None = nothing new."""

    platform: str | None = None
    hostname: str | None = None
    agent_version: str | None = None
    credential_id: int | None = None
    credential_name: str | None = None
    host_key: str | None = None
    device_id: uuid.UUID | None = None
    approval_id: uuid.UUID | None = None


async def told(tx: AsyncConnection, run_id: int) -> OnboardingRun:
    return OnboardingRun(*(await tx.execute(_TOLD, {"run_id": run_id})).one())


async def put_places(
    tx: AsyncConnection, run_id: int, run: OnboardingRun, places: Sequence[Place], now: datetime
) -> None:
    """Make the addresses rows; who is excluded, or has a name that leads nowhere, is done with."""
    values = {"run_id": run_id, "occurrence_id": run.occurrence_id, "job_id": run.job_id, "now": now}
    listed = [_place(number, one) for number, one in enumerate(places)]
    values |= {"site_id": run.scope["site_id"], "places": json.dumps(listed)}
    await added(tx, (await tx.execute(_PLACE, values)).all(), now)


def _place(number: int, one: Place) -> dict[str, Any]:
    reason, detail = None, None
    if one.is_excluded:
        reason, detail = _R.EXCLUDED.value, "The job leaves it out."
    elif one.address is None:
        reason, detail = _R.NAME_NOT_RESOLVED.value, one.detail or "Its name leads to no address."
    return {
        "place": number,
        "key": one.key,
        "address": str(one.address) if one.address else None,
        "ports": list(one.ports),
        "names": list(one.names),
        "entry": one.entry,
        "reason": reason,
        "detail": detail,
    }


async def take_up(tx: AsyncConnection, run_id: int, now: datetime) -> int:
    """What an earlier worker was at when it died begins again; how many. Its timeline says so."""
    rows = (await tx.execute(_INTERRUPTED, {"run_id": run_id})).all()
    if not rows:
        return 0
    await tx.execute(CUT_OFF, {"ids": [row.id for row in rows], "now": now.isoformat()})
    why = "Its worker ended in the middle; another one takes it up."
    await move_onboarding(tx, [OnboardingMove(row.id, _S.PENDING, None, why) for row in rows], now)
    return len(rows)


async def recognise(tx: AsyncConnection, run_id: int, now: datetime) -> int:
    """Leave alone, before anything is sent there, the addresses of devices that are heard of and of machines that ask already."""
    rows = (await tx.execute(_KNOWN, {"run_id": run_id, "now": now, "heard": now - _HEARD_OF})).all()
    moved = await move_onboarding(tx, [_recognised(row) for row in rows], now)
    for row in rows:
        if row.id in moved:
            hostname = row.hostname or row.asking
            approval_id = row.approval_id if row.device_id is None else None
            await note(tx, row.id, Facts(hostname=hostname, device_id=row.device_id, approval_id=approval_id))
    return len(moved)


def _recognised(row: Row[*tuple[Any, ...]]) -> OnboardingMove:
    if row.device_id is not None:
        return OnboardingMove(row.id, _S.SKIPPED, _R.ALREADY_MANAGED, f"It is the device {row.hostname}.")
    why = f"The machine {row.asking} has asked from here, and waits for approval."
    return OnboardingMove(row.id, _S.SKIPPED, _R.ALREADY_PENDING, why)


async def pending(tx: AsyncConnection, run_id: int) -> list[Pending]:
    """What is still to be looked at, in the order of the scope."""
    return [Pending(*row) for row in await tx.execute(_PENDING, {"run_id": run_id})]


async def take_one(tx: AsyncConnection, site_id: int, target_id: int, now: datetime) -> bool:
    """Begin with a machine; False, and that is its end, where another job is at it just now, or it is not to be begun any more."""
    await tx.execute(_LOCK_SITE, {"space": LOCK_SPACE, "lock": _TAKING_LOCK, "site_id": site_id})
    other = (await tx.execute(_OTHERS, {"id": target_id})).first()
    if other is not None:
        why = f"The job “{other.name}” is at work on this address."
        await move_onboarding(tx, [OnboardingMove(target_id, _S.SKIPPED, _R.TAKEN, why)], now)
        return False
    if target_id in await move_onboarding(tx, [OnboardingMove(target_id, _S.CONNECTING)], now):
        return True
    # The step is made again where its commit was not heard of; nobody else takes rows of this run.
    return bool((await tx.execute(_IS_CONNECTING, {"id": target_id})).scalar_one())


async def note(tx: AsyncConnection, target_id: int, facts: Facts) -> None:
    """Keep what is known of a machine."""
    await tx.execute(_FACTS, {"id": target_id, **{name: storable(getattr(facts, name)) for name in Facts.__slots__}})


async def name(tx: AsyncConnection, target_id: int, hostname: str) -> None:
    """What a machine is called that has not said it itself."""
    await tx.execute(_NAME, {"id": target_id, "hostname": hostname})


async def lines_of(tx: AsyncConnection, target_id: int) -> list[dict[str, Any]]:
    """The timeline of a machine so far."""
    found: list[dict[str, Any]] = (await tx.execute(_LINES, {"id": target_id})).scalar_one()
    return found


async def write_timeline(
    tx: AsyncConnection, run_id: int, target_id: int, timeline: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Keep the timeline of a machine, and tell who looks on."""
    written = json.dumps([{name: storable(value) for name, value in line.items()} for line in timeline])
    row = (await tx.execute(_TIMELINE, {"id": target_id, "run_id": run_id, "timeline": written})).one()
    told = {"target_id": target_id, "state": row.state, "reason": row.reason}
    about = {"job_id": row.job_id, "occurrence_id": str(row.occurrence_id), "site_id": row.site_id, "targets": [told]}
    await events.publish(tx, [Event("onboarding.changed", about, row.site_id)], now)


def as_device_id(given: str | None) -> uuid.UUID | None:
    """The device that an agent says it is."""
    return uuid.UUID(given) if given else None


async def distrust(
    tx: AsyncConnection, site_id: int, address: str, port: int, offered: str, now: datetime
) -> str | None:
    """The key that is known for an address, where it is another than the one it shows; None = it is trusted. The first is pinned."""
    place = {"site_id": site_id, "address": address, "port": port}
    await tx.execute(_PIN, {**place, "key": offered, "now": now})
    known: str = (await tx.execute(_PINNED, place)).scalar_one()
    return None if known == offered else known


async def forget_onboarding_key(tx: AsyncConnection, row: OnboardingRow) -> None:
    """Trust the next key that an address shows."""
    if row.address is not None:
        await tx.execute(_UNPIN, {"site_id": row.site_id, "address": row.address})


async def device_by_key(tx: AsyncConnection, key: str, site_id: int, now: datetime) -> KnownDevice | None:
    """The device that is known by an SSH host key."""
    row = (await tx.execute(_BY_KEY, {"key": key, "heard": now - _HEARD_OF})).first()
    return KnownDevice(row.id, row.hostname, row.site_id == site_id, row.is_heard) if row else None


async def device_told(tx: AsyncConnection, device_id: uuid.UUID) -> Row[*tuple[Any, ...]] | None:
    """What there is of the device that an agent says it is: hostname, site_id, status, is_online."""
    return (await tx.execute(_DEVICE, {"id": device_id})).one_or_none()


async def same_machine(tx: AsyncConnection, run_id: int, target_id: int, key: str) -> str | None:
    """Another address of the run that showed the same host key, and is being, or was, worked on."""
    row = (await tx.execute(_SAME_KEY, {"run_id": run_id, "id": target_id, "key": key})).first()
    return row.address if row else None


async def refused_before(tx: AsyncConnection, site_id: int, address: str, now: datetime) -> set[tuple[int, int]]:
    """(credential, revision) that an address has refused lately."""
    values = {"site_id": site_id, "address": address, "since": now - REFUSED_FOR}
    return {(row.credential_id, row.revision) for row in await tx.execute(_REFUSED, values)}


async def note_login(
    tx: AsyncConnection, where: tuple[int, str], credential: tuple[int, int], now: datetime, *, accepted: bool
) -> None:
    """Keep whether an address (site, address) took a credential (id, revision)."""
    values = {"site_id": where[0], "address": where[1], "credential_id": credential[0]}
    if accepted:
        await tx.execute(_ACCEPT, values)
    else:
        await tx.execute(_REFUSE, {**values, "revision": credential[1], "now": now})


async def request_of(tx: AsyncConnection, target_id: int) -> uuid.UUID | None:
    """The request for approval that a machine made for this address, decided by now or not."""
    found: uuid.UUID | None = (await tx.execute(_REQUEST, {"id": target_id})).scalar_one_or_none()
    return found
