"""What a person asks of filters before they save or use one: whom does it find now, and why each. Changes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.device_filter_rules import Aim, read_aim
from watchbill.core.fields import as_uuid
from watchbill.core.filter_expr import (
    Expression,
    Field,
    NameTest,
    SoftwareTest,
    all_fields,
    criteria,
    explain,
    fold,
    why,
)
from watchbill.core.problems import Problem
from watchbill.filters import finding, saving
from watchbill.filters.compile import compiled
from watchbill.filters.finding import Facts, Question, TooSlowError
from watchbill.filters.values import Match, Preview
from watchbill.identity import Actor, Permission
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import decode_cursor, page_of

_SLOW: Final = (
    f"take more than {finding.MOST_SECONDS} seconds to find out: name software exactly instead of by parts of names, "
    "or add criteria that leave fewer devices"
)


async def fields(tx: AsyncConnection, actor: Actor) -> list[Field]:
    """Everything that a filter can ask about, custom fields last."""
    actor.require(Permission.READ)
    return list(all_fields(await saving.kinds(tx)).values())


async def preview(
    tx: AsyncConnection, actor: Actor, asked: object, *, limit: int, cursor: str | None, now: datetime
) -> Preview:
    """What criteria that are not saved find, of the devices that the reader sees. InvalidError lists every problem."""
    actor.require(Permission.READ)
    aim, problems = read_aim(asked, await saving.kinds(tx))
    problems += await saving.sites_of(tx, actor, aim)
    expression = _accepted(aim, problems)
    question = Question(compiled(expression), aim.site_mode, aim.site_ids, actor.scope.as_list())
    return await _looked(tx, expression, question, _after(cursor), limit, now)


async def preview_saved(
    tx: AsyncConnection, actor: Actor, filter_id: int, *, limit: int, cursor: str | None, now: datetime
) -> Preview:
    """What a saved filter finds, of the devices that the reader sees; archived ones too, which nothing else may use."""
    found = await saving.get(tx, actor, filter_id)
    aim, problems = read_aim(found.definition, await saving.kinds(tx))
    problems = [one for one in problems if one.field != "site_ids"]  # the reader may see none of those that are named
    expression = _accepted(aim, problems)
    reach = _both(found.allowed_site_ids, actor.scope.as_list())
    if found.site_mode == "except" and not found.site_ids:
        aim = replace(aim, site_mode="all")
    question = Question(compiled(expression), aim.site_mode, aim.site_ids, reach)
    return await _looked(tx, expression, question, _after(cursor), limit, now)


def _accepted(aim: Aim, problems: Sequence[Problem]) -> Expression:
    if problems or aim.criteria is None:
        raise InvalidError.of(problems, what="The filter")
    return aim.criteria


def _both(one: Sequence[int] | None, other: Sequence[int] | None) -> list[int] | None:
    if one is None or other is None:
        kept = one if other is None else other
        return None if kept is None else list(kept)
    return sorted(set(one) & set(other))


def _after(cursor: str | None) -> tuple[str, UUID] | None:
    if cursor is None:
        return None
    name, key = decode_cursor(cursor, (str, str))
    device_id = as_uuid(key)
    if name is None or device_id is None:
        wrong = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
        raise InvalidError("The cursor does not belong to this list.", problems=[wrong])
    return str(name), device_id


async def _looked(
    tx: AsyncConnection,
    expression: Expression,
    question: Question,
    after: tuple[str, UUID] | None,
    limit: int,
    now: datetime,
) -> Preview:
    await finding.bound(tx)
    try:
        found = await finding.find(tx, question, after=after, most=limit + 1, now=now)
    except TooSlowError:
        raise InvalidError.of([Problem("criteria", "too_slow", _SLOW)], what="The filter") from None
    page = page_of(found.page, limit, lambda row: (row[1], str(row[0])))
    items = await _matches(tx, expression, [device_id for device_id, _ in page.items], now)
    return Preview(explain(expression), found.devices, found.online, items, page.next_cursor)


async def _matches(tx: AsyncConnection, expression: Expression, ids: Sequence[UUID], now: datetime) -> list[Match]:
    facts = await finding.facts_of(tx, ids)
    tests = [leaf for leaf in criteria(expression) if isinstance(leaf, SoftwareTest)]
    software = await finding.software_of(tx, ids, _names(tests)) if tests else {}
    return [
        _match(device_id, facts[device_id], why(expression, replace(facts[device_id].device, software=rows), now))
        for device_id in ids
        if device_id in facts
        for rows in [software.get(device_id, ())]
    ]


def _names(tests: Sequence[SoftwareTest]) -> list[str] | None:
    """The names that are asked for, folded; None when some are not told exactly."""
    exact = [test.name.value for test in tests if isinstance(test.name, NameTest) and test.name.operator == "equals"]
    return [fold(name) for name in exact] if len(exact) == len(tests) else None


def _match(device_id: UUID, facts: Facts, reasons: Sequence[str]) -> Match:
    device = facts.device
    return Match(
        device_id=device_id,
        hostname=device.hostname or "",
        site_id=device.site,
        site_name=facts.site_name,
        os_family=device.os_family or "",
        online=device.online,
        last_seen_at=device.last_seen_at,
        why=reasons,
    )
