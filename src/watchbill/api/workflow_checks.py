"""What saves assemblies when one may be a workflow: whether it may be saved depends on what it names, which is looked at in the same
transaction, so that nothing of it can be archived before the save.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.assemblies import Verdicts
from watchbill.core.assembly_check import check
from watchbill.core.assembly_rules import AssemblyKind
from watchbill.identity import Actor
from watchbill.workflows import references


async def with_references(
    tx: AsyncConnection, actor: Actor, definition: object, verdicts: Verdicts, own_id: UUID | None = None
) -> Verdicts:
    """The verdicts with the one on a workflow. `own_id`: the workflow that is to be changed; None = the one of its name, if there is one."""
    if not isinstance(definition, Mapping) or definition.get("kind") != AssemblyKind.WORKFLOW:
        return verdicts
    draft = check(definition).draft
    if draft.workflow is None:
        return verdicts
    if own_id is None:
        own_id = next((one.id for one in await assemblies.find_named(tx, [draft.name])), None)
    found = await references.judge(tx, actor, draft.workflow, own_id)
    return {**verdicts, assemblies.tree_digest(draft): found}
