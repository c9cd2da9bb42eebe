"""What goes wrong on the way to a running agent: each with its state and reason, and the machine as it was before."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.lab.conftest import needs_lab
from tests.lab.host import Host
from tests.lab.sshd import User
from tests.onboarding.acting import credential, make_package
from tests.onboarding.stage import Stage, network_of, traces
from watchbill.core.onboarding_states import OnboardingReason as R
from watchbill.core.onboarding_states import OnboardingState as S

pytestmark = [needs_lab, pytest.mark.timeout(120)]
PASSWORD = "quay-7-harbour"
ADA = User("ada", PASSWORD, may_sudo=True)
MIB = 1024 * 1024
_NO_WAY_OUT = "table inet out {{\n chain go {{ type filter hook output priority 0; tcp dport {port} {verdict}; }}\n}}\n"


def _hide(host: Host, *programs: str) -> None:
    """They are not there for who looks for them."""
    for one in programs:
        host.run("sh", "-c", f"for at in $(type -ap {one} || command -v {one}); do mount --bind /dev/null $at; done")


@pytest.mark.parametrize(
    ("verdict", "hidden"),
    [
        ("drop", ()),
        ("reject with tcp reset", ()),
        ("reject with tcp reset", ("curl",)),
        ("reject with tcp reset", ("curl", "openssl")),
        ("reject with tcp reset", ("curl", "openssl", "python3", "wget")),
    ],
)
async def test_a_machine_that_does_not_reach_the_engine_is_not_written_to(stage: Stage, verdict: str, hidden) -> None:
    host = stage.machine(ADA)
    host.run("nft", "-f", "-", given=_NO_WAY_OUT.format(port=stage.engine.port, verdict=verdict))
    _hide(host, *hidden)
    ended = await replace(stage, step_seconds=60.0).install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.NO_EGRESS), ended.story.text
    assert stage.engine.url in str(ended.error)
    assert "upload" not in ended.story.names
    assert traces(host) == []


@pytest.mark.parametrize(
    ("hidden", "says"),
    [
        ((), "seen with curl"),
        (("curl",), "seen with openssl"),
        (("curl", "openssl"), "seen with python3"),
        (("curl", "openssl", "python3"), "seen with wget"),
        (("curl", "openssl", "python3", "wget"), "seen with bash"),
        (("curl", "openssl", "python3", "wget", "bash"), "the agent will"),
    ],
)
async def test_the_way_out_is_tried_with_what_is_there(stage: Stage, hidden, says: str) -> None:
    host = stage.machine(replace(ADA, shell="/bin/sh"))
    _hide(host, *hidden)
    ended = await stage.install(host, credential(password=PASSWORD))
    assert says in next(one.detail for one in ended.story.told if one.name == "egress"), ended.story.text


async def test_where_nothing_can_try_the_way_out_the_agent_does_and_is_taken_back(stage: Stage) -> None:
    host = stage.machine(replace(ADA, shell="/bin/sh"))
    _hide(host, "curl", "openssl", "python3", "wget", "bash")
    verdict = "reject with tcp reset"
    host.run("nft", "-f", "-", given=_NO_WAY_OUT.format(port=stage.engine.port, verdict=verdict))
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.NO_EGRESS), ended.story.text
    assert ended.story.names[-1] == "enrol"
    assert traces(host) == []


@pytest.mark.parametrize("at", ["/opt", "/var/tmp", "/var/lib"])
async def test_a_disk_that_is_too_small_is_not_written_to(stage: Stage, at: str) -> None:
    stage.package(padding=3 * MIB)
    host = stage.machine(ADA)
    host.run("mount", "-t", "tmpfs", "-o", f"size=2m,mode={'1777' if at == '/var/tmp' else '755'}", "tmpfs", at)
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.NO_SPACE), ended.story.text
    assert at in str(ended.error)
    assert ended.story.names[-1] == "space"
    assert traces(host) == []


@pytest.mark.parametrize(("step", "at"), [("upload", "/var/tmp"), ("verify", "/opt")])
@pytest.mark.parametrize("has_sftp", [True, False])
async def test_a_disk_that_fills_up_on_the_way_is_cleaned(stage: Stage, step: str, at: str, has_sftp: bool) -> None:
    stage.package(padding=3 * MIB)
    host = stage.machine(ADA)
    if not has_sftp:
        host.run("sed", "-i", "/Subsystem/d", "/etc/ssh/lab_sshd_config")
        host.run("sh", "-c", "pkill -HUP -o -f lab_sshd_config; sleep 0.5")
    host.run("mount", "-t", "tmpfs", "-o", f"size=16m,mode={'1777' if at == '/var/tmp' else '755'}", "tmpfs", at)

    async def fill(name: str) -> None:
        if name == step:
            host.run("sh", "-c", f"head -c 15M /dev/zero > {at}/other", is_checked=False)

    ended = await stage.install(host, credential(password=PASSWORD), when=fill)
    assert ended.end == (S.FAILED, R.NO_SPACE), ended.story.text
    assert ended.story.names[-1] == step
    assert traces(host) == []


async def test_a_package_that_was_changed_or_is_signed_by_another_is_not_used(stage: Stage) -> None:
    host = stage.machine(ADA)
    good = stage.packages.package
    stage.packages.package = replace(good, sha256="0" * 64)
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.PACKAGE_REFUSED)
    stage.packages.package = replace(good, signing_key=make_package(stage.folder, version="9.9.3").signing_key)
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.PACKAGE_REFUSED)
    assert "not signed with this key" in ended.story.told[-1].snippet
    good.path.write_bytes(b"no package, but of the same name")
    stage.packages.package = good
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.PACKAGE_REFUSED)
    assert traces(host) == []


async def test_an_agent_that_does_not_start_there_is_said_and_taken_back(stage: Stage) -> None:
    host = stage.machine(ADA)
    host.run("mount", "-t", "tmpfs", "-o", "size=64m,mode=755,noexec", "tmpfs", "/opt")
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.STEP_FAILED), ended.story.text
    assert "does not start" in str(ended.error)
    assert "Permission denied" in ended.story.told[-1].snippet
    assert traces(host) == []


async def test_another_program_of_the_same_name_is_not_replaced(stage: Stage) -> None:
    host = stage.machine(ADA)
    host.run("tee", "/usr/local/bin/watchbill-agent", given="#!/bin/sh\n")
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.STEP_FAILED), ended.story.text
    assert "is another program" in ended.story.told[-1].snippet
    assert traces(host) == ["/usr/local/bin/watchbill-agent"]


async def test_an_engine_that_refuses_the_request_is_said_and_all_is_taken_back(stage: Stage) -> None:
    host = stage.machine(ADA)

    async def spoil(name: str) -> None:
        if name == "enrol":
            stage.engine.refuses = True

    ended = await stage.install(host, credential(password=PASSWORD), when=spoil)
    assert ended.end == (S.FAILED, R.NOT_ENROLLED), ended.story.text
    assert "the code is used up" in ended.story.told[-1].snippet
    assert traces(host) == []


async def test_a_service_that_cannot_be_made_takes_all_back(stage: Stage) -> None:
    host = stage.machine(ADA)
    host.run("mkdir", "-p", "/etc/init.d/watchbill-agent/in-the-way")
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.STEP_FAILED), ended.story.text
    assert ended.story.names[-1] == "service"
    assert traces(host) == ["/etc/init.d/watchbill-agent"]


async def test_a_request_that_does_not_arrive_is_said_with_the_agents_last_words(stage: Stage) -> None:
    host = stage.machine(ADA)
    stage.engine.loses_requests = True
    ended = await stage.install(host, credential(password=PASSWORD))
    assert ended.end == (S.FAILED, R.NOT_ENROLLED)
    assert ended.story.names[-1] == "asked"


# --- ports that are no SSH server, or one that plays with us ------------------------------------------------------------


@contextmanager
def _server(host: Host, says: bytes, *, pause: float = 0.0) -> Iterator[int]:
    """A port of the host that says this to everyone, byte by byte where it takes its time, and then nothing."""
    is_over = threading.Event()
    with network_of(host):
        listening = socket.create_server((str(host.address), 0))

    def serve() -> None:
        held = []
        listening.settimeout(0.1)
        while not is_over.is_set():
            try:
                held.append(listening.accept()[0])
            except TimeoutError:
                continue
            parts = [says] if not pause else [bytes([one]) for one in says]
            for part in parts:
                try:
                    held[-1].sendall(part)
                except OSError:
                    break
                is_over.wait(pause)
        for one in [*held, listening]:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize(
    ("says", "pause", "end"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n" * 400, 0, (S.UNREACHABLE, R.NO_WAY_IN)),
        (b"SSH-1.5-old\r\n", 0, (S.UNREACHABLE, R.NO_WAY_IN)),
        (b"SSH-2.0-OpenSSH_9.2\r\n" + b"\xff" * 4000, 0, (S.UNREACHABLE, R.NO_WAY_IN)),
        (b"", 0, (S.FAILED, R.TIMED_OUT)),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 0, (S.FAILED, R.TIMED_OUT)),
        (b"welcome\r\n" * 10_000, 0.1, (S.FAILED, R.TIMED_OUT)),
    ],
)
async def test_a_port_that_is_no_ssh_server_and_a_tarpit_are_told_apart_in_time(stage: Stage, says, pause, end) -> None:
    host = stage.machine(ADA)
    patient = replace(stage, patience=replace(stage.patience, login=2.0))
    with _server(host, says, pause=pause) as port:
        began = time.monotonic()
        ended = await patient.install(host, credential(password=PASSWORD), port=port)
        assert time.monotonic() - began < 5
    assert ended.end == end, ended.story.text
    assert stage.noted == []


@contextmanager
def _stalling(host: Host, after: int) -> Iterator[int]:
    """A port of the host that leads to its SSH server, which falls silent once it has said so many bytes on a connection."""
    is_over = threading.Event()
    with network_of(host):
        listening = socket.create_server((str(host.address), 0))

    def carry(source: socket.socket, target: socket.socket, most: float) -> None:
        said = 0
        while not is_over.is_set():
            try:
                data = source.recv(min(65_536, max(1, int(min(most - said, 65_536)))))
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
            said += len(data)
            target.sendall(data)
            if said >= most:
                is_over.wait()

    def serve() -> None:
        _enter_network(host)
        listening.settimeout(0.1)
        ends: list[socket.socket] = []
        threads: list[threading.Thread] = []
        while not is_over.is_set():
            try:
                here = listening.accept()[0]
            except TimeoutError:
                continue
            there = socket.create_connection((str(host.address), 22))
            for one in (here, there):
                one.settimeout(0.1)
            ends += [here, there]
            threads += [threading.Thread(target=carry, args=way) for way in ((here, there, 1e12), (there, here, after))]
            for begun in threads[-2:]:
                begun.start()
        for thread in threads:
            thread.join()
        for one in [*ends, listening]:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        is_over.set()
        thread.join()


def _enter_network(host: Host) -> None:
    """For a thread that ends there."""
    network_of(host).__enter__()


@pytest.mark.parametrize(
    ("after", "step"), [(300, "host key"), (1_300, "host key"), (1_700, "sign in"), (1_800, "sign in")]
)
async def test_a_server_that_falls_silent_in_the_middle_of_a_login_is_left_in_time(stage: Stage, after, step) -> None:
    host = stage.machine(ADA)
    patient = replace(stage, patience=replace(stage.patience, login=2.0))
    with _stalling(host, after) as port:
        began = time.monotonic()
        ended = await patient.install(host, credential(password=PASSWORD), port=port)
        assert time.monotonic() - began < 8
    assert ended.end == (S.FAILED, R.TIMED_OUT), ended.story.text
    assert ended.story.names[-1] == step
    assert traces(host) == []


async def test_a_slow_line_is_waited_for_as_long_as_it_goes_on(stage: Stage) -> None:
    stage.package(padding=3 * MIB)
    host = stage.machine(ADA)
    slow = "table inet slow {\n chain come { type filter hook input priority 0; tcp dport 22 limit rate over 500 kbytes/second burst 100 kbytes drop; }\n}\n"

    async def narrow(name: str) -> None:
        if name == "upload":
            host.run("nft", "-f", "-", given=slow)

    began = time.monotonic()
    ended = await replace(stage, step_seconds=5.0).install(host, credential(password=PASSWORD), when=narrow)
    assert ended.done
    assert time.monotonic() - began > 5
