"""What a lab leaves on this machine, written down before it is made, so that a crash of its owner can be cleaned up after.

A host of a lab is a tree of processes that ends with its owner, by the kernel: namespaces, interfaces and mounts are theirs and go with
them. What can be left is a folder, and, where the kernel was asked too late, a process: `clean` takes both from owners that are gone.
"""

import json
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from watchbill.kit.processes import ProcessHandle

ROOT = Path(tempfile.gettempdir()) / "watchbill-labs"
_HOLDERS = "holders.json"


def began_at(pid: int) -> int | None:
    """When a process began, in ticks since boot; None when there is none of this number. Tells two of one number apart."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def new_folder() -> Path:
    """A folder of this process's own, by its number and beginning."""
    prefix = f"{os.getpid()}-{began_at(os.getpid())}-"
    while True:
        ROOT.mkdir(mode=0o755, exist_ok=True)
        with suppress(FileNotFoundError):  # somebody has just cleaned
            return Path(tempfile.mkdtemp(prefix=prefix, dir=ROOT))


def note_holder(folder: Path, pid: int) -> None:
    """Write down a process that holds namespaces."""
    known = _holders(folder)
    (folder / _HOLDERS).write_text(json.dumps([*known, [pid, began_at(pid)]]))


def _holders(folder: Path) -> list[tuple[int, int]]:
    with suppress(FileNotFoundError, ValueError):
        return [(pid, began) for pid, began in json.loads((folder / _HOLDERS).read_text())]
    return []


def living_holders(folder: Path) -> list[int]:
    return [pid for pid, began in _holders(folder) if began_at(pid) == began]


def remove(folder: Path) -> None:
    """End what is left of a lab, and remove its folder."""
    for pid in living_holders(folder):
        with suppress(ProcessLookupError), ProcessHandle(pid) as process:
            process.end((signal.SIGKILL, 5))
    shutil.rmtree(folder, ignore_errors=True)


def abandoned() -> list[Path]:
    """Folders whose owners are gone."""
    if not ROOT.is_dir():
        return []
    return [one for one in sorted(ROOT.iterdir()) if one.is_dir() and not _has_owner(one)]


def _has_owner(folder: Path) -> bool:
    pid, began, _ = folder.name.split("-", 2)
    return str(began_at(int(pid))) == began


def clean() -> list[str]:
    """Remove what owners left that are gone; returns the names of the folders."""
    found = abandoned()
    for folder in found:
        remove(folder)
    with suppress(OSError):
        ROOT.rmdir()  # only when it is empty
    return [one.name for one in found]
