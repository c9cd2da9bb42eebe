"""Targets of playbooks: taken by the work item of their site and by no gateway, taken up after a worker's death, left out with reasons."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import GATEWAY, Scene
from watchbill import queue, runs
from watchbill.core.recap import Recap
from watchbill.core.states import SkipReason, TargetState, WorkItemState
from watchbill.kit.db import Database
from watchbill.queue import Lane, Lease
from watchbill.runs import Delivery, Look, playbooks

WORKER = uuid.uuid4()


async def _item(tx: AsyncConnection, scene: Scene) -> Lease:
    """The work that waits, in the hand of a worker."""
    found = await tx.execute(text("SELECT id, lane FROM work_items WHERE state = 'queued' ORDER BY id DESC LIMIT 1"))
    row = found.one()
    assert row.lane == Lane.PLAYBOOKS
    lease = await queue.claim(tx, row.id, WORKER, scene.now)
    assert lease is not None
    return lease


async def _open(
    tx: AsyncConnection, scene: Scene, *names: str, minutes: int = 0, **more: Any
) -> tuple[uuid.UUID, Lease]:
    job = more.pop("job", None) or await scene.job(tx, *names, **more.pop("changes", {}))
    occurrence = await scene.open(tx, job, minutes, execution_context="ssh_individual", **more)
    return occurrence, await _item(tx, scene)


async def _take(tx: AsyncConnection, scene: Scene, lease: Lease, limit: int = 10) -> list[Delivery]:
    taken = await playbooks.take(tx, lease.run_id, scene.site, lease.item_id, scene.now, limit=limit)
    return taken.deliveries


@pytest.fixture
async def tx(db: Database) -> AsyncIterator[AsyncConnection]:
    async with db.begin() as open_:
        yield open_


async def _states(tx: AsyncConnection, scene: Scene, occurrence: uuid.UUID) -> dict[str, TargetState]:
    return {name: row.state for name, row in (await scene.rows(tx, occurrence)).items()}


async def test_only_the_work_item_takes_them_and_only_it_reports(tx: AsyncConnection, scene: Scene) -> None:
    await scene.device(tx, "alpha")
    occurrence, lease = await _open(tx, scene, "alpha")
    assert (await runs.take(tx, GATEWAY, scene.now, Look(run_id=lease.run_id))).deliveries == []
    assert (await runs.take(tx, GATEWAY, scene.now, Look(device_ids=[scene.devices["alpha"]]))).deliveries == []
    (one,) = await _take(tx, scene, lease)
    assert await _take(tx, scene, lease) == []
    assert await _states(tx, scene, occurrence) == {"alpha": TargetState.CONNECTING}
    assert await runs.owed(tx, [scene.devices["alpha"]]) == []
    # Its device can say nothing of it.
    await runs.started(tx, [(one.execution_id, one.device_id, scene.now)], scene.now)
    await runs.finished(tx, [scene.report(one)], scene.now)
    assert await _states(tx, scene, occurrence) == {"alpha": TargetState.CONNECTING}
    await playbooks.dispatched(tx, [one.execution_id], lease.item_id, scene.now)
    await runs.started(tx, [(one.execution_id, one.device_id, scene.now)], scene.now, item_id=lease.item_id)
    assert await _states(tx, scene, occurrence) == {"alpha": TargetState.RUNNING}
    await playbooks.note_recaps(tx, {one.execution_id: Recap(ok=2, changed=1)}, lease.item_id)
    await runs.finished(tx, [scene.report(one)], scene.now, item_id=lease.item_id)
    row = (await scene.rows(tx, occurrence))["alpha"]
    assert (row.state, row.recap) == (TargetState.SUCCESS, Recap(ok=2, changed=1))


async def test_scripts_are_no_work_items(tx: AsyncConnection, scene: Scene) -> None:
    await scene.device(tx, "alpha")
    await scene.open(tx, await scene.job(tx, "alpha"))
    row = (await tx.execute(text("SELECT id, run_id, lane FROM work_items ORDER BY id DESC LIMIT 1"))).one()
    assert row.lane == Lane.SCHEDULED_JOB
    taken = await playbooks.take(tx, row.run_id, scene.site, row.id, scene.now, limit=10)
    assert taken.deliveries == []


@pytest.mark.parametrize("interrupted", ["lost", "again"])
async def test_what_a_dead_worker_had_begun_is_lost_unless_it_may_be_repeated(
    tx: AsyncConnection, scene: Scene, interrupted: str
) -> None:
    for name in ("alpha", "beta", "gamma"):
        await scene.device(tx, name)
    occurrence, lease = await _open(tx, scene, "alpha", "beta", "gamma", interrupted=interrupted)
    deliveries = {one.device_id: one for one in await _take(tx, scene, lease)}
    alpha, gamma = (deliveries[scene.devices[name]] for name in ("alpha", "gamma"))
    # alpha runs, beta is still being connected to, gamma is to be stopped.
    for one in (alpha, gamma):
        await runs.started(tx, [(one.execution_id, one.device_id, scene.now)], scene.now, item_id=lease.item_id)
    await runs.cancel_target(tx, scene.admin.scope, occurrence, gamma.target_id, scene.now)
    assert await playbooks.to_stop(tx, lease.item_id) == {gamma.execution_id}
    again = await queue.claim(tx, lease.item_id, uuid.uuid4(), scene.now)
    assert again is not None
    await playbooks.take_up(tx, again.item_id, scene.now)
    begun = TargetState.LOST if interrupted == "lost" else TargetState.PENDING
    expected = {"alpha": begun, "beta": TargetState.PENDING, "gamma": TargetState.LOST}
    assert await _states(tx, scene, occurrence) == expected
    fresh = {one.device_id for one in await _take(tx, scene, again)}
    assert fresh == {scene.devices[name] for name, state in expected.items() if state is TargetState.PENDING}
    # The dead worker's word counts for nothing any more.
    await runs.finished(tx, [scene.report(alpha)], scene.now, item_id=lease.item_id)
    assert (await _states(tx, scene, occurrence))["alpha"] is not TargetState.SUCCESS
    assert not await queue.settle(tx, lease, WorkItemState.DONE, scene.now)


async def test_a_device_that_cannot_be_entered_is_left_out_with_the_reason(tx: AsyncConnection, scene: Scene) -> None:
    for name in ("alpha", "beta"):
        await scene.device(tx, name)
    occurrence, lease = await _open(tx, scene, "alpha", "beta")
    deliveries = {one.device_id: one for one in await _take(tx, scene, lease)}
    alpha, beta = (deliveries[scene.devices[name]] for name in ("alpha", "beta"))
    why = {alpha.execution_id: (SkipReason.WIREGUARD_NOT_READY, "No handshake yet.")}
    await playbooks.left_out(tx, why, scene.now)
    await runs.finished(tx, [scene.report(beta)], scene.now, item_id=lease.item_id)
    row = (await scene.rows(tx, occurrence))["alpha"]
    assert (row.state, row.reason, row.detail) == (TargetState.SKIPPED, "wireguard_not_ready", "No handshake yet.")
    closed = await runs.get_occurrence(tx, scene.admin.scope, await _job_of(tx, occurrence), occurrence)
    assert closed.outcome == "success"


async def test_an_occurrence_of_which_nobody_can_be_entered_says_so(tx: AsyncConnection, scene: Scene) -> None:
    await scene.device(tx, "alpha")
    occurrence, lease = await _open(tx, scene, "alpha")
    (one,) = await _take(tx, scene, lease)
    await playbooks.left_out(tx, {one.execution_id: (SkipReason.WIREGUARD_UNAVAILABLE, "No hub.")}, scene.now)
    closed = await runs.get_occurrence(tx, scene.admin.scope, await _job_of(tx, occurrence), occurrence)
    assert (closed.outcome, closed.reason) == ("skipped", "no_eligible_targets")


async def test_who_waits_for_a_turn_is_queued_again_when_it_comes(tx: AsyncConnection, scene: Scene) -> None:
    await scene.device(tx, "alpha")
    job = await scene.job(tx, "alpha", policies={"overlap": "queue_one"})
    _, first = await _open(tx, scene, job=job, overlap="queue_one")
    (one,) = await _take(tx, scene, first)
    _, second = await _open(tx, scene, job=job, minutes=1, overlap="queue_one")
    where = (second.run_id, scene.site, second.item_id, scene.now)
    taken = await playbooks.take(tx, *where, limit=10)
    assert (taken.deliveries, taken.behind) == ([], {one.target_id})
    assert await runs.await_turn(tx, taken.behind, scene.now)
    await queue.settle(tx, second, WorkItemState.DONE, scene.now)
    await runs.finished(tx, [scene.report(one)], scene.now, item_id=first.item_id)
    again = await _item(tx, scene)
    assert again.run_id == second.run_id
    assert len(await _take(tx, scene, again)) == 1


async def test_who_comes_back_is_queued_for(tx: AsyncConnection, scene: Scene) -> None:
    await scene.device(tx, "alpha", online=False)
    occurrence, lease = await _open(tx, scene, "alpha")
    assert await _take(tx, scene, lease) == []
    assert await _states(tx, scene, occurrence) == {"alpha": TargetState.WAITING_ONLINE}
    await queue.settle(tx, lease, WorkItemState.DONE, scene.now)
    await scene.connect(tx, "alpha")
    await runs.devices_came(tx, [scene.devices["alpha"]], scene.now)
    again = await _item(tx, scene)
    while await runs.release(tx, again.run_id, scene.site, scene.now):
        continue
    assert len(await _take(tx, scene, again)) == 1


async def test_another_try_is_looked_for_when_it_is_due(tx: AsyncConnection, scene: Scene) -> None:
    await scene.device(tx, "alpha")
    policies = {"retries": 1, "retry_delay_seconds": 60}
    occurrence, lease = await _open(tx, scene, "alpha", changes={"policies": policies})
    (one,) = await _take(tx, scene, lease)
    await runs.started(tx, [(one.execution_id, one.device_id, scene.now)], scene.now, item_id=lease.item_id)
    followed = await runs.finished(tx, [scene.report(one, exit_code=2)], scene.now, item_id=lease.item_id)
    assert followed.later_since is not None
    await playbooks.put_back(tx, lease.run_id, scene.site, scene.now)
    await queue.settle(tx, lease, WorkItemState.DONE, scene.now)
    assert await _states(tx, scene, occurrence) == {"alpha": TargetState.PENDING}
    at = await runs.next_look(tx)
    assert at == scene.now + timedelta(seconds=60)
    scene.now = at
    await runs.drive_due(tx, scene.now)
    again = await _item(tx, scene)
    while await runs.release(tx, again.run_id, scene.site, scene.now):
        continue
    assert [delivery.attempt for delivery in await _take(tx, scene, again)] == [2]


async def test_work_that_is_given_up_leaves_nothing_open(tx: AsyncConnection, scene: Scene) -> None:
    for name in ("alpha", "beta"):
        await scene.device(tx, name)
    occurrence, lease = await _open(tx, scene, "alpha", "beta")
    (one,) = await _take(tx, scene, lease, limit=1)
    await playbooks.give_up(tx, lease.item_id, lease.run_id, scene.site, "out of memory", scene.now)
    rows = {row.target_id: row for row in (await scene.rows(tx, occurrence)).values()}
    begun = rows.pop(one.target_id)
    (other,) = rows.values()
    assert (begun.state, begun.reason) == (TargetState.LOST, "worker_died")
    assert (other.state, other.reason) == (TargetState.FAILED, "worker_failed")
    assert "out of memory" in (other.detail or "")


async def _job_of(tx: AsyncConnection, occurrence: uuid.UUID) -> int:
    found = await tx.execute(text("SELECT job_id FROM occurrences WHERE id = :id"), {"id": occurrence})
    return int(found.scalar_one())
