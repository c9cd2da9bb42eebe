"""The password policy and its hashing."""

import asyncio

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from watchbill.identity import passwords

GOOD = "correct horse battery"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("elevenchars", "password_length"),
        ("x" * 257 + "abcdef", "password_length"),
        ("aaaaaaaaaaaabb", "password_monotonous"),
        ("ADA-marlow12", "password_has_username"),
    ],
)
def test_a_weak_password_is_refused_with_its_reason(password: str, code: str):
    assert [problem.code for problem in passwords.problems(password, username="ada-marlow")] == [code]


def test_a_short_username_inside_a_long_password_is_no_fault():
    assert passwords.problems("a dark night in canada", username="ada") == []


def test_a_generated_password_passes_the_policy_and_is_never_the_same():
    made = {passwords.generated() for _ in range(50)}
    assert len(made) == 50
    assert all(passwords.problems(password, username="admin") == [] for password in made)


async def test_a_hash_fits_its_password_only_and_is_salted():
    first, second = await asyncio.gather(passwords.hashed(GOOD), passwords.hashed(GOOD))
    assert first != second
    assert first.startswith("$argon2id$")
    assert await passwords.is_right(GOOD, first)
    assert not await passwords.is_right(GOOD + " ", first)


async def test_an_unknown_operator_costs_the_same_work_and_never_fits():
    own = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    assert passwords.is_outdated(own)
    assert not passwords.is_outdated(passwords.NOBODYS_HASH)  # the same parameters as a real one of today
    assert not await passwords.is_right(GOOD, None)


async def test_composed_and_decomposed_letters_are_the_same_password():
    stored = await passwords.hashed("Größenwahn überall")
    assert await passwords.is_right("Größenwahn u\u0308berall", stored)


@given(garbage=st.text(max_size=60))
@settings(max_examples=30, deadline=None)
async def test_a_broken_hash_fits_nothing(garbage: str):
    assert not await passwords.is_right(GOOD, garbage or "x")


async def test_hashing_leaves_the_event_loop_free():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        await passwords.hashed(GOOD)
        ticking.cancel()
    assert ticks > 5
