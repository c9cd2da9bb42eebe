"""One computer of a lab: its own network, host name, processes, users and configuration, on this machine, whose own stay untouched.

Its /etc, /home, /root, /opt, /usr/local, /var/lib and /var/log are this machine's with a layer of its own above, and its /var/tmp is
its own; the rest of the files it shares. Ends with its owner.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import leftovers
from watchbill.kit.processes import ProcessHandle, tied_to_parent

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Also a machine under load must have made its namespaces by then.
_READY_SECONDS = 30.0
_NAMESPACES = ("--net", "--mount", "--uts", "--ipc", "--pid")
# As the first process it gets the orphans of all others, and must not leave them as zombies.
_INIT = "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})\nwhile True:\n signal.sigwait({signal.SIGCHLD})\n try:\n  while os.waitpid(-1, os.WNOHANG)[0]: pass\n except ChildProcessError: pass\n"
_SETUP = r"""
set -e
files=$1 name=$2 python=$3 init=$4
hostname "$name"
for part in etc home root opt usr/local var/lib var/log; do
  mkdir -p "$files/$part" "$files/.work/$part"
  mount -t overlay overlay -o "lowerdir=/$part,upperdir=$files/$part,workdir=$files/.work/$part" "/$part"
done
mkdir -p -m 1777 "$files/var/tmp"
mount --bind "$files/var/tmp" /var/tmp
mkdir -p "$files/.run"
for one in /run/watchbill*; do
  [ -d "$one" ] || continue
  mkdir -p "$files/.run/${one##*/}"
  mount --bind "$one" "$files/.run/${one##*/}"
done
mount -t tmpfs -o mode=755 tmpfs /run
for one in "$files"/.run/*; do
  [ -d "$one" ] || continue
  mkdir "/run/${one##*/}"
  mount --bind "$one" "/run/${one##*/}"
done
mkdir -m 755 /run/sshd /run/lock
mount -t sysfs sysfs /sys
echo "$name" > /etc/hostname
ip link set lo up
echo ready
exec "$python" -I -S -c "$init"
"""


class LabError(Exception):
    """Something of the lab could not be made; the text is for people."""


@dataclass
class Program:
    """A program that runs on a host until it is ended, or its host is. Its output goes into a file of the lab."""

    name: str
    outer: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """Its number, as this machine has it."""
        return child_of(self.outer.pid)

    @property
    def is_running(self) -> bool:
        return self.outer.poll() is None

    def send(self, number: signal.Signals) -> None:
        with suppress(LabError, ProcessLookupError):
            os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
        """Signal it and wait; its exit status."""
        self.send(number)
        return self.outer.wait(seconds)

    def output(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Host:
    """`address` is the one on the lab's wire, where it is connected."""

    name: str
    folder: Path
    address: str | None = None
    port: str | None = None
    _holder: "subprocess.Popen[bytes] | None" = None
    _init: int | None = None
    _programs: list[Program] = field(default_factory=list)

    @property
    def is_on(self) -> bool:
        return self._holder is not None and self._holder.poll() is None

    @property
    def init(self) -> int:
        """The number of its first process, as this machine has it."""
        if self._init is None or not self.is_on:
            raise LabError(f"{self.name} is off")
        return self._init

    # --- power -----------------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Start it, with the files that it had. It is connected to nothing yet."""
        (self.folder / "files").mkdir(parents=True, exist_ok=True)
        inner = ["/bin/sh", "-c", _SETUP, "sh", str(self.folder / "files"), self.name, sys.executable, _INIT]
        unshare = ["unshare", *_NAMESPACES, "--fork", "--mount-proc", "--kill-child=SIGKILL", "--", *inner]
        self._holder = subprocess.Popen(
            tied_to_parent(unshare, signal.SIGKILL),
            env={"PATH": PATH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        leftovers.note_holder(self.folder.parent, self._holder.pid)
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline()
        if said != b"ready\n":
            said += self._holder.stdout.read()
            raise LabError(f"{self.name} did not start: {said.decode(errors='replace').strip()}")
        self._init = child_of(self._holder.pid)

    def power_off(self) -> None:
        """As when the plug is pulled: everything that runs there is gone at once. Its files stay."""
        if self._holder is None:
            return
        if self._init is not None and self.is_on:
            with suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
        self._holder.kill()
        self._holder.wait(_READY_SECONDS)
        if self._holder.stdout is not None:
            self._holder.stdout.close()
        for one in self._programs:
            one.outer.wait(_READY_SECONDS)
        self._programs.clear()
        self._holder = self._init = None

    # --- what runs there -------------------------------------------------------------------------------------------------

    def run(
        self, *argv: str, given: str = "", env: Mapping[str, str] | None = None, is_checked: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program there as root, to its end. LabError when it fails, with what it wrote."""
        return self._run(self._inside(argv), argv, given, env, is_checked=is_checked)

    def run_outside(self, *argv: str) -> None:
        """Run a program of this machine, with its processes and files, in the host's network."""
        self._run(["nsenter", f"--target={self.init}", "-n", "--", *argv], argv, "", None, is_checked=True)

    def _run(
        self, inside: list[str], argv: Sequence[str], given: str, env: Mapping[str, str] | None, *, is_checked: bool
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            inside, input=given, text=True, capture_output=True, env=_environment(env), timeout=120, check=False
        )
        if is_checked and done.returncode:
            wrote = f"{done.stdout}\n{done.stderr}".strip()
            raise LabError(f"`{' '.join(argv)[:200]}` on {self.name} ended with {done.returncode}: {wrote}")
        return done

    def start(self, name: str, *argv: str, env: Mapping[str, str] | None = None, cwd: str = "/") -> Program:
        """Start a program there as root that goes on by itself."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            outer = subprocess.Popen(
                self._inside(argv, cwd=cwd),
                env=_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        program = Program(name, outer, log)
        self._programs.append(program)
        return program

    def converse(self, *argv: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start a program there as root that is spoken to; it is the caller's to end."""
        return subprocess.Popen(
            self._inside(argv),
            env=_environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _inside(self, argv: Sequence[str], *, cwd: str = "/") -> list[str]:
        return ["nsenter", f"--target={self.init}", "-n", "-m", "-u", "-i", "-p", f"--wdns={cwd}", "--", *argv]

    def is_reachable(self, address: str, port: int) -> bool:
        """Whether a connection can be made from here to there."""
        program = f"import socket; socket.create_connection(({address!r}, {port}), 2).close()"
        return self.run(sys.executable, "-I", "-c", program, is_checked=False).returncode == 0


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", **(more or {})}


def child_of(pid: int) -> int:
    """The one child of a process, which may not have it yet."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            break
        if children:
            return int(children[0])
        time.sleep(0.005)
    raise LabError(f"process {pid} has no child")


def is_gone(pid: int, seconds: float) -> bool:
    """Whether a process ends within this time."""
    try:
        with ProcessHandle(pid) as process:
            return process.wait(seconds)
    except ProcessLookupError:
        return True
