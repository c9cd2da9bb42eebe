"""A scheduler's lookout and senders in the test's hands, jobs whose occurrences end as the test says, and somebody to tell."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.scene import Scene
from watchbill import notifications, runs
from watchbill.apps.notifying import Lookout, Sender
from watchbill.apps.wiring import Engine
from watchbill.core.notification_rules import Event
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing, Secret
from watchbill.kit.settings import Settings, load
from watchbill.notifications import Channel, ChannelDraft, Notification, NotificationFilter, Rule, RuleDraft

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@dataclass(frozen=True, slots=True)
class _Stopped(Clock):
    at: datetime = datetime.max

    async def now(self, tx: AsyncConnection) -> datetime:
        return self.at


def channel_draft(**changes: Any) -> ChannelDraft:
    values: dict[str, Any] = {
        "kind": "webhook",
        "name": f"Hook {uuid.uuid4().hex[:6]}",
        "description": "",
        "site_ids": None,
        "to": [],
        "timezone": "UTC",
        "digest": None,
        "quiet": None,
        "enabled": True,
        "url": Secret("http://127.0.0.1:9/hook"),
        "secret": Secret(SECRET),
        **changes,
    }
    if values["kind"] == "email":
        values |= {"url": None, "secret": None}
    return ChannelDraft(**values)


@dataclass
class Watch:
    """`now` goes on when the test says so. Occurrences are opened and ended by the functions that schedulers and gateways use."""

    db: Database
    scene: Scene
    keys: KeyRing
    make_engine: Callable[[datetime], Engine]
    number: int = field(default=0)

    @property
    def now(self) -> datetime:
        return self.scene.now

    def go(self, **ahead: float) -> None:
        self.scene.now += timedelta(**ahead)

    def engine(self) -> Engine:
        return self.make_engine(self.now)

    async def job(self, *names: str, **changes: Any) -> int:
        async with self.db.begin() as tx:
            for name in names or ("alpha",):
                if name not in self.scene.devices:
                    await self.scene.device(tx, name)
            return await self.scene.job(tx, *(names or ("alpha",)), policies={"overlap": "allow"}, **changes)

    async def open(self, job: int) -> uuid.UUID:
        self.number += 1
        async with self.db.begin() as tx:
            return await self.scene.open(tx, job, self.number, overlap="allow")

    async def finish(self, exit_code: int = 0) -> None:
        """Whatever waits for devices starts and ends so."""
        async with self.db.begin() as tx:
            for one in await self.scene.take(tx):
                await runs.finished(tx, [self.scene.report(one, exit_code=exit_code)], self.now)

    async def ran(self, job: int, exit_code: int = 0, *, seconds: float = 60) -> uuid.UUID:
        occurrence = await self.open(job)
        self.go(seconds=seconds)
        await self.finish(exit_code)
        return occurrence

    async def channel(self, **changes: Any) -> Channel:
        async with self.db.begin() as tx:
            draft = channel_draft(**changes)
            return (
                await notifications.create_channel(tx, self.scene.admin, draft, keys=self.keys, now=self.now)
            ).channel

    async def rule(self, *events: Event, channel: Channel | None = None, **changes: Any) -> Rule:
        channel = channel or await self.channel()
        values: dict[str, Any] = {
            "urgent_events": [],
            "channel_ids": [channel.id],
            "not_started_minutes": 15,
            "failures_in_a_row": 3,
            "slower_factor": 2.0,
            "replaces_general": False,
            "enabled": True,
            **changes,
        }
        async with self.db.begin() as tx:
            draft = RuleDraft(events=events, **values)
            return await notifications.create_rule(tx, values.pop("actor", self.scene.admin), draft, now=self.now)

    async def look(self) -> float:
        return await Lookout(self.engine()).step()

    async def told(self) -> list[Notification]:
        """Everything that was told, oldest first."""
        async with self.db.begin() as tx:
            page = await notifications.list_notifications(
                tx, self.scene.admin, NotificationFilter(), limit=500, cursor=None
            )
        return list(reversed(page.items))

    async def looked(self) -> list[str]:
        await self.look()
        return [one.event for one in await self.told()]

    async def send_all(self, engine: Engine | None = None) -> int:
        """Send until nothing is due; how many attempts that took."""
        sender, number = Sender(engine or self.engine()), 0
        while True:
            claimed, _ = await sender.claim(16)
            for one in claimed:
                await sender.send(one)
            number += len(claimed)
            if not claimed:
                return number

    async def rows(self, query: str) -> Sequence[Any]:
        async with self.db.begin() as tx:
            return (await tx.execute(text(query))).all()


@pytest.fixture
def environment() -> dict[str, str]:
    """Settings of the processes of the test, which it may add to before it makes any."""
    return {"WATCHBILL_WEBHOOK_PRIVATE": "on"}


@pytest.fixture
async def watch(
    db: Database, scene: Scene, keys: KeyRing, settings: Settings, database_url: str, environment: dict[str, str]
) -> AsyncIterator[Watch]:
    async with AsyncExitStack() as stack:

        def make(now: datetime) -> Engine:
            base = {"WATCHBILL_DATA_DIR": str(settings.data_dir), "WATCHBILL_DATABASE_URL": database_url}
            own = Database(database_url, pool_size=4)
            stack.push_async_callback(own.close)
            return Engine(load({**base, **environment}), own, _Stopped(at=now), keys)

        yield Watch(db, scene, keys, make)
