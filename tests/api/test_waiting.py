"""`/api/waiting` through HTTP: what waits over all jobs, withdrawn or given other time after a count, and each refusal's words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import codes
from tests.api.jobs import PATH, create, device
from watchbill.kit.clock import rfc3339

WAITING = "/api/waiting"
FAR = {"type": "daily", "start": "2031-05-04T07:00", "timezone": "UTC"}


@pytest.fixture
async def waits(admin, fleet) -> dict[str, dict[str, Any]]:
    """Two jobs of which rows wait: `Spool` for pump and lamp, `Updates` for pump."""
    names = {"Spool": ("pump", "lamp"), "Updates": ("pump",)}
    found = {}
    for name, devices in names.items():
        made = await create(admin, fleet, name=name, targets=[device(fleet[one]) for one in devices], schedule=FAR)
        started = await admin.post(f"{PATH}/{made['id']}/rerun", json={})
        assert started.status_code == 202, started.text
        found[name] = {"job": made["id"], "occurrence": started.json()["id"]}
    return found


async def _listed(client: httpx.AsyncClient, **query: Any) -> list[tuple[str, str]]:
    reply = await client.get(WAITING, params=query)
    assert reply.status_code == 200, reply.text
    return sorted((row["job_name"], row["device"]["hostname"]) for row in reply.json()["items"])


async def test_everything_that_waits_is_listed_over_all_jobs_and_narrowed(admin, waits, fleet, world) -> None:
    everything = [("Spool", "lamp"), ("Spool", "pump"), ("Updates", "pump")]
    assert await _listed(admin) == everything
    assert await _listed(admin, job_id=waits["Updates"]["job"]) == [("Updates", "pump")]
    assert await _listed(admin, device_id=fleet["pump"]) == [("Spool", "pump"), ("Updates", "pump")]
    assert await _listed(admin, site_id=world.site_b) == [("Spool", "lamp")]
    assert await _listed(admin, state="pending") == everything
    assert await _listed(admin, state="waiting_online") == []
    (row,) = (await admin.get(WAITING, params={"job_id": waits["Updates"]["job"]})).json()["items"]
    assert (row["occurrence_id"], row["device"]["online"], row["device"]["site_name"]) == (
        waits["Updates"]["occurrence"],
        False,
        "Harbour",
    )
    assert row["expires_at"] > row["scheduled_for_at"]


async def test_pages_lead_through_all_of_it_once(admin, waits) -> None:
    seen, cursor = [], None
    while True:
        page = (await admin.get(WAITING, params={"limit": 1, **({"cursor": cursor} if cursor else {})})).json()
        seen += [row["target_id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 3
    assert codes(await admin.get(WAITING, params={"cursor": "x"})) == {"cursor": "invalid"}


async def test_people_see_and_withdraw_what_waits_in_their_sites_only(operator, other, viewer, waits) -> None:
    assert await _listed(operator) == await _listed(viewer) == [("Spool", "pump"), ("Updates", "pump")]
    assert await _listed(other) == [("Spool", "lamp")]
    body = {"everything": True, "reason": "winter"}
    assert (await viewer.post(f"{WAITING}/purge", json=body)).status_code == 403
    assert (await operator.post(f"{WAITING}/purge", json=body)).json() == {
        "dry_run": True,
        "rows": 2,
        "devices": 1,
        "jobs": 2,
    }
    done = await operator.post(f"{WAITING}/purge", json={**body, "dry_run": False, "expected": 2})
    assert done.json() == {"dry_run": False, "rows": 2, "devices": 1, "jobs": 2}
    assert (await _listed(operator), await _listed(other)) == ([], [("Spool", "lamp")])


async def test_what_was_withdrawn_says_why_and_ends_its_occurrence(admin, waits) -> None:
    one = waits["Updates"]
    body = {"job_id": one["job"], "reason": "  the pump is scrapped "}
    assert (await admin.post(f"{WAITING}/purge", json=body)).json()["rows"] == 1
    assert len(await _listed(admin)) == 3, "a dry run changes nothing"
    await admin.post(f"{WAITING}/purge", json={**body, "dry_run": False, "expected": 1})
    (row,) = (await admin.get(f"{PATH}/{one['job']}/devices")).json()["items"]
    assert (row["state"], row["reason"], row["cancel_answer"]) == ("cancelled", "not_started_cancelled", "withdrawn")
    assert row["detail"] == "It was withdrawn while it waited: the pump is scrapped"
    occurrence = (await admin.get(f"{PATH}/{one['job']}/occurrences/{one['occurrence']}")).json()
    assert (occurrence["state"], occurrence["outcome"]) == ("closed", "cancelled")
    (told,) = (await admin.get("/api/audit", params={"action": "waiting.purge"})).json()["items"][:1]
    assert (told["action"], told["detail"]["targets"], told["detail"]["reason"]) == (
        "waiting.purge",
        1,
        "the pump is scrapped",
    )


async def test_another_number_than_was_counted_withdraws_nothing(admin, waits) -> None:
    body = {"everything": True, "reason": "x", "dry_run": False, "expected": 7}
    refused = await admin.post(f"{WAITING}/purge", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "count_changed")
    assert refused.json()["detail"] == "3 rows wait now, not 7: nothing was done."
    assert len(await _listed(admin)) == 3


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"reason"}),
        ({"reason": "x"}, {"everything"}),
        ({"reason": "x", "dry_run": False}, {"everything", "expected"}),
        ({"reason": "x", "everything": True, "job_id": 1}, {"everything"}),
        ({"reason": "x", "everything": True, "expected": 3}, {"expected"}),
        ({"reason": " ", "everything": True}, {"reason"}),
        ({"reason": "x", "everything": True, "colour": "red"}, {"colour"}),
    ],
)
async def test_what_is_not_said_never_means_everything(admin, waits, body: dict[str, Any], fields: set[str]) -> None:
    reply = await admin.post(f"{WAITING}/purge", json=body)
    assert reply.status_code == 422, reply.text
    assert set(codes(reply)) == fields
    assert len(await _listed(admin)) == 3


async def test_what_waits_is_given_other_time(admin, waits) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=9)
    body = {"job_id": waits["Spool"]["job"], "expires_at": rfc3339(later)}
    assert (await admin.post(f"{WAITING}/expiry", json=body)).json()["rows"] == 2
    done = await admin.post(f"{WAITING}/expiry", json={**body, "dry_run": False, "expected": 2})
    assert done.status_code == 200, done.text
    rows = (await admin.get(WAITING)).json()["items"]
    assert [(row["job_name"], row["expires_at"] == rfc3339(later)) for row in rows] == [
        ("Updates", False),
        ("Spool", True),
        ("Spool", True),
    ]


@pytest.mark.parametrize(("ahead", "code"), [(timedelta(hours=-1), "past"), (timedelta(days=31), "too_late")])
async def test_time_that_makes_no_sense_is_refused(admin, waits, ahead: timedelta, code: str) -> None:
    body = {"everything": True, "expires_at": rfc3339(datetime.now(UTC) + ahead)}
    assert codes(await admin.post(f"{WAITING}/expiry", json=body)) == {"expires_at": code}
    naive = {"everything": True, "expires_at": "2031-05-04T07:00:00"}
    assert set(codes(await admin.post(f"{WAITING}/expiry", json=naive))) == {"expires_at"}
