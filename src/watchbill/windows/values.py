"""The values that the windows package hands out. They decide nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watchbill.core.window_rules import Attachment
from watchbill.core.windows import Kind, Verdict


@dataclass(frozen=True, slots=True)
class NamedAttachment:
    """What a window is attached to, and what that is called; global attachments have no name."""

    attachment: Attachment
    name: str | None


@dataclass(frozen=True, slots=True)
class SavedWindow:
    """A window as stored, as one reader sees it."""

    id: int
    name: str
    description: str
    kind: str
    spans: Sequence[Mapping[str, Any]]
    zone_source: str
    when_closed: str
    cutoff_seconds: int
    stop_at_end: bool
    enabled: bool
    revision: int
    created_by: str | None
    updated_by: str | None
    created_at: datetime
    updated_at: datetime
    #: Those in the reader's sites; jobs that were deleted are left out.
    attachments: Sequence[NamedAttachment] = ()
    #: Whether it covers more than the reader's sites, so that the reader cannot change it.
    spans_other_sites: bool = False

    @property
    def follows_site(self) -> bool:
        return self.zone_source == "site"

    @property
    def definition(self) -> dict[str, Any]:
        """What a save of it would be given, as its reader sees it."""
        same = ("name", "description", "kind", "zone_source", "when_closed", "cutoff_seconds", "stop_at_end", "enabled")
        named = [one.attachment.to_json() for one in self.attachments]
        return {**{name: getattr(self, name) for name in same}, "spans": list(self.spans), "attachments": named}


@dataclass(frozen=True, slots=True)
class WindowFilter:
    """Which windows a list shows: of this kind, and those that cover this site, device or job."""

    q: str | None = None
    kind: Kind | None = None
    enabled: bool | None = None
    site_id: int | None = None
    device_id: Any = None
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A window after a save."""

    window: SavedWindow
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Action:
    """Whether the reader may do something to a window, and why not."""

    action: str
    allowed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time within which the window is open, or its blackout holds. `end` None = beyond what is looked at."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class ZonePreview:
    """The stretches of one window on the clocks of one zone. `is_capped`: there are more."""

    timezone: str
    stretches: Sequence[Stretch]
    is_capped: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """The stretches of one window in [begin, end), by zone. `is_capped`: the reader's sites are in more zones than these."""

    begin: datetime
    end: datetime
    zones: Sequence[ZonePreview]
    is_capped: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """A window that is still being written: when it would be open, and its spans as they would be kept."""

    preview: Preview
    spans: Sequence[Mapping[str, Any]]
    zone_source: str


@dataclass(frozen=True, slots=True)
class CheckedGroup:
    """Devices of which the same is true, and what the windows say about them. `hostnames` are the first few."""

    devices: int
    hostnames: Sequence[str]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Checked:
    """What the windows say about a start at an instant, of all devices that were asked about."""

    at: datetime
    groups: Sequence[CheckedGroup]
