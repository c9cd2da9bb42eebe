"""How the address of an onboarding job can end, why, and what follows on what. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from watchbill.core.states import TargetState


class OnboardingState(StrEnum):
    PENDING = "pending"  # not looked at yet, or its turn has not come
    CONNECTING = "connecting"  # it answered, and is being signed in to
    INSTALLING = "installing"
    WAITING_APPROVAL = "waiting_approval"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    UNREACHABLE = "unreachable"
    AUTH_FAILED = "auth_failed"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


class OnboardingReason(StrEnum):
    """Why an address ended as it did; the ones of each state are in ONBOARDING_REASONS."""

    EXCLUDED = "excluded"
    ALREADY_MANAGED = "already_managed"
    ALREADY_PENDING = "already_pending"
    SAME_MACHINE = "same_machine"  # another address of this scope is the same machine
    TAKEN = "taken"  # another job is at work on it
    CANCELLED = "cancelled"

    NO_ANSWER = "no_answer"
    NAME_NOT_RESOLVED = "name_not_resolved"
    NO_WAY_IN = "no_way_in"  # it is there, but none of the ports is what it should be

    CREDENTIALS_REFUSED = "credentials_refused"
    NO_CREDENTIAL = "no_credential"  # none of the job's fits this way in
    LOCKOUT_GUARD = "lockout_guard"  # every account was refused here before

    PLATFORM = "platform"  # not the platform of the job, or none that is known
    NO_PACKAGE = "no_package"  # the branch has no agent for it
    SYSTEM_TOO_OLD = "system_too_old"

    HOST_KEY_CHANGED = "host_key_changed"
    CERTIFICATE = "certificate"
    NOT_PERMITTED = "not_permitted"  # no root or administrator by this account
    NO_SPACE = "no_space"
    NO_EGRESS = "no_egress"  # the machine does not reach the Engine
    CLOCK_OFF = "clock_off"
    CONNECTION_LOST = "connection_lost"
    STEP_FAILED = "step_failed"
    PACKAGE_REFUSED = "package_refused"  # hash or signature is not right on the machine
    TIMED_OUT = "timed_out"
    NOT_ENROLLED = "not_enrolled"  # the agent runs and did not ask to be enrolled
    GAVE_UP = "gave_up"  # every attempt of a worker was cut off

    DENIED = "denied"
    EXPIRED = "expired"


_R, _S = OnboardingReason, OnboardingState
ONBOARDING_REASONS: Final[Mapping[OnboardingState, tuple[OnboardingReason, ...]]] = {
    _S.SKIPPED: (_R.EXCLUDED, _R.ALREADY_MANAGED, _R.ALREADY_PENDING, _R.SAME_MACHINE, _R.TAKEN, _R.CANCELLED),
    _S.UNREACHABLE: (_R.NO_ANSWER, _R.NAME_NOT_RESOLVED, _R.NO_WAY_IN),
    _S.AUTH_FAILED: (_R.CREDENTIALS_REFUSED, _R.NO_CREDENTIAL, _R.LOCKOUT_GUARD),
    _S.UNSUPPORTED: (_R.PLATFORM, _R.NO_PACKAGE, _R.SYSTEM_TOO_OLD),
    _S.FAILED: (
        _R.HOST_KEY_CHANGED, _R.CERTIFICATE, _R.NOT_PERMITTED, _R.NO_SPACE, _R.NO_EGRESS, _R.CLOCK_OFF, _R.CONNECTION_LOST,
        _R.STEP_FAILED, _R.PACKAGE_REFUSED, _R.TIMED_OUT, _R.NOT_ENROLLED, _R.GAVE_UP,
    ),
    _S.DENIED: (_R.DENIED,),
    _S.EXPIRED: (_R.EXPIRED,),
}  # fmt: skip

#: Something is still to be done by a worker.
OPEN_STATES: Final = frozenset((_S.PENDING, _S.CONNECTING, _S.INSTALLING))

#: How workers end an address, other than with its request.
_ENDS: Final = frozenset((_S.SKIPPED, _S.UNREACHABLE, _S.AUTH_FAILED, _S.UNSUPPORTED, _S.FAILED))
#: Failures after which an agent may be on the machine, and may still ask or has asked; after the others it was taken back.
STAYS_THERE: Final = frozenset((_R.NOT_ENROLLED, _R.CONNECTION_LOST, _R.GAVE_UP))
#: From where to where an address goes. Back to `pending` is what a worker's death does. One that was being installed is `approved`
#: at once where its device is known already and its agent was repaired.
MOVES: Final[Mapping[OnboardingState, frozenset[OnboardingState]]] = {
    _S.PENDING: _ENDS | {_S.CONNECTING},
    _S.CONNECTING: _ENDS | {_S.PENDING, _S.INSTALLING, _S.WAITING_APPROVAL, _S.APPROVED},
    _S.INSTALLING: _ENDS | {_S.PENDING, _S.WAITING_APPROVAL, _S.APPROVED},
    _S.WAITING_APPROVAL: frozenset((_S.APPROVED, _S.DENIED, _S.EXPIRED)),
    # A machine's own request, which it made by the code of this address, is the truth about it, however late.
    **dict.fromkeys(_ENDS, frozenset((_S.WAITING_APPROVAL,))),
}
#: What a run of `unfinished` does not look at again. Of those that were skipped, see DONE_REASONS.
DONE: Final = frozenset((_S.WAITING_APPROVAL, _S.APPROVED, _S.DENIED))
DONE_REASONS: Final = frozenset((_R.EXCLUDED, _R.ALREADY_MANAGED, _R.ALREADY_PENDING, _R.SAME_MACHINE))

_COUNTED: Final[Mapping[OnboardingState, TargetState]] = {
    _S.PENDING: TargetState.PENDING,
    _S.CONNECTING: TargetState.CONNECTING,
    _S.INSTALLING: TargetState.RUNNING,
    _S.WAITING_APPROVAL: TargetState.SUCCESS,
    _S.APPROVED: TargetState.SUCCESS,
    _S.DENIED: TargetState.SKIPPED,
    _S.EXPIRED: TargetState.EXPIRED,
    _S.SKIPPED: TargetState.SKIPPED,
    # Most addresses of a network are nobody's.
    _S.UNREACHABLE: TargetState.SKIPPED,
    _S.AUTH_FAILED: TargetState.FAILED,
    _S.UNSUPPORTED: TargetState.WARNING,
    _S.FAILED: TargetState.FAILED,
}


def counted_as(state: OnboardingState, reason: OnboardingReason | None) -> TargetState:
    """As what an address counts among the targets of its occurrence: so its outcome follows, and lists that know no addresses show it."""
    return TargetState.CANCELLED if reason is _R.CANCELLED else _COUNTED[state]


def is_done(state: OnboardingState, reason: OnboardingReason | None) -> bool:
    """Whether nothing is left to be done for an address by another run."""
    return state in DONE or reason in DONE_REASONS
