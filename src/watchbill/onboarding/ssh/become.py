"""Becoming root: at once, or by sudo, su or doas, as the credential says. What does not work is refused with what the machine said."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from watchbill.core.credential_rules import BecomeMethod
from watchbill.core.onboarding_states import OnboardingReason
from watchbill.credentials import OpenBecome, OpenCredential
from watchbill.onboarding.base import OnboardingError
from watchbill.onboarding.ssh.faults import failed
from watchbill.onboarding.ssh.shell import IN_SHELL, START, Answer, Become, PasswordNeededError, Shell

#: What sudo says where it wants a terminal: the rule `requiretty`.
_WANTS_TTY: Final = re.compile(r"must have a tty|no tty present|a terminal is required", re.IGNORECASE)
#: The prompts of su and doas cannot be chosen: a line that is not ended.
_UNENDED: Final = re.compile(rb"[^\s][^\n]*: ?\Z")
_ROOT: Final = "root"


async def become_root(shell: Shell, credential: OpenCredential, uid: int) -> str:
    """Set the shell's way to root; returns it in words. OnboardingError `not_permitted` where there is none."""
    if uid == 0:
        return f"{credential.login} is root"
    method = credential.become.method if credential.become else BecomeMethod.SUDO
    if credential.become is not None and credential.become.user != _ROOT:
        raise _not_permitted(
            f"Only root can install a service, and “{credential.name}” becomes {credential.become.user}."
        )
    said = ""
    for way in _ways(method, credential):
        answer = await _tried(shell, way, credential)
        if answer.has_started and answer.values.get("uid") == "0":
            shell.become = way
            return f"by {method}" + (", on a terminal" if way.needs_tty else "")
        said = shell.shown(answer)
        if not _WANTS_TTY.search(said):
            break
    raise _not_permitted(f"{credential.login} does not become root by {method} (“{credential.name}”).", said)


def _ways(method: BecomeMethod, credential: OpenCredential) -> Iterator[Become]:
    password = _password(credential)
    if method is BecomeMethod.SUDO:
        # Unlike anything that a machine says by itself.
        prompt = f"watchbill-{secrets.token_hex(6)}:"
        way = Become("sudo", f"sudo -S -p {prompt} -u root -- {START}", re.compile(prompt.encode()), password)
        yield from (way, replace(way, needs_tty=True))
    elif method is BecomeMethod.SU:
        yield Become("su", f"su -s /bin/sh {IN_SHELL} root", _UNENDED, password, needs_tty=True)
    else:
        yield Become("doas", f"doas -u root {START}", _UNENDED, password, needs_tty=True)


def _password(credential: OpenCredential) -> str | None:
    """Of sudo and doas it is the user's own, where no other is given; of su it is root's."""
    become: OpenBecome | None = credential.become
    if become is not None and become.password is not None:
        return become.password.reveal()
    if become is not None and become.method is BecomeMethod.SU:
        return None
    return credential.password.reveal() if credential.password else None


async def _tried(shell: Shell, way: Become, credential: OpenCredential) -> Answer:
    trial = replace(shell, become=way)
    try:
        return await trial.run('echo "wb.uid=$(id -u)"')
    except PasswordNeededError:
        if way.password is None:
            detail = f"{way.name} asks for a password, and “{credential.name}” has none for it."
        else:
            detail = f"{way.name} refused the password of “{credential.name}”."
        raise _not_permitted(detail) from None


def _not_permitted(detail: str, snippet: str = "") -> OnboardingError:
    return failed(OnboardingReason.NOT_PERMITTED, detail, snippet)
