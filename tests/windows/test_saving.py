"""Windows are saved within the sites of whoever writes, and everybody who must know of it is told."""

from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from tests.factories import people
from tests.jobs.conftest import device
from tests.windows.conftest import window
from watchbill import jobs, sites, windows
from watchbill.identity import ENGINE, Permission, Role
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from watchbill.runs import GATEWAYS
from watchbill.windows import WindowFilter


async def save(tx, world, actor, definition):
    return await windows.create(tx, actor, definition, now=world.now)


async def refused(tx, world, actor, definition):
    with pytest.raises(InvalidError) as error:
        await save(tx, world, actor, definition)
    return {one.field: one.code for one in error.value.problems}


async def names(tx, actor, **wanted):
    page = await windows.list_windows(tx, actor, WindowFilter(**wanted), limit=50, cursor=None)
    return [one.name for one in page.items]


async def make_job(tx, world, keys, name="Nightly", **changes):
    return (await jobs.create(tx, world.admin, world.job(name=name, **changes), keys=keys, now=world.now)).job.id


async def rows(tx, statement):
    return [tuple(row) for row in await tx.execute(text(statement))]


def test_gateways_are_rung_where_they_listen():
    assert windows.GATEWAYS == GATEWAYS


async def test_a_saved_window_is_what_was_said_with_defaults(tx, world):
    saved = await save(tx, world, world.admin, window(("site", world.harbour)))
    assert (saved.revision, saved.enabled, saved.created_by, saved.spans_other_sites) == (1, True, "ada", False)
    assert saved.definition == {
        **window(("site", world.harbour)),
        "spans": [
            {
                "name": None,
                "schedule": {
                    "type": "weekly",
                    "start": "2026-01-04T02:00",
                    "timezone": "Europe/Berlin",
                    "end": None,
                    "count": None,
                },
                "duration_seconds": 7200,
            }
        ],
        "description": "",
        "zone_source": "fixed",
        "when_closed": "skip",
        "cutoff_seconds": 0,
        "stop_at_end": False,
        "enabled": True,
    }
    assert await windows.get(tx, world.admin, saved.id) == saved


async def test_a_save_is_audited_and_published_to_the_sites_it_reaches(tx, world):
    saved = await save(tx, world, world.admin, window(("site", world.harbour), ("device", world.lamp)))
    audited = await rows(tx, "SELECT action, object_id, actor FROM audit WHERE object_kind = 'window'")
    assert audited == [("window.create", str(saved.id), "ada")]
    told = await rows(tx, "SELECT kind, site_id, payload->>'change' FROM events ORDER BY site_id")
    assert told == [("window.changed", world.harbour, "created"), ("window.changed", world.lighthouse, "created")]


async def test_schedulers_and_gateways_are_rung_when_a_save_is_committed(db, clock):
    async with await psycopg.AsyncConnection.connect(db.conninfo, autocommit=True) as listening:
        for channel in (jobs.CHANNEL, GATEWAYS):
            await listening.execute(f"LISTEN {channel}")
        async with db.begin() as tx:
            await windows.create(tx, ENGINE, window(), now=await clock.now(tx))
        heard = {(one.channel, one.payload) async for one in listening.notifies(timeout=20, stop_after=2)}
    assert heard == {(jobs.CHANNEL, ""), (GATEWAYS, "")}


async def test_a_global_window_is_told_to_every_site(tx, world):
    await save(tx, world, world.admin, window())
    told = await rows(tx, "SELECT site_id FROM events ORDER BY site_id")
    assert told == [(world.harbour,), (world.lighthouse,)]


async def test_an_edit_makes_a_revision_and_one_that_changes_nothing_does_not(tx, world):
    before = await save(tx, world, world.admin, window(("site", world.harbour)))
    locked = await windows.lock(tx, world.admin, before.id)
    same = await windows.update(tx, world.admin, locked, window(("site", world.harbour)), now=world.now)
    assert (same.is_changed, same.window.revision) == (False, 1)
    changed = window(("site", world.lighthouse), cutoff_seconds=600, enabled=False)
    after = await windows.update(tx, world.admin, locked, changed, now=world.now)
    assert (after.is_changed, after.window.revision, after.window.enabled) == (True, 2, False)
    assert [one.name for one in after.window.attachments] == ["Lighthouse"]
    told = await rows(tx, "SELECT site_id FROM events WHERE payload->>'change' = 'updated' ORDER BY site_id")
    assert told == [(world.harbour,), (world.lighthouse,)]
    kept = await windows.update(tx, world.admin, after.window, window(("site", world.harbour)), now=world.now)
    assert not kept.window.enabled  # an edit that does not speak of it leaves it


async def test_a_window_whose_spans_have_passed_can_still_be_renamed(tx, world):
    span = {"schedule": {"type": "once", "start": "2030-01-01T00:00"}, "duration_days": 1}
    before = await save(tx, world, world.admin, window(spans=[span]))
    later = world.now + timedelta(days=20 * 365)
    changed = window(spans=[span], name="Then")
    assert (await windows.update(tx, world.admin, before, changed, now=later)).window.name == "Then"


async def test_a_name_belongs_to_one_window_and_is_free_again_when_that_is_deleted(tx, world):
    first = await save(tx, world, world.admin, window(name="Freeze"))
    assert await refused(tx, world, world.admin, window(name="FREEZE")) == {"name": "name_taken"}
    await windows.delete(tx, world.admin, await windows.lock(tx, world.admin, first.id), now=world.now)
    assert (await save(tx, world, world.admin, window(name="FREEZE"))).id != first.id
    with pytest.raises(NotFoundError):
        await windows.get(tx, world.admin, first.id)


async def test_a_name_that_is_taken_where_one_does_not_look_is_free(tx, world):
    await save(tx, world, world.admin, window(("site", world.lighthouse), name="Freeze"))
    mine = await save(tx, world, world.operator, window(("site", world.harbour), name="freeze"))
    assert await names(tx, world.admin) == ["Freeze", "freeze"]
    assert await refused(tx, world, world.operator, window(("site", world.harbour), name="FREEZE")) == {
        "name": "name_taken"
    }
    assert await refused(tx, world, world.admin, window(name="Freeze")) == {"name": "name_taken"}
    # Whoever sees both can still change either, as long as it keeps its name.
    changed = window(("site", world.harbour), name="freeze", description="of the harbour")
    assert (await windows.update(tx, world.admin, mine, changed, now=world.now)).is_changed


async def test_there_is_a_most_of_windows(tx, world, monkeypatch):
    monkeypatch.setattr(windows.saving, "MAX_WINDOWS", 1)
    await save(tx, world, world.admin, window())
    with pytest.raises(ConflictError, match="which is the most"):
        await save(tx, world, world.admin, window(name="One more"))


async def test_who_uses_up_the_windows_of_some_sites_takes_none_from_others(tx, world, monkeypatch):
    monkeypatch.setattr(windows.saving, "MAX_WINDOWS", 1)
    monkeypatch.setattr(windows.saving, "MAX_WINDOWS_OF_SITES", 1)
    other = await people.make_actor(tx, "olga", Role.OPERATOR, now=world.now, site_ids=(world.lighthouse,))
    await save(tx, world, world.operator, window(("site", world.harbour)))
    await save(tx, world, other, window(("site", world.lighthouse)))
    await save(tx, world, world.admin, window(name="Everywhere"))
    for actor, site in [(world.operator, world.harbour), (other, world.lighthouse)]:
        with pytest.raises(ConflictError, match="which is the most") as error:
            await save(tx, world, actor, window(("site", site), name="One more"))
        assert error.value.code == "too_many_windows"


async def test_the_spans_of_all_windows_of_some_sites_are_bounded_together(tx, world, monkeypatch):
    monkeypatch.setattr(windows.saving, "MAX_SPANS_OF_SITES", 3)
    one = window()["spans"]
    first = await save(tx, world, world.operator, window(("site", world.harbour), name="first", spans=one * 2))
    with pytest.raises(ConflictError, match="3 spans") as error:
        await save(tx, world, world.operator, window(("site", world.harbour), name="second", spans=one * 2))
    assert error.value.code == "too_many_spans"
    await save(tx, world, world.operator, window(("site", world.harbour), name="second", spans=one))
    longer = window(("site", world.harbour), name="first", spans=one * 3)
    with pytest.raises(ConflictError, match="3 spans"):
        await windows.update(tx, world.operator, first, longer, now=world.now)
    shorter = window(("site", world.harbour), name="first", spans=one)
    assert (await windows.update(tx, world.operator, first, shorter, now=world.now)).is_changed


async def test_spans_that_take_too_long_are_refused(tx, world, monkeypatch):
    monkeypatch.setattr(windows.saving, "EVALUATION_SECONDS", 0.05)
    rule = "FREQ=WEEKLY;BYMONTH=2;BYDAY=MO;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3;BYSETPOS=300"
    span = {"schedule": {"type": "rrule", "start": "2026-01-01T00:00", "rule": rule}, "duration_days": 1}
    assert await refused(tx, world, world.admin, window(spans=[span] * 20)) == {"spans": "too_slow"}


# --- who sees and changes what ----------------------------------------------------------------------------------------


async def test_an_operator_sees_global_windows_and_those_that_touch_their_sites(tx, world, keys):
    here = await make_job(tx, world, keys, "Here")
    there = await make_job(tx, world, keys, "There", targets=[device(world.lamp)])
    both = await make_job(tx, world, keys, "Both", targets=[device(world.crane), device(world.lamp)])
    for name, *attachments in [
        ("global", ("global", None)),
        ("site", ("site", world.harbour)),
        ("device", ("device", world.crane)),
        ("job", ("job", here)),
        ("both job", ("job", both)),
        ("mixed", ("site", world.harbour), ("site", world.lighthouse), ("job", there), ("device", world.loner)),
        ("other site", ("site", world.lighthouse)),
        ("other device", ("device", world.lamp)),
        ("other job", ("job", there)),
        ("no site", ("device", world.loner)),
    ]:
        await save(tx, world, world.admin, window(*attachments, name=name))
    assert await names(tx, world.operator) == ["both job", "device", "global", "job", "mixed", "site"]
    assert len(await names(tx, world.admin)) == 10
    found = await windows.list_windows(tx, world.operator, WindowFilter(), limit=50, cursor=None)
    foreign = {one.name for one in found.items if one.spans_other_sites}
    assert foreign == {"both job", "global", "mixed"}
    [mixed] = [one for one in found.items if one.name == "mixed"]
    assert [one.name for one in mixed.attachments] == ["Harbour"]
    assert not any(
        one.spans_other_sites
        for one in (await windows.list_windows(tx, world.admin, WindowFilter(), limit=50, cursor=None)).items
    )


async def test_an_operator_changes_only_what_lies_in_their_sites(tx, world, keys):
    own = await save(tx, world, world.operator, window(("site", world.harbour), ("device", world.pump), name="own"))
    mixed = await save(
        tx, world, world.admin, window(("site", world.harbour), ("site", world.lighthouse), name="mixed")
    )
    other = await save(tx, world, world.admin, window(("site", world.lighthouse), name="other"))
    await windows.delete(tx, world.operator, await windows.lock(tx, world.operator, own.id), now=world.now)
    with pytest.raises(ForbiddenError, match="more than your sites"):
        await windows.lock(tx, world.operator, mixed.id)
    with pytest.raises(NotFoundError):
        await windows.lock(tx, world.operator, other.id)
    assert [
        one.reason for one in windows.allowed_actions(world.operator, await windows.get(tx, world.operator, mixed.id))
    ] == ["This window covers more than your sites."] * 2


async def test_what_lies_in_other_sites_is_refused_as_if_it_did_not_exist(tx, world, keys):
    there = await make_job(tx, world, keys, targets=[device(world.lamp)])
    both = await make_job(tx, world, keys, "Both", targets=[device(world.crane), device(world.lamp)])
    foreign = window(("site", world.lighthouse), ("device", world.lamp), ("job", there))
    unknown = window(("site", 9_999_999), ("device", "00000000-0000-4000-8000-000000000000"), ("job", 9_999_999))
    expected = {"attachments.0.site_id": "site_not_found", "attachments.1.device_id": "device_not_found"}
    for one in (foreign, unknown):
        assert await refused(tx, world, world.operator, one) == {**expected, "attachments.2.job_id": "job_not_found"}
    assert await refused(tx, world, world.operator, window()) == {"attachments.0.kind": "needs_every_site"}
    assert await refused(tx, world, world.operator, window(("job", both))) == {
        "attachments.0.job_id": "job_spans_other_sites"
    }


async def test_a_viewer_reads_and_writes_nothing(tx, world):
    saved = await save(tx, world, world.admin, window(("site", world.harbour)))
    assert await names(tx, world.viewer) == ["Sunday maintenance"]
    with pytest.raises(ForbiddenError, match=Permission.WINDOWS_WRITE):
        await windows.lock(tx, world.viewer, saved.id)
    with pytest.raises(ForbiddenError):
        await save(tx, world, world.viewer, window(("site", world.harbour), name="other"))


async def test_operators_may_write_windows_and_override_them(world):
    needed = {Permission.WINDOWS_WRITE, Permission.WINDOWS_OVERRIDE}
    assert needed <= world.admin.permissions
    assert needed <= world.operator.permissions
    assert not needed & world.viewer.permissions


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_a_list_is_filtered_by_what_windows_cover(tx, world, keys):
    job = await make_job(tx, world, keys)
    everywhere = await save(tx, world, world.admin, window(name="everywhere", kind="deny"))
    for name, *attachments in [
        ("crane", ("device", world.crane)),
        ("harbour", ("site", world.harbour)),
        ("lighthouse", ("site", world.lighthouse)),
        ("nightly", ("job", job)),
    ]:
        await save(tx, world, world.admin, window(*attachments, name=name))
    assert await names(tx, world.admin, site_id=world.harbour) == ["everywhere", "harbour"]
    assert await names(tx, world.admin, device_id=world.crane) == ["crane", "everywhere", "harbour"]
    assert await names(tx, world.admin, job_id=job) == ["everywhere", "nightly"]
    assert await names(tx, world.admin, kind="deny") == [everywhere.name]
    assert await names(tx, world.admin, q="LIGHT") == ["lighthouse"]
    assert await names(tx, world.admin, enabled=False) == []


async def test_a_filter_tells_nothing_of_what_lies_in_other_sites(tx, world, keys):
    there = await make_job(tx, world, keys, "There", targets=[device(world.lamp)])
    foreign = [("site", world.lighthouse), ("device", world.lamp), ("job", there)]
    await save(tx, world, world.admin, window(("site", world.harbour), *foreign, name="mixed"))
    await save(tx, world, world.admin, window(name="everywhere"))
    for wanted in ({"site_id": world.lighthouse}, {"device_id": world.lamp}, {"job_id": there}):
        assert await names(tx, world.admin, **wanted) == ["everywhere", "mixed"]
        assert await names(tx, world.operator, **wanted) == ["everywhere"]
    assert await names(tx, world.operator, site_id=world.harbour) == ["everywhere", "mixed"]
    assert await names(tx, world.operator, device_id=world.crane) == ["everywhere", "mixed"]


async def test_a_list_is_paged_by_name(tx, world):
    for name in ("b", "C", "a", "D"):
        await save(tx, world, world.admin, window(name=name))
    seen, cursor = [], None
    while True:
        page = await windows.list_windows(tx, world.admin, WindowFilter(), limit=1, cursor=cursor)
        seen += [one.name for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["a", "b", "C", "D"]


# --- when what a window covers goes away ------------------------------------------------------------------------------


async def test_a_deleted_job_is_no_longer_covered(tx, world, keys):
    job = await make_job(tx, world, keys)
    saved = await save(tx, world, world.admin, window(("job", job), ("site", world.harbour)))
    await jobs.delete(tx, world.admin, await jobs.lock(tx, world.admin, job), now=world.now)
    after = await windows.get(tx, world.admin, saved.id)
    assert [one.name for one in after.attachments] == ["Harbour"]
    assert await refused(tx, world, world.admin, window(("job", job), name="other")) == {
        "attachments.0.job_id": "job_not_found"
    }


async def test_a_site_with_windows_stays_until_they_are_deleted(tx, world):
    island = (await tx.execute(text("INSERT INTO sites (name, description, timezone, enrolment_code_sealed, enrolment_code_hash,"
        " enrolment_code_rotated_at, created_at, updated_at) VALUES ('Island', '', 'UTC', '', '', :now, :now, :now) RETURNING id"),
        {"now": world.now})).scalar_one()  # fmt: skip
    saved = await save(tx, world, world.admin, window(("site", island)))
    with pytest.raises(ConflictError, match="windows"):
        await sites.delete_site(tx, world.admin, island, now=world.now)
    await windows.delete(tx, world.admin, await windows.lock(tx, world.admin, saved.id), now=world.now)
    await sites.delete_site(tx, world.admin, island, now=world.now)
    with pytest.raises(NotFoundError):
        await sites.get_site(tx, world.admin, island)
