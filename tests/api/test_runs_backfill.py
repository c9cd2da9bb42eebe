"""Backfill through HTTP: counted first, opened once for a request, refused with every field, and only by who may run the job."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import codes

PATH = "/api/scheduled_jobs"


@pytest.fixture
async def job(admin, operator, make_device, world):
    made = (
        await admin.post("/api/assemblies", json={"name": "Clean", "interpreter": "bash", "content": "true"})
    ).json()
    devices = [str(await make_device(name, world.site_a, online=True)) for name in ("crane", "pump")]
    body = {
        "name": "Clear print spool",
        "components": [{"assembly_id": made["id"]}],
        "targets": [{"kind": "device", "device_id": one} for one in devices],
        "schedule": {"type": "hourly", "start": "2026-01-01T00:00", "timezone": "UTC"},
    }
    reply = await operator.post(PATH, json=body)
    assert reply.status_code == 201, reply.text
    return f"{PATH}/{reply.json()['id']}"


RANGE = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T05:30:00+01:00"}


async def test_a_dry_run_counts_and_opens_nothing(operator, job) -> None:
    reply = await operator.post(f"{job}/backfill", json={**RANGE, "dry_run": True})
    assert reply.status_code == 202
    assert reply.json() == {
        "dry_run": True,
        "count": 5,
        "first_at": "2026-03-01T00:00:00Z",
        "last_at": "2026-03-01T04:00:00Z",
        "first_local_time": None,
        "last_local_time": None,
        "devices": 2,
        "rows": 10,
        "opened": 0,
    }
    assert (await operator.get(f"{job}/runs")).json()["items"] == []


async def test_each_instant_is_opened_once_for_a_request(operator, job) -> None:
    key = {"Idempotency-Key": "quarter"}
    first = await operator.post(f"{job}/backfill", json=RANGE, headers=key)
    again = await operator.post(f"{job}/backfill", json=RANGE, headers=key)
    assert first.json()["opened"] == 5
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    items = (await operator.get(f"{job}/runs")).json()["items"]
    assert [(one["kind"], one["scheduled_for_at"]) for one in reversed(items)] == [
        ("backfill", f"2026-03-01T{hour:02}:00:00Z") for hour in range(5)
    ]
    assert (await operator.post(f"{job}/backfill", json=RANGE)).json()["opened"] == 5


async def test_two_people_with_the_same_key_each_get_what_they_asked_for(admin, operator, job) -> None:
    replies = [
        await one.post(f"{job}/backfill", json=RANGE, headers={"Idempotency-Key": "tap"}) for one in (admin, operator)
    ]
    assert [reply.status_code for reply in replies] == [202, 202]
    assert replies[0].json()["opened"] == replies[1].json()["opened"] > 0


async def test_the_cadence_and_the_next_due_time_stay(operator, job) -> None:
    before = (await operator.get(job)).json()
    await operator.post(f"{job}/backfill", json=RANGE)
    after = (await operator.get(job)).json()
    assert after["next_due_at"] == before["next_due_at"]
    assert after["revision"] == before["revision"]


async def test_it_is_on_record_who_filled_what(admin, operator, job) -> None:
    await operator.post(f"{job}/backfill", json={**RANGE, "dry_run": True})
    await operator.post(f"{job}/backfill", json=RANGE)
    items = (await admin.get("/api/audit", params={"action": "job.backfill"})).json()["items"]
    told = [one for one in items if one["action"] == "job.backfill"]
    assert [one["actor"] for one in told] == ["otto"]
    assert told[0]["detail"]["instants"] == 5


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"from": "missing", "to": "missing"}),
        ({"from": "soon", "to": "later"}, {"from": "datetime_from_date_parsing", "to": "datetime_from_date_parsing"}),
        (
            {"from": "2026-03-01T00:00", "to": "2026-03-02T00:00"},
            {"from": "timezone_missing", "to": "timezone_missing"},
        ),
        (
            {"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-14:00"},
            {"from": "out_of_range", "to": "out_of_range"},
        ),
        ({**RANGE, "overlap": "twice"}, {"overlap": "literal_error"}),
        ({**RANGE, "splay": 1}, {"splay": "extra_forbidden"}),
        ({"from": RANGE["to"], "to": RANGE["from"]}, {"to": "before_from"}),
        ({"from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z"}, {"from": "no_instants"}),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, {"to": "too_many_instants"}),
    ],
)
async def test_what_cannot_be_filled_is_refused_with_its_field(operator, job, body, expected) -> None:
    reply = await operator.post(f"{job}/backfill", json=body)
    assert reply.status_code == 422
    assert codes(reply) == expected


async def test_the_future_cannot_be_filled(operator, job) -> None:
    to = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    reply = await operator.post(f"{job}/backfill", json={"from": RANGE["from"], "to": to})
    assert (reply.status_code, codes(reply)) == (422, {"to": "in_the_future"})


async def test_only_who_may_run_the_job_fills_it(viewer, other, job) -> None:
    assert (await viewer.post(f"{job}/backfill", json=RANGE)).status_code == 403
    assert (await other.post(f"{job}/backfill", json=RANGE)).status_code == 404
