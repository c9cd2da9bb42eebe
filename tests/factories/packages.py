"""Package files as small as they can be: a program's headers, and nothing that runs."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

X86_64, AARCH64 = 62, 183
_DATED = 1_790_000_000


def program(machine: int = X86_64) -> bytes:
    """The header of a Linux program that asks for no library."""
    return (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 0, 0, 0, 0)
    )


def windows_program(machine: int = 0x8664) -> bytes:
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", machine) + bytes(20)


def tar_gz(files: Mapping[str, bytes], *, mode: int = 0o755, links: Mapping[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 1, packed, mtime=0) as outer, tarfile.open(fileobj=outer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, _DATED
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return packed.getvalue()


def package(version: str = "1.0.0", machine: int = X86_64, *, more: bytes = b"") -> bytes:
    """`more`: to make it another one of the same version."""
    top = f"watchbill-agent-{version}"
    return tar_gz({f"{top}/watchbill-agent": program(machine), f"{top}/_internal/data": more})


def windows_package(version: str = "1.0.0") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"watchbill-agent-{version}/watchbill-agent.exe", windows_program())
    return packed.getvalue()


def written(folder: Path, data: bytes) -> Path:
    path = folder / "package"
    path.write_bytes(data)
    return path
