"""The agent as a package, really built: once for these sources, for all processes of the tests and for the next run."""

import fcntl
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from watchbill.apps import agent_build

SOURCES = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Packed:
    """The package, and the program of it, unpacked beside it."""

    archive: Path
    program: Path


def packed_agent() -> Packed:
    """Takes a minute when the sources have changed."""
    folder = Path(tempfile.gettempdir(), f"watchbill-packed-{os.geteuid()}")
    folder.mkdir(mode=0o755, exist_ok=True)
    assert folder.stat().st_uid == os.geteuid()
    own = folder / _digest()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not own.exists():
            _make(folder, own)
    (archive,) = own.glob("*.tar.gz")
    (program,) = own.glob("watchbill-agent-*/watchbill-agent")
    return Packed(archive, program)


def _make(folder: Path, own: Path) -> None:
    for old in folder.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    fresh = folder / f"{own.name}.new"
    built = agent_build.build(fresh)
    with tarfile.open(built.path) as archive:
        archive.extractall(fresh, filter="tar")
    fresh.rename(own)


def _digest() -> str:
    # Where they lie, too: it is in what is built of them.
    digest = hashlib.sha256(str(SOURCES).encode())
    # And from what: an environment that was made anew gives other files beside the same sources.
    digest.update(str(Path(sys.prefix, "pyvenv.cfg").stat().st_mtime_ns).encode())
    own = [
        *(SOURCES / "watchbill_agent").rglob("*.py"),
        *(SOURCES / "watchbill_wire").rglob("*.py"),
        Path(agent_build.__file__),
    ]
    for one in sorted(own):
        digest.update(one.name.encode() + b"\0" + one.read_bytes())
    return digest.hexdigest()[:16]
