"""A place on disk in which a signed-in user's script lies: open to nobody but that user, and outside of what only root may enter."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from watchbill_agent.sessions import Account
from watchbill_wire import EnvelopePayload

USER_PATH = "/usr/local/bin:/usr/bin:/bin"


class Places:
    """One folder for each execution, named by its id, in a folder that everybody may pass through and nobody may list."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def make(self, execution_id: str, account: Account, files: Path | None = None) -> Path:
        """Made anew: one that exists already is of an earlier start. Returns the folder; `work` in it is for temporary files.

        `files`: a folder of files that is to become `work`. All is given to the user before they can reach any of it.
        """
        self._root.mkdir(mode=0o711, exist_ok=True)
        self._root.chmod(0o711)
        folder = self._root / execution_id
        folder.mkdir(mode=0o700)
        work = folder / "work"
        if files is None:
            work.mkdir(mode=0o700)
        else:
            shutil.move(files, work)  # on a disk of its own, as `files` may be, it is copied
        for path in (*work.iterdir(), work, folder):
            os.chown(path, account.uid, account.gid)
        return folder

    def write(self, path: Path, data: bytes, account: Account) -> None:
        """A file that this user alone reads. The folder is the user's: nothing that was put there meanwhile is followed."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o500)
        with os.fdopen(descriptor, "wb") as file:
            os.fchown(descriptor, account.uid, account.gid)
            file.write(data)

    def discard(self, execution_id: str) -> None:
        shutil.rmtree(self._root / execution_id, ignore_errors=True)

    def sweep(self, wanted: set[str]) -> None:
        if self._root.is_dir():
            for folder in self._root.iterdir():
                if folder.name not in wanted:
                    self.discard(folder.name)


def environment(payload: EnvelopePayload, secrets: Mapping[str, str], account: Account, work: Path) -> dict[str, str]:
    """The user's own, made anew: nothing of the agent's."""
    base = {
        "PATH": USER_PATH,
        "HOME": account.home,
        "USER": account.user,
        "LOGNAME": account.user,
        "SHELL": account.shell,
        "LANG": "C.UTF-8",
        "TMPDIR": str(work),
        **account.surroundings,
    }
    return {**base, **given(payload, secrets, work)}


def given(payload: EnvelopePayload, secrets: Mapping[str, str], work: Path) -> Mapping[str, str]:
    """What the Engine gives a script: its variables, where it belongs, and where its files are, if it has any."""
    labels = {f"WATCHBILL_{name.upper()}": text for name, text in payload.labels.items()}
    files = {"WATCHBILL_FILES": str(work)} if payload.files else {}
    return {**payload.variables, **secrets, **labels, **files, "WATCHBILL_EXECUTION_ID": payload.execution_id}
