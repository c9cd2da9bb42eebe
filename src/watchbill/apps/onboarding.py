"""What a site worker brings machines under management with: how it looks for them, its ways in, its packages, its transactions."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import queue
from watchbill.agent_packages import DamagedPackageError, NoPackageError, PackageCache
from watchbill.apps.wiring import Engine
from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.executors import LeaseLostError
from watchbill.kit.certificates import trusted_by_system
from watchbill.onboarding import discovery, runner
from watchbill.onboarding.base import Address, OnboardingError, PackageFile, Packages, Platform, Ports, Sighting
from watchbill.onboarding.discovery import Limiter, SweepLimits
from watchbill.onboarding.discovery_names import resolve, reverse_name
from watchbill.onboarding.discovery_platform import found_ports, platform_of
from watchbill.onboarding.runner import Bells
from watchbill.onboarding.ssh import SshInstaller
from watchbill.onboarding.windows import WindowsInstaller
from watchbill.onboarding.workplace import Resolved, Spot, Workplace
from watchbill.queue import Lease

#: How long a resolver may take to say what a machine is called that did not say it itself.
_NAME_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Looking:
    """Implements `workplace.Discovery`; one for a process, whose sweeps share sockets and rate."""

    limits: SweepLimits
    limiter: Limiter

    async def resolve(self, names: Collection[str]) -> tuple[Resolved, Mapping[str, str]]:
        found = await resolve(names)
        return found.addresses, found.failures

    async def name_of(self, address: Address) -> str | None:
        return await reverse_name(address, seconds=_NAME_SECONDS)

    @asynccontextmanager
    async def sweep(self, spots: Sequence[Spot], ports: Ports) -> AsyncIterator[AsyncIterator[Sighting]]:
        async with discovery.sweep(spots, ports, self.limits, self.limiter) as sightings:
            yield sightings

    def platform_of(self, sighting: Sighting) -> tuple[Platform | None, str]:
        return platform_of(sighting)

    def ports_of(self, sighting: Sighting, ports: Ports) -> Ports:
        return found_ports(sighting, ports)


@dataclass(frozen=True)
class BranchPackages:
    """Implements `base.Packages`: those of one branch, by way of this machine's cache."""

    engine: Engine
    cache: PackageCache
    branch: str

    async def get(self, platform: str, arch: str) -> PackageFile:
        try:
            return await self.cache.get(self.engine.db.begin, self.branch, platform, arch)
        except NoPackageError as error:
            raise OnboardingError(OnboardingState.UNSUPPORTED, OnboardingReason.NO_PACKAGE, str(error)) from error
        except DamagedPackageError as error:
            raise OnboardingError(OnboardingState.FAILED, OnboardingReason.PACKAGE_REFUSED, str(error)) from error


def workplace(engine: Engine) -> Workplace:
    """What all runs of this process share."""
    settings = engine.settings
    limits = SweepLimits(per_second=settings.onboarding_probes_per_second)
    cache = PackageCache.of(settings)

    async def now() -> datetime:
        async with engine.db.begin() as tx:
            return await engine.clock.now(tx)

    def packages(branch: str) -> Packages:
        return BranchPackages(engine, cache, branch)

    return Workplace(
        keys=engine.keys,
        discovery=Looking(limits, Limiter(limits)),
        linux=SshInstaller(now),
        windows=WindowsInstaller(now, settings.winrm_trust or trusted_by_system()),
        packages=packages,
        installs=asyncio.Semaphore(settings.onboarding_installs_at_once),
        most_addresses=settings.onboarding_addresses,
    )


async def work(engine: Engine, place: Workplace, lease: Lease, stops: asyncio.Event, requests: asyncio.Event) -> None:
    """Do what is left of a leased run of onboarding. The events are those of `runner.Bells`."""

    @asynccontextmanager
    async def step() -> AsyncIterator[tuple[AsyncConnection, datetime]]:
        async with engine.db.begin() as tx:
            if not await queue.holds(tx, lease, is_shared=True):
                raise LeaseLostError
            yield tx, await engine.clock.now(tx)

    await runner.work(place, lease, step, Bells(stops, requests))
