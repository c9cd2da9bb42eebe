"""`/api/sites`: sites, their enrolment codes and auto-approval windows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import devices, sites
from watchbill.api import install
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
    ruled,
)
from watchbill.identity import Actor
from watchbill.sites import Site, SiteChange, SiteDraft

resource = router(prefix="/api/sites", tags=["sites"])

Timezone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"]), ruled(sites.timezone_problems)]


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
    """The code and the commands are null for those who may not decide about new devices.

    `enrolment_command` is for a machine that has the agent, `install_command` for a Linux machine that has not: as root it fetches
    the agent of the branch stable from this Engine, enrols the machine and has it run as a service.
    """

    id: int
    name: str
    description: str
    timezone: str
    auto_approve_until: Instant | None
    device_count: int
    online_count: int
    enrolment_code: str | None
    enrolment_command: str | None
    install_command: str | None
    enrolment_code_rotated_at: Instant
    created_at: Instant
    updated_at: Instant


class Shaper:
    """How sites are shown to the caller of one request."""

    def __init__(self, tx: AsyncConnection, caller: Actor, deps: Deps, request: Request) -> None:
        self._tx, self._caller, self._deps, self._request = tx, caller, deps, request

    async def one(self, site: Site) -> SiteReply:
        return (await self.many([site]))[0]

    async def many(self, found: Sequence[Site]) -> list[SiteReply]:
        counts = await devices.count_by_site(self._tx, [site.id for site in found])
        return [self._shape(site, *counts.get(site.id, (0, 0))) for site in found]

    def _shape(self, site: Site, device_count: int, online_count: int) -> SiteReply:
        secret = sites.enrolment_code(self._deps.keys, self._caller, site)
        code = secret.reveal() if secret else None
        same = {name: getattr(site, name) for name in SiteReply.model_fields if hasattr(site, name)}
        return SiteReply(
            **same,
            device_count=device_count,
            online_count=online_count,
            enrolment_code=code,
            enrolment_command=f"watchbill-agent enroll {self._where(code)}" if code else None,
            install_command=self._install_command(code) if code else None,
        )

    def _where(self, code: str) -> str:
        pin = self._deps.certificate_pin
        return f"--server {self._server} --code {f'{code}.{pin}' if pin else code}"

    def _install_command(self, code: str) -> str:
        """With TLS of our own curl trusts the one key that it is told, and no authority: whoever made the certificate."""
        pin = self._deps.public_key_pin
        curl, more = ("curl -fsS", "")
        if pin:
            curl, more = f"curl -fsSk --pinnedpubkey sha256//{pin}", f" --pinnedpubkey sha256//{pin}"
        return f"{curl} {self._server}{install.PATH} | sudo sh -s -- {self._where(code)}{more}"

    @property
    def _server(self) -> str:
        return server_url(self._deps, self._request)


async def _shaper(tx: Tx, caller: Caller, deps: TheDeps, request: Request) -> Shaper:
    return Shaper(tx, caller, deps, request)


Shaped = Annotated[Shaper, Depends(_shaper)]


@resource.get("")
async def list_sites(
    tx: Tx, caller: Caller, shaped: Shaped, query: Annotated[SearchQuery, Query()]
) -> PageOf[SiteReply]:
    """The caller's sites by name."""
    page = await sites.list_sites(tx, caller, q=query.q, limit=query.limit, cursor=query.cursor)
    return PageOf[SiteReply](items=await shaped.many(page.items), next_cursor=page.next_cursor)


@resource.post("", status_code=201)
async def create_site(body: SiteCreate, tx: Tx, caller: Caller, now: Now, deps: TheDeps, shaped: Shaped) -> SiteReply:
    """Make a site with a fresh enrolment code."""
    draft = SiteDraft(**body.model_dump())
    return await shaped.one(await sites.create_site(tx, caller, draft, keys=deps.keys, now=now))


@resource.get("/{site_id}")
async def get_site(site_id: Id, tx: Tx, caller: Caller, shaped: Shaped) -> SiteReply:
    """One site."""
    return await shaped.one(await sites.get_site(tx, caller, site_id))


@resource.patch("/{site_id}")
async def update_site(site_id: Id, body: SiteUpdate, tx: Tx, caller: Caller, now: Now, shaped: Shaped) -> SiteReply:
    """Change the fields that are given."""
    change = SiteChange(**body.model_dump())
    return await shaped.one(await sites.update_site(tx, caller, site_id, change, now=now))


@resource.delete("/{site_id}", status_code=204)
async def delete_site(site_id: Id, tx: Tx, caller: Caller, now: Now) -> None:
    """Delete a site that has no devices and no history."""
    await sites.delete_site(tx, caller, site_id, now=now)


@resource.post("/{site_id}/enrolment_code")
async def rotate_enrolment_code(
    site_id: Id, tx: Tx, caller: Caller, now: Now, deps: TheDeps, shaped: Shaped
) -> SiteReply:
    """Replace the enrolment code; the old one no longer works."""
    return await shaped.one(await sites.rotate_enrolment_code(tx, caller, site_id, keys=deps.keys, now=now))


@resource.post("/{site_id}/auto_approval")
async def set_auto_approval(
    site_id: Id, body: AutoApproval, tx: Tx, caller: Caller, now: Now, shaped: Shaped
) -> SiteReply:
    """Approve new devices of this site without asking, for some minutes. Conflicts still wait for a person."""
    duration = timedelta(minutes=body.minutes)
    return await shaped.one(await sites.set_auto_approval(tx, caller, site_id, duration, now=now))
