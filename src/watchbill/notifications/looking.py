"""Looking at what changed and at what is overdue, and writing down what rules tell of it. What that is, `core.notification_rules` says.

A step takes marks or watches and writes notifications with their messages in one transaction: a crash leaves both or neither.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.notification_rules import Event, Look, Wanted, bounds, told
from watchbill.kit.clock import rfc3339
from watchbill.kit.db import notify
from watchbill.notifications import look_store as store
from watchbill.notifications import outbox
from watchbill.notifications.channels import CHANNEL
from watchbill.notifications.posting import Post, post

#: Occurrences, or bounds, that one step takes.
STEP: Final = 500


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did. `is_full`: there may be more to take at once. `next_at`: when the clock asks for the next one."""

    told: int
    is_full: bool
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Tell:
    """One thing that one rule tells of one occurrence."""

    row: Row[Any]
    rule: Row[Any]
    event: Event
    key: str
    more: Mapping[str, Any]


async def look(tx: AsyncConnection, now: datetime) -> Step:
    """Take what changed and what is overdue; tell of it."""
    marked = await store.take_marks(tx, STEP)
    due = await store.take_due(tx, now, STEP)
    seen = await store.see(tx, [*marked, *(one.occurrence_id for one in due)])
    changed = set(marked)
    tells = [one for row in seen.rows if row.id in changed for one in _by_state(seen, row)]
    tells += _by_clock(seen, due, now)
    await store.watch(tx, [one for row in seen.rows if row.id in changed for one in _watches(seen, row)])
    number = await _tell(tx, tells, seen, now)
    if number:
        await notify(tx, CHANNEL)
    is_full = len(marked) == STEP or len(due) == STEP
    return Step(number, is_full, await store.next_due(tx))


async def look_at(tx: AsyncConnection, occurrence_ids: Collection[uuid.UUID]) -> None:
    """Have occurrences looked at (again), of which something changed that neither their state nor their outcome shows."""
    await store.mark(tx, occurrence_ids)
    await notify(tx, CHANNEL)


def _wanted(rule: Row[Any]) -> Wanted:
    events = frozenset(Event(one) for one in rule.events)
    return Wanted(events, rule.not_started_minutes, rule.failures_in_a_row, rule.slower_factor)


def _look(seen: store.Seen, row: Row[Any], rule: Row[Any]) -> Look:
    special = _among(seen.special.get(row.id, {}), rule.sites)
    is_failed = row.outcome == "failed"
    return Look(
        id=str(row.id),
        state=row.state,
        outcome=row.outcome,
        streak=row.streak if is_failed else 0,
        streak_key=row.streak_key,
        ended_streak=0 if is_failed else row.streak,
        ended_key=str(row.last_id or ""),
        braked=_sum(special, "braked"),
        expired=_sum(special, "expired"),
        begins_at=row.begins_at,
        is_held_by_window=row.reason == "held_by_window",
        usual=timedelta(seconds=row.usual_seconds) if row.usual_seconds is not None else None,
    )


def _among(by_site: Mapping[int, Mapping[str, int]], sites: Sequence[int] | None) -> dict[int, Mapping[str, int]]:
    return {site: counts for site, counts in by_site.items() if sites is None or site in sites}


def _sum(by_site: Mapping[int, Mapping[str, int]], state: str) -> int:
    return sum(counts.get(state, 0) for counts in by_site.values())


def _by_state(seen: store.Seen, row: Row[Any]) -> list[_Tell]:
    return [
        _Tell(row, rule, one.event, one.key, {})
        for rule in seen.rules[row.job_id]
        for one in told(_look(seen, row, rule), _wanted(rule))
    ]


def _watches(seen: store.Seen, row: Row[Any]) -> list[dict[str, Any]]:
    return [
        {
            "rule_id": rule.id,
            "occurrence_id": str(row.id),
            "event": str(one.event),
            "due_at": rfc3339(one.at),
            "usual_seconds": row.usual_seconds,
        }
        for rule in seen.rules[row.job_id]
        for one in bounds(_look(seen, row, rule), _wanted(rule))
    ]


def _by_clock(seen: store.Seen, due: Sequence[Row[Any]], now: datetime) -> list[_Tell]:
    """What is overdue is told when it is still so, and its rule still asks for it."""
    rows = {row.id: row for row in seen.rows}
    tells = []
    for watch in due:
        row = rows.get(watch.occurrence_id)
        rule = next((one for one in seen.rules[row.job_id] if one.id == watch.rule_id), None) if row else None
        if row is None or rule is None or watch.event not in rule.events:
            continue
        more = _overdue(row, watch, now)
        if more is not None:
            tells.append(_Tell(row, rule, Event(watch.event), str(row.id), more))
    return tells


def _overdue(row: Row[Any], watch: Row[Any], now: datetime) -> dict[str, Any] | None:
    if watch.event == Event.NOT_STARTED:
        is_waiting = row.state in ("open", "held") and not row.has_started
        return {"waited_seconds": (watch.due_at - row.begins_at).total_seconds()} if is_waiting else None
    # Whoever looks late still tells that it took longer, unless somebody stopped it.
    ended = row.closed_at if row.state == "closed" and row.outcome != "cancelled" else None
    if row.state != "open" and (ended is None or ended <= watch.due_at):
        return None
    took = ((ended or now) - row.begins_at).total_seconds()
    return {"took_seconds": took, "usual_seconds": watch.usual_seconds}


async def _tell(tx: AsyncConnection, tells: Sequence[_Tell], seen: store.Seen, now: datetime) -> int:
    """Write notifications and put them into messages; how many are new."""
    counts = await store.counts_of(tx, [one.row.id for one in tells])
    written = await outbox.write(tx, [_stored(one, counts, seen) for one in tells], now)
    known = {(one.rule.id, str(one.event), one.key): one for one in reversed(tells)}
    new = [(row.id, known[row.rule_id, row.event, row.key]) for row in written]
    # To each channel in the order in which it happened.
    await _send(tx, sorted(new, key=lambda pair: (pair[1].row.closed_at or now, pair[0])), now)
    return len(written)


def _stored(one: _Tell, counts: store.Counts, seen: store.Seen) -> dict[str, Any]:
    row, sites = one.row, one.rule.sites
    special = _among(seen.special.get(row.id, {}), sites)
    facts = {
        "job_name": row.job_name,
        "scheduled_for_at": rfc3339(row.scheduled_for_at),
        "range_end_at": rfc3339(row.range_end_at) if row.range_end_at else None,
        "range_count": row.range_count,
        "state": row.state,
        "outcome": row.outcome,
        "reason": row.reason,
        "streak": row.streak,
        "ended_streak": row.streak,
        "counts": _among(counts.get(row.id, {}), sites),
        "counted": row.counted,
        "braked": special,
        "expired": special,
        **one.more,
    }
    ids = {"rule_id": one.rule.id, "job_id": row.job_id, "occurrence_id": str(row.id)}
    return {**ids, "event": str(one.event), "key": one.key, "facts": facts}


async def _send(tx: AsyncConnection, new: Sequence[tuple[int, _Tell]], now: datetime) -> None:
    """A message for each channel that is still for sites of the rule."""
    channels = await outbox.channels_of(tx, {one.rule.id for _, one in new})
    posts = [
        Post(notification, channel, is_urgent=one.event in one.rule.urgent_events)
        for notification, one in new
        for channel in channels.get(one.rule.id, ())
        if one.rule.sites is None or set(one.rule.sites) & set(channel.site_ids or ())
    ]
    await post(tx, posts, now)
