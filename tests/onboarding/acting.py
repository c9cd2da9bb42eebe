"""What onboarding is tested with where no Engine runs: an Engine, a timeline and packages that live in memory."""

import asyncio
import datetime as dt
import hashlib
import io
import ipaddress
import json
import secrets
import ssl
import sys
import tarfile
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import watchbill_wire as w
from watchbill.core.credential_rules import CredentialKind
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenBecome, OpenCredential
from watchbill.kit.secrets import Secret
from watchbill.onboarding.base import Known, OnboardingError, PackageFile, Task


def credential(
    number: int = 1,
    *,
    username: str = "ada",
    password: str | None = None,
    private_key: str | None = None,
    passphrase: str | None = None,
    become: OpenBecome | None = None,
    kind: CredentialKind = CredentialKind.SSH,
) -> OpenCredential:
    """A credential that is named by its number."""
    return OpenCredential(
        id=number,
        site_id=None,
        name=f"Credential {number}",
        kind=kind,
        username=username,
        domain=None,
        login=username,
        port=None,
        default_port=22,
        password=_secret(password),
        private_key=_secret(private_key),
        passphrase=_secret(passphrase),
        transport=None,
        tls=None,
        validate_certificates=True,
        certificate=None,
        become=become,
    )


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


@dataclass(frozen=True)
class Told:
    """One line of a timeline. `state`: done, failed, or cut where something else than an OnboardingError left it."""

    name: str
    state: str
    detail: str
    snippet: str


@dataclass
class MemoryStory:
    """A timeline that is kept. `when` is called as a task begins, and may get in its way."""

    when: Callable[[str], Awaitable[None]] | None = None
    told: list[Told] = field(default_factory=list)

    @asynccontextmanager
    async def task(self, name: str) -> AsyncIterator[Task]:
        task = Task(name)
        if self.when is not None:
            await self.when(name)
        try:
            yield task
        except OnboardingError as error:
            self.told.append(Told(name, "failed", str(error), error.snippet or task.snippet))
            raise
        except BaseException:
            self.told.append(Told(name, "cut", task.detail, task.snippet))
            raise
        self.told.append(Told(name, "done", task.detail, task.snippet))

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.told]

    @property
    def text(self) -> str:
        return "\n".join(f"{one.name} [{one.state}] {one.detail} {one.snippet}" for one in self.told)


class OpenGuard:
    """A guard that lets everything through, and notes it."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, bool]] = []

    async def may_try(self, credential: OpenCredential) -> str | None:
        return None

    async def tried(self, credential: OpenCredential, *, accepted: bool) -> None:
        self.noted.append((credential.id, accepted))


@dataclass
class MemoryPackages:
    """One package for x86_64: the agent of this tree, whose one program starts it by this Python."""

    package: PackageFile

    async def get(self, platform: str, arch: str) -> PackageFile:
        if (platform, arch) != ("linux", self.package.arch):
            detail = f"The branch has no agent for {platform} {arch}."
            raise OnboardingError(OnboardingState.UNSUPPORTED, OnboardingReason.NO_PACKAGE, detail)
        return self.package


def make_package(folder: Path, *, version: str = "9.9.1", padding: int = 0, glibc: str | None = None) -> PackageFile:
    """`padding`: bytes that nothing makes smaller."""
    path = folder / f"watchbill-agent-{version}-linux-x86_64.tar.gz"
    program = f'#!/bin/sh\nexec {sys.executable} -m watchbill_agent "$@"\n'
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content, mode in (
            ("watchbill-agent", program.encode(), 0o755),
            ("_internal/padding", secrets.token_bytes(padding), 0o644),
        ):
            info = tarfile.TarInfo(f"watchbill-agent-{version}/{name}")
            info.size, info.mode = len(content), mode
            archive.addfile(info, io.BytesIO(content))
    return sign_package(path, version, glibc)


def sign_package(path: Path, version: str, glibc: str | None = None) -> PackageFile:
    raw = path.read_bytes()
    sha256 = hashlib.sha256(raw).hexdigest()
    built_at = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
    manifest = w.PackageManifest(version, "linux", "x86_64", sha256, len(raw), built_at, glibc).to_text().encode()
    key = Ed25519PrivateKey.generate()
    return PackageFile(
        version=version,
        platform="linux",
        arch="x86_64",
        path=path,
        sha256=sha256,
        size=len(raw),
        manifest=manifest,
        signature=key.sign(w.package_signing_bytes(manifest)),
        signing_key=w.base64url(key.public_key().public_bytes_raw()),
        glibc=glibc,
    )


class MemoryEngine:
    """A `base.Engine`, and the part of its HTTPS API that an agent enrols with."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.folder, self.address = folder, address
        self.pinned: dict[str, str] = {}
        self.codes: list[str] = []
        self.requests: dict[str, dict[str, Any]] = {}
        self.devices: dict[str, Known] = {}
        self.approved: dict[str, str] = {}
        self.clock_ahead = dt.timedelta()
        self.loses_requests = False
        self.refuses = False
        self.pins_nothing = False
        self.host_key: str | None = None
        self._key = Ed25519PrivateKey.generate()

    # --- as the installer sees it --------------------------------------------------------------------------------------

    async def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.clock_ahead

    async def device(self, device_id: str) -> Known | None:
        return self.devices.get(device_id)

    async def check_host_key(self, offered: str) -> str | None:
        if self.pins_nothing:
            return None
        self.host_key = self.host_key or offered
        return None if offered == self.host_key else "Its SSH host key has changed."

    async def issue_code(self) -> str:
        self.codes.append(f"CODE-{secrets.token_hex(8).upper()}")
        return f"{self.codes[-1]}.{self.pin}"

    async def enrolled(self, seconds: float) -> bool:
        if self.loses_requests:
            return False
        async with asyncio.timeout(10):
            while seconds and not self._has_asked():
                await asyncio.sleep(0.05)
        return self._has_asked()

    def _has_asked(self) -> bool:
        return any(one["code"] in self.codes for one in self.requests.values())

    # --- as an agent sees it -------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        context, self.pin = _certificate(self.folder, self.address)
        self._http = ThreadingHTTPServer((self.address, 0), _handler(self))
        self._http.daemon_threads = True
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        self.port = self._http.server_address[1]

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    def approve_all(self) -> str:
        """All that asked are approved; the last one's device."""
        for one in self.requests:
            device_id = self.approved.setdefault(one, str(uuid.uuid4()))
            self.devices.setdefault(device_id, Known(self.requests[one]["hostname"], is_accepted=True, is_online=False))
        return device_id

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/api/agent/enrol":
            if self.refuses or body["code"] not in self.codes:
                return 403, {"code": "enrolment_refused", "title": "the code is used up"}
            asked = str(uuid.uuid4())
            self.requests[asked] = body
            return 202, {"enrolment_id": asked, "poll_token": "p" * 20, "state": "pending", "poll_after_seconds": 0.2}
        asked = path.split("/")[-2]
        if not path.endswith("/poll"):
            return 503, {"code": "unavailable", "title": "this Engine does no more than enrol"}
        if asked not in self.requests:
            return 404, {"code": "not_found", "title": "no such request"}
        device_id = self.approved.get(asked)
        keys = [{"key_id": "one", "public_key": w.base64url(self._key.public_key().public_bytes_raw())}]
        return 200, {
            "state": "approved" if device_id else "pending",
            "device_id": device_id,
            "engine_keys": keys if device_id else [],
            "gateway_url": f"wss://{self.address}:1",
            "poll_after_seconds": 0.2,
        }


def _certificate(folder: Path, address: str) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "engine")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = builder.not_valid_after(now + dt.timedelta(days=30)).add_extension(names, critical=False)
    signed = made.sign(key, hashes.SHA256()).public_bytes
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "tls.pem").write_bytes(signed(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    return context, w.pin_of(signed(serialization.Encoding.DER))


def _handler(engine: MemoryEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._say(*engine.answer(self.path, body))

        def do_GET(self) -> None:
            self._say(404, {"code": "not_found"})

        def _say(self, status: int, answer: dict[str, Any]) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # a connection that was only opened

        def log_request(self, *_: object) -> None:
            return

    return Handler
