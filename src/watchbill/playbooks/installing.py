"""Collections that playbooks declare: those that the Engine has, and sets of others that are installed once into its data directory.

They come from the configured source alone: a folder of their archives, or a server. Without one, nothing is installed.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from watchbill.core.collection_versions import bounds_of, newest
from watchbill.core.playbook_rules import Collection
from watchbill.core.problems import Problem
from watchbill.kit.errors import InvalidError
from watchbill.kit.settings import Settings
from watchbill.playbooks.folder import chosen
from watchbill.playbooks.programs import OF_THIS_HOST, Limits, python, run, settings_of, working_directory

_LIMITS: Final = Limits(seconds=180, memory_bytes=2 << 30, file_bytes=1 << 30)
_NO_SOURCE: Final = "is not installed on the Engine, and it has no source of collections: WATCHBILL_GALAXY_SOURCE"


@dataclass
class CollectionCache:
    """Where the declared collections of playbooks are; one for a process."""

    data_dir: Path
    source: str | None
    token: str | None = field(default=None, repr=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "CollectionCache":
        return cls(settings.data_dir, settings.galaxy_source, settings.galaxy_token)

    async def path(self, declared: Sequence[Collection]) -> Path | None:
        """The folder with these collections, installed when it was not there; None when the Engine has them all.

        Raises InvalidError that names what cannot be had.
        """
        there = await asyncio.to_thread(_installed, [Path(sysconfig.get_path("purelib")), OF_THIS_HOST])
        missing = [one for one in declared if not _fits(one, there)]
        if not missing:
            return None
        key = self._key(declared)
        folder = self.data_dir / "collections" / key
        async with self._locks.setdefault(key, asyncio.Lock()):
            if not await asyncio.to_thread(folder.is_dir):
                await self._install(missing, there, declared, folder)
        return folder

    def _key(self, declared: Sequence[Collection]) -> str:
        said = [self.source, sorted((one.name, one.version) for one in declared)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]

    async def _install(
        self,
        missing: Sequence[Collection],
        there: Mapping[str, str],
        declared: Sequence[Collection],
        folder: Path,
    ) -> None:
        if self.source is None:
            raise _refused([Problem(_field(declared, one.name), "collection_not_found", _NO_SOURCE) for one in missing])
        async with working_directory(self.data_dir / "work") as work:
            asked = await asyncio.to_thread(self._prepared, work, missing, there, declared)
            await self._call(work, asked)
            made = await asyncio.to_thread(_installed, [work / "made"])
            absent = [one for one in missing if not _fits(one, made)]
            if absent:
                message = "is not what the source gave"
                raise _refused([Problem(_field(declared, one.name), "collection_not_found", message) for one in absent])
            await asyncio.to_thread(_moved, work / "made", folder)

    def _prepared(
        self, work: Path, missing: Sequence[Collection], there: Mapping[str, str], declared: Sequence[Collection]
    ) -> list[str]:
        """What `ansible-galaxy` is asked for."""
        if self.source is not None and self.source.startswith("/"):
            found = chosen(Path(self.source), missing, there)
            if found.problems:
                raise _refused(
                    [
                        Problem(_field(declared, name), "collection_not_found", message)
                        for name, message in found.problems
                    ]
                )
            return ["--offline", "--no-deps", *map(str, found.archives)]
        wanted = {"collections": [one.to_json() for one in missing]}
        (work / "requirements.yml").write_text(json.dumps(wanted))
        (work / "ansible.cfg").write_text(self._server())
        return ["-r", str(work / "requirements.yml")]

    def _server(self) -> str:
        lines = ["[galaxy]", "server_list = source", "[galaxy_server.source]", f"url = {self.source}"]
        if self.token is not None:
            lines.append(f"token = {self.token}")
        return "\n".join(lines) + "\n"

    async def _call(self, work: Path, asked: Sequence[str]) -> None:
        argv = python("-m", "ansible", "galaxy", "collection", "install", "-p", str(work / "made"), *asked)
        environment = settings_of(work, work / "made")
        ended = await run(argv, directory=work, environment=environment, limits=_LIMITS)
        if ended.code is None:
            message = f"installing them took more than {_LIMITS.seconds:.0f} seconds"
            raise _refused([Problem("collections", "install_timed_out", message)])
        if ended.code != 0:
            message = f"could not be installed: {_error_in(ended.lines) or 'ansible-galaxy said nothing'}"
            raise _refused([Problem("collections", "install_failed", message)])


def _error_in(lines: Sequence[str]) -> str:
    """From its first word of an error on."""
    start = next((place for place, line in enumerate(lines) if "ERROR" in line), 0)
    return " ".join(" ".join(lines[start:]).split())[:800]


def _refused(problems: Sequence[Problem]) -> InvalidError:
    return InvalidError.of(problems, what="The playbook")


def _field(declared: Sequence[Collection], name: str) -> str:
    """Which of the declared collections it is; that of a dependency is none of them."""
    places = [place for place, one in enumerate(declared) if one.name == name]
    return f"collections.{places[0]}" if places else "collections"


def _fits(wanted: Collection, there: Mapping[str, str]) -> bool:
    version = there.get(wanted.name)
    return version is not None and newest(bounds_of(wanted.version) or (), [version]) is not None


def _installed(places: Sequence[Path]) -> dict[str, str]:
    """The collections in these places with their versions; the first place that has one counts, as for Ansible."""
    found: dict[str, str] = {}
    for place in reversed(places):
        for manifest in place.glob("ansible_collections/*/*/MANIFEST.json"):
            found |= _version_in(manifest)
    return found


def _version_in(manifest: Path) -> dict[str, str]:
    try:
        about = json.loads(manifest.read_bytes())["collection_info"]
        return {f"{about['namespace']}.{about['name']}": str(about["version"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _moved(made: Path, folder: Path) -> None:
    """Put a whole set in its place at once; whoever was quicker has made the same."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.rename(made, folder)  # noqa: PTH104 - Path.rename would follow a folder that is there
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(made, ignore_errors=True)
