"""Credentials, and jobs that sign in with one, as they lie in the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import credentials
from watchbill.identity import ENGINE
from watchbill.kit.secrets import KeyRing, Secret

_GIVE = text("""
UPDATE jobs SET credential_id = :credential, definition = definition || jsonb_build_object('credential_id', CAST(:credential AS bigint))
WHERE id = :job
""")


def revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret is not None else None


async def make_credential(
    tx: AsyncConnection, name: str, site_id: int | None = None, *, keys: KeyRing, now: datetime, **changes: Any
) -> int:
    definition = {"name": name, "kind": "ssh", "username": "root", "password": "x-ray of a key", "site_id": site_id}
    return (await credentials.create(tx, ENGINE, definition | changes, keys=keys, now=now)).id


async def sign_in_with(tx: AsyncConnection, job_id: int, credential_id: int) -> None:
    """Make a job of a script one that signs in: with scripts it could not be saved so."""
    await tx.execute(_GIVE, {"job": job_id, "credential": credential_id})


async def lose(tx: AsyncConnection) -> None:
    """A look at all credentials with a ring that has none of their keys."""
    await credentials.check_keys(tx, KeyRing("k9", {"k9": bytes(32)}))
