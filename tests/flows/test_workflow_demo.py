"""`make demo-workflow` as people run it: it says that all came as it should, and leaves nothing behind."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(420)
async def test_the_demo_of_workflows() -> None:
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.flows.workflow_demo"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    told, _ = await demo.communicate()
    assert demo.returncode == 0, told.decode()
    assert b"ask      awaiting_approval" in told
    assert b"All of it came as it should." in told
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)
