"""The calendar across jobs: what each had and will have in each hour or day, and how many devices that takes of which site.

Stored occurrences are counted by the database, coming ones by their schedules (`runs.tally`). Reads only.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import DateTime, Row, Select, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.occurrence import ON_TIME
from watchbill.core.zones import Zone
from watchbill.identity.actor import SiteScope
from watchbill.jobs.aiming import MEMBERS
from watchbill.jobs.tables import jobs as jobs_table
from watchbill.runs.coming import due_job
from watchbill.runs.ledger import PLANNED, LedgerFilter, feed, of_jobs
from watchbill.runs.tables import occurrence_counts, occurrences
from watchbill.runs.tally import Tally, Tallying

Step = Literal["hour", "day"]

#: Jobs that are looked at for what is to come, those that fall due first before others, and for how long.
MOST_JOBS: Final = 3_000
TALLYING_SECONDS: Final = 2.0
#: Of so many of them the devices are found, for the load.
MOST_SIZED: Final = 500
#: Rows of counts from the database: what one job had in one stretch, by how it ended.
MOST_ROWS: Final = 50_000
#: What is never left out for lack of room, the worst first.
_WORST: Final = ("failed", "missed", "held", "warning", "skipped", "cancelled", "open")

_SIZES = text(f"""
WITH {MEMBERS}
SELECT m.job_id, coalesce(d.site_id, 0) AS site_id, count(*) AS devices FROM member m JOIN devices d ON d.id = m.device_id
WHERE CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites) GROUP BY 1, 2
""")


@dataclass(slots=True)
class Cell:
    """One job in one stretch: how often, in which states. `occurrence_id`: the latest that is stored."""

    job_id: int
    job_name: str
    number: int
    counts: Counter[str]
    first_at: datetime
    last_at: datetime
    is_late: bool = False
    occurrence_id: UUID | None = None
    period: timedelta | None = None

    @property
    def rank(self) -> int:
        return min((place for place, word in enumerate(_WORST) if self.counts[word]), default=len(_WORST))


@dataclass(slots=True)
class Load:
    """What one site has to do in one stretch: occurrences that reach it, and starts on its devices. 0 = devices without a site."""

    site_id: int
    occurrences: int = 0
    devices: int = 0


@dataclass(slots=True)
class Stretch:
    """An hour or a day. `cells` are those that are shown, in the order of time; `jobs` and `number` count all."""

    starts_at: datetime
    ends_at: datetime
    jobs: int = 0
    number: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    cells: Sequence[Cell] = ()
    load: Sequence[Load] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """`left_out` jobs have coming instants that were not counted, and of `unsized` jobs the devices were not.

    `is_capped`: more is stored than is counted, and what lies latest is not in here.
    """

    stretches: Sequence[Stretch]
    left_out: int
    unsized: int
    is_capped: bool


def edges_of(zone: Zone, step: Step, begin: datetime, end: datetime) -> list[datetime]:
    """Where stretches begin and end, on the clocks of a zone: the first holds `begin`, the last ends at `end` or later."""
    wall = zone.wall(begin).replace(minute=0, second=0, microsecond=0)
    if step == "hour":
        found = [begin - (zone.wall(begin) - wall)]
        while found[-1] < end:
            found.append(found[-1] + timedelta(hours=1))
        return found
    day = wall.replace(hour=0)
    found = [zone.resolve(day)]
    while found[-1] < end:
        day += timedelta(days=1)
        found.append(zone.resolve(day))
    return found


async def overview(
    tx: AsyncConnection,
    scope: SiteScope,
    wanted: LedgerFilter,
    edges: Sequence[datetime],
    *,
    most: int,
    now: datetime,
) -> Overview:
    """What the jobs that are asked for have between the first and the last edge; of each stretch `most` jobs are told one by one."""
    cells: dict[tuple[int, int], Cell] = {}
    load: dict[tuple[int, int], Load] = {}
    is_capped = await _stored(tx, scope, wanted, edges, cells)
    await _stored_load(tx, scope, wanted, edges, load)
    left_out = unsized = 0
    if edges[-1] > now:
        tallies, names, left_out = await _coming(tx, scope, wanted, edges, now)
        for one in tallies:
            _add_tally(cells, one, names[one.job_id])
        unsized = await _coming_load(tx, scope, wanted, tallies, load, now)
    return Overview(_stretches(edges, cells, load, most), left_out, unsized, is_capped)


def _stretches(
    edges: Sequence[datetime], cells: dict[tuple[int, int], Cell], load: dict[tuple[int, int], Load], most: int
) -> list[Stretch]:
    by_stretch: dict[int, list[Cell]] = defaultdict(list)
    for (stretch, _), cell in cells.items():
        by_stretch[stretch].append(cell)
    made = []
    for place, (begin, end) in enumerate(pairwise(edges)):
        found = by_stretch[place]
        shown = sorted(found, key=lambda one: (one.rank, one.first_at, one.job_id))[:most]
        counts = sum((one.counts for one in found), Counter[str]())
        there = sorted((one for (at, _), one in load.items() if at == place), key=lambda one: one.site_id)
        in_time = sorted(shown, key=lambda one: (one.first_at, one.job_id))
        made.append(Stretch(begin, end, len(found), counts.total(), counts, in_time, there))
    return made


# --- stored -------------------------------------------------------------------------------------------------------------


def _place(edges: Sequence[datetime]) -> Any:
    at = occurrences.c.scheduled_for_at
    return func.width_bucket(at, literal(list(edges), ARRAY(DateTime(timezone=True)))) - 1


def _between(query: Select[Any], edges: Sequence[datetime]) -> Select[Any]:
    at = occurrences.c.scheduled_for_at
    return query.where(at >= edges[0], at < edges[-1], jobs_table.c.deleted_at.is_(None))


async def _stored(
    tx: AsyncConnection,
    scope: SiteScope,
    wanted: LedgerFilter,
    edges: Sequence[datetime],
    cells: dict[tuple[int, int], Cell],
) -> bool:
    """Whether there is more than was counted."""
    table = occurrences.c
    place, word = _place(edges).label("place"), func.coalesce(table.outcome, table.state).label("word")
    query = (
        select(
            place,
            table.job_id,
            jobs_table.c.name.label("job_name"),
            word,
            func.sum(table.range_count).label("number"),
            func.min(table.scheduled_for_at).label("first_at"),
            func.max(table.scheduled_for_at).label("last_at"),
            func.bool_or(table.is_late).label("is_late"),
            func.max(func.concat(func.to_char(table.scheduled_for_at, "YYYYMMDDHH24MISSUS"), table.id)).label("latest"),
        )
        .join_from(occurrences, jobs_table, jobs_table.c.id == table.job_id)
        .group_by(place, table.job_id, jobs_table.c.name, word)
        .order_by(place)
        .limit(MOST_ROWS + 1)
    )
    query = of_jobs(_between(query, edges), scope, wanted, table.job_id)
    rows = (await tx.execute(query)).all()
    for row in rows[:MOST_ROWS]:
        _add_stored(cells, row)
    return len(rows) > MOST_ROWS


_STAMP: Final = len("20260101000000000000")


def _add_stored(cells: dict[tuple[int, int], Cell], row: Row[Any]) -> None:
    key, latest = (row.place, row.job_id), UUID(row.latest[_STAMP:])
    cell = cells.get(key)
    if cell is None:
        counts = Counter({row.word: int(row.number)})
        cells[key] = Cell(
            row.job_id, row.job_name, int(row.number), counts, row.first_at, row.last_at, row.is_late, latest
        )
        return
    if row.last_at >= cell.last_at:
        cell.occurrence_id = latest
    cell.number += int(row.number)
    cell.counts[row.word] += int(row.number)
    cell.first_at, cell.last_at = min(cell.first_at, row.first_at), max(cell.last_at, row.last_at)
    cell.is_late = cell.is_late or row.is_late


async def _stored_load(
    tx: AsyncConnection,
    scope: SiteScope,
    wanted: LedgerFilter,
    edges: Sequence[datetime],
    load: dict[tuple[int, int], Load],
) -> None:
    table, counts = occurrences.c, occurrence_counts.c
    place = _place(edges).label("place")
    query = (
        select(
            place,
            counts.site_id,
            func.count(table.id.distinct()).label("occurrences"),
            func.sum(counts.number).label("devices"),
        )
        .join_from(occurrences, jobs_table, jobs_table.c.id == table.job_id)
        .join(occurrence_counts, counts.occurrence_id == table.id)
        .where(scope.clause(counts.site_id), or_(table.state == "open", table.state == "closed"))
        .group_by(place, counts.site_id)
    )
    if wanted.site_id is not None:
        query = query.where(counts.site_id == wanted.site_id)
    for row in await tx.execute(of_jobs(_between(query, edges), scope, wanted, table.job_id)):
        load[row.place, row.site_id] = Load(row.site_id, row.occurrences, int(row.devices))


# --- coming -------------------------------------------------------------------------------------------------------------


async def _coming(
    tx: AsyncConnection, scope: SiteScope, wanted: LedgerFilter, edges: Sequence[datetime], now: datetime
) -> tuple[list[Tally], dict[int, str], int]:
    job = jobs_table.c
    query = feed(scope, wanted).order_by(job.next_due_at, job.id).limit(MOST_JOBS + 1)
    rows = (await tx.execute(query)).all()
    tallying = Tallying(edges, now - ON_TIME, await jobs.zones_in_use(tx), TALLYING_SECONDS)
    # Calendars are computed beside the event loop, which has other readers to serve.
    tallies = await asyncio.to_thread(lambda: tallying.of(map(due_job, rows[:MOST_JOBS])))
    beyond = max(0, len(rows) - MOST_JOBS)
    return tallies, {row.id: row.name for row in rows}, tallying.left_out + beyond


def _add_tally(cells: dict[tuple[int, int], Cell], one: Tally, name: str) -> None:
    cell = cells.get((one.stretch, one.job_id))
    if cell is None:
        counts = Counter({PLANNED: one.number})
        cells[one.stretch, one.job_id] = Cell(
            one.job_id, name, one.number, counts, one.first_at, one.last_at, period=one.period
        )
        return
    cell.number += one.number
    cell.counts[PLANNED] += one.number
    cell.last_at, cell.period = max(cell.last_at, one.last_at), one.period


async def _coming_load(
    tx: AsyncConnection,
    scope: SiteScope,
    wanted: LedgerFilter,
    tallies: Sequence[Tally],
    load: dict[tuple[int, int], Load],
    now: datetime,
) -> int:
    """Of how many jobs the devices were not counted."""
    ids = list(dict.fromkeys(one.job_id for one in tallies))
    sites = scope.as_list() if wanted.site_id is None else [one for one in (wanted.site_id,) if scope.allows(one)]
    given = {"job_ids": ids[:MOST_SIZED], "now": now, "sites": sites}
    sizes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in await tx.execute(_SIZES, given) if ids else ():
        sizes[row.job_id].append((row.site_id, row.devices))
    for one in tallies:
        for site_id, devices in sizes[one.job_id]:
            there = load.setdefault((one.stretch, site_id), Load(site_id))
            there.occurrences += one.number
            there.devices += one.number * devices
    return max(0, len(ids) - MOST_SIZED)
