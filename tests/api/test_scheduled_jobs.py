"""Jobs through HTTP: the contract's reply, every fault at once, lost updates, pauses, scope, secrets, files, previews."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from watchbill.api.job_shapes import JobBody
from watchbill.core.job_rules import read

PATH = "/api/scheduled_jobs"
YAML = {"content-type": "text/yaml"}
SECRET = "correct-horse-battery-staple"
SCRIPT = {
    "name": "Clean up",
    "interpreter": "bash",
    "content": "true",
    "variables": [
        {"name": "MaxAgeHours", "type": "number", "default": 24},
        {"name": "Token", "type": "secret", "required": True},
    ],
}


@pytest.fixture
async def fleet(admin, make_device, world):
    """One device in each site and one in none, and an assembly with a secret."""
    made = (await admin.post("/api/assemblies", json=SCRIPT)).json()
    return {
        "crane": str(await make_device("crane", world.site_a, online=True)),
        "pump": str(await make_device("pump", world.site_a)),
        "lamp": str(await make_device("lamp", world.site_b, online=True)),
        "loner": str(await make_device("loner", None)),
        "assembly": made["id"],
    }


def device(device_id):
    return {"kind": "device", "device_id": device_id}


def job(fleet, **changes):
    return {
        "name": "Clear print spool",
        "components": [{"assembly_id": fleet["assembly"], "variables": {"Token": SECRET, "MaxAgeHours": 8}}],
        "targets": [device(fleet["crane"]), device(fleet["pump"])],
        "schedule": {"type": "every_15_minutes", "timezone": "Europe/Berlin"},
    } | changes


async def create(client, fleet, **changes):
    reply = await client.post(PATH, json=job(fleet, **changes))
    assert reply.status_code == 201, reply.text
    return reply.json()


def definition_of(reply):
    """What a client sends back of a reply it has edited."""
    return {name: reply[name] for name in JobBody.model_fields}


async def test_the_reply_is_the_contract(operator, fleet):
    reply = await operator.post(PATH, json=job(fleet))
    made = reply.json()
    assert (reply.status_code, reply.headers["etag"]) == (201, '"1"')
    assert reply.headers["location"] == f"{PATH}/{made['id']}"
    start = datetime.fromisoformat(made["schedule"].pop("start"))
    assert start.minute % 15 == 0
    assert start == datetime.fromisoformat(made["next_due_at"])
    assert made["next_due_at"].endswith("Z")
    assert made["schedule"] == {"type": "every_15_minutes", "timezone": "Europe/Berlin", "end": None, "count": None}
    assert made["components"] == [
        {
            "assembly_id": fleet["assembly"],
            "kind": "script",
            "variables": {"Token": {"is_set": True}, "MaxAgeHours": 8},
            "revision": "latest",
        }
    ]
    assert made["targets"] == [device(fleet["crane"]), device(fleet["pump"])]
    assert made["exclusions"] == []
    assert made["duration"] == {
        "time_limit_seconds": 3600,
        "expires_after_seconds": None,
        "run_limit_seconds": None,
    }
    assert made["policies"]["catch_up"] == "latest"
    assert made["policies"]["retry_delay_seconds"] == 60
    assert (made["execution_context"], made["credential_id"], made["use_service_account"]) == ("system", None, False)
    assert (made["enabled"], made["state"], made["state_reason"], made["revision"]) == (True, "active", None, 1)
    assert made["schedule_text"].startswith("Every 15 minutes")
    assert (made["last_occurrence"], made["recent_outcomes"]) == (None, [])
    assert made["target_summary"] == {"devices": 2, "excluded": 0, "online": 1}
    assert (made["created_by"], made["updated_by"]) == ("otto", "otto")
    actions = {one["action"]: one["allowed"] for one in made["allowed_actions"]}
    assert actions == {"update": True, "toggle": True, "rerun": True, "cancel": False, "delete": True}
    again = (await operator.get(f"{PATH}/{made['id']}")).json()
    again["schedule"].pop("start")
    assert again == made


async def test_faults_of_shape_and_of_rules_are_told_in_one_refusal(operator, fleet):
    reply = await operator.post(
        PATH,
        json={
            "name": "x",
            "components": [{"assembly_id": "6b1c0000-0000-4000-8000-000000000000"}],
            "targets": [
                device(fleet["crane"]),
                device(fleet["crane"]),
                device(fleet["lamp"]),
                {"kind": "site", "site_id": 1},
            ],
            "schedule": {"type": "daily", "start": 7, "timezone": "Mars/Olympus"},
            "policies": {"overlap": "sometimes", "retries": 3},
            "duration": [],
            "execution_context": "ssh",
            "colour": "red",
            "state": "active",
        },
    )
    assert reply.status_code == 422
    assert codes(reply) == {
        "components.0.assembly_id": "assembly_not_found",
        "targets.1.device_id": "duplicate",
        "targets.2.device_id": "device_not_found",
        "targets.3.kind": "not_available_yet",
        "schedule.start": "invalid_time",
        "schedule.timezone": "unknown_timezone",
        "policies.overlap": "not_allowed",
        "policies.retries": "not_available_yet",
        "duration": "wrong_type",
        "execution_context": "not_allowed",
        "colour": "unknown_field",
        "state": "read_only",
    }
    assert "12 problems" in reply.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'{"a":' * 2000,
        b'{"name":"\\ud800"}',
        b'{"name":"a\\u0000"}',
        b'{"name": NaN}',
        b"\xff",
    ],
)
async def test_what_is_no_job_is_refused(operator, fleet, body):
    made = await create(operator, fleet)
    json = {"content-type": "application/json"}
    replies = [
        await operator.post(PATH, content=body, headers=json),
        await operator.put(f"{PATH}/{made['id']}", content=body, headers=json),
        await operator.post(f"{PATH}/{made['id']}/toggle", content=body, headers=json),
    ]
    for reply in replies:
        assert reply.status_code in (400, 422)
        assert reply.headers["content-type"] == "application/problem+json"
    assert (await operator.get(f"{PATH}/{made['id']}")).json()["revision"] == 1


async def test_unknown_revoked_and_foreign_devices_are_refused_alike(operator, admin, fleet, make_device, world):
    revoked = str(await make_device("gone", world.site_a, status="revoked"))
    unknown = "6b1c0000-0000-4000-8000-000000000000"
    reply = await operator.post(
        PATH, json=job(fleet, targets=[device(one) for one in (revoked, unknown, fleet["lamp"], fleet["loner"])])
    )
    assert codes(reply) == {f"targets.{place}.device_id": "device_not_found" for place in range(4)}
    for one in reply.json()["errors"]:
        assert one["message"].startswith("there is no device ")
    assert (await admin.post(PATH, json=job(fleet, targets=[device(fleet["loner"])]))).status_code == 201


async def test_a_secret_is_nowhere_to_be_read(operator, db, fleet):
    made = await create(operator, fleet)
    path = f"{PATH}/{made['id']}"
    replies = [
        await operator.get(path),
        await operator.get(PATH),
        await operator.get(f"{path}/revisions"),
        await operator.get(f"{path}/export"),
        await operator.put(path, json=definition_of(made) | {"name": "Renamed"}),
        await operator.post(f"{path}/toggle", json={"enabled": False}),
        await operator.post(PATH, json=job(fleet, name=5)),
    ]
    for reply in replies:
        assert SECRET not in reply.text
    async with db.begin() as tx:
        tables = (
            await tx.execute(text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"))
        ).scalars()
        for table in tables.all():
            whole = (
                await tx.execute(text(f"SELECT coalesce(json_agg(t), '[]')::text FROM \"{table}\" t"))
            ).scalar_one()
            assert SECRET not in whole, table


async def test_a_lost_update_is_refused_and_a_toggle_counts_as_an_update(operator, fleet):
    made = await create(operator, fleet)
    path, first = f"{PATH}/{made['id']}", {"if-match": '"1"'}
    toggled = await operator.post(f"{path}/toggle", json={"enabled": False, "reason": "audit"}, headers=first)
    assert (toggled.status_code, toggled.headers["etag"], toggled.json()["state_reason"]) == (200, '"2"', "audit")
    for attempt in (
        operator.put(path, json=definition_of(made), headers=first),
        operator.post(f"{path}/toggle", json={"enabled": True}, headers=first),
        operator.delete(path, headers=first),
    ):
        reply = await attempt
        assert (reply.status_code, reply.json()["code"]) == (412, "etag_mismatch")
    edited = await operator.put(path, json=definition_of(toggled.json()) | {"name": "New"}, headers={"if-match": '"2"'})
    assert (edited.headers["etag"], edited.json()["state"]) == ('"3"', "paused")


async def test_saving_what_was_read_changes_nothing(operator, fleet):
    made = await create(operator, fleet)
    reply = await operator.put(f"{PATH}/{made['id']}", json=definition_of(made))
    assert reply.headers["etag"] == '"1"'
    assert reply.json() == made


async def test_every_save_is_a_revision(operator, viewer, fleet):
    made = await create(operator, fleet)
    path = f"{PATH}/{made['id']}"
    await operator.put(path, json=definition_of(made) | {"name": "Second"})
    await operator.post(f"{path}/toggle", json={"enabled": False})
    page = (await viewer.get(f"{path}/revisions?limit=2")).json()
    rest = (await viewer.get(f"{path}/revisions", params={"cursor": page["next_cursor"]})).json()
    found = [(one["revision"], one["name"], one["enabled"], one["changed_by"]) for one in page["items"] + rest["items"]]
    assert found == [(3, "Second", False, "otto"), (2, "Second", True, "otto"), (1, "Clear print spool", True, "otto")]


async def test_toggling_twice_changes_nothing_more(operator, fleet):
    made = await create(operator, fleet)
    path = f"{PATH}/{made['id']}/toggle"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"enabled": False, "reason": "audit", "until": until}
    paused = await operator.post(path, json=body)
    assert (paused.json()["state"], paused.json()["next_due_at"]) == ("paused", None)
    assert (await operator.post(path, json=body)).json() == paused.json()
    resumed = (await operator.post(path, json={"enabled": True})).json()
    assert (resumed["state"], resumed["revision"], resumed["paused_until"]) == ("active", 3, None)
    assert (await operator.post(path, json={"enabled": True})).json()["revision"] == 3


async def test_a_toggle_needs_to_say_what_it_wants(operator, fleet):
    made = await create(operator, fleet)
    path = f"{PATH}/{made['id']}/toggle"
    assert codes(await operator.post(path, json={})) == {"enabled": "required"}
    both = await operator.post(path, json={"enabled": "no", "until": "tomorrow", "x": 1})
    assert codes(both) == {"enabled": "wrong_type", "until": "invalid_time", "x": "unknown_field"}


async def test_an_immediate_job_starts_when_it_is_saved_and_only_then(operator, fleet):
    made = await create(operator, fleet, schedule={"type": "immediately"})
    assert (made["state"], made["next_due_at"]) == ("completed", None)
    assert made["last_occurrence"]["state"] == "open"
    assert sum(made["last_occurrence"]["counts"].values()) == 2
    path = f"{PATH}/{made['id']}"
    renamed = await operator.put(path, json=definition_of(made) | {"name": "Renamed"})
    assert renamed.json()["last_occurrence"]["id"] == made["last_occurrence"]["id"]
    assert len((await operator.get(f"{path}/runs")).json()["items"]) == 1


async def test_the_same_idempotency_key_makes_one_job(operator, fleet):
    key = {"Idempotency-Key": "one"}
    first = await operator.post(PATH, json=job(fleet, schedule={"type": "immediately"}), headers=key)
    again = await operator.post(PATH, json=job(fleet, schedule={"type": "immediately"}), headers=key)
    assert again.json() == first.json()
    assert len((await operator.get(PATH)).json()["items"]) == 1


async def test_deleting_a_job_stops_it_and_takes_it_away(operator, fleet, db):
    made = await create(operator, fleet, schedule={"type": "immediately"})
    path = f"{PATH}/{made['id']}"
    assert (await operator.delete(path)).status_code == 204
    assert (await operator.get(path)).status_code == 404
    assert (await operator.delete(path)).status_code == 404
    async with db.begin() as tx:
        states = (await tx.execute(text("SELECT DISTINCT state FROM run_targets"))).scalars().all()
    assert states == ["cancelled"]


async def test_a_job_of_another_site_is_not_there(operator, other, viewer, fleet):
    made = await create(other, fleet, targets=[device(fleet["lamp"])])
    path = f"{PATH}/{made['id']}"
    for client in (operator, viewer):
        attempts = [
            client.get(path),
            client.put(path, json=job(fleet)),
            client.delete(path),
            client.post(f"{path}/toggle", json={"enabled": False}),
            client.get(f"{path}/preview"),
            client.get(f"{path}/revisions"),
            client.get(f"{path}/export"),
        ]
        for attempt in attempts:
            reply = await attempt
            assert (reply.status_code, reply.json()["code"]) == (404, "job_not_found")
        assert (await client.get(PATH)).json()["items"] == []


async def test_a_job_that_spans_sites_is_seen_in_part_and_not_touched(admin, operator, fleet):
    made = await create(admin, fleet, targets=[device(fleet["crane"]), device(fleet["lamp"])])
    path = f"{PATH}/{made['id']}"
    seen = (await operator.get(path)).json()
    assert (seen["targets"], seen["target_summary"]["devices"]) == ([device(fleet["crane"])], 1)
    assert fleet["lamp"] not in (await operator.get(f"{path}/revisions")).text
    assert not any(one["allowed"] for one in seen["allowed_actions"])
    attempts = [
        operator.put(path, json=definition_of(seen)),
        operator.delete(path),
        operator.post(f"{path}/toggle", json={"enabled": False}),
        operator.get(f"{path}/export"),
    ]
    for attempt in attempts:
        reply = await attempt
        assert (reply.status_code, reply.json()["code"]) == (403, "job_spans_other_sites")


async def test_a_viewer_reads_and_does_nothing(operator, viewer, anonymous, fleet):
    made = await create(operator, fleet)
    path = f"{PATH}/{made['id']}"
    seen = (await viewer.get(path)).json()
    assert all(not one["allowed"] and "permission" in one["reason"] for one in seen["allowed_actions"])
    attempts = [
        viewer.post(PATH, json=job(fleet)),
        viewer.put(path, json=job(fleet)),
        viewer.delete(path),
        viewer.post(f"{path}/toggle", json={"enabled": False}),
        viewer.post(f"{PATH}/import", content="name: x", headers=YAML),
    ]
    for attempt in attempts:
        assert (await attempt).status_code == 403
    assert (await anonymous.get(path)).status_code == 401
    assert (await anonymous.get(PATH)).status_code == 401


async def test_a_list_pages_sorts_and_filters(operator, fleet):
    for name in ("b", "A", "c"):
        await create(operator, fleet, name=name, enabled=name != "c")
    first = (await operator.get(f"{PATH}?limit=2")).json()
    rest = (await operator.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [one["name"] for one in first["items"] + rest["items"]] == ["A", "b", "c"]
    assert rest["next_cursor"] is None

    async def names(query):
        return [one["name"] for one in (await operator.get(f"{PATH}?{query}")).json()["items"]]

    assert await names("sort=-name") == ["c", "b", "A"]
    assert await names("enabled=false") == ["c"]
    assert await names("state=paused&kind=automation&q=C") == ["c"]
    for bad in ("sort=colour", "state=lost", "limit=0", "limit=501", "colour=red", "site_id=x", "cursor=nonsense"):
        reply = await operator.get(f"{PATH}?{bad}")
        assert reply.status_code == 422, bad
    other_sort = await operator.get(PATH, params={"sort": "id", "cursor": first["next_cursor"]})
    assert other_sort.status_code == 422


@pytest.mark.parametrize("job_id", ["0", "-1", "x", "9223372036854775808", "1.5"])
async def test_a_job_id_is_a_number(operator, job_id):
    assert (await operator.get(f"{PATH}/{job_id}")).status_code == 422


async def test_a_preview_of_an_unsaved_job_saves_nothing(operator, viewer, fleet, make_device, world):
    disabled = str(await make_device("old", world.site_a, status="disabled"))
    body = job(
        fleet,
        targets=[device(one) for one in (fleet["crane"], fleet["pump"], disabled)],
        schedule={"type": "daily", "start": "2027-03-27T02:30", "timezone": "Europe/Berlin"},
    )
    reply = await operator.post(f"{PATH}/preview", json=body)
    shown = reply.json()
    assert reply.status_code == 200
    assert shown["blockers"] == []
    assert len(shown["instants"]) == 10
    assert shown["instants"][0] == {
        "at": "2027-03-27T01:30:00Z", "local": "2027-03-27T02:30", "offset": "+01:00", "flags": [], "passed_over": [],
        "blocked": [], "first_start_at": None, "last_start_at": None, "splay_seconds": 0,
    }  # fmt: skip
    assert shown["instants"][1]["flags"] == ["shifted_gap"]
    assert shown["instants"][1]["local"] == "2027-03-28T03:30"
    assert shown["targets"] == {"devices": 2, "online": 1, "offline": 1, "left_out": {"device_disabled": 1}}
    assert (await viewer.get(PATH)).json()["items"] == []


async def test_a_preview_shows_what_it_can_and_names_what_blocks(operator, fleet):
    body = job(fleet, name="", components=[], schedule={"type": "hourly"}, targets=[device(fleet["pump"]), device("x")])
    shown = (await operator.post(f"{PATH}/preview", json=body)).json()
    assert {one["field"]: one["code"] for one in shown["blockers"]} == {
        "name": "length", "components": "length", "targets.1.device_id": "wrong_type",
    }  # fmt: skip
    assert len(shown["instants"]) == 10
    assert shown["targets"]["offline"] == 1
    nothing = (await operator.post(f"{PATH}/preview", json={})).json()
    assert (nothing["schedule_text"], nothing["instants"]) == (None, [])
    assert {one["field"] for one in nothing["blockers"]} == {"name", "components", "targets", "schedule"}
    assert (await operator.post(f"{PATH}/preview", json=[])).json()["blockers"]


async def test_a_preview_of_a_saved_job_says_why_it_would_not_run(operator, viewer, fleet):
    made = await create(operator, fleet)
    path = f"{PATH}/{made['id']}"
    shown = (await viewer.get(f"{path}/preview")).json()
    assert shown["blockers"] == []
    assert shown["instants"][0]["at"] == made["next_due_at"]
    assert shown["schedule_text"] == made["schedule_text"]
    await operator.post(f"{path}/toggle", json={"enabled": False})
    assert [one["code"] for one in (await viewer.get(f"{path}/preview")).json()["blockers"]] == ["paused"]


async def test_a_preview_tells_when_the_waves_of_a_wall_clock_start(operator, fleet, db):
    async with db.begin() as tx:
        for name, zone in (("crane", "Asia/Tokyo"), ("pump", "America/Denver")):
            await tx.execute(text("UPDATE devices SET timezone = :z WHERE hostname = :n"), {"z": zone, "n": name})
    schedule = {"type": "daily", "start": "2030-01-31T03:00", "timezone_source": "device"}
    shown = (await operator.post(f"{PATH}/preview", json=job(fleet, schedule=schedule))).json()
    first = shown["instants"][0]
    assert (first["local"], first["offset"], first["blocked"]) == ("2030-01-31T03:00", None, [])
    assert (first["first_start_at"], first["last_start_at"]) == ("2030-01-30T18:00:00Z", "2030-01-31T10:00:00Z")
    made = await create(operator, fleet, schedule=schedule)
    assert made["next_due_at"] == first["first_start_at"]
    assert made["schedule"] == schedule | {"end": None, "count": None}
    again = (await operator.get(f"{PATH}/{made['id']}/preview")).json()
    assert again["instants"] == shown["instants"]


async def test_a_preview_cuts_a_splay_before_the_next_instant(operator, fleet):
    often = {"type": "cron", "expression": "0,50 * * * *"}
    shown = (
        await operator.post(f"{PATH}/preview", json=job(fleet, schedule=often, policies={"splay_seconds": 1200}))
    ).json()
    assert shown["blockers"] == []
    assert {(one["local"][-2:], one["splay_seconds"]) for one in shown["instants"]} == {("00", 1200), ("50", 599)}


async def test_a_preview_names_the_window_that_closes_an_instant(admin, operator, fleet):
    blackout = {
        "name": "Freeze",
        "kind": "deny",
        "spans": [{"schedule": {"type": "once", "start": "2030-01-31T00:00"}, "duration_seconds": 86400}],
        "attachments": [{"kind": "global"}],
        "when_closed": "skip",
    }
    assert (await admin.post("/api/windows", json=blackout)).status_code == 201
    made = await create(operator, fleet, schedule={"type": "daily", "start": "2030-01-31T03:00"})
    first, second = (await operator.get(f"{PATH}/{made['id']}/preview")).json()["instants"][:2]
    assert first["flags"] == ["in_blackout"]
    assert first["blocked"] == [{"window": "Freeze", "kind": "deny", "devices": 2}]
    assert (second["flags"], second["blocked"]) == ([], [])


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


async def test_openapi_documents_just_what_the_rules_read(admin):
    for name in JobBody.model_fields:
        problems = read({name: None}).problems
        assert not [one for one in problems if one.code == "unknown_field"], name
    schemas = (await admin.get("/api/openapi.json")).json()["components"]["schemas"]
    assert set(schemas["JobBody"]["required"]) == {"name", "components", "targets", "schedule"}


async def test_what_openapi_calls_a_default_is_what_a_save_fills_in(operator, fleet):
    made = await create(operator, fleet)
    documented = JobBody.model_validate(job(fleet)).model_dump(mode="json")
    for name in (
        "description",
        "job_kind",
        "exclusions",
        "execution_context",
        "credential_id",
        "use_service_account",
        "policies",
    ):
        assert made[name] == documented[name]
