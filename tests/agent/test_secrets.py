"""Secrets on the device: sealed while an order waits, opened to start its script, masked wherever the script shows them."""

import contextlib
import os
from pathlib import Path

from watchbill.agents import seal_for

SECRET = "correct-horse-battery-staple"


async def secretly(engine, content, **changes):
    """An order whose script finds the secret as PASSWORD."""
    payload = engine.payload(content, **changes)
    sealed = seal_for(engine.sealing_keys[-1], payload.execution_id, {"PASSWORD": SECRET})
    sent = engine.payload(content, **changes, execution_id=payload.execution_id, sealed=sealed)
    await engine.send(engine.sign(sent))
    return payload.execution_id


def files_with(folder: Path, text: str) -> list[str]:
    found = []
    for where, _, names in os.walk(folder):  # which passes over what the agent removes meanwhile
        for name in names:
            path = Path(where, name)
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and text.encode() in path.read_bytes():
                    found.append(name)
    return found


async def test_a_waiting_order_keeps_its_secret_sealed_also_through_a_restart(engine, agent, tmp_path):
    await agent.up("--max-parallel", "1")
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    first = await engine.order(f"cat {gate}")
    waiting = await secretly(engine, 'echo "it is $PASSWORD, of ${#PASSWORD} characters"')
    await engine.until(lambda: any(getattr(m, "execution_id", "") == waiting for m in engine.heard))
    assert files_with(agent.data, "it is $PASSWORD"), "the order is on the disk"
    assert files_with(agent.data, SECRET) == []
    agent.kill()
    agent.start("--max-parallel", "1")
    await engine.connected(2)
    assert engine.sealing_keys[0] == engine.sealing_keys[-1], "its key stays"
    gate.write_text("go\n")
    await engine.result(first)
    result = await engine.result(waiting)
    shown = "it is ***, of 28 characters\n"
    assert engine.text(waiting) == shown
    assert (result.stdout_bytes, result.last_line) == (len(shown), shown.strip())
    assert files_with(agent.data, SECRET) == []


async def test_a_flood_of_secrets_is_cut_by_what_is_stored(engine, agent):
    await agent.up()
    script = 'for i in $(seq 1000); do echo "$i $PASSWORD"; done'
    name = await secretly(engine, script, head_bytes=1000, tail_bytes=1000)
    result = await engine.result(name)
    whole = "".join(f"{number} ***\n" for number in range(1, 1001))
    assert (result.stdout_bytes, result.truncated) == (len(whole), True)
    stored = engine.text(name)
    assert stored[:1000] == whole[:1000]
    assert stored[-1000:] == whole[-1000:]
    assert engine.gaps == [(name, "stdout", 1000, len(whole) - 1000)]


async def test_a_secret_that_is_cut_off_by_a_kill_is_not_half_shown(engine, agent):
    await agent.up()
    name = await secretly(engine, 'printf %s "${PASSWORD:0:20}"; sleep 0.2; printf %s "${PASSWORD:20}"; kill -9 $$')
    result = await engine.result(name)
    assert (result.signal, engine.text(name), result.last_line) == (9, "***", "***")


async def test_what_cannot_be_opened_is_refused_and_says_nothing_more(engine, agent):
    await agent.up()
    payload = engine.payload("echo never")
    box = seal_for(engine.sealing_keys[-1], payload.device_id, {"PASSWORD": SECRET})
    name = await engine.order("echo never", sealed=box)
    result = await engine.result(name)
    assert (result.outcome, result.reason) == ("refused", "bad_envelope")
    assert SECRET not in str(result)
