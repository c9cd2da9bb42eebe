"""A real agent runs real scripts for an Engine: output, limits, trees, and what a script may meet."""

import asyncio
import os
import time
from pathlib import Path

import pytest

import watchbill_wire as w
from tests.agent.conftest import is_alive, until


@pytest.fixture
async def up(agent):
    return await agent.up()


async def test_a_script_runs_and_its_output_result_and_times_come_back(engine, up):
    name = await engine.order("echo out; echo err >&2; exit 3")
    result = await engine.result(name)
    assert (result.outcome, result.exit_code, result.signal, result.tree) == ("exited", 3, None, "stopped")
    assert engine.text(name) == "out\n"
    assert engine.text(name, "stderr") == "err\n"
    assert (result.stdout_bytes, result.stderr_bytes, result.truncated, result.last_line) == (4, 4, False, "err")
    started = await engine.first(w.Started, name)
    assert started.started_at == result.started_at <= result.finished_at
    kinds = [type(m).__name__ for m in engine.all(object, name)]
    assert kinds[:2] == ["Accepted", "Started"]
    assert kinds[-1] == "Result"


async def test_the_folder_of_an_acknowledged_execution_is_removed(engine, up):
    name = await engine.order("echo hi")
    await engine.result(name)
    await until(lambda: up.folders == [])


async def test_a_script_gets_its_variables_labels_and_a_clean_private_place(engine, up):
    name = await engine.order(
        'echo "$GREETING|$WATCHBILL_JOB|$WATCHBILL_EXECUTION_ID"; umask; ulimit -c; ls -A; stat -c %a .; env | grep -c SECRET_OF_AGENT; cat',
        variables={"GREETING": "it's 5 o'clock\n$HOME"},
    )
    result = await engine.result(name)
    assert engine.text(name) == f"it's 5 o'clock\n$HOME|j1|{name}\n0077\n0\n700\n0\n"
    assert result.exit_code == 0, "standard input is empty, so cat ends at once"


async def test_python_scripts_run_too(engine, up):
    name = await engine.order(
        "import os, sys; print(os.environ['X'], sys.argv[1:])", interpreter="python", variables={"X": "é"}
    )
    await engine.result(name)
    assert engine.text(name) == "é []\n"


async def test_variables_are_not_on_any_command_line(engine, up):
    name = await engine.order(
        "cat /proc/$$/cmdline /proc/$PPID/cmdline | tr '\\0' ' ' | grep -c hunter2; true",
        variables={"PASSWORD": "hunter2"},
    )
    await engine.result(name)
    assert engine.text(name) == "0\n"


async def test_a_missing_interpreter_is_a_refusal_with_its_reason(engine, up):
    name = await engine.order("echo hi", interpreter="batch")
    result = await engine.result(name)
    assert (result.outcome, result.reason) == ("refused", "interpreter_missing")


async def test_a_script_killed_by_a_foreign_signal_says_which(engine, up):
    result = await engine.result(await engine.order("kill -SEGV $$"))
    assert (result.outcome, result.exit_code, result.signal) == ("exited", None, 11)


async def test_a_flood_of_200_mb_keeps_head_and_tail_and_true_counts(engine, up):
    script = "head -c 200000000 /dev/zero | tr '\\0' x; printf THE-END"
    name = await engine.order(script, head_bytes=100_000, tail_bytes=50_000)
    folder = up.data / "executions" / name
    engine.acks_results = False
    result = await engine.result(name)
    assert (result.stdout_bytes, result.truncated) == (200_000_007, True)
    assert engine.gaps == [(name, "stdout", 100_000, 200_000_007 - 50_000)]
    stored = engine.output[name, "stdout"]
    assert len(stored) == 200_000_007
    assert stored[:100_000] == b"x" * 100_000
    assert stored[-50_000:] == b"x" * 49_993 + b"THE-END"
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 200_000


@pytest.mark.parametrize(
    ("head", "tail", "size"), [(10, 10, 15), (10, 10, 20), (10, 10, 25), (0, 7, 100), (7, 0, 100), (0, 0, 5)]
)
async def test_what_is_kept_is_exactly_head_and_tail(engine, up, head, tail, size):
    text = ("0123456789" * 20)[:size]
    name = await engine.order(
        f"for c in $(echo {text} | fold -w1); do printf $c; done", head_bytes=head, tail_bytes=tail
    )
    result = await engine.result(name)
    stored = engine.text(name)
    assert result.stdout_bytes == size
    assert result.truncated == (size > head + tail)
    if tail == 0:
        assert stored == text[:head]
    elif size > head + tail:
        assert stored[:head] + stored[-tail:] == text[:head] + text[-tail:]
    else:
        assert stored == text


async def test_a_time_limit_ends_a_script_that_ignores_sigterm(engine, up):
    name = await engine.order(
        "trap '' TERM; echo on; while :; do sleep 0.05; done", time_limit_seconds=0.3, kill_grace_seconds=0.2
    )
    begun = time.monotonic()
    result = await engine.result(name)
    assert (result.outcome, result.tree, result.exit_code) == ("timed_out", "stopped", None)
    assert time.monotonic() - begun < 5
    assert engine.text(name) == "on\n"


async def test_a_script_may_use_its_grace_to_clean_up(engine, up):
    script = "trap 'echo cleaned; exit 7' TERM; echo on; while :; do sleep 0.05; done"
    name = await engine.order(script, time_limit_seconds=0.3, kill_grace_seconds=5)
    result = await engine.result(name)
    assert result.outcome == "timed_out"
    assert engine.text(name) == "on\ncleaned\n"


DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open({marker!r}, "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not os.path.exists({marker!r}):
    time.sleep(0.01)
{then}
"""


async def test_cancel_kills_daemonised_grandchildren_that_ignore_sigterm(engine, up, tmp_path):
    marker = tmp_path / "grandchild"
    name = await engine.order(DAEMON.format(marker=str(marker), then="time.sleep(600)"), interpreter="python")
    await until(lambda: marker.exists() and marker.read_text())
    await engine.send(w.Cancel(name, 0.2))
    result = await engine.result(name)
    assert (result.outcome, result.tree) == ("cancelled", "stopped")
    assert (await engine.first(w.CancelAnswer, name)).answer == "killed"
    assert not is_alive(int(marker.read_text()))


async def test_a_script_that_ends_leaves_no_stray_and_does_not_wait_for_it(engine, up, tmp_path):
    marker = tmp_path / "grandchild"
    name = await engine.order(DAEMON.format(marker=str(marker), then="print('bye')"), interpreter="python")
    begun = time.monotonic()
    result = await engine.result(name)
    assert (result.outcome, result.exit_code) == ("exited", 0)
    assert 1.5 < time.monotonic() - begun < 6
    assert not is_alive(int(marker.read_text()))


async def test_children_in_the_background_may_finish_within_the_bound(engine, up):
    name = await engine.order("(sleep 0.3; echo late) & echo early")
    begun = time.monotonic()
    await engine.result(name)
    assert engine.text(name) == "early\nlate\n"
    assert time.monotonic() - begun < 1.8


async def test_a_script_that_kills_its_supervisor_is_interrupted_and_leaves_nothing(engine, up, tmp_path):
    marker = tmp_path / "pid"
    name = await engine.order(f"echo before; sleep 600 & echo $! > {marker}; sleep 0.3; kill -9 $PPID; sleep 600")
    result = await engine.result(name)
    assert (result.outcome, result.tree) == ("interrupted", "stopped")
    assert engine.text(name) == "before\n"
    assert not is_alive(int(marker.read_text()))


async def test_at_most_so_many_run_at_once_and_the_rest_keep_their_order(engine, agent, tmp_path):
    await agent.up("--max-parallel", "2")
    trace = tmp_path / "trace"
    names = [await engine.order(f"echo {number} >> {trace}; sleep 0.2") for number in range(6)]
    for name in names:
        await engine.result(name)
    assert sorted(trace.read_text().split()) == list("012345")
    starts = [m.execution_id for m in engine.all(w.Started)]
    assert set(starts[:2]) == set(names[:2])
    assert set(starts[-2:]) == set(names[-2:])


async def test_output_arrives_while_the_script_still_runs(engine, up, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    name = await engine.order(f"echo first; cat {gate}; echo last")
    await engine.until(lambda: engine.text(name) == "first\n")
    assert engine.all(w.Result, name) == []
    await asyncio.to_thread(gate.write_text, "middle\n")
    await engine.result(name)
    assert engine.text(name) == "first\nmiddle\nlast\n"


async def test_a_large_script_output_in_order_respects_what_may_be_in_flight(engine, up):
    engine.acks_output = False
    name = await engine.order("seq 1 200000", head_bytes=4 * 1024 * 1024)
    await engine.until(lambda: len(engine.output.get((name, "stdout"), b"")) == w.MAX_IN_FLIGHT_BYTES)
    engine.acks_output = True
    await engine.send(w.OutputAck(name, "stdout", w.MAX_IN_FLIGHT_BYTES))
    result = await engine.result(name)
    assert engine.text(name) == "".join(f"{n}\n" for n in range(1, 200001))
    assert result.stdout_bytes == len(engine.text(name))
    assert engine.gaps == []


async def test_without_acknowledgements_a_script_goes_on_and_only_the_kept_ends_lie_on_the_disk(engine, up):
    """What the Engine does not take neither stops the script nor grows in the agent: it is spooled within its bounds."""
    engine.acks_output = False
    name = await engine.order(
        "head -c 100000000 /dev/zero | tr '\\0' x; touch ended; sleep 60", head_bytes=2_000_000, tail_bytes=100_000
    )
    folder = up.data / "executions" / name
    await until((folder / "work" / "ended").exists)
    await engine.until(lambda: len(engine.output.get((name, "stdout"), b"")) == w.MAX_IN_FLIGHT_BYTES)
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 2_200_000
    status = Path(f"/proc/{up.process.pid}/status").read_text()
    [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    assert peak < 80 * 1024, f"the agent held {peak} KiB"
    engine.acks_output = True
    await engine.send(w.OutputAck(name, "stdout", w.MAX_IN_FLIGHT_BYTES))
    await engine.until(lambda: len(engine.output[name, "stdout"]) == 2_000_000)
    await engine.send(w.Cancel(name, 0.1))
    assert (await engine.result(name)).stdout_bytes == 100_000_000


async def test_a_script_that_cannot_be_spawned_says_so(engine, up):
    """The kernel takes no environment entry of 128 KiB: the supervisor sees it, the agent tells it."""
    name = await engine.order("echo hi", variables={"HUGE": "\N{MUSICAL SYMBOL G CLEF}" * 32_768})
    result = await engine.result(name)
    assert (result.outcome, result.reason) == ("refused", "spawn_failed")
    assert "Argument list too long" in result.detail
    assert (await engine.result(await engine.order("true"))).exit_code == 0
