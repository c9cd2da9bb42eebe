"""The nights in which the clocks change, by the zone rules of 2027, and what is expected of each: written down by hand from the
semantics of schedules, for nothing here may come from the code that it is held against.
"""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Night:
    """A night in one zone. Jobs are saved on the `eve`; at each stop the Engine runs through that instant; what falls due between
    stops, and between the last one and the `morning`, it finds when it is back. All instants are UTC.

    `expected`, one line for each row of the ledger: job | instant, local time with offset, flags | what became of it. A job's name
    is its schedule; it makes up for all that it was late for within six hours, or for nothing where `skip` follows.
    """

    name: str
    zone: str
    what: str
    eve: datetime
    stops: tuple[datetime, ...]
    morning: datetime
    expected: str

    @property
    def lines(self) -> list[str]:
        return sorted(in_columns(line) for line in self.expected.splitlines() if line.strip())

    @property
    def jobs(self) -> list[str]:
        return sorted({line.split("|")[0].strip() for line in self.lines})


def in_columns(line: str) -> str:
    job, instant, fate = (part.strip() for part in line.split("|"))
    return f"{job:<24} | {instant:<31} | {fate}"


def _night(name: str, zone: str, what: str, date: str, times: str, expected: str) -> Night:
    eve, *stops, morning = (datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=UTC) for time in times.split())
    return Night(name, zone, what, eve, tuple(stops), morning, expected)


NIGHTS = (
    _night(
        "denver-spring",
        "America/Denver",
        "02:00 MST is followed by 03:00 MDT at 09:00Z",
        "2027-03-14",
        "08:10 08:30 09:00 09:30 10:40",
        """
        daily 01:30              | 08:30Z 01:30-07:00              | on time, success
        daily 02:30              | 09:30Z 03:30-06:00 shifted_gap  | on time, success
        daily 03:00              | 09:00Z 03:00-06:00              | on time, success
        daily 04:00 skip         | 10:00Z 04:00-06:00              | missed, misfire_policy
        daily 04:30              | 10:30Z 04:30-06:00              | late, success
        cron 30 1 * * *          | 08:30Z 01:30-07:00              | on time, success
        cron 30 2 * * *          | 09:00Z 03:00-06:00 shifted_gap  | on time, success
        cron 10,20,50 2 * * *    | 09:00Z 03:00-06:00 shifted_gap  | on time, success
        cron 30 3 * * *          | 09:30Z 03:30-06:00              | on time, success
        cron */15 2 * * *        | -                               | nothing
        cron 30 * * * *          | 08:30Z 01:30-07:00              | on time, success
        cron 30 * * * *          | 09:30Z 03:30-06:00              | on time, success
        cron 30 * * * *          | 10:30Z 04:30-06:00              | late, success
        cron */30 * * * *        | 08:30Z 01:30-07:00              | on time, success
        cron */30 * * * *        | 09:00Z 03:00-06:00              | on time, success
        cron */30 * * * *        | 09:30Z 03:30-06:00              | on time, success
        cron */30 * * * *        | 10:00Z 04:00-06:00              | late, success
        cron */30 * * * *        | 10:30Z 04:30-06:00              | late, success
        cron */30 * * * * skip   | 08:30Z 01:30-07:00              | on time, success
        cron */30 * * * * skip   | 09:00Z 03:00-06:00              | on time, success
        cron */30 * * * * skip   | 09:30Z 03:30-06:00              | on time, success
        cron */30 * * * * skip   | 10:00Z 04:00-06:00              | missed 2 to 10:30Z, misfire_policy
        every_30_minutes         | 08:30Z 01:30-07:00              | on time, success
        every_30_minutes         | 09:00Z 03:00-06:00              | on time, success
        every_30_minutes         | 09:30Z 03:30-06:00              | on time, success
        every_30_minutes         | 10:00Z 04:00-06:00              | late, success
        every_30_minutes         | 10:30Z 04:30-06:00              | late, success
        """,
    ),
    _night(
        "denver-autumn",
        "America/Denver",
        "02:00 MDT is followed by 01:00 MST at 08:00Z",
        "2027-11-07",
        "07:10 07:30 08:00 08:30 09:40",
        """
        daily 01:00              | -                               | nothing
        daily 01:30              | 07:30Z 01:30-06:00 first_of_two | on time, success
        daily 02:00              | 09:00Z 02:00-07:00              | late, success
        daily 02:30 skip         | 09:30Z 02:30-07:00              | missed, misfire_policy
        cron 0 1 * * *           | -                               | nothing
        cron 30 1 * * *          | 07:30Z 01:30-06:00 first_of_two | on time, success
        cron 15,30,45 1 * * *    | 07:15Z 01:15-06:00 first_of_two | late, success
        cron 15,30,45 1 * * *    | 07:30Z 01:30-06:00 first_of_two | on time, success
        cron 15,30,45 1 * * *    | 07:45Z 01:45-06:00 first_of_two | late, success
        cron */30 1 * * *        | 07:30Z 01:30-06:00              | on time, success
        cron */30 1 * * *        | 08:00Z 01:00-07:00              | on time, success
        cron */30 1 * * *        | 08:30Z 01:30-07:00              | on time, success
        cron 30 * * * *          | 07:30Z 01:30-06:00              | on time, success
        cron 30 * * * *          | 08:30Z 01:30-07:00              | on time, success
        cron 30 * * * *          | 09:30Z 02:30-07:00              | late, success
        cron */30 * * * * skip   | 07:30Z 01:30-06:00              | on time, success
        cron */30 * * * * skip   | 08:00Z 01:00-07:00              | on time, success
        cron */30 * * * * skip   | 08:30Z 01:30-07:00              | on time, success
        cron */30 * * * * skip   | 09:00Z 02:00-07:00              | missed 2 to 09:30Z, misfire_policy
        every_30_minutes         | 07:30Z 01:30-06:00              | on time, success
        every_30_minutes         | 08:00Z 01:00-07:00              | on time, success
        every_30_minutes         | 08:30Z 01:30-07:00              | on time, success
        every_30_minutes         | 09:00Z 02:00-07:00              | late, success
        every_30_minutes         | 09:30Z 02:30-07:00              | late, success
        """,
    ),
    _night(
        "berlin-spring",
        "Europe/Berlin",
        "02:00 CET is followed by 03:00 CEST at 01:00Z",
        "2027-03-28",
        "00:10 00:30 01:00 01:30 02:40",
        """
        daily 01:30              | 00:30Z 01:30+01:00              | on time, success
        daily 02:00              | 01:00Z 03:00+02:00 shifted_gap  | on time, success
        daily 02:30              | 01:30Z 03:30+02:00 shifted_gap  | on time, success
        daily 04:00              | 02:00Z 04:00+02:00              | late, success
        once 2027-03-28T02:30    | 01:30Z 03:30+02:00 shifted_gap  | on time, success
        weekly 2027-03-07T02:30  | 01:30Z 03:30+02:00 shifted_gap  | on time, success
        monthly 2027-01-28T02:30 | 01:30Z 03:30+02:00 shifted_gap  | on time, success
        yearly 2020-03-28T02:30  | 01:30Z 03:30+02:00 shifted_gap  | on time, success
        rrule FREQ=DAILY 02:30   | 01:30Z 03:30+02:00 shifted_gap  | on time, success
        cron 50 1 * * * skip     | 00:50Z 01:50+01:00              | missed, misfire_policy
        cron 30 2 * * *          | 01:00Z 03:00+02:00 shifted_gap  | on time, success
        cron 30 2,4 * * *        | 01:00Z 03:00+02:00 shifted_gap  | on time, success
        cron 30 2,4 * * *        | 02:30Z 04:30+02:00              | late, success
        cron 15 */2 * * *        | 02:15Z 04:15+02:00              | late, success
        cron */30 * * * *        | 00:30Z 01:30+01:00              | on time, success
        cron */30 * * * *        | 01:00Z 03:00+02:00              | on time, success
        cron */30 * * * *        | 01:30Z 03:30+02:00              | on time, success
        cron */30 * * * *        | 02:00Z 04:00+02:00              | late, success
        cron */30 * * * *        | 02:30Z 04:30+02:00              | late, success
        every_30_minutes skip    | 00:30Z 01:30+01:00              | on time, success
        every_30_minutes skip    | 01:00Z 03:00+02:00              | on time, success
        every_30_minutes skip    | 01:30Z 03:30+02:00              | on time, success
        every_30_minutes skip    | 02:00Z 04:00+02:00              | missed 2 to 02:30Z, misfire_policy
        """,
    ),
    _night(
        "berlin-autumn",
        "Europe/Berlin",
        "03:00 CEST is followed by 02:00 CET at 01:00Z",
        "2027-10-31",
        "00:10 00:30 01:00 01:30 02:40",
        """
        daily 02:00              | -                               | nothing
        daily 02:30              | 00:30Z 02:30+02:00 first_of_two | on time, success
        daily 03:00              | 02:00Z 03:00+01:00              | late, success
        once 2027-10-31T02:30    | 00:30Z 02:30+02:00 first_of_two | on time, success
        weekly 2027-10-03T02:30  | 00:30Z 02:30+02:00 first_of_two | on time, success
        monthly 2027-01-31T02:30 | 00:30Z 02:30+02:00 first_of_two | on time, success
        yearly 2020-10-31T02:30  | 00:30Z 02:30+02:00 first_of_two | on time, success
        rrule FREQ=DAILY 02:30   | 00:30Z 02:30+02:00 first_of_two | on time, success
        cron 30 2 * * *          | 00:30Z 02:30+02:00 first_of_two | on time, success
        cron 0,30 2,3 * * * skip | 00:30Z 02:30+02:00 first_of_two | on time, success
        cron 0,30 2,3 * * * skip | 02:00Z 03:00+01:00              | missed 2 to 02:30Z, misfire_policy
        cron 15 */2 * * *        | 00:15Z 02:15+02:00              | late, success
        cron 15 */2 * * *        | 01:15Z 02:15+01:00              | late, success
        cron */30 2 * * *        | 00:30Z 02:30+02:00              | on time, success
        cron */30 2 * * *        | 01:00Z 02:00+01:00              | on time, success
        cron */30 2 * * *        | 01:30Z 02:30+01:00              | on time, success
        every_30_minutes skip    | 00:30Z 02:30+02:00              | on time, success
        every_30_minutes skip    | 01:00Z 02:00+01:00              | on time, success
        every_30_minutes skip    | 01:30Z 02:30+01:00              | on time, success
        every_30_minutes skip    | 02:00Z 03:00+01:00              | missed 2 to 02:30Z, misfire_policy
        hourly                   | 01:00Z 02:00+01:00              | on time, success
        hourly                   | 02:00Z 03:00+01:00              | late, success
        """,
    ),
    _night(
        "lord-howe-autumn",
        "Australia/Lord_Howe",
        "02:00 at +11:00 is followed by 01:30 at +10:30 at 15:00Z, on the 4th by its clocks",
        "2027-04-03",
        "14:35 14:45 15:00 15:15 15:50",
        """
        daily 01:30              | -                               | nothing
        daily 01:45              | 14:45Z 01:45+11:00 first_of_two | on time, success
        daily 02:00              | 15:30Z 02:00+10:30              | late, success
        daily 02:15 skip         | 15:45Z 02:15+10:30              | missed, misfire_policy
        cron 45 1 * * *          | 14:45Z 01:45+11:00 first_of_two | on time, success
        cron 40,50 1 * * *       | 14:40Z 01:40+11:00 first_of_two | late, success
        cron 40,50 1 * * *       | 14:50Z 01:50+11:00 first_of_two | late, success
        cron 15,45 * * * *       | 14:45Z 01:45+11:00              | on time, success
        cron 15,45 * * * *       | 15:15Z 01:45+10:30              | on time, success
        cron 15,45 * * * *       | 15:45Z 02:15+10:30              | late, success
        cron */30 * * * *        | 15:00Z 01:30+10:30              | on time, success
        cron */30 * * * *        | 15:30Z 02:00+10:30              | late, success
        cron */15 1 * * *        | 14:45Z 01:45+11:00              | on time, success
        cron */15 1 * * *        | 15:00Z 01:30+10:30              | on time, success
        cron */15 1 * * *        | 15:15Z 01:45+10:30              | on time, success
        every_15_minutes         | 14:45Z 01:45+11:00              | on time, success
        every_15_minutes         | 15:00Z 01:30+10:30              | on time, success
        every_15_minutes         | 15:15Z 01:45+10:30              | on time, success
        every_15_minutes         | 15:30Z 02:00+10:30              | late, success
        every_15_minutes         | 15:45Z 02:15+10:30              | late, success
        every_30_minutes skip    | 15:00Z 01:30+10:30              | on time, success
        every_30_minutes skip    | 15:30Z 02:00+10:30              | missed, misfire_policy
        """,
    ),
    _night(
        "lord-howe-spring",
        "Australia/Lord_Howe",
        "02:00 at +10:30 is followed by 02:30 at +11:00 at 15:30Z, on the 3rd by its clocks",
        "2027-10-02",
        "15:05 15:15 15:30 15:45 16:20",
        """
        daily 01:45              | 15:15Z 01:45+10:30              | on time, success
        daily 02:00              | 15:30Z 02:30+11:00 shifted_gap  | on time, success
        daily 02:15              | 15:45Z 02:45+11:00 shifted_gap  | on time, success
        daily 02:30              | 15:30Z 02:30+11:00              | on time, success
        daily 03:00              | 16:00Z 03:00+11:00              | late, success
        daily 03:15 skip         | 16:15Z 03:15+11:00              | missed, misfire_policy
        cron 15 2 * * *          | 15:30Z 02:30+11:00 shifted_gap  | on time, success
        cron 5,10,20 2 * * *     | 15:30Z 02:30+11:00 shifted_gap  | on time, success
        cron 15,45 * * * *       | 15:15Z 01:45+10:30              | on time, success
        cron 15,45 * * * *       | 15:45Z 02:45+11:00              | on time, success
        cron 15,45 * * * *       | 16:15Z 03:15+11:00              | late, success
        cron */15 2 * * *        | 15:30Z 02:30+11:00              | on time, success
        cron */15 2 * * *        | 15:45Z 02:45+11:00              | on time, success
        cron */30 * * * *        | 15:30Z 02:30+11:00              | on time, success
        cron */30 * * * *        | 16:00Z 03:00+11:00              | late, success
        every_15_minutes         | 15:15Z 01:45+10:30              | on time, success
        every_15_minutes         | 15:30Z 02:30+11:00              | on time, success
        every_15_minutes         | 15:45Z 02:45+11:00              | on time, success
        every_15_minutes         | 16:00Z 03:00+11:00              | late, success
        every_15_minutes         | 16:15Z 03:15+11:00              | late, success
        every_30_minutes skip    | 15:30Z 02:30+11:00              | on time, success
        every_30_minutes skip    | 16:00Z 03:00+11:00              | missed, misfire_policy
        """,
    ),
)
