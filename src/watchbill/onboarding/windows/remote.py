"""A machine as the steps see it: scripts by name, answers as values, times that end; which line leads there is not known here.

The libraries of both lines wait, so each call has a thread of its own, and there are no more of these than the installer allows.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.onboarding.base import OnboardingError, masked
from watchbill.onboarding.windows.line import Line, LineError, LostError, NoSpaceError, NotPermittedError, Ran
from watchbill.onboarding.windows.scripts import LINE_BYTES, standard_input

T = TypeVar("T")

#: Seconds that a thread has to notice that its connection is cut; after that the process goes on without it.
_LAST_SECONDS: Final = 5.0
#: Seconds for the end of a session.
_CLOSING_SECONDS: Final = 30.0
#: Bytes a second that the upload of a package may take at the slowest, besides the time of any step.
_SLOWEST: Final = 256 * 1024
#: The exit code of `begin.ps1` where PowerShell is too old for the scripts.
_TOO_OLD: Final = 3


async def apart(work: Callable[[], T], line: Line, seconds: float) -> T:
    """What comes of `work`, which waits, in a thread. When its time is over, or we are cancelled, its line is cut.

    Raises the LineErrors of `work`, and TimeoutError.
    """
    done, ended, loop = list[T | LineError](), asyncio.Event(), asyncio.get_running_loop()

    def run() -> None:
        try:
            done.append(work())
        except LineError as error:
            done.append(error)
        finally:
            with suppress(RuntimeError):  # the loop is closed: there is nobody to tell
                loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, daemon=True, name="windows").start()
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    finally:
        if not ended.is_set():
            line.cut()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await ended.wait()
    if not done:
        raise LostError("The connection broke off.")
    if isinstance(done[0], LineError):
        raise done[0]
    return done[0]


class Remote:
    """A machine that was signed in to. Whatever it raises is an OnboardingError, of which nothing secret can be read."""

    def __init__(self, line: Line, threads: asyncio.Semaphore, seconds: float, secrets: Sequence[str]) -> None:
        self.line = line
        self._threads = threads
        self._seconds = seconds
        self._secrets = list(secrets)

    async def sign_in(self) -> None:
        """Once more, with an account that was accepted before."""
        await self._wait(self.line.sign_in, "sign in", self._seconds)

    def keep_secret(self, text: str) -> None:
        """From now on this is masked in everything that the machine says."""
        self._secrets.append(text)

    async def run(self, name: str, given: Mapping[str, Any]) -> Any:
        """What a script says."""
        ran = await self._wait(lambda: self.line.run(standard_input(name, given)), name, self._seconds)
        return self._read(name, ran)

    async def put(self, file: Path, name: str, size: int) -> str | None:
        """Bring a file onto the machine. Where it is there, as the line says; None = in the staging folder, by its name."""
        seconds = self._seconds + size / _SLOWEST
        place = await self._wait(lambda: self.line.put(file, name), "upload", seconds)
        if place is None:
            given = {"name": name}
            ran = await self._wait(
                lambda: self.line.run(standard_input("upload", given, _pieces_of(file))), "upload", seconds
            )
            self._read("upload", ran)
        return place

    async def close(self) -> None:
        """End the session, and with it what still runs there. What goes wrong then is nobody's concern."""
        with suppress(OnboardingError):
            await self._wait(self.line.close, "close", _CLOSING_SECONDS)

    async def _wait(self, work: Callable[[], T], name: str, seconds: float) -> T:
        try:
            async with self._threads:
                return await apart(work, self.line, seconds)
        except TimeoutError:
            text = f"The step {name} took longer than {seconds:.0f} seconds."
            raise failed(OnboardingReason.TIMED_OUT, text) from None
        except NotPermittedError as error:
            raise failed(OnboardingReason.NOT_PERMITTED, self.masked(str(error))) from None
        except NoSpaceError as error:
            raise failed(OnboardingReason.NO_SPACE, str(error)) from None
        except LineError as error:
            text = f"The connection was lost in the step {name}: {self.masked(str(error))}"
            raise failed(OnboardingReason.CONNECTION_LOST, text) from None

    def _read(self, name: str, ran: Ran) -> Any:
        said = ran.stdout.decode("utf-8", "replace").strip()
        try:
            value = json.loads(said.splitlines()[-1])
        except (ValueError, IndexError):
            value = None
        if not isinstance(value, dict):
            snippet = self.masked(f"{said}\n{ran.stderr.decode('utf-8', 'replace')}")
            text = f"The step {name} ended with the code {ran.code} and said nothing that can be read."
            raise failed(OnboardingReason.STEP_FAILED, text, snippet)
        if ran.code == _TOO_OLD and "powershell" in value:
            text = f"PowerShell {self.masked(str(value['powershell']))} is older than 5.1."
            raise OnboardingError(OnboardingState.UNSUPPORTED, OnboardingReason.SYSTEM_TOO_OLD, text)
        if "error" in value:
            raise failed(_reason(str(value["error"])), f"The step {name} failed.", self.masked(str(value["error"])))
        return value

    def masked(self, text: str) -> str:
        return masked(text, self._secrets)


def failed(reason: OnboardingReason, detail: str, snippet: str = "") -> OnboardingError:
    return OnboardingError(OnboardingState.FAILED, reason, detail, snippet)


#: What Windows says of a full disk and of a right that is missing, in .NET's English words; other languages are a step that failed.
_WORDS: Final = (
    ("not enough space on the disk", OnboardingReason.NO_SPACE),
    ("access is denied", OnboardingReason.NOT_PERMITTED),
    ("access to the path", OnboardingReason.NOT_PERMITTED),
)


def _reason(text: str) -> OnboardingReason:
    found = [reason for words, reason in _WORDS if words in text.lower()]
    return found[0] if found else OnboardingReason.STEP_FAILED


def _pieces_of(file: Path) -> Iterator[bytes]:
    """A file, in the pieces that a line of standard input has room for."""
    with file.open("rb") as source:
        while piece := source.read(LINE_BYTES):
            yield piece
