"""Nodes on devices: which they run on, what the next node gets, and what becomes of devices that do not answer."""

import pytest

from tests.factories import places
from tests.factories.workflows import edge, node
from tests.workflows.flow import FAILS, WARNS, Flow, after
from watchbill import devices, filters, runs
from watchbill.devices import DeviceStatus


async def _web(flow: Flow, *names: str, **more) -> None:
    async with flow.db.begin() as tx:
        for name in names:
            await flow.scene.device(tx, name, **more)


async def _filter(flow: Flow, part: str = "web") -> int:
    criteria = {"field": "hostname", "operator": "contains", "value": part}
    async with flow.db.begin() as tx:
        body = {"name": f"With {part}", "criteria": criteria}
        return (await filters.create(tx, flow.scene.admin, body, now=flow.scene.now)).id


def _script(flow: Flow, name: str, **settings):
    return node(name, "script", assembly_id=str(flow.scene.script), **settings)


async def _checked(flow: Flow, *names: str, more=(), ways=(), check=None, **changes) -> int:
    """A run whose `check` is at work on the devices of a filter."""
    await _web(flow, *names)
    first = check or _script(flow, "check")
    nodes = [node("web", "devices_filter", filter_id=await _filter(flow)), first, *more]
    return await flow.run(nodes, [*after("check"), edge("web.devices", "check.devices"), *ways], **changes)


def _repair(flow: Flow, port: str = "failed"):
    return [node("bad", "split"), _script(flow, "fix")], [
        edge("check.result", "bad.result"),
        edge("check.out", "fix.in", "always"),
        edge(f"bad.{port}", "fix.devices"),
    ]


async def test_a_second_script_runs_on_those_that_failed(flow: Flow) -> None:
    nodes, ways = _repair(flow)
    run = await _checked(flow, "web-1", "web-2", "web-3", more=nodes, ways=ways)
    await _web(flow, "db-1")
    assert await flow.states(run) == {"check": "running", "fix": "pending"}
    assert await flow.answer(**{"web-2": FAILS, "web-3": WARNS}) == ["web-1", "web-2", "web-3"]
    assert await flow.devices(run, "bad", "failed") == ["web-2"]
    assert await flow.devices(run, "bad", "warning") == ["web-3"]
    assert await flow.answer() == ["web-2"]
    assert await flow.states(run) == {"check": "failed", "fix": "success"}
    view = await flow.view(run)
    assert view.state == "success"
    result = view.node("check").result
    assert (result["total"], result["succeeded"], result["warning"], result["failed"]) == (3, 1, 1, 1)
    assert view.edges_taken().count(True) == len(view.edges_taken())
    await flow.sound()


async def test_what_failed_and_nobody_took_care_of_fails_the_run(flow: Flow) -> None:
    run = await _checked(flow, "web-1", more=[node("then", "set_value")], ways=[edge("check.out", "then.in")])
    await flow.answer(**{"web-1": FAILS})
    assert await flow.states(run) == {"check": "failed", "then": "skipped"}
    assert await flow.state(run) == "failed"
    await flow.sound()


async def test_a_node_is_tried_again_on_the_devices_that_did_not_succeed(flow: Flow) -> None:
    check = _script(flow, "check") | {"retries": 2, "retry_delay_seconds": 30}
    nodes, ways = _repair(flow, "succeeded")
    run = await _checked(flow, "web-1", "web-2", check=check, more=nodes, ways=ways)
    await flow.answer(**{"web-1": FAILS})
    assert (await flow.view(run)).node("check").reason == "retry"
    assert await flow.answer() == []
    await flow.go_by(31)
    assert await flow.answer() == ["web-1"]
    view = await flow.view(run)
    assert (view.node("check").state, view.node("check").attempt) == ("success", 2)
    assert view.node("check").result["counts"] == {"success": 2}
    assert await flow.devices(run, "bad", "succeeded") == ["web-1", "web-2"]
    assert await flow.opened(run) == {"check": 2, "fix": 1}


@pytest.mark.parametrize(
    ("policy", "state", "run_state"), [("skip", "success", "success"), ("fail", "failed", "failed")]
)
async def test_an_empty_set(flow: Flow, policy: str, state: str, run_state: str) -> None:
    run = await _checked(flow, check=_script(flow, "check", policies={"no_targets": policy}))
    check = (await flow.view(run)).node("check")
    assert (check.state, check.reason, check.result["total"]) == (state, "no_devices", 0)
    assert await flow.state(run) == run_state
    await flow.sound()


async def test_devices_that_are_away(flow: Flow) -> None:
    await _web(flow, "web-off", online=False)
    nodes, ways = _repair(flow, "offline")
    check = _script(flow, "check", duration={"expires_after_seconds": 300})
    run = await _checked(flow, "web-1", check=check, more=nodes, ways=ways)
    await flow.answer()
    assert await flow.states(run) == {"check": "running", "fix": "pending"}
    await flow.go_by(400)
    assert await flow.devices(run, "bad", "offline") == ["web-off"]
    assert (await flow.view(run)).node("check").result["offline"] == 1
    await flow.sound()


async def test_devices_that_are_away_are_skipped_where_the_node_says_so(flow: Flow) -> None:
    await _web(flow, "web-off", online=False)
    run = await _checked(flow, "web-1", check=_script(flow, "check", policies={"offline": "skip"}))
    await flow.answer()
    result = (await flow.view(run)).node("check").result
    assert (result["state"], result["offline"], result["skipped"]) == ("success", 1, 1)


async def test_a_device_that_is_revoked_meanwhile_holds_nothing_up(flow: Flow) -> None:
    nodes, ways = _repair(flow)
    run = await _checked(flow, "web-1", "web-2", more=nodes, ways=ways)
    async with flow.db.begin() as tx:
        gone = flow.scene.devices["web-2"]
        await devices.set_status(tx, flow.scene.admin, gone, DeviceStatus.REVOKED, now=flow.scene.now)
    await flow.answer("web-1")
    await flow.go_by(40 * 86_400)
    assert not await flow.is_open(run)
    await flow.sound()


async def test_one_device_alone_is_tried_out(flow: Flow) -> None:
    await _web(flow, "web-1", "web-2")
    nodes = [node("web", "devices_filter", filter_id=await _filter(flow)), _script(flow, "check")]
    made = await flow.make(nodes, [*after("check"), edge("web.devices", "check.devices")])
    run = await flow.launch(made, only_device_id=flow.scene.devices["web-2"])
    await flow.step()
    assert await flow.devices(run, "web") == ["web-2"]
    assert await flow.answer() == ["web-2"]
    assert await flow.state(run) == "success"


async def test_a_launch_of_some_sites_finds_no_devices_of_others(flow: Flow) -> None:
    async with flow.db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=flow.scene.now)
        await flow.scene.device(tx, "web-far", site=elsewhere)
    await _web(flow, "web-1")
    ids = [str(flow.scene.devices[name]) for name in ("web-far", "web-1")]
    nodes = [
        node("web", "devices_filter", filter_id=await _filter(flow)),
        node("named", "devices_list", device_ids=ids),
        node("far", "devices_site", site_id=elsewhere),
        node("both", "devices_combine", operation="union"),
        node("all", "devices_combine", operation="union"),
        _script(flow, "check"),
    ]
    wires = [("web", "both.a"), ("named", "both.b"), ("both", "all.a"), ("far", "all.b"), ("all", "check.devices")]
    made = await flow.make(nodes, [*after("check"), *(edge(f"{one}.devices", to) for one, to in wires)])
    run = await flow.launch(made, allowed_site_ids=[flow.scene.site])
    await flow.step()
    assert await flow.devices(run, "web") == await flow.devices(run, "all") == ["web-1"]
    assert await flow.devices(run, "far") == []
    assert await flow.answer() == ["web-1"]
    assert await flow.state(run) == "success"
    await flow.sound()


async def test_some_and_the_rest(flow: Flow) -> None:
    await _web(flow, *(f"web-{number}" for number in range(1, 6)))
    nodes = [
        node("web", "devices_filter", filter_id=await _filter(flow)),
        node("first", "devices_take"),
        node("less", "devices_combine", operation="difference"),
        _script(flow, "one"),
        _script(flow, "two"),
    ]
    nodes[1]["settings"] = {"percent": 25}
    wires = ["web.devices>first.devices", "web.devices>less.a", "first.devices>less.b"]
    wires += ["first.devices>one.devices", "less.devices>two.devices"]
    run = await flow.run(nodes, [*after("one", "two"), *(edge(*one.split(">")) for one in wires)])
    assert await flow.answer() == ["web-1", "web-2"]
    assert await flow.devices(run, "first", "rest") == await flow.devices(run, "less") == ["web-3", "web-4", "web-5"]
    assert await flow.answer() == ["web-3", "web-4", "web-5"]
    assert await flow.state(run) == "success"


async def test_a_filter_that_is_gone_is_no_empty_set(flow: Flow) -> None:
    run = await flow.run(
        [node("web", "devices_filter", filter_id=4711), _script(flow, "check")],
        [*after("check"), edge("web.devices", "check.devices")],
    )
    assert (await flow.view(run)).node("web").reason == "targets_unknown"
    assert await flow.state(run) == "failed"


async def test_a_wait_for_devices_ends_as_they_come(flow: Flow) -> None:
    await _web(flow, "web-1")
    await _web(flow, "web-2", online=False)
    nodes = [node("web", "devices_filter", filter_id=await _filter(flow)), node("w", "wait", percent=100)]
    nodes[1]["settings"] = {"for": "devices", "percent": 100}
    run = await flow.run(nodes, [*after("w"), edge("web.devices", "w.devices")])
    assert ((await flow.view(run)).node("w").state, (await flow.view(run)).node("w").detail) == (
        "running",
        "1 of 2 devices are online.",
    )
    await flow.go_by(61)
    assert await flow.state(run) == "running"
    async with flow.db.begin() as tx:
        await flow.scene.connect(tx, "web-2")
        await runs.devices_online(tx, [flow.scene.devices["web-2"]], flow.scene.now)
    await flow.step()
    assert await flow.state(run) == "success"
