"""A folder of collections' archives as a source: which of them serve what is declared, with what these depend on. Installs nothing."""

import json
import re
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from watchbill.core.collection_versions import bounds_of, newest
from watchbill.core.playbook_rules import Collection

_ARCHIVE: Final = re.compile(r"([a-z0-9_]+)-([a-z0-9_]+)-([0-9][0-9A-Za-z.+-]*)\.tar\.gz")
_MOST_MANIFEST_BYTES: Final = 1024 * 1024
_MOST_CHOSEN: Final = 500


@dataclass(slots=True)
class Chosen:
    """The archives to install, and what cannot be had: names with reasons."""

    archives: list[Path] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def chosen(source: Path, declared: Sequence[Collection], there: Mapping[str, str]) -> Chosen:
    """For each declared collection the newest archive that will do, and so for what they depend on. `there`: what the Engine has."""
    known, result, taken = _archives(source), Chosen(), dict[str, str]()
    waiting = [(one, True) for one in declared]
    while waiting and len(taken) < _MOST_CHOSEN:
        wanted, is_declared = waiting.pop(0)
        version = _version(wanted, known, taken, {} if is_declared else there)
        if version is None:
            result.problems.append((wanted.name, _not_there(source, wanted, known, taken)))
        elif wanted.name not in taken and version in known.get(wanted.name, {}):
            taken[wanted.name] = version
            archive = known[wanted.name][version]
            result.archives.append(archive)
            waiting += [(one, False) for one in _dependencies(archive)]
    return result


def _version(
    wanted: Collection, known: Mapping[str, Mapping[str, Path]], taken: Mapping[str, str], there: Mapping[str, str]
) -> str | None:
    """What is taken already stays; what the Engine has is not installed again."""
    bounds = bounds_of(wanted.version) or ()
    if wanted.name in taken:
        return newest(bounds, [taken[wanted.name]])
    if wanted.name in there and newest(bounds, [there[wanted.name]]):
        return there[wanted.name]
    return newest(bounds, known.get(wanted.name, {}))


def _not_there(
    source: Path, wanted: Collection, known: Mapping[str, Mapping[str, Path]], taken: Mapping[str, str]
) -> str:
    if wanted.name in taken:
        return f"{wanted.name} {taken[wanted.name]} is needed by another, and {wanted.version} is wanted"
    versions = ", ".join(sorted(known.get(wanted.name, {}))) or "none"
    return f"{wanted.name} {wanted.version} is not in {source}; of it there are: {versions}"


def _archives(source: Path) -> dict[str, dict[str, Path]]:
    """By name and version."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(source.glob("*.tar.gz")):
        if parts := _ARCHIVE.fullmatch(path.name):
            found.setdefault(f"{parts[1]}.{parts[2]}", {})[parts[3]] = path
    return found


def _dependencies(archive: Path) -> list[Collection]:
    """What an archive says it needs; nothing when it says nothing that can be read: its installation tells what is wrong with it."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            manifest = tar.extractfile("MANIFEST.json")
            about = json.loads(manifest.read(_MOST_MANIFEST_BYTES)) if manifest else {}
        needs = about["collection_info"].get("dependencies") or {}
        return [Collection(str(name), str(version)) for name, version in needs.items()]
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError, KeyError, TypeError, AttributeError):
        return []
