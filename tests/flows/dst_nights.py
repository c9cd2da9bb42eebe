"""Nights in which the clocks change, lived through by a whole Engine with a real agent: `python -m tests.flows.dst_nights [NIGHT…]`.

Owns how a night is lived through and the ledger that tells what happened in it; what is expected is in `tests.flows.nights`.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.flows.clockwork import Rehearsal, rehearsing
from tests.flows.fleet import until
from tests.flows.nights import NIGHTS, Night, in_columns
from watchbill import queue
from watchbill.apps import doctor
from watchbill.kit import db, log
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.secrets import KeyRing, create_key_ring, load_key_ring

#: The Engine is back this long before each stop, and runs through the due second in real time.
LEAD = timedelta(seconds=0.5)
#: D11: what comes later than this is late.
ON_TIME = timedelta(seconds=60)
WINDOW_SECONDS = 6 * 3600
SCRIPT = 'echo "$WATCHBILL_SCHEDULED_FOR $(date +%s.%N)"'

_UNSETTLED = text("""
SELECT EXISTS (SELECT FROM jobs WHERE next_due_at <= :at) OR EXISTS (SELECT FROM occurrences WHERE state = 'open')
""")


@dataclass
class Account:
    """What a night came to. `problems` are what is wrong whatever was expected."""

    night: Night
    lines: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def differences(self) -> list[str]:
        missing = [f"expected, not there: {line}" for line in self.night.lines if line not in self.lines]
        extra = [f"there, not expected: {line}" for line in self.lines if line not in self.night.lines]
        twice = [f"there twice: {line}" for line in set(self.lines) if self.lines.count(line) > 1]
        return [*missing, *extra, *twice, *self.problems]

    def text(self) -> str:
        """The ledger of the night, for people; what differs from what is expected is told below it."""
        night = self.night
        head = f"{night.zone}, {night.stops[0]:%d %B %Y}: {night.what}"
        stops = ", ".join(f"{stop:%H:%M}Z" for stop in night.stops)
        about = f"saved {night.eve:%H:%M}Z; there at {stops} and from {night.morning:%H:%M}Z on"
        return "\n".join(["", head, about, "", *self.told, "", *[f"!! {one}" for one in self.differences]])


@dataclass
class _Watch:
    """A night while it passes."""

    night: Night
    rehearsal: Rehearsal
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    shown: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    planned: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    printed: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    async def get(self, path: str, **query: Any) -> Any:
        reply = await self.rehearsal.fleet.http.get(path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def prepare(self) -> None:
        """An agent, the jobs, and what the Engine says will happen."""
        fleet, night = self.rehearsal.fleet, self.night
        agent = await fleet.enrol("alpha", timezone=night.zone, start=False)
        script = await fleet.script(SCRIPT)
        for name in night.jobs:
            policies = {
                "catch_up": "skip" if name.endswith(" skip") else "all",
                "catch_up_window_seconds": WINDOW_SECONDS,
                "overlap": "allow",  # what was late may still run when the next one is due
            }
            schedule = _schedule(name.removesuffix(" skip"), night)
            self.jobs[name] = await fleet.job(script, agent, name=name, schedule=schedule, policies=policies)
            preview = await self.get(f"/api/scheduled_jobs/{self.jobs[name]['id']}/preview")
            self.shown |= {(name, instant["at"]): instant for instant in preview["instants"]}
        self.planned = await self.ledger(state="planned", to=_z(night.morning))

    async def ledger(self, **query: Any) -> dict[str, list[dict[str, Any]]]:
        """Rows by job."""
        rows = (await self.get("/api/occurrences", sort="time", limit=500, **query))["items"]
        return {name: [row for row in rows if row["job_name"] == name] for name in self.jobs}

    async def live(self) -> None:
        for stop in self.night.stops:
            await self.rehearsal.set_clock(stop - LEAD)
            await self._settled(stop)
        await self.rehearsal.set_clock(self.night.morning)
        await self._settled(self.night.morning)

    async def _settled(self, at: datetime) -> None:
        """Everything due up to `at` has been opened or written off, and what was opened has ended."""

        async def is_over() -> bool:
            async with self.rehearsal.fleet.db.begin() as tx:
                is_past = await self.rehearsal.fleet.clock.now(tx) > at
                return is_past and not (await tx.execute(_UNSETTLED, {"at": at})).scalar_one()

        await until(is_over, patience=60, every=0.1)
        await self._read_output()

    async def _read_output(self) -> None:
        for occurrence in (await self.get("/api/occurrences", state="closed", limit=500))["items"]:
            if occurrence["id"] not in self.printed:
                job = f"/api/scheduled_jobs/{occurrence['job_id']}"
                (row,) = (await self.get(f"{job}/devices", occurrence=occurrence["id"]))["items"]
                said, seconds = row["last_line"].split()
                self.printed[occurrence["id"]] = said, self.rehearsal.as_engine_time(float(seconds))

    async def account(self) -> Account:
        told = Account(self.night)
        for name, rows in (await self.ledger()).items():
            told.problems += self._against_plan(name, rows)
            for row in rows:
                self._tell(told, name, row)
            if not rows:
                told.lines.append(in_columns(f"{name} | - | nothing"))
                told.told.append(told.lines[-1])
        told.problems += [f"doctor: {one}" for one in await self._findings()]
        return told

    async def _findings(self) -> list[doctor.Finding]:
        engine = self.rehearsal.fleet.engine()
        try:
            return await doctor.check(engine)
        finally:
            await engine.db.close()

    def _tell(self, told: Account, name: str, row: dict[str, Any]) -> None:
        at = _instant(row["scheduled_for_at"])
        shown = self.shown.get((name, row["scheduled_for_at"]), {"local": "?" * 16, "offset": "?", "flags": []})
        local = f"{at:%H:%M}Z {shown['local'][11:]}{shown['offset']} {' '.join(shown['flags'])}"
        line = in_columns(f"{name} | {local} | {_fate(row)}")
        told.lines.append(line)
        if row["id"] not in self.printed:
            told.told.append(line)
            return
        said, began = self.printed[row["id"]]
        after = (began - at).total_seconds()
        told.told.append(f"{line:<78} printed {said}, began after {after:.2f} s")
        if said != row["scheduled_for_at"]:
            told.problems.append(f"its script believes to be for {said}: {line}")
        if not 0 <= after < ON_TIME.total_seconds() and not row["is_late"]:
            told.problems.append(f"on time, and began {after:.2f} s after it was due: {line}")

    def _against_plan(self, name: str, rows: Sequence[dict[str, Any]]) -> list[str]:
        """What was announced on the eve is what happened, under the same ids."""
        planned = {one["id"]: one["scheduled_for_at"] for one in self.planned[name]}
        number = sum(row["range_count"] for row in rows)
        problems = [f"{name}: {len(planned)} were announced, {number} are kept"] if number != len(planned) else []
        strange = [row["scheduled_for_at"] for row in rows if planned.get(row["id"]) != row["scheduled_for_at"]]
        return problems + [f"{name}: {at} was not announced" for at in strange]


def _schedule(name: str, night: Night) -> dict[str, str]:
    """`daily 02:30`, `rrule FREQ=DAILY 02:30`, `cron 30 2 * * *`, `hourly` … A time without a date has begun with the month."""
    kind, _, rest = name.partition(" ")
    zoned = {"type": kind, "timezone": night.zone}
    if kind == "cron":
        return {**zoned, "expression": rest}
    if not rest:
        return zoned
    *rule, start = rest.split()
    start = start if "T" in start else f"{night.eve:%Y-%m}-01T{start}"
    return {**zoned, "start": start, "rule": rule[0]} if rule else {**zoned, "start": start}


def _fate(row: dict[str, Any]) -> str:
    if row["state"] == "closed":
        return f"{'late' if row['is_late'] else 'on time'}, {row['outcome']}"
    number = f" {row['range_count']} to {_instant(row['range_end_at']):%H:%M}Z" if row["range_count"] > 1 else ""
    return f"{row['state']}{number}, {row['reason']}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _z(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


async def live_through(night: Night, url: str, keys: KeyRing, folder: Path) -> Account:
    """The whole night, in well under a minute."""
    async with rehearsing(url, keys, folder, night.eve) as rehearsal:
        watch = _Watch(night, rehearsal)
        await watch.prepare()
        await watch.live()
        return await watch.account()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    names = {night.name: night for night in NIGHTS}
    parser.add_argument("nights", nargs="*", help=", ".join(names))
    chosen = parser.parse_args(arguments).nights
    if strange := [name for name in chosen if name not in names]:
        parser.error(f"no such night: {', '.join(strange)}; there are {', '.join(names)}")
    log.configure(level="error")
    failed = 0
    with EmbeddedPostgres.temporary() as server, tempfile.TemporaryDirectory(prefix="watchbill-nights-") as folder:
        Path(folder).chmod(0o711)
        for number, night in enumerate(names[name] for name in chosen or names):
            account = asyncio.run(_in_a_world(night, server, f"night_{number}", Path(folder) / night.name))
            print(account.text(), flush=True)
            failed += bool(account.differences)
    print(f"{failed} of the nights differ from what is expected." if failed else "All as expected.")
    return 1 if failed else 0


async def _in_a_world(night: Night, server: EmbeddedPostgres, database: str, folder: Path) -> Account:
    folder.mkdir(mode=0o711)
    await asyncio.to_thread(server.create_database, database)
    url = server.url(database)
    await asyncio.to_thread(db.migrate, url)
    await asyncio.to_thread(queue.converge_schema, url)
    create_key_ring(folder / "ring.json")
    return await live_through(night, url, load_key_ring(folder / "ring.json"), folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
