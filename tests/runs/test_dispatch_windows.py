"""Windows at the hand-out: each device by what covers it then; left out, put off and looked at again when a window changes."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.factories import places
from tests.factories.scene import GATEWAY, Scene, counters_hold
from watchbill import runs, windows
from watchbill.core.states import TargetState as S
from watchbill.kit.db import Database
from watchbill.windows import SavedWindow


async def _window(tx, scene: Scene, kind: str, *attachments: dict[str, Any], begins: int, minutes: int, **more: Any):
    """Open every day, so many minutes after now and for so long."""
    start = (scene.now + timedelta(minutes=begins)).strftime("2026-01-01T%H:%M")
    span = {"schedule": {"type": "daily", "start": start, "timezone": "UTC"}, "duration_seconds": minutes * 60}
    definition = {
        "name": f"window {uuid.uuid4().hex[:6]}",
        "kind": kind,
        "spans": [span],
        "attachments": list(attachments) or [{"kind": "global"}],
        **more,
    }
    return await windows.create(tx, scene.admin, definition, now=scene.now)


async def _let_go(tx, scene: Scene, window: SavedWindow) -> None:
    await windows.delete(tx, scene.admin, await windows.lock(tx, scene.admin, window.id), now=scene.now)


async def _opened(tx, scene: Scene, *names: str, **changes: Any) -> tuple[int, uuid.UUID]:
    for name in names:
        if name not in scene.devices:
            await scene.device(tx, name)
    job = await scene.job(tx, *names)
    return job, await scene.open(tx, job, **changes)


async def _detail(tx, occurrence: uuid.UUID) -> str:
    statement = text("SELECT DISTINCT detail FROM run_targets WHERE occurrence_id = :id AND detail IS NOT NULL")
    return str((await tx.execute(statement, {"id": occurrence})).scalar_one())


def _of(scene: Scene, name: str) -> dict[str, str]:
    return {"kind": "device", "device_id": str(scene.devices[name])}


async def test_a_blackout_that_skips_leaves_its_devices_out_and_says_which_it_was(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("quiet", "free"):
            await scene.device(tx, name)
        window = await _window(tx, scene, "deny", _of(scene, "quiet"), begins=-60, minutes=120, when_closed="skip")
        job, occurrence = await _opened(tx, scene, "quiet", "free")
        (delivery,) = await scene.take(tx)
        assert delivery.device_id == scene.devices["free"]
        assert await scene.states(tx, occurrence) == {"quiet": (S.SKIPPED, "blackout"), "free": (S.DISPATCHED, None)}
        assert window.name in await _detail(tx, occurrence)
        await runs.finished(tx, [scene.report(delivery)], scene.now)
        assert (await scene.occurrence(tx, job, occurrence)).outcome == "success"
        await counters_hold(tx)


async def test_outside_its_window_a_device_is_put_off_until_it_opens(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        job = await scene.job(tx, "alpha")
        window = await _window(
            tx, scene, "allow", {"kind": "job", "job_id": job}, begins=30, minutes=60, when_closed="defer"
        )
        occurrence = await scene.open(tx, job)
        assert await scene.take(tx) == []
        (row,) = (await runs.device_rows(tx, scene.admin.scope, occurrence, limit=5)).items
        assert (row.state, row.reason) == (S.PENDING, "outside_window")
        assert row.detail is not None
        assert window.name in row.detail
        opens = await runs.next_start(tx, GATEWAY, scene.now)
        assert opens is not None
        assert timedelta(minutes=29) < opens - scene.now <= timedelta(minutes=30)
        assert (await runs.take(tx, GATEWAY, opens - timedelta(seconds=1), runs.Look(since=opens))).deliveries == []
        (delivery,) = (await runs.take(tx, GATEWAY, opens, runs.Look(since=opens))).deliveries
        assert delivery.occurrence_id == occurrence
        (row,) = (await runs.device_rows(tx, scene.admin.scope, occurrence, limit=5)).items
        assert (row.state, row.reason, row.detail) == (S.DISPATCHED, None, None)
        await counters_hold(tx)


async def test_what_opens_only_after_the_latest_start_is_left_out(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await _window(tx, scene, "allow", begins=180, minutes=60, when_closed="defer")
        _, occurrence = await _opened(tx, scene, "alpha")
        assert await scene.take(tx) == []
        assert await scene.states(tx, occurrence) == {"alpha": (S.SKIPPED, "outside_window")}


async def test_what_was_started_regardless_of_windows_goes(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await _window(tx, scene, "deny", begins=-60, minutes=120)
        _, occurrence = await _opened(tx, scene, "alpha", kind="manual", request_id="r", ignores_windows=True)
        (delivery,) = await scene.take(tx)
        assert delivery.occurrence_id == occurrence


@pytest.mark.parametrize("attached", ["site", "device", "job", "global"])
async def test_each_kind_of_attachment_covers_its_own(db: Database, scene: Scene, attached: str) -> None:
    async with db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
        await scene.device(tx, "covered")
        await scene.device(tx, "other", site=elsewhere)
        jobs = [await scene.job(tx, "covered"), await scene.job(tx, "other")]
        kinds: dict[str, dict[str, Any]] = {
            "site": {"kind": "site", "site_id": scene.site},
            "device": _of(scene, "covered"),
            "job": {"kind": "job", "job_id": jobs[0]},
            "global": {"kind": "global"},
        }
        target = kinds[attached]
        await _window(tx, scene, "deny", target, begins=-60, minutes=120, when_closed="skip")
        for job in jobs:
            one = scene.opening(job)
            await runs.open_occurrences(tx, [one], scene.now)
            for run in await runs.runs_of(tx, [one.id]):
                for site in (scene.site, elsewhere):
                    await runs.release(tx, run.id, site, scene.now)
        free = {one.device_id for one in await scene.take(tx)}
        assert free == (set() if attached == "global" else {scene.devices["other"]})


async def test_a_blackout_in_the_zone_of_the_site_closes_there_and_not_elsewhere(db: Database, scene: Scene) -> None:
    """The same wall clock, two sites: it is night at one of them only."""
    async with db.begin() as tx:
        far = await places.make_site(tx, "Far", now=scene.now)
        await tx.execute(text("UPDATE sites SET timezone = 'Asia/Tokyo' WHERE id = :id"), {"id": far})
        await tx.execute(text("UPDATE sites SET timezone = 'UTC' WHERE id = :id"), {"id": scene.site})
        start = (scene.now - timedelta(minutes=60)).strftime("2026-01-01T%H:%M")
        span = {"schedule": {"type": "daily", "start": start}, "duration_seconds": 7200}
        definition = {
            "name": "nights",
            "kind": "deny",
            "spans": [span],
            "zone_source": "site",
            "attachments": [{"kind": "global"}],
        }
        await windows.create(tx, scene.admin, definition, now=scene.now)
        await scene.device(tx, "near")
        await scene.device(tx, "far", site=far)
        one = scene.opening(await scene.job(tx, "near", "far"))
        await runs.open_occurrences(tx, [one], scene.now)
        for run in await runs.runs_of(tx, [one.id]):
            for site in (scene.site, far):
                await runs.release(tx, run.id, site, scene.now)
        (delivery,) = await scene.take(tx)
        assert delivery.device_id == scene.devices["far"]


async def test_a_window_that_is_lifted_lets_go_what_it_had_put_off(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        window = await _window(tx, scene, "deny", begins=-60, minutes=90, when_closed="defer")
        _, occurrence = await _opened(tx, scene, "alpha")
        assert await scene.take(tx) == []
        await _let_go(tx, scene, window)
        devices = list(scene.devices.values())
        assert (await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=devices))).deliveries == [], (
            "it was put off"
        )
        (delivery,) = (await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=devices, again=True))).deliveries
        assert delivery.occurrence_id == occurrence
        started = await tx.execute(text("SELECT starts_at <= :now FROM run_targets"), {"now": scene.now})
        assert started.scalar_one()


async def test_a_window_that_moves_moves_what_it_had_put_off(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        window = await _window(tx, scene, "allow", begins=40, minutes=60, when_closed="defer")
        await _opened(tx, scene, "alpha")
        assert await scene.take(tx) == []
        await _window(tx, scene, "allow", begins=20, minutes=10, when_closed="defer")
        again = await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=list(scene.devices.values()), again=True))
        assert again.deliveries == []
        opens = await runs.next_start(tx, GATEWAY, scene.now)
        assert opens is not None
        assert opens - scene.now <= timedelta(minutes=20)
        assert window.enabled


async def test_to_look_again_changes_nothing_where_nothing_changed(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await _window(tx, scene, "deny", begins=-60, minutes=90, when_closed="defer")
        await _opened(tx, scene, "alpha")
        await scene.take(tx)
        before = (await tx.execute(text("SELECT xmin, ctid, * FROM run_targets"))).all()
        found = await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=list(scene.devices.values()), again=True))
        assert (found.deliveries, found.behind) == ([], set())
        assert (await tx.execute(text("SELECT xmin, ctid, * FROM run_targets"))).all() == before


async def test_work_that_is_to_end_with_its_window_is_told_when(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await _window(tx, scene, "allow", begins=-30, minutes=60, stop_at_end=True)
        _, occurrence = await _opened(tx, scene, "alpha", stop_by_at=scene.now + timedelta(hours=5))
        (delivery,) = await scene.take(tx)
        row = (await tx.execute(text("SELECT stop_by_at, stop_reason FROM run_targets"))).one()
        assert timedelta(minutes=29) <= row.stop_by_at - scene.now <= timedelta(minutes=30)
        assert (row.stop_reason, delivery.start_by_at) == ("outside_window", row.stop_by_at)
        assert await runs.next_deadline(tx) == row.stop_by_at
        await runs.started(tx, [(delivery.execution_id, delivery.device_id, scene.now)], scene.now)
        await runs.reap(tx, row.stop_by_at)
        assert await scene.states(tx, occurrence) == {"alpha": (S.CANCELLING, "outside_window")}


async def test_the_limit_of_the_run_counts_where_it_comes_before_the_end_of_the_window(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "alpha")
        await _window(tx, scene, "allow", begins=-30, minutes=60, stop_at_end=True)
        limit = scene.now.replace(microsecond=0) + timedelta(minutes=10)
        await _opened(tx, scene, "alpha", stop_by_at=limit, expires_at=limit)
        await scene.take(tx)
        row = (await tx.execute(text("SELECT stop_by_at, stop_reason FROM run_targets"))).one()
        assert (row.stop_by_at, row.stop_reason) == (limit, None)


async def test_many_devices_under_few_windows_are_judged_together(db: Database, scene: Scene) -> None:
    """More than fit on a page; half of them are put off, all others go, in one look."""
    async with db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
        for number in range(60):
            await scene.device(tx, f"d{number}", site=elsewhere if number % 2 else scene.site)
        where = {"kind": "site", "site_id": elsewhere}
        await _window(tx, scene, "deny", where, begins=-60, minutes=90, when_closed="defer")
        one = scene.opening(await scene.job(tx, *scene.devices))
        await runs.open_occurrences(tx, [one], scene.now)
        for run in await runs.runs_of(tx, [one.id]):
            for site in (scene.site, elsewhere):
                await runs.release(tx, run.id, site, scene.now)
        found = await runs.take(tx, GATEWAY, scene.now, runs.Look(device_ids=list(scene.devices.values())))
        assert (len(found.deliveries), found.has_later) == (30, True)
        states = await scene.states(tx, one.id)
        assert sorted(set(states.values())) == [(S.DISPATCHED, None), (S.PENDING, "blackout")]
        await counters_hold(tx)
