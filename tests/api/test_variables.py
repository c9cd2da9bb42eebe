"""Values of variables over HTTP: who sets them where, what is refused, and that a secret never comes out again."""

import pytest
from sqlalchemy import text

from tests.api.jobs import PATH as JOBS
from tests.api.jobs import device

PATH = "/api/variables"
SECRET = "correct-horse-battery-staple"


async def give(client, name, value, status=201, **more):
    reply = await client.post(PATH, json={"name": name, "value": value, **more})
    assert reply.status_code == status, reply.text
    return reply.json()


def problems(reply):
    return {(one["field"], one["code"]) for one in reply["errors"]}


async def test_a_value_is_set_changed_and_removed(admin, make_device, world):
    device_id = await make_device("crane", world.site_a)
    made = await give(admin, "REGION", "north", device_id=str(device_id), description="where it stands")
    assert (made["scope"], made["hostname"], made["value"], made["revision"]) == ("device", "crane", "north", 1)
    body = {"name": "REGION", "value": 7, "device_id": str(device_id)}
    stale = await admin.put(f"{PATH}/{made['id']}", json=body, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    changed = await admin.put(f"{PATH}/{made['id']}", json=body, headers={"If-Match": '"1"'})
    assert (changed.json()["value"], changed.json()["revision"], changed.headers["ETag"]) == (7, 2, '"2"')
    same = await admin.put(f"{PATH}/{made['id']}", json=body)
    assert same.json()["revision"] == 2, "what changes nothing makes no revision"
    assert (await admin.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert (await admin.get(f"{PATH}/{made['id']}")).status_code == 404
    await give(admin, "REGION", "south", device_id=str(device_id))


async def test_a_secret_never_comes_out_and_is_forgotten_when_it_is_replaced(admin, db):
    made = await give(admin, "PASSWORD", SECRET, is_secret=True)
    assert (made["value"], made["is_secret"], made["is_set"], made["set_by"]) == (None, True, True, "ada")
    body = {"name": "PASSWORD", "is_secret": True, "description": "of the database"}
    kept = await admin.put(f"{PATH}/{made['id']}", json=body)
    assert (kept.status_code, kept.json()["revision"]) == (200, 2), kept.text
    plain = await admin.put(f"{PATH}/{made['id']}", json={"name": "PASSWORD"})
    assert problems(plain.json()) == {("value", "required")}
    replaced = await admin.put(f"{PATH}/{made['id']}", json={**body, "value": "another"})
    listed = await admin.get(PATH)
    audited = await admin.get("/api/audit")
    for reply in (kept, plain, replaced, listed, audited):
        assert SECRET not in reply.text
    assert "variable.updated" in audited.text
    async with db.begin() as tx:
        rows = (await tx.execute(text("SELECT sealed, value FROM variable_values ORDER BY revision"))).all()
    assert [row.sealed is not None for row in rows] == [False, False, True]
    assert all(row.value is None for row in rows)


async def test_every_problem_is_named_and_the_value_is_not(admin, world):
    reply = await give(
        admin, "LD_PRELOAD", {"a": SECRET}, 422, site_id=1, device_id="x", is_secret="yes", color="red", description=5
    )
    assert problems(reply) >= {
        ("name", "reserved_name"),
        ("value", "wrong_type"),
        ("device_id", "wrong_type"),
        ("is_secret", "wrong_type"),
        ("description", "wrong_type"),
    }
    assert any(field == "color" for field, _ in problems(reply))
    assert SECRET not in str(reply)
    assert problems(await give(admin, "OK", "x" * 40_000, 422)) == {("value", "length")}
    assert problems(await give(admin, "OK", None, 422, site_id=10**9)) == {
        ("value", "required"),
        ("site_id", "unknown_site"),
    }
    assert problems(await give(admin, "9x", "v", 422)) == {("name", "invalid_name")}


async def test_one_name_has_one_value_in_each_place(admin, world):
    await give(admin, "REGION", "x")
    await give(admin, "REGION", "x", site_id=world.site_a)
    assert (await give(admin, "REGION", "y", 409))["code"] == "name_taken"


async def test_where_a_value_is_for_stays_as_it_was_made(admin, world):
    made = await give(admin, "REGION", "x", site_id=world.site_a)
    reply = await admin.put(f"{PATH}/{made['id']}", json={"name": "OTHER", "value": "x"})
    assert problems(reply.json()) == {("name", "cannot_change"), ("site_id", "cannot_change")}


async def test_operators_set_values_in_their_sites_alone(admin, operator, viewer, world, make_device):
    own, foreign = await make_device("own", world.site_a), await make_device("foreign", world.site_b)
    await give(operator, "REGION", "x", site_id=world.site_a)
    await give(operator, "REGION", "x", device_id=str(own))
    assert problems(await give(operator, "REGION", "x", 422, site_id=world.site_b)) == {("site_id", "unknown_site")}
    assert problems(await give(operator, "REGION", "x", 422, device_id=str(foreign))) == {
        ("device_id", "unknown_device")
    }
    await give(operator, "REGION", "x", 403)
    await give(viewer, "REGION", "x", 403, site_id=world.site_a)
    hidden = await give(admin, "HIDDEN", "x", device_id=str(foreign))
    shared = await give(admin, "SHARED", "x")
    assert (await operator.get(f"{PATH}/{hidden['id']}")).status_code == 404
    assert (await operator.get(f"{PATH}/{shared['id']}")).json()["value"] == "x"
    assert (await operator.delete(f"{PATH}/{shared['id']}")).status_code == 403
    names = [one["name"] for one in (await operator.get(PATH)).json()["items"]]
    assert names == ["REGION", "REGION", "SHARED"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, ["A", "A", "B", "C"]),
        ({"scope": "everything"}, ["A"]),
        ({"scope": "site"}, ["A", "B"]),
        ({"scope": "device"}, ["C"]),
        ({"q": "b"}, ["B"]),
    ],
)
async def test_the_list_is_narrowed_and_paged(admin, world, make_device, query, wanted):
    await give(admin, "A", "x")
    await give(admin, "A", "x", site_id=world.site_a)
    await give(admin, "B", "x", site_id=world.site_a)
    await give(admin, "C", "x", device_id=str(await make_device("c", world.site_b)))
    met, cursor = [], None
    while True:
        page = (await admin.get(PATH, params={**query, "limit": 1, **({"cursor": cursor} if cursor else {})})).json()
        met += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert met == wanted


async def test_a_place_holds_two_hundred_values(admin, db):
    fill = (
        "INSERT INTO variable_values (variable_id, revision, name, description, is_secret, value, set_at)"
        " SELECT 1000 + n, 1, 'N' || n, '', false, '1', now() FROM generate_series(1, 200) n"
    )
    async with db.begin() as tx:
        await tx.execute(text(fill))
    assert (await give(admin, "ONE_MORE", "x", 409))["code"] == "too_many"


async def test_a_job_may_leave_a_required_variable_to_its_devices(admin, operator, make_device, world):
    crane, pump = await make_device("crane", world.site_a), await make_device("pump", world.site_a)
    script = {"name": "S", "interpreter": "bash", "content": "true"}
    declared = [{"name": "REGION", "type": "string", "required": True}]
    assembly = (await admin.post("/api/assemblies", json={**script, "variables": declared})).json()["id"]
    body = {
        "name": "J",
        "components": [{"assembly_id": assembly}],
        "targets": [device(str(crane)), device(str(pump))],
        "schedule": {"type": "daily", "start": "2099-01-01T03:00", "timezone": "UTC"},
    }
    refused = await admin.post(JOBS, json=body)
    assert problems(refused.json()) == {("components.0.variables.REGION", "required")}
    await give(admin, "REGION", "x", device_id=str(await make_device("far", world.site_b)))
    unseen = await operator.post(JOBS, json=body)
    assert problems(unseen.json()) == {("components.0.variables.REGION", "required")}, "of another site"
    await give(admin, "REGION", "x", device_id=str(crane))
    assert (await operator.post(JOBS, json=body)).status_code == 201
    preview = (await operator.post(f"{JOBS}/preview", json=body)).json()
    assert preview["targets"]["lacking"] == {"REGION": 1}
    assert preview["targets"]["left_out"] == {"preflight_failed": 1}
