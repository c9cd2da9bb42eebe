"""The seam between executors and the rest: what they are given, and the only things they may ask for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """One work item: a run's part of one site."""

    run_id: int
    site_id: int
    execution_context: str


class LeaseLostError(Exception):
    """Another worker owns the item now; whoever gets this stops at once and writes nothing more."""


class RunPort(Protocol):
    """What an executor may do to its run. Every call raises LeaseLostError once the lease is gone."""

    async def release(self) -> int:
        """Hand the next batch of targets to their devices; how many there were, 0 at the end."""


Executor = Callable[[WorkRequest, RunPort], Awaitable[None]]
