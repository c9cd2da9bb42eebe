"""Files of an order: checked before the script begins, kept for the next one, and never in its way when they cannot be had."""

import asyncio
import hashlib
import os
import random
import stat
from pathlib import Path

import pytest

import watchbill_wire as w
from tests.agent.conftest import Agent, until
from tests.agent.engine import Engine
from watchbill_agent.filecache import DroppedError, FileCache

MIB = 1024 * 1024
PIECE = w.MAX_PIECE_BYTES
READS = 'cd "$WATCHBILL_FILES" && cat * | sha256sum | cut -d" " -f1'


def noise(number: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(number)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def contents(agent: Agent) -> Path:
    return agent.data / "files" / "contents"


def staged(agent: Agent) -> list[str]:
    return [path.name for path in (agent.data / "files" / "staged").iterdir()]


async def ran(engine: Engine, **files: bytes) -> w.Result:
    name = await engine.order(READS, **engine.with_files(**files))
    result = await engine.result(name)
    assert (result.outcome, result.exit_code) == ("exited", 0), result
    await engine.until(lambda: engine.text(name))
    assert engine.text(name).strip() == digest(b"".join(files[one] for one in sorted(files)))
    return result


async def test_files_are_fetched_once_and_nobody_else_can_read_them(engine, agent):
    await agent.up()
    first = noise(PIECE * 2 + 17)
    await ran(engine, a=first, b=b"", c=b"short")
    asked = engine.count(w.Fetch)
    assert asked == 4
    await ran(engine, z=first)
    assert engine.count(w.Fetch) == asked
    for path in (agent.data / "files").rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    await until(lambda: not agent.folders)
    assert staged(agent) == []


async def test_a_file_with_another_content_is_never_executed(engine, agent):
    await agent.up()
    more = engine.with_files(tool=noise(PIECE + 5))
    (wanted,) = more["files"]
    engine.files[wanted.sha256] = noise(PIECE + 5, seed=2)
    name = await engine.order("echo ran", **more)
    result = await engine.result(name)
    assert (result.outcome, result.reason, result.started_at) == ("refused", "content_mismatch", None)
    assert "tool" in (result.detail or "")
    # Twice, since a resumed one may be half of what an agent that died had written.
    assert engine.count(w.Fetch) == 4
    assert engine.text(name) == ""
    await until(lambda: not list(contents(agent).iterdir()) and not staged(agent))


@pytest.mark.parametrize("number", [5, PIECE * 3])
async def test_a_file_of_another_size_is_never_executed(engine, agent, number):
    await agent.up()
    more = engine.with_files(tool=noise(PIECE + 5))
    (wanted,) = more["files"]
    engine.files[wanted.sha256] = noise(PIECE + 5 + number)
    result = await engine.result(await engine.order("echo ran", **more))
    assert (result.outcome, result.reason) == ("refused", "content_mismatch")


async def test_a_file_that_is_not_there_is_said_before_the_script_begins(engine, agent):
    await agent.up()
    more = engine.with_files(tool=b"tool")
    engine.files.clear()
    result = await engine.result(await engine.order("echo ran", **more))
    assert (result.outcome, result.reason, result.detail) == ("refused", "file_unavailable", "it is not kept")


async def test_a_download_that_is_cut_off_goes_on_where_it_was(engine, agent):
    await agent.up()
    content = noise(PIECE * 4 + 9)
    engine.gives_bytes[digest(content)] = PIECE * 2
    name = await engine.order(READS, **engine.with_files(tool=content))
    await engine.until(lambda: [one for one in engine.all(w.Fetch) if one.offset == PIECE * 2])
    assert engine.connection is not None
    engine.gives_bytes.clear()
    await engine.connection.close(1012)
    await engine.result(name)
    assert engine.text(name).strip() == digest(content)
    assert [one.offset // PIECE for one in engine.all(w.Fetch)] == [0, 1, 2, 2, 3, 4]


async def test_an_agent_that_dies_in_the_middle_runs_it_once_all_the_same(engine, agent):
    await agent.up()
    content = noise(PIECE * 3)
    engine.gives_bytes[digest(content)] = PIECE * 2
    name = await engine.order(f"{READS}; echo once >> {agent.data.parent}/ran", **engine.with_files(tool=content))
    await engine.until(lambda: [one for one in engine.all(w.Fetch) if one.offset == PIECE * 2])
    agent.kill()
    engine.gives_bytes.clear()
    agent.start()
    await engine.result(name)
    assert (agent.data.parent / "ran").read_text() == "once\n"
    assert engine.text(name).strip() == digest(content)
    hello = engine.all(w.Hello)[-1]
    assert hello.deliveries == (w.Delivery(name, "accepted"),)
    assert hello.fetches_files is True


async def test_a_cancel_during_the_download_withdraws_it(engine, agent):
    await agent.up()
    content = noise(PIECE * 3)
    engine.gives_bytes[digest(content)] = PIECE
    name = await engine.order("echo ran", **engine.with_files(tool=content))
    await engine.until(lambda: [one for one in engine.all(w.Fetch) if one.offset == PIECE])
    await engine.send(w.Cancel(name, 1.0))
    result = await engine.result(name)
    assert (result.outcome, result.reason) == ("refused", "cancelled")
    assert (await engine.first(w.CancelAnswer, name)).answer == "killed"
    await until(lambda: not staged(agent))
    # What is next in turn does not wait for what nobody wants any more.
    await ran(engine, other=b"other")


async def test_fetching_has_a_bound_of_its_own_and_the_time_limit_is_not_it(engine, agent):
    await agent.up()
    content = noise(PIECE * 2)
    engine.gives_bytes[digest(content)] = PIECE
    more = engine.with_files(tool=content)
    name = await engine.order("echo ran", **{**more, "fetch_seconds": 1.5}, time_limit_seconds=0.5)
    result = await engine.result(name)
    assert (result.outcome, result.reason) == ("refused", "file_unavailable")
    assert "within 2 seconds" in (result.detail or "")


async def test_what_waits_for_files_keeps_nobody_else_waiting(engine, agent):
    await agent.up("--max-parallel", "1")
    content = noise(PIECE * 2)
    engine.gives_bytes[digest(content)] = PIECE
    slow = await engine.order(READS, **engine.with_files(tool=content))
    await engine.until(lambda: [one for one in engine.all(w.Fetch) if one.offset == PIECE])
    assert (await engine.result(await engine.order("echo quick"))).exit_code == 0
    assert engine.all(w.Result, slow) == []


async def test_what_was_changed_on_disk_is_fetched_again(engine, agent):
    await agent.up()
    content = noise(PIECE + 1)
    await ran(engine, tool=content)
    path = contents(agent) / digest(content)
    path.write_bytes(noise(PIECE + 1, seed=3))
    asked = engine.count(w.Fetch)
    await ran(engine, tool=content)
    assert engine.count(w.Fetch) == asked + 2
    assert path.read_bytes() == content


async def test_a_full_cache_lets_go_of_what_was_used_longest_ago(engine, agent):
    await agent.up("--file-cache", "1")
    one, two, three = (noise(500_000, seed) for seed in (1, 2, 3))
    for content, moment in ((one, 1000), (two, 2000)):
        await ran(engine, tool=content)
        os.utime(contents(agent) / digest(content), (moment, moment))
    await ran(engine, tool=one)
    await ran(engine, tool=three)
    assert {path.name for path in contents(agent).iterdir()} == {digest(one), digest(three)}
    # Larger than all the room there is: it is had, and not kept.
    await ran(engine, tool=noise(MIB + 1))
    assert digest(noise(MIB + 1)) not in {path.name for path in contents(agent).iterdir()}


async def test_two_that_want_the_same_at_once_fetch_it_once(engine, agent):
    await agent.up()
    content = noise(PIECE * 2)
    await asyncio.gather(ran(engine, tool=content), ran(engine, tool=content))
    assert engine.count(w.Fetch) == 2


def test_a_copy_that_nobody_wants_stops(tmp_path):
    cache, content = FileCache(tmp_path / "files"), noise(MIB * 2)
    file = w.FileOf("tool", len(content), digest(content))
    cache.append(file, 0, content)
    cache.complete(file)
    with pytest.raises(DroppedError):
        cache.stage("one", file, lambda: False)
    assert cache.has(file)
    assert cache.stage("one", file, lambda: True)
    assert (cache.staged("one") / "tool").read_bytes() == content


def test_a_link_in_the_cache_is_not_followed(tmp_path):
    cache, content = FileCache(tmp_path / "files"), b"tool"
    file = w.FileOf("tool", len(content), digest(content))
    (tmp_path / "elsewhere").write_bytes(content)
    (tmp_path / "files" / "contents" / file.sha256).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="Too many levels"):
        cache.stage("one", file, lambda: True)
