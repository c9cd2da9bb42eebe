"""Whether a device can be entered by WinRM before a playbook is started on it: its port, its certificate, and its account.

The login is tried once, and only where the certificate was accepted: Ansible signs in anew for every task, so a wrong password would
be tried task after task, which locks accounts.
"""

import asyncio
import importlib.util
import json
import shutil
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import requests
from requests_credssp.exceptions import AuthenticationException, NTStatusException
from spnego.exceptions import SpnegoError
from winrm.exceptions import (
    AuthenticationError,
    WinRMError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)

from watchbill.executors.base import Login, Obstacle
from watchbill.executors.playbooks.folder import SHELLS, Host, Identity, endpoint_of, run_folder, winrm_options
from watchbill.executors.playbooks.reach import PATIENCE, knock, refused, said
from watchbill.kit.certificates import CertificateRefusedError, NoTlsError, look
from watchbill.kit.winrm import Protocol

T = TypeVar("T")

#: Seconds for all steps of a login together, or of closing a shell.
LONGEST: Final = 60.0
_NO_SUCH_SHELL: Final = 0x8033805B
#: What a server calls the ways to sign in that it offers.
_OFFERED: Final = {"ntlm": ("ntlm", "negotiate"), "basic": ("basic",), "credssp": ("credssp",)}


def kerberos_missing() -> str | None:
    """What Kerberos needs here and does not find."""
    if importlib.util.find_spec("kerberos") is None:
        return "the Python library pykerberos"
    return None if shutil.which("kinit") else "the program kinit"


async def enter(address: str, login: Login, names: Sequence[str], trust: Path, root: Path) -> Identity | Obstacle:
    """Try to sign in by WinRM. `names`: what a valid certificate may be of; the answer tells which one it was."""
    if login.transport == "kerberos" and (missing := kerberos_missing()):
        return refused(f"Kerberos is not to be had here: {missing} is missing where the Engine runs playbooks.")
    found = await _look(address, login, names, trust)
    if isinstance(found, Obstacle) or login.transport == "kerberos":
        return found  # Kerberos' password goes to its own server, once for a playbook
    failed = await _sign_in(address, login, found, root)
    return failed or found


async def _look(address: str, login: Login, names: Sequence[str], trust: Path) -> Identity | Obstacle:
    if not login.is_tls:
        return await knock(address, login.port) or Identity(names[0], None)
    trusted = trust if login.validates_certificates else None
    try:
        return Identity(await look(address, login.port, names, trusted), trusted)
    except (CertificateRefusedError, NoTlsError) as error:
        return refused(str(error))


async def _sign_in(address: str, login: Login, identity: Identity, root: Path) -> Obstacle | None:
    told = await _apart(lambda: _try(address, login, identity, root))
    why_not = told[0] if told else f"The login of {_who(login)} did not come to an end."
    return refused(why_not) if why_not else None


async def _apart(work: Callable[[], T]) -> list[T]:
    """What comes of `work`, or nothing when it does not end in time.

    It has a thread of its own: pywinrm waits, and bounds only the silence of a server. One that sends a byte now and then holds up
    nobody but its own thread, which the process does not wait for.
    """
    done, ended, loop = list[T](), asyncio.Event(), asyncio.get_running_loop()

    def run() -> None:
        try:
            done.append(work())
        finally:
            with suppress(RuntimeError):  # the loop is closed: there is nobody to tell
                loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, daemon=True, name="winrm").start()
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST):
            await ended.wait()
    return done


def _try(address: str, login: Login, identity: Identity, root: Path) -> str | None:
    """Open a shell and close it; why that cannot be."""
    with run_folder(root) as folder:
        protocol = _protocol(address, login, identity, folder / "keys" / "login")
        try:
            protocol.close_shell(protocol.open_shell(codepage=65001))
        except _FAILURES as error:
            return _why_not(login, error)
        finally:
            protocol.transport.close_session()
    return None


def _protocol(address: str, login: Login, identity: Identity, place: Path) -> Protocol:
    options: dict[str, Any] = {"transport": login.transport, "username": login.username}
    if login.password is not None:
        options["password"] = login.password.reveal()
    seconds = int(PATIENCE)
    options |= {
        "read_timeout_sec": seconds,
        "operation_timeout_sec": seconds - 5,
        **winrm_options(place, login, identity),
    }
    return Protocol(endpoint_of(address, login), **options)


_FAILURES: Final = (
    WinRMError,
    WinRMTransportError,
    WinRMOperationTimeoutError,
    AuthenticationException,
    NTStatusException,
    SpnegoError,
    PermissionError,
    requests.RequestException,
    ET.ParseError,
    StopIteration,
    ValueError,
)


def _why_not(login: Login, error: Exception) -> str:
    match error:
        case (
            AuthenticationError() | AuthenticationException() | NTStatusException() | SpnegoError() | PermissionError()
        ):
            return _not_accepted(login, error)
        case WSManFaultError():
            return f"WinRM refused {_who(login)} a shell: {error.reason.strip().rstrip('.')}."
        case WinRMTransportError():
            return f"WinRM answered {_who(login)} with the HTTP status {error.code}."
        case requests.Timeout() | WinRMOperationTimeoutError():
            return f"The login of {_who(login)} did not come to an end."
        case requests.RequestException():
            return f"The connection broke during the login of {_who(login)}."
        case _:
            return "What answers there does not speak WinRM."


def _who(login: Login) -> str:
    return login.username or "the certificate"


def _not_accepted(login: Login, error: Exception) -> str:
    if login.transport == "certificate":
        return (
            "The device refused the certificate: no account of it is mapped to it, or it does not trust who signed it."
        )
    if isinstance(error, AuthenticationException):
        return f"The login of {login.username} by {login.transport} failed: {said(error)}."
    offered = _offered(error)
    if offered and not any(scheme in offered for scheme in _OFFERED[login.transport]):
        return f"The device does not let anybody sign in by {login.transport}; it offers {', '.join(sorted(offered))}."
    return f"The device refused the password of {login.username}."


def _offered(error: Exception) -> set[str]:
    """The ways to sign in that a refusal names."""
    cause = error.__context__
    if not isinstance(cause, requests.HTTPError) or cause.response is None:
        return set()
    offers = cause.response.headers.get("WWW-Authenticate", "").split(",")
    return {offer.split()[0].lower() for offer in offers if offer.split()}


# What is left open.


async def close_shells(folder: Path, hosts: Sequence[Host]) -> set[str]:
    """Close the shells that a playbook left open when it was ended, and with them what runs there; where that failed, by alias."""
    notes = [json.loads(note.read_text()) for note in (folder / SHELLS).glob("*") if not note.suffix]
    by_endpoint = {endpoint_of(host.address, host.login): host for host in hosts}
    left = [(by_endpoint[note["endpoint"]], note["shell"]) for note in notes if note["endpoint"] in by_endpoint]
    places = [folder / "keys" / f"left{number}" for number in range(len(left))]
    tries = [_closed(host, shell_id, place) for (host, shell_id), place in zip(left, places, strict=True)]
    closed = await asyncio.gather(*tries)
    return {host.alias for (host, _), is_closed in zip(left, closed, strict=True) if not is_closed}


async def _closed(host: Host, shell_id: str, place: Path) -> bool:
    return await _apart(lambda: _close(host, shell_id, place)) == [True]


def _close(host: Host, shell_id: str, place: Path) -> bool:
    assert host.identity is not None
    protocol = _protocol(host.address, host.login, host.identity, place)
    try:
        protocol.close_shell(shell_id)
    except WSManFaultError as error:
        return error.wsman_fault_code == _NO_SUCH_SHELL
    except _FAILURES:
        return False
    finally:
        protocol.transport.close_session()
    return True
