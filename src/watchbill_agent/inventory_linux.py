"""What this Linux device is made of, read from /proc, /etc and the package databases. Slow: call it off the event loop.

What breathes all day is told in steps or not at all: an inventory that looks different is sent, and stored, again.
"""

from __future__ import annotations

import os
import platform
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchbill_agent import (
    __version__,
    inventory_logins,
    inventory_place,
    inventory_software,
    platform_linux,
)
from watchbill_agent.inventory_reading import lines, output
from watchbill_wire import Interpreter

LEAST_STEP_BYTES = 64 * 1024**2
_DISK_FILESYSTEMS = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "vfat", "exfat", "ntfs3", "overlay"}


def collect(branch: str) -> dict[str, Any]:
    """`branch`: the line of agents that this one follows."""
    system = operating_system()
    return {
        "os": {"family": "linux", **system, "kernel": platform.release()},
        "arch": platform.machine(),
        "hostname": platform.node(),
        "domain": inventory_place.domain(platform.node()),
        "device_type": inventory_place.device_type(),
        "timezone": platform_linux.timezone(),
        "cpu": {"model": _cpu_model(), "count": os.cpu_count() or 1},
        "memory_bytes": _memory_bytes(),
        "disk_free_bytes": _system_disk_free(),
        "disks": _disks(),
        "addresses": _addresses(),
        "users": inventory_logins.users(),
        "last_user": inventory_logins.last_user(),
        "software": inventory_software.installed(),
        "interpreters": _interpreters(),
        "agent_version": __version__,
        "agent_branch": branch,
        "boot_id": platform_linux.boot_id(),
    }


def operating_system() -> dict[str, str]:
    facts: dict[str, str] = {}
    for line in lines(Path("/etc/os-release")):
        name, _, value = line.partition("=")
        facts[name] = value.strip("\"'")
    return {"name": facts.get("NAME", "Linux"), "version": facts.get("VERSION_ID", platform.release())}


def _cpu_model() -> str:
    for line in lines(Path("/proc/cpuinfo")):
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.machine()


def _memory_bytes() -> int | None:
    for line in lines(Path("/proc/meminfo")):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def in_steps(free: int) -> int:
    """Never more than there is, and the same while it moves by less than a sixteenth, or by 64 MiB."""
    step = max(LEAST_STEP_BYTES, 1 << max(0, free.bit_length() - 5))
    return free // step * step


def _system_disk_free() -> int | None:
    try:
        facts = os.statvfs("/")
    except OSError:
        return None
    return in_steps(facts.f_bavail * facts.f_frsize)


def _disks() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for line in lines(Path("/proc/mounts")):
        device, mount, filesystem = line.split()[:3]
        if filesystem in _DISK_FILESYSTEMS and device not in found:
            try:
                facts = os.statvfs(mount.replace("\\040", " "))
            except OSError:
                continue
            found[device] = {
                "mount": mount,
                "device": device,
                "filesystem": filesystem,
                "size_bytes": facts.f_blocks * facts.f_frsize,
                "free_bytes": in_steps(facts.f_bavail * facts.f_frsize),
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


def _interpreters() -> dict[str, dict[str, str] | None]:
    kinds: tuple[Interpreter, ...] = ("bash", "sh", "python", "powershell", "batch")
    found: dict[str, dict[str, str] | None] = {}
    for kind in kinds:
        path = platform_linux.find_interpreter(kind)
        # A plain sh has no words for its version, and may take them for the name of a script.
        first = output([path, "--version"]).strip().splitlines() if path and kind != "sh" else []
        found[kind] = {"path": path, "version": first[0][:200] if first else ""} if path else None
    return found
