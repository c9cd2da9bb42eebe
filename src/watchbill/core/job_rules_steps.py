"""What a job says of its components one after another: their roles, retries, and what a failure means for the rest. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, TypedDict

from watchbill.core.fields import Choice, Fields, is_integer, shown
from watchbill.core.job_rules_values import (
    DEFAULT_RETRY_DELAY_SECONDS,
    DEFAULT_RETRY_ON,
    NOT_COMPLIANT_EXIT_CODES,
    RETRIES,
    RETRY_DELAY_SECONDS,
    JobDraft,
)
from watchbill.core.problems import Problem
from watchbill.core.steps import RETRIED, Role

_ROLES: Final = Choice(tuple(Role))
_LOST: Final = (
    "must not hold lost: what became of it is not known, it may still run, and so it is never repeated blindly"
)


class RoleOf(TypedDict):
    role: Role
    not_compliant_exit_codes: tuple[int, ...]


class RetryPolicies(TypedDict):
    retries: int
    retry_delay_seconds: int
    retry_on: tuple[str, ...]
    continue_on_failure: bool


def role_of(fields: Fields) -> RoleOf:
    """A component's role, and of a check the exit codes by which it says that what follows is needed."""
    role = Role(fields.choice("role", _ROLES, default=Role.RUN) or Role.RUN)
    given = fields.items("not_compliant_exit_codes", most=255)
    codes = tuple(sorted({one for one in given if is_integer(one)}))
    for place, code in enumerate(given):
        if not is_integer(code) or not 1 <= code <= 255:
            message = f"must be a whole number from 1 to 255, not {shown(code)}"
            fields.refuse(f"not_compliant_exit_codes.{place}", "out_of_range", message)
    if given and role is not Role.CHECK:
        fields.refuse("not_compliant_exit_codes", "not_allowed", "is only for a component with the role check")
    return {"role": role, "not_compliant_exit_codes": _codes(role, codes)}


def _codes(role: Role, given: tuple[int, ...]) -> tuple[int, ...]:
    if role is not Role.CHECK:
        return ()
    return given or NOT_COMPLIANT_EXIT_CODES


def retry_policies(fields: Fields) -> RetryPolicies:
    """Fields of `policies`. What would do nothing is refused."""
    retries = fields.integer("retries", *RETRIES, default=0)
    delay = fields.integer("retry_delay_seconds", *RETRY_DELAY_SECONDS, default=DEFAULT_RETRY_DELAY_SECONDS)
    retry_on = _retry_on(fields)
    if not retries and delay != DEFAULT_RETRY_DELAY_SECONDS:
        fields.refuse("retry_delay_seconds", "no_effect", "has no effect without retries")
    if not retries and set(retry_on) != set(DEFAULT_RETRY_ON):
        fields.refuse("retry_on", "no_effect", "has no effect without retries")
    return {
        "retries": retries,
        "retry_delay_seconds": delay,
        "retry_on": retry_on,
        "continue_on_failure": fields.boolean("continue_on_failure", default=False),
    }


def _retry_on(fields: Fields) -> tuple[str, ...]:
    given = fields.items("retry_on", most=10)
    for place, one in enumerate(given):
        if one == "lost":
            fields.refuse(f"retry_on.{place}", "not_allowed", _LOST)
        elif not isinstance(one, str) or one not in RETRIED:
            message = f"{shown(one)} is not allowed; it must be one of: {', '.join(RETRIED)}"
            fields.refuse(f"retry_on.{place}", "not_allowed", message)
    return tuple(name for name in RETRIED if name in given) or DEFAULT_RETRY_ON


def step_conflicts(draft: JobDraft, gap: timedelta | None) -> Iterator[Problem]:
    """What cannot be together with the rest of the job. `gap`: from one instant to the next, where the schedule fixes it."""
    policies, duration = draft.policies, draft.duration
    if policies.continue_on_failure and len(draft.components) == 1:
        message = "has no effect on a single component: it says whether those after a failure run"
        yield Problem("policies.continue_on_failure", "no_effect", message)
    if not policies.retries:
        return
    waits = duration.expires_after_seconds or (int(gap.total_seconds()) if gap else None)
    bounds = [
        (waits, "that a device is waited for: no other try would come about"),
        (duration.run_limit_seconds, "that the whole run may take: no other try would come about"),
    ]
    for seconds, what in bounds:
        if seconds is not None and policies.retry_delay_seconds >= seconds:
            message = f"must be less than the {seconds} seconds {what}"
            yield Problem("policies.retry_delay_seconds", "out_of_range", message)
