"""`watchbill up` and `watchbill demo`: the whole Engine on one machine, for long or for a look."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Annotated

import typer

from watchbill.apps.commands.exits import CliError
from watchbill.apps.commands.processes import bad_settings

AgentSite = Annotated[
    str, typer.Option(metavar="NAME", help="The site of this machine's agent; made when there is none.")
]


def up(
    *,
    agent: Annotated[bool, typer.Option("--agent", help="Also run an agent on this machine.")] = False,
    agent_site: AgentSite = "Local",
) -> None:
    """Run the whole Engine here: database, API, gateway, scheduler and site workers. Ctrl-C stops it."""
    import os

    from watchbill.apps import up as all_in_one
    from watchbill.kit import settings
    from watchbill.kit.settings import SettingsError

    try:
        config = settings.load(os.environ)
    except SettingsError as error:
        raise bad_settings(error) from None
    _run(all_in_one.main(config, agent_site=agent_site if agent else None))


def local_agent(*, agent_site: AgentSite = "Local") -> None:
    """Enrol this machine at the Engine of its data directory, then be its agent. Started by `watchbill up --agent`."""
    from watchbill.apps.commands.expected import told
    from watchbill.apps.commands.local_agent import run
    from watchbill.apps.commands.processes import settings_of

    config = settings_of("agent")
    with told():
        run(config, agent_site)


def demo() -> None:
    """See it work: a throwaway Engine, this machine as its device, three jobs and their results."""
    from watchbill.apps.demo import main

    _run(main(is_attended=sys.stdin.isatty()))


def _run(main: Coroutine[None, None, None]) -> None:
    from watchbill.apps.supervisor import ChildFailedError
    from watchbill.kit.postgres import EmbeddedPostgresError

    try:
        asyncio.run(main)
    except ChildFailedError as error:
        raise CliError(f"{error.name} {error.reason}", problems=error.lines) from None
    except EmbeddedPostgresError as error:
        raise CliError(str(error)) from None
