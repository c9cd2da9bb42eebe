"""Calendar files become spans: what events say, what cannot be said, and that no bytes do harm."""

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windows.test_verdicts import utc
from watchbill.core.window_rules import MAX_SPANS, read_span
from watchbill.core.window_spans import Spans
from watchbill.core.zones import Zone
from watchbill.kit.errors import InvalidError
from watchbill.windows.calendar_events import make_spans
from watchbill.windows.calendar_lines import MAX_EVENTS, read_lines
from watchbill.windows.calendar_times import Zones

NOW = utc("2026-01-15T12:00")


def file(*events, head=()):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *head]
    for event in events:
        lines += ["BEGIN:VEVENT", *event, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def event(name, *lines, uid=None):
    return [f"UID:{uid or name}", f"SUMMARY:{name}", *lines]


def made(*events, head=(), zone="Europe/Berlin", follows_site=False, now=NOW):
    read = read_lines(events[0] if isinstance(events[0], bytes) else file(*events, head=head))
    return make_spans(read, Zones(read.zone_names, Zone(zone) if zone else None, follows_site), now)


def spans(*events, **how):
    done = made(*events, **how)
    assert done.problems == []
    return done.spans


def one(*lines, **how):
    [span] = spans(event("E", *lines), **how)
    return span


def faults(*events, **how):
    return [(one.field, one.code, one.message) for one in made(*events, **how).problems]


def starts(span, begin="2026-01-01T00:00", end="2027-01-01T00:00", zone="UTC"):
    """The stretches of one span, as an inspector sees them."""
    timeline = Spans((span,), follows_site="timezone" not in span["schedule"]).in_zone(zone)
    return [f"{start:%m-%dT%H:%M}" for start, _ in timeline.stretches(utc(begin), utc(end))]


# --- what events say --------------------------------------------------------------------------------------------------


def test_an_all_day_event_is_whole_days_in_the_zone_given():
    span = one("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20270102")
    assert span == {
        "name": "E",
        "schedule": {"type": "once", "start": "2026-12-24T00:00", "timezone": "Europe/Berlin"},
        "duration_days": 9,
    }
    assert one("DTSTART;VALUE=DATE:20261224")["duration_days"] == 1
    assert one("DTSTART;VALUE=DATE:20261224", "DURATION:P2W")["duration_days"] == 14
    assert one("DTSTART:20261224")["duration_days"] == 1


def test_a_time_has_its_own_zone_or_utc_or_the_one_given():
    for line, zone in [
        ("DTSTART;TZID=America/New_York:20261101T020000", "America/New_York"),
        ("DTSTART:20261101T020000Z", "UTC"),
        ("DTSTART:20261101T020000", "Europe/Berlin"),
        ("DTSTART;TZID=/example.org/20260101_1/America/Argentina/Ushuaia:20261101T020000", "America/Argentina/Ushuaia"),
        ('DTSTART;TZID="W. Europe Standard Time":20261101T020000', "Europe/Berlin"),
    ]:
        span = one(line, "DURATION:PT2H")
        assert span["schedule"] == {"type": "once", "start": "2026-11-01T02:00", "timezone": zone}
        assert span["duration_seconds"] == 7200


def test_a_zone_of_the_file_counts_by_the_name_that_it_says_it_has():
    head = (
        "BEGIN:VTIMEZONE",
        "TZID:Office",
        "X-LIC-LOCATION:Europe/Vienna",
        "BEGIN:STANDARD",
        "END:STANDARD",
        "END:VTIMEZONE",
    )
    assert (
        one("DTSTART;TZID=Office:20261101T020000", "DURATION:PT2H", head=head)["schedule"]["timezone"]
        == "Europe/Vienna"
    )


def test_days_are_days_of_the_calendar_and_hours_are_elapsed():
    assert one("DTSTART:20260328T220000", "DURATION:P1D")["duration_days"] == 1
    assert one("DTSTART:20260328T220000", "DURATION:PT24H")["duration_seconds"] == 86_400
    # From 22:00 to 22:00 over the night on which the clocks skip an hour.
    assert one("DTSTART:20260328T220000", "DTEND:20260329T220000")["duration_seconds"] == 23 * 3600
    assert one("DTSTART:20260601T020000", "DTEND;TZID=America/New_York:20260601T020000")["duration_seconds"] == 6 * 3600


def test_a_rule_with_exceptions_and_further_dates():
    span = one(
        "DTSTART;TZID=Europe/Berlin:20260201T020000",
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY;COUNT=4",
        "EXDATE;TZID=Europe/Berlin:20260208T020000",
        "EXDATE:20260215T010000Z",
        "RDATE;TZID=Europe/Berlin:20260303T020000,20260304T020000",
    )
    assert starts(span) == ["02-01T01:00", "02-22T01:00", "03-03T01:00", "03-04T01:00"]


def test_an_end_of_a_rule_that_is_a_date_includes_that_day():
    span = one("DTSTART;VALUE=DATE:20260301", "RRULE:FREQ=MONTHLY;UNTIL=20260501")
    assert starts(span) == ["02-28T23:00", "03-31T22:00", "04-30T22:00"]


def test_the_start_counts_even_where_the_rule_does_not_name_it():
    span = one("DTSTART:20260204T020000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20260215T000000")
    assert span["schedule"]["rdate"] == ["2026-02-04T02:00"]
    assert starts(span) == ["02-04T01:00", "02-09T01:00"]


def test_dates_without_a_rule():
    span = one("DTSTART;VALUE=DATE:20260406", "RDATE;VALUE=DATE:20260525,20261225")
    assert starts(span) == ["04-05T22:00", "05-24T22:00", "12-24T23:00"]


def test_a_moved_instance_is_taken_out_and_has_its_own_time():
    [series, moved] = spans(
        event("Patch", "DTSTART:20260201T020000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3", uid="p"),
        event("Patch, later", "RECURRENCE-ID:20260208T020000", "DTSTART:20260209T050000", "DURATION:PT2H", uid="p"),
    )
    assert starts(series) == ["02-01T01:00", "02-15T01:00"]
    assert starts(moved) == ["02-09T04:00"]
    assert moved["name"] == "Patch, later"


def test_a_moved_event_that_does_not_recur_is_only_where_it_was_moved_to():
    [moved] = spans(
        event("Patch", "DTSTART:20260201T020000", "DURATION:PT1H", uid="p"),
        event("Patch", "RECURRENCE-ID:20260201T020000", "DTSTART:20260202T020000", "DURATION:PT1H", uid="p"),
    )
    assert starts(moved) == ["02-02T01:00"]


def test_cancelled_and_past_events_are_left_out_and_told():
    done = made(
        event("Off", "DTSTART;VALUE=DATE:20260301", "STATUS:CANCELLED"),
        event("Past", "DTSTART;VALUE=DATE:20251224", "DTEND;VALUE=DATE:20251227"),
        event("Over", "DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=YEARLY;UNTIL=20250601"),
        event("Now", "DTSTART;VALUE=DATE:20260115"),
        event("Patch", "DTSTART:20260201T020000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=2", uid="p"),
        event("Patch", "RECURRENCE-ID:20260208T020000", "DTSTART:20260208T020000", "STATUS:CANCELLED", uid="p"),
        event("None", "DTSTART:20260201T020000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=1", "EXDATE:20260201T020000"),
    )
    assert done.problems == []
    left = [(one.name, one.reason) for one in done.left_out]
    assert left == [
        ("Off", "cancelled"),
        ("Past", "ended"),
        ("Over", "ended"),
        ("Patch", "cancelled"),
        ("None", "cancelled"),
    ]
    assert [one["name"] for one in done.spans] == ["Now", "Patch"]
    assert starts(done.spans[1]) == ["02-01T01:00"]


def test_on_the_clocks_of_sites_a_file_has_no_zones():
    span = one("DTSTART;VALUE=DATE:20260501", "RRULE:FREQ=YEARLY", zone=None, follows_site=True)
    assert span["schedule"] == {"type": "rrule", "start": "2026-05-01T00:00", "rule": "FREQ=YEARLY"}
    assert starts(span, zone="America/New_York") == ["05-01T04:00"]
    [fault] = faults(event("E", "DTSTART:20260501T000000Z", "DURATION:PT1H"), zone=None, follows_site=True)
    assert fault[1] == "invalid_time"
    assert "clocks of each site" in fault[2]


def test_long_lines_are_folded_and_texts_are_escaped():
    content = file(["UID:x", "SUMMARY:All\\, of", "  Easter\\n and more", "DTSTART;VALUE=", "\tDATE:20260405"])
    [span] = spans(content)
    assert span["name"] == "All, of Easter and more"


def test_other_components_and_properties_are_passed_over():
    content = file(
        [
            *event("E", "DTSTART;VALUE=DATE:20260405", "X-THING;A=b:c", "DESCRIPTION: : ;;\\", "geo"),
            *("BEGIN:VALARM", "DTSTART:nonsense", "TRIGGER:-PT15M", "END:VALARM"),
        ],
        head=("BEGIN:VTODO", "DTSTART:nonsense", "END:VTODO"),
    )
    assert len(spans(content)) == 1


def test_what_the_library_writes_is_read():
    calendar = icalendar.Calendar()
    written = icalendar.Event()
    written.add("uid", "42")
    written.add("summary", "Inventory; all sites, all day – Ärger")
    written.add("dtstart", utc("2026-02-01T02:00"))
    written.add("dtend", utc("2026-02-01T05:30"))
    written.add("rrule", {"freq": "monthly", "byday": "-1SU", "count": 3})
    calendar.add_component(written)
    [span] = spans(calendar.to_ical())
    assert span["name"] == "Inventory; all sites, all day – Ärger"
    assert span["duration_seconds"] == 12_600
    assert starts(span) == ["02-01T02:00", "02-22T02:00", "03-29T02:00", "04-26T02:00"]


# --- what cannot be said ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "part", "code"),
    [
        (["DURATION:PT1H"], "VEVENT has no DTSTART", "required"),
        (["DTSTART:20260201T020000"], "VEVENT or DURATION is missing", "invalid_length"),
        (["DTSTART:20260201T020000", "DTEND:20260201T020000"], "DTEND must be later", "invalid_length"),
        (["DTSTART:20260201T020000", "DTEND;VALUE=DATE:20260202"], "DTEND must be a date where", "invalid_length"),
        (["DTSTART:20260201T020000", "DTEND:20260201T030000", "DURATION:PT1H"], "exclude each other", "invalid_length"),
        (["DTSTART:20260201T020000", "DURATION:P1DT1H"], "mixes days with hours", "invalid_length"),
        (["DTSTART;VALUE=DATE:20260201", "DURATION:PT1H"], "whole days", "invalid_length"),
        (["DTSTART:20260201T020000", "DURATION:PT0S"], "no time at all", "invalid_length"),
        (["DTSTART:20260201T020000", "DURATION:-PT1H"], "must be a length", "invalid_length"),
        (["DTSTART:20260201T020000", "DURATION:PT30S"], "duration_seconds must be a whole number from 60", "out_of_range"),
        (["DTSTART;VALUE=DATE:20260201", "DTEND;VALUE=DATE:20260501"], "duration_days must be", "out_of_range"),
        (["DTSTART:20260230T020000", "DURATION:PT1H"], "does not exist", "invalid_time"),
        (["DTSTART:20260201T250000", "DURATION:PT1H"], "does not exist", "invalid_time"),
        (["DTSTART:20260201T020030", "DURATION:PT1H"], "full minute", "invalid_time"),
        (["DTSTART:tomorrow", "DURATION:PT1H"], "must be a date such as", "invalid_time"),
        (["DTSTART;TZID=Mars/Base:20260201T020000", "DURATION:PT1H"], "TZID 'Mars/Base' is not a known zone", "invalid_time"),
        (["DTSTART:20260201T020000", "DURATION:PT1H", "RRULE:FREQ=SECONDLY"], "FREQ must be one of", "invalid_rrule"),
        (["DTSTART:20260201T020000", "DURATION:PT1H", "RRULE:FREQ=DAILY;BYSECOND=1"], "BYSECOND", "invalid_rrule"),
        (["DTSTART:20260201T020000", "DURATION:PT1H", "EXRULE:FREQ=DAILY"], "EXRULE is not supported", "not_supported"),
        (["DTSTART:20260201T020000", "DURATION:PT1H", "RRULE:FREQ=DAILY", "EXDATE;VALUE=DATE:20260202"], "EXDATE", "invalid_time"),
        (["DTSTART:20260201T020000", "DURATION:PT1H", "RDATE;VALUE=PERIOD:20260202T000000Z/PT1H"], "RDATE", "invalid_time"),
        (["DTSTART:20260201T020000", "DTSTART:20260201T020000", "DURATION:PT1H"], "is given twice", "duplicate"),
        (["DTSTART;TZID:20260201T020000", "DURATION:PT1H"], "cannot be read", "unreadable"),
    ],
)  # fmt: skip
def test_what_a_span_cannot_say_is_refused_with_the_event_and_its_line(lines, part, code):
    found = faults(["UID:u-1", "SUMMARY:New Year", *lines])
    [(field, found_code, message)] = [one for one in found if part in one[2]]
    assert found_code == code
    assert field.startswith("line ")
    assert "event `New Year` (UID u-1): " in message


def test_the_line_is_that_of_the_property():
    content = file(event("A", "DTSTART;VALUE=DATE:20260201"), event("B", "DTSTART:nonsense"))
    [fault] = made(content).problems
    assert content.decode().split("\r\n")[int(fault.field.removeprefix("line ")) - 1] == "DTSTART:nonsense"


def test_times_without_a_zone_need_one():
    [(_, code, message)] = faults(event("E", "DTSTART;VALUE=DATE:20260201"), zone=None)
    assert code == "invalid_time"
    assert "name one for it (timezone)" in message


def test_instances_that_change_all_later_ones_and_double_events_are_refused():
    found = faults(
        event("A", "DTSTART:20260201T020000", "DURATION:PT1H", "RRULE:FREQ=DAILY", uid="a"),
        event(
            "A",
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20260203T020000",
            "DTSTART:20260203T040000",
            "DURATION:PT1H",
            uid="a",
        ),
        event(
            "A",
            "RECURRENCE-ID:20260204T020000",
            "DTSTART:20260204T020000",
            "DURATION:PT1H",
            "RRULE:FREQ=DAILY",
            uid="a",
        ),
        event("B", "DTSTART:20260201T020000", "DURATION:PT1H", uid="a"),
    )
    assert [code for _, code, _ in found] == ["not_supported", "not_supported", "duplicate"]


def test_every_problem_of_every_event_is_told_at_once():
    found = faults(
        event("A", "DTSTART:x"), event("B", "DTSTART:20260201T020000"), event("C", "DTSTART;VALUE=DATE:20260201")
    )
    assert len(found) == 2


def test_too_many_events_are_refused():
    many = [event(f"E{n}", "DTSTART;VALUE=DATE:20260201") for n in range(MAX_SPANS + 1)]
    [(field, code, _)] = faults(*many)
    assert (field, code) == ("spans", "too_many_spans")
    with pytest.raises(InvalidError, match="1 problem"):
        read_lines(file(*(["UID:x"] for _ in range(MAX_EVENTS + 1))))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"BEGIN:VCALENDAR\r\n",
        b"BEGIN:VEVENT\r\nEND:VEVENT\r\n",
        b"BEGIN:VCALENDAR\r\nEND:VEVENT\r\n",
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n",
        b"END:VCALENDAR",
        b"x" * (1024 * 1024 + 1),
    ],
    ids=range(9),
)
def test_what_is_no_calendar_is_refused_with_one_reason(content):
    with pytest.raises(InvalidError) as refused:
        read_lines(content)
    assert len(refused.value.problems) == 1


# --- no bytes do harm -------------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    [
        "DTSTART",
        "DTEND",
        "DURATION",
        "RRULE",
        "RDATE",
        "EXDATE",
        "EXRULE",
        "UID",
        "SUMMARY",
        "STATUS",
        "RECURRENCE-ID",
        "X-A",
    ]
)
_PARAMS = st.sampled_from(
    ["", ";VALUE=DATE", ";TZID=Europe/Berlin", ";TZID=/x/Europe/Berlin", ';TZID="', ";A", ";RANGE=X", ";=:"]
)
_VALUES = st.one_of(
    st.sampled_from(
        [
            *("20260201", "20260201T020000", "20260201T020000Z", "00000000", "99991231T235959", "24991231T235959Z"),
            *("PT1H", "P1D", "P999999W", "PT99999999S", "P", "-P1D", "CANCELLED", "a", "20260201,20260301", ","),
            *(
                "FREQ=DAILY",
                "FREQ=WEEKLY;COUNT=3",
                "FREQ=YEARLY;UNTIL=20270101",
                "FREQ=HOURLY;INTERVAL=5",
                "FREQ=MONTHLY;BYDAY=5MO",
            ),
        ]
    ),
    st.text(max_size=12),
)
_LINES = st.one_of(
    st.builds(lambda name, params, value: f"{name}{params}:{value}", _NAMES, _PARAMS, _VALUES),
    st.sampled_from(["BEGIN:VEVENT", "END:VEVENT", "BEGIN:VALARM", "END:VALARM", " folded", "", "END:VCALENDAR"]),
    st.text(max_size=20),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_LINES, max_size=14), st.booleans(), st.booleans())
def test_any_lines_become_spans_that_can_be_saved_or_problems(lines, follows_site, has_event):
    inner = ["BEGIN:VEVENT", *lines, "END:VEVENT"] if has_event else lines
    content = "\r\n".join(["BEGIN:VCALENDAR", *inner, "END:VCALENDAR"]).encode("utf-8", "surrogatepass")
    try:
        done = made(content, zone=None if follows_site else "Europe/Berlin", follows_site=follows_site)
    except InvalidError as refused:
        assert refused.problems
        return
    for span in done.spans:
        assert read_span(span, "site" if follows_site else "fixed")[1] == []
    for problem in done.problems:
        assert problem.message


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(content, has_head):
    try:
        made(b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + content if has_head else content)
    except InvalidError as refused:
        assert refused.problems
