"""The file that remembers sign-ins: for each server its token and how its certificate is known. Readable by its owner only."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from watchbill.apps.commands.exits import CliError
from watchbill.kit.secrets import Secret


@dataclass(frozen=True, slots=True)
class Login:
    """One remembered sign-in. `certificate` is the PEM that was pinned, `ca` a file with the authority to trust."""

    server: str
    username: str
    token: Secret
    token_id: int
    expires_at: str | None
    certificate: str | None = None
    ca: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "token": self.token.reveal()}


@dataclass(slots=True)
class LoginFile:
    """All sign-ins, and which one is used when no server is named."""

    path: Path
    current: str | None = None
    logins: dict[str, Login] = field(default_factory=dict)

    def find(self, server: str | None) -> Login | None:
        return self.logins.get(server or self.current or "")

    def put(self, login: Login) -> None:
        self.logins[login.server] = login
        self.current = login.server

    def forget(self, server: str) -> None:
        self.logins.pop(server, None)
        if self.current == server:
            self.current = next(iter(self.logins), None)

    def save(self) -> None:
        document = {"current": self.current, "logins": [one.as_json() for one in self.logins.values()]}
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
            fresh.replace(self.path)
        except OSError as error:
            raise CliError(f"The login file {self.path} cannot be written: {error.strerror}.") from None


def default_path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "watchbill" / "login.json"


def load(path: Path) -> LoginFile:
    """Read the file; an absent one is an empty one."""
    try:
        if path.stat().st_mode & 0o077:
            raise CliError(f"Others can read {path}, which holds tokens: run `chmod 600 {path}` first.")
        document = json.loads(path.read_text(encoding="utf-8"))
        found = [Login(**{**one, "token": Secret(one["token"])}) for one in document["logins"]]
        return LoginFile(path, document["current"], {one.server: one for one in found})
    except FileNotFoundError:
        return LoginFile(path)
    except OSError as error:
        raise CliError(f"The login file {path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise CliError(f"{path} is not a login file: remove it and sign in again.") from None
