"""The agent as a service of this machine: written, started, looked at and removed. It starts at boot and again after a crash.

Which kind of service there is decides the machine: systemd's where that runs, else an init script. Safe to repeat.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Protocol

from watchbill_agent import __version__, clock, itself
from watchbill_agent.commands import SystemCommands
from watchbill_agent.datadir import DataDir
from watchbill_agent.errors import EXIT_NOT_ENROLLED, AgentError
from watchbill_agent.service_systemd import Systemd
from watchbill_agent.service_sysv import SysV

Say = Callable[[str], None]
UP_SECONDS = 30.0
#: Stopping waits for the agent, which first says good-bye.
_TOOL_SECONDS = 90.0


class Kind(Protocol):
    """One way in which a machine keeps a program running."""

    name: str

    def is_here(self) -> bool:
        """Whether this machine works like that."""

    def is_installed(self) -> bool: ...

    def is_running(self) -> bool: ...

    def install(self, command: list[str]) -> list[str]:
        """Write it, make it start at boot, start it anew. What an operator should know, if anything."""

    def remove(self) -> None:
        """Stop it and take it away; scripts that run go on. Nothing when it is not there."""

    def where_it_logs(self) -> str:
        """What to type to see why it does not come up."""


@dataclass(frozen=True)
class Status:
    """`kind`: of the service that is installed. `version`: of the program that was asked. `enrolment`: none, pending or approved."""

    kind: str
    installed: bool
    running: bool
    version: str
    device_id: str | None
    enrolment: str


def _kinds() -> list[Kind]:
    """The best one first; the last one is everywhere."""
    commands = SystemCommands(seconds=_TOOL_SECONDS)
    return [Systemd(commands), SysV(commands)]


def install(data: DataDir, own_data: Path | None, branch: str, say: Say) -> None:
    """`own_data`: the data directory, where it is not the usual one."""
    _require_root()
    if data.load_identity() is None:
        raise AgentError("this device is not enrolled: run watchbill-agent enroll first", EXIT_NOT_ENROLLED)
    chosen = next(kind for kind in _kinds() if kind.is_here())
    for other in _kinds():
        if other.name != chosen.name and other.is_installed():
            other.remove()
    where = ["--data-dir", str(own_data.absolute())] if own_data else []
    command = itself.lasting_command("run", "--wait-for-approval", "--branch", branch, *where)
    _refuse_odd(command)
    for note in chosen.install(command):
        say(note)
    _await_start(data, chosen)
    say(f"The service watchbill-agent runs ({chosen.name}).")


def remove(say: Say) -> None:
    _require_root()
    found = [kind for kind in _kinds() if kind.is_installed()]
    for kind in found:
        kind.remove()
    say("The service watchbill-agent is removed." if found else "There is no service watchbill-agent.")


def status(data: DataDir) -> Status:
    kind = next((kind for kind in _kinds() if kind.is_installed()), None)
    identity = data.load_identity()
    return Status(
        kind=kind.name if kind else "none",
        installed=kind is not None,
        running=kind is not None and kind.is_running(),
        version=__version__,
        device_id=(identity.device_id or None) if identity else None,
        enrolment=identity.state if identity else "none",
    )


def _require_root() -> None:
    if os.geteuid() != 0:
        raise AgentError("only root can change services: run it as root, or with sudo")


def _refuse_odd(command: list[str]) -> None:
    """These words go into files that systemd and shells read."""
    for word in command:
        if re.fullmatch(r"[A-Za-z0-9/_.,:@=+-]+", word) is None:
            raise AgentError(
                f"a service cannot be made of {word!r}: its path has other than letters, digits and /_.,:@=+-"
            )


def _await_start(data: DataDir, kind: Kind) -> None:
    """Up is when the agent holds its data directory; a service manager may call it so before, or not know."""
    deadline = clock.monotonic() + UP_SECONDS
    while not (data.is_locked() and kind.is_running()):
        if clock.monotonic() > deadline:
            raise AgentError(
                f"the service was started, and did not come up within {UP_SECONDS:.0f} s: {kind.where_it_logs()}"
            )
        time.sleep(0.1)
