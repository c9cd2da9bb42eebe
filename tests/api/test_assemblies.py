"""The catalogue through HTTP: every fault at once, lost updates refused, revisions kept, files in and out."""

import pytest

from tests.api import jobs as jobs_of
from tests.api.conftest import codes

SCRIPT = {
    "name": "Clean up",
    "interpreter": "bash",
    "content": "echo $MaxAgeHours\n",
    "variables": [
        {"name": "MaxAgeHours", "type": "number", "default": 24},
        {"name": "Token", "type": "secret", "required": True},
    ],
}
PATH = "/api/assemblies"


async def create(client, **changes):
    reply = await client.post(PATH, json=SCRIPT | changes)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_a_saved_assembly_comes_back_with_its_defaults(operator, viewer):
    reply = await operator.post(PATH, json=SCRIPT)
    assert reply.status_code == 201
    made = reply.json()
    assert reply.headers["etag"] == '"1"'
    assert reply.headers["location"] == f"{PATH}/{made['id']}"
    assert (made["kind"], made["time_limit_seconds"], made["warning_exit_codes"]) == ("script", 3600, [])
    assert made["variables"][0] == {
        "name": "MaxAgeHours", "type": "number", "required": False, "default": 24, "choices": [], "description": "",
        "promptable": None,
    }  # fmt: skip
    assert made["created_by"] == made["updated_by"] == "otto"
    assert (await viewer.get(f"{PATH}/{made['id']}")).json() == made


async def test_all_faults_are_told_at_once_whatever_their_kind(operator):
    reply = await operator.post(
        PATH,
        json={
            "name": 5,
            "interpreter": "perl",
            "time_limit_seconds": "soon",
            "colour": "red",
            "variables": [{"name": "PATH", "type": "string"}, "x"],
        },
    )
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert codes(reply) == {
        "name": "wrong_type",
        "interpreter": "not_allowed",
        "content": "required",
        "time_limit_seconds": "out_of_range",
        "colour": "unknown_field",
        "variables.0.name": "reserved_name",
        "variables.1": "wrong_type",
        "variables.1.name": "required",
        "variables.1.type": "required",
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 422), (b"", 422), (b"[]", 422), (b"null", 422), (b'"x"', 422), (b'{"name":"\\u0000"}', 422)],
)
async def test_what_is_no_assembly_is_refused(operator, body, status):
    for send in (operator.post, operator.put):
        path = PATH if send == operator.post else f"{PATH}/{(await create(operator))['id']}"
        reply = await send(path, content=body, headers={"content-type": "application/json"})
        assert reply.status_code == status
        assert reply.json()["errors"]


async def test_a_lost_update_is_refused(operator):
    made = await create(operator)
    path = f"{PATH}/{made['id']}"
    first = await operator.put(path, json=SCRIPT | {"content": "echo 2"}, headers={"if-match": '"1"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    late = await operator.put(path, json=SCRIPT | {"content": "echo 3"}, headers={"if-match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "etag_mismatch")
    same = await operator.put(path, json=SCRIPT | {"content": "echo 2"})
    assert same.headers["etag"] == '"2"'


async def test_revisions_stay_readable_newest_first(operator, viewer):
    made = await create(operator)
    path = f"{PATH}/{made['id']}"
    for number in (2, 3):
        await operator.put(path, json=SCRIPT | {"content": f"echo {number}"})
    page = (await viewer.get(f"{path}/revisions?limit=2")).json()
    rest = (await viewer.get(f"{path}/revisions", params={"cursor": page["next_cursor"]})).json()
    assert [one["revision"] for one in page["items"] + rest["items"]] == [3, 2, 1]
    assert (await viewer.get(f"{path}/revisions/1")).json()["content"] == SCRIPT["content"]
    assert (await viewer.get(f"{path}/revisions/4")).status_code == 404
    assert (await viewer.get(f"{path}/revisions/0")).status_code == 422


async def test_a_list_holds_no_scripts_and_pages_by_name(operator):
    for name in ("b", "A", "c"):
        await create(operator, name=name)
    page = (await operator.get(f"{PATH}?limit=2")).json()
    assert [one["name"] for one in page["items"]] == ["A", "b"]
    assert "content" not in page["items"][0]
    rest = (await operator.get(PATH, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert ([one["name"] for one in rest["items"]], rest["next_cursor"]) == (["c"], None)
    assert (await operator.get(f"{PATH}?colour=red")).status_code == 422
    assert (await operator.get(f"{PATH}?interpreter=perl")).status_code == 422
    assert (await operator.get(f"{PATH}?cursor=nonsense")).status_code == 422


async def test_an_archived_assembly_leaves_the_list_and_can_come_back(operator):
    made = await create(operator)
    path = f"{PATH}/{made['id']}"
    archived = (await operator.post(f"{path}/archive")).json()
    assert archived["archived_at"]
    assert (await operator.get(PATH)).json()["items"] == []
    assert len((await operator.get(f"{PATH}?archived=true")).json()["items"]) == 1
    assert len((await operator.get(f"{PATH}?archived=all")).json()["items"]) == 1
    assert (await operator.put(path, json=SCRIPT)).json()["code"] == "assembly_archived"
    assert (await operator.post(f"{path}/restore")).json()["archived_at"] is None


async def test_an_assembly_in_use_is_not_archived_and_says_by_which_jobs(operator, make_device, world):
    made = await create(operator, variables=[])
    device_id = await make_device("crane", world.site_a)
    job = {
        "name": "Nightly",
        "components": [{"assembly_id": made["id"]}],
        "targets": [{"kind": "device", "device_id": str(device_id)}],
        "schedule": {"type": "hourly"},
    }
    assert (await operator.post("/api/scheduled_jobs", json=job)).status_code == 201
    refused = await operator.post(f"{PATH}/{made['id']}/archive")
    assert (refused.status_code, refused.json()["code"]) == (409, "assembly_in_use")
    assert "Nightly" in refused.json()["detail"]


async def test_an_assembly_names_the_jobs_that_it_is_part_of_and_counts_those_of_other_sites(
    operator, admin, fleet, world
):
    path = f"{PATH}/{fleet['assembly']}"
    seen = await jobs_of.create(admin, fleet, targets=[jobs_of.device(fleet["crane"])])
    elsewhere = jobs_of.job(fleet, name="Elsewhere", targets=[jobs_of.device(fleet["loner"])])
    elsewhere["components"][0]["revision"] = 1
    assert (await admin.post("/api/scheduled_jobs", json=elsewhere)).status_code == 201
    here = {
        "id": seen["id"], "name": seen["name"], "state": "active", "execution_context": "system", "revisions": ["latest"]
    }  # fmt: skip
    assert (await operator.get(f"{path}/usage")).json() == {"jobs": [here], "unseen_jobs": 1, "workflows": []}
    everything = (await admin.get(f"{path}/usage")).json()
    assert [one["revisions"] for one in everything["jobs"]] == [["latest"], [1]]
    assert everything["unseen_jobs"] == 0
    (listed,) = (await operator.get(PATH)).json()["items"]
    assert listed["used_by_jobs"] == 2


async def test_a_file_goes_out_and_comes_back_in(operator, viewer):
    made = await create(operator, content="#!/bin/bash\necho 'ä: b'\n")
    exported = await viewer.get(f"{PATH}/{made['id']}/export")
    assert exported.headers["content-type"].startswith("text/yaml")
    yaml = {"content-type": "text/yaml"}
    same = await operator.post(f"{PATH}/import", content=exported.content, headers=yaml)
    assert (same.status_code, same.json()) == (200, made)
    changed = exported.content.replace(b"time_limit_seconds: 3600", b"time_limit_seconds: 60")
    again = await operator.post(f"{PATH}/import", content=changed, headers=yaml)
    assert (again.status_code, again.json()["revision"], again.json()["id"]) == (200, 2, made["id"])
    copy = await operator.post(f"{PATH}/import", content=exported.content.replace(b"Clean up", b"Copy"), headers=yaml)
    assert copy.status_code == 201


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: x\ninterpreter: perl\n", {"content": "required", "interpreter": "not_allowed"}),
        (b"a: &a [1]\nb: [*a, *a]\n", {"file": "alias"}),
        (b"[" * 1000, {"file": "too_deep"}),
        (b"name: !!python/name:os.system x\n", {"file": "tag"}),
        (b"~", {"": "wrong_type", "name": "required", "interpreter": "required", "content": "required"}),
        (b"{", {"file": "malformed_yaml"}),
    ],
)
async def test_a_bad_file_is_refused_with_every_place(operator, content, expected):
    reply = await operator.post(f"{PATH}/import", content=content, headers={"content-type": "text/yaml"})
    assert reply.status_code == 422
    assert codes(reply) == expected
    assert all(one["message"].startswith("line ") for one in reply.json()["errors"])


@pytest.mark.parametrize("content", [b"", b"name: \xff\xfe"])
async def test_what_is_no_text_is_refused(operator, content):
    reply = await operator.post(f"{PATH}/import", content=content, headers={"content-type": "text/yaml"})
    assert reply.status_code == 422


async def test_a_viewer_changes_nothing_and_a_stranger_sees_nothing(operator, viewer, anonymous):
    made = await create(operator)
    path = f"{PATH}/{made['id']}"
    yaml = {"content-type": "text/yaml"}
    attempts = [
        viewer.post(PATH, json=SCRIPT),
        viewer.put(path, json=SCRIPT),
        viewer.post(f"{path}/archive"),
        viewer.post(f"{path}/restore"),
        viewer.post(f"{PATH}/import", content="name: x", headers=yaml),
    ]
    assert [(await attempt).status_code for attempt in attempts] == [403] * 5
    assert (await anonymous.get(path)).status_code == 401


async def test_what_is_not_there_is_not_found(operator):
    path = f"{PATH}/6b1c0000-0000-4000-8000-000000000000"
    assert (await operator.get(path)).json()["code"] == "assembly_not_found"
    assert (await operator.put(path, json=SCRIPT)).status_code == 404
    assert (await operator.get(f"{PATH}/nonsense")).status_code == 422


async def test_openapi_documents_the_typed_body(admin):
    document = (await admin.get("/api/openapi.json")).json()
    body = document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"] == "#/components/schemas/AssemblyBody"
    assert set(document["components"]["schemas"]["AssemblyBody"]["required"]) == {"name"}
    file = document["paths"][f"{PATH}/import"]["post"]["requestBody"]["content"]
    assert list(file) == ["text/yaml"]


async def test_a_new_revision_for_jobs_of_other_sites_is_for_who_sees_them(admin, operator, other, fleet):
    """Whoever could save it would run what he likes on their devices."""
    path = f"/api/assemblies/{fleet['assembly']}"
    evil = jobs_of.SCRIPT | {"content": "reboot"}
    theirs = await jobs_of.create(admin, fleet, targets=[jobs_of.device(fleet["lamp"])])
    refused = await operator.put(path, json=evil)
    assert (refused.status_code, refused.json()["code"]) == (403, "assembly_used_elsewhere")
    assert (await operator.get(path)).json()["content"] == "true"
    assert (await other.put(path, json=evil)).status_code == 200
    pinned = [{"assembly_id": fleet["assembly"], "revision": 1, "variables": {"Token": jobs_of.SECRET}}]
    body = jobs_of.job(fleet, targets=[jobs_of.device(fleet["lamp"])], components=pinned)
    assert (await admin.put(f"{jobs_of.PATH}/{theirs['id']}", json=body)).status_code == 200
    assert (await operator.put(path, json=jobs_of.SCRIPT)).status_code == 200


async def test_a_new_revision_for_jobs_that_run_as_system_needs_that_permission(admin, operator, fleet, world):
    await jobs_of.create(admin, fleet)
    path = f"/api/operators/{world.operator.id}"
    await admin.patch(path, json={"denied_permissions": ["run_as_system"]})
    change = jobs_of.SCRIPT | {"content": "reboot"}
    assert (await operator.put(f"/api/assemblies/{fleet['assembly']}", json=change)).status_code == 403
    assert (await operator.post("/api/assemblies", json=change | {"name": "Other"})).status_code == 201


async def test_a_new_revision_for_jobs_that_run_as_who_is_signed_in_needs_no_right_to_the_system(
    admin, operator, fleet, world
):
    await jobs_of.create(admin, fleet, execution_context="current_user")
    await admin.patch(f"/api/operators/{world.operator.id}", json={"denied_permissions": ["run_as_system"]})
    change = jobs_of.SCRIPT | {"content": "id", "interpreter": "sh"}
    changed = await operator.put(f"/api/assemblies/{fleet['assembly']}", json=change)
    assert (changed.status_code, changed.json().get("interpreter")) == (200, "sh"), changed.text
