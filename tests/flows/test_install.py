"""The one line that brings a machine in, as an operator copies it, run on a machine of its own against a real Engine."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.agent import machine as machines
from tests.agent.machine import Machine
from tests.factories.packages import AARCH64, package
from tests.factories.packed import Packed, packed_agent
from tests.flows.fleet import Agent, Fleet, until

_OBSTACLE = machines.missing()
pytestmark = [
    pytest.mark.timeout(400),  # the first one waits for the build
    pytest.mark.skipif(_OBSTACLE is not None, reason=f"NO LAB: {_OBSTACLE}"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="building a package needs binutils"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="NO LAB: the Debian package curl is missing"),
]
HOME = "/opt/watchbill-agent"


@pytest.fixture(scope="module")
def packed() -> Packed:
    return packed_agent()


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    yield made
    made.off()


async def publish(fleet: Fleet, data: bytes) -> dict[str, Any]:
    headers = {"Content-Type": "application/octet-stream"}
    reply = await fleet.http.post("/api/agent_packages", content=data, headers=headers)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def line_of(fleet: Fleet) -> str:
    return str((await fleet.http.get(f"/api/sites/{fleet.site['id']}")).json()["install_command"])


async def typed(machine: Machine, line: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(machine.run, "/bin/sh", "-c", line)


def is_untouched(machine: Machine) -> bool:
    return machine.sh(f"ls -A /opt /usr/local/bin /var/lib; ls {HOME} 2>/dev/null || :").split() == [
        "/opt:",
        "/usr/local/bin:",
        "/var/lib:",
    ]


async def approve(fleet: Fleet) -> str:
    pending = (await fleet.http.get("/api/device_approvals", params={"state": "pending"})).json()["items"]
    assert len(pending) == 1
    approved = await fleet.http.post(f"/api/device_approvals/{pending[0]['id']}/approve", json={"resolve": "new"})
    return str(approved.json()["device_id"])


async def test_a_copied_line_installs_the_agent_which_waits_for_approval_and_then_serves(
    tls_fleet: Fleet, machine: Machine, packed: Packed
) -> None:
    version = (await publish(tls_fleet, packed.archive.read_bytes()))["version"]
    line = await line_of(tls_fleet)
    assert "--pinnedpubkey sha256//" in line
    done = await typed(machine, line)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "waits for approval" in done.stdout
    assert machine.sh(f"readlink {HOME}/current; readlink /usr/local/bin/watchbill-agent").split() == [
        version,
        f"{HOME}/current/watchbill-agent",
    ]
    assert machine.sh(f"ls -A {HOME}").split() == [version, "current"]
    assert machine.sh(f"find {HOME} ! -user root -o -perm -o+w ! -type l") == ""
    told = machine.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert tls_fleet.site["enrolment_code"] not in told

    device = Agent(Path("/var/lib/watchbill-agent"), device_id=await approve(tls_fleet))
    await until(lambda: tls_fleet.is_online(device))
    job = await tls_fleet.job(
        await tls_fleet.script("id -un; echo begun; while ! test -e /run/end; do sleep 0.1; done"), device
    )
    (agent,) = await until(lambda: _agents(machine))
    await until(lambda: "begun" in machine.sh("cat /var/lib/watchbill-agent/executions/*/stdout.head 2>/dev/null || :"))
    machine.sh(f"kill -9 {agent}; touch /run/end")
    assert (await tls_fleet.closed(job))["outcome"] == "success"
    assert await tls_fleet.output(await tls_fleet.row(job)) == "root\nbegun\n"

    again = await typed(machine, line)
    assert again.returncode == 0, (again.stdout, again.stderr)
    assert "already enrolled" in again.stdout
    status = json.loads(machine.sh("watchbill-agent service status --json"))
    assert (status["running"], status["device_id"], status["enrolment"]) == (True, device.device_id, "approved")
    await until(lambda: tls_fleet.is_online(device))


def _agents(machine: Machine) -> list[int]:
    return sorted(set(machine.processes("run", "--wait-for-approval")) - set(machine.processes("keep")))


async def test_without_a_package_the_machine_is_told_and_left_alone(tls_fleet: Fleet, machine: Machine) -> None:
    await publish(tls_fleet, package(machine=AARCH64))
    done = await typed(machine, await line_of(tls_fleet))
    assert (done.returncode, "It has linux aarch64" in done.stderr) == (1, True), done.stderr
    assert is_untouched(machine)


async def test_a_wrong_code_another_key_and_an_engine_that_is_away_leave_nothing(
    tls_fleet: Fleet, machine: Machine, packed: Packed
) -> None:
    await publish(tls_fleet, packed.archive.read_bytes())
    line = await line_of(tls_fleet)
    (machine_script,) = [(await tls_fleet.http.get("/install.sh")).text]
    words = line.partition("sh -s -- ")[2]
    server, code, pin = words.split()[1::2]
    for changed, said in (
        (words.replace(code, "WRONG-CODE"), "This enrolment code is not accepted"),
        (words.replace(pin, f"sha256//{'A' * 43}="), "another key than the pinned one"),
        (words.replace(server, "https://127.0.0.1:1"), "cannot be reached"),
        (words.replace(server, "http://engine"), "--server must be https"),
        (words.replace(code, "a b"), "There is no option b"),
        (words.replace(code, "a;b"), "--code must be"),
        ("--server", "needs a value"),
        ("", "--server must be"),
    ):
        done = await asyncio.to_thread(machine.run, "/bin/sh", "-s", "--", *changed.split(), given=machine_script)
        assert (done.returncode, said in done.stderr) == (1, True), (changed, done.stderr)
        assert is_untouched(machine), said


_OLD = '#!/bin/sh\n[ "$1" = GNU_LIBC_VERSION ] && echo glibc 2.17\n'


async def test_a_machine_that_does_not_fit_is_told_why(tls_fleet: Fleet, machine: Machine, packed: Packed) -> None:
    made = await publish(tls_fleet, packed.archive.read_bytes())
    line = await line_of(tls_fleet)
    for prepare, restore, said in (
        ("mount -o remount,size=20m /opt", "mount -o remount,size=1g /opt", "too little room"),
        (
            f"printf '{_OLD}' >/usr/local/sbin/getconf; chmod 755 /usr/local/sbin/getconf",
            "rm /usr/local/sbin/getconf",
            f"needs glibc {made['glibc']}, and this system has 2.17",
        ),
        (
            "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/sbin/getconf; chmod 755 /usr/local/sbin/getconf",
            "rm /usr/local/sbin/getconf",
            "another C library",
        ),
        (
            "printf '#!/bin/sh\\n[ \"$1\" = -m ] && echo riscv64 || echo Linux\\n' >/usr/local/sbin/uname; chmod 755 /usr/local/sbin/uname",
            "rm /usr/local/sbin/uname",
            "architecture riscv64",
        ),
    ):
        machine.sh(prepare.replace("\n", "\\n"))
        done = await typed(machine, line)
        assert (done.returncode, said in done.stderr) == (1, True), (said, done.stdout, done.stderr)
        machine.sh(restore)
        assert is_untouched(machine), said
    done = await typed(machine, line.replace("sudo sh", "setpriv --reuid=65534 --clear-groups sh"))
    assert (done.returncode, "Only root" in done.stderr) == (1, True), done.stderr


async def test_a_package_that_was_changed_on_its_way_is_not_used(
    tls_fleet: Fleet, machine: Machine, packed: Packed
) -> None:
    await publish(tls_fleet, packed.archive.read_bytes())
    async with tls_fleet.db.begin() as tx:
        await tx.execute(text("UPDATE agent_package_chunks SET data = set_byte(data, 500, 1) WHERE position = 3"))
        await tx.execute(text("UPDATE agent_package_chunks SET data = set_byte(data, 501, 2) WHERE position = 3"))
    done = await typed(machine, await line_of(tls_fleet))
    assert (done.returncode, "damaged or changed on its way" in done.stderr) == (1, True), done.stderr
    assert is_untouched(machine)


async def test_what_fails_at_the_end_is_taken_back_and_what_was_there_goes_on(
    tls_fleet: Fleet, machine: Machine, packed: Packed
) -> None:
    version = (await publish(tls_fleet, packed.archive.read_bytes()))["version"]
    line = await line_of(tls_fleet)
    machine.sh("mkdir -p /etc/init.d/watchbill-agent")
    failed = await typed(machine, line)
    assert (failed.returncode, "The service was not installed" in failed.stderr) == (1, True), failed.stderr
    assert machine.sh("ls -A /opt /usr/local/bin").split() == ["/opt:", "/usr/local/bin:"]
    machine.sh("rmdir /etc/init.d/watchbill-agent")

    done = await typed(machine, line)
    assert done.returncode == 0, (done.stdout, done.stderr)
    device = Agent(Path("/var/lib/watchbill-agent"), device_id=await approve(tls_fleet))
    await until(lambda: tls_fleet.is_online(device))
    machine.sh("mount --bind /etc/init.d /etc/init.d; mount -o remount,ro,bind /etc/init.d")
    failed = await typed(machine, line)
    assert (failed.returncode, "The service was not installed" in failed.stderr) == (1, True), failed.stderr
    assert machine.sh(f"readlink {HOME}/current; watchbill-agent version; ls -A {HOME}").split() == [
        version,
        version,
        version,
        "current",
    ]
    assert len(_agents(machine)) == 1
    assert await tls_fleet.is_online(device)
