"""A workflow that asks a person and then runs a script, and runs of it: one that waits, and one whose script failed."""

from typing import Any

from tests.flows.fleet import Fleet, until

_LIMITS = {"time_limit_seconds": 60, "expires_after_seconds": 600}


def _node(name: str, kind: str, title: str, place: tuple[int, int] = (0, 0), **settings: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "name": title, "settings": settings, "x": place[0], "y": place[1]}


def _edge(source: str, target: str, route_on: str | None = None) -> dict[str, Any]:
    return {"from": source, "to": target, "route_on": route_on}


async def asking_first(fleet: Fleet, script: str, *device_ids: str) -> dict[str, Any]:
    """The assembly of a workflow, started by hand or by a job; any number of its runs are open at a time."""
    check = {
        "assembly_id": script,
        "revision": "latest",
        "variables": {},
        "execution_context": "system",
        "duration": _LIMITS,
    }
    nodes = [
        _node("start", "trigger_manual", "By hand", (0, 0)),
        _node("due", "trigger_job", "By a job", (0, 280)),
        _node("ours", "devices_list", "Our devices", (0, 140), device_ids=list(device_ids)),
        _node(
            "ask", "approval", "May it run?", (300, 0), message="Run it on {{ parameters.ring }}?", timeout_seconds=600
        ),
        _node("check", "script", "Check the file", (600, 0), **check),
    ]
    edges = [
        _edge("start.out", "ask.in", "success"),
        _edge("due.out", "ask.in", "success"),
        _edge("ask.out", "check.in", "success"),
        _edge("ours.devices", "check.devices"),
    ]
    body = {
        "name": "Asked first",
        "kind": "workflow",
        "variables": [{"name": "ring", "type": "string", "default": "pilot", "required": False, "promptable": True}],
        "workflow": {"schema": 1, "concurrency": "allow", "nodes": nodes, "edges": edges},
    }
    reply = await fleet.http.post("/api/assemblies", json=body)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def workflow_runs(fleet: Fleet, bad: str, *device_ids: str) -> dict[str, Any]:
    """For pictures: the workflow, a run whose script failed, and one that waits for a person."""
    workflow = await asking_first(fleet, bad, *device_ids)
    broken = await _launch(fleet, workflow)
    decision = f"/api/workflow_runs/{broken}/nodes/ask/decision"

    async def decided() -> bool:
        return (await fleet.http.post(decision, json={"decision": "approve"})).status_code == 200

    async def over() -> bool:
        return bool((await fleet.http.get(f"/api/workflow_runs/{broken}")).json()["state"] == "failed")

    await until(decided)
    await until(over, patience=120)
    return {"asking_first": workflow["id"], "broken_run": broken, "asking_run": await _launch(fleet, workflow)}


async def _launch(fleet: Fleet, workflow: dict[str, Any]) -> int:
    reply = await fleet.http.post(f"/api/workflows/{workflow['id']}/runs", json={})
    assert reply.status_code == 202, reply.text
    return int(reply.json()["id"])
