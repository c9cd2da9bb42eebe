"""What can be done with a site: its data, its enrolment code, and the time in which new devices need no approval."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core import zones
from watchbill.core.problems import Problem
from watchbill.identity import EVERY_SITE, Actor, Permission, audit
from watchbill.kit.errors import InvalidError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.kit.secrets import KeyRing, Secret
from watchbill.sites import codes, store
from watchbill.sites.store import Site

MAX_AUTO_APPROVAL = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SiteDraft:
    """A new site."""

    name: str
    description: str = ""
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class SiteChange:
    """What to change of a site; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    timezone: str | None = None


async def get_site(tx: AsyncConnection, actor: Actor, site_id: int) -> Site:
    actor.require(Permission.READ)
    site = await store.find(tx, site_id, actor.scope)
    if site is None:
        raise NotFoundError("There is no such site.")
    return site


async def list_sites(
    tx: AsyncConnection, actor: Actor, *, q: str | None = None, limit: int, cursor: str | None = None
) -> Page[Site]:
    """The caller's sites by name."""
    actor.require(Permission.READ)
    after = None
    if cursor is not None:
        name, site_id = decode_cursor(cursor, (str, int))
        after = (str(name), int(site_id or 0))
    rows = await store.list_sites(tx, actor.scope, q=q, after=after, limit=limit + 1)
    return page_of(rows, limit, lambda site: (site.name, site.id))


async def create_site(tx: AsyncConnection, actor: Actor, draft: SiteDraft, *, keys: KeyRing, now: datetime) -> Site:
    actor.require(Permission.SITES_WRITE)
    _check_timezone(draft.timezone)
    values = {"name": draft.name, "description": draft.description, "timezone": draft.timezone}
    times = {"created_at": now, "updated_at": now}
    site_id = await store.insert_site(tx, {**values, **_fresh_code(keys, now), **times})
    await audit.record(tx, actor, "site.created", "site", site_id, now=now, site_id=site_id, detail=values)
    return await get_site(tx, actor, site_id)


def timezone_problems(timezone: str) -> list[Problem]:
    if zones.find_zone(timezone) is not None:
        return []
    return [Problem("timezone", "unknown_timezone", "must be an IANA zone name such as Europe/Berlin")]


def _check_timezone(timezone: str | None) -> None:
    found = [] if timezone is None else timezone_problems(timezone)
    if found:
        raise InvalidError.of(found, what="The site")


def _fresh_code(keys: KeyRing, now: datetime) -> dict[str, object]:
    code = codes.new_code()
    hashed = codes.code_hash(code)
    return {
        "enrolment_code_sealed": keys.seal_text(code, _context(hashed)),
        "enrolment_code_hash": hashed,
        "enrolment_code_rotated_at": now,
    }


def _context(code_hash: bytes) -> str:
    return f"sites.enrolment_code:{code_hash.hex()}"


def enrolment_code(keys: KeyRing, actor: Actor, site: Site) -> Secret | None:
    """The site's code, for those who decide about new devices; None for others."""
    if not actor.may(Permission.APPROVALS_DECIDE):
        return None
    return keys.open_text(site.enrolment_code_sealed, _context(site.enrolment_code_hash))


async def update_site(tx: AsyncConnection, actor: Actor, site_id: int, change: SiteChange, *, now: datetime) -> Site:
    before = await get_site(tx, actor, site_id)
    actor.require(Permission.SITES_WRITE)
    _check_timezone(change.timezone)
    given = {name: getattr(change, name) for name in ("name", "description", "timezone")}
    values = {name: value for name, value in given.items() if value is not None and value != getattr(before, name)}
    if not values:
        return before
    await store.update_site(tx, site_id, {**values, "updated_at": now})
    detail = {name: [getattr(before, name), value] for name, value in values.items()}
    await audit.record(tx, actor, "site.updated", "site", site_id, now=now, site_id=site_id, detail=detail)
    return await get_site(tx, actor, site_id)


async def delete_site(tx: AsyncConnection, actor: Actor, site_id: int, *, now: datetime) -> None:
    site = await get_site(tx, actor, site_id)
    actor.require(Permission.SITES_WRITE)
    await store.delete_site(tx, site_id)
    detail = {"name": site.name}
    await audit.record(tx, actor, "site.deleted", "site", site_id, now=now, site_id=site_id, detail=detail)


async def rotate_enrolment_code(
    tx: AsyncConnection, actor: Actor, site_id: int, *, keys: KeyRing, now: datetime
) -> Site:
    """Give the site a new code; the old one is worth nothing from the commit on."""
    await get_site(tx, actor, site_id)
    actor.require(Permission.APPROVALS_DECIDE)
    await store.update_site(tx, site_id, {**_fresh_code(keys, now), "updated_at": now})
    await audit.record(tx, actor, "site.enrolment_code_rotated", "site", site_id, now=now, site_id=site_id)
    return await get_site(tx, actor, site_id)


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal the codes that older keys sealed under the active one; returns of how many sites."""
    number = 0
    for site_id, code_hash, envelope in await store.sealed_codes(tx):
        fresh = keys.renewed(envelope, _context(code_hash))
        if fresh != envelope:
            await store.update_site(tx, site_id, {"enrolment_code_sealed": fresh})
            number += 1
    return number


async def set_auto_approval(
    tx: AsyncConnection, actor: Actor, site_id: int, duration: timedelta, *, now: datetime
) -> Site:
    """Approve new devices without asking for `duration` from now; zero ends it at once."""
    await get_site(tx, actor, site_id)
    actor.require(Permission.APPROVALS_DECIDE)
    if not timedelta() <= duration <= MAX_AUTO_APPROVAL:
        wrong = Problem("minutes", "out_of_range", "must be from 0 (ends it) to 1440")
        raise InvalidError.of([wrong], what="The auto-approval")
    until = now + duration if duration else None
    await store.update_site(tx, site_id, {"auto_approve_until": until, "updated_at": now})
    detail = {"minutes": duration.total_seconds() / 60}
    await audit.record(tx, actor, "site.auto_approval_set", "site", site_id, now=now, site_id=site_id, detail=detail)
    return await get_site(tx, actor, site_id)


async def by_id(tx: AsyncConnection, site_id: int) -> Site:
    """A site for the Engine's own use."""
    site = await store.find(tx, site_id, EVERY_SITE)
    if site is None:
        raise NotFoundError("There is no such site.")
    return site


async def find_by_code(tx: AsyncConnection, code: str) -> Site | None:
    """The site that a device with this enrolment code belongs to."""
    return await store.find_by_code(tx, codes.code_hash(code))
