"""The secrets of webhooks: made, kept, and compared with what a sender brings. Reads and writes no rows.

A bearer secret is kept as a hash, as API tokens are. One that signs must be known to check a signature, so it is sealed under the key ring.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from watchbill.core.webhook_proof import Mode, Proof, signed_text
from watchbill.kit.secrets import KeyRing, Secret, SecretError, fingerprint, new_token
from watchbill.workflows.webhook_values import Keeper

PREFIX: Final = "wbh_"
#: What is compared with where there is no secret, so that this takes as long. It proves nothing.
_NOBODY: Final = new_token()

Reason = Literal["no_proof", "wrong_proof", "untimely", "replayed", "disabled", "key_lost"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` None = it is the sender's. `signatures`: those that are right, which must not come again."""

    reason: Reason | None
    signatures: tuple[bytes, ...] = ()


def make() -> Secret:
    return Secret(PREFIX + new_token())


def context(public_id: str) -> str:
    """A sealed secret belongs to one webhook, and cannot be moved to another."""
    return f"webhook:{public_id}"


def columns(mode: Mode, public_id: str, secret: Secret, keys: KeyRing) -> dict[str, Any]:
    """A new secret as the row keeps it."""
    if mode == "bearer":
        return {"secret_hash": fingerprint(secret.reveal())}
    return {"secret_sealed": keys.seal_text(secret.reveal(), context(public_id))}


def judge(hook: Keeper | None, proof: Proof, body: bytes, keys: KeyRing, now: datetime) -> Verdict:
    """Whether a delivery is from who has the secret. For a webhook that does not exist as much is computed as for one that does."""
    previous = hook is not None and hook.previous_until is not None and hook.previous_until > now
    try:
        known = _opened(hook, keys, has_previous=previous)
    except SecretError:
        return Verdict("key_lost")
    right = _right_signatures(known, proof, body)
    is_right_token = _is_right_token(hook, proof, has_previous=previous)
    if hook is None:
        return Verdict("wrong_proof")
    if hook.mode == "bearer":
        reason = _reason(has_proof=proof.bearer is not None, is_right=is_right_token, is_timely=True)
    else:
        has_proof = bool(proof.signatures) and proof.timestamp is not None
        reason = _reason(has_proof=has_proof, is_right=bool(right), is_timely=proof.is_timely(now))
    if reason is None and not hook.enabled:
        reason = "disabled"
    return Verdict(reason, right if hook.mode == "hmac" else ())


def _reason(*, has_proof: bool, is_right: bool, is_timely: bool) -> Reason | None:
    if not has_proof:
        return "no_proof"
    if not is_right:
        return "wrong_proof"
    return None if is_timely else "untimely"


def signing_secrets(hook: Keeper, keys: KeyRing) -> list[str]:
    """What this webhook's sender may sign with, or may have signed with until lately. Raises SecretError."""
    kept = [hook.secret_sealed, hook.previous_sealed]
    return [keys.open_text(one, context(hook.public_id)).reveal() for one in kept if one]


def _opened(hook: Keeper | None, keys: KeyRing, *, has_previous: bool) -> list[tuple[bytes, bool]]:
    """Always two secrets that sign, and whether each is one of the webhook."""
    public_id = hook.public_id if hook else ""
    kept = [hook.secret_sealed if hook else None, hook.previous_sealed if hook and has_previous else None]
    nobody = keys.seal_text(_NOBODY, context(public_id))
    opened = [(keys.open_text(one or nobody, context(public_id)), one is not None) for one in kept]
    return [(secret.reveal().encode(), is_own) for secret, is_own in opened]


def _right_signatures(known: list[tuple[bytes, bool]], proof: Proof, body: bytes) -> tuple[bytes, ...]:
    """Each is compared with each, with no way out before the end."""
    text = signed_text(proof.timestamp or "0", body)
    expected = [(hmac.digest(secret, text, "sha256"), is_own) for secret, is_own in known]
    found = []
    for given in proof.signatures:
        matches = [hmac.compare_digest(given, right) and is_own for right, is_own in expected]
        found += [given] if any(matches) else []
    return tuple(found)


def _is_right_token(hook: Keeper | None, proof: Proof, *, has_previous: bool) -> bool:
    given, nobody = fingerprint(proof.bearer or ""), fingerprint(_NOBODY)
    kept = [hook.secret_hash if hook else None, hook.previous_hash if hook and has_previous else None]
    matches = [hmac.compare_digest(given, one or nobody) and one is not None for one in kept]
    return any(matches)
