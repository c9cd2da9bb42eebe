"""`watchbill jobs cancel`, `answers`, `again`, `rerun --targets`, `waiting` and the waves of `occurrences`, as a person uses them."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.cli.conftest import Engine, Watchbill
from tests.cli.test_occurrences import in_database
from tests.factories import hands, places
from watchbill import runs

HERE, AWAY = ("crane", "ferry"), ("pump",)


@dataclass
class Going:
    """An occurrence of a job that `crane` and `ferry` have in hand and that waits for `pump`; in a site of its own."""

    engine: Engine
    site: str
    job: str
    occurrence: str
    devices: dict[str, uuid.UUID]
    given: dict[uuid.UUID, runs.Delivery]

    def host(self, name: str) -> str:
        return f"{name}-{self.site.split()[1]}"

    def end(self, name: str, answer: str | None = None, **ended: Any) -> None:
        one = self.given[self.devices[name]]

        async def do(tx: AsyncConnection, now: datetime) -> None:
            if answer:
                await runs.cancel_answered(tx, [(one.execution_id, one.device_id, answer)], now)
            await runs.finished(tx, [hands.report(one, now, **ended)], now)

        in_database(self.engine, do)


def _job(watchbill: Watchbill, unique: str, folder: Path, names: tuple[str, ...], policies: str = "{}") -> str:
    script = f"name: Hello {unique}\nkind: script\ninterpreter: bash\ncontent: |\n  echo hello\n"
    assert watchbill("assemblies", "import", "-", stdin=script).code == 0
    targets = "".join(f"  - kind: device\n    site: Site {unique}\n    hostname: {one}-{unique}\n" for one in names)
    path = folder / "job.yaml"
    path.write_text(
        f"name: Job {unique}\ncomponents:\n  - assembly: Hello {unique}\ntargets:\n{targets}"
        f"schedule:\n  type: daily\n  start: 2030-01-31T07:00\npolicies: {policies}\n"
    )
    made = watchbill("jobs", "create", "-f", str(path))
    assert made.code == 0, made.err
    return f"Job {unique}"


def _devices(engine: Engine, watchbill: Watchbill, unique: str, names: tuple[str, ...]) -> dict[str, uuid.UUID]:
    site = watchbill("sites", "create", f"Site {unique}", "--json").json["id"]

    async def make(tx: AsyncConnection, now: datetime) -> dict[str, uuid.UUID]:
        return {name: await places.make_device(tx, f"{name}-{unique}", site, now=now) for name in names}

    found: dict[str, uuid.UUID] = in_database(engine, make)
    return found


@pytest.fixture
def going(engine: Engine, signed_in: Watchbill, unique: str, tmp_path: Path) -> Going:
    devices = _devices(engine, signed_in, unique, HERE + AWAY)
    job = _job(signed_in, unique, tmp_path, HERE + AWAY)
    occurrence = signed_in("jobs", "rerun", job, "--json").json["id"]
    here = [devices[name] for name in HERE]
    given = in_database(engine, lambda tx, now: hands.hand_out(tx, uuid.UUID(occurrence), here, now))
    return Going(engine, f"Site {unique}", job, occurrence, devices, given)


def _facts(text: str) -> dict[str, str]:
    return dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in text.splitlines())


def test_an_occurrence_is_stopped_and_the_answers_are_told(signed_in: Watchbill, going: Going) -> None:
    done = signed_in("jobs", "cancel", going.job)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "1 device had not begun and will not, 2 devices asked to stop; `jobs answers` tells what they answer.\n"
    )
    going.end("crane", "killed", outcome="cancelled", exit_code=None, tree="stopped")
    going.end("ferry", "could_not", outcome="cancelled", exit_code=None, tree="survived")
    answers = signed_in("jobs", "answers", going.job)
    assert _facts(answers.out) == {
        "waiting": "0", "withdrawn": "1", "killed": "1", "already done": "0", "could not": "1", "no answer": "0", "offline": "0"
    }  # fmt: skip
    assert signed_in("jobs", "answers", going.job, "--occurrence", going.occurrence, "--json").json["killed"] == 1
    again = signed_in("jobs", "cancel", going.job, "--occurrence", going.occurrence)
    assert (again.code, again.out) == (0, "Nothing was left to stop.\n")


def test_one_device_is_stopped_by_the_number_of_its_row(signed_in: Watchbill, going: Going) -> None:
    rows = {one["device"]["hostname"]: one for one in signed_in("runs", "devices", going.job, "--json").json["items"]}
    number = str(rows[going.host("crane")]["target_id"])
    line = next(
        line for line in signed_in("runs", "devices", going.job).out.splitlines() if going.host("crane") in line
    )
    assert number in line.split(), "the table has the number that --target takes"
    done = signed_in("jobs", "cancel", going.job, "--target", number)
    assert done.out == "1 device asked to stop; `jobs answers` tells what they answer.\n"
    refused = signed_in("jobs", "cancel", going.job, "--target", number)
    assert refused.code != 0
    assert "This target is being stopped already." in refused.err
    absent = signed_in("jobs", "cancel", going.job, "--target", str(2**60))
    assert (absent.code, absent.err) == (5, "watchbill: There is no such target in this occurrence.\n")


def test_all_of_a_job_is_stopped(signed_in: Watchbill, going: Going) -> None:
    mixed = signed_in("jobs", "cancel", going.job, "--all", "--target", "1")
    assert (mixed.code, mixed.err) == (2, "watchbill: --all goes without --occurrence and --target.\n")
    reply = signed_in("jobs", "cancel", going.job, "--all", "--json").json
    assert (reply["occurrences"], reply["targets"]) == ([going.occurrence], 3)
    assert signed_in("jobs", "cancel", going.job, "--all").out == "Nothing was left to stop.\n"


def test_who_went_away_is_told_when_back(signed_in: Watchbill, going: Going) -> None:
    in_database(going.engine, lambda tx, now: hands.gone(tx, going.devices["ferry"], now))
    done = signed_in("jobs", "cancel", going.job)
    assert "2 devices asked to stop (1 offline: told when back)" in done.out


def test_what_waits_is_listed_and_withdrawn_after_a_count(signed_in: Watchbill, going: Going) -> None:
    listed = signed_in("waiting", "list", "--site", going.site)
    assert listed.code == 0, listed.err
    assert going.host("pump") in listed.out
    assert going.host("crane") not in listed.out
    (row,) = signed_in("waiting", "list", "--job", going.job, "--json").json["items"]
    assert (row["state"], row["device"]["online"]) == ("waiting_online", False)
    words = ("waiting", "purge", "--device", going.host("pump"), "--reason", "scrapped")
    asked = signed_in(*words)
    assert (asked.code, asked.out) == (2, "")
    assert asked.err == (
        "watchbill: 1 waiting row on 1 device, of 1 job will be withdrawn. Go on?"
        " Nothing was done: repeat it with --yes.\n"
    )
    assert len(signed_in("waiting", "list", "--job", going.job, "--json").json["items"]) == 1
    assert signed_in(*words, "--yes").out == "Done: 1 waiting row on 1 device, of 1 job.\n"
    assert signed_in("waiting", "list", "--job", going.job).err == "Nothing waits.\n"
    assert signed_in(*words).out == "Nothing waits there.\n", "no question about nothing"
    (ended,) = signed_in("runs", "devices", going.job, "-q", "pump", "--json").json["items"]
    assert (ended["state"], ended["detail"]) == ("cancelled", "It was withdrawn while it waited: scrapped")


def test_what_waits_is_given_other_time(signed_in: Watchbill, going: Going) -> None:
    done = signed_in("waiting", "expiry", "2031-01-01T00:00:00Z", "--job", going.job, "--yes")
    assert done.code != 0
    assert "expires_at: must be within 30 days from now" in done.err
    (before,) = signed_in("waiting", "list", "--job", going.job, "--json").json["items"]
    later = in_database(going.engine, _in_nine_days)
    assert signed_in("waiting", "expiry", later, "--job", going.job, "--yes").code == 0
    (after,) = signed_in("waiting", "list", "--job", going.job, "--json").json["items"]
    assert (before["expires_at"] != after["expires_at"], after["expires_at"]) == (True, later)


async def _in_nine_days(_: AsyncConnection, now: datetime) -> str:
    return f"{now + timedelta(days=9):%Y-%m-%dT%H:%M:%S}Z"


@pytest.mark.parametrize("chosen", [(), ("--all", "--job", "x")])
@pytest.mark.parametrize("words", [("purge", "--reason", "x"), ("expiry", "2031-01-01T00:00:00Z")])
def test_nothing_said_never_means_everything(
    signed_in: Watchbill, words: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    done = signed_in("waiting", *words, *chosen, "--yes")
    assert (done.code, done.out) == (2, "")
    assert done.err == "watchbill: Say which: --job, --device or --site, or else --all.\n"


def test_a_rerun_is_for_whom_a_word_means(signed_in: Watchbill, going: Going) -> None:
    going.end("crane")
    going.end("ferry", exit_code=3)
    counted = signed_in("jobs", "again", going.job)
    assert _facts(counted.out) == {
        "failed": "1", "not finished": "1", "unreachable": "0", "never started": "0", "still waiting": "1", "lost": "0"
    }  # fmt: skip
    nobody = signed_in("jobs", "rerun", going.job, "--targets", "lost")
    assert nobody.code != 0
    assert "lost" in nobody.err
    again = signed_in(
        "jobs", "rerun", going.job, "--targets", "failed", "--occurrence", going.occurrence, "--json"
    ).json
    rows = signed_in("runs", "devices", going.job, "--occurrence", again["id"], "--json").json["items"]
    assert [row["device"]["hostname"] for row in rows] == [going.host("ferry")]
    assert rows[0]["origin_target_id"] is not None
    wrong = signed_in("jobs", "rerun", going.job, "--targets", "tired")
    assert wrong.code != 0
    assert "tired" in wrong.err


def test_waves_are_shown_promoted_and_braked(engine: Engine, signed_in: Watchbill, unique: str, tmp_path: Path) -> None:
    names = ("crane", "ferry", "pump")
    _devices(engine, signed_in, unique, names)
    job = _job(signed_in, unique, tmp_path, names, "{waves: {sizes: [1], promote: manual}}")
    occurrence = signed_in("jobs", "rerun", job, "--json").json["id"]
    shown = signed_in("occurrences", "waves", job, occurrence)
    assert shown.code == 0, shown.err
    assert "wave 1 of" in shown.err.lower() + shown.out.lower()
    table = [line for line in shown.out.splitlines() if "pending" in line]
    as_json = signed_in("occurrences", "waves", job, occurrence, "--json").json
    assert len(table) == len(as_json["waves"]) == as_json["rollout"]["waves"]
    odd = signed_in("occurrences", "promote", job, occurrence, "--wave", "9")
    assert (odd.code != 0, odd.out) == (True, "")
    assert "wave" in odd.err
    assert "wave 2 of" in signed_in("occurrences", "promote", job, occurrence, "--wave", "2").out.lower()
    braked = signed_in("occurrences", "brake", job, occurrence, "--reason", "smoke in the hall")
    assert re.fullmatch(r"The brake is on\. By admin \(token CLI on \S+\): smoke in the hall\n", braked.out)
    after = signed_in("occurrences", "promote", job, occurrence)
    assert after.code != 0
    assert "brake" in after.err
    assert signed_in("occurrences", "waves", job, occurrence, "--json").json["rollout"]["phase"] in {"braked", "ended"}


REFUSED = {
    "promote": "This occurrence does not go in waves or with a limit, or is over.",
    "brake": "This occurrence does not go in waves or with a limit, or is over.",
}


def test_a_run_without_waves_says_so(signed_in: Watchbill, going: Going) -> None:
    shown = signed_in("occurrences", "waves", going.job, going.occurrence)
    assert (shown.code, "It does not go in waves of devices." in shown.err) == (0, True)
    for word in ("promote", "brake"):
        refused = signed_in("occurrences", word, going.job, going.occurrence)
        assert (refused.code != 0, refused.out) == (True, "")
        assert refused.err == f"watchbill: {REFUSED[word]}\n"
