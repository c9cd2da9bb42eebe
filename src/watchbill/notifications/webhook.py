"""Webhooks as Standard Webhooks describes them: a JSON body, its id, the time, and a signature over the three."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import httpcore

from watchbill.core.notification_channel_rules import KEY_PREFIX
from watchbill.kit.guarded_http import UNANSWERED, RefusedAddressError, is_tls_failure
from watchbill.notifications import network
from watchbill.notifications.network import Answer
from watchbill.notifications.values import Endpoint, Sent

_GONE, _REQUEST_TIMEOUT, _TOO_EARLY, _TOO_MANY = 410, 408, 425, 429


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and HMAC-SHA256 in base64 over `id.timestamp.body`."""
    key = base64.b64decode(secret.removeprefix(KEY_PREFIX))
    signed = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


async def send(
    endpoint: Endpoint, message_id: UUID, payload: Mapping[str, Any], now: datetime, *, allows_private: bool
) -> Sent:
    """One attempt. A repeat has the same id, and the time and signature of its own attempt."""
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    name, at = f"msg_{message_id.hex}", int(now.timestamp())
    headers = {
        **endpoint.headers,
        "Content-Type": "application/json",
        "User-Agent": "Watchbill",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(endpoint.secret, name, at, body),
    }
    try:
        answer = await network.request("POST", endpoint.url, headers, body, allows_private=allows_private)
    except (*UNANSWERED, OSError, RefusedAddressError) as error:
        return failure(error)
    return _judged(answer)


def failure(error: Exception) -> Sent:
    """What kept a request from being answered, in words that say nothing of the address beyond its host."""
    match error:
        case RefusedAddressError():
            return Sent(is_ok=False, sentence=f"Not sent: {error}. WATCHBILL_WEBHOOK_PRIVATE=on would allow it.")
        case TimeoutError() | httpcore.TimeoutException():
            return Sent(is_ok=False, sentence=f"The receiver did not answer within {network.TIMEOUT:.0f} seconds.")
        case httpcore.ConnectError() if is_tls_failure(error):
            return Sent(is_ok=False, sentence=f"The receiver's TLS certificate is not accepted: {error}.")
        case httpcore.ConnectError():
            return Sent(is_ok=False, sentence=f"The receiver cannot be reached: {error or 'no connection'}.")
        case _:
            return Sent(is_ok=False, sentence="The receiver ended the connection without an answer.")


def _judged(answer: Answer) -> Sent:
    if 200 <= answer.status < 300:
        return Sent(is_ok=True, sentence=f"The receiver accepted it with status {answer.status}.")
    if 300 <= answer.status < 400:
        said = f"The receiver answered with a redirect ({answer.status}), which is not followed: use its final address."
        return Sent(is_ok=False, sentence=said, holds_line=False)
    text = " ".join("".join(one if one.isprintable() else " " for one in answer.text[:200]).split())
    said = f"The receiver answered with status {answer.status}{f': {text}' if text else ''}."
    in_trouble = answer.status >= 500 or answer.status in (_REQUEST_TIMEOUT, _TOO_EARLY, _TOO_MANY)
    return Sent(is_ok=False, sentence=said, holds_line=in_trouble, is_final=answer.status == _GONE)
