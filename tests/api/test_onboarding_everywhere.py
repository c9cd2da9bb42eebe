"""A job that brings machines under management in every list, page, bulk action and file that shows or changes jobs: none of them fails."""

import pytest
from sqlalchemy import text

from tests.api import document
from tests.api.test_onboarding import JOBS, found, job, login, problems, saved

#: What the paths of GET operations name.
GETS = sorted(
    path
    for path, item in document.document()["paths"].items()
    if "get" in item and path not in ("/api/events", "/api/executions/{execution_id}/output/follow")
)


@pytest.fixture
async def stood(admin, db, world):
    """An onboarding job that ran, by the names in paths."""
    credential = await login(admin)
    made = await saved(admin, job(world.site_a, credential))
    begun = (await admin.post(f"/api/onboarding/jobs/{made['id']}/redeploy", json={"targets": "all"})).json()
    (target,) = await found(db, begun["id"], ("10.4.0.1", "failed", "no_space"))
    async with db.begin() as tx:
        await tx.execute(
            text("UPDATE occurrence_counts SET state = 'failed', number = 1 WHERE occurrence_id = CAST(:id AS uuid)"),
            {"id": begun["id"]},
        )
        run = (await tx.execute(text("SELECT id FROM runs"))).scalar_one()
    return {
        "job_id": made["id"],
        "occurrence": begun["id"],
        "other": begun["id"],
        "run_id": run,
        "target_id": target,
        "site_id": world.site_a,
        "credential_id": credential,
        "revision": 1,
    }


@pytest.mark.parametrize("path", [one for one in GETS if "{" not in one or "job" in one or "{run_id}" in one])
async def test_every_page_shows_it(admin, other, stood, path):
    for client in (admin, other):
        where = path
        for name, value in stood.items():
            where = where.replace(f"{{{name}}}", str(value))
        if "{" in where:
            pytest.skip("names something else")
        reply = await client.get(where, params={"from": "2026-12-01T00:00:00Z", "to": "2026-12-08T00:00:00Z"})
        assert reply.status_code < 500, f"{where}: {reply.text}"
        if client is other:
            assert "harbour's machines" not in reply.text
            assert "10.4.0.1" not in reply.text


@pytest.mark.parametrize(
    "change",
    [
        {"action": "toggle", "enabled": False},
        {"action": "toggle", "enabled": False, "until": "2027-01-01T00:00:00Z", "reason": "Later"},
        {"action": "toggle", "enabled": True},
        {"action": "rerun", "targets": "all"},
        {"action": "rerun", "targets": "failed"},
        {"action": "rerun", "targets": "not_finished"},
        {"action": "tag", "add": ["one"]},
        {"action": "delete"},
    ],
)
async def test_every_bulk_action_takes_it(admin, stood, change):
    for more in ({"job_ids": [stood["job_id"]]}, {"filter": {"kind": "onboarding"}}):
        told = await admin.post(f"{JOBS}/bulk", json=change | more)
        assert told.status_code == 200, told.text
        done = await admin.post(
            f"{JOBS}/bulk", json=change | more | {"dry_run": False, "expected": told.json()["count"]}
        )
        assert done.status_code == 200, done.text


@pytest.mark.parametrize(
    "targets", ["failed", "not_finished", {"device_ids": ["7b1d2f3e-0000-4000-8000-000000000000"]}]
)
async def test_a_rerun_of_some_devices_is_refused_with_words(admin, db, stood, targets):
    async with db.begin() as tx:
        await tx.execute(text("UPDATE occurrences SET state = 'closed', outcome = 'failed', closed_at = created_at"))
    reply = await admin.post(f"{JOBS}/{stood['job_id']}/rerun", json={"targets": targets})
    assert 400 <= reply.status_code < 500, reply.text


async def test_a_stop_of_the_run_the_job_and_the_occurrence(admin, db, stood):
    for path in (f"/api/runs/{stood['run_id']}/cancel", f"{JOBS}/{stood['job_id']}/cancel"):
        for body in ({"dry_run": True}, {}):
            reply = await admin.post(path, json=body)
            assert reply.status_code < 500, f"{path} {reply.text}"


async def test_instants_of_the_past_are_made_up_for_one_at_a_time(admin, stood):
    body = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-05T00:00:00Z", "dry_run": True}
    told = await admin.post(f"{JOBS}/{stood['job_id']}/backfill", json=body)
    assert told.status_code < 500, told.text
    done = await admin.post(f"{JOBS}/{stood['job_id']}/backfill", json=body | {"dry_run": False})
    assert done.status_code < 500, done.text


async def test_it_becomes_a_script_job_and_is_one_again(admin, db, stood, make_device, world):
    device = str(await make_device("crane", world.site_a))
    script = await admin.post("/api/assemblies", json={"name": "Clean", "interpreter": "bash", "content": "true"})
    before = (await admin.get(f"{JOBS}/{stood['job_id']}")).json()
    as_script = {
        "name": before["name"],
        "job_kind": "automation",
        "components": [{"assembly_id": script.json()["id"]}],
        "targets": [{"kind": "device", "device_id": device}],
        "schedule": {"type": "daily", "start": "2026-12-01T03:00", "timezone": "UTC"},
    }
    changed = await admin.put(f"{JOBS}/{stood['job_id']}", json=as_script)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["job_kind"], changed.json()["credential_ids"]) == ("automation", None)
    refused = await admin.post(f"/api/onboarding/jobs/{stood['job_id']}/redeploy", json={"targets": "all"})
    assert refused.json()["code"] == "not_onboarding"
    assert (await admin.get(f"/api/onboarding/jobs/{stood['job_id']}/targets")).json()["items"]
    assert (await admin.get(f"{JOBS}/{stood['job_id']}/runs")).status_code == 200
    assert (await admin.get(f"{JOBS}/{stood['job_id']}/devices")).status_code == 200
    again = await admin.put(f"{JOBS}/{stood['job_id']}", json=job(world.site_a, stood["credential_id"]))
    assert again.status_code == 200, again.text
    assert again.json()["credential_ids"] == [stood["credential_id"]]
    for path in ("revisions", "preview", "export"):
        assert (await admin.get(f"{JOBS}/{stood['job_id']}/{path}")).status_code == 200, path


@pytest.mark.parametrize(
    "body",
    [
        {"targets": {"target_ids": [2**70]}},
        {"targets": {"target_ids": [-(2**63) - 1]}},
        {"targets": {"target_ids": [0, 0, -1]}},
        {"targets": "all", "occurrence": "\0"},
        {"targets": "all", "occurrence": "9999-99-99"},
        {"targets": "unfinished", "occurrence": "7b1d2f3e-0000-4000-8000-000000000000"},
        {"targets": "all", "reason": "\ud800"},
    ],
)
async def test_what_cannot_be_redeployed_is_refused(admin, stood, body):
    import json

    reply = await admin.post(
        f"/api/onboarding/jobs/{stood['job_id']}/redeploy",
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert 400 <= reply.status_code < 500, reply.text


@pytest.mark.parametrize("query", [{"q": "\0"}, {"q": "%_\\"}, {"cursor": "x"}, {"occurrence": "\0"}, {"limit": 0}])
async def test_odd_questions_for_addresses_are_answered(admin, stood, query):
    reply = await admin.get(f"/api/onboarding/jobs/{stood['job_id']}/targets", params=query)
    assert reply.status_code < 500, reply.text


async def test_a_policy_without_a_meaning_here_is_refused(admin, world):
    body = job(world.site_a, await login(admin), policies={"no_targets": "fail"})
    assert problems(await saved(admin, body, 422)) == {("policies.no_targets", "not_allowed")}


async def test_history_goes_with_its_addresses_codes_and_links(admin, db, stood):
    async with db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO enrolment_codes (code_hash, site_id, onboarding_target_id, created_at, expires_at)"
                " SELECT 'x', site_id, id, created_at, created_at FROM onboarding_targets"
            )
        )
        await tx.execute(text("DELETE FROM occurrences"))
        assert (await tx.execute(text("SELECT count(*) FROM onboarding_targets"))).scalar_one() == 0
        assert (await tx.execute(text("SELECT count(*) FROM enrolment_codes"))).scalar_one() == 0
    listed = (await admin.get(f"/api/onboarding/jobs/{stood['job_id']}/targets")).json()
    assert (listed["occurrence"], listed["items"]) == (None, [])


async def test_a_site_with_a_history_of_onboarding_is_in_use(admin, stood):
    reply = await admin.delete(f"/api/sites/{stood['site_id']}")
    assert (reply.status_code, reply.json()["code"]) == (409, "site_in_use")
