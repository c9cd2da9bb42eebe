"""What a window may say: everything that is wrong with one is told at once, by field."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windows.test_verdicts import utc
from watchbill.core.targets import FilterFacts
from watchbill.core.window_rules import MAX_ATTACHMENTS, MAX_SPANS, Facts, read, read_span, settle, span_text

NOW = utc("2026-01-15T12:00")
DEVICE = UUID("00000000-0000-4000-8000-000000000001")
WEEKLY = {"type": "weekly", "start": "2026-01-04T02:00", "timezone": "Europe/Berlin"}


def span(**changes):
    return {"schedule": WEEKLY, "duration_seconds": 7200} | changes


def definition(**changes):
    return {
        "name": "Sunday maintenance",
        "kind": "allow",
        "spans": [span()],
        "attachments": [{"kind": "global"}],
    } | changes


def facts(**changes):
    known = {"now": NOW, "sites": frozenset(), "devices": frozenset(), "jobs": {}, "has_every_site": True}
    return Facts(**(known | changes))


def problems(window, **known):
    reading = read(window)
    settled = settle(reading.draft, facts(**known))
    return {one.field: one.code for one in [*reading.problems, *settled.problems]}


def test_a_window_has_its_defaults_filled_in():
    draft = read(definition()).draft
    assert (draft.zone_source, draft.when_closed, draft.cutoff_seconds, draft.stop_at_end) == (
        "fixed",
        "skip",
        0,
        False,
    )
    assert problems(definition()) == {}


def test_every_problem_is_told_at_once():
    bad = {
        "name": "",
        "kind": "maybe",
        "spans": [
            {"schedule": {"type": "fortnightly"}, "duration_seconds": 5},
            {"schedule": {"type": "immediately"}, "duration_days": 40},
            {"schedule": "nightly"},
            span(duration_days=1),
            "span",
        ],
        "when_closed": "explode",
        "cutoff_seconds": -1,
        "stop_at_end": "yes",
        "attachments": [{"kind": "filter", "filter_id": 3}, {"kind": "site"}, {"kind": "device", "device_id": "x"}, 7],
        "colour": "red",
    }
    assert problems(bad) == {
        "name": "length",
        "kind": "not_allowed",
        "spans.0.duration_seconds": "out_of_range",
        "spans.0.schedule.type": "unknown_type",
        "spans.1.duration_days": "out_of_range",
        "spans.1.schedule.type": "not_allowed",
        "spans.2.duration_seconds": "required",
        "spans.2.schedule": "wrong_type",
        "spans.3.duration_days": "not_allowed",
        "spans.4": "wrong_type",
        "spans.4.duration_seconds": "required",
        "spans.4.schedule": "required",
        "when_closed": "not_allowed",
        "cutoff_seconds": "out_of_range",
        "stop_at_end": "wrong_type",
        "attachments.0.filter_id": "filter_not_found",
        "attachments.1.site_id": "required",
        "attachments.2.device_id": "wrong_type",
        "attachments.3": "wrong_type",
        "attachments.3.kind": "required",
        "colour": "unknown_field",
    }


def test_a_window_may_cover_what_a_filter_finds_while_the_filter_is_in_use():
    window = definition(attachments=[{"kind": "filter", "filter_id": 3}])
    assert problems(window, filters={3: FilterFacts("Cranes", is_archived=False)}) == {}
    assert problems(window) == {"attachments.0.filter_id": "filter_not_found"}
    archived = {3: FilterFacts("Cranes", is_archived=True)}
    assert problems(window, filters=archived) == {"attachments.0.filter_id": "filter_archived"}
    assert problems(definition(attachments=[{"kind": "filter"}])) == {"attachments.0.filter_id": "required"}


@pytest.mark.parametrize("field", ["name", "kind", "spans", "attachments"])
def test_what_must_be_there(field):
    window = definition()
    del window[field]
    assert problems(window) == {field: "required"}


def test_lists_have_bounds():
    spans = [span() for _ in range(MAX_SPANS + 1)]
    attachments = [{"kind": "site", "site_id": number + 1} for number in range(MAX_ATTACHMENTS + 1)]
    assert problems(definition(spans=spans, attachments=attachments)) == {"spans": "length", "attachments": "length"}


def test_a_blackout_has_no_cutoff_and_stops_nothing():
    bad = definition(kind="deny", cutoff_seconds=60, stop_at_end=True)
    assert problems(bad) == {"cutoff_seconds": "not_allowed", "stop_at_end": "not_allowed"}


def test_the_cutoff_is_shorter_than_every_span():
    spans = [span(), span(duration_seconds=1800), span(duration_seconds=None, duration_days=1)]
    assert problems(definition(spans=spans, cutoff_seconds=1799)) == {}
    assert problems(definition(spans=spans, cutoff_seconds=1800)) == {"cutoff_seconds": "out_of_range"}


def test_on_the_clocks_of_sites_a_schedule_has_no_zone_no_offset_and_something_to_count_from():
    spans = [
        {"schedule": WEEKLY, "duration_seconds": 60},
        {"schedule": {"type": "daily", "start": "2026-01-04T02:00Z"}, "duration_seconds": 60},
        {"schedule": {"type": "hourly"}, "duration_seconds": 60},
        {"schedule": {"type": "cron", "expression": "0 2 * * *"}, "duration_seconds": 60},
        {"schedule": {"type": "hourly", "start": "2026-01-04T02:30"}, "duration_seconds": 60},
        {
            "schedule": {"type": "rrule", "start": "2026-01-04T02:00", "rule": "FREQ=DAILY", "exdate": ["2026-01-05T02:00+01:00"]},
            "duration_days": 1,
        },
    ]  # fmt: skip
    assert problems(definition(zone_source="site", spans=spans)) == {
        "spans.0.schedule.timezone": "not_allowed",
        "spans.1.schedule.start": "invalid_time",
        "spans.2.schedule.start": "required",
        "spans.5.schedule.exdate": "invalid_time",
    }


@pytest.mark.parametrize("source", ["site", "device"])
def test_whose_clocks_count_is_said_of_the_window_not_of_a_span(source):
    schedule = {"type": "daily", "start": "2026-01-04T02:00", "timezone_source": source}
    found = problems(definition(spans=[{"schedule": schedule, "duration_days": 1}]))
    assert found == {"spans.0.schedule.timezone_source": "not_allowed"}


def test_clocks_of_devices_are_not_there_yet():
    assert problems(definition(zone_source="device"))["zone_source"] == "not_available_yet"


def test_a_schedule_that_names_no_instant_is_refused():
    schedule = {"type": "rrule", "start": "2026-01-01T00:00", "rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}
    found = problems(definition(spans=[{"schedule": schedule, "duration_days": 1}]))
    assert found == {"spans.0.schedule.rule": "never_fires"}


def test_a_window_that_is_over_everywhere_is_refused_unless_it_was_so_already():
    once = {"schedule": {"type": "once", "start": "2026-01-14T00:00"}, "duration_days": 1}
    over = {"schedule": {"type": "once", "start": "2026-01-12T00:00"}, "duration_days": 1}
    assert problems(definition(zone_source="site", spans=[over])) == {"spans": "in_the_past"}
    assert problems(definition(zone_source="site", spans=[over, once])) == {}  # the 14th is not over everywhere
    assert problems(definition(spans=[over])) == {"spans": "in_the_past"}
    stored = settle(read(definition(spans=[over])).draft, facts()).spans
    assert problems(definition(spans=[over]), stored_spans=stored) == {}


def test_what_cannot_be_seen_does_not_exist():
    named = [
        {"kind": "global"},
        {"kind": "site", "site_id": 3},
        {"kind": "device", "device_id": str(DEVICE)},
        {"kind": "job", "job_id": 7},
        {"kind": "job", "job_id": 8},
    ]
    assert problems(definition(attachments=named), jobs={8: False}, has_every_site=False) == {
        "attachments.0.kind": "needs_every_site",
        "attachments.1.site_id": "site_not_found",
        "attachments.2.device_id": "device_not_found",
        "attachments.3.job_id": "job_not_found",
        "attachments.4.job_id": "job_spans_other_sites",
    }
    known = {"sites": frozenset({3}), "devices": frozenset({DEVICE}), "jobs": {7: True, 8: True}}
    assert problems(definition(attachments=named), **known) == {}


def test_the_same_thing_is_attached_once():
    twice = [{"kind": "site", "site_id": 3}, {"kind": "global"}, {"kind": "site", "site_id": 3}]
    assert problems(definition(attachments=twice), sites=frozenset({3})) == {"attachments.2.kind": "duplicate"}


def test_a_step_without_a_start_gets_one_when_it_is_saved():
    [stored] = settle(
        read(definition(spans=[{"schedule": {"type": "hourly"}, "duration_seconds": 600}])).draft, facts()
    ).spans
    assert isinstance(schedule := stored["schedule"], dict)
    assert schedule["start"] == "2026-01-15T12:00:00Z"


def test_spans_in_words():
    assert (
        span_text(span(), follows_site=False)
        == "Every Sunday at 02:00 (Europe/Berlin), from 4 January 2026 02:00, for 2 hours"
    )
    site = {"schedule": {"type": "daily", "start": "2026-01-04T02:00"}, "duration_seconds": 5461}
    assert span_text(site, follows_site=True) == (
        "Every day at 02:00, on the clocks of each device's site, from 4 January 2026 02:00, for 1 hour 31 minutes 1 second"
    )
    days = span_text(span(duration_days=9), follows_site=False)
    assert days is not None
    assert days.endswith("for 9 days")
    assert span_text({"schedule": {"type": "lost"}, "duration_days": 9}, follows_site=False) is None


_WORDS = (
    *("name", "kind", "spans", "schedule", "type", "start", "rule", "expression", "duration_days", "duration_seconds"),
    *("attachments", "site_id", "zone_source", "cutoff_seconds"),
)
_KEYS = st.sampled_from(_WORDS) | st.text(max_size=5)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(_JSON)
def test_any_document_is_read_or_has_problems(document):
    reading = read(document)
    settle(reading.draft, facts())
    assert reading.problems  # none of these is a whole window
    read_span(document, "site")
