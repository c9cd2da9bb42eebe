"""Messages to text frames and back. The two tables below are the protocol: a field that is not here does not exist.

`Any` lives here and in `fields`, nowhere else: JSON has no types until a check gave it one.
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields as dataclass_fields
from datetime import datetime
from typing import Any

from watchbill_wire import fields as f
from watchbill_wire import messages as m
from watchbill_wire.desired import MAX_DESIRED_CHARACTERS
from watchbill_wire.errors import WireError

MAX_DELIVERIES = 10_000
MAX_SESSIONS = 200
_DETAIL = f.optional(f.text(2000))
_EXECUTION: f.Spec = (("execution_id", f.uuid),)
_FILE: f.Spec = (*_EXECUTION, ("sha256", f.SHA256))
_STREAM = f.one_of("stdout", "stderr")
_DELIVERY: f.Spec = (*_EXECUTION, ("state", f.one_of("accepted", "running", "finished")))
_KEY: f.Spec = (("key_id", f.text(64, 1)), ("public_key", f.public_key))
_DIGEST = f.pattern(r"[A-Za-z0-9:_-]{1,128}", "a digest of 1 to 128 letters and digits")
_TYPE = f.pattern(r"[a-z_]{1,64}", "a message type in lowercase")
_REASONS = f.one_of(
    "bad_signature",
    "unknown_key",
    "wrong_device",
    "expired",
    "cancelled",
    "interpreter_missing",
    "unsupported_context",
    "content_mismatch",
    "bad_envelope",
    "spawn_failed",
    "no_user_session",
    "file_unavailable",
)
_SIGNED_IN: f.Spec = (
    ("session_id", f.SESSION),
    ("user", f.USER),
    ("place", f.optional(f.text(100))),
    ("is_remote", f.optional(f.boolean)),
    ("since", f.optional(f.time)),
)
_TUNNEL: f.Spec = (
    ("public_key", f.WIREGUARD_KEY),
    ("state", f.one_of("down", "up", "unavailable")),
    ("handshake_at", f.optional(f.time)),
    ("detail", _DETAIL),
)
_ACCOUNT: f.Spec = (
    ("state", f.one_of("present", "absent", "failed", "unsupported")),
    ("generation", f.integer()),
    ("detail", _DETAIL),
    ("password_sealed", f.optional(f.text(2000, 1))),
)


def _delivery(value: Any) -> m.Delivery:
    return m.Delivery(**f.fill(_DELIVERY, value))


def _key(value: Any) -> m.EngineKey:
    return m.EngineKey(**f.fill(_KEY, value))


def _signed_in(value: Any) -> m.SignedIn:
    found = f.fill(_SIGNED_IN, value)
    return m.SignedIn(**{**found, "is_remote": bool(found["is_remote"])})


def _tunnel(value: dict[str, Any]) -> m.TunnelReported:
    return m.TunnelReported(**f.fill(_TUNNEL, value))


def _account(value: dict[str, Any]) -> m.ServiceAccountReported:
    return m.ServiceAccountReported(**f.fill(_ACCOUNT, value))


ENGINE_KEYS = f.list_of(_key, 32)
_SESSIONS = f.list_of(_signed_in, MAX_SESSIONS)

_NESTED = (m.Delivery, m.EngineKey, m.SignedIn, m.TunnelReported, m.ServiceAccountReported)
_Table = dict[str, tuple[type, f.Spec]]

_FROM_AGENT: _Table = {
    "hello": (
        m.Hello,
        (
            ("wire", f.integer(1, 1000)),
            ("agent_version", f.text(64, 1)),
            ("boot_id", f.text(128)),
            ("deliveries", f.list_of(_delivery, MAX_DELIVERIES)),
            ("sessions", f.optional(_SESSIONS)),
            ("fetches_files", f.optional(f.boolean)),
        ),
    ),
    "heartbeat": (m.Heartbeat, ()),
    "inventory": (m.Inventory, (("digest", _DIGEST), ("inventory", f.anything_object))),
    "sessions": (m.Sessions, (("sessions", _SESSIONS),)),
    "accepted": (m.Accepted, _EXECUTION),
    "started": (m.Started, (*_EXECUTION, ("started_at", f.time))),
    "output": (
        m.Output,
        (*_EXECUTION, ("stream", _STREAM), ("offset", f.integer()), ("data", f.data(m.MAX_OUTPUT_BYTES))),
    ),
    "result": (
        m.Result,
        (
            *_EXECUTION,
            ("outcome", f.one_of("exited", "timed_out", "cancelled", "refused", "interrupted")),
            ("exit_code", f.optional(f.integer(-(2**31), 2**32))),
            ("signal", f.optional(f.integer(1, 255))),
            ("reason", f.optional(_REASONS)),
            ("detail", _DETAIL),
            ("started_at", f.optional(f.time)),
            ("finished_at", f.time),
            ("stdout_bytes", f.integer()),
            ("stderr_bytes", f.integer()),
            ("truncated", f.boolean),
            ("last_line", _DETAIL),
            ("tree", f.optional(f.one_of("stopped", "survived"))),
        ),
    ),
    "cancel_answer": (
        m.CancelAnswer,
        (
            *_EXECUTION,
            ("answer", f.one_of("killed", "already_done", "could_not", "not_known")),
            ("detail", _DETAIL),
        ),
    ),
    "fetch": (m.Fetch, (*_FILE, ("offset", f.integer()))),
    "reported": (
        m.Reported,
        (
            ("tunnel", f.optional(f.object_of(_tunnel))),
            ("service_account", f.optional(f.object_of(_account))),
        ),
    ),
}

_FROM_ENGINE: _Table = {
    "welcome": (
        m.Welcome,
        (
            ("wire", f.integer(1, 1000)),
            ("server_time", f.time),
            ("heartbeat_seconds", f.seconds(0.05, 3600)),
            ("inventory_digest", f.optional(_DIGEST)),
            ("engine_keys", ENGINE_KEYS),
        ),
    ),
    "execute": (
        m.Execute,
        (("key_id", f.text(64, 1)), ("payload", f.text(m.MAX_FRAME_BYTES, 2)), ("signature", f.data(256))),
    ),
    "desired": (
        m.Desired,
        (("key_id", f.text(64, 1)), ("payload", f.text(MAX_DESIRED_CHARACTERS, 2)), ("signature", f.data(256))),
    ),
    "cancel": (m.Cancel, (*_EXECUTION, ("grace_seconds", f.seconds(0, 3600)))),
    "output_ack": (m.OutputAck, (*_EXECUTION, ("stream", _STREAM), ("offset", f.integer()))),
    "result_ack": (m.ResultAck, _EXECUTION),
    "piece": (m.Piece, (*_FILE, ("offset", f.integer()), ("data", f.data(m.MAX_PIECE_BYTES)))),
    "no_file": (m.NoFile, (*_FILE, ("detail", f.text(2000)))),
    "bye": (m.Bye, (("reason", f.text(200)), ("reconnect_after_seconds", f.seconds(0, 86400)))),
}

_NAMES: dict[type, tuple[str, tuple[str, ...]]] = {
    cls: (name, tuple(field.name for field in dataclass_fields(cls)))
    for table in (_FROM_AGENT, _FROM_ENGINE)
    for name, (cls, _) in table.items()
}
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encode(message: m.Message) -> str:
    """One frame. Raises WireError when it would be larger than a peer accepts or could not be sent as UTF-8."""
    name, names = _NAMES[type(message)]
    plain: dict[str, Any] = {"type": name}
    for field in names:
        plain[field] = _plain(getattr(message, field))
    frame = _dumps(plain)
    _measure(frame)
    return frame


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return f.time_text(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, _NESTED):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclass_fields(value)}
    return value


def _measure(frame: str) -> None:
    size = len(frame)
    if not frame.isascii() and size <= m.MAX_FRAME_BYTES:
        try:
            size = len(frame.encode("utf-8"))
        except UnicodeEncodeError:
            raise WireError([("message", "must not hold half a surrogate pair")]) from None
    if size > m.MAX_FRAME_BYTES:
        raise WireError([("message", f"must be at most {m.MAX_FRAME_BYTES} bytes")])


def _decode(table: _Table, frame: str | bytes) -> Any:
    if isinstance(frame, bytes):
        try:
            frame = frame.decode("utf-8")
        except UnicodeDecodeError:
            raise WireError([("message", "must be UTF-8")]) from None
    _measure(frame)
    value = f.load(frame)
    if type(value) is not dict:
        raise WireError([("message", "must be a JSON object")])
    kind = value.get("type")
    entry = table.get(kind) if type(kind) is str else None
    if entry is None:
        return m.Unknown(**f.fill((("type", _TYPE),), value))
    cls, spec = entry
    return cls(**f.fill(spec, value))


def decode_from_agent(frame: str | bytes) -> m.AgentMessage:
    message: m.AgentMessage = _decode(_FROM_AGENT, frame)
    return message


def decode_from_engine(frame: str | bytes) -> m.EngineMessage:
    message: m.EngineMessage = _decode(_FROM_ENGINE, frame)
    return message


def engine_keys_from_json(value: Any) -> tuple[m.EngineKey, ...]:
    """The `engine_keys` of an HTTP answer, whose keys are base64url."""
    try:
        return ENGINE_KEYS(value)
    except WireError:
        raise
    except ValueError as error:
        raise WireError([("engine_keys", str(error))]) from None
