"""The key ring looked after: rotated, with everything sealed anew under the new key, and what is sealed under which key told.

A lost key locks the credentials that need it, and pauses their jobs: found here, at the start of a scheduler, and on use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import agents, credentials, jobs, notifications, runs, sites, variables, vpn, workflows
from watchbill.apps import sealed
from watchbill.apps.wiring import Engine
from watchbill.kit import key_sources
from watchbill.kit.secrets import KeyRing


@dataclass(frozen=True, slots=True)
class Locked:
    """What a look for lost keys came to: the credentials that no key opens, and how many jobs were paused for it."""

    credentials: frozenset[int]
    paused_jobs: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """`is_new`: the active key was made, or taken from the staged one, just now; else everything was sealed under the one there is."""

    active: str
    is_new: bool
    resealed: int
    locked: Locked


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One key: whether the ring has it, and what is sealed under it by kind."""

    key: str
    is_in_ring: bool
    is_active: bool
    sealed: Mapping[str, int]


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal all that is kept under the active key; returns how many rows were sealed anew. What cannot be opened stays as it is.

    A ring of one key has nothing older.
    """
    if len(keys.keys) == 1:
        return 0
    owners = (agents, sites, variables, credentials, jobs, runs, notifications, vpn, workflows)
    return sum([await owner.reseal(tx, keys) for owner in owners])


async def lock_out(tx: AsyncConnection, keys: KeyRing, now: datetime) -> Locked:
    """Find the credentials whose key is lost, or is back, and pause the jobs that need one that is lost."""
    checked = await credentials.check_keys(tx, keys)
    return Locked(checked.locked, await jobs.pause_locked(tx, now))


async def rotate(engine: Engine) -> Rotated:
    """A new active key, in a ring that is a file, and everything sealed anew under it. The old keys stay in the ring."""
    config = engine.settings
    async with engine.db.begin() as tx:
        now = await engine.clock.now(tx)
        await sealed.hold_rotation(tx)
        is_file = key_sources.is_file(config)
        keys = key_sources.rotate_file(config.key_ring_path) if is_file else engine.keys
        number = await reseal(tx, keys)
        return Rotated(keys.active, is_file, number, await lock_out(tx, keys, now))


async def status(engine: Engine) -> Sequence[KeyStatus]:
    """Every key of the ring, and those that are missing from it and something is sealed under."""
    async with engine.db.begin() as tx:
        found = await sealed.by_key(tx)
    names = [*engine.keys.keys, *sorted(found.keys() - engine.keys.keys.keys())]
    return [
        KeyStatus(name, name in engine.keys.keys, name == engine.keys.active, found.get(name, {})) for name in names
    ]
