"""Sessions on Linux: as logind keeps them, else as the records of logins say. Only those that live."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from watchbill_agent import utmp
from watchbill_agent.inventory_reading import lines
from watchbill_agent.sessions import Account, ordered
from watchbill_wire import SignedIn

ROOT = Path("/")
#: Much more than any device has sign-ins.
MOST_BYTES = 1024 * 1024
#: What a session's own programs know and a script beside them needs, to reach the screen and the user's services.
SURROUNDINGS = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS")
_LOCAL_HOSTS = ("", "localhost")
_PRINTABLE = range(0x21, 0x7F)


@dataclass(frozen=True)
class Living:
    """A session, the process that it began with, and the screen that its keeper knows of."""

    signed_in: SignedIn
    leader: int
    display: str | None = None


@dataclass(frozen=True)
class Linux:
    """`records`: the file of logins to read, instead of what the system keeps. `root`: where the system's own files are."""

    records: Path | None = None
    root: Path = ROOT

    def found(self) -> tuple[SignedIn, ...]:
        return ordered(one.signed_in for one in self._living())

    def account(self, session_id: str, user: str) -> Account | None:
        for one in self._living():
            if (one.signed_in.session_id, one.signed_in.user) == (session_id, user):
                return account_of(user, one)
        return None

    def places(self) -> tuple[Path, ...]:
        return (self._logind() if self._is_logind_there() else self._utmp(),)

    def _living(self) -> Iterator[Living]:
        return _of_logind(self._logind()) if self._is_logind_there() else _of_records(self._utmp())

    def _is_logind_there(self) -> bool:
        """What it keeps is better than records that programs may forget to write."""
        return self.records is None and (self.root / "run/systemd/system").is_dir()

    def _logind(self) -> Path:
        return self.root / "run/systemd/sessions"

    def _utmp(self) -> Path:
        return self.records or self.root / "run/utmp"


def _of_logind(folder: Path) -> Iterator[Living]:
    try:
        # Beside each session there is a pipe by which its programs hold it.
        files = [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return
    for file in files:
        facts = dict(line.split("=", 1) for line in lines(file) if "=" in line)
        leader = int(facts["LEADER"]) if facts.get("LEADER", "").isdigit() else 0
        if is_of_a_person(facts) and _lives(leader, facts["USER"]):
            yield Living(_signed_in(file.name, facts), leader, facts.get("DISPLAY") or None)


def is_of_a_person(facts: Mapping[str, str]) -> bool:
    """Greeters, lock screens, background services and a user's own manager have sessions too."""
    is_users = facts.get("CLASS", "") in ("user", "user-early", "user-light")
    return is_users and facts.get("STATE") != "closing" and bool(facts.get("USER"))


def _signed_in(name: str, facts: Mapping[str, str]) -> SignedIn:
    since = facts.get("REALTIME", "")
    place = facts.get("TTY") or facts.get("DISPLAY") or facts.get("SEAT") or None
    is_remote = facts.get("REMOTE") == "1"
    return SignedIn(
        name, facts["USER"], place, is_remote, _moment(int(since) // 1_000_000) if since.isdigit() else None
    )


def _of_records(file: Path) -> Iterator[Living]:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES)
    except OSError:
        return
    for login in utmp.logins(data):
        if _lives(login.pid, login.user):
            # The process tells two sign-ins at one terminal apart.
            name = f"utmp:{_visible(login.line)}:{login.pid}:{login.seconds}"
            is_remote = login.host not in _LOCAL_HOSTS and not login.host.startswith(":")
            yield Living(SignedIn(name, login.user, login.line or None, is_remote, _moment(login.seconds)), login.pid)


def _visible(line: str) -> str:
    return "".join(one for one in line if ord(one) in _PRINTABLE)


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None


def _lives(leader: int, user: str) -> bool:
    """The session's first process is there and is the user's, or root's who signs users in: a number may have been used again."""
    try:
        uid = pwd.getpwnam(user).pw_uid
        owner = Path(f"/proc/{leader}").stat().st_uid
    except (KeyError, OSError):
        return False
    return uid != 0 and owner in (0, uid) and os.geteuid() in (0, uid)


def account_of(user: str, session: Living) -> Account | None:
    try:
        entry = pwd.getpwnam(user)
        groups = os.getgrouplist(user, entry.pw_gid)
    except (KeyError, OSError):
        return None
    return Account(
        user,
        entry.pw_uid,
        entry.pw_gid,
        tuple(groups),
        entry.pw_dir or "/",
        entry.pw_shell or "/bin/sh",
        surroundings(entry.pw_uid, session),
    )


def surroundings(uid: int, session: Living, root: Path = ROOT) -> dict[str, str]:
    """What the session's first process knows; where that is the program that signs users in, what can be told without it."""
    told = _environment_of(session.leader)
    found = {name: told[name] for name in SURROUNDINGS if told.get(name)}
    if session.display is not None:
        found.setdefault("DISPLAY", session.display)
    runtime = root / f"run/user/{uid}"
    if _is_owned_by(runtime, uid):
        found["XDG_RUNTIME_DIR"] = str(runtime)
        if _is_owned_by(runtime / "bus", uid):
            found.setdefault("DBUS_SESSION_BUS_ADDRESS", f"unix:path={runtime / 'bus'}")
    return found


def _is_owned_by(path: Path, uid: int) -> bool:
    try:
        return path.lstat().st_uid == uid
    except OSError:
        return False


def _environment_of(pid: int) -> dict[str, str]:
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    texts = (part.decode("utf-8", errors="replace") for part in raw.split(b"\0"))
    return dict(text.split("=", 1) for text in texts if "=" in text)
