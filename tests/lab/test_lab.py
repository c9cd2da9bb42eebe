"""The lab itself: hosts that are apart from this machine and from each other, and nothing left of them, whatever happens."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import leftovers
from tests.lab.conftest import needs_lab
from tests.lab.host import is_gone
from tests.lab.network import Lab
from tests.lab.sshd import User, add_user, host_key, key_pair, start_sshd

pytestmark = [needs_lab, pytest.mark.timeout(180)]
HERE = Path(__file__).parents[2]


def test_hosts_reach_each_other_and_each_is_its_own_machine(lab: Lab) -> None:
    one, two = lab.add("web-1"), lab.add("web-1")
    assert one.run("hostname").stdout == two.run("hostname").stdout == "web-1\n"
    assert one.address is not None
    two.run("ping", "-c", "1", "-W", "5", one.address) if _has_ping() else None
    add_user(one, User("ada", password="quay-7"))
    assert "ada" in one.run("getent", "passwd", "ada").stdout
    assert two.run("getent", "passwd", "ada", is_checked=False).returncode != 0
    assert "ada:" not in Path("/etc/passwd").read_text()
    assert os.uname().nodename != "web-1"


def _has_ping() -> bool:
    return any(Path(folder, "ping").exists() for folder in ("/bin", "/usr/bin"))


def test_users_sign_in_by_key_and_with_the_right_rights(lab: Lab, tmp_path: Path) -> None:
    engine, device = lab.add("engine"), lab.add("web-1")
    private, public = key_pair()
    add_user(device, User("svc", public_key=public, may_sudo=True))
    start_sshd(device)
    assert device.address is not None
    (tmp_path / "key").write_text(private)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "known").write_text(f"{device.address} {host_key(device)}\n")

    def ssh(user: str) -> "subprocess.CompletedProcess[str]":
        options = ("BatchMode=yes", f"UserKnownHostsFile={tmp_path}/known", "StrictHostKeyChecking=yes")
        words = [word for option in options for word in ("-o", option)]
        return engine.run(
            "ssh",
            "-i",
            f"{tmp_path}/key",
            *words,
            f"{user}@{device.address}",
            "sudo -n id -u; hostname",
            is_checked=False,
        )

    done = ssh("svc")
    assert done.stdout == "0\nweb-1\n", done.stderr
    assert "Permission denied" in ssh("nobody").stderr


def test_hosts_have_host_keys_of_their_own(lab: Lab) -> None:
    hosts = [lab.add("web-1"), lab.add("web-2")]
    for host in hosts:
        start_sshd(host)
    assert len({host_key(host) for host in hosts}) == 2


def test_a_host_that_is_powered_off_is_gone_in_the_middle_of_its_work_and_keeps_its_files(lab: Lab) -> None:
    host = lab.add("web-1")
    work = host.start("work", "sleep", "1000")
    pid, init = work.pid, host.init
    host.run("tee", "/root/lab-note", given="kept")
    host.power_off()
    assert is_gone(pid, 5)
    assert is_gone(init, 5)
    lab.turn_on(host)
    assert host.run("cat", "/root/lab-note").stdout == "kept"
    assert not Path("/root/lab-note").exists()


def test_a_wire_can_be_unplugged_and_a_tunnel_cut_by_itself(lab: Lab) -> None:
    engine, device = lab.add("engine"), lab.add("web-1")
    start_sshd(device)
    assert device.address is not None
    assert engine.is_reachable(device.address, 22)
    lab.cut_tunnel(device)
    assert engine.is_reachable(device.address, 22), "only the tunnel is cut"
    lab.mend_tunnel(device)
    lab.unplug(device)
    assert not engine.is_reachable(device.address, 22)
    lab.plug_in(device)
    assert engine.is_reachable(device.address, 22)


_OWNER = """
import sys, time
from tests.lab import leftovers
from tests.lab.network import lab
with lab() as made:
    host = made.add("web-1")
    work = host.start("work", "sleep", "1000")
    print(made.folder, host.init, work.pid, flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_lab_whose_owner_dies(number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert owner.stdout is not None
    with owner, owner.stdout:
        folder, *pids = owner.stdout.readline().decode().split()
        assert Path(folder).is_dir()
        owner.send_signal(number)
        owner.wait(30)
    assert all(is_gone(int(pid), 10) for pid in pids)
    leftovers.clean()
    assert not Path(folder).exists()


def test_cleaning_leaves_labs_alone_whose_owners_live(lab: Lab) -> None:
    host = lab.add("web-1")
    leftovers.clean()
    assert host.run("hostname").stdout == "web-1\n"
    assert lab.folder.is_dir()


def test_what_a_lab_leaves_behind_is_nothing(lab: Lab) -> None:
    lab.add("web-1")
    folder, holders = lab.folder, leftovers.living_holders(lab.folder)
    assert len(holders) == 2
    lab.close()
    assert leftovers.living_holders(folder) == []
    assert not folder.exists()
