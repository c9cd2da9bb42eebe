"""What the end of one execution, as its device tells it, means by itself. Pure; what follows from it on the device is in `core.steps`."""

from collections.abc import Collection

from watchbill.core.states import TargetEvent


def meaning(
    outcome: str,
    *,
    exit_code: int | None,
    signal: int | None,
    reason: str | None,
    tree: str | None,
    warning_exit_codes: Collection[int],
) -> tuple[TargetEvent, str | None]:
    """The event that it is to a target that runs nothing else, and the reason."""
    match outcome:
        case "exited":
            return _of_exit(exit_code, warning_exit_codes, reason or (f"killed_by_signal_{signal}" if signal else None))
        case "timed_out":
            return TargetEvent.TIME_OUT, "tree_survived" if tree == "survived" else None
        case "cancelled":
            return TargetEvent.STOPPED, "tree_survived" if tree == "survived" else None
        case "interrupted":
            return TargetEvent.FAIL, "interrupted"
        case _:
            return _of_refusal(reason)


def may_repeat(outcome: str, tree: str | None) -> bool:
    """Whether it is known how it ended and that nothing of it runs any more: only that may be tried again."""
    return outcome == "exited" or (outcome == "timed_out" and tree != "survived")


def _of_exit(
    exit_code: int | None, warning_codes: Collection[int], reason: str | None
) -> tuple[TargetEvent, str | None]:
    if exit_code == 0:
        return TargetEvent.SUCCEED, None
    if exit_code in warning_codes:
        return TargetEvent.WARN, None
    return TargetEvent.FAIL, reason


def _of_refusal(reason: str | None) -> tuple[TargetEvent, str | None]:
    """By the device; or by the Engine, for what its device never had or has forgotten."""
    match reason:
        case "expired":
            return TargetEvent.EXPIRE, "offline"
        case "cancelled":
            return TargetEvent.STOPPED, None
        case (
            "interpreter_missing"
            | "no_user_session"
            | "credential_missing"
            | "credential_locked"
            | "credential_mismatch"
        ):
            return TargetEvent.SKIP, reason
        case "wireguard_unavailable" | "wireguard_not_ready" | "preflight_failed":
            return TargetEvent.SKIP, reason
        case "offline":
            return TargetEvent.EXPIRE, "offline"
        case "not_delivered":
            return TargetEvent.STOPPED, "not_delivered"
        case "interrupted" | "order_too_large":
            return TargetEvent.FAIL, reason
        case _:
            return TargetEvent.FAIL, f"refused_{reason}"
