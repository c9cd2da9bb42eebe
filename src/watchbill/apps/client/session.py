"""What every client command starts with: the options that all have, the server and token to use, and how to name things.

`command` adds the options to a command's own; the command gets a Session in their place.
"""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec
from uuid import UUID

import typer

from watchbill.apps.client import login_file
from watchbill.apps.client.output import Out
from watchbill.apps.commands.exits import EXIT_CODES_HELP, CliError, ExitCode
from watchbill.kit.secrets import Secret

if TYPE_CHECKING:
    from watchbill.apps.client.connection import Api
    from watchbill.apps.client.login_file import Login, LoginFile

P = ParamSpec("P")
SERVER, TOKEN = "WATCHBILL_SERVER", "WATCHBILL_TOKEN"

_PANEL = "Connection and output"
Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", envvar=SERVER, help="The Engine; else the last sign-in.", rich_help_panel=_PANEL
    ),
]
Ca = Annotated[
    str | None, typer.Option("--ca", metavar="FILE", help="PEM file of the authority to trust.", rich_help_panel=_PANEL)
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable on standard output.", rich_help_panel=_PANEL)]
IsUtc = Annotated[bool, typer.Option("--utc", help="Times in UTC instead of your zone.", rich_help_panel=_PANEL)]

#: Of every list.
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Rows at most.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass
class Session:
    """One command's view of the Engine and of its caller."""

    server_option: str | None
    ca_option: str | None
    out: Out
    _api: "Api | None" = field(default=None)

    @property
    def login_file(self) -> "LoginFile":
        return login_file.load(login_file.default_path())

    def login(self) -> "Login | None":
        """The remembered sign-in of the chosen server. A token only ever goes to the server it is from."""
        from watchbill.apps.client.trust import server_url

        chosen = server_url(self.server_option) if self.server_option else None
        return self.login_file.find(chosen)

    @property
    def api(self) -> "Api":
        if self._api is None:
            self._api = self._connect()
        return self._api

    def _connect(self) -> "Api":
        from watchbill.apps.client.connection import Api
        from watchbill.apps.client.trust import Trust, server_url

        login = self.login()
        if login is None and self.server_option is None:
            hint = f"`watchbill login --server URL` signs you in; {SERVER} and {TOKEN} serve scripts."
            raise CliError("No Engine is named and you are not signed in.", ExitCode.NOT_SIGNED_IN, hint=hint)
        server = login.server if login else server_url(self.server_option or "")
        given = os.environ.get(TOKEN)
        token = Secret(given) if given else login.token if login else None
        if token is None:
            hint = f"`watchbill login --server {server}` signs you in."
            raise CliError(f"You are not signed in at {server}.", ExitCode.NOT_SIGNED_IN, hint=hint)
        saved = Trust(login.certificate, login.ca) if login else Trust()
        return Api(server, Trust(ca=self.ca_option) if self.ca_option else saved, token)

    def close(self) -> None:
        if self._api is not None:
            self._api.close()

    # --- naming things -------------------------------------------------------------------------------------------------

    def site_id(self, text: str) -> int:
        """A site by its number or its name."""
        if text.isdigit():
            return int(text)
        return int(self._named("/api/sites", text, "name", "site")["id"])

    def device_id(self, text: str) -> str:
        """A device by its id or its host name."""
        return text if _is_uuid(text) else str(self._named("/api/devices", text, "hostname", "device")["id"])

    def assembly_id(self, text: str) -> str:
        return text if _is_uuid(text) else str(self._named("/api/assemblies", text, "name", "assembly")["id"])

    def job_id(self, text: str) -> int:
        if text.isdigit():
            return int(text)
        return int(self._named("/api/scheduled_jobs", text, "name", "job")["id"])

    def operator_id(self, text: str) -> int:
        if text.isdigit():
            return int(text)
        return int(self._named("/api/operators", text, "username", "account")["id"])

    def credential_id(self, text: str) -> int:
        if text.isdigit():
            return int(text)
        return int(self._named("/api/credentials", text, "name", "credential")["id"])

    def window_id(self, text: str) -> int:
        if text.isdigit():
            return int(text)
        return int(self._named("/api/windows", text, "name", "window")["id"])

    def filter_id(self, text: str, *, is_archived: bool = False) -> int:
        if text.isdigit():
            return int(text)
        more = {"archived": "true"} if is_archived else {}
        return int(self._named("/api/device_filters", text, "name", "filter", **more)["id"])

    def _named(self, path: str, text: str, key: str, what: str, **more: str) -> Any:
        page = self.api.page(path, {"q": text, **more}, limit=1000)
        found = [one for one in page.items if str(one[key]).lower() == text.lower()]
        if not found:
            raise CliError(f"There is no {what} named {text}.", ExitCode.NOT_FOUND)
        if len(found) > 1:
            ids = ", ".join(str(one["id"]) for one in found)
            raise CliError(f"{len(found)} {what}s are named {text}; use one of the ids {ids}.", ExitCode.USAGE)
        return found[0]


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def group(about: str) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, add_completion=False, help=about, epilog=EXIT_CODES_HELP)
    # A callback makes it a group even when it has but one command.
    app.callback()(lambda: None)
    return app


def command(
    app: typer.Typer, name: str, *, is_group: bool = True
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Register a function whose first parameter is the Session as a command with the common options."""

    def register(function: Callable[Concatenate[Session, P], None]) -> Callable[Concatenate[Session, P], None]:
        app.command(name, epilog=None if is_group else EXIT_CODES_HELP)(_with_session(function))
        return function

    return register


def _with_session(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    def run(*, server: str | None, ca: str | None, as_json: bool, is_utc: bool, **given: Any) -> None:
        session = Session(server, ca, Out(is_json=as_json, is_utc=is_utc))
        try:
            call: Callable[..., None] = function
            call(session, **given)
        finally:
            session.close()

    own = list(inspect.signature(function).parameters.values())[1:]
    common = [
        inspect.Parameter(parameter, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for parameter, annotation, default in (
            ("server", Server, None), ("ca", Ca, None), ("as_json", AsJson, False), ("is_utc", IsUtc, False),
        )
    ]  # fmt: skip
    parameters = [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own), *common]
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run
