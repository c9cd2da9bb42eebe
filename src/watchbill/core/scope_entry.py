"""One entry of a discovery scope: an address, a range, a network or a host name, with a port or without. Pure.

    10.4.0.10   10.4.0.10-40   10.4.0.10-10.4.1.5   10.4.0.0/24   2001:db8::7   web-1.lab
    10.4.0.10:2222   10.4.0.10-40:2222   10.4.0.0/24:2222   [2001:db8::7]:2222   [2001:db8::/120]:2222   web-1.lab:2222

A network stands for its hosts: without its first and last address in IPv4 (both of a /31 and the one of a /32 are hosts), without its first,
which means "any router", in IPv6. A range stands for every address of it. An IPv4 address that is written as an IPv6 one
(`::ffff:10.0.0.1`) is the IPv4 address. Names may hold `_`, as those of Windows machines do; names with other letters are read as IDNA.
"""

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, Literal

from watchbill.core.fields import shown
from watchbill.core.scope_spans import Address, Span, address_at, number_of

EntryKind = Literal["address", "range", "network", "name"]

_MOST_CHARACTERS: Final = 300
_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\](?::(.*))?", re.DOTALL)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_PREFIX: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_OCTET: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_FOUR_NUMBERS: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")
_NUMBERS: Final = re.compile(r"[0-9.]+")
_SPACED_DASH: Final = re.compile(r"([0-9.]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\s*-\s*(\S+)")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# Resolvers read these as addresses (0x7f000001 is 127.0.0.1).
_NUMBER_AT_THE_END: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Old and new rules of IDNA write these differently: the name would lead to one machine here, and to another elsewhere.
_DIFFER_IN_IDNA: Final = re.compile("[ßς\u200c\u200d]")


class BadEntry(ValueError):  # noqa: N818 - it is the entry that is bad
    """Why a text is no entry: the end of a sentence that begins with the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one entry says. Two with the same meaning are equal, however they are written.

    `whole` has every address of a network, `hosts` those that are hosts; a name has neither.
    """

    kind: EntryKind
    #: Without the port, as it is written at its shortest; a name in small letters.
    plain: str
    port: int | None = None
    whole: Span | None = None
    hosts: Span | None = None
    #: As it was written.
    text: str = field(default="", compare=False)

    @property
    def count(self) -> int:
        """Hosts, or one for a name."""
        return 1 if self.hosts is None else self.hosts[1] - self.hosts[0] + 1

    @property
    def name(self) -> str | None:
        return self.plain if self.kind == "name" else None

    @property
    def canonical(self) -> str:
        """The entry as text: read again, it is the same entry."""
        if self.port is None:
            return self.plain
        return f"[{self.plain}]:{self.port}" if ":" in self.plain else f"{self.plain}:{self.port}"


# --- reading -----------------------------------------------------------------------------------------------------------


def read_entry(text: str) -> Entry:
    """The entry that a text without separators is; BadEntry says why it is none."""
    text = text.strip()
    if len(text) > _MOST_CHARACTERS:
        raise BadEntry(f"is longer than {_MOST_CHARACTERS} characters")
    if "://" in text:
        raise BadEntry("is a web address: write the host name in it alone")
    body, port = _without_port(_without_spaces(text))
    kind, plain, whole, hosts = _read(body)
    return Entry(kind, plain, port, whole, hosts, text)


_Meaning = tuple[EntryKind, str, Span | None, Span | None]


def _without_spaces(text: str) -> str:
    spaced = _SPACED_DASH.fullmatch(text)
    text = f"{spaced[1]}-{spaced[2]}" if spaced else text
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise BadEntry(
            "has a space or control character in it: entries are separated by commas, semicolons or new lines"
        )
    return text


def _without_port(text: str) -> tuple[str, int | None]:
    if "[" in text or "]" in text:
        brackets = _BRACKETS.fullmatch(text)
        if brackets is None or ":" not in brackets[1]:
            raise BadEntry("has brackets in the wrong place: an IPv6 address with a port is written [2001:db8::7]:22")
        return brackets[1], None if brackets[2] is None else _port(brackets[2])
    if text.count(":") != 1:
        return text, None
    body, _, port = text.partition(":")
    return body, _port(port)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise BadEntry(f"has the port {shown(text)}: a port is a number from 1 to 65535")
    return int(text)


def _read(body: str) -> _Meaning:
    if not body:
        raise BadEntry("has no address or name before the port")
    if "%" in body:
        raise BadEntry("has a zone (after %): the name of an interface means something else on every machine")
    if "/" in body:
        return _network(body)
    left, dash, right = body.partition("-")
    if dash and (_FOUR_NUMBERS.fullmatch(left) or ":" in left):
        return _range(left, right)
    if ":" in body or _NUMBERS.fullmatch(body):
        address = _address(body)
        span = (number_of(address), number_of(address))
        return "address", str(address), span, span
    return "name", _name(body), None, None


def _address(text: str) -> Address:
    """The address that a text is; one of IPv4 where it is such a one in the clothes of IPv6."""
    if ":" not in text:
        return _ipv4(text)
    address = _ipv6(text)
    return address.ipv4_mapped or address


def _ipv6(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except AddressValueError:
        raise BadEntry("is not an IPv6 address") from None


def _ipv4(text: str) -> IPv4Address:
    parts = text.split(".")
    if len(parts) != 4 or not all(parts):
        raise BadEntry("is not an IPv4 address: it needs four numbers with dots between them")
    for part in parts:
        if not part.isascii() or not part.isdigit():
            raise BadEntry(f"is not an IPv4 address: {shown(part)} is no number")
        if part != "0" and part.startswith("0"):
            raise BadEntry(
                f"is not an IPv4 address: {shown(part)} begins with a zero, which some programs read as octal"
            )
        if len(part) > 3 or int(part) > 255:
            raise BadEntry(f"is not an IPv4 address: {shown(part)} is more than 255")
    return IPv4Address(text)


def _range(left: str, right: str) -> _Meaning:
    first = _address(left)
    last = _range_end(first, right)
    if first.version != last.version:
        raise BadEntry("begins with an address of one kind and ends with one of the other")
    span = (number_of(first), number_of(last))
    if span[0] > span[1]:
        raise BadEntry(f"ends before it begins: {last} is less than {first}")
    return "range", f"{first}-{last}", span, span


def _range_end(first: Address, text: str) -> Address:
    if ":" in text:
        return _address(text)
    if isinstance(first, IPv6Address):
        raise BadEntry("must end with a whole IPv6 address")
    if _OCTET.fullmatch(text):
        if int(text) > 255:
            raise BadEntry(f"ends with {text}: the last number of an address is at most 255")
        return IPv4Address(int(first) & 0xFFFFFF00 | int(text))
    if not _NUMBERS.fullmatch(text) or "." not in text:
        raise BadEntry(f"is a range without an end: {shown(text)} is neither an address nor the last number of one")
    return _ipv4(text)


def _network(body: str) -> _Meaning:
    head, _, tail = body.partition("/")
    if ":" not in head and not _NUMBERS.fullmatch(head):
        raise BadEntry("has a “/”, and no address before it")
    network = _network_of(_ipv6(head) if ":" in head else _ipv4(head), tail)
    whole = (number_of(network.network_address), number_of(network.broadcast_address))
    if network.prefixlen >= network.max_prefixlen - 1:
        hosts = whole
    else:
        hosts = (whole[0] + 1, whole[1] - (network.version == 4))
    return "network", str(network), whole, hosts


def _network_of(address: Address, tail: str) -> IPv4Network | IPv6Network:
    width = address.max_prefixlen
    if not _PREFIX.fullmatch(tail) or int(tail) > width:
        raise BadEntry(f"has {shown(tail)} after the “/”: there must be a number from 0 to {width}")
    network: IPv4Network | IPv6Network
    prefix = int(tail)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None and prefix >= 96:
        address, prefix = address.ipv4_mapped, prefix - 96
    if isinstance(address, IPv4Address):
        network = IPv4Network((address, prefix), strict=False)
    else:
        network = IPv6Network((address, prefix), strict=False)
    if network.network_address != address:
        raise BadEntry(f"does not begin where such a network does: write {network}, or {address} for the one address")
    return network


# --- names -------------------------------------------------------------------------------------------------------------


def _name(text: str) -> str:
    name = _ascii(text).lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253:
        raise BadEntry("is no host name: those have at most 253 characters")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise BadEntry(f"is no host name: {_label_fault(label)}")
    if _NUMBER_AT_THE_END.fullmatch(labels[-1]) or _FOUR_NUMBERS.fullmatch(name.partition("-")[0]):
        raise BadEntry(
            "is neither an address nor a host name: a name does not end with a number, nor begin with an address"
        )
    if not re.search("[a-z]", name):
        raise BadEntry("is neither a range nor a host name: a name has letters in it")
    return name


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if _DIFFER_IN_IDNA.search(text):
        raise BadEntry("has a letter that not all programs write alike in host names: write the name as xn--…")
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        raise BadEntry("is no host name, and cannot be written as one (IDNA)") from None


def _label_fault(label: str) -> str:
    if not label:
        return "there is nothing between two dots, or before the first"
    if len(label) > 63:
        return f"{shown(label)} has more than 63 characters"
    return f"{shown(label)} may have letters, digits, “-” and “_” alone, and no “-” at its ends"


# --- what no machine has -----------------------------------------------------------------------------------------------

#: Addresses that are not one machine's, or not the same one's for everybody.
_NOBODYS: Final = tuple(
    ((number_of(network[0]), number_of(network[-1])), name, why)
    for network, name, why in (
        (IPv4Network("0.0.0.0/8"), "unspecified", "no machine has it"),
        (IPv4Network("127.0.0.0/8"), "loopback", "it leads back to the machine that looks"),
        (IPv4Network("224.0.0.0/4"), "multicast", "it is a group's, not one machine's"),
        (IPv4Network("255.255.255.255/32"), "broadcast", "it is everybody's"),
        (IPv6Network("::/128"), "unspecified", "no machine has it"),
        (IPv6Network("::1/128"), "loopback", "it leads back to the machine that looks"),
        (IPv6Network("::ffff:0:0/96"), "IPv4-mapped", "write it as IPv4"),
        (IPv6Network("fe80::/10"), "link-local", "it is reached only with the name of an interface"),
        (IPv6Network("ff00::/8"), "multicast", "it is a group's, not one machine's"),
    )
)


def nobodys(span: Span, *, allows_loopback: bool) -> str | None:
    """Why addresses are not looked at, to follow on what they are; None when they may be."""
    for (first, last), name, why in _NOBODYS:
        if last < span[0] or span[1] < first or (allows_loopback and name == "loopback"):
            continue
        if first <= span[0] and span[1] <= last:
            return f"is {name}: {why}"
        return f"holds {name} addresses ({address_at(first)} to {address_at(last)}): {why}"
    return None


def why_not_looked_at(entry: Entry, *, allows_loopback: bool) -> str | None:
    """Why what an entry names can be no target."""
    if entry.hosts is not None:
        return nobodys(entry.hosts, allows_loopback=allows_loopback)
    if not allows_loopback and (entry.plain == "localhost" or entry.plain.endswith(".localhost")):
        return "is loopback: it leads back to the machine that looks"
    return None
