"""A device that sleeps through three nightly occurrences runs once: the newest; the older two are told as superseded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.flows.clockwork import rehearsing
from tests.flows.fleet import sign_in, until
from watchbill.kit.secrets import KeyRing

EVE = datetime(2027, 5, 3, 22, 0, tzinfo=UTC)


@pytest.mark.timeout(180)
async def test_a_device_that_sleeps_through_three_nights_runs_once(
    database_url: str, keys: KeyRing, tmp_path: Path
) -> None:
    async with rehearsing(database_url, keys, tmp_path, EVE) as rehearsal:
        fleet = rehearsal.fleet
        agent = await fleet.enrol("sleeper", start=False)
        fleet.agents.remove(agent)  # the clock is set without waiting for it
        ran = tmp_path / "ran"
        schedule = {"type": "daily", "start": "2027-05-04T03:00", "timezone": "UTC"}
        script = await fleet.script(f"echo $WATCHBILL_OCCURRENCE_ID >> {ran}")
        job = await fleet.job(script, agent, schedule=schedule, duration={"expires_after_seconds": 7 * 86_400})
        for night in range(3):
            await rehearsal.set_clock(EVE + timedelta(days=night, hours=5, seconds=2))
            await sign_in(fleet)  # the session did not last so long

            async def is_opened(number: int = night + 1) -> bool:
                found = await fleet.occurrences(job)
                return len(found) == number and (await fleet.row(job))["state"] == "waiting_online"

            await until(is_opened, patience=60)
        await agent.start()
        fleet.agents.append(agent)
        newest = await fleet.closed(job, patience=60)
        rows = [
            (row["state"], row["reason"], len(row["executions"]))
            for one in await fleet.occurrences(job)
            for row in await fleet.rows(job, occurrence=one["id"])
        ]
        assert rows == [("success", None, 1), ("expired", "superseded", 0), ("expired", "superseded", 0)]
        assert ran.read_text().split() == [newest["id"]]
