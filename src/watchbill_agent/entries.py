"""One delivery as the session keeps it in mind, and what follows from it alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from watchbill_agent import events as e
from watchbill_agent.transfer import Transfer
from watchbill_wire import Answer, DeliveryState, EnvelopePayload, Execute, Result, Stream, execution_id_of

STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")


@dataclass
class Entry:
    execution_id: str
    state: e.State
    payload: EnvelopePayload | None = field(default=None, repr=False)
    started_at: datetime | None = None
    result: Result | None = None
    is_cancel_asked: bool = False
    is_result_sent: bool = False
    is_gathering: bool = False
    has_files: bool = False
    streams: dict[Stream, Transfer] = field(default_factory=lambda: {name: Transfer() for name in STREAMS})

    @property
    def is_busy(self) -> bool:
        return self.state in ("starting", "running")

    @property
    def wants_files(self) -> bool:
        """It has to wait for files, whether or not somebody gathers them yet."""
        return self.payload is not None and bool(self.payload.files) and not self.has_files


def wire_state(entry: Entry) -> DeliveryState:
    if entry.is_busy:
        return "running"
    return "accepted" if entry.state == "accepted" else "finished"


def names(received: e.Received, execution_id: str) -> bool:
    return isinstance(received.message, Execute) and execution_id_of(received.message.payload) == execution_id


def is_anyone_waiting(entries: Iterable[Entry], besides: Entry) -> bool:
    """Whether another one, which lacks nothing, has not started yet."""
    return any(one.state == "accepted" and not one.wants_files and one is not besides for one in entries)


def cancel_outcome(result: Result) -> tuple[Answer, str | None]:
    if result.tree == "survived":
        return "could_not", "some processes of the script could not be stopped"
    return ("killed", None) if result.outcome in ("cancelled", "timed_out", "interrupted") else ("already_done", None)
