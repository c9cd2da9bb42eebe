"""`watchbill login` and `logout`: a session for a moment, which makes an API token that is kept."""

import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.login_file import Login
from watchbill.apps.client.session import Session, command
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit.clock import rfc3339
from watchbill.kit.secrets import Secret

if TYPE_CHECKING:
    from watchbill.apps.client.connection import Api
    from watchbill.apps.client.trust import Trust

DEFAULT_SERVER = "http://127.0.0.1:8470"

login_app = typer.Typer(add_completion=False)
logout_app = typer.Typer(add_completion=False)


@command(login_app, "login", is_group=False)
def login(
    session: Session,
    *,
    username: Annotated[str | None, typer.Option("--username", "-u", help="Asked for when not given.")] = None,
    pin: Annotated[str | None, typer.Option(help="Trust the certificate with this SHA-256, and no other.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long the sign-in lasts.")] = 30,
) -> None:
    """Sign in, and stay signed in on this computer.

    The password is asked for, or is the next line of standard input; so is a new one, where the Engine wants one.
    """
    from watchbill.apps.client.connection import Api
    from watchbill.apps.client.trust import Trust, fetch_pinned, pin_text, server_url

    known = session.login()
    chosen = session.server_option or (known.server if known else None) or asking.text("Server", DEFAULT_SERVER)
    server = server_url(chosen)
    certificate = fetch_pinned(server, pin_text(pin)) if pin else known.certificate if known else None
    ca = str(Path(session.ca_option).resolve()) if session.ca_option else known.ca if known else None
    trust = Trust(None if session.ca_option else certificate, ca)
    api = Api(server, trust)
    try:
        _save(session, trust, api, _token(api, username, days))
    finally:
        api.close()


def _save(session: Session, trust: "Trust", api: "Api", made: dict[str, Any]) -> None:
    file = session.login_file
    found = Login(
        server=api.server,
        username=made["username"],
        token=Secret(made["token"]),
        token_id=made["id"],
        expires_at=made["expires_at"],
        certificate=trust.certificate,
        ca=trust.ca,
    )
    file.put(found)
    file.save()
    until = session.out.when(found.expires_at)
    reply = {"server": found.server, "username": found.username, "expires_at": found.expires_at}
    session.out.done(f"Signed in at {found.server} as {found.username}, until {until}.", reply)


def _token(api: "Api", username: str | None, days: int) -> dict[str, Any]:
    """A fresh API token with everything its owner may do. The session that made it is closed again."""
    name = username or asking.text("Username")
    password = asking.password(f"Password for {name}")
    reply = api.post("/api/session", {"username": name, "password": password.reveal()})
    _use(api, reply)
    if reply["must_change_password"]:
        reply = _choose_password(api, password)
    expires_at = rfc3339(api.now() + timedelta(days=days))
    body = {"name": f"CLI on {socket.gethostname()}", "scopes": reply["permissions"], "expires_at": expires_at}
    made = api.post("/api/api_tokens", body)
    api.delete("/api/session")
    return {**made, "username": reply["operator"]["username"]}


def _choose_password(api: "Api", password: Secret) -> Any:
    new = asking.new_password("Choose a new password")
    reply = api.post("/api/session/password", {"current_password": password.reveal(), "new_password": new.reveal()})
    _use(api, reply)
    return reply


def _use(api: "Api", reply: dict[str, Any]) -> None:
    api.client.headers["X-CSRF-Token"] = reply["csrf_token"]


@command(logout_app, "logout", is_group=False)
def logout(session: Session) -> None:
    """Sign out: the token ends, and this computer forgets it."""
    found = session.login()
    if found is None:
        raise CliError("You are not signed in.", ExitCode.NOT_SIGNED_IN)
    try:
        session.api.delete(f"/api/api_tokens/{found.token_id}")
    except CliError as error:
        if error.exit_code not in {ExitCode.NOT_SIGNED_IN, ExitCode.NOT_FOUND}:
            session.out.say(f"The token could not be ended at the Engine: {error.message}")
    file = session.login_file
    file.forget(found.server)
    file.save()
    session.out.done(f"Signed out at {found.server}.", {"server": found.server})
