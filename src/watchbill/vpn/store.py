"""SQL of the VPN's hub and peers. Decides nothing. Rows of several peers are always locked in the order of their ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Text, Uuid, bindparam, cast, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.vpn_rules import HubFacts, HubState
from watchbill.core.wireguard_text import PeerConfig
from watchbill.kit.db import LOCK_SPACE
from watchbill.vpn.tables import vpn_hub, vpn_peers

_POOL_LOCK: Final = 34
_IDS = bindparam("ids", type_=ARRAY(Uuid()))

_HOLD_POOL = text("SELECT pg_advisory_xact_lock(:space, :lock)")
_HOLD = text("SELECT device_id FROM vpn_peers WHERE device_id = ANY(:ids) ORDER BY device_id FOR UPDATE").bindparams(
    _IDS
)
_KEYS = text("SELECT device_id, public_key FROM vpn_peers WHERE device_id = ANY(:ids)").bindparams(_IDS)
_HOLDERS = text("SELECT public_key, device_id FROM vpn_peers WHERE public_key = ANY(CAST(:keys AS text[]))")
# With another key it is another peer: what was seen of the one before says nothing about it.
_PUT_KEYS = text("""
INSERT INTO vpn_peers (device_id, public_key, created_at)
SELECT d.id, t.public_key, :now FROM unnest(:ids, CAST(:keys AS text[])) AS t(device_id, public_key)
JOIN devices d ON d.id = t.device_id AND d.status <> 'revoked' ORDER BY d.id
ON CONFLICT (device_id) DO UPDATE SET public_key = excluded.public_key, problem = NULL, applied_key = NULL,
  handshake_at = NULL, heard_at = NULL, endpoint = NULL, rx_bytes = 0, tx_bytes = 0, released_at = NULL
""").bindparams(_IDS)
_PUT_PROBLEMS = text("""
INSERT INTO vpn_peers (device_id, problem, created_at)
SELECT d.id, t.problem, :now FROM unnest(:ids, CAST(:problems AS text[])) AS t(device_id, problem)
JOIN devices d ON d.id = t.device_id AND d.status <> 'revoked' ORDER BY d.id
ON CONFLICT (device_id) DO UPDATE SET problem = excluded.problem, public_key = NULL, applied_key = NULL
""").bindparams(_IDS)
# Also of a device that has no key: that it can make no tunnel, and why, is what people want to know.
_REPORT = text("""
INSERT INTO vpn_peers AS p (device_id, reported_state, reported_detail, created_at)
SELECT d.id, t.state, t.detail, :now
FROM unnest(:ids, CAST(:states AS text[]), CAST(:details AS text[])) AS t(device_id, state, detail)
JOIN devices d ON d.id = t.device_id AND d.status <> 'revoked' ORDER BY d.id
ON CONFLICT (device_id) DO UPDATE SET reported_state = excluded.reported_state, reported_detail = excluded.reported_detail
WHERE p.released_at IS NULL
  AND (p.reported_state, p.reported_detail) IS DISTINCT FROM (excluded.reported_state, excluded.reported_detail)
RETURNING device_id
""").bindparams(_IDS)

_HIGHEST = text("SELECT max(address) FROM vpn_peers")
_WITHOUT_ADDRESS = text("""
SELECT device_id FROM vpn_peers WHERE address IS NULL AND public_key IS NOT NULL
  AND (CAST(:ids AS uuid[]) IS NULL OR device_id = ANY(:ids)) ORDER BY created_at, device_id
""").bindparams(_IDS)
_RECYCLE = text("""
WITH rested AS (
  SELECT device_id, address FROM vpn_peers WHERE released_at <= :before AND address IS NOT NULL
  ORDER BY released_at, device_id LIMIT :number FOR UPDATE
)
UPDATE vpn_peers p SET address = NULL FROM rested WHERE p.device_id = rested.device_id RETURNING host(rested.address)
""")
_ASSIGN = text("""
UPDATE vpn_peers p SET address = CAST(t.address AS inet)
FROM unnest(:ids, CAST(:addresses AS text[])) AS t(device_id, address) WHERE p.device_id = t.device_id
""").bindparams(_IDS)

_OPEN = text("""
UPDATE vpn_peers SET open_until = greatest(open_until, :until), prepared_at = :now
WHERE device_id = ANY(:ids) AND released_at IS NULL RETURNING device_id
""").bindparams(_IDS)
_RELEASE = text("""
UPDATE vpn_peers p SET public_key = NULL, problem = NULL, open_until = NULL, applied_key = NULL, handshake_at = NULL, heard_at = NULL,
  endpoint = NULL, reported_state = NULL, reported_detail = NULL, released_at = :now
FROM devices d WHERE p.device_id = ANY(:ids) AND p.released_at IS NULL AND d.id = p.device_id AND d.status = 'revoked'
RETURNING p.device_id
""").bindparams(_IDS)

# A device that is disabled keeps its address and its key, and the hub does not know it meanwhile.
_TO_APPLY = text("""
SELECT p.public_key, host(p.address) AS address, CASE WHEN p.open_until > :now THEN p.endpoint END AS endpoint
FROM vpn_peers p JOIN devices d ON d.id = p.device_id WHERE p.public_key IS NOT NULL AND p.address IS NOT NULL AND d.status = 'active'
""")
_APPLIED = text("""
WITH changed AS (
  SELECT p.device_id, t.key FROM vpn_peers p
  LEFT JOIN unnest(CAST(:keys AS text[])) AS t(key) ON t.key = p.public_key
  WHERE p.applied_key IS DISTINCT FROM t.key ORDER BY p.device_id FOR UPDATE OF p
)
UPDATE vpn_peers p SET applied_key = changed.key FROM changed WHERE p.device_id = changed.device_id
  AND (changed.key IS NULL OR p.public_key = changed.key) RETURNING p.device_id
""")
# Ages travel, and become instants by the database's clock: the hub's host may have another. A handshake a moment older or younger
# than the one that is known is the same one. That packets came is worth a row once in a keepalive, not at each look.
_SEEN = text("""
WITH seen AS (
  SELECT p.device_id, t.endpoint, t.rx_bytes, t.tx_bytes, p.handshake_at AS old_handshake_at, p.heard_at AS old_heard_at,
    CAST(:now AS timestamptz) - make_interval(secs => t.shaken_age) AS handshake_at,
    CAST(:now AS timestamptz) - make_interval(secs => t.heard_age) AS heard_at
  FROM unnest(CAST(:keys AS text[]), CAST(:endpoints AS text[]), CAST(:shaken_ages AS float8[]), CAST(:heard_ages AS float8[]),
    CAST(:received AS bigint[]), CAST(:sent AS bigint[])) AS t(key, endpoint, shaken_age, heard_age, rx_bytes, tx_bytes)
  JOIN vpn_peers p ON p.public_key = t.key
  ORDER BY p.device_id FOR UPDATE OF p
), news AS (
  SELECT s.*, coalesce(s.handshake_at > coalesce(s.old_handshake_at + interval '900 ms', '-infinity'), false) AS is_shaken,
    coalesce(s.heard_at > coalesce(s.old_heard_at + make_interval(secs => :rest), '-infinity'), false) AS is_heard
  FROM seen s
)
UPDATE vpn_peers p SET endpoint = coalesce(n.endpoint, p.endpoint), rx_bytes = n.rx_bytes, tx_bytes = n.tx_bytes,
  handshake_at = CASE WHEN n.is_shaken THEN n.handshake_at ELSE p.handshake_at END,
  heard_at = greatest(p.heard_at, n.heard_at)
FROM news n WHERE p.device_id = n.device_id AND (n.is_shaken OR n.is_heard OR n.endpoint <> p.endpoint)
RETURNING p.device_id, n.is_shaken
""")
_AWAITED = text("""
SELECT count(*) FILTER (WHERE prepared_at > :since AND (handshake_at IS NULL OR handshake_at <= :stale)) AS awaited,
  count(*) AS open FROM vpn_peers WHERE open_until > :now
""")
_COUNTS = text("""
SELECT count(*) FILTER (WHERE public_key IS NOT NULL) AS peers, count(*) FILTER (WHERE applied_key IS NOT NULL) AS applied,
  count(*) FILTER (WHERE open_until > :now) AS open,
  count(*) FILTER (WHERE open_until > :now AND handshake_at > :fresh) AS connected,
  count(*) FILTER (WHERE address IS NOT NULL AND released_at IS NULL) AS used,
  count(*) FILTER (WHERE address IS NOT NULL AND released_at > :resting) AS resting,
  count(*) FILTER (WHERE problem IS NOT NULL) AS refused
FROM vpn_peers
""")


@dataclass(frozen=True, slots=True)
class HubRow:
    """The hub as stored, but for its private key."""

    public_key: str
    subnet: IPv4Network
    endpoint: str
    keepalive_seconds: int
    interface: str
    state: HubState
    detail: str | None
    host: str
    heard_at: datetime

    @property
    def facts(self) -> HubFacts:
        return HubFacts(self.state, self.detail, self.heard_at, timedelta(seconds=self.keepalive_seconds))


@dataclass(frozen=True, slots=True)
class Counts:
    """Peers by what is so of them. `resting`: addresses that were given back and that nobody may have yet."""

    peers: int
    applied: int
    open: int
    connected: int
    used: int
    resting: int
    refused: int


# --- the hub -----------------------------------------------------------------------------------------------------------


async def find_hub(tx: AsyncConnection) -> HubRow | None:
    columns = [vpn_hub.c[name] for name in HubRow.__slots__ if name != "subnet"]
    row = (await tx.execute(select(*columns, cast(vpn_hub.c.subnet, Text).label("subnet")))).one_or_none()
    return None if row is None else _hub_row(row)


def _hub_row(row: Row[*tuple[Any, ...]]) -> HubRow:
    values = {name: getattr(row, name) for name in HubRow.__slots__}
    return HubRow(**{**values, "subnet": IPv4Network(row.subnet), "state": HubState(row.state)})


async def find_private_key(tx: AsyncConnection) -> str | None:
    """Sealed."""
    return (await tx.execute(select(vpn_hub.c.private_key_sealed).with_for_update())).scalar_one_or_none()


async def put_hub(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    """Write the hub's row, or change what is there; a key that is there stays."""
    kept = {"public_key", "private_key_sealed", "created_at"}
    statement = upsert(vpn_hub).values(id=1, **values)
    renewed = {name: statement.excluded[name] for name in values if name not in kept}
    await tx.execute(statement.on_conflict_do_update(index_elements=[vpn_hub.c.id], set_=renewed))


async def update_hub(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(update(vpn_hub).values(values))


# --- keys and addresses ------------------------------------------------------------------------------------------------


async def hold_pool(tx: AsyncConnection) -> None:
    """Keys and addresses are given by one at a time. To be asked for before any row is held."""
    await tx.execute(_HOLD_POOL, {"space": LOCK_SPACE, "lock": _POOL_LOCK})


async def keys_of(tx: AsyncConnection, device_ids: Sequence[UUID]) -> dict[UUID, str | None]:
    return {row.device_id: row.public_key for row in await tx.execute(_KEYS, {"ids": list(device_ids)})}


async def holders(tx: AsyncConnection, keys: Sequence[str]) -> dict[str, UUID]:
    """Key -> the device that has it."""
    return {row.public_key: row.device_id for row in await tx.execute(_HOLDERS, {"keys": list(keys)})}


async def put_keys(tx: AsyncConnection, keys: Mapping[UUID, str], now: datetime) -> None:
    """Give devices these keys, which nobody else has."""
    if keys:
        await _hold(tx, list(keys))
        await tx.execute(_PUT_KEYS, {"ids": list(keys), "keys": list(keys.values()), "now": now})


async def put_problems(tx: AsyncConnection, problems: Mapping[UUID, str], now: datetime) -> None:
    """Write down why devices have no key that counts."""
    if problems:
        await _hold(tx, list(problems))
        await tx.execute(_PUT_PROBLEMS, {"ids": list(problems), "problems": list(problems.values()), "now": now})


async def without_address(tx: AsyncConnection, device_ids: Sequence[UUID] | None) -> list[UUID]:
    """Those of the devices (None: of all) that have a key and no address, who came first before."""
    ids = None if device_ids is None else list(device_ids)
    return list((await tx.execute(_WITHOUT_ADDRESS, {"ids": ids})).scalars())


async def highest_address(tx: AsyncConnection) -> IPv4Address | None:
    """The highest that anybody has or had."""
    found = (await tx.execute(_HIGHEST)).scalar_one()
    return None if found is None else IPv4Address(str(found).partition("/")[0])


async def recycle(tx: AsyncConnection, number: int, *, before: datetime) -> list[IPv4Address]:
    """Take the addresses that have rested longest since before an instant."""
    rows = await tx.execute(_RECYCLE, {"number": number, "before": before})
    return sorted(IPv4Address(one) for one in rows.scalars())


async def assign(tx: AsyncConnection, addresses: Mapping[UUID, str]) -> None:
    await _hold(tx, list(addresses))
    await tx.execute(_ASSIGN, {"ids": list(addresses), "addresses": list(addresses.values())})


async def forget_addresses(tx: AsyncConnection) -> None:
    """All of them, for another subnet."""
    await tx.execute(select(vpn_peers.c.device_id).order_by(vpn_peers.c.device_id).with_for_update())
    await tx.execute(update(vpn_peers).where(vpn_peers.c.address.is_not(None)).values(address=None, applied_key=None))


async def _hold(tx: AsyncConnection, device_ids: Sequence[UUID]) -> None:
    await tx.execute(_HOLD, {"ids": list(device_ids)})


# --- what devices and operators want -------------------------------------------------------------------------------------


async def put_reports(tx: AsyncConnection, told: Sequence[tuple[UUID, str, str | None]], now: datetime) -> list[UUID]:
    """What devices say of their ends, as (device, state, detail); returns those that say something new."""
    ids = [device_id for device_id, *_ in told]
    await _hold(tx, ids)
    values = {"ids": ids, "states": [one[1] for one in told], "details": [one[2] for one in told], "now": now}
    return list((await tx.execute(_REPORT, values)).scalars())


async def open_tunnels(tx: AsyncConnection, device_ids: Sequence[UUID], until: datetime, now: datetime) -> list[UUID]:
    """Let tunnels be open until then at least; returns those that there are."""
    await _hold(tx, device_ids)
    return list((await tx.execute(_OPEN, {"ids": list(device_ids), "until": until, "now": now})).scalars())


async def release(tx: AsyncConnection, device_ids: Sequence[UUID], now: datetime) -> list[UUID]:
    """Of those that are revoked, take the keys away for good and let the addresses rest; returns whose."""
    await _hold(tx, device_ids)
    return list((await tx.execute(_RELEASE, {"ids": list(device_ids), "now": now})).scalars())


# --- the hub's process ---------------------------------------------------------------------------------------------------


async def to_apply(tx: AsyncConnection, now: datetime) -> list[PeerConfig]:
    """The peers that the interface is to have."""
    rows = await tx.execute(_TO_APPLY, {"now": now})
    return [PeerConfig(row.public_key, row.address, row.endpoint) for row in rows]


async def put_applied(tx: AsyncConnection, keys: Sequence[str]) -> list[UUID]:
    """These are the peers of the interface; returns the devices of which that was not known."""
    return list((await tx.execute(_APPLIED, {"keys": list(keys)})).scalars())


@dataclass(frozen=True, slots=True)
class Seen:
    """A peer as the interface shows it. Ages in seconds: of its last handshake, and of the last look that found packets from it."""

    public_key: str
    endpoint: str | None
    shaken_age: float | None
    heard_age: float | None
    rx_bytes: int
    tx_bytes: int


async def put_seen(tx: AsyncConnection, seen: Sequence[Seen], now: datetime, *, rest_seconds: int) -> list[UUID]:
    """Write what is new of these peers, packets that came at most once a rest; returns the devices that made a new handshake."""
    values = {
        "keys": [one.public_key for one in seen],
        "endpoints": [one.endpoint for one in seen],
        "shaken_ages": [one.shaken_age for one in seen],
        "heard_ages": [one.heard_age for one in seen],
        "received": [one.rx_bytes for one in seen],
        "sent": [one.tx_bytes for one in seen],
    }
    rows = await tx.execute(_SEEN, {**values, "now": now, "rest": rest_seconds})
    return [row.device_id for row in rows if row.is_shaken]


async def count_awaited(tx: AsyncConnection, now: datetime, *, since: datetime, stale: datetime) -> tuple[int, int]:
    """How many tunnels somebody has asked for lately and that have no handshake since; how many are open at all."""
    row = (await tx.execute(_AWAITED, {"now": now, "since": since, "stale": stale})).one()
    return row.awaited, row.open


async def counts(tx: AsyncConnection, now: datetime, *, fresh: datetime, resting: datetime) -> Counts:
    row = (await tx.execute(_COUNTS, {"now": now, "fresh": fresh, "resting": resting})).one()
    return Counts(*row)
