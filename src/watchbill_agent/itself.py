"""How the agent starts a part of itself: by its Python, or, where it is a package that brings its own, by its one program."""

from __future__ import annotations

import sys
from pathlib import Path

#: Where the program of a package begins is `packaged.py`.
IS_PACKAGED = bool(getattr(sys, "frozen", False))
#: What installers link to the version in use.
LINK = Path("/usr/local/bin/watchbill-agent")
SUPERVISE_SCRIPT = "supervise-script"
_SUPERVISOR = Path(__file__).with_name("supervisor")
_START = (
    "import sys; sys.path.append(sys.argv[1]); import watchbill_shim as s; s.main(sys.argv[2], *map(int, sys.argv[3:]))"
)


def command(*words: str) -> list[str]:
    """A command of the agent, of this very version."""
    return [sys.executable, *words] if IS_PACKAGED else [sys.executable, "-m", "watchbill_agent", *words]


def lasting_command(*words: str) -> list[str]:
    """A command of whatever version is in use when it is started: for a service."""
    is_linked = IS_PACKAGED and LINK.resolve() == Path(sys.executable).resolve()
    return [str(LINK), *words] if is_linked else command(*words)


def supervisor_command(*words: str) -> list[str]:
    """The supervisor of a script, started with as little as there can be before it."""
    if IS_PACKAGED:
        return [sys.executable, SUPERVISE_SCRIPT, *words]
    return [sys.executable, "-I", "-S", "-c", _START, str(_SUPERVISOR), *words]
