"""The calendar over HTTP: past and coming instants counted by job and stretch, the load of sites, what one may not see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import World, codes
from tests.api.ledgers import occurred
from watchbill.kit.db import Database
from watchbill.runs import calendar

PATH = "/api/calendar"
MAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
async def fleet(admin: httpx.AsyncClient, make_device, world: World) -> dict[str, int]:
    """A job in site A four times an hour, and one in both sites each day."""
    script = {"name": "Clean up", "interpreter": "bash", "content": "true"}
    assembly = (await admin.post("/api/assemblies", json=script)).json()["id"]
    crane, lamp = [
        str(await make_device(name, site)) for name, site in (("crane", world.site_a), ("lamp", world.site_b))
    ]

    async def job(name: str, devices: list[str], schedule: dict[str, Any]) -> int:
        body = {
            "name": name,
            "components": [{"assembly_id": assembly}],
            "targets": [{"kind": "device", "device_id": one} for one in devices],
            "schedule": {"start": "2026-01-01T03:00", "timezone": "Europe/Berlin", **schedule},
        }
        reply = await admin.post("/api/scheduled_jobs", json=body)
        assert reply.status_code == 201, reply.text
        made: int = reply.json()["id"]
        return made

    return {
        "often": await job("Watch disks", [crane], {"type": "every_15_minutes"}),
        "both": await job("Clean all", [crane, lamp], {"type": "daily"}),
    }


async def read(client: httpx.AsyncClient, begin: datetime, days: float, **query: Any) -> list[dict[str, Any]]:
    asked = {"from": begin.isoformat(), "to": (begin + timedelta(days=days)).isoformat(), **query}
    reply = await client.get(PATH, params=asked)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["stretches"]
    return found


async def test_what_was_is_counted_by_job_and_day_the_worst_told_first(admin, db: Database, fleet, world):
    for hour in range(3):
        await occurred(db, fleet["often"], MAY + timedelta(hours=hour), counts={(world.site_a, "success"): 1})
    await occurred(
        db, fleet["often"], MAY + timedelta(hours=4), None, state="missed", reason="catch_up_window", range_count=5
    )
    last = await occurred(db, fleet["both"], MAY + timedelta(hours=9), "failed", counts={(world.site_b, "failed"): 2})
    first, second = await read(admin, MAY, 2)
    assert (first["jobs"], first["number"], first["outcomes"]) == (2, 9, {"success": 3, "missed": 5, "failed": 1})
    assert [one["job_name"] for one in first["cells"]] == ["Watch disks", "Clean all"]
    assert first["cells"][0]["outcomes"] == {"success": 3, "missed": 5}
    assert first["cells"][1]["occurrence_id"] == str(last)
    assert {one["site_id"]: (one["occurrences"], one["starts"]) for one in first["load"]} == {
        world.site_a: (3, 3),
        world.site_b: (1, 2),
    }
    assert second["number"] == 0
    (only, _) = await read(admin, MAY, 2, jobs=1)
    assert (only["jobs"], [one["job_name"] for one in only["cells"]]) == (2, ["Clean all"])  # the one that failed
    (nine, *_) = await read(admin, MAY + timedelta(hours=9), 0.5, step="hour", site_id=world.site_b)
    assert (nine["number"], nine["load"][0]["starts"]) == (1, 2)


async def test_what_comes_often_is_counted_and_not_named(admin, fleet, world):
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=3)
    stretches = await read(admin, begin, 30)
    assert len(stretches) == 30
    for one in stretches:
        often, both = sorted(one["cells"], key=lambda cell: cell["number"], reverse=True)
        assert (often["number"], often["period_seconds"], often["outcomes"]) == (96, 900, {"planned": 96})
        assert (both["number"], both["period_seconds"], both["occurrence_id"]) == (1, None, None)
        assert {one["site_id"]: one["starts"] for one in one["load"]} == {world.site_a: 97, world.site_b: 1}
    hours = await read(admin, begin, 1, step="hour", job_id=fleet["often"])
    assert [one["number"] for one in hours] == [4] * 24


def _next_change(now: datetime) -> tuple[datetime, int]:
    """Noon of the next day on which clocks in Berlin change, and how many hours it has."""
    days = []
    for year in (now.year, now.year + 1):
        for month, hours in ((3, 23), (10, 25)):
            last = datetime(year, month, 31, 12, tzinfo=UTC)
            days.append((last - timedelta(days=(last.weekday() + 1) % 7), hours))  # its last Sunday
    return min(one for one in days if one[0] > now + timedelta(days=1))


async def test_a_day_is_as_long_as_its_clocks_make_it(admin, fleet):
    noon, hours = _next_change(datetime.now(UTC))
    (day, *_) = await read(admin, noon, 1, timezone="Europe/Berlin", job_id=fleet["often"])
    begins, ends = (datetime.fromisoformat(day[name]) for name in ("starts_at", "ends_at"))
    assert (ends - begins, day["number"]) == (timedelta(hours=hours), 4 * hours)


async def test_more_than_is_counted_is_told(admin, fleet, db: Database, world, monkeypatch):
    for day in range(3):
        await occurred(db, fleet["both"], MAY + timedelta(days=day), counts={(world.site_a, "success"): 1})
    asked = {"from": MAY.isoformat(), "to": (MAY + timedelta(days=3)).isoformat()}
    assert (await admin.get(PATH, params=asked)).json()["is_capped"] is False
    monkeypatch.setattr(calendar, "MOST_ROWS", 2)
    reply = (await admin.get(PATH, params=asked)).json()
    assert reply["is_capped"] is True
    assert [one["number"] for one in reply["stretches"]] == [1, 1, 0]


async def test_nothing_is_told_of_other_sites(viewer, other, db: Database, fleet, world):
    await occurred(db, fleet["both"], MAY, counts={(world.site_a, "success"): 1, (world.site_b, "success"): 4})
    (mine,) = await read(viewer, MAY, 1)
    assert mine["load"] == [{"site_id": world.site_a, "occurrences": 1, "starts": 1}]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    (theirs, *_) = await read(other, tomorrow, 1)
    assert [one["job_name"] for one in theirs["cells"]] == ["Clean all"]
    assert [one["site_id"] for one in theirs["load"]] == [world.site_b]
    assert (await read(other, tomorrow, 1, site_id=world.site_a))[0]["number"] == 0


async def test_jobs_beyond_what_can_be_looked_at_are_told(admin, fleet, monkeypatch):
    monkeypatch.setattr(calendar, "MOST_JOBS", 1)
    begin = datetime.now(UTC) + timedelta(days=1)
    asked = {"from": begin.isoformat(), "to": (begin + timedelta(days=1)).isoformat()}
    reply = (await admin.get(PATH, params=asked)).json()
    assert reply["left_out"] == 1
    assert [one["job_name"] for one in reply["stretches"][0]["cells"]] == ["Watch disks"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"to": "2026-05-03T00:00:00Z"}, "out_of_range"),
        ({"to": "2026-09-03T00:00:00Z"}, "out_of_range"),
        ({"to": "2026-05-20T00:00:00Z", "step": "hour"}, "out_of_range"),
        ({"timezone": "Mars/Olympus"}, "unknown_timezone"),
        ({"from": "2096-05-04T00:00:00Z", "to": "2096-05-05T00:00:00Z"}, "too_far"),
    ],
)
async def test_what_cannot_be_shown_is_refused(admin, query, code):
    reply = await admin.get(PATH, params={"from": "2026-05-04T00:00:00Z", "to": "2026-05-05T00:00:00Z", **query})
    assert reply.status_code == 422
    assert code in codes(reply).values()
