"""One machine of a run: by which way it is entered, what the install asks of the Engine, and what is kept of how it went."""

import asyncio
import ipaddress
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import agents
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.credentials import OpenCredential
from watchbill.devices import host_keys
from watchbill.kit.clock import rfc3339
from watchbill.kit.instances import Reach
from watchbill.kit.service import wait_any
from watchbill.onboarding.base import Guard, Installer, Known, Machine, OnboardingError, Platform, Ports, Sighting
from watchbill.onboarding.ledger import Ledger
from watchbill.onboarding.timeline import Line, Timeline
from watchbill.onboarding.workplace import Workplace, no_way_in
from watchbill.runs import onboarding as rows
from watchbill.runs.onboarding import Facts, Pending
from watchbill.runs.onboarding_moves import OnboardingMove, move_onboarding

#: With these the first thing is written on a machine.
_WRITING: Final = frozenset(("upload", "fetch", "install"))
_PAUSE_SECONDS: Final = 5.0
_S, _R = OnboardingState, OnboardingReason


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine is: the row, its site, what was seen there, and how it comes to the Engine."""

    row: Pending
    site_id: int
    run_id: int
    sighting: Sighting
    ports: Ports
    reach: Reach | None

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        return ipaddress.ip_address(self.row.address)


@dataclass
class EngineSide:
    """Implements `base.Engine` for one machine."""

    ledger: Ledger
    place: Place
    #: Set when a request for approval has come.
    requests: asyncio.Event

    async def device(self, device_id: str) -> Known | None:
        try:
            key = uuid.UUID(device_id)
        except ValueError:
            return None

        async def look(tx: AsyncConnection, _now: datetime) -> Any:
            return await rows.device_told(tx, key)

        row = await self.ledger.do(look)
        if row is None:
            return None
        return Known(row.hostname, is_accepted=row.status != "revoked", is_online=bool(row.is_online))

    async def check_host_key(self, offered: str) -> str | None:
        async def look(tx: AsyncConnection, now: datetime) -> str | None:
            return await self._check(tx, offered, now)

        return await self.ledger.do(look)

    async def _check(self, tx: AsyncConnection, offered: str, now: datetime) -> str | None:
        place, row = self.place, self.place.row
        shown = host_keys.fingerprint(offered)
        known = await rows.device_by_key(tx, offered, place.site_id, now)
        if known is not None and known.is_heard:
            whose = f"the device {known.hostname}" if known.is_here else "a device of another site"
            raise OnboardingError(_S.SKIPPED, _R.ALREADY_MANAGED, f"By its SSH host key it is {whose}.")
        other = await rows.same_machine(tx, place.run_id, row.id, shown)
        if other is not None:
            why = f"By its SSH host key it is the machine at {other}, which this run is at."
            raise OnboardingError(_S.SKIPPED, _R.SAME_MACHINE, why)
        await rows.note(tx, row.id, Facts(host_key=shown))
        before = await rows.distrust(tx, place.site_id, row.address, place.ports.ssh, offered, now)
        if before is None:
            return None
        return (
            f"The SSH host key of this address has changed: {host_keys.fingerprint(before)} is known, and it shows {shown}. "
            "If another machine has the address now, or it was installed anew, forget the known key."
        )

    async def issue_code(self) -> str:
        async def issue(tx: AsyncConnection, now: datetime) -> str:
            return await agents.issue_code(tx, self.place.site_id, self.place.row.id, now)

        code = await self.ledger.do(issue)
        pin = self.place.reach.certificate_pin if self.place.reach else None
        return f"{code}.{pin}" if pin else code

    async def enrolled(self, seconds: float) -> bool:
        async def look(tx: AsyncConnection, _now: datetime) -> bool:
            return await rows.request_of(tx, self.place.row.id) is not None

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self.requests.clear()
                    if await self.ledger.do(look):
                        return True
                    await wait_any((self.requests,), _PAUSE_SECONDS)
        return await self.ledger.do(look)


@dataclass
class KeepingGuard:
    """A guard whose answers are kept, for the runs to come."""

    guard: Guard
    ledger: Ledger
    place: Place
    accepted: OpenCredential | None = None

    async def may_try(self, credential: OpenCredential) -> str | None:
        return await self.guard.may_try(credential)

    async def tried(self, credential: OpenCredential, *, accepted: bool) -> None:
        await self.guard.tried(credential, accepted=accepted)
        where, what = (self.place.site_id, self.place.row.address), (credential.id, credential.revision)

        async def keep(tx: AsyncConnection, now: datetime) -> None:
            await rows.note_login(tx, where, what, now, accepted=accepted)
            if accepted:
                known = Facts(credential_id=credential.id, credential_name=credential.name)
                await rows.note(tx, self.place.row.id, known)

        await self.ledger.do(keep)
        if accepted:
            self.accepted = credential


def timeline_of(ledger: Ledger, place: Place, lines: list[Line]) -> Timeline:
    """The timeline of a machine, after the lines that it has. With the first write there its row is `installing`.

    A line is one transaction: twenty machines at once tell of a dozen tasks each.
    """
    row = place.row

    async def store(written: Sequence[Line], line: Line, stamps: Sequence[str]) -> None:
        async def write(tx: AsyncConnection, now: datetime) -> None:
            line.update(dict.fromkeys(stamps, rfc3339(now)))
            if line["state"] == "running" and line["task"] in _WRITING:
                await move_onboarding(tx, [OnboardingMove(row.id, _S.INSTALLING)], now)
            await rows.write_timeline(tx, place.run_id, row.id, written, now)

        await ledger.do(write)

    return Timeline(store, lines)


@dataclass(frozen=True, slots=True)
class Way:
    """How a machine is entered."""

    installer: Installer
    platform: Platform
    machine: Machine


def way_into(workplace: Workplace, wanted: str, place: Place) -> Way:
    """Which way to take; OnboardingError where there is none, or the job is not for such machines."""
    platform, why = workplace.discovery.platform_of(place.sighting)
    if wanted != "auto" and platform is not None and platform != wanted:
        raise OnboardingError(
            _S.UNSUPPORTED, _R.PLATFORM, f"It is taken for {platform} ({why}); the job is for {wanted}."
        )
    chosen = platform if wanted == "auto" else _platform(wanted)
    if chosen is None:
        raise no_way_in(f"It is there, but nothing of it can be signed in to: {ports_in_words(place.sighting)}.")
    names = [name for name in place.row.names if name != place.row.address]
    machine = Machine(place.address, place.ports, place.sighting, names[0] if names else None)
    return Way(workplace.linux if chosen == "linux" else workplace.windows, chosen, machine)


def _platform(wanted: str) -> Platform:
    return "windows" if wanted == "windows" else "linux"


def ports_in_words(sighting: Sighting) -> str:
    """What each tried port said."""
    return ", ".join(f"{one.port} {_said(one.detail, is_open=one.is_open)}" for one in sighting.knocks)


def _said(detail: str, *, is_open: bool) -> str:
    state = "open" if is_open else "closed"
    return f"{state} ({detail})" if detail else state
