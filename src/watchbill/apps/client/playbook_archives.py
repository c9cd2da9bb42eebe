"""Playbooks from and to this machine: a folder is packed as it lies, a zip archive is sent as it is."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.playbooks import Writer

PATH = "/api/assemblies"
_CHUNK = 256 * 1024
#: Of version control and of Python: nothing of a playbook.
_LEFT_OUT = frozenset((".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules"))


def is_one(name: str) -> bool:
    """Whether what is to be imported is a playbook with its tree."""
    return name.endswith(".zip") or (name != "-" and Path(name).is_dir())


def send(session: Session, source: str, *, name: str | None, main: str | None) -> Any:
    """The assembly that was made or changed. The name of a folder is its name where nothing else says one."""
    path = Path(source)
    if path.is_dir():
        called = name or (None if (path / "watchbill.yml").exists() else path.resolve().name)
        return session.api.upload(f"{PATH}/import_zip", _chunks(_packed(path)), {"name": called, "main": main})
    try:
        with path.open("rb") as file:
            return session.api.upload(f"{PATH}/import_zip", _chunks(file), {"name": name, "main": main})
    except OSError as error:
        raise CliError(f"{source} cannot be read: {error.strerror}", ExitCode.USAGE) from None


def _packed(folder: Path) -> IO[bytes]:
    packed = io.BytesIO()
    try:
        with Writer(packed) as writer:
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder)
                if not path.is_dir() and not _LEFT_OUT & set(inside.parts):
                    writer.add(inside.as_posix(), iter([_content(path)]))
    except OSError as error:
        raise CliError(f"{error.filename} cannot be read: {error.strerror}", ExitCode.USAGE) from None
    packed.seek(0)
    return packed


def _content(path: Path) -> bytes:
    if path.is_symlink():
        message = f"{path} is a symbolic link: a playbook is made of plain files alone."
        raise CliError(message, ExitCode.USAGE)
    return path.read_bytes()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while data := file.read(_CHUNK):
        yield data


def save(session: Session, assembly_id: str, to: str) -> None:
    """Write a playbook with its tree as a zip archive."""
    chunks = session.api.download(f"{PATH}/{assembly_id}/export_zip")
    try:
        with Path(to).open("wb") as file:
            file.writelines(chunks)
    except OSError as error:
        raise CliError(f"{to} cannot be written: {error.strerror}") from None
