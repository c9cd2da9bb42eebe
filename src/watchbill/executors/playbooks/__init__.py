"""Playbooks: run here in the site's worker, by Ansible, on devices that are entered over their network.

Shared, one run does all devices of the site that may go; individual, each device has its own. Each run is a process of its own, and
a worker has no more of them at once than its memory bears.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from watchbill.core.job_rules_values import SHARED_CONTEXTS, ExecutionContext
from watchbill.core.playbook_rules import MAIN
from watchbill.core.states import SkipReason
from watchbill.executors.base import End, Given, LeaseLostError, Login, News, Obstacle, PlaybookPort, Way, WorkRequest
from watchbill.executors.playbooks.folder import Host, aliases, default_root, fill, run_folder, wipe_leftovers
from watchbill.executors.playbooks.play import Limits, Play, Tidy
from watchbill.executors.playbooks.process import controller
from watchbill.kit.errors import AppError

#: Devices of one shared run; more go one after another.
_TOGETHER: Final = 200
#: Devices that are being entered at once.
_ENTERING: Final = 20
#: Seconds that a device's tunnel has to come up: less than the bound of the state `connecting`.
_CONNECT_SECONDS: Final = 60.0
#: Who waits for a tunnel looks again when he is told, and at least this often.
_LOOK_SECONDS: Final = 2.0

#: Memory that a run of Ansible may take: a controller had 128 MB at ten hosts, and its forks come and go.
_MEMORY_EACH: Final = 256 * 1024 * 1024

__all__ = ["MAIN", "Limits", "Workshop", "default_root", "places", "wipe_leftovers"]


def places(most: int, free_bytes: int) -> int:
    """How many runs of Ansible a process may have at once: at least one, and no more than its host has memory for."""
    return max(1, min(most, free_bytes // _MEMORY_EACH))


@dataclass
class Workshop:
    """What all playbooks of this process share: how many run at once, where their folders are, what of an output is kept.

    `trust`: certificates of who signs those of Windows devices; None = whom this machine trusts.
    """

    root: Path
    limits: Limits
    slots: asyncio.Semaphore
    trust: Path | None = None
    entering: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_ENTERING))

    async def execute(self, request: WorkRequest, run: PlaybookPort) -> None:
        """Work off what may go of an item; it ends when nothing of it may go at present."""
        await _Work(self, run, ExecutionContext(request.execution_context)).do()


@dataclass
class _Work:
    """One work item on its way."""

    shop: Workshop
    run: PlaybookPort
    context: ExecutionContext
    _stopped: set[uuid.UUID] = field(default_factory=set)

    @property
    def _is_windows(self) -> bool:
        return self.context in (ExecutionContext.WINRM, ExecutionContext.WINRM_INDIVIDUAL)

    async def do(self) -> None:
        await self.run.take_up()
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch_stops())
                await (self._shared() if self.context in SHARED_CONTEXTS else self._individual())
                watching.cancel()
        except BaseExceptionGroup as several:
            raise _first(several) from several

    async def _watch_stops(self) -> None:
        while True:
            self._stopped |= await self.run.to_stop()
            await self.run.stop_asked()

    async def _release(self) -> None:
        while await self.run.release():
            continue

    async def _shared(self) -> None:
        while True:
            await self._release()
            async with self.shop.slots:
                givens = await self.run.take(_TOGETHER)
                if not givens:
                    return
                await self._all_of(givens)

    async def _individual(self) -> None:
        """As many devices at once as there are places in this process."""
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                await self._release()
                await self.shop.slots.acquire()
                givens = await self._take_one()
                if givens:
                    task = group.create_task(self._in_its_place(givens))
                    running.add(task)
                    task.add_done_callback(running.discard)
                elif running:
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                else:
                    return

    async def _take_one(self) -> Sequence[Given]:
        """A device for the place that is held; the place is given back when there is none."""
        try:
            givens = await self.run.take(1)
        except BaseException:
            self.shop.slots.release()
            raise
        if not givens:
            self.shop.slots.release()
        return givens

    async def _in_its_place(self, givens: Sequence[Given]) -> None:
        try:
            await self._all_of(givens)
        finally:
            self.shop.slots.release()

    async def _all_of(self, givens: Sequence[Given]) -> None:
        """One playbook after another. Of a shared run the devices may be at different ones, after a failure that is passed over."""
        while givens:
            first = [one for one in givens if one.playbook == givens[0].playbook]
            rest = [one for one in givens if one.playbook != givens[0].playbook]
            givens = [*rest, *await self._one(first)]

    async def _one(self, givens: Sequence[Given]) -> Sequence[Given]:
        entered, obstacles = await self._enter(givens)
        follow = list(await self._drop(givens, obstacles))
        hosts = [host for host in entered if host.given.execution_id not in self._stopped]
        if not hosts:
            return follow
        await self.run.dispatched([host.given.execution_id for host in hosts])
        return [*follow, *await self._play(hosts)]

    async def _drop(self, givens: Sequence[Given], obstacles: Mapping[uuid.UUID, Obstacle]) -> Sequence[Given]:
        """Those that cannot be, and those that were stopped before anything of them began."""
        follow = list[Given]()
        stopped = [one for one in givens if one.execution_id in self._stopped]
        if stopped:
            follow += await self.run.tell(News(ends=[_withdrawn(one) for one in stopped]))
        rest = {one: why for one, why in obstacles.items() if one not in self._stopped}
        if rest:
            follow += await self.run.left_out(rest)
        return follow

    async def _play(self, hosts: Sequence[Host]) -> Sequence[Given]:
        """What cannot be laid out, a collection that is not to be had or a full disk, fails these devices and no others."""
        try:
            return await self._played(hosts)
        except (AppError, OSError) as error:
            problems = error.problems if isinstance(error, AppError) else ()
            why = "; ".join(f"{one.field} {one.message}" for one in problems) or str(error)
            detail = f"The playbook could not be run: {why}"
            ends = [End(one.given.execution_id, one.given.device_id, "interrupted", detail=detail) for one in hosts]
            return await self.run.tell(News(ends=ends))

    async def _played(self, hosts: Sequence[Host]) -> Sequence[Given]:
        with run_folder(self.shop.root) as folder:
            collections = await self.run.lay_out(hosts[0].given.playbook, folder / "project")
            await asyncio.to_thread(fill, folder, hosts, main=MAIN, is_windows=self._is_windows)
            async with controller(folder, collections) as started:
                tidy = self._tidy(folder, hosts) if self._is_windows else None
                return await Play(self.run, hosts, self.shop.limits, self._stopped, tidy).watch(started)

    @staticmethod
    def _tidy(folder: Path, hosts: Sequence[Host]) -> Tidy:
        from watchbill.executors.playbooks import windows

        return lambda: windows.close_shells(folder, hosts)

    # Ways into devices.

    async def _enter(self, givens: Sequence[Given]) -> tuple[list[Host], Mapping[uuid.UUID, Obstacle]]:
        obstacles = {one.execution_id: one.obstacle for one in givens if one.obstacle is not None}
        there = [one for one in givens if one.obstacle is None]
        names = dict(zip((one.execution_id for one in there), aliases(there), strict=True))
        ways = await self._ways(there)
        tried = [one for one in there if ways[one.device_id].address is not None]
        for one in there:
            way = ways[one.device_id]
            if way.address is None:
                obstacles[one.execution_id] = _no_way(way)
        found = await asyncio.gather(*(self._try(one, names[one.execution_id], ways[one.device_id]) for one in tried))
        hosts = [one for one in found if isinstance(one, Host)]
        failed = {one.execution_id: host for one, host in zip(tried, found, strict=True) if isinstance(host, Obstacle)}
        return hosts, {**obstacles, **failed}

    async def _ways(self, givens: Sequence[Given]) -> dict[uuid.UUID, Way]:
        """Wait for tunnels to come up, for as long as it may take."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CONNECT_SECONDS
        found = {one.device_id: Way(None) for one in givens}
        is_first = True
        while waiting := {one.device_id for one in givens if self._may_come(one, found[one.device_id])}:
            found |= await self.run.ways(waiting, is_first=is_first)
            is_first = False
            if not any(self._may_come(one, found[one.device_id]) for one in givens) or loop.time() >= deadline:
                break
            await self.run.way_changed(_LOOK_SECONDS)
        return found

    def _may_come(self, given: Given, way: Way) -> bool:
        return way.address is None and not way.is_final and given.execution_id not in self._stopped

    async def _try(self, given: Given, alias: str, way: Way) -> Host | Obstacle:
        from watchbill.executors.playbooks import reach  # asyncssh is loaded by workers that have playbooks to run

        assert way.address is not None
        assert given.login is not None
        async with self.shop.entering:
            if self._is_windows:
                return await self._try_windows(given, given.login, alias, way.address)
            entered = await reach.enter(
                way.address, given.login, lambda key: self.run.check_host_key(given.device_id, key)
            )
        if isinstance(entered, Obstacle):
            return entered
        return Host(alias, given, way.address, entered.login, entered.host_key)

    async def _try_windows(self, given: Given, login: Login, alias: str, address: str) -> Host | Obstacle:
        from watchbill.executors.playbooks import windows
        from watchbill.kit.certificates import trusted_by_system

        trust = self.shop.trust or trusted_by_system()
        found = await windows.enter(address, login, _names(given), trust, self.shop.root)
        return found if isinstance(found, Obstacle) else Host(alias, given, address, login, identity=found)


def _first(several: BaseExceptionGroup) -> BaseException:
    """The one that says most: a lost lease, which ends everything, before what else went wrong meanwhile."""
    lost = several.subgroup(LeaseLostError)
    one: BaseException = lost or several
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one


def _names(given: Given) -> list[str]:
    """What a device's certificate may be of: its full name, where it has a domain, and the name that it tells of itself."""
    domain = given.facts.get("watchbill_domain")
    full = [f"{given.hostname}.{domain}"] if domain and "." not in given.hostname else []
    return [*full, given.hostname]


def _no_way(way: Way) -> Obstacle:
    reason = SkipReason.WIREGUARD_UNAVAILABLE if way.is_final else SkipReason.WIREGUARD_NOT_READY
    return Obstacle(reason, way.detail)


def _withdrawn(given: Given) -> End:
    return End(given.execution_id, given.device_id, "cancelled")
