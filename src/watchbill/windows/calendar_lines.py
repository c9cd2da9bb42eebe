"""Reads a calendar file down to the properties of its events, each with its line. Says nothing about what they mean.

The `icalendar` library takes the lines apart. It is not asked for times: it would take zone rules from the file and from the
host, and a file can hold rules that take for ever.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from watchbill.core.fields import shown
from watchbill.core.problems import Problem
from watchbill.kit.errors import InvalidError

MAX_BYTES: Final = 1024 * 1024
MAX_EVENTS: Final = 2_000
#: Reading stops here: whoever has so many problems has one problem.
MOST_PROBLEMS: Final = 100
#: What of an event matters here; everything else may be as it likes.
_SINGLE: Final = frozenset(
    {"UID", "SUMMARY", "STATUS", "DTSTART", "DTEND", "DURATION", "RRULE", "EXRULE", "RECURRENCE-ID", "SEQUENCE"}
)
_KNOWN: Final = {"VEVENT": _SINGLE | {"RDATE", "EXDATE"}, "VTIMEZONE": {"TZID", "X-LIC-LOCATION"}}
_OF_CALENDAR: Final = {"X-WR-TIMEZONE"}
_NEWLINE: Final = re.compile("\r\n|\n|\r")
_NAME: Final = re.compile(r"[A-Za-z0-9-]+(?=[;:])")
_UNSHOWABLE: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Property:
    """One property as it stands in the file. `text` is the value with its escapes resolved."""

    name: str
    params: Mapping[str, str]
    value: str
    text: str
    line: int


@dataclass(slots=True)
class Event:
    """One VEVENT: where it begins, and its properties by name."""

    line: int
    properties: dict[str, list[Property]] = field(default_factory=dict)

    def one(self, name: str) -> Property | None:
        found = self.properties.get(name)
        return found[0] if found else None

    def all(self, name: str) -> list[Property]:
        return self.properties.get(name, [])

    def text(self, name: str) -> str | None:
        """The property as one line that can be shown; None when it is absent or empty."""
        found = self.one(name)
        return " ".join(_UNSHOWABLE.sub(" ", found.text).split())[:200] or None if found else None

    def problem(self, code: str, message: str, where: Property | None = None) -> Problem:
        """A fault of this event, told with its line and what it is called."""
        name, uid = self.text("SUMMARY"), self.text("UID")
        called = " ".join([*([f"`{name}`"] if name else []), *([f"(UID {uid})"] if uid else [])])
        place = where.name if where else "VEVENT"
        line = where.line if where else self.line
        return Problem(f"line {line}", code, f"event {called or 'without a name'}: {place} {message}")


@dataclass(slots=True)
class CalendarFile:
    """What a file holds. `zone_names`: for each zone that it defines, the name that it says is the usual one."""

    events: list[Event] = field(default_factory=list)
    zone_names: dict[str, str] = field(default_factory=dict)
    own_zone: str | None = None
    problems: list[Problem] = field(default_factory=list)


def prepare() -> None:
    """Load what reading needs. Loading must not be interrupted, as reading may be."""
    _content_line()


def read_lines(content: bytes) -> CalendarFile:
    """The events of a file; InvalidError when it is no calendar at all."""
    if len(content) > MAX_BYTES:
        raise _refused("too_large", f"must have at most {MAX_BYTES} bytes, not {len(content)}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("invalid_text", f"must be UTF-8 text; byte {error.start} is not") from None
    reading = _Reading()
    for number, line in _unfolded(text):
        reading.take(number, line)
        if len(reading.file.problems) >= MOST_PROBLEMS:
            return reading.file
    return reading.finished()


def _refused(code: str, message: str) -> InvalidError:
    return InvalidError.of([Problem("", code, message)], what="The calendar")


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Each logical line with the number of the line on which it begins."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(_NEWLINE.split(text), 1):
        if line[:1] in {" ", "\t"} and parts:
            parts.append(line[1:])
            continue
        if parts:
            yield begun, "".join(parts)
        begun, parts = number, [line] if line.strip() else []
    if parts:
        yield begun, "".join(parts)


class _Reading:
    """A file on its way from lines to events."""

    def __init__(self) -> None:
        self.file = CalendarFile()
        self.open: list[tuple[str, int]] = []
        self.zone: dict[str, str] = {}
        self.has_calendar = False

    def take(self, number: int, line: str) -> None:
        name = line[:6].upper()
        if name == "BEGIN:":
            self._begin(line[6:].strip().upper(), number)
        elif name.startswith("END:"):
            self._end(line[4:].strip().upper(), number)
        elif not self.open:
            raise _refused("not_a_calendar", f"line {number} must be BEGIN:VCALENDAR, not {shown(line)}")
        else:
            self._property(self.open[-1][0], number, line)

    def _begin(self, kind: str, number: int) -> None:
        if not self.open and kind != "VCALENDAR":
            raise _refused("not_a_calendar", f"line {number} must be BEGIN:VCALENDAR, not BEGIN:{shown(kind)[1:-1]}")
        self.has_calendar = True
        self.open.append((kind, number))
        if kind == "VEVENT":
            if len(self.file.events) == MAX_EVENTS:
                raise _refused("too_many_events", f"must have at most {MAX_EVENTS} events")
            self.file.events.append(Event(number))
        elif kind == "VTIMEZONE":
            self.zone = {}

    def _end(self, kind: str, number: int) -> None:
        if not self.open or self.open[-1][0] != kind:
            was = f"{self.open[-1][0]} of line {self.open[-1][1]} is open" if self.open else "nothing is open"
            raise _refused("not_a_calendar", f"line {number} ends {shown(kind)[1:-1]}, but {shown(was)[1:-1]}")
        self.open.pop()
        if kind == "VTIMEZONE" and {"TZID", "X-LIC-LOCATION"} <= self.zone.keys():
            self.file.zone_names[self.zone["TZID"]] = self.zone["X-LIC-LOCATION"]

    def _property(self, component: str, number: int, line: str) -> None:
        found = _NAME.match(line)
        name = found[0].upper() if found else ""
        if component == "VCALENDAR" and name in _OF_CALENDAR:
            self.file.own_zone = line.partition(":")[2].strip()
        if name not in _KNOWN.get(component, ()):
            return
        read = _parsed(name, number, line)
        if component == "VTIMEZONE":
            self.zone[name] = read.value.strip() if read else ""
            return
        event = self.file.events[-1]
        if read is None:
            self.file.problems.append(event.problem("unreadable", f"on line {number} cannot be read: {shown(line)}"))
        elif name in _SINGLE and name in event.properties:
            self.file.problems.append(event.problem("duplicate", "is given twice", read))
        else:
            event.properties.setdefault(name, []).append(read)

    def finished(self) -> CalendarFile:
        if self.open:
            kind, number = self.open[-1]
            raise _refused("not_a_calendar", f"the {shown(kind)[1:-1]} of line {number} has no end")
        if not self.has_calendar:
            raise _refused("not_a_calendar", "must be an iCalendar file: it begins with BEGIN:VCALENDAR")
        return self.file


@cache
def _content_line() -> Callable[[str], Any]:
    # Ten megabytes and a third of a second that only an import needs, and many processes know windows.
    from icalendar.parser import Contentline

    return Contentline


def _parsed(name: str, number: int, line: str) -> Property | None:
    make = _content_line()
    try:
        content = make(line)
        _, params, value = content.raw_parts()
        _, _, text = content.parts()
    except ValueError:
        return None
    told = {key.upper(): one if isinstance(one, str) else ",".join(one) for key, one in params.items()}
    return Property(name, told, str(value), str(text), number)
