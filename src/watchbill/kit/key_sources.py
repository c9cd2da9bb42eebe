"""Where the key ring comes from: a file, an environment variable, or a command that prints it. Only a file is ever written here."""

import json
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from watchbill.kit.secrets import KeyRing, SecretError, encode, load_key_ring, parse_key_ring
from watchbill.kit.settings import PREFIX, Settings

_COMMAND_SECONDS: Final = 10
_NUMBERED: Final = re.compile(r"k(\d{1,9})")


def open_key_ring(config: Settings) -> KeyRing:
    """The ring of a process, which looks again where it came from when it meets a key that it does not know."""
    ring = _read(config)
    return KeyRing(ring.active, ring.keys, again=lambda: _read(config))


def is_file(config: Settings) -> bool:
    """Whether the ring is a file, which is made when it is missing and rotated in place."""
    return config.key_ring_json is None and config.key_ring_command is None


def in_words(config: Settings) -> str:
    """Where the ring comes from, for people."""
    if config.key_ring_json is not None:
        return f"the variable {PREFIX}KEY_RING_JSON"
    return f"the command `{config.key_ring_command}`" if config.key_ring_command else str(config.key_ring_path)


def _read(config: Settings) -> KeyRing:
    if config.key_ring_json is not None:
        return parse_key_ring(config.key_ring_json, in_words(config))
    if config.key_ring_command is not None:
        return parse_key_ring(_printed(config.key_ring_command), f"what {in_words(config)} printed")
    return load_key_ring(config.key_ring_path)


def _printed(command: str) -> str:
    """What it prints is secret, and what it complains of may be: neither is repeated."""
    try:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise SecretError(f"the key ring's command did not end within {_COMMAND_SECONDS} seconds") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"the key ring's command cannot be run: {type(error).__name__}") from None
    if done.returncode:
        raise SecretError(f"the key ring's command failed (exit status {done.returncode})")
    return done.stdout


def stage_key(path: Path) -> str:
    """Add a key that is not used yet to the file, so that it can be brought to every host before it is; its name."""
    document = _document(path)
    if "next" not in document:
        document["next"] = _add(document)
        _replace(path, document)
    return str(document["next"])


def rotate_file(path: Path) -> KeyRing:
    """Make a new key the active one: the one that was staged, else a fresh one. The old keys stay."""
    document = _document(path)
    document["active"] = document.pop("next", None) or _add(document)
    _replace(path, document)
    return load_key_ring(path)


def _document(path: Path) -> dict[str, Any]:
    load_key_ring(path)  # says what is wrong with it
    document: dict[str, Any] = json.loads(path.read_text())
    if document.get("next") is not None and document["next"] not in document["keys"]:
        raise SecretError(f"{path} names a next key that it does not have")
    return document


def _add(document: Mapping[str, Any]) -> str:
    """A fresh key in the ring; its name is a number higher than any."""
    numbers = [int(found[1]) for name in document["keys"] if (found := _NUMBERED.fullmatch(name))]
    name = f"k{max(numbers, default=0) + 1}"
    document["keys"][name] = encode(secrets.token_bytes(32))
    return name


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    """All of the new ring or all of the old one, whatever happens meanwhile, and whose it was it stays."""
    path = path.resolve()
    before = path.stat()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), before.st_mode & 0o640)
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
