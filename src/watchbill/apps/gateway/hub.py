"""The devices that this gateway holds: greeting those that come, handing out what is ready, passing stops on.

The socket is a doorbell and a pipe; what is true is in the database, so losing any message loses no work.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

import watchbill_wire as wire
from watchbill import agents, devices, runs
from watchbill.apps.gateway.connection import DEVICE_REFUSED, REPLACED, RESTART, Connection
from watchbill.apps.gateway.desired import Teller
from watchbill.apps.gateway.envelopes import Envelopes, TooLargeError
from watchbill.apps.gateway.files import FileServer
from watchbill.apps.gateway.giving import NotReadyError
from watchbill.apps.gateway.writer import Writer, signed_in
from watchbill.apps.wiring import Engine
from watchbill.core.states import SkipReason, TargetEvent, TargetState
from watchbill.devices import presence
from watchbill.kit import log
from watchbill.kit.service import Wake, wait_any
from watchbill.runs import Delivery, Look, Owed

#: Devices greeted, or deliveries handed out, by one transaction.
GREETING, HANDFUL = 500, 500
#: The first ones are few, so that they are on their way soon.
FIRST_HANDFUL = 50
#: Looks in a row because something got out of the way in the middle of one; the next sweep sees to the rest.
MOST_TURNS = 3
#: Heartbeats are written together, this often.
PRESENCE_SECONDS = 15.0
#: Everything held is looked through at least this often, whatever was announced.
SWEEP_SECONDS = 60.0

#: An order that was not taken for so long is sent once more.
UNHEARD = timedelta(seconds=30)
_AT_WORK = (TargetState.DISPATCHED, TargetState.RUNNING)

_logger = log.get("gateway")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a batch of newcomers is told."""

    now: datetime
    read_at: float
    keys: tuple[wire.EngineKey, ...]
    owed: dict[uuid.UUID, list[Owed]]
    again: list[Delivery]

    def engine_time(self) -> datetime:
        """The Engine's clock at this very moment: devices set theirs by it."""
        return self.now + timedelta(seconds=asyncio.get_running_loop().time() - self.read_at)


@dataclass(frozen=True, slots=True)
class Coming:
    """The next start of a target on a device that is held here: the instant, and the same on the loop's clock."""

    at: datetime
    loop_time: float


class Hub:
    """All connections of one gateway by device."""

    def __init__(self, engine: Engine, gateway_id: uuid.UUID) -> None:
        self.engine = engine
        self.id = gateway_id
        self.writer = Writer(engine, self.followed)
        self.files = FileServer(engine)
        self.held: dict[uuid.UUID, Connection] = {}
        self.teller = Teller(engine, self.held)
        self._envelopes = Envelopes(engine)
        self._arrived: list[Connection] = []
        self._left: list[Connection] = []
        self._seen: set[uuid.UUID] = set()
        self._looks: OrderedDict[Look, None] = OrderedDict()  # in the order in which they were announced
        self._freed: set[uuid.UUID] = set()
        self._next: list[Delivery] = []  # components that follow on what was just stored
        self._sweep = True
        #: The time of the earliest look since `_nearest` was asked for; None = nothing that starts later was seen.
        self._looked_at: datetime | None = None
        self._nearest: Coming | None = None
        self._cancels = True
        self._wake = Wake()
        self._presence_wake = Wake()

    # What connections tell.

    def arrived(self, connection: Connection) -> None:
        before = self.held.get(connection.device_id)
        self.held[connection.device_id] = connection
        if before is not None and before is not connection:
            before.close(REPLACED, "a newer connection of this device")
        self._arrived.append(connection)
        self._wake.ring()

    def has_news(self, connection: Connection, number_of_bytes: int) -> None:
        self.writer.has_news(connection, number_of_bytes)

    def asked(self, connection: Connection, fetch: wire.Fetch) -> None:
        self.files.asked(connection, fetch)

    def is_alive(self, connection: Connection) -> None:
        self._seen.add(connection.device_id)

    def left(self, connection: Connection) -> None:
        if self.held.get(connection.device_id) is connection:
            del self.held[connection.device_id]
        self._left.append(connection)
        self._presence_wake.ring()

    # What the database tells.

    def heard(self, payload: str) -> None:
        """A NOTIFY: a run with something ready, devices on which something may go, a stop to pass on, or (empty) look for yourself."""
        devices, job = runs.devices_in(payload), runs.job_in(payload)
        if payload.isdigit():
            self._looks[Look(run_id=int(payload))] = None
        elif job is not None:
            self._looks[Look(job_id=job, again=True)] = None
        elif payload == "cancel":
            self._cancels = True
        elif devices is not None:
            self._freed.update(devices)
        else:
            self._sweep = self._cancels = True
        self._wake.ring()

    def followed(self, what: runs.Followed) -> None:
        """Results were stored: what follows on them goes to the same devices at once, or starts again later."""
        self._next += what.deliveries
        if what.later_since is not None:
            self._looked_at = min(self._looked_at or what.later_since, what.later_since)
        if what.deliveries or what.later_since is not None:
            self._wake.ring()

    def device_changed(self, payload: str) -> None:
        """A NOTIFY that a device was disabled or revoked: it is cut off, and told so when it comes again."""
        try:
            connection = self.held.get(uuid.UUID(payload))
        except ValueError:
            return
        if connection is not None:
            connection.close(DEVICE_REFUSED, "this device may not connect")

    # The service.

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep_now_and_then(stop))
            self.heard("")  # what was taken in hand when an earlier round failed is looked for again
            while not stop.is_set():
                await self._wake.wait(stop, self._rest())
                await self._work()
                await self._look_ahead()

    def _rest(self) -> float:
        """Seconds until something starts."""
        if self._nearest is None:
            return SWEEP_SECONDS
        return min(max(self._nearest.loop_time - asyncio.get_running_loop().time(), 0.0), SWEEP_SECONDS)

    async def _sweep_now_and_then(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await wait_any((stop,), SWEEP_SECONDS)
            self.heard("")

    async def _work(self) -> None:
        while self._arrived:
            batch, self._arrived = self._arrived[:GREETING], self._arrived[GREETING:]
            try:
                await self._greet([one for one in batch if one.is_open])
            except BaseException:
                # Whoever was not greeted comes again; its agent loses nothing by it.
                self._send_away(batch)
                raise
        await self._send_next()
        if self._nearest is not None and not self._rest():
            since, self._nearest = self._nearest.at, None
            await self._hand_out(Look(since=since))
        while self._looks:
            await self._hand_out(self._looks.popitem(last=False)[0])
        if self._freed:
            freed, self._freed = self._freed, set()
            await self._hand_out(Look(device_ids=sorted(freed), again=True))
        if self._sweep:
            self._sweep = False
            await self._send_again()
            await self._hand_out(Look(device_ids=list(self.held), again=True))
        if self._cancels:
            self._cancels = False
            await self._pass_cancels_on()

    def _send_away(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            connection.close(RESTART, "try again")

    # Newcomers.

    async def _greet(self, newcomers: Sequence[Connection]) -> None:
        if not newcomers:
            return
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            pairs = [(one.device_id, one.id) for one in newcomers]
            peers = {one.id: one.peer for one in newcomers if one.peer is not None}
            told = await presence.connected(tx, self.id, pairs, now, addresses=peers)
            await devices.greeted(tx, [signed_in(one.device_id, one.id, one.sessions) for one in newcomers])
        known = {one.device_id: one for one in told if one.is_accepted}
        welcome = [one for one in newcomers if one.device_id in known and one.is_open]
        # Who hung up meanwhile was noted as gone before it was noted as there: note it again.
        hung_up = [one for one in newcomers if one.device_id in known and not one.is_open]
        if hung_up:
            self._left += hung_up
            self._presence_wake.ring()
        # In a second transaction: work released while the first was open is seen here, or its notice comes later.
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            greeting = await self._prepare(tx, welcome, now)
        for connection in newcomers:
            if connection.device_id not in known:
                connection.close(DEVICE_REFUSED, "this device may not connect")
        for connection in welcome:
            self._welcome(connection, greeting, known[connection.device_id].inventory_digest)
        self.teller.came([one.device_id for one in welcome])
        await self._send_orders(greeting.again, now)
        async with self.engine.db.begin() as tx:
            await runs.devices_came(tx, [one.device_id for one in welcome], await self.engine.clock.now(tx))
        # Windows may have changed while nobody held these devices.
        await self._hand_out(Look(device_ids=[one.device_id for one in welcome], again=True))

    async def _prepare(self, tx: AsyncConnection, welcome: Sequence[Connection], now: datetime) -> Greeting:
        """Compare what newcomers say they have with what they were sent: settle what is over, and note what to send again."""
        read_at = asyncio.get_running_loop().time()
        keys = tuple(wire.EngineKey(key_id, public) for key_id, public in await agents.public_keys(tx))
        owed: dict[uuid.UUID, list[Owed]] = {}
        for one in await runs.owed(tx, [connection.device_id for connection in welcome]):
            owed.setdefault(one.delivery.device_id, []).append(one)
        # By device: what one says of another's executions counts for nothing.
        has = {(one.device_id, named.execution_id) for one in welcome if one.hello for named in one.hello.deliveries}
        all_owed = [one for some in owed.values() for one in some]
        missing = [one for one in all_owed if (one.delivery.device_id, str(one.delivery.execution_id)) not in has]
        # It had the order and does not know it any more: it may have run. Never a second time.
        forgotten = [one.delivery.execution_id for one in missing if one.state != "dispatched"]
        waiting = [one for one in missing if one.state == "dispatched"]
        too_late = [one.delivery.execution_id for one in waiting if one.target_state is TargetState.LOST]
        followed = await runs.never_came(tx, forgotten, TargetEvent.FAIL, "interrupted", now)
        await runs.never_came(tx, too_late, TargetEvent.EXPIRE, "offline", now)
        again = [*followed.deliveries, *(one.delivery for one in waiting if one.target_state in _AT_WORK)]
        await self._envelopes.prepare(tx, again)
        return Greeting(now, read_at, keys, owed, again)

    def _welcome(self, connection: Connection, greeting: Greeting, inventory_digest: str | None) -> None:
        owed = greeting.owed.get(connection.device_id, [])
        for one in owed:
            id_ = str(one.delivery.execution_id)
            connection.resume_streams([(id_, "stdout", one.stdout_bytes), (id_, "stderr", one.stderr_bytes)])
        beat = self.engine.settings.heartbeat_seconds
        connection.send(wire.Welcome(greeting.engine_time(), beat, inventory_digest, greeting.keys))
        for one in owed:
            if one.is_cancelled:  # also when it counts as lost by now: what runs is to be stopped all the same
                connection.send(_cancel(one.delivery.execution_id))

    # Work.

    async def _send_next(self) -> None:
        while self._next:
            some, self._next = self._next[:HANDFUL], self._next[HANDFUL:]
            async with self.engine.db.begin() as tx:
                now = await self.engine.clock.now(tx)
                await self._envelopes.prepare(tx, some)
            await self._send_orders(some, now)

    async def _send_again(self) -> None:
        """What nobody heard of for a while, though its device is here: it may have come while the result before it was stored."""
        if not self.held:
            return
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            owed = await runs.owed(tx, list(self.held), unheard_since=now - UNHEARD)
            again = [one.delivery for one in owed if one.target_state in _AT_WORK]
            await self._envelopes.prepare(tx, again)
        await self._send_orders(again, now)

    async def _hand_out(self, look: Look) -> None:
        """Take and send what may go."""
        if look.device_ids is not None and not look.device_ids:
            return
        limit, turns = FIRST_HANDFUL, 0
        while True:
            async with self.engine.db.begin() as tx:
                now = await self.engine.clock.now(tx)
                taken = await runs.take(tx, self.id, now, look, limit=limit)
                await self._envelopes.prepare(tx, taken.deliveries)
            await self._send_orders(taken.deliveries, now)
            if taken.has_later and (self._looked_at is None or now < self._looked_at):
                self._looked_at = now
            if taken.unattended:
                self._freed |= taken.unattended
                self._wake.ring()
            if len(taken.deliveries) + len(taken.nobody) < limit and await self._wait_behind(taken.behind):
                turns += 1
                if not taken.has_turn or turns > MOST_TURNS:
                    return
            limit = HANDFUL

    async def _wait_behind(self, target_ids: Collection[int]) -> bool:
        """Whoever ends these rows rings. False when one of them has ended meanwhile."""
        if not target_ids:
            return True
        async with self.engine.db.begin() as tx:
            return await runs.await_turn(tx, target_ids, await self.engine.clock.now(tx))

    async def _look_ahead(self) -> None:
        """Find out what starts next, when something that starts later was seen or the last start has come."""
        if self._looked_at is None:
            return
        loop = asyncio.get_running_loop()
        since = self._looked_at
        if self._nearest is not None:
            # It may have started during that look, which was for something else.
            since = min(since, self._nearest.at - timedelta(microseconds=1))
        async with self.engine.db.begin() as tx:
            now, read_at = await self.engine.clock.now(tx), loop.time()
            nearest = await runs.next_start(tx, self.id, since)
        self._looked_at = None
        if nearest is not None:
            self._nearest = Coming(nearest, read_at + (nearest - now).total_seconds())

    async def _send_orders(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Sign and send what is committed; what cannot be sent is refused in its device's row."""
        oversized, unready = [], dict[uuid.UUID, str]()
        for delivery in deliveries:
            try:
                order = self._envelopes.order(delivery, now, can_fetch=self._can_fetch(delivery.device_id))
                self._send_to(delivery.device_id, order)
            except TooLargeError:
                oversized.append(delivery.execution_id)
            except NotReadyError as error:
                unready[delivery.execution_id] = str(error)
        if oversized or unready:
            async with self.engine.db.begin() as tx:
                followed = await runs.never_came(tx, oversized, TargetEvent.FAIL, "order_too_large", now)
                reason = SkipReason.PREFLIGHT_FAILED
                unfit = await runs.never_came(tx, unready, TargetEvent.SKIP, reason, now, details=unready)
            self.followed(followed)
            self.followed(unfit)

    def _can_fetch(self, device_id: uuid.UUID) -> bool:
        """Of a device that has gone it is asked when it is back."""
        connection = self.held.get(device_id)
        return connection is None or connection.fetches_files

    def _send_to(self, device_id: uuid.UUID, text: str) -> None:
        connection = self.held.get(device_id)
        if connection is None or not connection.send_text(text):
            _logger.info("delivery.waits", device=str(device_id))  # sent again when the device comes back

    async def _pass_cancels_on(self) -> None:
        async with self.engine.db.begin() as tx:
            pending = await runs.to_cancel(tx, self.id)
        for execution_id, device_id in pending:
            connection = self.held.get(device_id)
            if connection is not None:
                connection.send(_cancel(execution_id))

    # Presence.

    async def keep_presence(self, stop: asyncio.Event) -> None:
        """Write who left at once, and who beat, together, now and then."""
        while not stop.is_set():
            await self._presence_wake.wait(stop, PRESENCE_SECONDS)
            await self.write_presence()

    async def write_presence(self) -> None:
        left, self._left = self._left, []
        seen, self._seen = self._seen, set()
        if not left and not seen:
            return
        try:
            async with self.engine.db.begin() as tx:
                now = await self.engine.clock.now(tx)
                await presence.seen(tx, self.id, sorted(seen), now)
                await presence.disconnected(tx, [(one.device_id, one.id) for one in left], now)
                await runs.devices_went_offline(tx, [one.device_id for one in left], now)
        except BaseException:
            self._left += left
            self._seen |= seen
            raise


def _cancel(execution_id: uuid.UUID) -> wire.Cancel:
    return wire.Cancel(str(execution_id), runs.KILL_GRACE.total_seconds())
