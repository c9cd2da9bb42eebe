"""What a person asks of windows: when is this one open, would that job start then, and if not, why and when. Changes nothing."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, sites
from watchbill.core.problems import Problem
from watchbill.core.schedule_types import ScheduleProblems
from watchbill.core.window_rules import read, stored_span
from watchbill.core.window_spans import Spans, Stage, read_spans
from watchbill.core.windows import Verdict, Window, WindowSet
from watchbill.identity import Actor, Permission
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import InvalidError, NotFoundError
from watchbill.windows import store
from watchbill.windows.covering import covering_devices, load
from watchbill.windows.saving import within_budget
from watchbill.windows.values import Checked, CheckedGroup, Preview, SavedWindow, Stretch, Tried, ZonePreview

PREVIEW_DEFAULT: Final = timedelta(days=35)
PREVIEW_LONGEST: Final = timedelta(days=400)
#: Of all zones together, each of which has its share.
MAX_STRETCHES: Final = 500
MAX_ZONES: Final = 10
#: Processor time that one preview may take.
PREVIEW_SECONDS: Final = 2.0
MAX_GROUPS: Final = 50
#: How far a check looks for the first open instant.
CHECK_AHEAD: Final = timedelta(days=366)
_YEARS: Final = range(1970, 2401)
_SHOWN_HOSTNAMES: Final = 5
#: What of a window says when it is open.
_OF_SPANS: Final = ("spans", "zone_source")


async def preview(
    tx: AsyncConnection,
    actor: Actor,
    window: SavedWindow,
    *,
    begin: datetime,
    end: datetime | None = None,
    site_id: int | None = None,
) -> Preview:
    """The stretches of a window in [begin, end): in each zone of the reader's sites, or of one of them, where it follows them."""
    begin = _usual("from", begin)
    end = begin + PREVIEW_DEFAULT if end is None else _usual("to", end)
    if not begin < end <= begin + PREVIEW_LONGEST:
        message = f"must be later than `from`, by at most {PREVIEW_LONGEST.days} days"
        raise InvalidError.of([Problem("to", "out_of_range", message)], what="The request")
    spans = Spans(tuple(window.spans), follows_site=window.follows_site)
    return await _preview(tx, actor, spans, begin, end, site_id=site_id, is_following=window.follows_site)


async def try_out(tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime) -> Tried:
    """When a window would be open that is still being written, and how its spans read; only its spans are judged, nothing is saved."""
    actor.require(Permission.READ)
    reading = within_budget(read, definition)
    draft = reading.draft
    stored = [stored_span(one, draft.zone_source, now) for one in draft.spans]
    problems = [one for one in reading.problems if one.field.partition(".")[0] in _OF_SPANS]
    kept = tuple(one for one in stored if one is not None)
    if problems or not kept:
        raise InvalidError.of(problems or [Problem("spans", "required", "say when")], what="The window")
    is_following = draft.zone_source == "site"
    spans = Spans(kept, follows_site=is_following)
    found = await _preview(tx, actor, spans, now, now + PREVIEW_DEFAULT, site_id=None, is_following=is_following)
    return Tried(found, kept, draft.zone_source)


async def _preview(
    tx: AsyncConnection,
    actor: Actor,
    spans: Spans,
    begin: datetime,
    end: datetime,
    *,
    site_id: int | None,
    is_following: bool,
) -> Preview:
    if site_id is not None:
        zones = [(await sites.get_site(tx, actor, site_id)).timezone]
    elif is_following:
        zones = await store.zones_of_sites(tx, actor.scope, limit=MAX_ZONES + 1)
    else:
        zones = ["UTC"]
    # Beside the event loop, which has others to serve.
    found = await asyncio.to_thread(_zone_previews, spans, zones[:MAX_ZONES], begin, end)
    return Preview(begin, end, found, is_capped=len(zones) > MAX_ZONES)


def _usual(name: str, at: datetime) -> datetime:
    """The instant in UTC. What lies further off cannot be reckoned with: dates end somewhere."""
    if at.year not in _YEARS:
        wrong = Problem(name, "out_of_range", f"must lie in the years {_YEARS[0]} to {_YEARS[-1]}")
        raise InvalidError.of([wrong], what="The request")
    return at.astimezone(UTC)


def current(window: SavedWindow, now: datetime) -> Stage | None:
    """Whether a window is open (or its blackout holds) and until when; None where that differs from site to site."""
    if window.follows_site:
        return None
    try:
        return read_spans(json.dumps(list(window.spans)), follows_site=False).in_zone("UTC").stage(now)
    except ScheduleProblems:
        return None


def _zone_previews(spans: Spans, zones: Sequence[str], begin: datetime, end: datetime) -> list[ZonePreview]:
    """Nothing can interrupt a thread of its own: it looks at its processor time itself, after each stretch."""
    most, latest = MAX_STRETCHES // max(len(zones), 1), time.thread_time() + PREVIEW_SECONDS
    previews = []
    for zone in zones:
        found: list[Stretch] = []
        for stretch in islice(_stretches(spans, zone, begin, end), most + 1):
            _refuse_if_late(latest)
            found.append(stretch)
        _refuse_if_late(latest)
        previews.append(ZonePreview(spans.zone_name(zone), found[:most], is_capped=len(found) > most))
    return previews


def _refuse_if_late(latest: float) -> None:
    if time.thread_time() > latest:
        message = "takes too long to find out: ask for a shorter time, or for one site"
        raise InvalidError.of([Problem("to", "too_slow", message)], what="The request")


def _stretches(spans: Spans, zone: str, begin: datetime, end: datetime) -> Iterator[Stretch]:
    try:
        timeline = spans.in_zone(zone)
    except ScheduleProblems as error:
        raise InvalidError(f"The window cannot be read: {error}") from None
    return (Stretch(*one) for one in timeline.stretches(begin, end))


async def check(
    tx: AsyncConnection, actor: Actor, *, job_id: int | None, device_id: UUID | None, at: datetime, now: datetime
) -> Checked:
    """What the windows say about a start at an instant: of a job on each of the devices that it would run on now, or of anything on one device."""
    actor.require(Permission.READ)
    at = _usual("at", at)
    if job_id is None and device_id is None:
        missing = Problem("job_id", "required", "or device_id is required: whom to check")
        raise InvalidError.of([missing], what="The request")
    if job_id is not None:
        await jobs.get(tx, actor, job_id)
    placed = await store.placed_devices(tx, actor.scope, device_id=device_id, job_id=job_id, now=now)
    if device_id is not None and not placed:
        raise NotFoundError("There is no such device.", code="device_not_found")
    # No job has this number: only what covers the device counts.
    pairs = [(job_id or 0, one.device_id) for one in placed]
    covering = await covering_devices(tx, pairs, now)
    loaded = await load(tx)
    groups: dict[tuple[frozenset[int], str], list[str]] = {}
    for one, pair in zip(placed, pairs, strict=True):
        groups.setdefault((covering[pair], one.timezone), []).append(one.hostname)
    checked = [
        (loaded.verdict(ids, zone, at, until=at + CHECK_AHEAD), hostnames) for (ids, zone), hostnames in groups.items()
    ]
    return Checked(at, _merged(checked)[:MAX_GROUPS])


def _merged(checked: Sequence[tuple[Verdict, list[str]]]) -> list[CheckedGroup]:
    """Devices with the same verdict together, closed ones first, then the larger groups."""
    found: dict[Verdict, list[str]] = {}
    for verdict, hostnames in checked:
        found.setdefault(verdict, []).extend(hostnames)
    ordered = sorted(found.items(), key=lambda item: (item[0].is_open, -len(item[1])))
    return [CheckedGroup(len(names), sorted(names)[:_SHOWN_HOSTNAMES], verdict) for verdict, names in ordered]


async def next_opening(tx: AsyncConnection, window_id: int, now: datetime) -> Verdict | None:
    """Whether a window is open by itself, whatever it is attached to, and if not when; None = it is gone or off. For the Engine's own use."""
    one = await store.find(tx, SiteScope(None), window_id)
    if one is None or not one.enabled:
        return None
    spans = Spans(tuple(one.spans), follows_site=one.follows_site)
    alone = WindowSet([Window(one.id, one.name, "allow" if one.kind == "allow" else "deny", spans)])
    return alone.verdict([one.id], "UTC", now, until=now + CHECK_AHEAD)
