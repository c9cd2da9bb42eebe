"""`watchbill runs`: what became of jobs, device by device, and what scripts wrote."""

import base64
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer

from watchbill.apps.client.output import Column, counts, plain, size
from watchbill.apps.client.session import Limit, Session, command, group

app = group("What became of jobs, device by device.")
Job = Annotated[str, typer.Argument(metavar="JOB", help="A job's number or name.")]
#: How often a stream that is still written is looked at.
_FOLLOW_SECONDS = 1.0


@command(app, "list")
def list_runs(
    session: Session,
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="A job's number or name; else of all jobs.")
    ] = None,
    *,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    outcome: Annotated[list[str] | None, typer.Option(help="Only with this outcome; may be repeated.")] = None,
    since: Annotated[str | None, typer.Option(metavar="INSTANT", help="Due then or later.")] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="Due then or earlier.")] = None,
    limit: Limit = 50,
) -> None:
    """Occurrences, newest first: also those that were missed or skipped, with the reason."""
    path = f"/api/scheduled_jobs/{session.job_id(job)}/runs" if job else "/api/occurrences"
    query = {"state": state, "outcome": outcome, "since": since, "until": until}
    page = session.api.page(path, query, limit=limit)
    columns = [
        Column("due", lambda row: session.out.when(row["scheduled_for_at"])),
        *([] if job else [Column("job", "job_id", is_right=True)]),
        Column("kind", "kind"),
        Column("state", "state"),
        Column("outcome", "outcome"),
        Column("reason", "reason"),
        Column("devices", lambda row: counts(row["counts"])),
        Column("closed", lambda row: session.out.when(row["closed_at"])),
        Column("id", "id"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="Nothing has run yet.")


@command(app, "devices")
def list_devices(
    session: Session,
    job: Job,
    *,
    occurrence: Annotated[
        str | None, typer.Option(metavar="ID", help="Its id or due instant; else the latest.")
    ] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    verdict: Annotated[
        list[str] | None,
        typer.Option(help="Only where checks found this: compliant, fixed or still_wrong; may be repeated."),
    ] = None,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the host name.")] = None,
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only who wrote this, as `output groups` names it.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """The devices of one occurrence: what became of each, and why."""
    query = {"occurrence": occurrence, "state": state, "verdict": verdict, "q": q, "output": output}
    page = session.api.page(f"/api/scheduled_jobs/{session.job_id(job)}/devices", query, limit=limit)
    columns = [
        Column("hostname", lambda row: row["device"]["hostname"]),
        Column("state", "state"),
        Column("reason", "reason"),
        *([Column("verdict", "verdict")] if any(row.get("verdict") for row in page.items) else []),
        Column("exit", "exit_code", is_right=True),
        *([Column("recap", _recap)] if any(row.get("recap") for row in page.items) else []),
        Column("finished", lambda row: session.out.when(row["finished_at"])),
        Column("output", _written),
        Column("execution", lambda row: _last_executions(row["executions"])),
        Column("row", "target_id", is_right=True),
        Column("last line", "last_line"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="This occurrence has no such devices.")


def _recap(row: Mapping[str, Any]) -> str | None:
    """Ansible's counters that are not nothing."""
    return " ".join(f"{name}={number}" for name, number in (row["recap"] or {}).items() if number) or None


def _last_executions(executions: Sequence[Mapping[str, Any]]) -> str | None:
    """The last one; where it ran in sessions of users, all of the last attempt with whose they were."""
    last = [one for one in executions if one["attempt"] == executions[-1]["attempt"]]
    if last and last[-1]["session_user_name"] is not None:
        return ", ".join(f"{one['id']} ({one['session_user_name']})" for one in last)
    return str(last[-1]["id"]) if last else None


def _written(row: Mapping[str, Any]) -> str | None:
    if not row["executions"]:
        return None
    return size(sum(one["stdout_bytes"] + one["stderr_bytes"] for one in row["executions"]))


@command(app, "output")
def output(
    session: Session,
    execution: Annotated[str, typer.Argument(metavar="EXECUTION", help="Its id, as `runs devices` shows it.")],
    *,
    stream: Annotated[Literal["stdout", "stderr"], typer.Option(help="Which one.")] = "stdout",
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the script has ended.")] = False,
) -> None:
    """Write what a script wrote. Bytes that were not kept are marked."""
    offset = 0
    while True:
        reply = session.api.get(f"/api/executions/{execution}/output", {"stream": stream, "offset": offset})
        if session.out.is_json:
            session.out.json(reply)
        else:
            _write(reply["pieces"])
        is_end = reply["is_complete"] or (not follow and not reply["pieces"])
        if is_end:
            break
        if reply["next_offset"] == offset:
            time.sleep(_FOLLOW_SECONDS)
        offset = reply["next_offset"]
    missing = reply["total_bytes"] - reply["next_offset"]
    if reply["is_complete"] and missing > 0:
        session.out.say(f"[{missing} bytes were not kept]")


def _write(pieces: list[Mapping[str, Any]]) -> None:
    for piece in pieces:
        if piece["skipped"]:
            sys.stdout.write(f"\n[{piece['skipped']} bytes were not kept]\n")
        raw = base64.b64decode(piece["base64"]) if piece["base64"] is not None else piece["text"].encode()
        if sys.stdout.isatty():
            sys.stdout.write(plain(raw.decode(errors="replace")))
        else:
            # A file or a pipe gets the very bytes.
            sys.stdout.flush()
            sys.stdout.buffer.write(raw)
    sys.stdout.flush()
