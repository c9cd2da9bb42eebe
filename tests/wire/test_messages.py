"""The socket's messages: what goes out comes back, and what does not keep to the protocol is refused by name."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import watchbill_wire as w

ID = "0190a0b1-0000-7000-8000-00000000abcd"
NOW = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)

ids = st.uuids().map(str)
times = st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
sizes = st.integers(0, 2**63 - 1)
streams = st.sampled_from(["stdout", "stderr"])
keys = st.builds(w.EngineKey, st.text("abc019-", min_size=1, max_size=64), st.binary(min_size=32, max_size=32))
digests = st.text("0123456789abcdef", min_size=1, max_size=128)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda x: st.lists(x) | st.dictionaries(texts, x)
)

signed_in = st.builds(
    w.SignedIn,
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=256),
    st.none() | texts.map(lambda t: t[:100]),
    st.booleans(),
    st.none() | times,
)
wireguard_keys = st.binary(min_size=32, max_size=32).map(lambda raw: b64encode(raw).decode())
tunnels = st.builds(
    w.TunnelReported,
    wireguard_keys,
    st.sampled_from(["down", "up", "unavailable"]),
    st.none() | times,
    st.none() | texts,
)
accounts = st.builds(
    w.ServiceAccountReported,
    st.sampled_from(["present", "absent", "failed", "unsupported"]),
    sizes,
    st.none() | texts,
    st.none() | texts.filter(bool),
)
sessions = st.lists(signed_in, max_size=3).map(tuple)

from_agent = st.one_of(
    st.builds(
        w.Hello,
        st.text("0.1v", min_size=1, max_size=64),
        texts.map(lambda t: t[:128]),
        st.lists(st.builds(w.Delivery, ids, st.sampled_from(["accepted", "running", "finished"]))).map(tuple),
        sessions=st.none() | sessions,
    ),
    st.builds(w.Sessions, sessions),
    st.builds(w.Reported, st.none() | tunnels, st.none() | accounts),
    st.just(w.Heartbeat()),
    st.builds(w.Inventory, digests, st.dictionaries(texts, plain_json)),
    st.builds(w.Accepted, ids),
    st.builds(w.Started, ids, times),
    st.builds(w.Output, ids, streams, sizes, st.binary(max_size=2000)),
    st.builds(
        w.Result,
        execution_id=ids,
        outcome=st.sampled_from(["exited", "timed_out", "cancelled", "refused", "interrupted"]),
        finished_at=times,
        exit_code=st.none() | st.integers(-(2**31), 2**32),
        signal=st.none() | st.integers(1, 64),
        reason=st.none() | st.sampled_from(["expired", "bad_signature", "interpreter_missing"]),
        detail=st.none() | texts,
        started_at=st.none() | times,
        stdout_bytes=sizes,
        stderr_bytes=sizes,
        truncated=st.booleans(),
        last_line=st.none() | texts,
        tree=st.sampled_from([None, "stopped", "survived"]),
    ),
    st.builds(
        w.CancelAnswer, ids, st.sampled_from(["killed", "already_done", "could_not", "not_known"]), st.none() | texts
    ),
)
from_engine = st.one_of(
    st.builds(w.Welcome, times, st.floats(0.05, 3600), st.none() | digests, st.lists(keys, max_size=4).map(tuple)),
    st.builds(
        w.Execute, st.text("abc", min_size=1, max_size=64), texts.filter(lambda t: len(t) > 1), st.binary(max_size=64)
    ),
    st.builds(
        w.Desired, st.text("abc", min_size=1, max_size=64), texts.filter(lambda t: len(t) > 1), st.binary(max_size=64)
    ),
    st.builds(w.Cancel, ids, st.floats(0, 3600)),
    st.builds(w.OutputAck, ids, streams, sizes),
    st.builds(w.ResultAck, ids),
    st.builds(w.Bye, texts, st.floats(0, 86400)),
)


@settings(deadline=None)
@given(from_agent)
def test_what_an_agent_says_is_what_the_gateway_reads(message):
    assert w.decode_from_agent(w.encode(message)) == message


@settings(deadline=None)
@given(from_engine)
def test_what_the_gateway_says_is_what_the_agent_reads(message):
    assert w.decode_from_engine(w.encode(message).encode()) == message


@settings(deadline=None)
@given(st.text() | st.binary() | plain_json.map(json.dumps))
def test_garbage_is_a_wire_error_or_an_unknown_type_and_nothing_else(garbage):
    for decode in (w.decode_from_agent, w.decode_from_engine):
        try:
            message = decode(garbage)
        except w.WireError as error:
            assert error.problems
        else:
            assert isinstance(message, (w.Unknown, w.Heartbeat))


@settings(deadline=None)
@given(from_agent, st.data())
def test_a_message_with_one_broken_field_names_that_field(message, data):
    plain = json.loads(w.encode(message))
    names = [name for name in plain if name != "type"]
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    plain[name] = 1.5 if not isinstance(plain[name], float) else "text"
    with pytest.raises(w.WireError) as caught:
        w.decode_from_agent(json.dumps(plain))
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("execution_id", "0190A0B1-0000-7000-8000-00000000ABCD"),
        ("execution_id", "../../etc/passwd"),
        ("stream", "stdin"),
        ("offset", -1),
        ("offset", True),
        ("offset", 2**63),
        ("offset", "0"),
        ("data", "not base64!"),
        ("data", "A" * (64 * 1024 * 2)),
        ("data", None),
    ],
)
def test_an_output_frame_is_strict_in_every_field(field, value):
    plain = json.loads(w.encode(w.Output(ID, "stdout", 0, b"hello")))
    with pytest.raises(w.WireError) as caught:
        w.decode_from_agent(json.dumps({**plain, field: value}))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T25:00:00Z",
        "2026-03-01T12:00:00+00:00",
    ],
)
def test_a_time_is_rfc_3339_ending_in_z_and_exists(text):
    with pytest.raises(w.WireError, match="started_at"):
        w.decode_from_agent(json.dumps({"type": "started", "execution_id": ID, "started_at": text}))


def test_a_time_without_or_with_a_short_fraction_is_read():
    for fraction, micros in (("", 0), (".5", 500_000), (".123456", 123_456)):
        frame = json.dumps({"type": "started", "execution_id": ID, "started_at": f"2026-03-01T12:00:00{fraction}Z"})
        assert w.decode_from_agent(frame) == w.Started(ID, NOW.replace(microsecond=micros))


def test_times_of_other_zones_are_sent_as_utc():
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert w.time_text(east) == "2026-03-01T12:00:00.000250Z"


def test_all_problems_of_a_message_are_told_at_once():
    with pytest.raises(w.WireError) as caught:
        w.decode_from_agent('{"type":"output","execution_id":"x","stream":"y","offset":-1}')
    assert [field for field, _ in caught.value.problems] == ["execution_id", "stream", "offset", "data"]


def test_a_problem_inside_a_list_names_its_field():
    with pytest.raises(w.WireError) as caught:
        w.decode_from_agent(
            json.dumps(
                {"type": "hello", "wire": 1, "agent_version": "1", "boot_id": "b", "deliveries": [{"execution_id": ID}]}
            )
        )
    assert caught.value.field == "deliveries.state"


def test_a_problem_inside_a_report_names_its_field_and_never_the_password():
    told = {"tunnel": {"public_key": "x", "state": "up"}, "service_account": {"state": "there", "generation": -1}}
    with pytest.raises(w.WireError) as caught:
        w.decode_from_agent(json.dumps({"type": "reported", **told}))
    names = ["tunnel.public_key", "service_account.state", "service_account.generation"]
    assert [field for field, _ in caught.value.problems] == names
    assert "hunter2" not in repr(w.ServiceAccountReported("present", 1, password_sealed="hunter2"))


def test_an_error_never_repeats_the_value():
    with pytest.raises(w.WireError) as caught:
        w.decode_from_agent(json.dumps({"type": "accepted", "execution_id": "hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_unknown_types_and_unknown_fields_of_a_newer_peer_are_let_pass():
    assert w.decode_from_agent('{"type":"telemetry","x":1}') == w.Unknown("telemetry")
    assert w.decode_from_agent(json.dumps({"type": "accepted", "execution_id": ID, "mood": "good"})) == w.Accepted(ID)


def test_each_side_reads_only_what_the_other_may_say():
    assert w.decode_from_agent(w.encode(w.ResultAck(ID))) == w.Unknown("result_ack")
    assert w.decode_from_engine(w.encode(w.Accepted(ID))) == w.Unknown("accepted")


def test_a_frame_over_one_mebibyte_is_refused_both_ways():
    big = w.Inventory("d", {"x": "é" * (600 * 1024)})
    with pytest.raises(w.WireError, match="1048576"):
        w.encode(big)
    with pytest.raises(w.WireError, match="1048576"):
        w.decode_from_agent('{"type":"inventory","digest":"d","inventory":{"x":"' + "é" * (600 * 1024) + '"}}')


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "a\\udfffb"])
def test_text_that_no_database_holds_is_refused(text):
    with pytest.raises(w.WireError):
        w.decode_from_agent('{"type":"inventory","digest":"d","inventory":{"deep":[{"x":"' + text + '"}]}}')


def test_deep_nesting_and_numbers_that_are_not_json_are_refused():
    for body in ("[" * 100_000, "NaN", "Infinity", "1" * 10_000):
        with pytest.raises(w.WireError):
            w.decode_from_agent('{"type":"inventory","digest":"d","inventory":{"x":' + body)
    with pytest.raises(w.WireError):
        w.decode_from_agent('{"type":"inventory","digest":"d","inventory":{"x":NaN}}')
