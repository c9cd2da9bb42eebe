"""The device filter as OpenAPI documents it, and as replies show it. What is allowed beyond shape is decided in core."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from watchbill import filters
from watchbill.api.common import Id, Instant, Model
from watchbill.core.device_filter_rules import MAX_SITES
from watchbill.core.filter_expr import Field as FilterField
from watchbill.filters import FilterRevision, Match, Preview, SavedFilter, Use
from watchbill.identity import Actor

_CRITERIA = (
    "which devices, as a tree: a group `{all: [node, …]}`, `{any: [node, …]}` or `{not: node}`, or a criterion"
    " `{field, operator, value}`. `GET /api/device_filters/fields` tells the fields with their operators."
)
_EXAMPLE = {
    "all": [
        {"field": "os_family", "operator": "is", "value": "linux"},
        {"field": "hostname", "operator": "starts_with", "value": "web-"},
    ]
}

SiteMode = Literal["all", "only", "except"]


class FilterAim(Model):
    """Whom a filter names: devices that meet the criteria, at all sites, only at some, or at all except some."""

    criteria: dict[str, Any] = Field(description=_CRITERIA, examples=[_EXAMPLE])
    site_mode: SiteMode = Field(
        default="all", description="all: wherever its writer sees devices; only, except: see `site_ids`"
    )
    site_ids: list[Id] = Field(
        default_factory=list, max_length=MAX_SITES, description="the sites that site_mode speaks of; left out for all"
    )


class FilterBody(FilterAim):
    """A filter needs a name and criteria. It reaches the sites that whoever saves it sees, and no others, whoever uses it."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="unlike those of your other filters in use")]
    description: Annotated[str, Field(max_length=10_000, description="for people")] = ""


class CloneBody(Model):
    """Of the copy."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="`Copy of …` by default"
    )


class ArchiveBody(Model):
    """Whether the filter is out of use."""

    archived: bool = Field(default=True, description="false brings it back into use")


class FilterAction(Model):
    action: Literal["update", "archive", "unarchive", "delete"]
    allowed: bool
    reason: str | None


class FilterReply(FilterBody):
    """A filter as it stands; of `site_ids` those that the caller sees.

    `in_words` says the criteria in English; null when a custom field that they ask about is gone. `spans_other_sites`: it reaches, or
    names, sites that the caller does not see, who cannot change it therefore.
    """

    id: Id
    revision: int
    in_words: str | None
    spans_other_sites: bool
    archived_at: Instant | None
    created_by: str | None
    updated_by: str | None
    created_at: Instant
    updated_at: Instant
    allowed_actions: list[FilterAction]


class FilterRevisionReply(FilterBody):
    """What one save held. It never changes."""

    revision: int
    changed_by: str | None
    changed_at: Instant


class FieldReply(Model):
    """Something to ask about. `choices`: the only values there are; `unit`: what plain numbers count; `example`: a value as it is sent."""

    name: str
    label: str
    kind: str
    operators: list[str]
    choices: list[str]
    unit: str | None
    example: Any


class FieldsReply(Model):
    """All of them, custom fields last."""

    items: list[FieldReply]


class MatchReply(Model):
    """A device that is found. `why`: a sentence for each criterion that hits."""

    device_id: UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    os_family: str
    online: bool
    last_seen_at: Instant | None
    why: list[str]


class FilterPreviewReply(Model):
    """Whom a filter finds now, among the devices that the caller sees: how many, and one page of them by host name."""

    in_words: str
    devices: int
    online: int
    offline: int
    items: list[MatchReply]
    next_cursor: str | None


class UseReply(Model):
    id: int
    name: str


class JobUseReply(UseReply):
    """`is_exclusion`: the job leaves out what the filter finds."""

    is_exclusion: bool


class UsageReply(Model):
    """What a filter is part of, and cannot be archived or deleted for. What the caller does not see is counted, not named."""

    jobs: list[JobUseReply]
    windows: list[UseReply]
    unseen_jobs: int
    unseen_windows: int


def filter_reply(one: SavedFilter, caller: Actor) -> FilterReply:
    same = {name: getattr(one, name) for name in FilterReply.model_fields if name != "allowed_actions"}
    actions = [FilterAction.model_validate(action) for action in filters.allowed_actions(caller, one)]
    return FilterReply.model_validate({**same, "allowed_actions": actions})


def revision_reply(one: FilterRevision) -> FilterRevisionReply:
    return FilterRevisionReply.model_validate(
        {**one.definition, "revision": one.revision, "changed_by": one.changed_by, "changed_at": one.changed_at}
    )


def fields_reply(fields: Sequence[FilterField]) -> FieldsReply:
    return FieldsReply(
        items=[
            FieldReply(
                name=one.name,
                label=one.label,
                kind=one.kind.value,
                operators=list(one.operators),
                choices=list(one.choices),
                unit=one.unit,
                example=one.example,
            )
            for one in fields
        ]
    )


def preview_reply(found: Preview) -> FilterPreviewReply:
    counts = {name: getattr(found, name) for name in ("in_words", "devices", "online", "offline", "next_cursor")}
    return FilterPreviewReply(**counts, items=[_match(one) for one in found.items])


def _match(one: Match) -> MatchReply:
    return MatchReply.model_validate({name: getattr(one, name) for name in MatchReply.model_fields})


def usage_reply(jobs: Sequence[Use], windows: Sequence[Use]) -> UsageReply:
    return UsageReply(
        jobs=[JobUseReply(id=one.id, name=one.name, is_exclusion=one.is_exclusion) for one in jobs if one.is_visible],
        windows=[UseReply(id=one.id, name=one.name) for one in windows if one.is_visible],
        unseen_jobs=sum(not one.is_visible for one in jobs),
        unseen_windows=sum(not one.is_visible for one in windows),
    )
