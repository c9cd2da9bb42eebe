"""The executions of this device on disk: one folder each, one supervisor each. It starts, watches, reads and removes.

It decides nothing: what happens becomes an event for the session. A supervisor is alive exactly as long as the
writing end of its folder's `wake` pipe is open, for this agent and for the next one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from watchbill_agent import as_user, clock, evidence, platform_linux
from watchbill_agent import events as e
from watchbill_agent.filecache import FileCache
from watchbill_agent.sealing import UnopenedError, open_secrets
from watchbill_agent.sessions import Account, Platform
from watchbill_wire import EnvelopePayload, RefusalReason, Result, Stream
from watchbill_wire.masking import patterns

STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")
# The pipe closes a moment before the process can be waited for.
REAP_SECONDS = 1.0


@dataclass
class Watch:
    folder: Path
    wake: int
    is_started: bool = False


class Launcher:
    def __init__(
        self,
        root: Path,
        places: as_user.Places,
        files: FileCache,
        sessions: Platform,
        sealing_key: X25519PrivateKey,
        emit: Callable[[e.Event], None],
        time_at: Callable[[float], datetime],
    ) -> None:
        self._root = root
        self._places = places
        self._files = files
        self._sessions = sessions
        self._sealing_key = sealing_key
        self._emit = emit
        self._time_at = time_at
        self._boot_id = platform_linux.boot_id()
        self._loop = asyncio.get_running_loop()
        self._watches: dict[str, Watch] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        root.mkdir(mode=0o700, exist_ok=True)

    # -- starting ----------------------------------------------------------------------------------------------------

    def spawn(self, payload: EnvelopePayload) -> None:
        interpreter = platform_linux.find_interpreter(payload.interpreter)
        if interpreter is None:
            detail = f"{payload.interpreter} is not installed on this device"
            self._refuse(payload.execution_id, "interpreter_missing", detail)
            return
        try:
            account = self._account_of(payload)
            if account is None and payload.session_id is not None:
                gone = f"the session of {payload.session_user} in which it was to run is over"
                self._refuse(payload.execution_id, "no_user_session", gone)
                return
            self._start(payload, interpreter, account, open_secrets(self._sealing_key, payload))
        except UnopenedError as error:
            self._refuse(payload.execution_id, "bad_envelope", str(error))
        except OSError as error:
            self._refuse(payload.execution_id, "spawn_failed", f"{error.strerror or error}")

    def _account_of(self, payload: EnvelopePayload) -> Account | None:
        """Looked up now, not when the order came: it may have waited its turn for long."""
        if payload.session_id is None or payload.session_user is None:
            return None
        return self._sessions.account(payload.session_id, payload.session_user)

    def _refuse(self, execution_id: str, reason: RefusalReason, detail: str) -> None:
        self._emit(e.ChildRefused(execution_id, reason, detail, self._time_at(clock.monotonic())))

    def _start(
        self, payload: EnvelopePayload, interpreter: str, account: Account | None, secrets: Mapping[str, str]
    ) -> None:
        folder = self._prepare(payload)
        files = self._files.staged(payload.execution_id) if payload.files else None
        name, content = platform_linux.script_name(payload.interpreter), payload.content.encode("utf-8")
        if account is None:
            if files is not None:
                files.rename(folder / "work")
            script = folder / name
            _write_private(script, content, 0o700)
            environment = platform_linux.script_environment(payload, secrets, folder / "work")
        else:
            script = self._places.make(payload.execution_id, account, files) / name
            self._places.write(script, content, account)
            environment = as_user.environment(payload, secrets, account, script.parent / "work")
        arguments = platform_linux.script_arguments(payload.interpreter, interpreter, script)
        wake = os.open(folder / "wake", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        theirs = os.open(folder / "wake", os.O_WRONLY | os.O_CLOEXEC)
        control = os.open(folder / "control", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            order = evidence.order_text(payload, arguments, environment, patterns(secrets.values()), account)
            self._children.append(platform_linux.start_supervisor(folder, order, theirs, control))
        except OSError:
            os.close(wake)
            raise
        finally:
            os.close(theirs)
            os.close(control)
        self._watch(payload.execution_id, Watch(folder, wake))

    def _prepare(self, payload: EnvelopePayload) -> Path:
        """A folder that exists already is evidence of an earlier start: never reuse it."""
        folder = self._root / payload.execution_id
        folder.mkdir(mode=0o700)
        (folder / "work").mkdir(mode=0o700)
        os.mkfifo(folder / "wake", 0o600)
        os.mkfifo(folder / "control", 0o600)
        _write_private(
            folder / "limits", evidence.limits_text(payload.head_bytes, payload.tail_bytes, self._boot_id), 0o600
        )
        return folder

    # -- watching ----------------------------------------------------------------------------------------------------

    def attach(self, execution_id: str, *, is_started: bool) -> None:
        """Take up an execution of an earlier agent, alive or ended; without any trace it counts as interrupted."""
        folder = self._root / execution_id
        try:
            wake = os.open(folder / "wake", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self._conclude(execution_id, folder)
            return
        self._watch(execution_id, Watch(folder, wake, is_started))
        self._on_wake(execution_id)

    def _watch(self, execution_id: str, watch: Watch) -> None:
        self._watches[execution_id] = watch
        self._loop.add_reader(watch.wake, self._on_wake, execution_id)

    def _on_wake(self, execution_id: str) -> None:
        watch = self._watches[execution_id]
        try:
            is_alive = os.read(watch.wake, 65536) != b""
        except BlockingIOError:
            is_alive = True
        self._look(execution_id, watch)
        if not is_alive:
            self._loop.remove_reader(watch.wake)
            os.close(watch.wake)
            del self._watches[execution_id]
            self._loop.call_later(REAP_SECONDS, self._reap)
            self._conclude(execution_id, watch.folder)

    def _look(self, execution_id: str, watch: Watch) -> None:
        if not watch.is_started:
            started = evidence.read_facts(watch.folder / "started")
            if started:
                watch.is_started = True
                self._emit(e.ChildStarted(execution_id, self._moment(watch.folder, "started", started["started"])))
        for stream in STREAMS:
            head = evidence.size_of(watch.folder / f"{stream}.head")
            if head and watch.is_started:
                self._emit(e.OutputGrew(execution_id, stream, head))

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    # -- ending ------------------------------------------------------------------------------------------------------

    def _conclude(self, execution_id: str, folder: Path) -> None:
        facts = evidence.read_facts(folder / "result")
        if facts and facts["outcome"] == "spawn_failed":
            self._refuse(execution_id, "spawn_failed", facts.get("error", ""))
        elif facts:
            self._emit(self._ended(execution_id, folder, facts))
        else:
            killing = self._loop.run_in_executor(None, platform_linux.kill_strays, execution_id)
            killing.add_done_callback(
                lambda done: self._emit(self._interrupted(execution_id, folder, has_stopped=done.result()))
            )

    def _ended(self, execution_id: str, folder: Path, facts: dict[str, str]) -> e.ChildEnded:
        kept = {stream: evidence.kept_of(facts, stream) for stream in STREAMS}
        is_own_end = facts["outcome"] == "exited"
        result = Result(
            execution_id=execution_id,
            outcome=evidence.outcome_of(facts),
            finished_at=self._moment(folder, "result", facts["ended"]),
            exit_code=int(facts["exit_code"]) if is_own_end and "exit_code" in facts else None,
            signal=int(facts["signal"]) if is_own_end and "signal" in facts else None,
            started_at=self._moment(folder, "started", facts["started"]),
            tree="survived" if facts["tree"] == "survived" else "stopped",
            **evidence.output_facts(folder, kept, is_failure=facts.get("exit_code") != "0"),
        )
        return e.ChildEnded(result, kept["stdout"], kept["stderr"])

    def _interrupted(self, execution_id: str, folder: Path, *, has_stopped: bool) -> e.ChildEnded:
        kept = {stream: evidence.kept_without_end(folder, stream) for stream in STREAMS}
        started = evidence.read_facts(folder / "started")
        result = Result(
            execution_id=execution_id,
            outcome="interrupted",
            finished_at=self._time_at(clock.monotonic()),
            detail=evidence.why_interrupted(folder, self._boot_id),
            started_at=self._moment(folder, "started", started["started"]) if started else None,
            tree="stopped" if has_stopped else "survived",
            **evidence.output_facts(folder, kept, is_failure=True),
        )
        return e.ChildEnded(result, kept["stdout"], kept["stderr"])

    def _moment(self, folder: Path, name: str, monotonic: str) -> datetime:
        """A monotonic moment of this boot is the truth; of an earlier boot only the file's own time is left."""
        if evidence.boot_of(folder) == self._boot_id:
            return self._time_at(float(monotonic))
        return clock.wall_of_file((folder / name).stat().st_mtime)

    # -- the rest ----------------------------------------------------------------------------------------------------

    def kill(self, execution_id: str, grace_seconds: float) -> None:
        watch = self._watches.get(execution_id)
        if watch is None:
            return
        try:
            control = os.open(watch.folder / "control", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENXIO:  # the supervisor is gone; the end of its pipe tells so in a moment
                return
            raise
        try:
            os.write(control, f"cancel {grace_seconds}\n".encode())
        finally:
            os.close(control)

    def read(self, execution_id: str, stream: Stream, offset: int, length: int) -> bytes:
        return evidence.read_stream(self._root / execution_id, stream, offset, length)

    def discard(self, execution_id: str) -> None:
        self._loop.run_in_executor(None, self._remove, execution_id)

    def _remove(self, execution_id: str) -> None:
        self._places.discard(execution_id)
        shutil.rmtree(self._root / execution_id, ignore_errors=True)

    def sweep(self, known: Iterable[str]) -> None:
        """Remove the folders of executions whose result the Engine already has."""
        wanted = set(known)
        self._places.sweep(wanted)
        for folder in self._root.iterdir():
            if folder.name not in wanted:
                self.discard(folder.name)

    def close(self) -> None:
        """Let go of the supervisors; they go on without an agent."""
        for watch in self._watches.values():
            self._loop.remove_reader(watch.wake)
            os.close(watch.wake)
        self._watches.clear()
        for child in self._children:
            child.returncode = child.poll() or 0  # tells Popen not to warn: it is left running on purpose


def _write_private(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
