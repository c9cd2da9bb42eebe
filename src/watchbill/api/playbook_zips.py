"""`/api/assemblies/import_zip` and `/api/assemblies/{assembly_id}/export_zip`: a playbook with its tree as one archive.

Neither way holds a transaction while somebody sends, reads or packs.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from watchbill import assemblies, jobs
from watchbill.api.assemblies import AssemblyReply, assembly_reply
from watchbill.api.assembly_files import content_of
from watchbill.api.auth import sign_in_of
from watchbill.api.common import PROBLEMS, Deps, ProblemDetails, TheDeps
from watchbill.api.playbook_checks import with_verdicts
from watchbill.assemblies import Assembly, Saved, Verdicts
from watchbill.core.playbook_rules import MAIN
from watchbill.identity import Actor, Permission
from watchbill.kit import yaml_file
from watchbill.kit.errors import ConflictError, NotFoundError
from watchbill.playbooks import ABOUT, Tree, Writer, read_archive

IMPORT = "/api/assemblies/import_zip"
ZIP = "application/zip"

streams = APIRouter(tags=["assemblies"], responses=PROBLEMS)

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_IN_MEMORY = 4 * 1024 * 1024
_CHUNK = 256 * 1024


@streams.post(
    IMPORT,
    responses={
        413: {"model": ProblemDetails, "description": "Too large"},
        201: {"model": AssemblyReply, "description": "A new one"},
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": _BYTES}}},
)
async def import_playbook(
    request: Request,
    deps: TheDeps,
    response: Response,
    name: Annotated[
        str | None, Query(max_length=200, description="of the assembly, where the archive does not say it")
    ] = None,
    main: Annotated[str | None, Query(max_length=255, description="the playbook in the archive's first folder")] = None,
) -> AssemblyReply:
    """Save the playbook of a zip archive, of at most 32 MiB: a new one (201), or a new revision of the one with that name (200).

    The tree is as it lies in a repository. `watchbill.yml` in it may hold the rest of the assembly: name, description, variables,
    collections, time limit. Without `main` the playbook is playbook.yml or site.yml.
    """
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        caller.require(Permission.ASSEMBLIES_WRITE)
    saved = await _imported(request, deps, caller, name, main)
    response.status_code = 201 if saved.is_new else 200
    return assembly_reply(saved.assembly, response)


async def _imported(request: Request, deps: Deps, caller: Actor, name: str | None, main: str | None) -> Saved:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
        with closing(await asyncio.to_thread(read_archive, file, main)) as tree:
            definition = await _stored(deps, caller, tree, name)

    async def save(verdicts: Verdicts) -> Saved:
        return await _save(deps, caller, definition, verdicts)

    return await with_verdicts(request.app, save)


async def _stored(deps: Deps, caller: Actor, tree: Tree, name: str | None) -> dict[str, Any]:
    """The definition of the assembly, after its files have been stored."""
    files = [{"name": path, "sha256": await _store(deps, caller, tree.pieces(path))} for path in tree.paths]
    said = {"name": name} if name is not None else {}
    return {"kind": "playbook", **tree.about, **said, "content": tree.content, "files": files}


async def _store(deps: Deps, caller: Actor, pieces: Iterator[bytes]) -> str:
    async with deps.db.begin() as tx:
        upload = await assemblies.begin_upload(tx, caller, await deps.clock.now(tx))
        while piece := await asyncio.to_thread(next, pieces, b""):
            await upload.add(tx, piece)
        await assemblies.finish_upload(tx, caller, upload, await deps.clock.now(tx))
    return upload.sha256


async def _save(deps: Deps, caller: Actor, definition: dict[str, Any], verdicts: Verdicts) -> Saved:
    async with deps.db.begin() as tx:
        now = await deps.clock.now(tx)
        saved = await assemblies.save_named(tx, caller, definition, now=now, verdicts=verdicts)
        if saved.is_changed and not saved.is_new:
            await jobs.require_followers(tx, caller, saved.assembly.id)
    return saved


@streams.get(
    "/api/assemblies/{assembly_id}/export_zip",
    response_class=StreamingResponse,
    responses={200: {"content": {ZIP: _BYTES}}},
)
async def export_playbook(assembly_id: UUID, request: Request, deps: TheDeps) -> StreamingResponse:
    """A playbook with its tree as one zip archive, which `import_zip` reads."""
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        assembly = await assemblies.get(tx, caller, assembly_id)
        gone = {one.sha256 for one in assembly.draft.files} - await assemblies.kept_files(tx, assembly.draft.files)
    if gone:
        raise NotFoundError("The content of a file is not kept any more.", code="file_not_kept")
    if not assembly.draft.is_playbook:
        raise ConflictError("Only a playbook is exported as a zip archive.", code="not_a_playbook")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(assembly.draft.name, safe='')}.zip"}
    return StreamingResponse(_packed(deps, assembly), media_type=ZIP, headers=headers)


async def _packed(deps: Deps, assembly: Assembly) -> AsyncIterator[bytes]:
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        with Writer(file) as writer:
            await _pack(deps, assembly, writer)
        file.seek(0)
        while data := await asyncio.to_thread(file.read, _CHUNK):
            yield data


async def _pack(deps: Deps, assembly: Assembly, writer: Writer) -> None:
    definition = assembly.draft.to_json()
    about = {key: value for key, value in definition.items() if key not in ("content", "files")}
    await asyncio.to_thread(writer.add, MAIN, iter([assembly.draft.content.encode()]))
    await asyncio.to_thread(writer.add, ABOUT, iter([yaml_file.write(about).encode()]))
    for one in assembly.draft.files:
        pieces = [part async for part in content_of(deps, one)]
        await asyncio.to_thread(writer.add, one.name, iter(pieces))
