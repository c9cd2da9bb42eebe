"""Nothing goes before its start, and nothing that has begun is forgotten, whoever holds its device by then."""

import uuid
from datetime import timedelta

from sqlalchemy import text

from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import runs
from watchbill.core.states import TargetState as S
from watchbill.devices import presence
from watchbill.kit.db import Database

OTHER = uuid.UUID("00000000-0000-4000-8000-00000000000b")


async def _starting(tx, scene: Scene, **minutes: float) -> uuid.UUID:
    """An open occurrence whose targets start so many minutes from now, by host name."""
    for name in minutes:
        if name not in scene.devices:
            await scene.device(tx, name)
    occurrence = await scene.open(tx, await scene.job(tx, *minutes))
    for name, later in minutes.items():
        values = {"at": scene.now + timedelta(minutes=later), "device": scene.devices[name], "occurrence": occurrence}
        await tx.execute(
            text("UPDATE run_targets SET starts_at = :at WHERE device_id = :device AND occurrence_id = :occurrence"),
            values,
        )
    return occurrence


async def _hosts(scene: Scene, deliveries: list[runs.Delivery]) -> set[str]:
    names = {device: name for name, device in scene.devices.items()}
    return {names[one.device_id] for one in deliveries}


async def test_a_target_goes_at_its_start_and_not_before(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence = await _starting(tx, scene, early=-1, exact=0, late=10)
        found = await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=list(scene.devices.values())))
        assert await _hosts(scene, found.deliveries) == {"early", "exact"}
        assert found.has_later
        assert (await scene.states(tx, occurrence))["late"] == (S.PENDING, None)
        start = await runs.next_start(tx, GATEWAY, scene.now)
        assert start == scene.now + timedelta(minutes=10)
        a_moment_before = await runs.take(tx, GATEWAY, start - timedelta(microseconds=1), runs.Look(since=start))
        assert a_moment_before.deliveries == []
        then = await runs.take(tx, GATEWAY, start, runs.Look(since=start))
        assert await _hosts(scene, then.deliveries) == {"late"}
        assert not then.has_later
        assert await runs.next_start(tx, GATEWAY, start) is None
        await counters_hold(tx)


async def test_a_start_between_two_looks_is_the_next_one_and_not_overlooked(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _starting(tx, scene, soon=0.001, later=5)
        assert await runs.next_start(tx, GATEWAY, scene.now) == scene.now + timedelta(minutes=0.001)


async def test_each_gateway_waits_for_the_starts_of_its_own_devices(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _starting(tx, scene, here=10, there=5)
        await scene.connect(tx, "there", OTHER)
        assert await runs.next_start(tx, GATEWAY, scene.now) == scene.now + timedelta(minutes=10)
        assert await runs.next_start(tx, OTHER, scene.now) == scene.now + timedelta(minutes=5)
        at = scene.now + timedelta(minutes=5)
        assert (await runs.take(tx, GATEWAY, at, runs.Look(since=at))).deliveries == []
        assert await _hosts(scene, (await runs.take(tx, OTHER, at, runs.Look(since=at))).deliveries) == {"there"}


async def test_a_gateway_that_takes_a_device_over_keeps_the_promise(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _starting(tx, scene, alpha=5)
        await presence.gateway_gone(tx, GATEWAY, scene.now)
        await runs.devices_went_offline(tx, None, scene.now)
        assert await runs.next_start(tx, GATEWAY, scene.now) is None
        await scene.connect(tx, "alpha", OTHER)
        greeting = await runs.take(tx, OTHER, scene.now, runs.Look(device_ids=[scene.devices["alpha"]]))
        assert (greeting.deliveries, greeting.has_later) == ([], True)
        assert await runs.next_start(tx, OTHER, scene.now) == scene.now + timedelta(minutes=5)


async def test_a_device_that_comes_after_its_start_goes_at_once_and_before_it_waits(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "away", online=False)
        await _starting(tx, scene, away=5)
        await scene.connect(tx, "away")
        devices = [scene.devices["away"]]
        assert (await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=devices))).deliveries == []
        (delivery,) = (
            await runs.take(tx, GATEWAY, scene.now + timedelta(minutes=7), runs.Look(device_ids=devices))
        ).deliveries
        assert delivery.start_by_at == scene.now.replace(microsecond=0) + timedelta(hours=1), "expiry stays"


async def test_what_starts_only_after_its_bound_never_goes(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        occurrence = await _starting(tx, scene, alpha=90)
        at = scene.now + timedelta(minutes=90)
        assert (await runs.take(tx, GATEWAY, at, runs.Look(since=at))).deliveries == []
        await runs.reap(tx, at)
        assert await scene.states(tx, occurrence) == {"alpha": (S.EXPIRED, "offline")}


async def test_nothing_goes_when_it_should_have_ended_already(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _starting(tx, scene, alpha=0)
        await tx.execute(text("UPDATE run_targets SET stop_by_at = :at"), {"at": scene.now + timedelta(minutes=3)})
        at = scene.now + timedelta(minutes=3)
        devices = [scene.devices["alpha"]]
        assert (await runs.take(tx, GATEWAY, at, runs.Look(device_ids=devices))).deliveries == []
        (delivery,) = (await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=devices))).deliveries
        assert delivery.start_by_at == at, "the device itself refuses to begin after that"


async def test_the_next_start_is_found_by_its_index_however_many_rows_there_are(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _starting(tx, scene, alpha=5)
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await tx.execute(
            text(
                "EXPLAIN SELECT FROM run_targets WHERE state IN ('pending', 'waiting_online') AND starts_at > now()"
                " ORDER BY starts_at LIMIT 1"
            )
        )
        assert any("starts_at" in row[0] and "Index" in row[0] for row in plan)
