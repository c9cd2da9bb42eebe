"""Runs of workflows for people of some sites: what they see, stop and decide; what a launch of theirs reaches."""

import pytest

from tests.api.workflow_graphs import create, document, edge, node
from watchbill.workflows import Documents, step

RUNS = "/api/workflow_runs"


@pytest.fixture
def moved(db, clock):
    async def move() -> None:
        documents = Documents()
        while True:
            async with db.begin() as tx:
                if not await step(tx, documents, await clock.now(tx)):
                    return

    return move


ASK = node("ask", "approval", message="Go on?", timeout_seconds=3600)


async def _asking(who, moved):
    """A run of this caller's that asks; its address."""
    made = await create(who, document(ASK, name=f"Asking {id(who)}"))
    launched = await who.post(f"/api/workflows/{made['id']}/runs", json={})
    assert launched.status_code == 202, launched.text
    await moved()
    return made["id"], f"{RUNS}/{launched.json()['id']}"


async def test_a_run_of_one_site_is_there_for_its_people_alone(operator, viewer, other, admin, moved):
    workflow, run = await _asking(operator, moved)
    assert {(await who.get(run)).status_code for who in (operator, viewer, admin)} == {200}
    assert (await other.get(run)).status_code == 404
    for path in ("/cancel", "/resume", "/nodes/ask/decision"):
        assert (
            await other.post(f"{run}{path}", json={"decision": "approve"} if "ask" in path else {})
        ).status_code == 404
    for who, number in ((operator, 1), (viewer, 1), (admin, 1), (other, 0)):
        assert len((await who.get(f"/api/workflows/{workflow}/runs")).json()["items"]) == number
        assert len((await who.get("/api/workflow_approvals")).json()["items"]) == number
    assert (await viewer.post(f"{run}/nodes/ask/decision", json={"decision": "approve"})).status_code == 403
    assert (await viewer.post(f"{run}/cancel")).status_code == 403
    decided = await operator.post(f"{run}/nodes/ask/decision", json={"decision": "approve", "comment": "Good"})
    assert (decided.status_code, decided.json()["state"], decided.json()["result"]["by"]) == (200, "success", "otto")
    again = await operator.post(f"{run}/nodes/ask/decision", json={"decision": "deny"})
    assert (again.status_code, again.json()["code"]) == (409, "not_awaiting_approval")
    await moved()
    assert (await operator.get(run)).json()["state"] == "success"


async def test_a_run_for_every_site_is_seen_by_all_and_left_alone_by_most(admin, operator, moved):
    _, run = await _asking(admin, moved)
    seen = (await operator.get(run)).json()
    assert [(one["action"], one["allowed"]) for one in seen["allowed_actions"]] == [
        ("cancel", False),
        ("resume", False),
    ]
    for path, body in (("/cancel", {}), ("/nodes/ask/decision", {"decision": "deny"})):
        refused = await operator.post(f"{run}{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "job_spans_other_sites")
    assert (await admin.post(f"{run}/cancel")).status_code == 202
    await moved()
    ended = (await admin.get(run)).json()
    assert (ended["state"], ended["nodes"][-1]["state"]) == ("cancelled", "cancelled")
    again = await admin.post(f"{run}/resume", json={})
    assert (again.status_code, again.json()["origin_run_id"]) == (202, ended["id"])
    refused = await admin.post(f"{run}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_ended")


async def test_a_launch_by_people_of_one_site_reaches_no_other(admin, operator, other, world, make_device, moved):
    for name, site in (("web-a", world.site_a), ("web-b", world.site_b)):
        await make_device(name, site, online=True)
    criteria = {"field": "hostname", "operator": "contains", "value": "web"}
    found = (
        await admin.post("/api/device_filters", json={"name": "Web", "criteria": criteria, "site_ids": None})
    ).json()
    script = (
        await operator.post("/api/assemblies", json={"name": "Look", "interpreter": "bash", "content": "true"})
    ).json()
    wired = document(
        node("web", "devices_filter", filter_id=found["id"]),
        node("check", "script", assembly_id=script["id"]),
        edges=[edge("web.devices", "check.devices")],
    )
    workflow = (await create(admin, wired))["id"]
    reached = {}
    for name, who in (("operator", operator), ("other", other), ("admin", admin)):
        run = (await who.post(f"/api/workflows/{workflow}/runs", json={})).json()
        if "id" not in run:
            # One run at a time: the one before is stopped first.
            reached[name] = run["code"]
            continue
        await moved()
        path = f"{RUNS}/{run['id']}/nodes/web/devices"
        reached[name] = [one["hostname"] for one in (await who.get(path)).json()["items"]]
        rows = (await who.get(f"{RUNS}/{run['id']}/nodes/check/rows")).json()["items"]
        assert [one["device"]["hostname"] for one in rows] == reached[name]
        await who.post(f"{RUNS}/{run['id']}/cancel")
        await moved()
    assert reached == {"operator": ["web-a"], "other": ["web-b"], "admin": ["web-a", "web-b"]}


async def test_people_of_one_site_see_their_devices_of_a_run_for_all(admin, operator, world, make_device, moved):
    ids = [str(await make_device(name, site, online=True)) for name, site in (("a", world.site_a), ("b", world.site_b))]
    script = (
        await admin.post("/api/assemblies", json={"name": "Look", "interpreter": "bash", "content": "true"})
    ).json()
    wired = document(
        node("web", "devices_list", device_ids=ids),
        node("check", "script", assembly_id=script["id"]),
        edges=[edge("web.devices", "check.devices")],
    )
    workflow = (await create(admin, wired))["id"]
    run = (await admin.post(f"/api/workflows/{workflow}/runs", json={})).json()["id"]
    await moved()
    for who, names in ((admin, ["a", "b"]), (operator, ["a"])):
        there = (await who.get(f"{RUNS}/{run}/nodes/web/devices")).json()["items"]
        assert [one["hostname"] for one in there] == names
        rows = (await who.get(f"{RUNS}/{run}/nodes/check/rows")).json()["items"]
        assert len(rows) == len(names)
        check = next(one for one in (await who.get(f"{RUNS}/{run}")).json()["nodes"] if one["node_id"] == "check")
        assert sum(check["counts"].values()) == len(names)
