"""Reading what a cursor of this package carries: instants and ids as texts."""

import uuid
from datetime import datetime

from watchbill.core.problems import Problem
from watchbill.kit.errors import InvalidError


def instant_of(value: str | int | None) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise _bad_cursor() from None


def uuid_of(value: str | int | None) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise _bad_cursor() from None


def _bad_cursor() -> InvalidError:
    problem = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
    return InvalidError("The cursor does not belong to this list.", problems=[problem])
