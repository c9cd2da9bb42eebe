"""What a device filter may say: reads one as the API or a file gives it, with every problem at once. Pure; what criteria mean is `filter_expr`'s."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from watchbill.core.fields import Choice, Fields, is_integer, join, shown
from watchbill.core.filter_expr import CustomKind, Expression, FilterProblems, parse, to_json
from watchbill.core.problems import Problem

SiteMode = Literal["all", "only", "except"]

SITE_MODES: Final = Choice(("all", "only", "except"))
MAX_SITES: Final = 1_000
#: What a reply adds to a filter.
READ_ONLY: Final = frozenset(
    {
        "id", "revision", "in_words", "spans_other_sites", "archived_at", "created_by", "updated_by", "created_at", "updated_at",
        "allowed_actions",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Aim:
    """Whom a filter names: by criteria, at which sites. `criteria` None = they are faulty."""

    criteria: Expression | None
    site_mode: SiteMode = "all"
    site_ids: tuple[int, ...] = ()

    def to_json(self) -> dict[str, object]:
        criteria = to_json(self.criteria) if self.criteria is not None else None
        return {"criteria": criteria, "site_mode": self.site_mode, "site_ids": list(self.site_ids)}


@dataclass(frozen=True, slots=True)
class FilterDraft:
    """A filter as somebody wants to save it."""

    name: str
    description: str
    aim: Aim

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "description": self.description, **self.aim.to_json()}


def read(definition: object, custom_fields: Mapping[str, CustomKind]) -> tuple[FilterDraft, list[Problem]]:
    """A filter, and everything that is wrong with its own words."""
    problems: list[Problem] = []
    fields = Fields.of(definition, problems)
    name, description = fields.name(), fields.text("description", most=10_000, default="")
    draft = FilterDraft(name, description, _aim(fields, custom_fields))
    fields.refuse_unknown("a filter", READ_ONLY)
    return draft, problems


def read_aim(asked: object, custom_fields: Mapping[str, CustomKind]) -> tuple[Aim, list[Problem]]:
    """The same without a name: what a preview is asked for."""
    problems: list[Problem] = []
    fields = Fields.of(asked, problems)
    aim = _aim(fields, custom_fields)
    for name in ("name", "description"):
        fields.take(name)  # of a filter that is being written: they find nothing
    fields.refuse_unknown("a filter", READ_ONLY)
    return aim, problems


def _aim(fields: Fields, custom_fields: Mapping[str, CustomKind]) -> Aim:
    criteria = _criteria(fields, custom_fields)
    mode = cast("SiteMode", fields.choice("site_mode", SITE_MODES, default="all") or "all")
    ids = _site_ids(fields)
    if mode == "all" and ids:
        fields.refuse("site_ids", "not_allowed", "must be left out where site_mode is all; say only, or except")
    elif mode != "all" and not ids and not fields.value.get("site_ids"):
        fields.refuse("site_ids", "required", f"is required where site_mode is {mode}: the numbers of sites")
    return Aim(criteria, mode, ids)


def _criteria(fields: Fields, custom_fields: Mapping[str, CustomKind]) -> Expression | None:
    tree = fields.take("criteria")
    path = join(fields.path, "criteria")
    if tree is None:
        fields.refuse("criteria", "required", "is required: a group (all, any, not) or a criterion")
        return None
    try:
        return parse(tree, custom_fields, path=path)
    except FilterProblems as refused:
        fields.problems += refused.problems
        return None


def _site_ids(fields: Fields) -> tuple[int, ...]:
    found: dict[int, int] = {}
    for place, value in enumerate(fields.items("site_ids", most=MAX_SITES)):
        path = f"site_ids.{place}"
        if not is_integer(value) or not 1 <= value < 2**63:
            fields.refuse(path, "wrong_type", f"must be the number of a site, not {shown(value)}")
        elif value in found:
            fields.refuse(path, "duplicate", f"site {value} is listed already at site_ids.{found[value]}")
        else:
            found[value] = place
    return tuple(found)


def site_problems(site_ids: Sequence[int], existing: Collection[int]) -> list[Problem]:
    """Sites that do not exist for the writer. One text for absent and invisible: what one may not see does not exist."""
    return [
        Problem(f"site_ids.{place}", "site_not_found", f"there is no site {site_id}")
        for place, site_id in enumerate(site_ids)
        if site_id not in existing
    ]


def is_beyond(
    aim_mode: str, site_ids: Collection[int], allowed: Collection[int] | None, seen: Collection[int] | None
) -> bool:
    """Whether a filter finds devices, or names sites, that somebody who sees the sites `seen` (None = all) does not see.

    A site that is named and unseen would be lost if they saved it anew.
    """
    if seen is None:
        return False
    if not set(site_ids) <= set(seen):
        return True
    if aim_mode == "only":
        return False
    return allowed is None or not set(allowed) - set(site_ids) <= set(seen)
