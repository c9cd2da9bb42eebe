"""The agent onto a Windows machine, by WinRM or by SMB, step by step, each a task of the timeline. Safe to repeat after any cut.

What was tried and what was not: the Python of it against a WinRM server of our own, which signs in as Windows does and plays the
machine, and SMB against Samba up to the service that Samba does not have. The PowerShell in `scripts` was never run on Windows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.credentials import OpenCredential
from watchbill.onboarding.base import Engine, Guard, Installed, Machine, Packages, Site, Story
from watchbill.onboarding.plan import Plan
from watchbill.onboarding.windows.entering import Door, Entered
from watchbill.onboarding.windows.looking import Look, check_system, clock_words, decide, look_of
from watchbill.onboarding.windows.placing import Placing, whereabouts
from watchbill.onboarding.windows.remote import Remote, failed

__all__ = ["WindowsInstaller"]

#: What a package takes besides itself, in its own sizes: unpacked, and what it replaces for as long as the install lasts.
_UNPACKED: Final = 4
_DATA: Final = 16 * 1024 * 1024
#: Machines that are waited for at once, in a thread each.
_THREADS: Final = 32


@dataclass(frozen=True, slots=True)
class WindowsInstaller:
    """A `base.Installer`. `now`: the Engine's clock, which the machine's is held against; `trust`: whose certificates are trusted."""

    now: Callable[[], Awaitable[datetime]]
    trust: Path
    threads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_THREADS))

    async def __call__(
        self,
        machine: Machine,
        credentials: Sequence[OpenCredential],
        guard: Guard,
        packages: Packages,
        engine: Engine,
        site: Site,
        story: Story,
    ) -> Installed:
        remote: Remote | None = None
        try:
            async with story.task("sign in") as task:
                entered = await Door(machine, self.trust, guard, self.threads).enter(credentials)
                remote = self._remote(entered, site)
                task.detail = f"As {_who(entered.credential)} by {entered.line.name}, with “{entered.credential.name}”."
                task.snippet = "\n".join(entered.notes)
            return await _Visit(self, entered, remote, story, site).install(packages, engine)
        finally:
            if remote is not None:
                await remote.close()

    def _remote(self, entered: Entered, site: Site) -> Remote:
        return Remote(entered.line, self.threads, site.step_seconds, _secrets(entered.credential))

    async def again(self, entered: Entered, site: Site) -> Remote:
        """The machine anew, by the account that it accepted before."""
        line = entered.make()
        remote = Remote(line, self.threads, site.step_seconds, _secrets(entered.credential))
        await remote.sign_in()
        return remote


def _who(credential: OpenCredential) -> str:
    return credential.login or "whom the certificate is mapped to"


def _secrets(credential: OpenCredential) -> list[str]:
    return [one.reveal() for one in (credential.password, credential.private_key, credential.passphrase) if one]


@dataclass(frozen=True, slots=True)
class _Visit:
    """A machine that is signed in to."""

    installer: WindowsInstaller
    entered: Entered
    remote: Remote
    story: Story
    site: Site

    async def install(self, packages: Packages, engine: Engine) -> Installed:
        look, clock = await self._look()
        async with self.story.task("existing agent") as task:
            decided = await decide(look.agent, engine, self.site)
            task.detail = decided.words
            if look.is_half:
                await self.remote.run("clean", {"version": None, "before": None, "has_service": False, "from": None})
                task.detail = f"Remains of an install that was cut off were removed. {decided.words}"
        credential = self.entered.credential
        if decided.plan is Plan.DONE and look.agent is not None:
            return Installed(credential.id, look.name, look.agent.version, is_already=True)
        async with self.story.task("package") as task:
            package = await packages.get("windows", look.arch)
            task.detail = f"{package.version} for {package.arch}, {package.size / 1024 / 1024:.1f} MiB."
        async with self.story.task("clock") as task:
            task.detail = clock_words(look, *clock)
        await self._egress()
        await self._space(look, package.size)
        placing = Placing(
            self.remote,
            lambda: self.installer.again(self.entered, self.site),
            self.story,
            package,
            self.site,
        )
        await placing.install(engine, decided)
        repaired = look.agent.device_id if decided.plan is Plan.REPAIR and look.agent else None
        return Installed(credential.id, look.name, package.version, repaired=repaired)

    async def _look(self) -> tuple[Look, tuple[datetime, datetime]]:
        async with self.story.task("look") as task:
            before = await self.installer.now()
            look = look_of(await self.remote.run("look", {}))
            after = await self.installer.now()
            task.detail = f"{look.words}."
            check_system(look)
            return look, (before, after)

    async def _egress(self) -> None:
        async with self.story.task("egress") as task:
            said = await self.remote.run("reach", whereabouts(self.site.server))
            if said.get("is_reached") is not True:
                text = f"The machine does not reach {self.site.server}."
                raise failed(OnboardingReason.NO_EGRESS, text, self.remote.masked(str(said.get("detail", ""))))
            task.detail = f"{self.site.server} answers."

    async def _space(self, look: Look, size: int) -> None:
        async with self.story.task("space") as task:
            wanted, mebi = size * (1 + _UNPACKED) + _DATA, 1024 * 1024
            if look.free < wanted:
                text = f"{look.free / mebi:.0f} MiB are free where the agent goes, and {wanted / mebi:.0f} are needed."
                raise failed(OnboardingReason.NO_SPACE, text)
            task.detail = f"{look.free / mebi:.0f} MiB are free for it."
