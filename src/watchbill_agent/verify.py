"""Whether an execution envelope may run here: key, signature, device, context, content and time, in that order.

Pure: the keys and the Engine's time are arguments. A refusal that rests on an unproven payload is marked as such,
because nobody may use up an execution's id with a forged envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchbill_wire import (
    EnvelopePayload,
    Execute,
    RefusalReason,
    WireError,
    envelope_signing_bytes,
    parse_payload,
)

_CONTEXTS = ("system", "current_user")


@dataclass(frozen=True)
class Refusal:
    reason: RefusalReason
    detail: str
    is_proven: bool = True


def is_signed(order: Execute, public_key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(order.signature, envelope_signing_bytes(order.payload))
    except InvalidSignature:
        return False
    return True


def check(order: Execute, *, keys: Mapping[str, bytes], device_id: str, now: datetime) -> EnvelopePayload | Refusal:
    public_key = keys.get(order.key_id)
    if public_key is None:
        return Refusal("unknown_key", "signed with a key that this device does not know", is_proven=False)
    if not is_signed(order, public_key):
        return Refusal("bad_signature", "the signature does not fit the payload", is_proven=False)
    try:
        payload = parse_payload(order.payload)
    except WireError as error:
        return Refusal("bad_envelope", str(error)[:500])
    return _check_terms(payload, device_id, now) or payload


def _check_terms(payload: EnvelopePayload, device_id: str, now: datetime) -> Refusal | None:
    if payload.device_id != device_id:
        return Refusal("wrong_device", "made out to another device", is_proven=False)
    if payload.context not in _CONTEXTS:
        known = " or ".join(_CONTEXTS)
        return Refusal("unsupported_context", f"this agent runs scripts as {known} only, not as {payload.context}")
    if not payload.is_content_intact():
        return Refusal("content_mismatch", "the content does not have the hash that was signed")
    if now > payload.start_by:
        return Refusal("expired", "its time to start has passed")
    return None
