"""An onboarding of one Windows machine in memory: the Engine, the guard, the packages and the timeline; the machine is an endpoint of HTTP."""

import hashlib
import io
import ipaddress
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.winrm.endpoint import Endpoint
from tests.winrm.machine import Windows
from watchbill.core.credential_rules import CredentialKind, Transport
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenCredential
from watchbill.kit.secrets import Secret
from watchbill.onboarding.base import (
    Guard,
    Installed,
    Knock,
    Known,
    Machine,
    OnboardingError,
    PackageFile,
    Ports,
    Sighting,
    Site,
    Task,
)
from watchbill.onboarding.windows import WindowsInstaller

PASSWORD = "Pa55 'w' \"q\" ü"
ACCOUNTS = {"svc": PASSWORD, "CORP\\adm": "other password"}
OFFERS = ("Negotiate", "Basic", "CredSSP")
SERVER = "https://engine.example:8470"
CODE = "CODE-1234567"
PIN = "a" * 51 + "q"


def credential(number: int = 1, **more: Any) -> OpenCredential:
    given: dict[str, Any] = {
        "id": number,
        "site_id": None,
        "name": f"windows {number}",
        "kind": CredentialKind.WINRM,
        "username": "svc",
        "domain": None,
        "login": "svc",
        "port": None,
        "default_port": 5986,
        "password": Secret(PASSWORD),
        "private_key": None,
        "passphrase": None,
        "transport": Transport.NTLM,
        "tls": True,
        "validate_certificates": True,
        "certificate": None,
        "become": None,
    }
    return OpenCredential(**(given | more))


def packed(version: str = "1.2.3", size: int = 200_000) -> bytes:
    """A package as it is built for Windows, and as large."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"watchbill-agent-{version}/watchbill-agent.exe", bytes(range(256)) * (size // 256))
    return file.getvalue()


@dataclass
class World:
    """What an installer is given, and all that it did with it."""

    folder: Path
    trust: Path
    known: dict[str, Known] = field(default_factory=dict)
    windows: Windows = field(default_factory=Windows)
    tasks: list[tuple[str, str, Task]] = field(default_factory=list)
    tries: list[tuple[int, bool]] = field(default_factory=list)
    held_back: dict[int, str] = field(default_factory=dict)
    codes: int = 0
    is_deaf: bool = False
    step_seconds: float = 20.0
    #: In place of the one in memory, which lets everybody try that is not held back.
    guard: Guard | None = None
    data: bytes = field(default_factory=packed)

    # base.Story

    @asynccontextmanager
    async def task(self, name: str) -> AsyncIterator[Task]:
        task = Task(name)
        try:
            yield task
        except OnboardingError as error:
            task.detail, task.snippet = str(error), error.snippet or task.snippet
            self.tasks.append((name, "failed", task))
            raise
        self.tasks.append((name, "done", task))

    def said(self, name: str) -> Task:
        """The last task of that name."""
        return [task for title, _, task in self.tasks if title == name][-1]

    @property
    def steps(self) -> list[str]:
        return [name for name, state, _ in self.tasks if state == "done"]

    # base.Guard

    async def may_try(self, credential: OpenCredential) -> str | None:
        return self.held_back.get(credential.id)

    async def tried(self, credential: OpenCredential, *, accepted: bool) -> None:
        self.tries.append((credential.id, accepted))

    # base.Packages

    async def get(self, platform: str, arch: str) -> PackageFile:
        if (platform, arch) != ("windows", "x86_64"):
            text = f"The branch has no agent for {platform} {arch}; it has windows x86_64."
            raise OnboardingError(OnboardingState.UNSUPPORTED, OnboardingReason.NO_PACKAGE, text)
        path = self.folder / "package.zip"
        path.write_bytes(self.data)
        digest = hashlib.sha256(self.data).hexdigest()
        return PackageFile(
            "1.2.3", platform, arch, path, digest, len(self.data), b'{"format":1}', b"\xfb" * 64, "-key_"
        )

    # base.Engine

    async def device(self, device_id: str) -> Known | None:
        return self.known.get(device_id)

    async def check_host_key(self, offered: str) -> str | None:
        raise AssertionError(offered)

    async def issue_code(self) -> str:
        self.codes += 1
        return f"{CODE}{self.codes}.{PIN}"

    async def enrolled(self, seconds: float) -> bool:
        return self.windows.state == "pending" and self.windows.server == SERVER and not self.is_deaf

    # The install.

    async def install(self, machine: Machine, *credentials: OpenCredential) -> Installed:
        async def now() -> datetime:
            return datetime.now(UTC)

        installer = WindowsInstaller(now, self.trust)
        site = Site(SERVER, self.step_seconds, "beta")
        return await installer(machine, credentials or (credential(),), self.guard or self, self, self, site, self)

    async def ends(self, machine: Machine, *credentials: OpenCredential) -> OnboardingError:
        """Where it went no further."""
        try:
            installed = await self.install(machine, *credentials)
        except OnboardingError as error:
            return error
        raise AssertionError(installed)


def machine(*endpoints: Endpoint, smb: int | None = None, name: str | None = "web-1") -> Machine:
    """A machine at 127.0.0.1: WinRM by TLS at the first endpoint that has it, else by HTTP."""
    tls = [one.port for one in endpoints if one.certificate is not None]
    plain = [one.port for one in endpoints if one.certificate is None]
    ports = Ports(winrm=plain[0] if plain else 1, winrm_tls=tls[0] if tls else 2, smb=smb or 3)
    knocks = [
        Knock(ports.winrm, bool(plain), detail="" if plain else "refused"),
        Knock(ports.winrm_tls, bool(tls), detail="" if tls else "refused"),
        Knock(ports.smb, smb is not None, detail="" if smb else "refused"),
    ]
    address = ipaddress.ip_address("127.0.0.1")
    return Machine(address, ports, Sighting(address, knocks), name)


def state_of(error: OnboardingError) -> tuple[str, str]:
    return error.state.value, error.reason.value


STEPS: Sequence[str] = (
    *("sign in", "look", "existing agent", "package", "clock", "egress", "space"),
    *("upload", "verify", "install", "enrol", "service", "asked"),
)
