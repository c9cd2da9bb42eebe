"""Runs the system's own tools: looked up on the system's own path, bounded in time, with what is secret on standard input.

Arguments are seen by every user of the machine, so nothing secret is ever one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from watchbill_agent.platform_linux import SYSTEM_PATH

TIMEOUT_SECONDS = 30.0
NOTHING_MORE: Mapping[str, str] = MappingProxyType({})


class CommandError(Exception):
    """A tool is missing, took too long or failed; says which, and what it said last."""


class Commands(Protocol):
    def has(self, name: str) -> bool:
        """Whether there is such a tool."""

    def run(self, name: str, *arguments: str, given: str = "") -> str:
        """What it wrote. Raises CommandError when it did not end well."""


class SystemCommands:
    """`path` and `more`: where tools are looked for, and what else of an environment they need, where that is not Linux.

    `seconds`: how long one may take.
    """

    def __init__(
        self, path: str = SYSTEM_PATH, more: Mapping[str, str] = NOTHING_MORE, seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._path = path
        self._seconds = seconds
        self._environment = {"PATH": path, "LC_ALL": "C", **more}

    def has(self, name: str) -> bool:
        return shutil.which(name, path=self._path) is not None

    def run(self, name: str, *arguments: str, given: str = "") -> str:
        path = shutil.which(name, path=self._path)
        if path is None:
            raise CommandError(f"{name} is not installed")
        try:
            done = subprocess.run(
                [path, *arguments],
                check=False,
                input=given.encode("utf-8"),
                capture_output=True,
                timeout=self._seconds,
                cwd="/",
                env=self._environment,
            )
        except subprocess.TimeoutExpired:
            raise CommandError(f"{name} took more than {self._seconds:.0f} seconds") from None
        except OSError as error:
            raise CommandError(f"{name} cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            raise CommandError(f"{name}: {_last_line(done.stderr) or f'exit code {done.returncode}'}")
        return done.stdout.decode("utf-8", errors="replace")


def _last_line(raw: bytes) -> str:
    lines = raw.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""


def lacking(commands: Commands, *names: str) -> str | None:
    """Why something that needs these tools cannot be done; None = they are all there."""
    missing = [name for name in names if not commands.has(name)]
    if not missing:
        return None
    return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
