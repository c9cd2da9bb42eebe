"""The doctor finds each kind of broken promise, and nothing in a sound database."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.apps.conftest import EngineAt
from tests.factories.scene import Scene
from watchbill import queue, runs
from watchbill.apps import doctor
from watchbill.apps.scheduler import Ticker
from watchbill.core.states import WorkItemState
from watchbill.kit.db import Database


async def _sound(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    """One finished occurrence with output, one that runs, one that waits, and a job with a ledger."""
    async with db.begin() as tx:
        for name in ("done", "busy"):
            await scene.device(tx, name)
        await scene.device(tx, "away", online=False)
        job = await scene.job(tx, "done", "busy", "away")
        one = scene.opening(job)
        await runs.open_occurrences(tx, [one], scene.now)
        for item in (await tx.execute(text("SELECT id FROM work_items"))).scalars().all():
            lease = await queue.claim(tx, item, uuid.uuid4(), scene.now)
            assert lease is not None
            await runs.release(tx, lease.run_id, lease.site_id, scene.now)
            await queue.settle(tx, lease, WorkItemState.DONE, scene.now)
        done, busy = sorted(await scene.take(tx), key=lambda one: one.device_id != scene.devices["done"])
        chunk = runs.Chunk(done.execution_id, done.device_id, "stdout", 0, b"hello")
        await runs.store_output(tx, [chunk], limit_bytes=1000)
        await runs.finished(tx, [scene.report(done, stdout_bytes=5)], scene.now)
        await runs.started(tx, [(busy.execution_id, busy.device_id, scene.now)], scene.now)
    async with db.begin() as tx:
        ledger = await scene.job(tx, "done", policies={"catch_up": "skip"})
        await tx.execute(text("UPDATE jobs SET enabled = false WHERE id = :id"), {"id": job})
    await Ticker(engine_at(minutes=1)).tick()
    async with db.begin() as tx:
        assert (await scene.occurrence(tx, ledger, None)).state == "open"


async def test_a_sound_database_gets_a_clean_bill(db: Database, scene: Scene, engine_at: EngineAt) -> None:
    await _sound(db, scene, engine_at)
    assert await doctor.check(engine_at()) == []


@pytest.mark.parametrize(
    ("code", "damage"),
    [
        (
            "service_account_without_key",
            (
                "INSERT INTO service_accounts (device_id, wanted, generation, requested_at, requested_by)"
                " SELECT id, 'present', 7, now(), 'ada' FROM devices LIMIT 1"
            ),
        ),
        ("job_overdue", "UPDATE jobs SET next_due_at = now() - interval '1 hour' WHERE enabled"),
        ("job_without_next", "UPDATE jobs SET next_due_at = NULL WHERE enabled"),
        (
            "occurrence_stuck_open",
            "UPDATE run_targets SET state = 'failed', deadline_at = NULL WHERE deadline_at IS NOT NULL",
        ),
        (
            "sign_of_life_fails",
            """INSERT INTO outbound_heartbeat (id, last_failure_at, last_error) VALUES (true, now(), 'x')
            ON CONFLICT (id) DO UPDATE SET last_failure_at = now(), last_success_at = NULL""",
        ),
        ("occurrence_closed_early", "UPDATE occurrences SET state = 'closed', outcome = 'success'"),
        ("counts_differ", "UPDATE occurrence_counts SET number = number + 1 WHERE state = 'success'"),
        ("counts_differ", "DELETE FROM occurrence_counts"),
        ("counts_differ", "UPDATE run_targets SET wave = 2 WHERE state = 'success'"),
        ("target_outstays", "UPDATE run_targets SET stop_by_at = now() - interval '1 hour' WHERE state = 'running'"),
        ("target_early", "UPDATE run_targets SET starts_at = now() + interval '1 hour' WHERE state = 'success'"),
        (
            "wave_differs",
            "INSERT INTO occurrence_waves SELECT DISTINCT occurrence_id, 7, 'UTC', now() FROM run_targets",
        ),
        (
            "wave_differs",
            (
                "INSERT INTO occurrence_waves SELECT DISTINCT occurrence_id, 1, 'UTC', now() + interval '1 hour' FROM executions"
                " JOIN run_targets USING (run_id)"
            ),
        ),
        (
            "target_forgotten",
            (
                "WITH gone AS (UPDATE run_targets SET released_at = now() - interval '1 hour' WHERE state = 'waiting_online'"
                " RETURNING device_id) INSERT INTO device_presence (device_id, gateway_id, connection_id, connected_at, last_seen_at)"
                " SELECT device_id, gen_random_uuid(), gen_random_uuid(), now() - interval '1 hour', now() FROM gone"
            ),
        ),
        (
            "held_overdue",
            "UPDATE occurrences SET state = 'held', held_until_at = now() - interval '1 hour' WHERE state = 'open'",
        ),
        (
            "guard_holds_nothing",
            (
                "INSERT INTO outages (kind, from_at, to_at, noticed_at, guard)"
                " SELECT 'outage', at, at, at, 'up' FROM (SELECT now() - interval '1 hour' AS at) t"
            ),
        ),
        (
            "target_overdue",
            "UPDATE run_targets SET deadline_at = now() - interval '1 hour' WHERE deadline_at IS NOT NULL",
        ),
        (
            "executed_twice",
            (
                "INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, start_by_at,"
                " dispatched_at) SELECT gen_random_uuid(), target_id, run_id, device_id, site_id, component, attempt + 7, term,"
                " 'dispatched', start_by_at, dispatched_at FROM executions"
            ),
        ),
        (
            "components_at_once",
            (
                "INSERT INTO executions (id, target_id, run_id, device_id, site_id, component, attempt, term, state, start_by_at,"
                " dispatched_at) SELECT gen_random_uuid(), target_id, run_id, device_id, site_id, 7, attempt, term, 'dispatched',"
                " start_by_at, dispatched_at FROM executions"
            ),
        ),
        (
            "component_unaccounted",
            "UPDATE runs SET components = components || components",
        ),
        (
            "verdicts_differ",
            "INSERT INTO occurrence_verdicts SELECT id, 1, 'fixed', 3 FROM occurrences",
        ),
        ("result_missing", "UPDATE executions SET state = 'running', outcome = NULL WHERE state = 'finished'"),
        ("result_ignored", "UPDATE executions SET state = 'finished', outcome = 'exited' WHERE state = 'running'"),
        ("output_missing", "DELETE FROM output_chunks"),
        (
            "work_without_doorbell",
            (
                "UPDATE work_items SET state = 'queued', created_at = now() - interval '1 hour' "
                "WHERE id = (SELECT min(id) FROM work_items)"
            ),
        ),
        (
            "target_never_released",
            "UPDATE run_targets SET state = 'pending', released_at = NULL WHERE state = 'waiting_online'",
        ),
        (
            "presence_of_dead_gateway",
            (
                "INSERT INTO services (id, kind, host, pid, version, started_at, heartbeat_at, stopped_at)"
                " SELECT DISTINCT gateway_id, 'gateway', 'h', 1, '0', now(), now(), now() - interval '1 hour'"
                " FROM device_presence WHERE gateway_id IS NOT NULL"
            ),
        ),
        (
            "service_silent",
            (
                "INSERT INTO services (id, kind, host, pid, version, started_at, heartbeat_at)"
                " VALUES (gen_random_uuid(), 'scheduler', 'h', 1, '0', now(), now() - interval '1 hour')"
            ),
        ),
        ("ledger_differs", "DELETE FROM occurrences WHERE job_id = (SELECT max(id) FROM jobs)"),
        ("ledger_differs", "UPDATE jobs SET mark_at = mark_at + interval '1 hour' WHERE enabled"),
    ],
)
async def test_each_kind_of_damage_is_found(
    db: Database, scene: Scene, engine_at: EngineAt, code: str, damage: str
) -> None:
    await _sound(db, scene, engine_at)
    async with db.begin() as tx:
        if code == "work_without_doorbell":
            await tx.execute(text("DELETE FROM pgqueuer"))
        assert (await tx.execute(text(damage))).rowcount
    found = {finding.code: finding for finding in await doctor.check(engine_at())}
    assert code in found
    assert found[code].number == len(found[code].examples) or found[code].number > 5


async def test_what_became_of_an_instant_does_not_matter_as_long_as_it_is_kept(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    """Held, skipped and missed instants count like those that ran; a range that was not counted to its end says so."""
    await _sound(db, scene, engine_at)
    async with db.begin() as tx:
        job = (await tx.execute(text("SELECT max(id) FROM jobs"))).scalar_one()
        await tx.execute(text("DELETE FROM run_targets WHERE job_id = :id"), {"id": job})
        await tx.execute(
            text("DELETE FROM occurrence_counts c USING occurrences o WHERE o.id = c.occurrence_id AND o.job_id = :id"),
            {"id": job},
        )
        await tx.execute(text("DELETE FROM runs WHERE job_id = :id"), {"id": job})
        held = "UPDATE occurrences SET state = 'held', reason = 'misfire_hold' WHERE job_id = :id"
        await tx.execute(text(held), {"id": job})
    assert await doctor.check(engine_at()) == []
    async with db.begin() as tx:
        at = text("UPDATE jobs SET mark_at = mark_at + interval '1 hour' WHERE id = :id")
        await tx.execute(at, {"id": job})
        missed = (
            "UPDATE occurrences SET state = 'missed', reason = 'misfire_policy', range_end_at = scheduled_for_at + interval '1 hour',"
            " range_count = 5, is_range_capped = true, closed_at = now() WHERE job_id = :id"
        )
        await tx.execute(text(missed), {"id": job})
    assert await doctor.check(engine_at()) == []
    async with db.begin() as tx:
        await tx.execute(text("UPDATE occurrences SET range_count = 50 WHERE job_id = :id"), {"id": job})
    assert [finding.code for finding in await doctor.check(engine_at())] == ["ledger_differs"]


MESSAGE = """
WITH hook AS (
  INSERT INTO notification_channels (kind, name, description, destination, addresses, header_names, timezone, enabled, revision,
    created_at, updated_at)
  VALUES ('webhook', 'Night', '', 'x', '{}', '{}', 'UTC', true, 1, now(), now()) RETURNING id
), rule AS (
  INSERT INTO notification_rules (events, urgent_events, not_started_minutes, failures_in_a_row, slower_factor, replaces_general, enabled,
    revision, created_at, updated_at) VALUES ('{failed}', '{}', 15, 3, 2, false, true, 1, now(), now()) RETURNING id
), told AS (
  INSERT INTO notifications (rule_id, event, key, job_id, occurrence_id, facts, created_at)
  SELECT rule.id, 'failed', 'x', o.job_id, o.id, '{}', now() FROM rule, (SELECT * FROM occurrences LIMIT 1) o RETURNING id
), messages AS (
  INSERT INTO notification_messages (id, channel_id, state, due_at, created_at)
  SELECT gen_random_uuid(), hook.id, 'sent', now(), now() FROM hook, generate_series(1, 2) RETURNING seq
)
INSERT INTO notification_items (message_seq, notification_id) SELECT messages.seq, told.id FROM messages, told
"""


async def test_a_message_that_nobody_sends_and_one_too_many_are_named(
    db: Database, scene: Scene, engine_at: EngineAt
) -> None:
    await _sound(db, scene, engine_at)
    async with db.begin() as tx:
        await tx.execute(text(MESSAGE))
    assert [one.code for one in await doctor.check(engine_at())] == ["told_twice"]
    async with db.begin() as tx:
        await tx.execute(
            text("DELETE FROM notification_items WHERE message_seq = (SELECT min(seq) FROM notification_messages)")
        )
        stuck = "UPDATE notification_messages SET state = 'waiting', leased_until = :at, due_at = :at, attempt = 1"
        await tx.execute(text(stuck), {"at": scene.now - timedelta(hours=1)})
    assert [one.code for one in await doctor.check(engine_at())] == ["message_stuck"]
    async with db.begin() as tx:
        await tx.execute(text("UPDATE notification_channels SET last_failure_at = :now"), {"now": scene.now})
    assert await doctor.check(engine_at()) == [], "its line moves"
