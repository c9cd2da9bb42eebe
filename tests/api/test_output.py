"""Output through HTTP: as a file, as it comes, in groups, searched, exported; in the caller's sites only."""

import asyncio
import csv
import io
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.api.conftest import codes
from tests.api.test_openapi import opening_of
from tests.api.test_runs import make_job, rerun
from watchbill import runs
from watchbill.api import exports
from watchbill.api.exports import cell
from watchbill.devices import presence
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.runs import Chunk, Delivery, Report

PATH = "/api/scheduled_jobs"
GATEWAY = uuid.uuid4()


@pytest.fixture
async def fleet(admin, make_device, world):
    made = await admin.post("/api/assemblies", json={"name": "Clean", "interpreter": "bash", "content": "true"})
    names = {name: str(await make_device(name, world.site_a)) for name in ("crane", "pump", "winch")}
    lamp = str(await make_device("lamp", world.site_b))
    return {"assembly": made.json()["id"], "lamp": lamp, **names}


@dataclass
class Work:
    """One occurrence of a job, handed out; `write` and `end` are what its devices do."""

    db: Database
    clock: Clock
    job: dict[str, Any]
    occurrence: dict[str, Any]
    by_name: dict[str, Delivery]
    written: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"{PATH}/{self.job['id']}/occurrences/{self.occurrence['id']}"

    def output(self, name: str) -> str:
        return f"/api/executions/{self.by_name[name].execution_id}/output"

    async def write(self, name: str, data: bytes, stream: Any = "stdout", *, skipped: int = 0) -> None:
        one = self.by_name[name]
        at = self.written.get((name, stream), 0) + skipped
        self.written[name, stream] = at + len(data)
        async with self.db.begin() as tx:
            chunk = Chunk(one.execution_id, one.device_id, stream, at, data)
            await runs.store_output(tx, [chunk], limit_bytes=1 << 30)

    async def end(self, name: str, *, lost: int = 0, exit_code: int = 0) -> None:
        one = self.by_name[name]
        out, err = (self.written.get((name, stream), 0) for stream in ("stdout", "stderr"))
        async with self.db.begin() as tx:
            now = await self.clock.now(tx)
            report = Report(one.execution_id, one.device_id, "exited", exit_code, None, None, None, None, now, now,
                            out + lost, err, lost > 0, None)  # fmt: skip
            outputs = runs.Outputs(await runs.summarise_output(tx, [report]))
            await runs.finished(tx, [report], now, outputs)


@pytest.fixture
def started(admin, fleet, db, clock, world):
    async def start(*names: str) -> Work:
        job = await make_job(admin, fleet, *names)
        occurrence = await rerun(admin, job)
        devices = {uuid.UUID(fleet[name]): name for name in names}
        async with db.begin() as tx:
            now = await clock.now(tx)
            await presence.connected(tx, GATEWAY, [(one, uuid.uuid4()) for one in devices], now)
            for run in await runs.runs_of(tx, [uuid.UUID(occurrence["id"])]):
                for site in (world.site_a, world.site_b):
                    await runs.release(tx, run.id, site, now)
            taken = await runs.take(tx, GATEWAY, now, runs.Look(device_ids=list(devices)))
        by_name = {devices[one.device_id]: one for one in taken.deliveries}
        assert by_name.keys() == set(names)
        return Work(db, clock, job, occurrence, by_name)

    return start


def events_of(body: str) -> list[dict[str, Any]]:
    """Kind, id and data of each event."""
    found = []
    for block in body.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in lines:
            found.append({"kind": lines["event"], "id": lines["id"], **json.loads(lines["data"])})
    return found


# --- as a file ---------------------------------------------------------------------------------------------------------


async def test_a_download_is_the_whole_with_its_gaps_and_its_true_size(operator, started) -> None:
    work = await started("crane")
    await work.write("crane", b"head \xff\x00")
    await work.write("crane", b" tail", skipped=100)
    await work.write("crane", b"oh", "stderr")
    await work.end("crane", lost=3)
    reply = await operator.get(f"{work.output('crane')}/download")
    assert reply.content == (
        b"head \xff\x00\n[... 100 bytes were not kept ...]\n tail\n[... 3 bytes were not kept ...]\n"
    )
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["content-disposition"].startswith("attachment; ")
    assert (reply.headers["x-output-bytes"], reply.headers["x-output-truncated"]) == ("115", "true")
    both = await operator.get(f"{work.output('crane')}/download", params={"stream": "both"})
    assert both.content == reply.content + b"\n[... standard error ...]\noh"
    assert both.headers["x-output-bytes"] == "117"


async def test_a_download_of_many_chunks_is_complete_and_in_order(operator, started) -> None:
    work = await started("crane")
    one = work.by_name["crane"]
    parts = [Chunk(one.execution_id, one.device_id, "stdout", at, b"%05d\n" % (at // 6)) for at in range(0, 6000, 6)]
    async with work.db.begin() as tx:
        await runs.store_output(tx, parts[::-1], limit_bytes=1 << 30)
    reply = await operator.get(f"{work.output('crane')}/download")
    assert reply.text.split() == [f"{number:05d}" for number in range(1000)]


# --- as it comes -------------------------------------------------------------------------------------------------------


async def test_output_is_followed_as_it_comes_and_to_its_end(operator, started) -> None:
    work = await started("crane")
    await work.write("crane", b"first ")
    following = asyncio.create_task(operator.get(f"{work.output('crane')}/follow"))
    await work.write("crane", b"\xff", "stderr")
    await work.write("crane", b"second", skipped=10)
    await work.end("crane")
    reply = await asyncio.wait_for(following, 10)
    assert reply.headers["content-type"].startswith("text/event-stream")
    *pieces, end = events_of(reply.text)
    told = {stream: [(one["offset"], one["skipped"], one["text"]) for one in pieces if one["stream"] == stream]
            for stream in ("stdout", "stderr")}  # fmt: skip
    assert told == {"stdout": [(0, 0, "first "), (16, 10, "second")], "stderr": [(0, 0, None)]}
    assert (end["kind"], end["id"], end["exit_code"], end["stdout_bytes"]) == ("end", "22-1-end", 0, 22)


async def test_a_reader_goes_on_where_it_stopped(app, operator, started) -> None:
    work = await started("crane")
    await work.write("crane", b"one ")
    await work.write("crane", b"two ", "stderr")
    request = operator.build_request("GET", f"{work.output('crane')}/follow")
    _, begun = await opening_of(app, request, until=b"two ")
    last = events_of(begun.decode())[-1]["id"]
    assert last == "4-4"
    await work.write("crane", b"three")
    await work.end("crane")
    again = await operator.get(f"{work.output('crane')}/follow", headers={"Last-Event-ID": last})
    piece, end = events_of(again.text)
    assert (piece["stream"], piece["offset"], piece["text"]) == ("stdout", 4, "three")
    over = await operator.get(f"{work.output('crane')}/follow", headers={"Last-Event-ID": end["id"]})
    assert (over.status_code, over.content) == (204, b""), "a browser stops asking"
    query = {"stream": "stdout", "stdout_offset": 6}
    [middle, _] = events_of((await operator.get(f"{work.output('crane')}/follow", params=query)).text)
    assert (middle["offset"], middle["text"]) == (6, "ree")


async def test_a_slow_reader_holds_no_transaction_and_little_in_memory(app, operator, started, db) -> None:
    """It has taken one event; what it has not taken is in the database and nowhere else."""
    work = await started("crane")
    for _ in range(40):
        await work.write("crane", b"x" * 65_536)
    reads, taken, goes_on = [], asyncio.Event(), asyncio.Event()
    read = runs.read_output

    async def counting(*given, **named):
        reads.append(found := await read(*given, **named))
        return found

    async def receive():
        await asyncio.Event().wait()

    async def send(message) -> None:
        if b"event: output" in message.get("body", b""):
            taken.set()
            await goes_on.wait()

    request = operator.build_request("GET", f"{work.output('crane')}/follow")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": request.url.path, "raw_path": request.url.raw_path, "root_path": "", "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw], "client": ("192.0.2.1", 40_000),
        "server": ("watchbill.test", 80),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "read_output", counting)
        slow = asyncio.create_task(app(scope, receive, send))
        await asyncio.wait_for(taken.wait(), 10)
        # Another reader comes through meanwhile, in a time of its own.
        quick = await operator.get(f"{work.output('crane')}", params={"limit": 500})
        assert len(quick.json()["pieces"]) == 40
        mine = [found for found in reads if len(found) <= 16]
        assert sum(len(piece.data) for found in mine for piece in found) <= 2 * 16 * 65_536
        async with db.begin() as tx:
            idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
            assert (await tx.execute(text(idle))).scalar_one() == 0
        slow.cancel()
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await slow


async def test_followers_are_let_go_when_the_process_stops(operator, started, deps) -> None:
    work = await started("crane")
    following = asyncio.create_task(operator.get(f"{work.output('crane')}/follow"))
    await work.write("crane", b"hello")
    deps.closing.set()
    reply = await asyncio.wait_for(following, 10)
    assert [one["kind"] for one in events_of(reply.text)] in ([], ["output"])


@pytest.mark.parametrize("last", ["x", "1", "1-", "1-2-over", "-1-2", "9" * 30 + "-1"])
async def test_an_event_id_that_is_none_is_refused(operator, started, last: str) -> None:
    work = await started("crane")
    reply = await operator.get(f"{work.output('crane')}/follow", headers={"Last-Event-ID": last})
    assert (reply.status_code, codes(reply)) == (422, {"Last-Event-ID": "invalid"})


# --- groups and search -------------------------------------------------------------------------------------------------


async def test_devices_are_grouped_by_what_they_wrote(operator, admin, other, started) -> None:
    work = await started("crane", "pump", "lamp")
    for name, wrote in (("crane", b"same\n"), ("pump", b"other\n"), ("lamp", b"same\n")):
        await work.write(name, wrote)
        await work.end(name)

    async def seen(client: httpx.AsyncClient) -> dict[str, int]:
        reply = (await client.get(f"{work.base}/output_groups")).json()
        return {one["stdout"]: one["devices"] for one in reply["items"]}

    assert await seen(admin) == {"same\n": 2, "other\n": 1}
    assert await seen(operator) == {"same\n": 1, "other\n": 1}
    assert await seen(other) == {"same\n": 1}
    first = (await admin.get(f"{work.base}/output_groups", params={"limit": 1})).json()
    name = first["items"][0]["output"]
    second = (await admin.get(f"{work.base}/output_groups", params={"cursor": first["next_cursor"]})).json()
    assert [one["stdout"] for one in second["items"]] == ["other\n"]
    query = {"occurrence": work.occurrence["id"], "output": name}
    rows = (await admin.get(f"{PATH}/{work.job['id']}/devices", params=query)).json()["items"]
    assert {row["device"]["hostname"] for row in rows} == {"crane", "lamp"}
    assert {row["executions"][0]["output"] for row in rows} == {name}
    bad = await admin.get(f"{PATH}/{work.job['id']}/devices", params={**query, "output": "xyz"})
    assert (bad.status_code, codes(bad)) == (422, {"output": "invalid"})


async def test_a_search_says_who_printed_it_where_and_shows_the_place(operator, other, started, fleet) -> None:
    work = await started("crane", "lamp")
    for name in ("crane", "lamp"):
        await work.write(name, b"fine\n")
        await work.write(name, b"error: Disk full on /dev/sda1\n", "stderr")
        await work.end(name, exit_code=28)
    reply = (await operator.get("/api/search", params={"q": '"disk full"'})).json()
    [hit] = reply["items"]
    assert reply["next_cursor"] is None
    assert (hit["hostname"], hit["device_id"], hit["state"], hit["exit_code"]) == (
        "crane",
        fleet["crane"],
        "failed",
        28,
    )
    assert (hit["job_id"], hit["job_name"]) == (work.job["id"], work.job["name"])
    assert hit["occurrence_id"] == work.occurrence["id"]
    assert (hit["stream"], hit["text"][hit["begins"] : hit["ends"]]) == ("stderr", "Disk full")
    theirs = (await other.get("/api/search", params={"q": '"disk full"'})).json()["items"]
    assert [one["hostname"] for one in theirs] == ["lamp"]
    for nothing in ({"stream": "stdout"}, {"exit_code": 0}, {"state": "success"}, {"device_id": fleet["lamp"]}):
        assert (await operator.get("/api/search", params={"q": "disk", **nothing})).json()["items"] == []


async def test_a_search_that_cannot_be_is_refused_with_all_its_problems(operator) -> None:
    reply = await operator.get(
        "/api/search", params={"q": '"x', "limit": 0, "state": "odd", "since": "2026-01-01T00:00:00"}
    )
    assert reply.status_code == 422
    assert codes(reply).keys() == {"q", "limit", "state.0", "since"}
    misspelt = await operator.get("/api/search", params={"q": "x", "jobid": 1})
    assert (misspelt.status_code, codes(misspelt)) == (422, {"jobid": "extra_forbidden"})
    assert (await operator.get("/api/search")).status_code == 422


# --- export ------------------------------------------------------------------------------------------------------------


async def test_an_export_has_every_device_of_the_caller_once(operator, admin, started, monkeypatch) -> None:
    monkeypatch.setattr(exports, "_ROWS", 2)
    work = await started("crane", "pump", "winch", "lamp")
    await work.write("crane", b"=SUM(A1)\n")
    await work.end("crane")
    reply = await admin.get(f"{work.base}/export")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"].endswith('.csv"')
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["hostname"] for row in rows] == ["crane", "lamp", "pump", "winch"]
    assert tuple(rows[0]) == exports.COLUMNS
    assert (rows[0]["state"], rows[0]["exit_code"], rows[0]["stdout_bytes"]) == ("success", "0", "9")
    mine = await operator.get(f"{work.base}/export", params={"format": "jsonl", "state": "success", "output": True})
    assert mine.headers["content-type"] == "application/x-ndjson"
    [only] = [json.loads(line) for line in mine.text.splitlines()]
    assert (only["hostname"], only["stdout"], only["stderr"]) == ("crane", "=SUM(A1)\n", "")
    with_output = await operator.get(f"{work.base}/export", params={"output": True})
    found = {row["hostname"]: row["stdout"] for row in csv.DictReader(io.StringIO(with_output.text))}
    assert found == {"crane": "'=SUM(A1)\n", "pump": "", "winch": ""}


@given(st.text())
def test_no_text_is_a_formula_in_a_spreadsheet(value: str) -> None:
    made = cell(value)
    assert isinstance(made, str)
    assert not made.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert made.removeprefix("'") == value.removeprefix("'")


def test_numbers_and_nothing_stay_what_they_are() -> None:
    assert [cell(value) for value in (-1, 0, None, True)] == [-1, 0, None, True]
