"""Whether a machine is fit for an agent, before anything is written there: a package for it, its clock, its way to the Engine, its space."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from watchbill.core.onboarding_states import OnboardingReason
from watchbill.onboarding.base import PackageFile, Packages, Task
from watchbill.onboarding.ssh.faults import failed, unsupported
from watchbill.onboarding.ssh.look import CLOCK_MOST, Facts, clock_fault, is_older, space_fault
from watchbill.onboarding.ssh.scripts import EGRESS
from watchbill.onboarding.ssh.shell import Shell, assignments

#: What a package takes once it is unpacked, in its own sizes, and what the agent needs at first for what it keeps.
_UNPACKED: Final = 4
_DATA: Final = 16 * 1024 * 1024


async def choose_package(packages: Packages, facts: Facts, task: Task) -> PackageFile:
    """The package of the branch for this machine, if it runs there."""
    package = await packages.get("linux", facts.arch)
    task.detail = f"{package.version} for {package.arch}, {package.size / 1024 / 1024:.1f} MiB."
    if package.glibc is not None and (facts.glibc is None or is_older(facts.glibc, package.glibc)):
        has = f"glibc {facts.glibc}" if facts.glibc else "another C library"
        detail = f"The agent {package.version} needs glibc {package.glibc} or newer, and {facts.system} has {has}."
        raise unsupported(OnboardingReason.SYSTEM_TOO_OLD, detail)
    return package


def check_clock(machine: datetime, asked: tuple[datetime, datetime], task: Task) -> None:
    """`asked`: when by the Engine's clock the machine was asked, and when it had answered."""
    off = clock_fault(machine, *asked)
    way = "ahead of" if off > timedelta() else "behind"
    if abs(off) > CLOCK_MOST:
        detail = f"Its clock is {_span(abs(off))} {way} the Engine's; up to {_span(CLOCK_MOST)} are allowed. Set it, and try again."
        raise failed(OnboardingReason.CLOCK_OFF, detail)
    task.detail = f"{_span(abs(off))} {way} the Engine's." if abs(off) >= timedelta(seconds=1) else "As the Engine's."


def _span(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    parts = [(days, "d"), (hours, "h"), (rest // 60, "min"), (rest % 60, "s")]
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2]) or "0 s"


async def check_egress(shell: Shell, server: str, task: Task) -> None:
    """Whether the machine reaches the Engine, as the user who signed in."""
    parts = urlsplit(server)
    bare = parts.hostname or ""
    host, port = f"[{bare}]" if ":" in bare else bare, str(parts.port or (443 if parts.scheme == "https" else 80))
    answer = await shell.run(assignments(url=server, host=host, bare=bare, port=port) + EGRESS, as_user=True)
    reached = answer.values.get("reached")
    tried = sorted(name.removeprefix("tried_") for name in answer.values if name.startswith("tried_"))
    if reached is None and tried:
        detail = f"The machine does not reach {server} (tried with {' and '.join(tried)})."
        raise failed(
            OnboardingReason.NO_EGRESS, detail, shell.shown(replace(answer, output=_without_marks(answer.output)))
        )
    if reached is None:
        task.detail = "It has no program to try it with: the agent will, before it becomes a service."
    elif reached == "bash":
        task.detail = f"{server} accepts connections (seen with bash); whether by TLS the agent will see."
    else:
        task.detail = f"{server} answers (seen with {reached})."


def _without_marks(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("wb."))


def check_space(facts: Facts, size: int, task: Task) -> None:
    """Room for the package on its way, unpacked, and for the agent's data."""
    needs = [
        ("/opt/watchbill-agent", facts.opt, size * _UNPACKED),
        ("/var/tmp", facts.upload, size),  # noqa: S108 - a folder of its own is made in it
        ("/var/lib/watchbill-agent", facts.data, _DATA),
    ]
    fault = space_fault(needs)
    if fault is not None:
        raise failed(OnboardingReason.NO_SPACE, fault)
    known = facts.opt
    task.detail = (
        f"{known.free / 1024 / 1024:.0f} MiB are free for it." if known else "It does not say how much is free."
    )
