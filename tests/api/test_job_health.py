"""The list of jobs says whether each is healthy: what waits, what was missed, what drifts, and why it will not fire."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from tests.api.jobs import PATH, create, device
from tests.api.ledgers import occurred


@pytest.fixture
async def now(db, clock):
    async with db.begin() as tx:
        return (await clock.now(tx)).replace(second=0, microsecond=0)


async def one(client, job_id):
    """The job as its list has it, which must say no less than the job's own reply does."""
    items = (await client.get(PATH, params={"limit": 500})).json()["items"]
    [row] = [item for item in items if item["id"] == job_id]
    return row


async def healthy(client, health):
    reply = await client.get(PATH, params={"health": health})
    assert reply.status_code == 200, reply.text
    return [item["name"] for item in reply.json()["items"]]


async def test_a_new_job_is_healthy(admin, operator, fleet):
    limited = await create(operator, fleet, name="Saved by somebody of one site")
    assert (await one(operator, limited["id"]))["will_not_fire"] is None
    made = await create(admin, fleet)
    row = await one(admin, made["id"])
    for reply in (made, row, (await admin.get(f"{PATH}/{made['id']}")).json()):
        assert (reply["waiting_count"], reply["missed_count"]) == (0, 0)
        assert (reply["drift"], reply["will_not_fire"], reply["recent_outcomes"]) == (None, None, [])
        assert (reply["last_run_at"], reply["created_by"], reply["updated_by"]) == (None, "ada", "ada")


async def test_the_last_ten_are_named_newest_first_and_the_last_has_its_counts(admin, operator, db, fleet, world, now):
    job_id = (await create(admin, fleet))["id"]
    made = [
        await occurred(db, job_id, now - timedelta(minutes=15 * (12 - place)), "failed" if place % 2 else "success")
        for place in range(11)
    ]
    counts = {(world.site_a, "success"): 2, (world.site_b, "failed"): 1}
    last = await occurred(db, job_id, now, "warning", counts=counts)
    row = await one(operator, job_id)
    assert [entry["id"] for entry in row["recent_outcomes"]] == [str(last), *(str(one) for one in made[:1:-1])]
    assert row["recent_outcomes"][0]["outcome"] == "warning"
    assert set(row["recent_outcomes"][1]) == {"id", "scheduled_for_at", "state", "outcome"}
    assert row["last_occurrence"]["counts"] == {"success": 2}, "those of the reader's sites"
    assert (await one(admin, job_id))["last_occurrence"]["counts"] == {"success": 2, "failed": 1}


async def test_what_waits_is_counted_in_the_readers_sites(admin, operator, db, fleet, world, now):
    job_id = (await create(admin, fleet, targets=[device(fleet["crane"]), device(fleet["lamp"])]))["id"]
    counts = {(world.site_a, "pending"): 1, (world.site_a, "waiting_online"): 2, (world.site_b, "waiting_online"): 4}
    await occurred(db, job_id, now, None, counts={**counts, (world.site_a, "running"): 8})
    closed = {(world.site_a, "pending"): 16}
    await occurred(db, job_id, now - timedelta(hours=1), "failed", counts=closed)
    assert (await one(admin, job_id))["waiting_count"] == 7
    assert (await one(operator, job_id))["waiting_count"] == 3
    assert (await operator.get(f"{PATH}/{job_id}")).json()["waiting_count"] == 3
    other = (await create(admin, fleet, name="Foreign waits"))["id"]
    await occurred(db, other, now, None, counts={(world.site_b, "pending"): 1, (world.site_a, "running"): 1})
    assert await healthy(operator, "waiting") == ["Clear print spool"]
    assert await healthy(admin, "waiting") == ["Clear print spool", "Foreign waits"]


async def test_what_was_missed_in_the_last_seven_days_is_counted_with_its_ranges(admin, db, fleet, now):
    job_id = (await create(admin, fleet))["id"]
    missed = {"state": "missed", "reason": "catch_up_window"}
    await occurred(
        db, job_id, now - timedelta(days=9), None, **missed, range_end_at=now - timedelta(days=8), range_count=96
    )
    await create(admin, fleet, name="Other")
    assert (await one(admin, job_id))["missed_count"] == 0
    assert await healthy(admin, "missed") == []
    await occurred(
        db, job_id, now - timedelta(hours=3), None, **missed, range_end_at=now - timedelta(hours=2), range_count=5
    )
    await occurred(db, job_id, now - timedelta(hours=1), None, **missed)
    row = await one(admin, job_id)
    assert row["missed_count"] == 6
    assert row["missed_span_seconds"] == 7 * 86_400
    assert await healthy(admin, "missed") == ["Clear print spool"]


async def test_failing_is_who_failed_last_whatever_was_stopped_or_skipped_since(admin, db, fleet, now):
    names = {}
    for name, outcomes in {
        "failing": ["success", "failed", "cancelled", "skipped"],
        "recovered": ["failed", "success"],
        "never ran": [],
        "stopped": ["cancelled"],
    }.items():
        names[name] = (await create(admin, fleet, name=name))["id"]
        for place, outcome in enumerate(outcomes):
            await occurred(db, names[name], now - timedelta(minutes=15 * (9 - place)), outcome)
    assert await healthy(admin, "failing") == ["failing"]


async def test_every_fifteen_minutes_that_is_every_forty_five_is_said(admin, db, fleet, now):
    start = (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    schedule = {"type": "every_15_minutes", "start": start, "timezone": "UTC"}
    slow, steady, by_hand = [
        (await create(admin, fleet, name=name, schedule=schedule))["id"] for name in ("slow", "steady", "by hand")
    ]
    for place in range(1, 8):
        await occurred(db, slow, now - timedelta(minutes=45 * place))
        await occurred(db, steady, now - timedelta(minutes=15 * place))
        await occurred(db, by_hand, now - timedelta(minutes=45 * place), kind="manual")
        await occurred(db, slow, now - timedelta(minutes=45 * place - 15), None, state="skipped", reason="overlap")
    said = "Its schedule says every 15 minutes, most of its last starts were every 45 minutes."
    assert (await one(admin, slow))["drift"] == (await admin.get(f"{PATH}/{slow}")).json()["drift"] == said
    assert ((await one(admin, steady))["drift"], (await one(admin, by_hand))["drift"]) == (None, None)


async def test_why_a_job_will_not_fire(admin, db, fleet, world, now):
    async def why(job_id):
        listed, alone = await one(admin, job_id), (await admin.get(f"{PATH}/{job_id}")).json()
        assert listed["will_not_fire"] == alone["will_not_fire"]
        return listed["will_not_fire"]

    paused = (await create(admin, fleet, name="paused"))["id"]
    pause = {"enabled": False, "reason": "Being moved", "until": "2100-01-01T00:00:00Z"}
    await admin.post(f"{PATH}/{paused}/toggle", json=pause)
    assert await why(paused) == {
        "code": "paused",
        "sentence": "Paused until 1 January 2100 00:00 UTC: Being moved.",
    }
    ended = (await create(admin, fleet, name="ended", schedule={"type": "immediately"}))["id"]
    assert (await why(ended))["code"] == "completed"
    broken = (await create(admin, fleet, name="broken"))["id"]
    async with db.begin() as tx:
        statement = "UPDATE jobs SET state = 'error', state_reason = 'no such zone', next_due_at = NULL WHERE id = :id"
        await tx.execute(text(statement), {"id": broken})
    assert await why(broken) == {"code": "error", "sentence": "In error: no such zone."}
    guarded = (await create(admin, fleet, name="guarded"))["id"]
    await occurred(db, guarded, now, None, state="held", reason="storm_guard")
    assert (await why(guarded))["code"] == "storm_guard"
    lost = (await create(admin, fleet, name="lost", targets=[device(fleet["loner"])]))["id"]
    async with db.begin() as tx:
        await tx.execute(text("UPDATE devices SET status = 'disabled' WHERE id = :id"), {"id": fleet["loner"]})
    assert (await why(lost))["code"] == "no_devices"
    fine = (await create(admin, fleet, name="fine"))["id"]
    assert await why(fine) is None
    assert await healthy(admin, "will_not_fire") == ["broken", "ended", "guarded", "lost", "paused"]


async def test_a_closed_window_is_told_of_the_whole_job_in_the_list_and_of_each_device_in_the_jobs_own_reply(
    admin, fleet, world, now
):
    job_id = (await create(admin, fleet))["id"]
    begins = (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    window = {
        "name": "Freeze",
        "kind": "deny",
        "when_closed": "skip",
        "spans": [{"schedule": {"type": "once", "start": begins, "timezone": "UTC"}, "duration_seconds": 86_400}],
        "attachments": [{"kind": "site", "site_id": world.site_a}],
    }
    made = await admin.post("/api/windows", json=window)
    assert made.status_code == 201, made.text
    assert (await one(admin, job_id))["will_not_fire"] is None
    alone = (await admin.get(f"{PATH}/{job_id}")).json()["will_not_fire"]
    assert alone == {
        "code": "devices_closed",
        "sentence": "Closed on each of its devices at its next due time: `Freeze`.",
    }
    whole = await admin.post("/api/windows", json={**window, "name": "All", "attachments": [{"kind": "global"}]})
    assert whole.status_code == 201, whole.text
    told = (await one(admin, job_id))["will_not_fire"]
    assert told["code"] == "window_closed"
    assert told["sentence"].startswith("Closed at its next due time (blackout `All` until ")
    assert told["sentence"].endswith("that time will be skipped.")


async def test_devices_that_would_all_be_left_out_are_told_in_the_jobs_own_reply(admin, db, fleet):
    job_id = (await create(admin, fleet, policies={"offline": "skip"}, targets=[device(fleet["pump"])]))["id"]
    assert (await one(admin, job_id))["will_not_fire"] is None
    alone = (await admin.get(f"{PATH}/{job_id}")).json()["will_not_fire"]
    assert alone == {"code": "no_eligible_devices", "sentence": "None of its devices would run it now: offline_skip."}


async def test_a_page_costs_the_same_number_of_statements_whatever_its_length(admin, db, deps, fleet, now):
    statements = []

    def heard(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    async def cost(limit):
        statements.clear()
        reply = await admin.get(PATH, params={"limit": limit})
        assert len(reply.json()["items"]) == limit
        return len(statements)

    for number in range(12):
        job_id = (await create(admin, fleet, name=f"job {number}"))["id"]
        await occurred(db, job_id, now, None, counts={(1, "pending"): 1})
    event.listen(deps.db.engine.sync_engine, "before_cursor_execute", heard)
    assert await cost(1) == await cost(12)
