"""A place in which accounts can be made and removed without this machine taking part: its own /etc, homes, processes and network if wanted."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_ENTER = """
set -e
cp -a /etc "$0/etc" && mount --bind "$0/etc" /etc
mkdir -p "$0/home" && mount --bind "$0/home" /home
mount -t tmpfs tmpfs /var/mail && mount -t tmpfs tmpfs /run
exec "$@"
"""


def lacking(*tools: str) -> str | None:
    """Why a test that needs an enclosure and these tools cannot run here; None = it can."""
    missing = [one for one in ("unshare", *tools) if shutil.which(one) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    tried = subprocess.run([*namespaces(), "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"namespaces are not permitted: {tried.stderr.decode().strip()}"


def namespaces(*more: str) -> list[str]:
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *more]


def enclosed(folder: Path, *more: str) -> list[str]:
    """What stands before a command that is to run in a new enclosure, which is gone when the command is."""
    folder.mkdir()
    return [*namespaces(*more), "/bin/sh", "-c", _ENTER, str(folder)]


def needs(*tools: str) -> pytest.MarkDecorator:
    reason = lacking(*tools)
    return pytest.mark.skipif(reason is not None, reason=f"NOT TESTED HERE: {reason}")


@dataclass
class Driver:
    """A Python module that answers lines of JSON from within an enclosure."""

    process: subprocess.Popen[str]

    def ask(self, **asked: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the driver has ended"
        return json.loads(line)

    def sh(self, script: str) -> str:
        """What a script in the enclosure writes; both streams, for it to be told when a test fails."""
        return str(self.ask(sh=script))


@contextmanager
def driven(folder: Path, module: str, *arguments: str, more: tuple[str, ...] = ()) -> Iterator[Driver]:
    command = [*enclosed(folder, *more), sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Driver(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)
