"""What scripts do on real devices, the pleasant and the hostile, and what the operator sees of it."""

import asyncio
from pathlib import Path

from tests.flows.fleet import Fleet


async def test_an_exit_code_fails_or_warns_as_the_assembly_says(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("exit 3", warning_exit_codes=[3])
    warned = await fleet.job(script, agent)
    failed = await fleet.job(await fleet.script("echo last words; exit 4"), agent)
    assert (await fleet.closed(warned))["outcome"] == "warning"
    assert (await fleet.closed(failed))["outcome"] == "failed"
    row = await fleet.row(failed)
    assert (row["state"], row["exit_code"], row["last_line"]) == ("failed", 4, "last words")


async def test_variables_reach_the_script_with_defaults_and_secrets_stay_out_of_sight(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    declared = [
        {"name": "HOURS", "type": "number", "default": 8},
        {"name": "WHERE", "type": "string", "required": True},
        {"name": "KEY", "type": "secret", "required": True},
    ]
    script = await fleet.script('echo "$HOURS $WHERE ${#KEY}"', variables=declared)
    given = {"variables": {"WHERE": "the harbour", "KEY": "s3cr3t-value"}}
    job = await fleet.job(script, agent, component=given)
    assert "s3cr3t-value" not in str(job)
    await fleet.closed(job)
    assert await fleet.output(await fleet.row(job)) == "8 the harbour 12\n"
    shown = await fleet.http.get(f"/api/scheduled_jobs/{job['id']}/runs")
    assert "s3cr3t-value" not in shown.text


async def test_a_script_that_overruns_is_stopped_with_its_children(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("trap '' TERM; (trap '' TERM; sleep 600) & echo started; sleep 600; sleep 600")
    job = await fleet.job(script, agent, duration={"time_limit_seconds": 1})
    await fleet.closed(job, patience=60)
    row = await fleet.row(job)
    assert (row["state"], row["reason"]) == ("timed_out", None)
    assert await fleet.output(row) == "started\n"


async def test_a_stop_reaches_the_process_tree_and_is_answered(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("setsid sleep 601 & echo $!; sleep 600")
    job = await fleet.job(script, agent)
    await fleet.in_state(job, "running")
    reply = await fleet.http.post(f"/api/scheduled_jobs/{job['id']}/occurrences/latest/cancel")
    assert reply.status_code == 202, reply.text
    occurrence = await fleet.closed(job)
    assert occurrence["outcome"] == "cancelled"
    row = await fleet.row(job)
    assert (row["state"], row["executions"][0]["cancel_answer"]) == ("cancelled", "killed")
    grandchild = int((await fleet.output(row)).strip())
    assert not _is_alive(grandchild)


async def test_a_flood_is_cut_in_the_middle_and_says_so(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("echo begin; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end")
    job = await fleet.job(script, agent)
    assert (await fleet.closed(job, patience=60))["outcome"] == "success"
    row = await fleet.row(job)
    execution = row["executions"][0]
    assert execution["truncated"]
    assert execution["stdout_bytes"] == 20_000_000 + len("begin\n\nend\n")
    text = await fleet.output(row)
    assert text.startswith("begin\nxxx")
    assert text.endswith("x\nend\n")
    assert "bytes were not kept" in text
    assert len(text) < 6_000_000


async def test_reading_stdin_ends_at_once(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    job = await fleet.job(await fleet.script("cat; echo read all of nothing"), agent)
    assert (await fleet.closed(job))["outcome"] == "success"
    assert await fleet.output(await fleet.row(job)) == "read all of nothing\n"


async def test_a_missing_interpreter_is_a_skip_with_a_reason(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    powershell = await fleet.script("Get-Date", interpreter="powershell")
    batch = await fleet.script("dir", interpreter="batch")
    for script, reason in ((powershell, "interpreter_missing"), (batch, "os_mismatch")):
        job = await fleet.job(script, agent)
        occurrence = await fleet.closed(job)
        row = await fleet.row(job)
        assert (occurrence["state"], occurrence["reason"]) == ("skipped", "no_eligible_targets") or row["executions"]
        assert (row["state"], row["reason"]) == ("skipped", reason)


async def test_a_script_that_kills_its_agent_is_reported_by_the_next_one(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    assert agent.process is not None
    job = await fleet.job(await fleet.script(f"kill -9 {agent.process.pid}; echo survived; exit 7"), agent)
    await asyncio.wait_for(agent.process.wait(), 20)
    await agent.start()
    await fleet.closed(job)
    row = await fleet.row(job)
    assert (row["state"], row["exit_code"]) == ("failed", 7)
    assert await fleet.output(row) == "survived\n"


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
