"""The four lists that grow, and the list of devices, paged through the real API at many target rows.

Set up by SQL, set-based, in the shape that the Engine writes: jobs with their devices, a history of daily, weekly and quarter-hourly
occurrences, frozen targets and executions in weekly partitions, sealed by the retention duty's own steps. Then an admin and an
operator of three sites page through every list in the orders and with the filters that a person would use, over HTTP.
"""

import itertools
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

import httpx

from bench import common, lists_data
from watchbill.kit.postgres import EmbeddedPostgres

PAGES = 6
LIMIT = 50
SITES_OF_OPERATOR = 3
CALENDAR_DAYS = 35
#: Lists and the keys of their figures.
KEYS = {"jobs": "jobs_p95_ms", "runs": "runs_p95_ms", "devices": "devices_p95_ms", "occurrences": "occurrences_p95_ms"}

Query = Mapping[str, Any]


@dataclass
class Times:
    """Seconds of each request, by list, reader and variant."""

    found: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def add(self, what: str, reader: str, variant: str, seconds: float) -> None:
        self.found.setdefault((what, reader, variant), []).append(seconds)

    def of(self, what: str) -> list[float]:
        return [one for (name, _, _), times in self.found.items() if name == what for one in times]

    def tell(self) -> None:
        rows = [
            [f"{what} {variant}", reader, len(times), *_shown(times)]
            for (what, reader, variant), times in sorted(self.found.items())
        ]
        common.table(["list", "reader", "requests", "p50 ms", "p95 ms", "worst ms"], rows)


def _shown(times: Sequence[float]) -> list[str]:
    return [f"{one * 1000:.1f}" for one in (common.percentile(times, 0.5), common.percentile(times, 0.95), max(times))]


@dataclass(frozen=True)
class Reader:
    name: str
    http: httpx.AsyncClient
    times: Times

    async def page(self, what: str, variant: str, path: str, query: Query, *, pages: int = PAGES) -> Any:
        """Read on from the beginning, page by page; the last page."""
        asked: dict[str, Any] = {"limit": LIMIT, **query}
        reply: Any = None
        for _ in range(pages):
            began = time.perf_counter()
            response = await self.http.get(path, params=asked)
            self.times.add(what, self.name, variant, time.perf_counter() - began)
            if response.status_code == httpx.codes.NOT_FOUND:
                return reply  # a job of other sites, or one that has not run
            assert response.status_code == httpx.codes.OK, response.text
            reply = response.json()
            if reply["next_cursor"] is None:
                break
            asked["cursor"] = reply["next_cursor"]
        return reply


async def read_jobs(reader: Reader, some: lists_data.Sample) -> None:
    path = "/api/scheduled_jobs"
    for sort in ("name", "-name", "next_due", "-updated", "-id"):
        await reader.page("jobs", sort, path, {"sort": sort})
    site = {"site_id": random.choice(some.sites)}
    for variant, query in (("a site", site), ("paused", {"state": "paused"}), ("a word", {"q": "job 17"})):
        await reader.page("jobs", variant, path, query)


async def read_runs(reader: Reader, some: lists_data.Sample) -> None:
    for variant, jobs in some.jobs.items():
        path = f"/api/scheduled_jobs/{random.choice(jobs)}/runs"
        await reader.page("runs", variant, path, {})
        await reader.page("runs", f"{variant}, failed", path, {"outcome": "failed"}, pages=2)
        await reader.page("runs", f"{variant}, deep", path, {"until": some.middle.isoformat()})


async def read_devices(reader: Reader, some: lists_data.Sample) -> None:
    for variant, jobs in some.jobs.items():
        job = random.choice(jobs)
        path = f"/api/scheduled_jobs/{job}/devices"
        await reader.page("devices", variant, path, {})
        await reader.page("devices", f"{variant}, failed", path, {"state": "failed"}, pages=3)
        await reader.page("devices", f"{variant}, a word", path, {"q": "7"}, pages=3)
        for occurrence in some.occurrences.get(job, [])[:2]:
            await reader.page("devices", f"{variant}, of earlier", path, {"occurrence": occurrence}, pages=3)


async def read_ledger(reader: Reader, some: lists_data.Sample) -> None:
    path = "/api/occurrences"
    site, job = random.choice(some.sites), random.choice(some.jobs["small"])
    often = random.choice(some.jobs["often"])
    calendar = {"from": some.now.isoformat(), "to": (some.now + timedelta(days=CALENDAR_DAYS)).isoformat()}
    for variant, query in (
        ("newest", {}),
        ("oldest", {"sort": "time"}),
        ("deep", {"until": some.middle.isoformat()}),
        ("missed", {"state": "missed"}),
        ("failed", {"outcome": "failed"}),
        ("late", {"late": True}),
        ("by reason", {"reason": "overlap"}),
        ("a job", {"job_id": job}),
        ("a frequent job", {"job_id": often}),
        ("a site", {"site_id": site}),
        ("a word", {"q": "job 17"}),
        ("a rare word", {"q": some.rare_name}),
        ("calendar", {**calendar, "sort": "time"}),
    ):
        await reader.page("occurrences", variant, path, query)


async def read_fleet(reader: Reader, some: lists_data.Sample) -> None:
    path = "/api/devices"
    for sort in ("hostname", "-hostname", "last_seen", "-last_seen"):
        await reader.page("fleet", sort, path, {"sort": sort})
    for variant, query in (
        ("a word", {"q": "host-0"}),
        ("a rare word", {"q": some.rare_host}),
        ("no such word", {"q": "nowhere"}),
        ("a site", {"site_id": random.choice(some.sites)}),
        ("offline", {"online": False}),
        ("online, last seen", {"online": True, "sort": "-last_seen"}),
    ):
        await reader.page("fleet", variant, path, query)


async def read_bare(reader: Reader, _some: lists_data.Sample) -> None:
    """What any request costs on this machine at this time: who asks, and nothing else."""
    for _ in range(3 * PAGES):
        began = time.perf_counter()
        response = await reader.http.get("/api/session")
        reader.times.add("bare", reader.name, "own session", time.perf_counter() - began)
        assert response.status_code == httpx.codes.OK, response.text


READS = (read_jobs, read_runs, read_devices, read_ledger, read_fleet, read_bare)


@asynccontextmanager
async def readers(stage: common.Stage, some: lists_data.Sample, times: Times) -> AsyncIterator[list[Reader]]:
    async with stage.signed_in() as admin:
        account = {"username": "otto", "password": common.PASSWORD, "role": "operator", "must_change_password": False}
        made = await admin.post("/api/operators", json={**account, "site_ids": some.sites[:SITES_OF_OPERATOR]})
        assert made.is_success, made.text
        async with httpx.AsyncClient(base_url=stage.api_url, timeout=common.PATIENCE) as http:
            reply = await http.post("/api/session", json={name: account[name] for name in ("username", "password")})
            assert reply.is_success, reply.text
            yield [Reader("admin", admin, times), Reader("operator", http, times)]


async def measure(stage: common.Stage, rows: int, rounds: int) -> common.Figures:
    some = await lists_data.sample(stage)
    await stage.engine("api")
    async with readers(stage, some, Times()) as warm:
        await _read(warm, some, 1)
        times = Times()
        measured = [Reader(one.name, one.http, times) for one in warm]
        await _read(measured, some, rounds)
    times.tell()
    figures = {key: round(common.percentile(times.of(what), 0.95) * 1000, 1) for what, key in KEYS.items()}
    beside = {f"{what}_p95_ms": round(common.percentile(times.of(what), 0.95) * 1000, 1) for what in ("fleet", "bare")}
    return {"rows": rows, **figures, **beside, "requests": sum(map(len, times.found.values()))}


@contextmanager
def same_server(folder: Path) -> Iterator[str]:
    """What was filled, on a durable server."""
    with EmbeddedPostgres(folder / "engine") as running:
        yield running.url(common.DATABASE)


async def _read(some_readers: Sequence[Reader], some: lists_data.Sample, rounds: int) -> None:
    for _, read, reader in _turns(some_readers, rounds):
        await read(reader, some)


def _turns(some_readers: Sequence[Reader], rounds: int) -> Iterator[tuple[int, Any, Reader]]:
    """Round by round, so that what the machine does meanwhile meets all lists alike."""
    yield from itertools.product(range(rounds), READS, some_readers)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="target rows, about")
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=6, help="times each list is read by each reader")
    options = parser.parse_args()
    common.tell("lists", f"{options.rows} target rows of {options.jobs} jobs on {options.devices} devices")
    sizes = lists_data.Sizes(options.rows, options.devices, options.sites, options.jobs)
    with common.temporary_folder() as folder:
        rows = 0

        async def fill() -> None:
            nonlocal rows
            began = time.monotonic()
            async with common.stage(folder, url) as stage:
                rows = await lists_data.load(stage, sizes)
            print(f"{rows} target rows loaded in {time.monotonic() - began:.0f} s\n", flush=True)

        async def bench() -> None:
            async with common.stage(folder, url) as stage:
                common.finish(await measure(stage, rows, options.rounds))

        with common.new_server(folder, is_durable=False) as url:
            common.run(fill)
        with same_server(folder) as url:
            common.run(bench)


if __name__ == "__main__":
    main()
