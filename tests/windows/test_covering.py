"""Which windows cover a job or one of its devices, in the one place that the scheduler and the gateways ask."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.jobs.conftest import device
from watchbill import jobs, windows
from watchbill.core.windows import OPEN

ALWAYS = [
    {"name": None, "schedule": {"type": "daily", "start": "2020-01-01T00:00", "timezone": "UTC"}, "duration_days": 1}
]


async def put(tx, world, name, *attachments, kind="deny", zone_source="fixed", enabled=True, spans=ALWAYS, sites=None):
    made = await tx.execute(
        text("""INSERT INTO windows
        (name, kind, spans, zone_source, when_closed, enabled, revision, created_at, updated_at, allowed_site_ids)
        VALUES (:name, :kind, CAST(:spans AS jsonb), :zone_source, 'skip', :enabled, 1, :now, :now, :sites) RETURNING id"""),
        {
            "sites": sites,
            "name": name,
            "kind": kind,
            "spans": json.dumps(spans),
            "zone_source": zone_source,
            "enabled": enabled,
            "now": world.now,
        },
    )
    window_id = made.scalar_one()
    for position, (what, value) in enumerate(attachments):
        row = {"site_id": None, "device_id": None, "job_id": None} | ({} if what == "global" else {f"{what}_id": value})
        await tx.execute(
            text("""INSERT INTO window_attachments (window_id, position, kind, site_id, device_id, job_id)
            VALUES (:window_id, :position, :kind, :site_id, :device_id, :job_id)"""),
            {"window_id": window_id, "position": position, "kind": what, **row},
        )
    return window_id


async def make_job(tx, world, keys, name="Nightly", **changes):
    saved = await jobs.create(tx, world.admin, world.job(name=name, **changes), keys=keys, now=world.now)
    return saved.job.id


async def test_without_windows_everything_is_open(tx, world):
    loaded = await windows.load(tx)
    assert loaded.is_empty
    assert loaded.verdict([1], "UTC", world.now, until=world.now) == OPEN


async def test_disabled_deleted_and_unattached_windows_are_not_loaded(tx, world):
    await put(tx, world, "off", ("global", None), enabled=False)
    await put(tx, world, "loose")
    gone = await put(tx, world, "gone", ("global", None))
    await tx.execute(text("UPDATE windows SET deleted_at = :now WHERE id = :id"), {"now": world.now, "id": gone})
    assert (await windows.load(tx)).is_empty


async def test_a_loaded_blackout_closes(tx, world):
    window_id = await put(tx, world, "Freeze", ("global", None))
    loaded = await windows.load(tx)
    verdict = loaded.verdict([window_id], "UTC", world.now, until=world.now + timedelta(days=1))
    assert not verdict.is_open
    assert verdict.reason == "blackout"
    assert verdict.names == ("Freeze",)


async def test_a_device_is_covered_by_each_kind_of_attachment(tx, world, keys):
    job_id = await make_job(tx, world, keys)
    everywhere = await put(tx, world, "a", ("global", None))
    harbour = await put(tx, world, "b", ("site", world.harbour))
    crane = await put(tx, world, "c", ("device", world.crane), ("device", world.lamp))
    job = await put(tx, world, "d", ("job", job_id))
    await put(tx, world, "e", ("site", world.lighthouse))
    found = await windows.covering_devices(
        tx, [(job_id, world.crane), (job_id, world.pump), (job_id, world.loner)], world.now
    )
    assert found == {
        (job_id, world.crane): {everywhere, harbour, crane, job},
        (job_id, world.pump): {everywhere, harbour, job},
        (job_id, world.loner): {everywhere, job},
    }


async def test_a_whole_job_is_covered_by_global_windows_and_its_own(tx, world, keys):
    first, second = await make_job(tx, world, keys), await make_job(tx, world, keys, "Other")
    everywhere = await put(tx, world, "a", ("global", None))
    own = await put(tx, world, "b", ("job", first), kind="allow")
    await put(tx, world, "c", ("site", world.harbour))
    assert await windows.covering_jobs(tx, [first, second]) == {first: {everywhere, own}, second: {everywhere}}


async def test_a_window_in_the_zone_of_the_site_decides_for_no_whole_job(tx, world, keys):
    job_id = await make_job(tx, world, keys)
    await put(tx, world, "a", ("global", None), zone_source="site")
    assert await windows.covering_jobs(tx, [job_id]) == {job_id: frozenset()}


@pytest.mark.parametrize("attached", ["site", "device"])
async def test_a_device_with_its_own_maintenance_window_is_not_judged_by_that_of_the_job(tx, world, keys, attached):
    job_id = await make_job(tx, world, keys)
    deny = await put(tx, world, "a", ("global", None))
    allow = await put(tx, world, "b", ("job", job_id), kind="allow")
    elsewhere = world.lighthouse if attached == "site" else world.lamp
    await put(tx, world, "c", (attached, elsewhere), kind="allow")
    assert await windows.covering_jobs(tx, [job_id]) == {job_id: {deny, allow}}
    here = world.harbour if attached == "site" else world.pump
    await put(tx, world, "d", (attached, here), kind="allow")
    assert await windows.covering_jobs(tx, [job_id]) == {job_id: {deny}}


async def test_a_maintenance_window_in_the_zone_of_the_site_adds_to_that_of_the_job(tx, world, keys):
    job_id = await make_job(tx, world, keys)
    await put(tx, world, "a", ("job", job_id), kind="allow")
    await put(tx, world, "b", ("global", None), kind="allow", zone_source="site")
    assert await windows.covering_jobs(tx, [job_id]) == {job_id: frozenset()}


async def test_a_window_reaches_no_further_than_the_sites_of_whoever_saved_it(tx, world, keys):
    here = await make_job(tx, world, keys)
    both = await make_job(tx, world, keys, "Both", targets=[device(world.crane), device(world.lamp)])
    deny = await put(tx, world, "a", ("job", here), ("job", both), sites=[world.harbour])
    assert await windows.covering_jobs(tx, [here, both]) == {here: {deny}, both: frozenset()}
    found = await windows.covering_devices(tx, [(both, world.crane), (both, world.lamp)], world.now)
    assert found == {(both, world.crane): {deny}, (both, world.lamp): frozenset()}


async def test_a_maintenance_window_for_some_devices_of_a_job_takes_the_decision_from_the_others(tx, world, keys):
    both = await make_job(tx, world, keys, targets=[device(world.crane), device(world.lamp)])
    everywhere = await put(tx, world, "a", ("global", None), kind="allow")
    assert await windows.covering_jobs(tx, [both]) == {both: {everywhere}}
    await put(tx, world, "b", ("job", both), kind="allow", sites=[world.harbour])
    assert await windows.covering_jobs(tx, [both]) == {both: frozenset()}
