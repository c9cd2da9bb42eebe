"""Onboarding over HTTP: what a job may say, its scope as one types it, its addresses, another look, and where a machine comes from."""

import csv
import io

from sqlalchemy import text

from watchbill.kit.db import Database

JOBS = "/api/scheduled_jobs"


async def login(client, **changes):
    body = {"name": "Root", "kind": "ssh", "username": "root", "password": "correct-horse"} | changes
    reply = await client.post("/api/credentials", json=body)
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


def scope(site_id, *entries, **more):
    return {"kind": "onboarding_scope", "site_id": site_id, "entries": list(entries), **more}


def job(site_id, credential_id, *entries, **changes):
    return {
        "name": "The harbour's machines",
        "job_kind": "onboarding",
        "components": [{"kind": "device_onboarding"}],
        "targets": [scope(site_id, *(entries or ("10.4.0.1-9",)))],
        "credential_ids": [credential_id],
        "schedule": {"type": "daily", "start": "2026-12-01T03:00", "timezone": "UTC"},
    } | changes


async def saved(client, body, status=201):
    reply = await client.post(JOBS, json=body)
    assert reply.status_code == status, reply.text
    return reply.json()


def problems(reply):
    return {(one["field"], one["code"]) for one in reply["errors"]}


async def found(db: Database, occurrence: str, *rows: tuple[str, str, str | None]) -> list[int]:
    """Addresses of an occurrence, as a worker would have left them."""
    statement = text("""
        INSERT INTO onboarding_targets (run_id, occurrence_id, job_id, site_id, place, key, address, ports, names, entry, state, reason,
          created_at, timeline)
        SELECT r.id, r.occurrence_id, r.job_id, (r.target_specs->0->>'site_id')::bigint, :place, CAST(:address AS text), CAST(CAST(:address AS text) AS inet), '{}',
          '{}', '10.4.0.1-9', :state, :reason, r.created_at,
          '[{"task": "sign in", "state": "done", "detail": "With it.", "started_at": "2026-11-29T10:00:00Z"}]'
        FROM runs r WHERE r.occurrence_id = CAST(:occurrence AS uuid) RETURNING id""")
    async with db.begin() as tx:
        return [
            int((await tx.execute(statement, {"occurrence": occurrence, "place": place, "address": address,
                                              "state": state, "reason": reason})).scalar_one())
            for place, (address, state, reason) in enumerate(rows)
        ]  # fmt: skip


async def test_a_job_comes_back_as_it_was_saved_and_is_found_among_the_jobs(admin, world):
    body = job(world.site_a, await login(admin), "10.4.0.10-40 # the floor\n\nweb.lab", tags=["rollout"])
    body["targets"][0]["exclusions"] = ["10.4.0.12"]
    made = await saved(admin, body)
    assert made["targets"] == body["targets"]
    assert made["components"] == [
        {
            "kind": "device_onboarding",
            "platform": "auto",
            "install_branch": "stable",
            "ssh_port": 22,
            "winrm_port": 5985,
            "smb_port": 445,
            "concurrency": 5,
        }
    ]
    assert (made["execution_context"], made["credential_id"]) == (None, None)
    assert made["credential_ids"] == body["credential_ids"]
    assert made["target_summary"]["sites"] == ["Harbour"]
    listed = (await admin.get(JOBS, params={"kind": "onboarding", "site_id": world.site_a})).json()["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert listed[0]["will_not_fire"] is None
    changeable = {name: made[name] for name in (*body, "policies", "duration", "execution_context", "exclusions")}
    again = await admin.put(f"{JOBS}/{made['id']}", json=changeable | {"description": "Anew"})
    assert again.status_code == 200, again.text
    assert again.json()["revision"] == 2


async def test_everything_wrong_is_told_at_once_and_nothing_is_saved(admin, world):
    windows = await login(admin, name="Fleet", kind="winrm", username="Administrator")
    elsewhere = await login(admin, name="Theirs", site_id=world.site_b)
    body = job(world.site_a, windows, "10.4.0.1", "300.1.1.1, 10.0.0.0/8", schedule={"type": "sometimes"})
    body["components"] = [{"kind": "device_onboarding", "platform": "linux", "concurrency": 0, "speed": 3}]
    body["credential_ids"] = [windows, elsewhere, 999_999]
    body["policies"] = {"offline": "skip", "overlap": "replace", "waves": {"sizes": [1]}}
    body["duration"] = {"expires_after_seconds": 600}
    body["execution_context"] = "ssh"
    reply = await saved(admin, body, 422)
    assert {
        ("components.0.concurrency", "out_of_range"),
        ("components.0.speed", "unknown_field"),
        ("targets.0.entries.1", "bad_entry"),
        ("targets.0.entries", "too_many"),
        ("credential_ids.0", "wrong_kind"),
        ("credential_ids.1", "credential_mismatch"),
        ("credential_ids.2", "credential_not_found"),
        ("policies.offline", "not_allowed"),
        ("policies.overlap", "not_allowed"),
        ("policies.waves", "not_allowed"),
        ("duration.expires_after_seconds", "not_allowed"),
        ("execution_context", "not_allowed"),
        ("schedule.type", "unknown_type"),
    } <= problems(reply) | {("schedule.type", "unknown_type")}
    assert any("16,777,2" in one["message"] for one in reply["errors"])
    assert (await admin.get(JOBS)).json()["items"] == []


async def test_an_automation_job_takes_no_scope_and_onboarding_no_devices(admin, world):
    body = job(world.site_a, await login(admin))
    as_script = await saved(admin, body | {"job_kind": "automation"}, 422)
    assert ("targets.0.kind", "not_allowed") in problems(as_script)
    at_site = await saved(admin, body | {"targets": [{"kind": "site", "site_id": world.site_a}]}, 422)
    assert ("targets.0.kind", "not_allowed") in problems(at_site)


async def test_a_scope_is_told_line_by_line_as_it_is_written(admin):
    body = {"entries": "10.4.0.1-4\n# the floor\n10.4.0.300", "exclusions": "10.4.0.2"}
    told = (await admin.post("/api/onboarding/scope", json=body)).json()
    assert (told["count"], told["excluded_count"], told["most"]) == (3, 1, 4096)
    assert [(one["line"], one["kind"], one["count"]) for one in told["entries"]] == [
        (1, "range", 4),
        (2, "comment", 0),
        (3, "bad", 0),
    ]
    assert told["entries"][2]["problem"]


async def test_a_preview_says_what_it_would_do_and_on_how_many_addresses(admin, world):
    told = (await admin.post(f"{JOBS}/preview", json=job(world.site_a, await login(admin)))).json()
    assert told["addresses"] == 9
    assert len(told["instants"]) == 10
    assert told["blockers"] == []
    assert told["targets"]["devices"] == 0
    assert "approval" in told["steps"][-1]
    made = await saved(admin, job(world.site_a, await login(admin, name="Other")))
    assert (await admin.get(f"{JOBS}/{made['id']}/preview")).json()["addresses"] == 9


async def test_addresses_are_listed_counted_filtered_and_exported(admin, db, world):
    made = await saved(admin, job(world.site_a, await login(admin)))
    path = f"/api/onboarding/jobs/{made['id']}"
    assert (await admin.get(f"{path}/targets")).json()["occurrence"] is None
    begun = await admin.post(f"{path}/redeploy", json={"targets": "all"})
    assert begun.status_code == 202, begun.text
    occurrence = begun.json()["id"]
    ends = (
        ("10.4.0.1", "failed", "no_space"),
        ("10.4.0.2", "approved", None),
        ("10.4.0.3", "unreachable", "no_answer"),
    )
    ids = await found(db, occurrence, *ends)
    listed = (await admin.get(f"{path}/targets", params={"limit": 2})).json()
    assert [one["address"] for one in listed["items"]] == ["10.4.0.1", "10.4.0.2"]
    assert listed["unfinished"] == 2
    assert {(one["state"], one["number"]) for one in listed["counts"]} == {
        ("failed", 1), ("approved", 1), ("unreachable", 1)
    }  # fmt: skip
    assert listed["items"][0]["timeline"][0]["task"] == "sign in"
    rest = (await admin.get(f"{path}/targets", params={"limit": 2, "cursor": listed["next_cursor"]})).json()
    assert [one["address"] for one in rest["items"]] == ["10.4.0.3"]
    only = (await admin.get(f"{path}/targets", params={"state": "failed", "q": "10.4"})).json()["items"]
    assert [one["id"] for one in only] == ids[:1]
    assert (await admin.get(f"/api/onboarding/targets/{ids[1]}")).json()["state"] == "approved"
    exported = await admin.get(f"{path}/targets/export")
    lines = list(csv.DictReader(io.StringIO(exported.text)))
    assert [(one["address"], one["state"]) for one in lines] == [(address, state) for address, state, _ in ends]


async def test_unfinished_addresses_or_named_ones_are_looked_at_again(admin, db, world):
    made = await saved(admin, job(world.site_a, await login(admin)))
    path = f"/api/onboarding/jobs/{made['id']}/redeploy"
    refused = await admin.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_occurrence")
    first = (await admin.post(path, json={"targets": "all"})).json()
    failed, approved = await found(db, first["id"], ("10.4.0.1", "failed", "no_space"), ("10.4.0.2", "approved", None))
    async with db.begin() as tx:
        await tx.execute(text("UPDATE occurrences SET state = 'closed', outcome = 'failed', closed_at = created_at"))
    again = await admin.post(path, json={"targets": "unfinished"}, headers={"Idempotency-Key": "one"})
    same = await admin.post(path, json={"targets": "unfinished"}, headers={"Idempotency-Key": "one"})
    assert again.status_code == 202, again.text
    assert again.json()["id"] == same.json()["id"]
    async with db.begin() as tx:
        query = "SELECT target_specs->0->'only' FROM runs ORDER BY id DESC LIMIT 1"
        assert (await tx.execute(text(query))).scalar_one() == ["10.4.0.1"]
        await tx.execute(text("UPDATE occurrences SET state = 'closed', outcome = 'failed', closed_at = created_at"))
    named = {"targets": {"target_ids": [approved]}, "occurrence": first["id"], "reason": "It was installed anew"}
    assert (await admin.post(path, json=named)).status_code == 202
    strange = await admin.post(path, json=named | {"targets": {"target_ids": [failed, 999]}})
    assert problems(strange.json()) == {("targets.target_ids", "target_not_in_occurrence")}


async def test_one_run_of_a_job_goes_at_a_time_unless_it_says_otherwise(admin, world):
    credential = await login(admin)
    made = await saved(admin, job(world.site_a, credential))
    path = f"/api/onboarding/jobs/{made['id']}/redeploy"
    assert (await admin.post(path, json={"targets": "all"})).json()["state"] == "open"
    second = (await admin.post(path, json={"targets": "all"})).json()
    assert (second["state"], second["reason"]) == ("skipped", "overlap")
    free = await saved(admin, job(world.site_a, credential, name="Freely", policies={"overlap": "allow"}))
    path = f"/api/onboarding/jobs/{free['id']}/redeploy"
    states = [(await admin.post(path, json={"targets": "all"})).json()["state"] for _ in range(2)]
    assert states == ["open", "open"]


async def test_a_rerun_of_some_devices_has_no_meaning_here_and_a_script_job_is_not_redeployed(admin, world):
    made = await saved(admin, job(world.site_a, await login(admin)))
    everything = await admin.post(f"{JOBS}/{made['id']}/rerun", json={"targets": "all"})
    assert everything.status_code == 202
    history = (await admin.get(f"{JOBS}/{made['id']}/runs")).json()["items"]
    assert [(one["kind"], one["components"], one["execution_context"]) for one in history[0]["runs"]] == [
        ("onboarding", [], None)
    ]
    assert (await admin.get(f"{JOBS}/{made['id']}/devices")).json()["items"] == []


async def test_a_job_travels_as_a_file_by_names(admin, world):
    made = await saved(admin, job(world.site_a, await login(admin)))
    exported = (await admin.get(f"{JOBS}/{made['id']}/export")).text
    assert "site: Harbour" in exported
    assert "- Root" in exported
    assert "site_id" not in exported
    imported = await admin.post(
        f"{JOBS}/import", content=exported.replace("The harbour's machines", "Again"),
        headers={"Content-Type": "application/yaml"},
    )  # fmt: skip
    assert imported.status_code in (200, 201), imported.text
    again = imported.json().get("job", imported.json())
    same = ("components", "targets", "credential_ids", "schedule", "policies")
    assert {name: again[name] for name in same} == {name: made[name] for name in same}


async def test_a_credential_that_onboarding_tries_is_in_use(admin, world):
    credential = await login(admin)
    await saved(admin, job(world.site_a, credential))
    refused = await admin.delete(f"/api/credentials/{credential}")
    assert (refused.status_code, refused.json()["code"]) == (409, "credential_in_use")


async def test_a_job_of_another_site_is_not_there_and_a_viewer_starts_nothing(admin, other, viewer, world):
    made = await saved(admin, job(world.site_a, await login(admin)))
    path = f"/api/onboarding/jobs/{made['id']}/redeploy"
    assert (await other.post(path, json={"targets": "all"})).status_code == 404
    assert (await viewer.post(path, json={"targets": "all"})).status_code == 403


async def test_a_changed_scope_is_told_to_who_sees_its_site(admin, operator, other, world):
    body = job(world.site_a, await login(admin))
    made = await saved(admin, body)
    body["targets"][0]["entries"] = ["10.4.0.1-12"]
    assert (await admin.put(f"{JOBS}/{made['id']}", json=body)).status_code == 200
    for client in (admin, operator):
        (newest, _) = (await client.get(f"{JOBS}/{made['id']}/revisions")).json()["items"]
        assert any("entries" in one["field"] for one in newest["changes"]), newest["changes"]
    assert (await other.get(f"{JOBS}/{made['id']}/revisions")).status_code == 404


async def test_rows_are_read_anew_by_their_numbers(admin, db, world):
    made = await saved(admin, job(world.site_a, await login(admin)))
    path = f"/api/onboarding/jobs/{made['id']}"
    begun = (await admin.post(f"{path}/redeploy", json={"targets": "all"})).json()
    ids = await found(db, begun["id"], ("10.4.0.1", "failed", "no_space"), ("10.4.0.2", "approved", None))
    only = (await admin.get(f"{path}/targets", params={"target_id": [ids[1], 999]})).json()["items"]
    assert [one["id"] for one in only] == [ids[1]]
