"""`/api/windows`: maintenance windows and blackouts, calendar files as windows, and what windows say about a start."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Header, Query, Response

from watchbill import windows
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Now, PageOf, SearchQuery, Tx, check_if_match, etag, router
from watchbill.api.documented import Documented
from watchbill.api.window_shapes import (
    CheckQuery,
    DraftPreviewReply,
    ImportQuery,
    ImportReply,
    PreviewQuery,
    WindowBody,
    WindowCheckReply,
    WindowKind,
    WindowPreviewReply,
    WindowReply,
    WindowRow,
    check_reply,
    draft_preview_reply,
    import_reply,
    preview_reply,
    window_reply,
    window_row,
)
from watchbill.windows import WindowFilter

resource = router(prefix="/api/windows", tags=["windows"])

CALENDAR = "text/calendar"
IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
AnyWindow = Annotated[Any, Documented(WindowBody), Body()]
CalendarFile = Annotated[bytes, Body(media_type=CALENDAR, description="an iCalendar file (RFC 5545)")]


class WindowQuery(SearchQuery):
    """Which windows; by a site, a device or a job those that cover it, global ones too."""

    kind: WindowKind | None = None
    enabled: bool | None = None
    site_id: Id | None = None
    device_id: UUID | None = None
    job_id: Id | None = None


@resource.get("")
async def list_windows(tx: Tx, caller: Caller, now: Now, query: Annotated[WindowQuery, Query()]) -> PageOf[WindowRow]:
    """The windows that reach the caller's sites, by name. Their spans are told one by one: a calendar of them is long."""
    wanted = WindowFilter(query.q, query.kind, query.enabled, query.site_id, query.device_id, query.job_id)
    page = await windows.list_windows(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[WindowRow].of(page, lambda window: window_row(window, caller, now))


@resource.post("", status_code=201)
async def create_window(body: AnyWindow, tx: Tx, caller: Caller, now: Now, response: Response) -> WindowReply:
    """Save a new window. It counts from now on for whatever has not started."""
    window = await windows.create(tx, caller, body, now=now)
    response.headers["Location"] = f"/api/windows/{window.id}"
    response.headers["ETag"] = etag(window.revision)
    return window_reply(window, caller, now)


@resource.post("/preview")
async def preview_draft_window(body: AnyWindow, tx: Tx, caller: Caller, now: Now) -> DraftPreviewReply:
    """When a window would be open if it were saved now, and its spans in words. Only spans are judged: a name may still be missing.

    Nothing is saved.
    """
    return draft_preview_reply(await windows.try_out(tx, caller, body, now=now))


@resource.post("/import", status_code=201, responses={200: {"model": ImportReply, "description": "Only tried"}})
async def import_window(
    body: CalendarFile, query: Annotated[ImportQuery, Query()], tx: Tx, caller: Caller, now: Now, response: Response
) -> ImportReply:
    """Save a new window whose spans are the events of a calendar file: all that are still to come, or none.

    The body is the file itself, as `text/calendar`. One event that cannot be a span refuses the whole file, and every such event
    is named. `dry_run` shows what it would become.
    """
    imported = await windows.import_calendar(
        tx, caller, body, query.definition(), timezone=query.timezone, now=now, is_dry_run=query.dry_run
    )
    response.status_code = 201 if imported.window else 200
    return import_reply(imported, caller, now, query.zone_source)


@resource.get("/check")
async def check_windows(tx: Tx, caller: Caller, now: Now, query: Annotated[CheckQuery, Query()]) -> WindowCheckReply:
    """Would it start at that instant? If not: why, and when next. Nothing is started or saved."""
    checked = await windows.check(
        tx, caller, job_id=query.job_id, device_id=query.device_id, at=query.at or now, now=now
    )
    return check_reply(checked)


@resource.get("/{window_id}")
async def get_window(window_id: Id, tx: Tx, caller: Caller, now: Now, response: Response) -> WindowReply:
    """One window."""
    window = await windows.get(tx, caller, window_id)
    response.headers["ETag"] = etag(window.revision)
    return window_reply(window, caller, now)


@resource.put("/{window_id}")
async def update_window(
    window_id: Id, body: AnyWindow, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> WindowReply:
    """Save a window anew. What changes nothing makes no revision."""
    before = await windows.lock(tx, caller, window_id)
    check_if_match(if_match, before.revision)
    saved = await windows.update(tx, caller, before, body, now=now)
    response.headers["ETag"] = etag(saved.window.revision)
    return window_reply(saved.window, caller, now)


@resource.delete("/{window_id}", status_code=204)
async def delete_window(window_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None) -> None:
    """Delete a window. What it covered is free of it at once."""
    before = await windows.lock(tx, caller, window_id)
    check_if_match(if_match, before.revision)
    await windows.delete(tx, caller, before, now=now)


@resource.get("/{window_id}/preview")
async def preview_window(
    window_id: Id, tx: Tx, caller: Caller, now: Now, query: Annotated[PreviewQuery, Query()]
) -> WindowPreviewReply:
    """When the window is open, or its blackout holds, from one instant to another: what a calendar shows of it."""
    window = await windows.get(tx, caller, window_id)
    begin = query.from_ or now
    preview = await windows.preview(tx, caller, window, begin=begin, end=query.to, site_id=query.site_id)
    return preview_reply(preview)
