"""The service account on Linux, made by the system's own tools in an enclosure: exactly what it may do, and nothing left when it goes."""

import base64
import subprocess

import pytest

from tests.factories.accounts import needs_root
from tests.factories.enclosure import driven, needs
from tests.factories.ports import free_port

NAME = "svc-watchbill"
KEYS = [f"ssh-ed25519 {base64.b64encode(bytes([n] * 51)).decode()} watchbill-{n}" for n in range(3)]
pytestmark = [needs_root, needs("useradd", "sudo", "visudo")]


@pytest.fixture
def there(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    with driven(tmp_path / "enclosure", "tests.agent.driver", "account", str(notes)) as driver:
        yield driver


def put(there, state="present", keys=KEYS[:1], generation=1, **more):
    wanted = {"name": NAME, "state": state, "ssh_public_keys": keys, "sudo": True, "generation": generation}
    return there.ask(**{**wanted, **more})


def told(state, generation=1, detail=None):
    return {"state": state, "generation": generation, "detail": detail, "password_sealed": None}


def test_it_is_made_with_its_keys_and_its_rule_and_making_it_twice_changes_nothing(there):
    assert put(there) == told("present")
    assert there.sh(f"stat -c '%U %a' ~{NAME}/.ssh ~{NAME}/.ssh/authorized_keys /etc/sudoers.d/{NAME}") == (
        f"{NAME} 700\n{NAME} 600\nroot 440\n"
    )
    assert there.sh(f"cat ~{NAME}/.ssh/authorized_keys") == f"restrict,pty {KEYS[0]}\n"
    assert there.sh(f"getent shadow {NAME} | cut -d: -f2") == "*\n", "no password, and not locked: sshd takes its keys"
    assert there.sh("visudo -c -q && echo well") == "well\n"
    all_of_it = (
        f"getent passwd {NAME}; stat -c %i /etc/sudoers.d/{NAME} ~{NAME}/.ssh/authorized_keys; ls -A /etc/sudoers.d"
    )
    before = there.sh(all_of_it)
    assert put(there) == told("present")
    assert there.sh(all_of_it) == before


@pytest.mark.parametrize("spoiled", ["echo more >>", "chmod 644", "chown root", "rm", "ln -sf /etc/shadow"])
def test_keys_that_somebody_spoiled_are_put_right(there, spoiled):
    put(there)
    there.sh(f"{spoiled} ~{NAME}/.ssh/authorized_keys")
    assert put(there) == told("present")
    assert there.sh(f"stat -c '%U %a %F' ~{NAME}/.ssh/authorized_keys") == f"{NAME} 600 regular file\n"
    assert there.sh(f"cat ~{NAME}/.ssh/authorized_keys") == f"restrict,pty {KEYS[0]}\n"
    assert there.sh("stat -c '%U' /etc/shadow") == "root\n"


def test_it_becomes_root_by_sudo_without_being_asked_and_only_where_that_is_wanted(there):
    put(there)
    assert "uid=0(root)" in there.sh(f"su {NAME} -c 'sudo -n id'")
    assert put(there, sudo=False) == told("present")
    assert "uid=0(root)" not in there.sh(f"su {NAME} -c 'sudo -n id'")


def test_rotation_leaves_the_new_key_alone(there):
    put(there)
    put(there, keys=[KEYS[1], KEYS[0]], generation=2)
    assert there.sh(f"cat ~{NAME}/.ssh/authorized_keys").splitlines() == [
        f"restrict,pty {k}" for k in (KEYS[1], KEYS[0])
    ]
    assert put(there, keys=KEYS[1:2], generation=2) == told("present", 2)
    assert there.sh(f"cat ~{NAME}/.ssh/authorized_keys") == f"restrict,pty {KEYS[1]}\n"
    assert there.sh(f"ls -A ~{NAME}/.ssh") == "authorized_keys\n"


def test_nothing_is_left_of_it_when_it_goes_and_its_processes_end(there):
    put(there)
    home = there.sh(f"getent passwd {NAME} | cut -d: -f6").strip()
    there.sh(f"setpriv --reuid {NAME} --regid {NAME} --init-groups setsid sleep 86407 > /dev/null 2>&1 &")
    assert there.sh(f"until pgrep -c -u {NAME}; do :; done") == "1\n"
    assert put(there, "absent") == told("absent")
    assert (
        there.sh(f"getent passwd {NAME}; getent group {NAME}; ls -d {home} 2> /dev/null; ls /etc/sudoers.d | grep svc")
        == ""
    )
    # By its own number: others sleep on this machine too.
    assert there.sh("pgrep -r R,S,D -f 'sleep 8640[7]'") == ""
    assert put(there, "absent") == told("absent"), "once more changes nothing"
    assert put(there, generation=2) == told("present", 2), "and it can be made again"


def test_an_account_that_the_agent_did_not_make_is_never_touched(there):
    there.sh(f"useradd --system --create-home {NAME}; mkdir ~{NAME}/.ssh; echo mine > ~{NAME}/.ssh/authorized_keys")
    before = there.sh(f"getent passwd {NAME}; getent shadow {NAME}; cat ~{NAME}/.ssh/authorized_keys")
    assert put(there) == told("failed", 1, f"there is an account {NAME} that this agent did not make")
    assert put(there, "absent")["state"] == "absent"
    assert there.sh(f"getent passwd {NAME}; getent shadow {NAME}; cat ~{NAME}/.ssh/authorized_keys") == before
    assert there.sh("ls /etc/sudoers.d | grep svc") == ""


def test_one_that_somebody_made_anew_in_its_place_is_not_its_own(there):
    put(there)
    there.sh(f"userdel --remove {NAME}; useradd --system --create-home {NAME}")
    assert put(there)["state"] == "failed"
    assert put(there, "absent") == told(
        "failed", 1, f"the account {NAME} is not as this agent made it, and is left as it is"
    )
    assert there.sh(f"getent passwd {NAME} | cut -d: -f1") == f"{NAME}\n"


def test_a_link_that_the_account_laid_in_its_home_is_not_followed(there):
    put(there)
    there.sh(f"mkdir /etc/target; cd ~{NAME}; rm -r .ssh; ln -s /etc/target .ssh; chown -h {NAME} .ssh")
    assert put(there, generation=2)["state"] == "failed"
    assert there.sh("ls -A /etc/target") == ""
    assert put(there, "absent", generation=2) == told("absent", 2), "and it cannot keep itself from being removed so"


def test_a_rule_that_visudo_refuses_is_not_put_in_place(there):
    there.sh(
        "printf '#!/bin/sh\\necho no >&2; exit 1\\n' > /etc/no; chmod +x /etc/no; mount --bind /etc/no /usr/sbin/visudo"
    )
    assert put(there) == told("failed", 1, "visudo: no")
    assert there.sh("ls -A /etc/sudoers.d | grep svc") == ""


def test_without_a_tool_it_says_which(there):
    there.sh(
        "mkdir /etc/bare; for d in /usr/local/sbin /usr/local/bin /usr/sbin /sbin; do mount --bind /etc/bare $d; done"
    )
    assert put(there) == told("failed", 1, "useradd and userdel and visudo are not installed")


def test_an_account_half_made_when_the_agent_died_is_made_whole(there, tmp_path):
    put(there)
    note = tmp_path / "notes" / "note.json"
    note.write_text(note.read_text().replace(f'"uid": {there.sh(f"id -u {NAME}").strip()}', '"uid": null'))
    there.sh(f"rm -r ~{NAME}/.ssh /etc/sudoers.d/{NAME}")
    assert put(there) == told("present")
    assert f"restrict,pty {KEYS[0]}" in there.sh(f"cat ~{NAME}/.ssh/authorized_keys")
    assert '"uid": null' not in note.read_text()


@needs("sshd", "ssh", "ssh-keygen")
def test_whoever_has_the_key_signs_in_and_nobody_else(there, tmp_path):
    for name in ("host", "ours", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    put(there, keys=[(tmp_path / "ours.pub").read_text().rpartition(" ")[0]])
    port = free_port()
    there.sh(
        f"mkdir -p /run/sshd; /usr/sbin/sshd -f /dev/null -h {tmp_path}/host -p {port} -o UsePAM=no -o ListenAddress=127.0.0.1"
    )
    ssh = ["ssh", "-F", "none", "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
           "-o", "BatchMode=yes", "-o", "ConnectionAttempts=20", "-o", "IdentitiesOnly=yes"]  # fmt: skip
    for key, expected in (("ours", 0), ("other", 255)):
        command = [*ssh, "-i", str(tmp_path / key), f"{NAME}@127.0.0.1", "sudo -n id -u"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert (done.returncode, done.stdout) == (expected, "0\n" if expected == 0 else ""), done.stderr
