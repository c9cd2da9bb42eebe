"""A window on a filter covers what the filter finds when work is about to start; one that cannot be told lets nothing through."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.factories import people
from tests.filters.conftest import device_filter, named
from tests.jobs.conftest import device
from tests.windows.conftest import window
from tests.windows.test_covering import ALWAYS, make_job
from watchbill import filters, jobs, windows
from watchbill.identity import Role
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.windows import WindowFilter


async def make_filter(tx, world, criteria=None, actor=None, **changes):
    saved = await filters.create(tx, actor or world.admin, device_filter(criteria, **changes), now=world.now)
    return saved.id


async def make_window(tx, world, filter_id, *, kind="deny", actor=None, **changes):
    definition = window(("filter", filter_id), kind=kind, spans=ALWAYS, name=f"{kind} {filter_id}", **changes)
    return (await windows.create(tx, actor or world.admin, definition, now=world.now)).id


async def covering(tx, world, *device_ids):
    found = await windows.covering_devices(tx, [(0, one) for one in device_ids], world.now)
    return [found[0, one] for one in device_ids]


async def break_filter(tx, filter_id):
    await tx.execute(text("UPDATE device_filters SET condition = '1/0 > 0' WHERE id = :id"), {"id": filter_id})


async def test_a_device_is_covered_while_the_filter_finds_it(tx, world):
    window_id = await make_window(tx, world, await make_filter(tx, world, named("crane", "equals")))
    assert await covering(tx, world, world.crane, world.pump) == [{window_id}, frozenset()]
    await tx.execute(text("UPDATE devices SET hostname = 'crane' WHERE id = :id"), {"id": world.pump})
    assert await covering(tx, world, world.crane, world.pump) == [{window_id}, {window_id}]


async def test_ages_are_counted_up_to_the_instant_that_is_asked_about(tx, world):
    criteria = {"field": "last_seen_age", "operator": "higher", "value": "1 h"}
    window_id = await make_window(tx, world, await make_filter(tx, world, criteria))
    await tx.execute(
        text("INSERT INTO device_presence (device_id, last_seen_at) VALUES (:id, :now)"),
        {"id": world.pump, "now": world.now},
    )
    assert await covering(tx, world, world.pump) == [frozenset()]
    later = world.now + timedelta(hours=2)
    found = await windows.covering_devices(tx, [(0, world.pump)], later)
    assert found == {(0, world.pump): {window_id}}


async def test_a_window_covers_no_device_beyond_the_sites_of_its_writer_or_of_the_filters(tx, world):
    wide, narrow = await make_filter(tx, world), await make_filter(tx, world, name="Own", actor=world.operator)
    by_operator = await make_window(tx, world, wide, actor=world.operator)
    by_admin = await make_window(tx, world, narrow)
    assert await covering(tx, world, world.crane, world.lamp) == [{by_operator, by_admin}, frozenset()]


async def test_a_blackout_on_a_filter_that_cannot_be_told_covers_every_device_of_its_sites(tx, world):
    filter_id = await make_filter(tx, world, named("nobody"))
    window_id = await make_window(tx, world, filter_id, actor=world.operator)
    assert await covering(tx, world, world.crane) == [frozenset()]
    await break_filter(tx, filter_id)
    assert await covering(tx, world, world.crane, world.lamp) == [{window_id}, frozenset()]


async def test_a_maintenance_window_on_a_filter_that_cannot_be_told_lets_nothing_start(tx, world):
    filter_id = await make_filter(tx, world, named("crane"))
    window_id = await make_window(tx, world, filter_id, kind="allow")
    loaded = await windows.load(tx)
    [before] = await covering(tx, world, world.crane)
    assert loaded.verdict(before, "UTC", world.now, until=world.now).is_open
    await break_filter(tx, filter_id)
    for found in await covering(tx, world, world.crane, world.pump):
        assert found == {-window_id}
        verdict = loaded.verdict(found, "UTC", world.now, until=world.now)
        assert (verdict.is_open, verdict.reason) == (False, "outside_window")
        assert "one of its filters cannot be asked" in (verdict.sentence or "")


async def test_a_window_on_a_filter_never_decides_for_a_whole_job_and_an_allow_window_takes_the_decision(
    tx, world, keys
):
    job_id = await make_job(tx, world, keys)
    elsewhere = await make_filter(tx, world, site_mode="only", site_ids=[world.lighthouse])
    own = (await windows.create(tx, world.admin, window(("job", job_id), spans=ALWAYS, name="Whole"), now=world.now)).id
    await make_window(tx, world, elsewhere)
    assert await windows.covering_jobs(tx, [job_id]) == {job_id: {own}}
    await make_window(tx, world, elsewhere, kind="allow")
    assert await windows.covering_jobs(tx, [job_id]) == {job_id: frozenset()}


async def test_targets_of_a_job_are_told_apart_by_what_filters_find(tx, world, keys):
    job_id = await make_job(tx, world, keys, targets=[device(world.crane), device(world.pump)])
    filter_id = await make_filter(tx, world, named("crane"))
    window_id = await make_window(tx, world, filter_id)
    found = await windows.covering_targets(tx, world.admin.scope, [job_id], world.now)
    assert {alike.window_ids: number for alike, number in found[job_id].items()} == {
        frozenset({window_id}): 1,
        frozenset(): 1,
    }
    await break_filter(tx, filter_id)
    found = await windows.covering_targets(tx, world.admin.scope, [job_id], world.now)
    assert {alike.window_ids: number for alike, number in found[job_id].items()} == {frozenset({window_id}): 2}


async def test_a_check_says_of_each_device_what_the_filter_makes_of_it(tx, world, keys):
    job_id = await make_job(tx, world, keys)
    await make_window(tx, world, await make_filter(tx, world, named("crane")))
    checked = await windows.check(tx, world.admin, job_id=job_id, device_id=None, at=world.now, now=world.now)
    assert [(one.hostnames, one.verdict.is_open) for one in checked.groups] == [(["crane"], False), (["pump"], True)]


async def test_only_filters_that_the_writer_sees_and_that_are_in_use_are_taken(tx, world):
    hidden = await make_filter(tx, world, site_mode="only", site_ids=[world.lighthouse])
    with pytest.raises(InvalidError) as error:
        await make_window(tx, world, hidden, actor=world.operator)
    assert [one.code for one in error.value.problems] == ["filter_not_found"]
    held = await filters.lock(tx, world.admin, hidden)
    await filters.archive(tx, world.admin, held, used_by=(), now=world.now)
    with pytest.raises(InvalidError) as error:
        await make_window(tx, world, hidden)
    assert [one.code for one in error.value.problems] == ["filter_archived"]


async def test_a_window_is_seen_with_its_filter_and_changed_by_who_sees_all_it_covers(tx, world):
    wide = await make_window(tx, world, await make_filter(tx, world, name="Wide"))
    narrow_filter = await make_filter(tx, world, name="Narrow", site_mode="only", site_ids=[world.harbour])
    narrow = await make_window(tx, world, narrow_filter)
    hidden_filter = await make_filter(tx, world, name="Hidden", site_mode="only", site_ids=[world.lighthouse])
    await make_window(tx, world, hidden_filter)
    page = await windows.list_windows(tx, world.operator, WindowFilter(), limit=9, cursor=None)
    assert {one.id: one.spans_other_sites for one in page.items} == {wide: True, narrow: False}
    assert [one.attachments[0].name for one in page.items if one.id == narrow] == ["Narrow"]


async def test_what_uses_a_filter_is_named_as_far_as_its_reader_sees_it(tx, world, keys):
    filter_id = await make_filter(tx, world)
    target = {"kind": "filter", "filter_id": filter_id}
    await make_job(tx, world, keys, "Sweep", targets=[target])
    far = await people.make_actor(tx, "fred", Role.OPERATOR, now=world.now, site_ids=(world.lighthouse,))
    away = window(("filter", filter_id), ("site", world.lighthouse), name="Far")
    await windows.create(tx, far, away, now=world.now)
    uses = [
        *await jobs.using_filter(tx, world.operator, filter_id),
        *await windows.using_filter(tx, world.operator, filter_id),
    ]
    assert [(one.name, one.is_visible) for one in uses] == [("Sweep", True), ("Far", True)]
    held = await filters.lock(tx, world.admin, filter_id)
    with pytest.raises(ConflictError, match="Sweep, Far"):
        await filters.archive(tx, world.admin, held, used_by=filters.used_by(uses), now=world.now)
