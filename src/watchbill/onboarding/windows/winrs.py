"""A line by WinRM: PowerShell as a process of a remote `cmd` shell (WinRS).

WinRS rather than pypsrp's runspace pool: it runs the very command line that goes over SMB too, so the scripts exist once; it gives exit
codes and takes standard input as a stream; and the server of our tests speaks it. What is gained by runspaces, objects instead of
text, nothing here has a use for.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import requests
from pypsrp.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from pypsrp.wsman import NAMESPACES, OptionSet, SelectorSet, WSMan
from requests_credssp.exceptions import AuthenticationException, NTStatusException
from spnego.exceptions import SpnegoError

from watchbill.core.credential_rules import Transport
from watchbill.credentials import OpenCredential
from watchbill.onboarding.windows.line import LineError, LostError, NotPermittedError, Ran, RefusedError, UnfitError
from watchbill.onboarding.windows.scripts import PROGRAM, arguments
from watchbill.onboarding.windows.session import Wires, wsman

_ACCESS_DENIED: Final = 5
#: Bytes of standard input in one message: encoded twice, less than the 150 kB that every Windows takes.
_PIECE: Final = 72 * 1024
#: What is kept of an output: no script of ours says as much.
_LONGEST: Final = 1_000_000
_NOT_IN: Final = (AuthenticationError, AuthenticationException, NTStatusException, SpnegoError)
_FAILURES: Final = (*_NOT_IN, WinRMError, requests.RequestException, ET.ParseError, ValueError, OSError)
#: What a server calls each way to sign in.
_OFFERED: Final = {
    Transport.NTLM: ("ntlm", "negotiate"),
    Transport.BASIC: ("basic",),
    Transport.CREDSSP: ("credssp",),
}


class _Shell(WinRS):
    """Standard input is a pipe; Windows would have made it a console.

    The code page stays as it is: all of ours is ASCII, and with UTF-8 PowerShell 5.1 puts a byte order mark before what it pipes on.
    """

    def command(self, executable: str, arguments: list[str] | None, *_: Any, **__: Any) -> ET.Element:
        options, selectors = OptionSet(), SelectorSet()
        options.add_option("WINRS_CONSOLEMODE_STDIN", "FALSE")
        options.add_option("WINRS_SKIP_CMD_SHELL", "FALSE")
        selectors.add_option("ShellId", self.id or "")
        line = ET.Element(f"{{{NAMESPACES['rsp']}}}CommandLine")
        ET.SubElement(line, f"{{{NAMESPACES['rsp']}}}Command").text = executable
        for argument in arguments or ():
            ET.SubElement(line, f"{{{NAMESPACES['rsp']}}}Arguments").text = argument
        return self.wsman.command(self.resource_uri, line, option_set=options, selector_set=selectors)


class WinRsLine:
    """A `Line` by WinRM. `host_name`: what the server's certificate was found to be of."""

    def __init__(self, address: str, port: int, credential: OpenCredential, host_name: str, trust: Path | None) -> None:
        self.name = f"WinRM{' over TLS' if credential.tls else ''} on port {port}, {credential.transport}"
        self._credential = credential
        self._place = f"{address} port {port}"
        self._is_broken = False
        self._made: Callable[[Wires], WSMan] = lambda wires: wsman(address, port, credential, host_name, trust, wires)
        self._wires = Wires()
        self._wsman = self._made(self._wires)
        self._shell = _Shell(self._wsman)

    def sign_in(self) -> None:
        try:
            self._shell.open()
        except _FAILURES as error:
            self._hang_up()
            raise self._why_not(error) from error

    def _why_not(self, error: Exception) -> LineError:
        who = self._credential.login or "the certificate"
        match error:
            case AuthenticationError() | AuthenticationException() | NTStatusException() | SpnegoError():
                return self._not_accepted(who)
            case WSManFaultError() if error.code == _ACCESS_DENIED:
                return NotPermittedError(f"WinRM refused {who} a shell: {_reason(error)}.")
            case WSManFaultError():
                return UnfitError(f"WinRM refused {who} a shell: {_reason(error)}.")
            case WinRMTransportError():
                return UnfitError(f"WinRM answered {who} with the HTTP status {error.code}.")
            case requests.exceptions.SSLError():
                return LostError(f"TLS with {self._place} failed during the sign-in of {who}.")
            case requests.RequestException() | OSError():
                return LostError(f"The connection to {self._place} broke during the sign-in of {who}.")
            case _:
                return UnfitError(f"What answers at {self._place} does not speak WinRM.")

    def _not_accepted(self, who: str) -> LineError:
        transport = self._credential.transport or Transport.NTLM
        if transport is Transport.CERTIFICATE:
            return RefusedError("it refused the certificate: no account is mapped to it, or its signer is not trusted")
        if self._wires.offered and not self._wires.offered.intersection(_OFFERED.get(transport, ())):
            offers = ", ".join(sorted(self._wires.offered))
            return UnfitError(f"{self._place} lets nobody sign in by {transport}; it offers {offers}.")
        return RefusedError(f"it refused the password of {who}")

    def run(self, stdin: Iterable[bytes]) -> Ran:
        try:
            process = Process(self._shell, PROGRAM, list(arguments()))
            process.begin_invoke()
            self._feed(process, stdin)
            return self._rest(process)
        except _FAILURES as error:
            self._is_broken = True
            raise _lost(error) from error

    @staticmethod
    def _feed(process: Process, stdin: Iterable[bytes]) -> None:
        waiting = b""
        try:
            for piece in stdin:
                waiting += piece
                while len(waiting) >= _PIECE:
                    process.send(waiting[:_PIECE], end=False)
                    waiting = waiting[_PIECE:]
            process.send(waiting, end=True)
        except WSManFaultError:
            return  # it has ended by itself: what it said tells why

    @staticmethod
    def _rest(process: Process) -> Ran:
        while process.state != CommandState.DONE:
            process.poll_invoke()
            if len(process.stdout) + len(process.stderr) > _LONGEST:
                raise LostError("It says more than any script of ours.")
        with suppress(WSManFaultError):
            process.signal(SignalCode.TERMINATE)  # as the protocol wants it of every command
        return Ran(process.rc or 0, process.stdout, process.stderr)

    def put(self, _file: Path, _name: str) -> str | None:
        return None

    def close(self) -> None:
        """Closing the shell ends what runs in it. Where its connection broke, by another one: Windows keeps a shell for two hours."""
        if self._is_broken and self._shell.opened:
            self._hang_up()
            self._wires = Wires()
            self._wsman = self._shell.wsman = self._made(self._wires)
        try:
            self._shell.close()
        except _FAILURES as error:
            self._shell.opened = False
            raise _lost(error) from error
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        self._wsman.close()
        self._wires.close()

    def cut(self) -> None:
        self._is_broken = True
        self._wires.cut()


def _reason(error: WSManFaultError) -> str:
    return str(error.reason or f"the fault {error.code}").strip().rstrip(".")


def _lost(error: Exception) -> LostError:
    match error:
        case WSManFaultError():
            return LostError(f"{_reason(error)}.")
        case WinRMTransportError():
            return LostError(f"WinRM answered with the HTTP status {error.code}.")
        case AuthenticationError():
            return LostError("The account is not accepted any more.")
        case requests.Timeout():
            return LostError("The machine does not answer any more.")
        case requests.RequestException() | OSError():
            return LostError("It broke.")
        case _:
            return LostError("What answers does not speak WinRM any more.")
