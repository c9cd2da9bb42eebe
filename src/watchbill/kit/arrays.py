"""Lists as parameters of statements: thousands of rows travel as a few arrays, and writing those down must cost next to nothing.

psycopg takes every element apart by itself; what batches consist of (numbers, times, ids, words) is written at once here. All else,
nested lists and mixed ones among them, is left to psycopg, and so is saying which type an array has.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection, Connection
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat
from psycopg.types.array import BaseListDumper, ListBinaryDumper, ListDumper


def adapt(connection: "Connection[Any] | AsyncConnection[Any]") -> None:
    """From now on lists go to the server over this connection in the faster way."""
    connection.adapters.register_dumper(list, FlatListDumper)


class FlatListDumper(ListDumper):
    """A list of one kind of values, some of them None, as the text of an array; bytes as they are."""

    def upgrade(self, obj: list[Any], format: PyFormat) -> BaseListDumper:
        if any(type(one) is bytes for one in obj):
            return ListBinaryDumper(self.cls, self._tx).upgrade(obj, PyFormat.BINARY)
        return super().upgrade(obj, format)

    def dump(self, obj: list[Any]) -> Buffer | None:
        kinds = set(map(type, obj)) - {type(None)}
        words = _WORDS.get(kinds.pop()) if len(kinds) == 1 else None
        if words is None:
            return super().dump(obj)
        whole = f"{{{','.join(['NULL' if one is None else words(one) for one in obj])}}}"
        # No text of the database can hold that: psycopg says so.
        return super().dump(obj) if "\0" in whole else whole.encode()


def _quoted(words: str) -> str:
    if "\\" in words or '"' in words:
        words = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{words}"'


_WORDS: Final[dict[type, Callable[[Any], str]]] = {
    int: str,
    bool: lambda one: "t" if one else "f",
    uuid.UUID: lambda one: one.hex,
    datetime: datetime.isoformat,
    str: _quoted,
}
