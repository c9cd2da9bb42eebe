"""Which of the credentials a machine accepts, tried in their order under the guard."""

import asyncio
from collections.abc import Sequence

import asyncssh

from watchbill.core.credential_rules import CredentialKind
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenCredential
from watchbill.onboarding.base import Guard, Machine, OnboardingError, Task
from watchbill.onboarding.ssh.connection import HostKey, Patience, RefusedError, read_key, sign_in

Signed = tuple[OpenCredential, asyncssh.SSHClientConnection]


async def sign_in_with_any(
    machine: Machine,
    trusted: HostKey,
    credentials: Sequence[OpenCredential],
    guard: Guard,
    patience: Patience,
    task: Task,
) -> Signed:
    """The first credential that is accepted, and its connection; the task tells which, and what came of those before."""
    fitting = [one for one in credentials if one.kind is CredentialKind.SSH]
    if not fitting:
        raise _auth_failed(OnboardingReason.NO_CREDENTIAL, "None of the job's credentials is for SSH.")
    before: list[str] = []
    was_refused = False
    for one in fitting:
        try:
            connection = await _try(machine, trusted, one, guard, patience)
        except RefusedError as error:
            was_refused = True
            before.append(f"“{one.name}” ({one.login}) was refused" + (f": {error}" if str(error) else ""))
        except _NotTriedError as error:
            before.append(f"“{one.name}” was not tried: {error}")
        else:
            task.detail = ". ".join([*before, f"Signed in as {one.login} with “{one.name}”"]) + "."
            return one, connection
    reason = OnboardingReason.CREDENTIALS_REFUSED if was_refused else OnboardingReason.LOCKOUT_GUARD
    raise _auth_failed(reason, ". ".join(before) + ".")


class _NotTriedError(Exception):
    """Why a credential was not tried."""


async def _try(
    machine: Machine, trusted: HostKey, credential: OpenCredential, guard: Guard, patience: Patience
) -> asyncssh.SSHClientConnection:
    key = await asyncio.to_thread(read_key, credential)
    why_not = await guard.may_try(credential)
    if why_not is not None:
        raise _NotTriedError(why_not)
    try:
        connection = await sign_in(machine, trusted, credential, key, patience)
    except RefusedError:
        await guard.tried(credential, accepted=False)
        raise
    await guard.tried(credential, accepted=True)
    return connection


def _auth_failed(reason: OnboardingReason, detail: str) -> OnboardingError:
    return OnboardingError(OnboardingState.AUTH_FAILED, reason, detail)
