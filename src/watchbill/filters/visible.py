"""Which filters a reader sees, and looking them up for whoever names them. Decides nothing else.

A filter for chosen sites is seen where one of them is seen; any other one where its scope reaches: of everybody's sites, everywhere.
"""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.targets import FilterFacts
from watchbill.identity.actor import SiteScope

#: Whether a reader of the sites in `:sites` (NULL = all) sees the filter `f`.
IS_SEEN: Final = """(CAST(:sites AS bigint[]) IS NULL OR (
    (f.allowed_site_ids IS NULL OR f.allowed_site_ids && CAST(:sites AS bigint[]))
    AND (f.site_mode <> 'only' OR f.site_ids && CAST(:sites AS bigint[]))))"""

_FACTS = text(f"""
SELECT f.id, f.name, f.archived_at IS NOT NULL AS is_archived FROM device_filters f
WHERE f.id = ANY(CAST(:ids AS bigint[])) AND f.deleted_at IS NULL AND {IS_SEEN} FOR SHARE OF f
""")

_NAMES = text(f"SELECT f.id, f.name FROM device_filters f WHERE f.id = ANY(CAST(:ids AS bigint[])) AND {IS_SEEN}")

_NAMED = text(f"""
SELECT f.name, f.id FROM device_filters f
WHERE f.archived_at IS NULL AND lower(f.name) IN (SELECT lower(n) FROM unnest(CAST(:names AS text[])) n)
  AND f.name = ANY(CAST(:names AS text[])) AND {IS_SEEN} ORDER BY f.id
""")


async def facts_of(tx: AsyncConnection, scope: SiteScope, ids: Collection[int]) -> dict[int, FilterFacts]:
    """Of these filters, those that the reader sees; they cannot be archived or deleted until the transaction ends."""
    if not ids:
        return {}
    rows = await tx.execute(_FACTS, {"ids": sorted(ids), "sites": scope.as_list()})
    return {row.id: FilterFacts(row.name, row.is_archived) for row in rows}


async def names_of(tx: AsyncConnection, scope: SiteScope, ids: Collection[int]) -> dict[int, str]:
    """The names of these filters, as far as the reader sees them."""
    if not ids:
        return {}
    rows = await tx.execute(_NAMES, {"ids": sorted(ids), "sites": scope.as_list()})
    return {row.id: row.name for row in rows}


async def ids_named(tx: AsyncConnection, scope: SiteScope, names: Sequence[str]) -> dict[str, list[int]]:
    """The visible filters with exactly these names that are not archived, oldest first."""
    found: dict[str, list[int]] = {name: [] for name in names}
    for row in await tx.execute(_NAMED, {"names": list(names), "sites": scope.as_list()}) if names else ():
        found[row.name].append(row.id)
    return found
