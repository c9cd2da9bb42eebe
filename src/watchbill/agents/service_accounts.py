"""Service accounts: the login that the Engine has on a device, made and kept by its agent. Asked for, rotated and removed by operators.

What is wanted goes out as desired state; what a device tells counts for that device alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import devices
from watchbill.agents import account_store
from watchbill.agents.account_keys import (
    AccountKey,
    UnfitPasswordError,
    new_key,
    open_password,
    password_context,
    password_key_context,
    ssh_context,
    ssh_private_key,
)
from watchbill.agents.account_store import Account, ToldRow
from watchbill.core.fields import join
from watchbill.core.problems import Problem
from watchbill.core.service_accounts import (
    USERNAME,
    AccountAction,
    AccountState,
    Wanted,
    is_changed_by,
    state_of,
)
from watchbill.devices import DeviceStatus, Seen
from watchbill.identity import Actor, Permission, audit
from watchbill.kit import db, events
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.kit.events import Event
from watchbill.kit.secrets import KeyRing, Secret, SecretError, encode
from watchbill_wire import ServiceAccountReported, ServiceAccountWanted

#: NOTIFY with ids of devices, by commas, of which something else is wanted than before: their gateways tell them.
DESIRED_CHANNEL = "watchbill_desired"
#: A payload has room for 8,000 bytes.
_IDS_TOGETHER = 200
#: What changing an account takes: it is a login with every right on the device.
ACCOUNT_PERMISSIONS = (Permission.DEVICES_WRITE, Permission.RUN_AS_SYSTEM)
_REVOKED = "A revoked device is not reached any more."
_WORDS = {AccountAction.CREATE: "created", AccountAction.ROTATE: "rotated", AccountAction.REMOVE: "removed"}


@dataclass(frozen=True, slots=True)
class AllowedAction:
    """Whether the reader may do something that changes the account, and why not."""

    action: AccountAction
    allowed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A device's account as people see it."""

    device_id: UUID
    username: str
    state: AccountState
    detail: str | None
    requested_at: datetime | None
    requested_by: str | None
    told_at: datetime | None
    allowed_actions: Sequence[AllowedAction]


@dataclass(frozen=True, slots=True)
class AccountCount:
    """Devices asked for, and how many of them change."""

    devices: int
    changed: int


@dataclass(frozen=True, slots=True)
class ServiceLogin:
    """How to sign in to a device. Neither key nor password: what is kept of it cannot be opened, or its device has sent none."""

    username: str
    private_key: Secret | None = None
    password: Secret | None = None


# --- people ------------------------------------------------------------------------------------------------------------


async def get_service_account(tx: AsyncConnection, actor: Actor, device_id: UUID) -> ServiceAccount:
    """Also of a device that never had one."""
    device = await devices.get_device(tx, actor, device_id)
    found = await account_store.find_accounts(tx, [device_id])
    return _shown(actor, device_id, device.status, found.get(device_id))


def _shown(actor: Actor, device_id: UUID, status: DeviceStatus, found: Account | None) -> ServiceAccount:
    state = state_of(found.facts if found else None)
    return ServiceAccount(
        device_id,
        USERNAME,
        state,
        found.detail if found else None,
        found.requested_at if found else None,
        found.requested_by if found else None,
        found.told_at if found else None,
        [_allowed(actor, status, state, action) for action in AccountAction],
    )


def _allowed(actor: Actor, status: DeviceStatus, state: AccountState, action: AccountAction) -> AllowedAction:
    reason = None
    lacking = [one for one in ACCOUNT_PERMISSIONS if not actor.may(one)]
    if lacking:
        reason = f"This needs the permission `{lacking[0]}`."
    elif status is DeviceStatus.REVOKED:
        reason = _REVOKED
    elif not is_changed_by(state, action):
        reason = "There is one already." if action is AccountAction.CREATE else "There is none on this device."
    return AllowedAction(action, allowed=reason is None, reason=reason)


async def change_service_account(
    tx: AsyncConnection, actor: Actor, device_id: UUID, action: AccountAction, *, keys: KeyRing, now: datetime
) -> ServiceAccount:
    """Create, rotate or remove one. What is so already changes nothing; rotating needs one that is there."""
    device = await devices.lock_device(tx, actor, device_id)
    actor.require(*ACCOUNT_PERMISSIONS)
    if device.status is DeviceStatus.REVOKED:
        raise ConflictError(_REVOKED, code="device_revoked")
    before = await get_service_account(tx, actor, device_id)
    if action is AccountAction.ROTATE and not is_changed_by(before.state, action):
        raise ConflictError("There is no service account to rotate on this device.", code="no_service_account")
    seen = {device_id: Seen(device.hostname, device.site_id, device.status)}
    await _change(tx, actor, action, seen, keys=keys, now=now)
    return await get_service_account(tx, actor, device_id)


async def change_service_accounts(
    tx: AsyncConnection,
    actor: Actor,
    device_ids: Sequence[UUID],
    action: AccountAction,
    *,
    keys: KeyRing,
    now: datetime,
    is_dry_run: bool = False,
) -> AccountCount:
    """The same for many devices, or for none of them. Those that it does nothing for are counted as unchanged."""
    actor.require(Permission.READ)
    seen = await devices.lock_devices(tx, actor, device_ids)
    actor.require(*ACCOUNT_PERMISSIONS)
    problems = [one for place, device_id in enumerate(device_ids) if (one := _problem(place, seen.get(device_id)))]
    if problems:
        raise InvalidError.of(problems, what="The change")
    changed = (
        await _changing(tx, action, seen) if is_dry_run else await _change(tx, actor, action, seen, keys=keys, now=now)
    )
    return AccountCount(len(seen), len(changed))


def _problem(place: int, seen: Seen | None) -> Problem | None:
    path = join("device_ids", place)
    if seen is None:
        return Problem(path, "unknown_device", "there is no such device")
    if seen.status is DeviceStatus.REVOKED:
        return Problem(path, "device_revoked", f"{seen.hostname} is revoked, and not reached any more")
    return None


async def _changing(tx: AsyncConnection, action: AccountAction, seen: Mapping[UUID, Seen]) -> list[UUID]:
    found = await account_store.find_accounts(tx, seen)
    facts = {device_id: one.facts for device_id, one in found.items()}
    return sorted(one for one in seen if is_changed_by(state_of(facts.get(one)), action))


async def _change(
    tx: AsyncConnection,
    actor: Actor,
    action: AccountAction,
    seen: Mapping[UUID, Seen],
    *,
    keys: KeyRing,
    now: datetime,
) -> list[UUID]:
    changing = await _changing(tx, action, seen)
    if not changing:
        return []
    generations = await _generations(tx, changing, action, keys, now)
    wanted: Wanted = "absent" if action is AccountAction.REMOVE else "present"
    await account_store.want(tx, generations, wanted, by=actor.name, now=now)
    await announce(tx, changing)
    entries = [
        audit.About(one, seen[one].site_id, {"hostname": seen[one].hostname, "generation": generations[one]})
        for one in changing
    ]
    await audit.record_many(tx, actor, f"service_account.{_WORDS[action]}", "device", entries, now=now)
    await _publish(tx, [(one, seen[one].site_id) for one in changing], now)
    return changing


async def _generations(
    tx: AsyncConnection, device_ids: Sequence[UUID], action: AccountAction, keys: KeyRing, now: datetime
) -> dict[UUID, int]:
    """The key that each is to have. Rotating makes a new one for those that are rotated together."""
    if action is AccountAction.REMOVE:
        found = await account_store.find_accounts(tx, device_ids)
        return {one: found[one].generation for one in device_ids}
    await account_store.hold_keys(tx)
    newest = await account_store.newest_generation(tx)
    if newest is None or action is AccountAction.ROTATE:
        newest = await account_store.next_generation(tx)
        await account_store.insert_key(tx, new_key(keys, newest, now))
    return dict.fromkeys(device_ids, newest)


async def announce(tx: AsyncConnection, device_ids: Sequence[UUID]) -> None:
    """Something else is wanted of these devices than before."""
    parts = [device_ids[place : place + _IDS_TOGETHER] for place in range(0, len(device_ids), _IDS_TOGETHER)]
    await db.notify_all(tx, DESIRED_CHANNEL, [",".join(str(one) for one in part) for part in parts])


async def _publish(tx: AsyncConnection, places: Sequence[tuple[UUID, int | None]], now: datetime) -> None:
    told = [Event("device.service_account", {"device_id": str(one)}, site_id) for one, site_id in places]
    await events.publish(tx, told, now)


# --- devices -----------------------------------------------------------------------------------------------------------


async def service_accounts_wanted(
    tx: AsyncConnection, device_ids: Collection[UUID]
) -> dict[UUID, ServiceAccountWanted]:
    """What is wanted of each of which anything is. Until a device has told of a new key, the one before is authorised beside it."""
    return {row.device_id: _wish(row) for row in await account_store.wishes(tx, device_ids)}


def _wish(row: Row[Any]) -> ServiceAccountWanted:
    return ServiceAccountWanted(
        name=USERNAME,
        state=row.wanted,
        ssh_public_keys=tuple(key for key in (row.ssh_public_key, row.present_key) if key is not None),
        sudo=True,
        generation=row.generation,
        password_key=None if row.password_public_key is None else encode(row.password_public_key),
    )


async def service_accounts_told(
    tx: AsyncConnection, keys: KeyRing, told: Mapping[UUID, ServiceAccountReported], now: datetime
) -> None:
    """Store what devices say of their accounts; what was never wanted of one is passed over."""
    known = await account_store.find_accounts(tx, told) if told else {}
    if not known:
        return
    generations = {told[one].generation for one in known if told[one].password_sealed is not None}
    made = await account_store.find_keys(tx, generations) if generations else {}
    rows = [_row(keys, known[one], told[one], made.get(told[one].generation)) for one in sorted(known)]
    news = await account_store.tell(tx, rows, now)
    await _publish(tx, [(row.device_id, row.site_id) for row in news], now)
    moved = [row.device_id for row in news if row.has_moved]
    if moved:
        await announce(tx, moved)
        await account_store.forget_keys(tx)


def _row(keys: KeyRing, known: Account, told: ServiceAccountReported, key: AccountKey | None) -> ToldRow:
    """A password that is kept already is not opened again: devices tell it at each connection."""
    plain = ToldRow(known.device_id, told.state, told.generation, told.detail)
    is_kept = known.present_generation == told.generation and known.password_sealed is not None
    if told.password_sealed is None or told.state != "present" or key is None or is_kept:
        return plain
    try:
        password = open_password(keys, key, known.device_id, told.password_sealed)
    except (UnfitPasswordError, SecretError) as error:
        return replace(plain, told="failed", detail=str(error))
    return replace(plain, sealed=keys.seal_text(password.reveal(), password_context(known.device_id)))


# --- whoever signs in --------------------------------------------------------------------------------------------------


async def service_logins(tx: AsyncConnection, keys: KeyRing, device_ids: Collection[UUID]) -> dict[UUID, ServiceLogin]:
    """How to sign in to those of these devices whose account is there."""
    rows = await account_store.logins(tx, device_ids)
    made = await account_store.find_keys(tx, {row.present_generation for row in rows}) if rows else {}
    private = {generation: _opened(keys, key) for generation, key in made.items()}
    return {row.device_id: _login(keys, row, private.get(row.present_generation)) for row in rows}


def _login(keys: KeyRing, row: Row[Any], private_key: Secret | None) -> ServiceLogin:
    if row.os_family != "windows":
        return ServiceLogin(USERNAME, private_key)
    if row.password_sealed is None:
        return ServiceLogin(USERNAME)
    try:
        return ServiceLogin(USERNAME, None, keys.open_text(row.password_sealed, password_context(row.device_id)))
    except SecretError:
        return ServiceLogin(USERNAME)


def _opened(keys: KeyRing, key: AccountKey) -> Secret | None:
    try:
        return ssh_private_key(keys, key)
    except SecretError:
        return None


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what older keys sealed under the active one; returns how many rows."""
    number = 0
    for generation, key in (await account_store.find_keys(tx)).items():
        ssh = keys.renewed(key.ssh_private_sealed, ssh_context(generation))
        password = keys.renewed(key.password_private_sealed, password_key_context(generation))
        if (ssh, password) != (key.ssh_private_sealed, key.password_private_sealed):
            await account_store.reseal_key(tx, generation, ssh, password)
            number += 1
    old = await account_store.sealed_passwords(tx)
    renewed = {one: keys.renewed(sealed, password_context(one)) for one, sealed in old.items()}
    fresh = {one: sealed for one, sealed in renewed.items() if sealed != old[one]}
    await account_store.reseal_passwords(tx, fresh)
    return number + len(fresh)
