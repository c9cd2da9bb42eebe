"""The programs that make and configure network interfaces: started without a shell, secrets by standard input, faults in words."""

import asyncio
import json
import shutil
from typing import Any, Final

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
    process = await asyncio.create_subprocess_exec(
        path,
        *arguments,
        env={"PATH": _PATH},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # One of them stays, as the interface itself: it must not end with the process group of whoever started it.
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            written, faults = await process.communicate(given.encode())
    except TimeoutError:
        raise ToolError(f"`{name} {arguments[0]}` did not end within {_SECONDS:g} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = " ".join(faults.decode(errors="replace").split())[:_LONGEST_ERROR]
        raise ToolError(f"`{name} {arguments[0]}` failed: {said or f'exit status {process.returncode}'}")
    return written.decode(errors="replace")


async def run_json(name: str, *arguments: str) -> Any:
    return json.loads(await run(name, *arguments) or "[]")
