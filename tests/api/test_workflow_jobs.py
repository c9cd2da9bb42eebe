"""Scheduled jobs that launch a workflow, through HTTP: saved, shown, previewed, carried by files, and refused what has no meaning."""

import pytest

from tests.api.conftest import codes
from tests.api.jobs import PATH, YAML, definition_of
from tests.api.workflow_graphs import START, WIRED, create, document, edge, node, on_site, pausing

ASSEMBLIES = "/api/assemblies"
PARAMETERS = [
    {"name": "threshold", "type": "number", "default": 5},
    {"name": "ring", "type": "choice", "choices": ["first", "rest"], "required": True},
    {"name": "fixed", "type": "string", "default": "x", "promptable": False},
]


def launching(workflow, **changes):
    component = {"assembly_id": workflow["id"], "kind": "workflow", "variables": {"ring": "first"}}
    return {
        "name": "Nightly patch",
        "components": [component],
        "schedule": {"type": "daily", "start": "2030-01-01T03:00"},
    } | changes


def with_values(workflow, **values):
    return launching(workflow)["components"][0] | {"variables": values}


@pytest.fixture
async def workflow(operator):
    return await create(operator, pausing(variables=PARAMETERS))


async def save(client, definition):
    reply = await client.post(PATH, json=definition)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_a_saved_one_is_shown_and_can_be_saved_again(operator, viewer, workflow):
    made = await save(operator, launching(workflow))
    assert (made["targets"], made["execution_context"], made["duration"]["time_limit_seconds"]) == ([], None, None)
    assert made["components"][0]["kind"] == "workflow"
    assert made["components"][0]["variables"] == {"ring": "first"}
    assert made["will_not_fire"] is None
    again = await operator.put(f"{PATH}/{made['id']}", json=definition_of(made))
    assert (again.status_code, again.json()["revision"]) == (200, 1)
    shown = (await viewer.get(f"{PATH}/{made['id']}")).json()
    assert shown["target_summary"]["devices"] == 0


async def test_what_has_no_meaning_is_refused_each_with_its_field(operator, workflow, world):
    refused = await operator.post(
        PATH,
        json=launching(
            workflow,
            targets=[{"kind": "site", "site_id": world.site_a}],
            exclusions=[{"kind": "site", "site_id": world.site_a}],
            execution_context="system",
            credential_id=3,
            use_service_account=True,
            credential_ids=[3],
            duration={"time_limit_seconds": 60, "expires_after_seconds": 60, "run_limit_seconds": 60},
            policies={"overlap": "replace", "retries": 2, "offline": "skip", "waves": {"sizes": ["50%"]}},
        ),
    )
    assert set(codes(refused)) == {
        *("targets", "exclusions", "execution_context", "credential_id", "use_service_account", "credential_ids"),
        *("duration.time_limit_seconds", "duration.expires_after_seconds", "duration.run_limit_seconds"),
        *("policies.overlap", "policies.retries", "policies.offline", "policies.waves"),
    }


async def test_empty_values_are_let_pass_and_three_policies_mean_something(operator, workflow):
    empty: dict[str, object] = {
        "targets": [], "exclusions": None, "execution_context": None, "credential_id": None, "use_service_account": False,
        "credential_ids": None, "duration": {"time_limit_seconds": None},
        "policies": {"overlap": "queue_one", "catch_up": "all", "catch_up_window_seconds": 3600, "retries": 0},
    }  # fmt: skip
    made = await save(operator, launching(workflow, **empty))
    assert {name: made["policies"][name] for name in ("overlap", "catch_up", "catch_up_window_seconds")} == {
        "overlap": "queue_one", "catch_up": "all", "catch_up_window_seconds": 3600
    }  # fmt: skip


async def test_parameters_are_judged_and_only_promptable_ones_may_be_set(operator, workflow):
    at = "components.0.variables"
    wrong = with_values(workflow, ring="middle", fixed="y", threshold="many", colour="red")
    found = codes(await operator.post(PATH, json=launching(workflow, components=[wrong])))
    assert found == {
        f"{at}.ring": "not_a_choice",
        f"{at}.fixed": "not_promptable",
        f"{at}.threshold": "wrong_type",
        f"{at}.colour": "unknown_variable",
    }
    none = codes(await operator.post(PATH, json=launching(workflow, components=[with_values(workflow)])))
    assert none == {f"{at}.ring": "required"}


async def test_a_workflow_is_the_only_component_and_an_assembly_of_that_kind(operator, workflow, fleet):
    script = {"assembly_id": fleet["assembly"], "kind": "script"}
    both = [*launching(workflow)["components"], script]
    assert codes(await operator.post(PATH, json=launching(workflow, components=both)))["components"] == "length"
    as_script = [{**both[0], "kind": "script"}]
    refused = launching(workflow, components=as_script, targets=[{"kind": "all_devices"}])
    assert codes(await operator.post(PATH, json=refused))["components.0.kind"] == "kind_mismatch"
    mistaken = [{**script, "kind": "workflow"}]
    assert (
        codes(await operator.post(PATH, json=launching(workflow, components=mistaken)))["components.0.kind"]
        == "kind_mismatch"
    )


async def test_a_workflow_without_a_job_trigger_or_in_the_archive_is_refused(operator, workflow):
    by_hand = {
        "nodes": [START, node("pause", "wait", **{"for": "duration", "seconds": 5})],
        "edges": [edge("start.out", "pause.in")],
    }
    other = await create(operator, {"name": "By hand", "kind": "workflow", "workflow": by_hand})
    refused = await operator.post(PATH, json=launching(other, components=[with_values(other)]))
    assert codes(refused) == {"components.0.assembly_id": "no_trigger"}
    await operator.post(f"{ASSEMBLIES}/{workflow['id']}/archive")
    archived = await operator.post(PATH, json=launching(workflow))
    assert codes(archived) == {"components.0.assembly_id": "assembly_archived"}


async def test_the_preview_says_when_and_what_is_taken_from_the_workflow(operator, fleet, world):
    plain = (await operator.post(ASSEMBLIES, json={"name": "Check", "interpreter": "bash", "content": "true"})).json()
    workflow = await create(operator, document(*on_site(world.site_a, plain["id"]), edges=[WIRED]))
    definition = launching(workflow, components=[with_values(workflow)])
    preview = (await operator.post(f"{PATH}/preview", json=definition)).json()
    assert (preview["blockers"], len(preview["instants"])) == ([], 10)
    assert preview["steps"] == [
        "1. Launch the workflow `Patch` as it is then: 4 nodes.",
        "Devices are those of the workflow: `web`.",
        "Contexts and credentials are those of its nodes: `check` (system).",
        "A run is stopped after 7 days.",
        "While another run of the workflow is open, it is skipped.",
    ]
    made = await save(operator, definition)
    saved = (await operator.get(f"{PATH}/{made['id']}/preview")).json()
    assert saved["steps"] == preview["steps"]


async def test_one_goes_out_as_a_file_by_names_and_comes_back_in(operator, workflow):
    made = await save(operator, launching(workflow))
    exported = await operator.get(f"{PATH}/{made['id']}/export")
    assert b"assembly: Patch" in exported.content
    same = await operator.post(
        f"{PATH}/import", params={"on_existing": "update"}, content=exported.content, headers=YAML
    )
    assert (same.status_code, same.json()["revision"]) == (200, 1)
    copy = await operator.post(f"{PATH}/import", content=exported.content.replace(b"Nightly", b"Weekly"), headers=YAML)
    assert (copy.status_code, copy.json()["components"]) == (201, made["components"])
    planned = await operator.post(
        f"{PATH}/plan", content=exported.content.replace(b"ring: first", b"ring: rest"), headers=YAML
    )
    assert [one["field"] for one in planned.json()["changes"]] == ["components.0.variables.ring"]
    new = await operator.post(f"{PATH}/plan", content=exported.content.replace(b"Nightly", b"Monthly"), headers=YAML)
    assert (new.json()["action"], new.json()["problems"]) == ("create", [])


async def test_one_is_paused_resumed_and_found_by_its_kind(operator, workflow, fleet):
    made = await save(operator, launching(workflow))
    paused = await operator.post(f"{PATH}/{made['id']}/toggle", json={"enabled": False})
    assert paused.json()["state"] == "paused"
    assert (await operator.post(f"{PATH}/{made['id']}/toggle", json={"enabled": True})).json()["state"] == "active"
    other = {"name": "Other", "components": [{"assembly_id": fleet["assembly"], "variables": {"Token": "x"}}],
             "targets": [{"kind": "device", "device_id": fleet["crane"]}], "schedule": {"type": "hourly"}}  # fmt: skip
    await save(operator, other)
    listed = (await operator.get(PATH, params={"kind": "workflow"})).json()["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert len((await operator.get(PATH, params={"kind": "automation"})).json()["items"]) == 2


async def test_a_job_keeps_its_workflow_from_the_archive(operator, workflow):
    made = await save(operator, launching(workflow))
    refused = await operator.post(f"{ASSEMBLIES}/{workflow['id']}/archive")
    assert (refused.status_code, "Nightly patch" in refused.json()["detail"]) == (409, True)
    used = (await operator.get(f"{ASSEMBLIES}/{workflow['id']}/usage")).json()
    assert [(one["name"], one["execution_context"]) for one in used["jobs"]] == [("Nightly patch", None)]
    await operator.delete(f"{PATH}/{made['id']}")
    assert (await operator.post(f"{ASSEMBLIES}/{workflow['id']}/archive")).status_code == 200


async def test_a_job_of_every_site_is_seen_by_an_operator_of_one_and_changed_by_none_of_these(
    admin, operator, other, workflow
):
    everywhere = await save(admin, launching(workflow))
    own = await save(other, launching(workflow, name="Of site B"))
    assert (await operator.get(f"{PATH}/{everywhere['id']}")).status_code == 200
    assert (await operator.get(f"{PATH}/{own['id']}")).status_code == 404
    refused = await operator.post(f"{PATH}/{everywhere['id']}/toggle", json={"enabled": False})
    assert (refused.status_code, refused.json()["code"]) == (403, "job_spans_other_sites")


async def test_who_changes_what_a_workflow_job_runs_needs_what_saving_it_would_need(admin, operator, world):
    script = {"name": "Check", "interpreter": "bash", "content": "true"}
    plain = (await operator.post(ASSEMBLIES, json=script)).json()
    workflow = await create(operator, document(*on_site(world.site_a, plain["id"]), edges=[WIRED]))
    outer = await create(operator, document(node("inner", "workflow", assembly_id=workflow["id"]), name="Outer"))
    changed = await operator.put(f"{ASSEMBLIES}/{plain['id']}", json=script | {"content": "echo 2"})
    assert changed.status_code == 200
    await save(admin, launching(outer, components=[with_values(outer)]))
    for path, body in (
        (plain["id"], script | {"content": "echo 3"}),
        (workflow["id"], document(*on_site(world.site_a, plain["id"]), edges=[WIRED], description="x")),
        (outer["id"], document(node("inner", "workflow", assembly_id=workflow["id"]), name="Outer", description="x")),
    ):
        refused = await operator.put(f"{ASSEMBLIES}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "assembly_used_elsewhere")
