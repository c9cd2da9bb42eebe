"""What is kept on disk: head and ring of a stream, the spool's rows, the inventory's digest."""

import os
import sqlite3
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import watchbill_wire as w
from tests.agent.conftest import until
from tests.agent.test_session import NOON, name_of, payload, result
from watchbill_agent import events as e
from watchbill_agent import evidence, inventory
from watchbill_agent.spool import Spool
from watchbill_agent.supervisor.watchbill_shim import Sink
from watchbill_agent.transfer import Transfer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=30), st.integers(0, 80), st.integers(0, 80))
def test_head_and_ring_give_back_exactly_the_first_and_last_bytes(tmp_path, chunks, head, tail):
    (tmp_path / "limits").write_bytes(evidence.limits_text(head, tail, "boot"))
    source, feed = os.pipe()
    sink = Sink(str(tmp_path / "stdout"), source, head, tail)
    for chunk in chunks:
        os.write(feed, chunk)
        sink.take()
    os.close(feed)
    assert sink.take() == 0
    for descriptor in (sink.head, sink.ring, sink.counts):
        os.close(descriptor)
    whole = b"".join(chunks)
    kept = evidence.kept_without_end(tmp_path, "stdout") if chunks else e.NOTHING_KEPT
    assert kept.end == len(whole)
    assert kept.head == min(head, len(whole))
    assert kept.tail == max(kept.head, len(whole) - tail)
    assert evidence.read_stream(tmp_path, "stdout", 0, kept.head) == whole[: kept.head]
    assert evidence.read_stream(tmp_path, "stdout", kept.tail, kept.end - kept.tail) == whole[kept.tail :]


def test_a_full_disk_keeps_what_fitted_and_counts_the_rest(tmp_path):
    (tmp_path / "stdout.tail").symlink_to("/dev/full")
    source, feed = os.pipe()
    sink = Sink(str(tmp_path / "stdout"), source, 10, 10)
    os.write(feed, b"0123456789")
    sink.take()
    os.write(feed, b"more that does not fit")
    sink.take()
    for descriptor in (source, feed, sink.head, sink.ring, sink.counts):
        os.close(descriptor)
    assert evidence.kept_without_end(tmp_path, "stdout") == e.Kept(10, 32, 32)


@settings(deadline=None)
@given(st.integers(0, 500_000), st.integers(0, 500_000), st.integers(0, 500_000), st.integers(5_000, 600_000))
def test_a_transfer_sends_every_kept_byte_once_and_steps_over_the_gap(head, gap, tail, room):
    transfer = Transfer(e.Kept(head, head + gap, head + gap + tail))
    sent = []
    while chunk := transfer.next_chunk(room):
        sent += [(chunk[0], chunk[0] + chunk[1])]
        transfer.mark_sent(chunk[1])
        transfer.mark_acked(chunk[0] + chunk[1])
    assert transfer.in_flight == 0
    assert sum(end - start for start, end in sent) == head + tail
    assert all(end <= head or start >= head + gap for start, end in sent)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"one\ntwo\n\n  \n", "two"),
        (b"", None),
        (b"\x1b[31mred\x1b[0m\n", "[31mred [0m"),
        (b"caf\xc3\xa9 \xff\n", "café �"),
        (b"x" * 9000, "x" * 500),
    ],
)
def test_the_last_line_is_short_and_printable(tmp_path, raw, line):
    (tmp_path / "limits").write_bytes(evidence.limits_text(100_000, 0, "boot"))
    (tmp_path / "stdout.head").write_bytes(raw)
    assert evidence.last_line(tmp_path, "stdout", e.Kept(len(raw), len(raw), len(raw))) == line


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool.sqlite3")
    yield spool
    spool.close()


def test_a_delivery_is_remembered_through_its_whole_life(spool):
    one = payload()
    spool.keep_order(e.KeepOrder(one, one.to_text(), is_starting=False), "hash")
    assert spool.unsettled() == (e.Stored(name_of(1), "accepted", one),)
    spool.keep_starting(name_of(1))
    spool.keep_started(name_of(1), NOON)
    assert spool.find(name_of(1)) == e.Stored(name_of(1), "running", started_at=NOON)
    spool.keep_acked(e.KeepAcked(name_of(1), "stdout", 3))
    ended = result(started_at=NOON, last_line="é")
    spool.keep_result(ended, e.Kept(5, 7, 9), e.Kept())
    finished = e.Stored(name_of(1), "finished", None, NOON, ended, e.Kept(5, 7, 9), e.Kept(), 3)
    assert spool.unsettled() == (finished,)
    spool.settle(name_of(1), NOON)
    assert spool.unsettled() == ()
    found = spool.find(name_of(1))
    assert (found.state, found.result) == ("settled", ended)


def test_an_order_that_starts_at_once_leaves_no_content_on_disk(spool):
    one = payload(variables={"password": "hunter2"})
    spool.keep_order(e.KeepOrder(one, one.to_text(), is_starting=True), "hash")
    assert spool.find(name_of(1)) == e.Stored(name_of(1), "starting")


def test_the_same_order_cannot_be_kept_twice(spool):
    one = payload()
    spool.keep_order(e.KeepOrder(one, one.to_text(), is_starting=True), "hash")
    with pytest.raises(sqlite3.IntegrityError):
        spool.keep_order(e.KeepOrder(one, one.to_text(), is_starting=True), "hash")


def test_a_first_result_is_never_replaced_by_a_second(spool):
    spool.keep_result(result(), e.Kept(), e.Kept())
    spool.keep_result(result(exit_code=9), e.Kept(), e.Kept())
    assert spool.find(name_of(1)).result == result()


def test_keys_are_kept_for_a_while_after_the_acknowledgement_and_open_ones_for_ever(spool):
    for number in (1, 2, 3):
        spool.keep_result(result(number), e.Kept(), e.Kept())
    spool.settle(name_of(1), NOON - timedelta(days=8))
    spool.settle(name_of(2), NOON - timedelta(days=6))
    spool.keep_withdrawn(name_of(4), NOON - timedelta(days=8))
    spool.purge(NOON - timedelta(days=7))
    assert [n for n in range(1, 5) if spool.find(name_of(n))] == [2, 3]


async def test_an_agent_whose_spool_breaks_stops_instead_of_guessing(engine, agent, tmp_path):
    await agent.up()
    with sqlite3.connect(agent.data / "spool.sqlite3") as db:
        db.execute("DROP TABLE deliveries")
    db.close()
    await engine.order(f"touch {tmp_path / 'ran'}")
    await until(lambda: agent.process.poll() is not None)
    assert agent.process.returncode == 1
    assert "the spool" in agent.log.read_text()
    assert not (tmp_path / "ran").exists()


def test_the_inventory_is_the_same_while_only_a_little_disk_is_used():
    assert inventory.seal(inventory.collect("stable")).digest == inventory.seal(inventory.collect("stable")).digest


def test_a_huge_inventory_is_cut_to_one_frame():
    software = {"dpkg": [[f"package-{n}", "1.0"] for n in range(60_000)], "rpm": [["kernel", "6.1"]] * 10}
    snapshot = inventory.seal(inventory.pack({"software": software}))
    message = snapshot.message()
    assert len(w.encode(message)) <= w.MAX_FRAME_BYTES
    assert message.inventory["is_software_cut"]
    assert len(message.inventory["software"]["dpkg"]) > 20_000


def test_as_much_software_as_the_engine_keeps_fits_into_one_frame():
    software = {"dpkg": [[f"libusualname-{n}", f"2.3.{n}-1+deb13u1"] for n in range(20_000)]}
    message = inventory.seal(inventory.pack({"software": software})).message()
    assert len(w.encode(message)) <= w.MAX_FRAME_BYTES
    assert len(message.inventory["software"]["dpkg"]) == 20_000
