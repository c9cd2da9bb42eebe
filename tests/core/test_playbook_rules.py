"""What a playbook is made of: paths of its tree, collections, names of variables; all that is wrong is told at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.assembly_check import check, from_json
from watchbill.core.assembly_rules import AssemblyKind
from watchbill.core.file_rules import File, size_problems
from watchbill.core.playbook_rules import (
    MAX_TREE_BYTES,
    MAX_TREE_FILE_BYTES,
    MAX_TREE_FILES,
    TREE,
    clashes,
    path_problem,
    variable_name_problem,
)

DIGEST = "ab" * 32
PLAY = "- hosts: all\n  tasks: []\n"


def playbook(**changes):
    return {"name": "Set up", "kind": "playbook", "content": PLAY} | changes


def files(*names):
    return [{"name": name, "sha256": DIGEST} for name in names]


def faults(**changes):
    return {(one.field, one.code) for one in check(playbook(**changes)).problems}


def test_a_playbook_comes_back_from_its_json():
    given_ = playbook(
        files=files("roles/web/tasks/main.yml", "group_vars/all.yml"),
        collections=[{"name": "ansible.posix", "version": ">=1.5"}, {"name": "community.general"}],
        variables=[{"name": "port", "type": "number", "default": 80}],
    )
    checked = check(given_)
    assert not checked.problems
    draft = checked.draft
    assert (draft.kind, draft.interpreter, draft.warning_exit_codes) == (AssemblyKind.PLAYBOOK, None, ())
    assert [(one.name, one.version) for one in draft.collections] == [
        ("ansible.posix", ">=1.5"),
        ("community.general", "*"),
    ]
    assert from_json(draft.to_json()) == draft


def test_what_a_script_has_a_playbook_has_not_and_the_other_way_round():
    assert faults(interpreter="bash", warning_exit_codes=[2]) == {
        ("interpreter", "not_allowed"),
        ("warning_exit_codes", "not_allowed"),
    }
    script = {"name": "S", "interpreter": "bash", "content": "true"}
    assert not check(script | {"collections": []}).problems
    assert "collections" not in check(script).draft.to_json()
    [problem] = check(script | {"collections": [{"name": "ansible.posix"}]}).problems
    assert (problem.field, problem.code) == ("collections", "not_allowed")


@pytest.mark.parametrize(
    "path", ["a", "roles/web/tasks/main.yml", "group_vars/all", "templates/a b.j2", "library/own.py", "x/playbook.yml"]
)
def test_a_path_below_the_playbook_is_taken(path):
    assert path_problem(path) is None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "length"),
        ("a/" * 200 + "b", "length"),
        ("/etc/passwd", "invalid_name"),
        ("../up.yml", "invalid_name"),
        ("roles/../../up.yml", "invalid_name"),
        ("roles/./x.yml", "invalid_name"),
        ("roles//x.yml", "invalid_name"),
        ("roles/", "invalid_name"),
        ("roles\\x.yml", "invalid_name"),
        ("C:/x.yml", "invalid_name"),
        ("roles/nul/x.yml", "reserved_name"),
        ("roles/x\n.yml", "invalid_text"),
        ("roles/x\0.yml", "invalid_text"),
        ("roles /x.yml", "invalid_name"),
        ("/".join("abcdefghijklm"), "too_deep"),
        ("playbook.yml", "reserved_name"),
        ("PlayBook.yml", "reserved_name"),
        ("ansible.cfg", "not_allowed"),
        ("collections/ansible_collections/a/b/x.yml", "not_allowed"),
        ("filter_plugins/own.py", "not_allowed"),
        ("roles/web/Lookup_Plugins/own.py", "not_allowed"),
    ],
)
def test_a_path_that_leaves_the_tree_or_that_ansible_would_run_is_refused(path, code):
    fault = path_problem(path)
    assert fault is not None
    assert fault[0] == code


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from(["a", "..", ".", "", "roles", "C:", "~", " "]), max_size=14).map("/".join)
)
def test_whatever_path_is_taken_lies_below_the_playbook(path):
    if path_problem(path) is None:
        parts = path.split("/")
        assert all(one not in ("", ".", "..") for one in parts)
        assert not {"\\", "\0", ":"} & set(path)


def test_paths_that_would_lie_in_the_same_place_are_refused():
    assert faults(files=files("roles/a.yml", "Roles/A.yml")) == {("files.1.name", "duplicate")}
    assert faults(files=files("a/b", "a")) == {("files.0.name", "clash")}
    assert clashes(["playbook.yml/x"]) == [(0, "playbook.yml")]
    assert clashes(["a/b/c", "a/B", "a-b"]) == [(0, "a/b")]


def test_a_tree_has_its_limits():
    assert faults(files=files(*map(str, range(MAX_TREE_FILES)))) == set()
    assert faults(files=files(*map(str, range(MAX_TREE_FILES + 1)))) == {("files", "length")}
    large = [File(f"{number}", DIGEST, MAX_TREE_FILE_BYTES) for number in range(MAX_TREE_BYTES // MAX_TREE_FILE_BYTES)]
    assert size_problems(large, TREE) == []
    assert [one.field for one in size_problems([*large, File("x", DIGEST, 1)], TREE)] == ["files"]
    assert [one.field for one in size_problems([File("x", DIGEST, MAX_TREE_FILE_BYTES + 1)], TREE)] == ["files.0.size"]


def test_all_that_is_wrong_with_collections_is_told_at_once():
    given_ = [
        {"name": "ansible.posix"},
        {"name": "ansible.posix", "version": ">=1"},
        {"name": "posix"},
        {"name": "ansible.builtin"},
        {"name": "a.b", "version": "new"},
        {"name": "a.c", "source": "https://example.org"},
        7,
    ]
    assert faults(collections=given_) == {
        ("collections.1.name", "duplicate"),
        ("collections.2.name", "invalid_name"),
        ("collections.3.name", "not_allowed"),
        ("collections.4.version", "invalid_version"),
        ("collections.5.source", "unknown_field"),
        ("collections.6", "wrong_type"),
        ("collections.6.name", "required"),
    }


@pytest.mark.parametrize("name", ["port", "_x", "HTTP_PORT", "PATH", "items"])
def test_a_name_that_ansible_takes_is_taken(name):
    assert variable_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [("1a", "invalid_name"), ("a-b", "invalid_name"), ("é", "invalid_name"), ("", "invalid_name"), ("hostvars", "reserved_name"),
     ("class", "reserved_name"), ("ansible_host", "reserved_name"), ("Ansible_User", "reserved_name"), ("watchbill_x", "reserved_name")],
)  # fmt: skip
def test_a_name_that_ansible_or_the_engine_sets_is_refused(name, code):
    fault = variable_name_problem(name)
    assert fault is not None
    assert fault[0] == code
