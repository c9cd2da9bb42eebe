"""Operating-system processes on Linux: the account they run under, that they end with their parent, and that a signal
reaches the process that was meant. Decides nothing about what is run.
"""

import contextlib
import os
import pwd
import select
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Account:
    """A named account of this host."""

    name: str
    uid: int
    gid: int

    @classmethod
    def find(cls, name: str) -> Self | None:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @classmethod
    def find_current(cls) -> Self | None:
        """The account of this process; None when its user id has no name, as in some containers."""
        try:
            entry = pwd.getpwuid(os.geteuid())
        except KeyError:
            return None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


# PR_SET_PDEATHSIG says nothing about a parent that ended before it was set: so the child then looks whether the parent
# is still the one that started it.
_START_UNLESS_ORPHANED = '[ "$PPID" = "$0" ] || exit 1; exec "$@"'


def tied_to_parent(argv: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """`argv`, made to receive `death_signal` when the thread that starts it ends (kill -9 included); the pid stays.

    Start it from a thread that lives as long as the process should, the main thread as a rule. `setpriv` is used and
    not a `preexec_fn`, because Python code between fork and exec may deadlock when there are other threads.
    """
    tie = [_setpriv(), "--pdeathsig", death_signal.name.removeprefix("SIG"), "--"]
    return [*tie, "/bin/sh", "-c", _START_UNLESS_ORPHANED, str(os.getpid()), *argv]


def _setpriv() -> str:
    setpriv = shutil.which("setpriv", path=os.environ.get("PATH", os.defpath) + ":/usr/bin:/bin")
    if setpriv is None:
        raise FileNotFoundError("the program `setpriv` (Debian package util-linux) is missing on this host")
    return setpriv


#: Numbers of capabilities, from linux/capability.h.
_SETPCAP, _NET_ADMIN = 8, 12


def without_network_rights(argv: Sequence[str]) -> list[str]:
    """`argv`, made to run without the right to change this host's network, and without a way to get it back.

    As it is where this process has no such right, or may not give it up.
    """
    effective = _effective_capabilities()
    if not (effective >> _NET_ADMIN & 1 and effective >> _SETPCAP & 1):
        return list(argv)
    return [_setpriv(), "--inh-caps=-net_admin", "--bounding-set=-net_admin", "--", *argv]


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


class ProcessHandle:
    """One process of any parent, held by a pidfd: a pid that is given out again cannot be mistaken for it."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError when there is no such process."""
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def send(self, number: signal.Signals) -> None:
        """Signal it; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within `seconds`."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def end(self, *steps: tuple[signal.Signals, float]) -> bool:
        """Signal after signal, each with its seconds to wait, until it has ended; False when none helped."""
        for number, seconds in steps:
            self.send(number)
            if self.wait(seconds):
                return True
        return False
