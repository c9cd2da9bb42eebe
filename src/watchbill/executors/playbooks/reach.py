"""Whether a device can be entered before a playbook is started on it: its port, its host key, and a login that it accepts.

Keys come first, and a stored password is tried once: a wrong one must not lock an account by being tried task after task.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import asyncssh

from watchbill.core.states import SkipReason
from watchbill.executors.base import Login, Obstacle

#: Seconds for each step: a connection, a key exchange, a login.
PATIENCE: Final = 15.0

CheckKey = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Entered:
    """A login that was accepted, with what the device showed of itself as known_hosts writes it."""

    login: Login
    host_key: str


def refused(detail: str) -> Obstacle:
    """A device that cannot be entered, in a sentence."""
    return Obstacle(SkipReason.PREFLIGHT_FAILED, detail)


async def enter(address: str, login: Login, is_trusted: CheckKey) -> Entered | Obstacle:
    """Try to log in by SSH. `is_trusted` is asked about the host key and answers with why not, or None."""
    port = login.port
    place = f"{address} port {port}"
    try:
        async with asyncio.timeout(PATIENCE):
            offered = await asyncssh.get_server_host_key(address, port)
    except TimeoutError:
        return refused(f"{place} does not answer.")
    except (OSError, asyncssh.Error) as error:
        return refused(f"{place}: no SSH server: {said(error)}.")
    if offered is None:
        return refused(f"{place}: the SSH server shows no host key.")
    public = offered.export_public_key("openssh").decode().split()
    key = " ".join(public[:2])
    why_not = await is_trusted(key)
    if why_not is not None:
        return refused(why_not)
    accepted = await _accepted(address, port, login, key)
    return Entered(accepted, f"{_known(address, port)} {key}") if isinstance(accepted, Login) else accepted


def _known(address: str, port: int) -> str:
    return address if port == 22 else f"[{address}]:{port}"


async def _accepted(address: str, port: int, login: Login, key: str) -> Login | Obstacle:
    """The login with the one way in that works."""
    tried = []
    for name, way in _ways(login):
        try:
            await _try(address, port, way, key)
        except asyncssh.PermissionDenied:
            tried.append(name)
        except TimeoutError:
            return refused(f"The login of {login.username} did not come to an end.")
        except (OSError, asyncssh.Error) as error:
            return refused(f"The login of {login.username} failed: {said(error)}.")
        else:
            return way
    ways = " and ".join(tried) or "every way in"
    return refused(f"The device refused {ways} of {login.username}.")


def _ways(login: Login) -> list[tuple[str, Login]]:
    found = []
    if login.private_key is not None:
        found.append(("the key", replace(login, password=None)))
    if login.password is not None:
        found.append(("the password", replace(login, private_key=None, passphrase=None)))
    return found


async def _try(address: str, port: int, login: Login, key: str) -> None:
    """Raises asyncssh.PermissionDenied when it is not accepted."""
    known = asyncssh.import_known_hosts(f"{_known(address, port)} {key}\n")
    keys = (
        []
        if login.private_key is None
        else [
            asyncssh.import_private_key(
                login.private_key.reveal(), login.passphrase.reveal() if login.passphrase else None
            )
        ]
    )
    options = {
        "username": login.username,
        "known_hosts": known,
        "client_keys": keys or None,
        "password": login.password.reveal() if login.password else None,
        "agent_path": None,
        "config": None,
        "preferred_auth": ["publickey"] if keys else ["password", "keyboard-interactive"],
    }
    async with asyncio.timeout(PATIENCE):
        connection = await asyncssh.connect(address, port, **options)
    connection.close()
    await connection.wait_closed()


def said(error: Exception) -> str:
    """What an error says, to be put into a sentence."""
    if type(error) is OSError or isinstance(error, ConnectionError):
        return os.strerror(error.errno) if error.errno else "the connection broke"
    return str(error).strip().rstrip(".") or type(error).__name__


async def knock(address: str, port: int) -> Obstacle | None:
    """Whether something listens there at all."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return refused(f"{address} port {port} does not answer.")
    except OSError as error:
        return refused(f"{address} port {port}: {said(error)}.")
    writer.close()
    return None
