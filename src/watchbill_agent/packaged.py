"""Where the program of a package begins, before anything else of the agent is loaded.

A supervisor is started for every script, and every millisecond here is a millisecond late: for it, nothing more is loaded.
"""

from __future__ import annotations

import os
import sys

_SUPERVISE_SCRIPT = "supervise-script"


def _forget_the_loader() -> None:
    """What the package's loader put into the environment is for this process: a system's tool must not load our libraries."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    for name in [name for name in os.environ if name.startswith(("_PYI_", "_MEIPASS"))]:
        del os.environ[name]


def main() -> None:
    _forget_the_loader()
    if sys.argv[1:2] == [_SUPERVISE_SCRIPT]:
        # A folder and two descriptors: as the agent's launcher gives them, and as nobody else does.
        shim = __import__("watchbill_shim")
        shim.main(sys.argv[2], *map(int, sys.argv[3:5]))
    else:
        from watchbill_agent.cli import main as run

        run()


if __name__ == "__main__":
    main()
