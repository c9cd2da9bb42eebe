"""PostgreSQL answers as the core does where a filter's meaning is handed to it: folding, patterns, the order of versions."""

from ipaddress import ip_address

import psycopg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import make_url

from tests.core.filter_strategies import ADDRESSES, NETWORKS, PATTERNS, TEXTS, UNTIMED
from tests.core.test_filter_regex import accepted, near_patterns, patterns, subjects
from tests.core.test_filter_version import versions
from watchbill.core.filter_regex import parse_pattern
from watchbill.core.filter_regex_match import search
from watchbill.core.filter_regex_sql import written
from watchbill.core.filter_text import FOLD_FROM, FOLD_TO, fold
from watchbill.core.filter_values import Values
from watchbill.core.filter_version import version_key

storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@pytest.fixture(scope="module")
def ask(server_url):
    """Ask the database one question."""
    url = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:

        def answer(query, *values):
            row = connection.execute(query, values).fetchone()
            assert row is not None
            return row[0]

        yield answer


def test_the_database_folds_every_character_as_the_core_does(ask):
    text = "".join(chr(code) for code in range(1, 0x3000)) + "日本😀"
    assert ask("SELECT translate(%s::text, %s, %s)", text, FOLD_FROM, FOLD_TO) == fold(text)


MATCHED = 'SELECT array_agg(translate(x, %s, %s) COLLATE "C" ~ %s ORDER BY at) FROM unnest(%s::text[]) WITH ORDINALITY AS t (x, at)'


def assert_same_matches(ask, text, found):
    pattern = parse_pattern(text)
    in_database = ask(MATCHED, FOLD_FROM, FOLD_TO, written(pattern), found)
    assert in_database == [search(pattern, one) for one in found], written(pattern)


@UNTIMED
@given(text=patterns, found=st.lists(subjects, min_size=1, max_size=8))
def test_a_pattern_is_written_as_what_it_means(ask, text, found):
    assume(accepted(text) is not None)
    assert_same_matches(ask, text, found)


@UNTIMED
@given(text=near_patterns, found=st.lists(subjects | storable, min_size=1, max_size=8))
def test_whatever_is_accepted_the_database_reads_in_the_same_way(ask, text, found):
    assume(accepted(text) is not None)
    assert_same_matches(ask, text, found)


@UNTIMED
@given(char=st.characters(codec="utf-8", exclude_characters="\0"), found=st.lists(storable, min_size=1, max_size=5))
def test_any_character_can_stand_in_a_pattern(ask, char, found):
    sign = char if char.isalnum() or ord(char) > 127 else f"\\{char}"
    for text in (sign, f"^[^{sign}]+$", f"[{sign}-\\uffff]" if ord(char) < 0xFFFF else f"[a{sign}]"):
        assert_same_matches(ask, text, [*found, char, char.upper(), f"x{char}y"])


@pytest.mark.parametrize(
    "text",
    [
        *PATTERNS,
        *(
            r"\*\*\*=a",
            r"\(\?i\)a",
            "[a-z]",
            "[^a]",
            r"^[\w\W]$",
            r"(?:^)?a(?:$)?",
            "(^|b)a",
            "a($|b)",
            "(^a|b$)+",
            "(?:^)*b",
        ),
        *("((a?){15}){16}", "(.?){120}x{120}", "[^\\u0100-\\uffff]", "(a{0,5}){0,40}z"),
    ],
)
def test_patterns_with_pitfalls_mean_the_same(ask, text):
    assert_same_matches(
        ask, text, [*TEXTS, "***=a", "(?i)a", "A", "b\n", "\n", "a\n", "ab", "ba", "aaaa", "x" * 300, ""]
    )


@UNTIMED
@given(found=st.lists(versions | storable, min_size=2, max_size=10))
def test_the_database_sorts_keys_as_the_core_does(ask, found):
    keys = [version_key(one) for one in found]
    assert ask('SELECT array_agg(x ORDER BY x COLLATE "C") FROM unnest(%s::text[]) AS x', keys) == sorted(keys)


@UNTIMED
@given(one=storable, other=st.text("aAä\n%_😀", max_size=3))
def test_the_tests_of_texts_mean_the_same(ask, one, other):
    assert ask("SELECT array[x = v, strpos(x, v) > 0, starts_with(x, v), right(x, length(v)) = v] "
               'FROM (SELECT %s::text COLLATE "C", %s::text COLLATE "C") AS t (x, v)', one, other or "a") == [
        one == (other or "a"), (other or "a") in one, one.startswith(other or "a"), one.endswith(other or "a")
    ]  # fmt: skip


@pytest.mark.parametrize("text", NETWORKS)
def test_networks_hold_the_same_addresses(ask, text):
    network = Values([]).network(text, "value")
    assert network is not None
    asked = "SELECT array_agg(x::inet <<= %s::inet ORDER BY at) FROM unnest(%s::text[]) WITH ORDINALITY AS t (x, at)"
    assert ask(asked, str(network), list(ADDRESSES)) == [ip_address(one) in network for one in ADDRESSES]
