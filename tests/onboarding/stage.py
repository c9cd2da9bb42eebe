"""A lab with an Engine of memory on one host, machines with `sshd` on others, and the installer at work from the Engine's network."""

import ctypes
import ipaddress
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.host import Host
from tests.lab.network import Lab
from tests.lab.sshd import User, Ways, add_user, start_sshd
from tests.onboarding.acting import MemoryEngine, MemoryPackages, MemoryStory, OpenGuard, make_package
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenCredential
from watchbill.onboarding.base import Guard, Installed, Machine, OnboardingError, PackageFile, Ports, Sighting, Site
from watchbill.onboarding.ssh import Patience, SshInstaller

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of(host: Host) -> Iterator[None]:
    """What this thread, and those that it starts, open in the block, is of the host's network."""
    with Path("/proc/thread-self/ns/net").open() as own, Path(f"/proc/{host.init}/ns/net").open() as other:
        _enter(other.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@dataclass
class Ended:
    """What came of a machine."""

    story: MemoryStory
    installed: Installed | None = None
    error: OnboardingError | None = None

    @property
    def end(self) -> tuple[OnboardingState, OnboardingReason]:
        assert self.error is not None, self.story.text
        return self.error.state, self.error.reason

    @property
    def done(self) -> Installed:
        assert self.installed is not None, f"{self.error}\n{self.story.text}"
        return self.installed


@dataclass
class Stage:
    lab: Lab
    engine: MemoryEngine
    packages: MemoryPackages
    folder: Path
    guard: Guard = field(default_factory=OpenGuard)
    patience: Patience = field(default_factory=lambda: Patience(login=10.0, keepalive=1.0))
    step_seconds: float = 40.0

    @property
    def noted(self) -> list[tuple[int, bool]]:
        """Which credentials were tried, and with what success, by a guard that lets all through."""
        assert isinstance(self.guard, OpenGuard)
        return self.guard.noted

    def machine(self, *users: User, ways: Ways | None = None, name: str = "web-1") -> Host:
        host = self.lab.add(name)
        for one in users:
            add_user(host, one)
        start_sshd(host, ways)
        return host

    def package(self, version: str = "9.9.1", *, padding: int = 0, glibc: str | None = None) -> PackageFile:
        self.packages.package = make_package(self.folder, version=version, padding=padding, glibc=glibc)
        return self.packages.package

    async def install(
        self,
        host: Host,
        *credentials: OpenCredential,
        when: Callable[[str], Awaitable[None]] | None = None,
        port: int = 22,
        story: MemoryStory | None = None,
    ) -> Ended:
        story = story or MemoryStory(when)
        address = ipaddress.ip_address(str(host.address))
        there = Machine(address, Ports(ssh=port), Sighting(address, ()))
        site = Site(self.engine.url, self.step_seconds)
        work = SshInstaller(self.engine.now, self.patience)
        try:
            done = await work(there, credentials, self.guard, self.packages, self.engine, site, story)
        except OnboardingError as error:
            return Ended(story, error=error)
        return Ended(story, installed=done)


def traces(host: Host) -> list[str]:
    """What an install has left on a machine, anywhere."""
    places = "/opt/watchbill-agent /var/lib/watchbill-agent /usr/local/bin/watchbill-agent /etc/init.d/watchbill-agent"
    script = f"ls -d {places} /var/tmp/.watchbill* /tmp/.watchbill-agent* /opt/watchbill-agent/.* 2>/dev/null"
    return host.run("sh", "-c", script, is_checked=False).stdout.split()


def agent(host: Host, *words: str) -> str:
    return host.run("/usr/local/bin/watchbill-agent", *words).stdout
