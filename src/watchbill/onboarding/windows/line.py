"""A line to a machine, by which scripts are run there: what WinRM and SMB have in common. Its calls wait; `Remote` keeps them in threads."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class LineError(Exception):
    """The line does not do what was asked. The text is a sentence for people."""


class RefusedError(LineError):
    """The machine does not accept the account."""


class UnfitError(LineError):
    """This way in cannot be used with this credential, or at all; the password was not judged."""


class NotPermittedError(LineError):
    """The account was accepted, and may not do this."""


class DistrustedError(LineError):
    """The machine's certificate is not trusted."""


class NoSpaceError(LineError):
    """The machine's disk is full."""


class LostError(LineError):
    """The connection broke, or the other side stopped making sense."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program."""

    code: int
    stdout: bytes
    stderr: bytes


class Line(Protocol):
    """One machine, one account. Every call waits, raises LineErrors and is made by one thread at a time; `cut` by any."""

    #: What it is, for people: "WinRM over TLS on port 5986".
    name: str

    def sign_in(self) -> None:
        """Connect and sign in, once. RefusedError, UnfitError, NotPermittedError, DistrustedError, LostError."""

    def run(self, stdin: Iterable[bytes]) -> Ran:
        """Run PowerShell with the arguments of `scripts`; it reads up to a line with a dot."""

    def put(self, file: Path, name: str, /) -> str | None:
        """Bring a file onto the machine. Where it is there, `%variables%` in it; None = this line has no way but a script's input."""

    def close(self) -> None:
        """End the session and leave nothing of it behind."""

    def cut(self) -> None:
        """Break the connection: whoever waits for it gets an error soon."""
