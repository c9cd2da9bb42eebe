"""`watchbill windows`: maintenance windows and blackouts."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from watchbill.apps.client import asking, documents
from watchbill.apps.client.lengths import days_and_seconds
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("Maintenance windows (allow) and blackouts (deny): when work may start.")
PATH = "/api/windows"
Window = Annotated[str, typer.Argument(metavar="WINDOW", help="A window's number or name.")]
Kind = Annotated[str | None, typer.Option(help="allow or deny.")]
Attach = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WHAT", help="global, site:NAME, device:NAME, job:NAME or filter:NAME (or numbers); may be repeated."
    ),
]
When = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SPAN",
        help="Such as 'weekly from 2026-01-04T02:00 for 2h in Europe/Berlin', 'once from 2026-12-24T00:00 for 9d',"
        " 'cron 0 2 * * sun for 90m', 'FREQ=MONTHLY;BYDAY=-1SU from 2026-01-25T02:00 for 3h'; may be repeated.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="when_closed=skip|defer, cutoff=30m, stop_at_end=yes|no, zone_source=fixed|site, enabled=yes|no, name=…,"
        " description=…; may be repeated.",
    ),
]
File = Annotated[
    str | None,
    typer.Option("-f", "--file", metavar="FILE", help="A whole window as YAML or JSON; - reads standard input."),
]
_SPAN = re.compile(r"(?P<rule>.+?)(?:\s+from\s+(?P<start>\S+))?\s+for\s+(?P<length>\S+)(?:\s+in\s+(?P<zone>\S+))?")
_DEFINITION = (
    "name", "description", "kind", "zone_source", "spans", "when_closed", "cutoff_seconds", "stop_at_end", "enabled",
    "attachments",
)  # fmt: skip


@command(app, "list")
def list_windows(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    kind: Kind = None,
    site: Annotated[str | None, typer.Option(help="Only those that cover this site.")] = None,
    device: Annotated[str | None, typer.Option(help="Only those that cover this device.")] = None,
    job: Annotated[str | None, typer.Option(help="Only those that cover this job.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Only those.")] = None,
    limit: Limit = 100,
) -> None:
    """Windows by name: what they cover, when they are open, and how it stands now."""
    query = {
        "q": q,
        "kind": kind,
        "enabled": enabled,
        "site_id": session.site_id(site) if site else None,
        "device_id": session.device_id(device) if device else None,
        "job_id": session.job_id(job) if job else None,
    }
    page = session.api.page(PATH, query, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("name", "name"),
        Column("kind", "kind"),
        Column("covers", lambda row: _few(row["covers"])),
        Column("when", lambda row: _few(row["span_texts"], row["span_count"])),
        Column("now", lambda row: _now(session, row)),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no windows.")


def _few(texts: Sequence[str | None], number: int | None = None) -> str:
    """The first two of so many."""
    shown, left = "; ".join(one or "unreadable" for one in texts[:2]), (number or len(texts)) - 2
    return f"{shown} and {left} more" if left > 0 else shown


def _now(session: Session, window: Mapping[str, Any]) -> str:
    """How it stands: a maintenance window is open or closed, a blackout holds or not."""
    if not window["enabled"]:
        return "disabled"
    if window["current"] is None:
        return "differs by site"
    inside, outside = ("open", "closed") if window["kind"] == "allow" else ("in force", "not in force")
    until = session.out.when(window["current"]["until_at"])
    return f"{inside if window['current']['is_inside'] else outside}{f' until {until}' if until else ''}"


@command(app, "show")
def show(session: Session, window: Window) -> None:
    """One window: what it covers, what it does, and when it is open next."""
    path = f"{PATH}/{session.window_id(window)}"
    found = session.api.get(path)
    if session.out.is_json:
        session.out.json(found)
        return
    session.out.facts(_facts(session, found))
    _show_stretches(session, session.api.get(f"{path}/preview"))


def _facts(session: Session, window: Mapping[str, Any]) -> dict[str, object]:
    kind = "maintenance window (allow)" if window["kind"] == "allow" else "blackout (deny)"
    spans = [
        f"{span['name']}: {text or 'unreadable'}" if span["name"] else text or "unreadable"
        for span, text in zip(window["spans"], window["span_texts"], strict=True)
    ]
    not_allowed = [f"{one['action']} ({one['reason']})" for one in window["allowed_actions"] if not one["allowed"]]
    return {
        "Window": f"{window['name']} (number {window['id']})",
        "Description": window["description"] or None,
        "Kind": kind,
        "Covers": "\n".join(window["covers"]) or "nothing that you see",
        "When": "\n".join(spans),
        "Now": _now(session, window),
        "If closed": "what would start is skipped" if window["when_closed"] == "skip" else "what would start waits",
        "Cutoff": f"nothing starts in the last {window['cutoff_seconds']} s" if window["cutoff_seconds"] else None,
        "At the end": "what still runs is stopped" if window["stop_at_end"] else None,
        "Revision": f"{window['revision']}, {session.out.when(window['updated_at'])} by {window['updated_by'] or '-'}",
        "Not now": not_allowed or None,
    }


def _show_stretches(session: Session, preview: Mapping[str, Any]) -> None:
    rows = [
        {**stretch, "timezone": zone["timezone"]} for zone in preview["zones"] for stretch in zone["stretches"][:10]
    ]
    if not rows:
        return
    columns = [
        Column("from", lambda row: session.out.when(row["starts_at"])),
        Column("until", lambda row: session.out.when(row["ends_at"]) or "no end in sight"),
        Column("on the clocks of", "timezone"),
    ]
    sys.stdout.write("\n")
    session.out.table(rows, columns)
    if preview["is_capped"]:
        session.out.say("Your sites are in more zones than these.")


@command(app, "add")
def add(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The new window's name.")] = None,
    *,
    file: File = None,
    kind: Kind = None,
    attach: Attach = None,
    when: When = None,
    settings: Settings = None,
) -> None:
    """Save a new window, from these options, from a file, or from a file with some of them said here.

    A file has the fields of the API; instead of `attachments` it may say `attach`, a list of texts as for --attach.
    """
    given = {"name": name, "kind": kind} | _given(session, attach, when, settings)
    document = documents.read(file) if file is not None else None
    body = (_of_file(session, document.value) if document else {}) | {
        field: value for field, value in given.items() if value is not None
    }
    made = session.api.post(PATH, body, is_creating=True, placed=document.placed if document else None)
    session.out.done(f"Made the window {made['name']}, number {made['id']}: {_now(session, made)}.", made)


@command(app, "edit")
def edit(
    session: Session,
    window: Window,
    *,
    file: File = None,
    attach: Attach = None,
    when: When = None,
    settings: Settings = None,
    revision: Annotated[
        int | None, typer.Option(min=1, help="Refuse if the window is no longer at this revision.")
    ] = None,
) -> None:
    """Change what the options speak of, or save the window anew from a file. --attach and --when replace all there is."""
    path = f"{PATH}/{session.window_id(window)}"
    given = _given(session, attach, when, settings)
    if file is None and not given:
        raise CliError("Say what to change, or give a file by -f.", ExitCode.USAGE)
    document = documents.read(file) if file is not None else None
    if document is not None:
        before = _of_file(session, document.value)
    else:
        found = session.api.get(path)
        before = {field: found[field] for field in _DEFINITION}
        # Whoever changed it meanwhile must not be overwritten by what is merely sent back.
        revision = revision or int(found["revision"])
    saved = session.api.put(path, before | given, revision=revision, placed=document.placed if document else None)
    session.out.done(f"Saved the window {saved['name']}, revision {saved['revision']}: {_now(session, saved)}.", saved)


def _given(
    session: Session, attach: list[str] | None, when: list[str] | None, settings: list[str] | None
) -> dict[str, Any]:
    """The fields that the options speak of."""
    given = dict(_setting(one) for one in settings or ())
    if attach:
        given["attachments"] = [_attachment(session, one) for one in attach]
    if when:
        given["spans"] = [_span(one) for one in when]
    return given


def _of_file(session: Session, value: Mapping[str, Any]) -> dict[str, Any]:
    """A file's window with its texts under `attach` as attachments."""
    rest = {name: one for name, one in value.items() if name != "attach"}
    texts = value.get("attach")
    if texts is None:
        return rest
    if "attachments" in value or not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        message = "attach must be a list of texts such as site:Harbour, and attachments must be left out beside it."
        raise CliError(message, ExitCode.USAGE)
    return {**rest, "attachments": [_attachment(session, one) for one in texts]}


def _attachment(session: Session, text: str) -> dict[str, Any]:
    kind, _, name = text.partition(":")
    match kind:
        case "global" if not name:
            return {"kind": "global"}
        case "site" if name:
            return {"kind": "site", "site_id": session.site_id(name)}
        case "device" if name:
            return {"kind": "device", "device_id": session.device_id(name)}
        case "job" if name:
            return {"kind": "job", "job_id": session.job_id(name)}
        case "filter" if name:
            return {"kind": "filter", "filter_id": session.filter_id(name)}
        case _:
            hint = "It must be global, site:NAME, device:NAME, job:NAME or filter:NAME."
            raise CliError(f"{text} is nothing that a window can be attached to.", ExitCode.USAGE, hint=hint)


def _span(text: str) -> dict[str, Any]:
    """A span from its one line; what the schedule may be is the Engine's to say."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        hint = "Such as 'weekly from 2026-01-04T02:00 for 2h in Europe/Berlin' or 'cron 0 2 * * sun for 90m'."
        raise CliError(f"{text} is no span.", ExitCode.USAGE, hint=hint)
    rule, days, seconds = found["rule"], *days_and_seconds(found["length"])
    schedule = {"start": found["start"], "timezone": found["zone"]}
    if rule.startswith("cron "):
        schedule |= {"type": "cron", "expression": rule.removeprefix("cron ").strip()}
    else:
        schedule |= {"type": "rrule", "rule": rule} if "=" in rule else {"type": rule}
    length = {"duration_seconds": days * 86_400 + seconds} if seconds else {"duration_days": days}
    return {"schedule": {name: value for name, value in schedule.items() if value is not None}, **length}


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if equals and name in {"when_closed", "zone_source", "name", "description"}:
        return name, value
    if equals and name in {"stop_at_end", "enabled"} and value in {"yes", "no"}:
        return name, value == "yes"
    if equals and name == "cutoff":
        days, seconds = days_and_seconds(value) if value != "0" else (0, 0)
        return "cutoff_seconds", days * 86_400 + seconds
    hint = "when_closed, cutoff, stop_at_end (yes or no), zone_source, enabled (yes or no), name and description can be set."
    raise CliError(f"{text} sets nothing.", ExitCode.USAGE, hint=hint)


@command(app, "import")
def import_file(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="An iCalendar file; - reads standard input.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new window's name.")],
    *,
    attach: Annotated[
        list[str],
        typer.Option(metavar="WHAT", help="global, site:NAME, device:NAME, job:NAME or filter:NAME; may be repeated."),
    ],
    kind: Annotated[str, typer.Option(help="allow or deny.")] = "deny",
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Of dates and times that have none; else the one of the file.")
    ] = None,
    settings: Settings = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would become of it, and save nothing.")] = False,
) -> None:
    """Save a new window whose spans are the events of a calendar file, all or none of them."""
    texts = [_import_text(_attachment(session, one)) for one in attach]
    fields = {"name": name, "kind": kind, "timezone": timezone, "attach": texts, "dry_run": dry_run}
    query = fields | _given(session, None, None, settings)
    headers = {"Content-Type": "text/calendar"}
    body = documents.read_text(file).encode()
    reply = session.api.send("POST", f"{PATH}/import", query=query, body=body, headers=headers).json()
    if session.out.is_json:
        session.out.json(reply)
        return
    rows = [{**span, "text": text} for span, text in zip(reply["spans"], reply["span_texts"], strict=True)]
    session.out.table(rows, [Column("event", "name"), Column("when", "text")])
    for one in reply["left_out"]:
        session.out.say(f"Left out: {one['name'] or one['uid'] or 'an event'} ({one['reason']}).")
    made = reply["window"]
    session.out.say(f"Made the window {made['name']}, number {made['id']}." if made else "Nothing was saved.")


def _import_text(attachment: Mapping[str, Any]) -> str:
    kind = attachment["kind"]
    return f"{kind}:{attachment[f'{kind}_id']}" if kind != "global" else "global"


@command(app, "remove")
def remove(session: Session, window: Window, *, yes: Yes = False) -> None:
    """Delete a window; what it covered is free of it at once."""
    path = f"{PATH}/{session.window_id(window)}"
    found = session.api.get(path)
    asking.sure(f"The window {found['name']} will be deleted. Go on?", is_sure=yes)
    session.api.delete(path)
    session.out.done(f"Deleted the window {found['name']}.", {"id": found["id"]})


@command(app, "check")
def check(
    session: Session,
    *,
    job: Annotated[str | None, typer.Option(help="On each of its devices.")] = None,
    device: Annotated[str | None, typer.Option(help="Anything on this device; with --job, that job on it.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Such as 2026-12-24T02:00Z; now without it.")
    ] = None,
) -> None:
    """Would it start then? Why not, and when next. Exit code 1 when something is in the way."""
    if job is None and device is None:
        raise CliError("Name a job, a device, or both.", ExitCode.USAGE)
    job_id = session.job_id(job) if job else None
    device_id = session.device_id(device) if device else None
    reply = session.api.get(f"{PATH}/check", {"job_id": job_id, "device_id": device_id, "at": at})
    if session.out.is_json:
        session.out.json(reply)
    else:
        columns = [
            Column("devices", "devices", is_right=True),
            Column("such as", lambda row: row["hostnames"]),
            Column("starts", lambda row: "yes" if row["is_open"] else row["action"]),
            Column("next", lambda row: session.out.when(row["opens_at"])),
            Column("because", "sentence"),
            Column("stopped at", lambda row: session.out.when(row["stop_at"])),
        ]
        session.out.say(f"At {session.out.when(reply['at'])}:")
        session.out.table(reply["groups"], columns)
    if not reply["is_open"]:
        raise typer.Exit(ExitCode.FAILED)
