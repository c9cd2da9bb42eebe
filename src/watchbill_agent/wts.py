"""The calls to Windows behind `sessions_windows` and `as_user_windows`, by ctypes: asking for sessions, their tokens, and starting a program.

It decides nothing, and imports on every platform. Never run on Windows so far. Needs the rights of LocalSystem (SeTcbPrivilege).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from watchbill_agent import as_user_windows as how

_TOKEN_ACCESS = (
    0x0002 | 0x0008 | 0x0001 | 0x0080 | 0x0100
)  # DUPLICATE, QUERY, ASSIGN_PRIMARY, ADJUST_DEFAULT, ADJUST_SESSIONID
_SECURITY_IDENTIFICATION, _TOKEN_PRIMARY, _TOKEN_ELEVATION = 1, 1, 20
_STARTF_USESTDHANDLES = 0x100
_ATTRIBUTE_HANDLE_LIST = 0x0002_0002
_JOB_EXTENDED_LIMITS = 9
_KILLED = 1
_MOST_BLOCK = 65536

Handle, Dword = ctypes.c_void_p, ctypes.c_uint32


class _StartupInfo(ctypes.Structure):
    _fields_ = (
        ("size", Dword), ("reserved", ctypes.c_wchar_p), ("desktop", ctypes.c_wchar_p), ("title", ctypes.c_wchar_p),
        ("numbers", Dword * 7), ("flags", Dword), ("show", ctypes.c_uint16), ("reserved_size", ctypes.c_uint16),
        ("reserved_bytes", ctypes.c_void_p), ("stdin", Handle), ("stdout", Handle), ("stderr", Handle), ("attributes", ctypes.c_void_p),
    )  # fmt: skip


class _Process(ctypes.Structure):
    _fields_ = (("process", Handle), ("thread", Handle), ("pid", Dword), ("tid", Dword))


class _JobLimits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_int64), ("job_time", ctypes.c_int64), ("flags", Dword), ("least_set", ctypes.c_size_t),
        ("most_set", ctypes.c_size_t), ("processes", Dword), ("affinity", ctypes.c_size_t), ("priority", Dword), ("scheduling", Dword),
        ("io", ctypes.c_uint64 * 6), ("memory", ctypes.c_size_t * 4),
    )  # fmt: skip


@dataclass(frozen=True)
class Libraries:
    """The functions that are called, by their libraries."""

    kernel: Any
    advapi: Any
    wtsapi: Any
    userenv: Any
    last_error: Callable[[], int]

    def check(self, result: int, what: str) -> None:
        if not result:
            number = self.last_error()
            raise OSError(number, f"{what} failed with Windows error {number}")


def libraries() -> Libraries:
    """OSError anywhere else than on Windows."""
    there = vars(ctypes)
    if "WinDLL" not in there:
        raise OSError("this is not Windows")
    names = ("kernel32", "advapi32", "wtsapi32", "userenv")
    kernel, advapi, wtsapi, userenv = (there["WinDLL"](name, use_last_error=True) for name in names)
    # What returns a handle would be cut to 32 bits otherwise; so would handles that are passed as plain numbers.
    kernel.CreateJobObjectW.restype = Handle
    return Libraries(kernel, advapi, wtsapi, userenv, there["get_last_error"])


@dataclass(frozen=True)
class UserToken:
    """A primary token of a user, of this process until it is closed."""

    api: Libraries
    handle: Any

    @property
    def is_elevated(self) -> bool:
        told, size = Dword(0), Dword(0)
        asked = (self.handle, _TOKEN_ELEVATION, ctypes.byref(told), ctypes.sizeof(told), ctypes.byref(size))
        self.api.check(self.api.advapi.GetTokenInformation(*asked), "GetTokenInformation")
        return told.value != 0

    def close(self) -> None:
        self.api.kernel.CloseHandle(self.handle)


@dataclass(frozen=True)
class WindowsSessions:
    """`sessions_windows.Wts` of this device."""

    api: Libraries

    def sessions(self) -> tuple[bytes, int]:
        found, count = ctypes.c_void_p(), Dword(0)
        done = self.api.wtsapi.WTSEnumerateSessionsW(None, 0, 1, ctypes.byref(found), ctypes.byref(count))
        self.api.check(done, "WTSEnumerateSessionsW")
        size = 24 if ctypes.sizeof(ctypes.c_void_p) == 8 else 12
        try:
            return ctypes.string_at(found.value or 0, count.value * size), count.value
        finally:
            self.api.wtsapi.WTSFreeMemory(found)

    def asked(self, session: int, info_class: int) -> bytes:
        found, size = ctypes.c_void_p(), Dword(0)
        which = (None, session, info_class, ctypes.byref(found), ctypes.byref(size))
        if not self.api.wtsapi.WTSQuerySessionInformationW(*which) or not found.value:
            return b""
        try:
            return ctypes.string_at(found.value, size.value)
        finally:
            self.api.wtsapi.WTSFreeMemory(found)

    def token(self, session: int) -> UserToken | None:
        asked = Handle()
        if not self.api.wtsapi.WTSQueryUserToken(session, ctypes.byref(asked)):
            return None
        primary = Handle()
        wanted = (_TOKEN_ACCESS, None, _SECURITY_IDENTIFICATION, _TOKEN_PRIMARY, ctypes.byref(primary))
        done = self.api.advapi.DuplicateTokenEx(asked, *wanted)
        self.api.kernel.CloseHandle(asked)
        return UserToken(self.api, primary) if done else None


def environment(token: UserToken) -> dict[str, str]:
    """The user's own variables, as they are after a sign-in; nothing of this process."""
    block = ctypes.c_void_p()
    made = token.api.userenv.CreateEnvironmentBlock(ctypes.byref(block), token.handle, 0)
    token.api.check(made, "CreateEnvironmentBlock")
    try:
        return how.environment_of(_block_at(block.value or 0))
    finally:
        token.api.userenv.DestroyEnvironmentBlock(block)


def _block_at(address: int) -> bytes:
    """Up to the empty text; no farther, for what lies behind may not be this process's to read."""
    read = bytearray()
    while not read.endswith(b"\0\0\0\0") and len(read) < _MOST_BLOCK * 2:
        read += ctypes.string_at(address + len(read), 2)
    return bytes(read) + b"\0\0"


@dataclass(frozen=True)
class Started:
    """A program in its job. Closing the job ends the whole tree."""

    process: int
    job: int
    pid: int


def start(token: UserToken, line: str, folder: str, variables: dict[str, str], pipes: tuple[int, int, int]) -> Started:
    """Run a command line as the user, on the user's desktop, in a job of its own. `pipes`: inheritable handles of its standard streams.

    OSError when it could not be started; then nothing of it is left.
    """
    api, block = token.api, how.block_of(variables)
    with _job(api) as job, _only(api, pipes) as attributes:
        info = _StartupInfo(size=ctypes.sizeof(_StartupInfo), desktop=how.DESKTOP, flags=_STARTF_USESTDHANDLES)
        info.stdin, info.stdout, info.stderr = pipes
        info.attributes = attributes
        made, text = _Process(), ctypes.create_unicode_buffer(line)
        wanted = (
            None,
            text,
            None,
            None,
            True,
            how.CREATION_FLAGS,
            block,
            folder,
            ctypes.byref(info),
            ctypes.byref(made),
        )
        api.check(api.advapi.CreateProcessAsUserW(token.handle, *wanted), "CreateProcessAsUserW")
        try:
            _let_go(api, job, made)
        except OSError:
            api.kernel.TerminateProcess(Handle(made.process), _KILLED)
            api.kernel.CloseHandle(Handle(made.process))
            raise
        finally:
            api.kernel.CloseHandle(Handle(made.thread))
        return Started(made.process, job.value or 0, made.pid)


def _let_go(api: Libraries, job: Any, made: _Process) -> None:
    """It has not run yet: into its job first."""
    api.check(api.kernel.AssignProcessToJobObject(job, Handle(made.process)), "AssignProcessToJobObject")
    api.check(api.kernel.ResumeThread(Handle(made.thread)) >= 0, "ResumeThread")


@contextmanager
def _job(api: Libraries) -> Iterator[Any]:
    job = Handle(api.kernel.CreateJobObjectW(None, None))
    api.check(1 if job.value else 0, "CreateJobObjectW")
    limits = _JobLimits(flags=how.KILL_ON_JOB_CLOSE)
    try:
        told = (job, _JOB_EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
        api.check(api.kernel.SetInformationJobObject(*told), "SetInformationJobObject")
        yield job
    except OSError:
        api.kernel.CloseHandle(job)
        raise


@contextmanager
def _only(api: Libraries, pipes: tuple[int, int, int]) -> Iterator[int]:
    """An attribute list by which nothing but these handles is inherited."""
    size = ctypes.c_size_t(0)
    api.kernel.InitializeProcThreadAttributeList(None, 1, 0, ctypes.byref(size))  # tells how much it needs
    room = ctypes.create_string_buffer(size.value)
    api.check(
        api.kernel.InitializeProcThreadAttributeList(room, 1, 0, ctypes.byref(size)),
        "InitializeProcThreadAttributeList",
    )
    several = sorted(set(pipes))
    handles = (Handle * len(several))(*several)
    try:
        told = (
            room,
            0,
            ctypes.c_size_t(_ATTRIBUTE_HANDLE_LIST),
            handles,
            ctypes.c_size_t(ctypes.sizeof(handles)),
            None,
            None,
        )
        api.check(api.kernel.UpdateProcThreadAttribute(*told), "UpdateProcThreadAttribute")
        yield ctypes.addressof(room)
    finally:
        api.kernel.DeleteProcThreadAttributeList(room)
