"""The timeline of one machine: tasks with their times, stored when they begin and when they end."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from watchbill.onboarding.base import OnboardingError, Task

#: Beyond these the first ones make room; a machine that was tried again and again keeps its last tries.
_MOST_TASKS: Final = 60
_BEGIN, _END = "started_at", "finished_at"

Line = dict[str, Any]
#: Writes all lines. The last argument names the fields of the one line that are set to the time of the write.
Store = Callable[[Sequence[Line], Line, Sequence[str]], Awaitable[None]]


@dataclass
class Timeline:
    """Implements `base.Story`."""

    store: Store
    lines: list[Line] = field(default_factory=list)

    @asynccontextmanager
    async def task(self, name: str) -> AsyncIterator[Task]:
        task, line = Task(name), self._add(name, "running")
        await self.store(self.lines, line, (_BEGIN,))
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
        await self.store(self.lines, line, (_END,))

    async def note(self, name: str, detail: str) -> None:
        """A line without a duration: what was found."""
        line = self._add(name, "done")
        line["detail"] = detail
        await self.store(self.lines, line, (_BEGIN, _END))

    def _add(self, name: str, state: str) -> Line:
        line: Line = {"task": name, "state": state}
        self.lines = [*self.lines, line][-_MOST_TASKS:]
        return line
