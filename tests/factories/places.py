"""Sites and devices."""

import secrets
import uuid
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import sites
from watchbill.devices.tables import device_presence, devices
from watchbill.identity import ENGINE
from watchbill.kit.secrets import KeyRing, fingerprint
from watchbill.sites.tables import sites as table


async def make_site(
    tx: AsyncConnection, name: str, *, now: datetime, timezone: str = "UTC", keys: KeyRing | None = None
) -> int:
    """A site. Without `keys` its enrolment code cannot be shown, so it is for tests below the API."""
    if keys is not None:
        draft = sites.SiteDraft(name, timezone=timezone)
        return (await sites.create_site(tx, ENGINE, draft, keys=keys, now=now)).id
    values = {
        "name": name,
        "description": "",
        "timezone": timezone,
        "enrolment_code_sealed": "none",
        "enrolment_code_hash": fingerprint(uuid.uuid4().hex),
        "enrolment_code_rotated_at": now,
        "created_at": now,
        "updated_at": now,
    }
    site_id: int = (await tx.execute(insert(table).values(values).returning(table.c.id))).scalar_one()
    return site_id


async def make_device(
    tx: AsyncConnection,
    hostname: str,
    site_id: int | None,
    *,
    now: datetime,
    os_family: str = "linux",
    status: str = "active",
    online: bool = False,
    interpreters: list[str] | None = None,
    public_key: bytes | None = None,
    timezone: str | None = None,
) -> uuid.UUID:
    device_id = uuid.uuid4()
    values: dict[str, object] = {
        "id": device_id,
        "site_id": site_id,
        "hostname": hostname,
        "description": "",
        "status": status,
        "public_key": public_key or Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
        "sealing_key": secrets.token_bytes(32),
        "os_family": os_family,
        "os_name": "Debian GNU/Linux",
        "os_version": "12",
        "arch": "x86_64",
        "agent_version": "0.1.0",
        "interpreters": interpreters,
        "timezone": timezone,
        "inventory": {},
        "inventory_revision": 0,
        "created_at": now,
        "updated_at": now,
    }
    await tx.execute(insert(devices).values(values))
    if online:
        await put_online(tx, device_id, now=now)
    return device_id


async def put_online(tx: AsyncConnection, device_id: uuid.UUID, *, now: datetime) -> None:
    """As if a gateway held its socket."""
    values = {
        "device_id": device_id,
        "gateway_id": uuid.uuid4(),
        "connection_id": uuid.uuid4(),
        "connected_at": now,
        "last_seen_at": now,
    }
    await tx.execute(insert(device_presence).values(values))
