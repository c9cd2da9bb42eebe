"""Scripts in the sessions of real users, from the saved job to what the operator sees."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories.accounts import SignIns, accounts, needs_root
from tests.flows.fleet import Fleet, until

AS_USER = {"execution_context": "current_user"}
FACTS = 'id -un; id -G; echo "$HOME"; pwd; env | cut -d= -f1 | grep -vE "^(WATCHBILL_.*|_|PWD|SHLVL)$" | sort | tr "\\n" " "'


@pytest.fixture
def people() -> Iterator[SignIns]:
    """Their agents live where users other than root can go through."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    with accounts(folder, 2) as there:
        yield there
    shutil.rmtree(folder, ignore_errors=True)


async def _enrol(fleet: Fleet, people: SignIns) -> Any:
    return await fleet.enrol("alpha", folder=people.file.parent, utmp=people.file)


async def _output(fleet: Fleet, execution: dict[str, Any]) -> str:
    reply = await fleet.http.get(f"/api/executions/{execution['id']}/output/download")
    return str(reply.text)


@needs_root
async def test_each_signed_in_user_runs_it_as_themselves_and_nothing_of_roots_is_there(
    fleet: Fleet, people: SignIns
) -> None:
    for line, user in (("pts/1", people.users[0]), ("pts/2", people.users[1])):
        people.sign_in(line, user)
    agent = await _enrol(fleet, people)
    shown = (await fleet.http.get(f"/api/devices/{agent.device_id}")).json()
    assert {one["user"] for one in shown["sessions"]} == set(people.users)
    job = await fleet.job(await fleet.script(FACTS), agent, **AS_USER)
    assert (await fleet.closed(job))["outcome"] == "success"
    executions = (await fleet.row(job))["executions"]
    assert {one["session_user_name"] for one in executions} == set(people.users)
    for one in executions:
        entry = pwd.getpwnam(one["session_user_name"])
        told = (await _output(fleet, one)).splitlines()
        assert told[0] == entry.pw_name
        assert {int(group) for group in told[1].split()} == set(os.getgrouplist(entry.pw_name, entry.pw_gid))
        assert told[2:4] == [entry.pw_dir, entry.pw_dir]
        assert told[4].split() == ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "USER"]


@needs_root
async def test_two_sessions_of_one_user_are_two_rows(fleet: Fleet, people: SignIns) -> None:
    people.sign_in("tty1", people.users[0])
    people.sign_in("pts/1", people.users[0])
    agent = await _enrol(fleet, people)
    job = await fleet.job(await fleet.script("id -un"), agent, **AS_USER)
    await fleet.closed(job)
    executions = (await fleet.row(job))["executions"]
    assert len({one["session_id"] for one in executions}) == 2
    assert {one["session_user_name"] for one in executions} == {people.users[0]}


@needs_root
async def test_nobody_signed_in_is_left_out(fleet: Fleet, people: SignIns) -> None:
    agent = await _enrol(fleet, people)
    people.sign_in("pts/1", "root")
    job = await fleet.job(await fleet.script("id"), agent, **AS_USER)
    assert (await fleet.closed(job))["outcome"] == "skipped"
    row = await fleet.row(job)
    assert (row["state"], row["reason"], row["executions"]) == ("skipped", "no_user_session", [])


@needs_root
async def test_it_waits_for_a_sign_in_and_goes_with_it(fleet: Fleet, people: SignIns) -> None:
    agent = await _enrol(fleet, people)
    job = await fleet.job(await fleet.script("id -un"), agent, **AS_USER, policies={"no_user_session": "wait"})

    async def waits() -> bool:
        row = await fleet.row(job)
        return (row["state"], row["reason"]) == ("pending", "no_user_session")

    await until(waits)
    people.sign_in("pts/1", people.users[0])
    # Well before the sweep that would find it by itself.
    assert (await fleet.closed(job, patience=20))["outcome"] == "success"
    assert await fleet.output(await fleet.row(job)) == f"{people.users[0]}\n"


@needs_root
async def test_one_that_fails_for_one_user_fails_and_says_for_whom(fleet: Fleet, people: SignIns) -> None:
    for line, user in (("pts/1", people.users[0]), ("pts/2", people.users[1])):
        people.sign_in(line, user)
    agent = await _enrol(fleet, people)
    job = await fleet.job(await fleet.script(f'test "$USER" = {people.users[0]} || exit 3'), agent, **AS_USER)
    assert (await fleet.closed(job))["outcome"] == "failed"
    row = await fleet.row(job)
    assert (row["state"], row["exit_code"]) == ("failed", 3)
    assert row["detail"] == f"In 1 of 2 sessions: {people.users[1]}."


@needs_root
async def test_the_files_of_a_script_are_its_users_alone(fleet: Fleet, people: SignIns) -> None:
    people.sign_in("pts/1", people.users[0])
    agent = await _enrol(fleet, people)
    stored = await fleet.http.post("/api/assembly_files", content=b"#!/bin/sh\necho tool of $(id -un)\n")
    files = [{"name": "tool", "sha256": stored.json()["sha256"]}]
    script = await fleet.script('"$WATCHBILL_FILES/tool"; stat -c "%U %a" "$WATCHBILL_FILES/tool"; pwd', files=files)
    job = await fleet.job(script, agent, **AS_USER)
    assert (await fleet.closed(job))["outcome"] == "success"
    user = people.users[0]
    assert await fleet.output(await fleet.row(job)) == f"tool of {user}\n{user} 700\n{pwd.getpwnam(user).pw_dir}\n"


@needs_root
async def test_a_check_decides_in_each_session_whether_its_fix_runs_there(fleet: Fleet, people: SignIns) -> None:
    ada, bob = people.users
    people.sign_in("pts/1", ada)
    people.sign_in("pts/2", bob)
    Path(pwd.getpwnam(ada).pw_dir, "printer").touch()
    agent = await _enrol(fleet, people)
    components = [
        {"assembly_id": await fleet.script('test -e "$HOME/printer"'), "kind": "script", "role": "check"},
        {"assembly_id": await fleet.script('touch "$HOME/printer"; id -un'), "kind": "script"},
    ]
    job = await fleet.job("", agent, components=components, **AS_USER)
    occurrence = await fleet.closed(job)
    assert (occurrence["outcome"], occurrence["verdicts"]) == ("success", {"fixed": 1})
    row = await fleet.row(job)
    assert (row["state"], row["verdict"], row["detail"]) == ("success", "fixed", None)
    ran: dict[str, list[Any]] = {ada: [], bob: []}
    for one in row["executions"]:
        said = one["reason"] if one["outcome"] == "skipped" else one["exit_code"]
        ran[one["session_user_name"]].append((one["component"], one["is_recheck"], said))
    assert sorted(ran[ada]) == [(0, False, 0), (1, False, "compliant")]
    assert sorted(ran[bob]) == [(0, False, 1), (0, True, 0), (1, False, 0)]
    assert Path(pwd.getpwnam(bob).pw_dir, "printer").exists()
    (fix,) = (one for one in row["executions"] if (one["component"], one["outcome"]) == (1, "exited"))
    assert await _output(fleet, fix) == f"{bob}\n"


@needs_root
async def test_who_failed_alone_is_tried_again(fleet: Fleet, people: SignIns) -> None:
    ada, bob = people.users
    people.sign_in("pts/1", ada)
    people.sign_in("pts/2", bob)
    agent = await _enrol(fleet, people)
    script = f'test "$USER" = {ada} || exit $((2 - WATCHBILL_ATTEMPT))'
    policies = {"retries": 2, "retry_delay_seconds": 1}
    job = await fleet.job(await fleet.script(script), agent, **AS_USER, policies=policies)
    assert (await fleet.closed(job))["outcome"] == "success"
    ran = [(one["session_user_name"], one["attempt"], one["exit_code"]) for one in (await fleet.row(job))["executions"]]
    assert sorted(ran) == sorted([(ada, 1, 0), (bob, 1, 1), (bob, 2, 0)])
