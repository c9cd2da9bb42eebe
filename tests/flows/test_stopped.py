"""What the calendar stops on real devices: a run that is replaced, one whose window ends, one that takes too long as a whole."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.flows.fleet import Agent, Fleet, until
from watchbill import runs

SLEEPER = "setsid sleep 601 & echo $!; sleep 600"


async def _grandchild(fleet: Fleet, row: dict[str, Any]) -> int:
    """What the script left in a session of its own, once its output told which it is."""

    async def told() -> str:
        return (await fleet.output(row)).strip()

    return int(await until(told))


async def _is_gone(pid: int) -> None:
    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    await until(gone)


async def _row_of(fleet: Fleet, job: dict[str, Any], occurrence: str) -> dict[str, Any]:
    (row,) = await fleet.rows(job, occurrence=occurrence)
    return row


async def _ends(fleet: Fleet, job: dict[str, Any], occurrence: str) -> dict[str, Any]:
    async def ended() -> dict[str, Any] | None:
        row = await _row_of(fleet, job, occurrence)
        return row if row["state"] not in ("pending", "dispatched", "running", "cancelling") else None

    return dict(await until(ended))


async def test_a_new_run_replaces_the_one_that_still_runs(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    job = await fleet.job(await fleet.script(SLEEPER), agent, policies={"overlap": "replace"})
    old = (await fleet.in_state(job, "running"))["target_id"]
    first = (await fleet.occurrences(job))[0]["id"]
    child = await _grandchild(fleet, await fleet.row(job))
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/rerun", json={})
    assert reply.status_code == 202, reply.text
    ended = await _ends(fleet, job, first)
    assert (ended["target_id"], ended["state"], ended["reason"]) == (old, "cancelled", "replaced")
    await _is_gone(child)
    new = await fleet.in_state(job, "running")
    assert new["target_id"] != old
    assert _at(new["started_at"]) - _at(ended["finished_at"]) < timedelta(seconds=10), "no sweep in between"
    await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/occurrences/latest/cancel")
    assert (await fleet.closed(job))["outcome"] == "cancelled"


def _at(instant: str) -> datetime:
    return datetime.fromisoformat(instant)


async def _window_that_ends(fleet: Fleet, agent: Agent, seconds: float) -> datetime:
    async with fleet.db.begin() as tx:
        now = await fleet.clock.now(tx)
    begin = (now - timedelta(minutes=10)).replace(second=0, microsecond=0)
    length = round((now - begin).total_seconds() + seconds)
    definition = {
        "name": "short night",
        "kind": "allow",
        "spans": [
            {
                "schedule": {"type": "daily", "start": f"2026-01-01T{begin:%H:%M}", "timezone": "UTC"},
                "duration_seconds": length,
            }
        ],
        "stop_at_end": True,
        "attachments": [{"kind": "device", "device_id": agent.device_id}],
    }
    reply = await fleet.http.post("/api/windows", json=definition)
    assert reply.status_code == 201, reply.text
    return begin + timedelta(seconds=length)


async def test_work_ends_with_its_window_and_so_does_its_process_tree(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script(SLEEPER)
    end = await _window_that_ends(fleet, agent, 6)
    job = await fleet.job(script, agent)
    await fleet.in_state(job, "running")
    child = await _grandchild(fleet, await fleet.row(job))
    occurrence = await fleet.closed(job)
    row = await fleet.row(job)
    assert (occurrence["outcome"], row["state"], row["reason"]) == ("cancelled", "cancelled", "outside_window")
    assert row["detail"] == "It still ran when its window closed."
    stopped = _at(row["finished_at"])
    assert end <= stopped.astimezone(UTC) < end + timedelta(seconds=10), "at the end, not at the next look around"
    await _is_gone(child)


async def test_what_takes_longer_than_its_whole_run_may_is_stopped(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    job = await fleet.job(
        await fleet.script(SLEEPER), agent, duration={"time_limit_seconds": 60, "run_limit_seconds": 60}
    )
    row = await fleet.in_state(job, "running")
    child = await _grandchild(fleet, row)
    async with fleet.db.begin() as tx:
        limit = (await tx.execute(text("SELECT stop_by_at - released_at FROM run_targets"))).scalar_one()
        assert timedelta(seconds=50) < limit <= timedelta(seconds=60)
        # The rest of the minute is not waited for.
        now = await fleet.clock.now(tx)
        await tx.execute(text("UPDATE run_targets SET stop_by_at = :now"), {"now": now})
        await tx.execute(text("SELECT pg_notify(:channel, '')"), {"channel": runs.BOUNDS})
    assert (await fleet.closed(job))["outcome"] == "cancelled"
    row = await fleet.row(job)
    assert (row["state"], row["reason"]) == ("cancelled", "run_limit")
    await _is_gone(child)


#: A grandchild that nothing short of SIGKILL to itself ends: forked twice, in a session of its own, deaf to SIGTERM and SIGHUP.
DEAF = (
    "( setsid nohup bash -c 'trap \"\" TERM HUP INT; echo $$; while :; do sleep 1; done' & )\ntrap '' TERM\n"
    "while :; do sleep 1; done"
)


async def test_a_stop_by_a_person_kills_grandchildren_that_ignore_every_polite_signal(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    job = await fleet.job(await fleet.script(DEAF), agent)
    row = await fleet.in_state(job, "running")
    child = await _grandchild(fleet, row)
    of = f"/api/scheduled_jobs/{job['id']}/occurrences/latest"
    reply = await fleet.http.post(f"{of}/targets/{row['target_id']}/cancel")
    assert reply.status_code == 202, reply.text
    assert (reply.json()["asked"], reply.json()["offline"]) == (1, 0)
    ended = await fleet.in_state(job, "cancelled", patience=60)
    await _is_gone(child)
    assert (ended["cancel_answer"], ended["executions"][0]["cancel_answer"]) == ("killed", "killed")
    assert ended["cancel_sentence"] == "It was stopped, with everything that it had started."
    answers = (await fleet.http.get(f"{of}/cancel")).json()
    assert {name: number for name, number in answers.items() if number} == {"killed": 1}
