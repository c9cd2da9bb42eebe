"""One run of `ansible-playbook` in a process of its own: `python controller.py <run folder>`.

It writes what happens as lines of JSON to its standard output, and a last line with the end. It dies with whoever started it: when
its standard input closes, or on SIGTERM, everything it has started is killed, also what went into sessions of its own.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil
from ansible_runner.interface import run

from watchbill.core.recap import STATS_EVENT

#: Seconds between a soft stop and a kill.
GRACE: Final = 10.0
#: Seconds after which a stop is noticed at the latest.
_BEAT: Final = 0.2
_PR_SET_CHILD_SUBREAPER: Final = 36
#: Characters of one event's text; a longer one is cut, and says so.
_LONGEST: Final = 1_000_000
_CUT: Final = "\n… cut: this result has more than a million characters.\n"


class _Output:
    """Lines on the descriptor that was standard output; whatever else prints goes to standard error."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        os.dup2(2, 1)

    def write(self, message: Mapping[str, object]) -> None:
        self._file.write(json.dumps(message, ensure_ascii=True) + "\n")
        self._file.flush()


class _Stop:
    """Set by SIGTERM, or when standard input closes."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self.asked.set())
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while os.read(0, 4096):
            pass
        self.asked.set()
        # Whatever hangs: it does not outlive its worker for long.
        threading.Event().wait(2 * GRACE)
        _kill_children(0)
        os._exit(1)


def _kill_children(grace: float) -> bool:
    """End everything below this process; whether nothing of it is left."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, GRACE)):
        children = psutil.Process().children(recursive=True)
        if not children:
            return True
        if patience or number is signal.SIGKILL:
            for child in children:
                _send(child, number)
            psutil.wait_procs(children, timeout=patience)
    return not psutil.Process().children(recursive=True)


def _send(child: psutil.Process, number: signal.Signals) -> None:
    try:
        child.send_signal(number)
    except psutil.Error:
        return


def event_of(data: Mapping[str, Any]) -> dict[str, object]:
    """What of one of ansible-runner's events is passed on."""
    about: Mapping[str, Any] = data.get("event_data") or {}
    result: Any = about.get("res")
    text = str(data.get("stdout") or "")
    found: dict[str, object] = {
        "event": str(data.get("event")),
        "text": text if len(text) <= _LONGEST else text[:_LONGEST] + _CUT,
        "host": about.get("host"),
        "changed": bool(isinstance(result, Mapping) and result.get("changed")),
        "ignored": bool(about.get("ignore_errors")),
    }
    if data.get("event") == STATS_EVENT:
        found["stats"] = {name: value for name, value in about.items() if isinstance(value, Mapping)}
    return found


def main(folder: Path) -> int:
    # What leaves its session, as the masters of shared SSH connections do, comes back to this process and ends with it.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    output, stop = _Output(), _Stop()
    config = json.loads((folder / "controller.json").read_text())

    def passed_on(data: Mapping[str, Any]) -> bool:
        output.write(event_of(data))
        return False  # its file is not kept

    runner: Any = run(
        private_data_dir=str(folder),
        playbook=config["playbook"],
        cmdline=config["cmdline"],
        event_handler=passed_on,
        cancel_callback=stop.asked.is_set,
        quiet=True,
    )
    is_gone = _kill_children(0 if not stop.asked.is_set() else GRACE)
    output.write({"end": runner.rc, "status": runner.status, "is_gone": is_gone})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
