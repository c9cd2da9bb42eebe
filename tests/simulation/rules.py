"""Two releases of the zone rules: the wheel's own, and one in which some countries have changed their minds.

The Engine reads its rules from the package `tzdata`. The second release is such a package, made from the first with a few files
exchanged; a process that finds it instead of the wheel has been upgraded, in one process (`Rules.use`) or by PYTHONPATH.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

#: Zone -> whose rules it has in the second release: an end of summer time, a new offset, another half hour.
CHANGED = {
    "America/Denver": "America/Phoenix",
    "Europe/Berlin": "Europe/Moscow",
    "Australia/Lord_Howe": "Australia/Sydney",
    "America/Havana": "America/Port-au-Prince",
    "Africa/Cairo": "Africa/Tripoli",
}
NEW_RELEASE = "2099z"


def make_release(folder: Path) -> Path:
    """Write the second release below `folder`; what to put on PYTHONPATH."""
    package = folder / "tzdata"
    wheel = Path(str(files("tzdata")))
    shutil.copytree(wheel, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text(f'IANA_VERSION = "{NEW_RELEASE}"\n')
    for zone, other in CHANGED.items():
        shutil.copyfile(wheel / "zoneinfo" / other, package / "zoneinfo" / zone)
    return folder


def _load(folder: Path) -> ModuleType:
    spec = spec_from_file_location("tzdata", folder / "tzdata" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Rules:
    """Which release this process computes with. What was computed with another one is forgotten at each change."""

    folder: Path
    in_use: str = "old"
    _releases: dict[str, ModuleType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._releases = {"old": import_module("tzdata"), "new": _load(make_release(self.folder))}

    def use(self, release: str) -> None:
        if release != self.in_use:
            sys.modules["tzdata"] = self._releases[release]
            self.in_use = release
            _forget()


@contextmanager
def two_releases(folder: Path) -> Iterator[Rules]:
    """Afterwards the wheel's rules are in use again."""
    rules = Rules(folder)
    try:
        yield rules
    finally:
        rules.use("old")


def _forget() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("watchbill.core"):
            for value in vars(module).values():
                if callable(getattr(value, "cache_clear", None)):
                    value.cache_clear()
