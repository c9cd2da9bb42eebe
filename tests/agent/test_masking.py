"""Secrets in output: however it is cut, the masked text is that of the whole; and the forms in which secrets show up are known."""

import base64
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import watchbill_agent
from watchbill_agent.supervisor.watchbill_mask import Masker
from watchbill_wire.masking import patterns

SUPERVISOR = Path(watchbill_agent.__file__).with_name("supervisor")

SECRET = 'p4ss\'wörd/+ "x"\\'

# Few letters, so that patterns overlap themselves and each other.
letters = st.text("ab\n", min_size=4, max_size=9).map(str.encode)
outputs = st.lists(st.one_of(letters, st.text("abc", max_size=5).map(str.encode)), max_size=12).map(b"".join)


def masked(data: bytes, wanted: list[bytes]) -> bytes:
    """The meaning, byte by byte: a stretch of bytes that any occurrence of any pattern covers becomes one mask."""
    covered = [False] * len(data)
    for pattern in wanted:
        for at in range(len(data) - len(pattern) + 1):
            if data[at : at + len(pattern)] == pattern:
                covered[at : at + len(pattern)] = [True] * len(pattern)
    result = bytearray()
    for at, byte in enumerate(data):
        if not covered[at]:
            result.append(byte)
        elif at == 0 or not covered[at - 1]:
            result += b"***"
    return bytes(result)


@settings(deadline=None, max_examples=500)
@given(st.lists(letters, min_size=1, max_size=4), outputs, st.lists(st.integers(1, 7), min_size=1, max_size=10))
def test_however_output_is_cut_its_masked_text_is_that_of_the_whole(wanted, output, cuts):
    masker, given_out, at, turn = Masker(wanted), b"", 0, 0
    while at < len(output):
        size = cuts[turn % len(cuts)]
        given_out += masker.feed(output[at : at + size])
        at, turn = at + size, turn + 1
    assert given_out + masker.finish() == masked(output, wanted)


def test_what_cannot_become_a_secret_is_given_out_at_once():
    masker = Masker([b"secret"])
    assert masker.feed(b"50 %, sec") == b"50 %, "
    assert masker.feed(b"onds left\n") == b"seconds left\n"
    assert masker.feed(b"a secret") == b"a ***"
    assert masker.finish() == b""


def shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


FORMS = {
    "plain": lambda s: s,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 of a line": lambda s: base64.b64encode(s.encode() + b"\n").decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 behind a name": lambda s: base64.b64encode(b"user:" + s.encode()).decode(),
    "base64 behind another name": lambda s: base64.b64encode(b"admin1:" + s.encode() + b":x").decode(),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda s: json.dumps(s, ensure_ascii=False),
    "quoted": lambda s: quote(s, safe=""),
    "quoted in small letters": lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")),
    "a form's field": quote_plus,
    "quoted by a shell": shell,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_of_a_secret_is_masked(form):
    text = form(SECRET).encode()
    masker = Masker(patterns([SECRET]))
    shown = masker.feed(b"<" + text + b">") + masker.finish()
    assert b"***" in shown
    # Of base64 within something longer, what stands beside the secret stays, and the characters that depend on both.
    left = shown.replace(b"***", b"").strip(b"<>\"'")
    assert len(left) <= 14, shown


def test_a_wrapped_base64_of_a_long_secret_is_masked_line_by_line():
    secret = "".join(f"line {number:03} of it;" for number in range(20))
    for arguments in (["base64"], ["base64", "-w", "64"]):
        out = subprocess.run(arguments, input=secret.encode(), capture_output=True, check=True).stdout
        masker = Masker(patterns([secret]))
        shown = masker.feed(out) + masker.finish()
        assert set(shown.split()) == {b"***"}, shown


def test_each_line_of_a_secret_of_several_lines_is_masked():
    key = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nab\n  hunter22\n-----END KEY-----\n"
    masker = Masker(patterns([key]))
    shown = masker.feed(b"MIIBVgIBADANBgkq, hunter22 and ab") + masker.finish()
    assert shown == b"***, *** and ab"


def test_a_secret_too_short_to_be_told_from_other_text_is_not_masked():
    assert patterns(["abc", ""]) == []


def test_the_masker_imports_nothing():
    code = (SUPERVISOR / "watchbill_mask.py").read_text()
    assert [line for line in code.splitlines() if "import " in line] == ["from __future__ import annotations"]
