"""The service account on Windows, by what PowerShell was recorded to be asked and to answer. No real Windows takes part."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import watchbill_wire as w
from watchbill_agent import sealing
from watchbill_agent.commands import CommandError
from watchbill_agent.service_account import Notes
from watchbill_agent.service_account_windows import ABSENT, PRESENT, WindowsServiceAccount, new_password

DEVICE = "0190a0b1-0000-7000-8000-0000000000d1"
ENGINE = X25519PrivateKey.generate()
PUBLIC = ENGINE.public_key().public_bytes_raw()


class PowerShell:
    def __init__(self) -> None:
        self.answer: str | CommandError = "done\r\n"
        self.asked: list[tuple[str, ...]] = []
        self.given: list[dict[str, str]] = []

    def has(self, _name: str) -> bool:
        return True

    def run(self, name: str, *arguments: str, given: str = "") -> str:
        self.asked.append((name, *arguments))
        self.given.append(json.loads(given))
        if isinstance(self.answer, CommandError):
            raise self.answer
        return self.answer


@pytest.fixture
def shell():
    return PowerShell()


@pytest.fixture
def account(shell, tmp_path):
    def seal(key: str, generation: int, password: str) -> str:
        return sealing.seal_password(DEVICE, key, generation, password)

    return WindowsServiceAccount(Notes(tmp_path / "note.json", Path.write_bytes), shell, seal)


def wanted(state="present", generation=1, key: str | None = w.base64url(PUBLIC)):
    return w.ServiceAccountWanted("svc-watchbill", state, (), True, generation, key)


def opened(sealed: str, generation: int) -> str:
    sender, body = w.split_sealed(sealed)
    shared = ENGINE.exchange(X25519PublicKey.from_public_bytes(sender))
    key = HKDF(hashes.SHA256(), 32, None, w.password_info(sender, PUBLIC)).derive(shared)
    return AESGCM(key).decrypt(w.SEALED_NONCE, body, w.password_binding(DEVICE, generation)).decode()


def test_the_password_goes_in_on_standard_input_and_out_for_the_engine_alone(account, shell, tmp_path):
    told = account.put(wanted())
    assert (told.state, told.generation, told.detail) == ("present", 1, None)
    assert shell.asked == [("powershell", "-NoProfile", "-NonInteractive", "-Command", PRESENT)]
    password = shell.given[0]["password"]
    assert opened(told.password_sealed, 1) == password
    assert password not in " ".join(shell.asked[0])
    assert password not in (tmp_path / "note.json").read_text()
    assert password not in repr(told)


def test_it_is_the_same_until_another_generation_is_wanted(account, shell):
    first = account.put(wanted())
    assert account.put(wanted()) == first
    second = account.put(wanted(generation=2))
    assert len(shell.asked) == 2
    assert shell.given[0]["password"] != shell.given[1]["password"] == opened(second.password_sealed, 2)
    assert shell.given[0]["mark"] == shell.given[1]["mark"]
    assert len(shell.given[0]["mark"]) <= 48


def test_what_failed_has_told_no_password_and_is_begun_anew(account, shell):
    shell.answer = CommandError("powershell: Access is denied.")
    told = account.put(wanted())
    assert (told.state, told.detail, told.password_sealed) == ("failed", "powershell: Access is denied.", None)
    shell.answer = "done\r\n"
    assert account.put(wanted()).state == "present"
    assert shell.given[0]["password"] != shell.given[1]["password"]


def test_an_account_of_somebody_else_is_left_alone(account, shell):
    shell.answer = "foreign\r\n"
    told = account.put(wanted())
    assert (told.state, told.detail) == ("failed", "there is an account svc-watchbill that this agent did not make")
    assert account.put(wanted("absent")).state == "failed"


def test_it_goes_and_one_that_never_was_is_not_looked_for(account, shell):
    assert account.put(wanted("absent")) == w.ServiceAccountReported("absent", 1)
    assert shell.asked == []
    account.put(wanted())
    assert account.put(wanted("absent")) == w.ServiceAccountReported("absent", 1)
    assert shell.asked[-1][-1] == ABSENT
    assert account.put(wanted("absent")) == w.ServiceAccountReported("absent", 1)
    assert len(shell.asked) == 2


def test_without_a_key_of_the_engine_or_with_a_bad_one_there_is_no_account(account, shell):
    assert account.put(wanted(key=None)).state == "failed"
    assert account.put(wanted(key=w.base64url(bytes(32)))).state == "failed", "a point that seals nothing"
    assert shell.asked == []


def test_a_password_has_every_kind_of_character_that_windows_counts():
    password = new_password()
    assert len(password) >= 40
    assert any(c.islower() for c in password)
    assert any(c.isupper() for c in password)
    assert any(c.isdigit() for c in password)
    assert "-" in password
    assert new_password() != password
