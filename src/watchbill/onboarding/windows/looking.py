"""What a look at a machine says: its system, its clock, our rights, the agent that is there, and what follows from that."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.onboarding.base import Engine, OnboardingError, Site
from watchbill.onboarding.plan import Decided, Plan
from watchbill.onboarding.windows.remote import failed

#: More than this, and certificates and signed work are not to be relied on.
CLOCK_MOST: Final = timedelta(minutes=5)
#: Windows 8.1 and Server 2012; the latter is of the generation of Windows 8, which is too old.
_OLDEST: Final = (6, 3)
_OLDEST_SERVER: Final = (6, 2)
#: Processors as Windows calls them, and packages.
_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that is there. `state`: of its identity: none, pending or approved."""

    version: str
    state: str
    server: str
    device_id: str
    is_installed: bool
    is_running: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A machine. `arch` as packages call it; `free`: bytes where the agent goes; `is_half`: an install was cut off here."""

    name: str
    system: str
    version: str
    is_server: bool
    arch: str
    powershell: str
    is_administrator: bool
    free: int
    clock: datetime
    agent: Agent | None
    is_half: bool

    @property
    def words(self) -> str:
        return f"{self.name}: {self.system} ({self.version}, {self.arch}), PowerShell {self.powershell}"


def look_of(said: Mapping[str, Any]) -> Look:
    """What `look.ps1` said. OnboardingError where it is not what that script says."""
    try:
        return Look(
            name=str(said["name"])[:255],
            system=str(said["system"])[:255],
            version=str(said["version"]),
            is_server=bool(said["is_server"]),
            arch=_ARCHITECTURES.get(str(said["arch"]), str(said["arch"])),
            powershell=str(said["powershell"]),
            is_administrator=said["is_administrator"] is True,
            free=int(said["free"]),
            clock=datetime.fromtimestamp(float(said["clock"]), UTC),
            agent=_agent(said["agent"], said["service"]),
            is_half=bool(said["is_half"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise failed(OnboardingReason.STEP_FAILED, "What the machine says of itself cannot be read.") from None


def _agent(status: Any, service: Any) -> Agent | None:
    if status is None and service is None:
        return None
    identity, running = _object(status), _object(service)
    state = str(identity.get("state") or "none")
    return Agent(
        version=str(running.get("version") or "of an unknown version"),
        state=state if state in {"pending", "approved"} else "none",
        server=str(identity.get("server") or ""),
        device_id=str(identity.get("device_id") or ""),
        is_installed=running.get("installed") is True,
        is_running=running.get("running") is True,
    )


def _object(ran: Any) -> Mapping[str, Any]:
    """The JSON that a command of the agent printed, among warnings perhaps; nothing where it is broken, and printed none."""
    text = ran.get("text") if isinstance(ran, dict) else None
    for line in reversed(text.splitlines() if isinstance(text, str) else []):
        with suppress(ValueError):
            read = json.loads(line)
            if isinstance(read, dict):
                return read
    return {}


def check_system(look: Look) -> None:
    """OnboardingError where its Windows is too old, or we may not install there."""
    try:
        major, minor = (int(part) for part in look.version.split(".")[:2])
    except ValueError:
        major, minor = 0, 0
    if (major, minor) < (_OLDEST_SERVER if look.is_server else _OLDEST):
        text = f"{look.system} ({look.version}) is older than Windows 8.1 and Windows Server 2012."
        raise OnboardingError(OnboardingState.UNSUPPORTED, OnboardingReason.SYSTEM_TOO_OLD, text)
    if not look.is_administrator:
        text = "The account is no administrator of the machine, or a local one whose rights Windows has cut (LocalAccountTokenFilterPolicy)."
        raise failed(OnboardingReason.NOT_PERMITTED, text)


def clock_words(look: Look, before: datetime, after: datetime) -> str:
    """How far its clock is off, having been asked between these two. OnboardingError where that is too far."""
    off = min(look.clock - before, timedelta()) + max(look.clock - after, timedelta())
    seconds = abs(off).total_seconds()
    words = f"{seconds:.0f} s {'ahead of' if off > timedelta() else 'behind'} the Engine's"
    if abs(off) > CLOCK_MOST:
        text = f"Its clock is {words}; up to {CLOCK_MOST.total_seconds():.0f} s are allowed. Set it, and try again."
        raise failed(OnboardingReason.CLOCK_OFF, text)
    return f"{words}." if seconds >= 1 else "As the Engine's."


async def decide(agent: Agent | None, engine: Engine, site: Site) -> Decided:
    """What is to be done about the agent that is there. OnboardingError `skipped` where nothing is."""
    if agent is None:
        return Decided(Plan.ENROL, "None.")
    if agent.state == "approved":
        return await _of_device(agent, engine)
    if agent.state == "pending" and agent.server == site.server:
        return await _of_request(agent, engine)
    if agent.state == "pending":
        return Decided(Plan.ENROL, f"It waits for approval by {agent.server}: asked anew here.", is_forced=True)
    return Decided(Plan.ENROL, f"An agent ({agent.version}) that is not enrolled.")


async def _of_device(agent: Agent, engine: Engine) -> Decided:
    known = await engine.device(agent.device_id)
    if known is None:
        words = f"It says it is the device {agent.device_id} of {agent.server}, which is not known here: enrolled anew."
        return Decided(Plan.ENROL, words, is_forced=True)
    if not known.is_accepted:
        words = f"It was the device {known.hostname}, which is revoked: enrolled anew."
        return Decided(Plan.ENROL, words, is_forced=True)
    if agent.is_running or known.is_online:
        how = "is connected" if known.is_online else "runs, and is not connected at present"
        text = f"It is the device {known.hostname} ({agent.device_id}); its agent {how}. Nothing was changed."
        raise OnboardingError(OnboardingState.SKIPPED, OnboardingReason.ALREADY_MANAGED, text)
    return Decided(Plan.REPAIR, f"It is the device {known.hostname}, whose agent {_lacking(agent)}: repaired.")


async def _of_request(agent: Agent, engine: Engine) -> Decided:
    is_ours = await engine.enrolled(0)
    if agent.is_running and is_ours:
        return Decided(Plan.DONE, "Its agent runs, and has asked to be enrolled for this target.")
    if agent.is_running:
        text = "Its agent runs, and its request waits for approval already. Nothing was changed."
        raise OnboardingError(OnboardingState.SKIPPED, OnboardingReason.ALREADY_PENDING, text)
    return Decided(Plan.FINISH, f"It has asked to be enrolled, and its agent {_lacking(agent)}: finished.")


def _lacking(agent: Agent) -> str:
    return "does not run" if agent.is_installed else "is no service"
