"""`/api/devices/…/service_account`: the account that the Engine has on a device, for one and for many."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from watchbill import agents, devices, filters
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, TheDeps, Tx, router
from watchbill.core.problems import Problem
from watchbill.core.service_accounts import AccountAction, AccountState
from watchbill.devices import MAX_DEVICES, DeviceFilter
from watchbill.kit.errors import InvalidError

resource = router(prefix="/api/devices", tags=["devices"])


class ServiceAccountAction(Model):
    action: AccountAction
    allowed: bool
    reason: str | None


class ServiceAccountReply(Model):
    """`detail`: why it failed or is not supported, in the words of the device. `told_at`: when the device told of it last."""

    device_id: UUID
    username: str
    state: AccountState
    detail: str | None
    requested_at: Instant | None
    requested_by: str | None
    told_at: Instant | None
    allowed_actions: list[ServiceAccountAction]


class ServiceAccountsChange(Model):
    """Which devices: by their ids, or all that a filter finds now and the caller sees, at most 5,000. One of the two."""

    action: AccountAction
    device_ids: Annotated[list[UUID] | None, Field(min_length=1, max_length=MAX_DEVICES)] = None
    filter_id: Id | None = None
    dry_run: Annotated[bool, Field(description="only count what would change")] = False


class ServiceAccountsChanged(Model):
    """`devices` asked for, and `changed` of them: for the others it is so already, or there is nothing to rotate."""

    action: Literal["create", "rotate", "remove"]
    devices: int
    changed: int
    dry_run: bool


@resource.post("/service_accounts")
async def change_service_accounts(
    body: ServiceAccountsChange, tx: Tx, caller: Caller, now: Now, deps: TheDeps
) -> ServiceAccountsChanged:
    """Create, rotate or remove the service accounts of many devices, or do none of it."""
    caller.require(*agents.ACCOUNT_PERMISSIONS)
    named = await _named(tx, caller, body, now)
    counted = await agents.change_service_accounts(
        tx, caller, named, body.action, keys=deps.keys, now=now, is_dry_run=body.dry_run
    )
    return ServiceAccountsChanged(
        action=body.action.value, devices=counted.devices, changed=counted.changed, dry_run=body.dry_run
    )


async def _named(tx: Tx, caller: Caller, body: ServiceAccountsChange, now: Now) -> list[UUID]:
    if (body.device_ids is None) == (body.filter_id is None):
        wrong = Problem("device_ids", "one_of", "give either device_ids or filter_id")
        raise InvalidError.of([wrong], what="The change")
    if body.filter_id is None:
        return body.device_ids or []
    await filters.get(tx, caller, body.filter_id)
    wanted = DeviceFilter(members_of=body.filter_id, now=now)
    page = await devices.list_devices(tx, caller, wanted, limit=MAX_DEVICES)
    if page.next_cursor is not None:
        wrong = Problem("filter_id", "too_many", f"finds more than {MAX_DEVICES} devices")
        raise InvalidError.of([wrong], what="The change")
    return [device.id for device in page.items]


@resource.get("/{device_id}/service_account")
async def get_service_account(device_id: UUID, tx: Tx, caller: Caller) -> ServiceAccountReply:
    """The service account of a device, also when it has none."""
    return ServiceAccountReply.model_validate(await agents.get_service_account(tx, caller, device_id))


@resource.post("/{device_id}/service_account")
async def create_service_account(
    device_id: UUID, tx: Tx, caller: Caller, now: Now, deps: TheDeps
) -> ServiceAccountReply:
    """Let the device make the account; what failed is begun anew. Where it is already, nothing changes."""
    action = AccountAction.CREATE
    changed = await agents.change_service_account(tx, caller, device_id, action, keys=deps.keys, now=now)
    return ServiceAccountReply.model_validate(changed)


@resource.post("/{device_id}/service_account/rotate")
async def rotate_service_account(
    device_id: UUID, tx: Tx, caller: Caller, now: Now, deps: TheDeps
) -> ServiceAccountReply:
    """Give the account a new key, or a new password on Windows. The one before holds until the device has it."""
    action = AccountAction.ROTATE
    changed = await agents.change_service_account(tx, caller, device_id, action, keys=deps.keys, now=now)
    return ServiceAccountReply.model_validate(changed)


@resource.delete("/{device_id}/service_account")
async def remove_service_account(
    device_id: UUID, tx: Tx, caller: Caller, now: Now, deps: TheDeps
) -> ServiceAccountReply:
    """Let the device remove the account with all that is its: home, keys, sudo rule, processes."""
    action = AccountAction.REMOVE
    changed = await agents.change_service_account(tx, caller, device_id, action, keys=deps.keys, now=now)
    return ServiceAccountReply.model_validate(changed)
