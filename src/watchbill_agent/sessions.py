"""Who is signed in on this device, asked of the platform: one `SignedIn` for each session of a person. It decides nothing.

Sessions of the account that scripts run as by themselves (root) are nobody's: they would be a way to its rights. An agent without
these rights tells only of its own account, as which alone it can run anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from watchbill_wire import SignedIn

#: All that one message holds.
MOST = 200


@dataclass(frozen=True)
class Account:
    """Who a script runs as in a session, and what of the session's surroundings it finds."""

    user: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str
    surroundings: dict[str, str] = field(default_factory=dict)


class Platform(Protocol):
    """What a platform tells of sign-ins. Another one than Linux begins here.

    macOS has one (`sessions_macos`), which `of_this_device` gives there. On Windows nobody is a number: `sessions_windows` has the same
    `found` and `places`, and a token instead of an account. What is missing on both is a supervisor, and until there is one the command
    line starts no agent but on Linux.
    """

    def found(self) -> tuple[SignedIn, ...]:
        """All sessions of people that live now."""

    def account(self, session_id: str, user: str) -> Account | None:
        """Whose session it is; None when it is over, or another's."""

    def places(self) -> tuple[Path, ...]:
        """Files and folders that change when somebody signs in or out."""


def of_this_device(utmp: Path | None = None) -> Platform:
    """`utmp`: the records of logins to read, instead of whatever this system keeps."""
    if sys.platform == "darwin":
        from watchbill_agent import sessions_macos

        return sessions_macos.MacOS()
    from watchbill_agent import sessions_linux

    return sessions_linux.Linux(utmp)


def ordered(found: Iterable[SignedIn]) -> tuple[SignedIn, ...]:
    """Each session once, in an order that does not depend on how they were found."""
    by_id = {one.session_id: one for one in found}
    return tuple(by_id[name] for name in sorted(by_id)[:MOST])
