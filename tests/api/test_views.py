"""Saved views: checked against the list they are for, private unless shared, and changed by their owner or an admin."""

from typing import get_args

import pytest

from tests.api.conftest import codes
from tests.api.jobs import PATH as JOBS
from tests.api.jobs import create as create_job
from watchbill.api.views import SCREENS, ScreenName

PATH = "/api/views"
NIGHT = {
    "name": "Night jobs that fail",
    "screen": "jobs",
    "query": {"tag": ["night"], "health": "failing", "enabled": "true", "sort": "-last_run"},
    "columns": ["name", "next_due_at", "recent_outcomes"],
}


async def create(client, **changes):
    reply = await client.post(PATH, json=NIGHT | changes)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def names(client, **query):
    return [item["name"] for item in (await client.get(PATH, params=query)).json()["items"]]


def test_every_screen_has_its_list():
    assert set(get_args(ScreenName)) == set(SCREENS)


async def test_a_view_is_kept_as_its_list_reads_it_and_its_query_opens_that_list(viewer, admin, fleet):
    await create_job(admin, fleet, tags=["night"])
    made = await create(viewer, query={"tag": "night", "enabled": "true", "sort": "-last_run", "q": None})
    assert made["query"] == {"tag": ["night"], "enabled": True, "sort": "-last_run"}
    assert (made["owner"], made["is_mine"], made["is_shared"], made["revision"]) == ("vera", True, False, 1)
    again = await viewer.get(f"{PATH}/{made['id']}")
    assert (again.json(), again.headers["etag"]) == (made, '"1"')
    listed = await viewer.get(JOBS, params=made["query"])
    assert [item["name"] for item in listed.json()["items"]] == ["Clear print spool"]


async def test_every_fault_is_told_at_once(admin):
    body = {
        "name": " x",
        "screen": "jobs",
        "query": {"sort": "colour", "health": "bad", "cursor": "x", "limit": 3, "colour": "red", "tag": ["No"]},
        "columns": ["name", "colour", "name"],
        "is_shared": "perhaps",
        "more": 1,
    }
    reply = await admin.post(PATH, json=body)
    assert reply.status_code == 422
    assert set(codes(reply)) == {
        *("name", "query.sort", "query.health", "query.cursor", "query.limit", "query.colour", "query.tag.0"),
        *("columns.1", "columns.2", "is_shared", "more"),
    }
    for faulty, field in (({"screen": "moon"}, "screen"), ({"query": []}, "query"), ({"columns": []}, "columns")):
        assert set(codes(await admin.post(PATH, json=NIGHT | faulty))) == {field}
    assert set(codes(await admin.post(PATH, json=[]))) >= {"", "name", "screen"}


@pytest.mark.parametrize(
    ("screen", "query"),
    [
        ("occurrences", {"state": ["missed"], "from": "2026-05-04T07:00:00Z", "sort": "time"}),
        ("devices", {"online": True, "os_family": "linux"}),
        ("device_approvals", {"state": "pending"}),
        ("windows", {"kind": "deny"}),
        ("assemblies", {"archived": "all"}),
    ],
)
async def test_views_of_other_screens(admin, screen, query):
    made = await create(admin, screen=screen, query=query, columns=None)
    assert (made["query"], made["columns"]) == (query, None)


async def test_a_private_view_is_its_owners_alone_and_a_shared_one_everybodys(admin, operator, viewer):
    made = await create(operator)
    path = f"{PATH}/{made['id']}"
    for other in (admin, viewer):
        assert (await other.get(path)).status_code == 404
        assert (await other.put(path, json=NIGHT)).status_code == 404
        assert await names(other) == []
    shared = await operator.put(path, json=NIGHT | {"is_shared": True})
    assert (shared.json()["revision"], shared.headers["etag"]) == (2, '"2"')
    assert await names(viewer) == await names(viewer, mine=False) == await names(operator, mine=True) == [NIGHT["name"]]
    assert (
        await names(viewer, mine=True)
        == await names(operator, mine=False)
        == await names(viewer, screen="devices")
        == []
    )
    assert [one["allowed"] for one in (await viewer.get(path)).json()["allowed_actions"]] == [False, False]
    refused = await viewer.put(path, json=NIGHT)
    assert (refused.status_code, refused.json()["code"]) == (403, "view_of_another")
    assert (await viewer.delete(path)).status_code == 403
    taken_back = await admin.put(path, json=NIGHT | {"is_shared": False})
    assert (taken_back.status_code, taken_back.json()["owner"]) == (200, "otto")
    assert (await admin.get(path)).status_code == 404
    assert (await operator.delete(path)).status_code == 204
    assert await names(operator) == []


async def test_a_lost_update_is_refused_and_what_changes_nothing_makes_no_revision(admin):
    made = await create(admin)
    path, guard = f"{PATH}/{made['id']}", {"If-Match": '"1"'}
    same = await admin.put(path, json=NIGHT, headers=guard)
    assert same.json()["revision"] == 1
    assert (await admin.put(path, json=NIGHT | {"name": "Other"}, headers=guard)).json()["revision"] == 2
    assert (await admin.put(path, json=NIGHT, headers=guard)).status_code == 412
    assert (await admin.delete(path, headers=guard)).status_code == 412


async def test_names_are_told_apart_for_each_person_and_screen(admin, operator):
    await create(admin, is_shared=True)
    assert codes(await admin.post(PATH, json=NIGHT | {"name": "NIGHT jobs that fail"})) == {"name": "name_taken"}
    await create(admin, screen="devices", query={}, columns=None)
    await create(operator)
    assert len(await names(operator, screen="jobs")) == 2
    first = (await admin.get(PATH, params={"limit": 1})).json()
    rest = (await admin.get(PATH, params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert {first["items"][0]["screen"], rest["items"][0]["screen"]} == {"jobs", "devices"}
    assert rest["next_cursor"] is None


async def test_the_same_request_twice_makes_one_view_and_audit_rows_tell_of_each_change(admin):
    headers = {"Idempotency-Key": "one"}
    first, second = [await admin.post(PATH, json=NIGHT, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    path = f"{PATH}/{first.json()['id']}"
    await admin.put(path, json=NIGHT | {"is_shared": True})
    await admin.delete(path)
    rows = (await admin.get("/api/audit", params={"object_kind": "view"})).json()["items"]
    assert [row["action"] for row in rows] == ["view.delete", "view.update", "view.create"]
