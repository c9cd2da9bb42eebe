"""How WinRM is signed in to over HTTP: pypsrp's WS-Management on a session of ours.

The session is of ours because the server may be anybody's: its certificate has to be of the name that was found, not the one of the
URL; an answer has an end; proxies and certificates of the environment have no say; and a connection can be cut by another thread.
"""

import logging
import socket
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import requests
from pypsrp.negotiate import HTTPNegotiateAuth
from pypsrp.wsman import WSMan
from requests.auth import HTTPBasicAuth
from requests_credssp import HttpCredSSPAuth
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from watchbill.core.credential_rules import Transport
from watchbill.credentials import OpenCredential
from watchbill.kit.bounded_http import Adapter
from watchbill.onboarding.windows.line import LostError

#: Seconds for a connection, and for an answer; WS-Management's own time for an operation is less, so that it is the one to end.
CONNECT_SECONDS: Final = 15
READ_SECONDS: Final = 30
OPERATION_SECONDS: Final = 20

# What it writes at lower levels repeats messages whole, and with them what goes to standard input.
logging.getLogger("pypsrp").setLevel(logging.CRITICAL)


class Wires:
    """The connections of one session: none is opened any more once they are cut. `offered`: the ways to sign in that a refusal named."""

    def __init__(self) -> None:
        self.offered: set[str] = set()
        self._open: list[HTTPConnection] = []
        self._is_cut = False

    def add(self, connection: HTTPConnection) -> None:
        if self._is_cut:
            raise LostError("The connection was cut.")
        self._open.append(connection)

    def cut(self) -> None:
        """Wake whoever waits on them."""
        self._is_cut = True
        for connection in self._open:
            found = connection.sock
            if found is not None:
                with suppress(OSError):
                    socket.socket.shutdown(found, socket.SHUT_RDWR)

    def close(self) -> None:
        """Also those that a failed sign-in has left open."""
        for connection in self._open:
            connection.close()

    def note_offers(self, response: requests.Response) -> None:
        if response.status_code == requests.codes.unauthorized:
            offers = response.headers.get("WWW-Authenticate", "").split(",")
            self.offered |= {one.split()[0].lower() for one in offers if one.split()}


class _CutAdapter(Adapter):
    """Its connections are known to `wires`. `identity`: a certificate of ours, to sign in with."""

    def __init__(self, name: str | None, wires: Wires, identity: ssl.SSLContext | None) -> None:
        self._wires = wires
        self._identity = identity
        super().__init__(name)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        wires = self._wires

        class Plain(HTTPConnection):
            def connect(self) -> None:
                wires.add(self)
                super().connect()

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                wires.add(self)
                super().connect()
                self.is_verified = True  # or none is wanted; each request would warn of it

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        if self._identity is not None:
            options["ssl_context"] = self._identity
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def build_response(self, *args: Any, **options: Any) -> requests.Response:
        response = super().build_response(*args, **options)
        self._wires.note_offers(response)
        return response


def wsman(address: str, port: int, credential: OpenCredential, name: str, trust: Path | None, wires: Wires) -> WSMan:
    """WS-Management with a server, nothing said yet. `name`: what its certificate is of; `trust` None: any certificate will do."""
    is_tls = bool(credential.tls)
    made = WSMan(
        address,
        port=port,
        username=credential.login,
        ssl=is_tls,
        auth="ntlm" if credential.transport is None else credential.transport.value,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        operation_timeout=OPERATION_SECONDS,
        reconnection_backoff=0.0,
        no_proxy=True,
    )
    made.transport.session = _session(credential, name if is_tls else None, trust, wires)
    return made


def _session(credential: OpenCredential, name: str | None, trust: Path | None, wires: Wires) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.verify = str(trust) if trust else False
    session.headers["Accept-Encoding"] = "identity"
    session.headers["User-Agent"] = "watchbill"
    identity = None
    password = credential.password.reveal() if credential.password else ""
    match credential.transport:
        case Transport.CERTIFICATE:
            identity = _identity(credential)
            session.headers["Authorization"] = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
        case Transport.BASIC:
            session.auth = HTTPBasicAuth(credential.login.encode(), password.encode())
        case Transport.CREDSSP:
            session.auth = HttpCredSSPAuth(credential.login, password)
        case _:
            session.auth = HTTPNegotiateAuth(
                credential.login, password, auth_provider="ntlm", wrap_required=not credential.tls
            )
    adapter = _CutAdapter(name, wires, identity)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _identity(credential: OpenCredential) -> ssl.SSLContext:
    """The certificate to sign in with. OpenSSL reads keys from files alone: this one is there for a moment, for its owner."""
    context = ssl.create_default_context()
    context.check_hostname = False
    assert credential.certificate is not None
    assert credential.private_key is not None
    with tempfile.TemporaryDirectory(prefix="wb") as folder:
        chain, key = Path(folder) / "chain.pem", Path(folder) / "key.pem"
        chain.write_text(credential.certificate)
        key.touch(0o600)
        key.write_text(credential.private_key.reveal())
        context.load_cert_chain(chain, key, credential.passphrase.reveal() if credential.passphrase else None)
    return context
