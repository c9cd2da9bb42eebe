"""`login`, `logout`, and where tokens go."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import PASSWORD, Engine, Watchbill, api_process, engine_command
from tests.factories.ports import free_port
from watchbill.apps import tls
from watchbill.kit.settings import load


def login_file() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "watchbill" / "login.json"


def test_a_sign_in_is_kept_in_a_file_that_only_its_owner_reads(signed_in: Watchbill, engine: Engine):
    kept = json.loads(login_file().read_text())
    assert login_file().stat().st_mode & 0o777 == 0o600
    assert kept["current"] == engine.url
    assert PASSWORD not in login_file().read_text()


def test_the_token_is_not_shown(watchbill: Watchbill, engine: Engine):
    done = watchbill("login", "--server", engine.url, "-u", "admin", "--json", stdin=f"{PASSWORD}\n")
    token = json.loads(login_file().read_text())["logins"][0]["token"]
    assert done.code == 0
    assert token not in done.out + done.err
    assert done.json["username"] == "admin"


def test_a_wrong_password_is_exit_code_4(watchbill: Watchbill, engine: Engine, unique: str):
    done = watchbill("login", "--server", engine.url, "-u", f"nobody-{unique}", stdin="wrong\n")
    assert (done.code, done.out) == (4, "")
    assert done.err == "watchbill: Username or password is wrong.\n"
    assert not login_file().exists()


def test_logging_out_ends_the_token_and_forgets_it(signed_in: Watchbill, engine: Engine):
    token = json.loads(login_file().read_text())["logins"][0]["token"]
    assert signed_in("logout").code == 0
    reply = httpx.get(f"{engine.url}/api/session", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert reply.status_code == 401
    assert signed_in("sites", "list").code == 4


def test_who_has_a_one_time_password_chooses_a_new_one_while_signing_in(
    signed_in: Watchbill, engine: Engine, unique: str
):
    kept = json.loads(login_file().read_text())["logins"][0]
    body = {"username": f"olga-{unique}", "role": "viewer", "password": PASSWORD, "must_change_password": True}
    headers = {"Authorization": f"Bearer {kept['token']}"}
    made = httpx.post(f"{engine.url}/api/operators", json=body, headers=headers, trust_env=False)
    assert made.status_code == 201, made.text
    given = f"{PASSWORD}\nfive quiet harbours\n"
    assert signed_in("login", "-u", body["username"], stdin=given).code == 0
    assert signed_in("login", "-u", body["username"], stdin="five quiet harbours\n").code == 0


def test_a_token_from_the_environment_needs_no_sign_in(
    signed_in: Watchbill, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    token = json.loads(login_file().read_text())["logins"][0]["token"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("WATCHBILL_TOKEN", token)
    monkeypatch.setenv("WATCHBILL_SERVER", engine.url)
    assert signed_in("sites", "list", "--json").code == 0


def test_a_kept_token_is_not_sent_to_another_server(signed_in: Watchbill):
    done = signed_in("sites", "list", "--server", f"http://127.0.0.1:{free_port()}")
    assert done.code == 4
    assert "You are not signed in at" in done.err


def test_a_login_file_that_others_can_read_is_refused(signed_in: Watchbill):
    login_file().chmod(0o644)
    done = signed_in("sites", "list")
    assert done.code == 1
    assert "chmod 600" in done.err


@pytest.mark.parametrize(
    "address", ["watchbill.example", "ftp://x", "http://192.0.2.7:8470", "https://a@b", "http://["]
)
def test_an_address_that_is_none_or_not_safe_is_wrong_usage(watchbill: Watchbill, address: str):
    done = watchbill("login", "--server", address, "-u", "admin", stdin="x\n")
    assert done.code == 2
    assert "--server" in done.err


def test_a_server_that_is_not_there_is_exit_code_6(watchbill: Watchbill):
    done = watchbill("login", "--server", f"http://127.0.0.1:{free_port()}", "-u", "admin", stdin="x\n")
    assert done.code == 6
    assert "cannot be reached" in done.err


@pytest.fixture(scope="module")
def secure(engine: Engine) -> Iterator[tuple[str, str]]:
    """The same Engine by TLS with a certificate of its own: its address and its pin."""
    port = free_port()
    environment = {**engine.environment, "WATCHBILL_API_LISTEN": f"127.0.0.1:{port}", "WATCHBILL_TLS": "on"}
    certificate = tls.ensure(load({name: text for name, text in environment.items() if name.startswith("WATCHBILL_")}))
    assert certificate is not None
    with api_process(environment, f"https://127.0.0.1:{port}"):
        yield f"https://127.0.0.1:{port}", certificate.pin


def test_a_pinned_certificate_is_trusted_from_then_on(watchbill: Watchbill, secure: tuple[str, str]):
    url, pin = secure
    assert watchbill("login", "--server", url, "--pin", pin, "-u", "admin", stdin=f"{PASSWORD}\n").code == 0
    assert watchbill("sites", "list", "--json").code == 0


def test_another_certificate_than_the_pinned_one_gets_no_password(watchbill: Watchbill, secure: tuple[str, str]):
    url, pin = secure
    other = ("a" if pin[0] != "a" else "b") + pin[1:]
    done = watchbill("login", "--server", url, "--pin", other, "-u", "admin", stdin=f"{PASSWORD}\n")
    assert done.code == 1
    assert "another certificate" in done.err


def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_way_out(
    watchbill: Watchbill, secure: tuple[str, str]
):
    done = watchbill("login", "--server", secure[0], "-u", "admin", stdin=f"{PASSWORD}\n")
    assert done.code == 6
    assert "--pin" in done.err


def test_an_operator_is_made_on_the_host_with_a_password_from_standard_input(
    watchbill: Watchbill, engine: Engine, unique: str
):
    words = engine_command("operator", "create", f"ben-{unique}", "--role", "viewer", "--json")
    made = subprocess.run(
        words,
        env=engine.environment,
        input="seven grey gulls\n",
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["role"] == "viewer"
    assert watchbill("login", "--server", engine.url, "-u", f"ben-{unique}", stdin="seven grey gulls\n").code == 0


def test_an_operator_of_a_site_that_is_not_there_is_refused(engine: Engine, unique: str):
    words = engine_command("operator", "create", f"cid-{unique}", "--role", "viewer", "--site", "Atlantis")
    made = subprocess.run(
        words,
        env=engine.environment,
        input="seven grey gulls\n",
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 5
    assert re.search(r"no site named Atlantis", made.stderr)
    assert "Traceback" not in made.stderr
