"""Reading: the frozen devices of occurrences and what ran on them. Every query carries the reader's site scope."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.recap import Recap, from_json, total
from watchbill.core.states import TargetState
from watchbill.core.steps import exit_word
from watchbill.core.stop_answers import NOT_HANDED_OUT, StopAnswer, answer_of, stop_sentence
from watchbill.devices.tables import device_presence, devices
from watchbill.identity.actor import SiteScope
from watchbill.jobs.tables import jobs
from watchbill.kit.errors import NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.aims import rule_in_words
from watchbill.runs.cursors import instant_of, uuid_of
from watchbill.runs.decided import part_of
from watchbill.runs.output_groups import in_group
from watchbill.runs.tables import executions, occurrences, run_targets, runs
from watchbill.sites.tables import sites


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One frozen device of an occurrence and what became of it."""

    target_id: int
    run_id: int
    device_id: uuid.UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    is_online: bool
    os: str
    state: TargetState
    reason: str | None
    detail: str | None
    wave: int
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    deadline_at: datetime | None
    #: Not before: its zone, the splay, or a window that opens later. None = at once.
    starts_at: datetime | None
    exit_code: int | None
    last_line: str | None
    late_result: Mapping[str, object] | None
    verdict: str | None
    #: Which state of the device's inventory was looked at when it was frozen; None = before that was kept.
    inventory_revision: int | None
    #: The rules that found it, and those that exclude it, in words; none for who is named one by one.
    found_by: Sequence[str] = ()
    excluded_by: Sequence[str] = ()
    executions: Sequence["Execution"] = ()
    cancel_requested_at: datetime | None = None
    #: What its device answered to a stop, and that in a sentence; None where none was asked for.
    cancel_answer: StopAnswer | None = None
    cancel_sentence: str | None = None
    #: The row of an earlier occurrence that this one repeats, and the newest one that repeats this.
    origin_target_id: int | None = None
    rerun_as: "RerunAs | None" = None
    #: The counters of all its playbooks together, the last try of each.
    recap: Recap | None = None


@dataclass(frozen=True, slots=True)
class RerunAs:
    """The row of a later occurrence that repeats one, and how it stands."""

    target_id: int
    occurrence_id: uuid.UUID
    state: TargetState


@dataclass(frozen=True, slots=True)
class Execution:
    """One attempt on one device."""

    id: uuid.UUID
    target_id: int
    run_id: int
    device_id: uuid.UUID
    site_id: int
    component: int
    attempt: int
    state: str
    outcome: str | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    detail: str | None
    started_at: datetime | None
    finished_at: datetime | None
    stdout_bytes: int
    stderr_bytes: int
    stored_bytes: int
    truncated: bool
    cancel_answer: str | None
    is_recheck: bool
    last_line: str | None
    #: Whose session it ran in, where it ran as who was signed in.
    session_id: str | None
    session_user_name: str | None
    #: Whether everything that it had started could be stopped; None = nothing was to be stopped.
    tree: str | None
    #: The same for all of a run that wrote the same and ended the same way. None = not ended, or before that was kept.
    output_hash: bytes | None
    #: Of a playbook: Ansible's counters.
    recap: Mapping[str, int] | None
    #: What its exit code means by the rules of its component. None = it did not exit by itself, or has not ended.
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """An execution, and what it is part of."""

    execution: Execution
    job_id: int
    job_name: str
    occurrence_id: uuid.UUID
    #: What the checks of its target found; None where there were none, or they have not ended.
    verdict: str | None
    component_name: str | None
    #: The workflow that it was a node of: the job is none that anybody saved then.
    workflow_id: uuid.UUID | None


def _of_component(name: str) -> ColumnElement[Any]:
    return func.jsonb_extract_path(runs.c.components, cast(executions.c.component, Text), name, type_=JSONB)


_RULES = ("role", "warning_exit_codes", "not_compliant_exit_codes")
_EXECUTION = tuple(executions.c[name] for name in Execution.__slots__ if name != "result")
#: An execution as `_execution` reads it, of executions with their runs.
_JUDGED = (*_EXECUTION, *(_of_component(name) for name in _RULES))
_WITH_RUN = executions.join(runs, runs.c.id == executions.c.run_id)


_TARGET_COLUMNS = (
    run_targets.c.id,
    run_targets.c.run_id,
    run_targets.c.device_id,
    run_targets.c.hostname,
    run_targets.c.site_id,
    sites.c.name.label("site_name"),
    device_presence.c.gateway_id.is_not(None).label("is_online"),
    devices.c.os_name,
    devices.c.os_version,
    run_targets.c.state,
    run_targets.c.reason,
    run_targets.c.detail,
    run_targets.c.wave,
    run_targets.c.attempt,
    run_targets.c.started_at,
    run_targets.c.finished_at,
    run_targets.c.expires_at,
    run_targets.c.deadline_at,
    run_targets.c.starts_at,
    run_targets.c.exit_code,
    run_targets.c.last_line,
    run_targets.c.late_result,
    run_targets.c.verdict,
    run_targets.c.via,
    run_targets.c.inventory_revision,
    run_targets.c.cancel_requested_at,
    run_targets.c.origin_target_id,
)


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows of an occurrence: in these states, with these verdicts, with this in the host name, of this group of outputs.

    `target_ids`: only these rows; empty = any.
    """

    states: Sequence[str] = ()
    verdicts: Sequence[str] = ()
    q: str | None = None
    output: str | None = None
    target_ids: Sequence[int] = ()


_EVERY_ROW: Final = RowFilter()


async def device_rows(
    tx: AsyncConnection,
    scope: SiteScope,
    occurrence_id: uuid.UUID,
    wanted: RowFilter = _EVERY_ROW,
    *,
    limit: int,
    cursor: str | None = None,
) -> Page[DeviceRow]:
    """Frozen devices of an occurrence by host name, with their executions."""
    table = run_targets.c
    name = func.lower(table.hostname)
    # The runs say which weeks' partitions there are to look at: planning for all of them takes longer than reading a page.
    query = _TARGETS.where(
        table.run_id == any_(literal(await run_ids_of(tx, occurrence_id), ARRAY(BigInteger))),
        table.occurrence_id == occurrence_id,
        scope.clause(table.site_id),
    )
    query = query.where(*conditions_of(wanted, occurrence_id))
    if cursor is not None:
        host, last = decode_cursor(cursor, (str, int))
        query = query.where(tuple_(name, table.id) > tuple_(literal(host), literal(last)))
    rows = (await tx.execute(query.order_by(name, table.id).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.hostname.lower(), row.id))
    done = await _executions_of(tx, page.items)
    rules = await _rules_of(tx, page.items)
    reruns = await _reruns_of(tx, scope, occurrence_id, page.items)
    shown = page.map(lambda row: _device_row(row, rules.get(row.run_id, {}), done.get(row.id, ())))
    return shown.map(lambda row: replace(row, rerun_as=reruns.get(row.target_id)))


async def run_ids_of(tx: AsyncConnection, occurrence_id: uuid.UUID) -> list[int]:
    """The runs of an occurrence: they say in which partitions its rows are."""
    return list((await tx.execute(select(runs.c.id).where(runs.c.occurrence_id == occurrence_id))).scalars())


def conditions_of(wanted: RowFilter, occurrence_id: uuid.UUID) -> list[ColumnElement[bool]]:
    """What target rows must be like to be among those that are wanted."""
    table, found = run_targets.c, list[ColumnElement[bool]]()
    if wanted.target_ids:
        found.append(table.id == any_(literal(list(wanted.target_ids), ARRAY(BigInteger))))
    if wanted.states:
        found.append(table.state.in_(wanted.states))
    if wanted.verdicts:
        found.append(table.verdict.in_(wanted.verdicts))
    if wanted.q:
        found.append(func.lower(table.hostname).contains(wanted.q.lower(), autoescape=True))
    if wanted.output is not None:
        found.append(in_group(occurrence_id, wanted.output))
    return found


async def _reruns_of(
    tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID, targets: Sequence[Row[*tuple[Any, ...]]]
) -> dict[int, RerunAs]:
    """The newest row that repeats each, in the reader's sites."""
    repeats = select(occurrences.c.id).where(occurrences.c.origin_occurrence_id == occurrence_id)
    later = (await tx.execute(select(runs.c.id).where(runs.c.occurrence_id.in_(repeats)))).scalars().all()
    if not later:
        return {}
    table = run_targets.c
    query = (
        select(table.origin_target_id, table.id, table.occurrence_id, table.state)
        .where(table.run_id == any_(literal(list(later), ARRAY(BigInteger))), scope.clause(table.site_id))
        .where(table.origin_target_id == any_(literal([row.id for row in targets], ARRAY(BigInteger))))
        .order_by(table.id)
    )
    return {row[0]: RerunAs(row[1], row[2], TargetState(row[3])) for row in await tx.execute(query)}


async def _rules_of(tx: AsyncConnection, targets: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, dict[int, str]]:
    """By run and place, the rules by which rows were found, in words; nothing is read where there are none."""
    wanted = sorted({row.run_id for row in targets if row.via})
    if not wanted:
        return {}
    query = select(runs.c.id, runs.c.target_specs).where(runs.c.id == any_(literal(wanted, ARRAY(BigInteger))))
    return {row.id: {one["place"]: rule_in_words(one) for one in row.target_specs} for row in await tx.execute(query)}


# Put together once: a statement of so many columns takes milliseconds to compose.
_TARGETS: Select[Any] = select(*_TARGET_COLUMNS).select_from(
    run_targets.join(devices, devices.c.id == run_targets.c.device_id)
    .outerjoin(sites, sites.c.id == run_targets.c.site_id)
    .outerjoin(device_presence, device_presence.c.device_id == run_targets.c.device_id)
)
_DONE: Select[Any] = (
    select(*_JUDGED)
    .select_from(_WITH_RUN)
    .where(
        executions.c.run_id == any_(bindparam("runs", type_=ARRAY(BigInteger))),
        executions.c.target_id == any_(bindparam("targets", type_=ARRAY(BigInteger))),
    )
    .order_by(
        executions.c.target_id,
        executions.c.attempt,
        executions.c.dispatched_at,
        executions.c.is_recheck,
        executions.c.component,
        executions.c.session_id,
    )
)


def _device_row(row: Row[*tuple[Any, ...]], rules: Mapping[int, str], done: Sequence[Execution]) -> DeviceRow:
    places = sorted(one for one in row.via or () if one in rules)
    answer = _answer(row, done)
    return DeviceRow(
        cancel_answer=answer,
        cancel_sentence=stop_sentence(answer, is_online=bool(row.is_online)) if answer else None,
        found_by=[rules[one] for one in places if one >= 0],
        excluded_by=[rules[one] for one in places if one < 0],
        target_id=row.id,
        run_id=row.run_id,
        device_id=row.device_id,
        hostname=row.hostname,
        site_id=row.site_id or None,
        site_name=row.site_name,
        is_online=bool(row.is_online),
        os=f"{row.os_name} {row.os_version}".strip(),
        state=TargetState(row.state),
        executions=done,
        recap=_recap(done),
        **{name: getattr(row, name) for name in _PLAIN},
    )


def _recap(done: Sequence[Execution]) -> Recap | None:
    last = {one.component: one.recap for one in done if one.recap is not None}
    return total(from_json(one) for one in last.values()) if last else None


def _answer(row: Row[*tuple[Any, ...]], done: Sequence[Execution]) -> StopAnswer | None:
    last = done[-1] if done else None
    if row.cancel_requested_at is None:
        return None
    return answer_of(TargetState(row.state), *(last.cancel_answer, last.outcome, last.tree) if last else NOT_HANDED_OUT)


_PLAIN = (
    "reason",
    "detail",
    "wave",
    "attempt",
    "started_at",
    "finished_at",
    "expires_at",
    "deadline_at",
    "starts_at",
    "exit_code",
    "last_line",
    "late_result",
    "verdict",
    "inventory_revision",
    "cancel_requested_at",
    "origin_target_id",
)


async def _executions_of(tx: AsyncConnection, targets: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, list[Execution]]:
    found: dict[int, list[Execution]] = defaultdict(list)
    if not targets:
        return found
    asked = {"runs": sorted({row.run_id for row in targets}), "targets": [row.id for row in targets]}
    for row in await tx.execute(_DONE, asked):
        found[row.target_id].append(_execution(row))
    return found


async def get_execution(tx: AsyncConnection, scope: SiteScope, execution_id: uuid.UUID) -> Execution:
    query = select(*_JUDGED).select_from(_WITH_RUN)
    query = query.where(executions.c.id == execution_id, scope.clause(executions.c.site_id))
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such execution.", code="execution_not_found")
    return _execution(row)


def _execution(row: Sequence[Any]) -> Execution:
    """Of a row that begins with `_JUDGED`."""
    one = Execution(*row[: len(_EXECUTION)])
    if one.outcome != "exited":
        return one
    rules = dict(zip(_RULES, row[len(_EXECUTION) : len(_JUDGED)], strict=True))
    return replace(one, result=exit_word(part_of(rules), one.exit_code))


async def executions_on(
    tx: AsyncConnection, scope: SiteScope, device_id: uuid.UUID, *, limit: int, cursor: str | None
) -> Page[Ran]:
    """What ran on a device, newest first."""
    table = executions.c
    component_name = func.jsonb_extract_path_text(runs.c.components, cast(table.component, Text), "name")
    workflow = case((jobs.c.job_kind == "workflow", jobs.c.workflow_id))
    of_target = (run_targets.c.verdict, component_name, workflow.label("workflow_id"))
    query = (
        select(*_JUDGED, table.dispatched_at, runs.c.job_id, jobs.c.name, runs.c.occurrence_id, *of_target)
        .select_from(_WITH_RUN)
        .outerjoin(run_targets, (run_targets.c.id == table.target_id) & (run_targets.c.run_id == table.run_id))
        .join(jobs, jobs.c.id == runs.c.job_id)
        .where(table.device_id == device_id, scope.clause(table.site_id), table.outcome.is_distinct_from("skipped"))
    )
    if cursor is not None:
        at, last = decode_cursor(cursor, (str, str))
        query = query.where(
            or_(
                table.dispatched_at < instant_of(at),
                and_(table.dispatched_at == instant_of(at), table.id > uuid_of(last)),
            )
        )
    rows = (await tx.execute(query.order_by(table.dispatched_at.desc(), table.id).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.dispatched_at.isoformat(), str(row.id)))
    return page.map(lambda row: Ran(_execution(row), *row[-6:]))


async def devices_in(
    tx: AsyncConnection, occurrence_id: uuid.UUID, states: Sequence[TargetState]
) -> list[tuple[uuid.UUID, int]]:
    """(device, site) of an occurrence's targets in one of `states`."""
    table = run_targets.c
    query = select(table.device_id, table.site_id).where(
        table.occurrence_id == occurrence_id, table.state.in_([str(state) for state in states])
    )
    return [(row.device_id, row.site_id) for row in await tx.execute(query.order_by(table.id))]
