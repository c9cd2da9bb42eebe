"""`/api/operators`: accounts of people. For admins."""

from typing import Annotated

from fastapi import Query
from pydantic import Field, SecretStr, StringConstraints

from watchbill import identity, sites
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Id,
    Instant,
    Model,
    Now,
    PageOf,
    SearchQuery,
    Tx,
    router,
    ruled,
)
from watchbill.identity import EVERY_SITE, Operator, OperatorChange, OperatorDraft, Permission, Role

resource = router(prefix="/api/operators", tags=["operators"])

Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
DisplayName = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]
NewPassword = Annotated[SecretStr, ruled(identity.passwords.problems)]
Denied = Annotated[
    list[Permission], Field(max_length=len(Permission), description="permissions of the role that this account lacks")
]


class OperatorCreate(Model):
    """`site_ids` and `denied_permissions` are for operators and viewers; an admin sees every site and may do everything."""

    username: Username
    password: NewPassword
    role: Role
    display_name: DisplayName = ""
    site_ids: Annotated[list[Id], Field(default_factory=list)]
    denied_permissions: Annotated[Denied, Field(default_factory=list)]
    enabled: bool = True
    must_change_password: bool = True


class OperatorUpdate(Model):
    """Only the fields that are given change. A new password must be changed at the next sign-in unless said otherwise."""

    display_name: DisplayName | None = None
    role: Role | None = None
    enabled: bool | None = None
    site_ids: list[Id] | None = None
    denied_permissions: Denied | None = None
    password: NewPassword | None = None
    must_change_password: bool | None = None


class OperatorReply(Model):
    id: int
    username: str
    display_name: str
    role: Role
    enabled: bool
    must_change_password: bool
    site_ids: list[int]
    denied_permissions: list[Permission]
    created_at: Instant
    updated_at: Instant
    last_login_at: Instant | None


class RoleReply(Model):
    """What a role may do. `deniable`: what of it an account may lack."""

    role: Role
    permissions: list[Permission]
    deniable: list[Permission]


class RolesReply(Model):
    items: list[RoleReply]


def _shape(operator: Operator) -> OperatorReply:
    fields = {name: getattr(operator, name) for name in OperatorReply.model_fields}
    lists = {name: sorted(fields[name]) for name in ("site_ids", "denied_permissions")}
    return OperatorReply(**(fields | lists))


def _sets(body: OperatorCreate | OperatorUpdate) -> dict[str, frozenset[int] | frozenset[Permission] | None]:
    return {
        "site_ids": None if body.site_ids is None else frozenset(body.site_ids),
        "denied_permissions": None if body.denied_permissions is None else frozenset(body.denied_permissions),
    }


@resource.get("")
async def list_operators(tx: Tx, caller: Caller, query: Annotated[SearchQuery, Query()]) -> PageOf[OperatorReply]:
    """Accounts by username."""
    page = await identity.list_operators(tx, caller, q=query.q, limit=query.limit, cursor=query.cursor)
    return PageOf[OperatorReply].of(page, _shape)


@resource.post("", status_code=201)
async def create_operator(body: OperatorCreate, tx: Tx, caller: Caller, now: Now) -> OperatorReply:
    """Make an account."""
    given = body.model_dump() | {"password": body.password.get_secret_value()} | _sets(body)
    there = await sites.existing(tx, body.site_ids, EVERY_SITE)
    return _shape(await identity.create_operator(tx, caller, OperatorDraft(**given), existing_sites=there, now=now))


@resource.get("/roles")
async def list_roles(caller: Caller) -> RolesReply:
    """The roles, and what each may do."""
    found = identity.list_roles(caller)
    return RolesReply(
        items=[
            RoleReply(role=role, permissions=sorted(rights.permissions), deniable=sorted(rights.deniable))
            for role, rights in found.items()
        ]
    )


@resource.get("/{operator_id}")
async def get_operator(operator_id: Id, tx: Tx, caller: Caller) -> OperatorReply:
    """One account."""
    return _shape(await identity.get_operator(tx, caller, operator_id))


@resource.patch("/{operator_id}")
async def update_operator(operator_id: Id, body: OperatorUpdate, tx: Tx, caller: Caller, now: Now) -> OperatorReply:
    """Change an account. A new password, another role or disabling ends its sessions."""
    password = body.password.get_secret_value() if body.password else None
    change = OperatorChange(**(body.model_dump() | {"password": password} | _sets(body)))
    there = await sites.existing(tx, body.site_ids or [], EVERY_SITE)
    return _shape(await identity.update_operator(tx, caller, operator_id, change, existing_sites=there, now=now))


@resource.delete("/{operator_id}", status_code=204)
async def delete_operator(operator_id: Id, tx: Tx, caller: Caller, now: Now) -> None:
    """Delete an account whose name stands nowhere yet; disable any other."""
    await identity.delete_operator(tx, caller, operator_id, now=now)
