"""`/api/sites`: sites, their enrolment codes and auto-approval windows."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request
from pydantic import Field

from watchbill import sites
from watchbill.api.addresses import server_url
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Deps,
    Description,
    Id,
    Instant,
    Model,
    Name,
    Now,
    PageOf,
    SearchQuery,
    TheDeps,
    Tx,
    router,
)
from watchbill.identity import Actor
from watchbill.sites import Site, SiteChange, SiteDraft

resource = router(prefix="/api/sites", tags=["sites"])

Timezone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])]


class SiteCreate(Model):
    name: Name
    description: Description = ""
    timezone: Timezone = "UTC"


class SiteUpdate(Model):
    name: Name | None = None
    description: Description | None = None
    timezone: Timezone | None = None


class AutoApproval(Model):
    minutes: Annotated[int, Field(ge=0, le=24 * 60, description="0 ends the window")]


class SiteReply(Model):
    """The code and the command are null for those who may not decide about new devices."""

    id: int
    name: str
    description: str
    timezone: str
    auto_approve_until: Instant | None
    enrolment_code: str | None
    enrolment_command: str | None
    enrolment_code_rotated_at: Instant
    created_at: Instant
    updated_at: Instant


def _shape(site: Site, actor: Actor, deps: Deps, request: Request) -> SiteReply:
    secret = sites.enrolment_code(deps.keys, actor, site)
    code = secret.reveal() if secret else None
    return SiteReply(
        id=site.id,
        name=site.name,
        description=site.description,
        timezone=site.timezone,
        auto_approve_until=site.auto_approve_until,
        enrolment_code=code,
        enrolment_command=_command(code, deps, request) if code else None,
        enrolment_code_rotated_at=site.enrolment_code_rotated_at,
        created_at=site.created_at,
        updated_at=site.updated_at,
    )


def _command(code: str, deps: Deps, request: Request) -> str:
    pinned = f"{code}.{deps.certificate_pin}" if deps.certificate_pin else code
    return f"watchbill-agent enroll --server {server_url(deps, request)} --code {pinned}"


@resource.get("")
async def list_sites(
    tx: Tx, caller: Caller, deps: TheDeps, request: Request, query: Annotated[SearchQuery, Query()]
) -> PageOf[SiteReply]:
    """The caller's sites by name."""
    page = await sites.list_sites(tx, caller, q=query.q, limit=query.limit, cursor=query.cursor)
    return PageOf[SiteReply].of(page, lambda site: _shape(site, caller, deps, request))


@resource.post("", status_code=201)
async def create_site(body: SiteCreate, tx: Tx, caller: Caller, now: Now, deps: TheDeps, request: Request) -> SiteReply:
    """Make a site with a fresh enrolment code."""
    draft = SiteDraft(**body.model_dump())
    return _shape(await sites.create_site(tx, caller, draft, keys=deps.keys, now=now), caller, deps, request)


@resource.get("/{site_id}")
async def get_site(site_id: Id, tx: Tx, caller: Caller, deps: TheDeps, request: Request) -> SiteReply:
    return _shape(await sites.get_site(tx, caller, site_id), caller, deps, request)


@resource.patch("/{site_id}")
async def update_site(
    site_id: Id, body: SiteUpdate, tx: Tx, caller: Caller, now: Now, deps: TheDeps, request: Request
) -> SiteReply:
    """Change the fields that are given."""
    change = SiteChange(**body.model_dump())
    return _shape(await sites.update_site(tx, caller, site_id, change, now=now), caller, deps, request)


@resource.delete("/{site_id}", status_code=204)
async def delete_site(site_id: Id, tx: Tx, caller: Caller, now: Now) -> None:
    """Delete a site that has no devices and no history."""
    await sites.delete_site(tx, caller, site_id, now=now)


@resource.post("/{site_id}/enrolment_code")
async def rotate_enrolment_code(
    site_id: Id, tx: Tx, caller: Caller, now: Now, deps: TheDeps, request: Request
) -> SiteReply:
    """Replace the enrolment code; the old one no longer works."""
    site = await sites.rotate_enrolment_code(tx, caller, site_id, keys=deps.keys, now=now)
    return _shape(site, caller, deps, request)


@resource.post("/{site_id}/auto_approval")
async def set_auto_approval(
    site_id: Id, body: AutoApproval, tx: Tx, caller: Caller, now: Now, deps: TheDeps, request: Request
) -> SiteReply:
    """Approve new devices of this site without asking, for some minutes. Conflicts still wait for a person."""
    site = await sites.set_auto_approval(tx, caller, site_id, timedelta(minutes=body.minutes), now=now)
    return _shape(site, caller, deps, request)
