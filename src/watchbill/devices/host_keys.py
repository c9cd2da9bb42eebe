"""The SSH host key of each device: the first one that it showed is kept, and another one is not trusted until a person says so."""

import base64
import binascii
import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.devices.store import Device
from watchbill.identity import Actor, audit

_PIN = text("""
INSERT INTO device_host_keys (device_id, key, pinned_at) VALUES (:device, :key, :now)
ON CONFLICT (device_id) DO NOTHING
""")
_PINNED = text("SELECT key, pinned_at FROM device_host_keys WHERE device_id = :device")
_FORGET = text("DELETE FROM device_host_keys WHERE device_id = :device RETURNING key")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A key that is known, by its fingerprint, and since when."""

    fingerprint: str
    pinned_at: datetime


async def distrust(tx: AsyncConnection, device_id: uuid.UUID, offered: str, now: datetime) -> str | None:
    """Why the key (its type and its text) that a device's SSH server shows is not trusted, None when it is. The first is pinned."""
    await tx.execute(_PIN, {"device": device_id, "key": offered, "now": now})
    known: str = (await tx.execute(_PINNED, {"device": device_id})).one().key
    if known == offered:
        return None
    return (
        f"Its SSH host key has changed: {fingerprint(known)} is known, and it shows {fingerprint(offered)}. "
        "If the device was installed anew, forget the known key."
    )


async def forget(tx: AsyncConnection, actor: Actor, device: Device, *, now: datetime) -> None:
    """Trust the next key that a locked device shows. Nothing happens where none is known."""
    found: str | None = (await tx.execute(_FORGET, {"device": device.id})).scalar_one_or_none()
    if found is not None:
        detail = {"hostname": device.hostname, "fingerprint": fingerprint(found)}
        event = "device.host_key_forgotten"
        await audit.record(tx, actor, event, "device", device.id, now=now, site_id=device.site_id, detail=detail)


async def pinned(tx: AsyncConnection, device_id: uuid.UUID) -> Pinned | None:
    """The key by which a device is known."""
    row = (await tx.execute(_PINNED, {"device": device_id})).one_or_none()
    return Pinned(fingerprint(row.key), row.pinned_at) if row else None


def fingerprint(key: str) -> str:
    """As `ssh-keygen -l` writes it: the type, and the unpadded base64 of the SHA-256 of the key."""
    kind, _, body = key.partition(" ")
    try:
        raw = base64.b64decode(body, validate=True)
    except binascii.Error:
        return kind
    return f"{kind} SHA256:{base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip('=')}"
