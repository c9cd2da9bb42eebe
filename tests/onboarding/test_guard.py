"""The guard of a run: one try for an account and machine, waits after refusals, and nobody held up by a try that was cut off."""

import asyncio

import pytest

from tests.onboarding.acting import credential
from watchbill.core.lockout import ASIDE_AFTER, FREE
from watchbill.onboarding.guard import RunGuard

ADA, ADA_TOO, BOB = (
    credential(1, username="ada"),
    credential(2, username="ADA"),
    credential(3, username="bob"),
)
REVISIONS = {1: 7, 2: 1, 3: 4}


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_two_credentials_of_one_account_are_one_try_on_a_machine() -> None:
    run = RunGuard(REVISIONS)
    async with run.on_machine() as guard:
        assert await guard.may_try(ADA) is None
        await guard.tried(ADA, accepted=False)
        assert "one try" in str(await guard.may_try(ADA_TOO))
        assert await guard.may_try(BOB) is None
        assert guard.refused == [(1, 7)]
    async with run.on_machine() as other:
        assert await other.may_try(ADA_TOO) is None, "another machine has another try"


async def test_what_the_machine_refused_before_is_not_tried_until_it_is_changed() -> None:
    async with RunGuard(REVISIONS).on_machine([(1, 7)]) as guard:
        assert "refused it before" in str(await guard.may_try(ADA))
        assert await guard.may_try(ADA_TOO) is None, "the other credential of the account had no try here"
    async with RunGuard({1: 8}).on_machine([(1, 7)]) as guard:
        assert await guard.may_try(ADA) is None


async def test_a_credential_that_was_accepted_may_sign_in_again() -> None:
    async with RunGuard(REVISIONS).on_machine() as guard:
        assert await guard.may_try(ADA) is None
        await guard.tried(ADA, accepted=True)
        assert await guard.may_try(ADA) is None


async def test_only_a_few_are_tried_before_the_account_is_known_to_be_right_and_then_all() -> None:
    run = RunGuard(REVISIONS)
    going = 0
    first = asyncio.Event()

    async def machine() -> None:
        nonlocal going
        async with run.on_machine() as guard:
            assert await guard.may_try(ADA) is None
            going += 1
            await first.wait()
            await guard.tried(ADA, accepted=True)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(machine())
        await asyncio.sleep(0.1)
        assert going == FREE
        first.set()
    assert going == 20


async def test_refusals_in_a_row_are_waited_after_and_in_the_end_the_account_is_set_aside() -> None:
    hours = Hours()
    run = RunGuard(REVISIONS, hours)
    for turn in range(ASIDE_AFTER):
        async with run.on_machine() as guard:
            if turn >= FREE:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await guard.may_try(ADA)
            hours.now += 60
        async with run.on_machine() as guard:
            assert await guard.may_try(ADA) is None
            await guard.tried(ADA, accepted=False)
    async with run.on_machine() as guard:
        assert "set aside" in str(await guard.may_try(ADA))
        assert await guard.may_try(BOB) is None, "it is the account that is set aside"


async def test_a_try_that_is_cut_off_holds_nobody_up() -> None:
    run = RunGuard(REVISIONS)
    for _ in range(20):
        async with run.on_machine() as guard:
            assert await guard.may_try(ADA) is None
