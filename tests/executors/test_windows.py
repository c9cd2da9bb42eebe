"""What is judged of a Windows device without a server: what a refusal offers, what is left open."""

import json
from pathlib import Path

import requests
from hypothesis import given as over
from hypothesis import strategies as some
from winrm.exceptions import InvalidCredentialsError

from tests.executors.memory_run import given
from watchbill.executors import Login
from watchbill.executors.playbooks import windows
from watchbill.executors.playbooks.folder import SHELLS, Host, Identity
from watchbill.kit.secrets import Secret


@over(some.text(some.characters(min_codepoint=32, max_codepoint=255)))
def test_any_header_of_a_refusal_can_be_read(header: str) -> None:
    assert all(word and word == word.lower().strip() for word in windows._offered(_refusal(header)))


def test_a_refusal_names_what_is_offered() -> None:
    assert windows._offered(_refusal('Negotiate, Basic realm="WSMAN", CredSSP')) == {"negotiate", "basic", "credssp"}


def _refusal(header: str) -> Exception:
    response = requests.Response()
    response.headers["WWW-Authenticate"] = header
    error = InvalidCredentialsError("refused")
    error.__context__ = requests.HTTPError(response=response)
    return error


async def test_a_shell_on_a_host_of_the_playbooks_own_is_left_to_it(tmp_path: Path) -> None:
    """What it has added to its inventory by itself, the Engine has no login for."""
    login = Login("svc", 5986, Secret("password"))
    (tmp_path / SHELLS).mkdir(parents=True)
    note = {"endpoint": "https://192.0.2.9:5986/wsman", "shell": "1"}
    (tmp_path / SHELLS / "a").write_text(json.dumps(note))
    (tmp_path / SHELLS / "b.new").write_text("{")
    host = Host("web-1", given("web-1", login), "127.0.0.1", login, identity=Identity("web-1", None))
    assert await windows.close_shells(tmp_path, [host]) == set()
