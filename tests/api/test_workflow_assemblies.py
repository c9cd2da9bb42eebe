"""Workflows in the catalogue: saved, kept as revisions, carried by files, and judged for what they name."""

from uuid import uuid4

import pytest

from tests.api.conftest import codes
from tests.api.workflow_graphs import START, WIRED, create, document, edge, node, on_site, pausing

PATH = "/api/assemblies"
YAML = {"content-type": "text/yaml"}
THRESHOLD = {"name": "threshold", "type": "number", "default": 5}


def place(definition, name):
    """Where the settings of a node stand."""
    number = [one["id"] for one in definition["workflow"]["nodes"]].index(name)
    return f"workflow.nodes.{number}.settings"


@pytest.fixture
async def plain(operator):
    """A script without variables."""
    script = {"name": "Check", "interpreter": "bash", "content": "true"}
    return (await operator.post(PATH, json=script)).json()["id"]


async def test_a_saved_workflow_comes_back_and_can_be_saved_again(operator, viewer):
    made = await create(operator, pausing(variables=[THRESHOLD]))
    assert (made["kind"], made["content"], made["interpreter"], made["files"]) == ("workflow", "", None, [])
    assert made["variables"][0]["promptable"] is True
    assert [one["id"] for one in made["workflow"]["nodes"]] == ["start", "nightly", "pause"]
    assert made["workflow"]["edges"][0] == edge("start.out", "pause.in")
    assert (await viewer.get(f"{PATH}/{made['id']}")).json() == made
    origin = ("id", "revision", "content_sha256", "archived_at", "created_by", "updated_by", "created_at", "updated_at")
    again = await operator.put(f"{PATH}/{made['id']}", json={n: v for n, v in made.items() if n not in origin})
    assert (again.status_code, again.json()) == (200, made)


async def test_each_save_of_another_graph_is_a_revision_with_another_digest(operator):
    made = await create(operator, pausing())
    slower = document(node("pause", "wait", **{"for": "duration", "seconds": 60}))
    changed = (await operator.put(f"{PATH}/{made['id']}", json=slower)).json()
    assert (changed["revision"], changed["content_sha256"] != made["content_sha256"]) == (2, True)
    first = (await operator.get(f"{PATH}/{made['id']}/revisions/1")).json()
    assert first["workflow"] == made["workflow"]
    (listed,) = (await operator.get(PATH, params={"kind": "workflow"})).json()["items"]
    assert (listed["id"], listed["used_by_workflows"], "workflow" in listed) == (made["id"], 0, False)


async def test_a_workflow_goes_out_as_a_file_and_comes_back_in(operator):
    made = await create(operator, pausing(variables=[THRESHOLD]))
    exported = await operator.get(f"{PATH}/{made['id']}/export")
    assert b"interpreter" not in exported.content
    same = await operator.post(f"{PATH}/import", content=exported.content, headers=YAML)
    assert (same.status_code, same.json()) == (200, made)
    copy = await operator.post(f"{PATH}/import", content=exported.content.replace(b"Patch", b"Copy"), headers=YAML)
    assert (copy.status_code, copy.json()["workflow"]) == (201, made["workflow"])


async def test_a_workflow_stays_one_and_carries_no_files(operator, plain):
    made = await create(operator, pausing())
    script = {"name": "Patch", "interpreter": "bash", "content": "true"}
    assert codes(await operator.put(f"{PATH}/{made['id']}", json=script)) == {"kind": "not_allowed"}
    assert codes(await operator.put(f"{PATH}/{plain}", json=pausing(name="Check"))) == {"kind": "not_allowed"}
    attached = {**pausing(), "files": [{"name": "a.txt", "sha256": "0" * 64}]}
    assert codes(await operator.put(f"{PATH}/{made['id']}", json=attached))["files"] == "not_allowed"


async def test_what_a_workflow_names_has_to_be_there(operator, world, fleet):
    definition = document(
        node("some", "devices_filter", filter_id=4711),
        node("web", "devices_site", site_id=world.site_b),
        node("named", "devices_list", device_ids=[fleet["crane"], fleet["lamp"]]),
        node("all", "devices_combine", operation="union"),
        node("check", "script", assembly_id=str(uuid4())),
        node("tell", "notify", channel_id=99, subject="Done", message="Done."),
        node("pause", "wait", **{"for": "window", "window_id": 77}),
        edges=[edge("web.devices", "all.a"), edge("named.devices", "all.b"), edge("all.devices", "check.devices")],
    )
    refused = await operator.post(PATH, json=definition)
    assert codes(refused) == {
        f"{place(definition, 'some')}.filter_id": "filter_not_found",
        f"{place(definition, 'web')}.site_id": "site_not_found",
        f"{place(definition, 'named')}.device_ids.1": "device_not_found",
        f"{place(definition, 'check')}.assembly_id": "assembly_not_found",
        f"{place(definition, 'tell')}.channel_id": "channel_not_found",
        f"{place(definition, 'pause')}.window_id": "window_not_found",
    }


async def test_a_script_in_a_workflow_is_judged_as_in_a_job(operator, fleet, world, plain):
    wrong = document(
        *on_site(world.site_a, fleet["assembly"], variables={"Token": "s3cret", "Colour": "red"}), edges=[WIRED]
    )
    found = codes(await operator.post(PATH, json=wrong))
    at = place(wrong, "check")
    assert found == {
        f"{at}.variables.Token": "secret_not_allowed",
        f"{at}.variables.Colour": "unknown_variable",
    }
    playbook = document(node("web", "devices_site", site_id=world.site_a), node("check", "playbook", assembly_id=plain,
                        use_service_account=True), edges=[WIRED])  # fmt: skip
    assert "kind_mismatch" in codes(await operator.post(PATH, json=playbook)).values()
    no_revision = document(*on_site(world.site_a, plain, revision=7), edges=[WIRED])
    assert codes(await operator.post(PATH, json=no_revision)) == {f"{at}.revision": "revision_not_found"}


async def test_a_workflow_does_not_lead_back_to_itself_over_several_levels(operator):
    first = await create(operator, pausing(name="First"))
    second = await create(operator, document(node("inner", "workflow", assembly_id=first["id"]), name="Second"))
    third = await create(operator, document(node("inner", "workflow", assembly_id=second["id"]), name="Third"))
    for other in (first, second, third):
        definition = document(node("inner", "workflow", assembly_id=other["id"], revision=1), name="First")
        refused = await operator.put(f"{PATH}/{first['id']}", json=definition)
        assert codes(refused) == {f"{place(definition, 'inner')}.assembly_id": "recursion"}
        imported = await operator.post(f"{PATH}/import", content=_yaml(definition), headers=YAML)
        assert (imported.status_code, "recursion" in imported.text) == (422, True)


def _yaml(definition):
    import json

    return json.dumps(definition)


async def test_what_a_workflow_uses_is_not_archived_and_says_who_uses_it(operator, world, plain):
    one = await create(operator, document(*on_site(world.site_a, plain), edges=[WIRED], name="One"))
    await create(operator, document(*on_site(world.site_a, plain, revision=1), edges=[WIRED], name="Two"))
    used = (await operator.get(f"{PATH}/{plain}/usage")).json()
    assert [(use["name"], use["revisions"]) for use in used["workflows"]] == [("One", ["latest"]), ("Two", [1])]
    listed = {item["name"]: item for item in (await operator.get(PATH)).json()["items"]}
    assert (listed["Check"]["used_by_workflows"], listed["Check"]["used_by_jobs"]) == (2, 0)
    refused = await operator.post(f"{PATH}/{plain}/archive")
    assert (refused.status_code, refused.json()["code"]) == (409, "assembly_in_use")
    assert "the workflow One, the workflow Two" in refused.json()["detail"]
    await operator.post(f"{PATH}/{one['id']}/archive")
    used = (await operator.get(f"{PATH}/{plain}/usage")).json()
    assert [use["name"] for use in used["workflows"]] == ["Two"]


async def test_an_archived_assembly_cannot_be_named(operator, world, plain):
    await operator.post(f"{PATH}/{plain}/archive")
    definition = document(*on_site(world.site_a, plain), edges=[WIRED])
    refused = codes(await operator.post(PATH, json=definition))
    assert refused == {f"{place(definition, 'check')}.assembly_id": "assembly_archived"}


async def test_every_fault_of_document_graph_and_names_is_told_at_once(operator, world):
    definition = document(*on_site(world.site_b, uuid4()), edges=[WIRED], name=" ")
    assert codes(await operator.post(PATH, json=definition)) == {
        "name": "invalid_text",
        f"{place(definition, 'web')}.site_id": "site_not_found",
        f"{place(definition, 'check')}.assembly_id": "assembly_not_found",
    }
    checked = await operator.post(f"{PATH}/check", json=definition)
    assert {one["field"] for one in checked.json()["problems"]} >= {"name", f"{place(definition, 'web')}.site_id"}
    lonely = {"name": "Lonely", "kind": "workflow", "workflow": {"nodes": [START], "edges": "none"}}
    assert (await operator.post(PATH, json=lonely)).status_code == 422
