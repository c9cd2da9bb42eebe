"""Files from the upload to the script that reads them on a device."""

import hashlib
import random
from typing import Any

from tests.flows.fleet import Fleet

MIB = 1024 * 1024
READS = 'cd "$WATCHBILL_FILES" && sha256sum data.bin && ls && pwd && stat -c %a data.bin && echo "$TMPDIR"'


def noise(number: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(number)


async def stored(fleet: Fleet, content: bytes) -> dict[str, Any]:
    reply = await fleet.http.post("/api/assembly_files", content=content)
    assert reply.status_code == 201, reply.text
    return {"name": "data.bin", "sha256": reply.json()["sha256"]}


async def test_a_script_reads_its_file_of_20_mb_and_a_run_of_an_old_revision_gets_the_old_one(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    large, small = noise(20 * MIB + 4321, 1), noise(70_000, 2)
    script = await fleet.script(READS, files=[await stored(fleet, large)])
    newer = await stored(fleet, small)
    put = await fleet.http.put(f"/api/assemblies/{script}/files/data.bin", json={"sha256": newer["sha256"]})
    assert (put.status_code, put.json()["revision"]) == (200, 2), put.text
    # The limit of the script is short: what the download takes is no part of it.
    pinned = await fleet.job(script, agent, component={"revision": 1}, duration={"time_limit_seconds": 20})
    latest = await fleet.job(script, agent)
    for job, content in ((pinned, large), (latest, small)):
        assert (await fleet.closed(job, patience=120))["outcome"] == "success"
        told = (await fleet.output(await fleet.row(job))).splitlines()
        assert told[0] == f"{hashlib.sha256(content).hexdigest()}  data.bin"
        assert told[1] == "data.bin"
        assert told[3] == "700"
        assert told[2] == told[4]
    kept = {path.name for path in (agent.data_dir / "files" / "contents").iterdir()}
    assert kept == {hashlib.sha256(one).hexdigest() for one in (large, small)}
    assert not list((agent.data_dir / "files" / "staged").iterdir())


async def test_what_the_engine_has_lost_is_said_before_the_script_begins(fleet: Fleet) -> None:
    agent = await fleet.enrol("alpha")
    script = await fleet.script("echo never", files=[await stored(fleet, b"lost")])
    async with fleet.db.begin() as tx:
        await tx.exec_driver_sql("DELETE FROM file_pieces")
    job = await fleet.job(script, agent)
    assert (await fleet.closed(job))["outcome"] == "failed"
    row = await fleet.row(job)
    assert (row["state"], row["reason"]) == ("failed", "refused_file_unavailable")
    assert "not kept by the Engine" in row["detail"]
    assert row["started_at"] is None
