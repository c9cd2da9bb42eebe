"""A file holds what JSON holds, gives back what was written, and cannot expand, nest or surprise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.problems import Problem
from watchbill.kit import yaml_file
from watchbill.kit.errors import InvalidError

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def codes_of(text: str) -> list[str]:
    with pytest.raises(InvalidError) as refused:
        yaml_file.read(text)
    return [problem.code for problem in refused.value.problems]


@given(documents)
def test_what_is_written_is_read_back(document):
    assert yaml_file.read(yaml_file.write(document)).value == document


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@`,? \n\t0.~eE+_")) | st.text())
def test_any_text_is_read_or_refused(text):
    try:
        yaml_file.read(text)
    except InvalidError as refused:
        assert refused.problems


def test_words_of_yaml_1_1_are_texts():
    read = yaml_file.read("a: no\nb: 2026-05-04T07:00:00+02:00\nc: 12:30:00\nd: 0o17\ne: true\nf: ~\ng: 1e3\nh: '5'")
    assert read.value == {
        "a": "no", "b": "2026-05-04T07:00:00+02:00", "c": "12:30:00", "d": "0o17", "e": True, "f": None, "g": 1000.0,
        "h": "5",
    }  # fmt: skip


def test_a_script_is_written_as_a_readable_block():
    written = yaml_file.write({"content": "#!/bin/bash\necho hello\n"})
    assert written == "content: |\n  #!/bin/bash\n  echo hello\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: &x [1]\nb: *x", "alias"),
        ("a: *x", "alias"),
        ("a: !!python/object:os.system x", "tag"),
        ("a: 1\n---\nb: 2", "several_documents"),
        ("a: 1\na: 2", "repeated_key"),
        ("[a]: 1", "malformed_yaml"),
        ("a: [1", "malformed_yaml"),
        ("a: \x00", "malformed_yaml"),
        ('a: 1\nb: "x\\0y"', "not_text"),
        ('"a\\0": 1', "not_text"),
        ("[" * 5000, "too_deep"),
        ("[" + "1," * 200_000 + "]", "too_large"),
        ("a" * 3_000_000, "too_large"),
    ],
)
def test_what_is_not_plain_data_is_refused(text, code):
    assert codes_of(text) == [code]


def test_a_billion_laughs_stay_unlaughed():
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join(['*a' + str(n - 1)] * 9)}]" for n in range(1, 10)]
    assert codes_of("\n".join(lines)) == ["alias"]


def test_a_refusal_names_its_place():
    with pytest.raises(InvalidError) as refused:
        yaml_file.read("a: 1\nb: &x 2\n")
    assert refused.value.problems[0].message.startswith("line 2, column 4: ")


def test_problems_are_placed_at_the_nearest_field_in_the_order_of_lines():
    document = yaml_file.read("name: x\nvariables:\n  - name: A\n    type: blob\n")
    problems = [
        Problem("variables.0.type", "c", "bad"),
        Problem("content", "c", "missing"),
        Problem("variables.0.zz", "c", "odd"),
    ]
    assert [problem.message for problem in document.placed(problems)] == [
        "line 1: missing", "line 3: odd", "line 4: bad",
    ]  # fmt: skip


def test_a_null_character_is_refused_at_its_line():
    with pytest.raises(InvalidError) as refused:
        yaml_file.read('a: 1\nb: "x\\0y"')
    assert [one.message.split(":")[0] for one in refused.value.problems] == ["line 2, column 4"]
