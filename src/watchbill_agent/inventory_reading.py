"""How the inventory reads: files line by line, programs with a bound; what is not there reads as empty."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from watchbill_agent import platform_linux

COMMAND_TIMEOUT_SECONDS = 60


def lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                yield line.rstrip("\n")
    except OSError:
        return


def first_line(path: Path) -> str:
    return next(lines(path), "").strip()


def output(arguments: list[str]) -> str:
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
            env={"PATH": platform_linux.SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": "/"},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", errors="replace")
