"""A workflow that asks a person, and runs of it for the authorization matrix."""

from typing import Any
from uuid import UUID

from tests.api.workflow_graphs import document, node
from watchbill import workflows
from watchbill.workflows import Documents, Launch


def asking() -> dict[str, Any]:
    """A workflow that asks a person at once."""
    made = document(node("ask", "approval", message="May it go on?", timeout_seconds=86_400), name="Asks")
    made["workflow"]["concurrency"] = "allow"
    return made


async def begun_run(maker: Any, workflow_id: str, site_id: int | None) -> dict[str, Any]:
    """A run that waits for a person, for one site, or for every site where none is named."""
    sites = None if site_id is None else [site_id]
    async with maker.deps.db.begin() as tx:
        now = await maker.deps.clock.now(tx)
        run_id = await workflows.launch(tx, Launch(UUID(workflow_id), allowed_site_ids=sites), now)
        await workflows.step(tx, Documents(), now)
    return {"workflow_run_id": run_id}
