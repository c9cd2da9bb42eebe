"""`/api/audit`: who did what to which object, when, from where; as a list, and as a file."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field

from watchbill import identity
from watchbill.api.auth import Caller, sign_in_of
from watchbill.api.common import PROBLEMS, Deps, Id, Instant, Model, PageOf, PageQuery, TheDeps, Tx, router
from watchbill.api.exports import cell, csv_lines
from watchbill.identity import Actor, Permission
from watchbill.identity.audit import Entry, Filter

resource = router(prefix="/api/audit", tags=["audit"])
#: It lasts as long as its reader, so it holds no transaction.
streams = APIRouter(prefix="/api/audit", tags=["audit"], responses=PROBLEMS)

Word = Annotated[str | None, Field(max_length=200)]


class AuditEntry(Model):
    """`operator_id` null = the Engine itself."""

    id: int
    at: Instant
    operator_id: int | None
    actor: str
    action: str
    object_kind: str
    object_id: str | None
    site_id: int | None
    remote_addr: str | None
    detail: dict[str, Any]


class _Wanted(Model):
    operator_id: Annotated[Id | None, Field(description="what this operator did")] = None
    action: Annotated[Word, Field(description="such as job.update")] = None
    object_kind: Annotated[Word, Field(description="such as job")] = None
    object_id: Annotated[Word, Field(description="of the object that it was done to")] = None
    site_id: Annotated[Id | None, Field(description="what was done to this site's devices")] = None
    since: Annotated[AwareDatetime | None, Field(description="then or later")] = None
    until: Annotated[AwareDatetime | None, Field(description="before then")] = None


class AuditQuery(_Wanted, PageQuery):
    """`since` is included, `until` is not."""


class AuditExportQuery(_Wanted):
    """The same filters as of the list, and how the file is written."""

    format: Annotated[Literal["csv", "jsonl"], Field(description="CSV with a head, or JSON lines")] = "csv"


@resource.get("")
async def list_audit_entries(tx: Tx, caller: Caller, query: Annotated[AuditQuery, Query()]) -> PageOf[AuditEntry]:
    """The trail, newest first."""
    wanted = Filter(**query.model_dump(exclude={"limit", "cursor"}))
    page = await identity.audit.list_entries(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    return PageOf[AuditEntry].of(page, AuditEntry.model_validate)


_COLUMNS = tuple(AuditEntry.model_fields)
_ROWS = 500
_CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@streams.get("/export", response_class=StreamingResponse)
async def export_audit(
    request: Request, deps: TheDeps, query: Annotated[AuditExportQuery, Query()]
) -> StreamingResponse:
    """The trail as a file, newest first: CSV with a head, or JSON lines. Any number of rows, streamed.

    A cell of CSV that a spreadsheet would take for a formula begins with an apostrophe; JSON lines tell every text as it is.
    """
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        caller.require(Permission.AUDIT_READ)
    pages = _pages(deps, caller, Filter(**query.model_dump(exclude={"format"})))
    body = _as_csv(pages) if query.format == "csv" else _as_json_lines(pages)
    headers = {
        "Content-Disposition": f'attachment; filename="audit.{query.format}"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(body, media_type=_CONTENT_TYPES[query.format], headers=headers)


async def _pages(deps: Deps, caller: Actor, wanted: Filter) -> AsyncIterator[list[dict[str, Any]]]:
    cursor: str | None = None
    while True:
        async with deps.db.begin() as tx:
            page = await identity.audit.list_entries(tx, caller, wanted, limit=_ROWS, cursor=cursor)
        yield [_record(one) for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return


def _record(one: Entry) -> dict[str, Any]:
    return AuditEntry.model_validate(one).model_dump(mode="json")


async def _as_csv(pages: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[str]:
    yield csv_lines([_COLUMNS])
    async for records in pages:
        rows = [{**one, "detail": json.dumps(one["detail"], ensure_ascii=False)} for one in records]
        yield csv_lines([[cell(row[name]) for name in _COLUMNS] for row in rows])


async def _as_json_lines(pages: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[str]:
    async for records in pages:
        yield "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
