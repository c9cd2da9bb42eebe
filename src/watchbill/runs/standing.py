"""Why a job will not fire although it is there, and whether it keeps to its schedule, in words. Decides from values; reads nothing."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from watchbill.core import schedule as calendar
from watchbill.core.drift import Drift, drift
from watchbill.core.schedule_types import Schedule
from watchbill.core.schedule_wording import date_and_time
from watchbill.jobs import SavedJob
from watchbill.jobs.definition import complete, policies_of, read_schedule, read_schedule_text
from watchbill.kit.budget import Budget
from watchbill.windows import WindowSet

Code = Literal[
    "paused", "completed", "error", "storm_guard", "no_devices", "window_closed", "no_eligible_devices", "devices_closed"
]  # fmt: skip
#: The processor time that one job of a list may take for each of the two questions.
_SECONDS: Final = 0.05
_LONGEST_WAIT: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class WillNotFire:
    """The reason why nothing will start at the next due time, or why there is none."""

    code: Code
    sentence: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one job beside itself. `covering`: the windows that decide for it as a whole."""

    guarded: int
    reaches: bool
    windows: WindowSet
    covering: Collection[int]


def drift_of(some: Sequence[SavedJob], started: Mapping[int, tuple[datetime, ...]]) -> dict[int, str]:
    """For each job that does not keep to its schedule, a sentence. `started`: the last nominal instants, newest first."""
    found: dict[int, str] = {}
    with Budget(_SECONDS) as budget:
        for job in some:
            # Without the gaps that a median needs, nothing has to be computed.
            if len(started[job.id]) > 1:
                schedule = job.listed.schedule if job.listed else json.dumps(job.definition["schedule"], sort_keys=True)
                drifted = budget.attempt(_drift, schedule, started[job.id])
                if isinstance(drifted, Drift):
                    found[job.id] = drifted.sentence
    return found


@lru_cache(maxsize=4096)
def _drift(schedule: str, started: tuple[datetime, ...]) -> Drift | None:
    """Between two starts of a job it is the same at each look."""
    read, _ = read_schedule_text(schedule)
    return drift(read, started) if read else None


def will_not_fire(job: SavedJob, standing: Standing) -> WillNotFire | None:
    """The first reason in the order in which a person would have to deal with them."""
    if job.state != "active":
        return _by_state(job)
    if standing.guarded:
        held = "occurrence is" if standing.guarded == 1 else "occurrences are"
        sentence = f"{standing.guarded} late {held} held by the storm guard until it is released."
        return WillNotFire("storm_guard", sentence)
    if not standing.reaches:
        sentence = (
            "No device is left to run it on: those that it names are disabled, revoked, excluded or in other sites."
        )
        return WillNotFire("no_devices", sentence)
    return _by_window(job, standing)


def _by_state(job: SavedJob) -> WillNotFire:
    match job.state:
        case "paused":
            until = f" until {_told(job.paused_until)}" if job.paused_until else ""
            return WillNotFire("paused", _ended(f"Paused{until}{f': {job.state_reason}' if job.state_reason else ''}"))
        case "completed":
            return WillNotFire("completed", "Its schedule has ended: it names no further instant.")
        case _:
            return WillNotFire("error", _ended(f"In error: {job.state_reason or 'its schedule cannot be read'}"))


def _by_window(job: SavedJob, standing: Standing) -> WillNotFire | None:
    due = job.next_due_at
    if not standing.covering or due is None:
        return None
    schedule, _ = read_schedule(job.definition["schedule"])
    # Where devices start at different times each of them is judged at its own start.
    starts_together = not policies_of(job.definition["policies"]).splay_seconds
    if schedule is None or schedule.is_following or not starts_together:
        return None
    with Budget(_SECONDS) as budget:
        found = budget.attempt(_closed, standing, schedule, due, complete(job.definition)["duration"])
    return found if isinstance(found, WillNotFire) else None


def _closed(
    standing: Standing, schedule: Schedule, due: datetime, duration: Mapping[str, int | None]
) -> WillNotFire | None:
    given = duration["expires_after_seconds"]
    longest = min(calendar.period_hint(schedule, due) or _LONGEST_WAIT, _LONGEST_WAIT)
    until = due + (timedelta(seconds=given) if given else longest)
    verdict = standing.windows.verdict(standing.covering, "UTC", due, until=until)
    if verdict.is_open:
        return None
    then = f"it waits until {_told(verdict.opens_at)}" if verdict.action == "defer" else "that time will be skipped"
    return WillNotFire("window_closed", f"Closed at its next due time ({verdict.sentence}): {then}.")


def none_eligible(left_out: Collection[str]) -> WillNotFire:
    """Every device would be left out, for these reasons."""
    return WillNotFire("no_eligible_devices", f"None of its devices would run it now: {', '.join(sorted(left_out))}.")


def closed_on_each(names: Collection[str]) -> WillNotFire:
    """Windows of sites or devices keep every device from starting at the next due time; none are named where some are not to be seen."""
    listed = ", ".join(f"`{name}`" for name in sorted(names))
    why = f": {listed}" if listed else ""
    return WillNotFire("devices_closed", f"Closed on each of its devices at its next due time{why}.")


def _told(at: datetime | None) -> str:
    return f"{date_and_time(at.astimezone(UTC))} UTC" if at else "a time that is not in sight"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
