"""A run that brings machines under management, from its scope to the last row. Safe to be taken up by another worker at any moment.

One of the places that may catch broadly: a fault with one machine ends its row, not the run.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import credentials
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.core.scope import Place as ScopePlace
from watchbill.core.scope import expand, read_scope
from watchbill.credentials import CredentialLockedError, OpenCredential
from watchbill.executors import LeaseLostError
from watchbill.kit import instances, log
from watchbill.kit.errors import NotFoundError
from watchbill.kit.service import wait_any
from watchbill.onboarding.base import Installed, OnboardingError, Ports, Sighting, Site
from watchbill.onboarding.guard import RunGuard
from watchbill.onboarding.ledger import Ledger, Step
from watchbill.onboarding.machine import (
    EngineSide,
    KeepingGuard,
    Place,
    ports_in_words,
    timeline_of,
    way_into,
)
from watchbill.onboarding.reach import server_for
from watchbill.onboarding.workplace import Workplace
from watchbill.queue import Lease
from watchbill.runs import onboarding as rows
from watchbill.runs.onboarding import Facts, OnboardingRun, Pending
from watchbill.runs.onboarding_moves import OnboardingMove, close_onboarding, withdraw_run

_S, _R = OnboardingState, OnboardingReason
#: Stops are rung for; this is for those that were missed.
_LOOK_SECONDS: Final = 15.0
_WAITING: Final = "Its agent runs, and waits for a person's approval."

_logger = log.get("onboarding")


@dataclass(frozen=True, slots=True)
class Bells:
    """Rung when a run may be to be stopped, and when a machine has asked to be enrolled."""

    stops: asyncio.Event
    requests: asyncio.Event


async def work(workplace: Workplace, lease: Lease, step: Step, bells: Bells) -> None:
    """Do what is left of a leased run. LeaseLostError once another worker holds it."""
    ledger = Ledger(step, lease.run_id)
    run = await ledger.do(lambda tx, _now: rows.told(tx, lease.run_id))
    if run.occurrence_state != "open":
        return
    try:
        await _Run(workplace, ledger, lease, run, bells).do()
    except ExceptionGroup as group:
        raise _cause(group) from group


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """Of what ended tasks together the one that tells: a lost lease before all else."""
    cause: Exception = group.subgroup(LeaseLostError) or group
    while isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[0]
    return cause


@dataclass
class _Run:
    workplace: Workplace
    ledger: Ledger
    lease: Lease
    run: OnboardingRun
    bells: Bells
    _machines: "asyncio.Queue[tuple[Pending, Sighting] | None]" = field(default_factory=asyncio.Queue)
    _logins: Sequence[OpenCredential] = ()
    _no_logins: str = ""
    _guard: RunGuard = field(default_factory=lambda: RunGuard({}))

    async def do(self) -> None:
        if not self.run.is_placed:
            await self._place()
        run_id = self.lease.run_id
        await self.ledger.do(lambda tx, now: rows.take_up(tx, run_id, now))
        why = await self._why_stop()
        if why is None:
            await self.ledger.do(lambda tx, now: rows.recognise(tx, run_id, now))
            await self._prepare()
            why = await self._until_stopped()
        if why is not None:
            await self.ledger.do(lambda tx, now: withdraw_run(tx, run_id, why, now))
        await self.ledger.do(self._close)

    async def _close(self, tx: AsyncConnection, now: datetime) -> None:
        """Where nothing was to be looked at, nothing else closes it. What is left, by a fault of ours, is for another attempt."""
        left = await close_onboarding(tx, self.lease.run_id, now)
        if left:
            raise ValueError(f"{left} addresses were not looked at")

    # --- what there is -----------------------------------------------------------------------------------------------------

    async def _place(self) -> None:
        scope, told = None, self.run.scope
        scope, problems = read_scope(
            told["entries"], told["exclusions"], field="targets.0", most=self.workplace.most_addresses
        )
        if scope is None:
            # It was sound when it was saved: what a scope may have has become less since.
            raise ValueError("; ".join(one.message for one in problems))
        resolved, failures = await self.workplace.discovery.resolve(scope.names_to_resolve)
        unknown = [f"{name} ({failures[name]})" for name in scope.excluded_names if name in failures]
        if unknown:
            # Whom it would leave out is not known, so nobody is looked at: an exclusion that fails must not let anything in.
            raise ValueError(f"an exclusion leads to no address: {', '.join(unknown)}")
        found = [one for one in expand(scope, resolved) if _is_meant(one, told.get("only"))]
        places = [one if one.address else replace(one, detail=_why_nowhere(one, failures)) for one in found]
        run_id = self.lease.run_id
        await self.ledger.do(lambda tx, now: rows.put_places(tx, run_id, self.run, places, now))

    async def _prepare(self) -> None:
        ids = self.run.component["credential_ids"]
        opened, faults = await self.ledger.do(lambda tx, _now: _open(tx, self.workplace, ids))
        self._logins, self._no_logins = opened, "; ".join(faults)
        self._guard = RunGuard({one.id: one.revision for one in opened})

    # --- looking and installing --------------------------------------------------------------------------------------------

    async def _until_stopped(self) -> str | None:
        """Work until all is done, or there is a reason to stop."""
        async with asyncio.TaskGroup() as group:
            inner = group.create_task(self._look_and_install())
            watch = group.create_task(self._stopped())
            await asyncio.wait((inner, watch), return_when=asyncio.FIRST_COMPLETED)
            if inner.done():
                watch.cancel()
                return None
            inner.cancel()
            await asyncio.wait((inner,))
            return watch.result()

    async def _stopped(self) -> str:
        while True:
            self.bells.stops.clear()
            why = await self._why_stop()
            if why is not None:
                return why
            await wait_any((self.bells.stops,), _LOOK_SECONDS)

    async def _why_stop(self) -> str | None:
        async def look(tx: AsyncConnection, now: datetime) -> str | None:
            if (await rows.told(tx, self.lease.run_id)).is_cancelled:
                return "It was cancelled"
            stop_by = self.run.component.get("stop_by_at")
            is_over = stop_by is not None and now >= datetime.fromisoformat(stop_by)
            return "The time for the whole run was over" if is_over else None

        return await self.ledger.do(look)

    async def _look_and_install(self) -> None:
        swept = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ledger.write_soon(until=swept))
            for _ in range(self.run.component["concurrency"]):
                group.create_task(self._install_each())
            await self._sweep()
            swept.set()
            for _ in range(self.run.component["concurrency"]):
                self._machines.put_nowait(None)

    async def _sweep(self) -> None:
        waiting = await self.ledger.do(lambda tx, _now: rows.pending(tx, self.lease.run_id))
        by_address = {ipaddress.ip_address(one.address): one for one in waiting}
        spots = [(address, one.ports) for address, one in by_address.items()]
        ports = self._ports()
        async with self.workplace.discovery.sweep(spots, ports) as sightings:
            async for sighting in sightings:
                self._note(by_address[sighting.address], sighting)

    def _ports(self) -> Ports:
        told = self.run.component
        return Ports(ssh=told["ssh_port"], winrm=told["winrm_port"], smb=told["smb_port"])

    def _note(self, row: Pending, sighting: Sighting) -> None:
        if sighting.is_seen:
            self._machines.put_nowait((row, sighting))
            return
        why = f"Nothing answers there: {ports_in_words(sighting)}."
        self.ledger.soon(OnboardingMove(row.id, _S.UNREACHABLE, _R.NO_ANSWER, why))

    async def _install_each(self) -> None:
        while (found := await self._machines.get()) is not None:
            async with self.workplace.installs:
                await self._one(*found)

    async def _one(self, row: Pending, sighting: Sighting) -> None:
        site_id, run_id = self.lease.site_id, self.lease.run_id
        if not await self.ledger.do(lambda tx, now: rows.take_one(tx, site_id, row.id, now)):
            return
        ports = self.workplace.discovery.ports_of(sighting, self._ports())
        # For each anew: an API process may come, or come back, while the run goes on.
        reach = await self.ledger.do(instances.api_reach)
        place = Place(row, site_id, run_id, sighting, ports, reach)
        limit = asyncio.timeout(self.run.time_limit_seconds)
        try:
            async with limit:
                installed = await self._install(place)
            end = await self._installed(place, installed)
        except LeaseLostError:
            raise
        except OnboardingError as error:
            await self._name(place)
            end = await self._ended(place, error)
        except Exception as error:
            end = self._fault(row, error, is_late=limit.expired())
        await self.ledger.end(end)

    async def _ended(self, place: Place, error: OnboardingError) -> OnboardingMove:
        if error.reason in (_R.ALREADY_MANAGED, _R.ALREADY_PENDING):
            asked = await self._link(place, Facts())
            if asked:  # by an earlier worker of this run, which died before it could say so
                return OnboardingMove(place.row.id, _S.WAITING_APPROVAL, None, _WAITING)
        return OnboardingMove(place.row.id, error.state, error.reason, str(error), error.snippet)

    def _fault(self, row: Pending, error: Exception, *, is_late: bool) -> OnboardingMove:
        if is_late:
            limit = self.run.time_limit_seconds
            why = f"It was not done within {limit} seconds, and what had been begun was taken back."
            return OnboardingMove(row.id, _S.FAILED, _R.TIMED_OUT, why)
        _logger.error("onboarding.failed", run=self.lease.run_id, target=row.id, exc_info=error)
        why = f"Something went wrong on the Engine's side: {type(error).__name__}."
        return OnboardingMove(row.id, _S.FAILED, _R.STEP_FAILED, why)

    async def _name(self, place: Place) -> None:
        """Of a machine that was not entered: what the resolver calls it, for people to find it by."""
        if place.row.names or (name := await self.workplace.discovery.name_of(place.address)) is None:
            return
        await self.ledger.do(lambda tx, _now: rows.name(tx, place.row.id, name))

    async def _install(self, place: Place) -> Installed:
        story = timeline_of(self.ledger, place, list(await self._lines(place.row.id)))
        await story.note("look for it", f"Seen: {ports_in_words(place.sighting)}.")
        way = way_into(self.workplace, self.run.component["platform"], place)
        await self.ledger.do(lambda tx, _now: rows.note(tx, place.row.id, Facts(platform=way.platform)))
        if not self._logins:
            why = (
                f"No credential of the job can be used: {self._no_logins}." if self._no_logins else "The job has none."
            )
            raise OnboardingError(_S.AUTH_FAILED, _R.NO_CREDENTIAL, why)
        branch = self.run.component["install_branch"]
        site = Site(server_for(place.reach, place.address), branch=branch)
        engine = EngineSide(self.ledger, place, self.bells.requests)
        async with self._guarded(place) as guard:
            packages = self.workplace.packages(branch)
            return await way.installer(way.machine, self._logins, guard, packages, engine, site, story)

    async def _lines(self, target_id: int) -> Sequence[dict[str, Any]]:
        return await self.ledger.do(lambda tx, _now: rows.lines_of(tx, target_id))

    @asynccontextmanager
    async def _guarded(self, place: Place) -> AsyncIterator[KeepingGuard]:
        where = self.lease.site_id, place.row.address
        refused = await self.ledger.do(lambda tx, now: rows.refused_before(tx, *where, now))
        # Who starts a run by hand asks for the try.
        known = refused if self.run.kind == "schedule" else set()
        async with self._guard.on_machine(known) as guard:
            yield KeepingGuard(guard, self.ledger, place)

    async def _installed(self, place: Place, installed: Installed) -> OnboardingMove:
        row = place.row
        known = Facts(
            hostname=installed.hostname,
            agent_version=installed.version,
            credential_id=installed.credential_id,
            device_id=rows.as_device_id(installed.repaired),
        )
        has_asked = await self._link(place, known)
        if installed.repaired is not None:
            return OnboardingMove(row.id, _S.APPROVED, None, "It is a device already; its agent was put in order.")
        if not has_asked:
            why = "Its agent runs, and has not asked to be enrolled."
            return OnboardingMove(row.id, _S.FAILED, _R.NOT_ENROLLED, why)
        return OnboardingMove(row.id, _S.WAITING_APPROVAL, None, _WAITING)

    async def _link(self, place: Place, known: Facts) -> bool:
        """Keep what is known of a machine, with the request that it made for this row; whether it made one."""

        async def keep(tx: AsyncConnection, _now: datetime) -> bool:
            asked = await rows.request_of(tx, place.row.id)
            await rows.note(tx, place.row.id, replace(known, approval_id=asked))
            return asked is not None

        return await self.ledger.do(keep)


def _why_nowhere(place: ScopePlace, failures: Mapping[str, str]) -> str:
    why = next((failures[name] for name in place.names if name in failures), place.detail)
    return f"{place.key} leads to no address: {why or 'there is no such name'}."


def _is_meant(place: ScopePlace, only: Iterable[str] | None) -> bool:
    """Whether a place is among those that a run is for."""
    return only is None or not {place.key, *place.names}.isdisjoint(only)


async def _open(
    tx: AsyncConnection, workplace: Workplace, ids: Sequence[int]
) -> tuple[list[OpenCredential], list[str]]:
    """The credentials that can be used, in their order, and why others cannot."""
    opened, faults = [], []
    for one in ids:
        try:
            opened.append(await credentials.open_for_use(tx, workplace.keys, one))
        except CredentialLockedError as error:
            faults.append(str(error).rstrip("."))
        except NotFoundError:
            faults.append(f"credential {one} is not there any more")
    return opened, faults
