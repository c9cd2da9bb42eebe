"""How a device proves itself after approval: a challenge signed with its key, answered by a token good for an hour or so.

Both are stateless: authenticated by keys derived for this one purpose, so neither can stand in for the other. A token is not
revoked before it ends; who accepts it looks at the device's status besides.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import devices
from watchbill.devices import DeviceStatus
from watchbill.kit.errors import ForbiddenError
from watchbill.kit.secrets import KeyRing, encode, is_same
from watchbill_wire import from_base64url, sealing_key_signing_bytes, token_signing_bytes

CHALLENGE_LIFETIME = timedelta(seconds=60)
_CHALLENGE, _TOKEN = "wbc1", "wba1"


class AgentTokenError(ForbiddenError):
    """The token is not ours, altered, or past its time: fetch a new one."""

    code = "token_refused"


@dataclass(frozen=True, slots=True)
class AgentToken:
    text: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class SealingKey:
    """What secrets for a device are sealed to, as the base64url text of its request, signed with the device's other key."""

    text: str
    signature: bytes

    def is_proven(self, device_id: UUID, challenge: str, public_key: bytes) -> bool:
        message = sealing_key_signing_bytes(str(device_id), challenge, self.text)
        return is_signed(public_key, self.signature, message)


def _sealed(keys: KeyRing, kind: str, device_id: UUID, expires_at: datetime, nonce: str) -> str:
    body = f"{kind}.{device_id.hex}.{int(expires_at.timestamp())}.{nonce}"
    return f"{body}.{encode(hmac.digest(keys.derived(f'agent:{kind}'), body.encode(), 'sha256'))}"


def _opened(keys: KeyRing, kind: str, text: str, now: datetime) -> UUID | None:
    """The device that such a text was made for; None when it is anything but our own, unaltered and in time."""
    body, _, mac = text.rpartition(".")
    parts = body.split(".")
    if len(text) > 300 or len(parts) != 4 or parts[0] != kind or not text.isascii():
        return None
    if not is_same(mac, encode(hmac.digest(keys.derived(f"agent:{kind}"), body.encode(), "sha256"))):
        return None
    return UUID(parts[1]) if datetime.fromtimestamp(int(parts[2]), UTC) > now else None


def new_challenge(keys: KeyRing, device_id: UUID, now: datetime) -> str:
    """For any device id: whether there is such a device is not told here."""
    return _sealed(keys, _CHALLENGE, device_id, now + CHALLENGE_LIFETIME, secrets.token_urlsafe(16))


async def exchange(
    tx: AsyncConnection,
    keys: KeyRing,
    *,
    device_id: UUID,
    challenge: str,
    signature: bytes,
    lifetime: timedelta,
    now: datetime,
    sealing: SealingKey | None = None,
) -> AgentToken:
    """A token for a device that signed our challenge with its key. `sealing`: the other key that it tells, None = it has none.

    An agent that tells none has its key forgotten: an older version could not open what was sealed to it.
    """
    found = await devices.credentials_of(tx, device_id)
    is_ours = _opened(keys, _CHALLENGE, challenge, now) == device_id
    signed = token_signing_bytes(str(device_id), challenge)
    if found is None or not is_ours or not is_signed(found[0], signature, signed):
        raise ForbiddenError("The proof does not fit: ask for a new challenge and sign that.", code="device_refused")
    if found[1] is not DeviceStatus.ACTIVE:
        raise ForbiddenError(f"This device is {found[1]}.", code="device_refused")
    if sealing is not None and not sealing.is_proven(device_id, challenge, found[0]):
        raise ForbiddenError("The sealing key is not signed by this device for this challenge.", code="device_refused")
    await devices.set_sealing_key(tx, device_id, from_base64url(sealing.text) if sealing else None)
    return AgentToken(_sealed(keys, _TOKEN, device_id, now + lifetime, secrets.token_urlsafe(8)), lifetime)


def verify_token(keys: KeyRing, token: str, now: datetime) -> UUID:
    """The device a token was given to. Whether it is still active is `devices.presence.connected`'s to say."""
    device_id = _opened(keys, _TOKEN, token, now)
    if device_id is None:
        raise AgentTokenError("The token is not accepted; fetch a new one.")
    return device_id


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
