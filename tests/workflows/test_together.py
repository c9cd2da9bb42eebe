"""Several runs at once: one beside or behind another, within another, and many schedulers that move them on."""

import asyncio

import pytest
from sqlalchemy import text

from tests.factories.workflows import edge, node
from tests.workflows.flow import FAILS, Flow, after
from watchbill import runs
from watchbill.kit.errors import ConflictError
from watchbill.workflows import Documents, step

ASK = node("ask", "approval", timeout_seconds=3600)


async def test_only_one_run_goes_at_a_time(flow: Flow) -> None:
    made = await flow.make([ASK], after("ask"), concurrency="skip")
    both = await asyncio.gather(flow.launch(made), flow.launch(made), return_exceptions=True)
    (run,) = [one for one in both if isinstance(one, int)]
    (refused,) = [one for one in both if isinstance(one, ConflictError)]
    assert refused.code == "overlap"
    await flow.step()
    await flow.decide(run, "ask")
    assert await flow.launch(made) > run
    await flow.sound()


async def test_one_run_waits_for_another_and_a_third_is_refused(flow: Flow) -> None:
    made = await flow.make([ASK], after("ask"), concurrency="queue_one")
    many = await asyncio.gather(*(flow.launch(made) for _ in range(3)), return_exceptions=True)
    first, second = sorted(one for one in many if isinstance(one, int))
    await flow.step()
    assert (await flow.state(first), await flow.state(second)) == ("running", "queued")
    await flow.sound()
    await flow.decide(first, "ask")
    assert await flow.state(second) == "running"
    await flow.decide(second, "ask")
    assert await flow.state(second) == "success"
    await flow.sound()


async def test_a_run_that_waits_may_be_stopped(flow: Flow) -> None:
    made = await flow.make([ASK], after("ask"), concurrency="queue_one")
    first, second = await flow.launch(made), await flow.launch(made)
    await flow.step()
    await flow.cancel(second)
    assert (await flow.state(first), await flow.state(second)) == ("running", "cancelled")
    assert await flow.launch(made) > second
    await flow.sound()


async def test_a_run_behind_another_looks_for_itself(flow: Flow) -> None:
    """The scheduler that ends the one ahead may not see yet that another waits."""
    made = await flow.make([ASK], after("ask"), concurrency="queue_one")
    first, second = await flow.launch(made), await flow.launch(made)
    await flow.step()
    await flow.decide(first, "ask")
    async with flow.db.begin() as tx:
        # As if nobody had woken it when the first one ended.
        await tx.execute(
            text("UPDATE workflow_runs SET state = 'queued', pins = NULL WHERE run_id = :run"), {"run": second}
        )
        await tx.execute(text("DELETE FROM workflow_nodes WHERE run_id = :run"), {"run": second})
        assert (
            await tx.execute(
                text("SELECT count(*) FROM workflow_wakes WHERE run_id = :run AND at > :now"),
                {"run": second, "now": flow.scene.now},
            )
        ).scalar_one()
    await flow.go_by(31)
    assert await flow.state(second) == "running"


async def test_any_number_of_runs_go_beside_each_other_over_two_schedulers(flow: Flow) -> None:
    """Nothing begins twice, whoever moves it on."""
    async with flow.db.begin() as tx:
        devices = [str(await flow.scene.device(tx, f"web-{number}")) for number in range(3)]
    script = str(flow.scene.script)
    nodes = [
        node("web", "devices_list", device_ids=devices),
        node("a", "script", assembly_id=script),
        node("v", "set_value"),
        node("b", "script", assembly_id=script),
    ]
    ways = [*after("v", "a", "b"), edge("web.devices", "a.devices"), edge("web.devices", "b.devices")]
    made = await flow.make(nodes, ways)
    found = [await flow.launch(made) for _ in range(8)]

    async def scheduler() -> None:
        documents = Documents()
        for _ in range(6):
            async with flow.db.begin() as tx:
                await step(tx, documents, flow.scene.now, limit=2)

    for _ in range(4):
        await asyncio.gather(*(scheduler() for _ in range(3)))
        while await flow.answer():
            await asyncio.gather(*(scheduler() for _ in range(2)))
    await flow.step()
    assert {await flow.state(run) for run in found} == {"success"}
    for run in found:
        assert await flow.opened(run) == {"a": 1, "b": 1}
    await flow.sound()


async def test_whoever_wakes_a_run_waits_for_nobody(flow: Flow) -> None:
    """Gateways and senders wake runs in transactions of their own: one that a scheduler holds must not keep them."""
    run = await flow.launch(await flow.make([ASK], after("ask")))
    async with flow.db.begin() as held:
        assert await step(held, flow.documents, flow.scene.now) == 1
        async with asyncio.timeout(10), flow.db.begin() as tx:
            await runs.wake(tx, [(run, flow.scene.now)])
    await flow.decide(run, "ask")
    assert await flow.state(run) == "success"


async def _within(flow: Flow, *nodes, ways, **changes):
    """A workflow that is a node of another one, which is at work on it."""
    inner = await flow.make(nodes, ways, **changes)
    run = await flow.run(
        [node("sub", "workflow", assembly_id=str(inner)), node("z", "set_value", expression="inputs.sub.state")],
        [*after("sub", "z", z="always"), edge("sub.result", "z.inputs")],
    )
    return inner, run, await _child(flow, run)


async def _child(flow: Flow, run: int) -> int:
    found = (await flow.view(run)).node("sub").child_run_id
    assert found is not None
    return found


async def test_a_workflow_within_another(flow: Flow) -> None:
    _, run, child = await _within(flow, ASK, ways=after("ask"))
    view = await flow.view(child)
    assert (view.parent_run_id, view.parent_node, view.source, view.started_by) == (run, "sub", "workflow", "ada")
    await flow.sound()
    await flow.decide(child, "ask")
    assert (await flow.view(run)).node("z").result == "success"
    assert await flow.opened(run) == {"sub": 1}
    await flow.sound()


async def test_a_stop_goes_down_and_a_failure_goes_up(flow: Flow) -> None:
    inner, run, child = await _within(flow, ASK, ways=after("ask"))
    await flow.cancel(run)
    assert {await flow.state(one) for one in (run, child)} == {"cancelled"}
    await flow.sound()
    run = await flow.run([node("sub", "workflow", assembly_id=str(inner))], after("sub"))
    child = await _child(flow, run)
    await flow.decide(child, "ask", approves=False)
    assert {await flow.state(one) for one in (run, child)} == {"failed"}
    run = await flow.run([node("sub", "workflow", assembly_id=str(inner))], after("sub"))
    child = await _child(flow, run)
    await flow.cancel(child)
    assert ((await flow.view(run)).node("sub").reason, await flow.state(run)) == ("stopped", "failed")
    await flow.sound()


async def test_a_workflow_within_another_that_lets_no_other_run_beside_it(flow: Flow) -> None:
    inner, _, _ = await _within(flow, ASK, ways=after("ask"), concurrency="skip")
    run = await flow.run([node("sub", "workflow", assembly_id=str(inner))], after("sub"))
    found = (await flow.view(run)).node("sub")
    assert (found.state, found.reason) == ("failed", "overlap")
    await flow.sound()


async def _break(flow: Flow, run: int) -> None:
    """A run of which what is stored makes no sense."""
    async with flow.db.begin() as tx:
        await tx.execute(
            text('UPDATE workflow_runs SET draft = \'{"kind": "workflow"}\' WHERE run_id = :run'), {"run": run}
        )


async def test_a_run_that_cannot_be_moved_on_harms_no_other(flow: Flow) -> None:
    made = await flow.make([ASK], after("ask"))
    begun, well = await flow.launch(made), await flow.launch(made)
    await flow.step()
    fresh = await flow.launch(made)
    await _break(flow, begun)
    await _break(flow, fresh)
    view = await flow.view(well)
    async with flow.db.begin() as tx:
        for run in (begun, well):
            await tx.execute(
                text("INSERT INTO workflow_wakes (run_id, at) VALUES (:run, :now)"), {"run": run, "now": flow.scene.now}
            )
    await flow.step()
    assert sorted(flow.gave_up) == [begun, fresh]
    async with flow.db.begin() as tx:
        states: dict[int, str] = dict(
            (await tx.execute(text("SELECT run_id, state || ' ' || coalesce(reason, '') FROM workflow_runs"))).all()
        )
    assert states == {begun: "failed gave_up", well: "running ", fresh: "failed gave_up"}
    await flow.decide(view.id, "ask")
    assert await flow.state(well) == "success"
    await flow.sound()


async def test_a_run_behind_one_that_is_given_up_goes_on(flow: Flow) -> None:
    made = await flow.make([ASK], after("ask"), concurrency="queue_one")
    first, second = await flow.launch(made), await flow.launch(made)
    await _break(flow, first)
    await flow.step()
    assert (flow.gave_up, await flow.state(second)) == ([first], "running")
    await flow.sound()


@pytest.mark.parametrize("ends", [{}, {"web-1": FAILS}])
async def test_places(flow: Flow, ends) -> None:
    """As many nodes work at the same time as the workflow lets."""
    async with flow.db.begin() as tx:
        device = str(await flow.scene.device(tx, "web-1"))
    nodes = [node("web", "devices_list", device_ids=[device])]
    ways = []
    for name in "abc":
        nodes.append(node(name, "script", assembly_id=str(flow.scene.script)) | {"on_error": "continue"})
        ways += [*after(name), edge("web.devices", f"{name}.devices")]
    run = await flow.run(nodes, ways, max_parallel=1)
    for _ in range(3):
        assert list((await flow.states(run)).values()).count("running") == 1
        assert await flow.answer(**ends) == ["web-1"]
    assert await flow.state(run) == ("warning" if ends else "success")
    await flow.sound()
