"""The SSH host keys of devices: which one is trusted, and to trust another after a device was installed anew."""

from uuid import UUID

from pydantic import Field

from watchbill import devices
from watchbill.api.auth import Caller
from watchbill.api.common import Instant, Model, Now, Tx, router
from watchbill.devices import host_keys

resource = router(prefix="/api/devices", tags=["devices"])


class HostKeyReply(Model):
    """The key that a device's SSH server has shown first; another one is not trusted, and nothing is sent there."""

    fingerprint: str | None = Field(
        description="its type and its SHA-256, as `ssh-keygen -l` writes it; null where none is known yet"
    )
    pinned_at: Instant | None


@resource.get("/{device_id}/ssh_host_key")
async def get_ssh_host_key(device_id: UUID, tx: Tx, caller: Caller) -> HostKeyReply:
    """The SSH host key by which a device is known."""
    await devices.get_device(tx, caller, device_id)
    found = await host_keys.pinned(tx, device_id)
    if found is None:
        return HostKeyReply(fingerprint=None, pinned_at=None)
    return HostKeyReply(fingerprint=found.fingerprint, pinned_at=found.pinned_at)


@resource.delete("/{device_id}/ssh_host_key", status_code=204)
async def forget_ssh_host_key(device_id: UUID, tx: Tx, caller: Caller, now: Now) -> None:
    """Trust the next key that the device shows. For a device that was installed anew, and no other."""
    device = await devices.lock_device(tx, caller, device_id)
    await host_keys.forget(tx, caller, device, now=now)
