"""Saving, editing, pausing and deleting jobs: revisions, secrets, the mark, and whom a job is visible to."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from tests.jobs.conftest import SECRET, World, device
from watchbill import assemblies, jobs
from watchbill.identity import ROLE_PERMISSIONS, Permission, Role, SiteScope
from watchbill.jobs.tables import job_components, job_targets
from watchbill.jobs.tables import jobs as jobs_table
from watchbill.kit import events
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


async def create(tx, world, keys, actor=None, **changes):
    saved = await jobs.create(tx, actor or world.admin, world.job(**changes), keys=keys, now=world.now)
    return saved.job


async def edit(tx, actor, job_id, definition, *, keys, now):
    before = await jobs.lock(tx, actor, job_id, Permission.JOBS_WRITE)
    return await jobs.update(tx, actor, before, definition, keys=keys, now=now)


async def toggle(tx, actor, job_id, *, now, **body):
    before = await jobs.lock(tx, actor, job_id, Permission.JOBS_WRITE)
    return (await jobs.toggle(tx, actor, before, body, now=now)).job


async def test_a_saved_job_is_due_at_its_first_instant_and_has_its_rows(tx, world, keys):
    job = await create(tx, world, keys, exclusions=[device(world.lamp)])
    assert (job.revision, job.state, job.enabled) == (1, "active", True)
    assert job.next_due_at is not None
    assert world.now < job.next_due_at <= world.now + timedelta(minutes=15)
    assert (job.targets.devices, job.targets.excluded, job.targets.online) == (2, 0, 1)
    rows = (await tx.execute(select(job_targets).order_by(job_targets.c.is_exclusion, job_targets.c.position))).all()
    assert [(row.position, row.is_exclusion, row.device_id) for row in rows] == [
        (0, False, world.crane),
        (1, False, world.pump),
        (0, True, world.lamp),
    ]
    assert job.definition["duration"] == {
        "time_limit_seconds": 900,
        "expires_after_seconds": None,
        "run_limit_seconds": None,
    }
    assert (job.created_by, job.updated_by) == ("ada", "ada")


async def test_an_excluded_target_is_counted_apart(tx, world, keys):
    job = await create(tx, world, keys, exclusions=[device(world.crane)])
    assert (job.targets.devices, job.targets.excluded, job.targets.online) == (1, 1, 0)


async def test_a_secret_is_sealed_everywhere_and_opens_only_in_its_place(tx, world, keys):
    job = await create(tx, world, keys)
    for table in ("jobs", "job_revisions", "job_components", "audit", "events"):
        whole = (await tx.execute(text(f"SELECT coalesce(json_agg(t), '[]')::text FROM {table} t"))).scalar_one()
        assert SECRET not in whole
    shown = jobs.shown(job.definition)["components"][0]["variables"]
    assert shown == {"Token": {"is_set": True}, "MaxAgeHours": 8}
    stored = (await tx.execute(select(job_components.c.variables))).scalar_one()
    assert jobs.open_variables(keys, job.id, 0, stored) == {"Token": SECRET, "MaxAgeHours": 8}
    declared = (await assemblies.get(tx, world.admin, world.assembly)).draft
    given = jobs.given(keys, job.id, 0, stored, declared)
    assert (given.plain, given.secrets) == ({"MaxAgeHours": "8", "Mode": "soft"}, {"Token": SECRET})


async def test_an_edit_keeps_the_stored_secret_or_takes_a_new_one(tx, world, keys):
    job = await create(tx, world, keys)
    definition = jobs.shown(job.definition) | {"name": "Renamed"}
    kept = (await edit(tx, world.admin, job.id, definition, keys=keys, now=world.now)).job
    variables = kept.definition["components"][0]["variables"]
    assert jobs.open_variables(keys, job.id, 0, variables)["Token"] == SECRET
    definition["components"][0]["variables"]["Token"] = "changed"
    changed = (await edit(tx, world.admin, job.id, definition, keys=keys, now=world.now)).job
    variables = changed.definition["components"][0]["variables"]
    assert jobs.open_variables(keys, job.id, 0, variables)["Token"] == "changed"
    assert changed.revision == 3


async def test_a_stored_secret_does_not_follow_to_another_assembly(tx, world, keys):
    job = await create(tx, world, keys)
    script = {
        "name": "Print it",
        "interpreter": "bash",
        "content": "echo $Token",
        "variables": [{"name": "Token", "type": "secret"}],
    }
    other = await assemblies.create(tx, world.admin, script, now=world.now)
    definition = jobs.shown(job.definition)
    definition["components"][0] |= {"assembly_id": str(other.id), "variables": {"Token": {"is_set": True}}}
    with pytest.raises(InvalidError) as refused:
        await edit(tx, world.admin, job.id, definition, keys=keys, now=world.now)
    assert [problem.code for problem in refused.value.problems] == ["secret_not_set"]


async def test_saving_what_was_read_changes_nothing(tx, world, keys):
    job = await create(tx, world, keys)
    saved = await edit(
        tx, world.admin, job.id, jobs.shown(job.definition), keys=keys, now=world.now + timedelta(days=1)
    )
    assert not saved.is_changed
    assert saved.job == job


async def test_an_edit_counts_from_now_on_and_leaves_history(tx, world, keys):
    job = await create(tx, world, keys, actor=world.operator)
    later = world.now + timedelta(hours=2)
    definition = jobs.shown(job.definition) | {"name": "Renamed", "targets": [device(world.pump)]}
    saved = (await edit(tx, world.admin, job.id, definition, keys=keys, now=later)).job
    assert saved.mark_at == later
    assert saved.next_due_at is not None
    assert later < saved.next_due_at <= later + timedelta(minutes=15)
    assert saved.definition["schedule"] == job.definition["schedule"], "the anchor does not move"
    page = await jobs.list_revisions(tx, world.admin, job.id, limit=10, cursor=None)
    assert [(one.revision, one.definition["name"], one.changed_by) for one in page.items] == [
        (2, "Renamed", "ada"),
        (1, "Clear print spool", "otto"),
    ]
    rows = (await tx.execute(select(job_targets.c.device_id))).scalars().all()
    assert rows == [world.pump]
    allowed = (await tx.execute(select(jobs_table.c.allowed_site_ids))).scalar_one()
    assert allowed is None, "the scope of whoever edited last: the admin sees every site"


async def test_the_scope_of_whoever_saved_is_kept(tx, world, keys):
    await create(tx, world, keys, actor=world.operator)
    assert (await tx.execute(select(jobs_table.c.allowed_site_ids))).scalar_one() == [world.harbour]


async def test_a_completed_once_job_can_still_be_renamed(tx, world, keys):
    start = (world.now + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M")
    job = await create(tx, world, keys, schedule={"type": "once", "start": start})
    later = world.now + timedelta(days=2)
    saved = await edit(tx, world.admin, job.id, jobs.shown(job.definition) | {"name": "Old"}, keys=keys, now=later)
    assert (saved.job.state, saved.job.next_due_at, saved.starts_now) == ("completed", None, False)


async def test_a_start_of_this_minute_still_counts(tx, world, keys):
    start = world.now.strftime("%Y-%m-%dT%H:%M")
    job = await create(tx, world, keys, schedule={"type": "once", "start": start})
    assert job.next_due_at == world.now.replace(second=0, microsecond=0)


async def test_an_immediate_job_starts_once_when_it_is_accepted(tx, world, keys):
    saved = await jobs.create(tx, world.admin, world.job(schedule={"type": "immediately"}), keys=keys, now=world.now)
    assert (saved.starts_now, saved.job.state, saved.job.next_due_at) == (True, "completed", None)
    renamed = jobs.shown(saved.job.definition) | {"name": "Renamed"}
    assert not (await edit(tx, world.admin, saved.job.id, renamed, keys=keys, now=world.now)).starts_now
    asleep = world.job(schedule={"type": "immediately"}, enabled=False)
    assert not (await jobs.create(tx, world.admin, asleep, keys=keys, now=world.now)).starts_now


async def test_turning_a_job_into_an_immediate_one_starts_it(tx, world, keys):
    job = await create(tx, world, keys)
    definition = jobs.shown(job.definition) | {"schedule": {"type": "immediately"}}
    assert (await edit(tx, world.admin, job.id, definition, keys=keys, now=world.now)).starts_now


async def test_a_pause_has_a_reason_and_an_end_and_repeating_it_changes_nothing(tx, world, keys):
    job = await create(tx, world, keys)
    until = (world.now + timedelta(hours=3)).isoformat()
    pause = {"enabled": False, "reason": "audit", "until": until}
    paused = await toggle(tx, world.admin, job.id, now=world.now, **pause)
    assert (paused.state, paused.state_reason, paused.next_due_at, paused.revision) == ("paused", "audit", None, 2)
    again = await toggle(tx, world.admin, job.id, now=world.now + timedelta(minutes=1), **pause)
    assert again == paused
    resumed = await toggle(tx, world.admin, job.id, now=world.now + timedelta(hours=1), enabled=True)
    assert (resumed.state, resumed.state_reason, resumed.paused_until, resumed.revision) == ("active", None, None, 3)
    assert resumed.mark_at == world.now + timedelta(hours=1), "nothing that passed in the pause is owed"
    assert resumed.next_due_at is not None
    assert resumed.next_due_at > resumed.mark_at
    assert (await toggle(tx, world.admin, job.id, now=world.now, enabled=True)).revision == 3


async def test_a_resumption_may_ask_for_what_the_pause_left_out(tx, world, keys):
    job = await create(tx, world, keys)
    began, ended = world.now + timedelta(hours=1), world.now + timedelta(hours=3)
    await toggle(tx, world.admin, job.id, now=began, enabled=False)
    await toggle(tx, world.admin, job.id, now=began + timedelta(minutes=5), enabled=False, reason="longer")
    definition = jobs.shown(job.definition) | {"name": "Renamed", "enabled": False}
    await edit(tx, world.admin, job.id, definition, keys=keys, now=began + timedelta(minutes=9))
    before = await jobs.lock(tx, world.admin, job.id, Permission.JOBS_WRITE)
    resumed = await jobs.toggle(tx, world.admin, before, {"enabled": True, "catch_up": "all"}, now=ended)
    assert resumed.make_up == jobs.MakeUp(began, "all"), "since the pause began, whatever was said about it later"
    assert resumed.job.mark_at == ended
    again = await jobs.toggle(tx, world.admin, resumed.job, {"enabled": True, "catch_up": "all"}, now=ended)
    assert again.make_up is None, "it is on already: nothing was left out"


async def test_making_up_for_a_pause_needs_what_a_rerun_needs(tx, world, keys):
    job = (await jobs.create(tx, world.admin, world.job(), keys=keys, now=world.now)).job
    await toggle(tx, world.admin, job.id, now=world.now, enabled=False)
    for lacking in (Permission.JOBS_RUN, Permission.RUN_AS_SYSTEM):
        editor = replace(world.admin, permissions=frozenset(Permission) - {lacking})
        for catch_up in ("latest", "all"):
            with pytest.raises(ForbiddenError):
                await toggle(tx, editor, job.id, now=world.now, enabled=True, catch_up=catch_up)
    starter = replace(world.admin, permissions=frozenset(Permission) - {Permission.JOBS_RUN})
    assert (await toggle(tx, starter, job.id, now=world.now, enabled=True, catch_up="hold")).enabled
    await toggle(tx, starter, job.id, now=world.now, enabled=False)


async def test_resuming_a_job_needs_its_context_and_pausing_it_does_not(tx, world, keys):
    job = (await jobs.create(tx, world.admin, world.job(), keys=keys, now=world.now)).job
    editor = replace(world.admin, permissions=frozenset(Permission) - {Permission.RUN_AS_SYSTEM})
    await toggle(tx, editor, job.id, now=world.now, enabled=False)
    for catch_up in ("skip", "hold"):
        with pytest.raises(ForbiddenError):
            await toggle(tx, editor, job.id, now=world.now, enabled=True, catch_up=catch_up)


async def test_a_new_schedule_in_a_pause_makes_up_for_nothing_before_it(tx, world, keys):
    job = await create(tx, world, keys)
    await toggle(tx, world.admin, job.id, now=world.now, enabled=False)
    later = world.now + timedelta(hours=1)
    definition = jobs.shown(job.definition) | {"schedule": {"type": "hourly"}, "enabled": False}
    edited = (await edit(tx, world.admin, job.id, definition, keys=keys, now=later)).job
    assert (edited.state, edited.mark_at) == ("paused", later)


async def test_a_resumption_that_follows_clocks_cannot_hold(tx, world, keys):
    schedule = {"type": "daily", "start": "2030-01-31T07:00", "timezone_source": "device"}
    job = await create(tx, world, keys, schedule=schedule)
    await toggle(tx, world.admin, job.id, now=world.now, enabled=False)
    with pytest.raises(InvalidError) as refused:
        await toggle(tx, world.admin, job.id, now=world.now, enabled=True, catch_up="hold")
    assert [(one.field, one.code) for one in refused.value.problems] == [("catch_up", "not_allowed")]


async def test_every_revision_says_what_it_changed(tx, world, keys):
    job = await create(tx, world, keys)
    definition = jobs.shown(job.definition)
    definition["components"][0]["variables"] = {"Token": "another", "MaxAgeHours": 9}
    definition |= {"targets": [device(world.pump), device(world.lamp)], "description": "Now with a lamp"}
    definition["policies"] |= {"overlap": "queue_one"}
    await edit(tx, world.admin, job.id, definition, keys=keys, now=world.now)
    turned = definition | {"targets": [device(world.lamp), device(world.pump)]}
    turned["components"][0]["variables"]["Token"] = {"is_set": True}
    await edit(tx, world.admin, job.id, turned, keys=keys, now=world.now)
    page = await jobs.list_revisions(tx, world.admin, job.id, limit=10, cursor=None)
    turning, edited, first = ([(one.field, one.before, one.after) for one in rev.changes] for rev in page.items)
    assert first == []
    assert edited == [
        ("description", "", "Now with a lamp"),
        ("components.0.variables.MaxAgeHours", 8, 9),
        ("components.0.variables.Token", {"is_set": True}, {"is_set": True}),
        (f"targets.{world.crane}", device(world.crane), None),
        (f"targets.{world.lamp}", None, device(world.lamp)),
        ("policies.overlap", "skip", "queue_one"),
    ]
    assert turning == [("targets.order", None, None)]
    assert SECRET not in str(page)
    seen = await jobs.list_revisions(tx, world.operator, job.id, limit=10, cursor=None)
    assert str(world.lamp) not in str(seen), "devices of other sites are not told"
    assert str(world.crane) in str(seen)
    detail = (
        (await tx.execute(text("SELECT detail FROM audit WHERE action = 'job.update' ORDER BY id"))).scalars().first()
    )
    assert detail["changed"] == [one[0] for one in edited]


async def test_an_edit_leaves_a_pause_alone_unless_it_says_otherwise(tx, world, keys):
    job = await create(tx, world, keys)
    await toggle(tx, world.admin, job.id, now=world.now, enabled=False, reason="audit")
    definition = jobs.shown(job.definition) | {"name": "Renamed"}
    del definition["enabled"]
    paused = (await edit(tx, world.admin, job.id, definition, keys=keys, now=world.now)).job
    assert (paused.state, paused.state_reason, paused.next_due_at) == ("paused", "audit", None)
    woken = (await edit(tx, world.admin, job.id, definition | {"enabled": True}, keys=keys, now=world.now)).job
    assert (woken.state, woken.state_reason) == ("active", None)
    assert woken.next_due_at is not None


async def test_a_deleted_job_is_gone_for_everyone_and_never_due(tx, world, keys):
    job = await create(tx, world, keys)
    before = await jobs.lock(tx, world.admin, job.id, Permission.JOBS_WRITE)
    await jobs.delete(tx, world.admin, before, now=world.now)
    with pytest.raises(NotFoundError):
        await jobs.get(tx, world.admin, job.id)
    assert await jobs.earliest_due(tx) is None
    assert await jobs.using_assembly(tx, world.admin, world.assembly) == []


async def test_an_assembly_in_use_names_its_jobs_and_stays(tx, world, keys):
    await create(tx, world, keys, name="Nightly")
    used_by = await jobs.using_assembly(tx, world.admin, world.assembly)
    assert [one.name for one in used_by] == ["Nightly"]
    await create(tx, world, keys, name="Foreign", targets=[device(world.lamp)])
    told = await jobs.using_assembly(tx, world.operator, world.assembly)
    assert [(one.name, one.is_visible) for one in told] == [("Foreign", False), ("Nightly", True)]
    before = await assemblies.lock(tx, world.admin, world.assembly)
    with pytest.raises(ConflictError):
        await assemblies.archive(tx, world.admin, before, used_by=["Nightly"], now=world.now)


async def test_devices_one_may_not_see_do_not_exist(tx, world: World, keys):
    revoked = text("UPDATE devices SET status = 'revoked' WHERE id = :id")
    await tx.execute(revoked, {"id": world.pump})
    unknown = uuid4()
    targets = [device(one) for one in (world.crane, world.pump, world.lamp, world.loner, unknown)]
    with pytest.raises(InvalidError) as refused:
        await create(tx, world, keys, actor=world.operator, targets=targets)
    problems = refused.value.problems
    assert [(one.field, one.code) for one in problems] == [
        (f"targets.{place}.device_id", "device_not_found") for place in (1, 2, 3, 4)
    ]
    assert {one.message.rpartition(" ")[0] for one in problems} == {"there is no device"}


async def test_a_job_of_other_sites_is_not_there(tx, world, keys):
    job = await create(tx, world, keys, targets=[device(world.lamp)])
    for actor in (world.operator, world.viewer):
        with pytest.raises(NotFoundError):
            await jobs.get(tx, actor, job.id)
        with pytest.raises(NotFoundError):
            await jobs.lock(tx, actor, job.id, Permission.JOBS_WRITE)
    hidden = await create(
        tx, world, keys, targets=[device(world.crane), device(world.lamp)], exclusions=[device(world.crane)]
    )
    with pytest.raises(NotFoundError):
        await jobs.get(tx, world.operator, hidden.id)


async def test_a_job_that_spans_sites_is_seen_in_part_and_changed_by_nobody_of_one_site(tx, world, keys):
    job = await create(tx, world, keys, targets=[device(one) for one in (world.crane, world.lamp, world.loner)])
    seen = await jobs.get(tx, world.operator, job.id)
    assert seen.targets.devices == 1
    assert jobs.shown(seen.definition, seen.seen)["targets"] == [device(world.crane)]
    with pytest.raises(ForbiddenError) as refused:
        await jobs.lock(tx, world.operator, job.id, Permission.JOBS_WRITE)
    assert refused.value.code == "job_spans_other_sites"
    actions = jobs.allowed_actions(world.operator, seen)
    assert [one.action for one in actions] == ["update", "toggle", "rerun", "cancel", "delete"]
    assert all(not one.allowed and one.reason and "sites" in one.reason for one in actions)
    page = await jobs.list_revisions(tx, world.operator, job.id, limit=10, cursor=None)
    assert page.items[0].definition["targets"] == [device(world.crane)]
    assert all(one.allowed and one.reason is None for one in jobs.allowed_actions(world.admin, job))


async def test_a_viewer_reads_only(tx, world, keys):
    job = await create(tx, world, keys)
    seen = await jobs.get(tx, world.viewer, job.id)
    assert not any(one.allowed for one in jobs.allowed_actions(world.viewer, seen))
    with pytest.raises(ForbiddenError):
        await jobs.lock(tx, world.viewer, job.id, Permission.JOBS_WRITE)
    with pytest.raises(ForbiddenError):
        await create(tx, world, keys, actor=world.viewer)


async def test_who_may_not_run_as_system_saves_no_such_job(tx, world, keys):
    permissions = ROLE_PERMISSIONS[Role.OPERATOR] - {Permission.RUN_AS_SYSTEM}
    careful = replace(world.operator, permissions=permissions)
    with pytest.raises(ForbiddenError, match="run_as_system"):
        await create(tx, world, keys, actor=careful)


async def test_nobody_without_sites_sees_a_job(tx, world, keys):
    job = await create(tx, world, keys)
    nobody = replace(world.operator, scope=SiteScope(frozenset()))
    with pytest.raises(NotFoundError):
        await jobs.get(tx, nobody, job.id)


async def test_every_change_is_told_to_the_sites_of_the_job(tx, world, keys):
    job = await create(tx, world, keys, targets=[device(world.crane), device(world.lamp)])
    await toggle(tx, world.admin, job.id, now=world.now, enabled=False)
    rows = (await tx.execute(text("SELECT kind, site_id, payload FROM events ORDER BY id"))).all()
    told = [(row.kind, row.site_id, row.payload["change"]) for row in rows]
    assert sorted(told) == sorted(
        ("job.changed", site, change) for change in ("created", "toggled") for site in (world.harbour, world.lighthouse)
    )
    assert events.CHANNEL


async def test_every_write_leaves_an_audit_row(tx, world, keys):
    job = await create(tx, world, keys)
    await edit(tx, world.admin, job.id, jobs.shown(job.definition) | {"name": "x"}, keys=keys, now=world.now)
    await toggle(tx, world.admin, job.id, now=world.now, enabled=False)
    before = await jobs.lock(tx, world.admin, job.id, Permission.JOBS_WRITE)
    await jobs.delete(tx, world.admin, before, now=world.now)
    query = text("SELECT action, actor FROM audit WHERE object_kind = 'job' ORDER BY id")
    assert [tuple(row) for row in await tx.execute(query)] == [
        (f"job.{verb}", "ada") for verb in ("create", "update", "toggle", "delete")
    ]


async def test_a_refused_save_leaves_nothing(tx, world, keys):
    with pytest.raises(InvalidError):
        await create(tx, world, keys, policies={"retries": 50})
    assert json.dumps((await tx.execute(text("SELECT count(*) FROM jobs"))).scalar_one()) == "0"
