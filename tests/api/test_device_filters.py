"""`/api/device_filters` as its callers meet it: replies, refusals, ETags, previews with reasons, and what uses a filter."""

import psycopg
import pytest

from watchbill import windows

CRITERIA = {"field": "hostname", "operator": "contains", "value": "web"}
FILTERS = "/api/device_filters"


def body(**changes):
    return {"name": "Web servers", "criteria": CRITERIA} | changes


async def made(client, **changes):
    reply = await client.post(FILTERS, json=body(**changes))
    assert reply.status_code == 201, reply.text
    return reply.json()


@pytest.fixture
async def machines(world, make_device):
    """Two web servers at site A, one of them and a database at site B."""
    places = [("web-1", world.site_a), ("db-1", world.site_a), ("web-2", world.site_b)]
    return {name: str(await make_device(name, site_id)) for name, site_id in places}


async def job_on(client, machines, *targets, **changes):
    script = {"name": f"Script {len(targets)}", "interpreter": "bash", "content": "true"}
    assembly = (await client.post("/api/assemblies", json=script)).json()["id"]
    definition = {
        "name": "Nightly",
        "components": [{"assembly_id": assembly}],
        "targets": list(targets),
        "schedule": {"type": "daily", "start": "2030-01-01T03:00"},
    } | changes
    reply = await client.post("/api/scheduled_jobs", json=definition)
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


async def test_a_filter_is_made_read_changed_and_deleted(admin):
    reply = await admin.post(FILTERS, json=body())
    saved = reply.json()
    assert reply.headers["location"] == f"{FILTERS}/{saved['id']}"
    assert (reply.headers["etag"], saved["in_words"]) == ('"1"', 'hostname contains "web"')
    assert [one["action"] for one in saved["allowed_actions"] if one["allowed"]] == ["update", "archive", "delete"]
    path = f"{FILTERS}/{saved['id']}"
    assert (await admin.get(path)).json() == saved
    stale = await admin.put(path, json=body(description="new"), headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    changed = await admin.put(path, json=body(description="new"), headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)
    history = (await admin.get(f"{path}/revisions")).json()["items"]
    assert [(one["revision"], one["description"]) for one in history] == [(2, "new"), (1, "")]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404


async def test_all_problems_come_back_at_once(admin):
    reply = await admin.post(FILTERS, json={"criteria": {"all": [{"field": "x", "operator": "is"}]}, "site_mode": "x"})
    assert reply.status_code == 422
    assert [one["field"] for one in reply.json()["errors"]] == ["name", "criteria.all.0.field", "site_mode"]


async def test_the_same_post_twice_makes_one_filter(admin):
    replies = [await admin.post(FILTERS, json=body(), headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert {one.json()["id"] for one in replies} == {replies[0].json()["id"]}
    assert len((await admin.get(FILTERS)).json()["items"]) == 1


async def test_a_list_is_searched_sorted_and_paged(admin):
    for name in ("bravo", "Alpha"):
        await made(admin, name=name)
    first = (await admin.get(FILTERS, params={"limit": 1, "sort": "-name"})).json()
    second = (await admin.get(FILTERS, params={"limit": 1, "sort": "-name", "cursor": first["next_cursor"]})).json()
    assert [first["items"][0]["name"], second["items"][0]["name"]] == ["bravo", "Alpha"]
    assert [one["name"] for one in (await admin.get(FILTERS, params={"q": "alp"})).json()["items"]] == ["Alpha"]
    wrong = await admin.get(FILTERS, params={"sort": "updated_at", "cursor": first["next_cursor"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "cursor")


async def test_the_fields_are_told_with_operators_units_and_examples(admin):
    await admin.post("/api/custom_fields", json={"name": "rack", "label": "Rack", "type": "text"})
    fields = {one["name"]: one for one in (await admin.get(f"{FILTERS}/fields")).json()["items"]}
    assert fields["ram_bytes"]["unit"] == "bytes"
    assert fields["os_family"]["choices"] == ["linux", "windows", "macos"]
    assert fields["software"]["example"]["name"] == "openssl"
    assert "contains" in fields["custom.rack"]["operators"]


async def test_criteria_are_tried_before_they_are_saved(admin, operator, machines):
    found = (await admin.post(f"{FILTERS}/preview", json={"criteria": CRITERIA})).json()
    assert (found["devices"], found["online"], found["offline"]) == (2, 0, 2)
    assert [(one["hostname"], one["why"]) for one in found["items"]] == [
        ("web-1", ['hostname "web-1" contains "web"']),
        ("web-2", ['hostname "web-2" contains "web"']),
    ]
    own = (await operator.post(f"{FILTERS}/preview", json={"criteria": CRITERIA})).json()
    assert [one["device_id"] for one in own["items"]] == [machines["web-1"]]
    first = (await admin.post(f"{FILTERS}/preview", json={"criteria": CRITERIA}, params={"limit": 1})).json()
    query = {"limit": 1, "cursor": first["next_cursor"]}
    rest = (await admin.post(f"{FILTERS}/preview", json={"criteria": CRITERIA}, params=query)).json()
    assert [one["hostname"] for one in rest["items"]] == ["web-2"]
    saved = await made(operator)
    seen = (await admin.get(f"{FILTERS}/{saved['id']}/preview")).json()
    assert [one["hostname"] for one in seen["items"]] == ["web-1"]


async def test_a_filter_in_use_stays_until_nothing_uses_it(admin, machines):
    saved = await made(admin)
    target = {"kind": "filter", "filter_id": saved["id"]}
    job_id = await job_on(admin, machines, target)
    out = await job_on(admin, machines, {"kind": "all_devices"}, target, name="Others", targets=[{"kind": "all_devices"}],
                       exclusions=[target])  # fmt: skip
    span = {"schedule": {"type": "daily", "start": "2026-01-01T00:00"}, "duration_seconds": 600}
    window = {"name": "Freeze", "kind": "deny", "spans": [span], "attachments": [target]}
    window_id = (await admin.post("/api/windows", json=window)).json()["id"]
    usage = (await admin.get(f"{FILTERS}/{saved['id']}/usage")).json()
    assert usage == {
        "jobs": [
            {"id": job_id, "name": "Nightly", "is_exclusion": False},
            {"id": out, "name": "Others", "is_exclusion": True},
        ],
        "windows": [{"id": window_id, "name": "Freeze"}],
        "unseen_jobs": 0,
        "unseen_windows": 0,
    }
    for refused in (
        await admin.post(f"{FILTERS}/{saved['id']}/archive"),
        await admin.delete(f"{FILTERS}/{saved['id']}"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "filter_in_use")
        assert "job Nightly, job Others, window Freeze" in refused.json()["detail"]
    for path in (f"/api/scheduled_jobs/{job_id}", f"/api/scheduled_jobs/{out}", f"/api/windows/{window_id}"):
        assert (await admin.delete(path)).status_code == 204
    archived = await admin.post(f"{FILTERS}/{saved['id']}/archive")
    assert archived.json()["archived_at"] is not None
    back = await admin.post(f"{FILTERS}/{saved['id']}/archive", json={"archived": False})
    assert back.json()["archived_at"] is None
    assert (await admin.delete(f"{FILTERS}/{saved['id']}")).status_code == 204


async def test_what_uses_a_filter_at_other_sites_is_counted_and_not_named(admin, operator, world, machines):
    saved = await made(operator)
    target = {"kind": "filter", "filter_id": saved["id"]}
    hidden = {"targets": [{"kind": "device", "device_id": machines["web-2"]}], "exclusions": [target], "name": "Secret"}
    await job_on(admin, machines, **hidden)
    usage = (await operator.get(f"{FILTERS}/{saved['id']}/usage")).json()
    assert (usage["jobs"], usage["unseen_jobs"]) == ([], 1)
    refused = await operator.delete(f"{FILTERS}/{saved['id']}")
    assert refused.status_code == 409
    assert "1 of sites that you do not see" in refused.json()["detail"]
    assert "Secret" not in refused.text


async def test_who_sees_a_part_of_what_a_filter_reaches_may_copy_it_and_not_change_it(admin, operator):
    saved = await made(admin)
    path = f"{FILTERS}/{saved['id']}"
    seen = (await operator.get(path)).json()
    assert seen["spans_other_sites"] is True
    assert seen["allowed_actions"][0]["reason"].startswith("This filter reaches, or names, sites")
    for refused in (await operator.put(path, json=body()), await operator.delete(path)):
        assert (refused.status_code, refused.json()["code"]) == (403, "filter_spans_other_sites")
    copy = await operator.post(f"{path}/clone", json={"name": "Ours"})
    assert (copy.status_code, copy.json()["name"], copy.json()["spans_other_sites"]) == (201, "Ours", False)
    assert (await operator.post(f"{path}/clone")).json()["name"] == "Copy of Web servers"


async def test_a_custom_field_that_a_filter_asks_about_cannot_be_deleted(admin):
    field = (await admin.post("/api/custom_fields", json={"name": "rack", "label": "Rack", "type": "text"})).json()
    saved = await made(admin, criteria={"field": "custom.rack", "operator": "is_known"})
    refused = await admin.delete(f"/api/custom_fields/{field['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "custom_field_in_use")
    assert "Web servers" in refused.json()["detail"]
    await admin.delete(f"{FILTERS}/{saved['id']}")
    assert (await admin.delete(f"/api/custom_fields/{field['id']}")).status_code == 200


async def test_gateways_are_rung_when_a_filter_of_a_window_changes(admin, db):
    saved = await made(admin)
    span = {"schedule": {"type": "daily", "start": "2026-01-01T00:00"}, "duration_seconds": 600}
    attached = [{"kind": "filter", "filter_id": saved["id"]}]
    window = {"name": "Freeze", "kind": "deny", "spans": [span], "attachments": attached}
    assert (await admin.post("/api/windows", json=window)).json()["covers"] == ["filter Web servers"]
    async with await psycopg.AsyncConnection.connect(db.conninfo, autocommit=True) as connection:
        await connection.execute(f"LISTEN {windows.GATEWAYS}")
        await admin.put(f"{FILTERS}/{saved['id']}", json=body(description="other"))
        await admin.put(f"{FILTERS}/{saved['id']}", json=body(criteria={"not": CRITERIA}))
        heard = [note.channel async for note in connection.notifies(timeout=5, stop_after=1)]
    assert heard[0] == windows.GATEWAYS


async def test_the_list_of_devices_asks_a_saved_filter_within_what_its_reader_sees(
    admin, operator, machines, make_device
):
    saved = await made(admin)

    async def names(client, **params):
        reply = await client.get("/api/devices", params={"filter_id": saved["id"], **params})
        assert reply.status_code == 200, reply.text
        return [one["hostname"] for one in reply.json()["items"]]

    assert await names(admin) == ["web-1", "web-2"]
    assert await names(admin, sort="-hostname", q="1") == ["web-1"]
    assert await names(operator) == ["web-1"]
    assert (await admin.post(f"{FILTERS}/{saved['id']}/archive")).status_code == 200
    assert await names(admin) == []
    assert (await admin.get("/api/devices", params={"filter_id": 987_654})).status_code == 404


async def test_a_device_tells_the_jobs_that_it_is_a_target_of_and_how(admin, operator, machines, world):
    saved = await made(admin)
    web = machines["web-1"]
    script = await admin.post("/api/assemblies", json={"name": "Look", "interpreter": "bash", "content": "true"})

    async def job(*targets, **changes):
        definition = {
            "components": [{"assembly_id": script.json()["id"]}],
            "targets": list(targets),
            "schedule": {"type": "daily", "start": "2030-01-01T03:00"},
        }
        reply = await admin.post("/api/scheduled_jobs", json=definition | changes)
        assert reply.status_code == 201, reply.text
        return reply.json()["id"]

    by_name = {"kind": "device", "device_id": web}
    by_filter = {"kind": "filter", "filter_id": saved["id"]}
    by_site = {"kind": "site", "site_id": world.site_a}
    await job(by_name, name="Named")
    await job(by_filter, by_name, name="Both")
    await job(by_site, name="Without it", exclusions=[by_name])
    await job({"kind": "all_devices"}, name="All")
    await job({"kind": "device", "device_id": machines["db-1"]}, name="Another")
    gone = await job(by_name, name="Gone")
    assert (await admin.delete(f"/api/scheduled_jobs/{gone}")).status_code == 204
    items = (await admin.get(f"/api/devices/{web}/jobs")).json()["items"]
    assert [(one["name"], one["by"], one["is_excluded"]) for one in items] == [
        ("All", ["all_devices"], False),
        ("Both", ["device", "filter"], False),
        ("Named", ["device"], False),
        ("Without it", ["site"], True),
    ]
    assert (await operator.get(f"/api/devices/{machines['web-2']}/jobs")).status_code == 404
