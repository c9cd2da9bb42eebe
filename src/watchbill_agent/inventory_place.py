"""What kind of machine this Linux device is, and which domain it belongs to: from its files alone, so that nothing is waited for."""

from __future__ import annotations

import re
from pathlib import Path

from watchbill_agent.inventory_reading import first_line, lines

ROOT = Path("/")
_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_SECTION = re.compile(r"\[domain/([^\]]+)\]")
_CONTAINER_SIGNS = ("run/systemd/container", "run/.containerenv", ".dockerenv")
_HYPERVISOR_SIGNS = ("sys/hypervisor/type", "proc/device-tree/hypervisor/compatible")
#: Numbers of the firmware's table of enclosures (SMBIOS, system enclosure, type).
_CHASSIS = {
    **dict.fromkeys((3, 4, 5, 6, 7, 13, 15, 16, 24, 35, 36), "desktop"),
    **dict.fromkeys((8, 9, 10, 14, 31, 32), "laptop"),
    **dict.fromkeys((17, 23, 25, 28, 29), "server"),
}
#: What says nothing: other, unknown.
_NO_CHASSIS = (0, 1, 2)


def device_type(root: Path = ROOT) -> str | None:
    """None when nothing tells: no firmware table, and neither a container's nor a hypervisor's sign."""
    if _is_container(root):
        return "container"
    if _is_virtual(root):
        return "virtual"
    text = first_line(root / "sys/class/dmi/id/chassis_type")
    number = int(text) if text.isascii() and text.isdigit() else 0
    return None if number in _NO_CHASSIS else _CHASSIS.get(number, "other")


def _is_container(root: Path) -> bool:
    if any((root / sign).exists() for sign in _CONTAINER_SIGNS):
        return True
    try:
        variables = (root / "proc/1/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(variable.startswith(b"container=") for variable in variables)


def _is_virtual(root: Path) -> bool:
    if any((root / sign).exists() for sign in _HYPERVISOR_SIGNS):
        return True
    if "virtual" in first_line(root / "sys/class/dmi/id/product_name").lower():
        return True
    # The processor itself says that it is lent; every core says the same, so the first is enough.
    flags = next((line for line in lines(root / "proc/cpuinfo") if line.startswith("flags")), "")
    return "hypervisor" in flags.split()


def domain(hostname: str, root: Path = ROOT) -> str | None:
    """The directory it has joined, else the domain of its name, else the one it looks names up in."""
    found = (
        _joined(root)
        or hostname.partition(".")[2]
        or _of_hosts_file(hostname, root / "etc/hosts")
        or _of_resolver(root / "etc/resolv.conf")
    ).strip(".")
    return found.lower() if len(found) <= 253 and _DOMAIN.fullmatch(found) else None


def _joined(root: Path) -> str:
    for line in lines(root / "etc/sssd/sssd.conf"):
        section = _SECTION.match(line.strip())
        if section and "." in section[1]:
            return section[1]
    # A realm is only a default for whoever asks; with a key of its own the machine is a member.
    if not (root / "etc/krb5.keytab").exists():
        return ""
    for line in lines(root / "etc/krb5.conf"):
        name, _, realm = line.partition("=")
        if name.strip() == "default_realm":
            return realm.strip()
    return ""


def _of_hosts_file(hostname: str, file: Path) -> str:
    for line in lines(file):
        names = line.partition("#")[0].split()[1:]
        if hostname in names:
            for name in names:
                if name.startswith(hostname + "."):
                    return name[len(hostname) + 1 :]
    return ""


def _of_resolver(file: Path) -> str:
    for line in lines(file):
        words = line.split()
        if len(words) > 1 and words[0] in ("domain", "search"):
            return words[1]
    return ""
