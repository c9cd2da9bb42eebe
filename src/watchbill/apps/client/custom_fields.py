"""`watchbill custom-fields`: what every device may have a value for."""

from typing import Annotated, Any, Literal

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("Custom fields: what every device may have a value for.")
Field = Annotated[str, typer.Argument(metavar="FIELD", help="A field's name.")]
Label = Annotated[str | None, typer.Option(help="How people read it; else its name.")]
ByScripts = Annotated[
    bool | None, typer.Option("--scripts/--no-scripts", help="Whether the output of scripts may set it.")
]


@command(app, "list")
def list_fields(session: Session) -> None:
    """All custom fields, by name."""
    items = session.api.get("/api/custom_fields")["items"]
    columns = [
        Column("name", "name"),
        Column("label", "label"),
        Column("type", "type"),
        Column("scripts", lambda row: "may set it" if row["settable_by_scripts"] else ""),
        Column("description", "description"),
    ]
    session.out.listing(items, columns, is_more=False, empty="There are no custom fields.")


@command(app, "create")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Small letters, digits and underscores; it stays.")],
    *,
    kind: Annotated[
        Literal["text", "number", "boolean", "date"], typer.Option("--type", help="It stays, too.")
    ] = "text",
    label: Label = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    scripts: ByScripts = False,
) -> None:
    """Make a field for the devices of all sites."""
    body = {"name": name, "label": label or name, "type": kind, "description": description}
    made = session.api.post("/api/custom_fields", {**body, "settable_by_scripts": bool(scripts)}, is_creating=True)
    session.out.done(f"Devices may have a value for {made['name']} now.", made)


@command(app, "update")
def update(
    session: Session,
    field: Field,
    *,
    label: Label = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    scripts: ByScripts = None,
) -> None:
    """Change what is given."""
    before = _named(session, field)
    given = {"label": label, "description": description, "settable_by_scripts": scripts}
    names = ("name", "type", "label", "description", "settable_by_scripts")
    body = {**{name: before[name] for name in names}, **{name: one for name, one in given.items() if one is not None}}
    reply = session.api.put(f"/api/custom_fields/{before['id']}", body, revision=before["revision"])
    session.out.done(f"{reply['name']} is saved.", reply)


@command(app, "delete")
def delete(session: Session, field: Field, *, yes: Yes = False) -> None:
    """Delete a field with its values on all devices."""
    before = _named(session, field)
    devices = session.api.get(f"/api/custom_fields/{before['id']}")["devices"]
    asking.sure(f"{field} and its value on {devices} devices will be gone. Go on?", is_sure=yes)
    reply = session.api.delete(f"/api/custom_fields/{before['id']}")
    session.out.done(f"{field} is deleted, with its value on {reply['devices']} devices.", reply)


def _named(session: Session, name: str) -> Any:
    for one in session.api.get("/api/custom_fields")["items"]:
        if one["name"] == name:
            return one
    raise CliError(f"There is no custom field named {name}.", ExitCode.NOT_FOUND)
