"""The scripts for PowerShell as far as they can be judged without one: they parse, and take nothing but what they are told."""

import base64
import json
import re
from collections.abc import Iterator

import pytest
import tree_sitter_powershell
from hypothesis import given as over
from hypothesis import strategies as some
from tree_sitter import Language, Node, Parser

from tests.winrm.endpoint import decoded
from watchbill.onboarding.windows import scripts
from watchbill.onboarding.windows.scripts import PARTS, PROGRAM, arguments, script, standard_input

POWERSHELL = Parser(Language(tree_sitter_powershell.language()))
BEGIN = decoded(f"{PROGRAM} {' '.join(arguments())}")
#: What Python tells each script, by name.
TOLD = {
    "look": set(),
    "reach": {"host", "port", "tls", "authority", "header"},
    "fetch": {"host", "port", "tls", "authority", "header", "pin", "path", "name", "sha256"},
    "upload": {"name"},
    "hash": {"name", "from"},
    "unpack": {"name", "version", "manifest", "signature", "key"},
    "install": {"version"},
    "command": {"words", "text"},
    "clean": {"version", "before", "has_service", "from"},
}


def _faults(node: Node) -> Iterator[str]:
    if node.type == "ERROR" or node.is_missing:
        yield f"line {node.start_point[0] + 1}: {(node.text or b'')[:60]!r}"
    for child in node.children:
        yield from _faults(child)


@pytest.mark.parametrize("name", PARTS)
def test_a_script_parses(name: str) -> None:
    assert list(_faults(POWERSHELL.parse(script(name).encode()).root_node)) == []


def test_the_beginning_parses_and_a_fault_would_be_seen() -> None:
    assert list(_faults(POWERSHELL.parse(BEGIN.encode()).root_node)) == []
    assert list(_faults(POWERSHELL.parse(b"if ($x { 1 }").root_node))


def test_the_command_line_is_short_enough_for_windows() -> None:
    assert len(f"{PROGRAM} {' '.join(arguments())}") < 8191


@pytest.mark.parametrize("name", PARTS)
def test_a_script_asks_for_nothing_that_it_is_not_told(name: str) -> None:
    """In strict mode a property that is not there is an error."""
    assert set(re.findall(r"\$given\.(\w+)", script(name))) == TOLD[name]


@pytest.mark.parametrize("name", PARTS)
def test_a_script_needs_no_newer_powershell_than_5_1(name: str) -> None:
    text = script(name)
    newer = [
        r"\?\?",
        r"\?\.",
        r"&&",
        r"\|\|",
        r"-Parallel",
        r"-AsHashtable",
        r"ConvertTo-Json[^\n]*-EscapeHandling",
        r"\s\?\s[^%{]",
    ]
    assert [pattern for pattern in newer if re.search(pattern, text)] == []
    assert text.isascii()
    assert text.startswith(f"# watchbill: {name}\n")


@over(
    some.dictionaries(some.text(max_size=9), some.text(), max_size=4), some.lists(some.binary(min_size=1), max_size=4)
)
def test_what_is_sent_is_lines_of_ascii_with_a_dot_at_the_end(told: dict[str, str], body: list[bytes]) -> None:
    lines = b"".join(standard_input("upload", told, body)).split(b"\n")
    assert base64.b64decode(lines[0]).decode() == script("upload")
    assert json.loads(lines[1]) == told
    assert [base64.b64decode(line) for line in lines[2:-2]] == body
    assert lines[-2:] == [b".", b""]
    assert all(line.isascii() for line in lines)


def test_every_file_is_of_a_script() -> None:
    from importlib.resources import files

    names = {one.name.removesuffix(".ps1") for one in (files(scripts.__package__) / "scripts").iterdir()}
    parts = {f"{part}.part" for needed in PARTS.values() for part in needed}
    assert names == {*PARTS, *parts, "begin", "prelude"}
