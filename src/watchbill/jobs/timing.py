"""Where a job stands in its schedule after a save, a pause or a resumption. Pure; what was owed before is settled by `runs`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from watchbill.core import schedule as calendar
from watchbill.core.occurrence import first_mark, next_start
from watchbill.core.schedule import Schedule
from watchbill.jobs.values import JobState


@dataclass(frozen=True, slots=True)
class Timing:
    """The columns of a job that say when it goes on. The mark of a paused job is where its pause began."""

    state: JobState
    state_reason: str | None
    mark_at: datetime
    next_due_at: datetime | None
    paused_until: datetime | None = None

    def values(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "state_reason": self.state_reason,
            "mark_at": self.mark_at,
            "next_due_at": self.next_due_at,
            "paused_until": self.paused_until,
            "tzdata_version": calendar.tzdata_version(),
        }


def started(schedule: Schedule, now: datetime, zones: Collection[str]) -> Timing:
    """Enabled from now on: what is due next is later than now."""
    mark = first_mark(schedule, now, zones)
    if schedule.start and mark - calendar.GRACE <= schedule.start.instant <= mark:
        mark = schedule.start.instant - timedelta(seconds=1)  # "now" in a form is a moment ago when it arrives
    next_due = next_start(schedule, mark, zones)
    return Timing("active" if next_due else "completed", None, mark, next_due)


def paused(mark: datetime, reason: str | None = None, until: datetime | None = None) -> Timing:
    return Timing("paused", reason, mark, None, until)
