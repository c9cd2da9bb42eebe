"""What a worker writes of a run, each step one transaction in which its lease is proved; tried until the database can be reached."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.kit import log
from watchbill.runs import onboarding_moves
from watchbill.runs.onboarding_moves import OnboardingMove

T = TypeVar("T")
#: Between two tries to reach the database.
_PAUSE_SECONDS: Final = 0.5
#: Ends of addresses that wait for one transaction together: a sweep finds thousands of them.
_AT_ONCE: Final = 200
_GATHER_SECONDS: Final = 0.3

_logger = log.get("onboarding")


#: One transaction in which the lease is proved, with the time; LeaseLostError where another worker holds the work.
Step = Callable[[], AbstractAsyncContextManager[tuple[AsyncConnection, datetime]]]


@dataclass
class Ledger:
    """Writes of one leased run."""

    step: Step
    run_id: int
    _moves: list[OnboardingMove] = field(default_factory=list)
    _is_more: asyncio.Event = field(default_factory=asyncio.Event)

    async def do(self, work: Callable[[AsyncConnection, datetime], Awaitable[T]]) -> T:
        """One step. Tried again where the database went away: the work must be safe to repeat, as what one transaction writes is."""
        while True:
            try:
                async with self.step() as (tx, now):
                    return await work(tx, now)
            except (OperationalError, InterfaceError, InternalError, PoolTimeout) as error:
                _logger.warning("onboarding.waits", run=self.run_id, error=str(error).splitlines()[0])
                await asyncio.sleep(_PAUSE_SECONDS)

    async def move(self, moves: Sequence[OnboardingMove]) -> set[int]:
        async def write(tx: AsyncConnection, now: datetime) -> set[int]:
            return await onboarding_moves.move_onboarding(tx, moves, now)

        return await self.do(write)

    async def end(self, end: OnboardingMove) -> None:
        """Write what came of a machine."""
        await self.do(lambda tx, now: onboarding_moves.end_onboarding(tx, end, now))

    def soon(self, one: OnboardingMove) -> None:
        """Write a move together with others."""
        self._moves.append(one)
        self._is_more.set()

    async def write_soon(self, *, until: asyncio.Event) -> None:
        """Write what is given to `soon`, until `until` is set and nothing is left."""
        while self._moves or not until.is_set():
            if not self._moves:
                await self._wait(until)
                continue
            if len(self._moves) < _AT_ONCE and not until.is_set():
                await asyncio.sleep(_GATHER_SECONDS)
            some, self._moves = self._moves[:_AT_ONCE], self._moves[_AT_ONCE:]
            await self.move(some)

    async def _wait(self, until: asyncio.Event) -> None:
        self._is_more.clear()
        waiting: list[asyncio.Task[Any]] = []
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(one.wait()) for one in (self._is_more, until)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
