"""`watchbill output`, `search` and `occurrences export` against a real API."""

import json
import subprocess
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.cli.conftest import Engine, Watchbill, engine_command
from tests.cli.test_occurrences import in_database
from tests.factories import places
from watchbill import runs
from watchbill.devices import presence
from watchbill.runs import Chunk, Delivery, Report

GATEWAY = uuid.uuid4()


@dataclass
class Written:
    """An execution of a job, and the word that only its output has."""

    engine: Engine
    job: str
    delivery: Delivery
    word: str
    at: int = 0

    @property
    def execution(self) -> str:
        return str(self.delivery.execution_id)

    def write(self, data: bytes, *, skipped: int = 0) -> None:
        one, begins = self.delivery, self.at + skipped
        self.at = begins + len(data)

        async def do(tx: AsyncConnection, _: datetime) -> None:
            await runs.store_output(
                tx, [Chunk(one.execution_id, one.device_id, "stdout", begins, data)], limit_bytes=1 << 30
            )

        in_database(self.engine, do)

    def end(self) -> None:
        one = self.delivery

        async def do(tx: AsyncConnection, now: datetime) -> None:
            report = Report(
                one.execution_id, one.device_id, "exited", 0, None, None, None, None, now, now, self.at, 0, True, None
            )
            outputs = runs.Outputs(await runs.summarise_output(tx, [report]))
            await runs.finished(tx, [report], now, outputs)

        in_database(self.engine, do)


@pytest.fixture
def written(engine: Engine, signed_in: Watchbill, unique: str, tmp_path: Path) -> Written:
    site = signed_in("sites", "create", f"Site {unique}", "--json").json["id"]
    device = in_database(engine, lambda tx, now: places.make_device(tx, f"web-{unique}", site, now=now))
    script = f"name: Hello {unique}\nkind: script\ninterpreter: bash\ncontent: |\n  echo hello\n"
    assert signed_in("assemblies", "import", "-", stdin=script).code == 0
    path = tmp_path / "job.yaml"
    path.write_text(
        f"name: Job {unique}\ncomponents:\n  - assembly: Hello {unique}\n"
        f"targets:\n  - kind: device\n    site: Site {unique}\n    hostname: web-{unique}\n"
        "schedule:\n  type: daily\n  start: 2030-01-31T07:00\n"
    )
    job = str(signed_in("jobs", "create", "-f", str(path), "--json").json["id"])
    occurrence = signed_in("jobs", "rerun", job, "--json").json["id"]

    async def hand_out(tx: AsyncConnection, now: datetime) -> Delivery:
        await presence.connected(tx, GATEWAY, [(device, uuid.uuid4())], now)
        [run] = await runs.runs_of(tx, [uuid.UUID(occurrence)])
        await runs.release(tx, run.id, site, now)
        return (await runs.take(tx, GATEWAY, now, runs.Look(device_ids=[device]))).deliveries[0]

    return Written(engine, job, in_database(engine, hand_out), f"word{unique}")


def test_output_is_followed_while_it_is_written(signed_in: Watchbill, written: Written) -> None:
    written.write(b"first line\n")
    follower = subprocess.Popen(
        engine_command("output", "follow", written.execution), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"first line\n"
    written.write(b"then \xff\n", skipped=7)
    assert [follower.stdout.readline() for _ in range(3)] == [b"\n", b"[7 bytes were not kept]\n", b"then \xff\n"]
    written.end()
    rest, said = follower.communicate(timeout=30)
    assert (rest, said.decode(), follower.returncode) == (b"", "[exited, exit code 0]\n", 0)
    as_json = signed_in("output", "follow", written.execution, "--json")
    assert [json.loads(line)["event"] for line in as_json.out.splitlines()] == ["output", "output", "end"]


def test_output_is_downloaded_to_a_file_and_says_what_is_missing(
    signed_in: Watchbill, written: Written, tmp_path: Path
) -> None:
    written.write(b"head")
    written.write(b"tail", skipped=1016)
    written.end()
    target = tmp_path / "output.txt"
    done = signed_in("output", "download", written.execution, "--to", str(target))
    assert (done.code, done.out) == (0, "")
    assert "1.0 KiB; not all of it was kept" in done.err
    assert target.read_bytes() == b"head\n[... 1016 bytes were not kept ...]\ntail"
    target.write_bytes(b"mine")
    gone = signed_in("output", "download", str(uuid.uuid4()), "--to", str(target))
    assert (gone.code, target.read_bytes()) == (5, b"mine"), "a refusal leaves the file as it was"


def test_who_wrote_something_is_found_and_grouped_and_exported(
    signed_in: Watchbill, written: Written, unique: str
) -> None:
    written.write(f"=1+1 before the {written.word} and after\n".encode())
    written.end()
    [hit] = signed_in("search", written.word, "--json").json["items"]
    assert (hit["hostname"], hit["execution_id"]) == (f"web-{unique}", written.execution)
    table = signed_in("search", f"the {written.word}", "--job", written.job, "--where", f"site=Site {unique}")
    assert f"the {written.word} and after" in table.out
    nothing = signed_in("search", f"{written.word} before", "--where", "exit=7")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "No output has that.\n")
    [group] = signed_in("output", "groups", written.job, "--json").json["items"]
    assert group["devices"] == 1
    rows = signed_in("runs", "devices", written.job, "--output", group["output"], "--json").json["items"]
    assert [row["device"]["hostname"] for row in rows] == [f"web-{unique}"]
    assert written.word in signed_in("output", "groups", written.job).out
    exported = signed_in("occurrences", "export", written.job, "--format", "jsonl", "--output")
    assert json.loads(exported.out)["stdout"].startswith("=1+1 before")
    head, row = signed_in("occurrences", "export", written.job, "--state", "success").out.splitlines()
    assert head.startswith("target_id,device_id,hostname")
    assert f"web-{unique}" in row


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("search", "--"), 2),
        (("search", "::"), 1),
        (("search", "x", "--where", "colour=red"), 2),
        (("search", "x", "--where", "state=odd"), 1),
        (("output", "follow", str(uuid.uuid4())), 5),
        (("output", "groups", "999999"), 5),
        (("occurrences", "export", "999999"), 5),
        (("output", "download", str(uuid.uuid4()), "--to", "/no/such/folder/x"), 5),
    ],
)
def test_what_cannot_be_asked_is_told(signed_in: Watchbill, words: tuple[str, ...], code: int) -> None:
    done = signed_in(*words)
    assert (done.code, done.out) == (code, ""), done.err
    assert "Traceback" not in done.err
