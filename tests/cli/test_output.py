"""What is written for people cannot steer their terminal, and has no surprises."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.apps.client.output import Column, Out, one_line, plain, size


@given(st.text())
def test_no_text_of_a_device_can_steer_the_terminal(text: str):
    shown = plain(text)
    assert not [letter for letter in shown if unicodedata.category(letter) == "Cc" and letter not in "\n\t"]


@given(st.text(alphabet=st.characters(blacklist_categories=["Cc", "Cf"])))
def test_harmless_text_stays_as_it_is(text: str):
    assert plain(text) == text


@given(st.text())
def test_a_cell_is_one_line(text: str):
    assert "\n" not in one_line(text)


def test_markup_in_a_value_is_text(capsys: pytest.CaptureFixture[str]):
    Out().table([{"name": "[red]web[/red] \x1b[31m"}], [Column("name", "name")])
    assert capsys.readouterr().out == "NAME\n[red]web[/red] \N{REPLACEMENT CHARACTER}[31m\n"


def test_a_pipe_gets_long_lines_whole(capsys: pytest.CaptureFixture[str]):
    Out().table([{"a": "x" * 500, "b": "y" * 500}], [Column("a", "a"), Column("b", "b")])
    assert capsys.readouterr().out.splitlines()[1] == "x" * 500 + "  " + "y" * 500


@pytest.mark.parametrize(("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")])
def test_sizes_are_for_people(number: int, text: str):
    assert size(number) == text
