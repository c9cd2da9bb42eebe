"""What all runs of one worker share: its ways into machines, how many at once, and where the agents come from."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.kit.secrets import KeyRing
from watchbill.onboarding.base import Address, Installer, OnboardingError, Packages, Platform, Ports, Sighting

Resolved = Mapping[str, Sequence[Address]]
#: An address, and ports that its entries give besides those of the job.
Spot = tuple[Address, Sequence[int]]


class Discovery(Protocol):
    """Who looks for machines: one for all runs of a worker, which keeps to its rate for them together."""

    async def resolve(self, names: Collection[str]) -> tuple[Resolved, Mapping[str, str]]:
        """The addresses of names; and of those that have none, why."""

    async def name_of(self, address: Address) -> str | None:
        """What the resolver calls an address, soon or not at all: a hint for people."""

    def sweep(self, spots: Sequence[Spot], ports: Ports) -> AbstractAsyncContextManager[AsyncIterator[Sighting]]:
        """What each address shows, as it comes; at the end of the block nothing is looked at any more."""

    def platform_of(self, sighting: Sighting) -> tuple[Platform | None, str]:
        """What a machine is by what it shows, and why it is taken for that."""

    def ports_of(self, sighting: Sighting, ports: Ports) -> Ports:
        """Where the ways in really are at a machine, whose entries may give ports of their own."""


@dataclass(frozen=True)
class Workplace:
    """`installs`: machines that are worked on at once, of all runs. `most_addresses`: what a scope may have at the time of its run."""

    keys: KeyRing
    discovery: Discovery
    linux: Installer
    windows: Installer
    packages: Callable[[str], Packages]
    installs: asyncio.Semaphore
    most_addresses: int


def no_way_in(detail: str) -> OnboardingError:
    """It is there, but there is nothing to sign in to."""
    return OnboardingError(OnboardingState.UNREACHABLE, OnboardingReason.NO_WAY_IN, detail)
