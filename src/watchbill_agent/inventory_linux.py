"""What this Linux device is made of, read from /proc, /etc and the package databases. Slow: call it off the event loop."""

from __future__ import annotations

import os
import platform
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchbill_agent import __version__, platform_linux
from watchbill_wire import Interpreter

FREE_STEP_BYTES = 1024**3
COMMAND_TIMEOUT_SECONDS = 60
_DISK_FILESYSTEMS = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "vfat", "exfat", "ntfs3", "overlay"}
_UTMP = struct.Struct("<hi32s4s32s256s")
_UTMP_RECORD_BYTES = 384
_USER_PROCESS = 7


def collect() -> dict[str, Any]:
    system = operating_system()
    return {
        "os": {"family": "linux", **system, "kernel": platform.release()},
        "arch": platform.machine(),
        "hostname": platform.node(),
        "timezone": platform_linux.timezone(),
        "cpu": {"model": _cpu_model(), "count": os.cpu_count() or 1},
        "memory_bytes": _memory_bytes(),
        "disks": _disks(),
        "addresses": _addresses(),
        "users": _users(),
        "packages": sorted(_packages(), key=lambda package: (package["name"], package["arch"], package["version"])),
        "interpreters": _interpreters(),
        "agent_version": __version__,
        "boot_id": platform_linux.boot_id(),
    }


def operating_system() -> dict[str, str]:
    facts: dict[str, str] = {}
    for line in _lines("/etc/os-release"):
        name, _, value = line.partition("=")
        facts[name] = value.strip("\"'")
    return {"name": facts.get("NAME", "Linux"), "version": facts.get("VERSION_ID", platform.release())}


def _lines(path: str) -> Iterator[str]:
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                yield line.rstrip("\n")
    except OSError:
        return


def _cpu_model() -> str:
    for line in _lines("/proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.machine()


def _memory_bytes() -> int:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _disks() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for line in _lines("/proc/mounts"):
        device, mount, filesystem = line.split()[:3]
        if filesystem in _DISK_FILESYSTEMS and device not in found:
            try:
                facts = os.statvfs(mount.replace("\\040", " "))
            except OSError:
                continue
            free = facts.f_bavail * facts.f_frsize
            found[device] = {
                "mount": mount,
                "device": device,
                "filesystem": filesystem,
                "size_bytes": facts.f_blocks * facts.f_frsize,
                # In whole steps: what breathes all day must not look like a change all day.
                "free_bytes": free // FREE_STEP_BYTES * FREE_STEP_BYTES,
            }
    return sorted(found.values(), key=lambda disk: str(disk["mount"]))


def _addresses() -> list[dict[str, str]]:
    """Asked of the kernel over netlink: complete, and no tool needs to be installed."""
    names = dict(socket.if_nameindex())
    found = []
    for family, prefix, index, packed in _netlink_addresses():
        text = socket.inet_ntop(family, packed)
        if not (text.startswith("127.") or text == "::1"):
            found.append({"interface": names.get(index, str(index)), "address": text, "prefix": str(prefix)})
    return sorted(found, key=lambda item: (item["interface"], item["address"]))


def _netlink_addresses() -> Iterator[tuple[int, int, int, bytes]]:
    request = struct.pack("=IHHIIBxxxI", 24, 22, 0x301, 1, 0, 0, 0)  # RTM_GETADDR, REQUEST | DUMP
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.settimeout(5)
        netlink.send(request)
        while True:
            data = netlink.recv(65536)
            while len(data) >= 16:
                size, kind = struct.unpack_from("=IH", data)
                if kind in (2, 3) or size < 16:  # error or done
                    return
                if kind == 20:
                    yield from _address_of(data[16:size])
                data = data[(size + 3) & ~3 :]


def _address_of(body: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    family, prefix, _flags, _scope, index = struct.unpack_from("=BBBBI", body)
    attributes: dict[int, bytes] = {}
    rest = body[8:]
    while len(rest) >= 4:
        size, kind = struct.unpack_from("=HH", rest)
        if size < 4:
            break
        attributes[kind] = rest[4:size]
        rest = rest[(size + 3) & ~3 :]
    packed = attributes.get(2) or attributes.get(1)  # the local end first, else the address
    if packed and family in (socket.AF_INET, socket.AF_INET6):
        yield family, prefix, index, packed


def _users() -> list[str]:
    users = {line[5:] for path in _session_files() for line in _lines(str(path)) if line.startswith("USER=")}
    try:
        records = Path("/run/utmp").read_bytes()
    except OSError:
        records = b""
    for start in range(0, len(records) - _UTMP_RECORD_BYTES + 1, _UTMP_RECORD_BYTES):
        kind, _pid, _line, _id, user, _host = _UTMP.unpack_from(records, start)
        if kind == _USER_PROCESS:
            users.add(user.split(b"\0")[0].decode("utf-8", errors="replace"))
    return sorted(users)


def _session_files() -> list[Path]:
    try:
        return [path for path in Path("/run/systemd/sessions").iterdir() if path.is_file()]
    except OSError:
        return []


def _packages() -> list[dict[str, str]]:
    packages = list(_dpkg())
    if Path("/var/lib/rpm").is_dir() or Path("/usr/lib/sysimage/rpm").is_dir():
        packages += _rpm()
    return packages


def _dpkg() -> Iterator[dict[str, str]]:
    facts: dict[str, str] = {}
    for line in _lines("/var/lib/dpkg/status"):
        if not line:
            yield from _dpkg_package(facts)
            facts = {}
        elif not line.startswith(" "):
            name, _, value = line.partition(": ")
            if name in ("Package", "Version", "Architecture", "Status"):
                facts[name] = value
    yield from _dpkg_package(facts)


def _dpkg_package(facts: dict[str, str]) -> Iterator[dict[str, str]]:
    if facts.get("Status", "").endswith(" installed") and "Package" in facts:
        yield {
            "name": facts["Package"],
            "version": facts.get("Version", ""),
            "arch": facts.get("Architecture", ""),
            "source": "dpkg",
        }


def _rpm() -> list[dict[str, str]]:
    output = _output(["rpm", "-qa", "--qf", "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n"])
    rows = [line.split("\t") for line in output.splitlines()]
    return [
        {"name": row[0], "version": row[1].removeprefix("0:"), "arch": row[2], "source": "rpm"}
        for row in rows
        if len(row) == 3
    ]


def _interpreters() -> dict[str, dict[str, str] | None]:
    kinds: tuple[Interpreter, ...] = ("bash", "python", "powershell", "batch")
    found: dict[str, dict[str, str] | None] = {}
    for kind in kinds:
        path = platform_linux.find_interpreter(kind)
        first = _output([path, "--version"]).strip().splitlines() if path else []
        found[kind] = {"path": path, "version": first[0][:200] if first else ""} if path else None
    return found


def _output(arguments: list[str]) -> str:
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
            env={"PATH": platform_linux.SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": "/"},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", errors="replace")
