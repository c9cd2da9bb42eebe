"""The signed word on how a device is to be, beside its scripts: its payload as a value, its text as signed, and the bytes that are signed.

It is a state and no order: the newest `issued_at` wins, and hearing it twice changes nothing.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from watchbill_wire import fields as f
from watchbill_wire.errors import WireError

MAX_DESIRED_CHARACTERS = 64 * 1024
MAX_HUB_ADDRESSES = 16
MAX_SSH_KEYS = 8


def _host_address(value: Any) -> str:
    """One host with its prefix, as `ip` writes it: nothing here may take a whole network into a tunnel."""
    try:
        if type(value) is str:
            found = ipaddress.ip_interface(value)
            if found.network.num_addresses == 1 and found.with_prefixlen == value:
                return value
    except ValueError:
        pass
    raise ValueError("must be the address of one host with /32 or /128")


_ENDPOINT = f.pattern(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9a-f:.]{2,45}\]):[1-9][0-9]{0,4}", "a host, a colon and a port"
)
_SSH_KEY = f.pattern(r"ssh-ed25519 [A-Za-z0-9+/]{68}(?: [\x21-\x7e]{1,100})?", "an ssh-ed25519 public key on one line")
_ACCOUNT_NAME = f.pattern(r"svc-[a-z0-9-]{1,16}", "svc- and 1 to 16 lowercase letters, digits and hyphens")


@dataclass(frozen=True)
class TunnelWanted:
    """`open_until` None: until something else is said. `address`: the device's own in the tunnel."""

    address: str
    hub_public_key: str
    hub_endpoint: str
    hub_addresses: tuple[str, ...]
    keepalive_seconds: int
    open_until: datetime | None = None


@dataclass(frozen=True)
class ServiceAccountWanted:
    """The account by which the Engine signs in. `password_key`: the X25519 key, in base64url, that a password made here is sealed to."""

    name: str
    state: Literal["present", "absent"]
    ssh_public_keys: tuple[str, ...]
    sudo: bool
    generation: int
    password_key: str | None = None


_TUNNEL: f.Spec = (
    ("address", _host_address),
    ("hub_public_key", f.WIREGUARD_KEY),
    ("hub_endpoint", _ENDPOINT),
    ("hub_addresses", f.list_of(_host_address, MAX_HUB_ADDRESSES)),
    ("keepalive_seconds", f.integer(0, 3600)),
    ("open_until", f.optional(f.time)),
)
_ACCOUNT: f.Spec = (
    ("name", _ACCOUNT_NAME),
    ("state", f.one_of("present", "absent")),
    ("ssh_public_keys", f.list_of(_SSH_KEY, MAX_SSH_KEYS)),
    ("sudo", f.boolean),
    ("generation", f.integer()),
    ("password_key", f.optional(f.X25519_KEY)),
)
_SPEC: f.Spec = (
    ("v", f.integer(1, 1)),
    ("device_id", f.uuid),
    ("issued_at", f.time),
    ("expires_at", f.time),
    ("tunnel", f.optional(f.object_of(lambda value: TunnelWanted(**f.fill(_TUNNEL, value))))),
    ("service_account", f.optional(f.object_of(lambda value: ServiceAccountWanted(**f.fill(_ACCOUNT, value))))),
)


@dataclass(frozen=True)
class DesiredPayload:
    """`tunnel` None: there is to be none. `service_account` None: nothing is said of it, and what there is stays."""

    device_id: str
    issued_at: datetime
    expires_at: datetime
    tunnel: TunnelWanted | None = None
    service_account: ServiceAccountWanted | None = None
    v: int = 1

    def to_text(self) -> str:
        """The canonical text: sorted keys, no spaces. What is signed is this text, byte for byte."""
        return _canonical(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f.time_text(value)
    raise TypeError(f"{type(value).__name__} has no place in a payload")


_canonical = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
).encode


def parse_desired(text: str) -> DesiredPayload:
    payload = DesiredPayload(**f.fill(_SPEC, f.load(text, "payload")))
    if payload.expires_at < payload.issued_at:
        raise WireError([("expires_at", "must not be before issued_at")])
    return payload


def desired_signing_bytes(payload_text: str) -> bytes:
    return b"watchbill-desired:v1\n" + payload_text.encode("utf-8")
