"""The ring from a file, a variable or a command; rotated in place without a moment in which it is not whole."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from watchbill.kit.key_sources import in_words, is_file, open_key_ring, rotate_file, stage_key
from watchbill.kit.secrets import SecretError, create_key_ring, encode, load_key_ring
from watchbill.kit.settings import Settings, SettingsError, load

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
PLACE = "credential:7:password"


def ring(active: str = "k1", **keys: bytes) -> str:
    keys = keys or {"k1": KEY}
    return json.dumps({"active": active, "keys": {name: encode(key) for name, key in keys.items()}})


def settings(tmp_path: Path, **more: str) -> Settings:
    return load(
        {"WATCHBILL_DATA_DIR": str(tmp_path), **{f"WATCHBILL_{name.upper()}": text for name, text in more.items()}}
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "keys" / "ring.json"
    create_key_ring(made)
    return made


def printing(tmp_path: Path, text: str, status: int = 0) -> str:
    script = tmp_path / "print ring"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\necho something secret >&2\nexit {status}\n")
    script.chmod(0o700)
    return f"'{script}' --for watchbill"


def test_the_ring_comes_from_a_file_a_variable_or_a_command(tmp_path: Path, path: Path) -> None:
    by_file = settings(tmp_path)
    assert open_key_ring(by_file) == load_key_ring(path)
    assert is_file(by_file)
    by_variable = settings(tmp_path, key_ring_json=ring())
    assert open_key_ring(by_variable).keys == {"k1": KEY}
    by_command = settings(tmp_path, key_ring_command=printing(tmp_path, ring("k2", k2=OTHER)))
    assert open_key_ring(by_command).active == "k2"
    assert not is_file(by_variable)
    assert not is_file(by_command)
    assert [in_words(one).split()[1] for one in (by_variable, by_command)] == ["variable", "command"]


def test_only_one_of_them_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give one of them"):
        settings(tmp_path, key_ring="/a", key_ring_json=ring())
    with pytest.raises(SettingsError, match="give one of them"):
        settings(tmp_path, key_ring_command="/bin/true", key_ring_json=ring())


@pytest.mark.parametrize("command", ["get-ring", "'", "cat /ring", "   "])
def test_a_command_is_named_by_its_whole_path(tmp_path: Path, command: str) -> None:
    if command.strip():
        with pytest.raises(SettingsError, match="absolute path"):
            settings(tmp_path, key_ring_command=command)


@pytest.mark.parametrize("status", [0, 3])
def test_what_a_command_prints_is_never_repeated(tmp_path: Path, status: int) -> None:
    config = settings(tmp_path, key_ring_command=printing(tmp_path, "not a ring but a secret", status))
    with pytest.raises(SecretError) as refused:
        open_key_ring(config)
    assert "secret" not in str(refused.value).replace("key ring", "")
    assert ("exit status 3" in str(refused.value)) == (status == 3)


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot be run"):
        open_key_ring(settings(tmp_path, key_ring_command="/no/such/program"))


def test_keys_do_not_show_themselves(tmp_path: Path, path: Path) -> None:
    opened = open_key_ring(settings(tmp_path))
    assert encode(opened.keys["k1"]) not in repr(opened)
    assert repr(opened.keys["k1"]) not in repr(opened)


def test_a_running_process_opens_what_was_sealed_under_a_key_that_came_later(tmp_path: Path, path: Path) -> None:
    running = open_key_ring(settings(tmp_path))
    before = running.seal_text("early", PLACE)
    rotated = rotate_file(path)
    assert (rotated.active, sorted(rotated.keys)) == ("k2", ["k1", "k2"])
    assert running.open_text(rotated.seal_text("late", PLACE), PLACE).reveal() == "late"
    assert rotated.open_text(before, PLACE).reveal() == "early"
    assert running.seal_text("x", PLACE).startswith("wb1.k1."), "it seals under its own key until it is restarted"


def test_a_key_that_is_not_there_is_looked_for_once(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    script = tmp_path / "ring"
    script.write_text(f"#!/bin/sh\necho x >> {log}\ncat <<'END'\n{ring()}\nEND\n")
    script.chmod(0o700)
    opened = open_key_ring(settings(tmp_path, key_ring_command=str(script)))
    for _ in range(3):
        for name in ("k7", "no such key!"):
            with pytest.raises(SecretError, match="no key"):
                opened.open(f"wb1.{name}.AAAA", PLACE)
    assert log.read_text().split() == ["x", "x"], "once at the start, once for k7"


class TestRotation:
    def test_each_makes_a_new_key_active_and_keeps_the_old_ones(self, path: Path) -> None:
        first = load_key_ring(path)
        for number in (2, 3, 4):
            after = rotate_file(path)
            assert after.active == f"k{number}"
        assert {**after.keys, **first.keys} == after.keys
        assert len(set(after.keys.values())) == 4

    def test_a_staged_key_is_the_next_one(self, path: Path) -> None:
        assert stage_key(path) == "k2"
        assert stage_key(path) == "k2", "there is one already"
        staged = load_key_ring(path)
        assert (staged.active, sorted(staged.keys)) == ("k1", ["k1", "k2"])
        after = rotate_file(path)
        assert (after.active, after.keys) == ("k2", staged.keys)
        assert rotate_file(path).active == "k3"

    def test_names_that_people_gave_are_left_alone(self, path: Path) -> None:
        path.write_text(ring("winter", winter=KEY, k9=OTHER))
        assert rotate_file(path).active == "k10"

    def test_owner_and_mode_stay_and_a_link_still_leads_there(self, path: Path, tmp_path: Path) -> None:
        path.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(path, 12345, 12346)
        link = tmp_path / "link.json"
        link.symlink_to(path)
        rotate_file(link)
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o640
        assert (found.st_uid, found.st_gid) == ((12345, 12346) if os.geteuid() == 0 else (os.geteuid(), os.getegid()))
        assert link.is_symlink()
        assert [one.name for one in path.parent.iterdir()] == ["ring.json"]

    def test_what_is_no_ring_is_not_rotated(self, path: Path) -> None:
        path.write_text("{}")
        with pytest.raises(SecretError, match="not a key ring"):
            rotate_file(path)
        assert path.read_text() == "{}"
        path.write_text(json.dumps({**json.loads(ring()), "next": "k5"}))
        with pytest.raises(SecretError, match="next key"):
            rotate_file(path)

    def test_whoever_reads_meanwhile_finds_a_whole_ring(self, path: Path) -> None:
        done = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not done.is_set():
                seen.append(len(load_key_ring(path).keys))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for _ in range(30):
                rotate_file(path)
        finally:
            done.set()
            reader.join()
        assert seen == sorted(seen)
        assert len(load_key_ring(path).keys) == 31


def test_the_variable_is_for_the_engine_and_not_shown_by_config(tmp_path: Path) -> None:
    environment = {**os.environ, "WATCHBILL_DATA_DIR": str(tmp_path), "WATCHBILL_KEY_RING_JSON": ring()}
    command = [sys.executable, "-m", "watchbill.apps.cli", "config", "--json"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    values = {one["variable"]: one["value"] for one in json.loads(said.stdout)}
    assert values["WATCHBILL_KEY_RING_JSON"] == "***"
    assert encode(KEY) not in said.stdout + said.stderr
