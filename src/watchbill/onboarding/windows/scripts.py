"""What is run on machines: PowerShell in files beside this module, and the one command line that runs any of it.

The command line is always the same; the script comes by standard input, and after it what it is told. So no command line, which others
on the machine can read, holds a secret, and none is longer than Windows' 8,191 characters. There is no PowerShell where this was
written: the scripts were read, not run.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

#: Scripts by name, and the parts that each one needs.
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "look": ("agent",),
    "reach": ("server",),
    "fetch": ("server",),
    "upload": (),
    "hash": (),
    "unpack": ("agent",),
    "install": ("agent",),
    "command": ("agent",),
    "clean": ("agent",),
}
PROGRAM: Final = "powershell.exe"
#: Without `-InputFormat None` PowerShell itself would read what is meant for the script.
_SWITCHES: Final = (
    "-NoLogo", "-NoProfile", "-NonInteractive", "-InputFormat", "None", "-OutputFormat", "Text", "-ExecutionPolicy", "Bypass",
)  # fmt: skip
#: The end of what is sent: standard input cannot be closed everywhere.
END: Final = b".\n"
#: Bytes of a file in one line of base64.
LINE_BYTES: Final = 48 * 1024


@cache
def _text(name: str) -> str:
    return (files(__package__) / "scripts" / f"{name}.ps1").read_text(encoding="utf-8")


@cache
def script(name: str) -> str:
    """A whole script; its first line says which one it is."""
    parts = [_text(f"{part}.part") for part in PARTS[name]]
    return "\n".join([f"# watchbill: {name}", _text("prelude"), *parts, _text(name)])


@cache
def arguments() -> tuple[str, ...]:
    """Of PowerShell, for every script."""
    return (*_SWITCHES, "-EncodedCommand", base64.b64encode(_text("begin").encode("utf-16-le")).decode())


def standard_input(name: str, given: Mapping[str, Any], body: Iterable[bytes] = ()) -> Iterator[bytes]:
    """A script, what it is told, and a file for it. ASCII throughout: nobody knows the code page of the other side."""
    yield base64.b64encode(script(name).encode()) + b"\n" + json.dumps(given).encode("ascii") + b"\n"
    for piece in body:
        yield base64.b64encode(piece) + b"\n"
    yield END
