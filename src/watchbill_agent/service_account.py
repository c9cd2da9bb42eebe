"""The account on a device by which the Engine signs in: what each system's way of keeping one has to offer, and what is noted of it.

Only an account that this agent made is ever changed or removed; the note beside its mark on the account says which that is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from watchbill_agent.commands import CommandError
from watchbill_wire import ServiceAccountReported, ServiceAccountWanted


class ServiceAccount(Protocol):
    def put(self, wanted: ServiceAccountWanted) -> ServiceAccountReported:
        """Make it so; how it is then."""


@dataclass(frozen=True)
class Note:
    """`mark` stands on the account too. `uid` None: it is about to be made, or its system has no numbers."""

    name: str
    mark: str
    uid: int | None = None
    generation: int | None = None
    password_sealed: str | None = field(default=None, repr=False)


class Notes:
    """The one note, on disk before the account is there and until it is gone."""

    def __init__(self, path: Path, write: Callable[[Path, bytes], object]) -> None:
        self._path = path
        self._write = write

    def load(self) -> Note | None:
        try:
            return Note(**json.loads(self._path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise CommandError(f"{self._path} cannot be read: what this agent made is not known any more") from None

    def save(self, note: Note) -> None:
        self._write(self._path, json.dumps(asdict(note)).encode())

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


class NoServiceAccount:
    """Where there can be none: says why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def put(self, wanted: ServiceAccountWanted) -> ServiceAccountReported:
        return ServiceAccountReported("unsupported", wanted.generation, self._reason)
