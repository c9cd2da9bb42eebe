"""From a saved script to the result on the operator's screen, with everything real in between."""

import socket

from tests.flows.fleet import Fleet


async def test_a_script_runs_on_a_device_and_its_output_comes_back(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    job = await fleet.job(await fleet.script("hostname; echo oops >&2"), agent)
    occurrence = await fleet.closed(job)
    assert (occurrence["outcome"], occurrence["counts"]) == ("success", {"success": 1})
    row = await fleet.row(job)
    assert (row["state"], row["exit_code"], row["device"]["id"]) == ("success", 0, agent.device_id)
    assert await fleet.output(row) == socket.gethostname() + "\n"
    assert await fleet.output(row, "stderr") == "oops\n"
