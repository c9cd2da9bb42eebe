"""A device's tunnel: what it is to be, what the device says of it, the address it gets, and whether it can be used.

Who puts tunnels into desired states, who waits for them and the hub's process are told by NOTIFY in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.vpn_rules import REST, Readiness, TunnelState, fresh_addresses, key_problem, readiness_of
from watchbill.kit import db
from watchbill.vpn import reading, store
from watchbill.vpn.reading import TunnelWanted
from watchbill.vpn.store import HubRow

#: Heard by gateways: what is wanted of these devices has changed.
DESIRED_CHANNEL: Final = "watchbill_desired"
#: Heard by whoever waits for tunnels: something about those of these devices has changed.
CHANGED_CHANNEL: Final = "watchbill_vpn_changed"
#: Heard by the hub's process: look at the peers again.
HUB_CHANNEL: Final = "watchbill_vpn"

_SAME_KEY: Final = "another device has told the same key"
#: So many ids stay below the longest payload that there can be.
_IDS_IN_PAYLOAD: Final = 200
_LONGEST_DETAIL: Final = 500


@dataclass(frozen=True, slots=True)
class TunnelReported:
    """A device's end as it says itself. `public_key` None: it has made none."""

    public_key: str | None
    state: TunnelState
    detail: str | None = None


async def wanted(tx: AsyncConnection, device_ids: Sequence[UUID], now: datetime) -> dict[UUID, TunnelWanted]:
    """The tunnels that these devices are to have now; who is not named is to have none."""
    hub = await store.find_hub(tx)
    return {} if hub is None else await reading.wanted(tx, hub, device_ids, now)


async def prepare(tx: AsyncConnection, device_ids: Sequence[UUID], until: datetime, now: datetime) -> None:
    """Ask for open tunnels until then. One that is to be open for longer stays so."""
    opened = await store.open_tunnels(tx, sorted(device_ids), until, now)
    await tell(tx, DESIRED_CHANNEL, opened)
    await db.notify(tx, HUB_CHANNEL)


async def look_again(tx: AsyncConnection) -> None:
    """A device was enabled: the hub is to know it at once, and not at its next look."""
    await db.notify(tx, HUB_CHANNEL)


async def readiness(tx: AsyncConnection, device_ids: Sequence[UUID], now: datetime) -> dict[UUID, Readiness]:
    """Whether each of these devices can be reached through its tunnel now."""
    hub = await store.find_hub(tx)
    facts = await reading.facts_of(tx, device_ids)
    known = None if hub is None else hub.facts
    return {one: readiness_of(known, facts.get(one), now) for one in device_ids}


async def remove(tx: AsyncConnection, device_ids: Sequence[UUID], now: datetime) -> None:
    """Those of these devices that are revoked have no tunnel any more: the hub forgets their keys, and their addresses rest."""
    await store.hold_pool(tx)
    released = await store.release(tx, sorted(device_ids), now)
    await tell(tx, DESIRED_CHANNEL, released)
    await tell(tx, CHANGED_CHANNEL, released)
    await db.notify(tx, HUB_CHANNEL)


# --- what devices report -------------------------------------------------------------------------------------------------


async def note_reported(tx: AsyncConnection, reported: Mapping[UUID, TunnelReported], now: datetime) -> None:
    """Store what devices say of their tunnels. With its first key a device gets an address.

    A key that is none, or that another device has, is not taken: the device is told of as without a key, and why.
    """
    admitted = await _admit(tx, reported, now)
    changed = await store.put_reports(tx, _rows(reported), now)
    await tell(tx, DESIRED_CHANNEL, admitted)
    await tell(tx, CHANGED_CHANNEL, sorted({*changed, *admitted}))
    if admitted:
        await db.notify(tx, HUB_CHANNEL)


def _rows(reported: Mapping[UUID, TunnelReported]) -> list[tuple[UUID, str, str | None]]:
    return [
        (device_id, one.state.value, one.detail[:_LONGEST_DETAIL] if one.detail else None)
        for device_id, one in sorted(reported.items())
    ]


async def _admit(tx: AsyncConnection, reported: Mapping[UUID, TunnelReported], now: datetime) -> list[UUID]:
    """Take the keys that are new; returns the devices whose keys are."""
    told = {device_id: one.public_key for device_id, one in reported.items() if one.public_key is not None}
    known = await store.keys_of(tx, sorted(told))
    fresh = {device_id: key for device_id, key in sorted(told.items()) if known.get(device_id) != key}
    if not fresh:
        return []
    await store.hold_pool(tx)
    problems = _problems(fresh, await store.holders(tx, list(fresh.values())))
    accepted = {device_id: key for device_id, key in fresh.items() if device_id not in problems}
    await store.put_problems(tx, problems, now)
    await store.put_keys(tx, accepted, now)
    await give_addresses(tx, list(accepted), now)
    return list(fresh)


def _problems(fresh: Mapping[UUID, str], holders: Mapping[str, UUID]) -> dict[UUID, str]:
    """Why keys are not taken. Of two devices that tell the same one in a batch, the second is refused as if it had come later."""
    problems, taken = {}, dict(holders)
    for device_id, key in fresh.items():
        problem = key_problem(key)
        if problem is None and taken.setdefault(key, device_id) != device_id:
            problem = _SAME_KEY
        if problem is not None:
            problems[device_id] = problem
    return problems


async def give_addresses(tx: AsyncConnection, device_ids: Sequence[UUID] | None, now: datetime) -> None:
    """Give those of the devices (None: of all) an address that have none, as far as there are addresses. The pool is held."""
    hub = await store.find_hub(tx)
    if hub is None:
        return
    lacking = await store.without_address(tx, device_ids)
    if lacking:
        found = await _addresses(tx, hub, len(lacking), now)
        await store.assign(tx, dict(zip(lacking, found, strict=False)))


async def _addresses(tx: AsyncConnection, hub: HubRow, number: int, now: datetime) -> list[str]:
    """Those that nobody ever had first, so that the others rest as long as they can."""
    fresh = fresh_addresses(hub.subnet, await store.highest_address(tx), number)
    lacking = number - len(fresh)
    rested = await store.recycle(tx, lacking, before=now - REST) if lacking else []
    return [str(one) for one in [*fresh, *rested]]


async def tell(tx: AsyncConnection, channel: str, device_ids: Sequence[UUID]) -> None:
    parts = range(0, len(device_ids), _IDS_IN_PAYLOAD)
    if parts:
        payloads = [",".join(map(str, device_ids[one : one + _IDS_IN_PAYLOAD])) for one in parts]
        await db.notify_all(tx, channel, payloads)
