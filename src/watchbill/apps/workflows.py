"""What a scheduler moves workflows on with: runs that are woken, and the requests of their nodes to other systems."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from watchbill import runs, variables, workflows
from watchbill.apps.wiring import Engine
from watchbill.kit import log
from watchbill.kit.instances import Heartbeat
from watchbill.kit.service import Service, Wake, wait_any
from watchbill.workflows import BrokenRunError, Claimed, Documents
from watchbill.workflows.http_requests import HttpAnswer, send

LONGEST_REST: Final = 60.0
#: Runs that another scheduler holds are not asked for in a tight loop.
HELD_ELSEWHERE: Final = 0.05
#: Requests that one process has out at the same time.
AT_ONCE: Final = 32
#: How much longer than its own limit an answer is waited for before the request counts as lost.
GRACE: Final = timedelta(seconds=30)
#: How often requests are looked for of which nobody will say any more what became of them.
ABANDONED_REST: Final = 5.0
#: How long a process that ends waits for answers that are on their way.
LAST_ANSWERS: Final = 5.0

_logger = log.get("workflows")


@dataclass
class Mover:
    """Moves on what is woken, then rests until the next wake."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)
    _documents: Documents = field(default_factory=Documents)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            rest = await self.step()
            if rest:
                await self.wake.wait(stop, rest)

    async def step(self) -> float:
        """One transaction; returns how many seconds to rest."""
        try:
            async with self.engine.db.begin() as tx:
                now = await self.engine.clock.now(tx)
                if await workflows.step(tx, self._documents, now):
                    return 0.0
                at = await workflows.next_wake(tx)
        except BrokenRunError as error:
            await self._give_up(error)
            return 0.0
        if at is None:
            return LONGEST_REST
        return min(max((at - now).total_seconds(), HELD_ELSEWHERE), LONGEST_REST)

    async def _give_up(self, error: BrokenRunError) -> None:
        cause = error.__cause__
        _logger.error("workflow.gave_up", run=error.run_id, exc_info=cause)
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            await workflows.give_up(tx, error.run_id, f"{type(cause).__name__}: {cause}", now)


@dataclass
class Sender:
    """Sends the requests of nodes, each once: what was on its way when its sender died is lost, or sent again where the node says so."""

    engine: Engine
    heartbeat: Heartbeat
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        # Whoever is not registered is taken for gone, and what it sends for lost.
        await wait_any((stop, self.heartbeat.is_registered), LONGEST_REST)
        sending: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                claimed = await self._claim(AT_ONCE - len(sending)) if len(sending) < AT_ONCE else ()
                for one in claimed:
                    task = group.create_task(self._send(one))
                    sending.add(task)
                    task.add_done_callback(sending.discard)
                    task.add_done_callback(lambda _: self.wake.ring())
                if not claimed:
                    await self.wake.wait(stop, ABANDONED_REST)
            await self._let_end(sending)

    async def _let_end(self, sending: Collection["asyncio.Task[None]"]) -> None:
        """What is answered soon still counts; of the rest nobody knows what became of it."""
        if sending:
            _, left = await asyncio.wait(sending, timeout=LAST_ANSWERS)
            for task in left:
                task.cancel()

    async def _claim(self, number: int) -> Sequence[Claimed]:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            lost = await workflows.give_up_abandoned(tx, now, GRACE)
            await runs.wake(tx, [(run_id, now) for run_id in lost])
            return await workflows.claim_requests(tx, self.heartbeat.id, now, number)

    async def _send(self, one: Claimed) -> None:
        answer = await self._sent(one)
        async with self.engine.db.begin() as tx:
            if await workflows.answer(tx, one, self.heartbeat.id, workflows.told(answer)):
                await runs.wake(tx, [(one.run_id, await self.engine.clock.now(tx))])

    async def _sent(self, one: Claimed) -> HttpAnswer:
        request = workflows.request_from_json(one.request)
        async with self.engine.db.begin() as tx:
            values = await variables.for_everything(tx, self.engine.keys, request.variables)
        return await send(request, values, allows_private=self.engine.settings.webhook_private == "on")


def services(engine: Engine, heartbeat: Heartbeat) -> tuple[list[Service], Wake, Wake]:
    """What moves workflows on, and what wakes it: of runs, and of requests."""
    mover, sender = Mover(engine), Sender(engine, heartbeat)
    return [mover, sender], mover.wake, sender.wake
