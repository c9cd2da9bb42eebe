"""Components of a job, what it signs in with, what it does about failures, and its waves as options of a command: put in place of those of a file, or beside them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Concatenate

import typer

from watchbill.apps.client.documents import Document
from watchbill.apps.client.job_logins import Context, Credential, ServiceAccount, signed_in
from watchbill.apps.client.job_waves import Waves
from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit import yaml_file

_PANEL = "Components"
Check = Annotated[
    str | None,
    typer.Option(
        metavar="ASSEMBLY",
        help="This script first: those after it run only where it ends with 1; then it looks once more.",
        rich_help_panel=_PANEL,
    ),
]
Scripts = Annotated[
    list[str] | None,
    typer.Option("--script", metavar="ASSEMBLY", help="This script; repeatable, in order.", rich_help_panel=_PANEL),
]
Playbooks = Annotated[
    list[str] | None,
    typer.Option("--playbook", metavar="ASSEMBLY", help="This playbook; repeatable, in order.", rich_help_panel=_PANEL),
]
Retries = Annotated[
    int | None, typer.Option(metavar="N", help="Try again so often, from what failed on.", rich_help_panel=_PANEL)
]
RetryDelay = Annotated[
    int | None, typer.Option(metavar="SECONDS", help="Not before so many seconds.", rich_help_panel=_PANEL)
]
RetryOn = Annotated[
    list[str] | None,
    typer.Option(metavar="OUTCOME", help="failed, timed_out or warning; repeatable.", rich_help_panel=_PANEL),
]
GoOn = Annotated[
    bool | None,
    typer.Option(
        "--continue-on-failure/--stop-on-failure",
        help="Whether the scripts after one that failed run all the same.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class Steps:
    """What the options say; None = nothing."""

    check: str | None
    scripts: Sequence[str] | None
    playbooks: Sequence[str] | None
    retries: int | None
    retry_delay: int | None
    retry_on: Sequence[str] | None
    go_on: bool | None
    waves: list[str] | None
    context: str | None
    credential: str | None
    service_account: bool | None


_OPTIONS = {
    "check": Check, "scripts": Scripts, "playbooks": Playbooks, "retries": Retries, "retry_delay": RetryDelay, "retry_on": RetryOn,
    "go_on": GoOn, "waves": Waves, "context": Context, "credential": Credential, "service_account": ServiceAccount,
}  # fmt: skip


def with_steps(function: Callable[..., None]) -> Callable[Concatenate[Session, ...], None]:
    """Give a command these options; it gets them as `steps`."""

    def run(session: Session, **given: Any) -> None:
        steps = Steps(**{name: given.pop(name, None) for name in _OPTIONS})
        function(session, **given, steps=steps)

    own = [one for one in inspect.signature(function).parameters.values() if one.name != "steps"]
    kind = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(name, kind, default=None, annotation=one) for name, one in _OPTIONS.items()]
    run.__dict__["__signature__"] = inspect.Signature([*own, *options])
    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run


def stepped(session: Session, document: Document, steps: Steps) -> Document:
    """The document with a check and scripts or playbooks that options name in place of its components, and these of its policies. Without: as it is."""
    if steps.check is not None and not steps.scripts:
        raise CliError("--check decides about the scripts after it: name one by --script.", ExitCode.USAGE)
    document = signed_in(session, document, steps.context, steps.credential, use_service_account=steps.service_account)
    parts = [_component(session, steps.check, role="check")] if steps.check is not None else []
    parts += [_component(session, one) for one in steps.scripts or ()]
    parts += [_component(session, one, kind="playbook") for one in steps.playbooks or ()]
    given = _policies(steps)
    if not parts and not given:
        return document
    value = {**document.value, **({"components": parts} if parts else {})}
    if given:
        value["policies"] = {**(document.value.get("policies") or {}), **given}
    return replace(document, value=value, text=yaml_file.write(value))


def _policies(steps: Steps) -> dict[str, object]:
    said = {
        "retries": steps.retries,
        "retry_delay_seconds": steps.retry_delay,
        "retry_on": list(steps.retry_on) if steps.retry_on else None,
        "continue_on_failure": steps.go_on,
    }
    return {name: value for name, value in said.items() if value is not None}


def _component(session: Session, name: str, **more: str) -> dict[str, Any]:
    return {"assembly_id": session.assembly_id(name), "kind": "script", **more}


def in_words(component: Mapping[str, Any]) -> str:
    """A component as a list of facts shows it."""
    given = ", ".join(f"{name}={_shown(value)}" for name, value in component["variables"].items())
    what = "check" if component.get("role") == "check" else component["kind"]
    return f"{what} {component['assembly_id']}{f' with {given}' if given else ''}"


def _shown(value: object) -> object:
    return "***" if isinstance(value, Mapping) else value
