"""`watchbill devices`: the machines under management."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group

app = group("The machines under management.")
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="A device's id or host name.")]


@command(app, "list")
def list_devices(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the host name or description.")] = None,
    site: Annotated[str | None, typer.Option(help="Of this site only.")] = None,
    online: Annotated[bool | None, typer.Option("--online/--offline", help="Only those.")] = None,
    status: Annotated[Literal["active", "disabled", "revoked"] | None, typer.Option(help="Only those.")] = None,
    limit: Limit = 100,
) -> None:
    """Devices by host name; revoked ones only when asked for."""
    site_id = session.site_id(site) if site else None
    query = {"q": q, "site_id": site_id, "online": online, "status": status}
    page = session.api.page("/api/devices", query, limit=limit)
    columns = [
        Column("hostname", "hostname"),
        Column("online", lambda row: "online" if row["online"] else "offline"),
        Column("status", "status"),
        Column("site", "site_name"),
        Column("system", _system),
        Column("last seen", lambda row: session.out.when(row["last_seen_at"])),
        Column("id", "id"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no devices.")


def _system(device: Mapping[str, Any]) -> str:
    return f"{device['os_name']} {device['os_version']} {device['arch']}".strip()


@command(app, "show")
def show(session: Session, device: Device) -> None:
    """One device; with --json also its whole inventory."""
    found = session.api.get(f"/api/devices/{session.device_id(device)}")
    if session.out.is_json:
        session.out.json(found)
        return
    session.out.facts(
        {
            "Host name": found["hostname"],
            "Id": found["id"],
            "Description": found["description"] or None,
            "Site": found["site_name"] or "none",
            "Status": found["status"],
            "Connection": "online" if found["online"] else "offline",
            "Last seen": session.out.when(found["last_seen_at"]),
            "System": _system(found),
            "Time zone": found["timezone"],
            "Agent": found["agent_version"],
            "Interpreters": found["interpreters"],
            "Inventory of": session.out.when(found["inventory_at"]),
            "Enrolled": session.out.when(found["created_at"]),
        }
    )


@command(app, "disable")
def disable(session: Session, device: Device) -> None:
    """Let nothing run there and close its connection, until it is enabled again."""
    _decide(session, device, "disable")


@command(app, "enable")
def enable(session: Session, device: Device) -> None:
    """Undo `disable`."""
    _decide(session, device, "enable")


@command(app, "revoke")
def revoke(session: Session, device: Device, *, yes: Yes = False) -> None:
    """Withdraw its key for ever; the machine may ask in again."""
    asking.sure(f"The key of {device} will be withdrawn for ever. Go on?", is_sure=yes)
    _decide(session, device, "revoke")


def _decide(session: Session, device: str, verb: str) -> None:
    reply = session.api.post(f"/api/devices/{session.device_id(device)}/{verb}")
    session.out.done(f"{reply['hostname']} is {reply['status']}.", reply)
