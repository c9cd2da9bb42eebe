"""`watchbill tunnels`: the VPN to devices."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from watchbill.apps.client.output import Column, size
from watchbill.apps.client.session import Limit, Session, command, group

app = group("The VPN that SSH and WinRM go to devices through.")


@command(app, "status")
def status(session: Session) -> None:
    """The hub, its addresses, and its tunnels in numbers."""
    found = session.api.get("/api/vpn")
    if session.out.is_json:
        session.out.json(found)
    else:
        session.out.facts({"Tunnels": found["lack"] or "can be used", **_facts(session, found)})


def _facts(session: Session, found: Mapping[str, Any]) -> dict[str, object]:
    hub, pool, tunnels = found["hub"], found["pool"], found["tunnels"]
    if hub is None:
        return {}
    return {
        "Hub": f"{hub['state']}, on {hub['host']} as {hub['interface']}",
        "Last sign of life": session.out.when(hub["heard_at"]),
        "Devices reach it at": hub["endpoint"],
        "Public key": hub["public_key"],
        "Addresses": f"{pool['used']} of {pool['capacity']} used in {pool['subnet']}, {pool['resting']} resting",
        "Devices": f"{tunnels['known']} with a key, {tunnels['applied']} known to the hub, {tunnels['refused']} refused",
        "Open": f"{tunnels['open']}, {tunnels['connected']} of them connected",
    }


@command(app, "list")
def list_tunnels(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the host name.")] = None,
    site: Annotated[str | None, typer.Option(help="Only devices of this site.")] = None,
    limit: Limit = 100,
) -> None:
    """The tunnels of devices by host name: whether each can be used, and if not, why."""
    query = {"q": q, "site_id": session.site_id(site) if site else None}
    page = session.api.page("/api/vpn/peers", query, limit=limit)
    columns = [
        Column("device", "hostname"),
        Column("address", "address"),
        Column("state", "state"),
        Column("handshake", lambda row: session.out.when(row["handshake_at"])),
        Column("open until", lambda row: session.out.when(row["open_until"])),
        Column("from", lambda row: size(row["rx_bytes"]), is_right=True),
        Column("to", lambda row: size(row["tx_bytes"]), is_right=True),
        Column("why not", "detail", is_wrapped=True),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="No device has told of a tunnel.")
