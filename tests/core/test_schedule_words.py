"""Words of a schedule follow the rule exactly."""

import pytest

from watchbill.core import schedule as sut

FIXED = " A time that the clocks skip runs once, as soon as they have gone forward. A time that the clocks repeat runs the first time only."
WILD = " Times that the clocks skip do not run, times that they repeat run both times."
WALL = " A time that the clocks skip runs later, by what they skip. A time that the clocks repeat runs the first time only."


def words(kind, **more):
    return sut.in_words(sut.parse({"type": kind, "timezone": "Europe/Berlin"} | more))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"kind": "immediately"}, "Once, as soon as it is saved."),
        ({"kind": "once", "start": "2026-05-04T07:00"}, "Once at 4 May 2026 07:00 (Europe/Berlin)."),
        (
            {"kind": "once", "start": "2026-03-29T02:30"},
            "Once at 29 March 2026 02:30 (Europe/Berlin). A time that the clocks skip runs later, by what they skip.",
        ),
        ({"kind": "every_15_minutes"}, "Every 15 minutes, aligned to the clocks (Europe/Berlin)."),
        (
            {"kind": "hourly", "start": "2026-03-29T01:30", "count": 1},
            "Every hour of elapsed time from 29 March 2026 01:30 (Europe/Berlin), at most 1 time.",
        ),
        (
            {"kind": "daily", "start": "2026-05-04T02:30", "end": "2027-01-01T00:00"},
            "Every day at 02:30 (Europe/Berlin), from 4 May 2026 02:30, until 1 January 2027 00:00." + WALL,
        ),
        (
            {"kind": "weekly", "start": "2026-05-04T07:00"},
            "Every Monday at 07:00 (Europe/Berlin), from 4 May 2026 07:00.",
        ),
        (
            {"kind": "monthly", "start": "2026-05-31T07:00"},
            "Every month on the 31st, or on the last day of a shorter month, at 07:00 (Europe/Berlin), from 31 May 2026 07:00.",
        ),
        (
            {"kind": "yearly", "start": "2024-02-29T07:00"},
            "Every year on 29 February, or on 28 February of other years, at 07:00 (Europe/Berlin), from 29 February 2024 07:00.",
        ),
        (
            {"kind": "yearly", "start": "2024-05-04T07:00"},
            "Every year on 4 May at 07:00 (Europe/Berlin), from 4 May 2024 07:00.",
        ),
    ],
)
def test_presets(spec, expected):
    assert words(**spec) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", "Every minute, every day (Europe/Berlin)." + WILD),
        ("*/15 8-17 * * mon-fri", "Every 15 minutes of the hours 08 to 17, on Monday to Friday (Europe/Berlin)."),
        ("5,35 * * * *", "At minute 5 and 35 of the hour, every day (Europe/Berlin)." + WILD),
        ("30 2 * * *", "At 02:30, every day (Europe/Berlin)." + FIXED),
        (
            "0 0 */5 * 1",
            "At 00:00, on the 1st, 6th, 11th, 16th, 21st, 26th and 31st, and only on Monday (Europe/Berlin).",
        ),
        ("0 0 1,15 * 1", "At 00:00, on the 1st and 15th, and also on Monday (Europe/Berlin)."),
        ("0 0 1-31 * 1", "At 00:00, every day (Europe/Berlin)."),
        ("0 12 L 2,3 *", "At 12:00, on the last day of the month in February and March (Europe/Berlin)."),
        (
            "0 12 * * 2#2,friL,0",
            "At 12:00, on Sunday, the second Tuesday of the month and the last Friday of the month (Europe/Berlin).",
        ),
        ("0 6,18 31 * *", "At 06:00 and 18:00, on the 31st (Europe/Berlin). Months without that date are passed over."),
    ],
)
def test_cron(expression, expected):
    assert words("cron", expression=expression) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY;COUNT=3", "Every day at 07:05, 3 times counted from the start"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "Every 2 weeks on Monday and Wednesday at 07:05"),
        ("FREQ=WEEKLY", "Every week on Sunday at 07:05"),
        (
            "FREQ=MONTHLY;BYDAY=2TU,-2FR",
            "Every month on the second Tuesday of the month and the second to last Friday of the month at 07:05",
        ),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "Every month on the 13th if that is Friday at 07:05"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "Every month on the last day of the month at 07:05"),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "Every month on Monday to Friday at 07:05, of these only the last in each month",
        ),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "Every year on the last Sunday of the month in March at 07:05"),
        (
            "FREQ=YEARLY;BYWEEKNO=20,-1;BYDAY=MO",
            "Every year in week 20 and 1 from the end of the year on Monday at 07:05",
        ),
        ("FREQ=YEARLY;BYYEARDAY=100", "Every year on day 100 of the year at 07:05"),
        ("FREQ=DAILY;BYHOUR=1,13;BYMINUTE=0", "Every day at 01:00 and 13:00"),
        ("FREQ=DAILY;BYHOUR=8,9,10;BYMINUTE=0,20,40", "Every day at minute 0, 20 and 40 of the hours 08 to 10"),
        (
            "FREQ=HOURLY;INTERVAL=3;BYHOUR=9,12",
            "Every 3 hours at minute 5 in the hours 09 and 12 by the clock, counted from the start",
        ),
        ("FREQ=MINUTELY;UNTIL=20270101T000000Z", "Every minute by the clock, until 1 January 2027 00:00 UTC"),
    ],
)
def test_rules(rule, expected):
    said = sut.in_words(sut.parse({"type": "rrule", "rule": rule, "start": "2026-05-31T07:05"}))
    assert said == f"{expected} (UTC), from 31 May 2026 07:05."


MONTHS, YEARS = " Months without that date are passed over.", " Years without that date are passed over."
SOME = " A date that a month does not have is passed over."


@pytest.mark.parametrize(
    ("kind", "rule", "note"),
    [
        ("cron", "0 0 31 * *", MONTHS),
        ("cron", "0 0 15,31 * *", SOME),
        ("cron", "0 0 31 1,3 *", ""),
        ("cron", "0 0 29 2 *", YEARS),
        ("cron", "0 0 31 * 1", SOME),
        ("cron", "0 0 31 * 0-6", ""),
        ("cron", "0 0 30,L * *", SOME),
        ("cron", "0 0 L * *", ""),
        ("cron", "0 0 * * 1#5", MONTHS),
        ("cron", "0 0 * * 1#5,2#1", SOME),
        ("cron", "0 0 1-31 * 1#5", ""),
        ("rrule", "FREQ=MONTHLY;BYMONTHDAY=-31", MONTHS),
        ("rrule", "FREQ=MONTHLY;BYMONTHDAY=-31,1", SOME),
        ("rrule", "FREQ=MONTHLY;BYDAY=5MO", MONTHS),
        ("rrule", "FREQ=MONTHLY;BYDAY=-5MO,1TU", SOME),
        ("rrule", "FREQ=MONTHLY;INTERVAL=12", ""),
        ("rrule", "FREQ=DAILY;BYMONTHDAY=31", MONTHS),
        ("rrule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", YEARS),
        ("rrule", "FREQ=YEARLY;BYYEARDAY=366", " Years without it are passed over."),
        ("rrule", "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO", " A day that a year does not have is passed over."),
        ("monthly", "", ""),
    ],
)
def test_what_shorter_months_and_years_lack_is_said_when_it_can_be_lacking(kind, rule, note):
    own = {"cron": {"expression": rule}, "rrule": {"rule": rule}}.get(kind, {})
    said = sut.in_words(sut.parse({"type": kind, "start": "2026-01-31T00:00"} | own))
    assert said.endswith(f", from 31 January 2026 00:00.{note}")


def test_a_schedule_of_long_ago_says_what_the_clocks_do_from_now_on():
    assert words("daily", start="2009-05-04T02:30").endswith(WALL)
    assert words("daily", start="2009-05-04T02:30", timezone="Europe/Moscow").endswith("2009 02:30.")
    ended = words("daily", start="2009-05-04T02:30", timezone="Europe/Moscow", end="2010-12-01T00:00")
    assert ended.endswith(WALL)


def test_a_rule_on_a_late_date_says_that_shorter_months_are_passed_over():
    said = sut.in_words(sut.parse({"type": "rrule", "rule": "FREQ=MONTHLY", "start": "2026-05-31T07:05"}))
    assert (
        said
        == "Every month on the 31st at 07:05 (UTC), from 31 May 2026 07:05. Months without that date are passed over."
    )


def test_added_and_removed_dates_are_counted():
    spec = {"type": "rrule", "rule": "FREQ=DAILY", "start": "2026-05-31T07:05"}
    said = sut.in_words(
        sut.parse(spec | {"exdate": ["2026-06-01T07:05"], "rdate": ["2026-06-01T08:00", "2026-06-02T08:00"]})
    )
    assert said == "Every day at 07:05, and on 2 further dates, except on 1 date (UTC), from 31 May 2026 07:05."
