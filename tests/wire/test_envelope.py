"""The envelope's payload: canonical text, strict parsing, and whom to answer when it cannot be read."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import watchbill_wire as w

ID = "0190a0b1-0000-7000-8000-00000000abcd"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
names = st.text("abz_", min_size=1, max_size=20)


def payload(**changes):
    values = {
        "execution_id": ID,
        "device_id": ID,
        "issued_at": NOW,
        "start_by": NOW,
        "interpreter": "bash",
        "content": "echo hi",
        "content_sha256": w.content_digest("echo hi"),
        "time_limit_seconds": 60,
        "kill_grace_seconds": 5,
        "head_bytes": 1000,
        "tail_bytes": 1000,
    }
    return w.EnvelopePayload(**{**values, **changes})


@settings(deadline=None)
@given(
    texts,
    st.dictionaries(names, texts, max_size=5),
    st.dictionaries(st.text("abz", min_size=1, max_size=9), texts, max_size=5),
)
def test_a_payload_comes_back_from_its_text_and_its_text_is_canonical(content, variables, labels):
    whole = payload(content=content, content_sha256=w.content_digest(content), variables=variables, labels=labels)
    parsed = w.parse_payload(whole.to_text())
    assert parsed == whole
    assert w.parse_payload(parsed.to_text()).to_text() == parsed.to_text()
    assert parsed.is_content_intact()


@settings(deadline=None)
@given(st.text())
def test_garbage_instead_of_a_payload_is_a_wire_error(text):
    with pytest.raises(w.WireError):
        w.parse_payload(text)


def test_changed_content_is_noticed():
    assert not payload(content="rm -rf /").is_content_intact()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 2),
        ("v", 3),
        ("interpreter", "perl"),
        ("content", 5),
        ("content_sha256", "00"),
        ("variables", {"PATH=": "x"}),
        ("variables", {"WATCHBILL_JOB": "x"}),
        ("variables", {"a": 1}),
        ("time_limit_seconds", 0),
        ("time_limit_seconds", "60"),
        ("head_bytes", -1),
        ("labels", []),
        ("start_by", "tomorrow"),
    ],
)
def test_a_payload_is_strict_in_every_field(field, value):
    plain = json.loads(payload().to_text())
    with pytest.raises(w.WireError) as caught:
        w.parse_payload(json.dumps({**plain, field: value}))
    assert caught.value.field == field


def test_a_payload_names_a_session_exactly_when_it_is_for_a_signed_in_user():
    session = {"session_id": "c2", "session_user": "ada"}
    whole = payload(context="current_user", **session)
    assert w.parse_payload(whole.to_text()) == whole
    for wrong, field in (
        (payload(context="current_user"), "session_id"),
        (payload(context="current_user", session_id="c2"), "session_user"),
        (payload(**session), "session_id"),
        (payload(context="current_user", session_id="c 2", session_user="ada"), "session_id"),
        (payload(context="current_user", session_id="c2", session_user="ada\nroot"), "session_user"),
    ):
        with pytest.raises(w.WireError) as caught:
            w.parse_payload(wrong.to_text())
        assert caught.value.field == field


def test_an_order_for_no_session_says_nothing_of_sessions_as_older_agents_know_it():
    assert "session" not in payload().to_text()


def test_the_signed_bytes_are_the_text_exactly_as_sent():
    assert w.envelope_signing_bytes('{"é":1}') == b'watchbill-envelope:v1\n{"\xc3\xa9":1}'


def test_an_unreadable_payload_still_says_whom_to_answer():
    assert w.execution_id_of(json.dumps({"execution_id": ID, "v": 9})) == ID
    assert w.execution_id_of('{"execution_id": "' + ID + '", broken') == ID
    assert w.execution_id_of("nothing here") is None
    assert w.execution_id_of('{"execution_id": 5}') is None


def test_neither_content_nor_variables_show_in_a_printed_payload():
    shown = repr(payload(content="SECRET-A", variables={"x": "SECRET-B"}))
    assert "SECRET" not in shown


def test_files_make_an_order_that_agents_before_them_refuse():
    files = (w.FileOf("tool", 4, "ab" * 32), w.FileOf("data.bin", 0, "cd" * 32))
    whole = payload(v=2, files=files, fetch_seconds=60.0)
    assert w.parse_payload(whole.to_text()) == whole
    assert not {"files", "fetch_seconds"} & json.loads(payload().to_text()).keys()
    for wrong, field in (
        (payload(files=files, fetch_seconds=60.0), "v"),
        (payload(v=2), "v"),
        (payload(v=2, files=files), "v"),
        (payload(v=2, files=(*files, w.FileOf("TOOL", 1, "ab" * 32)), fetch_seconds=60.0), "files"),
        (payload(v=2, files=(w.FileOf("../tool", 1, "ab" * 32),), fetch_seconds=60.0), "files.name"),
        (payload(v=2, files=(w.FileOf("..", 1, "ab" * 32),), fetch_seconds=60.0), "files.name"),
        (payload(v=2, files=(w.FileOf("a\\b", 1, "ab" * 32),), fetch_seconds=60.0), "files.name"),
        (payload(v=2, files=(w.FileOf("a\n", 1, "ab" * 32),), fetch_seconds=60.0), "files.name"),
        (payload(v=2, files=(w.FileOf("a", 1, "AB" * 32),), fetch_seconds=60.0), "files.sha256"),
    ):
        with pytest.raises(w.WireError) as caught:
            w.parse_payload(wrong.to_text())
        assert caught.value.field == field
