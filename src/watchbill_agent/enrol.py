"""Making this device known to an Engine: key, request, waiting for a person's answer. Safe to run again at any point."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from watchbill_agent import __version__, clock, inventory_linux, tls
from watchbill_agent.api import Api, RefusedError, UnreachableError, api_of, text_of
from watchbill_agent.datadir import DataDir, Identity
from watchbill_agent.errors import (
    EXIT_ALREADY_ENROLLED,
    EXIT_DENIED,
    EXIT_PENDING,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    AgentError,
)
from watchbill_wire import (
    WireError,
    base64url,
    engine_keys_from_json,
    enrol_signing_bytes,
    pin_of_fingerprint,
    split_code,
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    server: str
    code: str
    fingerprint: str | None
    wait_seconds: float | None  # None waits for ever, 0 not at all
    is_forced: bool


def enrol(data: DataDir, request: Request, say: Say) -> None:
    code, pin = _code_and_pin(request)
    identity = None if request.is_forced else data.load_identity()
    if identity is not None and identity.state == "approved":
        message = f"already enrolled with {identity.server} as device {identity.device_id}; --force enrols it anew"
        raise AgentError(message, EXIT_ALREADY_ENROLLED)
    if identity is not None and identity.server == request.server and data.is_locked():
        _watch(data, identity, request.wait_seconds, say)
        return
    data.create()
    data.lock()
    if identity is not None and identity.server == request.server:
        say("Continuing the pending request.")
    else:
        identity = _ask(data, request.server, code, pin, say)
    _wait(data, identity, request.wait_seconds, say)


def await_approval(data: DataDir, say: Say) -> None:
    """For a service: a request that still waits is asked for until somebody has answered. Nothing when nothing waits."""
    identity = data.load_identity()
    if identity is not None and identity.state == "pending":
        _wait(data, identity, None, say)


def _watch(data: DataDir, identity: Identity, wait_seconds: float | None, say: Say) -> None:
    """The agent's service waits for the answer already: what it comes to is written down."""
    deadline = None if wait_seconds is None else clock.monotonic() + wait_seconds
    say("The agent's service waits for approval.")
    while identity.state == "pending":
        if deadline is not None and clock.monotonic() >= deadline:
            raise AgentError("not approved yet; the agent's service continues the request", EXIT_PENDING)
        time.sleep(0.5)
        found = data.load_identity()
        if found is None:
            raise AgentError("the Engine denied the enrolment; the log of the agent's service says why", EXIT_DENIED)
        identity = found
    say(f"Approved as device {identity.device_id}.")


def _code_and_pin(request: Request) -> tuple[str, str | None]:
    try:
        code, pin = split_code(request.code)
        told = pin_of_fingerprint(request.fingerprint) if request.fingerprint else None
    except WireError as error:
        raise AgentError(str(error), EXIT_USAGE) from None
    if pin and told and pin != told:
        raise AgentError("fingerprint: is not the one inside the enrolment code", EXIT_USAGE)
    return code, pin or told


def _ask(data: DataDir, server: str, code: str, pin: str | None, say: Say) -> Identity:
    parts = tls.check_url(server, "--server", ("http", "https"))
    if pin and not tls.is_secure(parts):
        raise AgentError("fingerprint: a certificate can only be pinned with an https:// server", EXIT_USAGE)
    certificate = tls.fetch_pinned(parts, pin) if pin else None
    data.forget_identity()
    if certificate:
        data.save_certificate(certificate)
        say("The server's certificate is the pinned one.")
    answer = _post(Api(server, certificate), "/api/agent/enrol", _request_body(data, code))
    identity = Identity(
        server=server,
        state="pending",
        enrolment_id=text_of(answer, "enrolment_id"),
        poll_token=text_of(answer, "poll_token"),
        is_pinned=certificate is not None,
    )
    data.save_identity(identity)
    say(f"Asked {server} to enrol {platform.node()}.")
    return identity


def _request_body(data: DataDir, code: str) -> dict[str, Any]:
    key = data.load_or_make_key()
    public = base64url(key.public_key().public_bytes_raw())
    hostname = platform.node()
    system = inventory_linux.operating_system()
    return {
        "code": code,
        "hostname": hostname,
        "public_key": public,
        "os_family": "linux",
        "os_name": system["name"],
        "os_version": system["version"],
        "arch": platform.machine(),
        "agent_version": __version__,
        "proof": base64url(key.sign(enrol_signing_bytes(code, hostname, public))),
    }


def _fingerprint(data: DataDir) -> str:
    """Of this device's key, as the console shows it beside the request: the same on both sides, or somebody else asks."""
    digest = hashlib.sha256(data.load_key().public_key().public_bytes_raw()).hexdigest()
    return "sha256:" + " ".join(digest[place : place + 4] for place in range(0, len(digest), 4))


def _post(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return api.post(path, body)
    except RefusedError as error:
        raise AgentError(f"the Engine refused: {error}", EXIT_DENIED) from None
    except UnreachableError as error:
        raise AgentError(f"the Engine cannot be reached: {error}", EXIT_UNREACHABLE) from None


def _wait(data: DataDir, identity: Identity, wait_seconds: float | None, say: Say) -> None:
    api = api_of(data, identity)
    deadline = None if wait_seconds is None else clock.monotonic() + wait_seconds
    is_told = False
    while True:
        answer, pause = _poll(api, identity, is_patient=wait_seconds != 0)
        if _settle(data, identity, answer, say):
            return
        if not is_told:
            say(f"Waiting for approval by an operator, who sees this fingerprint: {_fingerprint(data)}")
            is_told = True
        if deadline is not None and clock.monotonic() + pause > deadline:
            time.sleep(max(0.0, min(pause, deadline - clock.monotonic())))
            answer, _ = _poll(api, identity, is_patient=False)
            if _settle(data, identity, answer, say):
                return
            raise AgentError("not approved yet; run the same command again to continue", EXIT_PENDING)
        time.sleep(pause)


def _poll(api: Api, identity: Identity, *, is_patient: bool) -> tuple[dict[str, Any], float]:
    """One look. An Engine that is away or busy is waited for, unless nobody wants to wait."""
    try:
        answer = api.post(f"/api/agent/enrol/{identity.enrolment_id}/poll", {"poll_token": identity.poll_token})
    except UnreachableError as error:
        if not is_patient:
            raise AgentError(f"the Engine cannot be reached: {error}", EXIT_UNREACHABLE) from None
        return {"state": "pending"}, 5.0
    except RefusedError as error:
        if error.status == 429:
            return {"state": "pending"}, max(1.0, error.retry_after)
        raise AgentError(f"the Engine refused: {error}; start anew with --force", EXIT_DENIED) from None
    seconds = answer.get("poll_after_seconds")
    return answer, min(60.0, max(0.1, seconds)) if isinstance(seconds, (int, float)) else 2.0


def _settle(data: DataDir, identity: Identity, answer: dict[str, Any], say: Say) -> bool:
    state = answer.get("state")
    if state == "pending":
        return False
    if state != "approved":
        data.forget_identity()
        raise AgentError(f"enrolment {state}: {answer.get('reason') or 'no reason was given'}", EXIT_DENIED)
    try:
        keys = engine_keys_from_json(answer.get("engine_keys"))
        device_id = text_of(answer, "device_id")
    except (WireError, UnreachableError) as error:
        raise AgentError(f"the Engine's approval cannot be read: {error}", EXIT_UNREACHABLE) from None
    approved = Identity(
        server=identity.server,
        state="approved",
        enrolment_id=identity.enrolment_id,
        device_id=device_id,
        is_pinned=identity.is_pinned,
        engine_keys=keys,
    )
    data.save_identity(approved)
    say(f"Approved as device {device_id}.")
    return True
