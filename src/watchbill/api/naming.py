"""How requests name an occurrence and an instant, where they do it in a path or a query."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from watchbill.core.problems import Problem
from watchbill.kit.errors import InvalidError

_INSTANT: TypeAdapter[datetime] = TypeAdapter(datetime)


def which(text: str | None) -> UUID | datetime | None:
    """An occurrence as people name it: its id, or its due instant."""
    if text is None or text == "latest":
        return None
    try:
        return UUID(text)
    except ValueError:
        return aware("occurrence", _instant(text))


def _instant(text: str) -> datetime:
    # A bare number would be read as seconds since 1970.
    if ":" in text:
        with suppress(ValidationError):
            return _INSTANT.validate_python(text)
    problem = Problem("occurrence", "invalid", "must be an occurrence id, a due instant with offset, or `latest`")
    raise InvalidError.of([problem], what="The request")


def aware(field: str, value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        problem = Problem(field, "timezone_missing", "needs an offset, such as 2026-05-04T05:00:00Z")
        raise InvalidError.of([problem], what="The request")
    return value
