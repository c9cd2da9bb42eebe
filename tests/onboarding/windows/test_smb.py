"""The way in by SMB, on a real server: signing in, ADMIN$, and what is left there. Samba takes no services, so nothing is run."""

import asyncio
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.onboarding.windows.samba import ADMINISTRATOR, SMBD, USER, Samba, samba
from tests.onboarding.windows.world import World, credential, machine, state_of
from tests.winrm.endpoint import Endpoint, Fault
from watchbill.credentials import OpenCredential
from watchbill.kit.secrets import Secret
from watchbill.onboarding.guard import RunGuard
from watchbill.onboarding.windows.line import LostError, NotPermittedError, RefusedError, UnfitError
from watchbill.onboarding.windows.psexec import PsExecLine
from watchbill.onboarding.windows.remote import apart

needs_samba = pytest.mark.skipif(
    not SMBD.exists() or not shutil.which("smbpasswd") or os.geteuid() != 0, reason="needs root and Debian's samba"
)


@pytest.fixture(scope="module")
def smb() -> Iterator[Samba]:
    with samba() as running:
        yield running


def _credential(account: tuple[str, str], number: int = 1) -> OpenCredential:
    return credential(number, login=account[0], username=account[0], password=Secret(account[1]))


def _line(smb: Samba, account: tuple[str, str] = ADMINISTRATOR) -> PsExecLine:
    return PsExecLine("127.0.0.1", smb.port, _credential(account))


@needs_samba
def test_a_wrong_password_is_refused(smb: Samba) -> None:
    with pytest.raises(RefusedError, match="refused the password of svc"):
        _line(smb, ("svc", "wrong")).sign_in()


@needs_samba
def test_who_is_no_administrator_may_not(smb: Samba) -> None:
    with pytest.raises(NotPermittedError, match="guest signs in by SMB, and is no administrator"):
        _line(smb, USER).sign_in()


@needs_samba
def test_where_no_service_is_taken_its_program_is_removed_again(smb: Samba) -> None:
    with pytest.raises(NotPermittedError, match="takes no service"):
        _line(smb).sign_in()
    assert smb.files == set()


@needs_samba
def test_an_old_server_that_does_not_encrypt_is_not_spoken_to() -> None:
    with samba("SMB2_10") as old, pytest.raises(UnfitError, match="does not encrypt SMB"):
        _line(old).sign_in()


@needs_samba
def test_a_package_comes_whole_and_over_nothing_that_is_there(smb: Samba, tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    package.write_bytes(os.urandom(20_000_001))
    line = _line(smb)
    line._client.connect()
    try:
        assert line.put(package, "a.zip") == r"%SystemRoot%\Temp\a.zip"
        there = smb.admin / "Temp" / "a.zip"
        assert there.read_bytes() == package.read_bytes()
        there.write_bytes(b"somebody else's")
        with pytest.raises(LostError):
            line.put(package, "a.zip")
        assert there.read_bytes() == b"somebody else's"
        there.unlink()
    finally:
        line.close()
    assert smb.files == set()


@needs_samba
async def test_smb_is_tried_where_winrm_is_closed(smb: Samba, world: World) -> None:
    error = await world.ends(machine(smb=smb.port), _credential(("svc", "wrong"), 1), _credential(ADMINISTRATOR, 2))
    assert state_of(error) == ("failed", "not_permitted")
    assert "windows 1: WinRM is not to be reached on port 2" in error.snippet
    assert "windows 1 by SMB" in error.snippet
    assert "takes no service" in error.snippet
    assert world.tries == [(1, False), (2, True)]
    assert smb.files == set()


@needs_samba
async def test_smb_is_tried_where_winrm_does_not_work(smb: Samba, server: Endpoint, world: World) -> None:
    """The one try that an account has is not used up by a server that did not look at its password."""
    server.faults["Create"] = Fault.STATUS_500
    async with RunGuard({}).on_machine() as world.guard:
        error = await world.ends(machine(server, smb=smb.port), _credential(ADMINISTRATOR))
    assert state_of(error) == ("failed", "not_permitted")
    assert "by WinRM" in error.snippet
    assert "by SMB" in error.snippet


@needs_samba
async def test_a_password_that_winrm_refused_is_not_tried_by_smb(smb: Samba, server: Endpoint, world: World) -> None:
    async with RunGuard({}).on_machine() as guard:
        world.guard = guard
        error = await world.ends(machine(server, smb=smb.port), _credential(("svc", "wrong")))
    assert state_of(error) == ("auth_failed", "credentials_refused")
    assert "SMB" not in error.snippet
    assert guard.refused == [(1, 0)]


async def test_a_certificate_that_is_not_trusted_is_not_walked_round(server: Endpoint, world: World) -> None:
    error = await world.ends(machine(server, smb=445, name="db-1"))
    assert state_of(error) == ("failed", "certificate")
    assert "SMB" not in error.snippet


async def test_a_server_that_says_nothing_is_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = PsExecLine("127.0.0.1", silent.getsockname()[1], _credential(ADMINISTRATOR))
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await apart(line.sign_in, line, 0.5)
        assert time.monotonic() - begun < 5
        async with asyncio.timeout(5):
            while any(one.name == "windows" for one in threading.enumerate()):
                await asyncio.sleep(0.02)


def test_a_port_where_nobody_listens_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        line = PsExecLine("127.0.0.1", free.getsockname()[1], _credential(ADMINISTRATOR))
        with pytest.raises(LostError):
            line.sign_in()
