"""Jobs as files through HTTP: out and in by names, plans, refusals with their lines; and what is settled before any change."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from tests.api.jobs import PATH, SECRET, YAML, create, definition_of, device


async def test_a_file_goes_out_by_names_and_comes_back_as_a_new_job(operator, fleet):
    made = await create(operator, fleet, exclusions=[device(fleet["pump"])])
    exported = (await operator.get(f"{PATH}/{made['id']}/export")).text
    assert fleet["crane"] not in exported
    assert "assembly: Clean up" in exported
    assert "hostname: crane" in exported
    without = await operator.post(f"{PATH}/import", content=exported, headers=YAML)
    assert codes(without) == {"components.0.variables.Token": "required"}, "secrets are not in a file"
    complete = exported.replace("    MaxAgeHours: 8", f"    MaxAgeHours: 8\n    Token: {SECRET}")
    reply = await operator.post(f"{PATH}/import", content=complete, headers=YAML)
    assert reply.status_code == 201, reply.text
    same = ("name", "components", "targets", "exclusions", "schedule", "duration", "policies", "enabled")
    assert {name: reply.json()[name] for name in same} == {name: made[name] for name in same}
    assert reply.json()["id"] != made["id"]


async def test_a_file_with_names_that_lead_nowhere_is_refused_line_by_line(operator, fleet, make_device, world):
    await make_device("twin", world.site_a)
    await make_device("twin", world.site_a)
    file = f"""name: Imported
components:
  - assembly: Nobody
targets:
  - {{kind: device, site: Harbour, hostname: CRANE}}
  - {{kind: device, site: Lighthouse, hostname: lamp}}
  - {{kind: device, hostname: twin}}
  - {{kind: device, site: Harbour, hostname: nobody}}
  - {{kind: device, site: 5, hostname: pump}}
  - {{kind: device, device_id: {fleet["crane"]}}}
schedule: {{type: hourly}}
colour: red
"""
    reply = await operator.post(f"{PATH}/import", content=file, headers=YAML)
    problems = reply.json()["errors"]
    assert [(one["field"], one["code"], one["message"].partition(":")[0]) for one in problems] == [
        ("components.0.assembly", "assembly_not_found", "line 3"),
        ("targets.1.hostname", "device_not_found", "line 6"),
        ("targets.2.hostname", "device_ambiguous", "line 7"),
        ("targets.3.hostname", "device_not_found", "line 8"),
        ("targets.4", "wrong_type", "line 9"),
        ("targets.5.device_id", "duplicate", "line 10"),
        ("colour", "unknown_field", "line 12"),
    ]


async def exported(client, made):
    return (await client.get(f"{PATH}/{made['id']}/export")).text


async def send(client, where, file, **headers):
    return await client.post(f"{PATH}/{where}", content=file, headers=YAML | headers)


async def test_what_is_exported_plans_to_nothing_and_saves_to_nothing(operator, fleet):
    made = await create(operator, fleet, exclusions=[device(fleet["pump"])], policies={"splay_seconds": 60})
    file = await exported(operator, made)
    planned = (await send(operator, "plan", file)).json()
    assert (planned["action"], planned["job_id"], planned["revision"]) == ("unchanged", made["id"], 1)
    assert (planned["changes"], planned["problems"]) == ([], [])
    saved = await send(operator, "import?on_existing=update", file)
    assert (saved.status_code, saved.json()) == (200, made)
    assert await exported(operator, made) == file


async def test_a_plan_names_what_an_update_would_change_and_saves_nothing(operator, fleet):
    made = await create(operator, fleet)
    file = (
        (await exported(operator, made))
        .replace("hostname: pump", "hostname: PUMP")
        .replace("MaxAgeHours: 8", "MaxAgeHours: 9")
    )
    file = file.replace("overlap: skip", "overlap: replace").replace(
        "    hostname: crane", f"    device_id: {fleet['crane']}"
    )
    file = file.replace("    site: Harbour\n    device_id", "    device_id")
    file += "exclusions: []\n" if "exclusions" not in file else ""
    planned = (await send(operator, "plan", file)).json()
    assert planned["action"] == "update"
    assert [(one["field"], one["before"], one["after"]) for one in planned["changes"]] == [
        ("components.0.variables.MaxAgeHours", 8, 9),
        ("policies.overlap", "skip", "replace"),
    ]
    assert (await operator.get(f"{PATH}/{made['id']}")).json() == made
    saved = (await send(operator, "import?on_existing=update", file, **{"if-match": '"1"'})).json()
    assert (saved["id"], saved["revision"], saved["policies"]["overlap"]) == (made["id"], 2, "replace")
    assert saved["components"][0]["variables"] == {"MaxAgeHours": 9, "Token": {"is_set": True}}, "its secret stays"
    stale = await send(operator, "import?on_existing=update", file, **{"if-match": '"1"'})
    assert stale.status_code == 412
    assert (await send(operator, "plan", file)).json()["action"] == "unchanged"


async def test_a_plan_of_a_new_job_says_what_the_file_says(operator, fleet):
    file = f"""name: New
components:
  - assembly: Clean up
    variables: {{Token: {SECRET}}}
targets:
  - {{kind: device, hostname: crane}}
schedule: {{type: daily, start: 2030-01-31T07:00, timezone_source: site}}
"""
    planned = (await send(operator, "plan", file)).json()
    assert (planned["action"], planned["job_id"], planned["revision"]) == ("create", None, None)
    assert [
        (one["field"], one["after"]) for one in planned["changes"] if one["field"] != "duration.time_limit_seconds"
    ] == [
        ("name", "New"),
        ("components.0.assembly", "Clean up"),
        ("components.0.variables.Token", {"is_set": True}),
        ("targets", "Harbour/crane"),
        ("schedule.type", "daily"),
        ("schedule.timezone_source", "site"),
        ("schedule.start", "2030-01-31T07:00"),
    ]
    assert SECRET not in str(planned)
    assert "07:00" in planned["schedule_text"]
    assert (await send(operator, "import?on_existing=refuse", file)).status_code == 201
    refused = await send(operator, "import?on_existing=refuse", file)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_exists")
    assert (await send(operator, "import", file)).status_code == 201, "without a word it makes one more"


async def test_a_name_that_several_jobs_have_is_refused_in_a_file(operator, fleet):
    made = [await create(operator, fleet) for _ in range(2)]
    file = await exported(operator, made[0])
    planned = (await send(operator, "plan", file)).json()
    assert (planned["action"], [one["code"] for one in planned["problems"]]) == (None, ["job_ambiguous", "required"])
    assert all(one["message"].startswith("line ") for one in planned["problems"])
    assert codes(await send(operator, "import?on_existing=update", file))["name"] == "job_ambiguous"


async def test_a_file_is_for_a_job_that_one_sees_and_may_change(operator, other, viewer, admin, fleet):
    made = await create(operator, fleet)
    file = await exported(operator, made)
    assert (await send(viewer, "plan", file)).status_code == 403
    foreign = (await send(other, "plan", file)).json()
    assert foreign["job_id"] is None, "a job of another site is not there"
    assert "device_not_found" in [one["code"] for one in foreign["problems"]]
    await create(admin, fleet, name="Both", targets=[device(fleet["crane"]), device(fleet["lamp"])])
    both = (await send(operator, "plan", file.replace("Clear print spool", "Both"))).json()
    assert [one["code"] for one in both["problems"]] == ["job_spans_other_sites", "required"]


@pytest.mark.parametrize("where", ["plan", "import?on_existing=update"])
async def test_two_devices_of_one_name_go_out_by_their_ids(operator, fleet, make_device, world, where):
    twins = [str(await make_device("twin", world.site_a)) for _ in range(2)]
    made = await create(operator, fleet, targets=[device(one) for one in twins])
    file = await exported(operator, made)
    assert all(one in file for one in twins)
    reply = await send(operator, where, file)
    assert reply.status_code == 200
    assert reply.json().get("action", "unchanged") == "unchanged"


async def make_overdue(db, made, minutes):
    """As if no scheduler had looked for so long."""
    overdue = text(
        "UPDATE jobs SET mark_at = now() - :ago * interval '1 minute', next_due_at = now() - (:ago - 5) * interval '1 minute',"
        " definition = jsonb_set(definition, '{schedule,start}', to_jsonb(to_char("
        " date_trunc('hour', now() AT TIME ZONE 'Europe/Berlin') - interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI'))) WHERE id = :id"
    )
    async with db.begin() as tx:
        await tx.execute(overdue, {"id": made["id"], "ago": minutes})


async def ledger(client, made):
    return (await client.get(f"{PATH}/{made['id']}/runs")).json()["items"]


@pytest.mark.parametrize("change", ["edit", "pause", "file"])
async def test_what_fell_due_before_a_change_is_settled_as_the_job_was(operator, fleet, db, change):
    made = await create(operator, fleet, policies={"catch_up": "all", "catch_up_window_seconds": 3600})
    await make_overdue(db, made, 40)
    path = f"{PATH}/{made['id']}"
    assert await ledger(operator, made) == []
    match change:
        case "edit":
            reply = await operator.put(path, json=definition_of(made) | {"name": "Later"})
        case "pause":
            reply = await operator.post(f"{path}/toggle", json={"enabled": False})
        case _:
            file = (await exported(operator, made)).replace("MaxAgeHours: 8", "MaxAgeHours: 9")
            reply = await send(operator, "import?on_existing=update", file)
    assert reply.json()["revision"] == 2
    opened = await ledger(operator, made)
    assert len(opened) in (2, 3), "the quarters of forty minutes"
    assert {one["job_revision"] for one in opened} == {1}


async def test_a_pause_is_made_up_for_only_when_that_is_asked_for(operator, fleet, db):
    for catch_up, number in (("skip", 0), ("latest", 1), ("all", 3)):
        made = await create(operator, fleet, schedule={"type": "every_15_minutes", "timezone": "Europe/Berlin"})
        path = f"{PATH}/{made['id']}/toggle"
        await operator.post(path, json={"enabled": False})
        await make_overdue(db, made, 45)
        resumed = (await operator.post(path, json={"enabled": True, "catch_up": catch_up})).json()
        assert resumed["state"] == "active"
        assert datetime.fromisoformat(resumed["next_due_at"]) > datetime.now(UTC) - timedelta(seconds=1)
        assert abs(len(await ledger(operator, made)) - number) <= (catch_up == "all")


@pytest.mark.parametrize("file", ["- a\n", "components: 5\ntargets: [1, ~]\n", "~", "x: &a [*a]"])
async def test_any_file_is_refused_politely(operator, file):
    reply = await operator.post(f"{PATH}/import", content=file, headers=YAML)
    assert reply.status_code == 422
    assert all(one["message"].startswith("line ") for one in reply.json()["errors"])
