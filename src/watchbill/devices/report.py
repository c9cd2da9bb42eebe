"""What a device tells about itself, checked: it comes from the network, so every shape is looked at and nothing unfit gets through.

Pure. A field that is not understood counts as not told and is named in `dropped`; it does not take the others with it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

from watchbill.core.filter_version import find_version_key
from watchbill.core.zones import find_zone

T = TypeVar("T")

#: Of a report without its software.
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20
MAX_SOFTWARE = 20_000
MAX_ADDRESSES = 100
DEVICE_TYPES = frozenset({"server", "desktop", "laptop", "virtual", "container", "other"})

_DIGEST = re.compile(r"[\x21-\x7e]{1,128}")
_INTERPRETER = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HOSTNAME = re.compile(r"\w[\w.-]{0,252}")
_BRANCH = re.compile(r"[a-z][a-z0-9._-]{0,39}")
_SOURCE = re.compile(r"[a-z][a-z0-9._-]{0,19}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NOT_A_LINE = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
_FAMILIES = {"linux", "windows", "macos"}
_MOST_INTERPRETERS = 32
_SYSTEM_MOUNTS = ("/", "C:\\")

#: One installed thing: where it was found, its name and its version.
Software = tuple[str, str, str]

#: Fleets have much in common: a key is worked out once for all of them. None = what no filter can compare.
cached_version_key = lru_cache(maxsize=16384)(find_version_key)


class BadInventoryError(ValueError):
    """The report cannot be stored at all; says why."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The columns of a device that its report fills. None = not told, or not in a usable form."""

    hostname: str | None = None
    os_family: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    os_version_key: str | None = None
    arch: str | None = None
    agent_version: str | None = None
    agent_version_key: str | None = None
    agent_branch: str | None = None
    interpreters: tuple[str, ...] | None = None
    timezone: str | None = None
    device_type: str | None = None
    domain: str | None = None
    last_user: str | None = None
    internal_addresses: tuple[str, ...] | None = None
    cpu_count: int | None = None
    ram_bytes: int | None = None
    disk_free_bytes: int | None = None


FACT_NAMES = tuple(one.name for one in fields(Facts))


@dataclass(frozen=True, slots=True)
class Normalised:
    """A report taken apart. `inventory` is what is left of it as it came; `software` None = not told."""

    digest: str
    facts: Facts
    inventory: Mapping[str, Any]
    software: frozenset[Software] | None
    dropped: tuple[str, ...] = ()

    def software_digest(self) -> str | None:
        """The same for the same software in any order; None when it was not told."""
        if self.software is None:
            return None
        lines = "\n".join("\t".join(one) for one in sorted(self.software))
        return hashlib.sha256(lines.encode()).hexdigest()


def normalised(digest: object, inventory: object) -> Normalised:
    """Check one report and take it apart; BadInventoryError when it cannot be stored at all."""
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise BadInventoryError("the digest must be 1 to 128 visible ASCII characters")
    if not isinstance(inventory, dict):
        raise BadInventoryError("the inventory must be an object")
    rest = {name: value for name, value in inventory.items() if name not in ("software", "packages")}
    _check_size(rest)
    reader = _Reader(_cleaned(rest, MAX_DEPTH))
    facts = reader.facts()
    software = _software(inventory, reader.dropped)
    return Normalised(digest, facts, reader.given, software, tuple(reader.dropped))


def _check_size(inventory: dict[Any, Any]) -> None:
    try:
        size = len(json.dumps(inventory, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise BadInventoryError("the inventory must be plain JSON") from None
    if size > MAX_BYTES:
        raise BadInventoryError(f"the inventory has {size} bytes without its software; at most {MAX_BYTES} are kept")


def _cleaned(value: Any, depth: int) -> Any:
    """The same value without what the database cannot hold."""
    if depth == 0:
        raise BadInventoryError(f"the inventory is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", str(name)): _cleaned(inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(inner, depth - 1) for inner in value]
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


@dataclass(slots=True)
class _Reader:
    """Reads facts out of a cleaned report, and notes what was told in a form that nobody understands."""

    given: Mapping[str, Any]
    dropped: list[str] = field(default_factory=list)

    def facts(self) -> Facts:
        os_version = self._read("os.version", _short)
        agent_version = self._read("agent_version", _short)
        return Facts(
            hostname=self._read("hostname", _hostname),
            os_family=self._read("os.family", _word_of(_FAMILIES)),
            os_name=self._read("os.name", _short),
            os_version=os_version,
            os_version_key=os_version and cached_version_key(os_version),
            arch=self._read("arch", _short),
            agent_version=agent_version,
            agent_version_key=agent_version and cached_version_key(agent_version),
            agent_branch=self._read("agent_branch", _branch),
            interpreters=self._read("interpreters", _interpreters),
            timezone=self._read("timezone", _timezone),
            device_type=self._read("device_type", _word_of(DEVICE_TYPES)),
            domain=self._read("domain", _domain),
            last_user=self._read("last_user", _short),
            internal_addresses=self._read("addresses", _addresses),
            cpu_count=self._read("cpu.count", _whole(1, 2**20)),
            ram_bytes=self._read("memory_bytes", _whole(1, 2**60)),
            disk_free_bytes=self._disk_free(),
        )

    def _read(self, path: str, fit: Callable[[Any], T | None]) -> T | None:
        value: Any = self.given
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            return None
        found = fit(value)
        if found is None:
            self.dropped.append(path)
        return found

    def _disk_free(self) -> int | None:
        """Of the disk that the system is on: told by itself, else looked up among the disks."""
        free = _whole(0, 2**62)
        told = self._read("disk_free_bytes", free)
        if told is not None:
            return told
        disks = self.given.get("disks")
        for disk in disks if isinstance(disks, list) else []:
            if isinstance(disk, dict) and disk.get("mount") in _SYSTEM_MOUNTS:
                return free(disk.get("free_bytes"))
        return None


def _short(value: object) -> str | None:
    return value.strip()[:200] if isinstance(value, str) and value.strip() else None


def _hostname(value: object) -> str | None:
    return value if isinstance(value, str) and _HOSTNAME.fullmatch(value) else None


def _domain(value: object) -> str | None:
    name = value.rstrip(".").lower() if isinstance(value, str) else ""
    return name if _HOSTNAME.fullmatch(name) else None


def _branch(value: object) -> str | None:
    return value if isinstance(value, str) and _BRANCH.fullmatch(value) else None


def _word_of(words: Iterable[str]) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and value in words else None


def _whole(low: int, high: int) -> Callable[[object], int | None]:
    return lambda value: value if type(value) is int and low <= value <= high else None


def _timezone(value: object) -> str | None:
    """A zone of the pinned rules; with another name nobody could say when it is 03:00 there."""
    return value if isinstance(value, str) and find_zone(value) else None


def _interpreters(value: object) -> tuple[str, ...] | None:
    """Names of those that are there: from `{"bash": {"path": …}, "powershell": null}`, or a plain list of names."""
    if isinstance(value, dict):
        names = [name for name, found in value.items() if found]
    elif isinstance(value, list):
        names = [name for name in value if isinstance(name, str)]
    else:
        return None
    fit = sorted({name for name in names if _INTERPRETER.fullmatch(name)})
    return tuple(fit[:_MOST_INTERPRETERS])


def _addresses(value: object) -> tuple[str, ...] | None:
    """Those by which others may reach it: without loopback and what counts on one link only."""
    if not isinstance(value, list):
        return None
    told = [item.get("address") if isinstance(item, dict) else item for item in value]
    found = {address for address in map(address_of, told) if address is not None and _is_of_a_network(address)}
    return tuple(map(str, sorted(found, key=lambda address: (address.version, address.packed))[:MAX_ADDRESSES]))


def address_of(value: object) -> IPv4Address | IPv6Address | None:
    """An address in its one form: without a zone, and as IPv4 where it only dresses up as IPv6."""
    try:
        found = ip_address(value.partition("%")[0]) if isinstance(value, str) else None
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _is_of_a_network(address: IPv4Address | IPv6Address) -> bool:
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def _software(inventory: Mapping[Any, Any], dropped: list[str]) -> frozenset[Software] | None:
    """From `{"dpkg": [["bash", "5.2"], …]}`, or the list of objects under `packages` that older agents send."""
    told = inventory.get("software")
    name = "packages" if told is None else "software"
    items = _listed(inventory.get("packages")) if told is None else _grouped(told)
    if items is None:
        if inventory.get(name) is not None:
            dropped.append(name)
        return None
    found: set[Software] = set()
    unfit = beyond = 0
    for item in items:
        one = _one_software(item)
        if one is None:
            unfit += 1
        elif len(found) < MAX_SOFTWARE:
            found.add(one)
        elif one not in found:
            beyond += 1
    dropped += [f"{name}: {unfit} that cannot be read"] if unfit else []
    dropped += [f"{name}: {beyond} beyond {MAX_SOFTWARE}"] if beyond else []
    return frozenset(found)


def _grouped(told: object) -> Iterator[tuple[Any, Any, Any]] | None:
    if not isinstance(told, dict):
        return None
    return (
        (source, *item) if isinstance(item, list) and len(item) == 2 else (None, None, None)
        for source, items in told.items()
        for item in (items if isinstance(items, list) else [None])
    )


def _listed(told: object) -> Iterator[tuple[Any, Any, Any]] | None:
    if not isinstance(told, list):
        return None
    items = (item if isinstance(item, dict) else {} for item in told)
    return ((item.get("source", "other"), item.get("name"), item.get("version", "")) for item in items)


def _one_software(item: tuple[Any, Any, Any]) -> Software | None:
    source, name, version = item
    if not (type(source) is type(name) is type(version) is str) or _SOURCE.fullmatch(source) is None:
        return None
    name, version = name.strip()[:200], version.strip()[:200]
    if not name or _NOT_A_LINE.search(name) or _NOT_A_LINE.search(version):
        return None
    return source, name, version
