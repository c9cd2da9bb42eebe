"""What headers of a delivery say, and what a body gives to parameters: whatever senders write."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.assembly_rules import Variable, VariableType
from watchbill.core.webhook_payload import NoJsonError, look, mapped, read_body
from watchbill.core.webhook_proof import MAX_SIGNATURES, Proof, delivery_key, read_proof, read_signatures

NOW = datetime(2026, 5, 4, 7, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=4, unique=True), st.sampled_from([",", ", ", " ,  "]))
def test_signatures_are_read_as_they_are_written(signatures: list[bytes], comma: str) -> None:
    assert read_signatures(comma.join(f"v1={one.hex()}" for one in signatures)) == tuple(signatures)


@given(st.text(max_size=200))
def test_no_header_is_more_than_it_says(header: str) -> None:
    found = read_signatures(header)
    assert len(found) <= MAX_SIGNATURES
    assert all(len(one) == 32 and one.hex() in header for one in found)
    proof = read_proof({"X-Watchbill-Timestamp": header, "Authorization": header})
    assert proof.timestamp is None or int(proof.timestamp) > 0
    key = delivery_key({"Idempotency-Key": header})
    assert key is None if not header else key and len(key) <= 200 and "\0" not in key


@pytest.mark.parametrize(
    "header", ["v1=" + "A" * 64, "v1=" + "a" * 63, "v2=" + "a" * 64, "a" * 64, "v1 = " + "a" * 64, "v1=" + "é" * 64]
)
def test_another_way_of_writing_is_no_signature(header: str) -> None:
    assert read_signatures(header) == ()


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "1e9", "0x10", "١٢٣", "9" * 13, "1 2"])
def test_a_time_is_whole_seconds(text: str) -> None:
    assert read_proof({"X-Watchbill-Timestamp": text}).timestamp is None


@given(st.integers(-1000, 1000))
def test_a_time_is_taken_within_five_minutes(offset: int) -> None:
    proof = Proof(str(int((NOW + timedelta(seconds=offset)).timestamp())))
    assert proof.is_timely(NOW) == (abs(offset) <= 300)
    if proof.is_timely(NOW):
        assert proof.accepted_until - NOW == timedelta(seconds=offset + 300)


def test_the_first_name_of_a_delivery_counts() -> None:
    assert delivery_key({"webhook-id": "c", "X-GitHub-Delivery": "b", "Idempotency-Key": "a"}) == "a"
    assert delivery_key({"webhook-id": "c"}) == "c"
    assert delivery_key({}) is None


# --- bodies ------------------------------------------------------------------------------------------------------------


def paths(value: Any, before: tuple[str, ...] = ()) -> Any:
    """Every place of a document that a dotted path can say, with what is there."""
    if before:
        yield ".".join(before), value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        if isinstance(name, int) or (name and "." not in name):
            yield from paths(one, (*before, str(name)))


@given(JSON)
def test_a_path_leads_to_what_is_there(document: Any) -> None:
    assert all(look(document, path) == value for path, value in paths(document))


@given(JSON, st.text(max_size=20))
def test_any_path_leads_somewhere_or_nowhere(document: Any, path: str) -> None:
    found = look(document, path)
    assert found is None or found in [value for _, value in paths(document)] or "" in path.split(".")


@pytest.mark.parametrize("path", ["a.-1", "a.01", "a.3", "a.1.x", "b", "a.b", "a.¹"])
def test_what_is_not_there_is_null(path: str) -> None:
    assert look({"a": [1, 2, 3]}, path) is None


VARIABLES = (
    Variable("host", VariableType.STRING, is_required=True),
    Variable("level", VariableType.NUMBER, default=1),
    Variable("other", VariableType.STRING, is_required=True),
)


def test_all_problems_are_told_with_their_places() -> None:
    schema = [
        {"parameter": "host", "path": "h", "required": False},
        {"parameter": "level", "path": "l", "required": True},
        {"parameter": "ghost", "path": "g", "required": False},
    ]
    found = mapped(schema, VARIABLES, {"l": "high"})
    assert {(one.field, one.code) for one in found.problems} == {
        ("h", "required"),
        ("l", "wrong_type"),
        ("g", "not_declared"),
        ("parameters.other", "required"),
    }


@given(JSON)
def test_what_is_given_is_of_its_type_or_a_problem(value: Any) -> None:
    found = mapped([{"parameter": "level", "path": "a.b"}], VARIABLES[1:2], {"a": {"b": value}})
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
    if value is None:
        assert (found.parameters, found.problems) == ({}, ())
    elif is_number:
        assert (found.parameters, found.problems) == ({"level": value}, ())
    elif not isinstance(value, float):
        assert [one.field for one in found.problems] == ["a.b"]


@given(JSON)
def test_json_is_read(value: Any) -> None:
    assert read_body(json.dumps(value).encode()) == value


@given(st.binary(max_size=20))
def test_what_is_no_json_is_said_to_be_none(raw: bytes) -> None:
    try:
        value = json.loads(raw.decode())
    except ValueError:
        value = NoJsonError
    try:
        assert read_body(raw) == value
    except NoJsonError:
        assert value is NoJsonError or raw.strip() in (b"NaN", b"Infinity", b"-Infinity") or b"N" in raw or b"I" in raw
