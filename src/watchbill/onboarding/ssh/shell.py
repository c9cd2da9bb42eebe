"""Scripts on a machine, as the user who signed in or as root. Every one is bounded, in time and in what it may say.

A script goes in by standard input, so that it and what it holds are in no list of processes, and the login shell has no word in it but
`/bin/sh`: whichever shell that is, it starts one. Another user is become by sudo, su or doas, with a password that is given only when
it is asked for, and only once.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import asyncssh

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.onboarding.base import masked
from watchbill.onboarding.ssh.faults import failed

#: Of an output the beginning and the end are kept, so many bytes each; a command that says more than `MOST` is ended.
KEPT: Final = 32 * 1024
MOST: Final = 8 * 1024 * 1024
#: The shell adds it up: a device that merely gives back what it was sent does not show the sum.
_MARK: Final = b"watchbill:97531\n"
IN_SHELL: Final = "-c 'echo watchbill:$((97000+531)); cat | /bin/sh'"
START: Final = f"/bin/sh {IN_SHELL}"
#: What was begun as root has this long to end by itself, once nobody waits for its answer.
_LEAVING_SECONDS: Final = 10.0
_WINDOW: Final = 256 * 1024
#: Nothing is echoed, and nothing is added to what is written.
_TTY: Final = {asyncssh.PTY_ECHO: 0, asyncssh.PTY_OPOST: 0, asyncssh.PTY_ONLCR: 0}
#: How programs say that a disk is full.
_FULL: Final = re.compile(r"No space left|Wrote only \d+ of|quota exceeded", re.IGNORECASE)
_END_OF_INPUT: Final = b"\x04"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a script. `has_started` False: no POSIX shell was reached, and `output` is what was answered instead."""

    status: int | None
    output: str
    has_started: bool = True

    @property
    def is_full(self) -> bool:
        """Whether a disk had no room for what was done."""
        return _FULL.search(self.output) is not None

    @property
    def values(self) -> dict[str, str]:
        """The lines `wb.name=value` of the output."""
        found = re.findall(r"^wb\.(\w+)=(.*?)\r?$", self.output, re.MULTILINE)
        return {name: value.strip() for name, value in found}


class PasswordNeededError(Exception):
    """A password was asked for, and there is none, or the one that was given was not taken."""


@dataclass(frozen=True, slots=True)
class Become:
    """How another user is become. `command`: starts a shell as him. `prompt`: what asks for the password, at the end of what is said."""

    name: str
    command: str
    prompt: re.Pattern[bytes]
    password: str | None = None
    needs_tty: bool = False


class _Kept:
    """The beginning and the end of what may be long."""

    def __init__(self) -> None:
        self.size = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        self.size += len(data)
        room = KEPT - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        del self._tail[:-KEPT]

    def text(self) -> str:
        gap = b"\n...\n" if self.size > 2 * KEPT else b""
        return bytes(self._head + gap + self._tail).decode(errors="replace")


@dataclass
class Shell:
    """A connection that scripts are run on. `seconds`: what one may take. `become` None: as the user who signed in."""

    connection: asyncssh.SSHClientConnection
    seconds: float
    secrets: list[str] = field(default_factory=list)
    become: Become | None = None

    async def run(self, script: str, *, as_user: bool = False) -> Answer:
        """Run a script to its end; no line of it may be longer than 4,000 characters. TimeoutError, and what a lost connection raises."""
        become = None if as_user else self.become
        before = bytearray()
        try:
            async with asyncio.timeout(self.seconds), self._process(become) as process:
                if not await _start(process, become, before):
                    status = await _status(process) if len(before) <= KEPT else None
                    return Answer(status, _text(before), has_started=False)
                await _give(process, script, is_tty=become is not None and become.needs_tty)
                output = await _rest(process)
                return Answer(await _status(process), output)
        except TimeoutError:
            if before and _MARK not in _plain(before):
                return Answer(None, _text(before), has_started=False)
            raise

    async def must(self, script: str, what: str, reason: OnboardingReason = OnboardingReason.STEP_FAILED) -> Answer:
        """Run a script that is to end well; otherwise it is a failure of this reason, or one for lack of space."""
        answer = await self.run(script)
        if not answer.has_started or answer.status != 0:
            raise failed(OnboardingReason.NO_SPACE if answer.is_full else reason, what, self.shown(answer))
        return answer

    def shown(self, answer: Answer) -> str:
        """An output as it may be stored, without the marks that are for us."""
        return masked(re.sub(r"^wb\.", "", answer.output, flags=re.MULTILINE), self.secrets)

    @asynccontextmanager
    async def _process(self, become: Become | None) -> "AsyncIterator[asyncssh.SSHClientProcess[bytes]]":
        """A shell for the block. One that is left early is told to end; as root it cannot be told, and has some time to do so by itself."""
        command = START if become is None else become.command
        has_tty = become is not None and become.needs_tty
        process = await self.connection.create_process(
            command,
            encoding=None,
            stderr=asyncssh.STDOUT,
            window=_WINDOW,
            request_pty="force" if has_tty else False,
            term_type="dumb" if has_tty else None,
            term_modes=_TTY if has_tty else {},
        )
        try:
            yield process
        except asyncio.CancelledError:
            await _leave(process, may_signal=become is None)
            raise
        finally:
            # Its end is not waited for: a server may wait for what runs in it.
            process.close()


async def _leave(process: "asyncssh.SSHClientProcess[bytes]", *, may_signal: bool) -> None:
    """What root does for us goes on after a cancel, and whoever takes it back must not overtake it."""
    with suppress(TimeoutError, OSError, asyncssh.Error):
        if may_signal:
            process.terminate()
            return
        async with asyncio.timeout(_LEAVING_SECONDS):
            process.stdin.write_eof()
            while await process.stdout.read(_WINDOW):
                pass


async def _start(process: "asyncssh.SSHClientProcess[bytes]", become: Become | None, said: bytearray) -> bool:
    """Wait for the shell, and give the password where it is asked for. `said` is what was said before."""
    is_given = False
    while _MARK not in _plain(said):
        data = await process.stdout.read(4096)
        said += data
        if not data or len(said) > KEPT:
            return False
        if become is None or not become.prompt.search(said):
            continue
        if is_given or become.password is None:
            raise PasswordNeededError
        process.stdin.write(become.password.encode() + b"\n")
        said.clear()
        is_given = True
    return True


def _plain(said: bytearray) -> bytes:
    return bytes(said).replace(b"\r", b"")


def _text(said: bytearray) -> str:
    return said.decode(errors="replace")


async def _give(process: "asyncssh.SSHClientProcess[bytes]", script: str, *, is_tty: bool) -> None:
    process.stdin.write(script.encode() + b"\n")
    if is_tty:
        process.stdin.write(_END_OF_INPUT)
    else:
        process.stdin.write_eof()


async def _rest(process: "asyncssh.SSHClientProcess[bytes]") -> str:
    kept = _Kept()
    while data := await process.stdout.read(_WINDOW):
        kept.add(data)
        if kept.size > MOST:
            detail = f"It said more than {MOST // 1024 // 1024} MiB where a few lines were due."
            raise failed(OnboardingReason.STEP_FAILED, detail)
    return kept.text()


async def _status(process: "asyncssh.SSHClientProcess[bytes]") -> int | None:
    """The exit status; a connection that is gone raises."""
    await process.wait_closed()
    if process.exit_status is None and process.exit_signal is None:
        raise asyncssh.ConnectionLost("the machine closed it")
    return process.exit_status


def words(*parts: str) -> str:
    """Words for a POSIX shell, each as it is."""
    return " ".join("'" + part.replace("'", "'\\''") + "'" for part in parts)


def assignments(**values: str) -> str:
    """Lines that set variables of a script."""
    return "".join(f"{name}={words(value)}\n" for name, value in values.items())


def secrets_of(texts: Sequence[object]) -> list[str]:
    """Secrets, each whole and line by line, to be masked."""
    found = [str(one) for one in texts if one]
    return [*found, *(line for one in found for line in one.splitlines())]
