"""A WinRM server without Windows: real TLS, real sign-ins, real WS-Management; only PowerShell is missing.

It decodes the script that a client wants run and asks the test what comes of it: a command of this machine, or output that is given.
"""

import base64
import os
import re
import shlex
import ssl
import subprocess
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.winrm import soap
from tests.winrm.certificates import Pair
from tests.winrm.sign_in import Basic, CredSsp, Ntlm, Reply
from tests.winrm.soap import Asked

#: Of one answer: what Windows' envelopes of 150 kB have room for.
_PIECE = 65536


class Fault(Enum):
    HANG = auto()
    #: A byte now and then, for ever.
    DRIP = auto()
    #: As much as is taken.
    FLOOD = auto()
    CUT = auto()
    STATUS_500 = auto()
    DENIED = auto()
    NONSENSE = auto()


@dataclass(frozen=True)
class Answer:
    """What comes of a script: output and a code, or a command line that is run here."""

    stdout: bytes = b""
    stderr: bytes = b""
    code: int = 0
    command: str | None = None


class _Command:
    """A command that was begun: pieces of its output as they come, and its end. Without an answer it reads its input first."""

    def __init__(self, line: str, answer: Answer | None) -> None:
        self._changed = threading.Condition()
        self._pieces: list[tuple[str, bytes]] = []
        self._code: int | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.line = line
        self.stdin = b""
        if answer is not None:
            self.answer(answer)

    @property
    def name(self) -> str:
        """Of the script that has come by standard input, as its first line says."""
        first = self.stdin.partition(b"\n")[0]
        found = re.match(rb"# watchbill: (\w+)", base64.b64decode(first)) if first else None
        return found[1].decode() if found else ""

    def answer(self, answer: Answer) -> None:
        if answer.command is None:
            self._pieces = [
                (name, data[place : place + _PIECE])
                for name, data in (("stdout", answer.stdout), ("stderr", answer.stderr))
                for place in range(0, len(data), _PIECE)
            ]
            with self._changed:
                self._code = answer.code
                self._changed.notify_all()
        else:
            self.process = subprocess.Popen(
                answer.command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )
            threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), _PIECE):
            with self._changed:
                self._pieces.append(("stdout", data))
                self._changed.notify_all()
        process.stdout.close()
        code = process.wait()
        with self._changed:
            self._code = code
            self._changed.notify_all()

    def next(self, seconds: float) -> tuple[list[tuple[str, bytes]], int | None] | None:
        """A piece, and the code with the last; None when nothing came in that time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._pieces or self._code is not None, seconds):
                return None
            pieces, self._pieces = self._pieces[:1], self._pieces[1:]
            return pieces, None if self._pieces else self._code

    def end(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)
            self.process.wait()


@dataclass
class Endpoint:
    """A running server, and all that was asked of it. `faults` are by what is asked: Create, Command, Receive and so on."""

    accounts: dict[str, str]
    offers: tuple[str, ...]
    accounts_file: Path
    certificate: x509.Certificate | None = None
    port: int = 0
    answer: Callable[[str], Answer] = lambda _: Answer()
    #: What comes of a command line and of all that was sent to its standard input; where this is given, `answer` is not asked.
    talk: Callable[[str, bytes], Answer] | None = None
    #: Also by what is asked and the script that has come by standard input: "Receive look".
    faults: dict[str, Fault] = field(default_factory=dict)
    #: Sign-ins that came to an end, and whether they were let in. One by CredSSP that fails ends with its client.
    attempts: list[bool] = field(default_factory=list)
    #: Sign-ins that were begun by NTLM or CredSSP.
    begun: int = 0
    scripts: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    #: Messages that came encrypted, and those that did not.
    sealed: Counter[bool] = field(default_factory=Counter)
    shells: dict[str, dict[str, _Command]] = field(default_factory=dict)
    running: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def do(self, asked: Asked) -> tuple[int, bytes]:
        """A status, and the message to answer with."""
        self.asked[asked.action] += 1
        if asked.action == "Create":
            shell_id = str(uuid.uuid4()).upper()
            self.shells[shell_id] = {}
            return 200, soap.created(asked, shell_id)
        commands = self.shells.get(asked.shell_id or "")
        if commands is None:
            return 500, soap.fault(asked, 2150858843, "The shell was not found on the server.")
        if asked.action == "Delete":
            del self.shells[asked.shell_id or ""]
            return self._end(asked, commands)
        if asked.action == "Command":
            return self._begin(asked, commands)
        command = commands[asked.command_id or ""]
        if asked.action == "Receive":
            return self._receive(asked, command)
        if asked.action == "Send" and self.talk is not None:
            return self._take(asked, command, self.talk)
        return self._end(asked, {"": command} if asked.action == "Signal" else {})

    def _begin(self, asked: Asked, commands: dict[str, _Command]) -> tuple[int, bytes]:
        line = f"{asked.text('.//rsp:Command')} {asked.text('.//rsp:Arguments')}"
        script = decoded(line)
        self.scripts.append(script)
        command_id = str(uuid.uuid4()).upper()
        commands[command_id] = _Command(line, self.answer(script) if self.talk is None else None)
        self.running.set()
        return 200, soap.begun(asked, command_id)

    @staticmethod
    def _take(asked: Asked, command: _Command, talk: Callable[[str, bytes], Answer]) -> tuple[int, bytes]:
        data, is_end = asked.stdin
        command.stdin += data
        if is_end:
            command.answer(talk(command.line, command.stdin))
        return 200, soap.done(asked)

    def fault_of(self, asked: Asked) -> Fault | None:
        command = self.shells.get(asked.shell_id or "", {}).get(asked.command_id or "")
        return self.faults.get(asked.action) or self.faults.get(f"{asked.action} {command.name if command else ''}")

    def _receive(self, asked: Asked, command: _Command) -> tuple[int, bytes]:
        found = command.next(asked.seconds)
        if found is None:
            return 500, soap.fault(asked, soap.TIMED_OUT, "The operation timed out.")
        return 200, soap.received(asked, *found)

    @staticmethod
    def _end(asked: Asked, commands: dict[str, _Command]) -> tuple[int, bytes]:
        for command in commands.values():
            command.end()
        return 200, soap.done(asked)

    def forget_accounts(self) -> None:
        """From now on nobody signs in; who is in stays in."""
        self.accounts.clear()
        self.accounts_file.write_text("")

    def end_all(self) -> None:
        for commands in self.shells.values():
            for command in commands.values():
                command.end()


def decoded(line: str) -> str:
    """The script of a PowerShell command line; any other line as it is."""
    words = shlex.split(line, posix=False)
    for before, word in pairwise(words):
        if before.lower() == "-encodedcommand":
            return base64.b64decode(word).decode("utf-16-le")
    return line


class _Handler(BaseHTTPRequestHandler):
    """One connection. Who signs in by NTLM or CredSSP is signed in on their connection."""

    protocol_version = "HTTP/1.1"
    endpoint: Endpoint

    def setup(self) -> None:
        super().setup()
        self.context: Ntlm | CredSsp | None = None
        self.is_in = False

    def log_message(self, *_: Any) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        reply = self._admitted()
        if not reply.is_in:
            self._send(401, b"", offers=reply.token or "")
        elif not body:
            self._send(200, b"")
        else:
            self._answer(body)

    # Who is let in.

    def _admitted(self) -> Reply:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if self.is_in and scheme in {"", "Negotiate", "NTLM", "CredSSP"}:
            return Reply(is_in=True)
        if scheme.startswith("http:"):
            return self._by_certificate()
        if scheme == "" or scheme not in self.endpoint.offers:
            return Reply(is_in=False)
        return self._basic(token) if scheme == "Basic" else self._context(scheme, token)

    def _by_certificate(self) -> Reply:
        connection = self.connection
        is_in = isinstance(connection, ssl.SSLSocket) and bool(connection.getpeercert())
        self.endpoint.attempts.append(is_in)
        return Reply(is_in)

    def _basic(self, token: str) -> Reply:
        reply = Basic(self.endpoint.accounts).step(token)
        self.endpoint.attempts.append(reply.is_in)
        return reply

    def _context(self, scheme: str, token: str) -> Reply:
        if self.context is None:
            self.endpoint.begun += 1
            self.context = CredSsp() if scheme == "CredSSP" else Ntlm(self.endpoint.certificate)
        try:
            reply = self.context.step(token)
        except PermissionError:
            self.context = None
            self.endpoint.attempts.append(False)
            return Reply(is_in=False)
        if reply.is_in:
            self.is_in = True
            self.endpoint.attempts.append(True)
            return reply
        return Reply(is_in=False, token=f"{scheme} {reply.token}")

    # What is answered.

    def _answer(self, body: bytes) -> None:
        is_sealed = self.headers.get("Content-Type", "").startswith("multipart/")
        is_tls = isinstance(self.connection, ssl.SSLSocket)
        self.endpoint.sealed[is_sealed or is_tls] += 1
        if not is_sealed and not is_tls:
            self._send(500, b"")  # as Windows, which takes nothing that is not encrypted
            return
        asked = soap.read(self.context.opened(body) if is_sealed and self.context else body)
        fault = self.endpoint.fault_of(asked)
        if fault is not None:
            self._break(fault, asked)
            return
        status, message = self.endpoint.do(asked)
        self._send(status, message, is_sealed=is_sealed)

    def _break(self, fault: Fault, asked: Asked) -> None:
        self.endpoint.asked[asked.action] += 1
        if fault is Fault.HANG:
            self.endpoint.closing.wait()
        elif fault is Fault.STATUS_500:
            self._send(500, b"")
        elif fault is Fault.DENIED:
            self._send(500, soap.fault(asked, soap.ACCESS_DENIED, "Access is denied."))
        elif fault is Fault.NONSENSE:
            self._send(200, b"<html>It works!</html>")
        else:
            self._head(200, 1 << 40, "application/soap+xml;charset=UTF-8")
            self.wfile.write(b"<s:Envelope")
            while fault is Fault.DRIP and not self.endpoint.closing.wait(0.1):
                self.wfile.write(b" ")
            while fault is Fault.FLOOD and not self.endpoint.closing.is_set():
                self.wfile.write(bytes(_PIECE))
        self.close_connection = True

    def _send(self, status: int, message: bytes, *, offers: str | None = None, is_sealed: bool = False) -> None:
        kind = "application/soap+xml;charset=UTF-8"
        if is_sealed and self.context is not None:
            kind = f'multipart/encrypted;protocol="{self.context.protocol}";boundary="Encrypted Boundary"'
            message = self.context.sealed(message)
        self._head(status, len(message), kind, offers)
        self.wfile.write(message)

    def _head(self, status: int, length: int, kind: str, offers: str | None = None) -> None:
        self.send_response(status)
        for offer in [offers] if offers else self.endpoint.offers if offers == "" else []:
            self.send_header("WWW-Authenticate", 'Basic realm="WSMAN"' if offer == "Basic" else offer)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the thread of its connection, so that a client that never speaks keeps nobody waiting."""
        try:
            wrapped = self.tls.wrap_socket(request, server_side=True) if self.tls else request
            with wrapped:
                super().finish_request(wrapped, client_address)
        except (OSError, ssl.SSLError):
            return


@contextmanager
def endpoint(
    accounts: dict[str, str], *, server: Pair | None = None, clients: Pair | None = None, offers: tuple[str, ...]
) -> Iterator[Endpoint]:
    """A server on 127.0.0.1, by TLS where it has a certificate. `clients`: who signs the certificates of accounts."""
    with _known(accounts) as known:
        made = Endpoint(dict(accounts), offers, known, server.certificate if server else None)
        handler = type("Handler", (_Handler,), {"endpoint": made})
        with _serving(made, _Server(("127.0.0.1", 0), handler)) as running:
            running.tls = _tls(server, clients) if server else None
            yield made


@contextmanager
def _serving(made: Endpoint, running: "_Server") -> Iterator["_Server"]:
    with running:
        made.port = running.server_address[1]
        serving = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield running
        finally:
            made.closing.set()
            made.end_all()
            running.shutdown()
            serving.join()


@contextmanager
def _known(accounts: dict[str, str]) -> Iterator[Path]:
    """Where pyspnego's side of a server finds the accounts: DOMAIN:USER:PASSWORD."""
    lines = []
    for name, password in accounts.items():
        domain, _, user = name.rpartition("\\")
        lines.append(f"{domain}:{user}:{password}\n")
    with tempfile.TemporaryDirectory(prefix="wbwinrm") as folder:
        path = Path(folder) / "accounts"
        path.write_text("".join(lines))
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = str(path)
        try:
            yield path
        finally:
            if before is None:
                del os.environ["NTLM_USER_FILE"]
            else:
                os.environ["NTLM_USER_FILE"] = before


def _tls(server: Pair, clients: Pair | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="wbwinrm") as folder:
        chain, key = Path(folder) / "chain.pem", Path(folder) / "key.pem"
        chain.write_text(server.pem)
        key.write_text(server.key_pem)
        context.load_cert_chain(chain, key)
    if clients is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=clients.pem)
    return context
