"""The list of jobs: every filter with every order, tags, and cursors that outlive changes of the rows."""

from datetime import timedelta
from itertools import product
from typing import get_args

import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from tests.api.jobs import PATH, YAML, create, definition_of, device, job
from tests.api.ledgers import occurred
from watchbill.jobs import Sort
from watchbill.runs import Health

FILTERS: list[dict[str, object]] = [
    {},
    {"q": "job"},
    {"kind": "automation"},
    {"state": "active"},
    {"enabled": False},
    {"tag": ["night"]},
    {"tag": ["night", "eu"]},
    *({"health": health} for health in get_args(Health)),
]


@pytest.fixture
async def seven(admin, db, clock, fleet, world):
    """Seven jobs that differ in everything a list asks for."""
    async with db.begin() as tx:
        now = await clock.now(tx)
    for number in range(7):
        made = await create(
            admin,
            fleet,
            name=f"{'JOB' if number % 2 else 'job'} {number}",
            tags=[["night", "eu"], ["night"], []][number % 3],
            enabled=number % 4 != 3,
            schedule={"type": "hourly" if number < 4 else "daily", "start": "2030-01-31T07:00"},
            targets=[device(fleet["crane" if number % 2 else "lamp"])],
        )
        counts = {(world.site_a, "pending"): 1}
        if number in (1, 2, 5):
            await occurred(db, made["id"], now - timedelta(hours=number), "failed")
        if number in (2, 4):
            await occurred(db, made["id"], now, None, counts=counts)
        if number in (0, 5):
            await occurred(db, made["id"], now - timedelta(days=1), None, state="missed", reason="catch_up_window")
        if number in (0, 6):
            await admin.post(f"{PATH}/{made['id']}/rerun")


async def names(client, limit=2, **query):
    found, cursor = [], None
    while True:
        reply = await client.get(PATH, params={**query, "limit": limit, **({"cursor": cursor} if cursor else {})})
        assert reply.status_code == 200, reply.text
        found += [item["name"] for item in reply.json()["items"]]
        cursor = reply.json()["next_cursor"]
        if cursor is None:
            return found


async def test_every_filter_goes_with_every_order(admin, world, seven):
    for wanted, sort in product([*FILTERS, {"site_id": world.site_a}], get_args(Sort)):
        expected = set(await names(admin, limit=50, **wanted))
        found = await names(admin, sort=sort, **wanted)
        assert len(found) == len(set(found)), (wanted, sort)
        assert set(found) == expected, (wanted, sort)
        other_way = sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"
        assert await names(admin, sort=other_way, limit=3, **wanted) == found[::-1], (wanted, sort)
    assert len(await names(admin)) == 7
    assert await names(admin, tag=["night", "eu"]) == ["job 0", "JOB 3", "job 6"]
    assert await names(admin, health="missed", tag="night", site_id=world.site_b) == ["job 0"]


async def test_by_last_run_those_that_never_ran_are_oldest_and_a_rerun_counts(admin, seven):
    found = await names(admin, sort="-last_run")
    assert found[:2] == ["job 6", "job 0"]
    rows = {item["name"]: item["last_run_at"] for item in (await admin.get(PATH)).json()["items"]}
    assert [name for name in found if rows[name]] == ["job 6", "job 0"]


async def test_a_cursor_stays_valid_while_rows_change_and_goes(admin, fleet, seven):
    for sort in ("name", "next_due", "last_run", "updated", "state"):
        first = (await admin.get(PATH, params={"sort": sort, "limit": 3})).json()
        last = first["items"][-1]
        await admin.post(f"{PATH}/{last['id']}/toggle", json={"enabled": not last["enabled"]})
        rest = await admin.get(PATH, params={"sort": sort, "limit": 50, "cursor": first["next_cursor"]})
        assert rest.status_code == 200, rest.text
        seen = {item["id"] for item in first["items"]}
        left = {item["id"] for item in rest.json()["items"]}
        assert left - {last["id"]} == {item["id"] for item in (await admin.get(PATH)).json()["items"]} - seen


async def test_wrong_values_are_refused_with_the_allowed_ones(admin, fleet):
    query = {
        "sort": "colour",
        "state": "ill",
        "health": "bad",
        "kind": "x",
        "tag": "No",
        "enabled": "perhaps",
        "q2": "x",
    }
    reply = await admin.get(PATH, params=query)
    assert reply.status_code == 422
    told = {problem["field"]: problem["message"] for problem in reply.json()["errors"]}
    assert set(told) == {"sort", "state", "health", "kind", "tag.0", "enabled", "q2"}
    assert all(one in told["sort"] for one in get_args(Sort))
    assert "'failing', 'missed', 'waiting' or 'will_not_fire'" in told["health"]
    cursor = (await admin.get(PATH, params={"limit": 1, "sort": "state"})).json()["next_cursor"]
    assert cursor is None
    await create(admin, fleet)
    await create(admin, fleet)
    cursor = (await admin.get(PATH, params={"limit": 1, "sort": "state"})).json()["next_cursor"]
    assert codes(await admin.get(PATH, params={"sort": "last_run", "cursor": cursor})) == {"cursor": "invalid"}


async def test_tags_are_part_of_the_job_and_of_what_a_save_changed(admin, fleet):
    made = await create(admin, fleet, tags=["night", "eu"])
    assert made["tags"] == ["eu", "night"]
    again = await admin.put(f"{PATH}/{made['id']}", json={**definition_of(made), "tags": ["night", "eu"]})
    assert again.json()["revision"] == 1, "another order is no change"
    saved = await admin.put(f"{PATH}/{made['id']}", json={**definition_of(made), "tags": ["night", "us"]})
    assert saved.json()["tags"] == ["night", "us"]
    [newest, _] = (await admin.get(f"{PATH}/{made['id']}/revisions")).json()["items"]
    assert newest["changes"] == [{"field": "tags", "before": ["eu", "night"], "after": ["night", "us"]}]
    assert await names(admin, tag="eu") == []
    refused = await admin.post(PATH, json=job(fleet, tags=["Night", "a", "a"]))
    assert codes(refused) == {"tags.0": "invalid_tag", "tags.2": "duplicate"}


async def test_a_job_saved_before_there_were_tags_has_none_and_can_be_given_some(admin, db, fleet):
    made = await create(admin, fleet)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE jobs SET definition = definition - 'tags' WHERE id = :id"), {"id": made["id"]})
    old = (await admin.get(f"{PATH}/{made['id']}")).json()
    assert old["tags"] == []
    saved = await admin.put(f"{PATH}/{made['id']}", json={**definition_of(old), "tags": ["night"]})
    assert (saved.json()["tags"], saved.json()["revision"]) == (["night"], 2)


async def test_tags_go_into_the_file_of_a_job_and_out_of_it(admin, fleet):
    made = await create(admin, fleet, tags=["night", "eu"])
    file = (await admin.get(f"{PATH}/{made['id']}/export")).text
    assert "tags:\n- eu\n- night\n" in file
    same = (await admin.post(f"{PATH}/plan", content=file, headers=YAML)).json()
    assert same["action"] == "unchanged"
    other = file.replace("night", "day")
    plan = (await admin.post(f"{PATH}/plan", content=other, headers=YAML)).json()
    assert plan["changes"] == [{"field": "tags", "before": ["eu", "night"], "after": ["day", "eu"]}]
    applied = await admin.post(f"{PATH}/import", params={"on_existing": "update"}, content=other, headers=YAML)
    assert applied.json()["tags"] == ["day", "eu"]
