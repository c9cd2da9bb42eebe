"""Operators and sessions. Passwords are hashed with cheap parameters, so that a test costs milliseconds."""

from datetime import datetime, timedelta

from argon2 import PasswordHasher
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import identity
from watchbill.identity import Actor, Operator, Role, Session
from watchbill.identity.sessions import actor_of
from watchbill.identity.store import find_operator
from watchbill.identity.tables import operator_sites, operators

PASSWORD = "correct horse battery"
CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


async def make_operator(
    tx: AsyncConnection,
    username: str,
    role: Role,
    *,
    now: datetime,
    site_ids: tuple[int, ...] = (),
    enabled: bool = True,
    must_change_password: bool = False,
) -> Operator:
    values = {
        "username": username,
        "display_name": username.title(),
        "password_hash": CHEAP_HASH,
        "must_change_password": must_change_password,
        "role": role.value,
        "enabled": enabled,
        "created_at": now,
        "updated_at": now,
    }
    made = await tx.execute(insert(operators).values(values).returning(operators.c.id))
    operator_id = made.scalar_one()
    if site_ids:
        rows = [{"operator_id": operator_id, "site_id": site_id} for site_id in site_ids]
        await tx.execute(insert(operator_sites), rows)
    operator = await find_operator(tx, operator_id)
    assert operator is not None
    return operator


async def make_actor(
    tx: AsyncConnection, username: str, role: Role, *, now: datetime, site_ids: tuple[int, ...] = ()
) -> Actor:
    """An operator as features see one."""
    return actor_of(await make_operator(tx, username, role, now=now, site_ids=site_ids), "192.0.2.9")


async def sign_in(tx: AsyncConnection, operator: Operator, *, now: datetime) -> Session:
    return await identity.open_session(tx, operator.id, lifetime=timedelta(hours=1), now=now)
