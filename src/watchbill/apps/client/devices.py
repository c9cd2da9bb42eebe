"""`watchbill devices`: the machines under management, their software, tags and custom values."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

import typer

from watchbill.apps.client import asking, service_accounts
from watchbill.apps.client.output import Column, size
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.core.custom_field_rules import FieldType, UnfitValueError, value_of_text

app = group("The machines under management.")
app.add_typer(service_accounts.app, name="service-account")
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="A device's id or host name.")]


@command(app, "list")
def list_devices(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the host name or description.")] = None,
    site: Annotated[str | None, typer.Option(help="Of this site only.")] = None,
    online: Annotated[bool | None, typer.Option("--online/--offline", help="Only those.")] = None,
    status: Annotated[Literal["active", "disabled", "revoked"] | None, typer.Option(help="Only those.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag only.")] = None,
    limit: Limit = 100,
) -> None:
    """Devices by host name; revoked ones only when asked for."""
    site_id = session.site_id(site) if site else None
    query = {"q": q, "site_id": site_id, "online": online, "status": status, "tag": tag}
    page = session.api.page("/api/devices", query, limit=limit)
    columns = [
        Column("hostname", "hostname"),
        Column("online", lambda row: "online" if row["online"] else "offline"),
        Column("status", "status"),
        Column("site", "site_name"),
        Column("system", _system),
        Column("tags", lambda row: ", ".join(row["tags"])),
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
            "Kind": found["device_type"],
            "Processors": found["cpu_count"],
            "Memory": _size(found["ram_bytes"]),
            "Free on its system disk": _size(found["disk_free_bytes"]),
            "Domain": found["domain"],
            "Last user": found["last_user"],
            "Signed in": _signed_in(found["sessions"]),
            "Tunnel": _tunnel(found["tunnel"]),
            "Service account": _account(found["service_account"]),
            "Addresses": found["internal_addresses"],
            "Connects from": found["external_address"],
            "Tags": found["tags"] or None,
            **{f"{name} ({one['set_by']})": str(one["value"]) for name, one in found["custom_values"].items()},
            "Time zone": found["timezone"],
            "Agent": " ".join(filter(None, (found["agent_version"], found["agent_branch"]))),
            "Interpreters": found["interpreters"],
            "Inventory of": session.out.when(found["inventory_at"]),
            "Enrolled": session.out.when(found["created_at"]),
        }
    )


def _signed_in(sessions: list[dict[str, Any]] | None) -> list[str] | str | None:
    if sessions is None:
        return None
    return [f"{one['user']} ({one['place']})" if one["place"] else one["user"] for one in sessions] or "nobody"


def _tunnel(tunnel: Mapping[str, Any] | None) -> str | None:
    if tunnel is None:
        return None
    return ": ".join(
        filter(None, (tunnel["address"] or "no address", tunnel["state"].replace("_", " "), tunnel["detail"]))
    )


def _account(account: Mapping[str, Any]) -> str:
    return f"{account['state']}: {account['detail']}" if account["detail"] else str(account["state"])


def _size(number: int | None) -> str | None:
    return None if number is None else size(number)


@command(app, "software")
def software(
    session: Session,
    device: Device,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    limit: Limit = 1000,
) -> None:
    """What is installed on a device, as its last inventory said."""
    page = session.api.page(f"/api/devices/{session.device_id(device)}/software", {"q": q}, limit=limit)
    columns = [Column("name", "name"), Column("version", "version"), Column("source", "source")]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="It has told of no such software.")


@command(app, "tag")
def tag_devices(
    session: Session,
    devices: Annotated[list[str], typer.Argument(metavar="DEVICE...", help="Ids or host names.")],
    *,
    add: Annotated[list[str] | None, typer.Option(metavar="TAG", help="A tag to add; may be repeated.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="A tag to take away; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would change.")] = False,
) -> None:
    """Add tags to devices and take others away: on all of them, or on none."""
    ids = [session.device_id(device) for device in devices]
    body = {"device_ids": ids, "add": add or [], "remove": remove or [], "dry_run": dry_run}
    reply = session.api.post("/api/devices/tags", body)
    would = "would change" if dry_run else "changed"
    text = f"{reply['changed']} of {reply['devices']} devices {would}: {reply['added']} tags added, {reply['removed']} removed."
    session.out.done(text, reply)


@command(app, "set")
def set_values(
    session: Session,
    device: Device,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="Custom fields; NAME= takes the value away.", show_default=False),
    ] = None,
    *,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
) -> None:
    """Describe a device, and set its custom values."""
    given = [one.partition("=") for one in values or []]
    wrong = [name for name, sign, _ in given if not (name and sign)]
    if wrong or (not given and description is None):
        raise CliError(
            f"{wrong[0] if wrong else 'Nothing'} is to be set: give NAME=VALUE or --description.", ExitCode.USAGE
        )
    path = f"/api/devices/{session.device_id(device)}"
    read = _typed(session, {name: value for name, _, value in given}) if given else {}
    reply: Any = None
    if given:
        reply = session.api.put(f"{path}/custom_values", {"values": read})
    if description is not None:
        reply = session.api.send("PATCH", path, body={"description": description}).json()
    session.out.done(f"{reply['hostname']} is set.", reply)


def _typed(session: Session, texts: Mapping[str, str]) -> dict[str, Any]:
    """Texts as the types of their fields want them. What does not fit is sent as it is, for the Engine to refuse in its words."""
    types = {one["name"]: one["type"] for one in session.api.get("/api/custom_fields")["items"]}
    found: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            kind = FieldType(types.get(name, "text"))
            value = value_of_text(kind, text) if text else None
        except UnfitValueError:
            value = text
        found[name] = value.isoformat() if isinstance(value, date) else value
    return found


@command(app, "host-key")
def host_key(
    session: Session,
    device: Device,
    *,
    forget: Annotated[
        bool, typer.Option("--forget", help="Trust the next key that it shows: for a device that was installed anew.")
    ] = False,
) -> None:
    """The SSH host key by which the Engine knows a device."""
    path = f"/api/devices/{session.device_id(device)}/ssh_host_key"
    found = session.api.get(path)
    if forget:
        session.api.send("DELETE", path)
        session.out.done(
            f"Forgotten: {found['fingerprint'] or 'none was known'}. The next key that it shows is trusted.", found
        )
    else:
        session.out.done(found["fingerprint"] or "No key is known yet.", found)


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
