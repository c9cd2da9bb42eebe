"""What a job signs in with, as options of a command: put in place of what its file says. What may be is the Engine's to say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from watchbill.apps.client.documents import Document
from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit import yaml_file

_PANEL = "Signing in"
Context = Annotated[
    str | None,
    typer.Option(
        metavar="CONTEXT",
        help="system or current_user for scripts; ssh, ssh_individual, winrm or winrm_individual for playbooks.",
        rich_help_panel=_PANEL,
    ),
]
Credential = Annotated[
    str | None,
    typer.Option(metavar="CREDENTIAL", help="Sign in with this one (name or number).", rich_help_panel=_PANEL),
]
ServiceAccount = Annotated[
    bool | None,
    typer.Option(
        "--service-account",
        help="Sign in with the account that the Engine keeps on each device instead.",
        rich_help_panel=_PANEL,
    ),
]


def signed_in(
    session: Session,
    document: Document,
    context: str | None,
    credential: str | None,
    *,
    use_service_account: bool | None,
) -> Document:
    """The document with what the options say of it. Without options: as it is."""
    if credential is not None and use_service_account:
        raise CliError("A job signs in with a credential or with the service account, not both.", ExitCode.USAGE)
    said: dict[str, object] = {} if context is None else {"execution_context": context}
    if credential is not None:
        said |= {"credential_id": session.credential_id(credential), "use_service_account": False}
    if use_service_account:
        said |= {"credential_id": None, "use_service_account": True}
    if not said:
        return document
    kept = {
        name: value for name, value in document.value.items() if name != "credential" or "credential_id" not in said
    }
    value = {**kept, **said}
    return replace(document, value=value, text=yaml_file.write(value))


def in_words(job: Mapping[str, Any]) -> str | None:
    """What a job signs in with, as a list of facts shows it; None where it does not."""
    if job["use_service_account"]:
        return "the service account of each device"
    return f"credential {job['credential_id']}" if job["credential_id"] is not None else None
