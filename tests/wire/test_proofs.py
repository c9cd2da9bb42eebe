"""Proofs of key and the pin inside an enrolment code."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import watchbill_wire as w


def test_proofs_are_different_bytes_for_different_purposes():
    assert w.enrol_signing_bytes("CODE-1", "host", "KEY") == b"watchbill-enrol:v1\nCODE-1\nhost\nKEY"
    assert w.token_signing_bytes("id", "challenge") == b"watchbill-token:v1\nid\nchallenge"


@settings(deadline=None)
@given(st.binary())
def test_a_pin_survives_the_code_and_equals_the_fingerprint(der):
    pin = w.pin_of(der)
    assert w.split_code(f" SITE-1234.{pin}\n") == ("SITE-1234", pin)
    digits = hashlib.sha256(der).hexdigest().upper()
    colons = ":".join(digits[i : i + 2] for i in range(0, 64, 2))
    assert w.pin_of_fingerprint(f"sha256:{digits}") == w.pin_of_fingerprint(f"SHA256:{colons}") == pin


def test_a_code_without_a_pin_has_none():
    assert w.split_code("SITE-1234") == ("SITE-1234", None)


@pytest.mark.parametrize(
    "code", ["", "a b", "abc", "CODE.", "CODE.short", "CODE." + "1" * 52, "CODE." + "a" * 52 + ".x"]
)
def test_a_damaged_code_is_refused(code):
    with pytest.raises(w.WireError):
        w.split_code(code)


@pytest.mark.parametrize("text", ["", "sha1:00", "sha256:", "sha256:" + "g" * 64, "aa" * 32])
def test_a_damaged_fingerprint_is_refused(text):
    with pytest.raises(w.WireError, match="fingerprint"):
        w.pin_of_fingerprint(text)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_an_engine_key_is_read_in_either_alphabet(raw):
    assert w.from_base64url(w.base64url(raw)) == raw
    keys = w.engine_keys_from_json([{"key_id": "k1", "public_key": w.base64url(raw)}])
    assert keys == (w.EngineKey("k1", raw),)


def test_an_engine_key_of_the_wrong_length_is_refused():
    with pytest.raises(w.WireError, match="public_key"):
        w.engine_keys_from_json([{"key_id": "k1", "public_key": w.base64url(b"short")}])
