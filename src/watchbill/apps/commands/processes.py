"""`watchbill api | gateway | scheduler | site-worker | vpn`: one process of the Engine each, for supervisors of any kind.

Everything is imported inside the command, so that a process loads only what it runs.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit.loading import loading

if TYPE_CHECKING:
    from watchbill.apps.wiring import Engine
    from watchbill.kit.settings import Settings


def api() -> None:
    """Serve the REST API, live events and the pages."""
    with loading():
        from watchbill.apps import api as process
        from watchbill.apps import tls

    _run("api", lambda engine: process.main(engine, tls.ensure(engine.settings)))


def gateway() -> None:
    """Hold the agents' sockets."""
    with loading():
        from watchbill.apps import gateway as process
        from watchbill.apps import tls

    async def main(engine: "Engine") -> None:
        certificate = tls.ensure(engine.settings)
        await process.main(engine, certificate.context() if certificate else None)

    _run("gateway", main)


def scheduler() -> None:
    """Open what is due, watch over deadlines, start and retire site workers. Any number may run."""
    with loading():
        from watchbill.apps import scheduler as process

    _run("scheduler", process.main)


def site_worker(
    site: Annotated[int, typer.Option("--site", min=0, metavar="ID", help="The site whose work items it takes.")],
) -> None:
    """Execute one site's work items; ends when there has been none for a while."""
    with loading():
        from watchbill.apps import site_worker as process

    _run("site_worker", lambda engine: process.main(engine, site))


def vpn() -> None:
    """Own the WireGuard hub that SSH and WinRM go to devices through. Needs root or CAP_NET_ADMIN; a second one stands by."""
    with loading():
        from watchbill.apps import vpn as process

    if settings_of("vpn").vpn_endpoint is None:
        message = "WATCHBILL_VPN_ENDPOINT must say where devices reach the hub, such as engine.example.org:51820."
        raise CliError(message, ExitCode.USAGE)
    _run("vpn", process.main)


def settings_of(name: str) -> "Settings":
    """The settings of this process, with its logs set up; CliError names every bad one."""
    from watchbill.apps import wiring
    from watchbill.kit.settings import SettingsError

    try:
        return wiring.configured(name)
    except SettingsError as error:
        raise bad_settings(error) from None


def bad_settings(error: Exception) -> CliError:
    from watchbill.kit.settings import SettingsError

    problems = error.problems if isinstance(error, SettingsError) else []
    number = len(problems)
    message = f"{number} setting{'s are' if number != 1 else ' is'} wrong:"
    return CliError(message, ExitCode.USAGE, [f"{p.field}: {p.message}" for p in problems])


def _run(name: str, main: Callable[["Engine"], Awaitable[None]]) -> None:
    import uvloop

    from watchbill.apps import wiring
    from watchbill.apps.commands.expected import told

    config = settings_of(name)

    async def run() -> None:
        async with wiring.engine(config, name) as engine:
            await main(engine)

    with told():
        uvloop.run(run())
