"""`watchbill credentials`: what jobs sign in with. A secret is asked for, read from standard input or from a file: never an argument."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate

import typer

from watchbill.apps.client import asking, documents
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

PATH = "/api/credentials"

app = group("Credentials: what jobs sign in to devices with. Secrets are asked for, or are lines of standard input.")

Credential = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="A credential's number or name.")]
Site = Annotated[str | None, typer.Option("--site", metavar="SITE", help="For the devices of this site alone.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]
User = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Whom it signs in as.")]
Domain = Annotated[str | None, typer.Option(metavar="DOMAIN", help="Of the user, where there is one.")]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="22, 5986 or 5985 when it is not said.")]
Password = Annotated[bool, typer.Option("--password", help="Ask for the password.")]
Key = Annotated[
    str | None, typer.Option("--key", metavar="FILE", help="The private key; - reads standard input to its end.")
]
Passphrase = Annotated[bool, typer.Option("--passphrase", help="Ask for the passphrase of the key.")]
Transport = Annotated[
    str | None, typer.Option(metavar="WORD", help="Of winrm: ntlm, credssp, kerberos, basic or certificate.")
]
Certificate = Annotated[
    str | None, typer.Option(metavar="FILE", help="The certificate to sign in with, as PEM; its key by --key.")
]
Tls = Annotated[bool | None, typer.Option("--tls/--no-tls", help="Of winrm: whether it is encrypted by TLS.")]
Validate = Annotated[
    bool | None,
    typer.Option("--validate-certificates/--any-certificate", help="Of winrm: whom of devices to believe."),
]
Become = Annotated[
    str | None, typer.Option(metavar="METHOD", help="Then become another user: sudo, su, doas or runas; or none.")
]
BecomeUser = Annotated[str | None, typer.Option(metavar="NAME", help="Whom; root when it is not said.")]
BecomePassword = Annotated[bool, typer.Option("--become-password", help="Ask for the password that this takes.")]
_SECRETS = ("password", "private_key", "passphrase", "become.password")
_DEFINITION = (
    "name", "description", "site_id", "kind", "username", "domain", "port", "transport", "tls", "validate_certificates",
    "certificate",
)  # fmt: skip


@command(app, "list")
def list_credentials(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    kind: Annotated[str | None, typer.Option(help="ssh or winrm.")] = None,
    site: Site = None,
    state: Annotated[str | None, typer.Option(help="ready or reset_required.")] = None,
    limit: Limit = 100,
) -> None:
    """The credentials that you may see, by name. Secrets are not shown to anybody."""
    asked = {"q": q, "kind": kind, "site_id": session.site_id(site) if site else None, "state": state}
    page = session.api.page(PATH, {name: one for name, one in asked.items() if one is not None}, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("name", "name"),
        Column("kind", "kind"),
        Column("for", _whom),
        Column("signs in as", lambda row: row["username"] or ""),
        Column("by", lambda row: ", ".join(_stored(row))),
        Column("state", "state"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no such credentials.")


def _whom(row: Mapping[str, Any]) -> str:
    return str(row["site_name"] or row["site_id"] or "every site")


def _stored(row: Mapping[str, Any]) -> list[str]:
    words = {"has_password": "password", "has_private_key": "key"}
    return [word for name, word in words.items() if row[name]]


@command(app, "show")
def show(session: Session, credential: Credential) -> None:
    """One credential: whom it signs in as, which secrets there are, which jobs use it."""
    path = f"{PATH}/{session.credential_id(credential)}"
    found, usage = session.api.get(path), session.api.get(f"{path}/usage")
    if session.out.is_json:
        session.out.json({**found, "usage": usage})
    else:
        session.out.facts(_facts(session, found, usage))


def _facts(session: Session, one: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, object]:
    key, become = one["key"], one["become"]
    not_now = [f"{action['action']} ({action['reason']})" for action in one["allowed_actions"] if not action["allowed"]]
    return {
        "Credential": f"{one['name']} (number {one['id']})",
        "Description": one["description"] or None,
        "For": _whom(one),
        "Kind": one["kind"] if one["transport"] is None else f"{one['kind']} by {one['transport']}",
        "State": one["state"],
        "Give anew": one["lost_secrets"] or None,
        "Signs in as": one["username"],
        "Domain": one["domain"],
        "Port": one["port"],
        "Stored": [name for name in ("password", "private_key", "passphrase") if one[f"has_{name}"]] or None,
        "Key": f"{key['type']} {key['bits']} {key['fingerprint']}" if key else None,
        "Certificate": one["certificate_fingerprint"],
        "Its end": session.out.when(one["certificate_expires_at"]),
        "Becomes": f"{become['user']} by {become['method']}" if become else None,
        "Used by": _users(usage),
        "Revision": f"{one['revision']}, {session.out.when(one['updated_at'])} by {one['updated_by'] or '-'}",
        "Not now": not_now or None,
    }


def _users(usage: Mapping[str, Any]) -> list[str]:
    named = [f"{one['name']} (job {one['id']})" for one in usage["jobs"]]
    hidden = usage["unseen_jobs"]
    return [*named, f"{hidden} of sites that you do not see"] if hidden else named or ["no job"]


@dataclass(frozen=True, slots=True)
class Said:
    """What the options of `create` and `update` say; None = nothing."""

    user: str | None
    password: bool | None
    key: str | None
    passphrase: bool | None
    domain: str | None
    port: int | None
    transport: str | None
    certificate: str | None
    tls: bool | None
    validate: bool | None
    become: str | None
    become_user: str | None
    become_password: bool | None
    description: str | None

    def plain(self) -> dict[str, object]:
        """The fields that are no secrets."""
        given = {
            "username": self.user,
            "domain": self.domain,
            "port": self.port,
            "description": self.description,
            "transport": self.transport,
            "tls": self.tls,
            "validate_certificates": self.validate,
            "certificate": documents.read_text(self.certificate) if self.certificate else None,
        }
        return {name: value for name, value in given.items() if value is not None}


_OPTIONS = {
    "user": User, "password": Password, "key": Key, "passphrase": Passphrase, "domain": Domain, "port": Port, "transport": Transport,
    "certificate": Certificate, "tls": Tls, "validate": Validate, "become": Become, "become_user": BecomeUser,
    "become_password": BecomePassword, "description": Description,
}  # fmt: skip


def _with_options(function: Callable[..., None]) -> Callable[Concatenate[Session, ...], None]:
    """Give a command these options; it gets them as `said`."""

    def run(session: Session, **given: Any) -> None:
        said = Said(**{name: given.pop(name, None) for name in _OPTIONS})
        function(session, **given, said=said)

    own = [one for one in inspect.signature(function).parameters.values() if one.name != "said"]
    kind = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(name, kind, default=None, annotation=one) for name, one in _OPTIONS.items()]
    run.__dict__["__signature__"] = inspect.Signature([*own, *options])
    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run


@command(app, "create")
@_with_options
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")],
    *,
    kind: Annotated[str, typer.Option(help="ssh or winrm.")],
    site: Site = None,
    said: Said,
) -> None:
    """Save a new credential. Without a terminal, each secret that is asked for is a line of standard input, in the order of the help."""
    site_id = session.site_id(site) if site else None
    body = {"name": name, "kind": kind, "site_id": site_id, **said.plain(), **_secrets(said), **_becoming(said, None)}
    made = session.api.post(PATH, body, is_creating=True)
    session.out.done(f"Made the credential {made['name']}, number {made['id']}.", made)


@command(app, "update")
@_with_options
def update(
    session: Session,
    credential: Credential,
    *,
    name: Annotated[str | None, typer.Option(help="Call it so.")] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="SECRET", help=f"Take away {', '.join(_SECRETS)}; may be repeated."),
    ] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="Refuse if it is no longer at this revision.")] = None,
    said: Said,
) -> None:
    """Change what the options speak of. Secrets that they do not speak of stay as they are."""
    path = f"{PATH}/{session.credential_id(credential)}"
    before = session.api.get(path)
    become = before["become"] and {field: before["become"][field] for field in ("method", "user")}
    body = {field: before[field] for field in _DEFINITION} | {"name": name or before["name"], "become": become}
    body |= {**said.plain(), **_secrets(said), **_becoming(said, become)}
    _take_away(body, remove or ())
    saved = session.api.put(path, body, revision=revision or before["revision"])
    session.out.done(f"Saved the credential {saved['name']}, revision {saved['revision']}.", saved)


def _secrets(said: Said) -> dict[str, str]:
    """Those that options ask for, in one order."""
    if said.key == "-" and (said.password or said.passphrase) and not sys.stdin.isatty():
        raise CliError("--key - takes all of standard input: give the key as a file.", ExitCode.USAGE)
    found = {"password": asking.new_password("Password").reveal()} if said.password else {}
    if said.key is not None:
        found["private_key"] = documents.read_text(said.key)
    if said.passphrase:
        found["passphrase"] = asking.password("Passphrase of the key").reveal()
    return found


def _becoming(said: Said, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Whom to become, with what options do not say as it was."""
    if said.become == "none":
        return {"become": None}
    given = {"method": said.become, "user": said.become_user}
    become = {**(before or {}), **{name: value for name, value in given.items() if value is not None}}
    if "method" not in become and (become or said.become_password):
        raise CliError("Say how another user is become: by --become.", ExitCode.USAGE)
    if said.become_password:
        become["password"] = asking.new_password("Password to become another user").reveal()
    return {"become": become} if become else {}


def _take_away(body: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name not in _SECRETS:
            raise CliError(f"{name} is no secret: it must be one of {', '.join(_SECRETS)}.", ExitCode.USAGE)
        if name != "become.password":
            body[name] = None
        elif body.get("become"):
            body["become"]["password"] = None


@command(app, "delete")
def delete(session: Session, credential: Credential, *, yes: Yes = False) -> None:
    """Delete a credential, its secrets for good. Refused while a job uses it."""
    number = session.credential_id(credential)
    asking.sure(f"The credential {credential} and its secrets will be gone. Go on?", is_sure=yes)
    session.api.delete(f"{PATH}/{number}")
    session.out.done(f"Deleted the credential {credential}.", {"id": number})
