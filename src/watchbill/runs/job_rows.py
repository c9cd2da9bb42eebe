"""What the rows of a job list say of its occurrences: the newest one, the last ten, what waits, was missed or is held. One statement
for a page, in which each job costs a handful of looks at indexes. Only reads.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import SiteScope
from watchbill.runs.history import OCCURRENCE_NAMES, Occurrence


@dataclass(frozen=True, slots=True)
class Recent:
    """One of the last occurrences of a job, in short."""

    id: uuid.UUID
    scheduled_for_at: datetime
    state: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class JobHistory:
    """What a job's row in a list says of its past: the newest occurrence and the last ten, newest first."""

    last: Occurrence | None
    recent: Sequence[Recent]


@dataclass(frozen=True, slots=True)
class JobRow:
    """`waiting`: target rows in the reader's sites that have not begun. `started`: the nominal instants of the last starts by the
    schedule, newest first. `reaches`: something is left that it may run on, whoever asks.
    """

    history: JobHistory
    waiting: int
    missed: int
    guarded: int
    started: tuple[datetime, ...]
    reaches: bool


# Two manual starts may share an instant, which has whole seconds.
_NEWEST_FIRST = "ORDER BY o.scheduled_for_at DESC, o.created_at DESC, o.id DESC"
#: Whether anything is left that the job `{job}` may run on: a target that is no device of its own is taken to reach one, and so is a workflow.
REACHES = """({job}.workflow_id IS NOT NULL OR EXISTS (
  SELECT FROM job_targets s LEFT JOIN devices d ON d.id = s.device_id
  WHERE s.job_id = {job}.id AND NOT s.is_exclusion AND (s.device_id IS NULL OR (
    d.status = 'active' AND ({job}.allowed_site_ids IS NULL OR d.site_id = ANY({job}.allowed_site_ids))
    AND NOT EXISTS (SELECT FROM job_targets x WHERE x.job_id = {job}.id AND x.is_exclusion AND x.device_id = s.device_id)))))"""
_REACHES = REACHES.format(job="j")
_COLUMNS = ", ".join(f"o.{name}" for name in OCCURRENCE_NAMES)
# Of a job that hardly ever starts not all of its history is gone through. A range that reaches into the span counts as missed whole: how
# its instants lie in it is known to its schedule alone.
_ROWS = text(f"""
SELECT j.id AS for_job, l.*, c.counts, r.ids, r.instants, r.states, r.outcomes, s.started,
  (SELECT coalesce(sum(c.number), 0) FROM occurrences o JOIN occurrence_counts c ON c.occurrence_id = o.id
     AND c.state IN ('pending', 'waiting_online') AND (CAST(:sites AS bigint[]) IS NULL OR c.site_id = ANY(:sites))
   WHERE o.job_id = j.id AND o.state = 'open') AS waiting,
  (SELECT coalesce(sum(o.range_count), 0) FROM occurrences o
   WHERE o.job_id = j.id AND o.state = 'missed' AND coalesce(o.range_end_at, o.scheduled_for_at) >= :since) AS missed,
  (SELECT count(*) FROM occurrences o WHERE o.job_id = j.id AND o.state = 'held' AND o.reason = 'storm_guard') AS guarded,
  {_REACHES} AS reaches
FROM unnest(CAST(:ids AS bigint[])) AS w(job_id) JOIN jobs j ON j.id = w.job_id
LEFT JOIN LATERAL (
  SELECT {_COLUMNS} FROM occurrences o WHERE o.job_id = j.id {_NEWEST_FIRST} LIMIT 1
) AS l ON true
CROSS JOIN LATERAL (
  SELECT array_agg(n.id) AS ids, array_agg(n.scheduled_for_at) AS instants, array_agg(n.state) AS states, array_agg(n.outcome) AS outcomes
  FROM (
    SELECT o.id, o.scheduled_for_at, o.state, o.outcome FROM occurrences o WHERE o.job_id = j.id {_NEWEST_FIRST} LIMIT 10
  ) AS n
) AS r
CROSS JOIN LATERAL (
  SELECT array_agg(k.scheduled_for_at) AS started FROM (
    SELECT n.scheduled_for_at FROM (
      SELECT o.scheduled_for_at, o.kind, o.state FROM occurrences o WHERE o.job_id = j.id {_NEWEST_FIRST} LIMIT 300
    ) AS n
    WHERE n.kind = 'schedule' AND n.state IN ('open', 'closed') LIMIT 10
  ) AS k
) AS s
CROSS JOIN LATERAL (
  SELECT jsonb_object_agg(n.state, n.number) AS counts FROM (
    SELECT c.state, sum(c.number) AS number FROM occurrence_counts c
    WHERE c.occurrence_id = l.id AND (CAST(:sites AS bigint[]) IS NULL OR c.site_id = ANY(:sites))
    GROUP BY c.state HAVING sum(c.number) > 0
  ) AS n
) AS c
""")


async def job_rows(
    tx: AsyncConnection, scope: SiteScope, job_ids: Collection[int], missed_since: datetime
) -> dict[int, JobRow]:
    """Of each of these jobs, which the reader sees."""
    asked = {"ids": list(job_ids), "sites": scope.as_list(), "since": missed_since}
    found = (await tx.execute(_ROWS, asked)).mappings()
    return {one["for_job"]: _job_row(one) for one in found}


def _job_row(found: Mapping[Any, Any]) -> JobRow:
    return JobRow(
        history=_history(found),
        waiting=int(found["waiting"]),
        missed=int(found["missed"]),
        guarded=found["guarded"],
        started=tuple(found["started"] or ()),
        reaches=found["reaches"],
    )


def _history(found: Mapping[Any, Any]) -> JobHistory:
    if found["id"] is None:
        return JobHistory(None, ())
    last = Occurrence(**{name: found[name] for name in OCCURRENCE_NAMES}, counts=found["counts"] or {})
    recent = zip(found["ids"], found["instants"], found["states"], found["outcomes"], strict=True)
    return JobHistory(last, [Recent(*one) for one in recent])
