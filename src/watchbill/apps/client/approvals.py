"""`watchbill approvals`: machines that ask to become devices, and a person's yes or no."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("Machines that ask to become devices.")
PATH = "/api/device_approvals"
#: As many as one bulk request takes.
_BULK = 500

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Of the requests, as `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that wait; with --site those of one site.")]
Site = Annotated[str | None, typer.Option(help="A site's number or name.")]


@command(app, "list")
def list_approvals(
    session: Session,
    *,
    state: Annotated[
        Literal["pending", "approved", "denied", "expired", "all"], typer.Option(help="Which ones.")
    ] = "pending",
    site: Site = None,
    limit: Limit = 100,
) -> None:
    """Requests, newest first; only those that wait, unless told otherwise."""
    query = {"state": None if state == "all" else state, "site_id": session.site_id(site) if site else None}
    page = session.api.page(PATH, query, limit=limit)
    columns = [
        Column("id", "id"),
        Column("hostname", "hostname"),
        Column("site", "site_name"),
        Column("state", "state"),
        Column("conflict", "conflict"),
        Column("from", "remote_addr"),
        Column("key", lambda row: str(row["key_fingerprint"])[:23]),
        Column("asked", lambda row: session.out.when(row["created_at"])),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="Nothing waits for approval.")


@command(app, "approve")
def approve(
    session: Session,
    ids: Ids = None,
    *,
    is_all: All = False,
    site: Site = None,
    resolve: Annotated[
        Literal["replace", "new"] | None,
        typer.Option(help="For one that clashes with a known device: revoke that one, or keep both."),
    ] = None,
) -> None:
    """Make machines devices."""
    chosen = _chosen(session, ids, site, is_all=is_all)
    if resolve is None:
        _decide(session, chosen, "approve", None)
        return
    if len(chosen) != 1:
        raise CliError("--resolve goes with one request at a time.", ExitCode.USAGE)
    reply = session.api.post(f"{PATH}/{chosen[0]}/approve", {"resolve": resolve})
    session.out.done(f"{reply['hostname']} is {reply['state']}.", reply)


@command(app, "deny")
def deny(
    session: Session,
    ids: Ids = None,
    *,
    is_all: All = False,
    site: Site = None,
    reason: Annotated[str | None, typer.Option(help="Told to the machine.")] = None,
) -> None:
    """Refuse machines."""
    _decide(session, _chosen(session, ids, site, is_all=is_all), "deny", reason)


def _chosen(session: Session, ids: list[str] | None, site: str | None, *, is_all: bool) -> list[str]:
    if bool(ids) == is_all:
        raise CliError("Name the requests by their ids, or all that wait by --all.", ExitCode.USAGE)
    if site is not None and not is_all:
        raise CliError("--site goes with --all.", ExitCode.USAGE)
    if ids:
        return ids
    query = {"state": "pending", "site_id": session.site_id(site) if site else None}
    return [str(one["id"]) for one in session.api.page(PATH, query, limit=100_000).items]


def _decide(session: Session, ids: list[str], decision: str, reason: str | None) -> None:
    results = list(_decided(session, ids, decision, reason))
    refused = [one for one in results if one["approval"] is None]
    if session.out.is_json:
        session.out.json({"items": results})
    elif not results:
        session.out.say("Nothing waits for approval.")
    else:
        for one in results:
            if one["approval"] is not None:
                session.out.done(f"{one['approval']['hostname']} is {one['approval']['state']}.", one)
    if refused:
        number = f"{len(refused)} of {len(results)}"
        raise CliError(
            f"{number} could not be decided:", ExitCode.FAILED, [f"{one['id']}: {one['detail']}" for one in refused]
        )


def _decided(session: Session, ids: list[str], decision: str, reason: str | None) -> Iterator[Any]:
    for start in range(0, len(ids), _BULK):
        body = {"ids": ids[start : start + _BULK], "decision": decision, "reason": reason}
        yield from session.api.post(f"{PATH}/bulk", body)["items"]
