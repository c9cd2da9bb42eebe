"""Signing in to a machine: which way in is open, which of the credentials is accepted there, and what became of the others."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from watchbill.core.credential_rules import CredentialKind, Transport
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenCredential
from watchbill.kit.certificates import CertificateRefusedError, NoTlsError, look
from watchbill.onboarding.base import Guard, Machine, OnboardingError
from watchbill.onboarding.windows.line import (
    DistrustedError,
    Line,
    LineError,
    LostError,
    NotPermittedError,
    RefusedError,
    UnfitError,
)
from watchbill.onboarding.windows.psexec import PsExecLine
from watchbill.onboarding.windows.remote import apart
from watchbill.onboarding.windows.winrs import WinRsLine

#: Seconds for a connection with its sign-in.
_SECONDS: Final = 60.0
_STATE, _REASON = OnboardingState, OnboardingReason
#: What is told of several faults: the first kind of these that there is.
_VERDICTS: Final = (
    (DistrustedError, _STATE.FAILED, _REASON.CERTIFICATE, "The machine's certificate is not trusted."),
    (
        NotPermittedError,
        _STATE.FAILED,
        _REASON.NOT_PERMITTED,
        "The account is accepted, and may not do what an install needs.",
    ),
    (RefusedError, _STATE.AUTH_FAILED, _REASON.CREDENTIALS_REFUSED, "The machine refused the credentials."),
    (LostError, _STATE.FAILED, _REASON.CONNECTION_LOST, "The connection was lost during the sign-in."),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A way in to try, for one credential. `make`: a line to a machine whose certificate was found to be of that name."""

    name: str
    credential: OpenCredential
    port: int
    make: Callable[[str], Line]
    #: Of whom the certificate may be, and who is trusted (None: any will do). No names: there is no certificate to look at.
    names: Sequence[str] = ()
    trust: Path | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """A line that is signed in. `make` makes one more, for what has to be cleaned up after this one broke."""

    line: Line
    credential: OpenCredential
    make: Callable[[], Line]
    #: What became of those that were tried before.
    notes: Sequence[str] = field(default_factory=list)


class Door:
    """Every way into one machine, in order: WinRM with each credential, then SMB with each."""

    def __init__(self, machine: Machine, trust: Path, guard: Guard, threads: asyncio.Semaphore) -> None:
        self._machine = machine
        self._trust = trust
        self._guard = guard
        self._threads = threads
        self._notes: list[str] = []
        self._faults: list[LineError] = []
        #: Credentials that are not to be tried here any more, and those whose try the guard has allowed.
        self._refused: set[int] = set()
        self._allowed: set[int] = set()
        self._is_guarded = False

    async def enter(self, credentials: Sequence[OpenCredential]) -> Entered:
        """The first way in that lets somebody in. OnboardingError where none does."""
        fitting = [one for one in credentials if one.kind is CredentialKind.WINRM]
        if not fitting:
            text = "None of the job's credentials is for Windows (kind winrm)."
            raise OnboardingError(OnboardingState.AUTH_FAILED, OnboardingReason.NO_CREDENTIAL, text)
        for entry in self._entries(fitting):
            if entry.credential.id not in self._refused:
                entered = await self._try(entry)
                if entered is not None:
                    return entered
        raise self._failure()

    async def _try(self, entry: Entry) -> Entered | None:
        try:
            name = await self._certificate(entry)
            if not await self._may(entry):
                return None
            line = entry.make(name)
            async with self._threads:
                await apart(line.sign_in, line, _SECONDS)
        except TimeoutError:
            self._note(entry, LostError(f"The sign-in did not end within {_SECONDS:.0f} seconds."))
        except LineError as error:
            self._note(entry, error)
            await self._tell(entry, error)
        else:
            await self._guard.tried(entry.credential, accepted=True)
            return Entered(line, entry.credential, lambda: entry.make(name), self._notes)
        return None

    async def _certificate(self, entry: Entry) -> str:
        """Of what name the certificate is; looked at before anything secret is said."""
        address = str(self._machine.address)
        if not entry.names:
            return address
        try:
            return await look(address, entry.port, entry.names, entry.trust)
        except CertificateRefusedError as error:
            raise DistrustedError(str(error)) from None
        except NoTlsError as error:
            raise UnfitError(str(error)) from None

    async def _may(self, entry: Entry) -> bool:
        """Whether the guard allows it. A turn that was given and not used, as WinRM did not get as far, is good for SMB."""
        credential = entry.credential
        if credential.id in self._allowed:
            return True
        why_not = await self._guard.may_try(credential)
        if why_not is None:
            self._allowed.add(credential.id)
            return True
        self._is_guarded = True
        self._refused.add(credential.id)
        self._notes.append(f"{credential.name}: not tried, {why_not}")
        return False

    async def _tell(self, entry: Entry, error: LineError) -> None:
        """Tell the guard what became of the password, where it was judged."""
        if isinstance(error, RefusedError):
            self._refused.add(entry.credential.id)
            await self._guard.tried(entry.credential, accepted=False)
        elif isinstance(error, NotPermittedError):
            await self._guard.tried(entry.credential, accepted=True)

    def _note(self, entry: Entry, error: LineError) -> None:
        self._faults.append(error)
        self._notes.append(f"{entry.credential.name} by {entry.name}: {error}")

    def _failure(self) -> OnboardingError:
        """The one fault of all that says most."""
        notes = "\n".join(self._notes)
        for kind, state, reason, text in _VERDICTS:
            if any(isinstance(fault, kind) for fault in self._faults):
                return OnboardingError(state, reason, text, notes)
        if self._is_guarded:
            text = "Every account is held back, so that it is not locked out."
            return OnboardingError(OnboardingState.AUTH_FAILED, OnboardingReason.LOCKOUT_GUARD, text, notes)
        text = "Neither WinRM nor SMB lets any of the credentials in."
        return OnboardingError(OnboardingState.UNREACHABLE, OnboardingReason.NO_WAY_IN, text, notes)

    # Ways in.

    def _entries(self, credentials: Sequence[OpenCredential]) -> Iterator[Entry]:
        for credential in credentials:
            missing = self._missing(credential)
            if missing:
                self._notes.append(f"{credential.name}: {missing}")
            else:
                yield self._winrm(credential)
        if not self._is_open(self._machine.ports.smb):
            return
        if any(isinstance(fault, DistrustedError) for fault in self._faults):
            return  # a certificate that is not trusted is to be looked at, and not to be walked round
        yield from (self._smb(one) for one in credentials if one.password is not None)

    def _missing(self, credential: OpenCredential) -> str | None:
        if credential.transport is Transport.KERBEROS:
            return "Kerberos is not to be had for onboarding: use NTLM, CredSSP or a certificate"
        if credential.transport is Transport.BASIC and not credential.tls:
            return "Basic without TLS would show the password to everybody on the way"
        port = self._winrm_port(credential)
        return None if self._is_open(port) else f"WinRM is not to be reached on port {port}"

    def _winrm_port(self, credential: OpenCredential) -> int:
        ports = self._machine.ports
        return credential.port or (ports.winrm_tls if credential.tls else ports.winrm)

    def _is_open(self, port: int) -> bool:
        """A port that was not knocked at is tried: a credential may name its own."""
        knocks = [knock for knock in self._machine.sighting.knocks if knock.port == port]
        return not knocks or any(knock.is_open for knock in knocks)

    def _winrm(self, credential: OpenCredential) -> Entry:
        port, address = self._winrm_port(credential), str(self._machine.address)
        trust = self._trust if credential.validate_certificates else None
        names = [*([self._machine.name] if self._machine.name else []), address]
        return Entry(
            f"WinRM on port {port}",
            credential,
            port,
            lambda name: WinRsLine(address, port, credential, name, trust),
            names if credential.tls else (),
            trust,
        )

    def _smb(self, credential: OpenCredential) -> Entry:
        port, address = self._machine.ports.smb, str(self._machine.address)
        return Entry(f"SMB on port {port}", credential, port, lambda _: PsExecLine(address, port, credential))
