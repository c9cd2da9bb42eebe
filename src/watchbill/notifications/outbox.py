"""The SQL of notifications and messages: written once, claimed by one sender at a time, settled under the attempt that sent them.

Order of locks: channels by id, then messages. Within a channel the oldest goes first, one at a time; a channel whose receiver is in
trouble keeps its own line waiting, and no other.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.notifications.values import Item

_WRITE = text("""
INSERT INTO notifications (rule_id, event, key, job_id, occurrence_id, facts, created_at)
SELECT r.rule_id, r.event, r.key, r.job_id, r.occurrence_id, r.facts, :now FROM jsonb_to_recordset(:rows)
  AS r(rule_id bigint, event text, key text, job_id bigint, occurrence_id uuid, facts jsonb)
ORDER BY r.rule_id, r.event, r.key
ON CONFLICT (rule_id, event, key) DO NOTHING RETURNING id, rule_id, event, key
""").bindparams(bindparam("rows", type_=JSONB))
# The job and the sites are those of the occurrence: without one nothing is told, and that is an error.
_WRITE_MESSAGE = text("""
INSERT INTO notifications (event, key, job_id, occurrence_id, site_ids, facts, created_at)
SELECT 'message', :key, o.job_id, w.id, o.allowed_site_ids, :facts || jsonb_build_object('job_name', j.name), :now
FROM (SELECT CAST(:occurrence AS uuid) AS id) w
LEFT JOIN occurrences o ON o.id = w.id LEFT JOIN jobs j ON j.id = CAST(:job AS bigint)
ON CONFLICT (key) WHERE event = 'message' DO NOTHING RETURNING id
""").bindparams(bindparam("facts", type_=JSONB))
_IS_WRITTEN = text("SELECT EXISTS (SELECT 1 FROM notifications WHERE key = :key AND event = 'message')")
# Held until the transaction ends: whoever takes the channel out of use sees the message, and ends it.
_IN_USE = text("""
SELECT id, timezone, digest, quiet FROM notification_channels WHERE id = :id AND enabled AND archived_at IS NULL FOR KEY SHARE
""")
_CHANNELS = text("""
SELECT u.rule_id, c.id, c.site_ids, c.timezone, c.digest, c.quiet FROM notification_rule_channels u
JOIN notification_channels c ON c.id = u.channel_id WHERE u.rule_id = ANY(:rules) AND c.enabled AND c.archived_at IS NULL
""")
_SINGLE = text("""
INSERT INTO notification_messages (id, channel_id, state, due_at, created_at)
SELECT r.id, r.channel_id, 'waiting', :now, :now FROM jsonb_to_recordset(:rows)
  AS r(id uuid, channel_id bigint, place bigint) ORDER BY r.place RETURNING seq, id
""").bindparams(bindparam("rows", type_=JSONB))
# What joins a message holds it until it commits: a sender passes over it, so that nothing is added to what is on its way.
_GATHERED = text("""
INSERT INTO notification_messages AS m (id, channel_id, slot_at, state, due_at, created_at)
SELECT r.id, r.channel_id, r.slot_at, 'waiting', r.slot_at, :now FROM jsonb_to_recordset(:rows)
  AS r(id uuid, channel_id bigint, slot_at timestamptz) ORDER BY r.channel_id, r.slot_at
ON CONFLICT (channel_id, slot_at) DO UPDATE SET slot_at = excluded.slot_at WHERE m.state = 'waiting' AND m.attempt = 0
RETURNING seq, channel_id, slot_at
""").bindparams(bindparam("rows", type_=JSONB))
_ITEMS = text("""
INSERT INTO notification_items (message_seq, notification_id)
SELECT * FROM unnest(CAST(:messages AS bigint[]), CAST(:notifications AS bigint[])) ON CONFLICT DO NOTHING
""")

_BEHIND = """EXISTS (SELECT 1 FROM notification_messages e WHERE e.channel_id = m.channel_id AND e.state = 'waiting' AND e.seq <> m.seq
  AND (e.leased_until > :now OR (e.holds_line AND e.seq < m.seq AND e.due_at > :now)))"""
_READY = f"""m.state = 'waiting' AND m.due_at <= :now AND (m.leased_until IS NULL OR m.leased_until <= :now) AND NOT {_BEHIND}"""
_LINES = text(f"""
SELECT c.id FROM notification_channels c WHERE c.enabled AND c.archived_at IS NULL
  AND EXISTS (SELECT 1 FROM notification_messages m WHERE m.channel_id = c.id AND {_READY})
ORDER BY c.id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
""")
_LOCK_HEADS = text(f"""
SELECT seq FROM notification_messages WHERE seq = ANY(ARRAY(
  SELECT min(m.seq) FROM notification_messages m WHERE m.channel_id = ANY(:channels) AND {_READY} GROUP BY m.channel_id
)) FOR UPDATE SKIP LOCKED
""")
_CLAIM = text("""
UPDATE notification_messages SET attempt = attempt + 1, leased_until = :until, first_attempt_at = coalesce(first_attempt_at, :now)
WHERE seq = ANY(:seqs) RETURNING seq, id, channel_id, attempt, first_attempt_at
""")
_CHANNEL_ROWS = text("SELECT id, kind, addresses, smtp, sealed FROM notification_channels WHERE id = ANY(:ids)")
_ITEMS_OF = text("""
SELECT i.message_seq, n.id, n.event, n.job_id, n.occurrence_id, n.facts, n.created_at
FROM notification_items i JOIN notifications n ON n.id = i.notification_id WHERE i.message_seq = ANY(:seqs) ORDER BY n.id
""")
_NEXT = text(f"""
SELECT min(greatest(m.due_at, m.leased_until)) FROM notification_messages m JOIN notification_channels c ON c.id = m.channel_id
WHERE m.state = 'waiting' AND c.enabled AND c.archived_at IS NULL AND NOT {_BEHIND}
""")
_SENT = text("""
UPDATE notification_messages SET state = 'sent', ended_at = :now, leased_until = NULL, error = NULL, holds_line = false
WHERE seq = :seq AND attempt = :attempt AND state = 'waiting'
""")
_AGAIN = text("""
UPDATE notification_messages SET due_at = :again_at, leased_until = NULL, error = :error, holds_line = :holds_line
WHERE seq = :seq AND attempt = :attempt AND state = 'waiting'
""")
_FAILED = text("""
UPDATE notification_messages SET state = 'failed', ended_at = :now, leased_until = NULL, error = :error, holds_line = false
WHERE seq = :seq AND attempt = :attempt AND state = 'waiting'
""")
# A notification stays as long as a message with it waits.
_PRUNE = text("""
WITH gone AS (
  DELETE FROM notifications WHERE id = ANY(ARRAY(
    SELECT n.id FROM notifications n WHERE n.created_at < :before AND NOT EXISTS (
      SELECT 1 FROM notification_items i JOIN notification_messages m ON m.seq = i.message_seq AND m.state = 'waiting'
      WHERE i.notification_id = n.id)
    ORDER BY n.created_at LIMIT 1000))
)
DELETE FROM notification_messages WHERE seq = ANY(ARRAY(
  SELECT seq FROM notification_messages WHERE state <> 'waiting' AND created_at < :before LIMIT 1000))
""")

#: Nobody else sends a claimed message before this; an attempt has ended long before.
LEASE: Final = timedelta(seconds=60)
Rows = Sequence[Mapping[str, Any]]


async def write(tx: AsyncConnection, rows: Rows, now: datetime) -> Sequence[Row[Any]]:
    """Write notifications; those that were told before are left out of what is returned."""
    return (await tx.execute(_WRITE, {"rows": list(rows), "now": now})).all() if rows else []


async def write_message(
    tx: AsyncConnection, key: str, facts: Mapping[str, Any], occurrence_id: uuid.UUID, now: datetime
) -> int | None:
    """Write one message; None: it was told before under this key."""
    values = {"key": key, "facts": dict(facts), "occurrence": occurrence_id, "job": facts["job_id"], "now": now}
    written: int | None = (await tx.execute(_WRITE_MESSAGE, values)).scalar_one_or_none()
    return written


async def is_written(tx: AsyncConnection, key: str) -> bool:
    return bool((await tx.execute(_IS_WRITTEN, {"key": key})).scalar_one())


async def in_use(tx: AsyncConnection, channel_id: int) -> Row[Any] | None:
    """How a channel is sent to; None: it is archived, off, or there is none."""
    return (await tx.execute(_IN_USE, {"id": channel_id})).one_or_none()


async def channels_of(tx: AsyncConnection, rules: Collection[int]) -> Mapping[int, Sequence[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in await tx.execute(_CHANNELS, {"rules": sorted(set(rules))}) if rules else ():
        found[row.rule_id].append(row)
    return found


async def put_single(tx: AsyncConnection, pairs: Sequence[tuple[int, int]], now: datetime) -> None:
    """A message of its own for each (channel, notification), due now, in this order."""
    if not pairs:
        return
    made = {uuid.uuid4(): pair for pair in pairs}
    rows = [{"id": str(one), "channel_id": pair[0], "place": place} for place, (one, pair) in enumerate(made.items())]
    written = (await tx.execute(_SINGLE, {"rows": rows, "now": now})).all()
    await _put_items(tx, [(row.seq, made[row.id][1]) for row in written])


async def put_gathered(
    tx: AsyncConnection, slots: Mapping[tuple[int, datetime], Sequence[int]], now: datetime
) -> list[tuple[int, int]]:
    """Add notifications to the messages of these slots; the (channel, notification) pairs whose message is on its way already."""
    if not slots:
        return []
    rows = [{"id": str(uuid.uuid4()), "channel_id": key[0], "slot_at": key[1].isoformat()} for key in slots]
    written = (await tx.execute(_GATHERED, {"rows": rows, "now": now})).all()
    seqs = {(row.channel_id, row.slot_at): row.seq for row in written}
    await _put_items(tx, [(seqs[key], one) for key, some in slots.items() if key in seqs for one in some])
    return [(key[0], one) for key, some in slots.items() if key not in seqs for one in some]


async def _put_items(tx: AsyncConnection, items: Sequence[tuple[int, int]]) -> None:
    if items:
        await tx.execute(_ITEMS, {"messages": [one for one, _ in items], "notifications": [one for _, one in items]})


async def claim(tx: AsyncConnection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """The oldest ready message of each of up to `limit` channels that nobody else is at."""
    lines = list((await tx.execute(_LINES, {"now": now, "limit": limit})).scalars())
    if not lines:
        return []
    # Asked again now that the channels are held: what another sender had claimed meanwhile is seen.
    seqs = list((await tx.execute(_LOCK_HEADS, {"now": now, "channels": lines})).scalars())
    return (await tx.execute(_CLAIM, {"now": now, "until": now + LEASE, "seqs": seqs})).all() if seqs else []


async def channel_rows(tx: AsyncConnection, ids: Collection[int]) -> dict[int, Row[Any]]:
    return {row.id: row for row in await tx.execute(_CHANNEL_ROWS, {"ids": sorted(set(ids))})}


async def items_of(tx: AsyncConnection, seqs: Collection[int]) -> Mapping[int, Sequence[Item]]:
    found: dict[int, list[Item]] = defaultdict(list)
    for row in await tx.execute(_ITEMS_OF, {"seqs": sorted(seqs)}):
        found[row.message_seq].append(Item(row.id, row.event, row.job_id, row.occurrence_id, row.facts, row.created_at))
    return found


async def next_due(tx: AsyncConnection, now: datetime) -> datetime | None:
    found: datetime | None = (await tx.execute(_NEXT, {"now": now})).scalar_one()
    return found


async def sent(tx: AsyncConnection, seq: int, attempt: int, now: datetime) -> bool:
    return (await tx.execute(_SENT, {"seq": seq, "attempt": attempt, "now": now})).rowcount == 1


async def again(
    tx: AsyncConnection, seq: int, attempt: int, again_at: datetime, error: str, *, holds_line: bool
) -> bool:
    values = {"seq": seq, "attempt": attempt, "again_at": again_at, "error": error, "holds_line": holds_line}
    return (await tx.execute(_AGAIN, values)).rowcount == 1


async def failed(tx: AsyncConnection, seq: int, attempt: int, error: str, now: datetime) -> bool:
    return (await tx.execute(_FAILED, {"seq": seq, "attempt": attempt, "error": error, "now": now})).rowcount == 1


async def prune(tx: AsyncConnection, before: datetime) -> None:
    await tx.execute(_PRUNE, {"before": before})
