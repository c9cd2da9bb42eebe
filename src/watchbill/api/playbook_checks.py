"""What saves assemblies when one may be a playbook: its syntax is looked at between two transactions, since that takes seconds.

A request runs as always. Where a playbook proves right but for its syntax, which nobody has looked at, the transaction is given up, Ansible
looks, and the request runs once more with what was found.
"""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from watchbill import assemblies
from watchbill.api.common import PROBLEMS, Deps, TransactionalRoute
from watchbill.assemblies import SyntaxUnknownError, Verdicts
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.problems import Problem
from watchbill.kit.errors import ConflictError
from watchbill.playbooks import SyntaxChecks

T = TypeVar("T")

#: More than once only where somebody else changes the same playbook meanwhile.
_ATTEMPTS: Final = 4


class CheckedRoute(TransactionalRoute):
    """For requests that may save a playbook; their handlers take `TheVerdicts`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def with_checks(request: Request) -> Response:
            async def attempt(verdicts: Verdicts) -> Response:
                request.state.verdicts = verdicts
                return await handle(request)

            return await with_verdicts(request.app, attempt)

        return with_checks


def checked_router(**options: Any) -> APIRouter:
    return APIRouter(route_class=CheckedRoute, responses=PROBLEMS, **options)


async def with_verdicts(app: FastAPI, attempt: Callable[[Verdicts], Awaitable[T]]) -> T:
    """What `attempt` gives, once the syntax of what it saves is known."""
    found: dict[str, list[Problem]] = {}
    for _ in range(_ATTEMPTS):
        try:
            return await attempt(found)
        except SyntaxUnknownError as error:
            draft = error.draft
        found[assemblies.tree_digest(draft)] = await _checked(app, draft)
    raise ConflictError("The assembly changed again and again meanwhile; nothing was changed here.", code="conflict")


async def _checked(app: FastAPI, draft: AssemblyDraft) -> list[Problem]:
    deps: Deps = app.state.deps
    checks: SyntaxChecks = app.state.checks

    async def lay_out(directory: Path) -> None:
        async with deps.db.begin() as tx:
            await assemblies.write_draft(tx, draft, directory)

    return list(await checks.check(draft, lay_out))


async def _verdicts(request: Request) -> Verdicts:
    verdicts: Verdicts = request.state.verdicts
    return verdicts


TheVerdicts = Annotated[Verdicts, Depends(_verdicts)]
