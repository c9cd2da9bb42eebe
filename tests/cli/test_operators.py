"""`watchbill operators` against a real API."""

import asyncio

import pytest

from tests.cli.conftest import Engine, Watchbill
from tests.factories import people
from watchbill.identity import Role
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database


@pytest.fixture
def otto(engine: Engine, unique: str) -> str:
    """The username of an operator."""

    async def make() -> None:
        db = Database(engine.environment["WATCHBILL_DATABASE_URL"])
        async with db.begin() as tx:
            await people.make_operator(tx, f"otto-{unique}", Role.OPERATOR, now=await Clock().now(tx))
        await db.close()

    asyncio.run(make())
    return f"otto-{unique}"


def test_a_permission_is_denied_shown_and_allowed_again(signed_in: Watchbill, otto: str):
    done = signed_in("operators", "deny", otto, "run_as_system", "assemblies:write")
    assert done.code == 0, done.err
    assert "assemblies:write, run_as_system" in done.out
    row = signed_in("operators", "list", "-q", otto, "--json").json["items"][0]
    assert (row["username"], row["denied_permissions"]) == (otto, ["assemblies:write", "run_as_system"])
    assert signed_in("operators", "allow", otto, "run_as_system", "--json").json["denied_permissions"] == [
        "assemblies:write"
    ]
    assert otto in signed_in("operators", "show", otto).out


def test_what_is_no_permission_of_the_role_is_refused_by_name(signed_in: Watchbill, otto: str):
    for wrong in ("sites:write", "flying"):
        done = signed_in("operators", "deny", otto, wrong)
        assert done.code != 0 and "denied_permissions" in done.err
    assert signed_in("operators", "show", otto, "--json").json["denied_permissions"] == []
