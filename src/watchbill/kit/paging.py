"""Keyset paging: an opaque cursor that carries the sort keys of the last row, so that a page costs the same at any depth."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from watchbill.core.problems import Problem
from watchbill.kit.errors import InvalidError

T = TypeVar("T")
U = TypeVar("U")

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows and the cursor of the next ones, None at the end."""

    items: Sequence[T]
    next_cursor: str | None

    def map(self, change: Callable[[T], U]) -> "Page[U]":
        return Page([change(item) for item in self.items], self.next_cursor)


def encode_cursor(keys: Sequence[str | int | None]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(keys)).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, kinds: Sequence[type]) -> list[str | int | None]:
    """The keys in a cursor, checked against `kinds` (str or int; None is always allowed). Raises InvalidError."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        keys = json.loads(raw)
    except ValueError:
        keys = None
    fits = isinstance(keys, list) and len(keys) == len(kinds)
    if not fits or not all(key is None or type(key) is kind for key, kind in zip(keys, kinds, strict=True)):
        problem = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
        raise InvalidError("The cursor does not belong to this list.", problems=[problem])
    return list(keys)


def page_of(rows: Sequence[T], limit: int, keys: Callable[[T], Sequence[str | int | None]]) -> Page[T]:
    """Cut a result that was read with `limit + 1` rows."""
    if len(rows) <= limit:
        return Page(rows, None)
    kept = rows[:limit]
    return Page(kept, encode_cursor(keys(kept[-1])))
