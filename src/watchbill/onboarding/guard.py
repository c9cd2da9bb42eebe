"""Keeps the accounts of one onboarding run from being locked out, machine by machine; what it decides by is in core/lockout.

Refusals are remembered for the run alone. Whoever stores them hands back those of earlier runs, so that a job that comes round does not
knock with a wrong password every time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from watchbill.core.lockout import Account, Record, begun, decide, ended
from watchbill.credentials import OpenCredential

#: A credential as it was when it was refused: changed since, it may be tried again.
Refusal = tuple[int, int]


@dataclass
class RunGuard:
    """What all machines of a run share. `revisions`: the revision of each credential of the job. `now`: seconds that only go on."""

    revisions: Mapping[int, int]
    now: Callable[[], float] = time.monotonic
    _records: dict[tuple[str, str], Record] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def on_machine(self, refused_before: Collection[Refusal] = ()) -> AsyncIterator["MachineGuard"]:
        """The guard of one machine for the block. `refused_before`: what this very machine refused in earlier runs."""
        guard = MachineGuard(self, frozenset(refused_before))
        try:
            yield guard
        finally:
            guard.leave()

    async def take_turn(self, account: Account) -> str | None:
        """Wait until a try of the account may begin, and begin it. A text: it is set aside."""
        while True:
            decision = decide(self._record(account), self.now())
            if decision.why_not is not None:
                return decision.why_not
            if decision.may_go:
                self._records[account.key] = begun(self._record(account))
                return None
            await self._news(decision.wait_seconds)

    def end_turn(self, account: Account, *, accepted: bool | None) -> None:
        self._records[account.key] = ended(self._record(account), self.now(), accepted=accepted)

    async def tell(self) -> None:
        """Wake who waits for a turn."""
        async with self._changed:
            self._changed.notify_all()

    def _record(self, account: Account) -> Record:
        return self._records.get(account.key, Record())

    async def _news(self, seconds: float | None) -> None:
        """Until a try has ended, or so many seconds. A try that is cut off tells nobody, so nobody waits for longer than a second."""
        try:
            async with asyncio.timeout(1.0 if seconds is None else min(1.0, seconds)), self._changed:
                await self._changed.wait()
        except TimeoutError:
            pass


@dataclass
class MachineGuard:
    """The guard of one machine: a `base.Guard`."""

    run: RunGuard
    refused_before: frozenset[Refusal]
    #: What this machine refused now, to be stored and handed to the guard of its next run.
    refused: list[Refusal] = field(default_factory=list)
    #: Accounts that had their try here, and by which credential.
    _tried: dict[tuple[str, str], str] = field(default_factory=dict)
    _accepted: set[int] = field(default_factory=set)
    _under_way: dict[int, Account] = field(default_factory=dict)

    async def may_try(self, credential: OpenCredential) -> str | None:
        account = Account(credential.username, credential.domain)
        if credential.id in self._accepted:
            return None
        why_not = self._why_not(credential, account)
        if why_not is not None:
            return why_not
        aside = await self.run.take_turn(account)
        if aside is not None:
            return f"the account {credential.login} is set aside for this run: {aside}"
        self._tried[account.key] = credential.name
        self._under_way[credential.id] = account
        return None

    def _why_not(self, credential: OpenCredential, account: Account) -> str | None:
        if self._refusal(credential) in self.refused_before:
            return "this machine refused it before, and it has not been changed since"
        tried = self._tried.get(account.key)
        if tried is not None:
            return f"the account {credential.login} had its one try on this machine with “{tried}”"
        return None

    async def tried(self, credential: OpenCredential, *, accepted: bool) -> None:
        account = self._under_way.pop(credential.id, None)
        if accepted:
            self._accepted.add(credential.id)
        else:
            self.refused.append(self._refusal(credential))
        if account is not None:
            self.run.end_turn(account, accepted=accepted)
            await self.run.tell()

    def leave(self) -> None:
        """Tries that were cut off hold nobody up."""
        while self._under_way:
            _, account = self._under_way.popitem()
            self.run.end_turn(account, accepted=None)

    def _refusal(self, credential: OpenCredential) -> Refusal:
        return credential.id, self.run.revisions.get(credential.id, 0)
