"""What pausing and resuming a job may say. Pure."""

from dataclasses import dataclass
from datetime import datetime

from watchbill.core.fields import Fields
from watchbill.core.problems import Problem


@dataclass(frozen=True, slots=True)
class Toggle:
    """Resume, or pause with an optional reason and an optional end of the pause."""

    enabled: bool
    reason: str | None = None
    until: datetime | None = None


def read_toggle(body: object, now: datetime) -> tuple[Toggle, list[Problem]]:
    """Read `{"enabled", "reason"?, "until"?}`; the toggle is to be trusted only when there is no problem."""
    problems: list[Problem] = []
    fields = Fields.of(body, problems)
    enabled = fields.optional_boolean("enabled")
    if enabled is None and not problems:
        fields.refuse("enabled", "required", "is required: true to resume, false to pause")
    reason = fields.text("reason", most=500, default="")
    until = _until(fields, now)
    fields.refuse_unknown("a toggle")
    if enabled:
        for name in ("reason", "until"):
            if fields.value.get(name) is not None:
                fields.refuse(name, "not_allowed", "belongs to a pause: leave it out when enabling")
    return Toggle(bool(enabled), reason or None, until), problems


def _until(fields: Fields, now: datetime) -> datetime | None:
    text = fields.text("until", most=64, default="")
    if not text:
        return None
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        until = None
    if until is None or until.tzinfo is None:
        fields.refuse("until", "invalid_time", "must be an instant with its offset such as 2026-05-04T07:00:00Z")
    elif until <= now:
        fields.refuse("until", "in_the_past", "must lie in the future")
    return until
