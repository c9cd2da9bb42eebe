"""A site worker: one site's work items, executed outside the API; it ends when there has been none for a while.

One of the three places that may catch broadly: an executor's fault ends its item, not the worker.
"""

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import timedelta

import psutil

from watchbill import agents, queue, runs, vpn
from watchbill.apps.playbook_access import EngineAccess
from watchbill.apps.playbook_run import Access, Bell, PlaybookRun
from watchbill.apps.wiring import Engine
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.states import WorkItemState
from watchbill.executors import (
    LeaseLostError,
    Limits,
    WorkRequest,
    Workshop,
    default_root,
    executors,
    places,
    wipe_leftovers,
)
from watchbill.kit import log
from watchbill.kit.db import Listener
from watchbill.kit.instances import Heartbeat
from watchbill.kit.service import Service, run_all, wait_any
from watchbill.onboarding.workplace import Workplace
from watchbill.playbooks import CollectionCache
from watchbill.queue import Lane, Lease
from watchbill.queue.worker import RetryError, SiteQueue
from watchbill.runs import playbooks

LANES = {Lane.SCHEDULED_JOB: 50, Lane.PLAYBOOKS: 50, Lane.ONBOARDING: 20}
RETRY_DELAY = timedelta(seconds=5)

_logger = log.get("site_worker")


@dataclass
class Worker:
    """Executes items; `id` names this process in the leases it takes."""

    engine: Engine
    id: uuid.UUID
    access: Access
    bell: Bell = field(default_factory=Bell)
    tunnels: Bell = field(default_factory=Bell)
    #: Of onboarding: something may be to be stopped, a machine has asked to be enrolled.
    withdrawals: Bell = field(default_factory=Bell)
    requests: Bell = field(default_factory=Bell)

    _workplace: "Workplace | None" = None

    def __post_init__(self) -> None:
        self._executors = executors(workshop(self.engine))
        self._collections = CollectionCache.of(self.engine.settings)

    async def handle(self, item_id: int) -> None:
        """Claim, execute, settle. A repeat of a finished item does nothing.

        Whatever fails on the way gives the item back to the queue: its entry there is what wakes a worker for it.
        """
        try:
            await self._handle(item_id)
        except RetryError:
            raise
        except Exception as error:
            _logger.exception("item.undecided", item=item_id)
            raise RetryError(RETRY_DELAY) from error

    async def _handle(self, item_id: int) -> None:
        async with self.engine.db.begin() as tx:
            lease = await queue.claim(tx, item_id, self.id, await self.engine.clock.now(tx))
            content = await runs.contents(tx, [lease.run_id]) if lease else {}
        if lease is None:
            return
        if lease.run_id not in content:
            await self._settle(lease, WorkItemState.CANCELLED, None)
            return
        if lease.is_beyond_limit:
            await self._settle(lease, WorkItemState.FAILED, "given up: no attempt came to an end")
            return
        request = WorkRequest(lease.run_id, lease.site_id, content[lease.run_id].execution_context)
        await self._execute(lease, request)

    async def _do(self, lease: Lease, request: WorkRequest) -> None:
        if request.execution_context == ExecutionContext.NONE:
            await self._onboard(lease)
            return
        async with self.bell.listening() as stops, self.tunnels.listening() as tunnels:
            run = PlaybookRun(self.engine, lease, self.access, self._collections, stops, tunnels)
            await self._executors[request.execution_context](request, run)

    async def _onboard(self, lease: Lease) -> None:
        # Most workers never do this, and what it imports takes a second and twenty megabytes.
        from watchbill.apps import onboarding

        self._workplace = self._workplace or onboarding.workplace(self.engine)
        async with self.withdrawals.listening() as stops, self.requests.listening() as asked:
            await onboarding.work(self.engine, self._workplace, lease, stops, asked)

    async def _execute(self, lease: Lease, request: WorkRequest) -> None:
        try:
            await self._do(lease, request)
        except LeaseLostError:
            _logger.warning("lease.lost", item=lease.item_id, term=lease.term)
        except Exception as error:
            _logger.exception("item.failed", item=lease.item_id, attempt=lease.attempt)
            if not lease.is_last_attempt:
                raise RetryError(RETRY_DELAY) from error
            await self._settle(lease, WorkItemState.FAILED, f"{type(error).__name__}: {error}".replace("\0", "\ufffd"))
        else:
            await self._settle(lease, WorkItemState.DONE, None)

    async def _settle(self, lease: Lease, state: WorkItemState, error: str | None) -> None:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            if not await queue.settle(tx, lease, state, now, error=error):
                _logger.warning("lease.lost", item=lease.item_id, term=lease.term)
            elif state is WorkItemState.FAILED:
                await runs.fail_unreleased(tx, lease.run_id, lease.site_id, error or "", now)
                await playbooks.give_up(tx, lease.item_id, lease.run_id, lease.site_id, error or "", now)
                await runs.give_up_onboarding(tx, lease.run_id, error or "", now)


def workshop(engine: Engine) -> Workshop:
    """What the playbooks of this process share."""
    settings = engine.settings
    limits = Limits(settings.output_head_bytes, settings.output_tail_bytes)
    slots = places(settings.playbooks_at_once, psutil.virtual_memory().available)
    return Workshop(default_root(), limits, asyncio.Semaphore(slots), settings.winrm_trust)


@dataclass
class _Idle:
    """Sets `done` once the queue has had nothing for `seconds`."""

    work: SiteQueue
    seconds: float
    done: asyncio.Event

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.work.began.clear()
            if self.work.busy:
                await wait_any((stop, self.work.became_idle), None)
            else:
                await wait_any((stop, self.work.began), self.seconds)
                if not self.work.began.is_set():
                    self.done.set()


async def main(engine: Engine, site_id: int) -> None:
    """Serve one site until told to stop or idle for long enough."""
    done = asyncio.Event()
    heartbeat = Heartbeat(engine.db, engine.clock, "site_worker", site_id=site_id, should_stop=done)
    worker = Worker(engine, heartbeat.id, EngineAccess(engine))
    listener = Listener(engine.db.conninfo)
    listener.on(runs.PLAYBOOKS, worker.bell.ring)
    listener.on(vpn.CHANGED_CHANNEL, worker.tunnels.ring)
    listener.on(runs.ONBOARDING, worker.withdrawals.ring)
    listener.on(agents.APPROVALS, worker.requests.ring)
    wipe_leftovers(default_root())
    work = SiteQueue(engine.db.conninfo, site_id, LANES, worker.handle)
    services: list[Service] = [heartbeat, listener, work, _Idle(work, engine.settings.site_worker_idle_seconds, done)]
    await run_all(services, done)
