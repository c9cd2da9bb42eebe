"""What the pictures of workflows need: one with a past, and one with a hundred nodes."""

from typing import Any

from tests.flows.fleet import Fleet

_SPACE = 320


def _node(node_id: str, kind: str, name: str, column: float, row: float, **settings: Any) -> dict[str, Any]:
    place = {"x": int(column * _SPACE), "y": int(row * 190)}
    return {"id": node_id, "type": kind, "name": name, "settings": settings, **place}


def _edge(source: str, target: str, route_on: str | None = None) -> dict[str, Any]:
    is_route = source.endswith(".out")
    return {"from": source, "to": target, "route_on": (route_on or "success") if is_route else None}


def _nodes(script: str) -> list[dict[str, Any]]:
    run = {"assembly_id": script, "revision": "latest", "execution_context": "system"}
    return [
        _node("start", "trigger_manual", "Start", 0, 0),
        _node("nightly", "trigger_job", "Every night", 0, 1),
        _node("all_of_site", "devices_site", "All of the site", 0, 2, site_id=1),
        _node("canary", "devices_take", "Canary", 1, 2, percent=10, order="name"),
        _node("patch_few", "script", "Patch a few", 2, 0.5, **run),
        _node("ask", "approval", "Go on with the rest?", 3, 0.2, message="Go on?", timeout_seconds=86_400),
        _node("patch_rest", "script", "Patch the rest", 4, 0.8, **run),
        _node("tell", "http", "Tell the desk", 3, 1.6, method="POST", url="https://desk.example/tickets"),
    ]


_EDGES = [
    _edge("start.out", "patch_few.in"),
    _edge("nightly.out", "patch_few.in"),
    _edge("all_of_site.devices", "canary.devices"),
    _edge("canary.devices", "patch_few.devices"),
    _edge("canary.rest", "patch_rest.devices"),
    _edge("patch_few.out", "ask.in"),
    _edge("patch_few.out", "tell.in", "failed"),
    _edge("patch_few.result", "ask.inputs"),
    _edge("ask.out", "patch_rest.in"),
]


def _large(count: int) -> dict[str, Any]:
    nodes = [_node("start", "trigger_manual", "Start", 0, 0)]
    nodes += [
        _node(f"step{at}", "wait", f"Step {at}", 1 + at // 10, at % 10, **{"for": "duration", "seconds": 60 * at + 60})
        for at in range(count - 1)
    ]
    before = ["start"] * 10 + [f"step{at}" for at in range(count)]
    edges = [_edge(f"{before[at]}.out", f"step{at}.in") for at in range(count - 1)]
    return {"schema": 1, "nodes": nodes, "edges": edges}


async def workflows(fleet: Fleet, script: str) -> dict[str, Any]:
    """The ids of the workflows, by the names that paths of pictures use."""
    first = {"schema": 1, "nodes": _nodes(script)[:-1], "edges": [one for one in _EDGES if "tell" not in one["to"]]}
    body = {
        "name": "Patch with approval",
        "kind": "workflow",
        "variables": [{"name": "threshold", "type": "number", "default": 5, "description": "accepted failures"}],
        "workflow": first,
    }
    made = await _post(fleet, body)
    second = {"schema": 1, "nodes": _nodes(script), "edges": _EDGES, "max_parallel": 4}
    reply = await fleet.http.put(f"/api/assemblies/{made}", json=body | {"workflow": second})
    assert reply.status_code == 200, reply.text
    large = await _post(fleet, {"name": "A hundred steps", "kind": "workflow", "workflow": _large(100)})
    return {"workflow": made, "workflow_large": large}


async def _post(fleet: Fleet, body: dict[str, Any]) -> str:
    reply = await fleet.http.post("/api/assemblies", json=body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])
