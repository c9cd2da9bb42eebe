"""The YAML of a playbook: every fault of its form with line and column, and no text that does harm."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.playbook_yaml import MAX_NODES, MAX_PROBLEMS, file_problems, is_yaml, playbook_problems, texts

SOUND = """---
# two plays
- hosts: all
  vars: {raw: !unsafe "{{ x }}", again: &here [1, 2], same: *here}
  tasks:
    - name: Say
      ansible.builtin.debug:
        msg: |
          hello: there
          hello: again
- import_playbook: other.yml
"""


def faults(text):
    return [(one.code, one.message.partition(": ")[0]) for one in playbook_problems(text)]


def test_a_playbook_is_sound():
    assert faults(SOUND) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- hosts: all\n  tasks: [\n", [("malformed_yaml", "line 3, column 1")]),
        ("- hosts: all\n   tasks: []\n", [("malformed_yaml", "line 2, column 9")]),
        ("- hosts: all\n\ttasks: []\n", [("malformed_yaml", "line 2, column 1")]),
        ("hosts: all\n", [("not_a_playbook", "line 1, column 1")]),
        ("just words", [("not_a_playbook", "line 1, column 1")]),
        ("# nothing\n", [("not_a_playbook", "line 2, column 1")]),
        ("[]", [("not_a_playbook", "line 1, column 1")]),
        ("- hosts: all\n- words\n- [1]\n", [("not_a_play", "line 2, column 3"), ("not_a_play", "line 3, column 3")]),
        ("- name: x\n  tasks: []\n", [("not_a_play", "line 1, column 3")]),
        (
            "- hosts: a\n  hosts: b\n  vars:\n    x: 1\n    x: 2\n",
            [("repeated_key", "line 2, column 3"), ("repeated_key", "line 5, column 5")],
        ),
        ("- hosts: all\n  vars: {a: !vault x}\n", [("vault", "line 2, column 13")]),
        ("- hosts: all\n  vars: {a: !python/object:os.system x}\n", [("tag", "line 2, column 13")]),
        ("- hosts: all\n---\n- hosts: all\n", [("several_documents", "line 2, column 1")]),
        ("- hosts: all\n  ? [a]\n  : b\n", [("malformed_yaml", "line 2, column 5")]),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", [("vault", "line 1, column 1")]),
        ("- hosts: *gone\n", []),
    ],
)
def test_a_fault_is_told_with_its_place(text, expected):
    assert faults(text) == expected


def test_another_file_may_hold_anything_that_is_yaml_and_nothing_else():
    assert file_problems("files.x", "a: {b: [1, 2]}") == []
    assert file_problems("files.x", "") == []
    [problem] = file_problems("files.x", "a: 1\nb: 2\na: 3\n")
    assert (problem.field, problem.code, problem.message) == (
        "files.x",
        "repeated_key",
        "line 3, column 1: 'a' is given twice",
    )


def test_what_would_grow_or_nest_without_bound_is_refused():
    assert faults("[" * 100_000)[-1][0] == "too_large"
    assert faults("- hosts: all\n  vars: [&a 1" + ", *a" * 5000 + "]\n")[0][0] == "too_large"
    assert faults("- hosts: all\n  vars: [" + "1," * MAX_NODES + "]\n")[0][0] == "too_large"
    assert len(faults("- " * 1 + "x\n" + "- x\n" * 1000)) == MAX_PROBLEMS


@given(st.text(max_size=300))
def test_any_text_is_judged_and_none_fails(text):
    for problem in [*playbook_problems(text), *file_problems("f", text)]:
        assert problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_what_yaml_writes_has_no_fault(value):
    assert file_problems("f", yaml.safe_dump(value)) == []
    assert playbook_problems(yaml.safe_dump([{"hosts": "all", "vars": {"x": value}}])) == []


def test_only_what_ansible_reads_as_yaml_is_read():
    assert [
        one
        for one in ("a.yml", "roles/x/tasks/main.YAML", "roles/x/templates/a.yml", "files/a.yml", "a.j2")
        if is_yaml(one)
    ] == [
        "a.yml",
        "roles/x/tasks/main.YAML",
    ]
    found = list(texts(iter([("a.yml", b"a: ["), ("files/b.yml", b"["), ("c.yml", b"\xff"), ("d", b"[")])))
    assert [(one.field, one.code) for one in found] == [("files.a.yml", "malformed_yaml"), ("files.c.yml", "not_utf8")]
