"""The programs that make and configure network interfaces: started without a shell, secrets by standard input, faults in words."""

import asyncio
import json
import shutil
import subprocess
from tempfile import TemporaryFile
from typing import IO, Any, Final

#: A service's PATH may lack what is for administrators.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES: Final = {"ip": "iproute2", "wg": "wireguard-tools", "wireguard-go": "wireguard-go"}
_SECONDS: Final = 20.0
_LONGEST_ERROR: Final = 300


class ToolError(Exception):
    """A program is missing, or refused what it was to do; the text is for people."""


def found(name: str) -> str | None:
    return shutil.which(name, path=_PATH)


async def run(name: str, *arguments: str, given: str = "") -> str:
    """What the program wrote. ToolError with its own words when it fails. `given` is its standard input."""
    path = found(name)
    if path is None:
        raise ToolError(f"the program `{name}` is missing on this host (Debian package {_PACKAGES[name]})")
    try:
        status, written, faults = await asyncio.to_thread(_run, [path, *arguments], given.encode())
    except subprocess.TimeoutExpired:
        raise ToolError(f"`{name} {arguments[0]}` did not end within {_SECONDS:g} seconds") from None
    except OSError as error:
        raise ToolError(f"the program `{name}` cannot be started: {error.strerror}") from None
    if status:
        said = " ".join(faults.split())[:_LONGEST_ERROR]
        raise ToolError(f"`{name} {arguments[0]}` failed: {said or f'exit status {status}'}")
    return written


def _run(argv: list[str], given: bytes) -> tuple[int, str, str]:
    # Into files: `wireguard-go` goes on in the background and keeps what it has inherited, so that a pipe would never end.
    with TemporaryFile() as written, TemporaryFile() as faults:
        # In a session of its own: as the interface itself, it must not end with the process group of whoever started it.
        done = subprocess.run(
            argv,
            input=given,
            stdout=written,
            stderr=faults,
            env={"PATH": _PATH},
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
        return done.returncode, _text(written), _text(faults)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


async def run_json(name: str, *arguments: str) -> Any:
    return json.loads(await run(name, *arguments) or "[]")
