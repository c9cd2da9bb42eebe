"""The binary records of logins in which a Unix without logind keeps who is signed in. Pure: bytes in, logins out."""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Where programs of 32 bits are at home too, times have 32 bits in these files; elsewhere the whole record is wider.
IS_WIDE = platform.machine() in ("aarch64", "riscv64", "loongarch64")
RECORD = struct.Struct("<h2xi32s4s32s256s12xqq16x24x" if IS_WIDE else "<h2xi32s4s32s256s8xii16x20x")
USER_PROCESS = 7


@dataclass(frozen=True)
class Login:
    """`pid` leads the session; `line` is its terminal; `host` is empty for who sits at the device."""

    pid: int
    line: str
    user: str
    host: str
    seconds: int


def logins(data: bytes) -> Iterator[Login]:
    """The logins of users; half a record at the end, as while it is written, is passed over."""
    for start in range(0, len(data) - RECORD.size + 1, RECORD.size):
        kind, pid, line, _id, user, host, seconds, _rest = RECORD.unpack_from(data, start)
        login = Login(pid, _text(line), _text(user), _text(host), seconds)
        if kind == USER_PROCESS and login.user:
            yield login


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", errors="replace")
