"""One child process inside an event loop: started apart from the terminal, its output as lines, its end as an event.

Built on a pidfd and plain readers, so it works alike on asyncio and uvloop, and a grandchild that keeps the output open
delays nothing. Restarting is the supervisor's.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from watchbill.kit.processes import Account, ProcessHandle, tied_to_parent

_LONGEST_LINE = 16_384
_READ_BYTES = 65_536
# Read after the end, at most: a grandchild may go on writing for ever.
_LAST_READS = 16
# How long a killed process may take to go, in which the loop stands still: a moment, unless it hangs in the kernel.
_KILL_SECONDS = 0.5


class ChildProcess:
    """Runs from construction (OSError when it cannot be started) until `ended`; `close` when done with it.

    `on_line` gets each line of stdout and stderr as it comes; a very long one comes in pieces.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None,
        cwd: Path | None,
        account: Account | None,
        death_signal: signal.Signals,
        on_line: Callable[[str], None],
    ) -> None:
        self.ended = asyncio.Event()
        self.returncode: int | None = None
        self.last_lines: deque[str] = deque(maxlen=20)
        self._on_line = on_line
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._output, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # Only our end must not block: a child that finds the pipe full has to wait, not fail.
        os.set_blocking(writing, True)
        try:
            self._popen = subprocess.Popen(
                tied_to_parent(argv, death_signal),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                cwd=cwd,
                env=env,
                # A session of its own: a Ctrl-C at the terminal comes to the supervisor alone, which then stops in order.
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError:
            os.close(self._output)
            raise
        finally:
            os.close(writing)
        self.pid = self._popen.pid
        try:
            self._handle = ProcessHandle(self.pid)
        except OSError:
            # No descriptor is left for it: a process that cannot be watched must not run.
            self._popen.kill()
            self._popen.wait()
            os.close(self._output)
            raise
        self._loop.add_reader(self._output, self._read)
        self._loop.add_reader(self._handle.fileno(), self._reap)

    def send(self, number: signal.Signals) -> None:
        self._handle.send(number)

    def kill_group(self) -> None:
        """Kill it and what it started, except what went into sessions of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it. What is left of its process group is killed: nothing of a child outlives it."""
        if self._output >= 0:
            self.kill_group()
            self._loop.remove_reader(self._handle.fileno())
            self._handle.close()
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.returncode = self._popen.wait(_KILL_SECONDS)
            self.ended.set()

    def _reap(self) -> None:
        self._loop.remove_reader(self._handle.fileno())
        self.returncode = self._popen.wait()
        for _ in range(_LAST_READS):
            if not self._read():
                break
        if self._rest:
            self._emit(self._rest)
            self._rest = b""
        self.ended.set()

    def _read(self) -> bool:
        """Take what there is; whether there was something."""
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._output)
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line)
        while len(self._rest) > _LONGEST_LINE:
            self._emit(self._rest[:_LONGEST_LINE])
            self._rest = self._rest[_LONGEST_LINE:]
        return True

    def _emit(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        self.last_lines.append(line)
        self._on_line(line)
