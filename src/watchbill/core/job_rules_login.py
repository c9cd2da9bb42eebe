"""How a job signs in to its devices: with a stored credential, or with the service account that the Engine keeps on each. Pure.

What runs through a device's agent does not sign in, and takes neither.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from watchbill.core.credential_rules import CredentialKind
from watchbill.core.fields import Fields
from watchbill.core.job_rules_values import ExecutionContext, JobDraft
from watchbill.core.problems import Problem
from watchbill.core.targets import DeviceTarget, Placed, SiteTarget

_C: Final = ExecutionContext
#: What a context signs in by; those that are missing do not sign in.
KIND_OF: Final[Mapping[ExecutionContext, CredentialKind]] = {
    _C.SSH: CredentialKind.SSH,
    _C.SSH_INDIVIDUAL: CredentialKind.SSH,
    _C.WINRM: CredentialKind.WINRM,
    _C.WINRM_INDIVIDUAL: CredentialKind.WINRM,
}


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """What is known of the credential that a job names, where whoever saves the job sees it.

    `site_id` None = it is for the devices of every site; else `devices_there` are those of the named targets that are in its site.
    """

    kind: CredentialKind
    site_id: int | None = None
    is_locked: bool = False
    devices_there: Collection[UUID] = ()


def read_credential_id(fields: Fields) -> int | None:
    return fields.optional_integer("credential_id", 1, 2**63 - 1)


def login_conflicts(draft: JobDraft) -> Iterator[Problem]:
    """One way to sign in where the context does, none where it does not."""
    if draft.execution_context not in KIND_OF:
        if draft.credential_id is not None:
            message = "must be null: what runs through the agent has its rights, or those of who is signed in"
            yield Problem("credential_id", "not_allowed", message)
        if draft.use_service_account:
            message = "must be false: what runs through the agent does not sign in to the device"
            yield Problem("use_service_account", "not_allowed", message)
    elif draft.credential_id is not None and draft.use_service_account:
        message = "must be false with a credential: a job signs in by one of them"
        yield Problem("use_service_account", "not_allowed", message)
    elif draft.credential_id is None and not draft.use_service_account:
        message = f"or use_service_account is required: the context {draft.execution_context} signs in by one of them"
        yield Problem("credential_id", "required", message)


def judge_login(draft: JobDraft, known: LoginFacts | None, *, is_enabled: bool) -> Iterator[Problem]:
    """Whether the credential can be used by this job. One text for absent and invisible."""
    kind = KIND_OF.get(draft.execution_context)
    if draft.credential_id is None or kind is None:
        return
    if known is None:
        yield _fault("credential_not_found", f"there is no credential {draft.credential_id}")
        return
    if known.kind is not kind:
        yield _fault("wrong_kind", f"is for {known.kind}; the context {draft.execution_context} needs one for {kind}")
    if known.is_locked and is_enabled:
        message = "must be given its secrets anew first: the key that they were sealed under is lost"
        yield _fault("credential_locked", message)
    if known.site_id is not None and draft.targets and not _may_be_at(draft.targets, known):
        message = "is for the devices of its site alone, and none of the targets can be there"
        yield _fault("credential_mismatch", message)


def _fault(code: str, message: str) -> Problem:
    return Problem("credential_id", code, message)


def _may_be_at(targets: Placed, known: LoginFacts) -> bool:
    """Whom filters and `all_devices` find is known only when they are asked."""
    for target in targets:
        match target:
            case DeviceTarget(device_id):
                is_there = device_id in known.devices_there
            case SiteTarget(site_id):
                is_there = site_id == known.site_id
            case _:
                is_there = True
        if is_there:
            return True
    return False
