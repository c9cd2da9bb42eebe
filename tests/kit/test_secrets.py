"""Sealed values: bound to their place, safe against every changed bit, readable through a rotation, never printed."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.kit import log
from watchbill.kit.secrets import (
    KeyRing,
    Secret,
    SecretError,
    create_key_ring,
    decode,
    encode,
    fingerprint,
    is_same,
    load_key_ring,
    mac,
    new_token,
)

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RING = KeyRing("k1", {"k1": OLD})
PLACE = "credential:7:password"


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_opens_in_its_place(plain: bytes, place: str) -> None:
    assert RING.open(RING.seal(plain, place), place) == plain


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_sealed_value_cannot_be_moved(place: str, other: str) -> None:
    envelope = RING.seal(b"secret", place)
    if place != other:
        with pytest.raises(SecretError, match="does not belong here"):
            RING.open(envelope, other)


@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    prefix, key_id, body = RING.seal(b"secret", PLACE).split(".")
    raw = bytearray(decode(body))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SecretError):
        RING.open(".".join([prefix, key_id, encode(bytes(raw))]), PLACE)


@given(st.text(max_size=60))
def test_garbage_is_refused_by_name(text: str) -> None:
    with pytest.raises(SecretError):
        RING.open(text, PLACE)


@given(st.text(max_size=60))
def test_garbage_behind_a_good_head_is_refused_by_name(text: str) -> None:
    with pytest.raises(SecretError):
        RING.open(f"wb1.k1.{text}", PLACE)


def test_the_same_secret_never_looks_the_same_twice() -> None:
    assert len({RING.seal(b"secret", PLACE) for _ in range(200)}) == 200


def test_after_a_rotation_old_values_open_and_new_ones_use_the_new_key() -> None:
    rotated = KeyRing("k2", {"k1": OLD, "k2": NEW})
    before = RING.seal(b"secret", PLACE)
    after = rotated.seal(b"secret", PLACE)
    assert rotated.open(before, PLACE) == rotated.open(after, PLACE) == b"secret"
    assert after.startswith("wb1.k2.")


def test_a_value_whose_key_is_gone_says_which() -> None:
    envelope = RING.seal(b"secret", PLACE)
    with pytest.raises(SecretError, match="'k1'"):
        KeyRing("k2", {"k2": NEW}).open(envelope, PLACE)


def test_the_wrong_key_under_the_right_name_opens_nothing() -> None:
    with pytest.raises(SecretError):
        KeyRing("k1", {"k1": NEW}).open(RING.seal(b"secret", PLACE), PLACE)


def test_derived_keys_differ_by_purpose_and_by_key() -> None:
    derived = [ring.derived(purpose) for ring in (RING, KeyRing("k1", {"k1": NEW})) for purpose in ("a", "b")]
    assert len(set(derived)) == 4
    assert RING.derived("a") == derived[0]
    assert OLD not in derived


def test_a_secret_does_not_show_itself(capsys: pytest.CaptureFixture[str]) -> None:
    secret = RING.open_text(RING.seal_text("hunter2", PLACE), PLACE)
    assert secret.reveal() == "hunter2"
    for shown in (f"{secret}", repr(secret), str([secret]), f"{secret!r:>10}"):
        assert "hunter2" not in shown
    log.get("test").warning("secret.logged", secret=secret)
    assert "hunter2" not in "".join(capsys.readouterr())


def test_a_secret_has_no_other_way_in() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret("hunter2"))
    assert not hasattr(Secret("hunter2"), "__dict__")


@given(st.binary())
def test_base64url_comes_back(raw: bytes) -> None:
    text = encode(raw)
    assert decode(text) == raw
    assert not set(text) & set("+/=")


def test_tokens_are_long_and_their_fingerprints_are_not_them() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len({fingerprint(token) for token in tokens}) == 100
    assert min(map(len, tokens)) >= 43
    assert mac(OLD, b"a") != mac(NEW, b"a") != mac(NEW, b"b")
    assert is_same("ü", "ü")
    assert not is_same("a", "b")


# --- the ring on disk --------------------------------------------------------------------------------------------------


def test_a_ring_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ring.json"
    assert create_key_ring(path)
    before = load_key_ring(path)
    assert not create_key_ring(path)
    assert load_key_ring(path) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["ring.json"]


def test_two_rings_are_never_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        create_key_ring(tmp_path / name)
    assert load_key_ring(tmp_path / "one").keys != load_key_ring(tmp_path / "two").keys


def test_a_missing_ring_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="watchbill db upgrade"):
        load_key_ring(tmp_path / "ring.json")


NO_RINGS = [
    "",
    "{",
    "[]",
    "null",
    '{"active":"k1"}',
    '{"active":"k2","keys":{"k1":"AAAA"}}',
    '{"active":"k1","keys":{"k1":"AAAA"}}',
    '{"active":"k1","keys":["k1"]}',
    '{"active":"k1","keys":{"k1":5}}',
    '{"active":["k1"],"keys":{}}',
]


@pytest.mark.parametrize("text", NO_RINGS)
def test_what_is_no_ring_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ring.json"
    path.write_text(text)
    with pytest.raises(SecretError, match=r"ring\.json"):
        load_key_ring(path)


_MAKE = "import pathlib, sys; from watchbill.kit.secrets import create_key_ring as make; print(make(pathlib.Path(sys.argv[1])))"


def test_processes_that_start_together_agree_on_one_ring(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ring.json"
    command = [sys.executable, "-c", _MAKE, str(path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=30)[0].strip() for process in started]
    assert sorted(said) == ["False", "False", "False", "True"]
    assert load_key_ring(path).active == "k1"
    assert [one.name for one in path.parent.iterdir()] == ["ring.json"]
