"""Owns explaining a schedule in plain English that follows the rule exactly, so that nobody has to guess what a field does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from watchbill.core.schedule_cron import Cron
from watchbill.core.schedule_notes import passing_over
from watchbill.core.schedule_rrule import Recurrence
from watchbill.core.schedule_types import Calendar, Elapsed, Immediate, Once, Schedule
from watchbill.core.schedule_wording import MONTHS, WEEKDAYS, counted, date_and_time, listed, ordinal, position, ranged
from watchbill.core.zones import ClockChange, Zone, tzdata_version

_MOST_TIMES: Final = 6
_CRON_WEEKDAYS: Final = (WEEKDAYS[-1], *WEEKDAYS[:-1])
_EVERY_DAY: Final = (1 << 32) - 2
_EVERY_WEEKDAY: Final = 0b1111111
_NOUNS: Final = {
    "YEARLY": "year", "MONTHLY": "month", "WEEKLY": "week", "DAILY": "day", "HOURLY": "hour", "MINUTELY": "minute",
}  # fmt: skip
_NUMBERS: Final = tuple(str(number) for number in range(60))
_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_GAP_SOMEWHERE: Final = "Where the clocks skip such a time, it runs later, by what they skip."
_GAP_CRON_SOMEWHERE: Final = "Where the clocks skip such a time, it runs once, as soon as they have gone forward, and not at all if they skip three hours or more."


def in_words(schedule: Schedule) -> str:
    """One sentence or a few: the rule, its zone, its bounds, and what happens where the calendar or the clocks fall short."""
    match schedule.rule:
        case Immediate():
            return "Once, as soon as it is saved."
        case Once():
            sentence = f"Once at {_start(schedule)}"
        case Elapsed(name, step):
            sentence = "Every hour" if name == "hourly" else f"Every {step // timedelta(minutes=1)} minutes"
            sentence += f" of elapsed time from {_start(schedule)}" if schedule.start else ", aligned to the clocks"
        case Calendar():
            sentence = _calendar(schedule)
        case Cron():
            sentence = _cron(schedule.rule)
        case Recurrence():
            sentence = _recurrence(schedule.rule, schedule)
        case _:
            assert_never(schedule.rule)
    head = f"{sentence}{_whose_clocks(schedule)}{_bounds(schedule)}."
    return " ".join([head, *_notes(schedule)])


def _whose_clocks(schedule: Schedule) -> str:
    match schedule.zone_source:
        case "fixed":
            return f" ({schedule.zone.name})"
        case "site":
            return ", on the clocks of each device's site"
        case "device":
            return ", where each device is"
    assert_never(schedule.zone_source)


def _start(schedule: Schedule) -> str:
    return date_and_time(schedule.start.wall) if schedule.start else "its start"


def _bounds(schedule: Schedule) -> str:
    text = ""
    if schedule.start and not isinstance(schedule.rule, Once | Elapsed):
        text += f", from {_start(schedule)}"
    if schedule.end:
        text += f", until {date_and_time(schedule.end.wall)}"
    return text + (f", at most {counted(schedule.count, 'time')}" if schedule.count else "")


def _calendar(schedule: Schedule) -> str:
    wall, unit = _anchor_wall(schedule), getattr(schedule.rule, "unit", "")
    if unit == "daily":
        return f"Every day at {wall:%H:%M}"
    if unit == "weekly":
        return f"Every {WEEKDAYS[wall.weekday()]} at {wall:%H:%M}"
    if unit == "monthly":
        shorter = ", or on the last day of a shorter month," if wall.day > 28 else ""
        return f"Every month on the {ordinal(wall.day)}{shorter} at {wall:%H:%M}"
    shorter = ", or on 28 February of other years," if (wall.month, wall.day) == (2, 29) else ""
    return f"Every year on {wall.day} {MONTHS[wall.month - 1]}{shorter} at {wall:%H:%M}"


def _anchor_wall(schedule: Schedule) -> datetime:
    if schedule.start is None:
        raise ValueError("this type of schedule has a start")
    return schedule.start.wall


# --- cron -----------------------------------------------------------------------------------------------------------


def _cron(cron: Cron) -> str:
    months = [month - 1 for month in range(1, 13) if cron.months >> month & 1]
    in_months = "" if len(months) == 12 else f" in {ranged(months, MONTHS)}"
    return f"{_cron_times(cron)}, {_cron_days(cron)}{in_months}"


def _cron_times(cron: Cron) -> str:
    if len(cron.times) <= _MOST_TIMES:
        return "At " + listed([_clock(time) for time in cron.times])
    hours = [hour for hour in range(24) if cron.hours >> hour & 1]
    minutes = [minute for minute in range(60) if cron.minutes >> minute & 1]
    if len(hours) == 24:
        return _minutes_in_words(minutes)
    return f"{_minutes_in_words(minutes).removesuffix(' of the hour')} of the hours {ranged(hours, _HOURS)}"


def _minutes_in_words(minutes: list[int]) -> str:
    if len(minutes) == 60:
        return "Every minute"
    step = minutes[1] - minutes[0] if len(minutes) > 1 else 0
    if step and 60 % step == 0 and minutes == list(range(0, 60, step)):
        return f"Every {step} minutes"
    return f"At minute {ranged(minutes, _NUMBERS)} of the hour"


def _clock(time: timedelta) -> str:
    minutes = time // timedelta(minutes=1)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _cron_days(cron: Cron) -> str:
    has_dates = cron.days & _EVERY_DAY != _EVERY_DAY
    has_weekdays = cron.weekdays != _EVERY_WEEKDAY
    if not has_dates and not has_weekdays:
        return "every day"
    if cron.both_days:
        parts = [f"on {_cron_dates(cron)}"] if has_dates else []
        parts += (
            [f"only on {_cron_weekdays(cron)}" if has_dates else f"on {_cron_weekdays(cron)}"] if has_weekdays else []
        )
        return ", and ".join(parts)
    if has_dates and has_weekdays:
        return f"on {_cron_dates(cron)}, and also on {_cron_weekdays(cron)}"
    return "every day"  # one of two alternatives allows every day


def _cron_dates(cron: Cron) -> str:
    days = [day for day in range(1, 32) if cron.days >> day & 1]
    parts = [f"the {ranged(days, _ORDINALS)}"] if days else []
    return listed([*parts, *(["the last day of the month"] if cron.last_day else [])])


_ORDINALS: Final = tuple(ordinal(number) for number in range(32))


def _cron_weekdays(cron: Cron) -> str:
    monday_based = [day for day in range(7) if cron.weekdays >> (day + 1) % 7 & 1]
    parts = [ranged(monday_based, WEEKDAYS)] if monday_based else []
    return listed(
        [*parts, *(f"the {position(nth)} {_CRON_WEEKDAYS[day]} of the month" for day, nth in cron.nth_weekdays)]
    )


# --- rrule ----------------------------------------------------------------------------------------------------------


def _recurrence(rule: Recurrence, schedule: Schedule) -> str:
    noun = _NOUNS[rule.frequency]
    every = f"Every {noun}" if rule.interval == 1 else f"Every {counted(rule.interval, noun)}"
    sentence = " ".join([every, *_recurrence_days(rule, schedule), *_recurrence_times(rule, schedule)])
    if rule.positions:
        sentence += f", of these only the {listed([position(number) for number in rule.positions])} in each {noun}"
    return sentence + "".join(_recurrence_limits(rule))


def _recurrence_days(rule: Recurrence, schedule: Schedule) -> Iterator[str]:
    start = schedule.start.wall if schedule.start else None
    has_days = rule.month_days or rule.year_days or rule.week_numbers or rule.weekdays
    months = rule.months
    if rule.month_days:
        yield f"on {listed([_month_day(day) for day in rule.month_days])}"
    elif not has_days and start and rule.frequency in {"YEARLY", "MONTHLY"}:
        yield f"on the {ordinal(start.day)}"
        months = months or ((start.month,) if rule.frequency == "YEARLY" else ())
    elif not has_days and start and rule.frequency == "WEEKLY":
        yield f"on {WEEKDAYS[start.weekday()]}"
    if rule.year_days:
        yield f"on day {listed([_from_either_end(day) for day in rule.year_days])} of the year"
    if rule.week_numbers:
        yield f"in week {listed([_from_either_end(week) for week in rule.week_numbers])} of the year"
    if rule.weekdays:
        limits = "if that is " if rule.month_days or rule.year_days else "on "
        yield limits + _weekdays(rule)
    if months:
        yield f"in {ranged(sorted(month - 1 for month in set(months)), MONTHS)}"


def _weekdays(rule: Recurrence) -> str:
    span = "month" if rule.frequency == "MONTHLY" or rule.months else "year"
    plain = sorted({day for day, nth in rule.weekdays if not nth})
    parts = [ranged(plain, WEEKDAYS)] if plain else []
    return listed(
        [*parts, *(f"the {position(nth)} {WEEKDAYS[day]} of the {span}" for day, nth in rule.weekdays if nth)]
    )


def _month_day(day: int) -> str:
    return f"the {ordinal(day)}" if day > 0 else f"the {position(day)} day of the month"


def _from_either_end(number: int) -> str:
    return str(number) if number > 0 else f"{-number} from the end"


def _recurrence_times(rule: Recurrence, schedule: Schedule) -> Iterator[str]:
    start = schedule.start.wall if schedule.start else None
    hours, minutes = sorted(set(rule.hours)), sorted(set(rule.minutes))
    if rule.frequency in {"HOURLY", "MINUTELY"}:
        if minutes or (start and rule.frequency == "HOURLY"):
            yield f"at minute {ranged(minutes or [start.minute if start else 0], _NUMBERS)}"
        if hours:
            yield f"in the hours {ranged(hours, _HOURS)}"
        yield "by the clock" if rule.interval == 1 else "by the clock, counted from the start"
        return
    hours, minutes = hours or [start.hour if start else 0], minutes or [start.minute if start else 0]
    if len(hours) * len(minutes) <= _MOST_TIMES:
        yield f"at {listed([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])}"
    else:
        yield f"at minute {ranged(minutes, _NUMBERS)} of the hours {ranged(hours, _HOURS)}"


def _recurrence_limits(rule: Recurrence) -> Iterator[str]:
    if rule.count:
        yield f", {counted(rule.count, 'time')} counted from the start"
    if rule.until:
        yield f", until {date_and_time(rule.until)}{' UTC' if rule.until.tzinfo else ''}"
    if rule.rdates:
        yield f", and on {counted(len(rule.rdates), 'further date')}"
    if rule.exdates:
        yield f", except on {counted(len(rule.exdates), 'date')}"


# --- where the calendar or the clocks fall short ------------------------------------------------------------------------


def _notes(schedule: Schedule) -> Iterator[str]:
    rule = schedule.rule
    passing = passing_over(schedule)
    if passing:
        yield passing
    if schedule.is_following:
        yield _GAP_CRON_SOMEWHERE if isinstance(rule, Cron) else _GAP_SOMEWHERE
        yield "Where they repeat it, it runs the first time only."
        return
    changes = _changes(schedule)
    if isinstance(rule, Cron) and rule.every_pass:
        if any(_is_touched(schedule, change) for change in changes):
            yield "Times that the clocks skip do not run, times that they repeat run both times."
        return
    if any(change.gap > timedelta() and _is_touched(schedule, change) for change in changes):
        yield _gap_note(schedule)
    if any(change.gap < timedelta() and _is_touched(schedule, change) for change in changes):
        yield "A time that the clocks repeat runs the first time only."


def _gap_note(schedule: Schedule) -> str:
    if isinstance(schedule.rule, Cron):
        return "A time that the clocks skip runs once, as soon as they have gone forward."
    return "A time that the clocks skip runs later, by what they skip."


def _changes(schedule: Schedule) -> list[ClockChange]:
    """The changes of the clocks of two years: from the start or the release of the zone rules on, whichever is later."""
    if isinstance(schedule.rule, Elapsed):
        return []
    begin = datetime(int(tzdata_version()[:4]), 1, 1, tzinfo=UTC)
    is_over = isinstance(schedule.rule, Once) or (schedule.end and schedule.end.instant < begin)
    if schedule.start and (is_over or schedule.start.instant > begin):
        begin = schedule.start.instant
    # A start inside a gap lies after the change that it is about.
    return list(_changes_between(schedule.zone, begin - timedelta(days=2), begin + timedelta(days=731)))


def _changes_between(zone: Zone, begin: datetime, end: datetime) -> Iterator[ClockChange]:
    change = zone.change_between(begin, end)
    while change:
        yield change
        change = zone.change_between(change.at, end)


def _is_touched(schedule: Schedule, change: ClockChange) -> bool:
    """Whether a time of day of the rule lies among those that a change skips or repeats."""
    first, last = sorted((change.wall_before, change.wall_after))
    if isinstance(schedule.rule, Once):
        return first <= _anchor_wall(schedule) < last
    midnight = first.replace(hour=0, minute=0, second=0)
    days = (midnight + timedelta(days=number) for number in range((last - midnight).days + 1))
    return any(first <= day + time < last for day in days for time in _times(schedule))


def _times(schedule: Schedule) -> list[timedelta]:
    """The times of day that a rule names."""
    rule = schedule.rule
    if isinstance(rule, Cron):
        return list(rule.times)
    wall = _anchor_wall(schedule)
    if not isinstance(rule, Recurrence):
        return [timedelta(hours=wall.hour, minutes=wall.minute)]
    every_hour = rule.frequency in {"HOURLY", "MINUTELY"}
    hours = rule.hours or (range(24) if every_hour else (wall.hour,))
    minutes = rule.minutes or (range(60) if rule.frequency == "MINUTELY" else (wall.minute,))
    return [timedelta(hours=hour, minutes=minute) for hour in hours for minute in minutes]
