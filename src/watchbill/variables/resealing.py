"""Secrets sealed anew under the key that is active: what makes an old key of the ring dispensable."""

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.kit.secrets import KeyRing
from watchbill.variables import store
from watchbill.variables.sealed import context


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what an older key sealed under the active one; how many that were. What cannot be opened stays as it is."""
    renewed = {
        row_id: (envelope, keys.renewed(envelope, context(variable_id)))
        for row_id, variable_id, envelope in await store.sealed(tx)
    }
    fresh = {row_id: after for row_id, (before, after) in renewed.items() if after != before}
    await store.replace_sealed(tx, fresh)
    return len(fresh)
