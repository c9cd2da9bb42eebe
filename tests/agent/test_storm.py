"""Agent and gateway are killed and cut at random moments while scripts run: once each, and every result comes home."""

import asyncio
import os
import random
from collections import Counter

import watchbill_wire as w

SCRIPTS = 24
BLOWS = 7


async def test_no_script_runs_twice_and_no_result_is_lost_in_a_storm(engine, agent, tmp_path):
    seed = int(os.environ.get("WATCHBILL_TEST_SEED", random.SystemRandom().randrange(10**9)))
    print(f"seed {seed}")
    dice = random.Random(seed)
    ran = tmp_path / "ran"
    orders: dict[str, w.Execute] = {}
    await agent.up("--max-parallel", "4")

    def unanswered() -> list[w.Execute]:
        answered = {result.execution_id for result in engine.all(w.Result)}
        return [order for name, order in orders.items() if name not in answered]

    async def repeat() -> None:
        """As the Engine does after every reconnect: offer again whatever has no result."""
        for order in unanswered():
            await engine.send(order)

    for number in range(SCRIPTS):
        script = f"echo $WATCHBILL_EXECUTION_ID >> {ran}; sleep 0.{dice.randrange(10, 50)}; echo end {number}"
        order = engine.sign(engine.payload(script))
        orders[w.execution_id_of(order.payload) or ""] = order
    await repeat()
    for blow in range(BLOWS):
        await asyncio.sleep(dice.uniform(0.0, 0.5))
        if dice.random() < 0.7:
            agent.kill()
            agent.start()
        else:
            engine.connection.transport.abort()
        await engine.connected(times=blow + 2)
        await repeat()
    await engine.until(lambda: not unanswered(), 30)

    runs = Counter(ran.read_text().split())
    assert set(runs.values()) == {1}, seed
    for number, name in enumerate(orders):
        results = engine.all(w.Result, name)
        assert len(set(results)) == 1, (seed, results)
        if results[0].outcome == "exited":
            assert (runs[name], engine.text(name)) == (1, f"end {number}\n"), seed
        else:
            # Killed between the note `starting` and the supervisor's first breath: nobody can know, so never again.
            assert results[0].outcome == "interrupted", (seed, results)
    assert sum(engine.all(w.Result, name)[0].outcome == "exited" for name in orders) >= SCRIPTS - BLOWS * 4
    assert engine.gaps == []
