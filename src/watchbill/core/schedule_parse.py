"""Owns reading the schedule object of the API into values, with every problem at once, and writing it back."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from watchbill.core.leading import LEADING_ZONE
from watchbill.core.schedule_calendar import CalendarUnit
from watchbill.core.schedule_cron import Cron, read_cron
from watchbill.core.schedule_moment import Moment
from watchbill.core.schedule_rrule import UNITS_PER_DAY, Recurrence
from watchbill.core.schedule_rrule_read import read_rrule
from watchbill.core.schedule_types import (
    STEPS,
    Calendar,
    Elapsed,
    Immediate,
    Once,
    Problem,
    Rule,
    Schedule,
    ScheduleProblems,
    ZoneSource,
)
from watchbill.core.zones import Zone, find_zone

MAX_COUNT: Final = 10_000
MAX_DATES: Final = 1_000
_YEARS: Final = range(1900, 2500)
_UNITS: Final[dict[str, CalendarUnit]] = {
    "daily": "daily",
    "weekly": "weekly",
    "monthly": "monthly",
    "yearly": "yearly",
}
_SOURCES: Final[dict[str, ZoneSource]] = {"fixed": "fixed", "site": "site", "device": "device"}
_COMMON: Final = ("type", "timezone", "timezone_source", "start", "end", "count")
_BOUNDS: Final = ("start", "end", "count")
_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_MOMENT_FORMS: Final = (
    "a wall clock such as 2026-05-04T07:00, or an instant with its offset such as 2026-05-04T07:00:00+02:00"
)
_EACH_CLOCK: Final = "each device reads it on its own clocks"
_NEEDS_TIMES: Final = "following the clocks of sites or devices needs times of day"


class Reader:
    """Reads the fields of one schedule object and collects what is wrong with them."""

    def __init__(self, spec: Mapping[str, object]) -> None:
        # An absent field and null are the same: a form sends null for what was left empty.
        self.spec = {name: value for name, value in spec.items() if value is not None}
        self.problems: list[Problem] = []
        self.zone = Zone("UTC")
        self.zone_source: ZoneSource = "fixed"

    def refuse(self, field: str, code: str, message: str) -> None:
        """Note one problem and read on."""
        self.problems.append(Problem(field, code, message))

    def read_zone(self) -> None:
        """The zone of every wall clock in the object: the one that is named, or whose clocks are followed."""
        source = self.spec.get("timezone_source", "fixed")
        if not isinstance(source, str) or source not in _SOURCES:
            self.refuse("timezone_source", "not_allowed", f"must be one of: {', '.join(_SOURCES)}")
        else:
            self.zone_source = _SOURCES[source]
        if self.zone_source == "fixed":
            self._read_fixed_zone()
            return
        self.zone = LEADING_ZONE
        if "timezone" in self.spec:
            self.refuse(
                "timezone", "not_allowed", f"must be left out: the clocks of each {self.zone_source} are followed"
            )

    def _read_fixed_zone(self) -> None:
        name = self.spec.get("timezone", "UTC")
        zone = find_zone(name) if isinstance(name, str) else None
        if zone is None:
            self.refuse(
                "timezone", "unknown_timezone", f"{name!r} is not an IANA zone name such as Europe/Berlin or UTC"
            )
        else:
            self.zone = zone

    def read_moment(self, field: str, *, cut_seconds: bool = False) -> Moment | None:
        """A wall clock or an instant; None when absent or wrong."""
        value = self.spec.get(field)
        return None if value is None else self.moment(field, value, cut_seconds=cut_seconds)

    def moment(self, field: str, value: object, *, cut_seconds: bool = False) -> Moment | None:
        """One wall clock or instant found under `field`."""
        parts = _MOMENT.fullmatch(value) if isinstance(value, str) else None
        if parts is None:
            self.refuse(field, "invalid_time", f"{value!r} must be {_MOMENT_FORMS}")
            return None
        try:
            given = datetime.fromisoformat(parts[0]).replace(microsecond=0)
        except ValueError as error:
            self.refuse(field, "invalid_time", f"{value!r} does not exist: {error}")
            return None
        if given.tzinfo and self.zone_source != "fixed":
            self.refuse(field, "invalid_time", f"{value!r} must be a wall clock without an offset: {_EACH_CLOCK}")
            return None
        if given.year not in _YEARS:
            self.refuse(field, "year_out_of_range", f"the year must be {_YEARS[0]} to {_YEARS[-1]}")
            return None
        return self._moment(given.replace(second=0) if cut_seconds else given)

    def _moment(self, given: datetime) -> Moment:
        if given.tzinfo is None:
            text = given.isoformat(timespec="seconds" if given.second else "minutes")
            return Moment(text, given, self.zone.resolve(given))
        instant = given.astimezone(UTC)
        return Moment(given.isoformat().replace("+00:00", "Z"), self.zone.wall(instant), instant)

    def read_moments(self, field: str) -> tuple[Moment, ...]:
        """A list of wall clocks or instants, without repetition."""
        values = self.spec.get(field, [])
        if not isinstance(values, list) or len(values) > MAX_DATES:
            self.refuse(field, "invalid_list", f"must be a list of at most {MAX_DATES} times, each {_MOMENT_FORMS}")
            return ()
        moments = (self.moment(f"{field}[{index}]", value, cut_seconds=True) for index, value in enumerate(values))
        return tuple(dict.fromkeys(moment for moment in moments if moment))

    def read_text(self, field: str, example: str) -> str | None:
        """A text that the type cannot do without."""
        value = self.spec.get(field)
        if isinstance(value, str) and value.strip():
            return value
        self.refuse(field, "required" if value is None else "invalid_text", f"must be a text: {example}")
        return None

    def read_count(self) -> int | None:
        """The limit of instants, None when absent or wrong."""
        count = self.spec.get("count")
        if count is None:
            return None
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
            self.refuse(
                "count", "invalid_count", f"must be a whole number from 1 to {MAX_COUNT}; use `end` for a longer life"
            )
            return None
        return count

    def refuse_fields_beyond(self, allowed: tuple[str, ...], kind: str) -> None:
        """Refuse what the type does not take: a value that does nothing is a misunderstanding."""
        for name in self.spec:
            if name not in allowed:
                known = ", ".join(allowed)
                self.refuse(name, "unknown_field", f"a schedule of type {kind} takes only: {known}")

    def require(self, field: str, message: str) -> None:
        """Refuse the absence of a field."""
        if field not in self.spec:
            self.refuse(field, "required", message)


def parse(spec: Mapping[str, object]) -> Schedule:
    """The schedule that an API object describes; raises ScheduleProblems naming everything that is wrong."""
    reader = Reader(spec)
    reader.read_zone()
    rule = _read_rule(reader)
    start = reader.read_moment("start", cut_seconds=True)
    end = reader.read_moment("end")
    count = reader.read_count()
    if reader.zone_source != "fixed" and rule:
        _refuse_what_cannot_follow(reader, rule)
    if start and end and end.instant < start.instant:
        reader.refuse("end", "end_before_start", "must not be before start")
    if rule is None or reader.problems:
        raise ScheduleProblems(reader.problems)
    return Schedule(rule, reader.zone, start, end, count, reader.zone_source)


def _refuse_what_cannot_follow(reader: Reader, rule: Rule) -> None:
    """What is no wall clock cannot be read on the clocks of each device."""
    if isinstance(rule, Immediate | Elapsed):
        known = ", ".join(["once", *_UNITS, "cron", "rrule"])
        reader.refuse("timezone_source", "not_allowed", f"{_NEEDS_TIMES}; with it, the type must be one of: {known}")
    if isinstance(rule, Cron) and rule.every_pass:
        reader.refuse("expression", "not_allowed", f"minute and hour must not begin with * here: {_NEEDS_TIMES}")
    if isinstance(rule, Cron) and "count" in reader.spec:
        reader.require("start", "the first time to count from, as a wall clock such as 2026-05-04T07:00")
    if isinstance(rule, Recurrence) and UNITS_PER_DAY.get(rule.frequency, 1) > 1:
        reader.refuse("rule", "not_allowed", f"FREQ must be DAILY or longer here: {_NEEDS_TIMES}")
    if isinstance(rule, Recurrence) and rule.until and rule.until.tzinfo:
        reader.refuse("rule", "not_allowed", f"UNTIL must be a wall clock without Z: {_EACH_CLOCK}")


def _read_rule(reader: Reader) -> Rule | None:
    kind = reader.spec.get("type")
    match kind:
        case "immediately":
            reader.refuse_fields_beyond(("type", "timezone", "timezone_source"), kind)
            return Immediate()
        case "once":
            reader.refuse_fields_beyond(("type", "timezone", "timezone_source", "start"), kind)
            reader.require("start", f"when to run once: {_MOMENT_FORMS}")
            return Once()
        case str() if kind in STEPS:
            reader.refuse_fields_beyond(_COMMON, kind)
            return Elapsed(kind, STEPS[kind])
        case str() if kind in _UNITS:
            reader.refuse_fields_beyond(_COMMON, kind)
            reader.require("start", f"the first run of a {kind} schedule: {_MOMENT_FORMS}")
            return Calendar(_UNITS[kind])
        case "cron":
            reader.refuse_fields_beyond((*_COMMON, "expression"), kind)
            return _read_cron(reader)
        case "rrule":
            reader.refuse_fields_beyond((*_COMMON, "rule", "exdate", "rdate"), kind)
            reader.require("start", f"the DTSTART of the rule: {_MOMENT_FORMS}")
            return _read_recurrence(reader)
        case _:
            known = ", ".join(["immediately", "once", *STEPS, *_UNITS, "cron", "rrule"])
            reader.refuse("type", "required" if kind is None else "unknown_type", f"must be one of: {known}")
            return None


def _read_cron(reader: Reader) -> Cron | None:
    expression = reader.read_text("expression", "five fields such as 30 2 * * mon-fri")
    cron, problems = read_cron(expression) if expression else (None, ())
    for problem in problems:
        reader.refuse("expression", "invalid_cron", problem)
    return cron


def _read_recurrence(reader: Reader) -> Recurrence | None:
    text = reader.read_text("rule", "an RFC 5545 rule such as FREQ=MONTHLY;BYDAY=2TU")
    rule, problems = read_rrule(text) if text else (None, ())
    for problem in problems:
        reader.refuse("rule", "invalid_rrule", problem)
    exdates, rdates = reader.read_moments("exdate"), reader.read_moments("rdate")
    return replace(rule, exdates=exdates, rdates=rdates) if rule else None


def to_json(schedule: Schedule) -> dict[str, object]:
    """The API object of a schedule; parsing it again gives an equal schedule."""
    common: dict[str, object] = {
        "type": type_name(schedule.rule),
        "start": schedule.start.text if schedule.start else None,
        **({"timezone_source": schedule.zone_source} if schedule.is_following else {"timezone": schedule.zone.name}),
        "end": schedule.end.text if schedule.end else None,
        "count": schedule.count,
    }
    return common | _own_fields(schedule.rule)


def _own_fields(rule: Rule) -> dict[str, object]:
    """The fields that only one type has."""
    match rule:
        case Cron(expression=expression):
            return {"expression": expression}
        case Recurrence(text=text):
            dates = {"exdate": rule.exdates, "rdate": rule.rdates}
            lists = {name: [moment.text for moment in moments] for name, moments in dates.items() if moments}
            return {"rule": text, **lists}
        case Immediate() | Once() | Elapsed() | Calendar():
            return {}
    assert_never(rule)


def type_name(rule: Rule) -> str:
    """The API's word for a kind of rule."""
    match rule:
        case Immediate():
            return "immediately"
        case Once():
            return "once"
        case Elapsed(name):
            return name
        case Calendar(unit):
            return unit
        case Cron():
            return "cron"
        case Recurrence():
            return "rrule"
    assert_never(rule)


def anchor_at(instant: datetime, zone: Zone) -> Moment:
    """The moment of a computed anchor, written with its offset so that a repeated wall clock stays exact."""
    wall = zone.wall(instant)
    offset = zone.offset(instant)
    if offset % timedelta(minutes=1):  # local mean time of long ago has no RFC 3339 form
        return Moment(instant.isoformat().replace("+00:00", "Z"), wall, instant)
    text = f"{wall.isoformat()}{_offset_text(offset)}"
    return Moment(text, wall, instant)


def _offset_text(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return "Z" if not minutes else f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
