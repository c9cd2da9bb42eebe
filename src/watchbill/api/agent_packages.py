"""`/api/agent_packages` and `/api/agent/packages`: packages of the agent for those who publish them, and for machines that have a code.

Neither way holds a transaction while somebody sends or reads.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from watchbill import agent_packages, agents
from watchbill.agent_packages import Package
from watchbill.api.auth import Caller, remote_addr, sign_in_of
from watchbill.api.common import (
    PROBLEMS,
    Deps,
    Id,
    Instant,
    Model,
    Now,
    PageOf,
    PageQuery,
    ProblemDetails,
    TheDeps,
    Tx,
    router,
    ruled,
)
from watchbill.identity import Actor
from watchbill.kit.errors import AppError, NotSignedInError
from watchbill_wire import base64url, package_file_name

PACKAGES = "/api/agent_packages"
_SCHEME = "Enrolment "
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

resource = router(prefix=PACKAGES, tags=["agent packages"])
streams = APIRouter(tags=["agent packages"], responses=PROBLEMS)

Branch = Annotated[str, StringConstraints(max_length=40), ruled(agent_packages.branch_problems)]
InBranch = Annotated[Branch, Query(description="the line of agents, such as stable or beta")]


class PackageReply(Model):
    """One version of the agent for one platform, on a branch. `glibc` is the least one that it runs with; null where it needs none.

    A withdrawn package is given to nobody any more.
    """

    id: int
    branch: str
    version: str
    platform: Literal["linux", "windows"]
    arch: Literal["x86_64", "aarch64"]
    glibc: str | None
    size: int
    sha256: str
    built_at: Instant
    published_at: Instant
    published_by: str
    withdrawn_at: Instant | None
    withdrawn_by: str | None


class PackageQuery(PageQuery):
    branch: Annotated[Branch | None, Query(description="only this branch")] = None


class PromoteBody(Model):
    branch: Branch


def _reply(package: Package) -> PackageReply:
    return PackageReply(**{name: getattr(package, name) for name in PackageReply.model_fields})


# --- for those who publish ------------------------------------------------------------------------------------------------


@streams.post(
    PACKAGES,
    status_code=201,
    responses={
        200: {"model": PackageReply, "description": "It was there already, exactly so"},
        413: {"model": ProblemDetails, "description": "Too large"},
    },
    openapi_extra={"requestBody": {"required": True, "content": _BINARY}},
)
async def publish_package(
    request: Request, deps: TheDeps, response: Response, branch: InBranch = agent_packages.STABLE
) -> PackageReply:
    """Publish a package on a branch: the body is the file, of at most 200 MiB, as `watchbill agent-packages build` makes it.

    For which machines it is, its version and the glibc that it needs are read from the file itself. The Engine signs what it has
    read, and devices take nothing else. A version that is there with another content is refused (409) unless it was withdrawn.
    """
    async with deps.db.begin() as tx:
        caller = (await sign_in_of(request, tx, await deps.clock.now(tx))).actor
        agent_packages.require(caller)
    with tempfile.NamedTemporaryFile(prefix="watchbill-package-") as file:
        async for piece in request.stream():
            await asyncio.to_thread(file.write, piece)
        file.flush()
        published = await _publish(deps, caller, Path(file.name), branch)
    response.status_code = 201 if published.is_new else 200
    return _reply(published.package)


async def _publish(deps: Deps, caller: Actor, file: Path, branch: str) -> agent_packages.Published:
    found = await asyncio.to_thread(agent_packages.inspect, file)
    async with deps.db.begin() as tx:
        now = await deps.clock.now(tx)
        await agents.ensure_signing_key(tx, deps.keys, now)
        signer = await agents.load_signer(tx, deps.keys)
        return await agent_packages.publish(tx, caller, file, found, branch=branch, signer=signer, now=now)


@resource.get("")
async def list_packages(tx: Tx, caller: Caller, query: Annotated[PackageQuery, Query()]) -> PageOf[PackageReply]:
    """The packages of the agent, the last published first, withdrawn ones too."""
    page = await agent_packages.list_packages(tx, caller, branch=query.branch, limit=query.limit, cursor=query.cursor)
    return PageOf.of(page, _reply)


@resource.post("/{package_id}/promote")
async def promote_package(package_id: Id, body: PromoteBody, tx: Tx, caller: Caller, now: Now) -> PackageReply:
    """Have the same package on another branch too, with the same signature."""
    return _reply((await agent_packages.promote(tx, caller, package_id, branch=body.branch, now=now)).package)


@resource.post("/{package_id}/withdraw")
async def withdraw_package(package_id: Id, tx: Tx, caller: Caller, now: Now) -> PackageReply:
    """Give the package to nobody any more from its branch; where it is installed it stays. The version before is the newest again."""
    return _reply(await agent_packages.withdraw(tx, caller, package_id, now=now))


# --- for machines -----------------------------------------------------------------------------------------------------------


@streams.get(
    "/api/agent/packages/{platform}/{arch}",
    tags=["agent"],
    response_class=StreamingResponse,
    responses={200: {"content": _BINARY}},
)
async def download_package(
    platform: Literal["linux", "windows"],
    arch: Literal["x86_64", "aarch64"],
    request: Request,
    deps: TheDeps,
    branch: InBranch = agent_packages.STABLE,
    authorization: Annotated[
        str | None, Header(description="`Enrolment CODE`: a code that machines enrol with")
    ] = None,
) -> StreamingResponse:
    """The newest package of a branch, for a machine that has an enrolment code and no agent yet.

    `X-Watchbill-Manifest` is what was signed, in base64url, `X-Watchbill-Signature` and `X-Watchbill-Key` are what it is checked
    with: `watchbill-agent package verify`. Its SHA-256 is the ETag.
    """
    await _check_code(request, deps, authorization)
    async with deps.db.begin() as tx:
        package = await agent_packages.newest(tx, branch, platform, arch)
        key = dict(await agents.public_keys(tx)).get(package.key_id, b"")
        await agent_packages.read_chunk(tx, package, 0)  # what is not there is refused before the reply begins
    return StreamingResponse(
        _content(deps, package), media_type="application/octet-stream", headers=_headers(package, key)
    )


async def _check_code(request: Request, deps: Deps, authorization: str | None) -> None:
    """A wrong code counts, so what was written of it is kept."""
    code = (authorization or "").removeprefix(_SCHEME)
    if not code or code == authorization:
        raise NotSignedInError("This needs an enrolment code: `Authorization: Enrolment CODE`.")
    refusal: AppError | None = None
    async with deps.db.begin() as tx:
        try:
            now = await deps.clock.now(tx)
            await agents.check_code(tx, code[:128], remote_addr=remote_addr(request), now=now)
        except AppError as error:
            refusal = error
    if refusal is not None:
        raise refusal


def _headers(package: Package, key: bytes) -> dict[str, str]:
    name = package_file_name(package.version, package.platform, package.arch)
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(package.size),
        "ETag": f'"{package.sha256}"',
        "X-Watchbill-Manifest": base64url(package.manifest),
        "X-Watchbill-Signature": base64url(package.signature),
        "X-Watchbill-Key": base64url(key),
    }


async def _content(deps: Deps, package: Package) -> AsyncIterator[bytes]:
    for position in range(agent_packages.chunks_of(package)):
        async with deps.db.begin() as tx:
            data = await agent_packages.read_chunk(tx, package, position)
        yield data
