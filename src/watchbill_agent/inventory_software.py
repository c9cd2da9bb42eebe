"""What is installed on this Linux device, by the package databases it has. Reads; asks no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from watchbill_agent.inventory_reading import lines, output

#: As many as the Engine keeps of a device.
MAX_SOFTWARE = 20_000
_RPM_DATABASES = ("var/lib/rpm", "usr/lib/sysimage/rpm")


def installed(root: Path = Path("/")) -> dict[str, list[list[str]]]:
    """Source to `[name, version]` pairs, sorted; those that the Engine would not keep any more are left out."""
    found: dict[str, list[list[str]]] = {"dpkg": _sorted(_dpkg(root / "var/lib/dpkg/status"))}
    if any((root / folder).is_dir() for folder in _RPM_DATABASES):
        found["rpm"] = _sorted(_rpm())
    room = MAX_SOFTWARE
    for source, items in found.items():
        found[source] = items[:room]
        room -= len(found[source])
    return {source: items for source, items in found.items() if items}


def _sorted(pairs: Iterator[tuple[str, str]]) -> list[list[str]]:
    """One architecture of several is as good as all: the same name and version counts once."""
    return [list(pair) for pair in sorted(set(pairs))]


def _dpkg(status: Path) -> Iterator[tuple[str, str]]:
    facts: dict[str, str] = {}
    for line in lines(status):
        if not line:
            yield from _dpkg_package(facts)
            facts = {}
        elif not line.startswith(" "):
            name, _, value = line.partition(": ")
            if name in ("Package", "Version", "Status"):
                facts[name] = value
    yield from _dpkg_package(facts)


def _dpkg_package(facts: dict[str, str]) -> Iterator[tuple[str, str]]:
    # What was removed and left its settings behind is in the file too.
    if facts.get("Status", "").endswith(" installed") and "Package" in facts:
        yield facts["Package"], facts.get("Version", "")


def _rpm() -> Iterator[tuple[str, str]]:
    for line in output(["rpm", "-qa", "--qf", "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n"]).splitlines():
        name, tab, version = line.partition("\t")
        if tab:
            yield name, version.removeprefix("0:")
