"""The timeline of one machine: tasks with their times, stored when they begin and when they end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from watchbill.kit.clock import rfc3339
from watchbill.onboarding.base import OnboardingError, Task

#: Beyond these the first ones make room; a machine that was tried again and again keeps its last tries.
_MOST_TASKS: Final = 60

Line = dict[str, Any]
Store = Callable[[Sequence[Line]], Awaitable[datetime]]


@dataclass
class Timeline:
    """Implements `base.Story`. `store` writes all lines and returns the time; `began` is told each task before it is stored."""

    store: Store
    now: Callable[[], Awaitable[datetime]]
    began: Callable[[str], Awaitable[None]]
    lines: list[Line] = field(default_factory=list)

    @asynccontextmanager
    async def task(self, name: str) -> AsyncIterator[Task]:
        task = Task(name)
        line: Line = {"task": name, "state": "running", "started_at": rfc3339(await self.now())}
        await self.began(name)
        self.lines = [*self.lines, line][-_MOST_TASKS:]
        await self.store(self.lines)
        try:
            yield task
        except OnboardingError as error:
            await self._end(line, task, "failed", str(error), error.snippet)
            raise
        except BaseException:
            # Cut off: whoever cuts it off stores the end, for this may be no time for another write.
            line |= {"state": "cut_off", "detail": task.detail or None}
            raise
        await self._end(line, task, "done", task.detail, task.snippet)

    async def _end(self, line: Line, task: Task, state: str, detail: str, snippet: str) -> None:
        words = detail if not task.detail or detail == task.detail else f"{task.detail}; {detail}"
        line |= {"state": state, "detail": words or None, "snippet": snippet or task.snippet or None}
        line["finished_at"] = rfc3339(await self.now())
        await self.store(self.lines)

    async def note(self, name: str, detail: str) -> None:
        """A line without a duration: what was found."""
        at = rfc3339(await self.now())
        line = {"task": name, "state": "done", "detail": detail, "started_at": at, "finished_at": at}
        self.lines = [*self.lines, line][-_MOST_TASKS:]
        await self.store(self.lines)
