"""Real accounts of this machine, made for a test and removed after it, and records of their sign-ins as a system writes them."""

import os
import pwd
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from watchbill_agent import utmp

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="accounts are made and changed to by root alone")


@dataclass
class SignIns:
    """The accounts of a test, their sessions, and the file that records them."""

    file: Path
    users: list[str]
    sessions: dict[str, tuple[str, subprocess.Popen[bytes]]] = field(default_factory=dict)

    def sign_in(self, line: str, user: str, **environment: str) -> int:
        """A session with a process of that user; its number."""
        leader = subprocess.Popen(["/bin/sleep", "600"], user=user, env=environment, start_new_session=True)
        self.sessions[line] = (user, leader)
        self.write()
        return leader.pid

    def sign_out(self, line: str, *, is_recorded: bool = True) -> None:
        _user, leader = self.sessions[line]
        leader.kill()
        leader.wait()
        if is_recorded:
            del self.sessions[line]
            self.write()

    def write(self) -> None:
        records = [record(7, user, int(time.time()), line, one.pid) for line, (user, one) in self.sessions.items()]
        self.file.write_bytes(record(2, "reboot", 1) + b"".join(records) + record(8, "", 5, "pts/9"))

    def uid(self, place: int) -> int:
        return pwd.getpwnam(self.users[place]).pw_uid


def record(kind: int, user: str, seconds: int, line: str = "pts/0", pid: int = 7, host: str = "") -> bytes:
    """As `struct utmp` is laid out by a C compiler, with its own padding."""
    layout = struct.Struct("@hi32s4s32s256shhlll16s20s" if utmp.IS_WIDE else "@hi32s4s32s256shhiii16s20s")
    packed = layout.pack(kind, pid, line.encode(), b"ts/0", user.encode(), host.encode(), 0, 0, 0, seconds, 0, b"", b"")
    return packed.ljust(utmp.RECORD.size, b"\0")


@contextmanager
def accounts(folder: Path, number: int) -> Iterator[SignIns]:
    """So many users with homes and a group beyond their own, none of them signed in."""
    names = [f"wb{os.urandom(4).hex()}" for _ in range(number)]
    group = f"wbg{os.urandom(4).hex()}"
    signed_in = SignIns(folder / "utmp", names)
    subprocess.run(["groupadd", group], check=True)
    try:
        for name in names:
            subprocess.run(["useradd", "--create-home", "--groups", group, "--shell", "/bin/bash", name], check=True)
        signed_in.write()
        yield signed_in
    finally:
        for line in list(signed_in.sessions):
            signed_in.sign_out(line)
        for name in names:
            subprocess.run(["userdel", "--remove", "--force", name], capture_output=True, check=False)
        subprocess.run(["groupdel", group], capture_output=True, check=False)
