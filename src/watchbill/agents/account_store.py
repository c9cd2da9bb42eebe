"""SQL of service accounts and of their keys. Decides nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.agents.account_keys import AccountKey
from watchbill.agents.tables import service_account_keys
from watchbill.core.service_accounts import AccountFacts, Told, Wanted
from watchbill.kit.db import LOCK_SPACE

_KEYS_LOCK = 22

_NEXT_GENERATION = text("SELECT nextval(pg_get_serial_sequence('service_account_keys', 'generation'))")

# In the order of ids, as gateways store what devices tell.
_WANT = text("""
INSERT INTO service_accounts AS a (device_id, wanted, generation, requested_at, requested_by)
SELECT device_id, :wanted, g.generation, :now, :by
FROM unnest(CAST(:devices AS uuid[]), CAST(:generations AS bigint[])) AS g(device_id, generation) ORDER BY device_id
ON CONFLICT (device_id) DO UPDATE SET wanted = excluded.wanted, generation = excluded.generation,
  requested_at = excluded.requested_at, requested_by = excluded.requested_by,
  told = CASE WHEN a.told IN ('failed', 'unsupported') THEN NULL ELSE a.told END,
  detail = CASE WHEN a.told IN ('failed', 'unsupported') THEN NULL ELSE a.detail END
""")

_OF = text("SELECT * FROM service_accounts WHERE device_id = ANY(:devices)")

_WISHES = text("""
SELECT a.device_id, a.wanted, a.generation, k.ssh_public_key, k.password_public_key, p.ssh_public_key AS present_key
FROM service_accounts a
LEFT JOIN service_account_keys k ON k.generation = a.generation AND a.wanted = 'present'
LEFT JOIN service_account_keys p ON p.generation = a.present_generation AND p.generation <> a.generation AND a.wanted = 'present'
WHERE a.device_id = ANY(:devices)
""")

# A device can tell of nothing but what was wanted of it. What it told before, it tells again at each connection: that writes nothing.
_TELL = text("""
WITH told AS (
  SELECT a.device_id, a.present_generation AS present_before, d.site_id, g.told, g.generation, g.detail, g.sealed,
    CASE g.told WHEN 'present' THEN g.generation WHEN 'failed' THEN a.present_generation END AS present_after
  FROM unnest(CAST(:devices AS uuid[]), CAST(:states AS text[]), CAST(:generations AS bigint[]), CAST(:details AS text[]),
    CAST(:sealed AS text[])) AS g(device_id, told, generation, detail, sealed)
  JOIN service_accounts a ON a.device_id = g.device_id
  JOIN devices d ON d.id = g.device_id
  WHERE g.generation = a.generation OR g.generation = a.present_generation
  ORDER BY a.device_id FOR UPDATE OF a
)
UPDATE service_accounts a SET told = t.told, told_generation = t.generation, told_at = :now, detail = t.detail,
  present_generation = t.present_after,
  password_sealed = CASE WHEN t.present_after IS NULL THEN NULL ELSE coalesce(t.sealed, a.password_sealed) END
FROM told t
WHERE a.device_id = t.device_id AND (t.sealed IS NOT NULL OR (a.told, a.told_generation, a.detail, a.present_generation)
  IS DISTINCT FROM (t.told, t.generation, t.detail, t.present_after))
RETURNING a.device_id, t.site_id, a.wanted, a.generation, a.told, a.told_generation,
  a.present_generation IS DISTINCT FROM t.present_before AS has_moved
""")

_LOGINS = text("""
SELECT a.device_id, d.os_family, a.present_generation, a.password_sealed FROM service_accounts a
JOIN devices d ON d.id = a.device_id AND d.status = 'active'
WHERE a.device_id = ANY(:devices) AND a.wanted = 'present' AND a.present_generation IS NOT NULL
""")

# The newest stays for those that come; the others as long as a device has them, or is to have them. A key is given to devices only
# while it is the newest, and who gives it keeps others from making the next: whoever sees the next sees all that have this one.
_FORGET_KEYS = text("""
DELETE FROM service_account_keys k
WHERE k.generation < (SELECT max(generation) FROM service_account_keys)
  AND NOT EXISTS (SELECT FROM service_accounts a WHERE a.present_generation = k.generation)
  AND NOT EXISTS (SELECT FROM service_accounts a WHERE a.generation = k.generation AND a.wanted = 'present')
""")

_SEALED = text("SELECT device_id, password_sealed FROM service_accounts WHERE password_sealed IS NOT NULL FOR UPDATE")
_RESEAL = text("""
UPDATE service_accounts a SET password_sealed = g.sealed
FROM unnest(CAST(:devices AS uuid[]), CAST(:sealed AS text[])) AS g(device_id, sealed) WHERE a.device_id = g.device_id
""")
_RESEAL_KEY = text("""
UPDATE service_account_keys SET ssh_private_sealed = :ssh, password_private_sealed = :password WHERE generation = :generation
""")


@dataclass(frozen=True, slots=True)
class Account:
    """What is wanted of a device, and what it has told. `present_generation`: the key that it has, as far as is known."""

    device_id: UUID
    wanted: Wanted
    generation: int
    requested_at: datetime
    requested_by: str
    told: Told | None
    told_generation: int | None
    told_at: datetime | None
    detail: str | None
    present_generation: int | None
    password_sealed: str | None = field(repr=False)

    @property
    def facts(self) -> AccountFacts:
        return AccountFacts(self.wanted, self.generation, self.told, self.told_generation)


@dataclass(frozen=True, slots=True)
class ToldRow:
    """What one device tells; `sealed`: its password, sealed for this database."""

    device_id: UUID
    told: Told
    generation: int
    detail: str | None
    sealed: str | None = field(default=None, repr=False)


async def hold_keys(tx: AsyncConnection) -> None:
    """Nobody makes a key until the transaction ends."""
    lock = text("SELECT pg_advisory_xact_lock(:space, :lock)")
    await tx.execute(lock, {"space": LOCK_SPACE, "lock": _KEYS_LOCK})


async def next_generation(tx: AsyncConnection) -> int:
    return int((await tx.execute(_NEXT_GENERATION)).scalar_one())


async def insert_key(tx: AsyncConnection, key: AccountKey) -> None:
    await tx.execute(insert(service_account_keys).values(asdict(key)))


async def newest_generation(tx: AsyncConnection) -> int | None:
    c = service_account_keys.c
    return (await tx.execute(select(c.generation).order_by(c.generation.desc()).limit(1))).scalar_one_or_none()


async def find_keys(tx: AsyncConnection, generations: Collection[int] | None = None) -> dict[int, AccountKey]:
    """Those of these generations, None = all."""
    query = select(service_account_keys)
    if generations is not None:
        query = query.where(service_account_keys.c.generation.in_(sorted(generations)))
    return {row["generation"]: AccountKey(**row) for row in (await tx.execute(query)).mappings()}


async def forget_keys(tx: AsyncConnection) -> None:
    """Forget those that nobody has or is to have."""
    await tx.execute(_FORGET_KEYS)


async def find_accounts(tx: AsyncConnection, device_ids: Collection[UUID]) -> dict[UUID, Account]:
    """By device; those of which nothing was ever wanted are missing."""
    rows = (await tx.execute(_OF, {"devices": list(device_ids)})).mappings()
    return {row["device_id"]: Account(**row) for row in rows}


async def want(tx: AsyncConnection, generations: Mapping[UUID, int], wanted: Wanted, *, by: str, now: datetime) -> None:
    given = {"devices": list(generations), "generations": list(generations.values())}
    await tx.execute(_WANT, {**given, "wanted": wanted, "by": by, "now": now})


async def wishes(tx: AsyncConnection, device_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """Of those that anything is wanted of: the keys that are to be there, the new one and the one that it still has."""
    return (await tx.execute(_WISHES, {"devices": list(device_ids)})).all()


async def tell(tx: AsyncConnection, told: Sequence[ToldRow], now: datetime) -> Sequence[Row[Any]]:
    """Write what devices told; those of which it is news. `has_moved`: the key that it has is another than before."""
    given = {
        "devices": [one.device_id for one in told],
        "states": [one.told for one in told],
        "generations": [one.generation for one in told],
        "details": [one.detail for one in told],
        "sealed": [one.sealed for one in told],
    }
    return (await tx.execute(_TELL, {**given, "now": now})).all()


async def logins(tx: AsyncConnection, device_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    return (await tx.execute(_LOGINS, {"devices": list(device_ids)})).all()


async def sealed_passwords(tx: AsyncConnection) -> dict[UUID, str]:
    return {row.device_id: row.password_sealed for row in await tx.execute(_SEALED)}


async def reseal_passwords(tx: AsyncConnection, fresh: Mapping[UUID, str]) -> None:
    if fresh:
        await tx.execute(_RESEAL, {"devices": list(fresh), "sealed": list(fresh.values())})


async def reseal_key(tx: AsyncConnection, generation: int, ssh: str, password: str) -> None:
    await tx.execute(_RESEAL_KEY, {"generation": generation, "ssh": ssh, "password": password})
