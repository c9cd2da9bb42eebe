"""What parts of a job say against each other: each right by itself, and together impossible. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, assert_never

from watchbill.core.job_rules_steps import step_conflicts
from watchbill.core.job_rules_values import REMOTE_CONTEXTS, ExecutionContext, JobDraft
from watchbill.core.job_rules_waves import pacing_conflicts
from watchbill.core.problems import Problem
from watchbill.core.schedule_calendar import CalendarUnit
from watchbill.core.schedule_cron import Cron
from watchbill.core.schedule_rrule import Recurrence
from watchbill.core.schedule_types import Calendar, Elapsed, Immediate, Once, Schedule

HOLD_NEEDS_A_FIXED_ZONE: Final = (
    "must not be hold where the schedule follows the clocks of sites or devices: its waves are late one by one"
)
_DAYS: Final[dict[CalendarUnit, int]] = {"daily": 1, "weekly": 7, "monthly": 28, "yearly": 365}


def conflicts(draft: JobDraft) -> Iterator[Problem]:
    """Every pair that cannot be: a splay that reaches the next instant, a person asked about a wave, a wait for nobody,
    limits the wrong way round.
    """
    if draft.schedule is not None:
        yield from _splay(draft.policies.splay_seconds, draft.schedule)
        if draft.policies.catch_up == "hold" and draft.schedule.is_following:
            yield Problem("policies.catch_up", "not_allowed", HOLD_NEEDS_A_FIXED_ZONE)
    yield from step_conflicts(draft, regular_gap(draft.schedule) if draft.schedule is not None else None)
    if draft.policies.no_user_session == "wait" and draft.execution_context is not ExecutionContext.CURRENT_USER:
        message = "must be skip: nobody is waited for by a job that does not run as who is signed in (current_user)"
        yield Problem("policies.no_user_session", "not_allowed", message)
    if draft.policies.interrupted == "again" and draft.execution_context not in REMOTE_CONTEXTS:
        message = "must be lost: only a playbook is run again after its worker died; a script goes on without one"
        yield Problem("policies.interrupted", "not_allowed", message)
    yield from pacing_conflicts(draft, regular_gap(draft.schedule) if draft.schedule is not None else None)
    if draft.duration.time_limit_seconds is not None:
        yield from run_limit_fault(draft.duration.run_limit_seconds, draft.duration.time_limit_seconds)


def run_limit_fault(run_limit_seconds: int | None, time_limit_seconds: int) -> Iterator[Problem]:
    """A run that must end before one of its devices has to is a mistake."""
    if run_limit_seconds is not None and run_limit_seconds < time_limit_seconds:
        message = f"must be at least the time limit of one device, {time_limit_seconds} seconds, or null"
        yield Problem("duration.run_limit_seconds", "out_of_range", message)


def regular_gap(schedule: Schedule) -> timedelta | None:
    """The least distance of neighbouring instants where the schedule's type fixes it; changes of the clocks aside."""
    match schedule.rule:
        case Elapsed(step=step):
            return step
        case Calendar(unit):
            return timedelta(days=_DAYS[unit])
        case Immediate() | Once() | Cron() | Recurrence():
            return None
    assert_never(schedule.rule)


def _splay(seconds: int, schedule: Schedule) -> Iterator[Problem]:
    """Irregular schedules are not judged here: `core.occurrence.fitting_splay` cuts each start before the next instant."""
    gap = regular_gap(schedule)
    if gap is not None and timedelta(seconds=seconds) >= gap:
        message = f"must be less than the {int(gap.total_seconds())} seconds from one instant to the next"
        yield Problem("policies.splay_seconds", "out_of_range", message)
