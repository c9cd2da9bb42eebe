"""The Engine's HTTP side as seen by a device: enrol, poll, and a token by proof of the key. Blocking; no state of its own."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from watchbill_agent import tls
from watchbill_agent.datadir import DataDir, Identity
from watchbill_wire import (
    EngineKey,
    WireError,
    base64url,
    engine_keys_from_json,
    sealing_key_signing_bytes,
    token_signing_bytes,
)

MAX_ANSWER_BYTES = 1024 * 1024


class UnreachableError(Exception):
    """No usable answer: try again later."""


class RefusedError(Exception):
    """The Engine answered, and the answer is no."""

    def __init__(self, status: int, code: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after


@dataclass(frozen=True)
class Token:
    text: str
    expires_in_seconds: float
    gateway_url: str
    engine_keys: tuple[EngineKey, ...]

    def __repr__(self) -> str:
        return "Token(***)"


class Api:
    def __init__(self, server: str, certificate: str | None) -> None:
        self._parts = tls.check_url(server, "--server", ("http", "https"))
        self._context = tls.context_for(certificate) if tls.is_secure(self._parts) else None

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        connection = self._connect()
        try:
            connection.request(
                "POST",
                self._parts.path.rstrip("/") + path,
                json.dumps(body),
                {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"},
            )
            response = connection.getresponse()
            raw = response.read(MAX_ANSWER_BYTES)
        except ssl.SSLCertVerificationError as error:
            raise UnreachableError(f"the server's certificate is not trusted: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        return _read(response.status, response.getheader("Retry-After"), raw)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", tls.port_of(self._parts)
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=tls.TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=tls.TIMEOUT_SECONDS, context=self._context)

    def fetch_token(self, device_id: str, key: Ed25519PrivateKey, sealing_key: X25519PrivateKey) -> Token:
        challenge = text_of(self.post("/api/agent/challenge", {"device_id": device_id}), "challenge")
        signature = base64url(key.sign(token_signing_bytes(device_id, challenge)))
        sealing = base64url(sealing_key.public_key().public_bytes_raw())
        proof = {
            "device_id": device_id,
            "challenge": challenge,
            "signature": signature,
            "sealing_key": sealing,
            "sealing_signature": base64url(key.sign(sealing_key_signing_bytes(device_id, challenge, sealing))),
        }
        answer = self.post("/api/agent/token", proof)
        try:
            keys = engine_keys_from_json(answer.get("engine_keys"))
            seconds = float(answer.get("expires_in_seconds", 0))
        except (WireError, TypeError, ValueError) as error:
            raise UnreachableError(f"the Engine's answer cannot be read: {error}") from error
        return Token(text_of(answer, "token"), seconds, text_of(answer, "gateway_url"), keys)


def api_of(data: DataDir, identity: Identity) -> Api:
    return Api(identity.server, data.load_certificate() if identity.is_pinned else None)


def text_of(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise UnreachableError(f"the Engine's answer cannot be read: {name} is missing")
    return value


def _read(status: int, retry_after: str | None, raw: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if status < 300 and isinstance(answer, dict):
        return answer
    if 400 <= status < 500:
        problem = answer if isinstance(answer, dict) else {}
        message = str(problem.get("detail") or problem.get("title") or f"the Engine answered {status}")
        raise RefusedError(status, str(problem.get("code", "")), message[:500], _seconds(retry_after))
    raise UnreachableError(
        f"the Engine answered {status} with something that is not JSON"
        if status < 300
        else f"the Engine answered {status}"
    )


def _seconds(text: str | None) -> float:
    return min(float(text), 3600.0) if text and text.isdigit() else 0.0
