"""What grows with every run goes by whole weeks: partitions made ahead, sealed when their week is over, dropped when it is old.

Owns the partitions of targets, executions and output, and how long occurrences are kept. Never touches what has not ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg import errors, sql
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TERMINAL_TARGET
from watchbill.kit import log
from watchbill.kit.db import LOCK_SPACE

#: What new_run_id counts days from, and how many ids a day has.
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
IDS_OF_A_DAY = 2**27
WEEK = 7
#: Weeks that have their partitions before they come.
WEEKS_AHEAD = 4
#: A week is sealed this long after its end: until then, work that opened in its last moments may still be written.
SEAL_AFTER = timedelta(days=1)
#: Occurrences deleted by one transaction.
BATCH = 5000
#: Between two looks when there is nothing to do.
REST = timedelta(hours=1)
#: The same when somebody was in the way: whoever reads for long, such as a backup, must not be met by us again at once.
RETRY = timedelta(minutes=5)
#: How far the clock that age is counted by follows the Engine's from one look to the next. A clock that jumps a year ahead by
#: mistake does not take the history with it: there is time to put it right.
PACE = timedelta(days=1)

_RETENTION_LOCK = 40
_TABLES = ("run_targets", "executions", "output_chunks", "output_texts")
_TERMINAL = ", ".join(f"'{state}'" for state in sorted(TERMINAL_TARGET))
#: What no row of a sealed partition breaks, so that the planner leaves the partition out of queries that can find nothing in it:
#: those about bounds, and those about states that have one.
_SEALS = {
    "run_targets": f"deadline_at IS NULL AND state IN ({_TERMINAL})",
    "executions": "state = 'finished'",
}
_OPEN = {"run_targets": "deadline_at IS NOT NULL", "executions": "state <> 'finished'"}
_STORAGE = {"run_targets": " WITH (fillfactor = 80)", "executions": " WITH (fillfactor = 80)"}

_logger = log.get("retention")

_IS_MINE = text("SELECT pg_try_advisory_xact_lock(:space, :lock)")
_LAST = text("SELECT looked_at, clock_at FROM retention")
_LOOKED = text("UPDATE retention SET looked_at = :at, clock_at = coalesce(:clock, clock_at)")
# Shorter than PostgreSQL's deadlock_timeout of a second: where this and work wait for each other, it is this that gives way.
_GIVE_WAY = text("SET LOCAL lock_timeout = '500ms'")
_PARTITIONS = text(r"""
SELECT p.relname AS parent, c.relname AS name, m[1]::bigint AS low, m[2]::bigint AS high,
  (SELECT k.convalidated FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = 'sealed') AS is_sealed
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_class p ON p.oid = i.inhparent,
LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(\d+)''?\) TO \(''?(\d+)''?\)') AS m
WHERE p.oid IN (CAST('run_targets' AS regclass), CAST('executions' AS regclass), CAST('output_chunks' AS regclass),
  CAST('output_texts' AS regclass)) AND m IS NOT NULL
ORDER BY low, parent
""")
_IN_THE_REST = text("""
SELECT EXISTS (SELECT FROM run_targets_rest WHERE run_id >= :low AND run_id < :high)
  OR EXISTS (SELECT FROM executions_rest WHERE run_id >= :low AND run_id < :high)
  OR EXISTS (SELECT FROM output_chunks_rest WHERE run_id >= :low AND run_id < :high)
  OR EXISTS (SELECT FROM output_texts_rest WHERE run_id >= :low AND run_id < :high)
""")
_OPENS_LATER = text("UPDATE retention SET first_open_day = greatest(first_open_day, :day)")
_DROPPED = text("UPDATE retention SET dropped_below = greatest(dropped_below, :high)")
_UNFINISHED = text(
    "SELECT EXISTS (SELECT FROM run_targets WHERE run_id >= :low AND run_id < :high AND deadline_at IS NOT NULL)"
)
_OLD = text("""
WITH old AS (
  SELECT o.id FROM occurrences o JOIN jobs j ON j.id = o.job_id
  WHERE o.scheduled_for_at < :horizon AND o.created_at < :horizon AND o.state NOT IN ('held', 'open')
    -- The newest one of a job stays: it is what a list of jobs shows of the past.
    AND (j.deleted_at IS NOT NULL OR EXISTS (SELECT FROM occurrences n WHERE n.job_id = o.job_id
      AND (n.scheduled_for_at, n.created_at, n.id) > (o.scheduled_for_at, o.created_at, o.id)))
    -- Held for long and opened at last: what belongs to it is of a later week.
    AND NOT EXISTS (SELECT FROM runs r WHERE r.occurrence_id = o.id AND r.id >= :bound)
  ORDER BY o.scheduled_for_at, o.created_at, o.id LIMIT :limit FOR UPDATE OF o SKIP LOCKED
), gone AS (
  DELETE FROM occurrences o USING old WHERE o.id = old.id
  RETURNING o.job_id, o.kind, coalesce(o.range_end_at, o.scheduled_for_at) AS until_at
), begins AS (
  -- The ledger of a job is whole after the last instant that is gone from it.
  INSERT INTO ledger_starts AS l (job_id, from_at)
  SELECT job_id, max(until_at) FROM gone WHERE kind = 'schedule' GROUP BY job_id
  ON CONFLICT (job_id) DO UPDATE SET from_at = greatest(l.from_at, excluded.from_at)
)
SELECT count(*) FROM gone
""")


@dataclass(frozen=True, slots=True)
class _Partition:
    """`low` and `high` bound the ids of its runs. `is_sealed` None = no seal, False = one that is not proven yet."""

    parent: str
    name: str
    low: int
    high: int
    is_sealed: bool | None


@dataclass(frozen=True, slots=True)
class _Look:
    """What one step decides by: the Engine's clock, the clock that age is counted by, the first run id young enough to stay."""

    now: datetime
    clock: datetime
    oldest: int
    partitions: Sequence[_Partition]


class _InTheWayError(Exception):
    """Somebody holds a lock that the step needs: another time."""


async def retain(tx: AsyncConnection, now: datetime, *, keep: timedelta) -> bool:
    """One step of the duty, in one transaction; whether something was done. Of several callers at once, one does it.

    To be called again and again: what a step leaves undone, or is kept from by a lock, is for the next ones.
    """
    mine = (await tx.execute(_IS_MINE, {"space": LOCK_SPACE, "lock": _RETENTION_LOCK})).scalar_one()
    last = (await tx.execute(_LAST)).one()
    # A look from the future is one of a clock that was set back since.
    if not mine or (last.looked_at is not None and abs(now - last.looked_at) < REST):
        return False
    clock = now if last.clock_at is None else min(now, last.clock_at + PACE)
    partitions = [_Partition(*row) for row in await tx.execute(_PARTITIONS)]
    look = _Look(now, clock, max(day_of(clock - keep), 0) * IDS_OF_A_DAY, partitions)
    return await _step(tx, look)


async def _step(tx: AsyncConnection, look: _Look) -> bool:
    is_whole = True
    for duty in (_make_weeks, _seal, _drop, _delete):
        try:
            async with tx.begin_nested():
                if await duty(tx, look):
                    return True
        except _InTheWayError:
            is_whole = False
    looked = {"at": look.now, "clock": look.clock} if is_whole else {"at": look.now - REST + RETRY, "clock": None}
    await tx.execute(_LOOKED, looked)
    return False


def day_of(instant: datetime) -> int:
    """The day that is in the id of a run opened at `instant`."""
    return (instant - FIRST_DAY) // timedelta(days=1)


async def _make_weeks(tx: AsyncConnection, look: _Look) -> bool:
    this = max(day_of(look.now), 0) // WEEK
    bounds = [_bounds(week) for week in range(this, this + WEEKS_AHEAD + 1)]
    missing = [
        (low, high)
        for low, high in bounds
        if not any(one.low < high and low < one.high for one in look.partitions)
        # Rows that came before their partition stay where they are until they are old, and are deleted then.
        and not (await tx.execute(_IN_THE_REST, {"low": low, "high": high})).scalar_one()
    ]
    if not missing:
        return False
    made = [_create(table, low, high) for low, high in missing for table in _TABLES]
    await _define(tx, [_lock("SHARE ROW EXCLUSIVE", "runs", "devices"), _lock("ACCESS EXCLUSIVE", *_TABLES), *made])
    _logger.info("retention.made", weeks=len(missing))
    return True


def _bounds(week: int) -> tuple[int, int]:
    return week * WEEK * IDS_OF_A_DAY, (week + 1) * WEEK * IDS_OF_A_DAY


def _create(table: str, low: int, high: int) -> sql.Composed:
    begins = FIRST_DAY + timedelta(days=low // IDS_OF_A_DAY)
    statement = "CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})"
    values = (sql.Identifier(f"{table}_{begins:%Y%m%d}"), sql.Identifier(table), sql.Literal(low), sql.Literal(high))
    return sql.SQL(statement).format(*values) + sql.SQL(_STORAGE.get(table, ""))


async def _seal(tx: AsyncConnection, look: _Look) -> bool:
    """Two steps, because the proof reads the whole partition: others write to the table meanwhile."""
    over = day_of(look.clock - SEAL_AFTER) * IDS_OF_A_DAY
    for one in look.partitions:
        if one.parent not in _SEALS or one.is_sealed or one.high > over:
            continue
        if one.is_sealed is None and not await _close(tx, one):
            continue
        if one.is_sealed is False:
            statement = sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT sealed")
            await _define(tx, [statement.format(sql.Identifier(one.name))])
            _logger.info("retention.sealed", partition=one.name)
        return True
    return False


async def _close(tx: AsyncConnection, one: _Partition) -> bool:
    """Let nothing unfinished into a partition that has nothing unfinished."""
    names = {"table": sql.Identifier(one.name), "seal": sql.SQL(_SEALS[one.parent]), "open": sql.SQL(_OPEN[one.parent])}
    unfinished = sql.SQL("SELECT EXISTS (SELECT FROM {table} WHERE {open})").format(**names)
    if (await tx.exec_driver_sql(unfinished.as_string())).scalar_one():
        return False
    await _define(tx, [_lock("ACCESS EXCLUSIVE", one.name)])
    if (await tx.exec_driver_sql(unfinished.as_string())).scalar_one():
        return False
    await _define(tx, [sql.SQL("ALTER TABLE {table} ADD CONSTRAINT sealed CHECK ({seal}) NOT VALID").format(**names)])
    await tx.execute(_OPENS_LATER, {"day": one.high // IDS_OF_A_DAY})
    return True


async def _drop(tx: AsyncConnection, look: _Look) -> bool:
    """The oldest week that is past its time. One with something unfinished stays, and so do those after it."""
    old = [one for one in look.partitions if one.high <= look.oldest]
    if not old:
        return False
    low, high = old[0].low, old[0].high
    if (await tx.execute(_UNFINISHED, {"low": low, "high": high})).scalar_one():
        return False
    names = [sql.Identifier(one.name) for one in old if one.high == high]
    await _define(tx, [_lock("ACCESS EXCLUSIVE", *_TABLES), sql.SQL("DROP TABLE {}").format(sql.SQL(", ").join(names))])
    await tx.execute(_DROPPED, {"high": high})
    _logger.info("retention.dropped", partitions=[one.name for one in old if one.high == high])
    return True


async def _delete(tx: AsyncConnection, look: _Look) -> bool:
    """Old occurrences with their counters, waves, runs and work: those whose targets went with their partition."""
    bound = min([look.oldest, *(one.low for one in look.partitions)])
    horizon = FIRST_DAY + timedelta(days=bound // IDS_OF_A_DAY)
    number = (await tx.execute(_OLD, {"horizon": horizon, "bound": bound, "limit": BATCH})).scalar_one()
    if number:
        _logger.info("retention.deleted", occurrences=number)
    return bool(number)


def _lock(mode: str, *tables: str) -> sql.Composed:
    """All at once and before anything is changed, so that others are kept waiting as briefly as can be."""
    names = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(table)) for table in tables)
    return sql.SQL("LOCK TABLE {} IN {} MODE").format(names, sql.SQL(mode))


async def _define(tx: AsyncConnection, statements: Sequence[sql.Composed]) -> None:
    """Change tables, or give way to those who use them."""
    await tx.execute(_GIVE_WAY)
    try:
        for statement in statements:
            await tx.exec_driver_sql(statement.as_string())
    except OperationalError as error:
        if isinstance(error.orig, errors.LockNotAvailable | errors.DeadlockDetected):
            raise _InTheWayError from error
        raise
