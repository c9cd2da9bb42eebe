"""Checks for single values: each takes what JSON gave and returns the typed value, or raises ValueError saying what is allowed.

They know nothing of messages. They are plain functions built once at import, because a gateway runs them
tens of thousands of times a second.
"""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import datetime
from typing import Any, Callable, TypeVar

from watchbill_wire.errors import WireError

T = TypeVar("T")
Check = Callable[[Any], T]
Spec = tuple[tuple[str, Callable[[Any], Any]], ...]

MAX_INTEGER = 2**63 - 1
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_MISSING = object()


def text(most: int, least: int = 0) -> Check[str]:
    def check(value: Any) -> str:
        if type(value) is not str or not least <= len(value) <= most:
            raise ValueError(f"must be text of {least} to {most} characters")
        return value

    return check


def pattern(expression: str, allowed: str) -> Check[str]:
    match = re.compile(expression).fullmatch

    def check(value: Any) -> str:
        if type(value) is not str or match(value) is None:
            raise ValueError(f"must be {allowed}")
        return value

    return check


def uuid(value: Any) -> str:
    if type(value) is not str or _UUID.fullmatch(value) is None:
        raise ValueError("must be a lowercase UUID")
    return value


def one_of(*choices: str) -> Check[Any]:
    """Typed loosely on purpose: the message field it fills names the same choices as a Literal."""
    allowed = frozenset(choices)

    def check(value: Any) -> Any:
        if type(value) is not str or value not in allowed:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return check


def integer(least: int = 0, most: int = MAX_INTEGER) -> Check[int]:
    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return check


def seconds(least: float, most: float) -> Check[float]:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
            raise ValueError(f"must be a number of seconds from {least} to {most}")
        return float(value)

    return check


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("must be true or false")
    return value


def time(value: Any) -> datetime:
    """RFC 3339 in UTC. `fromisoformat` of Python 3.9 wants exactly six digits and no Z, hence the padding."""
    if type(value) is not str or _TIME.fullmatch(value) is None:
        raise ValueError("must be an RFC 3339 time ending in Z")
    whole, _, fraction = value[:-1].partition(".")
    try:
        return datetime.fromisoformat(f"{whole}.{fraction:0<6}+00:00")
    except ValueError:
        raise ValueError("must be an RFC 3339 time that exists") from None


def time_text(value: datetime) -> str:
    offset = value.utcoffset()
    if offset is None:
        raise WireError([("time", "must know its time zone")])
    return (value - offset).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def data(most: int) -> Check[bytes]:
    longest = (most + 2) // 3 * 4

    def check(value: Any) -> bytes:
        if type(value) is str and len(value) <= longest:
            try:
                return base64.b64decode(value, validate=True)
            except ValueError:
                pass
        raise ValueError(f"must be base64 of at most {most} bytes")

    return check


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def from_base64url(value: Any, most: int = 1024) -> bytes:
    """Keys travel as base64url over HTTP and as base64 over the socket; both alphabets, padded or not, are understood."""
    if type(value) is str and len(value) <= 2 * most:
        plain = value.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except ValueError:
            pass
    raise ValueError(f"must be base64url of at most {most} bytes")


def public_key(value: Any) -> bytes:
    raw = from_base64url(value, 64)
    if len(raw) != 32:
        raise ValueError("must be the 32 bytes of an Ed25519 public key")
    return raw


#: Names a session, and its user, as the device does; they go into signed orders and into logs, so they are one line.
SESSION = pattern(r"[\x21-\x7e]{1,128}", "1 to 128 visible ASCII characters")
USER = pattern(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,256}", "1 to 256 characters on one line")

SHA256 = pattern(r"[0-9a-f]{64}", "a SHA-256 in 64 lowercase hex digits")

#: 32 bytes as `wg` writes them, and as HTTP and payloads do: one text for one key.
WIREGUARD_KEY = pattern(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", "a WireGuard key in the 44 characters of its base64")
X25519_KEY = pattern(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", "the base64url of an X25519 public key in 43 characters")


def optional(check: Check[T]) -> Check[T | None]:
    return lambda value: None if value is None else check(value)


def list_of(check: Check[T], most: int) -> Check[tuple[T, ...]]:
    def check_list(value: Any) -> tuple[T, ...]:
        if type(value) is not list or len(value) > most:
            raise ValueError(f"must be a list of at most {most}")
        return tuple(check(item) for item in value)

    return check_list


def object_of(read: Callable[[dict[str, Any]], T]) -> Check[T]:
    """An object that `read` makes something of; its WireError names the fields within."""
    return lambda value: read(anything_object(value))


def map_of(key: Check[str], item: Check[str], most: int) -> Check[dict[str, str]]:
    def check_map(value: Any) -> dict[str, str]:
        if type(value) is not dict or len(value) > most:
            raise ValueError(f"must be an object of at most {most} entries")
        return {key(name): item(text) for name, text in value.items()}

    return check_map


def anything_object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError("must be an object")
    return value


def fill(spec: Spec, value: Any) -> dict[str, Any]:
    """Check every field of one object, unknown ones aside, and tell all problems together."""
    if type(value) is not dict:
        raise WireError([("message", "must be a JSON object")])
    given = value.get
    try:
        return {name: check(given(name)) for name, check in spec}
    except ValueError:
        raise WireError([problem for name, check in spec for problem in _problems(name, check, value)]) from None


def _problems(name: str, check: Check[Any], value: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        check(value.get(name))
    except WireError as error:
        return [(f"{name}.{field}", allowed) for field, allowed in error.problems]
    except ValueError as error:
        return [(name, str(error) if name in value else "is missing")]
    return []


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_loads = json.JSONDecoder(parse_constant=_refuse_constant).decode


def load(frame: str, name: str = "message") -> Any:
    try:
        value = _loads(frame)
    except (ValueError, RecursionError):
        raise WireError([(name, "must be one JSON value")]) from None
    if "\\u" in frame:  # only an escape can smuggle in what no database and no environment can hold
        _refuse_unstorable(value, name)
    return value


def _refuse_unstorable(value: Any, path: str) -> None:
    stack: list[tuple[str, Any]] = [(path, value)]
    while stack:
        where, item = stack.pop()
        if type(item) is dict:
            stack.extend((where, key) for key in item)
            stack.extend((f"{where}.{key}"[:200], inner) for key, inner in item.items())
        elif type(item) is list:
            stack.extend((where, inner) for inner in item)
        elif type(item) is str and ("\0" in item or _SURROGATE.search(item)):
            raise WireError([(path, "must not hold a NUL or half a surrogate pair")])
