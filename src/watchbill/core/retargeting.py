"""Which devices of an earlier occurrence a rerun means by one word. Pure; the only place that says so."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from watchbill.core.states import NOT_STARTED_TARGET, TargetState

#: `failed` and `not_finished` as the API has them since the beginning; the others each say one thing.
Which = Literal["failed", "not_finished", "unreachable", "never_started", "still_waiting", "lost"]
WORDS: Final[tuple[Which, ...]] = get_args(Which)

_S = TargetState
#: What went wrong, or whose outcome nobody knows.
FAILED: Final = frozenset({_S.FAILED, _S.TIMED_OUT, _S.LOST})
#: Left out for what the device is or who may reach it: nothing that a second try changes.
_NOT_MEANT: Final = frozenset({"excluded", "out_of_scope", "device_disabled", "not_approved", "os_mismatch"})
_AWAY: Final = frozenset({(_S.EXPIRED, "offline"), (_S.SKIPPED, "offline_skip")})


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a target. `was_handed_out`: its device got it at least once, so something may have run."""

    state: TargetState
    reason: str | None
    was_handed_out: bool


def is_meant(which: Which, fate: Fate) -> bool:
    match which:
        case "failed":
            return fate.state in FAILED
        case "not_finished":
            return fate.state in FAILED or fate.state in (_S.EXPIRED, _S.CANCELLED)
        case "unreachable":
            return (fate.state, fate.reason) in _AWAY
        case "never_started":
            has_ended = fate.state in (_S.EXPIRED, _S.CANCELLED, _S.SKIPPED)
            return has_ended and not fate.was_handed_out and fate.reason not in _NOT_MEANT
        case "still_waiting":
            return fate.state in NOT_STARTED_TARGET
        case "lost":
            return fate.state is _S.LOST


def said(which: Which) -> str:
    """The word in a sentence: no device is …"""
    return {"never_started": "ended without ever being started", "not_finished": "not finished"}.get(
        which, which.replace("_", " ")
    )
