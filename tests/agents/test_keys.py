"""The Engine's signing keys."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select, update

from watchbill import agents
from watchbill.agents import NoSigningKeyError
from watchbill.agents.tables import engine_keys
from watchbill.kit.secrets import SecretError


async def test_there_is_one_key_however_many_processes_start_at_once(db, clock, keys):
    async def start() -> str:
        async with db.begin() as tx:
            return await agents.ensure_signing_key(tx, keys, await clock.now(tx))

    made = await asyncio.gather(*(start() for _ in range(4)))
    assert len(set(made)) == 1
    async with db.begin() as tx:
        signer = await agents.load_signer(tx, keys)
        ((key_id, public),) = await agents.public_keys(tx)
    assert signer.key_id == key_id == made[0]
    Ed25519PublicKey.from_public_bytes(public).verify(signer.sign(b"x"), b"x")


async def test_without_a_key_nothing_is_signed(db, keys):
    async with db.begin() as tx:
        assert await agents.public_keys(tx) == []
        with pytest.raises(NoSigningKeyError):
            await agents.load_signer(tx, keys)


async def test_a_retired_key_is_neither_told_nor_used(db, clock, keys):
    async with db.begin() as tx:
        now = await clock.now(tx)
        old = await agents.ensure_signing_key(tx, keys, now)
        await tx.execute(update(engine_keys).values(retired_at=now))
        new = await agents.ensure_signing_key(tx, keys, now)
        assert (await agents.load_signer(tx, keys)).key_id == new != old
        assert [key_id for key_id, _ in await agents.public_keys(tx)] == [new]


async def test_a_private_key_is_sealed_to_its_own_row(db, clock, keys):
    async with db.begin() as tx:
        now = await clock.now(tx)
        first = await agents.ensure_signing_key(tx, keys, now)
        sealed = (await tx.execute(select(engine_keys.c.private_key_sealed))).scalar_one()
        await tx.execute(update(engine_keys).values(retired_at=now))
        await agents.ensure_signing_key(tx, keys, now)
        await tx.execute(update(engine_keys).where(engine_keys.c.key_id != first).values(private_key_sealed=sealed))
        with pytest.raises(SecretError):
            await agents.load_signer(tx, keys)
