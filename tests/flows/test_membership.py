"""Targets that are rules, over a whole Engine: who is in is decided anew each time, stays as it was frozen, and can be explained."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.flows.fleet import Agent, Fleet, until
from watchbill.apps import doctor

pytestmark = pytest.mark.timeout(180)

JOBS = "/api/scheduled_jobs"
PASSPHRASE = "correct horse battery staple"


async def tag(fleet: Fleet, agent: Agent, *tags: str) -> None:
    reply = await fleet.http.put(f"/api/devices/{agent.device_id}/tags", json={"tags": list(tags)})
    assert reply.status_code == 200, reply.text


async def again(client: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    """Another occurrence of the job, for whoever its targets find now."""
    reply = await client.post(f"{JOBS}/{job['id']}/rerun", json={"targets": "all"})
    assert reply.status_code == 202, reply.text
    return dict(reply.json())


async def rows(fleet: Fleet, job: dict[str, Any], occurrence: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its device rows by device; whether a device is online now is no part of what was frozen."""
    found = await fleet.rows(job, occurrence=occurrence["id"])
    return {row["device"]["id"]: row | {"device": row["device"]["hostname"]} for row in found}


async def test_who_joins_and_who_leaves_a_filter_shows_between_two_occurrences(fleet: Fleet) -> None:
    stays, leaves, joins = [await fleet.enrol(name) for name in ("stays", "leaves", "joins")]
    for agent in (stays, leaves):
        await tag(fleet, agent, "web")
    criteria = {
        "all": [{"field": "tags", "operator": "has", "value": "web"}, {"field": "online", "operator": "is_true"}]
    }
    made = await fleet.http.post("/api/device_filters", json={"name": "Web servers", "criteria": criteria})
    assert made.status_code == 201, made.text
    job = await fleet.job(await fleet.script("hostname"), targets=[{"kind": "filter", "filter_id": made.json()["id"]}])
    first = await fleet.closed(job)
    before = await rows(fleet, job, first)
    assert {key: row["state"] for key, row in before.items()} == dict.fromkeys(
        (stays.device_id, leaves.device_id), "success"
    )
    assert before[stays.device_id]["found_by"] == ["filter “Web servers” (revision 1)"]

    await tag(fleet, leaves)
    await tag(fleet, joins, "web", "new")
    second = await again(fleet.http, job)
    await until(lambda: _is_closed(fleet, job, second))
    after = await rows(fleet, job, second)
    assert set(after) == {stays.device_id, joins.device_id}
    now = await rows(fleet, job, first)
    assert {key: row["rerun_as"] is not None for key, row in now.items()} == {
        stays.device_id: True,
        leaves.device_id: False,
    }
    assert {key: {**row, "rerun_as": None} for key, row in now.items()} == before, "what was frozen stays as it was"

    diff = await fleet.http.get(f"{JOBS}/{job['id']}/occurrences/{first['id']}/diff/{second['id']}")
    assert diff.status_code == 200, diff.text
    told = diff.json()
    assert (told["joined"], told["left"], told["stayed"]) == (1, 1, 1)
    assert {one["device_id"]: (one["change"], one["why"]) for one in told["items"]} == {
        joins.device_id: ("joined", "Found by filter “Web servers” (revision 1): the device changed."),
        leaves.device_id: ("left", "Not found any more by filter “Web servers” (revision 1): the device changed."),
    }
    await _is_sound(fleet)


async def test_an_operator_who_loses_a_site_takes_it_from_his_jobs(fleet: Fleet) -> None:
    here = await fleet.enrol("here")
    site = (await fleet.http.post("/api/sites", json={"name": "Lighthouse"})).json()
    there = await fleet.enrol("there", start=False)
    moved = await fleet.http.patch(f"/api/devices/{there.device_id}", json={"site_id": site["id"]})
    assert moved.status_code == 200, moved.text
    olga = {
        "username": "olga",
        "password": PASSPHRASE,
        "role": "operator",
        "must_change_password": False,
        "site_ids": [fleet.site["id"], site["id"]],
    }
    operator = (await fleet.http.post("/api/operators", json=olga)).json()
    async with signed_in(fleet, "olga") as client:
        body = {
            "name": "Everything of mine",
            "components": [{"assembly_id": await fleet.script("hostname")}],
            "targets": [{"kind": "all_devices"}],
            "schedule": {"type": "yearly", "start": "2030-01-01T03:00"},
            "policies": {"overlap": "allow"},
        }
        made = await client.post(JOBS, json=body)
        assert made.status_code == 201, made.text
        job = made.json()
        first = await rows(fleet, job, await again(client, job))
        assert set(first) == {here.device_id, there.device_id}

        narrowed = await fleet.http.patch(f"/api/operators/{operator['id']}", json={"site_ids": [fleet.site["id"]]})
        assert narrowed.status_code == 200, narrowed.text
        second = await rows(fleet, job, await again(fleet.http, job))
        assert (second[there.device_id]["state"], second[there.device_id]["reason"]) == ("skipped", "out_of_scope")
        assert second[here.device_id]["reason"] is None
        seen = await client.get(f"{JOBS}/{job['id']}/devices")
        assert [one["device"]["id"] for one in seen.json()["items"]] == [here.device_id], (
            "nor is he told of it any more"
        )


async def _is_closed(fleet: Fleet, job: dict[str, Any], one: dict[str, Any]) -> bool:
    reply = await fleet.http.get(f"{JOBS}/{job['id']}/occurrences/{one['id']}")
    return bool(reply.json()["state"] == "closed")


@asynccontextmanager
async def signed_in(fleet: Fleet, username: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=fleet.http.base_url, timeout=20) as client:
        reply = await client.post("/api/session", json={"username": username, "password": PASSPHRASE})
        assert reply.status_code == 200, reply.text
        client.headers["X-CSRF-Token"] = reply.json()["csrf_token"]
        yield client


async def _is_sound(fleet: Fleet) -> None:
    engine = fleet.engine()
    try:
        assert await doctor.check(engine) == []
    finally:
        await engine.db.close()
