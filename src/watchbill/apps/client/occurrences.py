"""`watchbill occurrences` and `watchbill away`: what did not happen and why, what will, and a person's word on what is held."""

import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import typer

from watchbill.apps.client import asking, job_waves, outputs
from watchbill.apps.client.output import Column, against_windows, counts
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit.clock import rfc3339

app = group("What became of due times, and what will; what is held.")
away_app = typer.Typer(add_completion=False)
PATH = "/api/occurrences"
OUTAGES = "/api/outages"

Job = Annotated[str, typer.Argument(metavar="JOB", help="A job's number or name.")]
Held = Annotated[str, typer.Argument(metavar="ID", help="The occurrence's id, as `list` shows it.")]
Reason = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Why; it is kept with the occurrence and in the audit.")
]


#: What `--where` may name, as the API calls it; a site is also found by its name.
WHERE = ("outcome", "reason", "kind", "site", "late", "q")


@command(app, "list")
def list_occurrences(
    session: Session,
    *,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Only of this job.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help=f"Only with this {', '.join(WHERE)}; may be repeated."),
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Due then or later.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="Due then or earlier.")] = None,
    coming: Annotated[
        int | None,
        typer.Option(metavar="HOURS", min=1, max=366 * 24 - 1, help="What falls due within these hours, in order."),
    ] = None,
    limit: Limit = 50,
) -> None:
    """The ledger, newest first: what ran, what did not and why, what is held; with --coming what will.

    So `--where reason=blackout --where late=true --where q=backup`.
    """
    if coming is not None and (since is not None or until is not None):
        raise CliError("--coming goes without --from and --to.", ExitCode.USAGE)
    query: dict[str, object] = {
        "state": state,
        "job_id": session.job_id(job) if job else None,
        "from": since,
        "to": until,
        **_where(session, where or []),
        **(_ahead(session, coming) if coming is not None else {}),
    }
    page = session.api.page(PATH, query, limit=limit)
    columns = [
        Column("due", lambda row: session.out.when(row["due_at"])),
        Column("job", "job_name"),
        Column("state", "state"),
        Column("outcome", "outcome"),
        Column("devices", lambda row: counts(row["counts"])),
        Column("what became of it", "sentence", is_wrapped=True),
        Column("id", "id"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no such occurrences.")


def _where(session: Session, conditions: list[str]) -> dict[str, object]:
    query: dict[str, list[object]] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if name not in WHERE or not equals:
            raise CliError(f"--where {condition}: must be FIELD=VALUE with one of {', '.join(WHERE)}.", ExitCode.USAGE)
        is_site = name == "site"
        query.setdefault("site_id" if is_site else name, []).append(session.site_id(value) if is_site else value)
    return dict(query)


def _ahead(session: Session, hours: int) -> dict[str, object]:
    now = session.api.now()
    return {"from": rfc3339(now), "to": rfc3339(now + timedelta(hours=hours)), "sort": "time"}


@command(app, "export")
def export(
    session: Session,
    job: Job,
    *,
    occurrence: Annotated[str, typer.Option(metavar="ID", help="Its id or due instant; else the latest.")] = "latest",
    format_: Annotated[Literal["csv", "jsonl"], typer.Option("--format", help="CSV, or JSON lines.")] = "csv",
    state: Annotated[list[str] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    output: Annotated[
        bool, typer.Option("--output", help="With the beginning and the end of what was written.")
    ] = False,
    to: outputs.To = "-",
) -> None:
    """Write the device rows of one occurrence to a file, for other programs."""
    path = f"/api/scheduled_jobs/{session.job_id(job)}/occurrences/{occurrence}/export"
    outputs.save(session.api, path, {"format": format_, "state": state, "output": output}, to)


@command(app, "release")
def release(session: Session, job: Job, occurrence: Held, *, reason: Reason = None) -> None:
    """Let a held occurrence run now. Where a window holds it, that needs a reason and the permission for it."""
    reply = _decide(session, job, occurrence, "release", reason)
    session.out.done(f"Let the occurrence {occurrence} go{against_windows(reply)}: it is {reply['state']}.", reply)


@command(app, "skip")
def skip(session: Session, job: Job, occurrence: Held, *, reason: Reason = None) -> None:
    """Decide that a held occurrence is not run."""
    reply = _decide(session, job, occurrence, "skip", reason)
    session.out.done(f"Skipped the occurrence {occurrence}.", reply)


def _decide(session: Session, job: str, occurrence: str, action: str, reason: str | None) -> Any:
    path = f"/api/scheduled_jobs/{session.job_id(job)}/occurrences/{occurrence}/{action}"
    return session.api.post(path, {"reason": reason} if reason else None)


@command(app, "waves")
def waves(session: Session, job: Job, occurrence: Held) -> None:
    """How far the waves of an occurrence are, how their devices stand, and what the next one waits for."""
    found = session.api.get(f"/api/scheduled_jobs/{session.job_id(job)}/occurrences/{occurrence}")
    if session.out.is_json:
        session.out.json({"rollout": found["rollout"], "waves": found["waves"]})
        return
    session.out.say(job_waves.told(session, found) or "It does not go in waves of devices.")
    columns = [
        Column("wave", "wave", is_right=True),
        Column("zone", "timezone"),
        Column("devices", "size", is_right=True),
        Column("began", lambda row: session.out.when(row["starts_at"])),
        Column("over", lambda row: session.out.when(row["ended_at"])),
        Column("states", lambda row: counts(row["counts"])),
    ]
    session.out.listing(found["waves"], columns, is_more=False, empty="It has no waves.")


@command(app, "promote")
def promote(
    session: Session,
    job: Job,
    occurrence: Held,
    *,
    wave: Annotated[int | None, typer.Option(min=2, help="Only if this is the next one.")] = None,
) -> None:
    """Begin the next wave of an occurrence now, whatever it waits for."""
    path = f"/api/scheduled_jobs/{session.job_id(job)}/occurrences/{occurrence}/promote"
    reply = session.api.post(path, {"wave": wave} if wave else None)
    session.out.done(job_waves.told(session, reply) or "Promoted.", reply)


@command(app, "brake")
def brake(
    session: Session,
    job: Job,
    occurrence: Held,
    *,
    reason: Reason = None,
    cancel_running: Annotated[bool, typer.Option("--cancel-running", help="Stop also what runs.")] = False,
) -> None:
    """Start nothing more of an occurrence that goes in waves or with a limit; it is not taken back."""
    path = f"/api/scheduled_jobs/{session.job_id(job)}/occurrences/{occurrence}/brake"
    reply = session.api.post(path, {"reason": reason, "cancel_running": cancel_running})
    session.out.done(job_waves.told(session, reply) or "The brake is on.", reply)


@command(away_app, "away", is_group=False)
def away(
    session: Session,
    outage: Annotated[str | None, typer.Argument(metavar="[OUTAGE]", help="Its number; else the latest.")] = None,
    *,
    release_jobs: Annotated[
        list[str] | None,
        typer.Option("--release", metavar="JOB|all", help="Run all that is held of it; may be repeated."),
    ] = None,
    latest_jobs: Annotated[
        list[str] | None,
        typer.Option(
            "--latest", metavar="JOB|all", help="Run the latest that is held of it, skip its others; may be repeated."
        ),
    ] = None,
    skip_jobs: Annotated[
        list[str] | None, typer.Option("--skip", metavar="JOB|all", help="Skip what is held of it; may be repeated.")
    ] = None,
    reason: Reason = None,
    yes: Yes = False,
    limit: Limit = 100,
) -> None:
    """What was missed while the Engine was away, job by job, with what is proposed; and what shall become of it.

    Without --release, --latest or --skip it only looks.
    """
    wanted = [("skip", skip_jobs), ("latest", latest_jobs), ("release", release_jobs)]
    decisions = [(action, jobs) for action, jobs in wanted if jobs]
    number = outage or _latest(session)
    if number is None:
        return
    if decisions:
        told = "; ".join(f"{action} what is held of {', '.join(jobs)}" for action, jobs in decisions)
        asking.sure(f"Outage {number}: {told}. Go on?", is_sure=yes)
        _carry_out(session, number, decisions, reason)
    else:
        _show(session, number, limit)


def _latest(session: Session) -> str | None:
    """The number of the latest absence; says so where there was none."""
    found = session.api.page(OUTAGES, {"kind": ["outage", "clock_jump"]}, limit=1).items
    if found:
        return str(found[0]["id"])
    if session.out.is_json:
        session.out.json(None)
    else:
        session.out.say("The Engine was never away.")
    return None


def _show(session: Session, number: str, limit: int) -> None:
    found, rows = _outage(session, number, limit)
    if session.out.is_json:
        session.out.json({**found, "jobs": rows})
        return
    totals = found["totals"]
    session.out.facts(
        {
            "Outage": f"{found['id']} ({found['kind']})",
            "From": session.out.when(found["from_at"]),
            "To": session.out.when(found["to_at"]),
            "What": found["detail"],
            "Guard": _guard(session, found),
            "Jobs": totals["jobs"],
            "Instants": ", ".join(f"{totals[name]} {name}" for name in ("missed", "held", "late", "decided")),
        }
    )
    if rows:
        sys.stdout.write("\n")
        session.out.table(rows, _columns(session))
    if found["next_cursor"] is not None:
        session.out.say(f"Only the first {len(rows)} jobs are shown; --limit shows more.")


def _outage(session: Session, number: str, limit: int) -> tuple[dict[str, Any], list[Any]]:
    """An outage, and the first jobs that it touched."""
    path = f"{OUTAGES}/{number}"
    found = session.api.get(path, {"limit": min(limit, 200)})
    rows = list(found["jobs"])
    while found["next_cursor"] is not None and len(rows) < limit:
        found = session.api.get(path, {"limit": min(limit - len(rows), 200), "cursor": found["next_cursor"]})
        rows += found["jobs"]
    return found, rows


def _guard(session: Session, found: Mapping[str, Any]) -> str:
    match found["guard"]:
        case "up":
            return "up: what was late is held until it is let go"
        case "released":
            by = f" by {found['released_by']}" if found["released_by"] else ""
            return f"released {session.out.when(found['released_at'])}{by}"
        case _:
            return "down: every job made up for what it missed as it says"


def _columns(session: Session) -> list[Column]:
    return [
        Column("id", "job_id", is_right=True),
        Column("job", "name"),
        Column("missed", lambda row: f"{row['missed']}{'+' if row['is_missed_capped'] else ''}", is_right=True),
        Column("held", "held", is_right=True),
        Column("late", "late", is_right=True),
        Column("decided", "decided", is_right=True),
        Column("oldest", lambda row: session.out.when(row["oldest_at"])),
        Column("newest", lambda row: session.out.when(row["newest_at"])),
        Column("catch-up", "catch_up"),
        Column("proposed", "proposed"),
        Column("now", _present),
    ]


def _present(row: Mapping[str, Any]) -> str:
    if row["is_running"]:
        return "running"
    return "has run since" if row["has_run_since"] else str(row["state"])


def _carry_out(session: Session, number: str, decisions: list[tuple[str, list[str]]], reason: str | None) -> None:
    replies = [reply for action, jobs in decisions for reply in _decisions(session, number, action, jobs, reason)]
    whole = {name: sum(reply[name] for reply in replies) for name in ("released", "skipped")}
    refused = sorted({job for reply in replies for job in reply["refused"]})
    told = {**whole, "refused": refused}
    session.out.done(f"Let {whole['released']} go and skipped {whole['skipped']} of what was held.", told)
    if refused:
        reach = [f"job {job} has devices in sites that you do not see" for job in refused]
        raise CliError(f"{len(refused)} jobs could not be decided:", ExitCode.FAILED, reach)


def _decisions(session: Session, number: str, action: str, jobs: list[str], reason: str | None) -> Iterator[Any]:
    """As many requests as it takes: one decides a bounded number."""
    chosen: object = "all" if "all" in jobs else [session.job_id(one) for one in jobs]
    while True:
        body = {"jobs": chosen, "action": action, "reason": reason}
        reply = session.api.post(f"{OUTAGES}/{number}/release", body)
        yield reply
        if not reply["left"] or not reply["released"] + reply["skipped"]:
            return
