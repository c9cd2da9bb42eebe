"""Sessions on Windows: which of them are of people, from what the Remote Desktop Services API answers. Pure; `wts` calls it.

Never run on Windows so far: what is tested are answers as the structures of `wtsapi32.h` lay them out. The agent's supervisor is Linux's;
until there is one for Windows, the command line refuses to run there. It would take `Windows.found` for its hello, and instead of an
`Account` the token of `Windows.token`, with which `as_user_windows` starts a program.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from watchbill_agent.sessions import ordered
from watchbill_wire import SignedIn

#: WTS_CONNECTSTATE_CLASS: somebody sits there, or has left the desktop as it is. All others are listeners and login screens.
ACTIVE, DISCONNECTED = 0, 4
#: WTS_INFO_CLASS.
USER_NAME, DOMAIN_NAME, CLIENT_PROTOCOL, SESSION_INFO = 5, 7, 16, 24
#: Of WTSClientProtocolType: the machine's own screen.
CONSOLE = 0
#: The services' own session; no person signs in there.
SERVICES = 0
#: WTSINFOW: state, id, six counters; station, domain and user as fixed texts; five times as FILETIME. Aligned to eight bytes.
_INFO = struct.Struct("<II24x64s34s42s4x5q")
_EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)


class Token(Protocol):
    """A user's primary token; closed when it is no longer wanted."""

    @property
    def is_elevated(self) -> bool:
        """Whether it has the full rights of an administrator."""

    def close(self) -> None: ...


class Wts(Protocol):
    """What Windows answers, as bytes."""

    def sessions(self) -> tuple[bytes, int]:
        """WTSEnumerateSessionsW: an array of WTS_SESSION_INFOW, and how many."""

    def asked(self, session: int, info_class: int) -> bytes:
        """WTSQuerySessionInformationW; empty where it does not answer."""

    def token(self, session: int) -> Token | None:
        """WTSQueryUserToken; None where nobody is signed in, or this process may not ask."""


@dataclass(frozen=True)
class Facts:
    """One session. `logon`: a FILETIME, 0 = nobody has signed in."""

    number: int
    state: int
    user: str
    domain: str
    station: str
    protocol: int
    logon: int


@dataclass(frozen=True)
class Windows:
    """Who is signed in on this Windows device."""

    wts: Wts

    def found(self) -> tuple[SignedIn, ...]:
        return ordered(signed_in(one) for one in self._people())

    def places(self) -> tuple[Path, ...]:
        """No file tells of sign-ins: the beat finds them."""
        return ()

    def token(self, session_id: str, user: str) -> Token | None:
        """As whom to run in a session; None when it is over, another's, or has an administrator's full rights. To be closed."""
        for one in all_facts(self.wts):
            told = signed_in(one)
            if is_of_a_person(one) and (told.session_id, told.user) == (session_id, user):
                return _plain(self.wts.token(one.number))
        return None

    def _people(self) -> Iterator[Facts]:
        for one in all_facts(self.wts):
            token = _plain(self.wts.token(one.number)) if is_of_a_person(one) else None
            if token is not None:
                token.close()
                yield one


def _plain(token: Token | None) -> Token | None:
    """What root is on Linux, an elevated token is here: a way to the agent's rights. Who has one is nobody's session."""
    if token is not None and token.is_elevated:
        token.close()
        return None
    return token


def all_facts(wts: Wts) -> list[Facts]:
    numbers = enumerated(*wts.sessions())
    return [_facts(wts, number) for number in numbers]


def _facts(wts: Wts, number: int) -> Facts:
    info = wts.asked(number, SESSION_INFO)
    state, station, logon = _info(info) if len(info) >= _INFO.size else (-1, "", 0)
    protocol = wts.asked(number, CLIENT_PROTOCOL)
    return Facts(
        number,
        state,
        utf16(wts.asked(number, USER_NAME)),
        utf16(wts.asked(number, DOMAIN_NAME)),
        station,
        int.from_bytes(protocol[:2], "little") if len(protocol) >= 2 else CONSOLE,
        logon,
    )


def enumerated(raw: bytes, count: int, pointer: int = 8) -> list[int]:
    """The numbers in an array of WTS_SESSION_INFOW: number, pointer to a name, state, with the padding of that pointer size."""
    size = 24 if pointer == 8 else 12
    return [int.from_bytes(raw[place : place + 4], "little") for place in range(0, min(count * size, len(raw)), size)]


def _info(raw: bytes) -> tuple[int, str, int]:
    state, _number, station, _domain, _user, *times = _INFO.unpack_from(raw)
    return state, utf16(station), times[3]


def utf16(raw: bytes) -> str:
    """UTF-16 up to its NUL."""
    return raw[: len(raw) // 2 * 2].decode("utf-16-le", errors="replace").partition("\0")[0]


def is_of_a_person(one: Facts) -> bool:
    return one.number != SERVICES and one.state in (ACTIVE, DISCONNECTED) and bool(one.user)


def signed_in(one: Facts) -> SignedIn:
    """Windows gives a session's number to the next one; the moment of the sign-in tells two apart."""
    user = f"{one.domain}\\{one.user}" if one.domain else one.user
    place = one.station or ("disconnected" if one.state == DISCONNECTED else None)
    return SignedIn(f"wts:{one.number}:{one.logon}", user, place, one.protocol != CONSOLE, moment(one.logon))


def moment(filetime: int) -> datetime | None:
    """Tenths of microseconds since 1601, to the second."""
    if filetime <= 0:
        return None
    try:
        return _EPOCH + timedelta(seconds=filetime // 10_000_000)
    except OverflowError:
        return None
