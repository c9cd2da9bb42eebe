"""The values that the filters package hands out. They decide nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class FilterSort(StrEnum):
    NAME = "name"
    NAME_DOWN = "-name"
    UPDATED = "updated_at"
    UPDATED_DOWN = "-updated_at"

    @property
    def is_down(self) -> bool:
        return self.value.startswith("-")

    @property
    def is_by_time(self) -> bool:
        return self.value.endswith("updated_at")


@dataclass(frozen=True, slots=True)
class FilterQuery:
    """Which filters a list shows. `archived` None = both."""

    q: str | None = None
    archived: bool | None = False
    sort: FilterSort = FilterSort.NAME


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A filter as stored, as one reader sees it. `site_ids` are those of the reader's sites."""

    id: int
    name: str
    description: str
    criteria: Mapping[str, Any]
    site_mode: str
    site_ids: Sequence[int]
    revision: int
    allowed_site_ids: Sequence[int] | None
    archived_at: datetime | None
    created_by: str | None
    updated_by: str | None
    created_at: datetime
    updated_at: datetime
    #: Whether it finds more than the reader sees, or names sites unseen: so that the reader cannot change it.
    spans_other_sites: bool
    #: In plain English; None when a custom field that it asks about is gone.
    in_words: str | None

    @property
    def definition(self) -> dict[str, Any]:
        """What a save of it would be given, as its reader sees it."""
        same = ("name", "description", "criteria", "site_mode")
        return {**{name: getattr(self, name) for name in same}, "site_ids": list(self.site_ids)}


@dataclass(frozen=True, slots=True)
class Saved:
    """A filter after a save."""

    filter: SavedFilter
    is_changed: bool


@dataclass(frozen=True, slots=True)
class FilterRevision:
    """What one save held."""

    revision: int
    definition: Mapping[str, Any]
    changed_by: str | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """Whether the reader may do something to a filter, and why not."""

    action: str
    allowed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """A job or a window that a filter is part of, and whether the reader sees it."""

    id: int
    name: str
    is_visible: bool
    #: It leaves out what the filter finds; jobs alone do that.
    is_exclusion: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A device that a filter finds, and why: a sentence for each criterion that hits."""

    device_id: UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    os_family: str
    online: bool
    last_seen_at: datetime | None
    why: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a filter finds now, of the devices that the reader sees: how many, and a page of them by host name."""

    in_words: str
    devices: int
    online: int
    items: Sequence[Match]
    next_cursor: str | None

    @property
    def offline(self) -> int:
        return self.devices - self.online
