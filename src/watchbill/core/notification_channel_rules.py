"""What a channel may say: addresses, signing secrets, headers, wall clocks. Names everything that is wrong."""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from watchbill.core.fields import shown
from watchbill.core.problems import Problem
from watchbill.core.zones import find_zone

#: What every signing key begins with, by Standard Webhooks.
KEY_PREFIX: Final = "whsec_"
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")  # fmt: skip
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{32,88}={0,2}")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
#: What the Engine sets itself, and what would change how the message is read.
_OWN_HEADERS: Final = frozenset(
    {"webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-length", "host", "user-agent",
     "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "proxy-authorization"}
)  # fmt: skip


def url_problems(url: str) -> list[Problem]:
    """Whether a webhook can be sent there at all; where the name leads is asked when it is sent."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [Problem("url", "invalid", "must be a URL such as https://hooks.example.org/watchbill")]
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[\x21-\x7e]+", url):
        return [Problem("url", "invalid", "must be a URL such as https://hooks.example.org/watchbill")]
    if parts.username is not None or parts.password is not None:
        return [Problem("url", "has_password", "must not hold a user name or password: use `headers`")]
    if parts.fragment or port == 0:
        return [Problem("url", "invalid", "must not have a fragment (#…) or port 0")]
    return []


def destination_of(url: str) -> str:
    """What may be shown of it: many receivers are addressed by a path that only they and the sender know."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"


def key_problems(secret: str) -> list[Problem]:
    body = secret.removeprefix(KEY_PREFIX)
    if secret.startswith(KEY_PREFIX) and _BASE64.fullmatch(body) and len(body) % 4 == 0:
        return []
    return [Problem("secret", "invalid", "must be whsec_ and 24 to 64 bytes in base64; leave it out to have one made")]


def header_problems(headers: Mapping[str, str]) -> list[Problem]:
    problems = []
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            problems.append(Problem("headers", "invalid_name", f"{shown(name)} is not a name of a header"))
        elif name.lower() in _OWN_HEADERS:
            problems.append(Problem(f"headers.{name}", "reserved", "is set by the Engine"))
        elif len(value) > 2000 or not _HEADER_VALUE.fullmatch(value):
            problems.append(Problem(f"headers.{name}", "invalid", "must be 1 to 2000 printable ASCII characters"))
    return problems


def address_problems(addresses: Sequence[str]) -> list[Problem]:
    problems = []
    for place, one in enumerate(addresses):
        if len(one) > 254 or not _ADDRESS.fullmatch(one):
            problems.append(Problem(f"to.{place}", "invalid", "must be an address such as night@example.org, alone"))
        elif one.lower() in (earlier.lower() for earlier in addresses[:place]):
            problems.append(Problem(f"to.{place}", "duplicate", "is listed already"))
    return problems


def sender_problems(address: str) -> list[Problem]:
    fits = len(address) <= 254 and _ADDRESS.fullmatch(address) is not None
    return [] if fits else [Problem("sender", "invalid", "must be one e-mail address such as watchbill@example.org")]


def host_problems(host: str) -> list[Problem]:
    fits = _HOST.fullmatch(host) is not None
    return [] if fits else [Problem("host", "invalid", "must be a host name or an address such as mail.example.org")]


def clock_problems(clock: str, field: str) -> list[Problem]:
    fits = _CLOCK.fullmatch(clock) is not None
    return [] if fits else [Problem(field, "invalid", "must be a time of day such as 07:30")]


def zone_problems(name: str) -> list[Problem]:
    known = find_zone(name) is not None
    return (
        []
        if known
        else [Problem("timezone", "unknown_timezone", f"{shown(name)} is not a time zone such as Europe/Berlin")]
    )
