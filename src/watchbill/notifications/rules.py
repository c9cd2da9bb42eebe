"""The verbs of rules: what is told of which jobs, to which channels.

Rules add up; a rule of a job may stand in place of those of its sites and of all jobs. A rule tells only of sites that whoever saved it
still has.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, sites
from watchbill.core.notification_rules import rule_problems
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.db import notify
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page
from watchbill.notifications import channel_store
from watchbill.notifications import rule_store as store
from watchbill.notifications.channels import CHANNEL
from watchbill.notifications.values import Rule, RuleDraft

MAX_RULES_OF_A_JOB: Final = 20
#: Each of them is asked about whatever ends.
MAX_GENERAL_RULES: Final = 200
_PLAIN = ("not_started_minutes", "failures_in_a_row", "slower_factor", "replaces_general", "enabled")


async def get_rule(tx: AsyncConnection, actor: Actor, rule_id: int) -> Rule:
    actor.require(Permission.READ)
    return _there(await store.find(tx, actor.scope, rule_id))


async def list_rules(tx: AsyncConnection, actor: Actor, *, limit: int, cursor: str | None) -> Page[Rule]:
    actor.require(Permission.READ)
    return await store.list_page(tx, actor.scope, limit=limit, cursor=cursor)


async def rules_of_job(tx: AsyncConnection, actor: Actor, job_id: int) -> list[Rule]:
    """Those that tell of a job: its own first."""
    await jobs.require_visible(tx, actor, job_id)
    return await store.of_job(tx, actor.scope, job_id)


async def lock_rule(tx: AsyncConnection, actor: Actor, rule_id: int) -> Rule:
    """The rule, held until the transaction ends, for a caller who may change it."""
    found = _there(await store.find(tx, actor.scope, rule_id))
    await _require_subject(tx, actor, found)
    rule = _there(await store.find(tx, actor.scope, rule_id, for_update=True))
    if rule.archived_at is not None:
        raise ConflictError("This rule is archived.", code="rule_archived")
    return rule


async def create_rule(tx: AsyncConnection, actor: Actor, draft: RuleDraft, *, now: datetime) -> Rule:
    if draft.job_id is not None:
        await jobs.lock(tx, actor, draft.job_id, Permission.NOTIFICATIONS_WRITE)
    actor.require(Permission.NOTIFICATIONS_WRITE)
    await _check(tx, actor, draft, None)
    most = MAX_RULES_OF_A_JOB if draft.job_id is not None else MAX_GENERAL_RULES
    if await store.count(tx, draft.job_id) >= most:
        raise ConflictError(f"There are {most} such rules, which is the most.", code="too_many_rules")
    place = {"job_id": draft.job_id, "site_id": draft.site_id, "revision": 1, "created_at": now}
    rule_id = await store.insert_rule(tx, {**_columns(actor, draft, now), **place})
    return await _saved(tx, actor, "create", rule_id, draft, now)


async def update_rule(tx: AsyncConnection, actor: Actor, before: Rule, draft: RuleDraft, *, now: datetime) -> Rule:
    """Save a locked rule anew; what it is about stays. It is from now on that of whoever saves it."""
    await _check(tx, actor, draft, before)
    await store.update_rule(tx, before.id, {**_columns(actor, draft, now), "revision": before.revision + 1})
    return await _saved(tx, actor, "update", before.id, draft, now)


async def archive_rule(tx: AsyncConnection, actor: Actor, before: Rule, *, now: datetime) -> Rule:
    """Take a locked rule out of use; what it has told stays told."""
    await store.update_rule(tx, before.id, {"archived_at": now, "updated_at": now, "revision": before.revision + 1})
    detail = {"job_id": before.job_id, "site_id": before.site_id}
    await audit.record(
        tx,
        actor,
        "notification_rule.archive",
        "notification_rule",
        before.id,
        now=now,
        site_id=before.site_id,
        detail=detail,
    )
    await notify(tx, CHANNEL)
    return await get_rule(tx, actor, before.id)


def _there(rule: Rule | None) -> Rule:
    if rule is None:
        raise NotFoundError("There is no such rule.", code="rule_not_found")
    return rule


async def _require_subject(tx: AsyncConnection, actor: Actor, rule: Rule) -> None:
    if rule.job_id is not None:
        await jobs.lock(tx, actor, rule.job_id, Permission.NOTIFICATIONS_WRITE)
        return
    actor.require(Permission.NOTIFICATIONS_WRITE)
    if rule.site_id is None and actor.scope.site_ids is not None:
        raise ForbiddenError("A rule of all jobs is for those who see every site.")


async def _check(tx: AsyncConnection, actor: Actor, draft: RuleDraft, before: Rule | None) -> None:
    await store.hold_saving(tx)
    if draft.job_id is None and draft.site_id is None and actor.scope.site_ids is not None:
        raise ForbiddenError("A rule of all jobs is for those who see every site.")
    problems = rule_problems(draft.events, draft.urgent_events)
    if draft.replaces_general and draft.job_id is None:
        problems.append(Problem("replaces_general", "not_allowed", "is for the rules of one job"))
    if before is None and draft.site_id is not None and not await sites.existing(tx, [draft.site_id], actor.scope):
        problems.append(Problem("site_id", "not_found", "there is no such site"))
    problems += await _channel_problems(tx, actor, draft.channel_ids, before)
    if problems:
        raise InvalidError.of(problems, what="The rule")


async def _channel_problems(
    tx: AsyncConnection, actor: Actor, wanted: Sequence[int], before: Rule | None
) -> list[Problem]:
    """Channels that the caller may not use, and those unseen ones that a save would take away."""
    usable = await channel_store.usable(tx, actor.scope, wanted)
    problems = [
        Problem(f"channel_ids.{place}", "not_found", "there is no such channel in use")
        for place, one in enumerate(wanted)
        if one not in usable
    ]
    if before is not None and any(one.id is None for one in before.channels):
        problems.append(Problem("channel_ids", "hidden_channels", "this rule uses channels that you do not see: make one of your own"))  # fmt: skip
    return problems


def _columns(actor: Actor, draft: RuleDraft, now: datetime) -> dict[str, Any]:
    return {
        **{name: getattr(draft, name) for name in _PLAIN},
        "events": sorted({str(one) for one in draft.events}),
        "urgent_events": sorted({str(one) for one in draft.urgent_events}),
        "allowed_site_ids": actor.scope.as_list(),
        "scope_of": actor.operator_id,
        "updated_at": now,
    }


async def _saved(tx: AsyncConnection, actor: Actor, verb: str, rule_id: int, draft: RuleDraft, now: datetime) -> Rule:
    await store.replace_channels(tx, rule_id, draft.channel_ids)
    rule = await get_rule(tx, actor, rule_id)
    await store.watch_anew(tx, rule)
    detail = {
        "job_id": rule.job_id,
        "site_id": rule.site_id,
        "events": rule.events,
        "channels": sorted(draft.channel_ids),
    }
    await audit.record(
        tx,
        actor,
        f"notification_rule.{verb}",
        "notification_rule",
        rule_id,
        now=now,
        site_id=rule.site_id,
        detail=detail,
    )
    await notify(tx, CHANNEL)
    return rule
