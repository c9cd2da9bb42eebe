"""The port of playbooks to their run: what a worker may do to it, each step one transaction in which its lease is proved."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies, devices, jobs, queue, runs
from watchbill.apps.wiring import Engine
from watchbill.core.assembly_rules import AssemblyDraft, VariableType
from watchbill.core.states import SkipReason
from watchbill.devices import host_keys
from watchbill.executors import End, Given, LeaseLostError, Login, News, Obstacle, Playbook, Way
from watchbill.kit import log
from watchbill.kit.service import wait_any
from watchbill.playbooks import CollectionCache
from watchbill.queue import Lease
from watchbill.runs import Chunk, Delivery, Report, RunContent, playbooks
from watchbill.runs.steps import Followed
from watchbill.variables import Giver

#: Between two tries to reach the database.
_PAUSE_SECONDS: Final = 0.5
#: Beyond a run's time limit, its tunnels stay open for so long.
_LONGER: Final = timedelta(minutes=10)

_logger = log.get("site_worker")


class Access(Protocol):
    """How devices are entered: as whom, and by which way."""

    async def logins(
        self, tx: AsyncConnection, content: RunContent, device_ids: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, Login | Obstacle]:
        """For each device a login, or why there is none."""

    async def ways(
        self, tx: AsyncConnection, device_ids: Collection[uuid.UUID], now: datetime, *, until: datetime | None
    ) -> Mapping[uuid.UUID, Way]:
        """For each device its address, or why there is none yet. `until`: open their tunnels for so long."""


class Bell:
    """Rings in every run of this process when something may be to be stopped."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    def ring(self, _payload: str = "") -> None:
        for event in self._events:
            event.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Event]:
        event = asyncio.Event()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)


@dataclass
class PlaybookRun:
    """Implements `executors.PlaybookPort`."""

    engine: Engine
    lease: Lease
    access: Access
    collections: CollectionCache
    stops: asyncio.Event
    #: Rung when a tunnel has changed.
    tunnels: asyncio.Event
    _content: RunContent | None = None
    _drafts: dict[tuple[uuid.UUID, int], AssemblyDraft] = field(default_factory=dict)

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
        async with self.engine.db.begin() as tx:
            if not await queue.holds(tx, self.lease):
                raise LeaseLostError
            yield tx, await self.engine.clock.now(tx)

    async def release(self) -> int:
        async with self._step() as (tx, now):
            return await runs.release(tx, self.lease.run_id, self.lease.site_id, now)

    async def take_up(self) -> None:
        async with self._step() as (tx, now):
            await playbooks.take_up(tx, self.lease.item_id, now)

    async def take(self, limit: int) -> Sequence[Given]:
        while True:
            async with self._step() as (tx, now):
                where = (self.lease.run_id, self.lease.site_id, self.lease.item_id)
                taken = await playbooks.take(tx, *where, now, limit=limit)
                givens = await self._given(tx, taken.deliveries)
                if taken.has_later:
                    await playbooks.put_back(tx, self.lease.run_id, self.lease.site_id, now)
            if givens or not taken.behind or await self._waits(taken.behind):
                return givens

    async def _waits(self, behind: Collection[int]) -> bool:
        """Whoever is ahead rings when it has ended, and the work is queued again. False when it has ended meanwhile."""
        async with self.engine.db.begin() as tx:
            return await runs.await_turn(tx, behind, await self.engine.clock.now(tx))

    async def ways(self, device_ids: Collection[uuid.UUID], *, is_first: bool) -> Mapping[uuid.UUID, Way]:
        self.tunnels.clear()  # what changes from here on is heard of while one waits
        async with self._step() as (tx, now):
            content = await self._contents(tx)
            until = now + timedelta(seconds=content.time_limit_seconds) + _LONGER if is_first else None
            return await self.access.ways(tx, device_ids, now, until=until)

    async def way_changed(self, seconds: float) -> None:
        await wait_any((self.tunnels,), seconds)

    async def check_host_key(self, device_id: uuid.UUID, offered: str) -> str | None:
        async with self._step() as (tx, now):
            return await host_keys.distrust(tx, device_id, offered, now)

    async def left_out(self, obstacles: Mapping[uuid.UUID, Obstacle]) -> Sequence[Given]:
        async with self._step() as (tx, now):
            reasons = {one: (why.reason, why.detail) for one, why in obstacles.items()}
            return await self._following(tx, await playbooks.left_out(tx, reasons, now), now)

    async def dispatched(self, execution_ids: Collection[uuid.UUID]) -> None:
        async with self._step() as (tx, now):
            await playbooks.dispatched(tx, list(execution_ids), self.lease.item_id, now)

    async def lay_out(self, playbook: Playbook, folder: Path) -> Sequence[Path]:
        async with self._step() as (tx, _):
            await assemblies.write_tree(tx, playbook.assembly_id, playbook.revision, folder)
        declared = self._drafts[playbook.assembly_id, playbook.revision].collections
        path = await self.collections.path(declared)
        return [path] if path else []

    async def to_stop(self) -> set[uuid.UUID]:
        async with self._step() as (tx, _):
            return await playbooks.to_stop(tx, self.lease.item_id)

    async def stop_asked(self) -> None:
        await self.stops.wait()
        self.stops.clear()

    async def tell(self, news: News) -> Sequence[Given]:
        """Tried until the database can be reached: what happened is kept meanwhile, and what runs is not read any further."""
        while True:
            try:
                async with self._step() as (tx, now):
                    return await self._store(tx, news, now)
            except (OperationalError, InterfaceError, InternalError, PoolTimeout) as error:
                _logger.warning("playbook.waits", run=self.lease.run_id, error=str(error).splitlines()[0])
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _store(self, tx: AsyncConnection, news: News, now: datetime) -> Sequence[Given]:
        reports = [_report(one, now) for one in news.ends]
        chunks = [Chunk(one.execution_id, one.device_id, "stdout", one.offset, one.data) for one in news.pieces]
        ending = {one.execution_id for one in reports}
        limit = self.engine.settings.output_limit_bytes
        item = self.lease.item_id
        stored = await runs.store_output(tx, chunks, limit_bytes=limit, ending=ending)
        hashes = await runs.summarise_output(tx, reports, stored)
        started = [(one, device, now) for one, device in news.started.items()]
        await runs.started(tx, started, now, item_id=item)
        await playbooks.note_recaps(tx, news.recaps, item)
        finished = await runs.finished(tx, reports, now, runs.Outputs(hashes, stored), item_id=item)
        await devices.reported(tx, (), finished.settings, now)
        return await self._following(tx, [finished], now)

    async def _following(self, tx: AsyncConnection, some: Sequence[Followed], now: datetime) -> Sequence[Given]:
        deliveries = []
        for followed in some:
            await playbooks.own(tx, followed, self.lease.item_id)
            deliveries += followed.deliveries
        if any(one.later_since is not None for one in some):
            await playbooks.put_back(tx, self.lease.run_id, self.lease.site_id, now)
        return await self._given(tx, deliveries)

    # What is given.

    async def _given(self, tx: AsyncConnection, deliveries: Sequence[Delivery]) -> Sequence[Given]:
        if not deliveries:
            return ()
        content = await self._contents(tx)
        ids = {one.device_id for one in deliveries}
        drafts = {one.execution_id: await self._draft(tx, content.components[one.component]) for one in deliveries}
        names = {variable.name for draft in drafts.values() for variable in draft.variables}
        giver = await Giver.load(tx, self.engine.keys, ids, names)
        logins = await self.access.logins(tx, content, ids)
        facts = await playbooks.facts_of(tx, sorted(ids))
        made = [
            self._made(content, one, drafts[one.execution_id], giver, logins[one.device_id], facts[one.device_id])
            for one in deliveries
        ]
        await runs.note_given(tx, {(content.run_id, one.execution_id): used for one, used in made})
        return _with_common([one for one, _ in made])

    def _made(
        self,
        content: RunContent,
        delivery: Delivery,
        declared: AssemblyDraft,
        giver: Giver,
        login: Login | Obstacle,
        facts: Mapping[str, object],
    ) -> tuple[Given, dict[str, int]]:
        part: Mapping[str, Any] = content.components[delivery.component]
        values = giver.values_for(delivery.device_id)
        given = jobs.given(self.engine.keys, content.job_id, part["position"], part["variables"], declared, values)
        obstacle = login if isinstance(login, Obstacle) else None
        if given.problems:
            obstacle = Obstacle(SkipReason.PREFLIGHT_FAILED, " ".join(given.problems))
        made = Given(
            execution_id=delivery.execution_id,
            target_id=delivery.target_id,
            device_id=delivery.device_id,
            hostname=str(facts["watchbill_hostname"]),
            playbook=Playbook(uuid.UUID(part["assembly_id"]), part["revision"], content.forks),
            time_limit_seconds=delivery.time_limit_seconds or content.time_limit_seconds,
            login=login if isinstance(login, Login) else None,
            own={**_typed(declared, given.plain), **given.secrets},
            secrets=[*given.secrets.values(), *_secrets_of(login)],
            facts=facts,
            obstacle=obstacle,
        )
        return made, given.used

    async def _contents(self, tx: AsyncConnection) -> RunContent:
        if self._content is None:
            self._content = (await runs.contents(tx, [self.lease.run_id]))[self.lease.run_id]
        return self._content

    async def _draft(self, tx: AsyncConnection, part: Mapping[str, Any]) -> AssemblyDraft:
        which = uuid.UUID(part["assembly_id"]), part["revision"]
        if which not in self._drafts:
            self._drafts[which] = (await assemblies.load_revisions(tx, [which]))[which].draft
        return self._drafts[which]


def _with_common(givens: Sequence[Given]) -> Sequence[Given]:
    """Values that all have alike are told once, for all: only those are as strong as Ansible's extra variables."""
    alike = set.intersection(*(set(map(_item, one.own.items())) for one in givens)) if givens else set()
    common = {name: value for name, value in givens[0].own.items() if _item((name, value)) in alike} if givens else {}
    return [
        replace(one, common=common, own={name: value for name, value in one.own.items() if name not in common})
        for one in givens
    ]


def _item(item: tuple[str, object]) -> tuple[str, str, object]:
    name, value = item
    return name, type(value).__name__, value


def _typed(declared: AssemblyDraft, plain: Mapping[str, str]) -> dict[str, object]:
    """Scripts get texts; a playbook gets numbers and truth values as what they are."""
    found: dict[str, object] = dict(plain)
    for variable in declared.variables:
        text = plain.get(variable.name)
        if text is None:
            continue
        if variable.type is VariableType.BOOLEAN:
            found[variable.name] = text == "true"
        elif variable.type is VariableType.NUMBER:
            found[variable.name] = int(text) if text.lstrip("-").isdigit() else float(text)
    return found


def _secrets_of(login: Login | Obstacle) -> list[str]:
    if isinstance(login, Obstacle):
        return []
    passwords = [login.password, login.passphrase, login.become.password if login.become else None]
    return [one.reveal() for one in (*passwords, login.private_key) if one is not None]


def _report(end: End, now: datetime) -> Report:
    return Report(
        execution_id=end.execution_id,
        device_id=end.device_id,
        outcome=end.outcome,
        exit_code=end.exit_code,
        signal=None,
        reason=end.reason,
        detail=end.detail,
        tree="stopped" if end.is_gone else "survived",
        started_at=None,
        finished_at=now,
        stdout_bytes=end.size,
        stderr_bytes=0,
        truncated=end.is_truncated,
        last_line=end.last_line,
    )
