"""The agent that is on a machine already, if any, and what is to be done about it: nothing, a repair, an end of what was begun, or all anew."""

import json
from dataclasses import dataclass
from uuid import UUID

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.onboarding.base import Engine, OnboardingError, Site
from watchbill.onboarding.plan import Decided, Plan
from watchbill.onboarding.ssh.shell import Answer


@dataclass(frozen=True, slots=True)
class Present:
    """What was found. `current`: the version that is in use; `versions`: all whose files are there. `state`: of the identity: none, pending or approved."""

    has_base: bool
    has_data: bool
    has_link: bool
    has_files: bool
    has_service: bool
    is_running: bool
    is_tidied: bool
    has_identity: bool
    current: str
    versions: frozenset[str]
    version: str
    state: str
    device_id: str
    server: str

    @property
    def is_whole(self) -> bool:
        return self.has_files and self.has_service and self.is_running


def present_of(answer: Answer) -> Present:
    """What the script FIND said."""
    said = answer.values
    status = _status(said.get("status", ""))
    current = said.get("current", "")
    return Present(
        has_base="base" in said,
        has_data="data" in said,
        has_link="link" in said,
        has_files="files" in said,
        has_service=status.get("installed") is True,
        is_running=status.get("running") is True,
        is_tidied="tidied" in said,
        has_identity="identity" in said,
        current=current if "/" not in current else "",
        versions=frozenset(said.get("versions", "").split()),
        version=str(status.get("version") or current),
        state=said.get("identity_state") or "none",
        device_id=_device_id(said.get("identity_device_id", "")),
        server=said.get("identity_server", ""),
    )


def _device_id(text: str) -> str:
    """What a machine says is not to be trusted to be one."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def _status(text: str) -> dict[str, object]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


async def decide(present: Present, engine: Engine, site: Site) -> Decided:
    """What is to be done. OnboardingError `skipped` where nothing is."""
    tidied = "Remains of an install that was cut off were removed. " if present.is_tidied else ""
    if present.state == "approved":
        decided = await _of_device(present, engine)
    elif present.state == "pending" and present.server == site.server:
        decided = await _of_request(present, engine)
    elif present.state == "none":
        there = f"Files of an agent ({present.version}) that is not enrolled." if present.has_base else "None."
        unreadable = " Its identity cannot be read: enrolled anew." if present.has_identity else ""
        decided = Decided(Plan.ENROL, there + unreadable, is_forced=present.has_identity)
    else:
        decided = Decided(Plan.ENROL, f"It waits for approval by {present.server}: asked anew here.", is_forced=True)
    return Decided(decided.plan, tidied + decided.words, decided.is_forced)


async def _of_device(present: Present, engine: Engine) -> Decided:
    known = await engine.device(present.device_id) if present.device_id else None
    if known is None:
        words = (
            f"It says it is the device {present.device_id} of {present.server}, which is not known here: enrolled anew."
        )
        return Decided(Plan.ENROL, words, is_forced=True)
    if not known.is_accepted:
        return Decided(
            Plan.ENROL, f"It was the device {known.hostname}, which is revoked: enrolled anew.", is_forced=True
        )
    if present.is_whole or known.is_online:
        is_how = "is connected" if known.is_online else "runs, and is not connected at present"
        detail = f"It is the device {known.hostname} ({present.device_id}); its agent {is_how}. Nothing was changed."
        raise _skipped(OnboardingReason.ALREADY_MANAGED, detail)
    return Decided(Plan.REPAIR, f"It is the device {known.hostname}, whose agent {_lacking(present)}: repaired.")


async def _of_request(present: Present, engine: Engine) -> Decided:
    is_ours = await engine.enrolled(0)
    if present.is_whole and is_ours:
        return Decided(Plan.DONE, "Its agent runs, and has asked to be enrolled for this target.")
    if present.is_whole:
        detail = "Its agent runs, and its request waits for approval already. Nothing was changed."
        raise _skipped(OnboardingReason.ALREADY_PENDING, detail)
    return Decided(Plan.FINISH, f"It has asked to be enrolled, and its agent {_lacking(present)}: finished.")


def _lacking(present: Present) -> str:
    if not present.has_files:
        return "has no files"
    return "does not run" if present.has_service else "is no service"


def _skipped(reason: OnboardingReason, detail: str) -> OnboardingError:
    return OnboardingError(OnboardingState.SKIPPED, reason, detail)
