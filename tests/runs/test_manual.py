"""Reruns: linked, precise, and within the sites of whoever asks."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.factories import places
from tests.factories.scene import Scene
from watchbill import runs
from watchbill.core.states import TargetState as S
from watchbill.identity import Role, SiteScope
from watchbill.kit.db import Database
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError
from watchbill.runs import Again


async def test_failed_devices_alone_run_again_in_an_occurrence_of_their_own(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("good", "bad"):
            await scene.device(tx, name)
        job = await scene.job(tx, "good", "bad")
        first = await scene.open(tx, job)
        for delivery in await scene.take(tx):
            code = int(delivery.device_id == scene.devices["bad"])
            await runs.finished(tx, [scene.report(delivery, exit_code=code)], scene.now)
        again = await runs.rerun(tx, scene.admin, job, Again("failed", first), now=scene.now + timedelta(minutes=1))
        assert (again.kind, again.origin_occurrence_id) == ("rerun", first)
        assert await scene.states(tx, again.id) == {"bad": (S.PENDING, None)}
        assert await scene.states(tx, first) == {"good": (S.SUCCESS, None), "bad": (S.FAILED, None)}


async def test_what_cannot_be_repeated_is_refused_with_the_reason(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        for name in ("alpha", "stranger"):
            await scene.device(tx, name)
        job = await scene.job(tx, "alpha")
        with pytest.raises(ConflictError, match="has not run yet"):
            await runs.rerun(tx, scene.admin, job, Again("failed"), now=scene.now)
        first = await scene.open(tx, job)
        with pytest.raises(ConflictError, match="No device of that occurrence is failed"):
            await runs.rerun(tx, scene.admin, job, Again("failed", first), now=scene.now)
        with pytest.raises(InvalidError) as refused:
            await runs.rerun(tx, scene.admin, job, Again([scene.devices["stranger"]], first), now=scene.now)
        assert [problem.code for problem in refused.value.problems] == ["device_not_in_occurrence"]


async def test_the_latest_is_the_last_that_has_targets_and_not_one_that_was_shut_out(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        await scene.device(tx, "bad")
        job = await scene.job(tx, "bad")
        first = await scene.open(tx, job)
        (delivery,) = await scene.take(tx)
        shut_out = scene.opening(job, 5, overlap_scope="job")
        await runs.open_occurrences(tx, [shut_out], scene.now)
        await runs.finished(tx, [scene.report(delivery, exit_code=1)], scene.now)
        assert (await scene.occurrence(tx, job, shut_out.id)).reason == "overlap"
        again = await runs.rerun(tx, scene.admin, job, Again("failed"), now=scene.now + timedelta(minutes=9))
        assert again.origin_occurrence_id == first


async def test_an_old_list_never_reaches_beyond_the_sites_of_whoever_repeats_it(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
        await scene.device(tx, "mine")
        await scene.device(tx, "theirs", site=elsewhere)
        job = await scene.job(tx, "mine", "theirs")
        first = await scene.open(tx, job)
        both = list(scene.devices.values())
        operator = replace(scene.admin, role=Role.OPERATOR, scope=SiteScope(frozenset({scene.site})))
        again = await runs.rerun(tx, operator, job, Again(both, first), now=scene.now + timedelta(minutes=1))
        assert (await scene.states(tx, again.id))["theirs"] == (S.SKIPPED, "out_of_scope")
        with pytest.raises(ForbiddenError):
            await runs.require_whole(tx, operator.scope, first)
        await runs.require_whole(tx, scene.admin.scope, first)
