"""Builds a package of the agent for machines like this one: one folder with the agent's program and all that it needs, as an archive.

The agent is never imported here: another program puts it together and it is started once, to see that it does start.
"""

import gzip
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from watchbill.apps.commands.exits import CliError
from watchbill.core.elf import MAGIC, Elf
from watchbill_wire import package_file_name

_SECONDS: Final = 900
#: What the agent never uses, and what those who could use it are for.
_WITHOUT: Final = (
    *("tkinter", "curses", "_curses", "readline", "pydoc", "doctest", "pdb", "unittest", "test", "lib2to3"),
    *("bz2", "_bz2", "lzma", "_lzma", "multiprocessing", "xmlrpc", "distutils", "setuptools", "pkg_resources"),
    *("_codecs_cn", "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw", "_multibytecodec"),
)
#: Loaded by name, in a process that loads nothing else.
_LOADED_LATE: Final = ("watchbill_shim", "watchbill_mask")
# PyInstaller's own programs, which it would run before ours, are left out: what they prepare is not used here, and every supervisor of a
# script would wait for them and keep what they load.
_SPEC: Final = """
given = {given!r}
found = Analysis(
    [given["program"]], pathex=given["paths"], hiddenimports=given["late"], excludes=given["without"], optimize=2
)
found.scripts = [one for one in found.scripts if not one[0].startswith("pyi_rth_")]
program = EXE(
    PYZ(found.pure),
    found.scripts,
    [("O", None, "OPTION"), ("O", None, "OPTION")],
    exclude_binaries=True,
    name="watchbill-agent",
    strip=True,
    upx=False,
)
COLLECT(program, found.binaries, found.datas, strip=True, upx=False, name="watchbill-agent")
"""
_NO_LIBRARY: Final = "This Python cannot be packed, because it has no shared library. On Debian and Ubuntu: apt-get install libpython{0}.{1}"


@dataclass(frozen=True, slots=True)
class Built:
    """`glibc`: the least one that it runs with."""

    path: Path
    version: str
    arch: str
    glibc: str | None
    size: int
    unpacked_size: int


def build(output: Path) -> Built:
    """Write the package into a folder. CliError says what is missing, or what went wrong."""
    sources = _sources()
    _require_tools()
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _newest(sources))
    with tempfile.TemporaryDirectory(prefix="watchbill-build-") as name:
        folder = Path(name)
        _pack(folder, sources, epoch)
        made = folder / "dist" / "watchbill-agent"
        version = _version(made)
        arch = "aarch64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
        path = output / package_file_name(version, "linux", arch)
        output.mkdir(parents=True, exist_ok=True)
        _archive(made, path, f"watchbill-agent-{version}", epoch)
        return Built(path, version, arch, _glibc(made), path.stat().st_size, sum(map(_size, _files(made))))


def _sources() -> Path:
    """The folder that the agent and the wire protocol lie in."""
    found = find_spec("watchbill_agent")
    if found is None or found.origin is None:
        raise CliError("The agent (watchbill-agent) is not installed beside the Engine.")
    return Path(found.origin).parents[1]


def _require_tools() -> None:
    if not sys.platform.startswith("linux"):
        raise CliError(f"Packages of the agent are built on Linux, and this machine runs {sys.platform}.")
    if find_spec("PyInstaller") is None:
        raise CliError("Building needs PyInstaller: pip install 'watchbill[build]'.")
    missing = [tool for tool in ("objdump", "strip") if shutil.which(tool) is None]
    if missing:
        raise CliError(f"Building needs {' and '.join(missing)}. On Debian and Ubuntu: apt-get install binutils")


def _newest(sources: Path) -> int:
    """When the sources were last changed: the same sources of one checkout give the same package."""
    own = (*(sources / "watchbill_agent").rglob("*.py"), *(sources / "watchbill_wire").rglob("*.py"))
    return max(int(one.stat().st_mtime) for one in own)


def _pack(folder: Path, sources: Path, epoch: int) -> None:
    agent = sources / "watchbill_agent"
    spec = folder / "watchbill-agent.spec"
    given = {
        "program": str(agent / "packaged.py"),
        "paths": [str(sources), str(agent / "supervisor")],
        "late": list(_LOADED_LATE),
        "without": list(_WITHOUT),
    }
    spec.write_text(_SPEC.format(given=given))
    command = [
        *(sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "WARN"),
        *("--distpath", str(folder / "dist"), "--workpath", str(folder / "work"), str(spec)),
    ]
    same = {"PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": str(epoch), "PYINSTALLER_CONFIG_DIR": str(folder / "config")}
    environment = {**os.environ, **same}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode == 0:
        return
    if "PythonLibraryNotFoundError" in done.stderr or "Python library not found" in done.stderr:
        raise CliError(_NO_LIBRARY.format(*sys.version_info))
    raise CliError("PyInstaller could not pack the agent.", problems=done.stderr.strip().splitlines()[-5:])


def _version(made: Path) -> str:
    """As the packed agent says it: it starts."""
    bare = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [made / "watchbill-agent", "version"], env=bare, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise CliError("The packed agent does not start.", problems=done.stderr.strip().splitlines()[-5:])
    return done.stdout.strip()


def _files(made: Path) -> Iterator[Path]:
    return (one for one in sorted(made.rglob("*")) if one.is_file() and not one.is_symlink())


def _size(path: Path) -> int:
    return path.stat().st_size


def _glibc(made: Path) -> str | None:
    elves = (Elf(data) for one in _files(made) if (data := one.read_bytes())[:4] == MAGIC)
    needed = max((version for elf in elves if (version := elf.needed_glibc())), default=None)
    return f"{needed[0]}.{needed[1]}" if needed else None


def _archive(made: Path, path: Path, top: str, epoch: int) -> None:
    """Sorted, owned by root and dated alike. Under its name only when it is whole."""
    fresh = path.with_name(f"{path.name}.new")

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = epoch
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with (
        fresh.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for one in [made, *sorted(made.rglob("*"))]:
            archive.add(one, Path(top, one.relative_to(made)), recursive=False, filter=plain)
    fresh.replace(path)
