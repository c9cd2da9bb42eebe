"""A controller as a child process: started in its folder, read line by line with backpressure, and gone with all that it started."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import psutil

from watchbill.executors.playbooks.folder import environment

#: Bytes of one line: an event of a million characters, every one of them escaped.
_LONGEST: Final = 16 * 1024 * 1024
#: Seconds that a controller has to end by itself once it was told to, before it is killed from here: more than it needs for both
#: of its own steps.
_PATIENCE: Final = 30.0
#: Run as a file: as a module it would load all that its package loads.
_ERRORS: Final = "errors"
_SWEEPS: Final = 20
_PROGRAM: Final = Path(__file__).with_name("controller.py")


class Controller:
    """A running controller. Its end is the last line, or None when it died without one."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder

    async def next_line(self, seconds: float) -> Mapping[str, Any] | None:
        """What it says next; None after `seconds` without a word. Raises EOFError when it says nothing more."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(max(seconds, 0)):
                line = await self._process.stdout.readline()
        except TimeoutError:
            return None
        if not line:
            raise EOFError
        found: Mapping[str, Any] = json.loads(line)
        return found

    def ask_to_stop(self) -> None:
        """It then ends what it has started, and itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def errors(self) -> str:
        """The end of what it wrote to standard error."""
        return (self._folder / _ERRORS).read_text(errors="replace")[-4096:].strip()

    async def end(self) -> None:
        """See to it that nothing of it is left."""
        with suppress(OSError, RuntimeError):
            self.ask_to_stop()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._drain()
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.to_thread(_kill_strays, self._folder)

    async def _drain(self) -> None:
        """A child whose output nobody reads does not end."""
        assert self._process.stdout is not None
        while await self._process.stdout.read(65536):
            continue


def _kill_strays(folder: Path) -> None:
    """Whatever still names the folder, of a controller that was itself killed."""
    for _ in range(_SWEEPS):  # one that is being killed may have started another
        strays = _strays(str(folder))
        if not strays:
            return
        for one in strays:
            with suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(strays, timeout=1)


def _strays(mark: str) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if any(mark in part for part in one.info["cmdline"] or ())]


@asynccontextmanager
async def controller(folder: Path, collections: Sequence[Path]) -> AsyncIterator[Controller]:
    """Start the controller of a filled folder; at the end of the block nothing of it runs any more."""
    with (folder / _ERRORS).open("wb") as errors:
        process = await _spawn(folder, collections, errors)
    started = Controller(process, folder)
    try:
        yield started
    finally:
        await asyncio.shield(started.end())


async def _spawn(folder: Path, collections: Sequence[Path], errors: IO[bytes]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(_PROGRAM),
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        cwd=folder / "project",
        env=environment(folder, collections, Path(sys.executable)),
        limit=_LONGEST,
        start_new_session=True,
    )
