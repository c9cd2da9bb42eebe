"""Lists arrive at the server as they were, in the faster way and in psycopg's own."""

import uuid
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from watchbill.kit import arrays

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-3))])
KINDS = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "uuid": st.uuids(),
    "timestamptz": st.datetimes(timezones=ZONES),
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    | st.sampled_from(["", "NULL", "null", "{}", '"', "\\", '\\"', "a,b", " ", "\n", "{a"]),
    "bytea": st.binary(max_size=20),
    "double precision": st.floats(allow_nan=False),
}


@pytest.fixture(scope="module")
def connection(server_url: str) -> Iterator["psycopg.Connection[tuple[object]]"]:
    info = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(info, autocommit=True, options="-c timezone=UTC") as one:
        arrays.adapt(one)
        yield one


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_list_of_a_kind_comes_back_the_same(connection, kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | KINDS[kind], max_size=8))
    assert connection.execute(f"SELECT CAST(%s AS {kind}[])", [values]).fetchone() == (values,)


def test_what_no_text_can_hold_is_refused_as_ever(connection) -> None:
    with pytest.raises(psycopg.DataError, match="NUL"):
        connection.execute("SELECT CAST(%s AS text[])", [["a", "b\0c"]])


@pytest.mark.parametrize("values", [[1, "a"], [uuid.UUID(int=1), 1]])
def test_mixed_lists_are_refused_as_ever(connection, values: list[object]) -> None:
    with pytest.raises(psycopg.DataError, match="mixed"):
        connection.execute("SELECT %s", [values])


def test_nested_lists_still_go(connection) -> None:
    assert connection.execute("SELECT CAST(%s AS bigint[])", [[[1, 2], [3, 4]]]).fetchone() == ([[1, 2], [3, 4]],)
