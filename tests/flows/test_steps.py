"""Several components on real devices, by HTTP from save to device row: order, failure, another try, check then fix."""

from pathlib import Path
from typing import Any

import pytest

from tests.flows.fleet import Agent, Fleet


async def _several(fleet: Fleet, agent: Agent, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    components = [
        {"assembly_id": await fleet.script(one.pop("script")), "kind": "script", **one}
        for one in (dict(p) for p in parts)
    ]
    return await fleet.job("", agent, components=components, **more)


def _says(folder: Path, word: str, code: int = 0) -> dict[str, Any]:
    return {"script": f"echo {word} >> {folder}/log; exit {code}"}


def _log(folder: Path) -> list[str]:
    return (folder / "log").read_text().split()


def _ran(row: dict[str, Any]) -> list[tuple[int, int, Any]]:
    return [
        (one["component"], one["attempt"], one["reason"] if one["outcome"] == "skipped" else one["exit_code"])
        for one in row["executions"]
    ]


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


async def test_the_third_is_skipped_when_the_second_fails(fleet: Fleet, open_folder: Path) -> None:
    agent = await fleet.enrol("alpha")
    parts = [_says(open_folder, "one"), _says(open_folder, "two", 3), _says(open_folder, "three")]
    job = await _several(fleet, agent, *parts)
    assert (await fleet.closed(job))["outcome"] == "failed"
    row = await fleet.row(job)
    assert _log(open_folder) == ["one", "two"]
    assert _ran(row) == [(0, 1, 0), (1, 1, 3), (2, 1, "after_failure")]
    assert (row["state"], row["exit_code"], row["detail"]) == ("failed", 3, "Component 2 of 3 failed.")


async def test_with_continue_on_failure_the_third_runs(fleet: Fleet, open_folder: Path) -> None:
    agent = await fleet.enrol("alpha")
    parts = [_says(open_folder, "one"), _says(open_folder, "two", 3), _says(open_folder, "three")]
    job = await _several(fleet, agent, *parts, policies={"continue_on_failure": True})
    assert (await fleet.closed(job))["outcome"] == "failed"
    assert _log(open_folder) == ["one", "two", "three"]
    assert _ran(await fleet.row(job)) == [(0, 1, 0), (1, 1, 3), (2, 1, 0)]


async def test_a_second_try_succeeds(fleet: Fleet, open_folder: Path) -> None:
    agent = await fleet.enrol("alpha")
    flaky = {
        "script": f"echo try-$WATCHBILL_ATTEMPT-$WATCHBILL_COMPONENT >> {open_folder}/log; exit $((2 - WATCHBILL_ATTEMPT))"
    }
    policies = {"retries": 2, "retry_delay_seconds": 1}
    job = await _several(fleet, agent, _says(open_folder, "one"), flaky, _says(open_folder, "three"), policies=policies)
    occurrence = await fleet.closed(job)
    assert (occurrence["outcome"], occurrence["counts"]) == ("success", {"success": 1})
    assert _log(open_folder) == ["one", "try-1-1", "try-2-1", "three"]
    assert _ran(await fleet.row(job)) == [(0, 1, 0), (1, 1, 1), (1, 2, 0), (2, 2, 0)]


@pytest.mark.parametrize(
    ("before", "fix", "verdict", "state"),
    [
        ("there", "false", "compliant", "success"),
        ("", "touch", "fixed", "success"),
        ("", "true", "still_wrong", "failed"),
    ],
)
async def test_check_then_fix(fleet: Fleet, open_folder: Path, before: str, fix: str, verdict: str, state: str) -> None:
    agent = await fleet.enrol("alpha")
    mark = open_folder / "mark"
    if before:
        mark.touch()
    check = {"script": f"test -e {mark}", "role": "check"}
    job = await _several(fleet, agent, check, {"script": f"{fix} {mark}"})
    assert (await fleet.closed(job))["verdicts"] == {verdict: 1}
    row = await fleet.row(job)
    assert (row["verdict"], row["state"]) == (verdict, state)
    assert [one["is_recheck"] for one in row["executions"]] == ([False, False] if before else [False, False, True])
    assert len(await fleet.rows(job, verdict=verdict)) == 1
    assert await fleet.rows(job, verdict="fixed" if verdict == "compliant" else "compliant") == []
