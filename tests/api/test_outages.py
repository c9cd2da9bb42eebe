"""Outages over HTTP: what was missed while the Engine was away, deciding about it, the guard's settings."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.conftest import SignIn, World, codes
from watchbill import runs
from watchbill.api.events import _is_for
from watchbill.core.occurrence import public_id
from watchbill.identity.actor import EVERY_SITE, SiteScope
from watchbill.kit import events
from watchbill.kit.db import Database
from watchbill.kit.events import Cursor
from watchbill.runs import Held, Missed, outages

PATH = "/api/outages"
AWAY = timedelta(hours=3)


@pytest.fixture
async def fleet(admin: httpx.AsyncClient, make_device, world: World) -> dict[str, int]:
    """Jobs of site A, of site B and of both, each with another policy."""
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await admin.post("/api/assemblies", json=script)).json()["id"]
    crane, lamp = [
        str(await make_device(name, site)) for name, site in (("crane", world.site_a), ("lamp", world.site_b))
    ]
    made = {}
    for name, catch_up, devices in (
        ("latest", "latest", [crane]),
        ("all", "all", [crane]),
        ("hold", "hold", [lamp]),
        ("both", "latest", [crane, lamp]),
    ):
        body = {
            "name": f"Clean {name}",
            "components": [{"assembly_id": assembly}],
            "targets": [{"kind": "device", "device_id": one} for one in devices],
            "schedule": {"type": "every_5_minutes", "start": "2026-01-01T00:00", "timezone": "UTC"},
            "policies": {"catch_up": catch_up, "catch_up_window_seconds": 3600, "overlap": "allow"},
        }
        reply = await admin.post("/api/scheduled_jobs", json=body)
        assert reply.status_code == 201, reply.text
        made[name] = reply.json()["id"]
    return made


@pytest.fixture
async def now(db: Database, clock) -> datetime:
    async with db.begin() as tx:
        found: datetime = await clock.now(tx)
        return found


@pytest.fixture
async def outage(db: Database, fleet: dict[str, int], now: datetime) -> int:
    """Three hours away, with the guard up: each job missed five instants and has two held; an older silence before it."""
    async with db.begin() as tx:
        await outages.notice(tx, now - 3 * AWAY)
        await outages.notice(tx, now - 2 * AWAY)
        await outages.notice(tx, now - AWAY)
        await tx.execute(text("UPDATE scheduler_pulse SET guard_least_jobs = 1"))
        await tx.execute(text("UPDATE jobs SET mark_at = :at, next_due_at = :at"), {"at": now - AWAY})
        felt = await outages.notice(tx, now)
        await tx.execute(text("UPDATE jobs SET mark_at = :now, next_due_at = :next"), {"now": now, "next": now + AWAY})
        await tx.execute(
            text("UPDATE outages SET guard = 'released' WHERE guard = 'up' AND to_at < :now"), {"now": now}
        )
        for name, job in fleet.items():
            await leave(tx, job, now, "misfire_hold" if name == "hold" else "storm_guard")
    (found,) = felt.noticed
    assert found.guard == "up"
    return found.id


async def leave(tx, job: int, now: datetime, reason: str) -> None:
    def at(minutes: int) -> datetime:
        return now.replace(second=0, microsecond=0) - timedelta(minutes=minutes)

    first = at(150)
    missed = Missed(public_id(job, "schedule", first, ""), job, 1, first, at(130), 5, "catch_up_window")
    await runs.record_missed(tx, [missed], now)
    held = [
        Held(public_id(job, "schedule", at(minutes), ""), job, 1, at(minutes), reason, "late") for minutes in (20, 15)
    ]
    await runs.record_held(tx, held, now)


async def read(client: httpx.AsyncClient, outage: int | str = "latest", **query: Any) -> dict[str, Any]:
    reply = await client.get(f"{PATH}/{outage}", params=query)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def decide(client: httpx.AsyncClient, outage: int, **body: Any) -> dict[str, Any]:
    reply = await client.post(f"{PATH}/{outage}/release", json=body)
    assert reply.status_code == 200, reply.text
    done: dict[str, Any] = reply.json()
    return done


async def test_outages_are_listed_newest_first(viewer, outage, now):
    rows = (await viewer.get(PATH)).json()["items"]
    assert [row["kind"] for row in rows] == ["outage"] * 3
    assert rows[0]["id"] == outage
    assert (rows[0]["from_at"], rows[0]["to_at"]) == tuple(
        at.isoformat().replace("+00:00", "Z") for at in (now - AWAY, now)
    )
    assert rows[0]["guard"] == "up"
    paged = (await viewer.get(PATH, params={"limit": 2})).json()
    rest = (await viewer.get(PATH, params={"limit": 2, "cursor": paged["next_cursor"]})).json()
    assert [*paged["items"], *rest["items"]] == rows
    assert (await viewer.get(PATH, params={"kind": "clock_skew"})).json()["items"] == []
    assert (await viewer.get(PATH, params={"kind": "meteor"})).status_code == 422


async def test_the_away_view_says_for_each_job_what_happened_and_what_is_proposed(admin, fleet, outage):
    found = await read(admin)
    assert (found["id"], found["guard"]) == (outage, "up")
    assert found["totals"] == {"jobs": 4, "missed": 20, "held": 8, "late": 0, "decided": 0}
    rows = {row["name"].removeprefix("Clean "): row for row in found["jobs"]}
    assert {name: row["proposed"] for name, row in rows.items()} == {
        "latest": "run_latest",
        "all": "run_all",
        "hold": "decide",
        "both": "run_latest",
    }
    row = rows["latest"]
    assert (row["job_id"], row["missed"], row["held"], row["state"]) == (fleet["latest"], 5, 2, "active")
    assert (row["catch_up"], row["is_running"], row["has_run_since"]) == ("latest", False, False)
    span = datetime.fromisoformat(row["newest_at"]) - datetime.fromisoformat(row["oldest_at"])
    assert span == timedelta(minutes=135)


async def test_a_job_that_has_run_since_needs_no_make_up(admin, db, fleet, outage, now):
    later = now + timedelta(minutes=1)
    async with db.begin() as tx:
        at = later.replace(microsecond=0)
        opening = runs.Opening(
            public_id(fleet["latest"], "schedule", at, ""),
            fleet["latest"],
            1,
            "schedule",
            at,
            at + AWAY,
            overlap="allow",
        )
        await runs.open_occurrences(tx, [opening], later)
    row = next(one for one in (await read(admin))["jobs"] if one["job_id"] == fleet["latest"])
    assert (row["proposed"], row["is_running"], row["has_run_since"]) == ("skip", True, True)


async def test_everybody_sees_the_outage_and_the_jobs_of_their_sites(admin, operator, other, fleet, outage):
    def names(found: dict[str, Any]) -> set[str]:
        return {row["name"].removeprefix("Clean ") for row in found["jobs"]}

    assert names(await read(admin, outage)) == {"latest", "all", "hold", "both"}
    mine = await read(operator, outage)
    assert names(mine) == {"latest", "all", "both"}
    assert mine["totals"] == {"jobs": 3, "missed": 15, "held": 6, "late": 0, "decided": 0}
    assert names(await read(other, outage)) == {"hold", "both"}


async def test_jobs_are_paged_those_to_decide_first(admin, fleet, outage):
    await decide(admin, outage, jobs=[fleet["latest"]], action="skip")
    whole = (await read(admin))["jobs"]
    assert [row["held"] > 0 for row in whole] == [True, True, True, False]
    assert (whole[-1]["job_id"], whole[-1]["proposed"], whole[-1]["decided"]) == (fleet["latest"], "none", 2)
    rows, query = [], {"limit": 1}
    while True:
        page = await read(admin, **query)
        rows += page["jobs"]
        if page["next_cursor"] is None:
            break
        query = {"limit": 1, "cursor": page["next_cursor"]}
    assert rows == whole
    assert (await admin.get(f"{PATH}/{outage}", params={"cursor": "bogus"})).status_code == 422


async def test_what_is_held_is_released_skipped_or_made_up_for_by_the_latest(admin, db, fleet, outage):
    assert await decide(admin, outage, jobs=[fleet["all"]], action="release") == {
        "released": 2, "skipped": 0, "left": 0, "refused": [],
    }  # fmt: skip
    assert await decide(admin, outage, jobs=[fleet["hold"]], action="skip", reason="old news") == {
        "released": 0, "skipped": 2, "left": 0, "refused": [],
    }  # fmt: skip
    assert (await read(admin))["guard"] == "up"
    assert await decide(admin, outage, jobs="all", action="latest") == {
        "released": 2, "skipped": 2, "left": 0, "refused": [],
    }  # fmt: skip
    found = await read(admin)
    assert (found["guard"], found["released_by"], found["totals"]["decided"]) == ("released", "ada", 8)
    assert found["released_at"] is not None
    async with db.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT job_id, state, reason, detail FROM occurrences WHERE state <> 'missed' ORDER BY job_id, scheduled_for_at"
            )
        )
        states = [(row.job_id, row.state, row.reason) for row in rows]
        told = (
            (await tx.execute(text("SELECT detail FROM audit WHERE action = 'outage.decide' ORDER BY id")))
            .scalars()
            .all()
        )
    assert states == [
        (fleet["latest"], "skipped", "by_operator"), (fleet["latest"], "open", None),
        (fleet["all"], "open", None), (fleet["all"], "open", None),
        (fleet["hold"], "skipped", "by_operator"), (fleet["hold"], "skipped", "by_operator"),
        (fleet["both"], "skipped", "by_operator"), (fleet["both"], "open", None),
    ]  # fmt: skip
    assert [one["action"] for one in told] == ["release", "skip", "latest"]
    assert told[1]["reason"] == "old news"
    assert await decide(admin, outage, jobs="all", action="release") == {
        "released": 0, "skipped": 0, "left": 0, "refused": [],
    }  # fmt: skip


async def test_what_a_window_holds_is_left_to_the_window_by_whoever_decides_for_all(admin, db, fleet, outage, now):
    at = now.replace(second=0, microsecond=0) - timedelta(minutes=10)
    async with db.begin() as tx:
        closed = Held(
            public_id(fleet["all"], "schedule", at, ""), fleet["all"], 1, at, "held_by_window", "closed", now + AWAY
        )
        await runs.record_held(tx, [closed], now)
    before = (await read(admin))["totals"]["held"]
    done = await decide(admin, outage, jobs="all", action="release", reason="after the outage")
    assert (done["released"], done["left"]) == (before, 0)
    async with db.begin() as tx:
        rows = (await tx.execute(text("SELECT id, reason FROM occurrences WHERE state = 'held'"))).all()
        freed = await tx.execute(text("SELECT count(*) FROM occurrences WHERE ignores_windows"))
        assert freed.scalar_one() == 0
    assert [(row.id, row.reason) for row in rows] == [(closed.id, "held_by_window")]


async def test_two_people_who_decide_at_once_decide_each_row_once(admin, signed_in: SignIn, world: World, db, outage):
    second = await signed_in(world.admin)
    first_done, second_done = await asyncio.gather(
        decide(admin, outage, jobs="all", action="release"), decide(second, outage, jobs="all", action="skip")
    )
    async with db.begin() as tx:
        rows = await tx.execute(text("SELECT state, count(*) AS number FROM occurrences GROUP BY state"))
        counted = {row.state: row.number for row in rows}
    released, skipped = first_done["released"], second_done["skipped"]
    assert released + skipped == 8
    assert (counted.get("open", 0), counted.get("skipped", 0), counted["missed"]) == (released, skipped, 4)


async def test_operators_decide_for_jobs_wholly_within_their_sites(operator, admin, fleet, outage):
    done = await decide(operator, outage, jobs="all", action="latest")
    assert done == {"released": 2, "skipped": 2, "left": 0, "refused": [fleet["both"]]}
    spanning = await operator.post(f"{PATH}/{outage}/release", json={"jobs": [fleet["both"]], "action": "skip"})
    assert (spanning.status_code, spanning.json()["code"]) == (403, "job_spans_other_sites")
    hidden = await operator.post(
        f"{PATH}/{outage}/release", json={"jobs": [fleet["all"], fleet["hold"], 10**9], "action": "skip"}
    )
    assert (hidden.status_code, codes(hidden)) == (422, {"jobs.1": "job_not_found", "jobs.2": "job_not_found"})
    assert (await read(admin))["guard"] == "up", "others still decide"


async def test_who_may_not_run_may_not_decide(viewer, admin, connect, fleet, outage):
    for action in ("release", "skip", "latest"):
        reply = await viewer.post(f"{PATH}/{outage}/release", json={"jobs": "all", "action": action})
        assert reply.status_code == 403
    made = (await admin.post("/api/api_tokens", json={"name": "shy", "scopes": ["read", "jobs:run"]})).json()
    client = await connect()
    client.headers["Authorization"] = f"Bearer {made['token']}"
    named = await client.post(f"{PATH}/{outage}/release", json={"jobs": [fleet["all"]], "action": "latest"})
    assert (named.status_code, "`run_as_system`" in named.json()["detail"]) == (403, True)
    done = await decide(client, outage, jobs="all", action="latest")
    assert (done["released"], done["skipped"], len(done["refused"])) == (0, 0, 4)
    assert (await decide(client, outage, jobs="all", action="skip"))["skipped"] == 8


async def test_only_what_runs_as_system_needs_the_right_to_that(admin, connect, fleet, outage, db):
    async with db.begin() as tx:
        await tx.execute(
            text(
                "UPDATE jobs SET definition = jsonb_set(definition, '{execution_context}', '\"current_user\"') WHERE id = :id"
            ),
            {"id": fleet["all"]},
        )
    made = (await admin.post("/api/api_tokens", json={"name": "shy", "scopes": ["read", "jobs:run"]})).json()
    client = await connect()
    client.headers["Authorization"] = f"Bearer {made['token']}"
    done = await decide(client, outage, jobs="all", action="latest")
    assert (done["released"], done["skipped"]) == (1, 1)
    assert fleet["all"] not in done["refused"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"jobs": "some", "action": "skip"},
        {"jobs": [], "action": "skip"},
        {"jobs": "all", "action": "forget"},
        {"jobs": "all", "action": "skip", "x": 1},
    ],
)
async def test_a_bad_decision_is_refused(admin, outage, body):
    reply = await admin.post(f"{PATH}/{outage}/release", json=body)
    assert reply.status_code == 422
    assert codes(reply)


async def test_where_nothing_ever_went_wrong_there_is_no_latest(admin, world):
    assert (await admin.get(PATH)).json() == {"items": [], "next_cursor": None}
    for outage in ("latest", "1"):
        reply = await admin.get(f"{PATH}/{outage}")
        assert (reply.status_code, reply.json()["code"]) == (404, "outage_not_found")


async def test_the_guard_is_set_by_who_may_change_services(admin, operator, db, outage):
    before = (await operator.get("/api/storm_guard")).json()
    assert before == {
        "enabled": True,
        "after_seconds": 600,
        "least_jobs": 1,
        "trickle_per_minute": None,
        "outage_id": outage,
    }
    wanted = {"enabled": False, "after_seconds": 3600, "least_jobs": 50, "trickle_per_minute": 30}
    assert (await operator.put("/api/storm_guard", json=wanted)).status_code == 403
    assert (await admin.put("/api/storm_guard", json=wanted)).json() == {**wanted, "outage_id": outage}
    assert (await operator.get("/api/storm_guard")).json() == {**wanted, "outage_id": outage}
    bad = {"after_seconds": 60, "least_jobs": 0, "trickle_per_minute": 0, "colour": "red"}
    reply = await admin.put("/api/storm_guard", json=bad)
    assert reply.status_code == 422
    assert set(codes(reply)) == set(bad)


async def test_everybody_hears_of_an_outage_whatever_sites_they_see(db, outage, world):
    async with db.begin() as tx:
        told = [one for one in await events.read_after(tx, Cursor(0, 0)) if one.kind == "outage.noticed"]
    assert told
    for scope in (EVERY_SITE, SiteScope(frozenset({world.site_a})), SiteScope(frozenset())):
        assert all(_is_for(scope, one) for one in told)
