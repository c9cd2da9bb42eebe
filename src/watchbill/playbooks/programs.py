"""Programs of Ansible as children: with nothing of our environment, in a folder of their own that is wiped, bounded in time and memory.

Knows nothing of playbooks. Whatever a child starts is killed with it.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchbill.kit.child_process import ChildProcess

#: Where collections lie that were installed for all of this host.
OF_THIS_HOST: Final = Path("/usr/share/ansible/collections")
_LINES_KEPT: Final = 200
#: Without network: as root, and as anybody else where the kernel lets users have namespaces of their own.
_WALLS: Final = (("unshare", "--net", "--"), ("unshare", "--user", "--map-current-user", "--net", "--"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may take: seconds from its start, bytes of memory and of one file that it writes."""

    seconds: float
    memory_bytes: int
    file_bytes: int

    def prefix(self) -> list[str]:
        most = f"--cpu={int(self.seconds) + 1}"
        return ["prlimit", f"--as={self.memory_bytes}", f"--fsize={self.file_bytes}", most, "--core=0", "--"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: `code` None = it was killed when its time was up. `lines`: the last that it said."""

    code: int | None
    lines: Sequence[str]


async def run(argv: Sequence[str], *, directory: Path, environment: Mapping[str, str], limits: Limits) -> Ended:
    """Run a program to its end, at most for its time."""
    lines: deque[str] = deque(maxlen=_LINES_KEPT)
    child = ChildProcess(
        [*limits.prefix(), *argv],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment},
        cwd=directory,
        account=None,
        death_signal=signal.SIGKILL,
        on_line=lines.append,
    )
    try:
        async with asyncio.timeout(limits.seconds):
            await child.ended.wait()
        return Ended(child.returncode, list(lines))
    except TimeoutError:
        return Ended(None, list(lines))
    finally:
        child.close()


async def wall() -> tuple[str, ...]:
    """What to put before a program so that it has no network; nothing where this host does not let us."""
    limits = Limits(5, 1 << 30, 1 << 20)
    for prefix in _WALLS:
        ended = await run([*prefix, "true"], directory=Path("/"), environment={}, limits=limits)
        if ended.code == 0:
            return prefix
    return ()


def python(*arguments: str) -> list[str]:
    """The interpreter of this process, which has Ansible beside us; it takes nothing from its folder or environment."""
    return [sys.executable, "-I", *arguments]


def settings_of(directory: Path, collections: Path | None) -> dict[str, str]:
    """The environment of a program of Ansible that works in `directory` alone and reads no configuration but the one there.

    `collections`: a folder of them beside those that the Engine has.
    """
    places = [collections, OF_THIS_HOST] if collections is not None else [OF_THIS_HOST]
    return {
        "HOME": str(directory),
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        "ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, places)),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }


@asynccontextmanager
async def working_directory(parent: Path) -> AsyncIterator[Path]:
    """A folder that only we can read, wiped at the end; what a killed process left there before goes as well."""
    directory, lock = await asyncio.to_thread(_made, parent)
    try:
        yield directory
    finally:
        await asyncio.shield(asyncio.to_thread(_wiped, directory, lock))


def _made(parent: Path) -> tuple[Path, int]:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Whoever makes one holds the parent: so no other takes it for a leftover before it is locked.
    holder = os.open(parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        for left in parent.iterdir():
            _sweep(left)
        directory = Path(tempfile.mkdtemp(dir=parent))
        lock = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        os.close(holder)
    (directory / "ansible.cfg").touch(mode=0o600)
    return directory, lock


def _sweep(left: Path) -> None:
    """Remove a folder that nobody holds: its process was killed."""
    try:
        lock = os.open(left, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def _wiped(directory: Path, lock: int) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    os.close(lock)
