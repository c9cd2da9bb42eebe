"""Many jobs at once: counted first, done to exactly as many or to none, and each left out with its reason."""

import pytest
from sqlalchemy import event

from tests.api.conftest import codes
from tests.api.jobs import PATH, create, device
from tests.api.ledgers import occurred

BULK = f"{PATH}/bulk"


async def count(client, action, **body):
    reply = await client.post(BULK, json={"action": action, **body})
    assert reply.status_code == 200, reply.text
    assert reply.json()["dry_run"]
    return reply.json()


async def do(client, action, expected, **body):
    reply = await client.post(BULK, json={"action": action, "dry_run": False, "expected": expected, **body})
    assert reply.status_code == 200, reply.text
    assert (reply.json()["dry_run"], reply.json()["count"]) == (False, expected)
    return reply.json()


async def audited(admin, action):
    rows = (await admin.get("/api/audit", params={"action": action})).json()["items"]
    return [int(row["object_id"]) for row in rows]


def reasons(reply):
    return {job["job_id"]: job["code"] for job in reply["jobs"]}


@pytest.fixture
async def three(admin, fleet):
    """Jobs of the operator's site, of both sites, and of the other one."""
    mine, both, foreign = ["crane"], ["crane", "lamp"], ["lamp"]
    return [
        (await create(admin, fleet, name=name, targets=[device(fleet[one]) for one in names]))["id"]
        for name, names in (("mine", mine), ("both", both), ("foreign", foreign))
    ]


async def test_what_is_counted_is_done_and_what_is_left_out_says_why(operator, admin, three):
    mine, both, foreign = three
    body = {"job_ids": [*three, 999_999], "enabled": False, "reason": "Moving house"}
    counted = await count(operator, "toggle", **body)
    assert counted["count"] == 1
    assert counted["left_out"] == {"job_spans_other_sites": 1, "job_not_found": 2}
    assert reasons(counted) == {
        mine: None,
        both: "job_spans_other_sites",
        foreign: "job_not_found",
        999_999: "job_not_found",
    }
    assert [job["name"] for job in counted["jobs"]] == ["mine", "both", None, None]
    assert (await admin.get(f"{PATH}/{mine}")).json()["state"] == "active", "only counted"
    done = await do(operator, "toggle", 1, **body)
    assert reasons(done) == reasons(counted)
    paused = (await admin.get(f"{PATH}/{mine}")).json()
    assert (paused["state"], paused["state_reason"], paused["revision"]) == ("paused", "Moving house", 2)
    assert (paused["enabled"], paused["next_due_at"], paused["updated_by"]) == (False, None, "otto")
    assert await audited(admin, "job.toggle") == [mine]
    again = await count(operator, "toggle", **body)
    assert reasons(again)[mine] == "already_so"


async def test_another_count_than_expected_changes_nothing(admin, three):
    for action, more in (
        ("toggle", {"enabled": False}),
        ("delete", {}),
        ("tag", {"add": ["night"]}),
        ("rerun", {}),
    ):
        before = [(await admin.get(f"{PATH}/{one}")).json() for one in three]
        body = {"action": action, "job_ids": three, "dry_run": False, "expected": 2, **more}
        refused = await admin.post(BULK, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "count_changed")
        assert "3 jobs would change now, not 2" in refused.json()["detail"]
        assert [(await admin.get(f"{PATH}/{one}")).json() for one in three] == before


async def test_pausing_and_resuming_many_does_what_the_single_verb_does(admin, three):
    alone, *others = three
    single = (await admin.post(f"{PATH}/{alone}/toggle", json={"enabled": False})).json()
    await do(admin, "toggle", 2, job_ids=others, enabled=False)
    same = ("state", "state_reason", "paused_until", "next_due_at", "enabled", "revision")
    for one in others:
        many = (await admin.get(f"{PATH}/{one}")).json()
        assert {name: many[name] for name in same} == {name: single[name] for name in same}
        [newest, _] = (await admin.get(f"{PATH}/{one}/revisions")).json()["items"]
        assert newest["changes"] == [{"field": "enabled", "before": True, "after": False}]
    single = (await admin.post(f"{PATH}/{alone}/toggle", json={"enabled": True})).json()
    await do(admin, "toggle", 2, filter={"state": "paused"}, enabled=True)
    for one in others:
        many = (await admin.get(f"{PATH}/{one}")).json()
        assert {name: many[name] for name in same} == {name: single[name] for name in same}


async def test_tags_are_given_and_taken(admin, fleet, three):
    mine, both, foreign = three
    full = (await create(admin, fleet, name="full", tags=[f"t{n}" for n in range(20)]))["id"]
    body = {"job_ids": [*three, full], "add": ["night", "eu"]}
    assert reasons(await count(admin, "tag", **body)) == {mine: None, both: None, foreign: None, full: "too_many_tags"}
    await do(admin, "tag", 3, **body)
    await do(admin, "tag", 1, job_ids=[mine], add=["us"], remove=["eu"])
    assert (await admin.get(f"{PATH}/{mine}")).json()["tags"] == ["night", "us"]
    assert reasons(await count(admin, "tag", filter={"tag": ["eu"]}, add=["eu"])) == {
        both: "already_so",
        foreign: "already_so",
    }
    found = (await admin.get(PATH, params={"tag": ["night", "us"]})).json()["items"]
    assert [(one["id"], one["revision"]) for one in found] == [(mine, 3)]
    [newest, *_] = (await admin.get(f"{PATH}/{mine}/revisions")).json()["items"]
    assert newest["changes"] == [{"field": "tags", "before": ["eu", "night"], "after": ["night", "us"]}]
    assert sorted(await audited(admin, "job.update")) == sorted([mine, mine, both, foreign])


async def test_deleting_many_stops_what_runs(admin, three):
    started = [(await admin.post(f"{PATH}/{one}/rerun")).json() for one in three]
    assert {one["state"] for one in started} == {"open"}
    await do(admin, "delete", 3, filter={})
    assert (await admin.get(PATH)).json()["items"] == []
    assert (await admin.get(f"{PATH}/{three[0]}")).status_code == 404
    rows = (await admin.get("/api/audit", params={"action": "job.delete"})).json()["items"]
    assert sorted(int(row["object_id"]) for row in rows) == sorted(three)


async def test_a_rerun_of_many_starts_each_once_and_a_count_starts_none(admin, three):
    counted = await count(admin, "rerun", job_ids=three)
    assert (counted["count"], {job["occurrence_id"] for job in counted["jobs"]}) == (3, {None})
    for one in three:
        assert (await admin.get(f"{PATH}/{one}/runs")).json()["items"] == []
    done = await do(admin, "rerun", 3, job_ids=three)
    for job in done["jobs"]:
        [run] = (await admin.get(f"{PATH}/{job['job_id']}/runs")).json()["items"]
        assert (run["id"], run["kind"], run["state"]) == (job["occurrence_id"], "rerun", "open")
    assert sorted(await audited(admin, "job.rerun")) == sorted(three)


async def test_a_rerun_of_what_failed_leaves_out_who_has_nothing_to_repeat(admin, db, clock, three):
    mine, both, foreign = three
    started = (await admin.post(f"{PATH}/{mine}/rerun")).json()
    await admin.post(f"{PATH}/{mine}/occurrences/{started['id']}/cancel")
    await admin.post(f"{PATH}/{both}/rerun")
    counted = await count(admin, "rerun", job_ids=three, targets="not_finished")
    assert reasons(counted) == {mine: None, both: "nothing_to_rerun", foreign: "no_occurrence"}
    done = await do(admin, "rerun", 1, job_ids=three, targets="not_finished")
    [again, _] = (await admin.get(f"{PATH}/{mine}/runs")).json()["items"]
    assert again["id"] == done["jobs"][0]["occurrence_id"]
    assert again["origin_occurrence_id"] == started["id"]


async def test_a_closed_window_keeps_back_those_that_it_covers_unless_a_reason_is_given(admin, operator, world, three):
    mine, both, foreign = three
    window = {
        "name": "Freeze",
        "kind": "deny",
        "spans": [{"schedule": {"type": "daily", "start": "2026-01-01T00:00"}, "duration_seconds": 86_400}],
        "attachments": [{"kind": "site", "site_id": world.site_b}],
    }
    assert (await admin.post("/api/windows", json=window)).status_code == 201
    counted = await count(admin, "rerun", job_ids=three)
    assert reasons(counted) == {mine: None, both: "window_closed", foreign: "window_closed"}
    assert "Freeze" in counted["jobs"][1]["reason"]
    done = await do(admin, "rerun", 1, job_ids=three)
    assert (await admin.get(f"{PATH}/{both}/runs")).json()["items"] == []
    assert done["jobs"][0]["occurrence_id"]
    await do(admin, "rerun", 3, job_ids=three, reason="The bridge is on fire")
    [newest, *_] = (await admin.get(f"{PATH}/{foreign}/runs")).json()["items"]
    assert (newest["ignores_windows"], newest["start_reason"]) == (True, "The bridge is on fire")
    [newest, *_] = (await admin.get(f"{PATH}/{mine}/runs")).json()["items"]
    assert not newest["ignores_windows"]


async def test_a_filter_finds_what_the_list_shows(admin, operator, db, clock, three):
    mine, both, _ = three
    async with db.begin() as tx:
        now = (await clock.now(tx)).replace(microsecond=0)
    await occurred(db, both, now, "failed")
    assert set(reasons(await count(admin, "delete", filter={"health": "failing"}))) == {both}
    assert set(reasons(await count(operator, "delete", filter={}))) == {mine, both}
    assert set(reasons(await count(admin, "delete", filter={"q": "MIN"}))) == {mine}


async def test_who_may_not_do_it_is_refused_and_faults_are_named(viewer, admin, three):
    for action, more in (("toggle", {"enabled": False}), ("rerun", {}), ("tag", {"add": ["x"]}), ("delete", {})):
        assert (await viewer.post(BULK, json={"action": action, "job_ids": three, **more})).status_code == 403
    refused = await admin.post(BULK, json={"action": "tag", "job_ids": [0], "add": ["No"], "dry_run": False})
    assert refused.status_code == 422
    assert set(codes(refused)) == {"job_ids.0", "add.0", "expected"}


async def test_only_what_runs_as_system_needs_the_right_to_that(admin, operator, fleet, world):
    where = {"targets": [device(fleet["crane"])]}
    system = (await create(admin, fleet, name="system", **where))["id"]
    user = (await create(admin, fleet, name="user", **where, execution_context="current_user"))["id"]
    path = f"/api/operators/{world.operator.id}"
    assert (await admin.patch(path, json={"denied_permissions": ["run_as_system"]})).status_code == 200
    both = {"job_ids": [system, user]}
    assert reasons(await count(operator, "rerun", **both)) == {system: "needs_run_as_system", user: None}
    assert reasons(await count(operator, "tag", **both, add=["x"])) == {system: None, user: None}
    await do(operator, "rerun", 1, **both)
    await do(operator, "toggle", 2, **both, enabled=False)
    assert reasons(await do(operator, "toggle", 1, **both, enabled=True)) == {system: "needs_run_as_system", user: None}
    assert (await admin.get(f"{PATH}/{system}")).json()["enabled"] is False
    assert (await operator.post(f"{PATH}/{user}/toggle", json={"enabled": False})).status_code == 200
    resumed = await operator.post(f"{PATH}/{user}/toggle", json={"enabled": True, "catch_up": "latest"})
    assert (resumed.status_code, resumed.json()["enabled"]) == (200, True)


async def test_the_same_request_twice_does_it_once(admin, three):
    body = {"action": "rerun", "job_ids": three, "dry_run": False, "expected": 3}
    first, second = [await admin.post(BULK, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json() == second.json()
    assert len((await admin.get(f"{PATH}/{three[0]}/runs")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("action", "more"), [("toggle", {"enabled": False}), ("tag", {"add": ["x"]}), ("delete", {}), ("rerun", {})]
)
async def test_many_jobs_cost_no_more_statements_than_few(admin, deps, fleet, action, more):
    ids = [(await create(admin, fleet, name=f"job {number}"))["id"] for number in range(12)]
    statements: list[str] = []
    event.listen(
        deps.db.engine.sync_engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement)
    )

    async def cost(job_ids):
        statements.clear()
        await do(admin, action, len(job_ids), job_ids=job_ids, **more)
        return len(statements)

    assert await cost(ids[:2]) == await cost(ids[2:])
