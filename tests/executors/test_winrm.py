"""Playbooks over WinRM, on a server of our own: by every way to sign in, and what becomes of faults, stops and wrong passwords."""

import asyncio
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.executors.memory_run import MemoryRun, given
from tests.winrm.certificates import Pair, authority, signed
from tests.winrm.endpoint import Answer, Endpoint, Fault, endpoint
from watchbill.core.recap import Recap
from watchbill.core.states import SkipReason
from watchbill.executors import Become, Given, Limits, Login, WorkRequest, Workshop
from watchbill.executors.playbooks import windows
from watchbill.executors.playbooks.folder import Host, Identity, fill, run_folder
from watchbill.executors.playbooks.play import Play
from watchbill.executors.playbooks.process import controller
from watchbill.kit.secrets import Secret

PASSWORD = "Pa55 'w' \"q\" {{ x }}"
ACCOUNTS = {"svc": PASSWORD, "CORP\\adm": "other"}
OFFERS = ("Negotiate", "Basic", "CredSSP")


@pytest.fixture(scope="module")
def ours() -> Pair:
    return authority("Authority of the tests")


@pytest.fixture(scope="module")
def certificate(ours: Pair) -> Pair:
    return signed(ours, "web-1", "web-1.corp.example")


@pytest.fixture
def server(ours: Pair, certificate: Pair) -> Iterator[Endpoint]:
    with endpoint(ACCOUNTS, server=certificate, clients=ours, offers=OFFERS) as running:
        yield running


@pytest.fixture
def plain() -> Iterator[Endpoint]:
    with endpoint(ACCOUNTS, offers=OFFERS) as running:
        yield running


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wbt", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def shop(root: Path, tmp_path: Path, ours: Pair) -> Workshop:
    trust = tmp_path / "trust.pem"
    trust.write_text(ours.pem)
    return Workshop(root, Limits(1_000_000, 10_000), asyncio.Semaphore(4), trust)


def _login(server: Endpoint, **more: Any) -> Login:
    return replace(Login("svc", server.port, Secret(PASSWORD), transport="ntlm"), **more)


def _host(login: Login, name: str = "WEB-1", **more: Any) -> Given:
    facts = {"watchbill_hostname": name, "watchbill_domain": "corp.example"}
    return given(name, login, facts=facts, secrets=[PASSWORD], **more)


def _raw(*commands: str) -> dict[str, str]:
    tasks = [{"ansible.builtin.raw": command} for command in commands]
    return {"playbook.yml": yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}])}


async def _do(shop: Workshop, run: MemoryRun, context: str = "winrm_individual") -> None:
    await shop.execute(WorkRequest(1, 1, context), run)


async def _one(shop: Workshop, login: Login, *commands: str) -> tuple[MemoryRun, Given]:
    one = _host(login)
    run = MemoryRun([one], _raw(*commands or ("whoami",)))
    await _do(shop, run)
    return run, one


def _refusal(run: MemoryRun, one: Given) -> str:
    """Of a device that was left out before anything was started on it."""
    assert run.ends == {}, run.text(one)
    assert run.obstacles[one.execution_id].reason is SkipReason.PREFLIGHT_FAILED
    return run.obstacles[one.execution_id].detail


@pytest.mark.parametrize("transport", ["ntlm", "credssp", "basic"])
async def test_a_playbook_runs_over_tls(server: Endpoint, shop: Workshop, root: Path, transport: str) -> None:
    server.answer = lambda script: Answer(f"said by {script.split()[0]}\r\n".encode())
    run, one = await _one(shop, _login(server, transport=transport), "whoami", "hostname")
    assert run.ends[one.execution_id].exit_code == 0, run.text(one)
    assert run.recaps[one.execution_id] == Recap(ok=2, changed=2)
    assert "WARNING" not in run.text(one)
    assert [script.split()[0] for script in server.scripts] == ["whoami", "hostname"]
    assert all(server.attempts)
    assert server.shells == {}
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("transport", ["ntlm", "credssp"])
async def test_without_tls_every_message_is_encrypted(plain: Endpoint, shop: Workshop, transport: str) -> None:
    run, one = await _one(shop, _login(plain, transport=transport, is_tls=False))
    assert run.ends[one.execution_id].exit_code == 0, run.text(one)
    assert plain.sealed[True] > 0
    assert plain.sealed[False] == 0


async def test_a_certificate_signs_in(server: Endpoint, shop: Workshop, ours: Pair, root: Path) -> None:
    mine = signed(ours, "svc")
    login = Login("", server.port, private_key=Secret(mine.key_pem), transport="certificate", certificate=mine.pem)
    run, one = await _one(shop, login)
    assert run.ends[one.execution_id].exit_code == 0, run.text(one)
    assert list(root.iterdir()) == []


async def test_a_certificate_that_nobody_signed_is_refused(server: Endpoint, shop: Workshop) -> None:
    mine = authority("somebody else")
    login = Login("", server.port, private_key=Secret(mine.key_pem), transport="certificate", certificate=mine.pem)
    run, one = await _one(shop, login)
    assert "certificate" in _refusal(run, one)
    assert server.asked["Command"] == 0


async def test_a_domain_account_signs_in(server: Endpoint, shop: Workshop) -> None:
    run, one = await _one(shop, _login(server, username="CORP\\adm", password=Secret("other")))
    assert run.ends[one.execution_id].exit_code == 0, run.text(one)


async def test_an_exit_code_fails_the_device_and_ends_its_playbook(server: Endpoint, shop: Workshop) -> None:
    server.answer = lambda script: Answer(b"out\r\n", b"went wrong\r\n", 7 if script.startswith("breaks") else 0)
    run, one = await _one(shop, _login(server), "fine", "breaks", "never")
    end = run.ends[one.execution_id]
    assert end.exit_code == 2
    assert run.recaps[one.execution_id] == Recap(ok=1, changed=1, failed=1)
    assert "went wrong" in run.text(one)
    assert '"rc": 7' in run.text(one)
    assert len(server.scripts) == 2


async def test_long_output_comes_whole_and_what_powershell_writes_as_xml_is_read(
    server: Endpoint, shop: Workshop
) -> None:
    lines = "".join(f"line {number}\r\n" for number in range(20_000))
    xml = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">%s</Objs>'
    errors = "#< CLIXML\r\n" + xml % '<S S="Error">it broke here_x000D__x000A_</S>'
    server.answer = lambda _: Answer(lines.encode(), errors.encode(), 1)
    run, one = await _one(shop, _login(server))
    text = run.text(one)
    assert "line 19999" in text
    assert text.index("line 0") < text.index("line 10000")
    assert "it broke here" in text
    assert "CLIXML" not in text


async def test_a_shared_run_signs_in_to_each_of_its_devices(server: Endpoint, shop: Workshop, ours: Pair) -> None:
    with endpoint(ACCOUNTS, server=signed(ours, "db", "db"), offers=OFFERS) as other:
        other.answer = lambda _: Answer(b"", b"", 3)
        web, db = _host(_login(server)), _host(_login(other), "db")
        run = MemoryRun([web, db], _raw("whoami"))
        await _do(shop, run, "winrm")
    assert run.ends[web.execution_id].exit_code == 0, run.text(web)
    assert run.ends[db.execution_id].exit_code == 2
    assert len(run.folders) == 1


@pytest.mark.parametrize("context", ["winrm", "winrm_individual"])
@pytest.mark.parametrize("transport", ["ntlm", "basic"])
async def test_a_wrong_password_is_tried_once(
    server: Endpoint, shop: Workshop, root: Path, transport: str, context: str
) -> None:
    one = _host(_login(server, transport=transport, password=Secret("wrong")))
    run = MemoryRun([one], _raw("first", "second", "third"))
    await _do(shop, run, context)
    assert _refusal(run, one) == "The device refused the password of svc."
    assert server.attempts == [False]
    assert list(root.iterdir()) == []


async def test_a_wrong_password_by_credssp_is_tried_once(server: Endpoint, shop: Workshop) -> None:
    run, one = await _one(shop, _login(server, transport="credssp", password=Secret("wrong")))
    assert _refusal(run, one) == "The device refused the password of svc."
    assert server.begun == 1


async def test_without_tls_a_wrong_password_is_tried_once(plain: Endpoint, shop: Workshop) -> None:
    run, one = await _one(shop, _login(plain, is_tls=False, password=Secret("wrong")))
    assert _refusal(run, one) == "The device refused the password of svc."
    assert plain.attempts == [False]


@pytest.mark.parametrize(("transport", "words"), [("ntlm", "it offers basic"), ("credssp", "Basic")])
async def test_a_way_to_sign_in_that_is_not_offered_is_told(
    ours: Pair, certificate: Pair, shop: Workshop, transport: str, words: str
) -> None:
    with endpoint(ACCOUNTS, server=certificate, offers=("Basic",)) as running:
        run, one = await _one(shop, _login(running, transport=transport))
        assert words in _refusal(run, one)
        assert running.attempts == []


async def test_a_password_that_changes_in_the_middle_is_tried_once_more(server: Endpoint, shop: Workshop) -> None:
    def changes(_: str) -> Answer:
        server.forget_accounts()
        return Answer()

    server.answer = changes
    run, one = await _one(shop, _login(server), "first", "second", "third")
    assert run.ends[one.execution_id].reason == "unreachable"
    assert "rejected" in run.text(one)
    assert server.attempts == [True, True, False]


@pytest.mark.parametrize(
    ("action", "fault", "words"),
    [
        ("Create", Fault.STATUS_500, "WinRM answered svc with the HTTP status 500."),
        ("Create", Fault.DENIED, "WinRM refused svc a shell: Access is denied."),
        ("Create", Fault.FLOOD, "The connection broke during the login of svc."),
        ("Create", Fault.CUT, "The connection broke during the login of svc."),
        ("Create", Fault.NONSENSE, "What answers there does not speak WinRM."),
    ],
)
async def test_a_shell_that_cannot_be_leaves_the_device_out(
    server: Endpoint, shop: Workshop, action: str, fault: Fault, words: str
) -> None:
    server.faults = {action: fault}
    run, one = await _one(shop, _login(server))
    assert _refusal(run, one) == words
    assert server.asked["Create"] == 1


async def test_a_login_that_hangs_comes_to_an_end(
    server: Endpoint, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "PATIENCE", 6.0)
    server.faults = {"Create": Fault.HANG}
    run, one = await _one(shop, _login(server))
    assert _refusal(run, one) == "The login of svc did not come to an end."


async def test_a_login_that_never_ends_is_left(
    server: Endpoint, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LONGEST", 2.0)
    server.faults = {"Create": Fault.DRIP}
    run, one = await _one(shop, _login(server))
    assert _refusal(run, one) == "The login of svc did not come to an end."


@pytest.mark.parametrize("is_tls", [True, False])
async def test_a_port_that_never_speaks_is_told(shop: Workshop, monkeypatch: pytest.MonkeyPatch, is_tls: bool) -> None:
    monkeypatch.setattr(windows, "PATIENCE", 6.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = _host(Login("svc", silent.getsockname()[1], Secret(PASSWORD), is_tls=is_tls))
        run = MemoryRun([one], _raw("whoami"))
        await _do(shop, run)
    assert ("does not answer" if is_tls else "did not come to an end") in _refusal(run, one)


@pytest.mark.parametrize("fault", [Fault.STATUS_500, Fault.CUT])
async def test_a_stream_that_breaks_ends_the_playbook(server: Endpoint, shop: Workshop, fault: Fault) -> None:
    server.faults = {"Receive": fault}
    run, one = await _one(shop, _login(server), "first", "second")
    assert run.ends[one.execution_id].outcome == "exited"
    assert run.ends[one.execution_id].exit_code in {2, 4}, run.text(one)
    assert server.asked["Command"] == 1


async def test_wrong_ports_are_told(server: Endpoint, plain: Endpoint, shop: Workshop) -> None:
    with endpoint({}, offers=()) as gone:
        nobody = _host(_login(gone))
    no_tls = _host(_login(plain))
    tls = _host(_login(server, is_tls=False))
    run = MemoryRun([nobody, no_tls, tls], _raw("whoami"))
    await _do(shop, run)
    assert "refused" in run.obstacles[nobody.execution_id].detail.lower()
    assert "does not speak TLS" in run.obstacles[no_tls.execution_id].detail
    assert "broke" in run.obstacles[tls.execution_id].detail
    assert server.attempts == plain.attempts == []


async def test_a_certificate_of_nobody_trusted_is_refused_unless_the_credential_says_otherwise(shop: Workshop) -> None:
    stranger = signed(authority("a stranger"), "web-1", "web-1.corp.example")
    with endpoint(ACCOUNTS, server=stranger, offers=OFFERS) as running:
        run, one = await _one(shop, _login(running))
        assert "is not trusted" in _refusal(run, one)
        assert running.attempts == []
        for name in ("web-1", "web-2"):
            one = _host(_login(running, validates_certificates=False), name)
            run = MemoryRun([one], _raw("whoami"))
            await _do(shop, run)
            assert run.ends[one.execution_id].exit_code == 0, run.text(one)


async def test_a_certificate_of_another_device_is_refused(server: Endpoint, shop: Workshop) -> None:
    one = _host(_login(server), "web-2")
    run = MemoryRun([one], _raw("whoami"))
    await _do(shop, run)
    detail = _refusal(run, one)
    assert "is of web-1.corp.example, not of web-2.corp.example or web-2" in detail
    assert server.attempts == []


async def test_trust_that_cannot_be_read_is_told(server: Endpoint, shop: Workshop, tmp_path: Path) -> None:
    shop.trust = tmp_path / "nothing.pem"
    run, one = await _one(shop, _login(server))
    assert "nothing.pem" in _refusal(run, one)


async def test_the_certificate_is_validated_again_by_the_play(
    server: Endpoint, shop: Workshop, ours: Pair, certificate: Pair, tmp_path: Path
) -> None:
    """What was found before it began is not all that protects a playbook's login."""
    trust = tmp_path / "trust.pem"
    trust.write_text(ours.pem)
    one = _host(_login(server))
    for identity, words in (
        (Identity("web-1.corp.example", trust), ""),
        (Identity("web-2", trust), "hostname 'web-2'"),
    ):
        run = await _played(shop, one, identity)
        assert (run.ends[one.execution_id].exit_code == 0) is (words == ""), run.text(one)
        assert words in run.text(one).replace("\n", " ")


async def test_kerberos_is_refused_where_its_library_is_missing(server: Endpoint, shop: Workshop) -> None:
    assert windows.kerberos_missing() is not None, "then this test is to be done by a real sign-in"
    run, one = await _one(shop, _login(server, transport="kerberos"))
    assert "Kerberos is not to be had here" in _refusal(run, one)


async def test_passwords_are_in_no_argument_no_output_and_no_folder(
    server: Endpoint, shop: Workshop, root: Path
) -> None:
    arguments: list[str] = []

    def looked(_: str) -> Answer:
        for process in psutil.process_iter(["cmdline", "environ"]):
            arguments.append(repr(process.info))
        return Answer(f"echo {PASSWORD}\r\n".encode())

    server.answer = looked
    become = Become("runas", "Administrator", Secret("an0ther secret"))
    run, one = await _one(shop, _login(server, become=become))
    assert run.ends[one.execution_id].exit_code == 0, run.text(one)
    assert "***" in run.text(one)
    assert PASSWORD not in run.text(one)
    assert not any("Pa55" in text or "an0ther" in text for text in arguments if str(root) in text)
    assert list(root.iterdir()) == []


async def test_a_stop_ends_a_playbook_and_what_it_runs_on_the_device(server: Endpoint, shop: Workshop) -> None:
    server.answer = lambda _: Answer(command="sleep 600")
    one = _host(_login(server))
    run = MemoryRun([one], _raw("whoami"))
    async with asyncio.TaskGroup() as group:
        group.create_task(_do(shop, run))
        command = await _running(server)
        run.stopping = {one.execution_id}
        run.bell.set()
    assert run.ends[one.execution_id].outcome == "cancelled"
    assert run.ends[one.execution_id].is_gone
    assert _of(run.folders[0]) == []
    assert command.poll() is not None
    assert server.shells == {}


async def test_what_cannot_be_ended_on_the_device_is_told(server: Endpoint, shop: Workshop) -> None:
    server.answer = lambda _: Answer(command="sleep 600")
    one = _host(_login(server))
    run = MemoryRun([one], _raw("whoami"))
    async with asyncio.TaskGroup() as group:
        group.create_task(_do(shop, run))
        await _running(server)
        server.faults = {"Delete": Fault.DENIED}
        run.stopping = {one.execution_id}
        run.bell.set()
    assert run.ends[one.execution_id].outcome == "cancelled"
    assert not run.ends[one.execution_id].is_gone


async def test_the_time_limit_ends_a_playbook_that_hangs(server: Endpoint, shop: Workshop) -> None:
    server.faults = {"Receive": Fault.HANG}
    one = _host(_login(server), time_limit_seconds=5)
    run = MemoryRun([one], _raw("whoami"))
    await _do(shop, run)
    assert run.ends[one.execution_id].outcome == "timed_out"
    assert run.ends[one.execution_id].is_gone
    assert _of(run.folders[0]) == []
    assert server.shells == {}


async def _running(server: Endpoint) -> "subprocess.Popen[bytes]":
    """The command that the device runs."""
    assert await asyncio.to_thread(server.running.wait, 40)
    (commands,) = server.shells.values()
    (command,) = commands.values()
    assert command.process is not None
    assert command.process.poll() is None
    return command.process


def test_an_inventory_says_how_windows_is_entered(root: Path, tmp_path: Path) -> None:
    login = Login("svc", 15986, Secret(PASSWORD), become=Become("runas", "Administrator", Secret("b")))
    host = Host("web-1", _host(login), "100.96.0.7", login, identity=Identity("web-1.corp.example", tmp_path))
    for name in ("env", "inventory", "keys"):
        (root / name).mkdir()
    fill(root, [host], main="playbook.yml", is_windows=True)
    yaml.SafeLoader.add_constructor("!unsafe", lambda _, node: str(node.value))
    found = yaml.safe_load((root / "inventory" / "hosts.yml").read_text())["all"]["hosts"]["web-1"]
    said = {name: value for name, value in found.items() if name.startswith("ansible_")}
    assert said == {
        "ansible_host": "100.96.0.7",
        "ansible_port": 15986,
        "ansible_user": "svc",
        "ansible_password": PASSWORD,
        "ansible_connection": "winrm",
        "ansible_shell_type": "powershell",
        "ansible_become_method": "runas",
        "ansible_become_user": "Administrator",
        "ansible_become_password": "b",
        "ansible_winrm_scheme": "https",
        "ansible_winrm_transport": "ntlm",
        "ansible_winrm_server_cert_validation": "validate",
        "ansible_winrm_ca_trust_path": str(tmp_path),
        "ansible_winrm_kerberos_hostname_override": "web-1.corp.example",
        "ansible_winrm_proxy": None,
    }


def _of(folder: Path) -> list[psutil.Process]:
    """Processes that name the folder."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in one.info["cmdline"] or ())
    ]


async def _played(shop: Workshop, one: Given, identity: Identity) -> MemoryRun:
    """A play as it is started once a device was entered."""
    assert one.login is not None
    run = MemoryRun([], _raw("whoami"))
    with run_folder(shop.root) as folder:
        host = Host("web-1", one, "127.0.0.1", one.login, identity=identity)
        collections = await run.lay_out(one.playbook, folder / "project")
        fill(folder, [host], main="playbook.yml", is_windows=True)
        async with controller(folder, collections) as started:
            await Play(run, [host], shop.limits, set()).watch(started)
    return run
