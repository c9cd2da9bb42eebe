"""Killed agents, cut lines, forged and repeated orders: every script runs once and every result arrives."""

import asyncio
import json
import os
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import watchbill_wire as w
from tests.agent.conftest import until


@pytest.fixture
async def up(agent):
    return await agent.up()


async def test_a_killed_agent_comes_back_and_reports_the_script_that_went_on(engine, up, tmp_path):
    ran, gate = tmp_path / "ran", tmp_path / "gate"
    os.mkfifo(gate)
    name = await engine.order(f"echo once >> {ran}; echo before; cat {gate}; echo after")
    await engine.until(lambda: engine.text(name) == "before\n")
    up.kill()
    up.start()
    await engine.connected(times=2)
    assert engine.all(w.Hello)[-1].deliveries == (w.Delivery(name, "running"),)
    await asyncio.to_thread(gate.write_text, "open\n")
    result = await engine.result(name)
    assert (result.outcome, result.exit_code) == ("exited", 0)
    assert engine.text(name) == "before\nopen\nafter\n"
    assert ran.read_text() == "once\n"
    assert engine.count(w.Result) == 1


async def test_a_script_that_ended_while_no_agent_lived_is_reported_with_its_true_times(engine, up, tmp_path):
    done = tmp_path / "done"
    name = await engine.order(f"sleep 0.3; touch {done}; exit 4")
    await engine.first(w.Started, name)
    up.kill()
    await until(done.exists)
    await until((up.data / "executions" / name / "result").exists)
    up.start()
    result = await engine.result(name)
    assert (result.outcome, result.exit_code) == ("exited", 4)
    assert timedelta(seconds=0.25) < result.finished_at - result.started_at < timedelta(seconds=5)


async def test_a_script_that_kills_the_agent_itself_still_gets_its_result_home(engine, up):
    name = await engine.order(f"kill -9 {up.process.pid}; echo survived")
    await asyncio.to_thread(up.process.wait, 20)
    up.start()
    result = await engine.result(name)
    assert result.exit_code == 0
    assert engine.text(name) == "survived\n"


async def test_an_execution_whose_supervisor_vanished_with_the_agent_is_interrupted_and_never_rerun(
    engine, up, tmp_path
):
    ran, parent = tmp_path / "ran", tmp_path / "parent"
    name = await engine.order(f"echo once >> {ran}; echo $PPID > {parent}.new; mv {parent}.new {parent}; sleep 600")
    await until(parent.exists)
    await engine.first(w.Started, name)
    up.kill()
    os.kill(int(parent.read_text()), 9)
    up.start()
    result = await engine.result(name)
    assert (result.outcome, result.tree) == ("interrupted", "stopped")
    assert ran.read_text() == "once\n"


async def test_a_start_without_any_trace_is_interrupted_and_never_rerun(engine, up, tmp_path):
    """As after a power cut between the note `starting` and the start itself."""
    import sqlite3

    await up.stop()
    payload = engine.payload(f"touch {tmp_path / 'ran'}")
    with sqlite3.connect(up.data / "spool.sqlite3") as db:
        db.execute("INSERT INTO deliveries (execution_id, state) VALUES (?, 'starting')", (payload.execution_id,))
    db.close()
    up.start()
    await engine.connected(times=2)
    result = await engine.result(payload.execution_id)
    assert result.outcome == "interrupted"
    await engine.send(engine.sign(payload))
    await engine.until(lambda: len(engine.all(w.Result, payload.execution_id)) == 2)
    assert not (tmp_path / "ran").exists()


async def test_a_repeated_envelope_is_answered_from_the_store(engine, up, tmp_path):
    ran = tmp_path / "ran"
    order = engine.sign(engine.payload(f"echo once >> {ran}; echo hi"))
    name = w.execution_id_of(order.payload)
    await engine.send(order)
    first = await engine.result(name)
    for times in (2, 3):
        await engine.send(order)
        await engine.until(lambda times=times: len(engine.all(w.Result, name)) == times)
    assert engine.all(w.Result, name) == [first] * 3
    assert ran.read_text() == "once\n"


async def test_the_store_survives_a_restart_of_the_agent(engine, up, tmp_path):
    ran = tmp_path / "ran"
    order = engine.sign(engine.payload(f"echo once >> {ran}"))
    name = w.execution_id_of(order.payload)
    await engine.send(order)
    first = await engine.result(name)
    await until(lambda: up.folders == [])
    up.kill()
    up.start()
    await engine.connected(times=2)
    assert engine.all(w.Hello)[-1].deliveries == ()
    await engine.send(order)
    await engine.until(lambda: len(engine.all(w.Result, name)) == 2)
    assert engine.all(w.Result, name)[1] == first
    assert ran.read_text() == "once\n"


async def test_a_result_is_sent_again_until_it_is_acknowledged(engine, up):
    engine.acks_results = False
    name = await engine.order("echo hi")
    first = await engine.result(name)
    await engine.close_gateway()
    engine.acks_results = True  # before it is back: its result follows on its hello at once
    await engine.open_gateway()
    await engine.connected(times=2)
    assert engine.all(w.Hello)[-1].deliveries == (w.Delivery(name, "finished"),)
    await engine.until(lambda: len(engine.all(w.Result, name)) == 2)
    assert engine.all(w.Result, name)[1] == first
    await until(lambda: up.folders == [])


async def test_output_goes_on_from_the_last_acknowledged_byte_after_a_cut(engine, up, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    name = await engine.order(f"seq 1 30000; cat {gate}; seq 30001 60000")
    half = "".join(f"{n}\n" for n in range(1, 30001))
    await engine.until(lambda: engine.text(name) == half)
    await engine.close_gateway()
    await asyncio.to_thread(gate.write_text, "")
    await until((up.data / "executions" / name / "result").exists)
    await engine.open_gateway()
    await engine.result(name)
    assert engine.text(name) == half + "".join(f"{n}\n" for n in range(30001, 60001))
    assert engine.gaps == []
    again = [m.offset for m in engine.heard[engine.heard.index(engine.all(w.Hello)[1]) :] if isinstance(m, w.Output)]
    assert again[0] == len(half)


async def test_an_engine_that_is_away_when_the_script_ends_gets_everything_later(engine, up, tmp_path):
    name = await engine.order("sleep 0.3; echo done")
    await engine.first(w.Started, name)
    await engine.close_gateway()
    await until((up.data / "executions" / name / "result").exists)
    await engine.open_gateway()
    assert (await engine.result(name)).exit_code == 0
    assert engine.text(name) == "done\n"


async def test_a_silent_gateway_is_left_and_dialled_again(engine, agent):
    engine.heartbeat_seconds = 0.2
    await agent.up()
    await engine.until(lambda: engine.count(w.Heartbeat) >= 2)
    connection = engine.connection
    connection.transport.pause_reading()
    await engine.connected(times=2)
    assert engine.connections == 2
    connection.transport.abort()


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("wrong_device", {"device_id": "0190a0b1-0000-7000-8000-000000000000"}),
        ("unsupported_context", {"context": "user"}),
        ("content_mismatch", {"content_sha256": "0" * 64}),
    ],
)
async def test_an_order_that_is_signed_but_not_right_is_refused(engine, up, tmp_path, reason, change):
    result = await engine.result(await engine.order(f"touch {tmp_path / 'ran'}", **change))
    assert (result.outcome, result.reason) == ("refused", reason)
    assert not (tmp_path / "ran").exists()


async def test_an_expired_order_is_judged_by_the_clock_of_the_engine(engine, agent, tmp_path):
    engine.clock_ahead = timedelta(days=-400)
    await agent.up()
    late = await engine.result(await engine.order("true", start_by=engine.now() - timedelta(seconds=1)))
    assert (late.outcome, late.reason) == ("refused", "expired")
    good = await engine.result(await engine.order("true"))
    assert good.exit_code == 0, "by this device's own clock it would be long too late"
    assert abs(good.finished_at - engine.now()) < timedelta(seconds=10)


async def test_forged_tampered_and_unsigned_orders_are_refused_and_use_up_no_id(engine, up, tmp_path):
    payload = engine.payload(f"echo ran >> {tmp_path / 'ran'}")
    good = engine.sign(payload)
    forged = engine.sign(payload, Ed25519PrivateKey.generate())
    tampered = w.Execute("k1", json.dumps({**json.loads(good.payload), "content": "rm -rf /"}), good.signature)
    unsigned = w.Execute("k1", good.payload, b"")
    for times, bad in enumerate((forged, tampered, unsigned), start=1):
        await engine.send(bad)
        results = await engine.until(lambda times=times: len(engine.all(w.Result)) == times and engine.all(w.Result))
        assert (results[-1].outcome, results[-1].reason) == ("refused", "bad_signature")
    assert not (tmp_path / "ran").exists()
    await engine.send(good)
    await engine.until(lambda: [r for r in engine.all(w.Result) if r.outcome == "exited"])
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_an_unknown_key_is_asked_for_once_and_then_refused(engine, up):
    order = engine.sign(engine.payload("true"))
    await engine.send(w.Execute("k9", order.payload, order.signature))
    result = await engine.result(w.execution_id_of(order.payload))
    assert (result.outcome, result.reason) == ("refused", "unknown_key")


async def test_a_rotated_key_of_the_engine_is_learned_from_its_own_api(engine, up):
    engine.key = Ed25519PrivateKey.generate()
    engine.engine_keys = lambda: [
        {"key_id": "k2", "public_key": w.base64url(engine.key.public_key().public_bytes_raw())}
    ]
    payload = engine.payload("echo new key")
    text = payload.to_text()
    await engine.send(w.Execute("k2", text, engine.key.sign(w.envelope_signing_bytes(text))))
    assert (await engine.result(payload.execution_id)).exit_code == 0


async def test_a_cancel_that_comes_first_stops_the_order_that_comes_later(engine, up, tmp_path):
    payload = engine.payload(f"touch {tmp_path / 'ran'}")
    await engine.send(w.Cancel(payload.execution_id, 1))
    assert (await engine.first(w.CancelAnswer, payload.execution_id)).answer == "not_known"
    up.kill()
    up.start()
    await engine.connected(times=2)
    await engine.send(engine.sign(payload))
    result = await engine.result(payload.execution_id)
    assert (result.outcome, result.reason) == ("refused", "cancelled")
    assert not (tmp_path / "ran").exists()


async def test_a_cancel_after_the_end_says_already_done(engine, up):
    name = await engine.order("true")
    await engine.result(name)
    await engine.send(w.Cancel(name, 1))
    assert (await engine.first(w.CancelAnswer, name)).answer == "already_done"


async def test_the_inventory_is_sent_once_and_not_again_while_nothing_changed(engine, up):
    inventory = await engine.first(w.Inventory)
    facts = inventory.inventory
    assert facts["os"]["family"] == "linux"
    assert facts["interpreters"]["bash"]["path"]
    assert facts["cpu"]["count"] >= 1
    assert facts["memory_bytes"] > 0
    engine.known_digest = inventory.digest
    up.kill()
    up.start()
    await engine.connected(times=2)
    await engine.result(await engine.order("sleep 1.5"))
    assert engine.count(w.Inventory) == 1


async def test_a_token_that_is_not_accepted_is_replaced(engine, up):
    engine.tokens.clear()
    await engine.connection.close(4401)
    await engine.connected(times=2)
    assert len(engine.tokens) == 1


async def test_malformed_and_unknown_messages_do_not_end_the_connection(engine, up):
    for frame in ("{", '{"type":"execute"}', '{"type":"sing_a_song"}', '{"type":"cancel","execution_id":7}'):
        await engine.connection.send(frame)
    assert (await engine.result(await engine.order("true"))).exit_code == 0
    assert engine.connections == 1


async def test_a_second_agent_on_the_same_data_is_refused(engine, up):
    second = await up.command("run")
    assert second.returncode == 9
    assert str(up.process.pid) in second.stderr


async def test_nothing_secret_is_logged(engine, up):
    name = await engine.order("echo SECRET-CONTENT $PASSWORD", variables={"PASSWORD": "hunter2"})
    await engine.result(name)
    text = up.log.read_text()
    assert name in text
    for secret in ("SECRET-CONTENT", "hunter2", *engine.tokens):
        assert secret not in text


async def test_variables_are_gone_from_the_disk_once_the_script_runs(engine, up, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    name = await engine.order(f"cat {gate}", variables={"PASSWORD": "hunter2-on-disk"})
    await engine.first(w.Started, name)
    holding = [p for p in up.data.rglob("*") if p.is_file() and b"hunter2-on-disk" in p.read_bytes()]
    await asyncio.to_thread(gate.write_text, "")
    await engine.result(name)
    assert holding == []


async def test_stopping_the_agent_is_quick_and_leaves_the_script_alone(engine, up, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    name = await engine.order(f"cat {gate}; echo end")
    await engine.first(w.Started, name)
    begun = time.monotonic()
    await up.stop()
    assert (up.process.returncode, time.monotonic() - begun < 5) == (0, True)
    up.start()
    await engine.connected(times=2)
    await asyncio.to_thread(gate.write_text, "")
    assert (await engine.result(name)).exit_code == 0
    assert engine.text(name) == "end\n"
