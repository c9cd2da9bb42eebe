"""`watchbill occurrences` and `watchbill away` against a real API."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.cli.conftest import Engine, Watchbill
from tests.factories import places
from watchbill import runs
from watchbill.apps.client import jobs, occurrences
from watchbill.apps.client.connection import Api
from watchbill.apps.client.output import Out
from watchbill.apps.client.session import Session
from watchbill.core.occurrence import public_id
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.runs import Held, Missed

AWAY = timedelta(hours=3)


@dataclass
class Harbour:
    """A job with what an outage left of it: five missed, two held."""

    job: int
    name: str
    site: str
    held: list[str]
    outage: int


def in_database(engine: Engine, do: Callable[[AsyncConnection, datetime], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        db = Database(engine.environment["WATCHBILL_DATABASE_URL"])
        async with db.begin() as tx:
            found = await do(tx, await Clock().now(tx))
        await db.close()
        return found

    return asyncio.run(run())


@pytest.fixture
def harbour(engine: Engine, signed_in: Watchbill, unique: str, tmp_path) -> Harbour:
    site = signed_in("sites", "create", f"Site {unique}", "--json").json["id"]
    in_database(engine, lambda tx, now: places.make_device(tx, f"web-{unique}", site, now=now))
    script = f"name: Hello {unique}\nkind: script\ninterpreter: bash\ncontent: |\n  echo hello\n"
    assert signed_in("assemblies", "import", "-", stdin=script).code == 0
    path = tmp_path / "job.yaml"
    path.write_text(
        f"name: Job {unique}\ncomponents:\n  - assembly: Hello {unique}\n"
        f"targets:\n  - kind: device\n    site: Site {unique}\n    hostname: web-{unique}\n"
        "schedule:\n  type: daily\n  start: 2030-01-31T07:00\n  timezone: Europe/Berlin\npolicies:\n  overlap: allow\n"
    )
    made = signed_in("jobs", "create", "-f", str(path), "--json")
    assert made.code == 0, made.err
    job = made.json["id"]

    async def leave(tx: AsyncConnection, now: datetime) -> tuple[int, list[str]]:
        row = {"from_at": now - AWAY, "now": now}
        outage = await tx.execute(
            text(
                "INSERT INTO outages (kind, from_at, to_at, noticed_at, detail)"
                " VALUES ('outage', :from_at, :now, :now, 'No scheduler looked for 3 h.') RETURNING id"
            ),
            row,
        )

        def at(minutes: int) -> datetime:
            return now.replace(second=0, microsecond=0) - timedelta(minutes=minutes)

        gap = Missed(public_id(job, "schedule", at(150), ""), job, 1, at(150), at(130), 5, "catch_up_window")
        await runs.record_missed(tx, [gap], now)
        held = [
            Held(public_id(job, "schedule", at(n), ""), job, 1, at(n), "misfire_hold", "It was late.") for n in (20, 15)
        ]
        await runs.record_held(tx, held, now)
        return outage.scalar_one(), [str(one.id) for one in held]

    outage, held = in_database(engine, leave)
    return Harbour(job, f"Job {unique}", f"Site {unique}", held, outage)


def test_what_did_not_happen_is_listed_with_the_reason_in_words(signed_in: Watchbill, harbour: Harbour) -> None:
    done = signed_in("occurrences", "list", "--job", harbour.name)
    assert done.code == 0, done.err
    assert "WHAT BECAME OF IT" in done.out
    assert "Did not run: the Engine was away from" in done.out
    assert done.out.count("Waits for a person: it was late.") == 2
    rows = signed_in("occurrences", "list", "--job", harbour.name, "--state", "missed", "--json").json["items"]
    assert [(row["state"], row["range_count"]) for row in rows] == [("missed", 5)]


@pytest.mark.parametrize(
    ("where", "number"),
    [
        (["reason=catch_up_window"], 1),
        (["late=true"], 2),
        (["late=true", "reason=misfire_hold"], 2),
        (["kind=manual"], 0),
        (["outcome=success", "outcome=failed"], 0),
    ],
)
def test_conditions_narrow_the_list(signed_in: Watchbill, harbour: Harbour, where: list[str], number: int) -> None:
    words = [word for one in [*where, f"site={harbour.site}", f"q={harbour.name}"] for word in ("--where", one)]
    done = signed_in("occurrences", "list", *words, "--json")
    assert done.code == 0, done.err
    assert len(done.json["items"]) == number


def test_what_is_coming_is_listed_in_order(signed_in: Watchbill, harbour: Harbour, engine: Engine) -> None:
    in_database(engine, lambda tx, now: _daily(tx, harbour.job, now))
    done = signed_in("occurrences", "list", "--coming", "60", "--job", str(harbour.job), "--json")
    assert done.code == 0, done.err
    rows = done.json["items"]
    assert {row["state"] for row in rows} == {"planned"}
    assert len(rows) in {2, 3}
    assert [row["due_at"] for row in rows] == sorted(row["due_at"] for row in rows)


async def _daily(tx: AsyncConnection, job: int, now: datetime) -> None:
    """The job's cadence is brought forward: as it stands it begins too far ahead."""
    await tx.execute(
        text(
            "UPDATE jobs SET definition = jsonb_set(definition, '{schedule,start}', '\"2026-01-01T07:00\"'),"
            " mark_at = :now, next_due_at = :now WHERE id = :id"
        ),
        {"id": job, "now": now},
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("occurrences", "list", "--where", "colour=red"), 2),
        (("occurrences", "list", "--where", "reason"), 2),
        (("occurrences", "list", "--coming", "5", "--to", "2026-01-01T00:00:00Z"), 2),
        (("occurrences", "list", "--state", "lost"), 1),
        (("occurrences", "release", "999999", "00000000-0000-4000-8000-000000000000"), 5),
        (("away", "999999"), 5),
        (("away", "--release", "Atlantis", "--yes"), 5),
    ],
)
def test_exit_codes_tell_what_went_wrong(
    signed_in: Watchbill, harbour: Harbour, words: tuple[str, ...], code: int
) -> None:
    done = signed_in(*words)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err
    assert "Traceback" not in done.err


def test_held_ones_are_let_go_and_skipped(signed_in: Watchbill, harbour: Harbour) -> None:
    one, two = harbour.held
    done = signed_in("occurrences", "release", harbour.name, one, "--reason", "checked")
    assert (done.code, done.out) == (0, f"Let the occurrence {one} go: it is open.\n"), done.err
    assert signed_in("occurrences", "skip", str(harbour.job), two, "--json").json["reason"] == "by_operator"
    again = signed_in("occurrences", "skip", str(harbour.job), two)
    assert again.code == 1
    assert "not held" in again.err


def test_the_away_view_shows_each_job_and_asks_for_nothing(signed_in: Watchbill, harbour: Harbour) -> None:
    done = signed_in("away", str(harbour.outage), "--utc")
    assert done.code == 0, done.err
    assert "5 missed, 2 held, 0 late, 0 decided" in done.out
    line = next(line for line in done.out.splitlines() if harbour.name in line)
    assert line.split()[:6] == [str(harbour.job), *harbour.name.split(), "5", "2", "0"]
    assert line.rstrip().endswith("run_latest  active")
    found = signed_in("away", str(harbour.outage), "--json").json
    assert [row["job_id"] for row in found["jobs"]] == [harbour.job]
    assert signed_in("away", "--json").json["id"] >= harbour.outage


def test_what_is_held_is_decided_in_one_command(signed_in: Watchbill, harbour: Harbour) -> None:
    words = ("away", str(harbour.outage), "--latest", harbour.name, "--reason", "back again")
    asked = signed_in(*words)
    assert (asked.code, asked.out) == (2, "")
    assert f"latest what is held of {harbour.name}" in asked.err
    assert "--yes" in asked.err
    held = signed_in("occurrences", "list", "--job", harbour.name, "--state", "held", "--json").json["items"]
    assert len(held) == 2
    done = signed_in(*words, "--yes")
    assert (done.code, done.out) == (0, "Let 1 go and skipped 1 of what was held.\n"), done.err
    rows = signed_in("occurrences", "list", "--job", harbour.name, "--json").json["items"]
    assert [(row["state"], row["id"]) for row in rows if row["state"] != "missed"] == [
        ("open", harbour.held[1]),
        ("skipped", harbour.held[0]),
    ]
    assert signed_in("away", str(harbour.outage), "--skip", "all", "--yes", "--json").json == {
        "released": 0, "skipped": 0, "refused": [],
    }  # fmt: skip


@pytest.mark.parametrize(("ignores", "words"), [(True, " although a window is closed"), (False, "")])
def test_an_override_of_windows_is_said(capsys, ignores: bool, words: str) -> None:
    reply = {"id": "one", "state": "open", "ignores_windows": ignores}
    api = Api("http://engine")
    answer = httpx.MockTransport(lambda _: httpx.Response(202, json=reply))
    api.client = httpx.Client(base_url="http://engine", transport=answer)
    session = Session(None, None, Out(is_json=False, is_utc=True), api)
    jobs.rerun(session, "5", reason="urgent")
    occurrences.release(session, "5", "one", reason="urgent")
    assert capsys.readouterr().out == (
        f"Started the occurrence one{words}.\nLet the occurrence one go{words}: it is open.\n"
    )
