"""What pausing and resuming a job may say. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from watchbill.core.fields import Fields
from watchbill.core.job_rules_values import CATCH_UPS, CatchUp
from watchbill.core.problems import Problem

#: As far as calendars are computed; in UTC the very last instants that a text can name are beyond what can be stored.
_LAST_YEAR: Final = 2400


@dataclass(frozen=True, slots=True)
class Toggle:
    """Resume, or pause with an optional reason and an optional end of the pause.

    `catch_up` is what a resumption makes of the instants of the pause: by default they are owed to nobody.
    """

    enabled: bool
    reason: str | None = None
    until: datetime | None = None
    catch_up: CatchUp = "skip"


def read_toggle(body: object, now: datetime) -> tuple[Toggle, list[Problem]]:
    """Read `{"enabled", "reason"?, "until"?, "catch_up"?}`; the toggle is to be trusted only when there is no problem."""
    problems: list[Problem] = []
    fields = Fields.of(body, problems)
    enabled = fields.optional_boolean("enabled")
    if enabled is None and not problems:
        fields.refuse("enabled", "required", "is required: true to resume, false to pause")
    reason = fields.text("reason", most=500, default="")
    until = _until(fields, now)
    catch_up = fields.choice("catch_up", CATCH_UPS, default="skip") or "skip"
    fields.refuse_unknown("a toggle")
    if enabled:
        for name in ("reason", "until"):
            if fields.value.get(name) is not None:
                fields.refuse(name, "not_allowed", "belongs to a pause: leave it out when enabling")
    elif fields.value.get("catch_up") is not None:
        fields.refuse("catch_up", "not_allowed", "belongs to a resumption: leave it out when pausing")
    return Toggle(bool(enabled), reason or None, until, cast("CatchUp", catch_up)), problems


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
    elif until.year > _LAST_YEAR:
        fields.refuse("until", "out_of_range", f"must lie in the year {_LAST_YEAR} or earlier")
    return until
