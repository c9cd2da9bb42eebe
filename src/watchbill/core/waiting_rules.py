"""What may be asked about targets that wait, for all jobs at once: whom it is for, and a count before it is done. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from watchbill.core.problems import Problem

#: A row waits no longer than this from the moment at which its expiry is changed.
LONGEST_WAIT: Final = timedelta(days=30)


def choice_problems(chosen: Mapping[str, object], *, everything: bool) -> list[Problem]:
    """`chosen`: what narrows it, None where it does not. Nothing at all is never taken to mean everything."""
    given = [name for name, value in chosen.items() if value is not None]
    if everything and given:
        return [Problem("everything", "not_allowed", f"and {', '.join(given)} exclude each other")]
    if not everything and not given:
        names = ", ".join(chosen)
        return [Problem("everything", "required", f"must be true where none of {names} says whom it is for")]
    return []


def count_problems(expected: int | None, *, is_dry_run: bool) -> list[Problem]:
    if is_dry_run and expected is not None:
        return [Problem("expected", "not_allowed", "belongs to a request with dry_run false")]
    if not is_dry_run and expected is None:
        return [Problem("expected", "required", "is required with dry_run false: the count that a dry run told")]
    return []


def expiry_problems(expires_at: datetime, now: datetime) -> list[Problem]:
    if expires_at <= now:
        return [Problem("expires_at", "past", "must be in the future; what is not to run at all is purged")]
    if expires_at > now + LONGEST_WAIT:
        return [Problem("expires_at", "too_late", f"must be within {LONGEST_WAIT.days} days from now")]
    return []
