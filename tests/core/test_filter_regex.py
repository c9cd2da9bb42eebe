"""The dialect of patterns: it answers as the standard library does, refuses what it has not, and no pattern makes it slow."""

import re
import warnings
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.filter_strategies import UNTIMED
from watchbill.core.filter_regex import MAX_EXPANDED, MAX_GROUPS, MAX_REPEAT, parse_pattern
from watchbill.core.filter_regex_match import search
from watchbill.core.filter_regex_sets import CLASSES, LAST, complement, contains, ranges_of
from watchbill.core.filter_regex_signs import MAX_PATTERN, PatternError
from watchbill.core.filter_regex_tree import expanded_size

subjects = st.text("aAbBzZ19_- .\n\t+é", max_size=8)
members = st.sampled_from(["a", "B", "a-c", "X-b", "1-9", r"\d", r"\W", r"\S", "_", r"\]", r"\n", r"\x41", "."])
atoms = (
    st.sampled_from(["a", "B", "1", "-", " ", ".", r"\.", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\+", r"\n"])
    | st.sampled_from([r"\x62", r"\u005f", r"\t", "_", "}", "]"])
    | st.lists(members, min_size=1, max_size=3).map(lambda found: f"[{''.join(found)}]")
    | st.lists(members, min_size=1, max_size=3).map(lambda found: f"[^{''.join(found)}]")
)
quantifiers = st.sampled_from(["*", "+", "?", "{1}", "{2}", "{0,1}", "{1,}", "{0,}", "{2,3}"])


def _larger(inner):
    grouped = inner.map(lambda one: f"({one})") | inner.map(lambda one: f"(?:{one})")
    return (
        st.tuples((atoms | grouped), quantifiers).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map("|".join)
        | grouped
    )


patterns = st.recursive(atoms | st.sampled_from(["^", "$"]), _larger, max_leaves=6)
#: Texts that look like patterns, of the dialect or not.
near_patterns = st.text(r"ab\[](){}|*+?.^$-,12dwWsn:", min_size=1, max_size=10)


def library(pattern, subject):
    """What the standard library says, with `$` as the end and nothing else; None when it knows no such pattern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.search(pattern, subject, re.IGNORECASE | re.ASCII) is not None
        except re.error:
            return None


def accepted(text):
    try:
        return parse_pattern(text)
    except PatternError:
        return None


@UNTIMED
@given(patterns, subjects)
def test_it_answers_as_the_standard_library(text, subject):
    pattern = accepted(text)
    assume(pattern is not None and len(text) <= 200)
    assert search(pattern, subject) == library(text.replace("$", r"\Z"), subject)


@UNTIMED
@given(near_patterns, subjects)
def test_what_it_accepts_the_standard_library_reads_in_the_same_way(text, subject):
    pattern = accepted(text)
    assume(pattern is not None and not subject.endswith("\n"))
    assert search(pattern, subject) == library(text, subject)


@UNTIMED
@given(st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused_at_one_of_its_characters(text):
    try:
        parse_pattern(text)
    except PatternError as error:
        assert 1 <= error.position <= len(text) + 1
        assert f"(at character {error.position})" in str(error)


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 1, "an empty pattern"),
        (r"(a)\1", 4, r"back reference \1"),
        (r"a\k<n>", 2, r"back reference \k"),
        (r"\g1", 1, r"back reference \g"),
        (r"\0", 1, "octal"),
        ("a(?=b)", 2, "look-ahead (?=…)"),
        ("a(?!b)", 2, "look-ahead (?!…)"),
        ("(?<=a)b", 1, "look-behind (?<=…)"),
        ("(?<!a)b", 1, "look-behind (?<!…)"),
        ("(?>a)", 1, "atomic group"),
        ("(?P<n>a)", 1, "named group"),
        ("(?<n>a)", 1, "named group"),
        ("(?P=n)", 1, "back reference (?P=…)"),
        ("(?(1)a|b)", 1, "conditional"),
        ("(?#a)", 1, "comment"),
        ("(?i)a", 1, "case is ignored anyhow"),
        ("(?", 1, "cannot set flags"),
        ("ab*?", 4, "lazy quantifier"),
        ("ab{1,2}?", 8, "lazy quantifier"),
        ("ab++", 4, "possessive quantifier"),
        ("a**", 3, "cannot follow another one"),
        ("a{1}{2}", 5, "cannot follow another one"),
        ("a|*", 3, "* has nothing to repeat"),
        ("*", 1, r"write \* for the sign itself"),
        ("^*", 2, "an anchor cannot be repeated by *"),
        ("a$+", 3, "an anchor cannot be repeated by +"),
        ("a||b", 3, "an empty alternative"),
        ("a|", 3, "an empty alternative"),
        ("()", 2, "an empty alternative or group"),
        ("(a", 1, "a group that is not closed"),
        ("a)", 2, "a ) that closes nothing"),
        ("a{", 3, "a count is written"),
        ("a{x}", 3, "a count is written"),
        ("a{,3}", 3, "{0,5}, not {,5}"),
        ("a{2", 2, "a count is written"),
        ("a{2,", 5, "a count is written"),
        ("a{3,2}", 2, "the upper count"),
        ("a{0}", 2, "the upper count"),
        ("a{251}", 3, "a count is at most 250"),
        ("a{1,9999}", 5, "a count is at most 250"),
        ("[", 1, "a class that is not closed"),
        ("[a", 1, "a class that is not closed"),
        ("[a-", 1, "a class that is not closed"),
        ("[]a]", 2, "a class that begins with ]"),
        ("[^]a]", 3, "a class that begins with ]"),
        ("[z-a]", 2, "the range z-a goes backwards"),
        (r"[a-\d]", 2, "a range goes from one character"),
        (r"[\d-z]", 2, "a range goes from one character"),
        (r"[^\w\W]", 1, "no character is in"),
        ("[[:alpha:]]", 2, "a named class [:…:]"),
        ("[a[.x.]]", 3, "a named class [.….]"),
        ("a\\", 2, "a backslash at the end"),
        (r"\b", 1, "word boundary"),
        (r"[\b]", 2, "word boundary"),
        (r"\A", 1, "write ^"),
        (r"a\Z", 2, "write $"),
        (r"\p{L}", 1, "Unicode class"),
        (r"\q", 1, r"\q means nothing here"),
        (r"\x4", 1, r"\x needs 2 hexadecimal digits"),
        (r"\u00g0", 1, r"\u needs 4 hexadecimal digits"),
        (r"\x00", 1, "NUL"),
        (r"\ud800", 1, "surrogate"),
        ("a" * 201, 201, "at most 200 characters, not 201"),
        ("(" * 21, 21, "groups nest at most 20 deep"),
        ("(a{16}){16}", 1, "has 256 characters and anchors, at most 250"),
    ],
)
def test_what_the_dialect_lacks_is_refused_by_name_and_place(text, position, says):
    with pytest.raises(PatternError) as refused:
        parse_pattern(text)
    assert refused.value.position == position
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("abc", 3), ("^a$", 3), ("a*", 1), ("a{3,}", 3), ("[ab]{3}c*", 4), ("(ab|c){2,4}", 12), ("(a?){250}", 250)],
)
def test_the_expanded_size_counts_what_repeats_write_out(text, size):
    assert expanded_size(parse_pattern(text).tree) == size


def test_the_limits_themselves_are_allowed():
    assert search(parse_pattern("a" * MAX_PATTERN), "A" * MAX_PATTERN)
    assert search(parse_pattern("(" * MAX_GROUPS + "a" + ")" * MAX_GROUPS), "a")
    assert search(parse_pattern(f"^a{{{MAX_REPEAT - 2}}}$"), "a" * (MAX_EXPANDED - 2))


@pytest.mark.parametrize("text", ["(a*)*b", "(a|a)*b", "(a?){120}a{120}b", "(.*.*.*)*b", "((a*)*)*b", "(a+)+$b"])
def test_no_pattern_backtracks(text):
    assert not search(parse_pattern(text), "a" * 1_000)


@pytest.mark.parametrize(
    ("text", "subject", "is_match"),
    [
        ("STRAẞE", "straẞe", True),
        ("äpfel", "ÄPFEL", True),
        ("[Ä-Ü]", "xö", True),
        ("[^ä]", "Ä", False),
        ("[^Ä]", "ä", False),
        (r"^\w$", "ä", False),
        (r"^\W$", "ſ", False),
        (r"^[\x00a]?\w$", "ſ", None),
        (r"^\w$", "ſ", True),
        ("^σ+$", "Σσς", True),
        ("Ж", "ж", True),
        (r"^\d$", "٣", False),
        (r"^\s$", "\u00a0", False),
        ("^.$", "\n", False),
        ("^.$", "😀", True),
        ("a$", "a\n", False),
        ("^b", "a\nb", False),
        (r"^[\]\-\\^]+$", "]-\\^", True),
        ("^[a-]+$", "a-", True),
        ("^[a^]+$", "a^", True),
        ("^[[]$", "[", True),
        (r"^\u00e4\x62\t\r\f\v$", "Äb\t\r\f\v", True),
        (r"^\{\}]}$", "{}]}", True),
        (r"^[\w\W]$", "\n", True),
    ],
)
def test_what_a_pattern_means(text, subject, is_match):
    if is_match is None:
        assert accepted(text) is None
    else:
        assert search(parse_pattern(text), subject) is is_match


stretches = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)).map(lambda one: (one[0], sum(one))), max_size=6)


@UNTIMED
@given(stretches, st.integers(1, 50))
def test_sets_hold_what_their_stretches_hold(found, code):
    ranges = ranges_of(found)
    is_in = any(first <= code <= last for first, last in found)
    assert contains(ranges, code) is is_in
    assert contains(complement(ranges), code) is not is_in
    assert complement(complement(ranges)) == ranges
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))


def test_sets_end_where_unicode_ends():
    assert complement(((1, LAST),)) == ()
    assert complement(()) == ((1, LAST),)
    assert {name for name in CLASSES if contains(CLASSES[name], LAST)} == {"D", "W", "S"}
