"""`watchbill devices service-account`: the account that the Engine has on devices."""

from typing import Annotated, Literal

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.session import Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("The account that the Engine has on devices, by which jobs sign in.")
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="A device's id or host name.")]
Devices = Annotated[
    list[str] | None, typer.Argument(metavar="DEVICE...", help="Ids or host names.", show_default=False)
]
Filter = Annotated[str | None, typer.Option("--filter", help="Instead: all that this device filter finds now.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would change.")]


@command(app, "show")
def show(session: Session, device: Device) -> None:
    """Whether it is there, and what its device has told of it."""
    found = session.api.get(f"/api/devices/{session.device_id(device)}/service_account")
    if session.out.is_json:
        session.out.json(found)
        return
    session.out.facts(
        {
            "Name": found["username"],
            "State": found["state"],
            "Why": found["detail"],
            "Asked for by": found["requested_by"],
            "Asked for": session.out.when(found["requested_at"]),
            "Told by the device": session.out.when(found["told_at"]),
            "Can": [one["action"] for one in found["allowed_actions"] if one["allowed"]] or None,
        }
    )


@command(app, "create")
def create(session: Session, devices: Devices = None, *, of: Filter = None, dry_run: DryRun = False) -> None:
    """Let devices make it; where it failed, it is begun anew."""
    _change(session, "create", devices, of, is_dry_run=dry_run)


@command(app, "rotate")
def rotate(session: Session, devices: Devices = None, *, of: Filter = None, dry_run: DryRun = False) -> None:
    """Give it a new key, or a new password on Windows. The one before holds until the device has it."""
    _change(session, "rotate", devices, of, is_dry_run=dry_run)


@command(app, "remove")
def remove(
    session: Session, devices: Devices = None, *, of: Filter = None, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Let devices remove it, with its home, its keys, its rights and what runs as it."""
    if not dry_run:
        asking.sure("Jobs will no longer sign in with these accounts. Go on?", is_sure=yes)
    _change(session, "remove", devices, of, is_dry_run=dry_run)


def _change(
    session: Session,
    action: Literal["create", "rotate", "remove"],
    devices: list[str] | None,
    of: str | None,
    *,
    is_dry_run: bool,
) -> None:
    if bool(devices) == bool(of):
        raise CliError("Name devices, or a filter by --filter.", ExitCode.USAGE)
    named = (
        {"filter_id": session.filter_id(of)}
        if of
        else {"device_ids": [session.device_id(one) for one in devices or ()]}
    )
    body = {"action": action, "dry_run": is_dry_run, **named}
    reply = session.api.post("/api/devices/service_accounts", body)
    would = "would be" if is_dry_run else "is to be"
    done = {"create": "created", "rotate": "rotated", "remove": "removed"}[action]
    text = f"The service account {would} {done} on {reply['changed']} of {reply['devices']} devices."
    session.out.done(text, reply)
