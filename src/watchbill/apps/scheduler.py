"""The scheduler process: ticks, held occurrences, deadlines, housekeeping, site workers. Any number of them; there is no leader.

A tick locks the jobs it takes and passes over those that another scheduler has, so that two share the work by themselves.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import agents, assemblies, filters, identity, jobs, notifications, queue, runs, workflows
from watchbill.apps import keys, notifying
from watchbill.apps.launcher import SiteWorkers
from watchbill.apps.wiring import Engine
from watchbill.apps.workflows import services as workflow_services
from watchbill.devices import presence
from watchbill.jobs import DueJob
from watchbill.kit import db, events, instances, log
from watchbill.kit.budget import EVALUATION_SECONDS, Budget
from watchbill.kit.db import Listener
from watchbill.kit.instances import Heartbeat
from watchbill.kit.service import Service, Wake, run_all, wait_any
from watchbill.runs import Around, Plan, away, outages
from watchbill.runs.outages import Drift, Guard, Outage

#: Most jobs that one transaction takes; what is left over is taken by the next one at once.
TICK_LIMIT = 500
#: A service looks at the clock at least this often, whatever was announced.
LONGEST_REST = timedelta(seconds=60)
#: Looks once, in vain, this many seconds before a due instant: what rested for long (this process, its connection, the
#: server's caches) is slow at first, and that is over by the instant. Measured: half of the lateness of a lone job.
WARM_UP = 0.03
#: What is due and held by somebody else is not looked for in a tight loop.
HELD_ELSEWHERE = 0.2
#: How often whoever runs things by itself asks whether a tick has judged an absence; it is the first thing a tick does.
UNNOTICED = 1.0
HOUSEKEEPING = timedelta(seconds=10)
#: Seconds between two looks for files that nothing needs.
FILES_REST = 3600.0
#: The pulse is not felt again this soon.
FRESH = timedelta(seconds=1)
#: One tick evaluates for no longer than this: the jobs it holds are wanted by others too, and what is left is taken next.
LONGEST_EVALUATION = 0.5

_logger = log.get("scheduler")


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of a service that runs things by itself: its instant, and what went wrong with time."""

    tx: AsyncConnection
    now: datetime
    guard: Guard


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Pulse:
    """What all such services of a process begin their steps with. `monotonic` is the clock that nobody sets."""

    engine: Engine
    monotonic: Callable[[], float] = _monotonic
    _drift: Drift = field(default_factory=Drift)
    _felt: tuple[datetime, float, Guard] | None = None

    @asynccontextmanager
    async def step(self, *, is_tick: bool = False) -> AsyncIterator[Step]:
        feel = outages.notice if is_tick else outages.heed
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            read_at = self.monotonic()
            jumped_from = self._drift.jumped_from(now, read_at)
            felt = self._just_felt(now, read_at) if is_tick and jumped_from is None else None
            guard = felt or await feel(tx, now, jumped_from=jumped_from)
            yield Step(tx, now, guard)
        # Once it is committed: a step that failed has noticed nothing.
        self._drift.seen(now, read_at)
        if is_tick and felt is None:
            self._felt = (now, read_at, guard)
        _tell(guard.noticed)

    def _just_felt(self, now: datetime, read_at: float) -> Guard | None:
        """What a tick felt a moment ago by both clocks: it looks in vain just before a due instant, and need not look again then."""
        if self._felt is None:
            return None
        at, monotonic, guard = self._felt
        is_fresh = timedelta() <= now - at < FRESH and 0 <= read_at - monotonic < FRESH.total_seconds()
        is_over = guard.paused_until is not None and guard.paused_until <= now
        return replace(guard, noticed=()) if is_fresh and not is_over else None


def _tell(noticed: Sequence[Outage]) -> None:
    for one in noticed:
        span = {"from_at": one.from_at.isoformat(), "to_at": one.to_at.isoformat()}
        _logger.warning("outage.noticed", kind=one.kind, id=one.id, guard=one.guard, detail=one.detail, **span)


@dataclass
class Ticker:
    """Opens what is due, then rests until the next due instant or until a job changes."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)
    pulse: Pulse | None = None
    #: Rung when a tick could not take all that is due.
    is_full: Wake = field(default_factory=Wake)
    _resumed_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.pulse = self.pulse or Pulse(self.engine)

    async def run(self, stop: asyncio.Event) -> None:
        while await self._adopt_zone_rules():
            continue
        await self._adopt_compiler(stop)
        await self._adopt_key_ring()
        while not stop.is_set():
            rest = await self.tick()
            await self.wake.wait(stop, rest - WARM_UP if rest > WARM_UP else rest)

    async def _adopt_zone_rules(self) -> int:
        """Due times that another release of the zone rules computed are computed anew; how many."""
        async with self.engine.db.begin() as tx:
            return await jobs.recompute_for_new_zone_rules(tx, await self.engine.clock.now(tx))

    async def _adopt_compiler(self, stop: asyncio.Event) -> None:
        """Filters that an older compiler wrote are compiled anew, some in each transaction."""
        last: int | None = 0
        while last is not None and not stop.is_set():
            async with self.engine.db.begin() as tx:
                last = await filters.compile_anew(tx, after=last)

    async def _adopt_key_ring(self) -> None:
        """Nothing is opened that needs a key which the ring has lost."""
        async with self.engine.db.begin() as tx:
            found = await keys.lock_out(tx, self.engine.keys, await self.engine.clock.now(tx))
        if found.credentials:
            _logger.warning("credentials.locked", ids=sorted(found.credentials), paused_jobs=found.paused_jobs)

    async def catch_up(self, stop: asyncio.Event) -> None:
        """Ticks until one has taken all that is left."""
        while not stop.is_set() and not await self.tick():
            continue

    async def tick(self) -> float:
        """One transaction: take, plan, write, advance. Returns how many seconds to rest."""
        assert self.pulse is not None
        async with self.pulse.step(is_tick=True) as step:
            read_at = _monotonic()
            if step.guard.paused_until is not None:
                return (step.guard.paused_until - step.now).total_seconds()
            due = await jobs.take_due(step.tx, step.now, limit=TICK_LIMIT)
            if len(due) == TICK_LIMIT:
                self.is_full.ring()
            resumed = await self._resume(step, read_at, is_idle=not due)
            around = await runs.surroundings(step.tx, due, step.now, guard_until=step.guard.until)
            plan = plan_within(due, step.now, around)
            opened = await runs.carry_out(step.tx, plan, step.now)
            if plan.held:
                await db.notify(step.tx, jobs.CHANNEL)  # whoever lets it go has to know from when on
            is_more = len(due) == TICK_LIMIT or len(plan.advances) < len(due)
            rest = 0.0 if is_more else _until(await jobs.earliest_due(step.tx), step.now)
        if opened or plan.held:
            late = sum(one.is_late for one in plan.openings)
            _logger.info("tick.opened", occurrences=len(opened), late=late, held=len(plan.held))
        if not due and not resumed and not rest:
            rest = HELD_ELSEWHERE
        # The rest is counted from when the clock was read, not from now.
        return max(rest - (_monotonic() - read_at), 0.0)

    async def _resume(self, step: Step, read_at: float, *, is_idle: bool) -> int:
        """Resume the jobs whose pause has ended: when nothing else is due, for the earliest due time tells of them; else now and then."""
        if not is_idle and read_at - self._resumed_at < FRESH.total_seconds():
            return 0
        self._resumed_at = read_at
        return await jobs.resume_paused(step.tx, step.now)


@dataclass
class Relief:
    """Ticks beside the ticker while more is due than one tick takes: one plans while the rows of the other are written."""

    ticker: Ticker

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.ticker.is_full.wait(stop, LONGEST_REST.total_seconds())
            await self.ticker.catch_up(stop)


def plan_within(due: Sequence[DueJob], now: datetime, around: Around) -> Plan:
    """The plan of as many of the due jobs as a tick has time for, at least one; who is left over is not advanced.

    Each job is evaluated by itself: an exception or a slow rule puts that job into `error` and touches no other.
    """
    whole = Plan()
    ends = _monotonic() + LONGEST_EVALUATION
    with Budget(EVALUATION_SECONDS) as budget:
        for job in due:
            whole.join(_planned(budget, job, now, around))
            if _monotonic() > ends:
                break
    return whole


def _planned(budget: Budget, job: DueJob, now: datetime, around: Around) -> Plan:
    planned = runs.planned(budget, job, now, around)
    for one in planned.advances:
        if one.state == "error":
            _logger.warning("job.broken", job=one.job_id, error=one.state_reason)
    return planned


def _until(due: datetime | None, now: datetime) -> float:
    if due is None:
        return LONGEST_REST.total_seconds()
    return min(max((due - now).total_seconds(), 0.0), LONGEST_REST.total_seconds())


@dataclass
class Starter:
    """Lets held occurrences go whose time has come: the window that held them is open."""

    engine: Engine
    pulse: Pulse
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.wake.wait(stop, await self.step())

    async def step(self) -> float:
        """What changed windows let go earlier, then what is due, each in its transaction; returns how many seconds to rest."""
        is_more = await self._review() == TICK_LIMIT
        async with self.pulse.step() as step:
            if step.guard.paused_until is not None:
                return (step.guard.paused_until - step.now).total_seconds()
            if step.guard.is_unnoticed:
                return UNNOTICED
            opened = await runs.open_due_held(step.tx, step.now, TICK_LIMIT, guard_until=step.guard.until)
            rest = _until(await runs.next_held(step.tx), step.now)
        if opened:
            _logger.info("held.opened", occurrences=len(opened))
        if is_more:
            return 0.0
        return rest if opened or rest else HELD_ELSEWHERE

    async def _review(self) -> int:
        async with self.engine.db.begin() as tx:
            return await runs.review_held(tx, await self.engine.clock.now(tx), TICK_LIMIT)


@dataclass
class Trickle:
    """Lets go of what the storm guard holds, at the pace that is set for it. Rests while no guard is up."""

    engine: Engine
    pulse: Pulse
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.wake.wait(stop, await self.step())

    async def step(self) -> float:
        async with self.pulse.step() as step:
            if step.guard.until is None:
                return LONGEST_REST.total_seconds()
            if step.guard.paused_until is not None:
                return (step.guard.paused_until - step.now).total_seconds()
            done = await away.trickle(step.tx, step.now)
        if done.released:
            _logger.info("guard.trickled", occurrences=done.released)
        return _until(done.next_at, step.now)


@dataclass
class Reaper:
    """Settles targets whose bound has passed, and moves waves on whose time has come."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.wake.wait(stop, await self.reap())

    async def reap(self) -> float:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            number = await runs.reap(tx, now)
            await runs.drive_due(tx, now)
            bounds = [await runs.next_deadline(tx), await runs.next_look(tx)]
            nearest = min((at for at in bounds if at is not None), default=None)
        if number:
            _logger.info("targets.overdue", number=number)
        rest = runs.LONGEST_REST if nearest is None else nearest - now
        # Rows that another scheduler is settling stay overdue for a moment; they are not asked for in a tight loop.
        return min(max(rest.total_seconds(), 0.2), runs.LONGEST_REST.total_seconds())


@dataclass
class Follower:
    """Brings the addresses of onboarding jobs up to what became of their machines' requests for approval."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self.engine.db.begin() as tx:
                number = await runs.follow_approvals(tx, await self.engine.clock.now(tx))
            if not number:
                await self.wake.wait(stop, LONGEST_REST.total_seconds())


@dataclass
class Housekeeper:
    """Small duties on a slow beat: dead instances, old rows, jobs that cannot sign in, zones in use, a guard with nothing to hold,
    clocks that differ.
    """

    engine: Engine
    host: str = field(default_factory=socket.gethostname)
    #: When files were looked through, on the clock that nobody sets.
    _files_at: float = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.tidy()
            await wait_any((stop,), HOUSEKEEPING.total_seconds())

    async def tidy(self) -> None:
        keep = timedelta(minutes=self.engine.settings.event_log_minutes)
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            for gone, kind in await instances.bury_stale(tx, now):
                _logger.warning("instance.gone", kind=kind, id=str(gone))
                if kind == "gateway":
                    await presence.gateway_gone(tx, gone, now)
                    await runs.devices_went_offline(tx, None, now)
            await events.prune(tx, now=now, keep=keep)
            await identity.prune(tx, now)
            await workflows.forget_deliveries(tx, now)
            await agents.expire_requests(tx, now)
            locked = await jobs.pause_locked(tx, now)
        if locked:
            _logger.warning("jobs.paused", number=locked, reason="credential_locked")
        await self.watch_time()
        await self.keep_history_short()
        await self.keep_files_few()

    async def keep_history_short(self) -> None:
        """One step of retention a beat: make weeks ahead, seal or drop old ones, delete what belonged to them."""
        keep = timedelta(days=self.engine.settings.retention_days)
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            await runs.retain(tx, now, keep=keep)
            await notifications.prune(tx, now, keep=keep)

    async def keep_files_few(self) -> None:
        """Remove contents that nothing refers to any more; whether something does is asked now and then only."""
        if _monotonic() - self._files_at < FILES_REST:
            return
        async with self.engine.db.begin() as tx:
            earlier = await assemblies.earlier_revisions(tx)
            in_use = await runs.revisions_in_use(tx, earlier)
            gone = await assemblies.remove_unused(tx, in_use, await self.engine.clock.now(tx))
        if gone:
            _logger.info("files.removed", number=len(gone), bytes=sum(gone))
        else:
            self._files_at = _monotonic()

    async def watch_time(self) -> None:
        """The zones that jobs follow, the storm guard, and whether this host's clock is that of the database."""
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            moved = await outages.adopt_zones(tx, await jobs.zones_in_use(tx), now)
            released = await outages.settle_guard(tx, now)
        if moved:
            _logger.info("zones.adopted", jobs=moved)
        if released is not None:
            _logger.info("guard.released", outage=released)
        async with self.engine.db.begin() as tx:
            ahead, uncertain = await self.engine.clock.host_skew(tx)
            noticed = await outages.notice_skew(tx, await self.engine.clock.now(tx), self.host, ahead, uncertain)
        _tell([noticed] if noticed else [])


def services(engine: Engine) -> tuple[list[Service], Heartbeat]:
    """Everything a scheduler runs, and the heartbeat that says when it should end."""
    queue.prepare()
    pulse = Pulse(engine)
    starter, trickle = Starter(engine, pulse), Trickle(engine, pulse)
    ticker = Ticker(engine, pulse=pulse)
    reaper = Reaper(engine)
    workers = SiteWorkers(engine)
    heartbeat = Heartbeat(engine.db, engine.clock, "scheduler")
    listener = Listener(engine.db.conninfo)
    for service in (ticker, starter, trickle):
        listener.on(jobs.CHANNEL, service.wake.ring)
    listener.on(runs.BOUNDS, reaper.wake.ring)
    follower = Follower(engine)
    listener.on(agents.APPROVALS, follower.wake.ring)
    listener.on(workers.channel, workers.wake.ring)
    moving, moved, sending = workflow_services(engine, heartbeat)
    listener.on(runs.WORKFLOWS, moved.ring)
    listener.on(workflows.REQUESTS, sending.ring)
    telling, wakes = notifying.services(engine)
    for wake in wakes:
        listener.on(notifications.CHANNEL, wake.ring)
    return [
        listener,
        heartbeat,
        ticker,
        Relief(ticker),
        starter,
        trickle,
        reaper,
        follower,
        Housekeeper(engine),
        workers,
        *moving,
        *telling,
    ], heartbeat


async def main(engine: Engine) -> None:
    """Run a scheduler until it is told to stop."""
    parts, heartbeat = services(engine)
    await run_all(parts, heartbeat.should_stop)
