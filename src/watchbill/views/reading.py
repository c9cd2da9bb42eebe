"""Reads a view as the API gives it and names everything that is wrong with its own words. Knows no screen's parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from watchbill.core.fields import Choice, Fields, shown
from watchbill.core.problems import Problem

MAX_COLUMNS: Final = 50
_READ_ONLY: Final = frozenset(
    {"id", "owner", "is_mine", "revision", "created_at", "updated_at", "allowed_actions"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ViewDraft:
    """A view as read. `columns` None = those that the screen shows by itself."""

    name: str
    screen: str
    query: Mapping[str, object]
    columns: Sequence[str] | None
    is_shared: bool


def read(body: object, screens: Sequence[str]) -> tuple[ViewDraft, list[Problem]]:
    """The view, to be trusted only when there is no problem; `screen` is "" where it is none of `screens`."""
    problems: list[Problem] = []
    fields = Fields.of(body, problems)
    draft = ViewDraft(
        name=fields.name(),
        screen=fields.choice("screen", Choice(tuple(screens))) or "",
        query=fields.object("query").value,
        columns=_columns(fields),
        is_shared=fields.boolean("is_shared", default=False),
    )
    fields.refuse_unknown("a view", _READ_ONLY)
    return draft, problems


def _columns(fields: Fields) -> list[str] | None:
    if fields.value.get("columns") is None:
        fields.take("columns")
        return None
    found: dict[str, int] = {}
    for place, item in enumerate(fields.items("columns", least=1, most=MAX_COLUMNS)):
        if not isinstance(item, str):
            fields.refuse(f"columns.{place}", "wrong_type", f"must be a text, not {shown(item)}")
        elif found.setdefault(item, place) != place:
            fields.refuse(f"columns.{place}", "duplicate", f"{shown(item)} is listed already at columns.{found[item]}")
    return list(found)
