"""Places of device rows through HTTP: any page without those before it, the row of a link, the next one that failed; and what is told around an occurrence."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.jobs import PATH, create, device
from tests.api.ledgers import occurred
from watchbill.core.states import TargetEvent
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.runs.moves import Move, move

FAR = {"type": "daily", "start": "2031-05-04T07:00", "timezone": "UTC"}
#: By host name, and which of them failed.
NAMES = ("Anchor", "buoy", "crane", "Dock", "ferry", "gull", "pump")
FAILED = ("buoy", "ferry")


@pytest.fixture
async def run(operator, fleet, make_device, world, db: Database, clock: Clock) -> dict[str, Any]:
    """One occurrence on all of them, of which two failed."""
    ids = {**fleet, **{name: str(await make_device(name, world.site_a)) for name in NAMES if name not in fleet}}
    job = await create(operator, fleet, targets=[device(ids[name]) for name in NAMES], schedule=FAR)
    started = (await operator.post(f"{PATH}/{job['id']}/rerun", json={})).json()
    async with db.begin() as tx:
        now = await clock.now(tx)
        found = await tx.execute(
            text("SELECT hostname, id FROM run_targets WHERE occurrence_id = :id"), {"id": uuid.UUID(started["id"])}
        )
        targets = {row.hostname: row.id for row in found}
        for event in (TargetEvent.DISPATCH, TargetEvent.FAIL):
            await move(tx, [Move(targets[name], event, deadline_at=now) for name in FAILED], now)
    return {"job": job["id"], "id": started["id"], "path": f"{PATH}/{job['id']}/devices", "targets": targets}


async def _get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    reply = await client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def _names(client: httpx.AsyncClient, run: dict[str, Any], **query: Any) -> list[str]:
    page = await _get(client, run["path"], occurrence=run["id"], **query)
    return [one["device"]["hostname"] for one in page["items"]]


async def test_any_page_is_read_without_those_before_it(operator, run) -> None:
    places = await _get(operator, f"{run['path']}/places", occurrence=run["id"], every=3)
    assert (places["total"], places["every"], len(places["cursors"])) == (7, 3, 3)
    pages = [
        await _names(operator, run, limit=3, **({"cursor": cursor} if cursor else {})) for cursor in places["cursors"]
    ]
    assert pages == [list(NAMES[:3]), list(NAMES[3:6]), list(NAMES[6:])]
    failed = await _get(operator, f"{run['path']}/places", occurrence=run["id"], every=2, state="failed")
    assert failed == {"total": 2, "every": 2, "cursors": [None]}
    nobody = await _get(operator, f"{run['path']}/places", occurrence=run["id"], q="nowhere")
    assert nobody == {"total": 0, "every": 100, "cursors": [None]}


async def test_rows_are_read_again_by_their_names(operator, run) -> None:
    wanted = [run["targets"][name] for name in ("pump", "Dock")]
    assert await _names(operator, run, target_id=wanted) == ["Dock", "pump"]


async def test_a_row_is_found_in_its_list_and_the_next_that_failed_after_it(operator, run) -> None:
    async def found(step: str, name: str | None = None, **query: Any) -> tuple[str, int] | None:
        target = {"target_id": run["targets"][name]} if name else {}
        one = await _get(operator, f"{run['path']}/place", occurrence=run["id"], step=step, **target, **query)
        names = {number: host for host, number in run["targets"].items()}
        return None if one["target_id"] is None else (names[one["target_id"]], one["place"])

    assert await found("here", "Dock") == ("Dock", 3)
    assert await found("here", "ferry", state="failed") == ("ferry", 1)
    assert await found("here", "Dock", state="failed") is None
    assert await found("next") == ("buoy", 1)
    assert await found("next", "buoy") == ("ferry", 4)
    assert await found("next", "ferry") is None
    assert await found("previous", "ferry") == ("buoy", 1)
    assert await found("previous") == ("ferry", 4)


async def test_an_occurrence_says_how_it_is_who_began_it_and_how_long_such_a_one_takes(
    operator, run, db: Database, clock: Clock
) -> None:
    path = f"{PATH}/{run['job']}/occurrences/latest"
    one = await _get(operator, path)
    assert one["sentence"] == "Runs: 2 of 7 devices have ended."
    assert (one["started_by_name"], one["usual_seconds"]) == ("otto", None)
    async with db.begin() as tx:
        now = await clock.now(tx)
    for number in range(3):
        await occurred(db, run["job"], now.replace(year=2025, month=1 + number, day=1))
    async with db.begin() as tx:
        long = text(
            "UPDATE occurrences SET closed_at = opened_at + interval '90 s' WHERE job_id = :job AND state = 'closed'"
        )
        await tx.execute(long, {"job": run["job"]})
    assert (await _get(operator, path))["usual_seconds"] == 90
