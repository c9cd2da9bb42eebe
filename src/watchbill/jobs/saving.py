"""The verbs of jobs: create, update, toggle, delete, look. What a job may say is decided in `core.job_rules`.

An edit takes effect for the instants after it: the mark moves to the present, and the next due instant is computed anew.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import filters, sites
from watchbill.core import schedule as calendar
from watchbill.core.job_rules import Facts, read, settle
from watchbill.core.job_rules_conflicts import HOLD_NEEDS_A_FIXED_ZONE
from watchbill.core.job_rules_onboarding import MOST_ADDRESSES
from watchbill.core.job_rules_toggle import Toggle, read_toggle
from watchbill.core.job_rules_values import CatchUp, ExecutionContext, Job, JobDraft, Policies
from watchbill.core.occurrence import first_mark
from watchbill.core.problems import Problem
from watchbill.core.schedule_types import Immediate
from watchbill.core.targets import (
    FilterTarget,
    OnboardingScope,
    SeenTargets,
    SiteTarget,
    Target,
    TargetFacts,
    devices_among,
)
from watchbill.credentials import locked_reason
from watchbill.filters import Use
from watchbill.identity import Actor, Permission, audit
from watchbill.jobs import followers, listing, store
from watchbill.jobs.changes import CHANNEL, changed
from watchbill.jobs.definition import read_schedule, secrets_in, shown, stored, targets_in, variables_of
from watchbill.jobs.differences import changes
from watchbill.jobs.facts import assembly_facts, set_elsewhere
from watchbill.jobs.logins import locked, login_facts, logins_facts
from watchbill.jobs.timing import Timing, paused, started
from watchbill.jobs.values import Action, AssemblyUse, JobFilter, JobRevision, SavedJob, StoredRevision
from watchbill.jobs.zones import zones_for
from watchbill.kit.budget import EVALUATION_SECONDS, Budget, Fault
from watchbill.kit.clock import rfc3339
from watchbill.kit.db import limit, notify
from watchbill.kit.errors import ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page
from watchbill.kit.secrets import KeyRing

#: An edit of a thousand devices is told by the revisions; the audit row names the first fields.
_FIELDS_IN_AUDIT: Final = 50
_SPANS = "This job has devices in sites that you do not see."
#: A resumption that makes up for the pause in these ways starts the job, as a rerun does.
_STARTS: Final = frozenset({"latest", "all"})
_SPARES = "This job leaves out, or begins with, devices in sites that you do not see."


@dataclass(frozen=True, slots=True)
class Saved:
    """A job after a save. `starts_now`: its schedule is `immediately` and was accepted just now: open its occurrence."""

    job: SavedJob
    is_changed: bool
    starts_now: bool = False


@dataclass(frozen=True, slots=True)
class MakeUp:
    """What a resumption asks to be made up for: every instant later than `since`, as `catch_up` says."""

    since: datetime
    catch_up: CatchUp


@dataclass(frozen=True, slots=True)
class Toggled:
    """A job after a pause or a resumption. `make_up`: the instants of the pause that are to be caught up, and how."""

    job: SavedJob
    make_up: MakeUp | None = None


async def get(tx: AsyncConnection, actor: Actor, job_id: int) -> SavedJob:
    actor.require(Permission.READ)
    return _there(await listing.find(tx, actor.scope, job_id))


async def require_visible(tx: AsyncConnection, actor: Actor, job_id: int) -> None:
    """As `get`, for who shows what belongs to the job and not the job: counting its devices would cost more than the rest."""
    actor.require(Permission.READ)
    if not await listing.is_there(tx, actor.scope, job_id):
        raise _not_there()


async def list_jobs(
    tx: AsyncConnection, actor: Actor, wanted: JobFilter, *, limit: int, cursor: str | None, only: listing.Only = ()
) -> Page[SavedJob]:
    """`only`: what features above know of jobs and ask for."""
    actor.require(Permission.READ)
    return await listing.list_page(tx, actor.scope, wanted, limit=limit, cursor=cursor, only=only)


async def list_revisions(
    tx: AsyncConnection, actor: Actor, job_id: int, *, limit: int, cursor: str | None
) -> Page[JobRevision]:
    """Newest first, with what each changed; of the targets they name, only those that the reader sees are shown."""
    await get(tx, actor, job_id)
    page = await store.list_revisions(tx, job_id, limit=limit, cursor=cursor)
    if actor.scope.site_ids is None:
        return page.map(lambda one: _revision(one, None))
    definitions = [kept for one in page.items for kept in (one.definition, one.before) if kept is not None]
    named = {target for definition in definitions for target in targets_in(definition)}
    seen = await store.seen_of(tx, actor.scope, named)
    return page.map(lambda one: _revision(one, seen))


def _revision(one: StoredRevision, seen: SeenTargets | None) -> JobRevision:
    made = changes(one.before, one.definition, seen) if one.before is not None else ()
    return JobRevision(one.revision, shown(one.definition, seen), one.changed_by, one.changed_at, made)


async def lock(tx: AsyncConnection, actor: Actor, job_id: int, *needed: Permission) -> SavedJob:
    """The job, held until the transaction ends, for a caller who may do what needs these permissions to all its devices."""
    job = _there(await listing.find(tx, actor.scope, job_id, for_update=True))
    actor.require(*needed_for(job, needed))
    if job.spans_other_sites:
        raise ForbiddenError(_SPANS, code="job_spans_other_sites")
    return job


def require_whole(job: SavedJob) -> None:
    """Who does not see all of a job can neither write it down nor save it anew: an exclusion unseen would be lost."""
    if job.spans_other_sites or job.spares_other_sites:
        raise ForbiddenError(_SPANS if job.spans_other_sites else _SPARES, code="job_spans_other_sites")


#: What a reader needs for each action on a job.
NEEDED: Final[Mapping[str, Sequence[Permission]]] = {
    "update": (Permission.JOBS_WRITE, Permission.RUN_AS_SYSTEM),
    "toggle": (Permission.JOBS_WRITE,),
    "resume": (Permission.JOBS_WRITE, Permission.RUN_AS_SYSTEM),
    "rerun": (Permission.JOBS_RUN, Permission.RUN_AS_SYSTEM),
    "cancel": (Permission.JOBS_RUN,),
    "delete": (Permission.JOBS_WRITE,),
}


def needed_for(job: SavedJob, needed: Sequence[Permission]) -> list[Permission]:
    """Of these permissions, those that this job asks for: what runs as who is signed in needs no right to run as SYSTEM."""
    is_user = job.definition["execution_context"] == ExecutionContext.CURRENT_USER.value
    return [one for one in needed if not is_user or one is not Permission.RUN_AS_SYSTEM]


def allowed_actions(actor: Actor, job: SavedJob, *, has_run: bool = True) -> list[Action]:
    """What this reader may do to the job, and why not; the writes themselves ask the same."""
    return [_action(actor, job, name, has_run=has_run) for name in NEEDED if name != "resume"]


def _action(actor: Actor, job: SavedJob, name: str, *, has_run: bool) -> Action:
    needed = NEEDED["resume" if name == "toggle" and not job.enabled else name]
    lacking = [f"`{permission}`" for permission in needed_for(job, needed) if not actor.may(permission)]
    if lacking:
        return Action(name, allowed=False, reason=f"This needs the permission {' and '.join(lacking)}.")
    if job.spans_other_sites:
        return Action(name, allowed=False, reason=_SPANS)
    if name == "update" and job.spares_other_sites:
        return Action(name, allowed=False, reason=_SPARES)
    if job.locked_by is not None and (name == "rerun" or (name == "toggle" and not job.enabled)):
        return Action(name, allowed=False, reason=locked_reason(job.locked_by))
    if name == "cancel" and not has_run:
        return Action(name, allowed=False, reason="It has not run yet.")
    return Action(name, allowed=True)


@dataclass(frozen=True, slots=True)
class Judged:
    """A job that may be saved, or every reason why not."""

    draft: JobDraft
    job: Job | None
    problems: Sequence[Problem]

    def accepted(self) -> Job:
        """The job; InvalidError lists every problem."""
        if self.job is None or self.problems:
            raise InvalidError.of(self.problems, what="The job")
        return self.job


async def judge(
    tx: AsyncConnection, actor: Actor, definition: object, *, now: datetime, before: SavedJob | None = None
) -> Judged:
    """Everything that a save would check, and nothing saved."""
    reading = read(definition)
    settled = settle(reading.draft, await _facts(tx, actor, reading.draft, now, before))
    return Judged(reading.draft, settled.job, [*reading.problems, *settled.problems])


async def create(tx: AsyncConnection, actor: Actor, definition: object, *, keys: KeyRing, now: datetime) -> Saved:
    """Save a new job; InvalidError lists every problem."""
    actor.require(Permission.JOBS_WRITE)
    judged = await judge(tx, actor, definition, now=now)
    require_context(actor, judged.draft)
    return await insert(tx, actor, judged.accepted(), keys=keys, now=now)


async def insert(tx: AsyncConnection, actor: Actor, job: Job, *, keys: KeyRing, now: datetime) -> Saved:
    """Save a job that was judged in this transaction."""
    actor.require(Permission.JOBS_WRITE)
    require_context(actor, job)
    enabled = job.enabled is not False
    timing = _first_timing(job.schedule, now, await zones_for(tx, job.schedule), enabled=enabled)
    job_id = await store.insert_job(
        tx,
        {
            **_columns(actor, job, enabled=enabled, now=now),
            **timing.values(),
            "revision": 1,
            "created_by": actor.operator_id,
            "created_at": now,
        },
    )
    await _write(tx, actor, job_id, 1, job, stored(job, job_id=job_id, enabled=enabled, keys=keys, before=None), now)
    await audit.record(tx, actor, "job.create", "job", job_id, now=now, detail={"name": job.name, "revision": 1})
    await changed(tx, {job_id: "created"}, now)
    await _wake(tx, timing)
    starts_now = enabled and isinstance(job.schedule.rule, Immediate)
    return Saved(await get(tx, actor, job_id), is_changed=True, starts_now=starts_now)


async def update(
    tx: AsyncConnection, actor: Actor, before: SavedJob, definition: object, *, keys: KeyRing, now: datetime
) -> Saved:
    """Save a locked job anew. What changes nothing makes no revision."""
    job = (await judge(tx, actor, definition, now=now, before=before)).accepted()
    return await change(tx, actor, before, job, keys=keys, now=now)


async def change(
    tx: AsyncConnection, actor: Actor, before: SavedJob, job: Job, *, keys: KeyRing, now: datetime
) -> Saved:
    """Save a locked job anew as it was judged in this transaction."""
    actor.require(Permission.JOBS_WRITE)
    require_whole(before)
    require_context(actor, job)
    enabled = before.enabled if job.enabled is None else job.enabled
    after = stored(job, job_id=before.id, enabled=enabled, keys=keys, before=before.definition)
    differences = changes(before.definition, after)
    if not differences:
        return Saved(before, is_changed=False)
    is_new_schedule = before.definition["schedule"] != after["schedule"]
    timing = _first_timing(job.schedule, now, await zones_for(tx, job.schedule), enabled=enabled)
    if not enabled and not before.enabled:
        # What the old schedule named in a pause is not made up for by the new one.
        mark = timing.mark_at if is_new_schedule else before.mark_at
        timing = paused(mark, before.state_reason, before.paused_until)
    revision = before.revision + 1
    await store.update_job(
        tx,
        before.id,
        {**_columns(actor, job, enabled=enabled, now=now), **timing.values(), "revision": revision},
    )
    await _write(tx, actor, before.id, revision, job, after, now)
    detail = {"name": job.name, "revision": revision, "changed": [one.field for one in differences[:_FIELDS_IN_AUDIT]]}
    await audit.record(tx, actor, "job.update", "job", before.id, now=now, detail=detail)
    await changed(tx, {before.id: "updated"}, now)
    await _wake(tx, timing)
    starts_now = enabled and is_new_schedule and isinstance(job.schedule.rule, Immediate)
    return Saved(await get(tx, actor, before.id), is_changed=True, starts_now=starts_now)


async def toggle(tx: AsyncConnection, actor: Actor, before: SavedJob, body: object, *, now: datetime) -> Toggled:
    """Pause or resume a locked job. Asking for what is the case already changes nothing."""
    wanted, problems = read_toggle(body, now)
    schedule, error = read_schedule(before.definition["schedule"])
    if schedule is not None and schedule.is_following and wanted.catch_up == "hold":
        problems.append(Problem("catch_up", "not_allowed", HOLD_NEEDS_A_FIXED_ZONE))
    if problems:
        raise InvalidError.of(problems, what="The request")
    if is_so_already(before, wanted):
        return Toggled(before)
    if wanted.enabled and before.locked_by is not None:
        raise locked(before.locked_by)
    if wanted.enabled:
        # From here on it runs again, by the word of who resumes it.
        actor.require(*needed_for(before, NEEDED["resume"]))
    if wanted.enabled and wanted.catch_up in _STARTS:
        actor.require(*needed_for(before, NEEDED["rerun"]))
    zones = await zones_for(tx, schedule)
    timing = toggled_timing(before, wanted, schedule, error, now=now, zones=zones)
    await _write_toggle(tx, actor, before, wanted, timing, now)
    is_owed = wanted.enabled and schedule is not None and wanted.catch_up != "skip"
    make_up = MakeUp(before.mark_at, wanted.catch_up) if is_owed else None
    return Toggled(await get(tx, actor, before.id), make_up)


def toggled_timing(
    before: SavedJob,
    wanted: Toggle,
    schedule: calendar.Schedule | None,
    error: str | None,
    *,
    now: datetime,
    zones: Collection[str],
) -> Timing:
    """Where a job goes on after a pause or a resumption. `error`: why it has no schedule that can be read."""
    if not wanted.enabled:
        mark = before.mark_at if not before.enabled else first_mark(schedule, now, zones) if schedule else now
        return paused(mark, wanted.reason, wanted.until)
    return _resumed(schedule, now, zones) if schedule is not None else Timing("error", error, now, None)


def _resumed(schedule: calendar.Schedule, now: datetime, zones: Collection[str]) -> Timing:
    """Its schedule was saved long ago, maybe when it was cheaper to evaluate."""
    with Budget(EVALUATION_SECONDS) as budget:
        timing = budget.attempt(started, schedule, now, zones)
    return Timing("error", timing.why, now, None) if isinstance(timing, Fault) else timing


def toggle_detail(before: SavedJob, wanted: Toggle) -> dict[str, object]:
    """What the audit tells of a pause or a resumption."""
    detail = {"name": before.definition["name"], "revision": before.revision + 1, "enabled": wanted.enabled}
    if wanted.enabled:
        return {**detail, "catch_up": wanted.catch_up}
    return {**detail, "reason": wanted.reason, "until": rfc3339(wanted.until) if wanted.until else None}


async def _write_toggle(
    tx: AsyncConnection, actor: Actor, before: SavedJob, wanted: Toggle, timing: Timing, now: datetime
) -> None:
    revision = before.revision + 1
    definition = {**before.definition, "enabled": wanted.enabled}
    values = {"enabled": wanted.enabled, "definition": definition, "revision": revision, **timing.values()}
    edited = {"updated_by": actor.operator_id, "updated_at": now}
    await store.update_job(tx, before.id, {**values, **edited})
    await store.insert_revisions(tx, [(before.id, revision, definition)], by=actor.operator_id, now=now)
    await audit.record(tx, actor, "job.toggle", "job", before.id, now=now, detail=toggle_detail(before, wanted))
    await changed(tx, {before.id: "toggled"}, now)
    await _wake(tx, timing)


async def delete(tx: AsyncConnection, actor: Actor, before: SavedJob, *, now: datetime) -> None:
    """Take a locked job away; its history stays. What runs is cancelled before, by the caller."""
    gone: dict[str, Any] = {
        "deleted_at": now,
        "next_due_at": None,
        "paused_until": None,
        "credential_id": None,
        "credential_ids": [],
    }
    await store.update_job(tx, before.id, {**gone, "updated_by": actor.operator_id, "updated_at": now})
    await store.forget_rules(tx, before.id)
    await audit.record(tx, actor, "job.delete", "job", before.id, now=now, detail={"name": before.definition["name"]})
    await changed(tx, {before.id: "deleted"}, now)


async def using_assembly(tx: AsyncConnection, actor: Actor, assembly_id: UUID) -> list[AssemblyUse]:
    """The jobs that an assembly is part of, also those that the caller does not see: archiving it would break them."""
    return await store.using_assembly(tx, assembly_id, listing.visible_ids(actor.scope))


async def count_users(tx: AsyncConnection, assembly_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many jobs each of these assemblies is part of, whoever sees them; those of no job are left out."""
    return await store.count_users(tx, assembly_ids) if assembly_ids else {}


async def using_filter(tx: AsyncConnection, actor: Actor, filter_id: int) -> list[Use]:
    """The jobs that a filter is part of, also those that the caller does not see: taking it away would break them."""
    return await store.using_filter(tx, filter_id, listing.visible_ids(actor.scope))


async def require_followers(tx: AsyncConnection, actor: Actor, assembly_id: UUID) -> None:
    """Who changes an assembly decides what the jobs that take its latest revision run: it needs what saving them would need."""
    number, elsewhere = await followers.following_assembly(tx, actor.scope, assembly_id)
    if number:
        actor.require(Permission.RUN_AS_SYSTEM)
    if elsewhere:
        detail = (
            f"{elsewhere} of the jobs that take each new revision of this assembly run in sites that you do not see. "
            "Save a copy under another name, or ask somebody who sees them."
        )
        raise ForbiddenError(detail, code="assembly_used_elsewhere")


def _there(job: SavedJob | None) -> SavedJob:
    if job is None:
        raise _not_there()
    return job


def _not_there() -> NotFoundError:
    return NotFoundError("There is no such job.", code="job_not_found")


def require_context(actor: Actor, job: Job | JobDraft) -> None:
    """Whoever saves a job may run it in its context: what runs from the Engine with a credential is no less than SYSTEM."""
    if job.execution_context is not ExecutionContext.CURRENT_USER:
        actor.require(Permission.RUN_AS_SYSTEM)


async def _facts(tx: AsyncConnection, actor: Actor, draft: JobDraft, now: datetime, before: SavedJob | None) -> Facts:
    wanted = {(one.assembly_id, one.revision) for one in draft.components if one.assembly_id is not None}
    facts = await assembly_facts(tx, wanted)
    stored_schedule = read_schedule(before.definition["schedule"])[0] if before else None
    zones = await zones_for(tx, draft.schedule)
    return Facts(
        now=now,
        assemblies=facts,
        targets=await _target_facts(tx, actor, [*draft.targets, *draft.exclusions, *canaries(draft.policies)]),
        stored_secrets=secrets_in(before.definition) if before else (),
        stored_schedule=stored_schedule,
        zones=zones,
        set_elsewhere=await set_elsewhere(tx, actor, facts),
        login=await login_facts(tx, actor, draft),
        logins=await logins_facts(tx, actor, draft),
        most_addresses=limit(tx, "onboarding_addresses", MOST_ADDRESSES),
        stored_enabled=before is None or before.enabled,
    )


async def _target_facts(tx: AsyncConnection, actor: Actor, targets: Sequence[Target]) -> TargetFacts:
    named = {one.site_id for one in targets if isinstance(one, SiteTarget | OnboardingScope)}
    return TargetFacts(
        devices=await store.usable_devices(tx, actor.scope, devices_among(targets)),
        sites=frozenset(await sites.existing(tx, named, actor.scope)) if named else frozenset(),
        filters=await filters.facts_of(
            tx, actor.scope, {one.filter_id for one in targets if isinstance(one, FilterTarget)}
        ),
    )


def _columns(actor: Actor, job: Job, *, enabled: bool, now: datetime) -> dict[str, Any]:
    return {
        "name": job.name,
        "job_kind": job.job_kind,
        "tags": list(job.tags),
        "step_rules": job.policies.step_rules(),
        "credential_id": job.credential_id,
        "use_service_account": job.use_service_account,
        "credential_ids": list(job.credential_ids),
        "workflow_id": job.workflow_id,
        "enabled": enabled,
        "schedule_type": calendar.to_json(job.schedule)["type"],
        "zone_source": job.schedule.zone_source,
        "allowed_site_ids": actor.scope.as_list(),
        "scope_of": actor.operator_id,
        "updated_by": actor.operator_id,
        "updated_at": now,
    }


async def _write(
    tx: AsyncConnection, actor: Actor, job_id: int, revision: int, job: Job, definition: dict[str, Any], now: datetime
) -> None:
    """The definition and everything that is derived from it."""
    await store.update_job(tx, job_id, {"definition": definition})
    await store.insert_revisions(tx, [(job_id, revision, definition)], by=actor.operator_id, now=now)
    await store.replace_targets(tx, job_id, job.targets, job.exclusions)
    await store.replace_canaries(tx, job_id, canaries(job.policies))
    await store.replace_components(tx, job_id, variables_of(definition), job.components)


def canaries(policies: Policies) -> list[Target]:
    """The devices and filters that say who goes first."""
    return list(policies.waves.canary.targets) if policies.waves and policies.waves.canary else []


def _first_timing(schedule: calendar.Schedule, now: datetime, zones: Collection[str], *, enabled: bool) -> Timing:
    return started(schedule, now, zones) if enabled else paused(first_mark(schedule, now, zones))


async def _wake(tx: AsyncConnection, timing: Timing) -> None:
    if timing.next_due_at is not None or timing.paused_until is not None:
        await notify(tx, CHANNEL)


def is_so_already(job: SavedJob, wanted: Toggle) -> bool:
    if job.enabled != wanted.enabled:
        return False
    return wanted.enabled or (job.state_reason, job.paused_until) == (wanted.reason, wanted.until)
