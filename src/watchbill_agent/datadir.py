"""The agent's data directory: who this device is, its private key, the Engine's pinned certificate, and the lock.

Files are private to their owner and replaced atomically. Nothing here talks to the network.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from watchbill_agent.errors import EXIT_BUSY, EXIT_NOT_ENROLLED, EXIT_USAGE, AgentError
from watchbill_wire import DesiredPayload, EngineKey, WireError, base64url, engine_keys_from_json, parse_desired


@dataclass(frozen=True)
class Identity:
    """`state` is `pending` from the request on and `approved` once a person (or the site's window) said yes."""

    server: str
    state: str
    enrolment_id: str
    poll_token: str = ""
    device_id: str = ""
    is_pinned: bool = False
    engine_keys: tuple[EngineKey, ...] = ()


def default_path() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/watchbill-agent")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "watchbill-agent"


class DataDir:
    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.spool = self.path / "spool.sqlite3"
        self.executions = self.path / "executions"
        self.files = self.path / "files"
        #: Beside it, because nobody else may enter this one: for the scripts of signed-in users.
        self.users = self.path.with_name(self.path.name + "-users")
        self._identity = self.path / "identity.json"
        self._key = self.path / "device.key"
        self._sealing_key = self.path / "sealing.key"
        self._certificate = self.path / "server.pem"
        self._tunnel_key = self.path / "tunnel.key"
        self._desired = self.path / "desired.json"
        #: What is noted of the account that the agent made on this device.
        self.service_account = self.path / "service-account.json"

    def create(self) -> None:
        """Private to its owner. A folder that others may read and that holds something is not ours to close off."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_mode & 0o077:
                if any(self.path.iterdir()):
                    raise AgentError(
                        f"--data-dir: {self.path} is open to others; use a folder of its own (mode 0700)", EXIT_USAGE
                    )
                self.path.chmod(0o700)
        except OSError as error:
            raise AgentError(f"--data-dir: {self.path} cannot be used: {error.strerror}", EXIT_USAGE) from error

    def lock(self) -> int:
        """Held until the process ends; the kernel releases it, so a killed agent leaves nothing behind."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            message = f"another watchbill-agent (process {self.holder() or 'unknown'}) already uses {self.path}"
            raise AgentError(message, EXIT_BUSY) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def holder(self) -> int | None:
        """The number of the process that holds the lock."""
        try:
            return int((self.path / "lock").read_text("ascii")) if self.is_locked() else None
        except (OSError, ValueError):
            return None

    def is_locked(self) -> bool:
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def write(self, path: Path, data: bytes) -> None:
        fresh = path.with_name(path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    # -- identity ----------------------------------------------------------------------------------------------------

    def load_identity(self) -> Identity | None:
        try:
            raw = json.loads(self._identity.read_text("utf-8"))
            keys = engine_keys_from_json(raw.pop("engine_keys"))
            return Identity(engine_keys=keys, **raw)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, WireError) as error:
            raise AgentError(f"{self._identity} cannot be read: {error}; enrol again with --force") from error

    def approved_identity(self) -> Identity:
        identity = self.load_identity()
        if identity is None or identity.state != "approved":
            state = "still waits for approval" if identity else "is not enrolled"
            raise AgentError(f"this device {state}: run watchbill-agent enroll ({self.path})", EXIT_NOT_ENROLLED)
        return identity

    def save_identity(self, identity: Identity) -> None:
        keys = [{"key_id": key.key_id, "public_key": base64url(key.public_key)} for key in identity.engine_keys]
        self.write(self._identity, json.dumps({**asdict(identity), "engine_keys": keys}, indent=1).encode())

    def forget_identity(self) -> None:
        """The service account that is there stays known: it is of the machine."""
        own = (self._identity, self._key, self._sealing_key, self._certificate, self._tunnel_key, self._desired)
        for path in own:
            path.unlink(missing_ok=True)

    # -- key and certificate -----------------------------------------------------------------------------------------

    def load_or_make_key(self) -> Ed25519PrivateKey:
        if not self._key.exists():
            self.write(self._key, Ed25519PrivateKey.generate().private_bytes_raw())
        return self.load_key()

    def load_key(self) -> Ed25519PrivateKey:
        try:
            return Ed25519PrivateKey.from_private_bytes(self._key.read_bytes())
        except (OSError, ValueError) as error:
            raise AgentError(f"{self._key} cannot be read: {error}", EXIT_NOT_ENROLLED) from error

    def load_or_make_sealing_key(self) -> X25519PrivateKey:
        """Made by whichever version of the agent needs it first: its public half is told with every proof of the other key."""
        return self._exchange_key(self._sealing_key)

    def load_or_make_tunnel_key(self) -> X25519PrivateKey:
        return self._exchange_key(self._tunnel_key)

    def _exchange_key(self, path: Path) -> X25519PrivateKey:
        if not path.exists():
            self.write(path, X25519PrivateKey.generate().private_bytes_raw())
        try:
            return X25519PrivateKey.from_private_bytes(path.read_bytes())
        except (OSError, ValueError) as error:
            raise AgentError(f"{path} cannot be read: {error}", EXIT_NOT_ENROLLED) from error

    def save_certificate(self, pem: str) -> None:
        self.write(self._certificate, pem.encode("ascii"))

    def load_certificate(self) -> str:
        try:
            return self._certificate.read_text("ascii")
        except OSError as error:
            raise AgentError(f"{self._certificate} cannot be read: {error.strerror}", EXIT_NOT_ENROLLED) from error

    # -- what is wanted of the device ----------------------------------------------------------------------------------

    def save_desired(self, text: str) -> None:
        self.write(self._desired, text.encode("utf-8"))

    def load_desired(self, device_id: str) -> DesiredPayload | None:
        """What this device is to be like, as it was last said. What cannot be read counts as never said: it is said again."""
        try:
            found = parse_desired(self._desired.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if found.device_id == device_id else None
