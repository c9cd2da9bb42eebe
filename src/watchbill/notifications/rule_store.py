"""The SQL of rules, as one reader sees them. Decides nothing.

The rule of a job is seen with the job, that of a site with the site, and one of all jobs by everybody: it says what is told, not of whom.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    case,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.identity import SiteScope
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.notifications import channel_store
from watchbill.notifications.tables import (
    notification_channels,
    notification_rule_channels,
    notification_rules,
    notification_watches,
)
from watchbill.notifications.values import ChannelName, Rule

_R = notification_rules.c
_NAMES = [one.name for one in fields(Rule) if one.name != "channels"]
_HOLD = text("SELECT pg_advisory_xact_lock(hashtext('watchbill_notification_rules'))")
# What goes on is looked at anew under the new rule.
_MARK = text("""
INSERT INTO notification_marks (occurrence_id) SELECT o.id FROM occurrences o WHERE o.state IN ('open', 'held')
  AND (CAST(:job AS bigint) IS NULL OR o.job_id = :job)
  AND (CAST(:site AS bigint) IS NULL OR EXISTS (SELECT 1 FROM job_reach jr WHERE jr.job_id = o.job_id AND jr.site_id = :site))
""")
_REACHED = text("SELECT site_id FROM job_reach WHERE job_id = :job")


def _is_seen(scope: SiteScope) -> ColumnElement[bool]:
    if scope.site_ids is None:
        return true()
    general = and_(_R.job_id.is_(None), _R.site_id.is_(None))
    of_site = and_(_R.job_id.is_(None), scope.clause(_R.site_id) if scope.site_ids else false())
    of_job = case((_R.job_id.is_not(None), jobs.is_seen(scope, _R.job_id)), else_=false())
    return or_(general, of_site, of_job)


def _query(scope: SiteScope) -> Select[Any]:
    return select(*[_R[name] for name in _NAMES]).where(_is_seen(scope))


def _rule(row: Row[Any]) -> Rule:
    return Rule(**{name: getattr(row, name) for name in _NAMES})


async def find(tx: AsyncConnection, scope: SiteScope, rule_id: int, *, for_update: bool = False) -> Rule | None:
    query = _query(scope).where(_R.id == rule_id)
    row = (await tx.execute(query.with_for_update() if for_update else query)).one_or_none()
    return (await with_channels(tx, scope, [_rule(row)]))[0] if row is not None else None


async def list_page(tx: AsyncConnection, scope: SiteScope, *, limit: int, cursor: str | None) -> Page[Rule]:
    """Those in use, the oldest first."""
    query = _query(scope).where(_R.archived_at.is_(None))
    if cursor is not None:
        query = query.where(_R.id > decode_cursor(cursor, (int,))[0])
    rows = (await tx.execute(query.order_by(_R.id).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.id,))
    return Page(await with_channels(tx, scope, [_rule(row) for row in page.items]), page.next_cursor)


async def of_job(tx: AsyncConnection, scope: SiteScope, job_id: int) -> list[Rule]:
    """Its own rules, then those of its sites and of all jobs that it does not replace by its own."""
    sites = list((await tx.execute(_REACHED, {"job": job_id})).scalars())
    general = and_(_R.job_id.is_(None), or_(_R.site_id.is_(None), _R.site_id.in_(sites)))
    query = _query(scope).where(_R.archived_at.is_(None), or_(_R.job_id == job_id, general))
    found = [_rule(row) for row in await tx.execute(query.order_by(_R.job_id.is_(None), _R.id))]
    own = [one for one in found if one.job_id is not None]
    kept = own if any(one.replaces_general and one.enabled for one in own) else found
    return await with_channels(tx, scope, kept)


async def with_channels(tx: AsyncConnection, scope: SiteScope, rules: Sequence[Rule]) -> list[Rule]:
    used, channel = notification_rule_channels.c, notification_channels.c
    query = (
        select(used.rule_id, channel.id, channel.name, channel_store.is_seen(scope).label("is_seen"))
        .join(notification_channels, channel.id == used.channel_id)
        .where(used.rule_id.in_([one.id for one in rules]))
        .order_by(func.lower(channel.name))
    )
    found: dict[int, list[ChannelName]] = {one.id: [] for one in rules}
    for row in await tx.execute(query) if rules else ():
        found[row.rule_id].append(ChannelName(row.id, row.name) if row.is_seen else ChannelName(None, None))
    return [replace(one, channels=found[one.id]) for one in rules]


async def hold_saving(tx: AsyncConnection) -> None:
    await tx.execute(_HOLD)


async def count(tx: AsyncConnection, job_id: int | None) -> int:
    """Rules in use of a job; without one, those of sites and of all jobs."""
    query = select(func.count()).select_from(notification_rules)
    same = _R.job_id.is_(None) if job_id is None else _R.job_id == job_id
    return int((await tx.execute(query.where(same, _R.archived_at.is_(None)))).scalar_one())


async def insert_rule(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    return int((await tx.execute(insert(notification_rules).values(**values).returning(_R.id))).scalar_one())


async def update_rule(tx: AsyncConnection, rule_id: int, values: Mapping[str, Any]) -> None:
    await tx.execute(update(notification_rules).where(_R.id == rule_id).values(**values))


async def replace_channels(tx: AsyncConnection, rule_id: int, channel_ids: Collection[int]) -> None:
    used = notification_rule_channels
    await tx.execute(delete(used).where(used.c.rule_id == rule_id))
    rows = [{"rule_id": rule_id, "channel_id": one} for one in sorted(set(channel_ids))]
    await tx.execute(insert(used), rows)


async def used_channels(tx: AsyncConnection, rule_id: int) -> set[int]:
    used = notification_rule_channels.c
    return set((await tx.execute(select(used.channel_id).where(used.rule_id == rule_id))).scalars())


async def watch_anew(tx: AsyncConnection, rule: Rule) -> None:
    """Forget by when its occurrences were to be looked at, and have all that go on looked at again."""
    await tx.execute(delete(notification_watches).where(notification_watches.c.rule_id == rule.id))
    await tx.execute(_MARK, {"job": rule.job_id, "site": rule.site_id})
