"""What the session hears and what it asks for: plain values, so that a playbook can write them down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Union

from watchbill_wire import (
    DesiredPayload,
    EngineKey,
    EngineMessage,
    EnvelopePayload,
    Message,
    RefusalReason,
    Reported,
    Result,
    SignedIn,
    Stream,
)

State = Literal["accepted", "starting", "running", "finished", "settled", "withdrawn"]


@dataclass(frozen=True)
class Kept:
    """Which bytes of a true stream of `end` bytes exist: those before `head` and those from `tail` on."""

    head: int = 0
    tail: int = 0
    end: int = 0


NOTHING_KEPT = Kept()


@dataclass(frozen=True)
class Stored:
    """One delivery as the spool knows it. `settled`: the Engine has the result. `withdrawn`: cancelled before it came."""

    execution_id: str
    state: State
    payload: EnvelopePayload | None = field(default=None, repr=False)
    started_at: datetime | None = None
    result: Result | None = None
    stdout: Kept = NOTHING_KEPT
    stderr: Kept = NOTHING_KEPT
    stdout_acked: int = 0
    stderr_acked: int = 0


# Events


@dataclass(frozen=True)
class Loaded:
    """At start: every delivery that the Engine has not acknowledged, oldest first."""

    deliveries: tuple[Stored, ...]


@dataclass(frozen=True)
class Connected:
    pass


@dataclass(frozen=True)
class Disconnected:
    code: int | None = None
    wait_seconds: float = 0.0


@dataclass(frozen=True)
class Received:
    """`remembered` is what the spool knows of the execution that an `execute` or `cancel` names."""

    message: EngineMessage
    remembered: Stored | None = None


@dataclass(frozen=True)
class Ponged:
    pass


@dataclass(frozen=True)
class Ticked:
    pass


@dataclass(frozen=True)
class KeysLearned:
    keys: tuple[EngineKey, ...]


@dataclass(frozen=True)
class FilesReady:
    """Copies of all the files of an order are there, as signed."""

    execution_id: str


@dataclass(frozen=True)
class FilesFailed:
    execution_id: str
    reason: RefusalReason
    detail: str


@dataclass(frozen=True)
class ChildStarted:
    execution_id: str
    started_at: datetime


@dataclass(frozen=True)
class ChildRefused:
    execution_id: str
    reason: RefusalReason
    detail: str
    at: datetime


@dataclass(frozen=True)
class ChildEnded:
    result: Result
    stdout: Kept
    stderr: Kept


@dataclass(frozen=True)
class OutputGrew:
    execution_id: str
    stream: Stream
    head: int


@dataclass(frozen=True)
class SessionsChanged:
    sessions: tuple[SignedIn, ...]


@dataclass(frozen=True)
class InventoryChanged:
    digest: str


@dataclass(frozen=True)
class StateLookedAt:
    """How the device is, of what the Engine may want of it beside scripts."""

    reported: Reported


Event = Union[
    Loaded,
    Connected,
    Disconnected,
    Received,
    Ponged,
    Ticked,
    KeysLearned,
    FilesReady,
    FilesFailed,
    ChildStarted,
    ChildRefused,
    ChildEnded,
    OutputGrew,
    InventoryChanged,
    SessionsChanged,
    StateLookedAt,
]


# Commands


@dataclass(frozen=True)
class Send:
    message: Message


@dataclass(frozen=True)
class SendOutput:
    execution_id: str
    stream: Stream
    offset: int
    length: int


@dataclass(frozen=True)
class SendInventory:
    pass


@dataclass(frozen=True)
class Ping:
    pass


@dataclass(frozen=True)
class Close:
    reason: str


@dataclass(frozen=True)
class Reconnect:
    after: float
    needs_token: bool


@dataclass(frozen=True)
class RefreshKeys:
    pass


@dataclass(frozen=True)
class KeepOrder:
    payload: EnvelopePayload
    text: str = field(repr=False)
    is_starting: bool


@dataclass(frozen=True)
class KeepStarting:
    execution_id: str


@dataclass(frozen=True)
class KeepStarted:
    execution_id: str
    started_at: datetime


@dataclass(frozen=True)
class KeepResult:
    result: Result
    stdout: Kept = NOTHING_KEPT
    stderr: Kept = NOTHING_KEPT


@dataclass(frozen=True)
class KeepWithdrawn:
    execution_id: str


@dataclass(frozen=True)
class KeepAcked:
    execution_id: str
    stream: Stream
    offset: int


@dataclass(frozen=True)
class Settle:
    """The Engine has the result: drop the output, keep the key and the result for a while."""

    execution_id: str
    at: datetime


@dataclass(frozen=True)
class Purge:
    before: datetime


@dataclass(frozen=True)
class Gather:
    """Get the files of an order ready; FilesReady or FilesFailed follows, unless they are dropped."""

    payload: EnvelopePayload


@dataclass(frozen=True)
class DropFiles:
    """No script will want them any more."""

    execution_id: str


@dataclass(frozen=True)
class Spawn:
    payload: EnvelopePayload


@dataclass(frozen=True)
class Kill:
    execution_id: str
    grace_seconds: float


@dataclass(frozen=True)
class KeepDesired:
    """The text as it was signed: what is wanted also after a restart, and how new it is."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class Apply:
    """Make the device so; StateLookedAt follows, and again whenever it changes."""

    payload: DesiredPayload


@dataclass(frozen=True)
class RefuseDesired:
    detail: str


Command = Union[
    Send,
    SendOutput,
    SendInventory,
    Ping,
    Close,
    Reconnect,
    RefreshKeys,
    KeepOrder,
    KeepStarting,
    KeepStarted,
    KeepResult,
    KeepWithdrawn,
    KeepAcked,
    Settle,
    Purge,
    Gather,
    DropFiles,
    Spawn,
    Kill,
    KeepDesired,
    Apply,
    RefuseDesired,
]
