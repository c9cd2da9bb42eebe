"""The ledger over HTTP, and a person's word on what is held: shapes, scope, permissions, refusals."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.api.conftest import SignIn, World, codes
from tests.factories import people
from watchbill import runs
from watchbill.core.occurrence import public_id
from watchbill.identity import Role
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.runs import Held, Missed

PATH = "/api/occurrences"


@pytest.fixture
async def fleet(admin: httpx.AsyncClient, make_device, world: World) -> dict[str, int]:
    """A job in each site, and one in both."""
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await admin.post("/api/assemblies", json=script)).json()["id"]
    crane, lamp = [
        str(await make_device(name, site)) for name, site in (("crane", world.site_a), ("lamp", world.site_b))
    ]

    async def job(name: str, *devices: str) -> int:
        body = {
            "name": name,
            "components": [{"assembly_id": assembly}],
            "targets": [{"kind": "device", "device_id": one} for one in devices],
            "schedule": {"type": "daily", "start": "2026-01-01T03:00", "timezone": "Europe/Berlin"},
            # Said, for without it the window hangs on how near the instant of a test is to the next one at three.
            "policies": {"catch_up_window_seconds": 3600},
        }
        reply = await admin.post("/api/scheduled_jobs", json=body)
        assert reply.status_code == 201, reply.text
        made: int = reply.json()["id"]
        return made

    return {
        "a": await job("Clean crane", crane),
        "b": await job("Clean lamp", lamp),
        "both": await job("Clean all", crane, lamp),
    }


@pytest.fixture
async def now(db: Database, clock: Clock) -> datetime:
    async with db.begin() as tx:
        return await clock.now(tx)


async def hold(
    db: Database, job_id: int, now: datetime, *, reason: str = "misfire_hold", minutes: int = -30, **more: Any
) -> UUID:
    at = now.replace(microsecond=0) + timedelta(minutes=minutes)
    one = public_id(job_id, "schedule", at, "")
    async with db.begin() as tx:
        await runs.record_held(tx, [Held(one, job_id, 1, at, reason, "It was late.", **more)], now)
    return one


async def get(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    reply = await client.get(PATH, params=query)
    assert reply.status_code == 200, reply.text
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


async def test_a_row_says_which_job_and_in_words_what_became_of_it(admin, fleet, db, now):
    at = now.replace(microsecond=0) - timedelta(hours=30)
    missed = Missed(
        public_id(fleet["a"], "schedule", at, ""), fleet["a"], 1, at, at + timedelta(hours=24), 2, "catch_up_window"
    )
    async with db.begin() as tx:
        await runs.record_missed(tx, [missed], now)
    (row,) = await get(admin)
    assert row == {
        "id": str(missed.id),
        "job_id": fleet["a"],
        "job_name": "Clean crane",
        "kind": "schedule",
        "scheduled_for_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "due_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "local_time": None,
        "timezone": "Europe/Berlin",
        "state": "missed",
        "reason": "catch_up_window",
        "detail": None,
        "sentence": row["sentence"],
        "outcome": None,
        "is_late": False,
        "range_end_at": f"{at + timedelta(hours=24):%Y-%m-%dT%H:%M:%SZ}",
        "range_count": 2,
        "is_range_capped": False,
        "held_until_at": None,
        "flags": [],
        "closed_for": None,
        "job_revision": 1,
        "origin_occurrence_id": None,
        "started_by": None,
        "cancel_requested_at": None,
        "created_at": now.isoformat().replace("+00:00", "Z"),
        "opened_at": None,
        "closed_at": now.isoformat().replace("+00:00", "Z"),
        "counts": {},
    }
    assert row["sentence"].startswith("Did not run: no scheduler looked before ")
    assert row["sentence"].endswith("and the catch-up window of 1 h had passed (2 instants).")


async def test_the_calendar_goes_from_the_past_into_the_future(admin, fleet, db, now):
    await hold(db, fleet["a"], now)
    span = {"from": (now - timedelta(days=1)).isoformat(), "to": (now + timedelta(days=2)).isoformat(), "sort": "time"}
    rows = await get(admin, **span)
    assert [row["state"] for row in rows] == ["held"] + ["planned"] * 6
    planned = rows[1:]
    assert {row["job_name"] for row in planned} == {"Clean crane", "Clean lamp", "Clean all"}
    assert [row["due_at"] for row in planned] == sorted(row["due_at"] for row in planned)
    first = planned[0]
    instant = datetime.fromisoformat(first["scheduled_for_at"])
    assert first["id"] == str(public_id(first["job_id"], "schedule", instant, ""))
    assert (first["created_at"], first["outcome"], first["counts"]) == (None, None, {})
    one_by_one, cursor = [], None
    while True:
        reply = (await admin.get(PATH, params={**span, "limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        one_by_one += reply["items"]
        if (cursor := reply["next_cursor"]) is None:
            break
    assert one_by_one == rows


async def test_a_range_that_reaches_into_the_future_needs_no_other_parameter(admin, fleet, db, now):
    await hold(db, fleet["a"], now)
    span = {"from": (now - timedelta(days=1)).isoformat(), "to": (now + timedelta(days=2)).isoformat()}
    rows = await get(admin, **span)
    assert [row["state"] for row in rows] == ["held"] + ["planned"] * 6
    assert rows == await get(admin, **span, sort="time")
    ahead = await get(admin, **{**span, "from": now.isoformat()}, state="planned")
    assert ahead == rows[1:]


async def test_a_planned_row_tells_for_how_many_of_the_readers_devices_it_is_closed(
    admin, operator, other, fleet, world, now
):
    span = {"schedule": {"type": "every_5_minutes", "timezone": "UTC"}, "duration_seconds": 300}
    window = {
        "name": "Stocktaking",
        "kind": "deny",
        "spans": [span],
        "attachments": [{"kind": "site", "site_id": world.site_a}],
    }
    assert (await admin.post("/api/windows", json=window)).status_code == 201
    query = {"to": (now + timedelta(hours=24)).isoformat(), "job_id": fleet["both"]}
    one = {"devices": 1, "waiting": 0, "windows": ["Stocktaking"]}
    for client, expected, words in (
        (admin, {**one, "of": 2}, "1 of its 2 devices"),
        (operator, {**one, "of": 1}, "its only device"),
        (other, None, None),
    ):
        (row,) = await get(client, **query)
        assert (row["state"], row["flags"], row["closed_for"]) == ("planned", [], expected)
        assert (f", but closed for {words} by `Stocktaking`: " in row["sentence"]) == (expected is not None)


async def test_what_cannot_be_planned_is_newest_first_as_ever(admin, fleet, db, now):
    for minutes in (-90, -30):
        await hold(db, fleet["a"], now, minutes=minutes)
    newest = [row["id"] for row in await get(admin)]
    for query in ({"to": now.isoformat()}, {"to": (now + timedelta(days=2)).isoformat(), "state": "held"}):
        assert [row["id"] for row in await get(admin, **query)] == newest
    by_hand = await get(admin, to=(now + timedelta(days=2)).isoformat(), sort="-time")
    assert [row["id"] for row in by_hand] == newest


async def test_a_page_goes_on_in_its_own_order_also_when_its_end_has_come_meanwhile(admin, fleet, db, now):
    for minutes in (-90, -60, -30):
        await hold(db, fleet["a"], now, minutes=minutes)
    soon = {"to": (now + timedelta(minutes=1)).isoformat()}
    first = (await admin.get(PATH, params={**soon, "limit": 1})).json()
    gone = {"to": (now - timedelta(seconds=1)).isoformat(), "cursor": first["next_cursor"]}
    later = await get(admin, **gone)
    instants = [row["scheduled_for_at"] for row in [*first["items"], *later]]
    assert len(instants) == 3
    assert instants == sorted(instants)


async def test_a_bad_word_is_told_in_one_plain_sentence(admin):
    reply = await admin.get(PATH, params={"to": "tomorrow", "state": "dead"})
    told = {one["field"]: one["message"] for one in reply.json()["errors"]}
    assert told["to"] == "must be an instant with its offset such as 2026-05-04T07:00:00Z"
    assert [one for one in told if one.startswith("state")] == ["state.0"]


async def test_operators_see_the_jobs_of_their_sites(admin, operator, other, viewer, fleet, db, now):
    for job in fleet.values():
        await hold(db, job, now)
    seen = {
        name: {row["job_id"] for row in await get(client)}
        for name, client in (("admin", admin), ("operator", operator), ("other", other), ("viewer", viewer))
    }
    assert seen == {
        "admin": set(fleet.values()),
        "operator": {fleet["a"], fleet["both"]},
        "other": {fleet["b"], fleet["both"]},
        "viewer": {fleet["a"], fleet["both"]},
    }


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"state": "lost"}, {"state.0": None}),
        ({"sort": "name"}, {"sort": "literal_error"}),
        ({"reason": "rain"}, {"reason.0": "enum"}),
        ({"colour": "red"}, {"colour": "extra_forbidden"}),
        ({"since": "2026-01-01T00:00:00"}, {"since": "timezone_aware"}),
        ({"since": "2026-01-01T00:00:00Z", "from": "2026-01-01T00:00:00Z"}, {"since": "given_twice"}),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, {"to": "before_from"}),
        ({"to": "2999-01-01T00:00:00Z", "sort": "time"}, {"to": "too_far"}),
        ({"to": "2999-01-01T00:00:00Z"}, {"to": "too_far"}),
        ({"state": "planned"}, {"to": "missing"}),
        ({"state": "planned", "sort": "-time"}, {"sort": "planned_need_time", "to": "missing"}),
        ({"from": "2999-01-01T00:00:00Z"}, {"to": "missing"}),
        ({"limit": 501, "late": "perhaps"}, {"limit": "less_than_equal", "late": "bool_parsing"}),
    ],
)
async def test_a_bad_query_is_refused_with_every_fault(admin, fleet, query, fields):
    reply = await admin.get(PATH, params=query)
    assert reply.status_code == 422, reply.text
    found = codes(reply)
    if None in fields.values():
        assert any(field.startswith("state") for field in found)
    else:
        assert found == fields


class TestHeld:
    """`release` and `skip`."""

    def path(self, job: int, occurrence: UUID, action: str) -> str:
        return f"/api/scheduled_jobs/{job}/occurrences/{occurrence}/{action}"

    async def test_a_held_occurrence_is_let_go(self, operator, fleet, db, now, world):
        one = await hold(db, fleet["a"], now)
        reply = await operator.post(self.path(fleet["a"], one, "release"), json={"reason": "checked"})
        assert reply.status_code == 202, reply.text
        made = reply.json()
        assert (made["id"], made["state"], made["is_late"], made["start_reason"]) == (str(one), "open", True, "checked")
        assert made["started_by"] == world.operator.id
        async with db.begin() as tx:
            done = (
                await tx.execute(text("SELECT actor, object_id, detail FROM audit WHERE action = 'occurrence.release'"))
            ).one()
        assert (done.actor, done.object_id, done.detail) == (
            "otto",
            str(one),
            {"job_id": fleet["a"], "reason": "checked", "ignores_windows": False},
        )

    async def test_a_held_occurrence_is_skipped(self, operator, fleet, db, now):
        one = await hold(db, fleet["a"], now)
        reply = await operator.post(self.path(fleet["a"], one, "skip"), json={"reason": "not needed any more"})
        assert reply.status_code == 200, reply.text
        assert (reply.json()["state"], reply.json()["reason"]) == ("skipped", "by_operator")
        (row,) = await get(operator)
        assert row["sentence"] == "Did not run: a person decided so (not needed any more)."

    @pytest.mark.parametrize("action", ["release", "skip"])
    async def test_what_is_not_held_is_a_conflict_and_what_is_not_there_is_not(self, operator, fleet, db, now, action):
        one = await hold(db, fleet["a"], now)
        assert (await operator.post(self.path(fleet["a"], one, "skip"))).status_code == 200
        again = await operator.post(self.path(fleet["a"], one, action))
        assert (again.status_code, again.json()["code"]) == (409, "occurrence_not_held")
        assert (await operator.post(self.path(fleet["a"], uuid4(), action))).status_code == 404
        assert (await operator.post(self.path(fleet["b"], one, action))).status_code == 404
        assert (await operator.post(self.path(fleet["a"], one, action), json={"reason": ""})).status_code == 422

    @pytest.mark.parametrize("action", ["release", "skip"])
    async def test_who_may_not_may_not(self, viewer, other, operator, fleet, db, now, action):
        mine, both = await hold(db, fleet["a"], now), await hold(db, fleet["both"], now)
        assert (await viewer.post(self.path(fleet["a"], mine, action))).status_code == 403
        assert (await other.post(self.path(fleet["a"], mine, action))).status_code == 404
        spanning = await operator.post(self.path(fleet["both"], both, action))
        assert (spanning.status_code, spanning.json()["code"]) == (403, "job_spans_other_sites")
        async with db.begin() as tx:
            states = await tx.execute(text("SELECT DISTINCT state FROM occurrences"))
            assert states.scalars().all() == ["held"]

    async def test_a_token_that_may_not_run_as_system_may_skip_and_not_release(self, admin, connect, fleet, db, now):
        made = (await admin.post("/api/api_tokens", json={"name": "shy", "scopes": ["read", "jobs:run"]})).json()
        client = await connect()
        client.headers["Authorization"] = f"Bearer {made['token']}"
        one = await hold(db, fleet["a"], now)
        assert (await client.post(self.path(fleet["a"], one, "release"))).status_code == 403
        assert (await client.post(self.path(fleet["a"], one, "skip"))).status_code == 200


async def test_a_reader_without_sites_sees_nothing(db, clock, signed_in: SignIn, fleet, now):
    await hold(db, fleet["a"], now)
    async with db.begin() as tx:
        nobody = await people.make_operator(tx, "nemo", Role.VIEWER, now=now, site_ids=())
    client = await signed_in(nobody)
    future = {"sort": "time", "to": (now + timedelta(days=2)).isoformat()}
    assert await get(client, **future) == []
