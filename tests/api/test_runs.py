"""Runs through HTTP: reruns of all, failed, unfinished and chosen devices; closed windows; what an occurrence's reply tells."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.api.conftest import codes
from watchbill import jobs, runs
from watchbill.core.states import TargetEvent
from watchbill.runs.moves import Move, move

PATH = "/api/scheduled_jobs"
FAR = {"type": "daily", "start": "2031-05-04T07:00", "timezone": "UTC"}


@pytest.fixture
async def fleet(admin, make_device, world):
    made = (
        await admin.post("/api/assemblies", json={"name": "Clean", "interpreter": "bash", "content": "true"})
    ).json()
    names = {name: str(await make_device(name, world.site_a, online=True)) for name in ("crane", "pump", "winch")}
    return {"assembly": made["id"], "lamp": str(await make_device("lamp", world.site_b, online=True)), **names}


async def make_job(client, fleet, *names, **changes):
    body = {
        "name": "Clear print spool",
        "components": [{"assembly_id": fleet["assembly"]}],
        "targets": [{"kind": "device", "device_id": fleet[name]} for name in names or ("crane", "pump", "winch")],
        "schedule": FAR,
        **changes,
    }
    reply = await client.post(PATH, json=body)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def rerun(client, job, status=202, **body):
    reply = await client.post(f"{PATH}/{job['id']}/rerun", json=body)
    assert reply.status_code == status, reply.text
    return reply.json()


async def end(db, clock, occurrence_id, **events):
    """Let each named device's target end so; the others stay as they are."""
    async with db.begin() as tx:
        now = await clock.now(tx)
        found = await tx.execute(
            text("SELECT hostname, id FROM run_targets WHERE occurrence_id = :id"), {"id": uuid.UUID(occurrence_id)}
        )
        targets = {row.hostname: row.id for row in found}
        steps = [(TargetEvent.DISPATCH, now), (None, None)]
        for event, deadline in steps:
            moves = [
                Move(targets[name], event or TargetEvent(ending), deadline_at=deadline)
                for name, ending in events.items()
            ]
            await move(tx, moves, now)


async def hosts(client, job, occurrence, **query):
    reply = await client.get(f"{PATH}/{job['id']}/devices", params={"occurrence": occurrence["id"], **query})
    return {row["device"]["hostname"]: (row["state"], row["reason"]) for row in reply.json()["items"]}


async def close_everything(client, **changes):
    """A blackout that has begun and lasts for hours."""
    start = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    body = {
        "name": "Stocktaking",
        "kind": "deny",
        "spans": [{"schedule": {"type": "daily", "start": start, "timezone": "UTC"}, "duration_seconds": 6 * 3600}],
        "attachments": [{"kind": "global"}],
        **changes,
    }
    reply = await client.post("/api/windows", json=body)
    assert reply.status_code == 201, reply.text


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("all", {"crane", "pump", "winch"}),
        ("failed", {"pump"}),
        ("not_finished", {"pump", "winch"}),
        (["crane", "winch"], {"crane", "winch"}),
    ],
)
async def test_a_rerun_is_an_occurrence_of_its_own_for_exactly_those(
    operator, fleet, db, clock, targets, expected
) -> None:
    job = await make_job(operator, fleet)
    first = await rerun(operator, job)
    await end(db, clock, first["id"], crane="succeed", pump="fail", winch="expire")
    chosen = targets if isinstance(targets, str) else {"device_ids": [fleet[name] for name in targets]}
    again = await rerun(operator, job, targets=chosen, occurrence=first["id"])
    assert (again["kind"], again["origin_occurrence_id"], again["state"]) == ("rerun", first["id"], "open")
    assert set(await hosts(operator, job, again)) == expected
    assert again["counts"] == {"pending": len(expected)}
    before = await hosts(operator, job, first)
    assert before == {"crane": ("success", None), "pump": ("failed", None), "winch": ("expired", None)}


async def test_a_rerun_never_moves_the_cadence(operator, fleet, db, clock) -> None:
    job = await make_job(operator, fleet)

    async def timing():
        async with db.begin() as tx:
            found = await tx.execute(
                text(
                    "SELECT mark_at, next_due_at, state, enabled, revision, last_occurrence_id FROM jobs WHERE id = :id"
                ),
                {"id": job["id"]},
            )
            return found.one()

    before = await timing()
    first = await rerun(operator, job)
    await end(db, clock, first["id"], crane="fail", pump="fail", winch="fail")
    await rerun(operator, job, targets="failed")
    assert await timing() == before
    shown = (await operator.get(f"{PATH}/{job['id']}")).json()
    assert shown["next_due_at"] == job["next_due_at"]
    assert shown["last_occurrence"]["state"] == "open", "but it is shown as the last"


async def test_a_rerun_of_a_paused_or_ended_job_goes_and_changes_nothing_about_it(operator, fleet) -> None:
    paused = await make_job(operator, fleet, enabled=False)
    assert (await rerun(operator, paused))["state"] == "open"
    assert (await operator.get(f"{PATH}/{paused['id']}")).json()["state"] == "paused"


async def test_a_rerun_uses_the_job_as_it_is_saved_now(operator, fleet) -> None:
    job = await make_job(operator, fleet)
    first = await rerun(operator, job)
    body = {name: job[name] for name in ("name", "components", "schedule")}
    body["targets"] = [{"kind": "device", "device_id": fleet["crane"]}]
    assert (await operator.put(f"{PATH}/{job['id']}", json=body)).status_code == 200
    again = await rerun(operator, job, occurrence=first["id"])
    assert again["job_revision"] == 2
    assert set(await hosts(operator, job, again)) == {"crane"}


async def test_a_repeated_request_starts_nothing_twice(operator, fleet) -> None:
    job = await make_job(operator, fleet)
    replies = [
        await operator.post(f"{PATH}/{job['id']}/rerun", json={}, headers={"Idempotency-Key": "tap"}) for _ in range(2)
    ]
    assert replies[0].json() == replies[1].json()
    ledger = (await operator.get("/api/occurrences", params={"job_id": job["id"]})).json()["items"]
    assert len([one for one in ledger if one["state"] != "planned"]) == 1


async def test_a_closed_window_refuses_a_rerun_and_says_which_and_for_how_many(admin, operator, fleet) -> None:
    job = await make_job(operator, fleet)
    await close_everything(admin)
    refused = await rerun(operator, job, 409)
    assert refused["code"] == "window_closed"
    assert "blackout `Stocktaking` until" in refused["detail"]
    assert "3 devices" in refused["detail"]
    assert [(one["field"], one["code"]) for one in refused["errors"]] == [("reason", "window_closed")]
    items = (await operator.get(f"{PATH}/{job['id']}/runs")).json()["items"]
    assert items == [], "nothing was opened"


async def test_a_window_on_one_device_counts_for_that_one_only(admin, operator, fleet) -> None:
    job = await make_job(operator, fleet)
    await close_everything(admin, attachments=[{"kind": "device", "device_id": fleet["pump"]}])
    assert "1 device" in (await rerun(operator, job, 409))["detail"]
    first = await rerun(operator, job, reason="so that there is one")
    only = {"device_ids": [fleet["crane"]]}
    assert (await rerun(operator, job, targets=only, occurrence=first["id"]))["ignores_windows"] is False


async def test_a_reason_starts_it_all_the_same_for_who_may_and_stays_on_record(admin, operator, fleet, db) -> None:
    job = await make_job(operator, fleet)
    await close_everything(admin)
    started = await rerun(operator, job, reason="the printer hall stands still")
    assert (started["ignores_windows"], started["start_reason"]) == (True, "the printer hall stands still")
    async with db.begin() as tx:
        audited = await tx.execute(text("SELECT detail FROM audit WHERE action = 'job.rerun'"))
        assert audited.scalar_one() == {
            "occurrence": started["id"],
            "reason": "the printer hall stands still",
            "ignores_windows": True,
        }


async def test_a_reason_is_not_enough_without_the_permission(admin, operator, fleet, connect) -> None:
    job = await make_job(operator, fleet)
    await close_everything(admin)
    scopes = ["read", "jobs:run", "run_as_system"]
    token = (await operator.post("/api/api_tokens", json={"name": "script", "scopes": scopes})).json()["token"]
    script = await connect()
    script.headers["Authorization"] = f"Bearer {token}"
    refused = await rerun(script, job, 409, reason="please")
    assert refused["code"] == "window_closed"
    assert "windows:override" in refused["detail"]


async def test_a_reason_in_open_time_is_kept_and_frees_of_nothing(operator, fleet) -> None:
    job = await make_job(operator, fleet)
    started = await rerun(operator, job, reason="for the audit")
    assert (started["start_reason"], started["ignores_windows"]) == ("for the audit", False)


async def test_bad_reruns_are_refused_with_the_field(operator, fleet) -> None:
    job = await make_job(operator, fleet)
    assert (await rerun(operator, job, 409, targets="failed"))["code"] == "no_occurrence"
    assert (await rerun(operator, job, 422, targets="some"))["code"] == "invalid_content"
    first = await rerun(operator, job)
    assert (await rerun(operator, job, 409, targets="failed", occurrence=first["id"]))["code"] == "nothing_to_rerun"
    reply = await operator.post(f"{PATH}/{job['id']}/rerun", json={"reason": ""})
    assert codes(reply) == {"reason": "string_too_short"}
    reply = await operator.post(f"{PATH}/{job['id']}/rerun", json={"reason": "  \t"})
    assert codes(reply) == {"reason": "string_too_short"}


@pytest.mark.parametrize("targets", ["all", "failed"])
async def test_who_names_an_occurrence_that_there_is_not_starts_nothing(operator, fleet, targets) -> None:
    job = await make_job(operator, fleet)
    for unknown in (str(uuid.uuid4()), "0001-01-01T00:00:00Z", "2031-05-04T07:00:00Z"):
        refused = await rerun(operator, job, 404, targets=targets, occurrence=unknown)
        assert refused["code"] == "occurrence_not_found"
    for number in ("123", "1700000000", "-5", "12.5"):
        reply = await operator.post(f"{PATH}/{job['id']}/rerun", json={"targets": targets, "occurrence": number})
        assert codes(reply) == {"occurrence": "invalid"}
    assert (await operator.get(f"{PATH}/{job['id']}/runs")).json()["items"] == []


async def test_who_may_not_run_it_does_not(viewer, other, operator, fleet) -> None:
    job = await make_job(operator, fleet)
    await rerun(viewer, job, 403)
    await rerun(other, job, 404)


async def test_occurrences_of_a_job_that_follows_zones_tell_their_waves(
    admin, fleet, make_device, world, db, clock
) -> None:
    names = {"bear": "Europe/Berlin", "apple": "America/New_York"}
    for name, zone in names.items():
        fleet[name] = str(await make_device(name, world.site_a, online=True, timezone=zone))
    schedule = {"type": "daily", "start": "2031-05-04T07:00", "timezone_source": "device"}
    job = await make_job(admin, fleet, *names, schedule=schedule)
    at = datetime(2031, 5, 4, 5, tzinfo=UTC)
    async with db.begin() as tx:
        due = await jobs.take_due(tx, at)
        around = await runs.surroundings(tx, due, at)
        await runs.carry_out(tx, runs.plan(due, at, zones=around.zones), at)
    paced = {"size": None, "ended_at": None, "promoted_by": None, "counts": {"pending": 1}}
    waves = [
        {"wave": 1, "timezone": "Europe/Berlin", "starts_at": "2031-05-04T05:00:00Z", **paced},
        {"wave": 2, "timezone": "America/New_York", "starts_at": "2031-05-04T11:00:00Z", **paced},
    ]
    (listed,) = (await admin.get(f"{PATH}/{job['id']}/runs")).json()["items"]
    one = (await admin.get(f"{PATH}/{job['id']}/occurrences/{listed['id']}")).json()
    assert one["waves"] == listed["waves"] == waves
    assert (one["local_time"], one["detail"], one["held_until_at"], one["is_range_capped"]) == (
        "2031-05-04T07:00",
        None,
        None,
        False,
    )
    rows = (await admin.get(f"{PATH}/{job['id']}/devices", params={"occurrence": listed["id"]})).json()["items"]
    assert {row["device"]["hostname"]: (row["wave"], row["starts_at"]) for row in rows} == {
        "bear": (1, "2031-05-04T05:00:00Z"),
        "apple": (2, "2031-05-04T11:00:00Z"),
    }


async def test_a_reader_of_one_site_sees_the_waves_that_reach_it(
    admin, operator, fleet, make_device, world, db
) -> None:
    fleet["here"] = str(await make_device("here", world.site_a, timezone="Europe/Berlin"))
    fleet["there"] = str(await make_device("there", world.site_b, timezone="Asia/Tokyo"))
    schedule = {"type": "daily", "start": "2031-05-04T07:00", "timezone_source": "device"}
    job = await make_job(admin, fleet, "here", "there", schedule=schedule)
    at = datetime(2031, 5, 4, 5, tzinfo=UTC)
    async with db.begin() as tx:
        due = await jobs.take_due(tx, at)
        around = await runs.surroundings(tx, due, at)
        await runs.carry_out(tx, runs.plan(due, at, zones=around.zones), at)
    for client, zones in ((admin, ["Asia/Tokyo", "Europe/Berlin"]), (operator, ["Europe/Berlin"])):
        (listed,) = (await client.get(f"{PATH}/{job['id']}/runs")).json()["items"]
        assert [wave["timezone"] for wave in listed["waves"]] == zones
