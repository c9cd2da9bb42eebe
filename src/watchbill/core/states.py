"""The state tables: which event moves an occurrence, a target, a work item or a job from where to where.

Nothing else may decide a transition. Stores hand these tables to SQL, so that the database refuses whatever is not in them.
"""

from collections.abc import Mapping
from enum import StrEnum


class OccurrenceState(StrEnum):
    HELD = "held"
    OPEN = "open"
    CLOSED = "closed"
    SKIPPED = "skipped"
    MISSED = "missed"


class OccurrenceReason(StrEnum):
    """Why an occurrence is held, skipped or missed. Which go with which state is in OCCURRENCE_REASONS."""

    HELD_BY_WINDOW = "held_by_window"
    AWAITING_APPROVAL = "awaiting_approval"
    STORM_GUARD = "storm_guard"
    MISFIRE_HOLD = "misfire_hold"
    TARGETS_CHANGED = "targets_changed"
    OVERLAP = "overlap"
    BLACKOUT = "blackout"
    NO_DEVICES_TARGETED = "no_devices_targeted"
    NO_ELIGIBLE_TARGETS = "no_eligible_targets"
    TARGETS_UNKNOWN = "targets_unknown"
    NO_CANARIES = "no_canaries"
    PAUSED = "paused"
    BY_OPERATOR = "by_operator"
    JOB_GONE = "job_gone"
    CATCH_UP_WINDOW = "catch_up_window"
    MISFIRE_POLICY = "misfire_policy"


class Outcome(StrEnum):
    SUCCESS = "success"
    WARNING = "warning"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class TargetState(StrEnum):
    PENDING = "pending"
    WAITING_ONLINE = "waiting_online"
    CONNECTING = "connecting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCESS = "success"
    WARNING = "warning"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"


class TargetEvent(StrEnum):
    """What can happen to a target. The seven from `SUCCEED` on are answers that settle it.

    Before it has started, or again, it warns, fails or times out only where no other try came about: by what the last one has said.
    """

    WAIT = "wait"  # released, and its device is offline
    CONNECT = "connect"  # its transport is being prepared
    DISPATCH = "dispatch"
    START = "start"  # also of each later component
    RETRY = "retry"  # it went wrong, and is tried again
    CANCEL = "cancel"  # somebody asked for a stop
    LOSE = "lose"  # its bound passed without an answer
    SUPERSEDE = "supersede"  # a newer occurrence of the job takes over from a row that never started
    SUCCEED = "succeed"
    WARN = "warn"
    FAIL = "fail"
    TIME_OUT = "time_out"
    STOPPED = "stopped"  # the device confirmed the stop
    EXPIRE = "expire"
    SKIP = "skip"


class WorkItemState(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SkipReason(StrEnum):
    OUT_OF_SCOPE = "out_of_scope"
    EXCLUDED = "excluded"
    DEVICE_DISABLED = "device_disabled"
    NOT_APPROVED = "not_approved"
    OS_MISMATCH = "os_mismatch"
    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_LOCKED = "credential_locked"
    CREDENTIAL_MISMATCH = "credential_mismatch"
    WIREGUARD_UNAVAILABLE = "wireguard_unavailable"
    WIREGUARD_NOT_READY = "wireguard_not_ready"
    PREFLIGHT_FAILED = "preflight_failed"
    OFFLINE_SKIP = "offline_skip"
    NO_USER_SESSION = "no_user_session"
    INTERPRETER_MISSING = "interpreter_missing"
    PREVIOUS_RUN_ACTIVE = "previous_run_active"
    BLACKOUT = "blackout"
    OUTSIDE_WINDOW = "outside_window"
    LATE_START = "late_start"
    NO_CANARIES = "no_canaries"
    NOT_STARTED_BRAKE = "not_started_brake"
    NOT_STARTED_CANCELLED = "not_started_cancelled"
    NOT_STARTED_IN_TIME = "not_started_in_time"


_R = OccurrenceReason
OCCURRENCE_REASONS: Mapping[OccurrenceState, tuple[OccurrenceReason, ...]] = {
    OccurrenceState.HELD: (
        _R.HELD_BY_WINDOW,
        _R.AWAITING_APPROVAL,
        _R.STORM_GUARD,
        _R.MISFIRE_HOLD,
        _R.TARGETS_CHANGED,
    ),
    OccurrenceState.OPEN: (),
    OccurrenceState.CLOSED: (),
    OccurrenceState.SKIPPED: (
        _R.OVERLAP,
        _R.BLACKOUT,
        _R.NO_DEVICES_TARGETED,
        _R.NO_ELIGIBLE_TARGETS,
        _R.TARGETS_UNKNOWN,
        _R.NO_CANARIES,
        _R.PAUSED,
        _R.BY_OPERATOR,
        _R.JOB_GONE,
    ),
    OccurrenceState.MISSED: (_R.CATCH_UP_WINDOW, _R.MISFIRE_POLICY),
}

_S, _E = TargetState, TargetEvent
_WAITING = (_S.PENDING, _S.WAITING_ONLINE)
_WITH_DEVICE = (_S.CONNECTING, _S.DISPATCHED, _S.RUNNING, _S.CANCELLING)
_ANSWERS = {
    _E.SUCCEED: _S.SUCCESS,
    _E.WARN: _S.WARNING,
    _E.FAIL: _S.FAILED,
    _E.TIME_OUT: _S.TIMED_OUT,
    _E.STOPPED: _S.CANCELLED,
    _E.EXPIRE: _S.EXPIRED,
    _E.SKIP: _S.SKIPPED,
}

TARGET: Mapping[tuple[TargetState, TargetEvent], TargetState] = {
    (_S.PENDING, _E.WAIT): _S.WAITING_ONLINE,
    **{(state, _E.CONNECT): _S.CONNECTING for state in _WAITING},
    **{(state, _E.DISPATCH): _S.DISPATCHED for state in (*_WAITING, _S.CONNECTING)},
    **{(state, _E.START): _S.RUNNING for state in (_S.CONNECTING, _S.DISPATCHED, _S.RUNNING)},
    **{(state, _E.RETRY): _S.PENDING for state in (_S.CONNECTING, _S.DISPATCHED, _S.RUNNING)},
    **{(state, _E.CANCEL): _S.CANCELLED for state in _WAITING},
    **{(state, _E.CANCEL): _S.CANCELLING for state in (_S.CONNECTING, _S.DISPATCHED, _S.RUNNING)},
    **{(state, _E.SUPERSEDE): _S.EXPIRED for state in _WAITING},
    **{(state, _E.EXPIRE): _S.EXPIRED for state in _WAITING},
    **{(state, _E.SKIP): _S.SKIPPED for state in _WAITING},
    **{(state, event): _ANSWERS[event] for state in _WAITING for event in (_E.WARN, _E.FAIL, _E.TIME_OUT)},
    **{(state, event): to for state in _WITH_DEVICE for event, to in _ANSWERS.items()},
    **{(state, _E.LOSE): _S.LOST for state in _WITH_DEVICE},
    # The one exception to "a terminal state never changes": the truth about a lost target.
    **{(_S.LOST, event): to for event, to in _ANSWERS.items()},
}

TERMINAL_TARGET = frozenset(
    {_S.SUCCESS, _S.WARNING, _S.FAILED, _S.TIMED_OUT, _S.EXPIRED, _S.CANCELLED, _S.SKIPPED, _S.LOST}
)
#: Waits for its device or its turn; nothing has been handed out yet.
NOT_STARTED_TARGET = frozenset(_WAITING)
#: Something may be running on the device.
ACTIVE_TARGET = frozenset(_WITH_DEVICE)


def is_terminal(state: TargetState) -> bool:
    return state in TERMINAL_TARGET


def target_after(state: TargetState, event: TargetEvent) -> TargetState | None:
    """Where `event` leads from `state`; None when it changes nothing."""
    return TARGET.get((state, event))


def is_closed(counts: Mapping[TargetState, int]) -> bool:
    """Whether every target of an occurrence has reached a terminal state."""
    return all(is_terminal(state) or not number for state, number in counts.items())


def fold(counts: Mapping[TargetState, int], *, failure_threshold_percent: int) -> Outcome:
    """The outcome of an occurrence whose targets are all terminal.

    Skipped targets are neutral. Failures (failed, timed out, expired, lost) within the threshold make a warning, beyond it a
    failure; the share is taken of the targets that were not skipped.
    """
    took_part = sum(number for state, number in counts.items() if state is not _S.SKIPPED)
    if not took_part:
        return Outcome.SKIPPED
    failed = sum(counts.get(state, 0) for state in (_S.FAILED, _S.TIMED_OUT, _S.EXPIRED, _S.LOST))
    if failed * 100 > failure_threshold_percent * took_part:
        return Outcome.FAILED
    if counts.get(_S.CANCELLED, 0):
        return Outcome.CANCELLED
    if failed or counts.get(_S.WARNING, 0):
        return Outcome.WARNING
    return Outcome.SUCCESS
