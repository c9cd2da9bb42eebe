"""Workflows in the test's hands: a scheduler's steps, a sender's answers, devices that answer as the test says, and a clock that goes on at its word."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import Scene
from tests.factories.workflows import edge, node
from watchbill import assemblies, runs, workflows
from watchbill.apps import doctor
from watchbill.apps.wiring import Engine
from watchbill.core.assembly_check import check
from watchbill.core.workflow_types import OPEN_RUN
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.settings import load
from watchbill.runs import Delivery
from watchbill.workflows import BrokenRunError, Claimed, Documents, Launch, RunView

#: How a device answers a delivery: what differs from an exit with 0.
Answer = Mapping[str, Any]
FAILS: Answer = {"exit_code": 1}
WARNS: Answer = {"exit_code": 9}
SENDER = uuid.UUID(int=77)

_TO_RELEASE = text("SELECT DISTINCT run_id, site_id FROM run_targets WHERE state = 'pending' ORDER BY 1, 2")
_REGISTER = text("""
INSERT INTO services (id, kind, host, pid, version, started_at, heartbeat_at) VALUES (:id, 'scheduler', 'here', 1, '0', :now, :now)
""")
_OPENED = text("""
SELECT w.parent_node, count(*) FROM workflow_runs w WHERE w.parent_run_id = :run GROUP BY 1
UNION ALL SELECT n.node_id, cardinality(n.occurrence_ids) FROM workflow_nodes n WHERE n.run_id = :run AND n.type IN ('script', 'playbook')
""")


def after(*names: str, **routes: str) -> list[Any]:
    """A chain from `start`: each follows the one before, in any case where a route says so."""
    return [
        edge(f"{source}.out", f"{target}.in", routes.get(target, "success"))
        for source, target in zip(("start", *names), names, strict=False)
    ]


@dataclass
class Flow:
    db: Database
    scene: Scene
    documents: Documents = field(default_factory=Documents)
    #: What was sent to other systems, in order.
    sent: list[Claimed] = field(default_factory=list)
    gave_up: list[int] = field(default_factory=list)
    #: What a scheduler makes its transactions with.
    begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]] | None = None

    async def make(self, nodes: Sequence[Any], edges: Sequence[Any], **changes: Any) -> uuid.UUID:
        """A saved workflow that begins by hand with `start`."""
        variables = changes.pop("variables", [])
        graph = {
            "nodes": [node("start", "trigger_manual"), *nodes],
            "edges": list(edges),
            "concurrency": "allow",
            **changes,
        }
        content = {
            "name": f"Flow {uuid.uuid4().hex[:6]}",
            "kind": "workflow",
            "variables": variables,
            "workflow": graph,
        }
        # What it names is judged where assemblies are saved, and may be gone by the time it runs.
        verdicts = {assemblies.tree_digest(check(content).draft): ()}
        async with self.db.begin() as tx:
            made = await assemblies.create(tx, self.scene.admin, content, now=self.scene.now, verdicts=verdicts)
            return made.id

    async def launch(self, workflow_id: uuid.UUID, **changes: Any) -> int:
        new = Launch(workflow_id, **{"started_by": self.scene.admin.operator_id, **changes})
        async with self.db.begin() as tx:
            return await workflows.launch(tx, new, self.scene.now)

    async def run(self, nodes: Sequence[Any], edges: Sequence[Any], **changes: Any) -> int:
        """A new workflow, launched and brought as far as it comes by itself."""
        run_id = await self.launch(await self.make(nodes, edges, **changes))
        await self.step()
        return run_id

    async def step(self) -> None:
        """What schedulers and site workers do until nothing is to be done now."""
        while await self.one_step():
            continue
        async with self.transaction() as tx:
            for run_id, site_id in (await tx.execute(_TO_RELEASE)).all():
                await runs.release(tx, run_id, site_id or 0, self.scene.now)

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return (self.begin or self.db.begin)()

    async def one_step(self) -> int:
        """One transaction of a scheduler."""
        try:
            async with self.transaction() as tx:
                return await workflows.step(tx, self.documents, self.scene.now)
        except BrokenRunError as error:
            self.gave_up.append(error.run_id)
            async with self.db.begin() as tx:
                await workflows.give_up(tx, error.run_id, str(error.__cause__), self.scene.now)
            return 1

    async def go_by(self, seconds: float) -> None:
        """Time goes by, and all that falls due in it is seen to."""
        self.scene.now += timedelta(seconds=seconds)
        async with self.db.begin() as tx:
            while await runs.reap(tx, self.scene.now):
                continue
        await self.step()

    async def answer(self, *names: str, **answers: Answer) -> list[str]:
        """These devices (all) take what is ready for them and answer; who did."""
        async with self.db.begin() as tx:
            given = await self.scene.take(tx, *names)
            await self.report(tx, given, answers)
        await self.step()
        return sorted(self.name_of(one) for one in given)

    async def report(self, tx: AsyncConnection, given: Sequence[Delivery], answers: Mapping[str, Answer]) -> None:
        told = [self.scene.report(one, **answers.get(self.name_of(one), {})) for one in given]
        await runs.finished(tx, told, self.scene.now)

    def name_of(self, delivery: Delivery) -> str:
        return next(name for name, one in self.scene.devices.items() if one == delivery.device_id)

    async def claim(self) -> list[Claimed]:
        async with self.db.begin() as tx:
            found = await workflows.claim_requests(tx, SENDER, self.scene.now, 32)
        self.sent += found
        return found

    async def reply(self, claimed: Sequence[Claimed], ok: bool = True, **told: Any) -> None:
        """Answer what was claimed, and see what comes of it."""
        await self.keep_answers(claimed, ok, **told)
        await self.step()

    async def keep_answers(self, claimed: Sequence[Claimed], ok: bool = True, **told: Any) -> None:
        result = {"state": "success" if ok else "failed", "status": 200 if ok else 503, "headers": {}, "body": told}
        words = {"ok": ok, "reason": None if ok else "unexpected_status", "detail": None, "result": result}
        async with self.db.begin() as tx:
            for one in claimed:
                if await workflows.answer(tx, one, SENDER, words):
                    await runs.wake(tx, [(one.run_id, self.scene.now)])

    async def view(self, run_id: int) -> RunView:
        async with self.db.begin() as tx:
            return await workflows.get_run(tx, self.scene.admin.scope, run_id)

    async def state(self, run_id: int) -> str:
        return str((await self.view(run_id)).state)

    async def states(self, run_id: int) -> dict[str, str]:
        """Of what is more than a trigger, a set or a split."""
        found = (await self.view(run_id)).nodes
        return {one.node_id: one.state for one in found if not one.type.startswith(("trigger", "devices", "split"))}

    async def devices(self, run_id: int, node_id: str, port: str = "devices") -> list[str]:
        async with self.db.begin() as tx:
            page = await workflows.set_devices(
                tx, self.scene.admin.scope, run_id, (node_id, port), limit=500, cursor=None
            )
        return [one.hostname for one in page.items]

    async def decide(self, run_id: int, node_id: str, *, approves: bool = True, actor: Any = None) -> None:
        await self.keep_decision(run_id, node_id, approves=approves, actor=actor)
        await self.step()

    async def keep_decision(self, run_id: int, node_id: str, *, approves: bool = True, actor: Any = None) -> None:
        run, who = await self.view(run_id), actor or self.scene.admin
        async with self.db.begin() as tx:
            await workflows.decide(tx, who, run, node_id, approves=approves, comment="So be it", now=self.scene.now)

    async def cancel(self, run_id: int) -> None:
        run = await self.view(run_id)
        async with self.db.begin() as tx:
            await workflows.cancel(tx, self.scene.admin, run, self.scene.now)
        await self.step()

    async def resume(self, run_id: int, *from_nodes: str) -> int:
        run = await self.view(run_id)
        async with self.db.begin() as tx:
            again = list(from_nodes) or None
            found = await workflows.resume(tx, self.scene.admin, run, again, request_id="", now=self.scene.now)
        await self.step()
        return found

    async def opened(self, run_id: int) -> dict[str, int]:
        """How often the work of each node was opened."""
        async with self.db.begin() as tx:
            return {name: number for name, number in await tx.execute(_OPENED, {"run": run_id}) if number}

    async def sound(self) -> None:
        """The doctor finds nothing, and what is open can still be woken."""
        settings = load({"WATCHBILL_DATA_DIR": "/nonexistent"})
        engine = Engine(settings, self.db, StoppedClock(tell=lambda: self.scene.now), self.scene.keys)
        found = await doctor.check(engine)
        assert not found, found

    async def register(self, sender: uuid.UUID = SENDER) -> None:
        """A process that sends; whoever is not registered counts as gone."""
        async with self.db.begin() as tx:
            await tx.execute(_REGISTER, {"id": sender, "now": self.scene.now})

    async def is_open(self, run_id: int) -> bool:
        return (await self.view(run_id)).state in OPEN_RUN


@dataclass(frozen=True, slots=True)
class StoppedClock(Clock):
    """Tells what the test says."""

    tell: Callable[[], datetime] = field(default=lambda: datetime.max)

    async def now(self, tx: AsyncConnection) -> datetime:
        return self.tell()
