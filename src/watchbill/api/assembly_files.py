"""`/api/assembly_files` and `/api/assemblies/{assembly_id}/files`: contents that are stored, and the files that assemblies carry.

Neither way is a content in memory as a whole, and who sends or reads slowly holds no transaction.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field, StringConstraints

from watchbill import assemblies, jobs
from watchbill.api.assemblies import AssemblyReply, IfMatch, assembly_reply
from watchbill.api.auth import Caller, sign_in_of
from watchbill.api.common import PROBLEMS, Deps, Model, Now, ProblemDetails, TheDeps, Tx, check_if_match
from watchbill.api.playbook_checks import TheVerdicts, checked_router
from watchbill.assemblies import Assembly, Upload
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.file_rules import File
from watchbill.identity import Actor

UPLOADS = "/api/assembly_files"

resource = checked_router(prefix="/api/assemblies", tags=["assemblies"])
streams = APIRouter(tags=["assemblies"], responses=PROBLEMS)

FileName = Annotated[str, Path(min_length=1, max_length=255, description="case does not count")]
AtRevision = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="of which revision of the assembly; the latest when left out")
]
Digest = Annotated[str, StringConstraints(max_length=64), Field(description="SHA-256 of a stored content, in hex")]
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class StoredFile(Model):
    """A content that can be attached."""

    sha256: str
    size: int


class FileReply(Model):
    """A file of a revision. `is_stored` false: its content has gone, since nothing used this revision for long."""

    name: str
    sha256: str
    size: int
    is_stored: bool


class FilesReply(Model):
    """The files of one revision, by name."""

    assembly_id: UUID
    revision: int
    items: list[FileReply]


class AttachBody(Model):
    sha256: Digest


# --- contents ----------------------------------------------------------------------------------------------------------


@streams.post(
    UPLOADS,
    status_code=201,
    responses={413: {"model": ProblemDetails, "description": "Too large"}},
    openapi_extra={"requestBody": {"required": True, "content": _BINARY}},
)
async def store_file(request: Request, deps: TheDeps) -> StoredFile:
    """Store a content: the body is its bytes. It can be attached by its SHA-256 from then on; one that nothing refers to goes after a week.

    The same content is stored once. At most as many bytes as the installation's `file_limit_bytes` says, else 413.
    """
    async with deps.db.begin() as tx:
        now = await deps.clock.now(tx)
        caller = (await sign_in_of(request, tx, now)).actor
        upload = await assemblies.begin_upload(tx, caller, now)
    async with _dropped_on_failure(deps, upload):
        await _receive(request, deps, upload)
        async with deps.db.begin() as tx:
            await assemblies.finish_upload(tx, caller, upload, await deps.clock.now(tx))
    return StoredFile(sha256=upload.sha256, size=upload.size)


@asynccontextmanager
async def _dropped_on_failure(deps: Deps, upload: Upload) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        async with deps.db.begin() as tx:
            await assemblies.drop_upload(tx, upload)
        raise


async def _receive(request: Request, deps: Deps, upload: Upload) -> None:
    async for piece in _pieces(request):
        async with deps.db.begin() as tx:
            await upload.add(tx, piece)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        while len(waiting) >= assemblies.PIECE_BYTES:
            yield bytes(waiting[: assemblies.PIECE_BYTES])
            del waiting[: assemblies.PIECE_BYTES]
    if waiting:
        yield bytes(waiting)


@streams.get(
    "/api/assemblies/{assembly_id}/files/{name:path}",
    response_class=StreamingResponse,
    responses={200: {"content": _BINARY}},
)
async def download_file(
    assembly_id: UUID, name: FileName, request: Request, deps: TheDeps, revision: AtRevision = None
) -> StreamingResponse:
    """A file of an assembly, streamed. The headers tell its size, and its SHA-256 as the ETag."""
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        draft, _ = await _draft(tx, caller, assembly_id, revision)
        file = assemblies.find_file(draft, name)
        await assemblies.read_part(tx, file.sha256, 0)  # what is not there is refused before the reply begins
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name.rpartition('/')[2], safe='')}",
        "Content-Length": str(file.size),
        "ETag": f'"{file.sha256}"',
    }
    return StreamingResponse(content_of(deps, file), media_type="application/octet-stream", headers=headers)


async def content_of(deps: Deps, file: File) -> AsyncIterator[bytes]:
    """The content of a file, in parts, each read in a transaction of its own."""
    offset = 0
    while offset < file.size:
        async with deps.db.begin() as tx:
            part = await assemblies.read_part(tx, file.sha256, offset)
        yield part
        offset += len(part)


# --- of an assembly ----------------------------------------------------------------------------------------------------


async def _draft(tx: Tx, caller: Actor, assembly_id: UUID, revision: int | None) -> tuple[AssemblyDraft, int]:
    """What a revision holds, and its number."""
    if revision is not None:
        return (await assemblies.get_revision(tx, caller, assembly_id, revision)).draft, revision
    latest = await assemblies.get(tx, caller, assembly_id)
    return latest.draft, latest.revision


@resource.get("/{assembly_id}/files")
async def list_assembly_files(assembly_id: UUID, tx: Tx, caller: Caller, revision: AtRevision = None) -> FilesReply:
    """The files of the latest revision, or of another."""
    draft, number = await _draft(tx, caller, assembly_id, revision)
    kept = await assemblies.kept_files(tx, draft.files)
    items = [
        FileReply(name=one.name, sha256=one.sha256, size=one.size, is_stored=one.sha256 in kept) for one in draft.files
    ]
    return FilesReply(assembly_id=assembly_id, revision=number, items=items)


async def _locked(assembly_id: UUID, tx: Tx, caller: Caller, if_match: IfMatch = None) -> Assembly:
    before = await assemblies.lock(tx, caller, assembly_id)
    check_if_match(if_match, before.revision)
    return before


LockedAssembly = Annotated[Assembly, Depends(_locked)]


@resource.put("/{assembly_id}/files/{name:path}")
async def attach_file(
    before: LockedAssembly,
    name: FileName,
    body: AttachBody,
    tx: Tx,
    caller: Caller,
    now: Now,
    response: Response,
    verdicts: TheVerdicts,
) -> AssemblyReply:
    """Attach a stored content under a name, in place of what has that name: a new revision. Runs of earlier revisions get theirs."""
    definition = await assemblies.with_file(tx, before.draft, name, body.sha256)
    after = await assemblies.update(tx, caller, before, definition, now=now, verdicts=verdicts)
    return await _saved(tx, caller, before, after, response)


@resource.delete("/{assembly_id}/files/{name:path}")
async def detach_file(
    before: LockedAssembly,
    name: FileName,
    tx: Tx,
    caller: Caller,
    now: Now,
    response: Response,
    verdicts: TheVerdicts,
) -> AssemblyReply:
    """Carry a file no longer: a new revision."""
    definition = assemblies.without_file(before.draft, name)
    after = await assemblies.update(tx, caller, before, definition, now=now, verdicts=verdicts)
    return await _saved(tx, caller, before, after, response)


async def _saved(tx: Tx, caller: Actor, before: Assembly, after: Assembly, response: Response) -> AssemblyReply:
    if after.revision != before.revision:
        await jobs.require_followers(tx, caller, before.id)
    return assembly_reply(after, response)
