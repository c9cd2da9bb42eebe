"""Stops through HTTP: of one device, a run, an occurrence, all of a job; what each device answered; who may, and what is refused."""

import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.jobs import PATH, create, device
from tests.factories import hands
from watchbill import runs
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database

NAMES = ("crane", "ferry", "lantern", "winch")
FAR = {"type": "daily", "start": "2031-05-04T07:00", "timezone": "UTC"}


@pytest.fixture
async def fleet(fleet, make_device, world) -> dict[str, str]:
    """With `pump`, which is away, and three more that are there."""
    return {**fleet, **{name: str(await make_device(name, world.site_a)) for name in NAMES[1:]}}


class Going:
    """An occurrence that `NAMES` have in hand, and that waits for `pump`."""

    def __init__(self, fleet: dict[str, str], db: Database, clock: Clock) -> None:
        self.fleet, self.db, self.clock = fleet, db, clock

    async def start(self, client: httpx.AsyncClient) -> None:
        targets = [device(self.fleet[name]) for name in (*NAMES, "pump")]
        self.job = (await create(client, self.fleet, targets=targets, schedule=FAR))["id"]
        started = await client.post(f"{PATH}/{self.job}/rerun", json={})
        assert started.status_code == 202, started.text
        self.id = started.json()["id"]
        self.path = f"{PATH}/{self.job}/occurrences/{self.id}"
        async with self.db.begin() as tx:
            ids = [uuid.UUID(self.fleet[name]) for name in NAMES]
            given = await hands.hand_out(tx, uuid.UUID(self.id), ids, await self.clock.now(tx))
        self.given = {name: given[uuid.UUID(self.fleet[name])] for name in NAMES}

    async def answer(self, name: str, answer: str, **ended: Any) -> None:
        one = self.given[name]
        async with self.db.begin() as tx:
            now = await self.clock.now(tx)
            await runs.cancel_answered(tx, [(one.execution_id, one.device_id, answer)], now)
            await runs.finished(tx, [hands.report(one, now, **ended)], now)

    async def rows(self, client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
        found = await client.get(f"{PATH}/{self.job}/devices", params={"occurrence": self.id})
        return {row["device"]["hostname"]: row for row in found.json()["items"]}


@pytest.fixture
async def going(operator, fleet, db, clock) -> Going:
    one = Going(fleet, db, clock)
    await one.start(operator)
    return one


async def _actions(admin: httpx.AsyncClient) -> list[str]:
    return [one["action"] for one in (await admin.get("/api/audit", params={"limit": 50})).json()["items"]]


async def test_each_device_answers_in_its_row_and_the_answers_are_counted(admin, operator, going, db, clock) -> None:
    reply = await operator.post(f"{going.path}/cancel")
    assert reply.status_code == 202, reply.text
    counts = {name: reply.json()[name] for name in ("targets", "withdrawn", "asked", "offline")}
    assert counts == {"targets": 5, "withdrawn": 1, "asked": 4, "offline": 0}
    assert reply.json()["occurrence"]["counts"] == {"cancelling": 4, "cancelled": 1}
    assert (await going.rows(operator))["crane"][
        "cancel_sentence"
    ] == "It is being stopped; its device has not answered yet."
    await going.answer("crane", "killed", outcome="cancelled", exit_code=None, tree="stopped")
    await going.answer("ferry", "already_done")
    await going.answer("lantern", "could_not", outcome="cancelled", exit_code=None, tree="survived")
    rows = await going.rows(operator)
    assert {name: (row["state"], row["cancel_answer"]) for name, row in rows.items()} == {
        "crane": ("cancelled", "killed"),
        "ferry": ("success", "already_done"),
        "lantern": ("cancelled", "could_not"),
        "pump": ("cancelled", "withdrawn"),
        "winch": ("cancelling", "waiting"),
    }
    assert rows["ferry"]["cancel_sentence"] == "It had ended before the stop reached it."
    assert (rows["lantern"]["reason"], rows["lantern"]["cancel_sentence"]) == (
        "tree_survived",
        "Some of its processes could not be stopped and may still run.",
    )
    assert (await operator.get(f"{going.path}/cancel")).json() == {
        "waiting": 1, "withdrawn": 1, "killed": 1, "already_done": 1, "could_not": 1, "no_answer": 0, "offline": 0
    }  # fmt: skip
    async with db.begin() as tx:
        await runs.reap(tx, await clock.now(tx) + timedelta(days=1))
    silent = (await going.rows(operator))["winch"]
    assert (silent["state"], silent["cancel_answer"]) == ("lost", "no_answer")
    assert (
        silent["cancel_sentence"] == "Its device has not answered within its bound; whether it still runs is not known."
    )
    assert "occurrence.cancel" in await _actions(admin)


async def test_one_device_is_stopped_and_the_others_go_on(admin, operator, viewer, other, going) -> None:
    target = (await going.rows(operator))["crane"]["target_id"]
    path = f"{going.path}/targets/{target}/cancel"
    assert (await viewer.post(path)).status_code == 403
    assert (await other.post(path)).status_code == 404
    assert (await operator.post(path)).json() == {"targets": 1, "withdrawn": 0, "asked": 1, "offline": 0}
    again = await operator.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "target_not_active")
    assert again.json()["detail"] == "This target is being stopped already."
    await going.answer("crane", "killed", outcome="cancelled", exit_code=None, tree="stopped")
    ended = await operator.post(path)
    assert (ended.status_code, ended.json()["detail"]) == (409, "This target has ended already.")
    states = {name: row["state"] for name, row in (await going.rows(operator)).items()}
    assert states == {
        "crane": "cancelled",
        "ferry": "dispatched",
        "lantern": "dispatched",
        "pump": "waiting_online",
        "winch": "dispatched",
    }
    absent = await operator.post(f"{going.path}/targets/{2**60}/cancel")
    assert (absent.status_code, absent.json()["code"]) == (404, "target_not_found")
    assert (await _actions(admin)).count("target.cancel") == 1


async def test_a_run_is_stopped_once(admin, operator, viewer, other, going) -> None:
    (run,) = (await operator.get(going.path)).json()["runs"]
    path = f"/api/runs/{run['id']}/cancel"
    assert (await viewer.post(path)).status_code == 403
    assert (await other.post(path)).status_code == 404
    assert (await operator.post(path)).json() == {"targets": 5, "withdrawn": 1, "asked": 4, "offline": 0}
    assert (await operator.post(path)).json() == {"targets": 0, "withdrawn": 0, "asked": 0, "offline": 0}
    assert "run.cancel" in await _actions(admin)


async def test_all_of_a_job_is_stopped_and_its_schedule_goes_on(operator, other, going) -> None:
    before = (await operator.get(f"{PATH}/{going.job}")).json()["next_due_at"]
    assert (await other.post(f"{PATH}/{going.job}/cancel")).status_code == 404
    reply = (await operator.post(f"{PATH}/{going.job}/cancel")).json()
    assert (reply["occurrences"], reply["withdrawn"], reply["asked"]) == ([going.id], 1, 4)
    again = (await operator.post(f"{PATH}/{going.job}/cancel")).json()
    assert (again["targets"], again["occurrences"]) == (0, [going.id]), "still open: devices have yet to answer"
    job = (await operator.get(f"{PATH}/{going.job}")).json()
    assert (job["enabled"], job["next_due_at"]) == (True, before)


async def test_who_has_gone_away_is_told_when_it_comes_back(operator, going, db, clock) -> None:
    async with db.begin() as tx:
        await hands.gone(tx, uuid.UUID(going.fleet["winch"]), await clock.now(tx))
    reply = (await operator.post(f"{going.path}/cancel")).json()
    assert (reply["asked"], reply["offline"]) == (4, 1)
    sentence = (await going.rows(operator))["winch"]["cancel_sentence"]
    assert sentence.endswith("The device is offline: the stop reaches it when it comes back.")
    assert (await operator.get(f"{going.path}/cancel")).json()["offline"] == 1


async def test_an_occurrence_that_reaches_into_other_sites_is_not_stopped_whole(
    admin, operator, fleet, db, clock
) -> None:
    """Somebody of one site stops their own devices, one by one."""
    job = await create(admin, fleet, targets=[device(fleet["crane"]), device(fleet["lamp"])], schedule=FAR)
    one = (await admin.post(f"{PATH}/{job['id']}/rerun", json={})).json()["id"]
    path = f"{PATH}/{job['id']}/occurrences/{one}"
    refused = await operator.post(f"{path}/cancel")
    assert refused.status_code == 403, refused.text
    assert "sites" in refused.json()["detail"]
    found = await operator.get(f"{PATH}/{job['id']}/devices", params={"occurrence": one})
    (mine,) = found.json()["items"]
    assert (await operator.post(f"{path}/targets/{mine['target_id']}/cancel")).json()["withdrawn"] == 1
    everything = (await admin.get(f"{PATH}/{job['id']}/devices", params={"occurrence": one})).json()["items"]
    assert {row["device"]["hostname"]: row["state"] for row in everything} == {"crane": "cancelled", "lamp": "pending"}
