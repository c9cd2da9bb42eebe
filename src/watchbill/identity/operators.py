"""Operators' accounts: who there is, with which role and sites. Passwords are hashed before they come near the store."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.identity import audit, passwords, store
from watchbill.identity.actor import ENGINE, ROLE_PERMISSIONS, Actor, Permission, Role
from watchbill.identity.store import Operator
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of

_RESERVED = {ENGINE.name}


@dataclass(frozen=True, slots=True)
class OperatorDraft:
    """A new account."""

    username: str
    role: Role
    password: str
    display_name: str = ""
    site_ids: frozenset[int] = frozenset()
    denied_permissions: frozenset[Permission] = frozenset()
    enabled: bool = True
    must_change_password: bool = True


@dataclass(frozen=True, slots=True)
class OperatorChange:
    """What to change of an account; None leaves a field as it is."""

    display_name: str | None = None
    role: Role | None = None
    enabled: bool | None = None
    site_ids: frozenset[int] | None = None
    denied_permissions: frozenset[Permission] | None = None
    password: str | None = None
    must_change_password: bool | None = None


@dataclass(frozen=True, slots=True)
class Rights:
    """What a role may do, and what of it may be denied to an account."""

    permissions: frozenset[Permission]
    deniable: frozenset[Permission]


def list_roles(actor: Actor) -> dict[Role, Rights]:
    actor.require(Permission.OPERATORS_WRITE)
    return {
        role: Rights(rights, frozenset() if role is Role.ADMIN else rights - {Permission.READ})
        for role, rights in ROLE_PERMISSIONS.items()
    }


async def list_operators(
    tx: AsyncConnection, actor: Actor, *, q: str | None = None, limit: int, cursor: str | None = None
) -> Page[Operator]:
    actor.require(Permission.OPERATORS_WRITE)
    after = None if cursor is None else str(decode_cursor(cursor, (str,))[0])
    rows = await store.list_operators(tx, q=q, after=after, limit=limit + 1)
    return page_of(rows, limit, lambda operator: (operator.username.lower(),))


async def get_operator(tx: AsyncConnection, actor: Actor, operator_id: int) -> Operator:
    actor.require(Permission.OPERATORS_WRITE)
    operator = await store.find_operator(tx, operator_id)
    if operator is None:
        raise NotFoundError("There is no such operator.")
    return operator


async def create_operator(
    tx: AsyncConnection, actor: Actor, draft: OperatorDraft, *, existing_sites: Collection[int], now: datetime
) -> Operator:
    """Make an account. `existing_sites`: those of `draft.site_ids` that there are."""
    actor.require(Permission.OPERATORS_WRITE)
    found = passwords.problems(draft.password, username=draft.username)
    if draft.username.lower() in _RESERVED:
        found.append(Problem("username", "reserved", "is the name of the Engine itself"))
    found += _site_problems(draft.role, draft.site_ids, existing_sites)
    found += _denial_problems(draft.role, draft.denied_permissions)
    if found:
        raise InvalidError.of(found, what="The operator")
    _require_no_more(actor, draft.role, draft.denied_permissions)
    operator_id = await _insert(tx, draft, now)
    detail = {
        "username": draft.username,
        "role": draft.role,
        "site_ids": sorted(draft.site_ids),
        "denied_permissions": sorted(draft.denied_permissions),
    }
    await audit.record(tx, actor, "operator.created", "operator", operator_id, now=now, detail=detail)
    return await get_operator(tx, actor, operator_id)


async def _insert(tx: AsyncConnection, draft: OperatorDraft, now: datetime) -> int:
    values = {
        "username": draft.username,
        "display_name": draft.display_name,
        "password_hash": await passwords.hashed(draft.password),
        "must_change_password": draft.must_change_password,
        "role": draft.role.value,
        "enabled": draft.enabled,
        "denied_permissions": sorted(draft.denied_permissions),
        "created_at": now,
        "updated_at": now,
    }
    operator_id = await store.insert_operator(tx, values)
    await store.set_sites(tx, operator_id, draft.site_ids)
    return operator_id


def _site_problems(role: Role, site_ids: Collection[int], existing: Collection[int]) -> list[Problem]:
    if role is Role.ADMIN and site_ids:
        return [Problem("site_ids", "not_for_admins", "must be empty for an admin, who sees every site")]
    return [
        Problem("site_ids", "unknown_site", f"there is no site {site_id}")
        for site_id in sorted(set(site_ids) - set(existing))
    ]


def _denial_problems(role: Role, denied: Collection[Permission]) -> list[Problem]:
    if role is Role.ADMIN and denied:
        return [Problem("denied_permissions", "not_for_admins", "must be empty for an admin, who may do everything")]
    found = [
        Problem("denied_permissions", "not_of_role", f"{permission} is not a permission of the role {role} at all")
        for permission in sorted(set(denied) - ROLE_PERMISSIONS[role])
    ]
    if Permission.READ in denied:
        message = "read cannot be taken away: give the account no sites, or disable it"
        found.append(Problem("denied_permissions", "not_deniable", message))
    return found


def _require_no_more(actor: Actor, role: Role, denied: Collection[Permission]) -> None:
    """Whoever gives rights, or takes over an account by its password, must have them: a token may have fewer than its owner."""
    lacking = sorted(ROLE_PERMISSIONS[role] - set(denied) - actor.permissions)
    if lacking:
        named = ", ".join(f"`{permission}`" for permission in lacking)
        detail = f"That account may do what {actor.name} may not: {named}."
        raise ForbiddenError(detail, code="exceeds_own_permissions")


async def update_operator(
    tx: AsyncConnection,
    actor: Actor,
    operator_id: int,
    change: OperatorChange,
    *,
    existing_sites: Collection[int],
    now: datetime,
) -> Operator:
    """Change an account. A new password, a new role or a disabled account ends its sessions."""
    before = await get_operator(tx, actor, operator_id)
    role = change.role or before.role
    denied = _denied_after(before, change)
    found = _site_problems(role, change.site_ids or (), existing_sites)
    found += _denial_problems(role, denied)
    if change.password is not None:
        found += passwords.problems(change.password, username=before.username)
    if found:
        raise InvalidError.of(found, what="The operator")
    _require_no_more(actor, before.role, before.denied_permissions)
    _require_no_more(actor, role, denied)
    if role is not Role.ADMIN or change.enabled is False:
        await _keep_an_admin(tx, before)
    await _apply(tx, before, change, denied, now)
    after = await get_operator(tx, actor, operator_id)
    await audit.record(
        tx, actor, "operator.updated", "operator", operator_id, now=now, detail=_changes(before, after, change)
    )
    return after


def _denied_after(before: Operator, change: OperatorChange) -> frozenset[Permission]:
    """What is denied after the change: what the new role does not have anyway is forgotten."""
    if change.denied_permissions is not None:
        return change.denied_permissions
    role = change.role or before.role
    return frozenset() if role is Role.ADMIN else before.denied_permissions & ROLE_PERMISSIONS[role]


async def _apply(
    tx: AsyncConnection, before: Operator, change: OperatorChange, denied: frozenset[Permission], now: datetime
) -> None:
    values: dict[str, object] = {"updated_at": now, "denied_permissions": sorted(denied)}
    for name in ("display_name", "enabled", "must_change_password"):
        if (value := getattr(change, name)) is not None:
            values[name] = value
    if change.role is not None:
        values["role"] = change.role.value
    if change.password is not None:
        values["password_hash"] = await passwords.hashed(change.password)
        values.setdefault("must_change_password", True)
    await store.update_operator(tx, before.id, values)
    site_ids = frozenset[int]() if change.role is Role.ADMIN else change.site_ids
    if site_ids is not None:
        await store.set_sites(tx, before.id, site_ids)
    if change.password is not None or change.enabled is False or change.role not in (None, before.role):
        await store.delete_sessions_of(tx, before.id)


def _changes(before: Operator, after: Operator, change: OperatorChange) -> dict[str, object]:
    """What an audit row says: old and new values, and of a password only that it was set."""
    shown: dict[str, object] = {"username": before.username}
    for name in ("display_name", "role", "enabled", "must_change_password"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            shown[name] = [old, new]
    for name in ("site_ids", "denied_permissions"):
        if getattr(before, name) != getattr(after, name):
            shown[name] = [sorted(getattr(before, name)), sorted(getattr(after, name))]
    if change.password is not None:
        shown["is_password_set"] = True
    return shown


async def delete_operator(tx: AsyncConnection, actor: Actor, operator_id: int, *, now: datetime) -> None:
    operator = await get_operator(tx, actor, operator_id)
    await _keep_an_admin(tx, operator)
    await store.delete_operator(tx, operator_id)
    detail = {"username": operator.username}
    await audit.record(tx, actor, "operator.deleted", "operator", operator_id, now=now, detail=detail)


async def _keep_an_admin(tx: AsyncConnection, operator: Operator) -> None:
    """Refuse to take away the last account that can give rights to others."""
    if await store.lock_enabled_admins(tx) == {operator.id}:
        raise ConflictError(f"{operator.username} is the last enabled admin and must stay one.", code="last_admin")


async def bootstrap_admin(tx: AsyncConnection, now: datetime, *, given_password: str | None = None) -> str | None:
    """Make the operator `admin` when there is nobody yet.

    Returns the one-time password that was made up for it; None when there was somebody, or when the password was given.
    """
    if await store.has_operators(tx):
        return None
    password = given_password or passwords.generated()
    found = passwords.problems(password, username="admin", field="WATCHBILL_ADMIN_PASSWORD")
    if found:
        raise InvalidError.of(found, what="The first admin's password")
    draft = OperatorDraft("admin", Role.ADMIN, password, "Administrator", must_change_password=given_password is None)
    try:
        operator_id = await _insert(tx, draft, now)
    except ConflictError:  # another process was first; its password stands
        return None
    await audit.record(tx, ENGINE, "operator.created", "operator", operator_id, now=now, detail={"username": "admin"})
    return None if given_password else password
