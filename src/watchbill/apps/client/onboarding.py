"""`watchbill onboarding`: what jobs that look for machines found at each address, and another look."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, command, group
from watchbill.apps.commands.exits import CliError

app = group("Machines of a network that jobs bring under management: their addresses, and another look at them.")
PATH = "/api/onboarding"

Job = Annotated[str, typer.Argument(metavar="JOB", help="A job's number or name.")]
Which = Annotated[str, typer.Option("--occurrence", metavar="ID", help="Its id or instant; the latest without.")]


@command(app, "targets")
def targets(
    session: Session,
    job: Job,
    *,
    occurrence: Which = "latest",
    state: Annotated[list[str] | None, typer.Option("--state", help="Only in this state; may be repeated.")] = None,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of an address or a name.")] = None,
    limit: Limit = 500,
) -> None:
    """The addresses of an occurrence in the order of the scope, and how each ended."""
    query = {"occurrence": occurrence, "state": state or None, "q": q}
    page = session.api.page(f"{PATH}/jobs/{session.job_id(job)}/targets", query, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("address", lambda row: row["address"] or ", ".join(row["names"])),
        Column("host", "hostname"),
        Column("state", "state"),
        Column("reason", "reason"),
        Column("credential", "credential_name"),
        Column("what happened", "detail", is_wrapped=True),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="Nothing has been looked at yet.")


@command(app, "show")
def show(
    session: Session,
    target: Annotated[int, typer.Argument(metavar="ID", min=1, help="An address, as `targets` numbers it.")],
) -> None:
    """One address with its timeline."""
    found = session.api.get(f"{PATH}/targets/{target}")
    if session.out.is_json:
        session.out.json(found)
        return
    reason = f" ({found['reason']})" if found["reason"] else ""
    session.out.facts(
        {
            "Address": found["address"] or ", ".join(found["names"]),
            "State": f"{found['state']}{reason}",
            "What happened": found["detail"],
            "It calls itself": found["hostname"],
            "Credential": found["credential_name"],
            "SSH host key": found["host_key"],
            "Approval": found["approval_id"],
            **{f"{number}. {one['task']}": _task(one) for number, one in enumerate(found["timeline"], 1)},
        }
    )


def _task(one: Mapping[str, Any]) -> str:
    said = [one["state"].replace("_", " "), one["detail"], one["snippet"]]
    return ": ".join(str(part) for part in said if part)


@command(app, "redeploy")
def redeploy(
    session: Session,
    job: Job,
    *,
    is_all: Annotated[bool, typer.Option("--all", help="The whole scope, not only what is unfinished.")] = False,
    occurrence: Which = "latest",
    reason: Annotated[str | None, typer.Option(help="Why; it is shown with the occurrence.")] = None,
) -> None:
    """Look again now: at the unfinished addresses of an occurrence, or at all of the scope."""
    which = "all" if is_all else "unfinished"
    body = {"targets": which, "occurrence": None if occurrence == "latest" else occurrence, "reason": reason}
    begun = session.api.post(f"{PATH}/jobs/{session.job_id(job)}/redeploy", body)
    session.out.done(f"Begun: occurrence {begun['id']} is {begun['state']}.", begun)


@command(app, "scope")
def scope(
    session: Session,
    entries: Annotated[
        list[str], typer.Argument(metavar="ENTRY...", help="Addresses, ranges, networks, names; @FILE.")
    ],
    *,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", help="What is left out; may be repeated.")] = None,
) -> None:
    """What a scope means: how many addresses, and what is wrong with it line by line. Nothing is looked at."""
    body = {"entries": [_text(one) for one in entries], "exclusions": [_text(one) for one in exclude or ()]}
    told = session.api.post(f"{PATH}/scope", body)
    columns = [
        Column("line", "line", is_right=True),
        Column("text", "text"),
        Column("is", "kind"),
        Column("addresses", "count", is_right=True),
        Column("problem", lambda row: row["problem"] or row["note"], is_wrapped=True),
    ]
    if session.out.is_json:
        session.out.json(told)
        return
    session.out.listing([*told["entries"], *told["exclusions"]], columns, is_more=False, empty="It names nothing.")
    session.out.done(f"{told['count']} to look at, {told['excluded_count']} excluded; at most {told['most']}.", told)


def _text(given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{given[1:]} cannot be read: {error}") from None
