"""The window as OpenAPI documents it, and as replies show it. What is allowed beyond shape is decided in `core.window_rules`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from watchbill import windows
from watchbill.api.common import Id, Instant, Model
from watchbill.core.window_rules import (
    CUTOFF_SECONDS,
    DURATION_DAYS,
    DURATION_SECONDS,
    MAX_ATTACHMENTS,
    MAX_SPANS,
    span_text,
)
from watchbill.identity import Actor
from watchbill.windows import Checked, CheckedGroup, Imported, Preview, SavedWindow, Tried, ZonePreview

_SECONDS_LOW, _SECONDS_HIGH = DURATION_SECONDS
_DAYS_LOW, _DAYS_HIGH = DURATION_DAYS
_CUTOFF_LOW, _CUTOFF_HIGH = CUTOFF_SECONDS

_TEXTS_IN_LISTS = 5

WindowKind = Literal["allow", "deny"]


class WindowSchedule(Model):
    """When a span begins: as in jobs, but not `immediately`. Wall clocks are in `timezone`, or on the clocks of each site."""

    type: str = Field(
        description="once, every_5_minutes, every_10_minutes, every_15_minutes, every_30_minutes, hourly, daily, weekly,"
        " monthly, yearly, cron or rrule"
    )
    timezone: str | None = Field(default=None, description="UTC by default; absent where `zone_source` is site")
    start: str | None = Field(default=None, description="wall clock such as 2026-12-24T00:00, or instant with offset")
    end: str | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    expression: str | None = Field(default=None, description="for type cron")
    rule: str | None = Field(default=None, description="for type rrule")
    exdate: list[str] | None = Field(default=None, description="for type rrule")
    rdate: list[str] | None = Field(default=None, description="for type rrule")


class WindowSpan(Model):
    """From each instant of the schedule on: elapsed seconds, or days to the same wall clock. Exactly one of the two."""

    name: Annotated[str, Field(max_length=200)] | None = None
    schedule: WindowSchedule
    duration_seconds: Annotated[int, Field(ge=_SECONDS_LOW, le=_SECONDS_HIGH)] | None = None
    duration_days: Annotated[int, Field(ge=_DAYS_LOW, le=_DAYS_HIGH)] | None = None


class WindowAttachment(Model):
    """What is covered: everything, or what the id of its kind names."""

    kind: Literal["global", "site", "device", "job", "filter"]
    site_id: Id | None = None
    device_id: UUID | None = None
    job_id: Id | None = None
    filter_id: Id | None = Field(default=None, description="the devices that it finds when work is about to start")


class _Window(Model):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    kind: WindowKind = Field(description="a maintenance window (allow), or a blackout (deny)")
    zone_source: Literal["fixed", "site"] = "fixed"
    when_closed: Literal["skip", "defer"] = "skip"
    cutoff_seconds: int = Field(
        default=0,
        ge=_CUTOFF_LOW,
        le=_CUTOFF_HIGH,
        description="nothing starts later than this before the end; for allow",
    )
    stop_at_end: bool = Field(default=False, description="what still runs at the end is stopped; for allow")


class WindowBody(_Window):
    """A window needs a name, a kind, spans and what it covers; everything else has a default."""

    spans: Annotated[list[WindowSpan], Field(min_length=1, max_length=MAX_SPANS)]
    attachments: Annotated[list[WindowAttachment], Field(min_length=1, max_length=MAX_ATTACHMENTS)]
    enabled: bool | None = Field(default=None, description="a new window is enabled; an edit leaves it as it is")


class WindowAction(Model):
    action: str
    allowed: bool
    reason: str | None


class Current(Model):
    """Whether now lies inside, and until when that holds; null = no change in sight."""

    is_inside: bool
    until_at: Instant | None


class _WindowReply(_Window):
    """A window as it stands. Of what it covers only that is told which the caller sees; `covers` names it in the same order.

    `current` is null where it differs from site to site.
    """

    id: Id
    revision: int
    enabled: bool
    attachments: list[dict[str, Any]]
    covers: list[str]
    spans_other_sites: bool
    current: Current | None
    created_by: str | None
    updated_by: str | None
    created_at: Instant
    updated_at: Instant
    allowed_actions: list[WindowAction]


class WindowReply(_WindowReply):
    """A window as it stands, whole."""

    spans: list[dict[str, Any]]
    span_texts: list[str | None]


class WindowRow(_WindowReply):
    """A window in a list: how many spans it has, and the first few in words."""

    span_count: int
    span_texts: list[str | None]


class LeftOutEvent(Model):
    name: str | None
    uid: str | None
    reason: Literal["cancelled", "ended"]


class ImportReply(Model):
    """What a calendar file became: its events as spans, and those that make none. `window` is null when it was only tried."""

    window: WindowReply | None
    spans: list[dict[str, Any]]
    span_texts: list[str | None]
    left_out: list[LeftOutEvent]


class StretchReply(Model):
    """From when until when; `ends_at` is null where no end is in sight."""

    starts_at: Instant
    ends_at: Instant | None


class ZonePreviewReply(Model):
    timezone: str
    stretches: list[StretchReply]
    is_capped: bool


class WindowPreviewReply(Model):
    """When the window is open, or its blackout holds: once, or on the clocks of each zone that the caller's sites are in.

    `is_capped`: there are more zones than these; ask by `site_id`.
    """

    from_at: Instant
    to_at: Instant
    zones: list[ZonePreviewReply]
    is_capped: bool


class DraftPreviewReply(WindowPreviewReply):
    """The same of a window that is not saved yet, with its spans in words."""

    span_texts: list[str | None]


class CheckReply(Model):
    """What the windows say about a start. `hostnames` are the first few of the devices for which this is so."""

    devices: int
    hostnames: list[str]
    is_open: bool
    reason: Literal["blackout", "outside_window"] | None = Field(
        description="blackout: one holds then. outside_window: no maintenance window of theirs is open"
    )
    action: Literal["skip", "defer"] | None = Field(
        description="skip: it would not run. defer: it would wait until `opens_at`"
    )
    opens_at: Instant | None = Field(
        description="the first instant at which it may start; null = open, or none within a year"
    )
    stop_at: Instant | None = Field(description="when what starts then would be stopped, by the end of its window")
    windows: list[str] = Field(description="the names of the closed windows")
    sentence: str | None = Field(description="why not, and when next, in words")


class WindowCheckReply(Model):
    """Whether work would start everywhere at that instant, and for each group of devices why not and when next."""

    at: Instant
    is_open: bool
    groups: list[CheckReply]


_ORIGIN = ("id", "revision", "created_by", "updated_by", "created_at", "updated_at", "spans_other_sites")


def window_reply(window: SavedWindow, actor: Actor, now: datetime) -> WindowReply:
    texts = _texts(window.spans, window.zone_source)
    return WindowReply.model_validate({**_shown(window, actor, now), "spans": list(window.spans), "span_texts": texts})


def window_row(window: SavedWindow, actor: Actor, now: datetime) -> WindowRow:
    texts = _texts(window.spans[:_TEXTS_IN_LISTS], window.zone_source)
    shown = {**_shown(window, actor, now), "span_count": len(window.spans), "span_texts": texts}
    return WindowRow.model_validate(shown)


def _shown(window: SavedWindow, actor: Actor, now: datetime) -> dict[str, Any]:
    stage = windows.current(window, now)
    return {
        **{name: value for name, value in window.definition.items() if name != "spans"},
        **{name: getattr(window, name) for name in _ORIGIN},
        "covers": [f"{one.attachment.kind} {one.name}" if one.name else "everything" for one in window.attachments],
        "current": Current(is_inside=stage.is_inside, until_at=stage.until) if stage else None,
        "allowed_actions": windows.allowed_actions(actor, window),
    }


def _texts(spans: Sequence[Any], zone_source: object) -> list[str | None]:
    return [span_text(one, follows_site=zone_source == "site") for one in spans]


def import_reply(imported: Imported, actor: Actor, now: datetime, zone_source: str) -> ImportReply:
    return ImportReply(
        window=window_reply(imported.window, actor, now) if imported.window else None,
        spans=[dict(one) for one in imported.spans],
        span_texts=_texts(imported.spans, zone_source),
        left_out=[LeftOutEvent.model_validate(one) for one in imported.left_out],
    )


def preview_reply(preview: Preview) -> WindowPreviewReply:
    zones = [_zone(one) for one in preview.zones]
    return WindowPreviewReply(from_at=preview.begin, to_at=preview.end, zones=zones, is_capped=preview.is_capped)


def draft_preview_reply(tried: Tried) -> DraftPreviewReply:
    shown = preview_reply(tried.preview)
    texts = _texts(tried.spans, tried.zone_source)
    return DraftPreviewReply(
        from_at=shown.from_at, to_at=shown.to_at, zones=shown.zones, is_capped=shown.is_capped, span_texts=texts
    )


def _zone(one: ZonePreview) -> ZonePreviewReply:
    stretches = [StretchReply(starts_at=stretch.start, ends_at=stretch.end) for stretch in one.stretches]
    return ZonePreviewReply(timezone=one.timezone, stretches=stretches, is_capped=one.is_capped)


def check_reply(checked: Checked) -> WindowCheckReply:
    is_open = all(one.verdict.is_open for one in checked.groups)
    return WindowCheckReply(at=checked.at, is_open=is_open, groups=[_group(one) for one in checked.groups])


def _group(group: CheckedGroup) -> CheckReply:
    verdict = group.verdict
    same = ("is_open", "reason", "action", "opens_at", "stop_at", "sentence")
    return CheckReply(
        devices=group.devices,
        hostnames=list(group.hostnames),
        windows=list(verdict.names),
        **{name: getattr(verdict, name) for name in same},
    )


class ImportQuery(Model):
    """The window around a calendar file. Rules beyond shape are those of a window."""

    name: Annotated[str, Field(max_length=200, description="the new window's")]
    kind: WindowKind = Field(description="allow: work may start only during the events; deny: not during them")
    attach: list[Annotated[str, Field(max_length=60)]] = Field(
        min_length=1,
        max_length=MAX_ATTACHMENTS,
        description="global, site:3, device:0f2e…, job:7, filter:12; may be repeated",
    )
    description: Annotated[str, Field(max_length=10_000, description="for people")] = ""
    when_closed: Literal["skip", "defer"] = Field(
        default="skip", description="what may not start is left out (skip), or waits for the first open instant (defer)"
    )
    cutoff_seconds: Annotated[
        int,
        Field(ge=_CUTOFF_LOW, le=_CUTOFF_HIGH, description="nothing starts later than this before the end; for allow"),
    ] = 0
    stop_at_end: bool = Field(default=False, description="what still runs at the end is stopped; for allow")
    enabled: bool = Field(default=True, description="false: it is saved and holds nothing back yet")
    zone_source: Literal["fixed", "site"] = Field(
        default="fixed", description="site: dates and times are those of each device's site"
    )
    timezone: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="of dates and times that have none; by default the one that the file names"
    )
    dry_run: bool = Field(default=False, description="tell what would become of it, and save nothing")

    def definition(self) -> dict[str, object]:
        """The window without its spans."""
        apart = {"attach", "timezone", "dry_run"}
        return self.model_dump(exclude=apart) | {"attachments": list(_attachments(self.attach))}


def _attachments(texts: Sequence[str]) -> Iterator[dict[str, object]]:
    for one in texts:
        kind, colon, name = one.partition(":")
        number = int(name) if name.isascii() and name.isdigit() else name
        yield {"kind": kind, **({f"{kind}_id": number} if colon else {})}


class PreviewQuery(Model):
    """Which time is looked at, 400 days at most."""

    from_: Annotated[AwareDatetime | None, Field(alias="from", description="now by default")] = None
    to: Annotated[AwareDatetime | None, Field(description="five weeks later by default")] = None
    site_id: Annotated[Id | None, Field(description="on the clocks of this site")] = None


class CheckQuery(Model):
    """A job on each of its devices, anything on one device, or a job on a device."""

    job_id: Annotated[Id | None, Field(description="one of the two is needed: the job that would start")] = None
    device_id: Annotated[UUID | None, Field(description="the device that it would start on")] = None
    at: Annotated[AwareDatetime | None, Field(description="now by default")] = None
