"""The agent onto a Linux machine over SSH, step by step, each a task of the timeline. Safe to repeat after it was cut off anywhere.

Nothing is written before the machine is known to be fit for it. What was written is taken back where it does not come to a running
service; what a broken connection leaves behind, the next try puts right.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncssh

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.credentials import OpenCredential
from watchbill.onboarding.base import Engine, Guard, Installed, Machine, Packages, Site, Story
from watchbill.onboarding.plan import Plan
from watchbill.onboarding.ssh.become import become_root
from watchbill.onboarding.ssh.connection import HostKey, Patience, host_key
from watchbill.onboarding.ssh.faults import failed, step
from watchbill.onboarding.ssh.fitness import check_clock, check_egress, check_space, choose_package
from watchbill.onboarding.ssh.look import SCRIPT, Facts, facts_of
from watchbill.onboarding.ssh.placing import Placing
from watchbill.onboarding.ssh.present import decide, present_of
from watchbill.onboarding.ssh.scripts import FIND
from watchbill.onboarding.ssh.shell import Shell, assignments, secrets_of
from watchbill.onboarding.ssh.signing import sign_in_with_any

__all__ = ["Patience", "SshInstaller"]

#: Packages on their way at once.
_UPLOADS: Final = 4
#: Seconds that a connection has to be closed in good order.
_CLOSING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class SshInstaller:
    """A `base.Installer`, for any number of machines at once. `now`: the Engine's clock, which the machines' are held against.

    `uploads`: of one line few packages at once are given all, so that the first machines need not wait for the last.
    """

    now: Callable[[], Awaitable[datetime]]
    patience: Patience = field(default_factory=Patience)
    uploads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_UPLOADS))

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
        trusted = await self._host_key(machine, engine, story)
        async with step(story, "sign in") as task:
            credential, connection = await sign_in_with_any(machine, trusted, credentials, guard, self.patience, task)
        try:
            visit = _Visit(self, Shell(connection, site.step_seconds, _secrets(credential)), credential, story)
            return await visit.install(packages, engine, site)
        finally:
            await _close(connection)

    async def _host_key(self, machine: Machine, engine: Engine, story: Story) -> HostKey:
        async with step(story, "host key") as task:
            shown = await host_key(machine, self.patience)
            task.detail = f"{shown.fingerprint}."
            why_not = await engine.check_host_key(shown.text)
            if why_not is not None:
                raise failed(OnboardingReason.HOST_KEY_CHANGED, why_not)
            return shown


def _secrets(credential: OpenCredential) -> list[str]:
    become = credential.become.password if credential.become else None
    held = (credential.password, credential.passphrase, credential.private_key, become)
    return secrets_of([one.reveal() for one in held if one])


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    """Bounded: a machine that is gone does not answer, and one that answers slowly is not waited for."""
    connection.close()
    with suppress(TimeoutError, OSError, asyncssh.Error):
        async with asyncio.timeout(_CLOSING_SECONDS):
            await connection.wait_closed()
            return
    connection.abort()


@dataclass
class _Visit:
    """A machine that is signed in to."""

    installer: SshInstaller
    shell: Shell
    credential: OpenCredential
    story: Story

    async def install(self, packages: Packages, engine: Engine, site: Site) -> Installed:
        facts, asked = await self._look()
        await self._root(facts)
        async with step(self.story, "existing agent") as task:
            found = await self.shell.must(
                assignments(owner=str(facts.uid)) + FIND, "It could not be seen what is there."
            )
            present = present_of(found)
            decided = await decide(present, engine, site)
            task.detail = decided.words
        if decided.plan is Plan.DONE:
            return Installed(self.credential.id, facts.hostname, present.version, is_already=True)
        async with step(self.story, "package") as task:
            package = await choose_package(packages, facts, task)
        async with step(self.story, "clock") as task:
            check_clock(facts.clock, asked, task)
        async with step(self.story, "egress") as task:
            await check_egress(self.shell, site.server, task)
        async with step(self.story, "space") as task:
            check_space(facts, package.size, task)
        placing = Placing(self.shell, self.story, package, present, site, self.installer.uploads)
        await placing.install(engine, decided)
        repaired = present.device_id if decided.plan is Plan.REPAIR else None
        return Installed(self.credential.id, facts.hostname, package.version, repaired=repaired)

    async def _look(self) -> tuple[Facts, tuple[datetime, datetime]]:
        async with step(self.story, "look") as task:
            before = await self.installer.now()
            answer = await self.shell.run(SCRIPT)
            after = await self.installer.now()
            facts = facts_of(answer, self.shell.shown(answer))
            task.detail = f"{facts.words}."
            return facts, (before, after)

    async def _root(self, facts: Facts) -> None:
        async with step(self.story, "root") as task:
            task.detail = f"{await become_root(self.shell, self.credential, facts.uid)}."
