"""What is known of a device beside its name, over HTTP: facts, software, tags, custom values."""

from uuid import UUID, uuid4

import pytest

from tests.api.conftest import codes
from watchbill import devices


@pytest.fixture
async def fleet(make_device, world):
    return {
        "db-1": str(await make_device("db-1", world.site_a)),
        "web-1": str(await make_device("web-1", world.site_a)),
        "elsewhere": str(await make_device("elsewhere", world.site_b)),
    }


async def report(db, clock, device, digest, **facts):
    async with db.begin() as tx:
        assert await devices.inventory.record(tx, [(UUID(device), digest, facts)], await clock.now(tx)) == {}


async def field(admin, name="asset_number", type_="text", **more):
    body = {"name": name, "label": name.replace("_", " "), "type": type_, **more}
    reply = await admin.post("/api/custom_fields", json=body)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def get(client, device):
    reply = await client.get(f"/api/devices/{device}")
    assert reply.status_code == 200
    return reply.json()


# --- facts and software ------------------------------------------------------------------------------------------------


async def test_a_device_shows_what_it_told(viewer, fleet, db, clock):
    facts = {"device_type": "laptop", "addresses": ["10.0.0.7"], "cpu": {"count": 4}, "memory_bytes": 2**33}
    await report(db, clock, fleet["db-1"], "d1", **facts)
    device = await get(viewer, fleet["db-1"])
    assert (device["device_type"], device["internal_addresses"], device["cpu_count"]) == ("laptop", ["10.0.0.7"], 4)
    assert (device["ram_bytes"], device["domain"], device["external_address"]) == (2**33, None, None)
    assert (device["tags"], device["custom_values"], device["inventory_revision"]) == ([], {}, 1)


async def test_software_is_paged_by_name_and_searched_without_case(viewer, fleet, db, clock):
    software = {"dpkg": [["Zsh", "1"], ["bash", "5.2"], ["BASHtop", "1"], ["äpfel", "1"], ["bash", "5.3"]]}
    await report(db, clock, fleet["db-1"], "d1", software=software)
    path = f"/api/devices/{fleet['db-1']}/software"
    met, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await viewer.get(path, params=params)).json()
        met += [(one["name"], one["version"]) for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert met == [("bash", "5.2"), ("bash", "5.3"), ("BASHtop", "1"), ("Zsh", "1"), ("äpfel", "1")]
    found = (await viewer.get(path, params={"q": "BASH"})).json()["items"]
    assert [one["name"] for one in found] == ["bash", "bash", "BASHtop"]
    assert (await viewer.get(path, params={"q": "ÄP"})).json()["items"][0]["source"] == "dpkg"
    assert codes(await viewer.get(path, params={"cursor": "x"})) == {"cursor": "invalid"}


# --- tags --------------------------------------------------------------------------------------------------------------


async def test_a_device_has_exactly_the_tags_it_was_given(operator, fleet):
    path = f"/api/devices/{fleet['db-1']}/tags"
    assert (await operator.put(path, json={"tags": ["Prod", "db", "PROD"]})).json()["tags"] == ["db", "prod"]
    after = (await operator.put(path, json={"tags": ["prod", "büro"]})).json()
    assert (after["tags"], after["inventory_revision"]) == (["büro", "prod"], 2)
    again = (await operator.put(path, json={"tags": ["büro", "prod"]})).json()
    assert again == after
    assert [one["hostname"] for one in (await operator.get("/api/devices?tag=PROD")).json()["items"]] == ["db-1"]


async def test_every_unfit_tag_is_named(operator, fleet):
    path = f"/api/devices/{fleet['db-1']}/tags"
    refused = await operator.put(path, json={"tags": ["ok", "two words", "", "-x", "x" * 51]})
    assert codes(refused) == {f"tags.{place}": "invalid_tag" for place in (1, 2, 3, 4)}
    assert (await get(operator, fleet["db-1"]))["tags"] == []


async def test_tags_of_many_devices_change_together_after_a_rehearsal(operator, admin, fleet):
    await operator.put(f"/api/devices/{fleet['db-1']}/tags", json={"tags": ["old", "prod"]})
    ids = [fleet["db-1"], fleet["web-1"]]
    change = {"device_ids": ids, "add": ["prod", "ring:1"], "remove": ["old", "never"]}
    expected = {"devices": 2, "changed": 2, "added": 3, "removed": 1}
    rehearsal = await operator.post("/api/devices/tags", json={**change, "dry_run": True})
    assert rehearsal.json() == {**expected, "dry_run": True}
    assert (await get(operator, fleet["web-1"]))["tags"] == []
    assert (await operator.post("/api/devices/tags", json=change)).json() == {**expected, "dry_run": False}
    assert (await get(operator, fleet["db-1"]))["tags"] == ["prod", "ring:1"]
    assert (await get(operator, fleet["web-1"]))["tags"] == ["prod", "ring:1"]
    again = (await operator.post("/api/devices/tags", json=change)).json()
    assert (again["changed"], again["added"], again["removed"]) == (0, 0, 0)
    entries = (await admin.get("/api/audit?action=device.tagged")).json()["items"]
    assert [(one["object_id"], one["detail"]["added"]) for one in entries if one["object_id"] == fleet["web-1"]] == [
        (fleet["web-1"], ["prod", "ring:1"])
    ]
    assert len(entries) == 3


async def test_a_change_of_many_is_refused_as_a_whole_with_every_problem(operator, fleet):
    ids = [fleet["db-1"], fleet["elsewhere"], str(uuid4())]
    body = {"device_ids": ids, "add": ["a b", "x"], "remove": ["X"]}
    assert codes(await operator.post("/api/devices/tags", json=body)) == {
        "device_ids.1": "unknown_device",
        "device_ids.2": "unknown_device",
        "add.0": "invalid_tag",
        "remove": "both",
    }
    assert codes(await operator.post("/api/devices/tags", json={"device_ids": ids[:1]})) == {"add": "required"}
    assert (await get(operator, fleet["db-1"]))["tags"] == []


async def test_no_device_gets_more_than_a_hundred_tags(operator, fleet):
    tags = [f"t{number}" for number in range(100)]
    assert (await operator.put(f"/api/devices/{fleet['db-1']}/tags", json={"tags": tags})).status_code == 200
    ids = [fleet["web-1"], fleet["db-1"]]
    refused = await operator.post("/api/devices/tags", json={"device_ids": ids, "add": ["more"]})
    assert codes(refused) == {"device_ids.1": "too_many_tags"}
    swapped = {"device_ids": ids, "add": ["more"], "remove": ["t0"]}
    assert (await operator.post("/api/devices/tags", json=swapped)).status_code == 200


async def test_a_change_that_was_based_on_another_state_is_refused(operator, fleet):
    path = f"/api/devices/{fleet['db-1']}"
    read = (await operator.get(path)).headers["ETag"]
    first = await operator.put(f"{path}/tags", json={"tags": ["a"]}, headers={"If-Match": read})
    assert first.headers["ETag"] != read
    for verb, part, body in (
        ("PUT", "/tags", {"tags": ["b"]}),
        ("PUT", "/custom_values", {"values": {}}),
        ("PATCH", "", {"description": "b"}),
    ):
        late = await operator.request(verb, path + part, json=body, headers={"If-Match": read})
        assert late.status_code == 412
    described = await operator.patch(path, json={"description": "b"}, headers={"If-Match": first.headers["ETag"]})
    assert described.json()["inventory_revision"] == 2


# --- custom fields -----------------------------------------------------------------------------------------------------


async def test_a_field_is_made_changed_and_deleted_with_its_values(admin, operator, fleet):
    made = await field(admin, settable_by_scripts=True)
    path = f"/api/custom_fields/{made['id']}"
    await operator.put(f"/api/devices/{fleet['db-1']}/custom_values", json={"values": {"asset_number": "A 1"}})
    shown = await operator.get(path)
    assert (shown.json()["devices"], shown.headers["ETag"]) == (1, '"1"')
    body = {"name": "asset_number", "type": "text", "label": "Asset", "description": "on the sticker"}
    changed = (await admin.put(path, json=body, headers={"If-Match": '"1"'})).json()
    assert (changed["label"], changed["settable_by_scripts"], changed["revision"]) == ("Asset", False, 2)
    assert (await admin.put(path, json=body, headers={"If-Match": '"1"'})).status_code == 412
    assert (await admin.put(path, json=body)).json()["revision"] == 2
    before = (await get(operator, fleet["db-1"]))["inventory_revision"]
    assert (await admin.delete(path)).json() == {"devices": 1}
    after = await get(operator, fleet["db-1"])
    assert (after["custom_values"], after["inventory_revision"]) == ({}, before + 1)
    assert (await operator.get("/api/custom_fields")).json() == {"items": []}
    actions = [one["action"] for one in (await admin.get("/api/audit?object_kind=custom_field")).json()["items"]]
    assert actions == ["custom_field.deleted", "custom_field.updated", "custom_field.created"]


async def test_name_and_type_of_a_field_stay(admin):
    made = await field(admin)
    body = {"name": "other", "type": "date", "label": "x"}
    refused = await admin.put(f"/api/custom_fields/{made['id']}", json=body)
    assert codes(refused) == {"name": "cannot_change", "type": "cannot_change"}
    assert codes(await admin.post("/api/custom_fields", json={**body, "name": "asset_number"})) == {
        "name": "name_taken"
    }
    bad = await admin.post("/api/custom_fields", json={"name": "No", "type": "list", "label": ""})
    assert set(codes(bad)) == {"name", "type", "label"}


async def test_only_those_who_look_after_everything_make_fields(admin, operator, viewer):
    made = await field(admin)
    body = {"name": "x", "type": "text", "label": "x"}
    for client in (operator, viewer):
        assert (await client.post("/api/custom_fields", json=body)).status_code == 403
        assert (await client.put(f"/api/custom_fields/{made['id']}", json=body)).status_code == 403
        assert (await client.delete(f"/api/custom_fields/{made['id']}")).status_code == 403
        assert (await client.get("/api/custom_fields")).json()["items"][0]["name"] == "asset_number"
        assert (await client.get("/api/custom_fields/999")).status_code == 404


async def test_values_of_all_types_are_set_kept_and_taken_away(admin, operator, fleet):
    for name, kind in (("note", "text"), ("size", "number"), ("spare", "boolean"), ("bought", "date")):
        await field(admin, name, kind)
    path = f"/api/devices/{fleet['db-1']}/custom_values"
    values = {"note": " by the door ", "size": 2, "spare": False, "bought": "2024-02-29"}
    after = (await operator.put(path, json={"values": values})).json()
    kept = {name: one["value"] for name, one in after["custom_values"].items()}
    assert kept == {"note": "by the door", "size": 2.0, "spare": False, "bought": "2024-02-29"}
    assert {one["set_by"] for one in after["custom_values"].values()} == {"operator"}
    assert after["inventory_revision"] == 1
    same = (await operator.put(path, json={"values": {"size": 2.0, "spare": False}})).json()
    assert same == after
    fewer = (await operator.put(path, json={"values": {"note": None, "size": 3.5}})).json()
    assert {name: one["value"] for name, one in fewer["custom_values"].items()} == {
        "size": 3.5,
        "spare": False,
        "bought": "2024-02-29",
    }
    entry = (await admin.get("/api/audit?action=device.values_set")).json()["items"][0]
    assert entry["detail"]["values"] == {"note": ["by the door", None], "size": [2.0, 3.5]}


async def test_every_value_that_does_not_fit_is_named(admin, operator, fleet):
    for name, kind in (("note", "text"), ("size", "number"), ("spare", "boolean"), ("bought", "date")):
        await field(admin, name, kind)
    values = {"note": "a\nb", "size": "2", "spare": 1, "bought": "2023-02-29", "nothing": "x"}
    refused = await operator.put(f"/api/devices/{fleet['db-1']}/custom_values", json={"values": values})
    assert codes(refused) == {
        **dict.fromkeys(("values.note", "values.size", "values.spare", "values.bought"), "unfit_value"),
        "values.nothing": "unknown_field",
    }
    assert (await get(operator, fleet["db-1"]))["inventory_revision"] == 0
