"""Playbooks on a real sshd: one run for all or one for each, what every row shows, and what becomes of faults and stops."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.executors.memory_run import MemoryRun, given, login
from tests.executors.sshd import Sshd, sshd
from watchbill.core.recap import Recap
from watchbill.core.states import SkipReason
from watchbill.executors import Given, Limits, Login, WorkRequest, Workshop, wipe_leftovers
from watchbill.executors.playbooks.folder import run_folder
from watchbill.kit.errors import ConflictError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def root() -> Iterator[Path]:
    """Short, as the sockets in it need it."""
    with tempfile.TemporaryDirectory(prefix="wbt", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def shop(root: Path) -> Workshop:
    return Workshop(root, Limits(1_000_000, 10_000), asyncio.Semaphore(4))


def _login(server: Sshd) -> Login:
    return login(server.user, server.private_key, server.port)


async def _do(shop: Workshop, run: MemoryRun, context: str = "ssh_individual") -> None:
    await shop.execute(WorkRequest(1, 1, context), run)


def _plays(*tasks: str) -> dict[str, str]:
    listed = "\n".join(f"    - {task}" for task in tasks)
    return {"playbook.yml": f"- hosts: all\n  gather_facts: false\n  tasks:\n{listed}\n"}


SAY = "ansible.builtin.debug: {msg: 'hello {{ watchbill_hostname }} from {{ inventory_hostname }}'}"


def _host(server: Sshd, name: str, **more: object) -> Given:
    # This machine may have several Pythons, of which not each can be found by a login without a terminal.
    facts = {"watchbill_hostname": name, "ansible_python_interpreter": sys.executable}
    return given(name, _login(server), facts=facts, **more)


async def test_each_device_has_its_own_run(server: Sshd, shop: Workshop, root: Path) -> None:
    hosts = [_host(server, "alpha"), _host(server, "beta")]
    run = MemoryRun(list(hosts), _plays(SAY, "ansible.builtin.command: 'true'"))
    await _do(shop, run)
    for one, name in zip(hosts, ("alpha", "beta"), strict=True):
        assert run.ends[one.execution_id].exit_code == 0, run.text(one)
        assert f"hello {name} from {name}" in run.text(one)
        assert run.recaps[one.execution_id] == Recap(ok=2, changed=1)
    assert set(run.ready) == run.started == {one.execution_id for one in hosts}
    assert list(root.iterdir()) == []


async def test_a_shared_run_shows_each_row_its_own_part(server: Sshd, shop: Workshop) -> None:
    hosts = [_host(server, "web"), _host(server, "web"), _host(server, "db")]
    fails = "{ansible.builtin.command: 'false', when: watchbill_hostname == 'db', name: breaks}"
    run = MemoryRun(list(hosts), _plays(SAY, fails, "ansible.builtin.debug: {msg: last}"))
    await _do(shop, run, "ssh")
    first, second, db = hosts
    assert len(run.folders) == 1
    assert run.ends[first.execution_id].exit_code == 0
    assert run.ends[db.execution_id].exit_code == 2
    assert run.recaps[db.execution_id] == Recap(ok=1, failed=1)
    assert run.recaps[second.execution_id] == Recap(ok=2, skipped=1)
    assert f"hello web from web-{first.device_id.hex[:12]}" in run.text(first)
    assert second.device_id.hex[:12] not in run.text(first)
    assert run.text(first).count("TASK [breaks]") == 1
    assert "last" not in run.text(db)


async def test_what_is_secret_is_masked_and_leaves_no_trace(server: Sshd, shop: Workshop, root: Path) -> None:
    secret = "p4ss 'with' \"quotes\" {{ braces }}"
    one = _host(server, "alpha", common={"token": secret}, secrets=[secret])
    say = (
        'ansible.builtin.shell: {cmd: \'printf %s "$T"; grep -a -c -F -e "$T" /proc/[0-9]*/cmdline || true\', stdin: x}'
    )
    run = MemoryRun(
        [one],
        _plays(
            say + "\n      environment: {T: '{{ token }}'}\n      register: r", "ansible.builtin.debug: {var: r.stdout}"
        ),
    )
    await _do(shop, run)
    assert run.ends[one.execution_id].exit_code == 0, run.text(one)
    assert secret not in run.text(one)
    assert "***" in run.text(one)
    assert list(root.iterdir()) == []


async def test_a_wrong_key_a_closed_port_and_a_changed_host_key_leave_devices_out(
    server: Sshd, shop: Workshop, tmp_path: Path
) -> None:
    with sshd(tmp_path) as other:
        stranger = given("stranger", login(server.user, other.private_key, server.port))
    closed = given("closed", login(server.user, server.private_key, other.port))
    changed = _host(server, "changed")
    cut = _host(server, "cut")
    fine = _host(server, "fine")
    run = MemoryRun([stranger, closed, changed, cut, fine], _plays(SAY), addresses={cut.device_id: None})
    run.host_keys[changed.device_id] = "ssh-ed25519 AAAA"
    await _do(shop, run)
    assert set(run.obstacles) == {one.execution_id for one in (stranger, closed, changed, cut)}
    assert "refused the key" in run.obstacles[stranger.execution_id].detail
    assert "no SSH server" in run.obstacles[closed.execution_id].detail
    assert "has changed" in run.obstacles[changed.execution_id].detail
    assert run.obstacles[cut.execution_id].reason is SkipReason.WIREGUARD_UNAVAILABLE
    assert run.ends[fine.execution_id].exit_code == 0


async def test_a_stop_ends_all_that_was_started(server: Sshd, shop: Workshop) -> None:
    one = _host(server, "alpha")
    hangs = "ansible.builtin.pause: {seconds: 600}"
    run = MemoryRun([one], _plays("ansible.builtin.debug: {msg: began}", hangs))
    async with asyncio.TaskGroup() as group:
        group.create_task(_do(shop, run))
        await asyncio.wait_for(run.has_begun.wait(), 30)
        assert _of(run.folders[0])
        run.stopping = {one.execution_id}
        run.bell.set()
    assert run.ends[one.execution_id].outcome == "cancelled"
    assert not run.ends[one.execution_id].is_gone, "what had begun on the device may go on there"
    assert _of(run.folders[0]) == []


async def test_the_time_limit_ends_a_play_that_hangs(server: Sshd, shop: Workshop) -> None:
    one = replace(_host(server, "alpha"), time_limit_seconds=3)
    run = MemoryRun([one], _plays("ansible.builtin.command: sleep 600"))
    await _do(shop, run)
    assert run.ends[one.execution_id].outcome == "timed_out"
    assert _of(run.folders[0]) == []


async def test_a_killed_controller_is_told_and_nothing_of_it_is_left(server: Sshd, shop: Workshop) -> None:
    one = _host(server, "alpha")
    run = MemoryRun([one], _plays("ansible.builtin.debug: {msg: began}", "ansible.builtin.command: sleep 600"))
    async with asyncio.TaskGroup() as group:
        group.create_task(_do(shop, run))
        await asyncio.wait_for(run.has_begun.wait(), 30)
        controller = min(_of(run.folders[0]), key=lambda process: process.create_time())
        controller.kill()
    assert run.ends[one.execution_id].outcome == "interrupted"
    assert _of(run.folders[0]) == []


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"playbook.yml": "- hosts: all\n  tasks: [{no.such.module: {}}]\n"}, 4, "no.such.module"),
        ({"playbook.yml": "- hosts: all\n  tasks: [\n"}, 4, ""),
        ({"playbook.yml": "- hosts: others\n  tasks: []\n"}, 2, "others"),
    ],
)
async def test_a_playbook_that_cannot_run_says_so(
    server: Sshd, shop: Workshop, files: dict[str, str], code: int, words: str
) -> None:
    one = _host(server, "alpha")
    run = MemoryRun([one], files)
    await _do(shop, run)
    end = run.ends[one.execution_id]
    assert end.exit_code == code, run.text(one)
    assert end.reason in {"playbook_failed", "no_hosts_matched"}
    assert words in run.text(one)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system for folders that is soon full."""
    root = Path(tempfile.mkdtemp(prefix="wbf", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", root], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", "-l", root], check=True)
        root.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: a file system of its own needs root")
async def test_a_disk_that_fills_up_while_events_arrive_is_a_failure_that_says_so(server: Sshd, full: Path) -> None:
    one = _host(server, "alpha")
    tasks = ("ansible.builtin.debug: {msg: began}", "ansible.builtin.command: sleep 3", SAY)
    run = MemoryRun([one], _plays(*tasks))
    async with asyncio.TaskGroup() as group:
        group.create_task(_do(Workshop(full, Limits(1_000_000, 10_000), asyncio.Semaphore(1)), run))
        await asyncio.wait_for(run.has_begun.wait(), 30)
        with suppress(OSError), (full / "junk").open("wb", buffering=0) as junk:
            while junk.write(bytes(4096)):
                continue
    end = run.ends[one.execution_id]
    # Ansible cannot tell of its tasks any more; it may be that its controller cannot tell of its end either.
    assert (end.outcome, end.reason) in {("exited", "playbook_failed"), ("interrupted", None)}
    assert "No space left on device" in run.text(one)
    assert [path.name for path in full.iterdir()] == ["junk"]


@pytest.mark.parametrize(
    "why",
    [ConflictError("a.b is not in the source", code="collection_not_found"), OSError(28, "No space left on device")],
)
async def test_what_cannot_be_laid_out_fails_its_device_and_no_other(
    server: Sshd, shop: Workshop, why: Exception
) -> None:
    hosts = [_host(server, "alpha"), _host(server, "beta")]
    run = MemoryRun(list(hosts), _plays(SAY), not_laid_out=why)
    await _do(replace(shop, slots=asyncio.Semaphore(1)), run)
    ends = [run.ends[one.execution_id] for one in hosts]
    assert [end.outcome for end in ends] == ["interrupted", "exited"]
    assert str(why) in (ends[0].detail or "")


async def test_typed_values_and_passwords_that_look_like_templates(server: Sshd, shop: Workshop) -> None:
    one = _host(server, "alpha", common={"count": 3, "flag": True, "text": "{{ 1 + 1 }}"})
    said = 'ansible.builtin.debug: {msg: \'{{ count + 1 }} {{ flag | ternary("yes", "no") }} {{ text }}\'}'
    run = MemoryRun([one], _plays(said))
    await _do(shop, run)
    assert "4 yes {{ 1 + 1 }}" in run.text(one)


def test_only_folders_that_nobody_uses_are_wiped(root: Path) -> None:
    left = root / "wb-left"
    left.mkdir()
    (root / "mine").mkdir()
    with run_folder(root) as used:
        wipe_leftovers(root)
        assert used.is_dir()
        assert not left.exists()
    assert [path.name for path in root.iterdir()] == ["mine"]


def _of(folder: Path) -> list[psutil.Process]:
    """Processes that name the folder."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in one.info["cmdline"] or ())
    ]
