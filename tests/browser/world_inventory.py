"""The inventory that pictures are taken of: sites, machines with names of their own, who waits, custom fields and filters."""

from typing import Any

from tests.factories.machines import Machine
from tests.flows.fleet import Fleet

_NAMES = ("anchor-01", "anchor-02", "berth-display", "customs-gate-3", "dry-dock-hmi", "tide-gauge", "weather-mast")
_WAITING = ("crane-02", "crane-03", "ferry-terminal", "tide-gauge", "visitor-laptop-of-the-harbour-master")
_FILTERS: tuple[dict[str, Any], ...] = (
    {"name": "All Linux", "criteria": {"field": "os_family", "operator": "is", "value": "linux"}},
    {
        "name": "Night watch",
        "description": "What is looked after while everybody sleeps.",
        "criteria": {
            "all": [
                {"field": "os_family", "operator": "is", "value": "linux"},
                {
                    "any": [
                        {"field": "tags", "operator": "has_any", "value": ["night", "always"]},
                        {"field": "hostname", "operator": "starts_with", "value": "anchor-"},
                    ]
                },
                {
                    "not": {
                        "field": "software",
                        "operator": "installed",
                        "value": {"name": "openssl", "version_operator": "lower", "version": "3.0.11"},
                    }
                },
            ]
        },
    },
    {"name": "Not seen for a month", "criteria": {"field": "last_seen_age", "operator": "higher", "value": "30 days"}},
)


async def inventory(fleet: Fleet, device_id: str) -> dict[str, Any]:
    """Ids by the names that paths of pictures use."""
    pier = await _post(
        fleet, "/api/sites", {"name": "Pier 7", "timezone": "Asia/Tokyo", "description": "Across the bay"}
    )
    await _post(fleet, f"/api/sites/{pier['id']}/auto_approval", {"minutes": 60})
    known = [await _device(fleet, pier if name.startswith("anchor") else fleet.site, name) for name in _NAMES]
    for name in _WAITING:
        await Machine(fleet.http, name).enrol(str(fleet.site["enrolment_code"]))
    for name, label, kind in (
        ("rack", "Rack", "text"),
        ("warranty", "Warranty until", "date"),
        ("spare", "Spare", "boolean"),
    ):
        await _post(fleet, "/api/custom_fields", {"name": name, "label": label, "type": kind})
    values = {"values": {"rack": "B-12", "warranty": "2027-05-31"}}
    assert (await fleet.http.put(f"/api/devices/{device_id}/custom_values", json=values)).status_code == 200
    await _post(fleet, "/api/devices/tags", {"device_ids": [device_id, *known[:3]], "add": ["night", "harbour"]})
    made = [await _post(fleet, "/api/device_filters", body) for body in _FILTERS]
    return {"pier": pier["id"], "filter": made[1]["id"]}


async def _device(fleet: Fleet, site: dict[str, Any], name: str) -> str:
    """Approved, where nobody is let in unasked; it never connects."""
    asked = (await Machine(fleet.http, name).enrol(str(site["enrolment_code"]))).json()
    path = f"/api/device_approvals/{asked['enrolment_id']}"
    if asked["state"] == "pending":
        await _post(fleet, f"{path}/approve", {})
    return str((await fleet.http.get(path)).json()["device_id"])


async def _post(fleet: Fleet, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await fleet.http.post(path, json=body)
    assert reply.status_code < 300, reply.text
    return dict(reply.json())
