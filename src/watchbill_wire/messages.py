"""Every message of the agent's socket as a frozen value. They hold no rule and know neither JSON nor sockets.

Times are aware datetimes, bytes are bytes: text forms exist only in the codec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Union

WIRE_VERSION = 1
MAX_FRAME_BYTES = 1024 * 1024
MAX_OUTPUT_BYTES = 64 * 1024
MAX_IN_FLIGHT_BYTES = 512 * 1024
#: Of a file, in one message.
MAX_PIECE_BYTES = 256 * 1024

DeliveryState = Literal["accepted", "running", "finished"]
Stream = Literal["stdout", "stderr"]
Outcome = Literal["exited", "timed_out", "cancelled", "refused", "interrupted"]
Tree = Literal["stopped", "survived"]
TunnelState = Literal["down", "up", "unavailable"]
AccountState = Literal["present", "absent", "failed", "unsupported"]
Answer = Literal["killed", "already_done", "could_not", "not_known"]
RefusalReason = Literal[
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
]


@dataclass(frozen=True)
class Delivery:
    execution_id: str
    state: DeliveryState


@dataclass(frozen=True)
class EngineKey:
    key_id: str
    public_key: bytes


@dataclass(frozen=True)
class SignedIn:
    """One session of a person who is signed in. `session_id` is of this sign-in alone; `place` is where: a seat, a terminal."""

    session_id: str
    user: str
    place: str | None = None
    is_remote: bool = False
    since: datetime | None = None


@dataclass(frozen=True)
class Hello:
    """`sessions` None: an agent that does not know who is signed in. `fetches_files`: whether it fetches what an order names."""

    agent_version: str
    boot_id: str
    deliveries: tuple[Delivery, ...] = ()
    wire: int = WIRE_VERSION
    sessions: tuple[SignedIn, ...] | None = None
    fetches_files: bool | None = None


@dataclass(frozen=True)
class Sessions:
    """All who are signed in, whenever that changed."""

    sessions: tuple[SignedIn, ...]


@dataclass(frozen=True)
class Heartbeat:
    pass


@dataclass(frozen=True)
class Inventory:
    digest: str
    inventory: dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    execution_id: str


@dataclass(frozen=True)
class Started:
    execution_id: str
    started_at: datetime


@dataclass(frozen=True)
class Output:
    execution_id: str
    stream: Stream
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Result:
    execution_id: str
    outcome: Outcome
    finished_at: datetime
    exit_code: int | None = None
    signal: int | None = None
    reason: RefusalReason | None = None
    detail: str | None = None
    started_at: datetime | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    truncated: bool = False
    last_line: str | None = field(default=None, repr=False)
    tree: Tree | None = None


@dataclass(frozen=True)
class CancelAnswer:
    execution_id: str
    answer: Answer
    detail: str | None = None


@dataclass(frozen=True)
class Fetch:
    """Asks for a file of an order, from `offset` on. One at a time: the next when this one is answered."""

    execution_id: str
    sha256: str
    offset: int


@dataclass(frozen=True)
class TunnelReported:
    """`public_key`: the device's own, made there. `handshake_at`: when its hub was heard last, by the Engine's clock."""

    public_key: str
    state: TunnelState
    handshake_at: datetime | None = None
    detail: str | None = None


@dataclass(frozen=True)
class ServiceAccountReported:
    """`generation` is that of what was wanted; `password_sealed` a password made on the device, for the Engine alone."""

    state: AccountState
    generation: int
    detail: str | None = None
    password_sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Reported:
    """How the device is, of what a `Desired` may say: after each welcome, and whenever it changes. None: nothing to tell of it."""

    tunnel: TunnelReported | None = None
    service_account: ServiceAccountReported | None = None


@dataclass(frozen=True)
class Welcome:
    server_time: datetime
    heartbeat_seconds: float
    inventory_digest: str | None = None
    engine_keys: tuple[EngineKey, ...] = ()
    wire: int = WIRE_VERSION


@dataclass(frozen=True)
class Execute:
    """`payload` stays the exact text that was signed; `parse_payload` reads it after the signature was checked."""

    key_id: str
    payload: str = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True)
class Desired:
    """Signed as an `Execute` is, over bytes of its own; `parse_desired` reads it after the signature was checked."""

    key_id: str
    payload: str = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True)
class Cancel:
    execution_id: str
    grace_seconds: float


@dataclass(frozen=True)
class OutputAck:
    execution_id: str
    stream: Stream
    offset: int


@dataclass(frozen=True)
class ResultAck:
    execution_id: str


@dataclass(frozen=True)
class Piece:
    """What follows at `offset`: as much as the Engine likes to send, at least a byte."""

    execution_id: str
    sha256: str
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class NoFile:
    """There is no such file for this execution, and asking again will not help."""

    execution_id: str
    sha256: str
    detail: str


@dataclass(frozen=True)
class Bye:
    reason: str
    reconnect_after_seconds: float


@dataclass(frozen=True)
class Unknown:
    """A well-formed message of a type that this side does not know: a newer peer's. Ignore it, log it once."""

    type: str


AgentMessage = Union[
    Hello, Heartbeat, Inventory, Sessions, Accepted, Started, Output, Result, CancelAnswer, Fetch, Reported, Unknown
]
EngineMessage = Union[Welcome, Execute, Desired, Cancel, OutputAck, ResultAck, Piece, NoFile, Bye, Unknown]
Message = Union[AgentMessage, EngineMessage]
