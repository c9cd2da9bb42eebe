"""Jobs through HTTP: the contract's reply, every fault at once, lost updates, pauses, scope, secrets."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from tests.api.jobs import PATH, SECRET, YAML, create, definition_of, device, job
from watchbill import jobs, runs
from watchbill.api.job_shapes import JobBody
from watchbill.core.job_rules import read


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
            "role": "run",
            "not_compliant_exit_codes": None,
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
    named = {"devices": 2, "excluded": 0, "online": 1}
    assert made["target_summary"] == {**named, "filters": [], "sites": [], "all_devices": False}
    assert (made["created_by"], made["updated_by"]) == ("otto", "otto")
    actions = {one["action"]: one["allowed"] for one in made["allowed_actions"]}
    assert actions == {"update": True, "toggle": True, "rerun": True, "cancel": False, "delete": True}
    again = (await operator.get(f"{PATH}/{made['id']}")).json()
    (item,) = (await operator.get(PATH)).json()["items"]
    assert item == {name: value for name, value in again.items() if name not in {"targets", "exclusions", "warnings"}}
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
                {"kind": "onboarding_scope"},
            ],
            "schedule": {"type": "daily", "start": 7, "timezone": "Mars/Olympus"},
            "policies": {"overlap": "sometimes", "retries": 30},
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
        "targets.3.kind": "not_allowed",
        "schedule.start": "invalid_time",
        "schedule.timezone": "unknown_timezone",
        "policies.overlap": "not_allowed",
        "policies.retries": "out_of_range",
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
    changes = [[one["field"] for one in revision["changes"]] for revision in page["items"] + rest["items"]]
    assert changes == [["enabled"], ["name"], []]
    assert page["items"][1]["changes"] == [{"field": "name", "before": "Clear print spool", "after": "Second"}]
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


async def test_openapi_documents_just_what_the_rules_read(admin):
    for name in JobBody.model_fields:
        problems = read({name: None}).problems
        assert not [one for one in problems if one.code == "unknown_field"], name
    schemas = (await admin.get("/api/openapi.json")).json()["components"]["schemas"]
    assert set(schemas["JobBody"]["required"]) == {"name", "components", "schedule"}


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


async def place(db, zones):
    async with db.begin() as tx:
        for hostname, zone in zones.items():
            await tx.execute(text("UPDATE devices SET timezone = :z WHERE hostname = :n"), {"z": zone, "n": hostname})


async def test_a_job_that_follows_clocks_is_next_due_where_the_first_of_its_own_targets_is(
    admin, operator, other, fleet, db
):
    """Elsewhere, with none of its devices, the clocks are there long before."""
    zones = {"loner": "Pacific/Kiritimati", "crane": "Asia/Tokyo", "lamp": "America/Denver", "pump": "America/Denver"}
    await place(db, zones)
    daily = {"type": "daily", "start": "2030-01-31T03:00", "timezone_source": "device"}
    fixed = {"type": "daily", "start": "2030-01-31T03:00", "timezone": "UTC"}
    here = await create(admin, fleet, schedule=daily, targets=[device(fleet["crane"]), device(fleet["lamp"])])
    spared = await create(admin, fleet, schedule=daily, exclusions=[device(fleet["crane"])])
    plain = await create(admin, fleet, schedule=fixed)
    tokyo, denver = "2030-01-30T18:00:00Z", "2030-01-31T10:00:00Z"
    expected = {here["id"]: tokyo, spared["id"]: denver, plain["id"]: "2030-01-31T03:00:00Z"}
    assert {one["id"]: one["next_due_at"] for one in (here, spared, plain)} == expected
    assert {one["id"]: one["next_due_at"] for one in (await admin.get(PATH)).json()["items"]} == expected
    seen = {}
    for name, client in (("operator", operator), ("other", other)):
        seen[name] = (await client.get(f"{PATH}/{here['id']}")).json()["next_due_at"]
    assert seen == {"operator": tokyo, "other": denver}, "a reader is told of the devices of their own sites"


async def test_what_other_zones_have_begun_is_still_to_come_for_its_own(admin, fleet, db, clock):
    """Once the first zone in use was there the scheduler looks at the next day; the job's devices start today."""
    await place(db, {"loner": "Etc/GMT-12", "crane": "Etc/GMT-2", "pump": "Etc/GMT+6"})
    async with db.begin() as tx:
        now = await clock.now(tx)
    wall = (now + timedelta(hours=12, minutes=5)).strftime("%Y-%m-%dT%H:%M")
    schedule = {"type": "daily", "start": wall, "timezone_source": "device"}
    made = await create(admin, fleet, schedule=schedule)
    before = made["next_due_at"]
    async with db.begin() as tx:
        later = now + timedelta(minutes=6)
        due = await jobs.take_due(tx, later)
        around = await runs.surroundings(tx, due, later)
        assert await runs.carry_out(tx, runs.plan(due, later, zones=around.zones), later)
        stored = await tx.execute(text("SELECT next_due_at FROM jobs WHERE id = :id"), {"id": made["id"]})
        assert stored.scalar_one() > later + timedelta(hours=23)
    shown = (await admin.get(f"{PATH}/{made['id']}")).json()["next_due_at"]
    assert shown == before
    assert datetime.fromisoformat(shown) - now < timedelta(hours=11)


async def test_who_may_not_run_as_system_neither_resumes_a_job_nor_learns_what_is_wrong_with_a_new_one(
    admin, operator, fleet, world
):
    paused = await create(admin, fleet, enabled=False)
    path = f"/api/operators/{world.operator.id}"
    assert (await admin.patch(path, json={"denied_permissions": ["run_as_system"]})).status_code == 200
    resume = await operator.post(f"{PATH}/{paused['id']}/toggle", json={"enabled": True})
    assert (resume.status_code, "run_as_system" in resume.json()["detail"]) == (403, True)
    actions = {
        one["action"]: one["allowed"]
        for one in (await operator.get(f"{PATH}/{paused['id']}")).json()["allowed_actions"]
    }
    assert actions == {"update": False, "toggle": False, "rerun": False, "cancel": False, "delete": True}
    refused = await operator.post(PATH, json=job(fleet, targets=[device(fleet["lamp"])]))
    assert refused.status_code == 403
    await admin.post(f"{PATH}/{paused['id']}/toggle", json={"enabled": True})
    assert (await operator.post(f"{PATH}/{paused['id']}/toggle", json={"enabled": False})).status_code == 200


async def test_who_may_not_run_as_system_may_run_as_who_is_signed_in_and_nothing_more(admin, operator, fleet, world):
    path = f"/api/operators/{world.operator.id}"
    assert (await admin.patch(path, json={"denied_permissions": ["run_as_system"]})).status_code == 200
    mine = {"targets": [device(fleet["crane"])], "execution_context": "current_user"}
    made = await create(operator, fleet, **mine, policies={"no_user_session": "wait"})
    assert (made["execution_context"], made["policies"]["no_user_session"]) == ("current_user", "wait")
    actions = {one["action"]: one["allowed"] for one in made["allowed_actions"]}
    assert (actions["update"], actions["rerun"], actions["toggle"]) == (True, True, True)
    one = f"{PATH}/{made['id']}"
    assert (await operator.put(one, json=job(fleet, **mine, name="Other"))).status_code == 200
    as_system = job(fleet, targets=[device(fleet["crane"])])
    refused = await operator.put(one, json=as_system)
    assert (refused.status_code, "run_as_system" in refused.json()["detail"]) == (403, True)
    assert (await operator.get(one)).json()["execution_context"] == "current_user"
    system = await create(admin, fleet, targets=[device(fleet["crane"])])
    taken_over = await operator.put(f"{PATH}/{system['id']}", json=job(fleet, **mine))
    assert taken_over.status_code == 403


async def test_only_a_job_for_signed_in_users_waits_for_one(admin, fleet):
    refused = await admin.post(PATH, json=job(fleet, policies={"no_user_session": "wait"}))
    assert codes(refused) == {"policies.no_user_session": "not_allowed"}
