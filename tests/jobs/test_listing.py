"""Lists of jobs: every order pages through each job once, filters narrow, and foreign sites stay out of it."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from tests.jobs.conftest import World, device
from watchbill import jobs
from watchbill.jobs import JobFilter, summary
from watchbill.jobs.listing import page_query, visible_ids
from watchbill.kit.errors import InvalidError


async def listed(tx, actor, *, limit=2, **wanted):
    names, cursor = [], None
    while True:
        page = await jobs.list_jobs(tx, actor, JobFilter(**wanted), limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        names += [job.definition["name"] for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return names


async def fill(tx, world: World, keys):
    """Five jobs: names in mixed case, one paused, one of the other site, equal due times."""
    plans: list[tuple[str, dict[str, object], list[UUID]]] = [
        ("delta", {}, [world.crane]),
        ("Alpha", {}, [world.crane]),
        ("charlie", {"enabled": False}, [world.pump]),
        ("Bravo", {}, [world.lamp]),
        ("100% _x", {"schedule": {"type": "hourly"}}, [world.pump, world.lamp]),
    ]
    for place, (name, changes, targets) in enumerate(plans):
        definition = world.job(name=name, targets=[device(one) for one in targets], **changes)
        await jobs.create(tx, world.admin, definition, keys=keys, now=world.now + timedelta(seconds=place))


@pytest.mark.parametrize("sort", ["name", "next_due", "updated", "id"])
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_every_order_shows_each_job_once_and_backwards_is_the_reverse(tx, world, keys, sort, limit):
    await fill(tx, world, keys)
    forwards = await listed(tx, world.admin, sort=sort, limit=limit)
    assert len(forwards) == len(set(forwards)) == 5
    assert await listed(tx, world.admin, sort=f"-{sort}", limit=limit) == forwards[::-1]


async def test_orders_are_what_they_say(tx, world, keys):
    await fill(tx, world, keys)
    assert await listed(tx, world.admin, sort="name") == ["100% _x", "Alpha", "Bravo", "charlie", "delta"]
    assert await listed(tx, world.admin, sort="id") == ["delta", "Alpha", "charlie", "Bravo", "100% _x"]
    assert (await listed(tx, world.admin, sort="next_due"))[-1] == "charlie", "what is never due comes last"


async def test_a_page_stays_put_while_rows_come_and_go(tx, world, keys):
    await fill(tx, world, keys)
    first = await jobs.list_jobs(tx, world.admin, JobFilter(), limit=2, cursor=None)
    await jobs.create(tx, world.admin, world.job(name="Aardvark"), keys=keys, now=world.now)
    gone = await jobs.lock(tx, world.admin, first.items[0].id)
    await jobs.delete(tx, world.admin, gone, now=world.now)
    second = await jobs.list_jobs(tx, world.admin, JobFilter(), limit=2, cursor=first.next_cursor)
    assert [job.definition["name"] for job in second.items] == ["Bravo", "charlie"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"q": "A"}, ["Alpha", "Bravo", "charlie", "delta"]),
        ({"q": "%"}, ["100% _x"]),
        ({"q": "_"}, ["100% _x"]),
        ({"enabled": False}, ["charlie"]),
        ({"state": "paused"}, ["charlie"]),
        ({"state": "active", "enabled": True, "q": "alp"}, ["Alpha"]),
        ({"kind": "onboarding"}, []),
        ({"kind": "automation", "q": "delta"}, ["delta"]),
    ],
)
async def test_filters_narrow_the_list(tx, world, keys, wanted, expected):
    await fill(tx, world, keys)
    assert await listed(tx, world.admin, **wanted) == expected


async def test_one_sees_the_jobs_of_ones_sites_and_the_site_filter_stays_within_them(tx, world, keys):
    await fill(tx, world, keys)
    mine = ["100% _x", "Alpha", "charlie", "delta"]
    assert await listed(tx, world.operator) == mine
    assert await listed(tx, world.viewer, site_id=world.harbour) == mine
    assert await listed(tx, world.operator, site_id=world.lighthouse) == []
    assert await listed(tx, world.admin, site_id=world.lighthouse) == ["100% _x", "Bravo"]
    ids = (await tx.execute(visible_ids(world.operator.scope))).scalars().all()
    assert len(ids) == 4
    spanning = await jobs.list_jobs(tx, world.operator, JobFilter(q="%"), limit=5, cursor=None)
    assert (spanning.items[0].targets.devices, spanning.items[0].spans_other_sites) == (1, True)


async def test_a_list_reads_no_targets_and_counts_them_as_a_look_at_one_job_does(tx, world, keys):
    named = [device(one) for one in (world.crane, world.pump, world.lamp)]
    body = world.job(targets=named, exclusions=[device(world.pump)])
    made = (await jobs.create(tx, world.admin, body, keys=keys, now=world.now)).job
    for actor, counts in ((world.admin, (2, 1, 2)), (world.operator, (1, 1, 1))):
        (item,) = (await jobs.list_jobs(tx, actor, JobFilter(), limit=5, cursor=None)).items
        one = await jobs.get(tx, actor, made.id)
        assert not item.definition.keys() & {"targets", "exclusions"}
        assert item.targets == one.targets
        assert (one.targets.devices, one.targets.excluded, one.targets.online) == counts
        assert (item.spans_other_sites, item.spares_other_sites) == (one.spans_other_sites, one.spares_other_sites)
        assert item.spans_other_sites is (actor is world.operator)


@pytest.mark.parametrize("who", ["admin", "operator"])
async def test_of_many_devices_a_list_does_not_look_which_are_online(tx, world, keys, monkeypatch, who):
    monkeypatch.setattr(summary, "MOST_LISTED", 1)
    actor = getattr(world, who)
    for number, named in ((1, [world.crane]), (2, [world.crane, world.pump])):
        body = world.job(name=f"Job {number}", targets=[device(one) for one in named])
        await jobs.create(tx, world.admin, body, keys=keys, now=world.now)
    few, many = (await jobs.list_jobs(tx, actor, JobFilter(), limit=5, cursor=None)).items
    assert [(one.targets.devices, one.targets.online) for one in (few, many)] == [(1, 1), (2, None)]
    assert (await jobs.get(tx, actor, many.id)).targets.online == 1


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "WyJuYW1lIiwgIngiXQ", "WyJ1cGRhdGVkIiwgIm5vIiwgMV0"])
async def test_a_cursor_of_another_list_is_refused(tx, world, cursor):
    for sort in ("name", "updated", "next_due", "id"):
        with pytest.raises(InvalidError):
            await jobs.list_jobs(tx, world.admin, JobFilter(sort=sort), limit=2, cursor=cursor)


async def many(tx, world: World, keys) -> None:
    """Three thousand jobs, of which thirty have the tag `rare` and thirty missed an instant."""
    job = (await jobs.create(tx, world.admin, world.job(tags=["often"]), keys=keys, now=world.now)).job
    copy = text(
        "INSERT INTO jobs (name, job_kind, revision, definition, enabled, state, schedule_type, mark_at, next_due_at,"
        " tzdata_version, created_at, updated_at, tags, last_run_at) SELECT name || n, job_kind, revision, definition,"
        " enabled, state, schedule_type, mark_at, next_due_at + n * interval '1 minute', tzdata_version, created_at,"
        " updated_at + n * interval '1 second', CASE WHEN n % 100 = 0 THEN '{often,rare}' ELSE tags END,"
        " updated_at + n * interval '1 second' FROM jobs, generate_series(1, 3000) n WHERE id = :id"
    )
    await tx.execute(copy, {"id": job.id})
    await tx.execute(text("ANALYZE jobs"))


async def explained(tx, query) -> str:
    compiled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    return "\n".join((await tx.execute(text(f"EXPLAIN {compiled}".replace(":", "\\:")))).scalars())


@pytest.mark.parametrize(
    ("sort", "index"),
    [
        ("name", "jobs_name"),
        ("-next_due", "jobs_next"),
        ("updated", "jobs_updated"),
        ("-last_run", "jobs_last_run"),
        ("state", "jobs_state"),
    ],
)
async def test_a_deep_page_begins_at_its_place_in_an_index(tx, world, keys, sort, index):
    await many(tx, world, keys)
    wanted = JobFilter(sort=sort)
    page = await jobs.list_jobs(tx, world.admin, wanted, limit=100, cursor=None)
    plan = await explained(tx, page_query(world.admin.scope, wanted, limit=50, cursor=page.next_cursor))
    assert index in plan
    assert "Index Cond: (ROW(" in plan
    assert "Sort" not in plan


async def test_a_rare_tag_is_found_by_its_index(tx, world, keys):
    await many(tx, world, keys)
    wanted = JobFilter(tags=["rare"])
    plan = await explained(tx, page_query(world.admin.scope, wanted, limit=50, cursor=None))
    assert "jobs_tags" in plan
    assert len(await listed(tx, world.admin, tags=["rare", "often"], limit=50)) == 30
