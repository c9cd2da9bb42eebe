"""Scripts run by the agent: the executor lets targets go; gateways deliver them, and devices answer when they can."""

from watchbill.executors.base import RunPort, WorkRequest


async def execute(_request: WorkRequest, run: RunPort) -> None:
    """Release every target of the item. It then ends: waiting for devices needs no worker."""
    while await run.release():
        continue
