"""What windows make of an instant, for the windows of this simulation: blackouts of single jobs, of so many seconds each.

The oracle's own arithmetic: it looks for a beginning within the length of the window, and at nothing of the Engine's.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from watchbill.core import schedule as calendar

Row = dict[str, Any]
_TICK = timedelta(microseconds=1)


@dataclass
class Closing:
    """The windows as committed; `changed` is the step of the run at which they last did."""

    windows: dict[int, Row] = field(default_factory=dict)
    covered: dict[tuple[int, int], int] = field(default_factory=dict)
    changed: int = -1

    def note(self, table: str, old: Row | None, new: Row | None, step: int) -> None:
        self.changed = step
        row = new or old
        assert row is not None
        if table == "windows":
            self.windows[row["id"]] = row
        elif new is None:
            self.covered.pop((row["window_id"], row["position"]), None)
        else:
            self.covered[row["window_id"], row["position"]] = row["job_id"]

    def closed_until(self, job_id: int, at: datetime, when_closed: str) -> datetime | None:
        """When the last of the job's blackouts of this kind ends that holds at an instant; None when none does."""
        ends = [end for row in self._of(job_id) if row["when_closed"] == when_closed for end in _ends(row, at)]
        return max(ends, default=None)

    def ways(self, job_id: int, due: datetime, now: datetime, *, is_late: bool) -> set[str]:
        """How an instant enters that would be opened but for windows. Deferred beyond its expiry it is skipped as well."""
        at = now if is_late else due
        if self.closed_until(job_id, at, "skip") is not None:
            return {"skipped:blackout"}
        if self.closed_until(job_id, at, "defer") is not None:
            return {"held:held_by_window", "skipped:blackout"}
        return {"late" if is_late else "on_time"}

    def _of(self, job_id: int) -> list[Row]:
        ids = {window for (window, _), job in self.covered.items() if job == job_id}
        return [
            row for row in self.windows.values() if row["id"] in ids and row["enabled"] and row["deleted_at"] is None
        ]


def _ends(row: Row, at: datetime) -> list[datetime]:
    found = []
    for span in row["spans"]:
        length = timedelta(seconds=span["duration_seconds"])
        begins = calendar.instants_between(calendar.parse(span["schedule"]), at - length, at)
        found += [(begin + length).astimezone(UTC) for begin in begins]
    return found
