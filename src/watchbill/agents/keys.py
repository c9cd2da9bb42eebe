"""The Engine's Ed25519 signing keys: made once, kept sealed, opened only in the process that signs."""

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Select, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.agents.tables import engine_keys
from watchbill.identity import ENGINE, audit
from watchbill.kit.db import LOCK_SPACE
from watchbill.kit.secrets import KeyRing

_SIGNING_KEY_LOCK = 21


class NoSigningKeyError(Exception):
    """There is no signing key yet; `ensure_signing_key` makes one at start."""


@dataclass(frozen=True, slots=True)
class Signer:
    """An opened signing key."""

    key_id: str
    _key: Ed25519PrivateKey

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def _context(key_id: str) -> str:
    return f"engine_keys.private_key:{key_id}"


async def ensure_signing_key(tx: AsyncConnection, keys: KeyRing, now: datetime) -> str:
    """Make a signing key unless there is one; the id of the one in use. Safe from several processes at once."""
    lock = text("SELECT pg_advisory_xact_lock(:space, :lock)")
    await tx.execute(lock, {"space": LOCK_SPACE, "lock": _SIGNING_KEY_LOCK})
    row = (await tx.execute(_in_use())).one_or_none()
    return str(row.key_id) if row else await _make(tx, keys, now)


async def _make(tx: AsyncConnection, keys: KeyRing, now: datetime) -> str:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    key_id = f"ek_{public[:8].hex()}"
    values = {
        "key_id": key_id,
        "public_key": public,
        "private_key_sealed": keys.seal(private.private_bytes_raw(), _context(key_id)),
        "created_at": now,
    }
    await tx.execute(insert(engine_keys).values(values))
    await audit.record(tx, ENGINE, "engine_key.created", "engine_key", key_id, now=now)
    return key_id


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal signing keys that older keys sealed under the active one; returns how many."""
    query = select(engine_keys.c.key_id, engine_keys.c.private_key_sealed).order_by(engine_keys.c.key_id)
    number = 0
    for row in (await tx.execute(query.with_for_update())).all():
        fresh = keys.renewed(row.private_key_sealed, _context(row.key_id))
        if fresh != row.private_key_sealed:
            own = engine_keys.c.key_id == row.key_id
            await tx.execute(update(engine_keys).where(own).values(private_key_sealed=fresh))
            number += 1
    return number


async def load_signer(tx: AsyncConnection, keys: KeyRing) -> Signer:
    """The signing key in use, opened."""
    row = (await tx.execute(_in_use())).one_or_none()
    if row is None:
        raise NoSigningKeyError("there is no signing key yet")
    raw = keys.open(row.private_key_sealed, _context(row.key_id))
    return Signer(row.key_id, Ed25519PrivateKey.from_private_bytes(raw))


async def public_keys(tx: AsyncConnection) -> list[tuple[str, bytes]]:
    """(key id, public key) of every key that agents shall accept, the one in use first."""
    query = select(engine_keys.c.key_id, engine_keys.c.public_key).where(engine_keys.c.retired_at.is_(None))
    rows = await tx.execute(query.order_by(engine_keys.c.created_at.desc(), engine_keys.c.key_id))
    return [(row.key_id, row.public_key) for row in rows]


def _in_use() -> Select[tuple[str, str]]:
    query = select(engine_keys.c.key_id, engine_keys.c.private_key_sealed).where(engine_keys.c.retired_at.is_(None))
    return query.order_by(engine_keys.c.created_at.desc(), engine_keys.c.key_id).limit(1)
