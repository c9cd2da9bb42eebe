"""`/api/device_filters`: saved questions about devices, what they can ask about, whom they find now and why, and what uses them."""

from typing import Annotated, Any, Literal

from fastapi import Body, Header, Query, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import filters, jobs, windows
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Now, PageOf, PageQuery, SearchQuery, Tx, check_if_match, etag, router
from watchbill.api.documented import Documented
from watchbill.api.filter_shapes import (
    ArchiveBody,
    CloneBody,
    FieldsReply,
    FilterAim,
    FilterBody,
    FilterPreviewReply,
    FilterReply,
    FilterRevisionReply,
    UsageReply,
    fields_reply,
    filter_reply,
    preview_reply,
    revision_reply,
    usage_reply,
)
from watchbill.filters import FilterQuery, FilterSort, SavedFilter
from watchbill.identity import Actor

resource = router(prefix="/api/device_filters", tags=["device filters"])

IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
AnyFilter = Annotated[Any, Documented(FilterBody), Body()]
AnyAim = Annotated[Any, Documented(FilterAim), Body()]


class DeviceFilterQuery(SearchQuery):
    """Which filters, and in which order."""

    archived: Annotated[
        Literal["false", "true", "all"], Field(description="those in use (false), those that are not (true), or all")
    ] = "false"
    sort: Annotated[FilterSort, Field(description="by name or by the last change; a minus turns it round")] = (
        FilterSort.NAME
    )


def _reply(one: SavedFilter, caller: Actor, response: Response) -> FilterReply:
    response.headers["ETag"] = etag(one.revision)
    return filter_reply(one, caller)


async def _used_by(tx: AsyncConnection, caller: Actor, filter_id: int) -> list[str]:
    """The live jobs and windows that need it, as a refusal names them."""
    by_jobs = filters.used_by(await jobs.using_filter(tx, caller, filter_id))
    by_windows = filters.used_by(await windows.using_filter(tx, caller, filter_id))
    return [*(f"job {name}" for name in by_jobs), *(f"window {name}" for name in by_windows)]


@resource.get("")
async def list_device_filters(
    tx: Tx, caller: Caller, query: Annotated[DeviceFilterQuery, Query()]
) -> PageOf[FilterReply]:
    """The filters that reach the caller's sites; archived ones only when asked for."""
    wanted = FilterQuery(query.q, {"false": False, "true": True, "all": None}[query.archived], query.sort)
    page = await filters.list_filters(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[FilterReply].of(page, lambda one: filter_reply(one, caller))


@resource.post("", status_code=201)
async def create_device_filter(body: AnyFilter, tx: Tx, caller: Caller, now: Now, response: Response) -> FilterReply:
    """Save a new filter. Jobs and windows may be aimed at it; each asks it anew whenever it is about to run."""
    made = await filters.create(tx, caller, body, now=now)
    response.headers["Location"] = f"/api/device_filters/{made.id}"
    return _reply(made, caller, response)


@resource.get("/fields")
async def list_filter_fields(tx: Tx, caller: Caller) -> FieldsReply:
    """Everything that criteria can ask about, with the operators of each, its unit and an example of a value."""
    return fields_reply(await filters.fields(tx, caller))


@resource.post("/preview")
async def preview_criteria(
    body: AnyAim, tx: Tx, caller: Caller, now: Now, query: Annotated[PageQuery, Query()]
) -> FilterPreviewReply:
    """Whom criteria would find now, and why each device. Nothing is saved.

    Of the devices that the caller sees. Everything that is wrong with the criteria is told at once; what takes more than five seconds is
    refused with the code `too_slow`.
    """
    return preview_reply(await filters.preview(tx, caller, body, limit=query.limit, cursor=query.cursor, now=now))


@resource.get("/{filter_id}")
async def get_device_filter(filter_id: Id, tx: Tx, caller: Caller, response: Response) -> FilterReply:
    """One filter."""
    return _reply(await filters.get(tx, caller, filter_id), caller, response)


@resource.put("/{filter_id}")
async def update_device_filter(
    filter_id: Id, body: AnyFilter, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> FilterReply:
    """Save a filter anew. Jobs and windows on it find other devices from their next start on; what changes nothing makes no revision."""
    before = await filters.lock(tx, caller, filter_id)
    check_if_match(if_match, before.revision)
    saved = await filters.update(tx, caller, before, body, now=now)
    if saved.is_changed:
        await windows.filter_changed(tx, caller, filter_id)
    return _reply(saved.filter, caller, response)


@resource.delete("/{filter_id}", status_code=204)
async def delete_device_filter(filter_id: Id, tx: Tx, caller: Caller, now: Now, if_match: IfMatch = None) -> None:
    """Delete a filter; refused while a job or a window uses it. What it found for runs of the past stays with them."""
    before = await filters.lock(tx, caller, filter_id)
    check_if_match(if_match, before.revision)
    used_by = await _used_by(tx, caller, filter_id)
    await filters.delete(tx, caller, before, used_by=used_by, now=now)


@resource.post("/{filter_id}/clone", status_code=201)
async def clone_device_filter(
    filter_id: Id, tx: Tx, caller: Caller, now: Now, response: Response, body: CloneBody | None = None
) -> FilterReply:
    """Save a copy under another name. It is the caller's own: it reaches the caller's sites."""
    made = await filters.clone(tx, caller, filter_id, body.name if body else None, now=now)
    response.headers["Location"] = f"/api/device_filters/{made.id}"
    return _reply(made, caller, response)


@resource.post("/{filter_id}/archive")
async def archive_device_filter(
    filter_id: Id, tx: Tx, caller: Caller, now: Now, response: Response, body: ArchiveBody | None = None
) -> FilterReply:
    """Take a filter out of use, or bring it back (`archived`: false). Refused while a job or a window uses it; its name becomes free."""
    before = await filters.lock(tx, caller, filter_id)
    if body is not None and not body.archived:
        return _reply(await filters.unarchive(tx, caller, before, now=now), caller, response)
    used_by = await _used_by(tx, caller, filter_id)
    return _reply(await filters.archive(tx, caller, before, used_by=used_by, now=now), caller, response)


@resource.get("/{filter_id}/usage")
async def get_device_filter_usage(filter_id: Id, tx: Tx, caller: Caller) -> UsageReply:
    """The jobs and windows that the filter is part of."""
    await filters.get(tx, caller, filter_id)
    by_jobs = await jobs.using_filter(tx, caller, filter_id)
    return usage_reply(by_jobs, await windows.using_filter(tx, caller, filter_id))


@resource.get("/{filter_id}/revisions")
async def list_device_filter_revisions(
    filter_id: Id, tx: Tx, caller: Caller, query: Annotated[PageQuery, Query()]
) -> PageOf[FilterRevisionReply]:
    """Every save, newest first."""
    page = await filters.list_revisions(tx, caller, filter_id, limit=query.limit, cursor=query.cursor)
    return PageOf[FilterRevisionReply].of(page, revision_reply)


@resource.get("/{filter_id}/preview")
async def preview_device_filter(
    filter_id: Id, tx: Tx, caller: Caller, now: Now, query: Annotated[PageQuery, Query()]
) -> FilterPreviewReply:
    """Whom the filter finds now of the devices that the caller sees, and why each. An archived one shows whom it would find."""
    found = await filters.preview_saved(tx, caller, filter_id, limit=query.limit, cursor=query.cursor, now=now)
    return preview_reply(found)
