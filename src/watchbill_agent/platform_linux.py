"""Process control on Linux: finding interpreters, starting the supervisor, killing what a dead supervisor left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from watchbill_agent import as_user, clock, itself
from watchbill_wire import EnvelopePayload, Interpreter

ETC = Path("/etc")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STRAY_BOUND_SECONDS = 5.0
_MOST_LINKS = 8
# Names only; whether there is such a zone is for the Engine to say, whose rules it is read by.
_ZONE = re.compile(r"[A-Za-z0-9+_-]{1,30}(/[A-Za-z0-9+_-]{1,30}){0,2}")
_CANDIDATES: Mapping[Interpreter, tuple[str, ...]] = {
    "bash": ("bash",),
    "sh": ("sh",),
    "python": ("python3", "python"),
    "powershell": ("pwsh", "powershell"),
    "batch": (),
}
_ARGUMENTS: Mapping[Interpreter, tuple[str, ...]] = {
    "bash": ("--noprofile", "--norc"),
    "sh": (),
    "python": (),
    "powershell": ("-NoProfile", "-NonInteractive", "-File"),
    "batch": (),
}


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"


def timezone() -> str | None:
    """The IANA zone that this device's clocks are set to; None when it cannot be told by name."""
    return _zone_in(os.environ.get("TZ", ""), ETC)


def _zone_in(tz: str, etc: Path) -> str | None:
    if tz:
        # The files below are not in force then, not even when this is a rule (CET-1CEST) instead of a zone's name.
        return _zone_name(tz.removeprefix(":"))
    # The link is what the clocks go by; the text file may be left over, and is all there is where the link is a copy.
    return _linked_zone(etc / "localtime") or _written_zone(etc / "timezone")


def _linked_zone(link: Path) -> str | None:
    for _ in range(_MOST_LINKS):
        try:
            target = str(link.readlink())
        except OSError:
            return None
        if "zoneinfo" in target:
            return _zone_name(target)
        link = link.parent / target
    return None


def _written_zone(file: Path) -> str | None:
    try:
        return _zone_name(file.read_text("utf-8", errors="replace").partition("\n")[0].strip())
    except OSError:
        return None


def _zone_name(text: str) -> str | None:
    name = text.rpartition("zoneinfo/")[2]
    for variant in ("posix/", "right/"):
        name = name.removeprefix(variant)
    return name if _ZONE.fullmatch(name) else None


def find_interpreter(kind: Interpreter) -> str | None:
    """Looked up on the system's own path, never on the agent's, which depends on who started it."""
    for name in _CANDIDATES[kind]:
        path = shutil.which(name, path=SYSTEM_PATH)
        if path:
            return path
    return None


def script_name(kind: Interpreter) -> str:
    return "script.ps1" if kind == "powershell" else "script"


def script_arguments(kind: Interpreter, interpreter: str, script: Path) -> list[str]:
    return [interpreter, *_ARGUMENTS[kind], str(script)]


def script_environment(payload: EnvelopePayload, secrets: Mapping[str, str], work: Path) -> dict[str, str]:
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "")
    base = {
        "PATH": SYSTEM_PATH,
        "HOME": str(Path.home()),
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TMPDIR": str(work),
    }
    return {**base, **as_user.given(payload, secrets, work)}


def start_supervisor(folder: Path, order: bytes, wake: int, control: int) -> subprocess.Popen[bytes]:
    """The order holds the variables: it goes through memory that has no name, never through argv."""
    source = _unnamed_file(folder / "order")
    log = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(source, order)
        os.lseek(source, 0, os.SEEK_SET)
        return subprocess.Popen(
            itself.supervisor_command(str(folder), str(wake), str(control)),
            stdin=source,
            stdout=log,
            stderr=log,
            cwd=folder / "work",
            env={"PATH": SYSTEM_PATH},
            pass_fds=(wake, control),
            start_new_session=True,
        )
    finally:
        os.close(source)
        os.close(log)


def _unnamed_file(path: Path) -> int:
    """In memory. On a system too old for that, a file that is gone from its folder before anything is in it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("order", os.MFD_CLOEXEC)
    source = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    path.unlink()
    return source


def kill_strays(execution_id: str) -> bool:
    """Kill every process that still carries the execution's mark. True when none is left within the bound."""
    mark = f"WATCHBILL_EXECUTION_ID={execution_id}".encode()
    bound = clock.monotonic() + STRAY_BOUND_SECONDS
    while clock.monotonic() < bound:
        strays = [pid for pid in _pids() if mark in _environment(pid)]
        if not strays:
            return True
        for pid in strays:
            _kill(pid)
    return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return


def _pids() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
