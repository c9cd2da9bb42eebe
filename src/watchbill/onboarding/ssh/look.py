"""What a machine is: one script, asked by whoever signed in, that changes nothing; and what its answer says."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.onboarding.base import OnboardingError
from watchbill.onboarding.ssh.faults import failed, unsupported
from watchbill.onboarding.ssh.shell import Answer

SCRIPT: Final = r"""
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH
echo "wb.clock=$(date -u +%s)"
echo "wb.kernel=$(uname -s)"
echo "wb.machine=$(uname -m)"
echo "wb.bits=$(getconf LONG_BIT 2>/dev/null)"
echo "wb.hostname=$(uname -n)"
echo "wb.uid=$(id -u)"
echo "wb.system=$( . /etc/os-release 2>/dev/null; echo "$PRETTY_NAME" )"
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
[ -n "$glibc" ] || glibc=$(ldd --version 2>&1 </dev/null | head -n 1)
echo "wb.glibc=$glibc"
if [ -d /run/systemd/system ]; then echo wb.init=systemd; else echo "wb.init=$(cat /proc/1/comm 2>/dev/null)"; fi
space() {
  at=$2
  while [ ! -d "$at" ]; do at=${at%/*}; [ -n "$at" ] || at=/; done
  set -- "$1" $(df -Pk "$at" 2>/dev/null | tail -n 1)
  echo "wb.space_$1=$2 $5"
}
space opt /opt/watchbill-agent
space data /var/lib/watchbill-agent
space upload /var/tmp
for one in wg wireguard-go; do
  if command -v $one >/dev/null 2>&1; then echo "wb.has_$(echo $one | tr - _)=yes"; fi
done
"""

_ARCHITECTURES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
#: What a shell says of an account whose password must be changed first.
_EXPIRED: Final = re.compile(r"password.{0,40}(expired|change required)|must change your password", re.IGNORECASE)
#: More than this, and logs, certificates and the tunnel, whose handshakes must not go back in time, are not to be relied on.
CLOCK_MOST: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Space:
    """Free bytes, and which file system they are of."""

    device: str
    free: int


@dataclass(frozen=True, slots=True)
class Facts:
    """`glibc` None: the machine has another C library, or does not say. `clock`: its time when it was asked, in whole seconds."""

    hostname: str
    system: str
    arch: str
    glibc: str | None
    uid: int
    init: str
    clock: datetime
    opt: Space | None
    data: Space | None
    upload: Space | None
    has_wireguard: bool

    @property
    def words(self) -> str:
        glibc = f", glibc {self.glibc}" if self.glibc else ", no glibc"
        tunnel = "" if self.has_wireguard else "; no WireGuard: playbooks need wireguard-tools there"
        return f"{self.hostname}: {self.system}, {self.arch}{glibc}, {self.init}{tunnel}"


def facts_of(answer: Answer, shown: str) -> Facts:
    """What the answer says. OnboardingError where this is no Linux with a shell; `shown`: the answer as it may be stored."""
    if not answer.has_started or "kernel" not in answer.values:
        raise _no_shell(answer, shown)
    said = answer.values
    if said["kernel"] != "Linux":
        raise unsupported(OnboardingReason.PLATFORM, f"It is no Linux but {said['kernel'] or 'nothing known'}.", shown)
    if not said.get("clock", "").isdecimal() or not said.get("uid", "").isdecimal():
        raise unsupported(OnboardingReason.PLATFORM, "It lacks `date` or `id`, which every Linux has.", shown)
    return Facts(
        hostname=said.get("hostname", ""),
        system=said.get("system") or "Linux",
        arch=_arch(said.get("machine", ""), said.get("bits", "")),
        glibc=_glibc(said.get("glibc", "")),
        uid=int(said["uid"]),
        init=said.get("init") or "unknown init",
        clock=_instant(int(said["clock"])),
        opt=_space(said.get("space_opt", "")),
        data=_space(said.get("space_data", "")),
        upload=_space(said.get("space_upload", "")),
        has_wireguard=bool(said.get("has_wg")),
    )


def _no_shell(answer: Answer, shown: str) -> OnboardingError:
    if _EXPIRED.search(answer.output):
        return failed(
            OnboardingReason.NOT_PERMITTED, "The account's password must be changed before it can be used.", shown
        )
    line = next((one.strip() for one in shown.splitlines() if one.strip()), "")
    answered = f"it answered “{line[:200]}”" if line else "it answered nothing"
    return unsupported(OnboardingReason.PLATFORM, f"There is no POSIX shell for this account: {answered}.", shown)


def _arch(machine: str, bits: str) -> str:
    """As packages name it. A 64-bit kernel with programs of 32 bits is of 32."""
    arch = _ARCHITECTURES.get(machine, machine or "unknown")
    return {"x86_64": "i686", "aarch64": "armv7l"}.get(arch, arch) if bits == "32" else arch


def _glibc(text: str) -> str | None:
    if "musl" in text.lower():
        return None
    found = re.search(r"(\d+\.\d+)(?:\D*)$", text)
    return found.group(1) if found else None


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC)


def _space(text: str) -> Space | None:
    device, _, free = text.rpartition(" ")
    return Space(device, int(free) * 1024) if free.isdecimal() else None


def is_older(glibc: str, needed: str) -> bool:
    """Whether a version of glibc is before another."""
    return [int(one) for one in glibc.split(".")] < [int(one) for one in needed.split(".")]


def clock_fault(machine: datetime, before: datetime, after: datetime) -> timedelta:
    """How far the machine's clock is ahead (negative: behind) for certain: it was asked between these two, and cuts off fractions."""
    if machine + timedelta(seconds=1) < before:
        return machine + timedelta(seconds=1) - before
    return max(timedelta(), machine - after)


def space_fault(needs: list[tuple[str, Space | None, int]]) -> str | None:
    """Which file system has too little, for what is put where: (where, what is free, bytes). None = there is enough, or nothing is known."""
    wanted: dict[str, int] = {}
    for _, space, size in needs:
        if space is not None:
            wanted[space.device] = wanted.get(space.device, 0) + size
    for where, space, _ in needs:
        if space is not None and space.free < wanted[space.device]:
            return f"{_mebibytes(wanted[space.device])} are needed for {where}, and {_mebibytes(space.free)} are free."
    return None


def _mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"
