"""`watchbill variables`: values for everything, for sites and for devices. A value is never an argument: arguments are seen by others."""

from typing import Annotated, Any

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

PATH = "/api/variables"

app = group("Variables: values for everything, for sites and for devices, where a job gives none.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As assemblies declare it.")]
Site = Annotated[str | None, typer.Option("--site", help="For the devices of this site (name or number).")]
Device = Annotated[str | None, typer.Option("--device", help="For this device (host name or id).")]
Kind = Annotated[
    str, typer.Option("--type", help="text, number or boolean: what the value is read as.", show_default=True)
]


@command(app, "list")
def list_variables(
    session: Session,
    *,
    site: Site = None,
    device: Device = None,
    q: Annotated[str | None, typer.Option("--search", help="Part of a name.")] = None,
) -> None:
    """The values that you may see, by name. Secrets are not shown."""
    asked = {**_place(session, site, device), "q": q}
    query = {name: value for name, value in asked.items() if value is not None}
    page = session.api.page(PATH, query, limit=1000)
    columns = [
        Column("name", "name"),
        Column("for", _whom),
        Column("value", _shown),
        Column("set", lambda row: session.out.when(row["set_at"])),
        Column("by", lambda row: row["set_by"] or ""),
        Column("description", "description"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no such values.")


@command(app, "set")
def set_variable(
    session: Session,
    name: Name,
    *,
    site: Site = None,
    device: Device = None,
    is_secret: Annotated[
        bool | None, typer.Option("--secret/--plain", help="A secret is sealed, never shown and masked in output.")
    ] = None,
    kind: Kind = "text",
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
) -> None:
    """Set a value, new or anew. It is asked for, or read from standard input up to its end."""
    place = _place(session, site, device)
    before = _find(session, name, place)
    value = _read_as(kind, asking.value(f"Value of {name}").reveal())
    body = {
        "name": name,
        **place,
        "value": value,
        "is_secret": is_secret if is_secret is not None else bool(before and before["is_secret"]),
        "description": description if description is not None else (before["description"] if before else ""),
    }
    if before:
        reply = session.api.put(f"{PATH}/{before['id']}", body, revision=before["revision"])
    else:
        reply = session.api.post(PATH, body, is_creating=True)
    session.out.done(f"{name} is set for {_whom(reply)}.", reply)


@command(app, "remove")
def remove(session: Session, name: Name, *, site: Site = None, device: Device = None, yes: Yes = False) -> None:
    """Take a value away; a secret is forgotten for good."""
    before = _find(session, name, _place(session, site, device))
    if before is None:
        raise CliError(f"{name} has no value there.", ExitCode.NOT_FOUND)
    asking.sure(f"The value of {name} for {_whom(before)} will be gone. Go on?", is_sure=yes)
    session.api.delete(f"{PATH}/{before['id']}")
    session.out.done(f"{name} has no value for {_whom(before)} any more.", {"id": before["id"]})


def _place(session: Session, site: str | None, device: str | None) -> dict[str, Any]:
    if site and device:
        raise CliError("Give --site or --device: a value is for one of them.", ExitCode.USAGE)
    return {
        "site_id": session.site_id(site) if site else None,
        "device_id": session.device_id(device) if device else None,
    }


def _find(session: Session, name: str, place: dict[str, Any]) -> Any:
    scope = "site" if place["site_id"] else "device" if place["device_id"] else "everything"
    query = {"q": name, "scope": scope, **{key: value for key, value in place.items() if value is not None}}
    return next((one for one in session.api.page(PATH, query, limit=1000).items if one["name"] == name), None)


def _whom(row: Any) -> str:
    return str(row["site_name"] or row["hostname"] or "everything")


def _shown(row: Any) -> str:
    if row["is_secret"]:
        return "(secret)"
    value = row["value"]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_as(kind: str, text: str) -> str | float | bool:
    match kind:
        case "text":
            return text
        case "boolean" if text.strip().lower() in ("true", "false"):
            return text.strip().lower() == "true"
        case "number":
            return _number(text.strip())
        case "boolean":
            raise CliError("--type boolean: the value must be true or false.", ExitCode.USAGE)
        case _:
            raise CliError("--type must be text, number or boolean.", ExitCode.USAGE)


def _number(text: str) -> float:
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise CliError("--type number: the value is no number.", ExitCode.USAGE) from None
