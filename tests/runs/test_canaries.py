"""Who goes first in the waves of a job: by tag, by name or by a filter, settled once, and never somebody else when it cannot be told."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import Scene, counters_hold
from tests.runs.test_targets import BROKEN, by_filter, make_filter
from watchbill import filters, jobs, runs
from watchbill.core.states import TargetState as S
from watchbill.core.waves import from_json
from watchbill.kit.db import Database
from watchbill.kit.errors import InvalidError

FIELD = "policies.waves.canary"


def in_waves(**canary: Any) -> dict[str, Any]:
    return {"waves": {"sizes": ["100%"], "canary": canary}}


async def _job(tx: AsyncConnection, scene: Scene, canary: dict[str, Any], **more: Any) -> int:
    for name in ("app-1", "app-2", "lab-1", "lab-2"):
        await scene.device(tx, name)
    return await scene.job(tx, targets=[{"kind": "all_devices"}], policies=in_waves(**canary), **more)


async def _due(tx: AsyncConnection, scene: Scene, job: int) -> runs.Occurrence:
    await scene.tick(tx, scene.now + timedelta(minutes=1))
    return (await scene.ledger(tx, job))[-1]


async def _waves(tx: AsyncConnection, scene: Scene, occurrence: uuid.UUID) -> dict[str, int]:
    return {name: row.wave for name, row in (await scene.rows(tx, occurrence)).items()}


async def test_tag_filter_and_names_together_are_the_first_wave(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        lab = await make_filter(tx, scene, "lab-2")
        for name in ("app-0", "app-9"):
            await scene.device(tx, name)
        await tx.execute(
            text("INSERT INTO device_tags (device_id, tag) VALUES (:id, 'first')"), {"id": scene.devices["app-9"]}
        )
        named = {"kind": "device", "device_id": str(scene.devices["app-0"])}
        job = await _job(tx, scene, {"tag": "first", "targets": [by_filter(lab), named]})
        one = await _due(tx, scene, job)
        first = {"app-0": 1, "app-9": 1, "lab-2": 1}
        assert await _waves(tx, scene, one.id) == {"app-1": 2, "app-2": 2, "lab-1": 2, **first}
        await tx.execute(text("UPDATE devices SET hostname = 'lab-2-was-here' WHERE hostname = 'app-1'"))
        await tx.execute(text("UPDATE device_filters SET archived_at = updated_at"))
        assert (await _waves(tx, scene, one.id))["app-1"] == 2, "who goes first is settled once"
        await counters_hold(tx)


async def test_canaries_are_only_devices_that_the_run_is_for(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        lab = await make_filter(tx, scene, "lab")
        for name in ("lab-1", "lab-3", "app-1"):
            await scene.device(tx, name)
        job = await scene.job(tx, "app-1", "lab-1", policies=in_waves(targets=[by_filter(lab)]))
        one = await _due(tx, scene, job)
        assert await _waves(tx, scene, one.id) == {"lab-1": 1, "app-1": 2}


@pytest.mark.parametrize("if_none", ["refuse", "go_on"])
@pytest.mark.parametrize("how", BROKEN)
async def test_canaries_that_cannot_be_told_let_nobody_start(
    db: Database, scene: Scene, how: str, if_none: str
) -> None:
    async with db.begin() as tx:
        lab = await make_filter(tx, scene, "lab")
        job = await _job(tx, scene, {"targets": [by_filter(lab)], "if_none": if_none})
        sound = await scene.job(tx, "app-1")
        await tx.execute(text(BROKEN[how]))
        one = await _due(tx, scene, job)
        assert (one.state, one.reason) == ("skipped", "targets_unknown")
        assert one.detail is not None
        assert one.detail.startswith("It cannot be told who the canaries are: the filter “Named lab” ")
        assert {name: (row.state, row.reason) for name, row in (await scene.rows(tx, one.id)).items()} == dict.fromkeys(
            ("app-1", "app-2", "lab-1", "lab-2"), (S.SKIPPED, "no_canaries")
        )
        assert (await scene.ledger(tx, sound))[-1].state == "open", "another job is not touched"
        assert (await tx.execute(text("SELECT count(*) FROM work_items"))).scalar_one() == 1
        await counters_hold(tx)


async def test_without_a_canary_nothing_starts_unless_the_job_says_so(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        nobody = await make_filter(tx, scene, "nobody")
        job = await _job(tx, scene, {"targets": [by_filter(nobody)]})
        daring = await scene.job(tx, "app-1", "app-2", policies=in_waves(targets=[by_filter(nobody)], if_none="go_on"))
        failing = await scene.job(tx, "app-1", policies=in_waves(tag="nothing") | {"no_targets": "fail"})
        one = await _due(tx, scene, job)
        assert (one.state, one.reason) == ("skipped", "no_canaries")
        assert one.detail == "None of the devices that would run is a canary, and the job does not start without one."
        other = (await scene.ledger(tx, daring))[-1]
        assert (other.state, await _waves(tx, scene, other.id)) == ("open", {"app-1": 1, "app-2": 1})
        failed = (await scene.ledger(tx, failing))[-1]
        assert (failed.state, failed.outcome, failed.reason) == ("closed", "failed", "no_canaries")
        await counters_hold(tx)


async def test_what_does_not_start_replaces_nothing(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "app-1")
        tag = text("INSERT INTO device_tags (device_id, tag) VALUES (:id, 'first')")
        await tx.execute(tag, {"id": scene.devices["app-1"]})
        job = await scene.job(tx, "app-1", policies=in_waves(tag="first") | {"overlap": "replace"})
        one = await _due(tx, scene, job)
        await tx.execute(text("DELETE FROM device_tags"))
        await scene.tick(tx, scene.now + timedelta(minutes=6))
        before, after = (await scene.ledger(tx, job))[-2:]
        assert (before.id, before.state, after.reason) == (one.id, "open", "no_canaries")


async def test_devices_that_a_person_chose_need_no_canary_among_them(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        lab = await make_filter(tx, scene, "lab")
        job = await _job(tx, scene, {"targets": [by_filter(lab)]})
        plan = from_json((await jobs.get(tx, scene.admin, job)).definition["policies"]["waves"])
        opening = scene.opening(job, waves_plan=plan, device_ids=[scene.devices["app-1"]])
        await runs.open_occurrences(tx, [opening], scene.now)
        assert await _waves(tx, scene, opening.id) == {"app-1": 1}
        assert [row.state for row in (await scene.rows(tx, opening.id)).values()] == [S.PENDING]


async def test_a_preview_counts_canaries_and_says_when_there_are_none(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        lab = await make_filter(tx, scene, "lab")
        job = await _job(tx, scene, {"targets": [by_filter(lab)]})

        async def told() -> tuple[int, list[tuple[str, str]]]:
            outlook = await jobs.outlook_of(tx, await jobs.get(tx, scene.admin, job), now=scene.now)
            seen = await runs.preview(tx, scene.admin.scope, outlook, scene.now)
            return seen.targets.canaries, [(one.field, one.code) for one in seen.problems]

        assert await told() == (2, [])
        await tx.execute(text("UPDATE devices SET hostname = 'app' || hostname WHERE hostname LIKE 'lab%'"))
        assert await told() == (0, [(FIELD, "no_canaries")])
        await tx.execute(text("UPDATE device_filters SET archived_at = updated_at"))
        assert await told() == (0, [(FIELD, "targets_unknown")])


async def test_a_canary_that_is_not_there_is_refused_and_one_in_use_is_told(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        lab = await make_filter(tx, scene, "lab")
        job = await _job(tx, scene, {"targets": [by_filter(lab)]})
        assert [use.id for use in await jobs.using_filter(tx, scene.admin, lab)] == [job]
        await tx.execute(text("UPDATE device_filters SET archived_at = updated_at"))
        gone = {"kind": "device", "device_id": str(uuid.uuid4())}
        with pytest.raises(InvalidError) as refused:
            await scene.job(tx, "app-1", policies=in_waves(targets=[by_filter(lab), gone, by_filter(lab + 1)]))
        assert [(one.field, one.code) for one in refused.value.problems] == [
            (f"{FIELD}.targets.0.filter_id", "filter_archived"),
            (f"{FIELD}.targets.1.device_id", "device_not_found"),
            (f"{FIELD}.targets.2.filter_id", "filter_not_found"),
        ]
        await jobs.delete(tx, scene.admin, await jobs.lock(tx, scene.admin, job), now=scene.now)
        assert filters.used_by(await jobs.using_filter(tx, scene.admin, lab)) == []
