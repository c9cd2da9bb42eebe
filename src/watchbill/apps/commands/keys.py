"""`watchbill keys`: the key ring, looked after from the Engine's own host. Keys themselves are never shown."""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from watchbill.apps.commands.exits import EXIT_CODES_HELP, CliError, ExitCode
from watchbill.apps.commands.processes import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchbill.apps.keys import KeyStatus, Rotated
    from watchbill.kit.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The keys that secrets are sealed under.")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")]


@app.command("status", epilog=EXIT_CODES_HELP)
def status(*, as_json: AsJson = False) -> None:
    """Which keys the ring has, and what is sealed under each. Exit code 1 when something is sealed under a key that is missing."""
    from watchbill.apps.commands.database import reachable
    from watchbill.apps.commands.expected import told

    with told(), reachable(settings_of("keys")) as config:
        found = asyncio.run(_status(config))
    if as_json:
        _print_json({"keys": [{**asdict(one), "sealed": dict(one.sealed)} for one in found]})
    else:
        _show(found)
    if any(not one.is_in_ring for one in found):
        raise typer.Exit(ExitCode.FAILED)


async def _status(config: "Settings") -> "Sequence[KeyStatus]":
    from watchbill.apps import keys, wiring

    async with wiring.engine(config, "keys") as engine:
        return await keys.status(engine)


def _show(found: "Sequence[KeyStatus]") -> None:
    from watchbill.apps.client.output import Column, Out

    rows = [{"key": one.key, "is": _standing(one), "sealed": _sealed(one)} for one in found]
    Out().table(rows, [Column("key", "key"), Column("is", "is"), Column("sealed under it", "sealed", is_wrapped=True)])


def _standing(one: "KeyStatus") -> str:
    if not one.is_in_ring:
        return "missing from the ring"
    if one.is_active:
        return "active"
    return "old" if one.sealed else "needed by nothing"


def _sealed(one: "KeyStatus") -> str:
    return ", ".join(f"{number} {what}" for what, number in one.sealed.items()) or "nothing"


@app.command("rotate", epilog=EXIT_CODES_HELP)
def rotate(
    *,
    is_staged_only: Annotated[
        bool,
        typer.Option(
            "--stage",
            help="Only add the next key, unused yet: bring the file to every host of the Engine, then rotate.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new key the active one, and seal everything anew under it. The old keys stay in the ring until you take them out.

    A ring from a variable or a command is not written: add a key there, name it active, and rotate seals everything anew under it.
    """
    from watchbill.apps.commands.database import reachable
    from watchbill.apps.commands.expected import told

    configured = settings_of("keys")
    if is_staged_only:
        _stage(configured, as_json=as_json)
        return
    with told(), reachable(configured) as config:
        done = asyncio.run(_rotate(config))
    if as_json:
        locked = {"locked_credentials": sorted(done.locked.credentials), "paused_jobs": done.locked.paused_jobs}
        _print_json({"active": done.active, "is_new": done.is_new, "resealed": done.resealed, **locked})
    else:
        _tell(done)


def _stage(config: "Settings", *, as_json: bool) -> None:
    from watchbill.apps.commands.expected import told
    from watchbill.kit import key_sources

    if not key_sources.is_file(config):
        raise CliError(f"The key ring comes from {key_sources.in_words(config)}: add the key there.", ExitCode.USAGE)
    with told():
        name = key_sources.stage_key(config.key_ring_path)
    if as_json:
        _print_json({"next": name})
    else:
        sys.stdout.write(f"{config.key_ring_path} has the next key, {name}. `watchbill keys rotate` makes it active.\n")


async def _rotate(config: "Settings") -> "Rotated":
    from watchbill.apps import keys, wiring

    async with wiring.engine(config, "keys") as engine:
        return await keys.rotate(engine)


def _tell(done: "Rotated") -> None:
    rows = "1 row was" if done.resealed == 1 else f"{done.resealed} rows were"
    sys.stdout.write(f"The active key is {done.active}; {rows} sealed anew under it.\n")
    if done.is_new:
        sys.stdout.write("Restart the processes of the Engine, so that they seal under it too.\n")
    if done.locked.credentials:
        numbers = ", ".join(str(one) for one in sorted(done.locked.credentials))
        sys.stdout.write(
            f"No key of the ring opens the credentials {numbers}: give their secrets anew. "
            f"{done.locked.paused_jobs} jobs were paused for it.\n"
        )


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
