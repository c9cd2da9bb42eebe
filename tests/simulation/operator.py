"""What people do meanwhile, at the real API: save, change, pause and delete jobs, rerun them, decide what is held, set the guard.

What a request changed is seen in the database alone: of many a reply the operator never hears.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

from tests.simulation import population
from tests.simulation.clockwork import Time
from tests.simulation.judge import Judge, Row, instant

_JOBS = "/api/scheduled_jobs"
_BLACKOUTS = ("0 0,8,16 * * *", "30 1 * * *", "0 */6 * * *", "0 22 * * fri,sat")


@dataclass
class Operator:
    """One person with all rights. `tell(what, job)` is the story."""

    http: httpx.AsyncClient
    time: Time
    chance: Random
    judge: Judge
    densities: list[str]
    script: str
    targets: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    #: (job, its revision, what was promised)
    promises: list[tuple[int, int, list[datetime]]] = field(default_factory=list)
    #: How many held occurrences the guard lets go each minute.
    trickle: int | None = None
    tell: Callable[[str, int | None], None] = field(default=lambda _what, _job: None)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def do_something(self) -> None:
        """One request, chosen at random."""
        jobs = [job for job in self.judge.jobs.values() if job["deleted_at"] is None]
        if not jobs or self.chance.random() < 0.06:
            await self.save(self.chance.choice(self.densities))
            return
        if self.judge.held_rows and self.chance.random() < 0.4:
            await self._decide()
            return
        paused = [job for job in jobs if not job["enabled"]]
        job = self.chance.choice(paused if paused and self.chance.random() < 0.3 else jobs)
        await self.chance.choices(
            (
                self._change,
                self._toggle,
                self._delete,
                self._look,
                self._run_again,
                self._fill_back,
                self._guard,
                self._close,
            ),
            weights=(4, 3, 1 if len(jobs) > 5 else 0, 3, 1, 1, 1, 3),
        )[0](job)

    async def save(self, density: str) -> None:
        schedule = population.schedule(self.chance, self.time.wall, density)
        body = {
            "name": f"job {next(self._numbers)}",
            "components": [{"assembly_id": self.script}],
            "targets": [{"kind": "device", "device_id": one} for one in self._some_targets()],
            "schedule": schedule,
            "policies": population.policies(self.chance, schedule),
        }
        reply = await self.ask("POST", _JOBS, body)
        if reply.status_code == 201:
            self.tell(f"the operator saves it: {schedule}, {body['policies']}", reply.json()["id"])

    def _some_targets(self) -> list[str]:
        return self.chance.sample(self.targets, self.chance.choice((1, 1, 2)))

    async def _change(self, job: Row) -> None:
        schedule = job["definition"]["schedule"]
        if self.chance.random() < 0.6:
            schedule = population.schedule(self.chance, self.time.wall, self.chance.choice(self.densities))
        changed = {"schedule": schedule, "policies": population.policies(self.chance, schedule)}
        self.tell(f"the operator changes it: {changed}", job["id"])
        await self.ask("PUT", f"{_JOBS}/{job['id']}", {**job["definition"], **changed})

    async def _toggle(self, job: Row) -> None:
        body: dict[str, Any] = {"enabled": not job["enabled"]}
        if job["enabled"] and self.chance.random() < 0.7:
            until = self.time.wall + timedelta(seconds=self.chance.choice((30, 400, 7200, 100_000)))
            body["until"] = until.isoformat()
        elif not job["enabled"] and self.chance.random() < 0.5:
            is_fixed = job["zone_source"] == "fixed"
            body["catch_up"] = self.chance.choice(("latest", "all", "hold" if is_fixed else "skip"))
        self.tell(f"the operator toggles it: {body}", job["id"])
        await self.ask("POST", f"{_JOBS}/{job['id']}/toggle", body)

    async def _delete(self, job: Row) -> None:
        self.tell("the operator deletes it", job["id"])
        await self.ask("DELETE", f"{_JOBS}/{job['id']}")

    async def _look(self, job: Row) -> None:
        """A preview is a promise (I9)."""
        reply = await self.ask("GET", f"{_JOBS}/{job['id']}/preview")
        if (
            job["zone_source"] == "fixed"
            and reply.status_code == 200
            and job["enabled"]
            and self.judge.jobs[job["id"]]["revision"] == job["revision"]
        ):
            named = [datetime.fromisoformat(one["at"]).astimezone(UTC) for one in reply.json()["instants"]]
            self.promises.append((job["id"], job["revision"], named))

    async def _run_again(self, job: Row) -> None:
        self.tell("the operator reruns it", job["id"])
        await self.ask("POST", f"{_JOBS}/{job['id']}/rerun", {})

    async def _fill_back(self, job: Row) -> None:
        if job["zone_source"] != "fixed":
            return
        ends = self.time.wall - timedelta(minutes=1)
        begins = ends - timedelta(hours=self.chance.choice((1, 30)))
        self.tell(f"the operator fills it back from {begins} to {ends}", job["id"])
        await self.ask("POST", f"{_JOBS}/{job['id']}/backfill", {"from": begins.isoformat(), "to": ends.isoformat()})

    async def _close(self, job: Row) -> None:
        """A new blackout of the job, every few hours, or an old one taken away."""
        live = [row for row in self.judge.closing.windows.values() if row["deleted_at"] is None]
        if live and self.chance.random() < 0.5:
            window = self.chance.choice(live)["id"]
            self.tell(f"the operator deletes window {window}", None)
            await self.ask("DELETE", f"/api/windows/{window}")
            return
        schedule = {"type": "cron", "expression": self.chance.choice(_BLACKOUTS), "timezone": "Europe/Berlin"}
        body = {
            "name": f"blackout {next(self._numbers)}",
            "kind": "deny",
            "spans": [{"schedule": schedule, "duration_seconds": self.chance.choice((600, 7200, 40_000))}],
            "attachments": [{"kind": "job", "job_id": job["id"]}],
            "when_closed": self.chance.choice(("skip", "defer")),
        }
        self.tell(f"the operator closes it: {body['when_closed']}, {body['spans']}", job["id"])
        await self.ask("POST", "/api/windows", body)

    async def guard(self) -> None:
        """A guard that goes up at a few jobs, now and then with a trickle."""
        self.trickle = self.chance.choice((None, None, 1, 60))
        body = {
            "enabled": self.chance.random() < 0.8,
            "after_seconds": self.chance.choice((120, 600, 7200)),
            "least_jobs": self.chance.choice((1, 2, 4)),
            "trickle_per_minute": self.trickle,
        }
        self.tell(f"the operator sets the storm guard: {body}", None)
        await self.ask("PUT", "/api/storm_guard", body)

    async def _decide(self) -> None:
        """What is held: one of it, or all of the last outage."""
        action = self.chance.choice(("release", "skip"))
        if self.chance.random() < 0.5:
            row = self.chance.choice(list(self.judge.held_rows.values()))
            self.tell(f"the operator decides on {row['scheduled_for_at']}: {action}", row["job_id"])
            await self.ask("POST", f"{_JOBS}/{row['job_id']}/occurrences/{row['id']}/{action}", {"reason": "seen"})
            return
        body = {"jobs": "all", "action": self.chance.choice((action, "latest")), "reason": "after the storm"}
        self.tell(f"the operator decides on all that is held: {body['action']}", None)
        await self.ask("POST", "/api/outages/latest/release", body)

    async def _guard(self, _: Row) -> None:
        await self.guard()

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        reply = await self.http.request(method, path, json=body)
        if reply.status_code >= 500 and reply.status_code != 503:
            raise RuntimeError(f"{method} {path}: {reply.text}")
        self.counts[f"replies_{reply.status_code}"] += 1
        return reply

    def compare_promises(self) -> int:
        """What was promised is what came, wherever nobody touched the job meanwhile; how many were compared."""
        compared = 0
        for job_id, revision, promised in self.promises:
            job = self.judge.jobs[job_id]
            if job["revision"] != revision or job["deleted_at"] or not promised:
                continue
            mark = instant(job["mark_at"])
            assert mark is not None
            due = [one for one in promised if one <= mark]
            came = sorted(one for one in self.judge.settled[job_id] if promised[0] <= one <= promised[-1])
            if due != came[: len(due)]:
                raise AssertionError(f"job {job_id}: {due} was promised, and {came} came")
            compared += len(due)
        return compared
