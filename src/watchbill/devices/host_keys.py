"""The SSH host key of each device: the first one that it showed is kept, and another one is not trusted until a person says so."""

import base64
import binascii
import hashlib
import uuid
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PIN = text("""
INSERT INTO device_host_keys (device_id, key, pinned_at) VALUES (:device, :key, :now)
ON CONFLICT (device_id) DO NOTHING
""")
_PINNED = text("SELECT key FROM device_host_keys WHERE device_id = :device")
_FORGET = text("DELETE FROM device_host_keys WHERE device_id = :device RETURNING key")


async def distrust(tx: AsyncConnection, device_id: uuid.UUID, offered: str, now: datetime) -> str | None:
    """Why the key (its type and its text) that a device's SSH server shows is not trusted, None when it is. The first is pinned."""
    await tx.execute(_PIN, {"device": device_id, "key": offered, "now": now})
    pinned: str = (await tx.execute(_PINNED, {"device": device_id})).scalar_one()
    if pinned == offered:
        return None
    return (
        f"Its SSH host key has changed: {fingerprint(pinned)} is known, and it shows {fingerprint(offered)}. "
        "If the device was installed anew, forget the known key."
    )


async def forget(tx: AsyncConnection, device_id: uuid.UUID) -> str | None:
    """Trust the next key that a device shows; the fingerprint of the one that was known, None when there was none."""
    found: str | None = (await tx.execute(_FORGET, {"device": device_id})).scalar_one_or_none()
    return fingerprint(found) if found else None


async def pinned(tx: AsyncConnection, device_id: uuid.UUID) -> str | None:
    """The fingerprint of the key that is known."""
    found: str | None = (await tx.execute(_PINNED, {"device": device_id})).scalar_one_or_none()
    return fingerprint(found) if found else None


def fingerprint(key: str) -> str:
    """As `ssh-keygen -l` writes it: the type, and the unpadded base64 of the SHA-256 of the key."""
    kind, _, body = key.partition(" ")
    try:
        raw = base64.b64decode(body, validate=True)
    except binascii.Error:
        return kind
    return f"{kind} SHA256:{base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip('=')}"
