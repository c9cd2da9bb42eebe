"""Handing targets to the gateway that holds their devices: which may go now, in whose order, and what is delivered.

Where no window and no one-run-at-a-time has a say, one statement does it all. Else the candidates are looked at one by one
(`runs.fates`) in the same transaction. Order of locks: turns of jobs, then targets by id, then what `moves.settle` locks.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import windows
from watchbill.core.states import TargetState
from watchbill.kit import db
from watchbill.runs import in_sessions
from watchbill.runs.fates import Busy, Candidate, Fates, Lone, PutOff, fates, whose_turn
from watchbill.runs.in_sessions import FIRST_COMPONENT, HAS_SOMEBODY, IS_ATTENDED, SESSIONS
from watchbill.runs.moves import Moved, apply, changed, settle
from watchbill.runs.turns import BOUNDS

#: Between a soft stop and a kill on the device.
KILL_GRACE = timedelta(seconds=30)
#: How long beyond its limit a silent device is waited for.
SILENCE = timedelta(minutes=2)
#: How long a connection to a device may take to be made, before a playbook runs on it.
CONNECTING = timedelta(minutes=2)
#: No reaper looks away longer than this, whatever the next known bound is.
LONGEST_REST = timedelta(seconds=30)
#: Targets that are judged at a time: as many as are handed out, or, where windows are asked again, whole fleets that stay put off.
_PAGE, _PAGE_AGAIN = 500, 5000

_IN_TIME = "{x}.expires_at > :now AND ({x}.stop_by_at IS NULL OR {x}.stop_by_at > :now)"
_BEGUN = "({x}.starts_at IS NULL OR {x}.starts_at <= :now)"
# `:again` looks at those too that a window has put off: it may have changed since.
_CAN_START = (
    _IN_TIME
    + " AND ({x}.starts_at IS NULL OR {x}.starts_at <= :now OR (CAST(:again AS boolean) AND {x}.reason IN ('blackout', 'outside_window')))"
)
_ACTIVE = "('connecting', 'dispatched', 'running', 'cancelling')"

# What is ahead of `t` on its device: whatever runs there, and what could start and is older. A backfill lets the rest go first.
_AHEAD_IF = f"""
  SELECT b.id FROM run_targets b
  WHERE b.job_id = t.job_id AND b.device_id = t.device_id AND b.deadline_at IS NOT NULL AND b.id <> t.id
    AND (b.state IN {_ACTIVE} OR ({{can_start}} AND (
      SELECT (ob.kind = 'backfill', b.id) < (ot.kind = 'backfill', t.id) FROM occurrences ob, occurrences ot
      WHERE ob.id = b.occurrence_id AND ot.id = t.occurrence_id)))"""
_AHEAD = _AHEAD_IF.format(can_start=_CAN_START.format(x="b"))
_STANDS_AHEAD = _AHEAD_IF.format(can_start=f"{_IN_TIME} AND {_BEGUN}".format(x="b"))

# Who hands out: the gateway that holds the device, to its agent; or a worker of its site, which runs the playbook itself.
_GATEWAY = "r.kind = 'script' JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id = :gateway_id"
_WORKER = """r.kind = 'playbook' AND t.site_id = :site_id
  JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id IS NOT NULL"""
_FROM = """
  FROM run_targets t
  JOIN runs r ON r.id = t.run_id AND {holder}
  JOIN devices d ON d.id = t.device_id AND d.status = 'active'"""
_WHERE = f"""
  WHERE t.state IN ('pending', 'waiting_online') AND t.released_at IS NOT NULL AND {_CAN_START.format(x="t")}
    AND {IS_ATTENDED}"""
_MINE = _FROM + _WHERE
# The closer look is rare: one statement for every kind of look, planned for the one at hand.
_ANY_LOOK = """(CAST(:run_id AS bigint) IS NULL OR t.run_id = :run_id)
    AND (CAST(:job_id AS bigint) IS NULL OR (t.job_id = :job_id AND t.deadline_at IS NOT NULL))
    AND (CAST(:devices AS uuid[]) IS NULL OR t.device_id = ANY(:devices))
    AND (CAST(:since AS timestamptz) IS NULL OR t.starts_at BETWEEN :since AND :now)"""

_HAS_WINDOWS = """EXISTS (SELECT FROM windows w WHERE w.enabled AND w.deleted_at IS NULL
    AND EXISTS (SELECT FROM window_attachments a WHERE a.window_id = w.id))"""

# From `locked` (id, run_id, state, stop_at) to deliveries: one, or one in each session of who is signed in.
_DELIVER = f"""taken AS (
  UPDATE run_targets t SET state = CASE r.kind WHEN 'script' THEN 'dispatched' ELSE 'connecting' END, term = t.term + 1,
    attempt = t.attempt + 1, reason = NULL, detail = NULL, retry_of = NULL, exit_code = NULL, last_line = NULL,
    deadline_at = CAST(:now AS timestamptz) + CASE r.kind WHEN 'script'
      THEN r.time_limit_seconds * interval '1 second' + CAST(:silence AS interval) ELSE CAST(:connecting AS interval) END,
    starts_at = CASE WHEN t.starts_at > :now THEN :now ELSE t.starts_at END,
    stop_by_at = least(t.stop_by_at, l.stop_at),
    stop_reason = CASE WHEN l.stop_at < coalesce(t.stop_by_at, 'infinity') THEN 'outside_window' ELSE t.stop_reason END
  FROM locked l JOIN runs r ON r.id = l.run_id WHERE t.id = l.id AND t.run_id = l.run_id AND t.state IN ('pending', 'waiting_online')
    AND {HAS_SOMEBODY}
  RETURNING t.id AS target_id, t.run_id, t.occurrence_id, t.job_id, t.device_id, t.site_id, t.wave, l.state AS before, t.term,
    t.attempt, t.next_component, least(t.expires_at, t.stop_by_at) AS start_by_at, r.execution_context, t.session_ends
), dealt AS MATERIALIZED (
  SELECT k.*, gen_random_uuid() AS execution_id, s.session_id, s.user_name AS session_user_name, {FIRST_COMPONENT} AS component,
    row_number() OVER (PARTITION BY k.target_id ORDER BY s.session_id) = 1 AS is_first
  FROM taken k LEFT JOIN {SESSIONS}
), delivered AS (
  INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, start_by_at, dispatched_at,
    session_id, session_user_name, item_id)
  SELECT execution_id, target_id, run_id, device_id, site_id, component, attempt, term, 'dispatched', start_by_at, :now,
    session_id, session_user_name, CAST(:item_id AS bigint) FROM dealt
)"""
_DELIVERED = """
SELECT 'delivered' AS what, execution_id, target_id, run_id, occurrence_id, job_id, device_id, site_id, wave, before, start_by_at,
  component, attempt, session_id, session_user_name, is_first
FROM dealt
UNION ALL
SELECT 'nobody', NULL, id, run_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM locked l
WHERE NOT EXISTS (SELECT FROM taken k WHERE k.target_id = l.id)"""

# One round trip: what is handed out, and what there is beyond it. Where windows are, they are asked first.
_TAKE = f"""
WITH ready AS MATERIALIZED (
  SELECT t.id, t.run_id {_MINE} AND {{which}} AND r.exclusivity <> 'job' AND NOT {_HAS_WINDOWS}
    AND (r.exclusivity = 'none' OR NOT EXISTS ({_AHEAD}))
  LIMIT :limit
), locked AS (
  SELECT t.id, t.run_id, t.state, CAST(NULL AS timestamptz) AS stop_at
  FROM run_targets t JOIN ready ON ready.id = t.id AND ready.run_id = t.run_id
  WHERE t.state IN ('pending', 'waiting_online') ORDER BY t.id FOR UPDATE OF t SKIP LOCKED
), {_DELIVER}
{_DELIVERED}
UNION ALL
SELECT what, NULL::uuid, NULL::bigint, NULL::bigint, NULL::uuid, NULL::bigint, NULL::uuid, NULL::bigint, NULL::integer, NULL, NULL::timestamptz,
  NULL::integer, NULL::integer, NULL, NULL, NULL
FROM (
  SELECT 'windows' AS what WHERE {_HAS_WINDOWS}
  UNION ALL SELECT 'left' WHERE (SELECT count(*) FROM ready) < :limit
    AND EXISTS (SELECT {_MINE} AND {{which}} AND t.id NOT IN (SELECT id FROM ready))
  UNION ALL SELECT 'later' WHERE EXISTS (
    SELECT FROM run_targets WHERE state IN ('pending', 'waiting_online') AND starts_at > :now)
) notes
"""
_RUN = "t.run_id = :run_id"
_JOB = "t.job_id = :job_id AND t.deadline_at IS NOT NULL"
_DEVICES = "t.device_id = ANY(:devices)"
_SINCE = "t.starts_at BETWEEN :since AND :now"

# What is left although it could start: it waits for a turn on its device, or for that of its run.
_LEFT = f"""
SELECT DISTINCT r.exclusivity = 'job' AS is_lone,
  CASE WHEN r.exclusivity = 'device' OR CAST(:of_lone AS boolean) THEN ({_STANDS_AHEAD} LIMIT 1) END AS behind_id
{_MINE} AND {_ANY_LOOK} AND r.exclusivity <> 'none'
"""
_LONE = f"""
SELECT r.job_id, r.id AS run_id, min(t.id) AS target_id, o.kind = 'backfill' AS is_backfill
{_FROM} JOIN occurrences o ON o.id = t.occurrence_id {_WHERE} AND {_ANY_LOOK} AND r.exclusivity = 'job'
GROUP BY r.job_id, r.id, o.kind
"""
# Two gateways that look at two runs of one job do it one after the other.
_LOCK_JOBS = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('watchbill turn of a job', job_id))"
    " FROM (SELECT unnest(CAST(:jobs AS bigint[])) AS job_id ORDER BY 1) j"
)
_BUSY = text(f"""
SELECT b.job_id, b.run_id, (array_agg(b.id ORDER BY b.state IN {_ACTIVE} DESC, b.deadline_at DESC))[1] AS target_id,
  bool_or(b.state IN {_ACTIVE}) AS is_active, o.kind = 'backfill' AS is_backfill
FROM run_targets b JOIN occurrences o ON o.id = b.occurrence_id
WHERE b.job_id = ANY(:jobs) AND b.deadline_at IS NOT NULL AND (b.state IN {_ACTIVE} OR b.released_at IS NULL)
GROUP BY b.job_id, b.run_id, o.kind
""")
_CANDIDATES = f"""
SELECT t.id, t.run_id, t.job_id, t.device_id, t.expires_at, t.starts_at, t.reason, t.detail, o.ignores_windows,
  coalesce(s.timezone, 'UTC') AS zone
{_FROM} JOIN occurrences o ON o.id = t.occurrence_id LEFT JOIN sites s ON s.id = d.site_id {_WHERE} AND {_ANY_LOOK}
  AND NOT t.id = ANY(:seen) AND (r.exclusivity <> 'job' OR t.run_id = ANY(:turns))
  AND (r.exclusivity = 'none' OR NOT EXISTS ({_AHEAD}))
LIMIT :page
"""
_LOCK_TARGETS = text(
    "SELECT id FROM run_targets WHERE id = ANY(:ids) AND state IN ('pending', 'waiting_online') ORDER BY id FOR UPDATE SKIP LOCKED"
)
_TAKE_CHOSEN = text(f"""
WITH locked AS (
  SELECT t.id, t.run_id, t.state, c.stop_at
  FROM unnest(CAST(:ids AS bigint[]), CAST(:runs AS bigint[]), CAST(:stops AS timestamptz[])) AS c(id, run_id, stop_at)
  JOIN run_targets t ON t.id = c.id AND t.run_id = c.run_id
), {_DELIVER}
{_DELIVERED}
""")
_PUT_OFF = text("""
UPDATE run_targets t SET starts_at = l.starts_at, reason = l.reason, detail = l.detail,
  released_at = CASE WHEN NOT t.is_paced THEN t.released_at END -- it gives its place back
FROM unnest(CAST(:ids AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:reasons AS text[]), CAST(:details AS text[]))
  AS l(id, starts_at, reason, detail)
WHERE t.id = l.id AND t.state IN ('pending', 'waiting_online')
RETURNING t.id AS target_id, t.occurrence_id, t.job_id, t.site_id, t.device_id, t.wave, t.state, t.reason, t.is_awaited
""")

_NEXT_START = text("""
SELECT t.starts_at FROM run_targets t
JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id = :gateway_id
JOIN devices d ON d.id = t.device_id AND d.status = 'active'
JOIN runs r ON r.id = t.run_id AND r.kind = 'script'
WHERE t.state IN ('pending', 'waiting_online') AND t.released_at IS NOT NULL AND t.starts_at > :since
ORDER BY t.starts_at LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements of one kind of holder. `take` by what of a look is said."""

    take: Mapping[str, TextClause]
    left: TextClause
    lone: TextClause
    candidates: TextClause


_OF_GATEWAY = _Statements(
    {
        "run_id": text(_TAKE.format(which=_RUN, holder=_GATEWAY)),
        "job_id": text(_TAKE.format(which=_JOB, holder=_GATEWAY)),
        "devices": text(_TAKE.format(which=_DEVICES, holder=_GATEWAY)),
        "since": text(_TAKE.format(which=_SINCE, holder=_GATEWAY)),
    },
    text(_LEFT.format(holder=_GATEWAY)),
    text(_LONE.format(holder=_GATEWAY)),
    text(_CANDIDATES.format(holder=_GATEWAY)),
)
_OF_WORKER = _Statements(
    {"run_id": text(_TAKE.format(which=_RUN, holder=_WORKER))},
    text(_LEFT.format(holder=_WORKER)),
    text(_LONE.format(holder=_WORKER)),
    text(_CANDIDATES.format(holder=_WORKER)),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An execution to hand to a device. Its id is what the agent knows it by."""

    execution_id: uuid.UUID
    target_id: int
    run_id: int
    occurrence_id: uuid.UUID
    job_id: int
    device_id: uuid.UUID
    start_by_at: datetime
    component: int = 0
    attempt: int = 1
    #: What is left of the run's time limit; None = all of it.
    time_limit_seconds: int | None = None
    #: Whose session it is for, where it runs as who is signed in.
    session_id: str | None = None
    session_user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """At which targets a gateway looks, one of: those of a run or of a job, on some devices, or with a start from `since` on.

    `again`: what a window has put off is judged again.
    """

    run_id: int | None = None
    job_id: int | None = None
    device_ids: Sequence[uuid.UUID] | None = None
    since: datetime | None = None
    again: bool = False

    @property
    def by(self) -> str:
        """Which of them it is, as the parameter of its statement is called."""
        if self.run_id is not None:
            return "run_id"
        if self.job_id is not None:
            return "job_id"
        return "devices" if self.since is None else "since"


@dataclass
class Taken:
    """What a look brought. `behind`: targets that others wait for, to be given to `await_turn` once this is committed.

    `has_later`: there are targets somewhere whose start has not come yet. `nobody`: those that have nobody to run as; `unattended`:
    devices that wait for somebody from now on, to be looked at once more when this is committed. `has_turn`: what somebody waited for
    ended in the middle of this look, and rang for nobody: it is worth to look again.
    """

    deliveries: list[Delivery] = field(default_factory=list)
    behind: set[int] = field(default_factory=set)
    has_later: bool = False
    nobody: set[int] = field(default_factory=set)
    unattended: set[uuid.UUID] = field(default_factory=set)
    has_turn: bool = False


async def take(tx: AsyncConnection, gateway_id: uuid.UUID, now: datetime, look: Look, *, limit: int = 500) -> Taken:
    """Hand ready targets of this gateway's devices out; those that another gateway is taking are passed over.

    Some `limit` targets at most; fewer mean that there are no more of them.
    """
    return await _take(tx, _Holder(_OF_GATEWAY, {"gateway_id": gateway_id}), now, look, limit)


async def take_for_item(
    tx: AsyncConnection, run_id: int, site_id: int, item_id: int, now: datetime, *, limit: int
) -> Taken:
    """Hand ready targets of a playbook's run and site to the work item that runs them; their connection is to be made now."""
    holder = _Holder(_OF_WORKER, {"site_id": site_id}, item_id)
    return await _take(tx, holder, now, Look(run_id=run_id), limit)


@dataclass(frozen=True, slots=True)
class _Holder:
    statements: _Statements
    who: Mapping[str, object]
    item_id: int | None = None

    @property
    def taking(self) -> dict[str, object]:
        return {"item_id": self.item_id, "silence": KILL_GRACE + SILENCE, "connecting": CONNECTING}

    @property
    def after(self) -> TargetState:
        return TargetState.DISPATCHED if self.item_id is None else TargetState.CONNECTING


async def _take(tx: AsyncConnection, holder: _Holder, now: datetime, look: Look, limit: int) -> Taken:
    values = {
        **holder.who,
        "now": now,
        "again": look.again,
        "run_id": look.run_id,
        "job_id": look.job_id,
        "devices": None if look.device_ids is None else list(look.device_ids),
        "since": look.since,
    }
    which = look.by
    used = {name: values[name] for name in (*holder.who, "now", "again", which)}
    rows = await tx.execute(holder.statements.take[which], {**used, "limit": limit, **holder.taking})
    taken, moved, notes = Taken(), list[Moved](), set[str]()
    for row in rows:
        if row.what in ("delivered", "nobody"):
            _add(taken, moved, row, holder.after)
        else:
            notes.add(row.what)
    taken.has_later = "later" in notes
    if "left" in notes:
        is_lone = await _left(tx, holder, values, taken)
        if is_lone or "windows" in notes:
            closer = _Closer(tx, holder, values, taken, moved, limit)
            await closer.look(is_lone=is_lone, has_windows="windows" in notes)
    moved += await _leave_alone(tx, taken, now)
    await settle(tx, moved, now)
    taken.deliveries.sort(key=lambda one: (one.target_id, one.session_id or ""))
    return taken


_TAKEN = (
    "execution_id", "target_id", "run_id", "occurrence_id", "job_id", "device_id", "start_by_at", "component", "attempt",
)  # fmt: skip


def _add(taken: Taken, moved: list[Moved], row: Row[*tuple[Any, ...]], after: TargetState) -> None:
    if row.what == "nobody":
        taken.nobody.add(row.target_id)
        return
    one = Delivery(
        **{name: getattr(row, name) for name in _TAKEN}, session_id=row.session_id, session_user=row.session_user_name
    )
    taken.deliveries.append(one)
    if row.is_first:
        moved.append(changed(row, row.before, after))


async def _leave_alone(tx: AsyncConnection, taken: Taken, now: datetime) -> list[Moved]:
    found = await in_sessions.left_alone(tx, taken.nobody, now)
    taken.unattended = found.waiting
    return found.moved


async def next_start(tx: AsyncConnection, gateway_id: uuid.UUID, since: datetime) -> datetime | None:
    """When the next target of this gateway's devices starts, after `since`: the time of its last look."""
    found: datetime | None = (await tx.execute(_NEXT_START, {"gateway_id": gateway_id, "since": since})).scalar()
    return found


async def _left(
    tx: AsyncConnection, holder: _Holder, look: dict[str, Any], taken: Taken, *, of_lone: bool = False
) -> bool:
    """Whom the rest waits for on its devices; whether some of it wants its job for itself."""
    left = (await tx.execute(holder.statements.left, {**look, "of_lone": of_lone})).all()
    taken.behind = {row.behind_id for row in left if row.behind_id is not None}
    # It was left because something was ahead of it: that has gone since.
    taken.has_turn = any(row.behind_id is None and not row.is_lone for row in left)
    return any(row.is_lone for row in left)


@dataclass
class _Closer:
    """A look at candidates one by one. Each of them is judged once; what one that is put off held up is a candidate then."""

    tx: AsyncConnection
    holder: _Holder
    values: dict[str, Any]
    taken: Taken
    moved: list[Moved]
    limit: int

    async def look(self, *, is_lone: bool, has_windows: bool) -> None:
        shut = await windows.load(self.tx) if has_windows else windows.WindowSet()
        seen: list[int] = []
        self.taken.behind, self.taken.has_turn = set(), False
        for again in sorted({bool(self.values["again"]), False}, reverse=True):
            values = {**self.values, "again": again}
            turn, behind = await self._turns(values) if is_lone else ([], [])
            while len(self.taken.deliveries) < self.limit:
                page = {"turns": turn, "seen": seen, "page": _PAGE_AGAIN if again else _PAGE}
                found = await self.tx.execute(self.holder.statements.candidates, {**values, **page})
                some = [Candidate(*row) for row in found]
                if not some:
                    await _left(self.tx, self.holder, values, self.taken, of_lone=True)
                    self.taken.behind.update(behind)
                    break
                seen += [one.id for one in some]
                await self._judge(some, shut)

    async def _judge(self, some: Sequence[Candidate], shut: windows.WindowSet) -> None:
        now = self.values["now"]
        pairs = () if shut.is_empty else [(one.job_id, one.device_id) for one in some]
        judged = fates(some, shut, await windows.covering_devices(self.tx, pairs, now), now)
        del judged.going[max(self.limit - len(self.taken.deliveries), _PAGE) :]
        await self._carry_out(judged, now)

    async def _turns(self, look: dict[str, Any]) -> tuple[list[int], list[int]]:
        """Runs that want their job for themselves and may have it, until this transaction ends; targets the others wait for."""
        lone = [Lone(*row) for row in await self.tx.execute(self.holder.statements.lone, look)]
        jobs = {"jobs": sorted({one.job_id for one in lone})}
        await self.tx.execute(_LOCK_JOBS, jobs)
        return whose_turn(lone, [Busy(*row) for row in await self.tx.execute(_BUSY, jobs)])

    async def _carry_out(self, judged: Fates, now: datetime) -> None:
        """Do it to those that nobody else is at."""
        locked = (await self.tx.execute(_LOCK_TARGETS, {"ids": judged.target_ids})).scalars().all()
        mine = judged.only(locked)
        if mine.going:
            await self._hand_out(mine.going, now)
        if mine.left_out:
            self.moved += await apply(self.tx, mine.left_out, now)
        if mine.put_off:
            self.taken.has_later = True
            self.moved += [
                changed(row, row.state, row.state, row.reason, frees=row.is_awaited)
                for row in await self.tx.execute(_PUT_OFF, _columns(mine.put_off))
            ]

    async def _hand_out(self, going: Sequence[tuple[int, int, datetime | None]], now: datetime) -> None:
        ids, run_ids, stops = zip(*going, strict=True)
        values = {"ids": list(ids), "runs": list(run_ids), "stops": list(stops), "now": now, **self.holder.taking}
        for row in await self.tx.execute(_TAKE_CHOSEN, values):
            _add(self.taken, self.moved, row, self.holder.after)
        if any(stop is not None and stop < now + LONGEST_REST for stop in stops):
            await db.notify(self.tx, BOUNDS)


def _columns(put_off: Sequence[PutOff]) -> dict[str, list[Any]]:
    return {
        "ids": [one.target_id for one in put_off],
        "starts": [one.starts_at for one in put_off],
        "reasons": [one.reason for one in put_off],
        "details": [one.detail for one in put_off],
    }
