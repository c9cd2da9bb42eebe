"""Reruns for whom a word means, through HTTP: counted before, exactly those, and each row tells what it repeats and what repeats it."""

import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.jobs import PATH, create, device
from tests.factories import hands
from watchbill import runs
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database

FAR = {"type": "daily", "start": "2031-05-04T07:00", "timezone": "UTC"}
#: What became of each device of the first occurrence.
ENDED = {
    "crane": ("success", None),
    "ferry": ("failed", None),
    "lantern": ("lost", "no_answer"),
    "gone": ("expired", "offline"),
    "winch": ("cancelled", "not_started_cancelled"),
    "away": ("waiting_online", None),
}
MEANT = {
    "failed": {"ferry", "lantern"},
    "not_finished": {"ferry", "lantern", "gone", "winch"},
    "unreachable": {"gone"},
    "never_started": {"gone", "winch"},
    "still_waiting": {"away"},
    "lost": {"lantern"},
}


@pytest.fixture
async def fleet(fleet, make_device, world) -> dict[str, str]:
    return {**fleet, **{name: str(await make_device(name, world.site_a)) for name in ENDED if name != "crane"}}


@pytest.fixture
async def first(operator: httpx.AsyncClient, fleet: dict[str, str], db: Database, clock: Clock) -> dict[str, Any]:
    """An occurrence of a job in which each device came to another end, and one waits still."""
    job = await create(operator, fleet, targets=[device(fleet[name]) for name in ENDED], schedule=FAR)
    started = (await operator.post(f"{PATH}/{job['id']}/rerun", json={})).json()
    one = {"job": job["id"], "id": started["id"], "path": f"{PATH}/{job['id']}/occurrences/{started['id']}"}
    ids = {name: uuid.UUID(fleet[name]) for name in ENDED}
    async with db.begin() as tx:
        now = await clock.now(tx)
        handed = [ids[name] for name in ("crane", "ferry", "lantern")]
        given = await hands.hand_out(tx, uuid.UUID(one["id"]), handed, now)
        told = [
            hands.report(given[ids["crane"]], now),
            hands.report(given[ids["ferry"]], now, exit_code=1),
        ]
        await runs.finished(tx, told, now)
    winch = (await _rows(operator, one))["winch"]["target_id"]
    assert (await operator.post(f"{one['path']}/targets/{winch}/cancel")).json()["withdrawn"] == 1
    soon = {"device_id": fleet["gone"], "expires_at": (now + timedelta(minutes=1)).isoformat()}
    changed = await operator.post("/api/waiting/expiry", json={**soon, "dry_run": False, "expected": 1})
    assert changed.status_code == 200, changed.text
    async with db.begin() as tx:
        await runs.reap(tx, now + timedelta(minutes=2))  # `gone` has expired
        bound = text("SELECT deadline_at FROM run_targets WHERE hostname = 'lantern'")
        await runs.reap(tx, (await tx.execute(bound)).scalar_one())
    found = await _rows(operator, one)
    assert {name: (row["state"], row["reason"]) for name, row in found.items()} == ENDED
    return one


async def _rows(client: httpx.AsyncClient, one: dict[str, Any]) -> dict[str, dict[str, Any]]:
    reply = await client.get(f"{PATH}/{one['job']}/devices", params={"occurrence": one["id"]})
    assert reply.status_code == 200, reply.text
    return {row["device"]["hostname"]: row for row in reply.json()["items"]}


async def test_how_many_each_word_means_is_told_before(operator, other, first) -> None:
    counted = await operator.get(f"{first['path']}/rerun")
    assert counted.json() == {word: len(names) for word, names in MEANT.items()}
    assert (await other.get(f"{first['path']}/rerun")).status_code == 404


@pytest.mark.parametrize("word", MEANT)
async def test_a_word_means_exactly_those_and_both_rows_tell_of_it(operator, first, word: str) -> None:
    body = {"targets": word, "occurrence": first["id"], "expected": len(MEANT[word])}
    reply = await operator.post(f"{PATH}/{first['job']}/rerun", json=body)
    assert reply.status_code == 202, reply.text
    again = reply.json()
    assert (again["kind"], again["origin_occurrence_id"]) == ("rerun", first["id"])
    new = await _rows(operator, {"job": first["job"], "id": again["id"]})
    old = await _rows(operator, first)
    assert set(new) == MEANT[word]
    for name, row in new.items():
        assert row["origin_target_id"] == old[name]["target_id"]
        assert old[name]["rerun_as"] == {
            "target_id": row["target_id"],
            "occurrence_id": again["id"],
            "state": row["state"],
        }
    assert all(old[name]["rerun_as"] is None for name in ENDED if name not in MEANT[word])


async def test_who_still_waits_waits_in_the_new_one_only(operator, first) -> None:
    body = {"targets": "still_waiting", "occurrence": first["id"]}
    assert (await operator.post(f"{PATH}/{first['job']}/rerun", json=body)).status_code == 202
    row = (await _rows(operator, first))["away"]
    assert (row["state"], row["reason"]) == ("expired", "superseded")
    assert (await operator.get(first["path"])).json()["state"] == "closed"
    again = await operator.post(f"{PATH}/{first['job']}/rerun", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_rerun")
    assert "still waiting" in again.json()["detail"]


async def test_another_number_of_devices_than_was_shown_starts_nothing(operator, first) -> None:
    body = {"targets": "failed", "occurrence": first["id"], "expected": 3}
    refused = await operator.post(f"{PATH}/{first['job']}/rerun", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "count_changed")
    assert "2" in refused.json()["detail"] and "3" in refused.json()["detail"]
    assert len((await operator.get(f"{PATH}/{first['job']}/runs")).json()["items"]) == 1


async def test_a_rerun_of_a_rerun_leads_back_row_by_row(operator, first) -> None:
    lines = [first]
    for _ in range(2):
        body = {"targets": {"device_ids": [(await _rows(operator, first))["ferry"]["device"]["id"]]}}
        made = await operator.post(f"{PATH}/{first['job']}/rerun", json={**body, "occurrence": lines[-1]["id"]})
        assert made.status_code == 202, made.text
        lines.append({"job": first["job"], "id": made.json()["id"]})
    targets = [(await _rows(operator, one))["ferry"] for one in lines]
    assert [row["origin_target_id"] for row in targets] == [None, targets[0]["target_id"], targets[1]["target_id"]]
    assert [row["rerun_as"] and row["rerun_as"]["target_id"] for row in targets] == [
        targets[1]["target_id"],
        targets[2]["target_id"],
        None,
    ]
