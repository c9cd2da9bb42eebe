"""What the doctor finds at runs of workflows, and that a run that is all right has nothing to find."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories.workflows import node
from tests.workflows.flow import Flow, after

ASK = node("ask", "approval", timeout_seconds=86_400)
REST = node("rest", "wait") | {"settings": {"for": "duration", "seconds": 86_400}}
FAULTS = {
    "workflow_overdue": ["INSERT INTO workflow_wakes (run_id, at) SELECT run_id, :past FROM workflow_runs"],
    "workflow_unwoken": [
        "DELETE FROM workflow_wakes k USING workflow_runs w WHERE w.run_id = k.run_id AND k.at <> w.deadline_at",
        "UPDATE workflow_nodes SET state = 'pending' WHERE node_id = 'ask'",
    ],
    "workflow_node_behind": [
        """UPDATE workflow_nodes n SET state = 'running',
          occurrence_ids = ARRAY[(SELECT id FROM occurrences WHERE state = 'closed')] WHERE state = 'awaiting_approval'""",
    ],
    "workflow_differs": [
        "UPDATE occurrences SET state = 'closed', outcome = 'success', closed_at = :past WHERE state = 'open'"
    ],
    "counts_differ": [
        "UPDATE workflow_nodes SET state = 'failed' WHERE node_id = 'ask' AND state = 'awaiting_approval'"
    ],
}


@pytest.mark.parametrize("code", FAULTS)
async def test_the_doctor_finds_what_is_broken(flow: Flow, code: str) -> None:
    made = await flow.make([ASK], after("ask"))
    ended = await flow.launch(made)
    await flow.step()
    await flow.decide(ended, "ask")
    await flow.launch(made)
    await flow.step()
    await flow.go_by(600)
    await flow.sound()
    async with flow.db.begin() as tx:
        for statement in FAULTS[code]:
            given = {"past": flow.scene.now - timedelta(minutes=5)} if ":past" in statement else {}
            await tx.execute(text(statement), given)
    with pytest.raises(AssertionError, match=code):
        await flow.sound()


async def test_a_run_that_rests_for_long_is_sound(flow: Flow) -> None:
    run = await flow.run([REST], after("rest"))
    await flow.go_by(40_000)
    await flow.sound()
    await flow.go_by(46_400)
    assert await flow.state(run) == "success"
