"""What a scheduler does to tell people: looks at what changed or is overdue, sends what is due, and gives a sign of life.

Any number of schedulers do it at once: marks, messages and the sign are each taken by one.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchbill import notifications
from watchbill.apps.wiring import Engine
from watchbill.kit import log
from watchbill.kit.service import Service, Wake
from watchbill.kit.settings import Settings
from watchbill.notifications import Message, beat

#: Attempts of one scheduler at once, each to another channel.
SENDERS = 16
#: It looks at the clock at least this often, whatever was announced.
LONGEST_REST = timedelta(seconds=60)
#: What is due and taken by somebody else is not looked for in a tight loop.
SHORTEST_REST = 0.2

_logger = log.get("notifying")


def base_url(settings: Settings) -> str:
    """How people reach the API."""
    return settings.public_url or f"{'https' if settings.is_tls else 'http'}://{settings.api_listen}"


def _until(due: datetime | None, now: datetime) -> float:
    rest = LONGEST_REST if due is None else min(due - now, LONGEST_REST)
    return max(rest.total_seconds(), SHORTEST_REST)


@dataclass
class Lookout:
    """Finds what rules tell of, when occurrences change and when the clock says."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.wake.wait(stop, await self.step())

    async def step(self) -> float:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            done = await notifications.look(tx, now)
        if done.told:
            _logger.info("notifications.told", number=done.told)
        return 0.0 if done.is_full else _until(done.next_at, now)


@dataclass
class Sender:
    """Sends what is due: to each channel one message at a time, to many channels at once."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)
    _free: int = SENDERS

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                await self.wake.wait(stop, await self._begin(group))

    async def _begin(self, group: asyncio.TaskGroup) -> float:
        """Begin what there is room for; returns how many seconds to rest. Who ends rings."""
        if not self._free:
            return LONGEST_REST.total_seconds()
        messages, rest = await self.claim(self._free)
        for one in messages:
            self._free -= 1
            group.create_task(self._send(one))
        return rest

    async def claim(self, limit: int) -> tuple[list[Message], float]:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            messages = await notifications.claim(tx, self.engine.keys, now, limit)
            return messages, _until(await notifications.next_due(tx, now), now)

    async def _send(self, message: Message) -> None:
        try:
            await self.send(message)
        finally:
            self._free += 1
            self.wake.ring()

    async def send(self, message: Message) -> None:
        """One attempt: sent outside of any transaction, and settled in one of its own."""
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
        sent = await notifications.send(self.engine.settings, base_url(self.engine.settings), message, now)
        async with self.engine.db.begin() as tx:
            await notifications.settle(tx, message, sent, await self.engine.clock.now(tx))
        if not sent.is_ok:
            told = {"channel": message.channel_id, "message": str(message.id), "attempt": message.attempt}
            _logger.warning("notification.not_sent", **told, why=sent.sentence)


@dataclass
class SignOfLife:
    """Asks for the outbound heartbeat's URL while schedulers do their work; says nothing when they do not."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.wake.wait(stop, await self.step())

    async def step(self) -> float:
        url = self.engine.settings.outbound_heartbeat_url
        if url is None:
            return LONGEST_REST.total_seconds()
        every = timedelta(minutes=self.engine.settings.outbound_heartbeat_minutes)
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            found = await beat.life(tx, now)
            is_ours = found.why_not is None and await beat.claim(tx, now, every)
        if found.why_not is not None:
            _logger.warning("heartbeat.withheld", why=found.why_not)
            return 10.0
        if is_ours:
            await self._ask(url)
            return _until(now + every, now)
        return _until(found.next_at, now)

    async def _ask(self, url: str) -> None:
        sent = await beat.ask(url)
        async with self.engine.db.begin() as tx:
            await beat.note(tx, sent, await self.engine.clock.now(tx))
        if not sent.is_ok:
            _logger.warning("heartbeat.not_taken", why=sent.sentence)


def services(engine: Engine) -> tuple[list[Service], list[Wake]]:
    """The services, and whom a change of what is told wakes."""
    lookout, sender = Lookout(engine), Sender(engine)
    return [lookout, sender, SignOfLife(engine)], [lookout.wake, sender.wake]
