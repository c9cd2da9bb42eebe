"""Documents of workflows for tests of the API."""

from typing import Any

START = {"id": "start", "type": "trigger_manual", "name": "By hand", "settings": {}}
JOB = {"id": "nightly", "type": "trigger_job", "name": "By a job", "settings": {}}


def edge(source: str, target: str, route_on: str | None = "success") -> dict[str, Any]:
    is_control = source.endswith(".out")
    return {"from": source, "to": target, "route_on": route_on if is_control else None}


def node(name: str, kind: str, /, **settings: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "name": name, "settings": settings}


def document(*nodes: dict[str, Any], edges: Any = (), name: str = "Patch", **changes: Any) -> dict[str, Any]:
    """A workflow that begins by hand and by a job; each node that takes control follows the triggers where no edge leads to it."""
    reached = {one["to"].split(".")[0] for one in edges if one["to"].endswith(".in")}
    sets = ("devices_", "split")
    first = [one["id"] for one in nodes if not one["type"].startswith(sets) and one["id"] not in reached]
    led = [edge(f"{trigger['id']}.out", f"{one}.in") for one in first for trigger in (START, JOB)]
    graph = {"nodes": [START, JOB, *nodes], "edges": [*led, *edges]}
    return {"name": name, "kind": "workflow", "workflow": graph} | changes


def on_site(site_id: int, assembly_id: Any, **settings: Any) -> list[dict[str, Any]]:
    """A script on the devices of a site: its nodes; `wired` is their edge."""
    return [
        node("web", "devices_site", site_id=site_id),
        node("check", "script", assembly_id=str(assembly_id), **settings),
    ]


WIRED = edge("web.devices", "check.devices")


def pausing(**changes: Any) -> dict[str, Any]:
    """One that only waits for a moment."""
    return document(node("pause", "wait", **{"for": "duration", "seconds": 5}), **changes)


async def create(client: Any, definition: dict[str, Any]) -> Any:
    reply = await client.post("/api/assemblies", json=definition)
    assert reply.status_code == 201, reply.text
    return reply.json()
