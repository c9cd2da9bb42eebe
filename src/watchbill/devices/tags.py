"""Tags of devices: set for one, changed for many. What a tag may be is decided in `core.tag_rules`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.fields import join
from watchbill.core.problems import Problem
from watchbill.core.tag_rules import MAX_TAGS, read_tags, too_many
from watchbill.devices import store
from watchbill.identity import Actor, Permission, audit
from watchbill.kit.errors import InvalidError

#: Devices that one request may change.
MAX_DEVICES = 5000

# Of each device: what would come, what would go, and how many tags it would have.
_LOOK = text("""
SELECT g.device_id,
  ARRAY(SELECT a.tag FROM unnest(CAST(:add AS text[])) AS a(tag)
    WHERE NOT EXISTS (SELECT 1 FROM device_tags t WHERE t.device_id = g.device_id AND t.tag = a.tag) ORDER BY a.tag) AS added,
  ARRAY(SELECT t.tag FROM device_tags t WHERE t.device_id = g.device_id
    AND (t.tag = ANY(CAST(:remove AS text[])) OR (:is_all AND t.tag <> ALL(CAST(:add AS text[])))) ORDER BY t.tag) AS removed,
  (SELECT count(*) FROM device_tags t WHERE t.device_id = g.device_id) AS number
FROM unnest(CAST(:devices AS uuid[])) AS g(device_id)
""")

_ADD = text("""
INSERT INTO device_tags (device_id, tag) SELECT * FROM unnest(CAST(:devices AS uuid[]), CAST(:tags AS text[]))
""")

_REMOVE = text("""
DELETE FROM device_tags t USING unnest(CAST(:devices AS uuid[]), CAST(:tags AS text[])) AS g(device_id, tag)
WHERE t.device_id = g.device_id AND t.tag = g.tag
""")


@dataclass(frozen=True, slots=True)
class TagChange:
    """What is to be done to the tags of some devices."""

    device_ids: Sequence[UUID]
    add: Sequence[str] = ()
    remove: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TagCount:
    """What a change does: devices asked for, those of them that change, tags that come and go."""

    devices: int
    changed: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Tags to come and to go, as they are kept. `is_all`: what is not to come goes."""

    add: Sequence[str]
    remove: Sequence[str] = ()
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """What happens to one device."""

    device_id: UUID
    added: Sequence[str]
    removed: Sequence[str]
    number: int


async def set_tags(
    tx: AsyncConnection, actor: Actor, before: store.Device, tags: Sequence[str], *, now: datetime
) -> None:
    """Give a device, which the caller has locked, exactly these tags."""
    problems: list[Problem] = []
    wanted = read_tags(tags, "tags", problems)
    if len(wanted) > MAX_TAGS:
        problems.append(Problem("tags", "too_many_tags", too_many(len(wanted))))
    if problems:
        raise InvalidError.of(problems, what="The device")
    steps = await _look(tx, [before.id], _Wanted(wanted, is_all=True))
    await _take(tx, actor, steps, {before.id: store.Seen(before.hostname, before.site_id, before.status)}, now)


async def change_tags(
    tx: AsyncConnection, actor: Actor, change: TagChange, *, now: datetime, is_dry_run: bool = False
) -> TagCount:
    """Add and remove tags on many devices, or none of it. `is_dry_run`: only count what it would do."""
    actor.require(Permission.READ)
    device_ids = list(dict.fromkeys(change.device_ids))
    if not is_dry_run:
        await store.lock(tx, device_ids)
    seen = await store.visible(tx, device_ids, actor.scope)
    actor.require(Permission.DEVICES_WRITE)
    problems = [
        Problem(join("device_ids", place), "unknown_device", "there is no such device")
        for place, device_id in enumerate(change.device_ids)
        if device_id not in seen
    ]
    add = read_tags(change.add, "add", problems)
    remove = read_tags(change.remove, "remove", problems)
    problems += [Problem("remove", "both", f"{tag} is to be added and removed") for tag in add if tag in remove]
    if not add and not remove:
        problems.append(Problem("add", "required", "add or remove at least one tag"))
    steps = [] if problems else await _look(tx, device_ids, _Wanted(add, remove))
    problems += _beyond(steps, change.device_ids)
    if problems:
        raise InvalidError.of(problems, what="The change")
    if not is_dry_run:
        await _take(tx, actor, steps, seen, now)
    return _count(steps)


def _beyond(steps: Sequence[_Step], given: Sequence[UUID]) -> list[Problem]:
    places = {device_id: place for place, device_id in enumerate(given)}
    numbers = {step.device_id: step.number + len(step.added) - len(step.removed) for step in steps if step.added}
    return [
        Problem(join("device_ids", places[device_id]), "too_many_tags", too_many(number))
        for device_id, number in numbers.items()
        if number > MAX_TAGS
    ]


def _count(steps: Sequence[_Step]) -> TagCount:
    changed = sum(1 for step in steps if step.added or step.removed)
    added, removed = sum(len(step.added) for step in steps), sum(len(step.removed) for step in steps)
    return TagCount(len(steps), changed, added, removed)


async def _look(tx: AsyncConnection, device_ids: Sequence[UUID], wanted: _Wanted) -> list[_Step]:
    given = {
        "devices": list(device_ids),
        "add": list(wanted.add),
        "remove": list(wanted.remove),
        "is_all": wanted.is_all,
    }
    rows = await tx.execute(_LOOK, given)
    return [_Step(row.device_id, row.added, row.removed, row.number) for row in rows]


async def _take(
    tx: AsyncConnection, actor: Actor, steps: Sequence[_Step], seen: Mapping[UUID, store.Seen], now: datetime
) -> None:
    """Do it: the tags, the revisions, and an entry for each device that changed."""
    changed = [step for step in steps if step.added or step.removed]
    if not changed:
        return
    for statement, pairs in (
        (_REMOVE, [(step.device_id, tag) for step in changed for tag in step.removed]),
        (_ADD, [(step.device_id, tag) for step in changed for tag in step.added]),
    ):
        if pairs:
            await tx.execute(statement, {"devices": [one for one, _ in pairs], "tags": [tag for _, tag in pairs]})
    await store.grow_revisions(tx, [step.device_id for step in changed], now)
    entries = [
        audit.About(
            step.device_id,
            seen[step.device_id].site_id,
            {"hostname": seen[step.device_id].hostname, "added": list(step.added), "removed": list(step.removed)},
        )
        for step in changed
    ]
    await audit.record_many(tx, actor, "device.tagged", "device", entries, now=now)
