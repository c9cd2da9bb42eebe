"""Search over stored output and export of device rows through the real API, at many target rows.

The rows are those of `bench/lists_data.py`, and each execution that ended wrote a line: "removed N files" nearly all of them, one in a
hundred thousand also that its watchdog barked. An admin and an operator of three sites ask who printed a rare word, a frequent one and
one that nobody wrote, plainly and with filters; then the largest occurrence is exported.
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

import httpx
from sqlalchemy import text

from bench import common, lists, lists_data, machine

WORDS = {"rare": "watchdog", "frequent": '"files from"', "none": "unicorn"}
PAGES = 3
#: A number for each execution, the same whenever it is asked for.
_DICE = "('x' || substr(md5(id::text), 1, 8))::bit(32)::bigint"
_LINE = (
    f"'removed ' || {_DICE} % 20 || ' files from spool' || CASE WHEN {_DICE} % 100000 = 7 THEN '; the watchdog barked' ELSE '' END"
    f" || CASE WHEN {_DICE} % 50 = 0 THEN ' ' || substr(id::text, 1, 8) ELSE '' END"
)
OUTPUT = (
    f"UPDATE {{executions}} SET output_hash = sha256(convert_to({_LINE}, 'UTF8'))",
    (
        "INSERT INTO {output_texts} (run_id, hash, stdout, stderr, words)"
        f" SELECT DISTINCT ON (run_id, output_hash) run_id, output_hash, {_LINE}, '', setweight(to_tsvector('simple', {_LINE}), 'A')"
        " FROM {executions}"
    ),
)
_LARGEST = text("""
SELECT o.job_id, o.id::text AS id, sum(c.number)::integer AS rows FROM occurrence_counts c JOIN occurrences o ON o.id = c.occurrence_id
GROUP BY 1, 2 ORDER BY 3 DESC, 2 LIMIT 1
""")
_RARE = text("SELECT count(*) FROM output_texts WHERE words @@ 'watchdog'::tsquery")


async def ask(readers: Sequence[lists.Reader], some: lists_data.Sample, rounds: int) -> None:
    """Each kind of word in each way, `rounds` times by each reader."""
    week = (some.now - timedelta(days=7)).isoformat()
    for reader in [one for _ in range(rounds) for one in readers]:
        for kind, words in WORDS.items():
            ways: dict[str, dict[str, Any]] = {
                "anywhere": {},
                "last week": {"since": week},
                "of a job": {"job_id": random.choice(some.jobs["small"])},
                "in a site": {"site_id": random.choice(some.sites)},
                "failed, last week": {"since": week, "state": "failed"},
                "exit code 1": {"exit_code": 1},
            }
            for way, query in ways.items():
                await reader.page(kind, way, "/api/search", {"q": words, **query}, pages=PAGES)


async def export(stage: common.Stage, http: httpx.AsyncClient, pid: int) -> dict[str, Any]:
    async with stage.db.begin() as tx:
        largest = (await tx.execute(_LARGEST)).one()
    figures: dict[str, Any] = {"export_rows": largest.rows}
    for name, query in (("", {"format": "csv"}), ("with_output_", {"format": "jsonl", "output": "true"})):
        peak = _Peak(pid)
        watching = asyncio.create_task(peak.watch())
        began, lines = time.perf_counter(), 0
        path = f"/api/scheduled_jobs/{largest.job_id}/occurrences/{largest.id}/export"
        async with http.stream("GET", path, params=query) as reply:
            assert reply.status_code == httpx.codes.OK, await reply.aread()
            async for piece in reply.aiter_bytes():
                lines += piece.count(b"\n")
        took = time.perf_counter() - began
        watching.cancel()
        assert lines == largest.rows + (1 if query["format"] == "csv" else 0), (lines, largest.rows)
        figures[f"export_{name}rows_per_s"] = round(largest.rows / took)
        figures[f"export_{name}peak_rss_mb"] = round(peak.most, 1)
    return figures


class _Peak:
    """The most MiB of RSS of a process while it is watched."""

    def __init__(self, pid: int) -> None:
        self.pid, self.most = pid, 0.0

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, machine.memory([self.pid]).rss)
            await asyncio.sleep(0.05)


async def measure(stage: common.Stage, rows: int, rounds: int) -> common.Figures:
    some = await lists_data.sample(stage)
    async with stage.db.begin() as tx:
        rare = int((await tx.execute(_RARE)).scalar_one())
    api = await stage.engine("api")
    times = lists.Times()
    async with lists.readers(stage, some, lists.Times()) as warm:
        await ask(warm, some, 1)
        measured = [lists.Reader(one.name, one.http, times) for one in warm]
        await ask(measured, some, rounds)
        before = machine.memory([api.pid]).rss
        exported = await export(stage, warm[0].http, api.pid)
    times.tell()
    figures = {f"{kind}_p95_ms": round(common.percentile(times.of(kind), 0.95) * 1000, 1) for kind in WORDS}
    return {"rows": rows, "rare_texts": rare, **figures, "before_rss_mb": round(before, 1), **exported}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="target rows, about")
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=6, help="times each question is asked by each reader")
    options = parser.parse_args()
    common.tell("search", f"output of {options.rows} target rows on {options.devices} devices")
    sizes = lists_data.Sizes(options.rows, options.devices, options.sites, options.jobs, widest=options.devices)
    with common.temporary_folder() as folder:
        rows = 0

        async def fill() -> None:
            nonlocal rows
            began = time.monotonic()
            async with common.stage(folder, url) as stage:
                rows = await lists_data.load(stage, sizes, OUTPUT)
            print(f"{rows} target rows loaded in {time.monotonic() - began:.0f} s\n", flush=True)

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                common.finish(await measure(stage, rows, options.rounds))

        with common.new_server(folder, is_durable=False) as url:
            common.run(fill)
        with lists.same_server(folder) as url:
            common.run(bench)


if __name__ == "__main__":
    main()
