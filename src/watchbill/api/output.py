"""What scripts wrote: a part, the whole as a file, as it comes, and which devices wrote the same.

A reply that lasts as long as its reader holds no transaction: it takes each part in a short one, and has no more than that in memory.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from watchbill import jobs, runs
from watchbill.api.auth import Caller, sign_in_of
from watchbill.api.common import DEFAULT_PAGE, PROBLEMS, AfterCursor, Deps, Id, Limit, PageOf, TheDeps, Tx, router
from watchbill.api.naming import which
from watchbill.api.output_shapes import OutputGroupReply, output_group
from watchbill.api.run_shapes import OutputReply, output_piece
from watchbill.core.problems import Problem
from watchbill.identity import Permission, SiteScope
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import MAX_LIMIT
from watchbill.kit.service import pause
from watchbill.runs import Execution, Piece, Stream

resource = router(prefix="/api", tags=["output"])
streams = APIRouter(prefix="/api", tags=["output"], responses=PROBLEMS)

StreamName = Literal["stdout", "stderr"]
StreamNames = Literal["stdout", "stderr", "both"]
Offset = Annotated[int, Query(ge=0, le=2**62, description="bytes of this stream to pass over")]

#: Chunks of a stream that are in memory at one time: 1 MiB at most.
_AT_ONCE = 16
#: A stream that is followed ends after this long, so that a session that was closed meanwhile ends too; clients reconnect.
LONGEST_FOLLOWED_SECONDS = 600.0
KEEP_ALIVE_SECONDS = 15.0
#: Between two looks: the shortest while output comes, the longest while none does.
_RESTS = (0.1, 1.0)


@resource.get("/executions/{execution_id}/output")
async def get_output(
    execution_id: UUID,
    caller: Caller,
    tx: Tx,
    stream: StreamName = "stdout",
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="pieces at most")] = 64,
) -> OutputReply:
    """Stored output from a byte offset on. Where the middle of a long stream was not kept, `skipped` says how much."""
    caller.require(Permission.READ)
    execution = await runs.get_execution(tx, caller.scope, execution_id)
    pieces = await runs.read_output(tx, execution_id, stream, offset, chunks=limit)
    reached = pieces[-1].offset + len(pieces[-1].data) if pieces else offset
    return OutputReply(
        stream=stream,
        offset=offset,
        next_offset=reached,
        total_bytes=_total(execution, stream),
        truncated=execution.truncated,
        is_complete=execution.state == "finished" and len(pieces) < limit,
        pieces=[output_piece(one) for one in pieces],
    )


@resource.get("/scheduled_jobs/{job_id}/occurrences/{occurrence}/output_groups")
async def list_output_groups(
    job_id: Id, occurrence: str, caller: Caller, tx: Tx, limit: Limit = DEFAULT_PAGE, cursor: AfterCursor = None
) -> PageOf[OutputGroupReply]:
    """Outputs that are the same, the most frequent first. Of each device the last execution counts, once it has ended.

    The same are two when what is stored of both streams, their true sizes, the outcome and the exit code are. Nothing is normalised.
    `GET …/devices?output=` lists the devices of a group.
    """
    await jobs.require_visible(tx, caller, job_id)
    found = await runs.get_occurrence(tx, caller.scope, job_id, which(occurrence))
    page = await runs.output_groups(tx, caller.scope, found.id, limit=limit, cursor=cursor)
    return PageOf[OutputGroupReply].of(page, output_group)


# --- as a file ---------------------------------------------------------------------------------------------------------


@streams.get("/executions/{execution_id}/output/download", response_class=StreamingResponse)
async def download_output(
    execution_id: UUID, request: Request, deps: TheDeps, stream: StreamNames = "stdout"
) -> StreamingResponse:
    """A whole stream as a file, streamed; a line marks what was not kept.

    `both` is standard output and then, after a line that says so, standard error: how the two took turns is not recorded. The headers
    `X-Output-Bytes` (as the script wrote it) and `X-Output-Truncated` tell before the first byte whether something is missing.
    """
    scope, execution = await _opened(request, deps, execution_id)
    names = _named(stream)
    headers = {
        "Content-Disposition": f'attachment; filename="{execution_id}.{stream}.txt"',
        "X-Content-Type-Options": "nosniff",
        "X-Output-Bytes": str(sum(_total(execution, one) for one in names)),
        "X-Output-Truncated": str(execution.truncated).lower(),
    }
    body = _download(deps, scope, execution_id, names)
    return StreamingResponse(body, media_type="text/plain; charset=utf-8", headers=headers)


async def _opened(request: Request, deps: Deps, execution_id: UUID) -> tuple[SiteScope, Execution]:
    """Who asks, and for what; refused before the reply begins."""
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        caller.require(Permission.READ)
        return caller.scope, await runs.get_execution(tx, caller.scope, execution_id)


async def _download(deps: Deps, scope: SiteScope, execution_id: UUID, names: Sequence[Stream]) -> AsyncIterator[bytes]:
    for name in names:
        if name != names[0]:
            yield b"\n[... standard error ...]\n"
        async for part in _whole(deps, scope, execution_id, name):
            yield part


async def _whole(deps: Deps, scope: SiteScope, execution_id: UUID, stream: Stream) -> AsyncIterator[bytes]:
    offset = 0
    while True:
        async with deps.db.begin() as tx:
            execution = await runs.get_execution(tx, scope, execution_id)
            pieces = await runs.read_output(tx, execution_id, stream, offset, chunks=_AT_ONCE)
        for piece in pieces:
            if piece.skipped:
                yield _gap(piece.skipped)
            yield piece.data
            offset = piece.offset + len(piece.data)
        if not pieces:
            missing = _total(execution, stream) - offset
            if execution.state == "finished" and missing > 0:
                yield _gap(missing)
            return


def _gap(number: int) -> bytes:
    return f"\n[... {number} bytes were not kept ...]\n".encode()


# --- as it comes -------------------------------------------------------------------------------------------------------


@dataclass
class _Place:
    """How far a reader is in each stream; as text, an event's id."""

    stdout: int
    stderr: int

    def __str__(self) -> str:
        return f"{self.stdout}-{self.stderr}"

    def of(self, stream: Stream) -> int:
        return self.stdout if stream == "stdout" else self.stderr

    def passed(self, stream: Stream, piece: Piece) -> None:
        reached = piece.offset + len(piece.data)
        if stream == "stdout":
            self.stdout = reached
        else:
            self.stderr = reached


@streams.get("/executions/{execution_id}/output/follow", response_class=StreamingResponse)
async def follow_output(
    execution_id: UUID,
    request: Request,
    deps: TheDeps,
    stream: StreamNames = "both",
    stdout_offset: Offset = 0,
    stderr_offset: Offset = 0,
    last_event_id: Annotated[str | None, Header(max_length=60)] = None,
) -> Response:
    """Output as it comes, as server-sent events: `output` with a piece and its `stream`, and `end` when the execution has ended.

    Within a stream pieces are in order and none is left out or told twice; `Last-Event-ID`, or offsets in bytes, go on where a reader
    stopped. Each reader is sent what it takes: a slow one waits for nobody and nobody for it. After `end` a reconnect is answered 204.
    """
    place, is_over = _resumed(last_event_id) or (_Place(stdout_offset, stderr_offset), False)
    scope, _ = await _opened(request, deps, execution_id)
    if is_over:
        return Response(status_code=204)
    lines = _Follow(deps, scope, execution_id, _named(stream), place).lines()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)


_EVENT_ID = re.compile(r"(\d{1,18})-(\d{1,18})(-end)?", re.ASCII)


def _resumed(last_event_id: str | None) -> tuple[_Place, bool] | None:
    """Where to go on, and whether nothing more comes."""
    if last_event_id is None:
        return None
    found = _EVENT_ID.fullmatch(last_event_id)
    if found is None:
        problem = Problem("Last-Event-ID", "invalid", "must be the id of an event of this stream")
        raise InvalidError.of([problem], what="The request")
    return _Place(int(found[1]), int(found[2])), found[3] is not None


@dataclass
class _Follow:
    """One reader of one execution's output."""

    deps: Deps
    scope: SiteScope
    execution_id: UUID
    names: Sequence[Stream]
    place: _Place

    async def lines(self) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        loop = asyncio.get_running_loop()
        ends, spoken, rest = loop.time() + LONGEST_FOLLOWED_SECONDS, loop.time(), _RESTS[0]
        while loop.time() < ends and not self.deps.closing.is_set():
            execution, pieces = await self._look()
            for stream, piece in pieces:
                self.place.passed(stream, piece)
                yield _event(str(self.place), "output", {"stream": stream, **output_piece(piece).model_dump()})
            if pieces:
                spoken, rest = loop.time(), _RESTS[0]
                continue
            if execution.state == "finished":
                yield _event(f"{self.place}-end", "end", _end_of(execution))
                return
            if loop.time() - spoken > KEEP_ALIVE_SECONDS:
                spoken = loop.time()
                yield ": still here\n\n"
            await pause(self.deps.closing, rest)
            rest = min(rest * 1.5, _RESTS[1])

    async def _look(self) -> tuple[Execution, list[tuple[Stream, Piece]]]:
        """What there is from here on, and how the execution stood before: what has ended has no more than is seen."""
        async with self.deps.db.begin() as tx:
            execution = await runs.get_execution(tx, self.scope, self.execution_id)
            return execution, [
                (name, piece)
                for name in self.names
                for piece in await runs.read_output(tx, self.execution_id, name, self.place.of(name), chunks=_AT_ONCE)
            ]


def _end_of(execution: Execution) -> dict[str, object]:
    same = ("outcome", "exit_code", "stdout_bytes", "stderr_bytes", "truncated")
    return {name: getattr(execution, name) for name in same}


def _event(id_: str, kind: str, data: object) -> str:
    return f"id: {id_}\nevent: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def _named(stream: StreamNames) -> tuple[Stream, ...]:
    return ("stdout", "stderr") if stream == "both" else (stream,)


def _total(execution: Execution, stream: str) -> int:
    return execution.stdout_bytes if stream == "stdout" else execution.stderr_bytes
