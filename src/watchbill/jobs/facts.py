"""What is known of the assemblies that jobs, and nodes of workflows, run: looked up at once, and held as it is for a save."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies, variables
from watchbill.core.job_rules import AssemblyFacts
from watchbill.core.variable_rules import required
from watchbill.identity import Actor


async def assembly_facts(tx: AsyncConnection, wanted: Collection[tuple[UUID, int | None]]) -> dict[UUID, AssemblyFacts]:
    """Of these assemblies, each at its latest revision and those asked for; they are not archived until the transaction ends."""
    found = await assemblies.hold_many(tx, {assembly_id for assembly_id, _ in wanted}) if wanted else []
    numbered = [(one, number) for one, number in wanted if number is not None]
    pinned = await assemblies.load_revisions(tx, numbered)
    without_files = await assemblies.hold_files(tx, numbered)
    return {
        one.id: AssemblyFacts(
            latest=one.revision,
            is_archived=one.archived_at is not None,
            revisions={one.revision: one.draft}
            | {number: revision.draft for (key, number), revision in pinned.items() if key == one.id},
            without_files={number for key, number in without_files if key == one.id},
        )
        for one in found
    }


async def set_elsewhere(tx: AsyncConnection, actor: Actor, known: Mapping[UUID, AssemblyFacts]) -> set[str]:
    """The variables that these assemblies require, as far as they have a value for everything, a site or a device."""
    drafts = [draft for one in known.values() for draft in one.revisions.values()]
    names = {name for draft in drafts for name in required(draft, ())}
    return await variables.names_with_values(tx, actor.scope, names)
