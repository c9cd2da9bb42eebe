"""Waves and limits over HTTP: what a job may say, how far an occurrence is, and a person's word on it."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import World
from watchbill import runs
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database

PATH = "/api/scheduled_jobs"


@pytest.fixture
async def body(admin: httpx.AsyncClient, make_device, world: World) -> dict[str, Any]:
    """A job of four devices, of which one is the canary."""
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await admin.post("/api/assemblies", json=script)).json()["id"]
    ids = [str(await make_device(name, world.site_a)) for name in ("crane", "ferry", "lamp", "pump")]
    tagged = await admin.put(f"/api/devices/{ids[2]}/tags", json={"tags": ["canary"]})
    assert tagged.status_code == 200, tagged.text
    return {
        "name": "Clean all",
        "components": [{"assembly_id": assembly}],
        "targets": [{"kind": "device", "device_id": one} for one in ids],
        "schedule": {"type": "daily", "start": "2026-01-01T03:00", "timezone": "Europe/Berlin"},
        "policies": {"waves": {"sizes": [1], "canary": {"tag": "Canary"}, "promote": "manual"}, "concurrency": 2},
    }


def _code(reply: httpx.Response) -> str:
    assert reply.status_code == 409, reply.text
    return str(reply.json()["code"])


async def _started(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    made = await client.post(PATH, json=body)
    assert made.status_code == 201, made.text
    job = made.json()["id"]
    started = await client.post(f"{PATH}/{job}/rerun", json={})
    assert started.status_code == 202, started.text
    return f"{PATH}/{job}/occurrences/{started.json()['id']}"


async def test_a_job_keeps_its_waves_with_their_defaults(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    made = (await admin.post(PATH, json=body)).json()
    assert made["policies"]["waves"] == {
        "sizes": [1],
        "soak_seconds": 0,
        "promote": "manual",
        "order_by": "hostname",
        "reversed": False,
        "canary": {"tag": "canary", "targets": [], "if_none": "refuse"},
        "stop": {
            "failed_percent": None,
            "failed_count": None,
            "unreachable_percent": None,
            "unreachable_count": None,
            "least_results": 5,
            "cancel_running": False,
        },
    }
    assert (made["policies"]["concurrency"], made["policies"]["site_concurrency"]) == (2, None)
    preview = (await admin.get(f"{PATH}/{made['id']}/preview")).json()
    assert preview["waves"] == [1, 1, 2]


async def test_everything_wrong_is_named_at_once(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    waves = {"sizes": ["0%", 0], "promote": "never", "soak_seconds": 90_000, "stop": {"failed_percent": 101}}
    body["policies"] = {"waves": waves, "concurrency": 0, "site_concurrency": -1, "splay_seconds": 5}
    reply = await admin.post(PATH, json=body)
    assert reply.status_code == 422
    assert sorted(one["field"] for one in reply.json()["errors"]) == [
        "policies.concurrency",
        "policies.site_concurrency",
        "policies.splay_seconds",
        "policies.waves.promote",
        "policies.waves.sizes.0",
        "policies.waves.sizes.1",
        "policies.waves.stop.failed_percent",
    ]


async def test_waves_of_devices_do_not_go_with_waves_of_zones(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    body["schedule"] = {"type": "daily", "start": "2026-01-01T03:00", "timezone_source": "device"}
    reply = await admin.post(PATH, json=body)
    assert {one["field"] for one in reply.json()["errors"]} == {"policies.waves", "policies.concurrency"}
    soaks = {"sizes": [1, 1, 1], "soak_seconds": 43_200}
    body["schedule"] = {"type": "daily", "start": "2026-01-01T03:00", "timezone": "UTC"}
    reply = await admin.post(PATH, json=body | {"policies": {"waves": soaks}})
    assert [one["field"] for one in reply.json()["errors"]] == ["policies.waves.soak_seconds"]


async def test_a_person_promotes_and_brakes(
    admin: httpx.AsyncClient, viewer: httpx.AsyncClient, body: dict[str, Any], db: Database, clock: Clock
) -> None:
    path = await _started(admin, body)
    found = (await admin.get(path)).json()
    assert (found["rollout"]["phase"], found["rollout"]["wave"], found["rollout"]["waves"]) == ("running", 1, 3)
    assert [(one["size"], one["counts"], one["starts_at"] is None) for one in found["waves"]] == [
        (1, {"pending": 1}, False),
        (1, {"pending": 1}, True),
        (2, {"pending": 2}, True),
    ]
    rows = (await admin.get(f"{path.split('/occurrences')[0]}/devices")).json()["items"]
    assert {row["device"]["hostname"]: row["wave"] for row in rows} == {"crane": 2, "ferry": 3, "lamp": 1, "pump": 3}
    assert (await viewer.post(f"{path}/promote")).status_code == 403
    assert _code(await admin.post(f"{path}/promote", json={"wave": 3})) == "not_the_next_wave"
    for _ in range(2):
        promoted = await admin.post(f"{path}/promote", json={"wave": 2})
        assert (promoted.status_code, promoted.json()["rollout"]["wave"]) == (202, 2)
    assert (await admin.post(f"{path}/promote")).json()["rollout"]["wave"] == 3
    assert _code(await admin.post(f"{path}/promote")) == "no_more_waves"
    assert (await viewer.post(f"{path}/brake")).status_code == 403
    braked = (await admin.post(f"{path}/brake", json={"reason": "smoke"})).json()
    assert braked["rollout"]["sentence"] == "The brake is on. By ada: smoke"
    assert (braked["rollout"]["phase"], braked["rollout"]["braked_by"]) == ("braked", "ada")
    assert _code(await admin.post(f"{path}/promote")) == "braked"
    async with db.begin() as tx:
        (run,) = await runs.runs_of(tx, [UUID(path.rpartition("/")[2])])
        site = rows[0]["device"]["site_id"]
        assert await runs.release(tx, run.id, site, await clock.now(tx)) == 4
    ended = (await admin.get(path)).json()
    assert (ended["state"], ended["outcome"], ended["counts"]) == ("closed", "skipped", {"skipped": 4})
    told = (await admin.get("/api/audit", params={"limit": 50})).json()["items"]
    actions = [one["action"] for one in told]
    assert (actions.count("occurrence.promote"), actions.count("occurrence.brake")) == (2, 1)


async def test_a_run_without_waves_has_nothing_to_promote(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    path = await _started(admin, body | {"policies": {"concurrency": 1}})
    assert _code(await admin.post(f"{path}/promote")) == "no_waves"
    plain = await _started(admin, body | {"name": "Plain", "policies": {}})
    assert _code(await admin.post(f"{plain}/brake")) == "no_rollout"
    assert (await admin.get(plain)).json()["rollout"] is None
