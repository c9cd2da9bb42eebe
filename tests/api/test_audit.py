"""The audit trail over HTTP."""

import csv
import io
import json


async def test_the_trail_is_for_those_with_the_permission(operator, viewer):
    assert (await operator.get("/api/audit")).status_code == 403
    assert (await viewer.get("/api/audit")).status_code == 403


async def test_the_trail_is_read_newest_first_page_by_page(admin, world):
    for number in range(3):
        await admin.patch(f"/api/sites/{world.site_a}", json={"description": f"change {number}"})
    first = (await admin.get("/api/audit?action=site.updated&limit=2")).json()
    second = (
        await admin.get("/api/audit", params={"action": "site.updated", "limit": 2, "cursor": first["next_cursor"]})
    ).json()
    entries = first["items"] + second["items"]
    assert [entry["detail"]["description"][1] for entry in entries] == ["change 2", "change 1", "change 0"]
    assert second["next_cursor"] is None
    assert {entry["object_id"] for entry in entries} == {str(world.site_a)}


async def test_filters_by_person_object_and_time(admin, world):
    await admin.patch(f"/api/sites/{world.site_a}", json={"description": "x"})
    at = (await admin.get("/api/audit?action=site.updated")).json()["items"][0]["at"]

    async def found(**params):
        reply = await admin.get("/api/audit", params={"action": "site.updated", **params})
        return len(reply.json()["items"])

    assert await found(operator_id=world.admin.id, object_id=str(world.site_a), site_id=world.site_a, since=at) == 1
    assert await found(operator_id=world.viewer.id) == 0
    assert await found(until=at) == 0
    assert await found(site_id=world.site_b) == 0


async def test_a_refused_write_leaves_no_row(admin, operator, world):
    await operator.patch(f"/api/sites/{world.site_a}", json={"description": "x"})
    await admin.post("/api/sites", json={"name": "Harbour"})
    rows = (await admin.get("/api/audit")).json()["items"]
    assert {row["actor"] for row in rows} == {"engine"}  # the two sites of the set-up


async def test_the_trail_is_taken_along_as_a_file(admin, operator, world):
    await admin.patch(f"/api/sites/{world.site_a}", json={"description": "=1+1, and a “quote”"})
    await admin.patch(f"/api/sites/{world.site_b}", json={"description": "x"})
    wanted = {"action": "site.updated", "object_id": str(world.site_a)}
    reply = await admin.get("/api/audit/export", params=wanted)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert (row["actor"], row["action"], row["object_id"]) == ("ada", "site.updated", str(world.site_a))
    assert "“quote”" in row["detail"]
    lines = (await admin.get("/api/audit/export", params={**wanted, "format": "jsonl"})).text.splitlines()
    assert [json.loads(one) for one in lines] == (await admin.get("/api/audit", params=wanted)).json()["items"]
    assert (await operator.get("/api/audit/export")).status_code == 403
