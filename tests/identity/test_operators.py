"""Operators' accounts, below the API."""

import asyncio

import pytest

from tests.factories.people import make_actor, make_operator
from watchbill import identity
from watchbill.identity import ENGINE, OperatorChange, Role
from watchbill.identity.store import find_login, find_operator
from watchbill.kit.errors import ConflictError, InvalidError


async def test_the_first_start_makes_an_admin_with_a_one_time_password(db, clock):
    async with db.begin() as tx:
        password = await identity.bootstrap_admin(tx, await clock.now(tx))
        found = await find_login(tx, "admin")
    assert found is not None and password is not None
    operator, password_hash = found
    assert await identity.passwords.is_right(password, password_hash)
    assert (operator.role, operator.must_change_password) == (Role.ADMIN, True)


async def test_a_later_start_makes_nobody(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        await make_operator(tx, "vera", Role.VIEWER, now=now)
        assert await identity.bootstrap_admin(tx, now) is None
        assert await find_login(tx, "admin") is None


async def test_a_given_first_password_is_not_told_again_and_need_not_be_changed(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        assert await identity.bootstrap_admin(tx, now, given_password="a wholly new phrase") is None
        found = await find_login(tx, "admin")
    assert found is not None and found[0].must_change_password is False


async def test_a_given_first_password_must_keep_the_policy(db, clock):
    async with db.begin() as tx:
        with pytest.raises(InvalidError) as raised:
            await identity.bootstrap_admin(tx, await clock.now(tx), given_password="short")
    assert raised.value.problems[0].field == "WATCHBILL_ADMIN_PASSWORD"


async def test_two_first_starts_at_once_make_one_admin(db, clock):
    async def start() -> str | None:
        async with db.begin() as tx:
            return await identity.bootstrap_admin(tx, await clock.now(tx))

    made = await asyncio.gather(start(), start())
    assert sum(password is not None for password in made) == 1


async def test_two_admins_cannot_disable_each_other_at_the_same_moment(db, clock):
    async with db.begin() as tx:
        now = await clock.now(tx)
        ada = await make_operator(tx, "ada", Role.ADMIN, now=now)
        bea = await make_operator(tx, "bea", Role.ADMIN, now=now)

    async def disable(operator_id: int) -> bool:
        try:
            async with db.begin() as tx:
                change = OperatorChange(enabled=False)
                await identity.update_operator(tx, ENGINE, operator_id, change, existing_sites=(), now=now)
        except ConflictError as error:
            assert error.code == "last_admin"
            return False
        return True

    assert sorted(await asyncio.gather(disable(ada.id), disable(bea.id))) == [False, True]
    async with db.begin() as tx:
        left = [await find_operator(tx, one.id) for one in (ada, bea)]
    assert sorted(operator is not None and operator.enabled for operator in left) == [False, True]


async def test_an_actor_without_any_site_sees_nothing(db, clock):
    async with db.begin() as tx:
        actor = await make_actor(tx, "lost", Role.OPERATOR, now=await clock.now(tx))
    assert actor.scope.as_list() == []
    assert not actor.scope.allows(1)
    assert not actor.scope.allows(None)
