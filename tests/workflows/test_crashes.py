"""Schedulers that die between any two of their transactions, or do not hear of a commit: what becomes of a run is the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.workflows import edge, node
from tests.workflows.flow import FAILS, Flow, after
from watchbill.kit.db import Database
from watchbill.workflows import Documents

ENDS = {
    "check": "failed",
    "fix": "success",
    "any": "success",
    "call": "success",
    "ask": "success",
    "rest": "success",
    "sub": "success",
    "both": "success",
    "never": "skipped",
    "tell": "success",
}
OPENED = {"check": 1, "fix": 1, "sub": 1}
#: So many tests share the moments of a run.
SHARES = 2


class DiedError(Exception):
    """The process of the scheduler is gone."""


@dataclass
class Dying:
    """A scheduler that dies once: before its transaction number `left`, or right after that is committed. None = after every third one."""

    db: Database
    left: int | None
    is_heard: bool
    number: int = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        self.number += 1
        is_last = self.left is not None and self.number == self.left
        if is_last and self.is_heard:
            raise DiedError
        async with self.db.begin() as tx:
            yield tx
        if is_last or (self.left is None and self.number % 3 == 1):
            raise DiedError


async def _workflow(flow: Flow):
    async with flow.db.begin() as tx:
        devices = [str(await flow.scene.device(tx, f"web-{number}")) for number in range(3)]
    await flow.register()
    script, on = str(flow.scene.script), node("web", "devices_list", device_ids=devices)
    inner = await flow.make(
        [on, node("deep", "script", assembly_id=script)], [*after("deep"), edge("web.devices", "deep.devices")]
    )
    nodes = [
        on,
        node("bad", "split"),
        node("check", "script", assembly_id=script),
        node("fix", "script", assembly_id=script),
        node("any", "condition", expression="inputs.check.failed == 1"),
        node("call", "http", method="POST"),
        node("ask", "approval", timeout_seconds=86_400),
        node("rest", "wait") | {"settings": {"for": "duration", "seconds": 20}},
        node("sub", "workflow", assembly_id=str(inner)),
        node("both", "join", mode="all"),
        node("never", "set_value"),
        node("tell", "set_value", expression="inputs.sub.counts"),
    ]
    ways = [
        *after("check", "any", any="always"),
        edge("check.out", "fix.in", "failed"),
        edge("check.result", "any.inputs"),
        edge("any.true", "call.in"),
        edge("any.false", "never.in"),
        edge("call.out", "ask.in"),
        edge("ask.out", "rest.in"),
        edge("rest.out", "sub.in"),
        edge("sub.out", "both.in"),
        edge("fix.out", "both.in"),
        edge("both.out", "tell.in"),
        edge("sub.result", "tell.inputs"),
        edge("web.devices", "check.devices"),
        edge("check.result", "bad.result"),
        edge("bad.failed", "fix.devices"),
    ]
    return await flow.make(nodes, ways)


async def _world_goes_on(flow: Flow, run: int) -> None:
    """One thing happens that is not the scheduler's: devices answer, a request is answered, a person decides, or time goes by."""
    view = await flow.view(run)
    is_checking = view.node("check").state == "running"
    async with flow.db.begin() as tx:
        given = await flow.scene.take(tx)
        await flow.report(tx, given, {"web-1": FAILS} if is_checking else {})
    if given:
        return
    if claimed := await flow.claim():
        await flow.keep_answers(claimed)
    elif view.node("ask").state == "awaiting_approval":
        await flow.keep_decision(run, "ask")
    else:
        flow.scene.now += timedelta(seconds=7)


async def _through(flow: Flow, dying: Dying) -> int:
    """One run to its end; how often its scheduler died. Whoever comes after it knows nothing but what is in the database."""
    flow.sent.clear()
    run = await flow.launch(await _workflow(flow))
    deaths = 0
    flow.begin = dying.begin
    for _ in range(300):
        try:
            await flow.step()
        except DiedError:
            deaths += 1
            flow.documents = Documents()
            await flow.sound()
            continue
        if not await flow.is_open(run):
            break
        await _world_goes_on(flow, run)
    await _is_right(flow, run)
    return deaths


async def _is_right(flow: Flow, run: int) -> None:
    assert await flow.states(run) == ENDS
    view = await flow.view(run)
    assert (view.state, view.node("tell").result, view.node("check").counts) == (
        "success",
        {"success": 1},
        {"success": 2, "failed": 1},
    )
    assert await flow.opened(run) == OPENED
    assert len(flow.sent) == 1
    assert all(one.attempt == 1 for one in view.nodes if one.state != "skipped")
    await flow.sound()


async def _forget(flow: Flow) -> None:
    """As if nothing had been there, for the next round."""
    async with flow.db.begin() as tx:
        for statement in ("DELETE FROM services", "DELETE FROM occurrences", "UPDATE devices SET hostname = id::text"):
            await tx.execute(text(statement))
        await tx.execute(text("DELETE FROM device_presence"))
    flow.scene.devices.clear()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_heard", [True, False], ids=["dies-before", "does-not-hear"])
@pytest.mark.parametrize("first", range(SHARES))
async def test_a_scheduler_may_die_at_any_of_its_transactions(
    flow: Flow, first: int, is_heard: bool, record_property
) -> None:
    moment, moments = first + 1, 0
    while await _through(flow, Dying(flow.db, moment, is_heard)):
        moments += 1
        moment += SHARES
        await _forget(flow)
    assert moments > 10
    record_property("counted", f"{moments} moments at which a scheduler died")


@pytest.mark.timeout(300)
async def test_a_scheduler_may_die_again_and_again(flow: Flow, record_property) -> None:
    deaths = await _through(flow, Dying(flow.db, None, is_heard=False))
    assert deaths > 10
    record_property("counted", f"{deaths} deaths of schedulers in one run")
