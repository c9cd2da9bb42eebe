"""The `watchbill` command on a host of a lab, for those who ask often: loaded once, and a process of its own for each call.

A whole Python for each look at a run that goes on would keep a core of this machine busy as long as it does.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import IO, NoReturn

from tests.lab.host import Host, LabError


class Desk:
    """Takes commands, one at a time. `env` is that of all of them."""

    def __init__(self, host: Host, env: Mapping[str, str]) -> None:
        self._host = host
        self._process = host.converse(sys.executable, "-m", "tests.lab.desk", env=env)
        self._one_at_a_time = threading.Lock()

    def run(self, words: Sequence[str], given: str = "") -> str:
        """What the command writes. LabError when it fails, with what it says."""
        with self._one_at_a_time:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps([list(words), given]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise LabError(f"nobody takes commands on {self._host.name} any more")
        code, out, err = json.loads(line)
        if code:
            wrote = f"{out}\n{err}".strip()
            raise LabError(f"`watchbill {' '.join(words)[:200]}` on {self._host.name} ended with {code}: {wrote}")
        return str(out)

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


# --- in the host ------------------------------------------------------------------------------------------------------------


def _serve() -> None:
    from watchbill.apps import cli

    for name, (module, _, _) in cli.COMMANDS.items():
        if module.startswith("client."):
            cli._load(name)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(*json.loads(line))) + "\n")
        sys.stdout.flush()


def _answer(words: list[str], given: str) -> tuple[int, str, str]:
    with tempfile.TemporaryFile("w+") as into, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        into.write(given)
        into.seek(0)
        child = os.fork()
        if child == 0:
            _run(words, into, out, err)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), out.read(), err.read()


def _run(words: list[str], into: IO[str], out: IO[str], err: IO[str]) -> NoReturn:
    from watchbill.apps import cli

    code: object = 1
    sys.argv = ["watchbill", *words]
    sys.stdin, sys.stdout, sys.stderr = into, out, err
    try:
        cli.main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    out.flush()
    err.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
