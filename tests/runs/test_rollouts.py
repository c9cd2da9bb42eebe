"""Runs that go in waves or with a limit: who may start when, what the brake stops, and that nothing is let go twice."""

import asyncio
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories import places
from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import assemblies, queue, runs
from watchbill.core.states import TargetState as S
from watchbill.core.states import WorkItemState
from watchbill.core.waves import from_json
from watchbill.devices import presence
from watchbill.kit.db import Database
from watchbill.runs import rollout_orders

OTHER_GATEWAY = uuid.UUID("00000000-0000-4000-8000-00000000000b")


def waves(*sizes, **more):
    stored = {"sizes": list(sizes), "soak_seconds": 0, "promote": "auto", "order_by": "hostname", "canary": None}
    stop = {"failed_percent": None, "failed_count": None, "unreachable_percent": None, "unreachable_count": None}
    whole = {**stop, "least_results": 5, "cancel_running": False, **more.pop("stop", {})}
    return from_json({**stored, **more, "stop": whole})


async def fleet(tx, scene: Scene, number: int, **more) -> list[str]:
    names = [f"d{place:02}" for place in range(1, number + 1)]
    for name in names:
        await scene.device(tx, name, **more)
    return names


async def begin(tx, scene: Scene, names, **pace) -> tuple[int, uuid.UUID, int]:
    job = await scene.job(tx, *names)
    opening = scene.opening(job, **pace)
    assert await runs.open_occurrences(tx, [opening], scene.now) == {opening.id}
    (run,) = await runs.runs_of(tx, [opening.id])
    return job, opening.id, run.id


async def work(db: Database, scene: Scene) -> int:
    """What site workers do with all that is queued; returns how many targets they looked after."""
    number = 0
    while True:
        async with db.begin() as tx:
            query = "SELECT id FROM work_items WHERE state = 'queued' ORDER BY id LIMIT 1"
            item = (await tx.execute(text(query))).scalar()
            lease = await queue.claim(tx, item, uuid.uuid4(), scene.now) if item else None
        if lease is None:
            return number
        number += await drain(db, scene, lease)


async def drain(db: Database, scene: Scene, lease) -> int:
    number = some = await step(db, scene, lease)
    while some:
        some = await step(db, scene, lease)
        number += some
    async with db.begin() as tx:
        await queue.settle(tx, lease, WorkItemState.DONE, scene.now)
    return number


async def step(db: Database, scene: Scene, lease) -> int:
    async with db.begin() as tx:
        if not await queue.holds(tx, lease):
            return 0
        return await runs.release(tx, lease.run_id, lease.site_id, scene.now)


async def start(db: Database, scene: Scene, *names: str, gateway: uuid.UUID = GATEWAY):
    async with db.begin() as tx:
        return await scene.take(tx, *names, gateway=gateway)


async def end(db: Database, scene: Scene, deliveries, **changes) -> None:
    async with db.begin() as tx:
        await runs.finished(tx, [scene.report(one, **changes) for one in deliveries], scene.now)


async def names_of(db: Database, scene: Scene, occurrence, *states: S) -> list[str]:
    async with db.begin() as tx:
        found = await scene.states(tx, occurrence)
        await counters_hold(tx)
    return sorted(name for name, (state, _) in found.items() if state in states)


async def phase(db: Database, occurrence) -> tuple[str, int]:
    async with db.begin() as tx:
        query = text("SELECT phase, wave FROM rollouts WHERE occurrence_id = :id")
        row = (await tx.execute(query, {"id": occurrence})).one()
        return row.phase, row.wave


async def test_waves_go_one_after_another_and_across_sites(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        other = await places.make_site(tx, "Quay", now=scene.now)
        names = await fleet(tx, scene, 3)
        await scene.device(tx, "e01", site=other)
        await scene.device(tx, "e02", site=other)
        _, occurrence, _ = await begin(tx, scene, [*names, "e01", "e02"], waves_plan=waves(1, 3))
        rows = await scene.rows(tx, occurrence)
        assert {name: row.wave for name, row in rows.items()} == {"d01": 1, "d02": 2, "d03": 2, "e01": 2, "e02": 3}
        await counters_hold(tx)
    for wave in (["d01"], ["d02", "d03", "e01"], ["e02"]):
        await work(db, scene)
        deliveries = await start(db, scene)
        assert await names_of(db, scene, occurrence, S.DISPATCHED) == wave
        await end(db, scene, deliveries)
    assert await names_of(db, scene, occurrence, S.SUCCESS) == [*names, "e01", "e02"]
    assert await phase(db, occurrence) == ("ended", 3)


async def test_who_cannot_be_given_a_secret_is_left_out_before_its_wave(db: Database, scene: Scene) -> None:
    secret = {"name": "PASSWORD", "type": "secret"}
    async with db.begin() as tx:
        names = await fleet(tx, scene, 3)
        await tx.execute(text("UPDATE devices SET sealing_key = NULL WHERE hostname = 'd01'"))
        content = {"name": "Guarded", "kind": "script", "interpreter": "bash", "content": "true", "variables": [secret]}
        script = (await assemblies.create(tx, scene.admin, content, now=scene.now)).id
        component = {"assembly_id": str(script), "variables": {"PASSWORD": "hunter2!"}}
        job = await scene.job(tx, *names, components=[component])
        opening = scene.opening(job, waves_plan=waves(1))
        assert await runs.open_occurrences(tx, [opening], scene.now) == {opening.id}
    await work(db, scene)
    async with db.begin() as tx:
        assert (await scene.states(tx, opening.id))["d01"] == (S.SKIPPED, "preflight_failed")
    while deliveries := await start(db, scene):
        await end(db, scene, deliveries)
        await work(db, scene)
    assert await names_of(db, scene, opening.id, S.SUCCESS) == ["d02", "d03"]


async def test_the_brake_is_judged_by_every_result(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 20)
        plan = waves("100%", stop={"failed_percent": 20})
        job, occurrence, _ = await begin(tx, scene, names, waves_plan=plan, concurrency=5)
    await work(db, scene)
    deliveries = await start(db, scene)
    assert len(deliveries) == 5
    await end(db, scene, deliveries[:4])
    await end(db, scene, deliveries[4:], exit_code=1)
    # One of five: the share is reached while four more might have begun.
    await work(db, scene)
    assert await start(db, scene) == []
    async with db.begin() as tx:
        found = await scene.states(tx, occurrence)
        assert Counter(found.values()) == {
            (S.SUCCESS, None): 4,
            (S.FAILED, None): 1,
            (S.SKIPPED, "not_started_brake"): 15,
        }
        assert (await scene.occurrence(tx, job, occurrence)).outcome == "failed"
        audit = (await tx.execute(text("SELECT detail FROM audit WHERE action = 'occurrence.brake'"))).scalars().all()
        assert [one["reason"] for one in audit] == ["1 of 5 devices failed; the brake is set at 20%."]


@pytest.mark.parametrize("cancels", [False, True])
async def test_what_runs_goes_on_unless_the_brake_is_to_stop_it(db: Database, scene: Scene, cancels) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 6)
        plan = waves("100%", stop={"failed_count": 1, "cancel_running": cancels})
        _, occurrence, _ = await begin(tx, scene, names, waves_plan=plan, concurrency=3)
    await work(db, scene)
    deliveries = await start(db, scene)
    await end(db, scene, deliveries[:1], exit_code=1)
    await work(db, scene)
    expected = S.CANCELLING if cancels else S.DISPATCHED
    assert len(await names_of(db, scene, occurrence, expected)) == 2
    assert len(await names_of(db, scene, occurrence, S.SKIPPED)) == 3


async def test_a_soak_needs_no_worker_and_ends_once(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 4)
        _, occurrence, _ = await begin(tx, scene, names, waves_plan=waves(1, 1, "100%", soak_seconds=60))
    await work(db, scene)
    await end(db, scene, await start(db, scene))
    assert await phase(db, occurrence) == ("soaking", 1)
    assert await work(db, scene) == 0
    scene.now += timedelta(seconds=59)

    async def look() -> None:
        async with db.begin() as tx:
            await runs.drive_due(tx, scene.now)

    await look()
    assert await phase(db, occurrence) == ("soaking", 1)
    scene.now += timedelta(seconds=1)
    # Two schedulers see it at once: no wave is passed over.
    await asyncio.gather(look(), look(), look())
    assert await phase(db, occurrence) == ("running", 2)
    assert await work(db, scene) == 1
    assert await names_of(db, scene, occurrence, S.PENDING) == ["d02", "d03", "d04"]
    assert len(await start(db, scene)) == 1


async def test_a_wave_that_nobody_promotes_ends_as_not_started(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 3)
        _, occurrence, _ = await begin(tx, scene, names, waves_plan=waves(1, "100%", promote="manual"))
    await work(db, scene)
    await end(db, scene, await start(db, scene))
    assert await phase(db, occurrence) == ("awaiting_promotion", 1)
    scene.now += timedelta(hours=1)
    async with db.begin() as tx:
        await runs.reap(tx, scene.now)
        found = await scene.states(tx, occurrence)
    assert [found[name] for name in names] == [(S.SUCCESS, None)] + [(S.SKIPPED, "not_started_in_time")] * 2
    assert await phase(db, occurrence) == ("ended", 1)


async def test_a_promotion_opens_one_wave_however_often_it_is_asked(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 3)
        job, occurrence, _ = await begin(tx, scene, names, waves_plan=waves(1, 1, 1, promote="manual"))
    await work(db, scene)
    await end(db, scene, await start(db, scene))

    async def promote() -> None:
        async with db.begin() as tx:
            await rollout_orders.promote(tx, scene.admin, job, occurrence, wave=2, now=scene.now)

    await asyncio.gather(promote(), promote(), promote())
    assert await phase(db, occurrence) == ("running", 2)
    await work(db, scene)
    assert len(await start(db, scene)) == 1


async def test_places_hold_with_two_gateways_two_workers_and_devices_that_come_back(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        other = await places.make_site(tx, "Quay", now=scene.now)
        names = await fleet(tx, scene, 6)
        for place in range(1, 7):
            await scene.device(tx, f"e{place:02}", site=other, online=False)
        every = list(scene.devices)
        _, occurrence, run = await begin(tx, scene, every, concurrency=3, site_concurrency=2)
    ended, most = 0, 0

    async def come(name: str) -> None:
        async with db.begin() as tx:
            await scene.connect(tx, name, OTHER_GATEWAY)
        async with db.begin() as tx:
            await runs.devices_came(tx, [scene.devices[name]], scene.now)

    async def worker() -> None:
        await work(db, scene)

    await asyncio.gather(worker(), worker())
    assert len(await names_of(db, scene, occurrence, S.WAITING_ONLINE)) == 6
    await asyncio.gather(*(come(f"e{place:02}") for place in range(1, 5)))
    while ended < 10:
        await asyncio.gather(worker(), worker())
        here, there = await asyncio.gather(
            start(db, scene, *names), start(db, scene, *every[6:], gateway=OTHER_GATEWAY)
        )
        running = await names_of(db, scene, occurrence, S.DISPATCHED)
        by_site = Counter(name[0] for name in running)
        assert len(running) <= 3
        assert max(by_site.values()) <= 2
        most = max(most, len(running))
        assert here or there, "it stands still"
        await asyncio.gather(*(end(db, scene, [one]) for one in (*here, *there)))
        ended += len(here) + len(there)
    assert most == 3
    assert await names_of(db, scene, occurrence, S.WAITING_ONLINE) == ["e05", "e06"]
    async with db.begin() as tx:
        twice = "SELECT count(*) FROM executions WHERE run_id = :run GROUP BY target_id HAVING count(*) > 1"
        assert (await tx.execute(text(twice), {"run": run})).all() == []


async def test_who_goes_away_before_it_began_gives_its_place_back(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 2)
        _, occurrence, _ = await begin(tx, scene, names, concurrency=1)
    await work(db, scene)
    async with db.begin() as tx:
        await presence.gateway_gone(tx, GATEWAY, scene.now)
        await scene.connect(tx, "d02")
        await runs.devices_went_offline(tx, None, scene.now)
    await work(db, scene)
    assert await names_of(db, scene, occurrence, S.WAITING_ONLINE) == ["d01"]
    (delivery,) = await start(db, scene)
    assert delivery.device_id == scene.devices["d02"]
    # Back again, it waits for the place; the end of the other gives it.
    async with db.begin() as tx:
        await scene.connect(tx, "d01")
    async with db.begin() as tx:
        await runs.devices_came(tx, [scene.devices["d01"]], scene.now)
    await work(db, scene)
    assert await start(db, scene) == []
    await end(db, scene, [delivery])
    await work(db, scene)
    assert len(await start(db, scene)) == 1


async def test_who_is_put_off_by_a_window_gives_its_place_back(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 2)
        attachment = {"kind": "device", "device_id": str(scene.devices["d01"])}
        await scene.window(tx, -5, 25, attachments=[attachment], when_closed="defer")
        _, occurrence, _ = await begin(tx, scene, names, concurrency=1)
    await work(db, scene)
    assert await start(db, scene) == []
    assert await work(db, scene) == 1
    (delivery,) = await start(db, scene)
    assert delivery.device_id == scene.devices["d02"]
    await end(db, scene, [delivery])
    assert await work(db, scene) == 0
    scene.now += timedelta(minutes=20)
    async with db.begin() as tx:
        await runs.drive_due(tx, scene.now)
    assert await work(db, scene) == 1
    assert len(await start(db, scene)) == 1
    assert await names_of(db, scene, occurrence, S.DISPATCHED) == ["d01"]


async def test_a_worker_that_died_is_followed_by_another_and_nothing_is_let_go_twice(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 9)
        _, occurrence, _ = await begin(tx, scene, names, waves_plan=waves(4, "100%"), concurrency=3)
    async with db.begin() as tx:
        item = (await tx.execute(text("SELECT id FROM work_items"))).scalar_one()
        dead = await queue.claim(tx, item, uuid.uuid4(), scene.now)
    assert dead
    assert await step(db, scene, dead) == 3
    async with db.begin() as tx:
        heir = await queue.claim(tx, item, uuid.uuid4(), scene.now)
    assert heir
    assert await step(db, scene, dead) == 0
    assert await drain(db, scene, heir) == 0
    deliveries = await start(db, scene)
    assert len(deliveries) == 3
    await end(db, scene, deliveries)
    assert await work(db, scene) == 1
    assert await names_of(db, scene, occurrence, S.PENDING) == names[3:]


async def test_a_cancelled_run_lets_nothing_more_go(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 4)
        _, occurrence, _ = await begin(tx, scene, names, waves_plan=waves(2, "100%", soak_seconds=60), concurrency=1)
    await work(db, scene)
    (delivery,) = await start(db, scene)
    async with db.begin() as tx:
        await runs.cancel_occurrences(tx, [occurrence], operator_id=None, now=scene.now)
    assert await names_of(db, scene, occurrence, S.CANCELLED) == names[1:]
    await end(db, scene, [delivery], outcome="cancelled", exit_code=None)
    assert await work(db, scene) == 0
    assert await phase(db, occurrence) == ("ended", 1)


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [("hostname", "d01"), ("os", "d03"), ("last_seen", "d02"), ("site", "d04")],
)
async def test_the_order_says_who_goes_first(db: Database, scene: Scene, order_by, expected) -> None:
    async with db.begin() as tx:
        first = await places.make_site(tx, "Anchorage", now=scene.now)
        names = await fleet(tx, scene, 3)
        await scene.device(tx, "d04", site=first)
        await tx.execute(text("UPDATE devices SET os_family = 'windows' WHERE hostname <> 'd03'"))
        await tx.execute(
            text("UPDATE device_presence SET last_seen_at = :at WHERE device_id = :id"),
            {"at": scene.now + timedelta(seconds=1), "id": scene.devices["d02"]},
        )
        _, occurrence, _ = await begin(tx, scene, [*names, "d04"], waves_plan=waves(1, order_by=order_by))
        rows = await scene.rows(tx, occurrence)
    assert [name for name, row in rows.items() if row.wave == 1] == [expected]


async def test_reversed_the_last_go_first_and_canaries_before_them(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 4)
        insert = text("INSERT INTO device_tags (device_id, tag) VALUES (:id, 'canary')")
        await tx.execute(insert, {"id": scene.devices["d01"]})
        plan = waves(1, "100%", reversed=True, canary={"tag": "canary"})
        _, occurrence, _ = await begin(tx, scene, names, waves_plan=plan)
        rows = await scene.rows(tx, occurrence)
    assert {name: row.wave for name, row in rows.items()} == {"d01": 1, "d04": 2, "d02": 3, "d03": 3}


async def test_canaries_are_a_wave_of_their_own(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 5)
        for name in ("d03", "d05"):
            insert = text("INSERT INTO device_tags (device_id, tag) VALUES (:id, 'canary')")
            await tx.execute(insert, {"id": scene.devices[name]})
        _, occurrence, _ = await begin(tx, scene, names, waves_plan=waves(1, "100%", canary={"tag": "canary"}))
        rows = await scene.rows(tx, occurrence)
    assert {name: row.wave for name, row in rows.items()} == {"d03": 1, "d05": 1, "d01": 2, "d02": 3, "d04": 3}


async def test_canaries_that_are_away_hold_the_others_back(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        names = await fleet(tx, scene, 3)
        await scene.device(tx, "c01", online=False)
        _, occurrence, _ = await begin(tx, scene, ["c01", *names], waves_plan=waves(1, "100%"))
    await work(db, scene)
    assert await phase(db, occurrence) == ("running", 1)
    assert await names_of(db, scene, occurrence, S.WAITING_ONLINE) == ["c01"]
    async with db.begin() as tx:
        await scene.connect(tx, "c01")
    async with db.begin() as tx:
        await runs.devices_came(tx, [scene.devices["c01"]], scene.now)
    await work(db, scene)
    await end(db, scene, await start(db, scene))
    assert await phase(db, occurrence) == ("running", 2)
