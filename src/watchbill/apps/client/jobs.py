"""`watchbill jobs`: what is to run, where and when."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from watchbill.apps.client import asking, documents, job_bulk, job_lists, job_logins, job_steps, stops
from watchbill.apps.client.job_targets import AllDevices, Exclude, Filters, Sites, aimed
from watchbill.apps.client.job_waves import in_waves
from watchbill.apps.client.output import Column, against_windows, counts
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

if TYPE_CHECKING:
    from watchbill.apps.client.documents import Document
    from watchbill.apps.client.job_files import FolderPlan

app = group("What is to run, where and when.")
app.add_typer(job_bulk.app, name="bulk")
stops.add_to(app)
PATH = job_lists.PATH
Job = Annotated[str, typer.Argument(metavar="JOB", help="A job's number or name.")]
File = Annotated[str, typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON; - reads standard input.")]
Place = Annotated[
    str, typer.Argument(metavar="DIR", help="A folder of .yaml files as `export` writes them, or one file.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Delete the jobs that are in no file of the folder.")]
#: How `plan` ends when there is something to do, as other tools of its kind do.
CHANGES = 2
#: Whom of an earlier occurrence a rerun may be for; `jobs again` counts them.
RERUN_WORDS = ("failed", "not_finished", "unreachable", "never_started", "still_waiting", "lost")
_DONE = {"create": "Made", "update": "Saved", "delete": "Deleted"}
Occurrence = Annotated[
    str | None, typer.Option(metavar="ID", help="An occurrence's id or due instant; else the latest.")
]


@command(app, "list")
def list_jobs(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    site: Annotated[str | None, typer.Option(help="Only jobs that reach this site.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help=f"Only with this {', '.join(job_lists.WHERE)}; may be repeated."),
    ] = None,
    view: Annotated[str | None, typer.Option(metavar="VIEW", help="A saved view, by number or name.")] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="name, next_due, last_run, updated, state or id; with a leading - the other way round."),
    ] = None,
    limit: Limit = 100,
) -> None:
    """Jobs: when they are due next, how they went last, what waits, and why one will not fire.

    So `--where health=failing --where tag=night`. Marks of the last ten, the newest at the right: + success, ! warning, x failed,
    / cancelled, - skipped, ? missed, h held, > running.
    """
    site_id = session.site_id(site) if site else None
    saved = job_lists.find_view(session, view)
    given = {"q": q, "state": state, "site_id": site_id, "sort": sort}
    job_lists.show(session, job_lists.query_of(session, given, where or (), saved), saved, limit=limit)


@command(app, "show")
def show(session: Session, job: Job) -> None:
    """One job: its schedule, its state with the reason, its last occurrence and what you may do with it."""
    found = session.api.get(f"{PATH}/{session.job_id(job)}")
    if session.out.is_json:
        session.out.json(found)
    else:
        session.out.facts(_facts(session, found))


def _facts(session: Session, job: Mapping[str, Any]) -> dict[str, object]:
    out, last, targets = session.out, job["last_occurrence"], job["target_summary"]
    actions = job["allowed_actions"]
    return {
        "Job": f"{job['name']} (number {job['id']})",
        "Description": job["description"] or None,
        "State": job["state"],
        "Because": job["state_reason"],
        "Paused until": out.when(job["paused_until"]),
        "Schedule": job["schedule_text"] or job["schedule"]["type"],
        "Next due": out.when(job["next_due_at"]),
        "Components": [job_steps.in_words(one) for one in job["components"]],
        "Devices": f"{targets['devices']}, {targets['online']} online, {targets['excluded']} excluded",
        "Context": job["execution_context"],
        "Signs in with": job_logins.in_words(job),
        "Last": f"{last['outcome'] or last['state']}, due {out.when(last['scheduled_for_at'])}" if last else None,
        "Its devices": counts(last["counts"]) if last else None,
        "Occurrence": last["id"] if last else None,
        "Last ten": job_lists.marks(job["recent_outcomes"]) if job["recent_outcomes"] else None,
        "Waiting": job["waiting_count"] or None,
        "Note": job_lists.note(job),
        "Tags": job["tags"] or None,
        "Revision": f"{job['revision']}, {out.when(job['updated_at'])} by {job['updated_by'] or '-'}",
        "You may": [one["action"] for one in actions if one["allowed"]] or None,
        "Not now": [f"{one['action']} ({one['reason']})" for one in actions if not one["allowed"]] or None,
    }


@command(app, "create")
@job_steps.with_steps
def create(
    session: Session,
    *,
    file: File,
    filters: Filters = None,
    sites: Sites = None,
    all_devices: AllDevices = False,
    exclude: Exclude = None,
    steps: job_steps.Steps,
    follow: Annotated[bool, typer.Option("--follow", help="Then watch its first occurrence.")] = False,
) -> None:
    """Save a new job.

    A YAML file may name assemblies, sites and devices (as `jobs export` writes it) instead of giving their ids. Targets, exclusions
    and components that options name stand in place of those of the file.
    """
    document = aimed(session, documents.read(file), filters, sites, exclude, is_everywhere=all_devices)
    document = in_waves(job_steps.stepped(session, document, steps), steps.waves)
    made = _import(session, document) if _is_by_names(document.value) else _create(session, document)
    if not follow:
        session.out.done(f"Made the job {made['name']}, number {made['id']}.{_next(session, made)}", made)
        _warn(session, made)
        return
    session.out.say(f"Made the job {made['name']}, number {made['id']}.")
    _warn(session, made)
    _follow(session, int(made["id"]), None)


def _create(session: Session, document: "Document") -> Any:
    return session.api.post(PATH, document.value, is_creating=True, placed=document.placed)


def _import(session: Session, document: "Document") -> Any:
    headers = {"Content-Type": "text/yaml", "Idempotency-Key": uuid4().hex}
    return session.api.send("POST", f"{PATH}/import", body=document.text.encode(), headers=headers).json()


def _is_by_names(value: Mapping[str, Any]) -> bool:
    parts = [one for name in ("components", "targets", "exclusions") for one in _list(value.get(name))]
    parts += _list(_inner(value, "policies", "waves", "canary").get("targets"))
    return "credential" in value or any(
        isinstance(one, dict) and ({"assembly", "hostname", "filter", "site"} & one.keys()) for one in parts
    )


def _inner(value: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = value.get(name)
        value = found if isinstance(found, Mapping) else {}
    return value


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _warn(session: Session, saved: Mapping[str, Any]) -> None:
    """What a save has to say; --json has it in the reply. An older Engine says nothing."""
    for one in () if session.out.is_json else saved.get("warnings", ()):
        session.out.say(f"Warning: {one['message']}")


def _next(session: Session, job: Mapping[str, Any]) -> str:
    due = session.out.when(job["next_due_at"])
    return f" Next due {due}." if due else ""


@command(app, "update")
def update(
    session: Session,
    job: Job,
    *,
    file: File,
    filters: Filters = None,
    sites: Sites = None,
    all_devices: AllDevices = False,
    exclude: Exclude = None,
    revision: Annotated[
        int | None, typer.Option(min=1, help="Refuse if the job is no longer at this revision.")
    ] = None,
) -> None:
    """Save a job anew, from its next occurrence on. Targets and exclusions that options name stand in place of those of the file."""
    document = aimed(session, documents.read(file), filters, sites, exclude, is_everywhere=all_devices)
    path = f"{PATH}/{session.job_id(job)}"
    saved = session.api.put(path, document.value, revision=revision, placed=document.placed)
    session.out.done(f"Saved the job {saved['name']}, revision {saved['revision']}.{_next(session, saved)}", saved)
    _warn(session, saved)


@command(app, "export")
def export(
    session: Session,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to; - with --only: standard output.")],
    *,
    only: Annotated[str | None, typer.Option(metavar="JOB", help="Only this one, by number or name.")] = None,
) -> None:
    """Write jobs as files, one YAML file per job, by names and without secrets.

    The same jobs are the same bytes again. Files of jobs that are gone are named and left alone.
    """
    from watchbill.apps.client import job_files

    job_id = session.job_id(only) if only else None
    if folder == "-":
        if job_id is None:
            raise CliError("Name one job by --only to write it to standard output.", ExitCode.USAGE)
        sys.stdout.write(job_files.content_of(session.api, job_id))
        return
    done = job_files.export_jobs(session.api, Path(folder), job_id)
    for name in done.strange:
        session.out.say(f"{name} is of no job that you see: `jobs apply` would make one.")
    for name, reason in done.left_out:
        session.out.say(f"{name} was left out: {reason}")
    number = len(done.files)
    text = f"{number} file{'s' if number != 1 else ''} in {folder}, {done.changed} of them new or changed."
    session.out.done(text, {"files": done.files, "changed": done.changed, "not_of_a_job": done.strange})
    if done.left_out:
        raise typer.Exit(ExitCode.FAILED)


@command(app, "plan")
def plan(session: Session, place: Place, *, prune: Prune = False) -> None:
    """Show what `apply` would change, job by job; changes nothing.

    Exit code 0: nothing, 2: there are changes, 1: a file is refused or cannot be read.
    """
    from watchbill.apps.client import job_files, job_plans

    found = job_files.plan_folder(session.api, Path(place), prune=prune)
    if session.out.is_json:
        session.out.json(job_plans.as_json(found))
    else:
        _show_plan(session, found, prune=prune)
    if found.faulty:
        raise typer.Exit(ExitCode.FAILED)
    if found.has_changes:
        raise typer.Exit(CHANGES)


def _show_plan(session: Session, found: "FolderPlan", *, prune: bool) -> None:
    from watchbill.apps.client import job_plans

    for line in job_plans.lines(found):
        session.out.print(line)
    session.out.say(job_plans.summary(found))
    if found.others and not prune:
        number = len(found.others)
        session.out.say(f"{number} job{'s are' if number != 1 else ' is'} in no file; --prune would delete them.")


@command(app, "apply")
def apply(session: Session, place: Place, *, yes: Yes = False, prune: Prune = False) -> None:
    """Bring files into force: make the jobs that are not there, save anew those that differ.

    All files are looked at first; when one is refused, nothing is changed. A job is known by its exact name. Secrets stay as they
    are unless a file gives them. With --prune, the jobs that the plan names as in no file are deleted.
    """
    from watchbill.apps.client import job_files

    found = job_files.plan_folder(session.api, Path(place), prune=prune)
    if not session.out.is_json:
        _show_plan(session, found, prune=prune)
    if found.faulty:
        problems = [f"{one.label}: {problem}" for one in found.faulty for problem in one.problems]
        raise CliError("Nothing was changed, as a file is refused.", problems=problems if session.out.is_json else ())
    if found.has_changes:
        asking.sure("Bring these changes into force?", is_sure=yes)
    done = []
    try:
        for step in job_files.apply(session.api, found):
            done.append(step)
            if not session.out.is_json:
                session.out.done(f"{_DONE[step['action']]} {step['name']} (number {step['id']}).", step)
                _warn(session, step)
    finally:
        if session.out.is_json:
            session.out.json({"done": done})


@command(app, "preview")
def preview(
    session: Session,
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="A saved job's number or name.")] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option("-f", "--file", metavar="FILE", help="A job that is not saved; - reads standard input."),
    ] = None,
    filters: Filters = None,
    sites: Sites = None,
    all_devices: AllDevices = False,
    exclude: Exclude = None,
) -> None:
    """What a job would do: its next instants, whom it would reach, what stands in its way. Saves nothing.

    Exit code 1 when something stands in its way.
    """
    if (job is None) == (file is None):
        raise CliError("Name a saved job, or a file by -f.", ExitCode.USAGE)
    if file is None and (filters or sites or all_devices or exclude):
        raise CliError("A saved job has its own targets; options for them go with a file by -f.", ExitCode.USAGE)
    if file is not None:
        document = documents.read(file)
        document = aimed(session, document, filters, sites, exclude, is_everywhere=all_devices)
        found = session.api.post(f"{PATH}/preview", document.value, placed=document.placed)
    else:
        found = session.api.get(f"{PATH}/{session.job_id(job or '')}/preview")
    if session.out.is_json:
        session.out.json(found)
    else:
        _show_preview(session, found)
    if found["blockers"]:
        raise typer.Exit(ExitCode.FAILED)


def _show_preview(session: Session, found: Mapping[str, Any]) -> None:
    targets = found["targets"]
    left_out = ", ".join(f"{number} {reason}" for reason, number in targets["left_out"].items())
    session.out.facts(
        {
            "Schedule": found["schedule_text"],
            "On each device": "\n".join(found["steps"]) or None,
            "Devices": f"{targets['devices']}: {targets['online']} online, {targets['offline']} offline",
            "Nobody signed in": f"{targets['awaiting_user']} wait for somebody" if targets["awaiting_user"] else None,
            "Left out": left_out or None,
            "Waves": ", ".join(map(str, found["waves"])) or None,
            "Without a value": ", ".join(f"{name} on {number}" for name, number in targets["lacking"].items()) or None,
            "Blocked by": "\n".join(f"{one['field']}: {one['message']}" for one in found["blockers"]) or None,
        }
    )
    if found["instants"]:
        columns = [
            Column("due", lambda row: session.out.when(row["first_start_at"] or row["at"])),
            Column("in its zone", lambda row: f"{row['local']} {row['offset'] or 'on each clock'}"),
            Column("notes", lambda row: _notes(session, row), is_wrapped=True),
        ]
        sys.stdout.write("\n")
        session.out.table(found["instants"], columns)


def _notes(session: Session, row: Mapping[str, Any]) -> list[str]:
    notes = [*row["flags"], *(f"passes over {one}" for one in row["passed_over"])]
    if row["last_start_at"] != row["first_start_at"]:
        notes.append(f"last start {session.out.when(row['last_start_at'])}")
    if row["splay_seconds"]:
        notes.append(f"spread over {row['splay_seconds']} s")
    return [*notes, *(f"{one['devices']} closed by {one['window']}" for one in row["blocked"])]


@command(app, "pause")
def pause(
    session: Session,
    job: Job,
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for those who come after you.")] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="Resumes by itself then.")] = None,
) -> None:
    """Open no occurrence until it is resumed. What runs goes on, and nothing that passes counts as missed."""
    given = {"reason": reason, "until": until}
    body = {"enabled": False, **{name: value for name, value in given.items() if value is not None}}
    reply = session.api.post(f"{PATH}/{session.job_id(job)}/toggle", body)
    until_then = session.out.when(reply["paused_until"])
    text = f"{reply['name']} is paused{f' until {until_then}' if until_then else ''}."
    session.out.done(text, reply)


@command(app, "resume")
def resume(
    session: Session,
    job: Job,
    *,
    catch_up: Annotated[
        str, typer.Option(metavar="HOW", help="What the pause left out: skip, latest, all, or hold for a person.")
    ] = "skip",
) -> None:
    """Go on with the next instant; what fell due during the pause is run only on request."""
    body = {"enabled": True, "catch_up": catch_up}
    reply = session.api.post(f"{PATH}/{session.job_id(job)}/toggle", body)
    session.out.done(f"{reply['name']} is on.{_next(session, reply)}", reply)


@command(app, "rerun")
def rerun(
    session: Session,
    job: Job,
    *,
    targets: Annotated[
        str,
        typer.Option(
            metavar="WHICH", help=f"all, {', '.join(RERUN_WORDS)}, or devices by id or host name, with commas."
        ),
    ] = "all",
    occurrence: Occurrence = None,
    reason: Annotated[
        str | None, typer.Option(help="Why it may start in a closed window; needs the permission to do so.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Then watch it.")] = False,
) -> None:
    """Run a job now, as it is saved; its schedule does not move."""
    job_id = session.job_id(job)
    given = {"occurrence": occurrence, "reason": reason}
    body = {
        "targets": _targets(session, targets),
        **{name: value for name, value in given.items() if value is not None},
    }
    started = session.api.post(f"{PATH}/{job_id}/rerun", body, is_creating=True)
    if follow:
        _follow(session, job_id, started["id"])
        return
    session.out.done(f"Started the occurrence {started['id']}{against_windows(started)}.", started)


def _targets(session: Session, text: str) -> object:
    if text in {"all", *RERUN_WORDS}:
        return text
    return {"device_ids": [session.device_id(one.strip()) for one in text.split(",") if one.strip()]}


@command(app, "backfill")
def backfill(
    session: Session,
    job: Job,
    *,
    begin: Annotated[str, typer.Option("--from", metavar="WHEN", help="The first instant that counts, in the past.")],
    end: Annotated[str, typer.Option("--to", metavar="WHEN", help="The last one that counts.")],
    overlap: Annotated[
        str | None, typer.Option(help="skip, queue_one, replace or allow; else one after another on each device.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Yes = False,
) -> None:
    """Run a job for each instant of a range of the past, also for those that ran.

    WHEN is an instant such as 2026-05-04T07:00:00Z, or a wall clock for a job that follows clocks. At most 1,000 instants.
    """
    path = f"{PATH}/{session.job_id(job)}/backfill"
    body: dict[str, Any] = {"from": begin, "to": end, **({"overlap": overlap} if overlap else {})}
    counted = session.api.post(path, {**body, "dry_run": True})
    text = (
        f"{_several(counted['count'], 'instant')} on {_several(counted['devices'], 'device')}: {counted['rows']} rows"
    )
    if dry_run:
        session.out.done(f"{text}; nothing was started.", counted)
        return
    asking.sure(f"{text}. Go on?", is_sure=yes)
    started = session.api.post(path, body, is_creating=True)
    session.out.done(f"Started {_several(started['opened'], 'occurrence')}; the oldest runs first.", started)


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


@command(app, "delete")
def delete(session: Session, job: Job, *, yes: Yes = False) -> None:
    """Delete a job; what runs of it is stopped first."""
    job_id = session.job_id(job)
    asking.sure(f"The job {job} and its schedule will be deleted. Go on?", is_sure=yes)
    session.api.delete(f"{PATH}/{job_id}")
    session.out.done(f"Deleted the job {job}.", {"id": job_id})


@command(app, "follow")
def follow(
    session: Session,
    job: Job,
    *,
    occurrence: Occurrence = None,
    following: Annotated[bool, typer.Option("--next", help="Wait for the next one to open.")] = False,
) -> None:
    """Watch an occurrence until it is closed, the open one or the latest. The exit code is its outcome.

    0 success, 1 failed, 3 warning, cancelled, skipped or missed.
    """
    if occurrence is not None and following:
        raise CliError("--next and --occurrence exclude each other.", ExitCode.USAGE)
    _follow(session, session.job_id(job), occurrence, is_next=following)


def _follow(session: Session, job_id: int, occurrence: str | None, *, is_next: bool = False) -> None:
    from watchbill.apps.client.follow import follow as watch

    code = watch(session, job_id, occurrence, is_next=is_next)
    if code:
        raise typer.Exit(code)
