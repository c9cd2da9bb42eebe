"""`watchbill views`: filters, orders and columns under a name, for oneself or for everybody."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("Filters, orders and columns of lists, kept under a name.")
PATH = "/api/views"
View = Annotated[str, typer.Argument(metavar="VIEW", help="A view's number or name.")]
Screen = Annotated[
    str, typer.Option("--screen", help="jobs, occurrences, devices, device_approvals, windows, assemblies.")
]
Query = Annotated[
    str | None,
    typer.Option(
        "--query", metavar="QUERY", help="Parameters of the list, as after ? in its address: health=failing&sort=name"
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="NAMES", help="Fields of the rows with commas; all = as the list has them."),
]


@command(app, "list")
def list_views(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    screen: Annotated[str | None, typer.Option(help="Only those of this list.")] = None,
    mine: Annotated[
        bool | None, typer.Option("--mine/--shared", help="Only your own, or only those of others.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """Your views, and those that others share."""
    page = session.api.page(PATH, {"q": q, "screen": screen, "mine": mine}, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("name", "name"),
        Column("screen", "screen"),
        Column("owner", "owner"),
        Column("shared", "is_shared"),
        Column("query", lambda row: _query_text(row["query"]), is_wrapped=True),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no views.")


@command(app, "show")
def show(session: Session, view: View) -> None:
    """One view."""
    found = find(session, view)
    if session.out.is_json:
        session.out.json(found)
        return
    session.out.facts(
        {
            "View": f"{found['name']} (number {found['id']})",
            "Screen": found["screen"],
            "Query": _query_text(found["query"]) or None,
            "Columns": found["columns"],
            "Owner": f"{found['owner']}, {'shared with everybody' if found['is_shared'] else 'private'}",
            "Revision": f"{found['revision']}, {session.out.when(found['updated_at'])}",
        }
    )


@command(app, "create")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    screen: Screen = "jobs",
    query: Query = None,
    columns: Columns = None,
    share: Annotated[bool, typer.Option("--share", help="Everybody sees it.")] = False,
) -> None:
    """Keep a view: `watchbill views create "Night failures" --query "tag=night&health=failing"`."""
    body = {
        "name": name,
        "screen": screen,
        "query": _read_query(query or ""),
        "columns": _read_columns(columns),
        "is_shared": share,
    }
    made = session.api.post(PATH, body, is_creating=True)
    session.out.done(f"Made the view {made['name']}, number {made['id']}.", made)


@command(app, "update")
def update(
    session: Session,
    view: View,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    query: Query = None,
    columns: Columns = None,
    share: Annotated[bool | None, typer.Option("--share/--private", help="Whether everybody sees it.")] = None,
) -> None:
    """Change a view; what is not given stays."""
    before = find(session, view)
    body = {
        "name": before["name"] if name is None else name,
        "screen": before["screen"],
        "query": before["query"] if query is None else _read_query(query),
        "columns": before["columns"] if columns is None else _read_columns(columns),
        "is_shared": before["is_shared"] if share is None else share,
    }
    saved = session.api.put(f"{PATH}/{before['id']}", body, revision=before["revision"])
    session.out.done(f"Saved the view {saved['name']}, revision {saved['revision']}.", saved)


@command(app, "delete")
def delete(session: Session, view: View, *, yes: Yes = False) -> None:
    """Delete a view, for everybody if it was shared."""
    found = find(session, view)
    if found["is_shared"]:
        asking.sure(f"The view {found['name']} is shared: it will be gone for everybody. Go on?", is_sure=yes)
    session.api.delete(f"{PATH}/{found['id']}")
    session.out.done(f"Deleted the view {found['name']}.", {"id": found["id"]})


def find(session: Session, text: str, *, screen: str | None = None) -> Mapping[str, Any]:
    """A view by its number or its name; one's own comes before those that others share."""
    if text.isdigit():
        found: Mapping[str, Any] = session.api.get(f"{PATH}/{text}")
        if screen not in (None, found["screen"]):
            raise CliError(f"View {text} is one of {found['screen']}, not of {screen}.", ExitCode.USAGE)
        return found
    page = session.api.page(PATH, {"q": text, "screen": screen}, limit=1000)
    named = [one for one in page.items if one["name"].lower() == text.lower()]
    fitting = [one for one in named if one["is_mine"]] or named
    if not fitting:
        raise CliError(f"There is no view named {text}{f' for {screen}' if screen else ''}.", ExitCode.NOT_FOUND)
    if len(fitting) > 1:
        ids = ", ".join(f"{one['id']} of {one['owner']} for {one['screen']}" for one in fitting)
        raise CliError(f"{len(fitting)} views are named {text}; use one of the numbers {ids}.", ExitCode.USAGE)
    chosen: Mapping[str, Any] = fitting[0]
    return chosen


def _read_query(text: str) -> dict[str, object]:
    try:
        read = parse_qs(text.removeprefix("?"), keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        raise CliError("--query must be NAME=VALUE parts with & between them.", ExitCode.USAGE) from None
    return {name: values if len(values) > 1 else values[0] for name, values in read.items()}


def _read_columns(text: str | None) -> list[str] | None:
    return None if text is None or text == "all" else [one.strip() for one in text.split(",") if one.strip()]


def _query_text(query: Mapping[str, Any]) -> str:
    parts = [(name, one) for name, value in query.items() for one in (value if isinstance(value, list) else [value])]
    return "&".join(f"{name}={str(one).lower() if isinstance(one, bool) else one}" for name, one in parts)
