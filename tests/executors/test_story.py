"""What rows show of a playbook's events: their own part alone, heads only where something follows, and recaps that end as Ansible says."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.recap import Recap
from watchbill.executors import places
from watchbill.executors.playbooks.output import Masker, Output
from watchbill.executors.playbooks.story import Story, Told


def _event(name: str, text: str = "", host: str | None = None, **more: Any) -> dict[str, Any]:
    return {"event": name, "text": text, "host": host, "changed": False, "ignored": False, **more}


def _texts(story: Story, *events: dict[str, Any]) -> dict[str, str]:
    found = dict.fromkeys(story.hosts, "")
    for event in events:
        for told in story.add(event):
            found[told.host] += told.text
    return found


def test_heads_come_with_what_follows_for_a_host() -> None:
    story = Story(["a", "b"])
    found = _texts(
        story,
        _event("playbook_on_start"),
        _event("playbook_on_play_start", "PLAY [one]"),
        _event("playbook_on_task_start", "TASK [first]"),
        _event("runner_on_ok", "ok: [a]", "a"),
        _event("runner_on_ok", "ok: [b]", "b"),
        _event("playbook_on_task_start", "TASK [second]"),
        _event("runner_on_ok", "ok: [b]", "b"),
        _event("playbook_on_play_start", "PLAY [two]"),
        _event("playbook_on_task_start", "TASK [third]"),
        _event("runner_on_ok", "ok: [a]", "a"),
        _event("playbook_on_stats", "PLAY RECAP", stats={"ok": {"a": 2, "b": 2}}),
    )
    assert found["a"] == "PLAY [one]\nTASK [first]\nok: [a]\nPLAY [two]\nTASK [third]\nok: [a]\n"
    assert found["b"] == "PLAY [one]\nTASK [first]\nok: [b]\nTASK [second]\nok: [b]\n"
    assert story.recaps() == {"a": Recap(ok=2), "b": Recap(ok=2)}


def test_what_is_said_of_no_host_is_for_all_and_other_hosts_are_nobodys() -> None:
    story = Story(["a", "b"])
    assert story.add(_event("warning", "[WARNING]: x")) == [Told("a", "[WARNING]: x\n"), Told("b", "[WARNING]: x\n")]
    assert story.add(_event("runner_on_ok", "ok: [localhost]", "localhost")) == [
        Told("a", "ok: [localhost]\n"),
        Told("b", "ok: [localhost]\n"),
    ]


def test_alone_all_is_said_of_the_one_host() -> None:
    found = _texts(
        Story(["a"]), _event("playbook_on_play_start", "PLAY"), _event("playbook_on_stats", "RECAP", stats={})
    )
    assert found == {"a": "PLAY\nRECAP\n"}


def test_until_the_end_it_counts_itself_and_then_ansible_counts() -> None:
    story = Story(["a"])
    story.add(_event("runner_on_failed", "fatal", "a"))
    assert story.recap_of("a") == Recap(failed=1)
    story.add(_event("playbook_on_stats", "", stats={"ok": {"a": 1}, "rescued": {"a": 1}}))
    assert story.recap_of("a") == Recap(ok=1, rescued=1)


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(0, 500), st.integers(0, 500))
def test_kept_output_is_the_head_and_the_tail_of_the_true_stream(parts: list[bytes], head: int, tail: int) -> None:

    output, whole = Output(uuid.uuid4(), uuid.uuid4(), head, tail), b"".join(parts)
    pieces = [piece for part in parts for piece in output.add(part)] + output.end()
    for piece in pieces:
        assert whole[piece.offset : piece.offset + len(piece.data)] == piece.data
    kept = sum(len(piece.data) for piece in pieces)
    assert kept == min(len(whole), head + tail)
    assert output.size == len(whole)
    assert output.is_truncated == (kept < len(whole))


def test_the_last_line_is_without_colours_and_blanks() -> None:

    output = Output(uuid.uuid4(), uuid.uuid4(), 1000, 0)
    output.add(b"first\n\x1b[0;32mok: [a]\x1b[0m\n\n  \n")
    assert output.last_line == "ok: [a]"


@pytest.mark.parametrize(("gib", "expected"), [(0, 1), (1, 4), (1.9, 7), (64, 8)])
def test_no_more_runs_at_once_than_there_is_memory_for(gib: float, expected: int) -> None:
    assert places(8, int(gib * 1024**3)) == expected


def test_secrets_are_masked_in_every_form() -> None:
    masker = Masker(['s3cr3t "x"'])
    assert masker.masked('{"msg": "s3cr3t \\"x\\""} s3cr3t "x"') == b'{"msg": "***"} ***'
    assert Masker([]).masked("plain") == b"plain"
