"""The web console in a real Chromium before a real Engine: the first useful sight of a long list, a scroll of very many rows, a run that changes fast.

The Engine's data are written as for `bench/lists.py`. One run is opened on all devices through the API, as a person would start it; its
targets are then moved by the Engine's own moves, so that every change is told to the page as it would be.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: it has a calendar of its own

import httpx
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from sqlalchemy import text

from bench import common, lists_data
from watchbill.core.states import TargetEvent
from watchbill.runs.moves import Move, move

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)
WIDTH, HEIGHT = 1360, 820
PATIENCE_MILLISECONDS = 120_000
#: Targets of one transaction: what a gateway brings in one.
BATCH = 200
FAR = {"type": "once", "start": "2035-01-01T00:00Z"}
DEVICES = "Devices of the run"

# In every page from its first moment: when a row is there for the first time, and every task that held the page up.
WATCH = """
window.bench = { useful: null, tasks: [] };
new PerformanceObserver((list) => list.getEntries().forEach((one) => window.bench.tasks.push(one.duration)))
  .observe({ type: "longtask", buffered: true });
const look = () => {
  const rows = document.querySelectorAll("[aria-rowindex]:not([aria-busy]) button, tbody [aria-rowindex] a");
  if ([...rows].some((one) => one.textContent.trim())) window.bench.useful = performance.now();
  else requestAnimationFrame(look);
};
look();
"""
# One part of the page scrolled so many pixels a frame, to and fro; milliseconds between frames.
SCROLL = """
({ label, seconds, step }) => new Promise((done) => {
  const one = document.querySelector(`[role=region][aria-label="${label}"]`);
  const spans = [];
  let last, begin, way = 1;
  const frame = (now) => {
    begin ??= now;
    if (last !== undefined) spans.push(now - last);
    last = now;
    if (one.scrollTop + one.clientHeight >= one.scrollHeight - 1) way = -1;
    else if (one.scrollTop <= 0) way = 1;
    one.scrollTop += step * way;
    if (now - begin < seconds * 1000) requestAnimationFrame(frame);
    else done({ spans, way: one.scrollHeight });
  };
  requestAnimationFrame(frame);
})
"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    if not Path(CHROMIUM).exists():
        raise FileNotFoundError("There is no chromium on this machine. On Debian and Ubuntu: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Seen:
    """What the browser measured."""

    useful: dict[str, list[float]] = field(default_factory=dict)
    fps: dict[str, float] = field(default_factory=dict)
    tasks: list[float] = field(default_factory=list)
    changes_per_s: float = 0.0


@dataclass(frozen=True)
class Console:
    """A signed-in person's browser before the Engine."""

    browser: Browser
    stage: common.Stage
    http: httpx.AsyncClient

    @asynccontextmanager
    async def context(self) -> AsyncIterator[BrowserContext]:
        """One that knows nothing yet: nothing is in its cache."""
        context = await self.browser.new_context(
            base_url=self.stage.api_url, viewport={"width": WIDTH, "height": HEIGHT}
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        await context.add_init_script(WATCH)
        await context.add_cookies(
            [{"name": name, "value": value, "url": self.stage.api_url} for name, value in self.http.cookies.items()]
        )
        try:
            yield context
        finally:
            await context.close()

    @asynccontextmanager
    async def page(self, path: str) -> AsyncIterator[Page]:
        async with self.context() as context:
            page = await context.new_page()
            await page.goto(path)
            # Asked from here: the page's policy lets no function be made of a text there.
            await common.until(lambda: page.evaluate("window.bench.useful"), f"a row of {path}", rest=0.1)
            yield page

    async def useful_ms(self, path: str) -> float:
        """From the beginning of the navigation to the first row."""
        async with self.page(path) as page:
            return float(await page.evaluate("window.bench.useful"))


async def scrolled(page: Page, seconds: float, step: int) -> float:
    """Frames a second."""
    found: dict[str, Any] = await page.evaluate(SCROLL, {"label": DEVICES, "seconds": seconds, "step": step})
    spans: list[float] = found["spans"]
    return 1000 * len(spans) / sum(spans)


async def height(page: Page) -> int:
    return int(await page.evaluate(f"""document.querySelector('[role=region][aria-label="{DEVICES}"]').scrollHeight"""))


async def change(stage: common.Stage, occurrence: str, per_second: int, seconds: float) -> float:
    """Move targets of a run, as what devices say does; changes a second that there really were."""
    async with stage.db.begin() as tx:
        query = text(
            "SELECT id FROM run_targets WHERE occurrence_id = CAST(:id AS uuid) AND state = 'pending' ORDER BY id"
        )
        ids = list((await tx.execute(query, {"id": occurrence})).scalars())
    began, done = time.monotonic(), 0
    for some, event in _turns(ids):
        due = began + done / per_second
        if due > began + seconds:
            break
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        async with stage.db.begin() as tx:
            now = await stage.clock.now(tx)
            bound = now + timedelta(hours=1) if event is TargetEvent.DISPATCH else None
            await move(tx, [Move(one, event, deadline_at=bound, exit_code=_exit(event)) for one in some], now)
        done += len(some)
    return done / max(time.monotonic() - began, 0.001)


def _exit(event: TargetEvent) -> int | None:
    return 0 if event is TargetEvent.SUCCEED else None


def _turns(ids: Sequence[int]) -> Iterator[tuple[Sequence[int], TargetEvent]]:
    """Each batch is handed out, and ends when the next is."""
    for place in range(0, len(ids), BATCH):
        for event in (TargetEvent.DISPATCH, TargetEvent.SUCCEED):
            yield ids[place : place + BATCH], event


async def measure(console: Console, job: int, occurrence: str, options: Any) -> Seen:
    seen = Seen()
    run = f"/jobs/{job}/run"
    for path, name in (("/jobs", "jobs"), (run, "run")):
        await console.useful_ms(path)  # the API's own first time
        seen.useful[name] = [await console.useful_ms(path) for _ in range(options.rounds)]
    async with console.page(run) as page:
        seen.fps["reading, 2 rows a frame"] = await scrolled(page, options.seconds, 92)
        whole = max(92, int(await height(page) / max(60 * options.seconds, 1)))
        seen.fps["through all of them"] = await scrolled(page, options.seconds, whole)
    async with console.page(run) as page:
        await page.evaluate("window.bench.tasks.length = 0")
        async with asyncio.TaskGroup() as group:
            changing = group.create_task(change(console.stage, occurrence, options.changes, options.seconds))
            scrolling = group.create_task(scrolled(page, options.seconds, 46))
        seen.changes_per_s = changing.result()
        seen.fps["while everything changes"] = scrolling.result()
        seen.tasks = await page.evaluate("window.bench.tasks")
    return seen


def figures(seen: Seen) -> common.Figures:
    still = [one for name, one in seen.fps.items() if "changes" not in name]
    return {
        "first_useful_ms": round(common.percentile(seen.useful["jobs"], 0.5)),
        "scroll_fps": round(min(still), 1),
        "long_tasks": len(seen.tasks),
        "longest_task_ms": round(max(seen.tasks, default=0)),
        "run_useful_ms": round(common.percentile(seen.useful["run"], 0.5)),
        "live_fps": round(seen.fps["while everything changes"], 1),
        "changes_per_s": round(seen.changes_per_s),
    }


def tell(seen: Seen) -> None:
    common.table(
        ["first useful sight", "times", "p50 ms", "worst ms"],
        [
            [name, len(some), round(common.percentile(some, 0.5)), round(max(some))]
            for name, some in seen.useful.items()
        ],
    )
    common.table(["scrolling", "frames a second"], [[name, f"{fps:.1f}"] for name, fps in seen.fps.items()])
    held = f"{len(seen.tasks)} tasks of more than 50 ms"
    print(
        f"{seen.changes_per_s:.0f} changes a second: {held}, the longest {max(seen.tasks, default=0):.0f} ms\n",
        flush=True,
    )


async def bench(stage: common.Stage, options: Any) -> None:
    sizes = lists_data.Sizes(options.rows, options.devices, options.sites, options.jobs)
    await lists_data.load(stage, sizes)
    await stage.engine("api")
    script = await stage.script("true")
    job = await stage.job(script, [], FAR, name="Everywhere", targets=[{"kind": "all_devices"}])
    async with stage.signed_in() as http, chromium() as browser:
        started = await http.post(f"/api/scheduled_jobs/{job}/rerun", json={})
        assert started.status_code == httpx.codes.ACCEPTED, started.text
        occurrence = str(started.json()["id"])
        number = sum(started.json()["counts"].values())
        print(f"{options.jobs} jobs, {number} device rows in one run\n", flush=True)
        seen = await measure(Console(browser, stage, http), job, occurrence, options)
    tell(seen)
    common.finish(figures(seen))


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--devices", type=int, default=100_000, help="devices, all of which one run is on")
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--rows", type=int, default=500_000, help="target rows of the history, about")
    parser.add_argument("--changes", type=int, default=2_000, help="changes of targets a second")
    parser.add_argument("--seconds", type=float, default=10, help="of each scroll, and of the changes")
    parser.add_argument("--rounds", type=int, default=7, help="times each page is opened")
    options = parser.parse_args()
    common.tell("web", f"{options.jobs} jobs, a run on {options.devices} devices, {options.changes} changes a second")

    async def whole() -> None:
        async with common.stage(folder, url) as stage:
            await bench(stage, options)

    with common.database() as (folder, url):
        common.run(whole)


if __name__ == "__main__":
    main()
