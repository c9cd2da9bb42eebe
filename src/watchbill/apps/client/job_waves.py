"""Waves of a job as options of a command, put in place of those of a file; what they may be is the Engine's to say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from watchbill.apps.client.documents import Document
from watchbill.apps.client.session import Session
from watchbill.kit import yaml_file

Waves = Annotated[
    list[str] | None,
    typer.Option(
        "--wave",
        metavar="SIZE",
        help="A wave of so many devices, or of 10% of all; repeatable.",
        rich_help_panel="Waves",
    ),
]


def in_waves(document: Document, sizes: list[str] | None) -> Document:
    """The document with these sizes in place of its own; the rest of its waves stays."""
    if not sizes:
        return document
    policies: Mapping[str, Any] = document.value.get("policies") or {}
    waves = {**(policies.get("waves") or {}), "sizes": [int(one) if one.isdigit() else one for one in sizes]}
    value = {**document.value, "policies": {**policies, "waves": waves}}
    return replace(document, value=value, text=yaml_file.write(value))


def told(session: Session, occurrence: Mapping[str, Any]) -> str | None:
    """How far the waves of an occurrence are, and until when it stays so."""
    rollout = occurrence.get("rollout")
    if not rollout:
        return None
    until = f" Until {session.out.when(rollout['until'])}." if rollout["until"] else ""
    return f"{rollout['sentence']}{until}"
