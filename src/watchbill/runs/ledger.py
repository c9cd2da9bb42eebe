"""The ledger across jobs: what became of every due instant and why, and, computed, what will. Reads only.

Stored rows come from the database. Coming ones are the scheduler's own functions applied to the jobs that fall due on the page.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.occurrence import LONGEST_DEFAULT_WINDOW, ON_TIME
from watchbill.core.problems import Problem
from watchbill.core.schedule import period_hint
from watchbill.identity.actor import SiteScope
from watchbill.jobs.definition import policies_of, read_schedule
from watchbill.jobs.tables import jobs as jobs_table
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import Page, decode_cursor, encode_cursor
from watchbill.runs.coming import coming_rows
from watchbill.runs.cursors import instant_of, uuid_of
from watchbill.runs.forecast import Place
from watchbill.runs.history import counts_of
from watchbill.runs.partly import ClosedFor
from watchbill.runs.sentences import Absence, Circumstances, sentence
from watchbill.runs.tables import occurrences

Sort = Literal["time", "-time"]
#: How far ahead instants are computed.
FARTHEST: Final = timedelta(days=366)
PLANNED: Final = "planned"
#: The states of which a reason says why.
_WITH_REASON: Final = ("held", "skipped", "missed")

# A scope of one site and one of all of them need different plans; so do one state and any.
_PLAN_FOR_VALUES = text("SET LOCAL plan_cache_mode = force_custom_plan")
_ABSENCES = text("""
SELECT from_at, to_at, noticed_at, kind FROM outages
WHERE kind IN ('outage', 'clock_jump') AND to_at >= :first AND from_at <= :last ORDER BY from_at DESC LIMIT 1000
""")
# As the job was when it missed them: its policies may have been changed since.
_POLICIES = text("""
SELECT r.job_id, r.revision, r.definition->'policies' AS policies, r.definition->'schedule' AS schedule
FROM unnest(CAST(:jobs AS bigint[]), CAST(:revisions AS integer[])) AS w(job_id, revision)
JOIN job_revisions r ON r.job_id = w.job_id AND r.revision = w.revision
""")
_FIRST_STARTS = text("""
SELECT occurrence_id, min(starts_at) AS starts_at FROM occurrence_waves WHERE occurrence_id = ANY(:ids) GROUP BY occurrence_id
""")
_OF_WORKFLOWS = text("SELECT DISTINCT occurrence_id FROM workflow_runs WHERE occurrence_id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Which rows: what is empty or None asks for nothing. `since` and `until` are included.

    `sort` None: `time` where computed rows can be among the answer, which only that order has, else newest first.
    """

    states: Sequence[str] = ()
    outcomes: Sequence[str] = ()
    reasons: Sequence[str] = ()
    kinds: Sequence[str] = ()
    job_id: int | None = None
    site_id: int | None = None
    late: bool | None = None
    q: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: Sort | None = None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A stored occurrence, or (state `planned`) one that is computed: its id is the one it will have.

    `due_at` is when it starts first; `scheduled_for_at` names it, and is the same unless the job follows clocks.
    """

    id: UUID
    job_id: int
    job_name: str
    kind: str
    scheduled_for_at: datetime
    due_at: datetime
    local_time: datetime | None
    timezone: str | None
    state: str
    reason: str | None
    detail: str | None
    outcome: str | None
    is_late: bool
    range_end_at: datetime | None
    range_count: int
    is_range_capped: bool
    held_until_at: datetime | None
    job_revision: int
    origin_occurrence_id: UUID | None
    started_by: int | None
    cancel_requested_at: datetime | None
    created_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    flags: Sequence[str] = ()
    closed_for: ClosedFor | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    sentence: str = ""


_STORED = tuple(
    occurrences.c[name]
    for name in LedgerRow.__slots__
    if name not in {"job_name", "due_at", "timezone", "flags", "closed_for", "counts", "sentence"}
)
_ORDER = (occurrences.c.scheduled_for_at, occurrences.c.created_at, occurrences.c.id)


async def list_ledger(
    tx: AsyncConnection, scope: SiteScope, wanted: LedgerFilter, *, now: datetime, limit: int, cursor: str | None
) -> Page[LedgerRow]:
    """A page of the ledger: stored rows, and after them, where `until` lies ahead and `sort` is not `-time`, the coming ones."""
    place = decode_cursor(cursor, (str, str, str, str)) if cursor is not None else None
    wanted = replace(wanted, sort=wanted.sort or _order_of(place) or _usual_order(wanted, now))
    _check(wanted, now)
    if place is not None and place[0] not in {wanted.sort, PLANNED}:
        raise _bad_cursor()
    is_planned = place is not None and place[0] == PLANNED
    stored: list[LedgerRow] = []
    if not is_planned and not (wanted.states and set(wanted.states) == {PLANNED}):
        stored = await _stored(tx, scope, wanted, limit + 1, place)
    if len(stored) > limit:
        return Page(stored[:limit], _after_stored(wanted, stored[limit - 1]))
    if not _looks_ahead(wanted, now):
        return Page(stored, None)
    first = _first_place(wanted, now)
    after = max(first, _planned_place(place)) if is_planned else first
    ahead, following = await coming_rows(
        tx, scope, feed(scope, wanted), wanted.until or now, after, limit - len(stored), now
    )
    rows = [*stored, *(LedgerRow(**one) for one in ahead)]
    return Page(rows, None if following is None else _after_planned(following))


def _order_of(place: Sequence[str | int | None] | None) -> Sort | None:
    """The order of the pages before: what was ahead at the first of them may have come by now."""
    match place[0] if place else None:
        case "time" | "planned":
            return "time"
        case "-time":
            return "-time"
        case _:
            return None


def _usual_order(wanted: LedgerFilter, now: datetime) -> Sort:
    is_ahead = wanted.until is not None and wanted.until > now
    return "time" if PLANNED in wanted.states or (is_ahead and _could_be_planned(wanted)) else "-time"


def _check(wanted: LedgerFilter, now: datetime) -> None:
    problems = []
    if wanted.until is not None and wanted.until > now + FARTHEST and wanted.sort == "time":
        problems.append(Problem("to", "too_far", f"must be at most {FARTHEST.days} days ahead"))
    if PLANNED in wanted.states and wanted.sort != "time":
        message = (
            "must be `time`, or left out, where `planned` occurrences are asked for: they are computed in that order"
        )
        problems.append(Problem("sort", "planned_need_time", message))
    if wanted.until is None and _needs_an_end(wanted, now):
        message = "is needed where what is to come is asked for: it is computed up to there"
        problems.append(Problem("to", "missing", message))
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        problems.append(Problem("to", "before_from", "must not be earlier than `from`"))
    if problems:
        raise InvalidError.of(problems, what="The query")


def _needs_an_end(wanted: LedgerFilter, now: datetime) -> bool:
    """Also where nothing but the future is asked for, by more than clocks differ: an empty answer would say that nothing comes."""
    is_ahead = wanted.since is not None and wanted.since > now + ON_TIME
    return PLANNED in wanted.states or (is_ahead and _could_be_planned(wanted))


def _looks_ahead(wanted: LedgerFilter, now: datetime) -> bool:
    return wanted.sort == "time" and wanted.until is not None and wanted.until > now and _could_be_planned(wanted)


def _could_be_planned(wanted: LedgerFilter) -> bool:
    """Whether a computed row could be asked for: it has neither outcome nor reason and is on time."""
    if wanted.outcomes or wanted.reasons or wanted.late:
        return False
    return (not wanted.states or PLANNED in wanted.states) and (not wanted.kinds or "schedule" in wanted.kinds)


# --- places -------------------------------------------------------------------------------------------------------------


def _after_stored(wanted: LedgerFilter, row: LedgerRow) -> str:
    made = row.created_at.isoformat() if row.created_at else ""
    return encode_cursor((wanted.sort or "-time", row.scheduled_for_at.isoformat(), made, str(row.id)))


def _after_planned(place: Place) -> str:
    due, job_id, nominal = place
    return encode_cursor((PLANNED, due.isoformat(), str(job_id), nominal.isoformat()))


def _first_place(wanted: LedgerFilter, now: datetime) -> Place:
    """Before everything that is still to come. What is overdue by more than a minute is no longer what was planned."""
    begin = max(now - ON_TIME, wanted.since or now - ON_TIME)
    return begin, 0, datetime(1, 1, 1, tzinfo=UTC)


def _planned_place(place: Sequence[str | int | None] | None) -> Place:
    _, due, job_id, nominal = place or ("", "", "", "")
    if not str(job_id).isascii() or not str(job_id).isdigit() or len(str(job_id)) > 19:
        raise _bad_cursor()
    found = instant_of(due), int(str(job_id)), instant_of(nominal)
    if found[0].tzinfo is None or found[2].tzinfo is None:
        raise _bad_cursor()
    return found


def _bad_cursor() -> InvalidError:
    problem = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
    return InvalidError("The cursor does not belong to this list.", problems=[problem])


# --- stored rows --------------------------------------------------------------------------------------------------------


async def _stored(
    tx: AsyncConnection, scope: SiteScope, wanted: LedgerFilter, number: int, place: Sequence[str | int | None] | None
) -> list[LedgerRow]:
    await tx.execute(_PLAN_FOR_VALUES)
    rows = (await tx.execute(stored_query(scope, wanted, number, place))).all()
    counts = await counts_of(tx, scope, [row.id for row in rows if row.state in {"open", "closed"}])
    starts = await _first_starts(tx, rows)
    around = await _circumstances(tx, rows)
    return [_stored_row(row, counts.get(row.id, {}), starts.get(row.id), around[row.id]) for row in rows]


def stored_query(
    scope: SiteScope, wanted: LedgerFilter, number: int, place: Sequence[str | int | None] | None = None
) -> Select[Any]:
    """One page of stored rows by a row comparison, which an index answers at any depth."""
    query = of_jobs(_ROWS, scope, wanted, occurrences.c.job_id).where(*_conditions(wanted))
    is_ascending = wanted.sort == "time"
    if place is not None:
        here = tuple_(*_ORDER)
        there = tuple_(*(literal(one) for one in (instant_of(place[1]), instant_of(place[2]), uuid_of(place[3]))))
        query = query.where(here > there if is_ascending else here < there)
    return query.order_by(*(one.asc() if is_ascending else one.desc() for one in _ORDER)).limit(number)


async def sentence_of(tx: AsyncConnection, scope: SiteScope, occurrence_id: UUID) -> str:
    """What became of one stored occurrence, as its row of the ledger says it."""
    row = (await tx.execute(_ROWS.where(occurrences.c.id == occurrence_id))).one()
    counts = await counts_of(tx, scope, [row.id])
    return _stored_row(row, counts.get(row.id, {}), None, (await _circumstances(tx, [row]))[row.id]).sentence


_TIMEZONE = jobs_table.c.definition["schedule"]["timezone"].astext.label("timezone")
# Put together once: a statement of so many columns takes milliseconds to compose.
_ROWS: Select[Any] = (
    select(*_STORED, jobs_table.c.name.label("job_name"), _TIMEZONE)
    .join_from(occurrences, jobs_table, jobs_table.c.id == occurrences.c.job_id)
    .where(jobs_table.c.deleted_at.is_(None))
)
_FEED: Select[Any] = select(
    jobs_table.c.id, jobs_table.c.name, jobs_table.c.revision, jobs_table.c.mark_at, jobs_table.c.next_due_at,
    jobs_table.c.zone_source, jobs_table.c.allowed_site_ids, jobs_table.c.tzdata_version, _TIMEZONE,
    *(jobs_table.c.definition[part].astext.label(part) for part in ("schedule", "policies", "duration")),
).where(jobs_table.c.deleted_at.is_(None), jobs_table.c.enabled, jobs_table.c.next_due_at.is_not(None))  # fmt: skip


def of_jobs(
    query: Select[Any], scope: SiteScope, wanted: LedgerFilter, job_id: ColumnElement[int] = jobs_table.c.id
) -> Select[Any]:
    """Only rows of the jobs that the reader sees and asks for; `jobs` is among the query's tables, `job_id` what it is read by."""
    job = jobs_table.c
    if scope.site_ids is not None:
        query = query.where(jobs.is_seen(scope, job_id))
    if wanted.job_id is not None:
        query = query.where(job.id == wanted.job_id)
    if wanted.q:
        query = query.where(job.name.icontains(wanted.q, autoescape=True))
    if wanted.site_id is not None:
        asked = frozenset({wanted.site_id}) if scope.allows(wanted.site_id) else frozenset[int]()
        query = query.where(jobs.is_seen(SiteScope(asked), job_id))
    return query


def _conditions(wanted: LedgerFilter) -> list[ColumnElement[bool]]:
    table = occurrences.c
    lists = (
        (table.state, [one for one in wanted.states if one != PLANNED]),
        (table.outcome, wanted.outcomes),
        (table.reason, wanted.reasons),
        (table.kind, wanted.kinds),
    )
    conditions: list[ColumnElement[bool]] = [column.in_(values) for column, values in lists if values]
    if wanted.reasons and not wanted.states:
        conditions.append(table.state.in_(_WITH_REASON))  # an index knows them apart from the many that ran
    if wanted.job_id is not None:
        conditions.append(table.job_id == wanted.job_id)
    if wanted.late is not None:
        conditions.append(table.is_late.is_(wanted.late))
    if wanted.since is not None:
        conditions.append(table.scheduled_for_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(table.scheduled_for_at <= wanted.until)
    return conditions


def _stored_row(row: Row[Any], counts: Mapping[str, int], starts: datetime | None, around: Circumstances) -> LedgerRow:
    values = {column.name: getattr(row, column.name) for column in _STORED}
    made = LedgerRow(
        **values,
        job_name=row.job_name,
        timezone=row.timezone,
        due_at=starts or row.scheduled_for_at,
        counts=counts,
    )
    return replace(made, sentence=sentence(made, around))


async def _first_starts(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[UUID, datetime]:
    following = [row.id for row in rows if row.local_time is not None]
    found = await tx.execute(_FIRST_STARTS, {"ids": following}) if following else ()
    return {row.occurrence_id: row.starts_at for row in found}


# --- what sentences need ------------------------------------------------------------------------------------------------


async def _circumstances(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[UUID, Circumstances]:
    of_workflows = await _of_workflows(tx, rows)
    zones = {
        row.id: Circumstances(zone=row.timezone or "UTC", counted="step" if row.id in of_workflows else "device")
        for row in rows
    }
    late = [row for row in rows if row.state == "missed" or (row.state == "held" and row.reason == "storm_guard")]
    if not late:
        return zones
    absences = await _absences(tx, late)
    policies = await _policies(tx, [row for row in late if row.state == "missed"])
    for row in late:
        catch_up, window = policies.get(row.id, ("latest", None))
        absence = _absence_of(row, absences)
        zones[row.id] = replace(zones[row.id], absence=absence, catch_up=catch_up, window=window)
    return zones


async def _of_workflows(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> set[UUID]:
    """Those of the rows whose counts are of steps."""
    counted = [row.id for row in rows if row.state in {"open", "closed"}]
    found = await tx.execute(_OF_WORKFLOWS, {"ids": counted}) if counted else ()
    return {row.occurrence_id for row in found}


async def _absences(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    first = min(row.scheduled_for_at for row in rows)
    last = max(row.range_end_at or row.scheduled_for_at for row in rows)
    return (await tx.execute(_ABSENCES, {"first": first, "last": last})).all()


def _absence_of(row: Row[Any], absences: Sequence[Row[Any]]) -> Absence | None:
    """The latest absence that the row's instants fell into and that was known when it was written."""
    end = row.range_end_at or row.scheduled_for_at
    for one in absences:
        if one.from_at <= end and one.to_at >= row.scheduled_for_at and one.noticed_at <= row.created_at:
            return Absence(one.from_at, one.to_at, is_jump=one.kind == "clock_jump")
    return None


async def _policies(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[UUID, tuple[str, timedelta | None]]:
    wanted = {"jobs": [row.job_id for row in rows], "revisions": [row.job_revision for row in rows]}
    stored = {(one.job_id, one.revision): one for one in await tx.execute(_POLICIES, wanted)}
    found: dict[UUID, tuple[str, timedelta | None]] = defaultdict(lambda: ("latest", None))
    for row in rows:
        saved = stored.get((row.job_id, row.job_revision))
        if saved is not None:
            found[row.id] = _policy(row, saved)
    return found


def _policy(row: Row[Any], saved: Row[Any]) -> tuple[str, timedelta | None]:
    """How the job caught up, and the window that had passed; the calendar's default where the job names none."""
    policies, schedule = policies_of(saved.policies), read_schedule(saved.schedule)[0]
    if row.reason != "catch_up_window" or schedule is None:
        return policies.catch_up, None
    if policies.catch_up_window_seconds is not None:
        return policies.catch_up, timedelta(seconds=policies.catch_up_window_seconds)
    try:
        period = period_hint(schedule, row.range_end_at or row.scheduled_for_at)
    except (ValueError, ArithmeticError):
        period = None
    return policies.catch_up, min(period or LONGEST_DEFAULT_WINDOW, LONGEST_DEFAULT_WINDOW)


# --- coming rows --------------------------------------------------------------------------------------------------------


def feed(scope: SiteScope, wanted: LedgerFilter) -> Select[Any]:
    """The live jobs that are asked for and fall due in time."""
    return of_jobs(_FEED, scope, wanted).where(jobs_table.c.next_due_at <= wanted.until)
