"""The syntax of a playbook, as Ansible itself sees it: in a child of its own, a few at a time. Saves nothing.

What a playbook could do to the Engine while Ansible reads it is in docs/playbooks.md; `syntax_child` has the guards.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from watchbill.core.assembly_rules import AssemblyDraft, Variable, VariableType
from watchbill.core.playbook_rules import MAIN
from watchbill.core.playbook_yaml import is_yaml, texts
from watchbill.core.problems import Problem
from watchbill.kit import log
from watchbill.kit.errors import InvalidError, TooManyRequestsError
from watchbill.playbooks.installing import CollectionCache
from watchbill.playbooks.programs import Limits, python, run, settings_of, wall, working_directory

AT_ONCE: Final = 2
#: How long a check waits for its turn.
WAIT_SECONDS: Final = 30.0
LIMITS: Final = Limits(seconds=30, memory_bytes=1 << 30, file_bytes=1 << 24)
_CHILD: Final = Path(__file__).with_name("syntax_child.py")
_PLACEHOLDERS: Final[Mapping[VariableType, object]] = {
    VariableType.STRING: "",
    VariableType.SECRET: "",
    VariableType.NUMBER: 0,
    VariableType.BOOLEAN: False,
}
_logger = log.get("playbooks")

LayOut = Callable[[Path], Awaitable[object]]


@dataclass
class SyntaxChecks:
    """The checks of one process. A tree is laid out, looked at and wiped."""

    collections: CollectionCache
    limits: Limits = LIMITS
    wait_seconds: float = WAIT_SECONDS
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _wall: tuple[str, ...] | None = None

    async def check(self, draft: AssemblyDraft, lay_out: LayOut) -> Sequence[Problem]:
        """What is wrong with a playbook, in its text, its files or its collections. Raises TooManyRequestsError when it is not its turn for long.

        `lay_out` writes the tree into a folder.
        """
        try:
            collections = await self.collections.path(draft.collections)
        except InvalidError as error:
            return error.problems
        async with self._turn(), working_directory(self.collections.data_dir / "work") as work:
            await asyncio.to_thread((work / "tree").mkdir)
            await lay_out(work / "tree")
            malformed = await asyncio.to_thread(_malformed, draft, work / "tree")
            return malformed or await self._asked(draft, work, collections)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._turns.acquire(), self.wait_seconds)
        except TimeoutError:
            detail = "Other playbooks are being checked; nothing was changed. Try again soon."
            raise TooManyRequestsError(detail, retry_after_seconds=5) from None
        try:
            yield
        finally:
            self._turns.release()

    async def _asked(self, draft: AssemblyDraft, work: Path, collections: Path | None) -> Sequence[Problem]:
        if self._wall is None:
            self._wall = await wall()
        await asyncio.to_thread((work / "variables.json").write_text, json.dumps(_placeholders(draft.variables)))
        argv = [*self._wall, *python(str(_CHILD), str(work), *([str(collections)] if collections else []))]
        environment = {**settings_of(work, collections), "ANSIBLE_ROLES_PATH": str(work / "tree" / "roles")}
        ended = await run(argv, directory=work, environment=environment, limits=self.limits)
        verdict = await asyncio.to_thread(_read_verdict, work / "verdict.json")
        if verdict is None:
            _logger.warning("playbook.check_failed", code=ended.code, lines=list(ended.lines)[-5:])
            return [_unfinished(ended.code, self.limits)]
        return [_problem(draft, one) for one in verdict]


def _malformed(draft: AssemblyDraft, tree: Path) -> list[Problem]:
    paths = [one.name for one in draft.files if is_yaml(one.name)]
    return list(texts((path, (tree / path).read_bytes()) for path in paths))


def _placeholders(variables: Sequence[Variable]) -> dict[str, object]:
    """What is declared has a value when a job runs; while it is read, one of its kind stands for it."""
    return {one.name: _placeholder(one) for one in variables}


def _placeholder(variable: Variable) -> object:
    if variable.default is not None:
        return variable.default
    return variable.choices[0] if variable.choices else _PLACEHOLDERS.get(variable.type, "")


def _read_verdict(path: Path) -> list[dict[str, Any]] | None:
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text())["problems"]
    except (OSError, ValueError, KeyError):
        return None
    return found


def _unfinished(code: int | None, limits: Limits) -> Problem:
    if code is None:
        message = f"could not be checked within {limits.seconds:.0f} seconds"
        return Problem("content", "check_timed_out", message)
    message = (
        f"could not be checked: Ansible ended by itself or needed more than {limits.memory_bytes >> 20} MiB of memory"
    )
    return Problem("content", "check_failed", message)


def _problem(draft: AssemblyDraft, one: Mapping[str, Any]) -> Problem:
    """A fault as the child tells it. One without a place in the tree is shown at the playbook itself."""
    path, line, column = one.get("path"), one.get("line"), one.get("column")
    known = {file.name for file in draft.files}
    place = f"line {line}, column {column or 1}: " if line and (path == MAIN or path in known) else ""
    field_name = f"files.{path}" if path in known else "content"
    return Problem(field_name, "syntax", place + str(one["message"]))
