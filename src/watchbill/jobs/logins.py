"""The credentials that jobs sign in with: what a save must know of one, and what becomes of jobs whose credential is locked."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import credentials
from watchbill.core.job_rules_login import LoginFacts
from watchbill.core.job_rules_values import JobDraft
from watchbill.core.targets import devices_among
from watchbill.filters import Use
from watchbill.identity import ENGINE, Actor, audit
from watchbill.jobs import bulk_store, listing, login_store
from watchbill.jobs.changes import changed
from watchbill.jobs.timing import paused
from watchbill.kit.errors import ConflictError


async def login_facts(tx: AsyncConnection, actor: Actor, draft: JobDraft) -> LoginFacts | None:
    """What there is of the credential that a draft names; it is not taken away until the transaction ends."""
    if draft.credential_id is None:
        return None
    found = (await credentials.facts(tx, actor.scope, [draft.credential_id])).get(draft.credential_id)
    if found is None:
        return None
    site_id = found.site_id
    there = await login_store.devices_at(tx, site_id, devices_among(draft.targets)) if site_id is not None else ()
    return LoginFacts(found.kind, site_id, found.is_locked, there)


async def logins_facts(tx: AsyncConnection, actor: Actor, draft: JobDraft) -> dict[int, LoginFacts]:
    """The same of the credentials that onboarding names, by their ids."""
    if not draft.credential_ids:
        return {}
    found = await credentials.facts(tx, actor.scope, list(draft.credential_ids))
    return {one: LoginFacts(known.kind, known.site_id, known.is_locked) for one, known in found.items()}


async def using_credential(tx: AsyncConnection, actor: Actor, credential_id: int) -> list[Use]:
    """The jobs that sign in with a credential, also those that the caller does not see: taking it away would break them."""
    return await login_store.using_credential(tx, credential_id, listing.visible_ids(actor.scope))


async def refuse_locked(tx: AsyncConnection, job_id: int) -> None:
    """Nothing is started that could not sign in anywhere."""
    name = (await login_store.locked_by(tx, [job_id])).get(job_id)
    if name is not None:
        raise locked(name)


def locked(name: str) -> ConflictError:
    """The refusal to resume or start a job whose credential is locked."""
    return ConflictError(credentials.locked_reason(name), code="credential_locked")


async def pause_locked(tx: AsyncConnection, now: datetime) -> int:
    """Pause the jobs whose credential is locked, with the reason, until a person resumes them; returns how many.

    A pause that would have ended by itself does not any more. What fell due while nothing could sign in belongs to the pause.
    """
    found = await login_store.hold_locked(tx)
    timings = {row.id: paused(row.mark_at, credentials.locked_reason(row.name)) for row in found}
    if not timings:
        return 0
    await bulk_store.toggle(tx, timings, enabled=False, by=None, now=now)
    about = [audit.About(row.id, None, {"enabled": False, "reason": timings[row.id].state_reason}) for row in found]
    await audit.record_many(tx, ENGINE, "job.toggle", "job", about, now=now)
    await changed(tx, dict.fromkeys(timings, "toggled"), now)
    return len(timings)
