"""Secrets sealed anew under the key that is active: what makes an old key of the ring dispensable."""

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.kit.secrets import KeyRing
from watchbill.variables import store
from watchbill.variables.sealed import context


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal what an older key sealed under the active one; how many that were."""
    old = [one for one in await store.sealed(tx) if not keys.is_current(one[2])]
    fresh = {
        row_id: keys.seal(keys.open(envelope, context(variable_id)), context(variable_id))
        for row_id, variable_id, envelope in old
    }
    await store.replace_sealed(tx, fresh)
    return len(fresh)
