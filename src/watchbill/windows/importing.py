"""A window from a calendar file: its events become the spans, all of them or none. What surrounds them is given beside the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.core.zones import find_zone
from watchbill.identity import Actor, Permission
from watchbill.kit.errors import InvalidError
from watchbill.windows import saving
from watchbill.windows.calendar_events import LeftOut, Made, make_spans
from watchbill.windows.calendar_lines import CalendarFile, prepare, read_lines
from watchbill.windows.calendar_times import Zones
from watchbill.windows.values import SavedWindow


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file became. `window` None = it was only tried."""

    window: SavedWindow | None
    spans: Sequence[Mapping[str, Any]]
    left_out: Sequence[LeftOut]


async def import_calendar(
    tx: AsyncConnection,
    actor: Actor,
    content: bytes,
    definition: Mapping[str, object],
    *,
    timezone: str | None,
    now: datetime,
    is_dry_run: bool = False,
) -> Imported:
    """Save a new window with the events of a file as its spans; `definition` is the rest of it.

    `timezone` is for dates and times that have none. InvalidError lists every problem, each event's with its line.
    """
    actor.require(Permission.WINDOWS_WRITE)
    prepare()
    file = saving.within_budget(read_lines, content)
    follows_site = definition.get("zone_source") == "site"
    problems = list(_zone_problems(timezone, follows_site=follows_site))
    zones = _zones(file, timezone, follows_site=follows_site)
    made = Made() if problems else saving.within_budget(make_spans, file, zones, now)
    judged = await saving.judge(tx, actor, {**definition, "spans": made.spans}, now=now)
    problems += made.problems
    is_readable = not problems
    if is_readable and not made.spans:
        problems.append(Problem("", "no_events", "the calendar holds no event that is still to come"))
    # Without all the spans, what is said of them would be about something else.
    problems += [one for one in judged.problems if (made.spans and is_readable) or not _is_about_spans(one)]
    if problems:
        raise InvalidError.of(problems, what="The calendar")
    window = None if is_dry_run else await saving.insert(tx, actor, judged, now=now)
    return Imported(window, judged.spans, made.left_out)


def _is_about_spans(problem: Problem) -> bool:
    return problem.field.startswith("spans") or problem.field == "cutoff_seconds"


def _zone_problems(timezone: str | None, *, follows_site: bool) -> list[Problem]:
    if timezone is None:
        return []
    if follows_site:
        message = "must be left out: this window is read on the clocks of each device's site"
        return [Problem("timezone", "not_allowed", message)]
    if find_zone(timezone) is None:
        return [Problem("timezone", "unknown_timezone", "must be an IANA zone name such as Europe/Berlin or UTC")]
    return []


def _zones(file: CalendarFile, timezone: str | None, *, follows_site: bool) -> Zones:
    """Without a zone given, the one that the whole file names counts."""
    name = None if follows_site else timezone or file.own_zone
    return Zones(file.zone_names, find_zone(name) if name else None, follows_site)
