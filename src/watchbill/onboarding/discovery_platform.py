"""What a sighting says of a machine: its platform, as far as it can be told before signing in, and where each way in really is."""

import re
from dataclasses import replace
from typing import Final

from watchbill.onboarding.base import Knock, Platform, Ports, Sighting
from watchbill.onboarding.discovery_services import WINRM, WINRM_BY_TLS

_WINDOWS_SSH: Final = re.compile(r"windows|bitvise|winsshd|freesshd|cygwin", re.IGNORECASE)
#: No system that an agent is made for. What they say begins like this, or holds it.
_OTHER_SSH: Final = {
    "FreeBSD": re.compile("FreeBSD"),
    "NetBSD": re.compile("NetBSD"),
    "Cisco": re.compile("Cisco"),
    "MikroTik": re.compile("ROSSSH"),
    "HPE iLO": re.compile("mpSSH"),
    "Comware": re.compile("Comware"),
    "Huawei": re.compile("HUAWEI", re.IGNORECASE),
    "Juniper ScreenOS": re.compile("NetScreen"),
    "RomSShell": re.compile("RomSShell"),
    "LANCOM": re.compile("lancom", re.IGNORECASE),
    "ZyXEL": re.compile("Zyxel", re.IGNORECASE),
    "Apple macOS": re.compile("macOS|Darwin"),
}


def service_of(knock: Knock) -> str | None:
    """`ssh`, `winrm` or `smb` where the port is open and is that; None otherwise."""
    if not knock.is_open or knock.detail:
        return None
    if knock.banner.startswith("SSH-"):
        return "ssh"
    if knock.banner.startswith(WINRM):
        return "winrm"
    return "smb" if knock.banner.startswith("SMB") else None


def platform_of(sighting: Sighting) -> tuple[Platform | None, str]:
    """Which platform it is, and why that is thought. None = neither, or nothing tells. What SSH says goes first: it names the system."""
    by_service = {service: one for one in reversed(sighting.knocks) if (service := service_of(one)) is not None}
    ssh, winrm, smb = by_service.get("ssh"), by_service.get("winrm"), by_service.get("smb")
    if ssh is not None:
        return _by_banner(ssh)
    if winrm is not None:
        return "windows", f"WinRM answers on port {winrm.port}"
    if smb is not None:
        return "windows", f"SMB answers on port {smb.port}, and neither SSH nor WinRM does"
    return None, "none of its ports is SSH, WinRM or SMB" if sighting.is_seen else "no port is open"


def _by_banner(ssh: Knock) -> tuple[Platform | None, str]:
    if _WINDOWS_SSH.search(ssh.banner):
        return "windows", f"its SSH on port {ssh.port} is one for Windows ({ssh.banner})"
    for system, sign in _OTHER_SSH.items():
        if sign.search(ssh.banner):
            return None, f"its SSH on port {ssh.port} is that of {system} ({ssh.banner})"
    return "linux", f"SSH answers on port {ssh.port} ({ssh.banner})"


def found_ports(sighting: Sighting, ports: Ports) -> Ports:
    """Where the ways in are at this machine: a port that the scope gave counts as the service that was found there."""
    found = ports
    for knock in reversed(sighting.knocks):
        match service_of(knock):
            case "ssh":
                found = replace(found, ssh=knock.port)
            case "winrm" if knock.banner.startswith(WINRM_BY_TLS):
                found = replace(found, winrm_tls=knock.port)
            case "winrm":
                found = replace(found, winrm=knock.port)
            case "smb":
                found = replace(found, smb=knock.port)
            case _:
                continue
    return found
