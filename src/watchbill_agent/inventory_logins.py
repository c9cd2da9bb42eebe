"""Who is, and who was last, signed in on this Linux device: from the records of logins that its distribution keeps."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

from watchbill_agent import utmp
from watchbill_agent.inventory_reading import lines

ROOT = Path("/")
#: As much of the end of a log of logins as is looked at.
TAIL_BYTES = 1024 * 1024
_MOST_ACCOUNTS = 10_000
RECORD = utmp.RECORD
LAST = struct.Struct("<q32s256s" if utmp.IS_WIDE else "<i32s256s")
_DATABASES = (
    ("var/lib/lastlog/lastlog2.db", "SELECT Time, Name FROM Lastlog2 ORDER BY Time DESC LIMIT 1"),
    ("var/lib/wtmpdb/wtmp.db", "SELECT Login / 1000000, User FROM wtmp WHERE Type = 3 ORDER BY Login DESC LIMIT 1"),
)

#: When, and who.
Login = tuple[int, str]


def users(root: Path = ROOT) -> list[str]:
    """Those who are signed in now."""
    return sorted({user for _, user in [*_sessions(root), *_records(root / "run/utmp")]})


def last_user(root: Path = ROOT) -> str | None:
    """Who signed in last with a session of their own; None when no record says so."""
    found = [*_sessions(root), *_records(root / "run/utmp"), *_records(root / "var/log/wtmp")]
    found += [*_last_of_accounts(root), *_of_databases(root)]
    return max(found)[1] if found else None


def _sessions(root: Path) -> Iterator[Login]:
    try:
        files = [path for path in (root / "run/systemd/sessions").iterdir() if path.is_file()]
    except OSError:
        return
    for file in files:
        facts = dict(line.split("=", 1) for line in lines(file) if "=" in line)
        # Greeters and background services have sessions too.
        if facts.get("CLASS", "user").startswith("user") and facts.get("USER"):
            since = facts.get("REALTIME", "")
            yield (int(since) // 1_000_000 if since.isdigit() else 0), facts["USER"]


def _records(file: Path) -> Iterator[Login]:
    return ((login.seconds, login.user) for login in utmp.logins(_tail(file)))


def _tail(file: Path) -> bytes:
    """The end of it, in whole records."""
    try:
        with file.open("rb") as opened:
            records = opened.seek(0, 2) // RECORD.size
            wanted = min(records, TAIL_BYTES // RECORD.size)
            opened.seek((records - wanted) * RECORD.size)
            return opened.read(wanted * RECORD.size)
    except OSError:
        return b""


def _last_of_accounts(root: Path) -> Iterator[Login]:
    """A file with a place for every number of an account, mostly holes."""
    try:
        with (root / "var/log/lastlog").open("rb") as opened:
            for name, number in _accounts(root / "etc/passwd"):
                opened.seek(number * LAST.size)
                data = opened.read(LAST.size)
                seconds = LAST.unpack(data)[0] if len(data) == LAST.size else 0
                if seconds > 0:
                    yield seconds, name
    except OSError:
        return


def _accounts(file: Path) -> Iterator[tuple[str, int]]:
    for place, line in enumerate(lines(file)):
        parts = line.split(":")
        if place < _MOST_ACCOUNTS and len(parts) > 2 and parts[2].isascii() and parts[2].isdigit():
            yield parts[0], int(parts[2])


def _of_databases(root: Path) -> Iterator[Login]:
    for path, query in _DATABASES:
        if not (root / path).exists():
            continue
        try:
            connection = sqlite3.connect((root / path).as_uri() + "?mode=ro", uri=True, timeout=2)
        except sqlite3.Error:
            continue
        try:
            yield from ((int(seconds), str(name)) for seconds, name in connection.execute(query))
        except (sqlite3.Error, TypeError, ValueError):
            continue
        finally:
            connection.close()
