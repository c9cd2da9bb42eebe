"""The signed order to run one script: its payload as a value, its text as signed, and the bytes that are signed.

Signing and verifying themselves stay with whoever holds keys; this module needs none.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from watchbill_wire import fields as f
from watchbill_wire.errors import WireError

Interpreter = Literal["bash", "sh", "python", "powershell", "batch"]

MAX_CONTENT_CHARACTERS = 384 * 1024
MAX_VARIABLE_CHARACTERS = 32 * 1024
MAX_SEALED_CHARACTERS = 512 * 1024
MAX_FILES = 50
MAX_KEPT_BYTES = 1024 * 1024 * 1024
_VARIABLE = f.pattern(
    r"(?!WATCHBILL_)[A-Za-z_][A-Za-z0-9_]{0,63}",
    "a variable name of 1 to 64 letters, digits and underscores that does not begin with WATCHBILL_",
)
_LABEL = f.pattern(r"[a-z][a-z0-9_]{0,31}", "a label name of 1 to 32 lowercase letters, digits and underscores")
_VARIABLES = f.map_of(_VARIABLE, f.text(MAX_VARIABLE_CHARACTERS), 200)

#: What a file system may take; which names are wise on every system is for the Engine to say.
_FILE_NAME = f.pattern(
    r"(?!\.{1,2}$)[^/\\\x00-\x1f\x7f]{1,255}",
    "a file name of 1 to 255 characters without separators and control characters",
)
_FILE: f.Spec = (("name", _FILE_NAME), ("size", f.integer()), ("sha256", f.SHA256))


@dataclass(frozen=True)
class FileOf:
    """A file that lies in the script's folder when it starts; `size` in bytes."""

    name: str
    size: int
    sha256: str


def _file(value: Any) -> FileOf:
    return FileOf(**f.fill(_FILE, value))


_SPEC: f.Spec = (
    ("v", f.integer(1, 2)),
    ("execution_id", f.uuid),
    ("device_id", f.uuid),
    ("issued_at", f.time),
    ("start_by", f.time),
    ("context", f.pattern(r"[a-z_]{1,32}", "the name of an execution context")),
    ("interpreter", f.one_of("bash", "sh", "python", "powershell", "batch")),
    ("content", f.text(MAX_CONTENT_CHARACTERS)),
    ("content_sha256", f.SHA256),
    ("variables", _VARIABLES),
    ("time_limit_seconds", f.seconds(0.05, 30 * 86400)),
    ("kill_grace_seconds", f.seconds(0, 3600)),
    ("head_bytes", f.integer(0, MAX_KEPT_BYTES)),
    ("tail_bytes", f.integer(0, MAX_KEPT_BYTES)),
    ("labels", f.map_of(_LABEL, f.text(200), 32)),
    ("session_id", f.optional(f.SESSION)),
    ("session_user", f.optional(f.USER)),
    ("sealed", f.optional(f.text(MAX_SEALED_CHARACTERS, 1))),
    ("files", f.optional(f.list_of(_file, MAX_FILES))),
    ("fetch_seconds", f.optional(f.seconds(0.05, 7 * 86400))),
)
_OF_FILES = ("files", "fetch_seconds")
_OF_SESSIONS = ("session_id", "session_user")
_EXECUTION_ID = re.compile(r'"execution_id"\s*:\s*"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')


@dataclass(frozen=True)
class EnvelopePayload:
    execution_id: str
    device_id: str
    issued_at: datetime
    start_by: datetime
    interpreter: Interpreter
    content: str = field(repr=False)
    content_sha256: str
    time_limit_seconds: float
    kill_grace_seconds: float
    head_bytes: int
    tail_bytes: int
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    labels: dict[str, str] = field(default_factory=dict)
    context: str = "system"
    #: Whose session it runs in, for the context `current_user`: both, or neither.
    session_id: str | None = None
    session_user: str | None = None
    sealed: str | None = field(default=None, repr=False)
    #: With files `v` is 2, which agents that cannot fetch refuse.
    files: tuple[FileOf, ...] = ()
    #: How long fetching them may take; it is no part of the time limit.
    fetch_seconds: float | None = None
    v: int = 1

    def to_text(self) -> str:
        """The canonical text: sorted keys, no spaces. What is signed is this text, byte for byte."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _NAMES}
        plain["files"] = [asdict(file) for file in self.files] or None
        for name in (*_OF_SESSIONS, *_OF_FILES):
            if plain[name] is None:
                del plain[name]
        plain["issued_at"] = f.time_text(self.issued_at)
        plain["start_by"] = f.time_text(self.start_by)
        return _canonical(plain)

    def is_content_intact(self) -> bool:
        return content_digest(self.content) == self.content_sha256


_NAMES = tuple(item.name for item in fields(EnvelopePayload))
# Made once: a gateway writes thousands of these a second.
_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def content_digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8")).hexdigest()


def parse_payload(text: str) -> EnvelopePayload:
    found = f.fill(_SPEC, f.load(text, "payload"))
    payload = EnvelopePayload(**{**found, "files": found["files"] or ()})
    _refuse_odd_files(payload)
    is_for_user = payload.context == "current_user"
    for name in _OF_SESSIONS:
        if (getattr(payload, name) is not None) != is_for_user:
            raise WireError([(name, "must be there for the context current_user, and for no other")])
    return payload


def _refuse_odd_files(payload: EnvelopePayload) -> None:
    if (payload.v == 2) != bool(payload.files) or (payload.fetch_seconds is not None) != bool(payload.files):
        raise WireError([("v", "must be 2, and fetch_seconds there, when there are files, and only then")])
    names = [file.name.casefold() for file in payload.files]
    if len(set(names)) < len(names):
        raise WireError([("files", "must not hold a name twice (case does not count)")])


def parse_sealed(text: str) -> dict[str, str]:
    """The secret variables that were sealed, checked as the others are."""
    try:
        return _VARIABLES(f.load(text, "sealed"))
    except ValueError as error:
        raise WireError([("sealed", str(error))]) from None


def execution_id_of(text: str) -> str | None:
    """Whom to answer when the rest of a payload cannot be read: its only execution id, else nobody."""
    try:
        value = f.load(text, "payload")
    except WireError:
        found = set(_EXECUTION_ID.findall(text))
        return found.pop() if len(found) == 1 else None
    try:
        return f.uuid(value.get("execution_id")) if isinstance(value, dict) else None
    except ValueError:
        return None


def envelope_signing_bytes(payload_text: str) -> bytes:
    return b"watchbill-envelope:v1\n" + payload_text.encode("utf-8")
