"""`python -m tests.flows.workflow_demo`: a workflow on five real agents of this machine, launched by a job, with a person who is asked.

It checks the devices of a filter, fixes those that failed, asks, rolls out on the others in two waves, and tells a receiver here. The
Engine's processes, the agents and their data are gone at the end. Needs no root.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.faults.world import World, standing, until
from tests.notifications.sinks import Receiver, http

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
ILL = frozenset(("beta", "delta"))
EXPECTED = {
    "check": "failed",
    "fix": "success",
    "any_ill": "success",
    "ask": "success",
    "roll": "success",
    "tell": "success",
}


def _each(folder: Path, what: str) -> str:
    """A script that knows by its folder which of the agents it runs for."""
    cases = "\n".join(f"  */{name}/*) name={name};;" for name in NAMES)
    return f'folder={folder}\ncase "$PWD/" in\n{cases}\nesac\necho {what} >> "$folder/$name.done"\n'


def _node(name: str, kind: str, title: str, /, **settings: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "name": title, "settings": settings}


def _edge(written: str, route_on: str | None = None) -> dict[str, Any]:
    source, target = written.split(" > ")
    return {"from": source, "to": target, "route_on": route_on or ("success" if source.endswith(".out") else None)}


def document(scripts: dict[str, str], filter_id: int, channel_id: int) -> dict[str, Any]:
    nodes = [
        _node("nightly", "trigger_job", "By a job"),
        _node("ours", "devices_filter", "This machine", filter_id=filter_id),
        _node("check", "script", "Check", assembly_id=scripts["check"]),
        _node("parts", "split", "By how it ended"),
        _node("fix", "script", "Fix those that failed", assembly_id=scripts["fix"]),
        _node("any_ill", "condition", "Were there any?", expression="inputs.check.failed > 0"),
        _node("ask", "approval", "May the rest follow?", message="{{ inputs.check.failed }} were ill. Go on?", timeout_seconds=600),
        _node("roll", "script", "Roll out", assembly_id=scripts["roll"], policies={"waves": {"sizes": [1, "100%"]}}),
        _node("tell", "notify", "Tell", channel_id=channel_id, subject="Done", message="{{ inputs.roll.succeeded }} rolled out"),
    ]  # fmt: skip
    edges = [
        _edge("nightly.out > check.in"),
        _edge("ours.devices > check.devices"),
        _edge("check.result > parts.result"),
        _edge("check.out > fix.in", "failed"),
        _edge("parts.failed > fix.devices"),
        _edge("check.result > any_ill.inputs"),
        _edge("fix.out > any_ill.in"),
        _edge("any_ill.true > ask.in"),
        _edge("check.result > ask.inputs"),
        _edge("ask.out > roll.in"),
        _edge("parts.succeeded > roll.devices"),
        _edge("roll.out > tell.in"),
        _edge("roll.result > tell.inputs"),
    ]
    return {"name": "Check, fix, roll out", "kind": "workflow", "workflow": {"nodes": nodes, "edges": edges}}


async def _made(world: World, path: str, **body: Any) -> dict[str, Any]:
    reply = await world.fleet.http.post(path, json=body)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def prepare(world: World, told: Receiver, folder: Path) -> str:
    """Agents, scripts, the filter, the channel and the workflow; its id."""
    for name in NAMES:
        await world.fleet.enrol(name)
    for name in ILL:
        (folder / f"{name}.ill").touch()
    scripts = {
        "check": await world.fleet.script(_each(folder, "check") + 'test ! -e "$folder/$name.ill"\n'),
        "fix": await world.fleet.script(_each(folder, "fix") + 'rm "$folder/$name.ill"\n'),
        "roll": await world.fleet.script(_each(folder, "roll")),
    }
    criteria = {"field": "hostname", "operator": "contains", "value": socket.gethostname().split(".")[0]}
    ours = await _made(world, "/api/device_filters", name="This machine", criteria=criteria)
    channel = await _made(world, "/api/notification_channels", kind="webhook", name="Here", url=told.url())
    number = channel.get("id") or channel["channel"]["id"]
    return str((await _made(world, "/api/assemblies", **document(scripts, ours["id"], number)))["id"])


async def follow(world: World, workflow: str, seen: Callable[[str], Awaitable[None]] | None = None) -> dict[str, Any]:
    """The run of a job that begins at once, once it has ended; whoever is asked says yes. Every change is printed, and told to `seen`."""
    component = {"assembly_id": workflow, "kind": "workflow"}
    body = {
        "name": "Every night",
        "job_kind": "automation",
        "components": [component],
        "schedule": {"type": "immediately"},
    }
    await _made(world, "/api/scheduled_jobs", **body)
    shown: dict[str, str] = {}
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        listed = (await world.fleet.http.get(f"/api/workflows/{workflow}/runs")).json()["items"]
        if not listed:
            return False
        found.update((await world.fleet.http.get(f"/api/workflow_runs/{listed[0]['id']}")).json())
        for change in _show(found, shown):
            if seen is not None:
                await seen(change)
        if shown.get("ask") == "awaiting_approval":
            path = f"/api/workflow_runs/{found['id']}/nodes/ask/decision"
            reply = await world.fleet.http.post(path, json={"decision": "approve", "comment": "Go on"})
            assert reply.status_code in (200, 409), reply.text
        return found["finished_at"] is not None

    await until(is_over, patience=120)
    return found


def _show(run: dict[str, Any], shown: dict[str, str]) -> list[str]:
    """Print what is new; what that is."""
    new = [one for one in run["nodes"] if shown.get(one["node_id"]) != one["state"]]
    for one in new:
        shown[one["node_id"]] = one["state"]
        counts = ", ".join(f"{number} {state}" for state, number in one["counts"].items())
        print(f"  {one['node_id']:<8} {one['state']:<18} {counts}", flush=True)
    return [f"{one['node_id']} {one['state']}" for one in new]


def unexpected(run: dict[str, Any], told: Receiver, folder: Path) -> list[str]:
    """What did not come as it should."""
    states = {one["node_id"]: one["state"] for one in run["nodes"] if one["node_id"] in EXPECTED}
    wrong = [] if states == EXPECTED and run["state"] == "success" else [f"the run: {run['state']}, {states}"]
    for name in NAMES:
        done = (folder / f"{name}.done").read_text().split()
        wanted = ["check", "fix" if name in ILL else "roll"]
        wrong += [f"{name} did {done}, not {wanted}"] if done != wanted else []
    if len(told.requests) != 1 or b"3 rolled out" not in told.requests[0].body:
        wrong.append(f"the receiver heard {[one.body for one in told.requests]}")
    return wrong


async def demo() -> int:
    async with http() as told, standing(WATCHBILL_WEBHOOK_PRIVATE="on") as world:
        folder = world.folder / "signs"
        folder.mkdir()
        folder.chmod(0o777)
        print(f"An Engine of its own, and {len(NAMES)} agents of this machine …", flush=True)
        workflow = await prepare(world, told, folder)
        print("A job launches the workflow …", flush=True)
        run = await follow(world, workflow)
        await until(lambda: told.requests, patience=30)
        wrong = unexpected(run, told, folder)
        findings = await world.findings()
    print(
        "\n".join(["", *wrong, *(str(one) for one in findings)])
        if wrong or findings
        else "\nAll of it came as it should."
    )
    return int(bool(wrong or findings))


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(asyncio.run(demo()))
