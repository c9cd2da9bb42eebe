"""Names of files do on every system, and all that is wrong with a list of them is told at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import watchbill_wire as wire
from watchbill.core.assembly_check import check, from_json
from watchbill.core.file_rules import MAX_FILES, MAX_FILES_BYTES, File, name_problem, same_name, size_problems
from watchbill_wire import envelope

DIGEST = "ab" * 32


def assembly(*files):
    return {"name": "A", "interpreter": "bash", "content": "true", "files": list(files)}


def faults(*files):
    return {(one.field, one.code) for one in check(assembly(*files)).problems}


@pytest.mark.parametrize("name", ["a", "tool.exe", "Ångström 2.tar.gz", ".profile", "com10", "console", "a" * 255])
def test_a_plain_name_is_taken(name):
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "length"),
        ("é" * 128, "length"),
        ("a/b", "invalid_name"),
        ("a\\b", "invalid_name"),
        (".", "invalid_name"),
        ("..", "invalid_name"),
        ("a.", "invalid_name"),
        ("a ", "invalid_name"),
        (" a", "invalid_name"),
        ("a:b", "invalid_name"),
        ("what?", "invalid_name"),
        ("a\nb", "invalid_text"),
        ("a\0b", "invalid_text"),
        ("\ud800", "invalid_text"),
        ("nul", "reserved_name"),
        ("NUL.txt", "reserved_name"),
        ("Com1", "reserved_name"),
        ("lpt9.tar.gz", "reserved_name"),
        ("aux .txt", "reserved_name"),
        ("CONIN$", "reserved_name"),
    ],
)
def test_a_name_that_some_system_does_not_take_is_refused(name, code):
    fault = name_problem(name)
    assert fault is not None
    assert fault[0] == code


@given(st.text(max_size=300))
def test_what_is_taken_is_one_name_and_one_that_every_agent_takes(name):
    if name_problem(name) is not None:
        return
    assert not set(name) & set("/\\\0\n")
    assert name not in ("", ".", "..")
    assert envelope._FILE_NAME(name) == name


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_names_are_the_same_where_case_does_not_count(one, other):
    found = same_name([File(one, DIGEST, 1)], other)
    assert (found is not None) == (one.casefold() == other.casefold())


def test_files_come_back_from_what_is_stored():
    draft = check(assembly({"name": "a.bin", "sha256": DIGEST, "size": 7})).draft
    assert draft.files == (File("a.bin", DIGEST, 7),)
    assert from_json(draft.to_json()) == draft
    assert from_json({"name": "A", "interpreter": "bash", "content": "true"}).files == ()


def test_every_fault_of_a_list_is_told():
    good = {"name": "a", "sha256": DIGEST}
    assert faults(
        good, {"name": "A", "sha256": DIGEST}, {"name": "..", "sha256": "x"}, {"sha256": DIGEST, "colour": 1}, 5
    ) == {
        ("files.1.name", "duplicate"),
        ("files.2.name", "invalid_name"),
        ("files.2.sha256", "wrong_type"),
        ("files.3.name", "required"),
        ("files.3.colour", "unknown_field"),
        ("files.4", "wrong_type"),
        ("files.4.name", "required"),
        ("files.4.sha256", "wrong_type"),
    }
    assert faults(*[{"name": str(n), "sha256": DIGEST} for n in range(MAX_FILES + 1)]) == {("files", "length")}


def test_together_they_may_have_so_many_bytes():
    half = File("a", DIGEST, MAX_FILES_BYTES // 2)
    assert size_problems([half, half]) == []
    [problem] = size_problems([half, half, File("b", DIGEST, 1)])
    assert str(MAX_FILES_BYTES) in problem.message


def test_the_wire_carries_as_many_as_an_assembly_may_have():
    assert envelope.MAX_FILES == MAX_FILES
    assert wire.MAX_PIECE_BYTES * 4 // 3 < wire.MAX_FRAME_BYTES
