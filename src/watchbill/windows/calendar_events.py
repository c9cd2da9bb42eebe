"""Makes the spans of a window from the events of a calendar file: repetition, exceptions, moved and cancelled instances.

Nothing is guessed and nothing is left out in silence: what a span cannot say is a problem that names its event.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from watchbill.core import schedule as calendar
from watchbill.core.problems import Problem
from watchbill.core.window_rules import MAX_SPANS, is_over, read_span, stored_span
from watchbill.core.windows import ZoneSource
from watchbill.windows.calendar_lines import MOST_PROBLEMS, CalendarFile, Event, Property
from watchbill.windows.calendar_times import Length, Time, TimeFaultError, Zones, length_of

#: Names one instant, its start: for events that are a list of dates.
_START_ALONE: Final = "FREQ=DAILY;COUNT=1"
_UNTIL_DATE: Final = re.compile(r"UNTIL=(\d{8})(?=;|$)")
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An event that makes no span: it was cancelled, or it is over."""

    name: str | None
    uid: str | None
    reason: Literal["cancelled", "ended"]


@dataclass(slots=True)
class Made:
    """What became of a file's events."""

    spans: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _EventFaultError(Exception):
    """An event that cannot become a span."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def make_spans(file: CalendarFile, zones: Zones, now: datetime) -> Made:
    """The spans of all events; every problem, and no problem means every event was understood."""
    made = Made(problems=list(file.problems))
    moved = _moved_by_uid(file.events, made)
    seen: dict[str, int] = {}
    for event in file.events:
        if len(made.problems) >= MOST_PROBLEMS:
            break
        uid = event.text("UID") or ""
        is_master = event.one("RECURRENCE-ID") is None
        if is_master and uid and seen.setdefault(uid, event.line) != event.line:
            made.problems.append(event.problem("duplicate", f"has the UID of the event on line {seen[uid]}"))
            continue
        try:
            _take(event, moved.get(uid, []) if is_master and uid else [], zones, now=now, made=made)
        except _EventFaultError as fault:
            made.problems.append(fault.problem)
    if len(made.spans) > MAX_SPANS:
        message = f"has {len(made.spans)} events that are not over; a window has at most {MAX_SPANS} spans"
        made.problems.append(Problem("spans", "too_many_spans", message))
    del made.problems[MOST_PROBLEMS:]
    return made


def _moved_by_uid(events: Sequence[Event], made: Made) -> dict[str, list[Property]]:
    """Which instances of an event have an event of their own, cancelled ones too."""
    moved: dict[str, list[Property]] = {}
    for event in events:
        which, uid = event.one("RECURRENCE-ID"), event.text("UID")
        if which is None:
            continue
        if "RANGE" in which.params:
            message = (
                "changes all later instances too (RANGE), which a span cannot say: give them an event of their own"
            )
            made.problems.append(event.problem("not_supported", message, which))
        if not uid:
            made.problems.append(event.problem("required", "says which instance it is, but has no UID", which))
        moved.setdefault(uid or "", []).append(which)
    return moved


def _take(event: Event, moved: Sequence[Property], zones: Zones, *, now: datetime, made: Made) -> None:
    name, uid = event.text("SUMMARY"), event.text("UID")
    if (event.text("STATUS") or "").upper() == "CANCELLED":
        made.left_out.append(LeftOut(name, uid, "cancelled"))
        return
    start = _start(event, zones)
    schedule = _schedule(event, start, moved, zones)
    if schedule is None:
        return  # its only instance was moved: that has an event of its own
    span = {"name": name or uid, "schedule": schedule, **_length(event, start, zones)}
    zone_source: ZoneSource = "site" if zones.follows_site else "fixed"
    draft, problems = read_span(span, zone_source)
    if {one.code for one in problems} == {"never_fires"} and "exdate" in schedule:
        made.left_out.append(LeftOut(name, uid, "cancelled"))  # every instance was taken out
        return
    if problems:
        made.problems += [
            event.problem(one.code, f"{one.field} {one.message}", _culprit(event, one)) for one in problems
        ]
        return
    kept = stored_span(draft, zone_source, now)
    if kept is not None and is_over([kept], zone_source, now):
        made.left_out.append(LeftOut(name, uid, "ended"))
    else:
        made.spans.append(span)


def _culprit(event: Event, problem: Problem) -> Property | None:
    """The property that a problem of the span comes from."""
    named = {"rule": "RRULE", "start": "DTSTART", "exdate": "EXDATE", "rdate": "RDATE"}
    part = re.split(r"[.\[]", problem.field.removeprefix("schedule."))[0]
    ends = event.one("DTEND") or event.one("DURATION")
    return ends if part.startswith("duration") else event.one(named.get(part, "DTSTART"))


def _time(event: Event, where: Property, value: str, zones: Zones) -> Time:
    try:
        return zones.time(value, where.params)
    except TimeFaultError as fault:
        raise _EventFaultError(event.problem("invalid_time", str(fault), where)) from None


def _start(event: Event, zones: Zones) -> Time:
    where = event.one("DTSTART")
    if where is None:
        raise _EventFaultError(event.problem("required", "has no DTSTART"))
    start = _time(event, where, where.value, zones)
    if start.wall.second:
        raise _EventFaultError(event.problem("invalid_time", "must begin at a full minute", where))
    return start


def _length(event: Event, start: Time, zones: Zones) -> dict[str, int]:
    end, duration = event.one("DTEND"), event.one("DURATION")
    try:
        length: Length = length_of(start, end, duration, zones)
    except TimeFaultError as fault:
        raise _EventFaultError(event.problem("invalid_length", str(fault), end or duration)) from None
    return {"duration_days": length.days} if length.days is not None else {"duration_seconds": length.seconds or 0}


def _schedule(event: Event, start: Time, moved: Sequence[Property], zones: Zones) -> dict[str, Any] | None:
    """The schedule of an event without the instances that have events of their own; None when none is left."""
    if (refused := event.one("EXRULE")) is not None:
        raise _EventFaultError(event.problem("not_supported", "is not supported: list the dates in EXDATE", refused))
    rule, added = event.one("RRULE"), _dates(event, event.all("RDATE"), start, zones)
    if event.one("RECURRENCE-ID") and (rule or added):
        raise _EventFaultError(
            event.problem("not_supported", "is one instance of an event and cannot recur itself", rule)
        )
    taken_out = [*_dates(event, event.all("EXDATE"), start, zones), *_dates(event, moved, start, zones)]
    base = {"start": start.wall.isoformat(timespec="minutes"), **({"timezone": start.zone.name} if start.zone else {})}
    if rule is None and not added:
        is_taken_out = any(one.instant == start.instant for one in taken_out)
        return None if is_taken_out else {"type": "once", **base}
    recurring: dict[str, Any] = {"type": "rrule", **base, "rule": _rule(rule)}
    if not _names_its_start(recurring, start):
        added = [start, *added]
    lists = {"exdate": taken_out, "rdate": added}
    return recurring | {name: [one.text_in(start.zone) for one in times] for name, times in lists.items() if times}


def _rule(rule: Property | None) -> str:
    """The rule as schedules know it: an end that is a date includes that day."""
    return _UNTIL_DATE.sub(r"UNTIL=\1T235959", rule.value.strip().upper()) if rule else _START_ALONE


def _names_its_start(schedule: Mapping[str, object], start: Time) -> bool:
    """Whether the rule itself names DTSTART: in a calendar that counts as an instance even if it does not."""
    try:
        parsed = calendar.parse(schedule)
    except calendar.ScheduleProblems:
        return True  # told when the whole span is read
    begin = parsed.start.instant if parsed.start else start.instant
    return calendar.next_due(parsed, begin - _SECOND) == begin


def _dates(event: Event, properties: Sequence[Property], start: Time, zones: Zones) -> list[Time]:
    """The times of RDATE, EXDATE or RECURRENCE-ID, of the same kind as DTSTART."""
    return [time for where in properties for time in _dates_of(event, where, start, zones)]


def _dates_of(event: Event, where: Property, start: Time, zones: Zones) -> Iterator[Time]:
    for value in where.value.split(","):
        time = _time(event, where, value.strip(), zones)
        if time.is_date != start.is_date:
            message = "must be a date where DTSTART is one, and a time where it is a time"
            raise _EventFaultError(event.problem("invalid_time", message, where))
        yield time
