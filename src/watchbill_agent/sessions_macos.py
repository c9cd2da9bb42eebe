"""Sessions on macOS: people at the screen as the system's configuration keeps them, and those over the network as `who` tells them.

It reads what tools of the system say; what that means is pure. Never run on a Mac so far: what is tested is the text that these tools
print. The agent's supervisor is Linux's; until there is one for macOS, the command line refuses to run there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from watchbill_agent.sessions import Account, ordered
from watchbill_wire import SignedIn

#: The screen before anybody is signed in, the system itself, and who runs the assistant of a new Mac.
NOBODY = frozenset({"", "loginwindow", "root", "_mbsetupuser"})
#: As many groups as a process may have; the first one is the account's own.
MOST_GROUPS = 16
_SCUTIL, _WHO = "/usr/sbin/scutil", "/usr/bin/who"
_CONSOLE_KEY = "State:/Users/ConsoleUser"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
_SECONDS = 10.0
_FACT = re.compile(r"^\s*(\w+) : (.*?)\s*$")
_ENTRY = re.compile(r"^\s*\d+ : <dictionary> \{\s*$")
_REMOTE = re.compile(r"^(?P<user>\S+)\s+(?P<line>\S+)\s+(?P<since>\w{3}\s+\d+ \d\d:\d\d)\s+\((?P<host>[^)]+)\)\s*$")


@dataclass(frozen=True)
class MacOS:
    """What this Mac tells of sign-ins."""

    def found(self) -> tuple[SignedIn, ...]:
        screens = _said_by([_SCUTIL], f"show {_CONSOLE_KEY}\n")
        return ordered([*at_the_screen(screens), *over_the_network(_said_by([_WHO], ""))])

    def account(self, session_id: str, user: str) -> Account | None:
        is_there = any((one.session_id, one.user) == (session_id, user) for one in self.found())
        return _account_of(user) if is_there else None

    def places(self) -> tuple[Path, ...]:
        return (Path("/var/run/utmpx"),)


def at_the_screen(text: str) -> Iterator[SignedIn]:
    """From `scutil`: everybody with a desktop, also where another one is in front of it (fast user switching)."""
    for facts in _screens(text):
        user, number = facts.get("kCGSSessionUserNameKey", ""), facts.get("kCGSSessionIDKey", "")
        # At the login window, and while a desktop is made, there is a session with nobody in it.
        is_signed_in = facts.get("kCGSessionLoginDoneKey") == "TRUE"
        if is_signed_in and number.isdigit() and is_a_person(user, facts.get("kCGSSessionUserIDKey", "")):
            audit = facts.get("kCGSSessionAuditIDKey", facts.get("kSCSecuritySessionID", ""))
            yield SignedIn(_visible(f"screen:{number}:{audit}"), user, "console")


def is_a_person(user: str, uid: str = "") -> bool:
    """Accounts of the system begin with an underscore; the number tells root by whatever name."""
    return user not in NOBODY and not user.startswith("_") and uid != "0"


def over_the_network(text: str) -> Iterator[SignedIn]:
    """From `who`: lines with a host. Those without are the screen itself and the windows of terminals on it."""
    for line in text.splitlines():
        found = _REMOTE.match(line)
        if found and is_a_person(found["user"]):
            since = re.sub(r"\W+", "-", found["since"])
            name = _visible(f"tty:{found['line']}:{found['user']}:{since}")
            yield SignedIn(name, found["user"], found["line"], is_remote=True)


def _screens(text: str) -> Iterator[Mapping[str, str]]:
    """The dictionaries of the array `SessionInfo`."""
    facts: dict[str, str] | None = None
    for line in text.partition("SessionInfo : <array>")[2].splitlines():
        found = _FACT.match(line)
        if _ENTRY.match(line):
            facts = {}
        elif facts is not None and line.strip() == "}":
            yield facts
            facts = None
        elif facts is not None and found:
            facts[found[1]] = found[2]


def _visible(name: str) -> str:
    return "".join(one for one in name if "!" <= one <= "~")[:128]


def _said_by(command: list[str], told: str) -> str:
    """Nothing where the tool is missing, fails or hangs: then nobody is signed in as far as is known."""
    try:
        done = subprocess.run(
            command, input=told.encode(), capture_output=True, env=_ENVIRONMENT, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else ""


def _account_of(user: str) -> Account | None:
    import pwd

    try:
        entry = pwd.getpwnam(user)
        groups = os.getgrouplist(user, entry.pw_gid)
    except (KeyError, OSError):
        return None
    if entry.pw_uid == 0 or os.geteuid() not in (0, entry.pw_uid):
        return None
    some = tuple(dict.fromkeys([entry.pw_gid, *groups]))[:MOST_GROUPS]
    return Account(user, entry.pw_uid, entry.pw_gid, some, entry.pw_dir or "/", entry.pw_shell or "/bin/sh")


def in_the_users_services(uid: int, supervisor: list[str]) -> list[str]:
    """How to start what stands over a user's script on a Mac: root still, and among that user's services (keychain, desktop).

    A changed user id alone would leave the script among the services of the system. `sudo -u` behind it would need the variables, and so
    the secrets, in an argument list; so the supervisor changes to the user in its child, as on Linux.
    """
    return ["/bin/launchctl", "asuser", str(uid), *supervisor]
