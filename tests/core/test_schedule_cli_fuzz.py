"""Whatever stands in a line of a batch, the line is answered: with instants or with an error, and the next line is too."""

import contextlib
import io
import json
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.schedule_strategies import CRONS, RULES, STEPS, UNITS, ZONES
from watchbill.core.schedule_cli import main

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["", "\0", "\ud800", "NaN", "2026-01-01T00:00", "UTC", "9" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SOUND = st.sampled_from(
    [
        "1900-01-01T00:00",
        "2499-12-31T23:59:59",
        "2026-03-29T02:30",
        "2026-10-25T02:30:00+02:00",
        "2026-01-01T00:00:00.999999999Z",
        "2024-02-29T12:00",
        "1969-10-01T00:30",
    ]
)
MOMENTS = SOUND | st.sampled_from(
    [
        "1900-01-01T00:00",
        "2499-12-31T23:59:59",
        "2026-03-29T02:30",
        "2026-10-25T02:30:00+02:00",
        "2026-01-01T00:00:00.999999999Z",
        "2024-02-29T12:00",
        "2023-02-29T12:00",
        "0000-01-01T00:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01T24:00",
        "2026-01-01 00:00",
        "٢٠٢٦-01-01T00:00",
    ]
)
CRON_LIKE = st.text("0123456789*/,-#l?w@ mondec=", max_size=40) | st.sampled_from(
    ["*/99999999999999999999999 * * * *", "0 0 31 2 *", "@yearly", "0 0 29 2 0", "0 0 * * 1#5,5l"]
)
RULE_PARTS = st.lists(
    st.sampled_from(
        [
            *(f"FREQ={name}" for name in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")),
            *(
                "INTERVAL=3",
                "INTERVAL=0",
                "INTERVAL=31536000",
                "COUNT=3",
                "COUNT=99999999999",
                "UNTIL=20270101T000000Z",
            ),
            *(
                "UNTIL=00000000T000000",
                "UNTIL=20270101T000000",
                "BYDAY=5MO,-1SU",
                "BYDAY=53TU",
                "BYMONTH=2",
                "BYMONTHDAY=30",
            ),
            *(
                "BYMONTHDAY=-31",
                "BYYEARDAY=366,-366",
                "BYWEEKNO=53",
                "BYHOUR=2",
                "BYMINUTE=59",
                "BYSETPOS=-366",
                "WKST=SU",
            ),
            *("BYSECOND=1", "X", "=", "BYDAY="),
        ]
    ),
    max_size=6,
).map(";".join)


@st.composite
def nearly_right(draw: st.DrawFn):
    """A question with the right shape and, here and there, something else in it."""

    def or_junk(usual):
        return draw(JUNK) if draw(st.integers(0, 29)) == 0 else draw(usual)

    kind = draw(st.sampled_from(["once", "immediately", *STEPS, *UNITS, "cron", "rrule"]))
    schedule = {"type": or_junk(st.just(kind)), "timezone": or_junk(ZONES), "start": or_junk(SOUND)}
    own: dict[str, tuple[str, st.SearchStrategy[str]]] = {
        "cron": ("expression", CRONS | CRONS | CRON_LIKE),
        "rrule": ("rule", RULES | RULES | RULE_PARTS),
    }
    if kind in own:
        name, values = own[kind]
        schedule[name] = or_junk(values)
    others: dict[str, st.SearchStrategy[object]] = {
        "end": MOMENTS,
        "count": st.integers(-1, 10_001),
        "exdate": st.lists(MOMENTS, max_size=3),
        "rdate": st.lists(MOMENTS, max_size=3),
        "timezone_source": st.sampled_from(["fixed", "site", "device", "moon"]),
        "x": JUNK,
    }
    for extra, choices in others.items():
        if draw(st.integers(0, 14)) == 0:
            schedule[extra] = or_junk(choices)
    kept = {name: value for name, value in schedule.items() if draw(st.integers(0, 19))}
    return {
        "id": or_junk(st.integers(0, 99)),
        "schedule": or_junk(st.just(kept)),
        "after": or_junk(SOUND.map(lambda text: text if text[16:] else f"{text}:00Z")),
        "n": or_junk(st.integers(1, 30)),
    }


LINES = st.lists(
    nearly_right().map(lambda question: json.dumps(question).encode())
    | JUNK.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40)
    | st.sampled_from(
        [b"", b"  \t", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"[" * 50_000, b'{"id":' * 50_000, b"\0" * 9]
    )
    | st.integers(0, 60).map(
        lambda length: b'{"id":1,"schedule":{"type":"daily","start":"2026-01-01T00:00"}}'[:length]
    ),
    min_size=1,
    max_size=6,
).map(lambda lines: [line.replace(b"\n", b"") for line in lines])


def answers_to(lines):
    with tempfile.NamedTemporaryFile() as source:
        Path(source.name).write_bytes(b"\n".join(lines))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert main(["next", "--batch", source.name]) == 0
    return [json.loads(line) for line in printed.getvalue().splitlines()]


@settings(deadline=None, max_examples=300)
@given(LINES)
def test_every_line_that_is_not_blank_is_answered(lines):
    answers = answers_to(lines)
    assert len(answers) == sum(1 for line in lines if line.strip())
    for answer in answers:
        assert "id" in answer
        if "error" in answer:
            assert answer["error"] and "instants" not in answer
            assert all(one["field"] and one["code"] and one["message"] for one in answer.get("errors", ()))
        else:
            assert all(earlier < later for earlier, later in pairwise(answer["instants"]))
            assert all(instant.endswith("Z") and len(instant) == 20 for instant in answer["instants"])


def test_a_wrong_line_does_not_touch_its_neighbours():
    good = b'{"id":"good","schedule":{"type":"daily","start":"2026-01-01T00:00"},"after":"2026-03-01T00:00:00Z"}'
    answers = answers_to([good, b"\xff", b'{"id":1e999}', b"null", good])
    assert [answer.get("instants") for answer in answers] == [
        ["2026-03-02T00:00:00Z"],
        None,
        None,
        None,
        ["2026-03-02T00:00:00Z"],
    ]
