"""The supervisor with real processes: order, readiness, restarts, stopping in bounded time, and no orphan whatever happens."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from watchbill.apps.supervisor import Backoff, Child, ChildEvent, ChildFailedError, Event, Supervisor, postgres_child
from watchbill.kit.postgres import EmbeddedPostgres
from watchbill.kit.processes import ProcessHandle

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.04)


@dataclass
class Seen:
    """What the supervisor reported."""

    events: list[ChildEvent] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)

    def of(self, event: Event) -> list[ChildEvent]:
        return [one for one in self.events if one.event is event]

    def names(self, event: Event) -> list[str]:
        return [one.name for one in self.of(event)]

    def supervisor(self, **given) -> Supervisor:
        given = {"backoff": QUICK} | given
        return Supervisor(
            on_line=lambda name, line: self.lines.append((name, line)), on_event=self.events.append, **given
        )


@pytest.fixture
def seen() -> Seen:
    return Seen()


def shell(name: str, script: str, **given) -> Child:
    return Child(name=name, argv=["/bin/sh", "-c", script], **given)


def sleeper(name: str, **given) -> Child:
    return Child(name=name, argv=["sleep", "600"], **given)


async def until(is_so: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        with ProcessHandle(pid) as process:
            return not process.wait(0)
    except ProcessLookupError:
        return False


# --- starting and stopping ---------------------------------------------------------------------------------------------


async def test_children_start_in_order_and_stop_the_last_first(seen):
    async with seen.supervisor() as supervisor:
        for name in ("one", "two", "three"):
            await supervisor.start(sleeper(name))
            assert name in seen.names(Event.READY)
        pids = supervisor.pids()
        assert list(pids) == ["one", "two", "three"]
    assert seen.names(Event.EXITED) == ["three", "two", "one"]
    assert {one.returncode for one in seen.of(Event.EXITED)} == {-signal.SIGTERM}
    assert not any(is_alive(pid) for pid in pids.values())


async def test_start_waits_until_the_child_says_it_is_ready(seen, tmp_path):
    ready, go = tmp_path / "ready", tmp_path / "go"
    child = shell("slow", f"while [ ! -e {go} ]; do sleep 0.02; done; touch {ready}; sleep 600", ready=ready.exists)
    async with seen.supervisor() as supervisor, asyncio.TaskGroup() as group:
        starting = group.create_task(supervisor.start(child))
        await until(lambda: seen.names(Event.STARTED))
        assert not starting.done()
        go.touch()
        await starting
        assert ready.exists()


async def test_readiness_may_be_asked_of_a_coroutine(seen, tmp_path):
    ready = tmp_path / "ready"

    async def is_there() -> bool:
        await asyncio.sleep(0)
        found: bool = ready.exists()
        return found

    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("slow", f"touch {ready}; sleep 600", ready=is_there))
        assert ready.exists()


async def test_a_child_that_is_not_ready_in_its_time_is_ended_and_reported(seen):
    child = sleeper("mute", ready=lambda: False, ready_timeout_seconds=0.1)
    async with seen.supervisor(first_attempts=2) as supervisor:
        with pytest.raises(ChildFailedError, match="mute was ended by SIGTERM"):
            await supervisor.start(child)
        assert supervisor.pids() == {}
    assert len(seen.of(Event.NOT_READY)) == 2


async def test_a_child_that_fails_at_first_is_tried_again_and_then_reported_with_its_last_lines(seen):
    async with seen.supervisor(first_attempts=3) as supervisor:
        with pytest.raises(ChildFailedError) as failed:
            await supervisor.start(shell("bad", "echo port is taken >&2; exit 7", ready=lambda: False))
    assert str(failed.value) == "bad ended with exit status 7\n  port is taken"
    assert len(seen.of(Event.STARTED)) == 3


async def test_a_child_that_first_fails_and_then_starts_is_fine(seen, tmp_path):
    marker = tmp_path / "second"
    script = f"[ -e {marker} ] && exec sleep 600; touch {marker}; exit 1"
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("late", script, ready=lambda: len(seen.of(Event.STARTED)) == 2))
        assert len(supervisor.pids()) == 1


async def test_a_program_or_a_folder_that_is_missing_is_a_failure_and_not_a_crash(seen):
    async with seen.supervisor(first_attempts=1) as supervisor:
        with pytest.raises(ChildFailedError, match="no-such-program"):
            await supervisor.start(Child(name="a", argv=["no-such-program"], ready=lambda: False))
        with pytest.raises(ChildFailedError, match=r"cannot be started: .*no/such/folder"):
            await supervisor.start(sleeper("b", cwd=Path("/no/such/folder")))
        await supervisor.start(sleeper("c"))
        assert list(supervisor.pids()) == ["c"]


async def test_a_name_can_be_used_again_only_after_its_child_is_over(seen):
    async with seen.supervisor() as supervisor:
        await supervisor.start(sleeper("one"))
        with pytest.raises(ValueError, match="named one already"):
            await supervisor.start(sleeper("one"))
        await supervisor.stop("one")
        await supervisor.stop("one")
        await supervisor.start(sleeper("one"))
        assert len(supervisor.pids()) == 1


async def test_a_child_deaf_to_the_stop_signal_is_killed_with_all_it_started(seen, tmp_path):
    script = f"trap '' TERM; sleep 601 & echo $! > {tmp_path}/pid; touch {tmp_path}/ready; wait; wait; sleep 602"
    child = shell("deaf", script, ready=(tmp_path / "ready").exists, stop_grace_seconds=0.2, force_signal=signal.SIGHUP)
    child_of_it = 0
    async with seen.supervisor() as supervisor:
        await supervisor.start(child)
        child_of_it = int((tmp_path / "pid").read_text(encoding="ascii"))
        assert is_alive(child_of_it)
    await until(lambda: not is_alive(child_of_it))
    assert len(seen.of(Event.EXITED)) == 1


async def test_a_child_deaf_to_every_signal_but_kill_is_killed(seen, tmp_path):
    script = f"trap '' TERM HUP; touch {tmp_path}/ready; while :; do sleep 600; done"
    ready = (tmp_path / "ready").exists
    given = {"stop_grace_seconds": 0.1, "force_signal": signal.SIGHUP, "force_grace_seconds": 0.1}
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("deaf", script, ready=ready, **given))
        await supervisor.stop("deaf")
        assert supervisor.pids() == {}
    assert seen.names(Event.KILLED) == ["deaf"]
    assert [one.returncode for one in seen.of(Event.EXITED)] == [-signal.SIGKILL]


async def test_each_child_gets_the_signal_it_wants(seen, tmp_path):
    script = f"trap 'echo interrupted; exit 0' INT; touch {tmp_path}/ready; while :; do sleep 0.01; done"
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("one", script, ready=(tmp_path / "ready").exists, stop_signal=signal.SIGINT))
    assert seen.lines == [("one", "interrupted")]
    assert [one.returncode for one in seen.of(Event.EXITED)] == [0]


async def test_children_that_need_not_wait_for_each_other_stop_together(seen, tmp_path):
    # Each ends only when both were told to: one after the other they would have to be killed.
    script = "trap 'touch {mine}; while [ ! -e {other} ]; do sleep 0.01; done; exit 0' TERM; touch {mine}.ready; {idle}"
    async with seen.supervisor(stops_together=True) as supervisor:
        for mine, other in (("a", "b"), ("b", "a")):
            text = script.format(mine=tmp_path / mine, other=tmp_path / other, idle="while :; do sleep 0.01; done")
            await supervisor.start(shell(mine, text, ready=(tmp_path / f"{mine}.ready").exists, stop_grace_seconds=30))
    assert [one.returncode for one in seen.of(Event.EXITED)] == [0, 0]


async def test_cancelling_the_block_stops_the_children_in_order(seen):
    async def block() -> None:
        async with seen.supervisor() as supervisor:
            await supervisor.start(sleeper("one"))
            await supervisor.start(sleeper("two"))
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(block())
        await until(lambda: len(seen.of(Event.READY)) == 2)
        running.cancel()
    assert seen.names(Event.EXITED) == ["two", "one"]


async def test_a_second_cancellation_kills_what_is_left_and_ends(seen, tmp_path):
    script = f"trap '' TERM; touch {tmp_path}/ready; while :; do sleep 600; done"

    async def block() -> None:
        async with seen.supervisor() as supervisor:
            await supervisor.start(sleeper("one"))
            child = shell("deaf", script, ready=(tmp_path / "ready").exists, stop_grace_seconds=600)
            await supervisor.start(child)
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(block())
        await until(lambda: len(seen.of(Event.READY)) == 2)
        pids = [one.pid for one in seen.of(Event.READY)]
        running.cancel()
        await asyncio.sleep(0.05)
        assert not running.done()
        running.cancel()
    assert not any(is_alive(pid) for pid in pids if pid is not None)
    assert len(seen.of(Event.STARTED)) == 2


async def test_an_error_in_the_block_stops_the_children_and_comes_out_as_it_is(seen):
    with pytest.raises(LookupError):
        async with seen.supervisor() as supervisor:
            await supervisor.start(sleeper("one"))
            raise LookupError
    assert seen.names(Event.EXITED) == ["one"]


async def test_a_fault_in_a_probe_stops_everything_instead_of_hiding(seen):
    def faulty() -> bool:
        raise KeyError("probe")

    with pytest.raises(ExceptionGroup) as raised:
        async with seen.supervisor() as supervisor:
            await supervisor.start(sleeper("one"))
            await supervisor.start(sleeper("two", ready=faulty))
    assert raised.group_contains(KeyError)
    assert not any(is_alive(one.pid) for one in seen.of(Event.STARTED) if one.pid is not None)


# --- restarting --------------------------------------------------------------------------------------------------------


async def test_a_crashed_child_is_restarted_after_growing_pauses(seen):
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("weak", "exit 3"))
        await until(lambda: len(seen.of(Event.RESTARTING)) >= 5)
    assert [one.detail for one in seen.of(Event.RESTARTING)][:5] == [
        "in 0.01 s",
        "in 0.02 s",
        "in 0.04 s",
        "in 0.04 s",
        "in 0.04 s",
    ]
    assert {one.returncode for one in seen.of(Event.EXITED)} == {3}


async def test_kill_9_of_a_child_brings_it_back(seen):
    async with seen.supervisor() as supervisor:
        await supervisor.start(sleeper("one"))
        first = supervisor.pids()["one"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.pids().get("one", first) != first)
    assert [one.returncode for one in seen.of(Event.EXITED)] == [-signal.SIGKILL, -signal.SIGTERM]


async def test_what_a_crashed_child_had_started_does_not_outlive_it(seen, tmp_path):
    script = f"sleep 600 & echo $! > {tmp_path}/pid; touch {tmp_path}/ready; wait"
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("one", script, ready=(tmp_path / "ready").exists, restart=False))
        grandchild = int((tmp_path / "pid").read_text(encoding="ascii"))
        os.kill(supervisor.pids()["one"], signal.SIGKILL)
        await until(lambda: not is_alive(grandchild))


async def test_a_child_that_is_not_to_be_restarted_is_over_with_its_exit_status(seen):
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("once", "sleep 0.2; exit 5", restart=False))
        assert await supervisor.wait("once") == 5
        assert await supervisor.wait("once") is None
        assert supervisor.pids() == {}
    assert seen.of(Event.RESTARTING) == []


async def test_a_stop_cuts_the_pause_before_a_restart_short(seen):
    async with seen.supervisor(backoff=Backoff(first_seconds=600)) as supervisor, asyncio.timeout(10):
        await supervisor.start(shell("weak", "exit 1"))
        await until(lambda: seen.of(Event.RESTARTING))
        await supervisor.stop("weak")
    assert len(seen.of(Event.STARTED)) == 1


async def test_before_each_start_the_child_is_prepared(seen):
    prepared: list[int] = []
    async with seen.supervisor() as supervisor:
        await supervisor.start(
            shell("weak", "exit 1", before_start=lambda: prepared.append(len(seen.of(Event.STARTED))))
        )
        await until(lambda: len(prepared) >= 3)
    assert prepared[:3] == [0, 1, 2]


@given(
    pauses=st.integers(1, 40),
    first=st.floats(0.1, 5),
    longest=st.floats(5, 60),
    stable=st.floats(1, 100),
)
def test_pauses_grow_to_the_longest_and_begin_anew_after_a_stable_life(pauses, first, longest, stable):
    backoff = Backoff(first_seconds=first, longest_seconds=longest, stable_seconds=stable)
    pause = backoff.next_pause(None, 0)
    assert pause == first
    for _ in range(pauses):
        following = backoff.next_pause(pause, stable / 2)
        assert following == min(pause * 2, longest)
        pause = following
    assert backoff.next_pause(pause, stable) == first


# --- output ------------------------------------------------------------------------------------------------------------


async def test_lines_of_both_streams_arrive_in_order_with_the_last_unfinished_one(seen):
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("one", "echo a; echo b >&2; printf 'c\\r\\nd'", restart=False))
        await supervisor.wait("one")
    assert seen.lines == [("one", line) for line in "abcd"]


async def test_a_flood_of_output_and_a_line_without_end_lose_nothing(seen):
    script = "print('x' * 1_000_000); print('y\\n' * 100_000, end='')"
    argv = [sys.executable, "-c", script]
    async with seen.supervisor() as supervisor:
        await supervisor.start(Child(name="one", argv=argv, restart=False))
        await supervisor.wait("one")
    texts = [line for _, line in seen.lines]
    assert "".join(texts) == "x" * 1_000_000 + "y" * 100_000
    assert max(map(len, texts)) <= 100_000
    assert texts.count("y") == 100_000


async def test_bytes_that_are_no_text_do_no_harm(seen):
    async with seen.supervisor() as supervisor:
        await supervisor.start(shell("one", "printf 'a\\377b\\n'", restart=False))
        await supervisor.wait("one")
    assert seen.lines == [("one", "a\ufffdb")]


async def test_a_grandchild_that_keeps_the_output_open_delays_nothing(seen):
    async with seen.supervisor() as supervisor, asyncio.timeout(10):
        await supervisor.start(shell("one", "setsid sleep 20 & echo $!", restart=False))
        assert await supervisor.wait("one") == 0
    # In a session of its own it is nobody's child any more; the test cleans up.
    os.kill(int(seen.lines[0][1]), signal.SIGKILL)


def test_it_works_on_uvloop_too(seen):
    async def block() -> None:
        async with seen.supervisor() as supervisor:
            await supervisor.start(sleeper("one"))
            os.kill(supervisor.pids()["one"], signal.SIGKILL)
            await until(lambda: len(seen.of(Event.READY)) == 2)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(block())
    assert len(seen.of(Event.EXITED)) == 2


# --- no orphans --------------------------------------------------------------------------------------------------------

UP = """
import asyncio, sys
from watchbill.apps.supervisor import Child, Supervisor

async def main():
    async with Supervisor(on_line=lambda *_: None, on_event=lambda _: None) as supervisor:
        await supervisor.start(Child(name="one", argv=["sleep", "600"]))
        await supervisor.start(Child(name="two", argv=["sleep", "600"]))
        print(*supervisor.pids().values(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_kill_9_of_the_supervisor_ends_its_children():
    with subprocess.Popen([sys.executable, "-c", UP], stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        one, two = (ProcessHandle(int(pid)) for pid in up.stdout.readline().split())
        with one, two:
            assert not one.wait(0)
            up.kill()
            assert one.wait(10)
            assert two.wait(10)


def test_ctrl_c_reaches_the_supervisor_alone_which_stops_its_children():
    with subprocess.Popen([sys.executable, "-c", UP], stdout=subprocess.PIPE, text=True, start_new_session=True) as up:
        assert up.stdout is not None
        pids = [int(pid) for pid in up.stdout.readline().split()]
        assert len({os.getsid(pid) for pid in [up.pid, *pids]}) == 3
        # What a terminal does: the signal goes to the whole foreground group.
        os.killpg(up.pid, signal.SIGINT)
        assert up.wait(20) != 0
    assert not any(is_alive(pid) for pid in pids)


# --- PostgreSQL as a child ---------------------------------------------------------------------------------------------


async def test_postgres_under_the_supervisor_comes_back_after_kill_9_with_what_was_committed(seen):
    with EmbeddedPostgres.temporary() as lender:
        data_dir = lender.data_dir
        lender.stop()
        server = EmbeddedPostgres(data_dir, is_durable=False)
        server.prepare()
        async with seen.supervisor() as supervisor:
            await supervisor.start(postgres_child(server))
            server.create_database("ours")
            with psycopg.connect(server.conninfo("ours")) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
            os.kill(supervisor.pids()["postgres"], signal.SIGKILL)
            await until(lambda: len(seen.of(Event.READY)) == 2)
            with psycopg.connect(server.conninfo("ours")) as connection:
                assert connection.execute("SELECT number FROM kept").fetchone() == (42,)
        server.release()
    assert [one.returncode for one in seen.of(Event.EXITED)] == [-signal.SIGKILL, 0]
