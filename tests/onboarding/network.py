"""A network that is played: what each address shows, and how an install ends there. The Engine's side of it is real."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import people, places
from watchbill import agents, credentials, jobs, queue, runs
from watchbill.agents import EnrolmentDraft
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.core.states import WorkItemState
from watchbill.credentials import OpenCredential
from watchbill.executors import LeaseLostError
from watchbill.identity import Actor, Role
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.onboarding import runner
from watchbill.onboarding.base import (
    Address,
    Engine,
    Guard,
    Installed,
    Knock,
    Machine,
    OnboardingError,
    PackageFile,
    Packages,
    Platform,
    Ports,
    Sighting,
    Site,
    Story,
)
from watchbill.onboarding.ledger import Step
from watchbill.onboarding.runner import Bells
from watchbill.onboarding.workplace import Spot, Workplace
from watchbill.queue import Lease
from watchbill.runs import OnboardingFilter, OnboardingRow
from watchbill_wire import base64url, enrol_signing_bytes

Install = Callable[["Visit"], Awaitable[Installed]]


@dataclass(frozen=True)
class Visit:
    """One install, with all it is given."""

    machine: Machine
    credentials: Sequence[OpenCredential]
    guard: Guard
    engine: Engine
    site: Site
    story: Story
    world: "World"

    async def enrol(self, hostname: str, key: Ed25519PrivateKey | None = None) -> None:
        """As the agent there does it."""
        code = (await self.engine.issue_code()).partition(".")[0]
        async with self.world.db.begin() as tx:
            now = await self.world.clock.now(tx)
            await ask(tx, code, hostname, key or Ed25519PrivateKey.generate(), str(self.machine.address), now)


async def ask(
    tx: AsyncConnection, code: str, hostname: str, key: Ed25519PrivateKey, address: str | None, now: datetime
) -> uuid.UUID:
    raw = key.public_key().public_bytes_raw()
    public = base64url(raw)
    draft = EnrolmentDraft(
        code=code,
        hostname=hostname,
        public_key=raw,
        public_key_text=public,
        proof=key.sign(enrol_signing_bytes(code, hostname, public)),
        os_family="linux",
        os_name="Debian",
        os_version="12",
        arch="x86_64",
        agent_version="0.1.0",
    )
    return (await agents.request_enrolment(tx, draft, remote_addr=address, now=now)).request.id


async def good(visit: Visit) -> Installed:
    """A machine with which all goes well."""
    (first, *_) = visit.credentials
    async with visit.story.task("sign in") as task:
        assert await visit.guard.may_try(first) is None
        await visit.guard.tried(first, accepted=True)
        task.detail = f"With “{first.name}”."
    async with visit.story.task("upload"):
        await asyncio.sleep(0)
    async with visit.story.task("asked"):
        await visit.enrol(f"host-{visit.machine.address}")
        assert await visit.engine.enrolled(5)
    return Installed(first.id, f"host-{visit.machine.address}", "0.1.0")


async def refuses(visit: Visit) -> Installed:
    """A machine that takes no password."""
    async with visit.story.task("sign in"):
        for one in visit.credentials:
            if await visit.guard.may_try(one) is None:
                await visit.guard.tried(one, accepted=False)
        names = ", ".join(f"“{one.name}”" for one in visit.credentials)
        why = f"Refused: {names}."
        raise OnboardingError(OnboardingState.AUTH_FAILED, OnboardingReason.CREDENTIALS_REFUSED, why)


@dataclass
class Network:
    """`machines`: who is there, and how an install ends. Implements `workplace.Discovery`."""

    machines: dict[str, Install] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    #: What the resolver calls addresses.
    called: dict[str, str] = field(default_factory=dict)
    #: What was looked at, and what was entered, in order.
    seen: list[str] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    platform: Platform | None = "linux"

    async def resolve(self, names: Collection[str]) -> tuple[Mapping[str, Sequence[Any]], Mapping[str, str]]:
        found = {name: [ip_address(one) for one in self.names[name]] for name in names if name in self.names}
        return found, {name: "there is no such name" for name in names if name not in found}

    async def name_of(self, address: Address) -> str | None:
        return self.called.get(str(address))

    @asynccontextmanager
    async def sweep(self, spots: Sequence[Spot], ports: Ports) -> AsyncIterator[AsyncIterator[Sighting]]:
        yield self._look(spots, ports)

    async def _look(self, spots: Sequence[Spot], ports: Ports) -> AsyncIterator[Sighting]:
        for address, _ in spots:
            self.seen.append(str(address))
            is_there = str(address) in self.machines
            banner = "SSH-2.0-OpenSSH_9.2" if is_there else ""
            yield Sighting(address, [Knock(ports.ssh, is_there, banner, "" if is_there else "no answer")])

    def platform_of(self, sighting: Sighting) -> tuple[Platform | None, str]:
        return self.platform, "its SSH banner"

    def ports_of(self, sighting: Sighting, ports: Ports) -> Ports:
        del sighting
        return ports

    async def install(self, visit: Visit) -> Installed:
        self.entered.append(str(visit.machine.address))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.machines[str(visit.machine.address)](visit)
        finally:
            self.at_once -= 1


class NoPackages:
    async def get(self, platform: str, arch: str) -> PackageFile:
        raise AssertionError((platform, arch))


@dataclass
class World:
    """A site, people, a credential, and workers for its runs."""

    db: Database
    clock: Clock
    keys: KeyRing
    site_id: int
    admin: Actor
    credential_id: int
    network: Network = field(default_factory=Network)
    bells: Bells = field(default_factory=lambda: Bells(asyncio.Event(), asyncio.Event()))

    @classmethod
    async def make(cls, db: Database, clock: Clock, keys: KeyRing) -> "World":
        async with db.begin() as tx:
            now = await clock.now(tx)
            site_id = await places.make_site(tx, "Harbour", now=now)
            admin = await people.make_actor(tx, "ada", Role.ADMIN, now=now)
            draft = {"name": "Root", "kind": "ssh", "username": "root", "password": "correct-horse"}
            made = await credentials.create(tx, admin, draft, keys=keys, now=now)
            await tx.execute(
                text(
                    "INSERT INTO services (id, kind, host, pid, version, address, public_url, started_at, heartbeat_at)"
                    " VALUES (gen_random_uuid(), 'api', 'here', 1, '0', '127.0.0.1:8470', 'https://engine:8470', :now, :now)"
                ),
                {"now": now},
            )
        return cls(db, clock, keys, site_id, admin, made.id)

    def definition(self, *entries: str, exclusions: Sequence[str] = (), **changes: Any) -> dict[str, Any]:
        scope = {"kind": "onboarding_scope", "site_id": self.site_id, "entries": list(entries)}
        return {
            "name": "The harbour's machines",
            "job_kind": "onboarding",
            "components": [{"kind": "device_onboarding", **changes.pop("component", {})}],
            "targets": [{**scope, "exclusions": list(exclusions)}],
            "credential_ids": [self.credential_id],
            "schedule": {"type": "immediately"},
            **changes,
        }

    async def job(self, *entries: str, **changes: Any) -> int:
        """A saved job; nothing of it has begun."""
        async with self.db.begin() as tx:
            now = await self.clock.now(tx)
            saved = await jobs.create(tx, self.admin, self.definition(*entries, **changes), keys=self.keys, now=now)
        return saved.job.id

    async def begin(self, job_id: int) -> uuid.UUID:
        async with self.db.begin() as tx:
            return (await runs.open_manual(tx, self.admin, job_id, now=await self.clock.now(tx))).id

    async def lease(self, occurrence_id: uuid.UUID) -> Lease:
        """Take the work of an occurrence, also from whoever has it."""
        async with self.db.begin() as tx:
            item = (
                await tx.execute(
                    text("SELECT w.id FROM work_items w JOIN runs r ON r.id = w.run_id WHERE r.occurrence_id = :id"),
                    {"id": occurrence_id},
                )
            ).scalar_one()
            lease = await queue.claim(tx, item, uuid.uuid4(), await self.clock.now(tx))
        assert lease is not None
        return lease

    def workplace(self) -> Workplace:
        async def install(
            machine: Machine,
            credentials: Sequence[OpenCredential],
            guard: Guard,
            packages: Packages,
            engine: Engine,
            site: Site,
            story: Story,
        ) -> Installed:
            del packages
            return await self.network.install(Visit(machine, credentials, guard, engine, site, story, self))

        return Workplace(
            self.keys, self.network, install, install, lambda _branch: NoPackages(), asyncio.Semaphore(50), 4096
        )

    async def work(
        self, occurrence_id: uuid.UUID, bells: Bells | None = None, around: Callable[[Step], Step] = lambda step: step
    ) -> None:
        """What a worker does with it, to its end. `around`: makes its steps go wrong."""
        lease = await self.lease(occurrence_id)

        @asynccontextmanager
        async def step() -> AsyncIterator[tuple[AsyncConnection, datetime]]:
            async with self.db.begin() as tx:
                if not await queue.holds(tx, lease, is_shared=True):
                    raise LeaseLostError
                yield tx, await self.clock.now(tx)

        await runner.work(self.workplace(), lease, around(step), bells or self.bells)
        async with self.db.begin() as tx:
            await queue.settle(tx, lease, WorkItemState.DONE, await self.clock.now(tx))

    async def rows(self, occurrence_id: uuid.UUID) -> dict[str, OnboardingRow]:
        """By address, or by name where there is none."""
        async with self.db.begin() as tx:
            page = await runs.onboarding_rows(
                tx, self.admin.scope, occurrence_id, OnboardingFilter(), limit=500, cursor=None
            )
        return {one.address or one.names[0]: one for one in page.items}

    async def ends(self, occurrence_id: uuid.UUID) -> dict[str, tuple[str, str | None]]:
        return {
            key: (str(row.state), str(row.reason) if row.reason else None)
            for key, row in (await self.rows(occurrence_id)).items()
        }

    async def occurrence(self, job_id: int, occurrence_id: uuid.UUID) -> runs.Occurrence:
        async with self.db.begin() as tx:
            return await runs.get_occurrence(tx, self.admin.scope, job_id, occurrence_id)
