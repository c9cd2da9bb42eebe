"""`watchbill filters`: saved questions about devices, for jobs and windows to be aimed at."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import typer

from watchbill.apps.client import asking, documents, said_criteria
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("Device filters: which devices, by what is known of them.")
PATH = "/api/device_filters"
Filter = Annotated[str, typer.Argument(metavar="FILTER", help="A filter's number or name.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CRITERION",
        help="Such as 'hostname contains web', 'tags has_any prod,eu', 'last_seen_age higher 7 days',"
        " 'software installed openssl lower 3.0.1'; may be repeated, and all of them must hold.",
    ),
]
File = Annotated[
    str | None,
    typer.Option("-f", "--file", metavar="FILE", help="A filter as YAML or JSON; - reads standard input."),
]
At = Annotated[list[str] | None, typer.Option("--site", metavar="SITE", help="Only there; may be repeated.")]
Except = Annotated[
    list[str] | None, typer.Option("--except-site", metavar="SITE", help="Everywhere but there; may be repeated.")
]
_PAGE = 500
_DEFINITION = ("name", "description", "criteria", "site_mode", "site_ids")


@command(app, "list")
def list_filters(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Those out of use instead.")] = False,
    sort: Annotated[str, typer.Option(help="name or updated_at; with a leading - the other way round.")] = "name",
    limit: Limit = 100,
) -> None:
    """Filters and what they say."""
    query = {"q": q, "archived": "true" if archived else "false", "sort": sort}
    page = session.api.page(PATH, query, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("name", "name"),
        Column("devices whose", _words),
        Column("sites", _sites),
        Column("changed", lambda row: session.out.when(row["updated_at"])),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no filters.")


def _words(one: Mapping[str, Any]) -> str:
    return one["in_words"] or "asks about a custom field that is gone"


def _sites(one: Mapping[str, Any]) -> str:
    numbers = ", ".join(map(str, one["site_ids"])) or "some that you do not see"
    return "all" if one["site_mode"] == "all" else f"{one['site_mode']} {numbers}"


@command(app, "show")
def show(session: Session, filter_: Filter) -> None:
    """One filter: what it says, where it looks, and what you may do with it."""
    found = session.api.get(f"{PATH}/{session.filter_id(filter_)}")
    if session.out.is_json:
        session.out.json(found)
        return
    not_now = [f"{one['action']} ({one['reason']})" for one in found["allowed_actions"] if not one["allowed"]]
    session.out.facts(
        {
            "Filter": f"{found['name']} (number {found['id']})",
            "Description": found["description"] or None,
            "Devices whose": _words(found),
            "Sites": _sites(found),
            "Archived": session.out.when(found["archived_at"]),
            "Revision": f"{found['revision']}, {session.out.when(found['updated_at'])} by {found['updated_by'] or '-'}",
            "Not now": not_now or None,
        }
    )


@command(app, "fields")
def fields(session: Session) -> None:
    """What a filter can ask about, with the operators of each field."""
    items = session.api.get(f"{PATH}/fields")["items"]
    columns = [
        Column("field", "name"),
        Column("kind", "kind"),
        Column("operators", lambda row: ", ".join(row["operators"]), is_wrapped=True),
        Column("such as", lambda row: ", ".join(row["choices"]) or _example(row["example"])),
    ]
    session.out.listing(items, columns, is_more=False, empty="There are no fields.")


def _example(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(one) for one in value.values())
    return "" if value is None else str(value)


@command(app, "create")
def create(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Else the one in the file.")] = None,
    *,
    file: File = None,
    where: Where = None,
    site: At = None,
    except_site: Except = None,
    description: Annotated[str | None, typer.Option(help="For people.")] = None,
) -> None:
    """Save a new filter, from a file or from criteria. Options count more than the file."""
    document = documents.read(file) if file else None
    given = {"name": name, "description": description, **_given(session, where, site, except_site)}
    body = {**(document.value if document else {}), **{key: one for key, one in given.items() if one is not None}}
    if "criteria" not in body:
        raise CliError("Say which devices: by --where, or by a file with criteria.", ExitCode.USAGE)
    made = session.api.post(PATH, body, is_creating=True, placed=document.placed if document else None)
    session.out.done(f"Made the filter {made['name']}, number {made['id']}: {made['in_words']}.", made)


@command(app, "update")
def update(
    session: Session,
    filter_: Filter,
    *,
    file: File = None,
    where: Where = None,
    site: At = None,
    except_site: Except = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="name=… or description=…; may be repeated."),
    ] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="Refuse if it is no longer at this revision.")] = None,
) -> None:
    """Change what the options speak of, or save the filter anew from a file. --where replaces all criteria there are."""
    document = documents.read(file) if file else None
    changes = {**dict(map(_setting, settings or ())), **_given(session, where, site, except_site)}
    if document is None and not changes:
        raise CliError("Say what to change: by options, or by a file.", ExitCode.USAGE)
    path = f"{PATH}/{session.filter_id(filter_)}"
    if document is None:
        before = session.api.get(path)
        base, revision = {key: before[key] for key in _DEFINITION}, revision or before["revision"]
    else:
        base = document.value
    placed = document.placed if document else None
    saved = session.api.put(path, {**base, **changes}, revision=revision, placed=placed)
    session.out.done(f"Saved the filter {saved['name']}, revision {saved['revision']}: {saved['in_words']}.", saved)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals and name in ("name", "description"):
        return name, value
    raise CliError(f"{text} sets nothing.", ExitCode.USAGE, hint="name and description can be set.")


def _given(
    session: Session, where: Sequence[str] | None, site: Sequence[str] | None, except_site: Sequence[str] | None
) -> dict[str, Any]:
    """What options say of whom a filter names."""
    if site and except_site:
        raise CliError("--site and --except-site cannot both be given.", ExitCode.USAGE)
    found: dict[str, Any] = {}
    if where:
        known = {one["name"]: one for one in session.api.get(f"{PATH}/fields")["items"]}
        found["criteria"] = said_criteria.criteria(where, known, session.site_id)
    for mode, names in (("only", site), ("except", except_site)):
        if names:
            found |= {"site_mode": mode, "site_ids": [session.site_id(one) for one in names]}
    return found


@command(app, "preview")
def preview(
    session: Session,
    filter_: Annotated[str | None, typer.Argument(metavar="[FILTER]", help="A saved filter's number or name.")] = None,
    *,
    file: File = None,
    where: Where = None,
    site: At = None,
    except_site: Except = None,
    limit: Limit = 20,
) -> None:
    """Whom a filter finds now, and why each: a saved one, or one that is only thought of. Saves nothing."""
    if (filter_ is None) == (file is None and not where):
        raise CliError("Name a saved filter, or criteria by --where, or a file by -f.", ExitCode.USAGE)
    if filter_ is not None and (site or except_site):
        raise CliError("A saved filter has its own sites; leave --site and --except-site out.", ExitCode.USAGE)
    if filter_ is not None:
        path = f"{PATH}/{session.filter_id(filter_)}/preview"
        _show_found(session, _whole(lambda query: session.api.get(path, query), limit))
        return
    document = documents.read(file) if file else None
    body = {**(document.value if document else {}), **_given(session, where, site, except_site)}
    placed = document.placed if document else None
    ask = partial(session.api.send, "POST", f"{PATH}/preview", body=body, placed=placed)
    _show_found(session, _whole(lambda query: ask(query=query).json(), limit))


def _whole(ask: Callable[[Mapping[str, Any]], Any], limit: int) -> dict[str, Any]:
    """A preview with up to `limit` devices, over as many pages as that takes."""
    found: dict[str, Any] = {**ask({"limit": min(limit, _PAGE)})}
    while found["next_cursor"] and len(found["items"]) < limit:
        more = ask({"limit": min(limit - len(found["items"]), _PAGE), "cursor": found["next_cursor"]})
        found = {**found, "items": [*found["items"], *more["items"]], "next_cursor": more["next_cursor"]}
    return found


def _show_found(session: Session, found: Mapping[str, Any]) -> None:
    if session.out.is_json:
        session.out.json(found)
        return
    session.out.say(f"Devices whose {found['in_words']}:")
    number = found["devices"]
    session.out.say(
        f"{number} device{'s' if number != 1 else ''}, {found['online']} online, {found['offline']} offline."
    )
    columns = [
        Column("device", "hostname"),
        Column("site", lambda row: row["site_name"] or ""),
        Column("online", lambda row: "yes" if row["online"] else session.out.when(row["last_seen_at"]) or "never"),
        Column("because", lambda row: "; ".join(row["why"]), is_wrapped=True),
    ]
    if found["items"]:
        session.out.table(found["items"], columns)
    if found["next_cursor"]:
        session.out.say(f"The first {len(found['items'])} are shown; --limit shows more.")


@command(app, "usage")
def usage(session: Session, filter_: Filter) -> None:
    """The jobs and windows that a filter is part of."""
    found = session.api.get(f"{PATH}/{session.filter_id(filter_)}/usage")
    if session.out.is_json:
        session.out.json(found)
        return
    rows = [{"what": "job", "how": "left out" if one["is_exclusion"] else "target", **one} for one in found["jobs"]]
    rows += [{"what": "window", "how": "covered", **one} for one in found["windows"]]
    columns = [Column("what", "what"), Column("id", "id", is_right=True), Column("name", "name"), Column("as", "how")]
    if rows:
        session.out.table(rows, columns)
    unseen = found["unseen_jobs"] + found["unseen_windows"]
    if unseen:
        session.out.say(f"{unseen} more of sites that you do not see.")
    elif not rows:
        session.out.say("Nothing uses it.")


@command(app, "clone")
def clone(
    session: Session,
    filter_: Filter,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of the copy; else `Copy of …`.")] = None,
) -> None:
    """Save a copy, which is yours: it reaches your sites."""
    body = {} if name is None else {"name": name}
    made = session.api.post(f"{PATH}/{session.filter_id(filter_)}/clone", body, is_creating=True)
    session.out.done(f"Made the filter {made['name']}, number {made['id']}.", made)


@command(app, "archive")
def archive(
    session: Session,
    filter_: Filter,
    *,
    back: Annotated[bool, typer.Option("--back", help="Bring it back into use.")] = False,
) -> None:
    """Take a filter out of use; refused while a job or a window uses it."""
    filter_id = session.filter_id(filter_, is_archived=back)
    saved = session.api.post(f"{PATH}/{filter_id}/archive", {"archived": not back})
    session.out.done(f"{saved['name']} is {'back in use' if back else 'archived'}.", saved)


@command(app, "delete")
def delete(session: Session, filter_: Filter, *, yes: Yes = False) -> None:
    """Delete a filter; refused while a job or a window uses it."""
    path = f"{PATH}/{session.filter_id(filter_)}"
    found = session.api.get(path)
    asking.sure(f"The filter {found['name']} will be deleted. Go on?", is_sure=yes)
    session.api.delete(path)
    session.out.done(f"Deleted the filter {found['name']}.", {"id": found["id"]})


@command(app, "export")
def export(session: Session, filter_: Filter) -> None:
    """Write a filter to standard output, as `create -f` and `update -f` read it: YAML, or JSON with --json."""
    from watchbill.kit import yaml_file

    found = session.api.get(f"{PATH}/{session.filter_id(filter_)}")
    definition = {name: found[name] for name in _DEFINITION}
    if session.out.is_json:
        session.out.json(definition)
    else:
        sys.stdout.write(yaml_file.write(definition))
