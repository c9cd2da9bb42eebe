"""Files of services: written whole or not at all, and only when they are to be different."""

from __future__ import annotations

import os
from pathlib import Path

from watchbill_agent.errors import AgentError


def write(path: Path, text: str, mode: int) -> None:
    """In one step: whoever reads it meanwhile, a boot after a power cut too, finds the old file or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise AgentError(f"{path} cannot be written: {error.strerror}") from error


def remove(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise AgentError(f"{path} cannot be removed: {error.strerror}") from error
