"""Device rows of an occurrence as a file for other programs: CSV or JSON lines, streamed.

It lasts as long as its reader, so it holds no transaction: each page is read in a short one. Rows are told once each, by host name;
what changes meanwhile is told as it is when its page comes.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, runs
from watchbill.api.auth import sign_in_of
from watchbill.api.common import PROBLEMS, Deps, Id, Model, TheDeps
from watchbill.api.naming import which
from watchbill.core.states import TargetState
from watchbill.identity import SiteScope
from watchbill.kit.clock import rfc3339
from watchbill.runs import DeviceRow, Execution

streams = APIRouter(prefix="/api", tags=["output"], responses=PROBLEMS)

Record = Mapping[str, object]

#: Rows in memory at one time, and how many with the text of their output.
_ROWS, _ROWS_WITH_OUTPUT = 500, 50

_OF_ROW = (
    *(
        "target_id",
        "device_id",
        "hostname",
        "site_id",
        "site_name",
        "os",
        "state",
        "reason",
        "detail",
        "wave",
        "attempt",
    ),
    *("started_at", "finished_at", "exit_code", "last_line"),
)
_OF_EXECUTION = ("stdout_bytes", "stderr_bytes", "truncated")
COLUMNS = (*_OF_ROW, "execution_id", *_OF_EXECUTION, "output")
TEXTS = ("stdout", "stderr")
_CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


@dataclass(frozen=True)
class _Export:
    """What is asked for, by whom. `found` is the occurrence."""

    deps: Deps
    scope: SiteScope
    found: UUID
    states: Sequence[str]
    with_output: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return (*COLUMNS, *TEXTS) if self.with_output else COLUMNS

    async def pages(self) -> AsyncIterator[list[Record]]:
        cursor: str | None = None
        limit = _ROWS_WITH_OUTPUT if self.with_output else _ROWS
        while True:
            async with self.deps.db.begin() as tx:
                page = await runs.device_rows(
                    tx, self.scope, self.found, runs.RowFilter(self.states), limit=limit, cursor=cursor
                )
                records = await self._records(tx, page.items)
            yield records
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _records(self, tx: AsyncConnection, rows: Sequence[DeviceRow]) -> list[Record]:
        if not self.with_output:
            return [_record(row) for row in rows]
        keys = [key for row in rows if (key := _key(row)) is not None]
        texts = await runs.text_of(tx, sorted(set(keys)))
        return [{**_record(row), **_texts(texts, _key(row))} for row in rows]


class ExportQuery(Model):
    """What of an occurrence to export, and how."""

    format: Literal["csv", "jsonl"] = Field(default="csv", description="CSV with a head, or JSON lines")
    state: list[TargetState] = Field(default_factory=list, description="only in these states; may be repeated")
    output: bool = Field(default=False, description="with what was written: the first and the last 16 KiB of a stream")


@streams.get("/scheduled_jobs/{job_id}/occurrences/{occurrence}/export", response_class=StreamingResponse)
async def export_devices(
    job_id: Id, occurrence: str, request: Request, deps: TheDeps, wanted: Annotated[ExportQuery, Query()]
) -> StreamingResponse:
    """Device rows of an occurrence as CSV with a head, or as JSON lines, each with its last execution. Any number of rows, streamed.

    A cell of CSV that a spreadsheet would take for a formula begins with an apostrophe; JSON lines tell every text as it is.
    """
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        await jobs.require_visible(tx, caller, job_id)
        found = await runs.get_occurrence(tx, caller.scope, job_id, which(occurrence))
    export = _Export(deps, caller.scope, found.id, [str(one) for one in wanted.state], wanted.output)
    name = f"job-{job_id}-{found.scheduled_for_at:%Y%m%dT%H%M%SZ}.{wanted.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    body = _CSV_OR_LINES[wanted.format](export)
    return StreamingResponse(body, media_type=_CONTENT_TYPES[wanted.format], headers=headers)


async def _as_csv(wanted: _Export) -> AsyncIterator[str]:
    yield csv_lines([wanted.columns])
    async for records in wanted.pages():
        yield csv_lines([[cell(record[name]) for name in wanted.columns] for record in records])


async def _as_json_lines(wanted: _Export) -> AsyncIterator[str]:
    async for records in wanted.pages():
        yield "".join(json.dumps(record, default=_plain) + "\n" for record in records)


_CSV_OR_LINES: dict[str, Callable[[_Export], AsyncIterator[str]]] = {"csv": _as_csv, "jsonl": _as_json_lines}


def csv_lines(rows: Sequence[Sequence[object]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def cell(value: object) -> object:
    """A value as CSV may hold it: text that a spreadsheet would run is text there too."""
    plain = _plain(value)
    return f"'{plain}" if isinstance(plain, str) and plain.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else plain


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value) if isinstance(value, UUID | TargetState) else value


def _record(row: DeviceRow) -> Record:
    last = _last(row)
    return {
        **{name: getattr(row, name) for name in _OF_ROW},
        "execution_id": last.id if last else None,
        **{name: getattr(last, name) if last else None for name in _OF_EXECUTION},
        "output": last.output_hash.hex() if last and last.output_hash is not None else None,
    }


def _last(row: DeviceRow) -> Execution | None:
    return row.executions[-1] if row.executions else None


def _key(row: DeviceRow) -> tuple[int, bytes] | None:
    last = _last(row)
    return None if last is None or last.output_hash is None else (row.run_id, last.output_hash)


def _texts(found: Mapping[tuple[int, bytes], tuple[str, str]], key: tuple[int, bytes] | None) -> Record:
    both = ("", "") if key is None else found.get(key, ("", ""))
    return dict(zip(TEXTS, both, strict=True))
