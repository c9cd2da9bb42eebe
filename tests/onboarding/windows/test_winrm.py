"""Onboarding of Windows over WinRM, by the real client over real HTTP; the machine behind it is played (`tests.winrm.machine`)."""

import base64
from typing import Any

import pytest

from tests.onboarding.windows.world import ACCOUNTS, CODE, PASSWORD, STEPS, World, credential, machine, state_of
from tests.winrm.certificates import Pair, signed
from tests.winrm.endpoint import Endpoint, Fault, endpoint
from watchbill.core.credential_rules import Transport
from watchbill.kit.secrets import Secret


@pytest.mark.parametrize("transport", [Transport.NTLM, Transport.CREDSSP, Transport.BASIC])
async def test_an_agent_is_installed_over_tls(server: Endpoint, world: World, transport: Transport) -> None:
    found = await world.install(machine(server), credential(7, transport=transport))
    assert (found.credential_id, found.hostname, found.version) == (7, "WIN-1", "1.2.3")
    assert not found.is_already
    assert world.steps == list(STEPS)
    assert world.tries == [(7, True)]
    assert all(server.attempts)
    windows = world.windows
    assert (windows.current, windows.is_running, windows.branch) == ("1.2.3", True, "beta")
    assert windows.code == f"{CODE}1.{'a' * 51}q"
    assert windows.staging == {}
    assert server.shells == {}


@pytest.mark.parametrize("transport", [Transport.NTLM, Transport.CREDSSP])
async def test_without_tls_every_message_is_encrypted(plain: Endpoint, world: World, transport: Transport) -> None:
    await world.install(machine(plain), credential(tls=False, transport=transport))
    assert world.windows.is_running
    assert plain.sealed[True] > 0
    assert plain.sealed[False] == 0


async def test_a_certificate_signs_in(server: Endpoint, world: World, ours: Pair) -> None:
    mine = signed(ours, "svc")
    by: dict[str, Any] = {
        "transport": Transport.CERTIFICATE,
        "certificate": mine.pem,
        "private_key": Secret(mine.key_pem),
    }
    await world.install(machine(server), credential(login="", username="", password=None, **by))
    assert world.windows.is_running


async def test_secrets_are_in_no_command_line_and_in_no_timeline(server: Endpoint, world: World) -> None:
    world.windows.enroll_says = (1, f"went wrong with {CODE}1 and {PASSWORD}")
    error = await world.ends(machine(server))
    assert len(world.windows.lines) == 1, "every script has the same command line"
    told = "".join([*world.windows.lines, *server.scripts, str(error), error.snippet])
    told += "".join(f"{task.detail}{task.snippet}" for _, _, task in world.tasks)
    assert CODE not in told
    assert PASSWORD not in told
    assert "went wrong with ••••" in error.snippet


async def test_the_machine_fetches_the_package_where_it_is_given_to_it(server: Endpoint, world: World) -> None:
    world.windows.served = world.data
    await world.install(machine(server))
    told = dict(world.windows.ran)
    assert "upload" not in told
    assert told["fetch"]["header"] == f"Authorization: Enrolment {CODE}1\r\n"
    assert told["fetch"]["pin"] == base64.b32decode("A" * 51 + "Q====").hex()
    assert told["fetch"]["path"] == "/api/agent/packages/windows/x86_64?branch=beta"
    assert "fetched by the machine" in world.said("upload").detail


async def test_what_is_not_fetched_is_uploaded_whole(server: Endpoint, world: World) -> None:
    await world.install(machine(server))
    assert "uploaded by WinRM over TLS" in world.said("upload").detail
    assert "404 Not Found" in world.said("upload").snippet
    assert server.asked["Send"] > 5


# Who is let in.


async def test_credentials_are_tried_in_order_and_each_once(server: Endpoint, world: World) -> None:
    wrong, right = (
        credential(1, password=Secret("wrong")),
        credential(2, login="CORP\\adm", password=Secret("other password")),
    )
    found = await world.install(machine(server), wrong, right)
    assert found.credential_id == 2
    assert world.tries == [(1, False), (2, True)]
    assert server.attempts == [False, True]
    signed_in = world.said("sign in")
    assert "“windows 2”" in signed_in.detail
    assert "windows 1 by WinRM" in signed_in.snippet
    assert "refused the password of svc" in signed_in.snippet


@pytest.mark.parametrize("transport", [Transport.NTLM, Transport.CREDSSP, Transport.BASIC])
async def test_a_wrong_password_is_tried_once(server: Endpoint, world: World, transport: Transport) -> None:
    error = await world.ends(machine(server), credential(transport=transport, password=Secret("wrong")))
    assert state_of(error) == ("auth_failed", "credentials_refused")
    assert "windows 1" in error.snippet
    assert world.tries == [(1, False)]
    assert server.begun <= 1
    assert len(server.attempts) <= 1
    assert world.windows.ran == []


async def test_what_the_guard_holds_back_is_not_tried(server: Endpoint, world: World) -> None:
    world.held_back[1] = "this machine refused it before"
    error = await world.ends(machine(server))
    assert state_of(error) == ("auth_failed", "lockout_guard")
    assert "this machine refused it before" in error.snippet
    assert server.attempts == []


async def test_a_certificate_of_another_name_is_refused_before_anything_is_said(server: Endpoint, world: World) -> None:
    error = await world.ends(machine(server, name="db-1"))
    assert state_of(error) == ("failed", "certificate")
    assert "is of web-1, not of db-1 or 127.0.0.1" in error.snippet
    assert server.attempts == []
    assert world.tries == []


async def test_a_credential_may_say_that_any_certificate_will_do(server: Endpoint, world: World) -> None:
    await world.install(machine(server, name="db-1"), credential(validate_certificates=False))
    assert world.windows.is_running


async def test_kerberos_and_basic_in_the_clear_are_refused_with_a_sentence(plain: Endpoint, world: World) -> None:
    kerberos = credential(1, transport=Transport.KERBEROS, tls=False)
    basic = credential(2, transport=Transport.BASIC, tls=False)
    error = await world.ends(machine(plain), kerberos, basic)
    assert state_of(error) == ("unreachable", "no_way_in")
    assert "Kerberos is not to be had" in error.snippet
    assert "Basic without TLS" in error.snippet
    assert plain.attempts == []


async def test_a_way_to_sign_in_that_is_not_offered_is_no_wrong_password(ours: Pair, world: World) -> None:
    with endpoint(ACCOUNTS, server=signed(ours, "web-1", "web-1"), offers=("Basic",)) as running:
        error = await world.ends(machine(running))
    assert state_of(error) == ("unreachable", "no_way_in")
    assert "lets nobody sign in by ntlm; it offers basic" in error.snippet
    assert world.tries == []


async def test_who_may_open_no_shell_is_no_administrator(server: Endpoint, world: World) -> None:
    server.faults["Create"] = Fault.DENIED
    error = await world.ends(machine(server))
    assert state_of(error) == ("failed", "not_permitted")
    assert "Access is denied" in error.snippet
    assert world.tries == [(1, True)]


async def test_a_job_without_a_credential_for_windows_says_so(server: Endpoint, world: World) -> None:
    from watchbill.core.credential_rules import CredentialKind

    error = await world.ends(machine(server), credential(kind=CredentialKind.SSH, transport=None))
    assert state_of(error) == ("auth_failed", "no_credential")


# What the machine is like.


@pytest.mark.parametrize(
    ("is_like", "state", "step"),
    [
        ({"is_administrator": False}, ("failed", "not_permitted"), "look"),
        ({"version": "6.1.7601.0"}, ("unsupported", "system_too_old"), "look"),
        ({"version": "6.2.9200.0", "is_server": False}, ("unsupported", "system_too_old"), "look"),
        ({"powershell": "4.0"}, ("unsupported", "system_too_old"), "look"),
        ({"arch": "x86"}, ("unsupported", "no_package"), "package"),
        ({"arch": "arm64"}, ("unsupported", "no_package"), "package"),
        ({"seconds_ahead": 900.0}, ("failed", "clock_off"), "clock"),
        ({"seconds_ahead": -900.0}, ("failed", "clock_off"), "clock"),
        ({"reaches": False}, ("failed", "no_egress"), "egress"),
        ({"free": 1000}, ("failed", "no_space"), "space"),
    ],
    ids=str,
)
async def test_what_is_not_fit_is_left_as_it_was(
    server: Endpoint, world: World, is_like: dict[str, object], state: tuple[str, str], step: str
) -> None:
    for name, value in is_like.items():
        setattr(world.windows, name, value)
    assert state_of(await world.ends(machine(server))) == state
    assert world.tasks[-1][:2] == (step, "failed")
    assert set(world.windows.names) <= {"look", "reach"}
    assert world.codes == 0
    assert server.shells == {}


async def test_a_server_of_2012_is_new_enough_where_its_powershell_is(server: Endpoint, world: World) -> None:
    world.windows.version = "6.2.9200.0"
    await world.install(machine(server))
    assert world.windows.is_running
