"""A line by SMB: pypsexec puts PAExec, a program of 220 kB, into the machine's Windows folder and runs PowerShell by it as a service.

On the machine this leaves a file `PAExec-<process>-<host>.exe` in `%SystemRoot%` and a service of that name while the line is open, and
in its event log that there was a service; the package is put into `%SystemRoot%\\Temp`. Both are removed at the end. Antivirus programs
know PAExec as a tool that attackers use as well, and may remove it or block it. Everything after the sign-in is encrypted (SMB 3, which
is Windows 8 and Server 2012 or newer), as what goes to standard input is secret.

Never run on Windows: its tests have a Samba server, which has accounts and shares, and no services.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pypsexec.client import Client
from pypsexec.exceptions import PDUException, PypsexecException, SCMRException
from smbprotocol.exceptions import (
    AccessDenied,
    BadNetworkName,
    DiskFull,
    LogonFailure,
    PasswordExpired,
    SMBAuthenticationError,
    SMBConnectionClosed,
    SMBException,
    SMBResponseException,
)
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
)
from smbprotocol.tree import TreeConnect
from spnego.exceptions import SpnegoError

from watchbill.credentials import OpenCredential
from watchbill.onboarding.windows.line import (
    LineError,
    LostError,
    NoSpaceError,
    NotPermittedError,
    Ran,
    RefusedError,
    UnfitError,
)
from watchbill.onboarding.windows.scripts import PROGRAM, arguments

_SECONDS: Final = 15
#: Bytes of one write to a pipe.
_PIECE: Final = 32 * 1024
#: Bytes of one write to a file: a server grants less credit at first than what it calls its largest write takes.
_WRITE: Final = 1024 * 1024
#: A program that has just ended keeps its file for a moment.
_TRIES: Final = 10
_PAUSE_SECONDS: Final = 0.5
#: After these PAExec itself ends a script of ours, should we be gone.
_LONGEST_SECONDS: Final = 1800
_FAILURES: Final = (SMBException, SpnegoError, PypsexecException, ValueError, OSError)

# What they write at lower levels repeats what is sent.
for _name in ("smbprotocol", "pypsexec"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class PsExecLine:
    """A `Line` by SMB and a service."""

    def __init__(self, address: str, port: int, credential: OpenCredential) -> None:
        self.name = f"SMB on port {port}"
        self._who = credential.login
        self._place = f"{address} port {port}"
        password = credential.password.reveal() if credential.password else ""
        self._made: Callable[[], Any] = lambda: Client(
            address, username=credential.login, password=password, port=port, encrypt=True
        )
        self._client: Any = self._made()
        self._is_broken = False

    def sign_in(self) -> None:
        try:
            self._client.connect(timeout=_SECONDS)
            self._make_service()
        except _FAILURES as error:
            self._hang_up()
            raise self._why_not(error) from error

    def _make_service(self) -> None:
        try:
            self._client.create_service()
        except _FAILURES:
            with suppress(*_FAILURES):
                self._client.remove_service()
            raise

    def _why_not(self, error: Exception) -> LineError:
        if self._client.session.session_key is not None:
            return self._not_served(error)
        match error:
            case SMBAuthenticationError() | LogonFailure() | PasswordExpired() | SpnegoError():
                return RefusedError(f"it refused the password of {self._who}")
            case SMBResponseException():
                return UnfitError(f"SMB at {self._place} refused {self._who}: {_first_line(error)}")
            case _:
                return LostError(f"The connection to {self._place} broke during the sign-in of {self._who}.")

    def _not_served(self, error: Exception) -> LineError:
        """The account was accepted."""
        if not self._client.connection.supports_encryption:
            return UnfitError(f"{self._place} does not encrypt SMB, which is needed.")
        match error:
            case AccessDenied() | SCMRException(return_code=5):
                return NotPermittedError(f"{self._who} signs in by SMB, and is no administrator there.")
            case BadNetworkName():
                return NotPermittedError(f"{self._place} has no share ADMIN$.")
            case PDUException():
                return NotPermittedError(f"The service manager at {self._place} takes no service.")
            case PypsexecException() | SMBResponseException():
                return NotPermittedError(f"{self._place} takes no service: {_first_line(error)}")
            case _:
                return LostError(f"The connection to {self._place} broke before its service was made.")

    def run(self, stdin: Iterable[bytes]) -> Ran:
        try:
            stdout, stderr, code = self._client.run_executable(
                PROGRAM,
                arguments=" ".join(arguments()),
                use_system_account=True,
                timeout_seconds=_LONGEST_SECONDS,
                stdin=lambda: _pieces(stdin),
            )
        except _FAILURES as error:
            self._is_broken = True
            raise LostError(_first_line(error)) from error
        return Ran(code, stdout, stderr)

    def put(self, file: Path, name: str) -> str | None:
        try:
            share = TreeConnect(self._client.session, rf"\\{self._client.connection.server_name}\ADMIN$")
            share.connect()
            self._write(share, file, rf"Temp\{name}")
            share.disconnect()
        except DiskFull as error:
            raise NoSpaceError(f"{self._place} has no space left for the package.") from error
        except _FAILURES as error:
            raise LostError(_first_line(error)) from error
        return rf"%SystemRoot%\Temp\{name}"

    def _write(self, share: Any, file: Path, name: str) -> None:
        """Anybody may make files in that folder: ours is a new one, or none."""
        target = Open(share, name)
        target.create(
            ImpersonationLevel.Impersonation,
            FilePipePrinterAccessMask.FILE_WRITE_DATA | FilePipePrinterAccessMask.DELETE,
            FileAttributes.FILE_ATTRIBUTE_NORMAL,
            ShareAccess.FILE_SHARE_READ,
            CreateDisposition.FILE_CREATE,
            CreateOptions.FILE_NON_DIRECTORY_FILE,
        )
        size, place = min(_WRITE, self._client.connection.max_write_size), 0
        with file.open("rb") as source:
            while piece := source.read(size):
                target.write(piece, place)
                place += len(piece)
        target.close(get_attributes=False)

    def close(self) -> None:
        """Takes the service and its program away; where the connection broke, by another one."""
        try:
            if self._is_broken:
                self._hang_up()
                self._client = self._made()
                self._client.connect(timeout=_SECONDS)
            self._remove()
        except _FAILURES as error:
            raise LostError(_first_line(error)) from error
        finally:
            self._hang_up()

    def _remove(self) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._client.remove_service()
            except _FAILURES as error:
                if left == 0 or isinstance(error, SMBConnectionClosed):
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _hang_up(self) -> None:
        with suppress(*_FAILURES):
            self._client.connection.disconnect()

    def cut(self) -> None:
        self._is_broken = True
        transport = self._client.connection.transport
        if transport is not None:
            with suppress(OSError):
                transport.close()


def _pieces(stdin: Iterable[bytes]) -> Iterator[bytes]:
    for one in stdin:
        yield from (one[place : place + _PIECE] for place in range(0, len(one), _PIECE))


def _first_line(error: Exception) -> str:
    """smbprotocol tells whole messages, over many lines."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].strip()
