"""Nodes that decide, wait, ask people and other systems; stops, limits, and going on."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories.workflows import edge, node
from tests.notifications.conftest import channel_draft
from tests.workflows.flow import FAILS, SENDER, Flow, after
from watchbill import notifications, runs, workflows
from watchbill.kit.errors import ConflictError, InvalidError


def _wait(**settings):
    return node("w", "wait") | {"settings": settings}


async def _on_devices(flow: Flow, name: str, *names: str, **more):
    """A script node on these devices, and the list of them, with its edge."""
    async with flow.db.begin() as tx:
        ids = [str(await flow.scene.device(tx, one)) for one in names]
    made = node(name, "script", assembly_id=str(flow.scene.script), **more)
    return [node(f"{name}_on", "devices_list", device_ids=ids), made], [edge(f"{name}_on.devices", f"{name}.devices")]


ASK = node("ask", "approval", message="Go {{ parameters.host }}?", timeout_seconds=3600)
HOST = [{"name": "host", "type": "string", "default": "on", "promptable": True}]


async def _asking(flow: Flow) -> int:
    nodes = [ASK, node("yes", "set_value", expression="inputs.ask.decision"), node("no", "set_value")]
    ways = [*after("ask", "yes"), edge("ask.out", "no.in", "failed"), edge("ask.result", "yes.inputs")]
    return await flow.run(nodes, ways, variables=HOST)


async def test_an_approval_is_given(flow: Flow) -> None:
    run = await _asking(flow)
    node_view = (await flow.view(run)).node("ask")
    assert (node_view.state, node_view.result) == ("awaiting_approval", {"message": "Go on?"})
    async with flow.db.begin() as tx:
        (asked,) = (await workflows.open_approvals(tx, flow.scene.admin.scope, limit=5, cursor=None)).items
    assert (asked.run_id, asked.node_id, asked.message) == (run, "ask", "Go on?")
    await flow.sound()
    await flow.decide(run, "ask")
    view = await flow.view(run)
    assert (view.state, view.node("yes").result, view.node("no").state) == ("success", "approved", "skipped")
    assert view.node("ask").result["by"] == "ada"
    await flow.sound()


async def test_an_approval_is_denied(flow: Flow) -> None:
    run = await _asking(flow)
    await flow.decide(run, "ask", approves=False)
    view = await flow.view(run)
    assert (view.state, view.node("ask").reason, view.node("no").state) == ("success", "denied", "success")
    await flow.sound()


async def test_an_approval_that_nobody_gives_counts_as_refused(flow: Flow) -> None:
    run = await _asking(flow)
    await flow.go_by(3599)
    assert await flow.state(run) == "running"
    await flow.go_by(1)
    view = await flow.view(run)
    assert (view.node("ask").state, view.node("ask").result["decision"]) == ("timed_out", "timed_out")
    with pytest.raises(ConflictError):
        await flow.decide(run, "ask")
    await flow.sound()


async def test_of_two_people_one_decides(flow: Flow) -> None:
    run = await _asking(flow)
    both = await asyncio.gather(
        flow.decide(run, "ask"), flow.decide(run, "ask", approves=False), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["ConflictError", "NoneType"]
    await flow.step()
    taken = "yes" if both[0] is None else "no"
    assert (await flow.view(run)).node(taken).state == "success"
    await flow.sound()


async def test_a_wait_for_a_time(flow: Flow) -> None:
    run = await flow.run([_wait(**{"for": "duration", "seconds": 90})], after("w"))
    await flow.go_by(89)
    assert await flow.state(run) == "running"
    await flow.sound()
    await flow.go_by(1)
    assert await flow.state(run) == "success"


async def test_a_wait_for_a_window(flow: Flow) -> None:
    async with flow.db.begin() as tx:
        window = await flow.scene.window(tx, 10, 60, kind="allow")
    run = await flow.run([_wait(**{"for": "window", "window_id": window})], after("w"))
    await flow.go_by(300)
    assert await flow.state(run) == "running"
    await flow.go_by(360)
    assert await flow.state(run) == "success"


async def test_conditions_and_values(flow: Flow) -> None:
    nodes = [
        node("n", "set_value", expression="parameters.limit * 2"),
        node("c", "condition", expression="inputs.n > 9"),
        node("big", "set_value"),
        node("small", "set_value"),
    ]
    ways = [*after("n", "c"), edge("n.value", "c.inputs"), edge("c.true", "big.in"), edge("c.false", "small.in")]
    limit = [{"name": "limit", "type": "number", "default": 4, "promptable": True}]
    made = await flow.make(nodes, ways, variables=limit)
    ends = {}
    for value in (4, 5):
        run = await flow.launch(made, parameters={"limit": value})
        await flow.step()
        states = await flow.states(run)
        ends[value] = (states["big"], states["small"])
    assert ends == {4: ("skipped", "success"), 5: ("success", "skipped")}
    with pytest.raises(InvalidError):
        await flow.launch(made, parameters={"limit": "many", "other": 1})


async def test_an_expression_that_fails_is_how_its_node_ends(flow: Flow) -> None:
    run = await flow.run(
        [node("c", "condition", expression="1 / 0 == 1"), node("z", "set_value")], [*after("c"), edge("c.true", "z.in")]
    )
    found = (await flow.view(run)).node("c")
    assert (found.state, found.reason, await flow.state(run)) == ("failed", "bad_expression", "failed")


@pytest.mark.parametrize("strange", ["a\x00b", "\ud800"])
async def test_a_value_that_no_database_stores_is_refused(flow: Flow, strange: str) -> None:
    made = await flow.make([ASK], after("ask"), variables=HOST)
    with pytest.raises(InvalidError):
        await flow.launch(made, parameters={"host": strange})


async def test_somebody_is_told(flow: Flow) -> None:
    async with flow.db.begin() as tx:
        made = await notifications.create_channel(
            tx, flow.scene.admin, channel_draft(), keys=flow.scene.keys, now=flow.scene.now
        )
    told = node("tell", "notify", channel_id=made.channel.id, subject="On {{ parameters.host }}", message="It is done.")
    run = await flow.run([told], after("tell"), variables=HOST)
    assert await flow.state(run) == "success"
    async with flow.db.begin() as tx:
        kept = (await tx.execute(text("SELECT CAST(n AS text) FROM notifications n"))).scalars().all()
    assert (len(kept), "On on" in kept[0]) == (1, True)
    gone = await flow.run([node("tell", "notify", channel_id=4711)], after("tell"))
    assert ((await flow.view(gone)).node("tell").reason, await flow.state(gone)) == ("channel_gone", "failed")
    await flow.sound()


def _http(**more):
    return node("call", "http", method="POST", **more)


async def test_a_request_is_answered(flow: Flow) -> None:
    await flow.register()
    nodes = [_http(), node("v", "set_value", expression="inputs.call.body.number + 1")]
    run = await flow.run(nodes, [*after("call", "v"), edge("call.result", "v.inputs")])
    assert (await flow.claim(), await flow.claim()) == (flow.sent, [])
    await flow.sound()
    await flow.reply(flow.sent, number=4)
    assert ((await flow.view(run)).node("v").result, await flow.state(run)) == (5, "success")
    await flow.reply(flow.sent, number=9)
    assert (await flow.view(run)).node("call").result["body"] == {"number": 4}
    await flow.sound()


async def test_a_request_is_tried_again(flow: Flow) -> None:
    await flow.register()
    run = await flow.run([_http() | {"retries": 1, "retry_delay_seconds": 10}], after("call"))
    await flow.reply(await flow.claim(), ok=False)
    assert ((await flow.view(run)).node("call").reason, await flow.claim()) == ("retry", [])
    await flow.go_by(10)
    await flow.reply(await flow.claim())
    assert (await flow.state(run), len(flow.sent)) == ("success", 2)


async def _abandon(flow: Flow) -> None:
    """Whoever sends has gone."""
    async with flow.db.begin() as tx:
        await tx.execute(text("UPDATE services SET stopped_at = now() WHERE id = :id"), {"id": SENDER})
        lost = await workflows.give_up_abandoned(tx, flow.scene.now, timedelta(seconds=30))
        await runs.wake(tx, [(run, flow.scene.now) for run in lost])
    await flow.step()


async def test_a_request_whose_sender_is_gone_is_lost(flow: Flow) -> None:
    await flow.register()
    run = await flow.run([_http()], after("call"))
    claimed = await flow.claim()
    await _abandon(flow)
    assert (await flow.states(run), await flow.state(run)) == ({"call": "lost"}, "failed")
    await flow.reply(claimed)
    assert await flow.state(run) == "failed"


async def test_a_request_that_may_be_repeated_is_sent_again(flow: Flow) -> None:
    await flow.register()
    run = await flow.run([_http(interrupted="again")], after("call"))
    first = await flow.claim()
    await _abandon(flow)
    (second,) = await flow.claim()
    assert second.attempt == 2
    await flow.reply(first, number=1)
    assert await flow.state(run) == "running", "an answer to the try that was given up"
    await flow.reply([second], number=2)
    assert (await flow.view(run)).node("call").result["body"] == {"number": 2}
    await flow.sound()


async def test_a_request_has_no_more_time_than_its_node(flow: Flow) -> None:
    await flow.register()
    run = await flow.run([_http(timeout_seconds=300) | {"time_limit_seconds": 20}], after("call"))
    (claimed,) = await flow.claim()
    assert claimed.request["timeout_seconds"] == 20
    await flow.go_by(20)
    assert await flow.state(run) == "running"
    await flow.reply([claimed], ok=False)
    assert await flow.states(run) == {"call": "timed_out"}


async def test_a_stopped_run_stops_its_work_on_devices(flow: Flow) -> None:
    nodes, ways = await _on_devices(flow, "check", "web-1", "web-2")
    nodes += [ASK, node("z", "set_value")]
    run = await flow.run(nodes, [*after("check", "z"), *after("ask"), *ways], variables=HOST)
    async with flow.db.begin() as tx:
        given = await flow.scene.take(tx, "web-1")
    await flow.cancel(run)
    assert await flow.states(run) == {"check": "running", "ask": "cancelled", "z": "cancelled"}
    assert await flow.state(run) == "cancelling"
    await flow.sound()
    async with flow.db.begin() as tx:
        await flow.report(tx, given, {"web-1": {"outcome": "cancelled", "tree": "stopped", "exit_code": None}})
    await flow.step()
    assert (await flow.states(run))["check"] == "cancelled"
    assert await flow.state(run) == "cancelled"
    await flow.sound()
    with pytest.raises(ConflictError):
        await flow.cancel(run)


async def test_the_time_of_a_whole_run(flow: Flow) -> None:
    run = await flow.run([ASK], after("ask"), time_limit_seconds=60, variables=HOST)
    await flow.go_by(60)
    view = await flow.view(run)
    assert (view.state, view.reason, view.node("ask").state) == ("failed", "time_limit", "cancelled")
    ended = view.finished_at
    await flow.go_by(86_400)
    assert (await flow.view(run)).finished_at == ended
    await flow.sound()


async def test_the_time_of_a_node_on_devices(flow: Flow) -> None:
    nodes, ways = await _on_devices(flow, "check", "web-1")
    nodes[1] |= {"time_limit_seconds": 30}
    run = await flow.run(nodes, [*after("check"), *ways])
    async with flow.db.begin() as tx:
        given = await flow.scene.take(tx)
    await flow.go_by(30)
    assert await flow.states(run) == {"check": "running"}
    async with flow.db.begin() as tx:
        await flow.report(tx, given, {"web-1": {"outcome": "cancelled", "tree": "stopped", "exit_code": None}})
    await flow.step()
    assert (await flow.states(run), await flow.state(run)) == ({"check": "timed_out"}, "failed")
    await flow.sound()


async def test_a_run_goes_on_from_what_failed_with_the_rest_kept(flow: Flow) -> None:
    first, wires = await _on_devices(flow, "check", "web-1")
    then, more = await _on_devices(flow, "fix", "web-2")
    nodes = [*first, *then, node("v", "set_value", expression="inputs.check.total"), node("z", "set_value")]
    ways = [*after("check", "v", "fix", "z"), edge("check.result", "v.inputs"), *wires, *more]
    run = await flow.run(nodes, ways)
    await flow.answer()
    await flow.answer(**{"web-2": FAILS})
    assert await flow.state(run) == "failed"
    again = await flow.resume(run)
    view = await flow.view(again)
    kept = {one.node_id for one in view.nodes if one.is_kept}
    assert (view.origin_run_id, kept) == (run, {"start", "check_on", "check", "fix_on", "v"})
    assert await flow.answer() == ["web-2"]
    assert (await flow.view(again)).node("v").result == 1
    assert await flow.state(again) == "success"
    with pytest.raises(ConflictError):
        await flow.resume(again)
    with pytest.raises(InvalidError):
        await flow.resume(again, "nowhere")
    from_check = await flow.resume(again, "check")
    assert await flow.answer() == ["web-1"]
    assert await flow.answer() == ["web-2"]
    assert await flow.state(from_check) == "success"
    await flow.sound()


async def test_what_follows_from_a_failure_that_was_taken_care_of_runs_again_with_it(flow: Flow) -> None:
    await flow.register()
    first, wires = await _on_devices(flow, "check", "web-1")
    nodes = [*first, node("good", "set_value"), node("bad", "set_value"), _http()]
    ways = [*after("check", "good"), edge("check.out", "bad.in", "failed"), *after("call"), *wires]
    run = await flow.run(nodes, ways)
    await flow.answer(**{"web-1": FAILS})
    await flow.reply(await flow.claim(), ok=False)
    assert await flow.states(run) == {"check": "failed", "good": "skipped", "bad": "success", "call": "failed"}
    again = await flow.resume(run, "call")
    await flow.reply(await flow.claim())
    await flow.answer()
    assert await flow.states(again) == {"check": "success", "good": "success", "bad": "skipped", "call": "success"}
