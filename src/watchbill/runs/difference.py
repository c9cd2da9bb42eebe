"""Who joined and who left between two occurrences of a job, and why. Reads only; every reason is of what was frozen with them.

A device is in an occurrence when it was considered and neither excluded nor out of scope (`membership`).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import SiteScope
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.aims import rule_in_words
from watchbill.runs.cursors import uuid_of
from watchbill.runs.membership import OUTSIDE

# Both sides are read by occurrence, and met by hash: a constant number of looks whatever their size.
_ROWS = f"""
first AS (
  SELECT t.*, coalesce(t.reason NOT IN {OUTSIDE}, true) AS is_in FROM run_targets t
  WHERE t.occurrence_id = :first AND (CAST(:sites AS bigint[]) IS NULL OR t.site_id = ANY(:sites))
), second AS (
  SELECT t.*, coalesce(t.reason NOT IN {OUTSIDE}, true) AS is_in FROM run_targets t
  WHERE t.occurrence_id = :second AND (CAST(:sites AS bigint[]) IS NULL OR t.site_id = ANY(:sites))
)"""

_COUNTS = text(f"""
WITH {_ROWS}
SELECT count(*) FILTER (WHERE coalesce(b.is_in, false) AND NOT coalesce(a.is_in, false)) AS joined,
  count(*) FILTER (WHERE coalesce(a.is_in, false) AND NOT coalesce(b.is_in, false)) AS gone,
  count(*) FILTER (WHERE a.is_in AND b.is_in) AS stayed
FROM first a FULL JOIN second b ON b.device_id = a.device_id
""")

_MOVED = text(f"""
WITH {_ROWS}
SELECT m.*, d.status, d.created_at AS enrolled_at, d.site_id AS site_now, nullif(m.frozen_site, 0) AS site_id, s.name AS site_name,
  lower(m.hostname) AS sort_name
FROM (
  SELECT coalesce(b.device_id, a.device_id) AS device_id, coalesce(b.hostname, a.hostname) AS hostname,
    coalesce(b.site_id, a.site_id) AS frozen_site, coalesce(b.is_in, false) AS has_joined,
    a.device_id IS NOT NULL AS was_considered, b.device_id IS NOT NULL AS is_considered,
    a.reason AS reason_before, b.reason AS reason_after, a.via AS via_before, b.via AS via_after
  FROM first a FULL JOIN second b ON b.device_id = a.device_id
  WHERE coalesce(a.is_in, false) <> coalesce(b.is_in, false)
) m
LEFT JOIN devices d ON d.id = m.device_id
LEFT JOIN sites s ON s.id = nullif(m.frozen_site, 0)
WHERE CAST(:after_name AS text) IS NULL OR (lower(m.hostname), m.device_id) > (CAST(:after_name AS text), CAST(:after_id AS uuid))
ORDER BY lower(m.hostname), m.device_id LIMIT :limit
""")

_SIDES = text("""
SELECT o.id, o.job_revision, o.opened_at, o.allowed_site_ids,
  coalesce((SELECT r.target_specs FROM runs r WHERE r.occurrence_id = o.id AND r.kind <> 'onboarding' ORDER BY r.id LIMIT 1), '[]') AS specs
FROM occurrences o WHERE o.id IN (:first, :second)
""")

_LEFT_OUT: Final[Mapping[str, str]] = {
    "excluded": "it is excluded",
    "out_of_scope": "it is outside of the sites that the job may still reach",
}


@dataclass(frozen=True, slots=True)
class Moved:
    """A device that is in one of two occurrences only; `why` is a sentence."""

    device_id: uuid.UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    change: Literal["joined", "left"]
    why: str


@dataclass(frozen=True, slots=True)
class Difference:
    """From one occurrence to another, in the reader's sites."""

    joined: int
    left: int
    stayed: int
    devices: Page[Moved]


async def difference(
    tx: AsyncConnection, scope: SiteScope, first: uuid.UUID, second: uuid.UUID, *, limit: int, cursor: str | None
) -> Difference:
    """The caller has seen to it that both are of one job, which the reader sees."""
    name, last = decode_cursor(cursor, (str, str)) if cursor is not None else (None, None)
    both = {"first": first, "second": second, "sites": scope.as_list()}
    place = {"after_name": name, "after_id": None if last is None else uuid_of(last), "limit": limit + 1}
    counts = (await tx.execute(_COUNTS, both)).one()
    sides = {row.id: row for row in await tx.execute(_SIDES, {"first": first, "second": second})}
    rows = (await tx.execute(_MOVED, {**both, **place})).all()
    page = page_of(rows, limit, lambda row: (row.sort_name, str(row.device_id)))
    before, after = _Side.of(sides[first]), _Side.of(sides[second])
    return Difference(counts.joined, counts.gone, counts.stayed, page.map(lambda row: _moved(row, before, after)))


@dataclass(frozen=True, slots=True)
class _Side:
    """What was frozen with one of the two: its rules by their place, the revision of its job, its time."""

    rules: Mapping[int, Mapping[str, Any]]
    job_revision: int
    opened_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> "_Side":
        return cls({one["place"]: one for one in row.specs}, row.job_revision, row.opened_at)

    def named(self, places: Sequence[int] | None) -> list[str]:
        """The rules at these places in words; exclusions are left out."""
        return [rule_in_words(self.rules[one]) for one in sorted(places or ()) if one >= 0 and one in self.rules]

    def revision_of(self, filter_id: int) -> int | None:
        return next((one["revision"] for one in self.rules.values() if one.get("filter_id") == filter_id), None)


def _moved(row: Row[Any], before: _Side, after: _Side) -> Moved:
    change: Literal["joined", "left"] = "joined" if row.has_joined else "left"
    why = _why_joined(row, before, after) if row.has_joined else _why_left(row, before, after)
    return Moved(row.device_id, row.hostname, row.site_id, row.site_name, change, why)


def _why_joined(row: Row[Any], before: _Side, after: _Side) -> str:
    if row.was_considered:
        return f"Before, {_LEFT_OUT[row.reason_before]}; now it is not.".replace("it is", "it was", 1)
    found = after.named(row.via_after)
    how = f"Found by {', '.join(found)}" if found else "Named as a target"
    return f"{how}: {_since(row, before, after, row.via_after)}."


def _why_left(row: Row[Any], before: _Side, after: _Side) -> str:
    if row.is_considered:
        return f"It would be found, but {_LEFT_OUT[row.reason_after]}."
    if row.status is None or row.status == "revoked":
        return "The device is not approved any more."
    found = before.named(row.via_before)
    if not found:
        return "It was named as a target, and the job does not name it any more."
    return f"Not found any more by {', '.join(found)}: {_since(row, before, after, row.via_before)}."


def _since(row: Row[Any], before: _Side, after: _Side, places: Sequence[int] | None) -> str:
    """What changed in between that explains it, the likeliest first."""
    if row.has_joined and before.opened_at and row.enrolled_at and row.enrolled_at > before.opened_at:
        return "it was enrolled since"
    side = after if row.has_joined else before
    filters = [
        side.rules[one]["filter_id"] for one in places or () if one in side.rules and side.rules[one]["filter_id"]
    ]
    for filter_id in filters:
        revisions = before.revision_of(filter_id), after.revision_of(filter_id)
        if None not in revisions and revisions[0] != revisions[1]:
            return f"the filter was changed, from revision {revisions[0]} to {revisions[1]}"
    if before.job_revision != after.job_revision:
        return f"the job was edited, from revision {before.job_revision} to {after.job_revision}"
    if row.site_now != row.site_id:
        return "the device moved to another site"
    return "the device changed" if filters else "the devices of the site changed"
