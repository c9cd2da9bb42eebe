"""Connections to the SSH server of a machine: its host key before anything else, then one login with one credential.

Nothing of the account that the Engine runs under is used: no keys, no agent, no configuration. A password is given once, by whichever
way the server takes it.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncssh

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenCredential
from watchbill.onboarding.base import Machine, OnboardingError
from watchbill.onboarding.ssh.faults import failed, said, unsupported

#: Ciphers with native code come first: a package is some megabytes, and many machines are served at once.
_CIPHERS: Final = (
    *("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"),
    *("aes128-ctr", "aes192-ctr", "aes256-ctr"),
)
#: The code of the message with which a server ends a connection that has no way left to sign in, and what OpenSSH says instead.
_NO_WAYS_LEFT: Final = 14
_TOO_MANY: Final = "authentication failures"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `login`: until the host key is shown, and until a login is decided. A machine that three times in a row lets
    `keepalive` pass without an answer is gone.
    """

    login: float = 30.0
    keepalive: float = 5.0


@dataclass(frozen=True, slots=True)
class HostKey:
    """The key that a machine showed. `text`: its type and its key."""

    key: asyncssh.SSHKey
    text: str
    fingerprint: str


class RefusedError(Exception):
    """The machine did not take the credential. The text says more, where there is more to say."""


async def _dial(machine: Machine, patience: Patience) -> socket.socket:
    """A connection to the port, before a word is said. What does not answer any more is lost, not slow."""
    loop, place = asyncio.get_running_loop(), f"{machine.address} port {machine.ports.ssh}"
    found = await loop.getaddrinfo(
        str(machine.address), machine.ports.ssh, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)  # noqa: FBT003 - the argument has no name
    try:
        async with asyncio.timeout(patience.login):
            await loop.sock_connect(sock, address)
    except TimeoutError:
        sock.close()
        raise asyncssh.ConnectionLost(f"{place} does not answer any more") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def host_key(machine: Machine, patience: Patience) -> HostKey:
    """The key that the machine shows to who has not signed in."""
    port = machine.ports.ssh
    sock = await _dial(machine, patience)
    try:
        async with asyncio.timeout(patience.login):
            key = await asyncssh.get_server_host_key(sock=sock, config=None)
    except asyncssh.KeyExchangeFailed as error:
        detail = f"Its SSH server has no method in common with the Engine: {said(error)}."
        raise unsupported(OnboardingReason.SYSTEM_TOO_OLD, detail) from error
    except asyncssh.ConnectionLost:
        raise
    except asyncssh.DisconnectError as error:
        detail = f"Port {port} is not an SSH server: {said(error)}."
        raise OnboardingError(OnboardingState.UNREACHABLE, OnboardingReason.NO_WAY_IN, detail) from error
    if key is None:
        raise failed(OnboardingReason.STEP_FAILED, "Its SSH server shows no host key.")
    kind, text = key.export_public_key("openssh").decode().split()[:2]
    return HostKey(key, f"{kind} {text}", f"{kind} {key.get_fingerprint()}")


class _Login(asyncssh.SSHClient):
    """Gives a password once: a refused one is not offered again by another way."""

    def __init__(self, password: str | None) -> None:
        self._password = password
        self.note = ""

    def password_auth_requested(self) -> str | None:
        password, self._password = self._password, None
        return password

    def kbdint_auth_requested(self) -> str | None:
        return None if self._password is None else ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        del name, instructions, lang
        if not prompts:
            return []
        if len(prompts) == 1 and not prompts[0][1] and self._password is not None:
            password, self._password = self._password, None
            return [password]
        self.note = "it asks for more than a password"
        return None


def read_key(credential: OpenCredential) -> asyncssh.SSHKey | None:
    """The private key of a credential. RefusedError where it cannot be opened: nothing was tried then. Slow, by its design."""
    if credential.private_key is None:
        return None
    phrase = credential.passphrase.reveal() if credential.passphrase else None
    try:
        return asyncssh.import_private_key(credential.private_key.reveal(), phrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise RefusedError(f"its private key cannot be opened: {said(error)}") from None


async def sign_in(
    machine: Machine, trusted: HostKey, credential: OpenCredential, key: asyncssh.SSHKey | None, patience: Patience
) -> asyncssh.SSHClientConnection:
    """A connection that the machine accepted. RefusedError where it did not take the credential."""
    login = _Login(credential.password.reveal() if credential.password else None)
    options = asyncssh.SSHClientConnectionOptions(
        client_factory=lambda: login,
        username=credential.login,
        known_hosts=([trusted.key], [], []),
        client_keys=None if key is None else [key],
        preferred_auth=["publickey", "password", "keyboard-interactive"][0 if key else 1 :],
        agent_path=None,
        agent_forwarding=False,
        gss_host=None,
        config=None,
        encryption_algs=_CIPHERS,
        compression_algs=None,
        keepalive_interval=patience.keepalive,
        keepalive_count_max=3,
    )
    sock = await _dial(machine, patience)
    try:
        async with asyncio.timeout(patience.login):
            return await asyncssh.connect(sock=sock, options=options, config=None)
    except asyncssh.PermissionDenied:
        raise RefusedError(login.note) from None
    except asyncssh.HostKeyNotVerifiable:
        detail = "It showed another SSH host key at the login than just before."
        raise failed(OnboardingReason.HOST_KEY_CHANGED, detail) from None
    except asyncssh.DisconnectError as error:
        if error.code == _NO_WAYS_LEFT or _TOO_MANY in str(error):
            raise RefusedError(login.note) from None
        raise
