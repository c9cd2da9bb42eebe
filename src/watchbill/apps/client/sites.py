"""`watchbill sites`: where devices are, and the codes by which new ones ask in."""

from typing import Annotated, Any

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group

app = group("Sites, and the codes by which new devices ask in.")
Site = Annotated[str, typer.Argument(metavar="SITE", help="A site's number or name.")]


@command(app, "list")
def list_sites(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    limit: Limit = 100,
) -> None:
    """Your sites, by name."""
    page = session.api.page("/api/sites", {"q": q}, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("name", "name"),
        Column("timezone", "timezone"),
        Column("enrolment code", "enrolment_code"),
        Column("auto-approves until", lambda row: session.out.when(row["auto_approve_until"])),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no sites.")


@command(app, "show")
def show(session: Session, site: Site) -> None:
    """One site, with the command that enrols a device there."""
    _show(session, session.api.get(f"/api/sites/{session.site_id(site)}"))


@command(app, "create")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="The new site's name.")],
    *,
    description: Annotated[str, typer.Option(help="What it is.")] = "",
    timezone: Annotated[str, typer.Option(help="Its time zone, such as Europe/Berlin.")] = "UTC",
) -> None:
    """Make a site with a fresh enrolment code."""
    body = {"name": name, "description": description, "timezone": timezone}
    _show(session, session.api.post("/api/sites", body, is_creating=True))


@command(app, "rotate-code")
def rotate_code(session: Session, site: Site, *, yes: Yes = False) -> None:
    """Replace a site's enrolment code; the old one no longer works."""
    site_id = session.site_id(site)
    asking.sure("The present enrolment code will stop working. Go on?", is_sure=yes)
    _show(session, session.api.post(f"/api/sites/{site_id}/enrolment_code"))


@command(app, "auto-approve")
def auto_approve(
    session: Session,
    site: Site,
    minutes: Annotated[int, typer.Argument(min=0, max=1440, help="For how long; 0 ends it.")],
) -> None:
    """Let new devices in without asking, for some minutes. Conflicts still wait for a person."""
    reply = session.api.post(f"/api/sites/{session.site_id(site)}/auto_approval", {"minutes": minutes})
    until = session.out.when(reply["auto_approve_until"])
    text = f"{reply['name']} approves new devices until {until}." if until else f"{reply['name']} asks a person."
    session.out.done(text, reply)


def _show(session: Session, site: Any) -> None:
    if session.out.is_json:
        session.out.json(site)
        return
    session.out.facts(
        {
            "Site": f"{site['name']} (number {site['id']})",
            "Description": site["description"] or None,
            "Time zone": site["timezone"],
            "Auto-approves until": session.out.when(site["auto_approve_until"]),
            "Enrolment code": site["enrolment_code"],
            "Enrol a device": site["enrolment_command"],
            "Made": session.out.when(site["created_at"]),
        }
    )
