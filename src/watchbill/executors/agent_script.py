"""Scripts run by the agent: the executor lets targets go; gateways deliver them, and devices answer when they can."""

from watchbill.executors.base import RunPort, WorkRequest


async def execute(_request: WorkRequest, run: RunPort) -> None:
    """Release what may go of the item. It then ends: neither devices nor waves are waited for; who makes a place queues another."""
    while await run.release():
        continue
