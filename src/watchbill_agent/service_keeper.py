"""Keeps the agent running where no service manager does: starts it, starts it again after a crash, ends it when told to.

A program of its own, detached from whoever started it. It is alive while it holds the lock on its pid file, whatever number
stands in there. It never touches scripts: they outlive the agent.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from watchbill_agent import clock
from watchbill_agent.datadir import DataDir, default_path
from watchbill_agent.errors import EXIT_DENIED, EXIT_NOT_ENROLLED, AgentError

PID_FILE = Path("/run/watchbill-agent.pid")
LOG = Path("/var/log/watchbill-agent.log")
MAX_LOG_BYTES = 5 * 1024 * 1024
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
#: After so long a run, a crash is a new one.
STEADY_SECONDS = 60.0
#: How long the agent has to end; then it is killed.
END_SECONDS = 30.0
#: What starting again does not change.
_FINAL = (EXIT_NOT_ENROLLED, EXIT_DENIED)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_ENDING = (signal.SIGTERM, signal.SIGINT)


class Keeper:
    def __init__(self, pid_file: Path = PID_FILE, log: Path = LOG) -> None:
        self._pid_file, self._log = pid_file, log

    def is_running(self) -> bool:
        lock = _lock_of(self._pid_file)
        if lock is None:
            return self._pid_file.exists()
        os.close(lock)
        return False

    def has_run(self) -> bool:
        """Whether a keeper runs, or ended otherwise than it should have: it leaves nothing when it is stopped."""
        return self._pid_file.exists()

    def start(self, command: list[str]) -> None:
        """Returns when it runs by itself. Nothing when it does already."""
        if self.is_running():
            return
        self._end_orphan(command)
        told, telling = os.pipe()
        if os.fork() == 0:
            os.close(told)
            _detach(self._log)
            self._keep(command, telling)
            os._exit(0)
        os.close(telling)
        said = os.read(told, 500)
        os.close(told)
        if said != b"ok":
            raise AgentError(f"the agent's keeper did not start: {said.decode(errors='replace') or 'it ended at once'}")

    def stop(self, command: list[str]) -> None:
        """Returns when keeper and agent have ended."""
        if self.is_running():
            _end(self._numbers()[0], lambda: not self.is_running())
        self._end_orphan(command)

    def _end_orphan(self, command: list[str]) -> None:
        """An agent whose keeper was killed. Somebody else's agent, which holds the same data, is not ours to end."""
        data = _data_of(command)
        agent = self._numbers()[1]
        if agent and data.holder() == agent:
            _end(agent, lambda: not data.is_locked())

    def _numbers(self) -> tuple[int, int]:
        """The keeper's, and that of its agent; 0 = none."""
        try:
            keeper, agent = map(int, self._pid_file.read_text("ascii").split())
        except (OSError, ValueError):
            return 0, 0
        return keeper, agent

    # -- the keeper itself ---------------------------------------------------------------------------------------------

    def _keep(self, command: list[str], telling: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            lock = _lock_of(self._pid_file, is_made=True)
        except OSError as error:
            os.write(telling, f"{self._pid_file}: {error.strerror}".encode())
            return
        # Another one, started in the same moment, is as good.
        os.write(telling, b"ok")
        os.close(telling)
        if lock is None:
            return
        self._start_again_and_again(command, lock)
        self._pid_file.unlink(missing_ok=True)

    def _start_again_and_again(self, command: list[str], lock: int) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            started = clock.monotonic()
            status = self._run_once(command, lock)
            if status is None or status in _FINAL:
                return
            ran = clock.monotonic() - started
            wait = FIRST_WAIT_SECONDS if ran > STEADY_SECONDS else wait
            _say(f"the agent ended with {status} after {ran:.0f} s; it is started again in {wait:.0f} s")
            if self._is_told_to_end(wait):
                return
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _run_once(self, command: list[str], lock: int) -> int | None:
        """The agent's exit status; None when it ended because it was to."""
        try:
            agent = _spawn(command)
        except OSError as error:
            _say(f"the agent cannot be started: {error}")
            return error.errno or 1
        _write_numbers(lock, os.getpid(), agent)
        try:
            return self._watch(agent)
        finally:
            _write_numbers(lock, os.getpid(), 0)

    def _watch(self, agent: int) -> int | None:
        is_ending, deadline = False, 0.0
        while True:
            timeout = 0.2 if is_ending else LONGEST_WAIT_SECONDS
            found = signal.sigtimedwait(_SIGNALS, timeout)
            pid, status = os.waitpid(agent, os.WNOHANG)
            if pid:
                return None if is_ending else os.waitstatus_to_exitcode(status)
            if found and found.si_signo in _ENDING and not is_ending:
                is_ending, deadline = True, clock.monotonic() + END_SECONDS
                os.kill(agent, signal.SIGTERM)
            if is_ending and clock.monotonic() > deadline:
                os.kill(agent, signal.SIGKILL)
            _bound(self._log)

    def _is_told_to_end(self, seconds: float) -> bool:
        deadline = clock.monotonic() + seconds
        while (left := deadline - clock.monotonic()) > 0:
            found = signal.sigtimedwait(_SIGNALS, left)
            if found and found.si_signo in _ENDING:
                return True
        return False


def _detach(log: Path) -> None:
    """Away from the caller's session, terminal, folder and files."""
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    os.umask(0o077)
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:  # without a log it goes on: the agent's work matters more
        output = nothing
    for target, source in enumerate((nothing, output, output)):
        os.dup2(source, target)


def _spawn(command: list[str]) -> int:
    return os.posix_spawn(command[0], command, dict(os.environ), setsigmask=(), setsigdef=_SIGNALS)


def _lock_of(path: Path, *, is_made: bool = False) -> int | None:
    """The lock, unless somebody holds it, or there is nothing to be locked."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if is_made else 0), 0o644)
    except FileNotFoundError:
        if is_made:
            raise
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _write_numbers(lock: int, keeper: int, agent: int) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{keeper}\n{agent}\n".encode("ascii"), 0)


def _data_of(command: list[str]) -> DataDir:
    named = command.index("--data-dir") + 1 if "--data-dir" in command else 0
    return DataDir(Path(command[named]) if named else default_path())


def _end(pid: int, is_over: Callable[[], bool]) -> None:
    """Ask it to end; later, make it. A keeper needs a little longer than its agent."""
    for number, seconds in ((signal.SIGTERM, END_SECONDS + 5), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = clock.monotonic() + seconds
        while clock.monotonic() < deadline:
            if is_over():
                return
            time.sleep(0.05)
    raise AgentError(f"process {pid} does not end")


def _bound(log: Path) -> None:
    """The agent has the file open, so it is copied and emptied; what is written in between is lost."""
    try:
        if log.stat().st_size > MAX_LOG_BYTES:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)
    except OSError:
        return


def _say(text: str) -> None:
    at = clock.wall_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sys.stderr.write(f"{at} keeper {text}\n")
    sys.stderr.flush()
