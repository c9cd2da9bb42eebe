"""`watchbill config`, `db upgrade`, `operator create` and `doctor`: the Engine looked after from its own host.

They work on settings and database directly, so whoever may run them needs no account of the product.
"""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.apps.commands.processes import bad_settings, settings_of

if TYPE_CHECKING:
    from watchbill.apps.commands.database import Upgraded
    from watchbill.identity import Operator, OperatorDraft
    from watchbill.kit.settings import Settings

db_app = typer.Typer(no_args_is_help=True, add_completion=False, help="The database of the Engine.")
operator_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Accounts, made on the Engine's host.")
# With a callback an app stays a group although it has but one command.
db_app.callback()(lambda: None)
operator_app.callback()(lambda: None)

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.")]


def config(*, as_json: AsJson = False) -> None:
    """Show every setting: variable, value, default, meaning."""
    from watchbill.kit import settings

    try:
        described = settings.describe(settings.load(os.environ), os.environ)
    except settings.SettingsError as error:
        raise bad_settings(error) from None
    if as_json:
        _print_json([asdict(one) for one in described])
        return
    from watchbill.apps.client.output import Column, Out

    columns = [Column("variable", "variable"), Column("value", "value"), Column("default", "default")]
    Out().table([asdict(one) for one in described], [*columns, Column("meaning", "doc", is_wrapped=True)])


@db_app.command("upgrade")
def upgrade(*, as_json: AsJson = False) -> None:
    """Bring the schema up to date, and make what is missing: keys, the first operator. Safe to repeat."""
    from watchbill.apps.commands.database import reachable
    from watchbill.apps.commands.database import upgrade as upgrade_database
    from watchbill.apps.commands.expected import told

    configured = settings_of("db")
    with told(), reachable(configured, is_made=True) as found:
        upgraded = upgrade_database(found)
    if as_json:
        password = upgraded.admin_password.reveal() if upgraded.admin_password else None
        _print_json({"revision": upgraded.revision, "admin_password": password})
    else:
        _tell_upgraded(upgraded)


def _tell_upgraded(upgraded: "Upgraded") -> None:
    sys.stdout.write(f"The schema is at revision {upgraded.revision}.\n")
    if upgraded.admin_password:
        sys.stdout.write(
            f"First sign-in: admin / {upgraded.admin_password.reveal()}\n"
            "This password is shown once; you choose your own when you sign in.\n"
        )


@operator_app.command("create")
def create_operator(
    username: Annotated[str, typer.Argument(help="What the person signs in with.")],
    *,
    role: Annotated[Literal["admin", "operator", "viewer"], typer.Option(help="What the person may do.")],
    site: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A site they see; may be repeated.")] = None,
    display_name: Annotated[str, typer.Option(help="The person's name.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an account. The password is asked for, or is the first line of standard input; never an argument."""
    from watchbill.apps.client.asking import new_password
    from watchbill.apps.commands.database import reachable
    from watchbill.apps.commands.expected import told
    from watchbill.identity import OperatorDraft, Role

    configured = settings_of("operator")
    password = new_password(f"Password for {username}")
    draft = OperatorDraft(username, Role(role), password.reveal(), display_name, must_change_password=False)
    with told(), reachable(configured) as found:
        made = asyncio.run(_create_operator(found, draft, site or []))
    if as_json:
        _print_json({"id": made.id, "username": made.username, "role": made.role, "site_ids": sorted(made.site_ids)})
    else:
        sys.stdout.write(f"Made the {made.role} {made.username}.\n")


async def _create_operator(config: "Settings", draft: "OperatorDraft", names: list[str]) -> "Operator":
    from dataclasses import replace

    from watchbill import identity, sites
    from watchbill.apps import wiring
    from watchbill.identity import ENGINE

    async with wiring.engine(config, "operator") as engine, engine.db.begin() as tx:
        site_ids = set()
        for name in names:
            page = await sites.list_sites(tx, ENGINE, q=name, limit=500, cursor=None)
            matching = [one.id for one in page.items if one.name.lower() == name.lower()]
            if not matching:
                raise CliError(f"There is no site named {name}.", ExitCode.NOT_FOUND)
            site_ids.update(matching)
        wanted = replace(draft, site_ids=frozenset(site_ids))
        now = await engine.clock.now(tx)
        return await identity.create_operator(tx, ENGINE, wanted, existing_sites=site_ids, now=now)


def doctor(*, as_json: AsJson = False) -> None:
    """Check from the database that nothing was lost, doubled or forgotten. Exit code 1 when something was found."""
    from watchbill.apps.commands.database import reachable
    from watchbill.apps.commands.expected import told

    configured = settings_of("doctor")
    with told(), reachable(configured) as found:
        findings = asyncio.run(_check(found))
    if as_json:
        _print_json({"findings": findings})
    elif findings:
        from watchbill.apps.client.output import Column, Out

        columns = [
            Column(name.replace("_", " "), name, is_wrapped=name in {"message", "examples"}) for name in findings[0]
        ]
        Out().table(findings, columns)
    else:
        sys.stdout.write("Nothing is wrong.\n")
    if findings:
        raise typer.Exit(ExitCode.FAILED)


async def _check(config: "Settings") -> list[dict[str, Any]]:
    from watchbill.apps import doctor as examination
    from watchbill.apps import wiring

    async with wiring.engine(config, "doctor") as engine:
        return [asdict(finding) for finding in await examination.check(engine)]


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, default=str) + "\n")
