"""Targets that are rules: whom they find when an occurrence falls due, why, and that nothing ever widens."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories import people, places
from tests.factories.scene import Scene, counters_hold
from watchbill import jobs, runs
from watchbill.core.states import TargetState as S
from watchbill.identity import Role
from watchbill.identity.sessions import actor_of
from watchbill.kit.db import Database
from watchbill.kit.errors import InvalidError

_FILTER = text("""
INSERT INTO device_filters (name, revision, criteria, site_mode, site_ids, allowed_site_ids, condition, parameters, compiler,
  created_at, updated_at)
VALUES (:name, 1, '{}', :mode, :sites, :allowed, :condition, CAST(:parameters AS jsonb), 0, :now, :now) RETURNING id
""")


async def make_filter(tx: AsyncConnection, scene: Scene, prefix: str, **more: Any) -> int:
    """Devices whose host name begins so, as the compiler of filters would write it."""
    values = {
        "name": f"Named {prefix}",
        "mode": "all",
        "sites": [],
        "allowed": None,
        "condition": "starts_with(d.hostname, $1->>'prefix')",
        "parameters": f'{{"prefix": "{prefix}"}}',
        "now": scene.now,
        **more,
    }
    return int((await tx.execute(_FILTER, values)).scalar_one())


def by_filter(filter_id: int) -> dict[str, object]:
    return {"kind": "filter", "filter_id": filter_id}


async def _due(tx: AsyncConnection, scene: Scene, minutes: int, job: int) -> runs.Occurrence:
    """The occurrence of a five-minute job that falls due within so many minutes."""
    await scene.tick(tx, scene.now + timedelta(minutes=minutes))
    return (await scene.ledger(tx, job))[-1]


async def _fleet(tx: AsyncConnection, scene: Scene) -> int:
    """Three devices here, one of them with another name, and one elsewhere; the other site."""
    elsewhere = await places.make_site(tx, "Lighthouse", now=scene.now)
    for name in ("web-1", "web-2", "db-1"):
        await scene.device(tx, name)
    await scene.device(tx, "web-far", site=elsewhere)
    return elsewhere


async def test_a_filter_is_asked_anew_each_time_and_says_what_it_found(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        job = await scene.job(tx, targets=[by_filter(await make_filter(tx, scene, "web"))])
        first = await _due(tx, scene, 1, job)
        assert set(await scene.rows(tx, first.id)) == {"web-1", "web-2", "web-far"}
        scene.now += timedelta(minutes=2)
        await scene.device(tx, "web-3")
        await tx.execute(text("UPDATE devices SET hostname = 'app-1' WHERE hostname = 'web-2'"))
        second = await _due(tx, scene, 4, job)
        rows = await scene.rows(tx, second.id)
        assert set(rows) == {"web-1", "web-3", "web-far"}
        assert rows["web-3"].found_by == ["filter “Named web” (revision 1)"]
        assert set(await scene.rows(tx, first.id)) == {"web-1", "web-2", "web-far"}, "what is frozen stays as it was"
        told = await runs.difference(tx, scene.admin.scope, first.id, second.id, limit=50, cursor=None)
        assert (told.joined, told.left, told.stayed) == (1, 1, 2)
        why = {one.hostname: (one.change, one.why) for one in told.devices.items}
        assert why["web-3"] == ("joined", "Found by filter “Named web” (revision 1): it was enrolled since.")
        assert why["web-2"] == ("left", "Not found any more by filter “Named web” (revision 1): the device changed.")
        await counters_hold(tx)


async def test_a_device_that_several_rules_find_runs_once_and_names_them_all(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        named = {"kind": "device", "device_id": str(scene.devices["web-1"])}
        rules = [named, by_filter(await make_filter(tx, scene, "web")), {"kind": "site", "site_id": scene.site}]
        job = await scene.job(tx, targets=[*rules, {"kind": "all_devices"}])
        rows = await scene.rows(tx, (await _due(tx, scene, 1, job)).id)
        assert set(rows) == {"web-1", "web-2", "db-1", "web-far"}
        assert rows["web-1"].found_by == ["filter “Named web” (revision 1)", "site “Harbour”", "all devices"]
        assert rows["web-far"].found_by == ["filter “Named web” (revision 1)", "all devices"]


async def test_two_devices_of_one_name_in_two_sites_are_two_devices(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await _fleet(tx, scene)
        await places.make_device(tx, "web-1", elsewhere, now=scene.now)
        job = await scene.job(tx, targets=[by_filter(await make_filter(tx, scene, "web-1"))])
        page = await runs.device_rows(tx, scene.admin.scope, (await _due(tx, scene, 1, job)).id, limit=50)
        assert {(row.hostname, row.site_name) for row in page.items} == {("web-1", "Harbour"), ("web-1", "Lighthouse")}


async def test_exclusions_of_every_kind_leave_out_with_their_reason(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await _fleet(tx, scene)
        exclusions = [
            {"kind": "device", "device_id": str(scene.devices["web-1"])},
            by_filter(await make_filter(tx, scene, "db")),
            {"kind": "site", "site_id": elsewhere},
        ]
        job = await scene.job(tx, targets=[{"kind": "all_devices"}], exclusions=exclusions)
        rows = await scene.rows(tx, (await _due(tx, scene, 1, job)).id)
        assert {name: (row.state, row.reason) for name, row in rows.items()} == {
            "web-1": (S.SKIPPED, "excluded"),
            "web-2": (S.PENDING, None),
            "db-1": (S.SKIPPED, "excluded"),
            "web-far": (S.SKIPPED, "excluded"),
        }
        assert rows["db-1"].excluded_by == ["filter “Named db” (revision 1)"]
        assert rows["web-far"].excluded_by == ["site “Lighthouse”"]


BROKEN = {
    "archived": "UPDATE device_filters SET archived_at = updated_at",
    "failing": "UPDATE device_filters SET condition = '1 / 0 > d.cpu_count OR true'",
    "no sql": "UPDATE device_filters SET condition = 'nonsense'",
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("place", ["targets", "exclusions"])
async def test_a_filter_that_cannot_be_told_reaches_nobody(db: Database, scene: Scene, how: str, place: str) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        broken = await make_filter(tx, scene, "db")
        named = {"kind": "device", "device_id": str(scene.devices["web-1"])}
        targets = [named, by_filter(broken)] if place == "targets" else [named]
        exclusions = [by_filter(broken)] if place == "exclusions" else []
        job = await scene.job(tx, targets=targets, exclusions=exclusions)
        sound = await scene.job(tx, "web-2")
        await tx.execute(text(BROKEN[how]))
        one = await _due(tx, scene, 1, job)
        assert (one.state, one.reason, one.counts) == ("skipped", "targets_unknown", {})
        assert one.detail is not None
        assert "“Named db”" in one.detail
        assert (await scene.ledger(tx, sound))[-1].state == "open", "another job is not touched"


async def test_nobody_found_is_skipped_or_failed_as_the_job_says(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        nobody = by_filter(await make_filter(tx, scene, "nobody"))
        skips = await scene.job(tx, targets=[nobody])
        fails = await scene.job(tx, targets=[nobody], policies={"no_targets": "fail"})
        await scene.tick(tx, scene.now + timedelta(minutes=1))
        found = [(await scene.ledger(tx, one))[-1] for one in (skips, fails)]
        assert [(one.state, one.outcome, one.reason) for one in found] == [
            ("skipped", None, "no_devices_targeted"),
            ("closed", "failed", "no_devices_targeted"),
        ]


async def test_rules_look_no_further_than_the_scope_of_whoever_saved_the_job(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await _fleet(tx, scene)
        operator = await people.make_operator(
            tx, "olga", Role.OPERATOR, now=scene.now, site_ids=(scene.site, elsewhere)
        )
        scene.admin = actor_of(operator, None)
        everyone = await scene.job(tx, targets=[{"kind": "all_devices"}])
        first = await scene.states(tx, (await _due(tx, scene, 1, everyone)).id)
        await places.make_device(tx, "homeless", None, now=scene.now)
        assert set(first) == {"web-1", "web-2", "db-1", "web-far"}
        # The operator loses a site: the next occurrence shrinks, and says why.
        await tx.execute(text("DELETE FROM operator_sites WHERE site_id = :id"), {"id": elsewhere})
        second = await scene.states(tx, (await _due(tx, scene, 6, everyone)).id)
        assert second["web-far"] == (S.SKIPPED, "out_of_scope")
        assert {name for name, (state, _) in second.items() if state is S.PENDING} == {"web-1", "web-2", "db-1"}
        assert "homeless" not in second
        # Another site, given later, was not in the scope that the job was saved with.
        third_site = await places.make_site(tx, "Pier", now=scene.now)
        await places.make_device(tx, "pier-1", third_site, now=scene.now)
        await tx.execute(
            text("INSERT INTO operator_sites VALUES (:operator, :site)"), {"operator": operator.id, "site": third_site}
        )
        assert "pier-1" not in await scene.states(tx, (await _due(tx, scene, 11, everyone)).id)


async def test_a_filter_reaches_no_further_than_its_own_writer_and_sites(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await _fleet(tx, scene)
        narrow = await make_filter(tx, scene, "web", allowed=[elsewhere])
        chosen = await make_filter(tx, scene, "db", mode="only", sites=[elsewhere])
        spared = await make_filter(tx, scene, "web-2", mode="except", sites=[elsewhere])
        job = await scene.job(tx, targets=[by_filter(one) for one in (narrow, chosen, spared)])
        assert set(await scene.rows(tx, (await _due(tx, scene, 1, job)).id)) == {"web-far", "web-2"}


async def test_what_one_may_not_see_is_not_there_to_be_aimed_at(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        elsewhere = await _fleet(tx, scene)
        foreign = await make_filter(tx, scene, "web", mode="only", sites=[elsewhere])
        archived = await make_filter(tx, scene, "db")
        await tx.execute(
            text("UPDATE device_filters SET archived_at = :now WHERE id = :id"), {"now": scene.now, "id": archived}
        )
        scene.admin = await people.make_actor(tx, "olga", Role.OPERATOR, now=scene.now, site_ids=(scene.site,))
        with pytest.raises(InvalidError) as refused:
            await scene.job(
                tx,
                targets=[
                    by_filter(foreign),
                    by_filter(archived),
                    {"kind": "site", "site_id": elsewhere},
                    {"kind": "device", "device_id": str(scene.devices["web-far"])},
                    by_filter(9_999_999),
                    by_filter(foreign),
                ],
            )
        assert [(one.field, one.code) for one in refused.value.problems] == [
            ("targets.5.filter_id", "duplicate"),
            ("targets.0.filter_id", "filter_not_found"),
            ("targets.1.filter_id", "filter_archived"),
            ("targets.2.site_id", "site_not_found"),
            ("targets.3.device_id", "device_not_found"),
            ("targets.4.filter_id", "filter_not_found"),
        ]


async def test_a_job_of_rules_is_seen_where_it_reaches_and_changed_by_who_sees_all_of_that(
    db: Database, scene: Scene
) -> None:
    async with db.begin() as tx:
        elsewhere = await _fleet(tx, scene)
        everywhere = await scene.job(tx, targets=[{"kind": "all_devices"}], name="Everywhere")
        there = await scene.job(tx, targets=[{"kind": "site", "site_id": elsewhere}], name="There")
        spared = await scene.job(
            tx, targets=[{"kind": "all_devices"}], exclusions=[{"kind": "site", "site_id": scene.site}], name="Spared"
        )
        olga = await people.make_actor(tx, "olga", Role.OPERATOR, now=scene.now, site_ids=(scene.site,))
        page = await jobs.list_jobs(tx, olga, jobs.JobFilter(), limit=50, cursor=None)
        assert [(one.id, one.spans_other_sites) for one in page.items] == [(everywhere, True)]
        mine = (await jobs.list_jobs(tx, scene.admin, jobs.JobFilter(), limit=50, cursor=None)).items
        assert {one.id for one in mine} == {everywhere, there, spared}
        assert next(one for one in mine if one.id == there).targets.sites == ["Lighthouse"]


async def test_a_set_that_differs_too_much_waits_for_a_person(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        target = [by_filter(await make_filter(tx, scene, "web"))]
        by_number = await scene.job(tx, targets=target, policies={"max_change_devices": 1, "overlap": "allow"})
        by_share = await scene.job(tx, targets=target, policies={"max_change_percent": 50, "overlap": "allow"})
        for job in (by_number, by_share):
            assert (await _due(tx, scene, 1, job)).state == "open", "there is nothing to compare the first with"
        for name in ("web-4", "web-5"):
            await scene.device(tx, name)
        await scene.tick(tx, scene.now + timedelta(minutes=6))
        held = {job: (await scene.ledger(tx, job))[-1] for job in (by_number, by_share)}
        assert {one.reason for one in held.values()} == {"targets_changed"}
        assert "2 joined, 0 left, of 3" in str(held[by_number].detail)
        released = await runs.release_held(
            tx, [held[by_number].id], scene.now + timedelta(minutes=7), actor=scene.admin
        )
        assert released == {held[by_number].id}
        assert len(await scene.rows(tx, held[by_number].id)) == 5
        await scene.tick(tx, scene.now + timedelta(minutes=11))
        assert (await scene.ledger(tx, by_number))[-1].state == "open", "it is the same set as the one let go"
        assert (await scene.ledger(tx, by_share))[-1].reason == "targets_changed"


async def test_what_a_window_held_is_compared_when_it_goes_by_itself(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        policies = {"max_change_devices": 1, "overlap": "allow"}
        web, hour = by_filter(await make_filter(tx, scene, "web")), {"expires_after_seconds": 3600}
        job = await scene.job(tx, targets=[web], policies=policies, duration=hour)
        assert (await _due(tx, scene, 1, job)).state == "open"
        await scene.window(tx, 4, 10, when_closed="defer", attachments=[{"kind": "job", "job_id": job}])
        assert (await _due(tx, scene, 6, job)).reason == "held_by_window"
        for name in ("web-4", "web-5"):
            await scene.device(tx, name)
        assert await runs.open_due_held(tx, scene.now + timedelta(minutes=16)) == set()
        one = (await scene.ledger(tx, job))[-1]
        assert (one.state, one.reason, one.held_until_at) == ("held", "targets_changed", None)


async def test_a_preview_counts_by_the_same_rules_and_tells_what_changed(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        broken = await make_filter(tx, scene, "db")
        job = await scene.job(tx, targets=[by_filter(await make_filter(tx, scene, "web"))])
        await _due(tx, scene, 1, job)
        await scene.device(tx, "web-9", online=False)
        outlook = await jobs.outlook_of(tx, await jobs.get(tx, scene.admin, job), now=scene.now)
        seen = await runs.preview(tx, scene.admin.scope, outlook, scene.now)
        assert (seen.targets.online, seen.targets.offline, seen.targets.left_out) == (3, 1, {})
        assert seen.changed is not None
        assert (seen.changed.joined, seen.changed.left, seen.changed.before) == (1, 0, 3)
        unsaved = {
            "name": "New",
            "components": [{"assembly_id": str(scene.script)}],
            "targets": [{"kind": "all_devices"}],
            "exclusions": [by_filter(broken)],
            "schedule": scene.every("hourly"),
        }
        outlook = await jobs.outlook(tx, scene.admin, unsaved, now=scene.now)
        assert (await runs.preview(tx, scene.admin.scope, outlook, scene.now)).targets.left_out == {"excluded": 1}
        await tx.execute(text("UPDATE device_filters SET condition = 'false AND' WHERE id = :id"), {"id": broken})
        blocked = await runs.preview(tx, scene.admin.scope, outlook, scene.now)
        assert (blocked.targets.online, blocked.targets.offline) == (0, 0)
        assert [one.code for one in blocked.problems] == ["targets_unknown"]


async def test_rerun_of_a_frozen_set_asks_no_rule(db: Database, scene: Scene) -> None:
    async with db.begin() as tx:
        await _fleet(tx, scene)
        job = await scene.job(tx, targets=[by_filter(await make_filter(tx, scene, "web"))])
        await _due(tx, scene, 1, job)
        await tx.execute(text("UPDATE device_filters SET condition = 'broken'"))
        again = scene.opening(job, 3, kind="rerun", request_id=uuid.uuid4().hex, device_ids=[scene.devices["web-1"]])
        assert await runs.open_occurrences(tx, [again], scene.now) == {again.id}
        assert set(await scene.rows(tx, again.id)) == {"web-1"}
