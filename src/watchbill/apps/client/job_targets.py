"""Targets and exclusions of a job as options of a command: put in place of those of a file. What they may be is the Engine's to say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from watchbill.apps.client.documents import Document
from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit import yaml_file

_PANEL = "Targets"
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", metavar="FILTER", help="What this filter finds when it runs; repeatable.", rich_help_panel=_PANEL
    ),
]
Sites = Annotated[
    list[str] | None,
    typer.Option("--site", metavar="SITE", help="Every device of this site; repeatable.", rich_help_panel=_PANEL),
]
AllDevices = Annotated[bool, typer.Option("--all-devices", help="Every device of your sites.", rich_help_panel=_PANEL)]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="WHAT",
        help="But not filter:NAME, site:NAME or device:NAME (or numbers); repeatable.",
        rich_help_panel=_PANEL,
    ),
]


def aimed(
    session: Session,
    document: Document,
    filters: Sequence[str] | None,
    sites: Sequence[str] | None,
    exclude: Sequence[str] | None,
    *,
    is_everywhere: bool,
) -> Document:
    """The document with what the options name in place of its targets, and of its exclusions. Without options: as it is."""
    targets = [_target(session, f"filter:{one}") for one in filters or ()]
    targets += [_target(session, f"site:{one}") for one in sites or ()]
    targets += [{"kind": "all_devices"}] if is_everywhere else []
    exclusions = [_target(session, one) for one in exclude or ()]
    changed = {name: found for name, found in (("targets", targets), ("exclusions", exclusions)) if found}
    if not changed:
        return document
    value = {**document.value, **changed}
    return replace(document, value=value, text=yaml_file.write(value))


def _target(session: Session, text: str) -> dict[str, Any]:
    kind, _, name = text.partition(":")
    match kind:
        case "filter" if name:
            return {"kind": "filter", "filter_id": session.filter_id(name)}
        case "site" if name:
            return {"kind": "site", "site_id": session.site_id(name)}
        case "device" if name:
            return {"kind": "device", "device_id": session.device_id(name)}
        case _:
            hint = "It must be filter:NAME, site:NAME or device:NAME."
            raise CliError(f"{text} is nothing that a job can leave out.", ExitCode.USAGE, hint=hint)
