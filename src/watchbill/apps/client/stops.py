"""`watchbill jobs cancel`, `jobs answers`, `jobs again` and `watchbill waiting`: stopping work, and what waits for its device."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.core.schedule_wording import counted

JOBS, WAITING = "/api/scheduled_jobs", "/api/waiting"
waiting_app = group("What waits for its device, a window or its turn, across all jobs.")

Job = Annotated[str, typer.Argument(metavar="JOB", help="A job's number or name.")]
Occurrence = Annotated[str | None, typer.Option(metavar="ID|INSTANT", help="Which occurrence; the latest without.")]
OfJob = Annotated[str | None, typer.Option("--job", metavar="JOB", help="Only of this job.")]
OnDevice = Annotated[str | None, typer.Option("--device", metavar="DEVICE", help="Only on this device.")]
InSite = Annotated[str | None, typer.Option("--site", metavar="SITE", help="Only in this site.")]
Everything = Annotated[bool, typer.Option("--all", help="All that waits.")]


def add_to(app: typer.Typer) -> None:
    """These belong to `watchbill jobs`."""
    command(app, "cancel")(cancel)
    command(app, "answers")(answers)
    command(app, "again")(again)


def cancel(
    session: Session,
    job: Job,
    *,
    occurrence: Occurrence = None,
    target: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Only this row of it, as `runs devices` numbers it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of the job that is open or held.")] = False,
) -> None:
    """Stop an occurrence, one device of it, or all of a job: what waits is withdrawn, what runs is stopped."""
    if everything and (occurrence is not None or target is not None):
        raise CliError("--all goes without --occurrence and --target.", ExitCode.USAGE)
    path = f"{JOBS}/{session.job_id(job)}"
    of = f"{path}/occurrences/{occurrence or 'latest'}"
    one = f"{of}/targets/{target}/cancel" if target is not None else f"{of}/cancel"
    reply = session.api.post(f"{path}/cancel" if everything else one)
    session.out.done(_stopped(reply), reply)


def _stopped(reply: Mapping[str, Any]) -> str:
    if not reply["targets"]:
        return "Nothing was left to stop."
    parts = []
    if reply["withdrawn"]:
        parts.append(f"{counted(reply['withdrawn'], 'device')} had not begun and will not")
    if reply["asked"]:
        away = f" ({reply['offline']} offline: told when back)" if reply["offline"] else ""
        parts.append(f"{counted(reply['asked'], 'device')} asked to stop{away}; `jobs answers` tells what they answer")
    return f"{', '.join(parts)}."


def answers(session: Session, job: Job, *, occurrence: Occurrence = None) -> None:
    """What the devices of an occurrence answered to a stop."""
    reply = session.api.get(f"{JOBS}/{session.job_id(job)}/occurrences/{occurrence or 'latest'}/cancel")
    _facts(session, reply)


def again(session: Session, job: Job, *, occurrence: Occurrence = None) -> None:
    """How many devices of an occurrence each word of `rerun --targets` means."""
    _facts(session, session.api.get(f"{JOBS}/{session.job_id(job)}/occurrences/{occurrence or 'latest'}/rerun"))


def _facts(session: Session, reply: dict[str, Any]) -> None:
    if session.out.is_json:
        session.out.json(reply)
    else:
        session.out.facts({name.replace("_", " "): number for name, number in reply.items()})


@command(waiting_app, "list")
def list_waiting(
    session: Session, *, job: OfJob = None, device: OnDevice = None, site: InSite = None, limit: Limit = 50
) -> None:
    """What waits and until when; what expires next comes first."""
    page = session.api.page(WAITING, _chosen(session, job, device, site), limit=limit)
    columns = [
        Column("device", lambda row: row["device"]["hostname"]),
        Column("job", "job_name"),
        Column("state", "state"),
        Column("due", lambda row: session.out.when(row["scheduled_for_at"])),
        Column("expires", lambda row: session.out.when(row["expires_at"])),
        Column("why", lambda row: row["detail"] or row["reason"] or "", is_wrapped=True),
        Column("row", "target_id", is_right=True),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="Nothing waits.")


@command(waiting_app, "purge")
def purge(
    session: Session,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; told in each row and kept in the audit.")],
    job: OfJob = None,
    device: OnDevice = None,
    site: InSite = None,
    everything: Everything = False,
    yes: Yes = False,
) -> None:
    """Withdraw what waits, after a count."""
    body = {**_narrowed(session, job, device, site, everything=everything), "reason": reason}
    _after_a_count(session, "purge", body, "will be withdrawn", is_sure=yes)


@command(waiting_app, "expiry")
def expiry(
    session: Session,
    instant: Annotated[str, typer.Argument(metavar="INSTANT", help="The new end, such as 2026-05-04T07:00:00Z.")],
    *,
    job: OfJob = None,
    device: OnDevice = None,
    site: InSite = None,
    everything: Everything = False,
    yes: Yes = False,
) -> None:
    """Let what waits expire at another time, after a count."""
    body = {**_narrowed(session, job, device, site, everything=everything), "expires_at": instant}
    _after_a_count(session, "expiry", body, f"will wait until {instant}", is_sure=yes)


def _after_a_count(session: Session, action: str, body: dict[str, Any], what: str, *, is_sure: bool) -> None:
    found = session.api.post(f"{WAITING}/{action}", body)
    if not found["rows"]:
        session.out.done("Nothing waits there.", found)
        return
    asking.sure(f"{_rows(found)} {what}. Go on?", is_sure=is_sure)
    reply = session.api.post(f"{WAITING}/{action}", {**body, "dry_run": False, "expected": found["rows"]})
    session.out.done(f"Done: {_rows(reply)}.", reply)


def _rows(found: Mapping[str, int]) -> str:
    of = f"on {counted(found['devices'], 'device')}, of {counted(found['jobs'], 'job')}"
    return f"{counted(found['rows'], 'waiting row')} {of}"


def _narrowed(
    session: Session, job: str | None, device: str | None, site: str | None, *, everything: bool
) -> dict[str, Any]:
    """Nothing said never means everything."""
    is_narrowed = any((job, device, site))
    if everything == is_narrowed:
        raise CliError("Say which: --job, --device or --site, or else --all.", ExitCode.USAGE)
    return {**_chosen(session, job, device, site), "everything": everything}


def _chosen(session: Session, job: str | None, device: str | None, site: str | None) -> dict[str, Any]:
    found = {
        "job_id": session.job_id(job) if job else None,
        "device_id": session.device_id(device) if device else None,
        "site_id": session.site_id(site) if site else None,
    }
    return {name: value for name, value in found.items() if value is not None}
