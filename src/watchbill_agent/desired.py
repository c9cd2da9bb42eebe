"""How the device is wanted to be, and how it is: what of the Engine's words counts, and what is to be told. Pure, as the session is.

Only a signed word for this device that is in time and not older than the last one counts. What is applied is kept before it is begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchbill_agent import events as e
from watchbill_wire import Desired, DesiredPayload, Reported, WireError, desired_signing_bytes, parse_desired


class DesiredState:
    """`newest`: when the last word that counted was issued, kept over restarts."""

    def __init__(self, device_id: str, newest: datetime | None) -> None:
        self._device_id = device_id
        self._newest = newest
        self._reported: Reported | None = None
        self._told: Reported | None = None

    def heard(self, message: Desired, keys: Mapping[str, bytes], now: datetime) -> list[e.Command]:
        found = self._judged(message, keys, now)
        if isinstance(found, str):
            return [e.RefuseDesired(found)]
        self._newest = found.issued_at
        return [e.KeepDesired(message.payload), e.Apply(found)]

    def _judged(self, message: Desired, keys: Mapping[str, bytes], now: datetime) -> DesiredPayload | str:
        public_key = keys.get(message.key_id)
        if public_key is None:
            return "signed with a key that this device does not know"
        if not _is_signed(message, public_key):
            return "the signature does not fit the payload"
        try:
            payload = parse_desired(message.payload)
        except WireError as error:
            return str(error)[:500]
        return self._out_of_place(payload, now) or payload

    def _out_of_place(self, payload: DesiredPayload, now: datetime) -> str | None:
        if payload.device_id != self._device_id:
            return "made out to another device"
        if now > payload.expires_at:
            return "its time has passed"
        if self._newest is not None and payload.issued_at < self._newest:
            return "older than what is known already"
        return None

    def is_now(self, reported: Reported) -> None:
        self._reported = reported

    def connected(self) -> None:
        """Whoever is there now may have lost what was told before."""
        self._told = None

    def news(self) -> Reported | None:
        """What is to be told now; it counts as told."""
        if self._reported is None or self._reported == self._told:
            return None
        self._told = self._reported
        return self._told


def _is_signed(message: Desired, public_key: bytes) -> bool:
    signed = desired_signing_bytes(message.payload)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(message.signature, signed)
    except InvalidSignature:
        return False
    return True
