"""What the pictures of runs need: one whose brake was tripped, one between two waves, one that waits for a person."""

from typing import Any

from tests.flows.fleet import Agent, Fleet, until

_ONE_BY_ONE = [1, 1]
_FAR = {"type": "daily", "start": "2031-01-01T03:00"}


async def rollouts(fleet: Fleet, good: str, bad: str, *devices: Agent) -> dict[str, Any]:
    """The ids of the jobs, by the names that paths of pictures use."""
    stop = {"failed_count": 1}
    braked = await _job(fleet, bad, devices, "Tighten the mooring lines", sizes=_ONE_BY_ONE, stop=stop)
    soaking = await _job(fleet, good, devices, "Change the lamps", sizes=_ONE_BY_ONE, soak_seconds=3600)
    asked = await _job(fleet, good, devices, "Move the buoys", sizes=_ONE_BY_ONE, promote="manual")
    for job, there in ((braked, "The brake is on."), (soaking, "soaks"), (asked, "waits for a person")):
        await _until(fleet, job, there)
    return {"braked": braked["id"], "soaking": soaking["id"], "asked": asked["id"]}


async def held(fleet: Fleet, job: dict[str, Any]) -> str:
    """The id of an occurrence of the job that waits for a person."""
    reply = await fleet.http.get("/api/occurrences", params={"state": "held", "job_id": job["id"]})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["items"][0]["id"])


async def _job(fleet: Fleet, script: str, devices: tuple[Agent, ...], name: str, **waves: Any) -> dict[str, Any]:
    job = await fleet.job(script, *devices, name=name, schedule=_FAR, policies={"waves": waves})
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/rerun", json={"targets": "all"})
    assert reply.status_code == 202, reply.text
    return job


async def _until(fleet: Fleet, job: dict[str, Any], words: str) -> None:
    async def is_there() -> bool:
        (one, *_) = await fleet.occurrences(job)
        return words in one["rollout"]["sentence"]

    await until(is_there, patience=60)
