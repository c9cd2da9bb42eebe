"""`watchbill notifications`: channels, rules, what was told, and the sign of life."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("Who is told of what: channels, rules, and what was sent.")
PATH, CHANNELS, RULES = "/api/notifications", "/api/notification_channels", "/api/notification_rules"

Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel's number or name.")]
Sites = Annotated[list[str] | None, typer.Option("--site", help="Operators of this site may use it; may be repeated.")]
Zone = Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Of the times of day.")]
Digest = Annotated[
    str | None,
    typer.Option(metavar="MINUTES|HH:MM", help="Gather for so many minutes, or until this time of each day."),
]
Quiet = Annotated[
    str | None,
    typer.Option(metavar="HH:MM-HH:MM", help="Hours in which only what is urgent is sent, such as 22:00-07:00."),
]


@command(app, "list")
def list_notifications(
    session: Session,
    *,
    job: Annotated[str | None, typer.Option(help="Only of this job.")] = None,
    event: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    state: Annotated[str | None, typer.Option(help="waiting, sent or failed on some channel.")] = None,
    limit: Limit = 50,
) -> None:
    """What was told, newest first, and what became of it."""
    query = {"job_id": session.job_id(job) if job else None, "event": event, "state": state}
    page = session.api.page(PATH, query, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("at", lambda row: session.out.when(row["created_at"])),
        Column("event", "event"),
        Column("what", "sentence", is_wrapped=True),
        Column("sent", lambda row: ", ".join(_delivered(one) for one in row["deliveries"]) or "to nobody"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="Nothing was told.")


@command(app, "show")
def show(session: Session, number: Annotated[int, typer.Argument(metavar="NUMBER")]) -> None:
    """One notification, with every channel's last error."""
    found = session.api.get(f"{PATH}/{number}")
    if session.out.is_json:
        session.out.json(found)
        return
    facts = {"What": found["sentence"], "Event": found["event"], **_source(found)}
    if found["text"]:
        facts["It says"] = found["text"]
    facts |= {"Occurrence": found["occurrence_id"], "Told": session.out.when(found["created_at"])}
    for one in found["deliveries"]:
        facts[f"To {one['channel'] or 'a channel'}"] = _delivered(one) + (f": {one['error']}" if one["error"] else "")
    session.out.facts(facts)


def _source(found: Mapping[str, Any]) -> dict[str, str]:
    """Whose notification it is: of a job, of a run of a workflow, or of both."""
    job = {"Job": f"{found['job_name']} ({found['job_id']})"} if found["job_id"] is not None else {}
    run = found["workflow_run_id"]
    return job if run is None else {**job, "Workflow": f"{found['workflow_name']}, run {run}"}


@command(app, "retry")
def retry(
    session: Session,
    numbers: Annotated[list[int] | None, typer.Argument(metavar="NUMBER...", help="Notifications.")] = None,
    *,
    channel: Annotated[str | None, typer.Option(help="All that failed on this channel, by number or name.")] = None,
) -> None:
    """Send once more what was given up: `watchbill notifications retry --channel Night`."""
    if bool(numbers) == (channel is not None):
        raise CliError("Name notifications by their numbers, or a --channel.", ExitCode.USAGE)
    body = {"channel_id": _channel_id(session, channel)} if channel is not None else {"ids": numbers}
    done = session.api.post(f"{PATH}/retry", body)
    left = f" {done['skipped']} are not: their channel is archived or off." if done["skipped"] else ""
    session.out.done(f"{done['messages']} messages are sent once more.{left}", done)


def _delivered(one: Mapping[str, Any]) -> str:
    tried = f" after {one['attempt']} attempts" if one["attempt"] > 1 or one["state"] == "failed" else ""
    return f"{one['state']} ({one['channel'] or 'a channel that you do not see'}){tried}"


# --- channels ----------------------------------------------------------------------------------------------------------


@command(app, "channels")
def channels(
    session: Session,
    *,
    archived: Annotated[bool, typer.Option("--archived", help="Those that were archived.")] = False,
    limit: Limit = 100,
) -> None:
    """The channels that you may use, and how their last attempts went."""
    page = session.api.page(CHANNELS, {"archived": archived}, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("name", "name"),
        Column("kind", "kind"),
        Column("to", "destination"),
        Column("on", "enabled"),
        Column("last success", lambda row: session.out.when(row["last_success_at"])),
        Column("last failure", lambda row: session.out.when(row["last_failure_at"])),
        Column("last error", "last_error", is_wrapped=True),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no channels.")


@command(app, "add-webhook")
def add_webhook(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    url_file: Annotated[
        typer.FileText, typer.Argument(metavar="URL_FILE", help="A file with the URL; - = standard input.")
    ],
    *,
    site: Sites = None,
    timezone: Zone = "UTC",
    digest: Digest = None,
    quiet: Quiet = None,
) -> None:
    """Make a webhook channel. The URL is read from a file, as many receivers know their senders by it; its signing secret is told once."""
    body = {"kind": "webhook", "name": name, "url": url_file.read().strip()}
    made = session.api.post(CHANNELS, {**body, **_common(session, site, timezone, digest, quiet)}, is_creating=True)
    said = f"Made the channel {made['name']}, number {made['id']}. Its signing secret, told only now: {made['secret']}"
    session.out.done(said, made)


@command(app, "add-email")
def add_email(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS...")],
    *,
    site: Sites = None,
    timezone: Zone = "UTC",
    digest: Digest = None,
    quiet: Quiet = None,
    smtp: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A mail server of its own: host, sender, port, tls, user, password_file; may be repeated. None: the Engine's.",
        ),
    ] = None,
) -> None:
    """Make an e-mail channel: `watchbill notifications add-email Night night@example.org --digest 60 --quiet 22:00-07:00`."""
    body = {"kind": "email", "name": name, "to": addresses, "smtp": dict(map(_smtp, smtp)) if smtp else None}
    made = session.api.post(CHANNELS, {**body, **_common(session, site, timezone, digest, quiet)}, is_creating=True)
    session.out.done(f"Made the channel {made['name']}, number {made['id']}.", made)


def _smtp(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    if name == "password_file":
        try:
            return "password", Path(value).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"--smtp {text}: {error}", ExitCode.USAGE) from None
    return name, int(value) if name == "port" and value.isdecimal() else value


@command(app, "test")
def test(session: Session, channel: Channel) -> None:
    """Send a test to a channel and say what happened."""
    reply = session.api.post(f"{CHANNELS}/{_channel_id(session, channel)}/test")
    if not reply["ok"]:
        raise CliError(reply["sentence"], ExitCode.FAILED)
    session.out.done(reply["sentence"], reply)


@command(app, "archive-channel")
def archive_channel(session: Session, channel: Channel, *, yes: Yes = False) -> None:
    """Take a channel out of use for good; what waits for it is not sent any more."""
    number = _channel_id(session, channel)
    asking.sure(f"Nothing will be sent to the channel {channel} any more. Go on?", is_sure=yes)
    done = session.api.post(f"{CHANNELS}/{number}/archive")
    session.out.done(f"Archived the channel {done['name']}.", done)


def _channel_id(session: Session, text: str) -> int:
    if text.isdigit():
        return int(text)
    page = session.api.page(CHANNELS, {"q": text}, limit=1000)
    for one in page.items:
        if one["name"].lower() == text.lower():
            return int(one["id"])
    raise CliError(f"There is no channel named {text}.", ExitCode.NOT_FOUND)


def _common(
    session: Session, sites: list[str] | None, timezone: str, digest: str | None, quiet: str | None
) -> dict[str, object]:
    gathered: object = None
    if digest is not None:
        gathered = {"every_minutes": int(digest)} if digest.isdecimal() else {"daily_at": digest}
    begins, _, ends = (quiet or "").partition("-")
    return {
        "site_ids": [session.site_id(one) for one in sites] if sites else None,
        "timezone": timezone,
        "digest": gathered,
        "quiet": {"from": begins, "to": ends} if quiet is not None else None,
    }


# --- rules -------------------------------------------------------------------------------------------------------------


@command(app, "rules")
def rules(
    session: Session,
    *,
    job: Annotated[str | None, typer.Option(help="Those that tell of this job.")] = None,
    limit: Limit = 100,
) -> None:
    """The rules: of jobs, of sites, and of all jobs."""
    is_more = False
    if job is not None:
        items = session.api.get(f"/api/scheduled_jobs/{session.job_id(job)}/notifications")["items"]
    else:
        page = session.api.page(RULES, limit=limit)
        items, is_more = page.items, page.is_more
    columns = [
        Column("id", "id", is_right=True),
        Column("of", _subject),
        Column("tells", lambda row: ", ".join(row["events"]), is_wrapped=True),
        Column("urgent", lambda row: ", ".join(row["urgent_events"])),
        Column("to", lambda row: ", ".join(one["name"] or "a channel that you do not see" for one in row["channels"])),
        Column("on", "enabled"),
    ]
    session.out.listing(items, columns, is_more=is_more, empty="There are no rules.")


def _subject(row: Mapping[str, Any]) -> str:
    if row["job_id"] is not None:
        return f"job {row['job_id']}{', instead of general rules' if row['replaces_general'] else ''}"
    return f"jobs of site {row['site_id']}" if row["site_id"] is not None else "all jobs"


@command(app, "add-rule")
def add_rule(
    session: Session,
    events: Annotated[
        list[str], typer.Argument(metavar="EVENT...", help="failed, first_failure, recovered, missed, …")
    ],
    *,
    channel: Annotated[list[str], typer.Option(help="A channel's number or name; may be repeated.")],
    job: Annotated[str | None, typer.Option(help="Of this job.")] = None,
    site: Annotated[str | None, typer.Option(help="Of the jobs of this site. Neither: of all jobs.")] = None,
    urgent: Annotated[
        list[str] | None, typer.Option(metavar="EVENT", help="Waits for no digest and no morning.")
    ] = None,
    bound: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER", help="not_started_minutes=15, failures_in_a_row=3, slower_factor=2; may be repeated."
        ),
    ] = None,
    instead: Annotated[bool, typer.Option("--instead", help="General rules do not count for this job.")] = False,
) -> None:
    """Make a rule: `watchbill notifications add-rule first_failure recovered --channel Night --job "Clear print spool"`."""
    if job is not None and site is not None:
        raise CliError("A rule is of a job or of a site: name one of --job and --site.", ExitCode.USAGE)
    body: dict[str, object] = {
        "events": events,
        "urgent_events": urgent or [],
        "channel_ids": [_channel_id(session, one) for one in channel],
        "replaces_general": instead,
        **dict(_bound(one) for one in bound or ()),
    }
    path = RULES
    if job is not None:
        path = f"/api/scheduled_jobs/{session.job_id(job)}/notifications"
    elif site is not None:
        body["site_id"] = session.site_id(site)
    made = session.api.post(path, body, is_creating=True)
    session.out.done(f"Made rule {made['id']} of {_subject(made)}.", made)


def _bound(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        raise CliError(f"--bound {text}: must be NAME=NUMBER.", ExitCode.USAGE) from None
    return name, int(number) if number.is_integer() else number


@command(app, "archive-rule")
def archive_rule(session: Session, rule: Annotated[int, typer.Argument(metavar="RULE")], *, yes: Yes = False) -> None:
    """Take a rule out of use for good."""
    asking.sure(f"Rule {rule} will tell nothing any more. Go on?", is_sure=yes)
    done = session.api.post(f"{RULES}/{rule}/archive")
    session.out.done(f"Archived rule {rule}.", done)


@command(app, "heartbeat")
def heartbeat(session: Session) -> None:
    """The sign of life that schedulers give to whoever watches them from outside."""
    found = session.api.get("/api/outbound_heartbeat")
    if session.out.is_json:
        session.out.json(found)
        return
    every = f"every {found['every_minutes']} minutes" if found["enabled"] else "off: WATCHBILL_OUTBOUND_HEARTBEAT_URL"
    session.out.facts(
        {
            "Sign of life": every,
            "Withheld": found["why_not"],
            "Last success": session.out.when(found["last_success_at"]),
            "Last failure": session.out.when(found["last_failure_at"]),
            "Last error": found["last_error"],
        }
    )
