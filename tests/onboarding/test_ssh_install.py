"""The agent comes onto a machine over SSH, whichever way in there is and however root is become there."""

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.sshd import User, Ways, key_pair, set_password
from tests.onboarding.acting import credential
from tests.onboarding.stage import Stage, agent, traces
from watchbill.core.credential_rules import BecomeMethod
from watchbill.credentials import OpenBecome
from watchbill.kit.secrets import Secret

pytestmark = [needs_lab, pytest.mark.timeout(120)]
PASSWORD = "quay-7-harbour"
ALL_STEPS = [
    *("host key", "sign in", "look", "root", "existing agent", "package", "clock", "egress", "space"),
    *("upload", "verify", "install", "enrol", "service", "asked"),
]


async def test_an_agent_is_installed_enrolled_and_runs_as_a_service(stage: Stage) -> None:
    host = stage.machine(User("ada", PASSWORD, may_sudo=True))
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.done.hostname == "web-1"
    assert (ended.done.credential_id, ended.done.version, ended.done.is_already) == (1, "9.9.1", False)
    assert ended.story.names == ALL_STEPS
    assert all(one.state == "done" and one.detail for one in ended.story.told), ended.story.text
    assert '"running": true' in agent(host, "service", "status", "--json")
    assert [one["hostname"] for one in stage.engine.requests.values()] == ["web-1"]
    assert host.run("readlink", "/opt/watchbill-agent/current").stdout == "9.9.1\n"
    assert host.run("stat", "-c", "%U %a", "/opt/watchbill-agent/9.9.1").stdout == "root 755\n"
    assert [one for one in traces(host) if "tmp" in one or ".staging" in one or ".old" in one] == []


async def test_no_secret_is_in_the_timeline_or_in_a_list_of_processes(stage: Stage) -> None:
    host = stage.machine(User("ada", PASSWORD, sudo="asks"))
    seen: list[str] = []

    async def look(_: str) -> None:
        seen.append(host.run("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '").stdout)

    ended = await stage.install(host, credential(password=PASSWORD), when=look)
    assert ended.done
    told = ended.story.text + "".join(seen)
    assert PASSWORD not in told
    assert all(code not in told for code in stage.engine.codes)
    assert stage.engine.codes


@pytest.mark.parametrize("sudo", ["free", "asks", "asks on a terminal"])
async def test_root_is_become_by_sudo_with_and_without_a_password_and_a_terminal(stage: Stage, sudo) -> None:
    host = stage.machine(User("ada", PASSWORD, sudo=sudo))
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.done
    said = next(one.detail for one in ended.story.told if one.name == "root")
    assert said == ("by sudo, on a terminal." if "terminal" in sudo else "by sudo.")


async def test_a_key_with_a_passphrase_signs_in_and_sudo_gets_its_own_password(stage: Stage) -> None:
    private, public = key_pair("a phrase")
    host = stage.machine(User("ada", PASSWORD, public, sudo="asks"))
    become = OpenBecome(BecomeMethod.SUDO, "root", Secret(PASSWORD))
    ended = await stage.install(host, credential(private_key=private, passphrase="a phrase", become=become))
    assert ended.done


async def test_root_itself_may_sign_in(stage: Stage) -> None:
    host = stage.machine(ways=Ways(root=True))
    set_password(host, "root", PASSWORD)
    ended = await stage.install(host, credential(username="root", password=PASSWORD))
    assert ended.done


async def test_root_is_become_by_su_with_roots_password(stage: Stage) -> None:
    host = stage.machine(User("ada", PASSWORD))
    set_password(host, "root", "another-harbour")
    become = OpenBecome(BecomeMethod.SU, "root", Secret("another-harbour"))
    ended = await stage.install(host, credential(password=PASSWORD, become=become))
    assert ended.done


async def test_root_is_become_by_doas(stage: Stage) -> None:
    host = stage.machine(User("ada", PASSWORD))
    if host.run("sh", "-c", "command -v doas", is_checked=False).returncode:
        pytest.skip("doas is not installed here")
    host.run("tee", "/etc/doas.conf", given="permit ada as root\n")
    become = OpenBecome(BecomeMethod.DOAS, "root", None)
    ended = await stage.install(host, credential(password=PASSWORD, become=become))
    assert ended.done


async def test_a_password_that_is_asked_for_by_questions_and_no_sftp(stage: Stage) -> None:
    stage.package(padding=3_000_000)
    host = stage.machine(User("ada", PASSWORD, may_sudo=True), ways=Ways(by_asking=True, has_sftp=False))
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.done
    assert "through a shell" in next(one.detail for one in ended.story.told if one.name == "upload")


async def test_the_next_credential_is_tried_where_one_is_refused(stage: Stage) -> None:
    host = stage.machine(User("ada", PASSWORD, may_sudo=True))
    ended = await stage.install(host, credential(1, password="wrong"), credential(2, password=PASSWORD))
    assert ended.done.credential_id == 2
    assert stage.noted == [(1, False), (2, True)]
    said = next(one.detail for one in ended.story.told if one.name == "sign in")
    assert said == "“Credential 1” (ada) was refused. Signed in as ada with “Credential 2”."
