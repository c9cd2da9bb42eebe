"""A machine of its own for services: processes, and the folders that installing changes, are not this machine's. Its network is.

Its init does nothing but reap. Ends with its owner.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab.host import _INIT, child_of
from watchbill.kit.processes import tied_to_parent

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OWN = ("/opt", "/run", "/usr/local", "/var/lib", "/var/log")
_SETUP = r"""
set -e
files=$1 python=$2 init=$3
shift 3
mkdir -p "$files/etc" "$files/.work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$files/etc,workdir=$files/.work" /etc
for one in "$@"; do
  mount -t tmpfs -o mode=755 tmpfs "$one"
done
mkdir -p /usr/local/bin /usr/local/sbin
echo ready
exec "$python" -I -S -c "$init"
"""


def missing() -> str | None:
    """Why there can be no such machine here; None when there can."""
    if os.geteuid() != 0 or shutil.which("nsenter") is None:
        return "a machine of its own needs root and util-linux"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return "mount namespaces are not permitted here" if tried.returncode else None


class Machine:
    def __init__(self, folder: Path) -> None:
        files = folder / "machine"
        files.mkdir(parents=True)
        # An overlay cannot lie on another one, as the files of a container are.
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(files)], check=True)
        self._files = files
        inner = ["/bin/sh", "-c", _SETUP, "sh", str(files), sys.executable, _INIT, *_OWN]
        unshare = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL", "--", *inner]
        self._holder = subprocess.Popen(
            tied_to_parent(unshare, signal.SIGKILL), env={"PATH": PATH}, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self._init = child_of(self._holder.pid)

    def run(
        self, *argv: str, given: str = "", env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        inside = ["nsenter", f"--target={self._init}", "-m", "-p", "--wdns=/", "--", *argv]
        environment = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", **(env or {})}
        return subprocess.run(
            inside, input=given, text=True, capture_output=True, env=environment, timeout=100, check=False
        )

    def sh(self, script: str, *words: str) -> str:
        done = self.run("/bin/sh", "-c", script, "sh", *words)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout.strip()

    def processes(self, *words: str) -> list[int]:
        """Numbers, as the machine has them, of the processes whose arguments have all of these."""
        found = []
        for line in self.sh(
            "for one in /proc/[0-9]*; do echo ${one#/proc/} $(tr '\\0' ' ' < $one/cmdline); done 2>/dev/null"
        ).splitlines():
            number, _, arguments = line.partition(" ")
            if _has(arguments.split(), words):
                found.append(int(number))
        return found

    def off(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._init, signal.SIGKILL)
        self._holder.kill()
        self._holder.wait(30)
        if self._holder.stdout is not None:
            self._holder.stdout.close()
        subprocess.run(["umount", "-l", str(self._files)], check=False)


def _has(arguments: Sequence[str], words: Sequence[str]) -> bool:
    return all(word in arguments for word in words)
