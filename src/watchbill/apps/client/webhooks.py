"""`watchbill workflows webhooks`: what launches a workflow from outside. A secret is written once, when it is made."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("What launches a workflow from outside.")
PATH: Final = "/api/webhooks"
Workflow = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name or id.")]
Hook = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's name or number.")]
_ONCE: Final = "Its secret, which is told only now:"


def _path(session: Session, workflow: str) -> str:
    return f"/api/workflows/{session.assembly_id(workflow)}/webhooks"


def _find(session: Session, workflow: str, text: str) -> Mapping[str, Any]:
    items = session.api.page(_path(session, workflow), limit=1000).items
    found = [one for one in items if str(one["id"]) == text or one["name"].lower() == text.lower()]
    if not found:
        raise CliError(f"There is no webhook {text} of this workflow.", ExitCode.NOT_FOUND)
    first: Mapping[str, Any] = found[0]
    return first


@command(app, "list")
def list_webhooks(session: Session, workflow: Workflow, *, limit: Limit = 100) -> None:
    """The webhooks of a workflow whose sites you all see."""
    page = session.api.page(_path(session, workflow), limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("name", "name"),
        Column("on", "enabled"),
        Column("mode", "mode"),
        Column("a minute", "rate_per_minute", is_right=True),
        Column("last", lambda row: session.out.when(row["last_delivery_at"])),
        Column("outcome", "last_outcome"),
        Column("url", "url"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="It has no webhooks.")


@command(app, "create")
def create(
    session: Session,
    workflow: Workflow,
    *,
    name: Annotated[str, typer.Option(help="What it is called.")],
    mode: Annotated[Literal["hmac", "bearer"], typer.Option(help="How senders prove themselves.")] = "hmac",
    rate: Annotated[int, typer.Option(min=1, max=6000, help="Deliveries in a minute.")] = 60,
) -> None:
    """Make a webhook; its secret is written to standard output, once."""
    body = {"name": name, "mode": mode, "rate_per_minute": rate}
    _tell(session, session.api.post(_path(session, workflow), body, is_creating=True))


@command(app, "rotate")
def rotate(
    session: Session,
    workflow: Workflow,
    webhook: Hook,
    *,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="So long the old secret is taken too; 0: not at all.")
    ] = 24,
) -> None:
    """Replace the secret; the new one is written to standard output, once."""
    found = _find(session, workflow, webhook)
    body = {"overlap_seconds": round(overlap_hours * 3600)}
    _tell(session, session.api.post(f"{PATH}/{found['id']}/rotate", body, is_creating=True))


def _tell(session: Session, made: Mapping[str, Any]) -> None:
    until = session.out.when(made["previous_secret_until"])
    session.out.say(f"{made['name']}: {made['url']}{f'. The old secret is taken until {until}.' if until else ''}")
    session.out.say(_ONCE)
    session.out.done(made["secret"], made)


@command(app, "delete")
def delete(session: Session, workflow: Workflow, webhook: Hook, *, yes: Yes = False) -> None:
    """Delete a webhook: its address leads nowhere from then on."""
    found = _find(session, workflow, webhook)
    asking.sure(f"{found['name']} will be gone, and its senders refused. Go on?", is_sure=yes)
    session.api.delete(f"{PATH}/{found['id']}")
    session.out.done(f"{found['name']} is deleted.", {"id": found["id"]})


@command(app, "deliveries")
def deliveries(session: Session, workflow: Workflow, webhook: Hook, *, limit: Limit = 50) -> None:
    """What came last, newest first, and what became of it."""
    found = _find(session, workflow, webhook)
    page = session.api.page(f"{PATH}/{found['id']}/deliveries", limit=limit)
    columns = [
        Column("at", lambda row: session.out.when(row["at"])),
        Column("from", "source_address"),
        Column("outcome", "outcome"),
        Column("reason", "reason"),
        Column("run", "run_id", is_right=True),
        Column(
            "problems", lambda row: [f"{one['field']} {one['message']}" for one in row["problems"]], is_wrapped=True
        ),
        Column("body", "body"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="Nothing has come yet.")
