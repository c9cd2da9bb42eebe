"""`watchbill jobs bulk`: one action on many jobs. The Engine counts them first, and does it to as many as were counted."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from watchbill.apps.client import asking, job_lists
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("One action on many jobs, after telling how many there are.")
PATH: Final = f"{job_lists.PATH}/bulk"
Jobs = Annotated[list[str] | None, typer.Argument(metavar="[JOB]...", help="Numbers or names of jobs.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help=f"Instead: the jobs with this {', '.join(job_lists.WHERE)}; may be repeated. all = every job.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
Tags = Annotated[list[str] | None, typer.Option(metavar="TAG", help="May be repeated.")]
_DOES: Final = {"toggle": "change", "rerun": "start", "tag": "change", "delete": "be deleted"}


@command(app, "pause")
def pause(
    session: Session,
    jobs: Jobs = None,
    *,
    where: Where = None,
    reason: Annotated[str | None, typer.Option(help="Why, for those who come after you.")] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="They resume by themselves then.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Open no occurrence of these jobs until they are resumed."""
    arguments = {"enabled": False, "reason": reason, "until": until}
    _bulk(session, "toggle", arguments, _chosen(session, jobs, where), is_dry_run=dry_run, is_sure=yes)


@command(app, "resume")
def resume(
    session: Session, jobs: Jobs = None, *, where: Where = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Go on with their next instants; what fell due during a pause is not made up for."""
    _bulk(session, "toggle", {"enabled": True}, _chosen(session, jobs, where), is_dry_run=dry_run, is_sure=yes)


@command(app, "rerun")
def rerun(
    session: Session,
    jobs: Jobs = None,
    *,
    where: Where = None,
    targets: Annotated[str, typer.Option(metavar="WHICH", help="all, failed or not_finished.")] = "all",
    reason: Annotated[
        str | None, typer.Option(help="Why they may start in a closed window; needs the permission to do so.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Run these jobs now, as they are saved; their schedules do not move."""
    arguments = {"targets": targets, "reason": reason}
    _bulk(session, "rerun", arguments, _chosen(session, jobs, where), is_dry_run=dry_run, is_sure=yes)


@command(app, "tag")
def tag(
    session: Session,
    jobs: Jobs = None,
    *,
    where: Where = None,
    add: Tags = None,
    remove: Tags = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Give tags to these jobs by --add, take them away by --remove."""
    arguments = {"add": add or None, "remove": remove or None}
    _bulk(session, "tag", arguments, _chosen(session, jobs, where), is_dry_run=dry_run, is_sure=yes)


@command(app, "delete")
def delete(
    session: Session, jobs: Jobs = None, *, where: Where = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Delete these jobs; what runs of them is stopped first."""
    _bulk(session, "delete", {}, _chosen(session, jobs, where), is_dry_run=dry_run, is_sure=yes)


def _chosen(session: Session, jobs: Sequence[str] | None, where: Sequence[str] | None) -> dict[str, object]:
    if bool(jobs) == bool(where):
        raise CliError("Name jobs, or choose them by --where.", ExitCode.USAGE)
    if jobs:
        return {"job_ids": list(dict.fromkeys(session.job_id(one) for one in jobs))}
    wanted = job_lists.where_of(session, [one for one in where or () if one != "all"])
    if "enabled" in wanted:
        wanted["enabled"] = _as_boolean(str(wanted["enabled"]))
    return {"filter": wanted}


def _as_boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise CliError("--where enabled: must be true or false.", ExitCode.USAGE)
    return text == "true"


def _bulk(
    session: Session,
    action: str,
    arguments: Mapping[str, object],
    chosen: Mapping[str, object],
    *,
    is_dry_run: bool,
    is_sure: bool,
) -> None:
    said = {name: value for name, value in arguments.items() if value is not None}
    body = {"action": action, **chosen, **said}
    counted = session.api.post(PATH, body)
    _tell(session, counted)
    text = f"{_several(counted['count'])} would {_DOES[action]}"
    if is_dry_run or not counted["count"]:
        session.out.done(f"{text}; nothing was done.", counted)
        return
    asking.sure(f"{text}. Go on?", is_sure=is_sure)
    done = session.api.send(
        "POST",
        PATH,
        body={**body, "dry_run": False, "expected": counted["count"]},
        headers={"Idempotency-Key": uuid4().hex},
    ).json()
    session.out.done(f"Done for {_several(done['count'])}.", done)


def _tell(session: Session, counted: Mapping[str, Any]) -> None:
    """The jobs, and why some are left out."""
    if session.out.is_json or not counted["jobs"]:
        return
    columns = [
        Column("id", "job_id", is_right=True),
        Column("name", "name"),
        Column("", lambda row: "yes" if row["code"] is None else "left out"),
        Column("why not", lambda row: row["reason"] or "", is_wrapped=True),
    ]
    session.out.table(counted["jobs"], columns)


def _several(number: int) -> str:
    return f"{number} job{'s' if number != 1 else ''}"
