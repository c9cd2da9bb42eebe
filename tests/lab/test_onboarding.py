"""A network brought under management for real: sshd, the built package, its service, approvals; workers killed and runs stopped."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.fleet import Fleet, fleet, until
from tests.lab.host import Host
from tests.lab.onboarding_demo import (
    EXPECTED,
    PASSWORD,
    Shore,
    approve,
    populate,
    run_script,
    shore,
    table,
    unexpected,
)
from tests.lab.sshd import User

pytestmark = [needs_lab, pytest.mark.timeout(900)]

#: Time passes: the Engine has not heard of a device for an hour.
_AN_HOUR_LATER = """
import glob, psycopg
name = b"WATCHBILL_DATABASE_URL="
told = [one for file in glob.glob("/proc/[0-9]*/environ") for one in open(file, "rb").read().split(b"\\0") if one.startswith(name)]
url = told[0][len(name):].decode().replace("postgresql+psycopg", "postgresql")
with psycopg.connect(url) as connection:
    connection.execute("UPDATE device_presence SET last_seen_at = last_seen_at - interval '1 hour' WHERE gateway_id IS NULL")
"""


@pytest.fixture
def crew() -> Iterator[Fleet]:
    with fleet() as made:
        yield made


def test_a_network_is_brought_under_management(crew: Fleet) -> None:
    there = shore(crew)
    entries = populate(there)
    outside = f"198.18.0.{entries[0].rpartition('-')[2]}"
    job = there.job("The harbour's machines", *entries, exclusions=[outside])
    rows = there.ended(job)
    assert not unexpected(rows, EXPECTED), table(rows)
    steps = [one["task"] for one in rows["good-1"]["timeline"]]
    assert steps.index("host key") < steps.index("sign in") < steps.index("egress") < steps.index("upload"), steps
    devices = approve(there, job, rows)
    assert run_script(there, devices) == {name: ("success", f"I am {name}") for name in ("good-1", "key-1")}
    good = next(one for one in crew.lab.hosts if one.name == "good-1")
    _broken_and_put_in_order(there, job, good)
    _revoked_and_brought_in_anew(there, job, good)
    _killed_and_stopped(there)


def _again(there: Shore, name: str, host: Host) -> dict[str, Any]:
    """Another look at one machine; how that ended."""
    assert host.address is not None
    return there.ended(there.job(name, host.address))[host.name]


def _broken_and_put_in_order(there: Shore, job: int, host: Host) -> None:
    """A device whose agent was deleted keeps its identity, and needs no approval."""
    crew = there.crew
    before = next(one for one in there.rows(job) if one["hostname"] == host.name)["device_id"]
    online = crew.online()
    assert _again(there, "While it is there", host)["reason"] == "already_managed"
    host.run("/usr/local/bin/watchbill-agent", "service", "remove")
    host.run("rm", "-rf", "/opt/watchbill-agent")
    until("its device is offline", lambda: crew.online() == online - 1, 120)
    _an_hour_later(crew)
    row = _again(there, "Broken", host)
    assert (row["state"], row["device_id"]) == ("approved", before), table({host.name: row})
    until("its device is back", lambda: crew.online() == online, 60)


def _an_hour_later(crew: Fleet) -> None:
    crew.engine.run(sys.executable, "-c", _AN_HOUR_LATER)


def _revoked_and_brought_in_anew(there: Shore, job: int, host: Host) -> None:
    """A revoked device is a machine like any other: it asks anew."""
    crew = there.crew
    device = next(one for one in there.rows(job) if one["hostname"] == host.name)["device_id"]
    online = crew.online()
    crew.cli("devices", "revoke", device, "--yes")
    until("its device is offline", lambda: crew.online() == online - 1, 60)
    row = _again(there, "Revoked", host)
    assert row["state"] == "waiting_approval", table({host.name: row})
    crew.cli("approvals", "approve", row["approval_id"])
    until("its new device is there", lambda: crew.online() == online, 90)


def _killed_and_stopped(there: Shore) -> None:
    """The worker is killed in the middle of installs, then a run is stopped in the middle: each machine is brought in once, and whole."""
    names = [f"mass-{number}" for number in range(4)]
    hosts = [there.machine(name, User("ada", PASSWORD, sudo="asks")) for name in names]
    scope = [host.address or "" for host in hosts]
    job = there.job("Killed", *scope, concurrency=4)
    until("installs are under way", lambda: _are_under_way(there, job))
    there.crew.engine.run("pkill", "-KILL", "-f", "watchbill.*site-worker")
    rows = there.ended(job, 240)
    assert {one["state"] for one in rows.values()} == {"waiting_approval"}, table(rows)
    assert any(line["state"] == "cut_off" for one in rows.values() for line in one["timeline"])
    waiting = there.crew.cli("approvals", "list")["items"]
    assert sorted(one["hostname"] for one in waiting) == names, "each asks once"
    there.crew.cli("approvals", "deny", *[one["id"] for one in waiting])
    until("the addresses follow", lambda: {one["state"] for one in there.rows(job)} == {"denied"}, 30)
    more = [there.machine(f"late-{number}", User("ada", PASSWORD, sudo="asks")) for number in range(5)]
    stopped = there.job("Stopped", *[host.address or "" for host in more], concurrency=1)
    until("installs are under way", lambda: _are_under_way(there, stopped))
    assert there.crew.cli("jobs", "cancel", str(stopped))["targets"] >= 1
    rows = there.ended(stopped, 60)
    ended = {(one["state"], one["reason"]) for one in rows.values()}
    assert ("skipped", "cancelled") in ended, table(rows)
    assert ended <= {("skipped", "cancelled"), ("waiting_approval", None)}, table(rows)
    for host in more:
        _is_whole_or_clean(host, rows[host.name])
    there.crew.cli("onboarding", "redeploy", str(stopped))
    until("all of them ask", lambda: _asking(there.crew) == {host.name for host in more}, 120)


def _is_whole_or_clean(host: Host, row: Mapping[str, Any]) -> None:
    """A machine that was stopped at has an agent that runs, or nothing of one."""
    there = host.run("sh", "-c", "ls -d /opt/watchbill-agent/* 2>/dev/null | grep -v staging || true").stdout.split()
    if row["state"] == "skipped":
        assert not there, there


def _are_under_way(there: Shore, job: int) -> bool:
    return any(one["state"] in ("connecting", "installing") for one in there.rows(job))


def _asking(crew: Fleet) -> set[str]:
    return {one["hostname"] for one in crew.cli("approvals", "list")["items"]}
