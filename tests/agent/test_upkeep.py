"""The upkeep of a device: one thing after the other, the newest wish, and a tunnel no longer than it is wanted."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

import watchbill_wire as w
from tests.agent.test_tunnel import WANTED as TUNNEL
from watchbill_agent.upkeep import Hands, Upkeep

ACCOUNT = w.ServiceAccountWanted("svc-watchbill", "present", (), True, 1)


class Recorded:
    """Both hands of a device: what they were told to do, in order."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_up = False

    def put(self, wanted):
        assert self.gate.wait(10)
        self.done.append(wanted)
        if isinstance(wanted, w.ServiceAccountWanted):
            return w.ServiceAccountReported(wanted.state, wanted.generation)
        self.is_up = wanted is not None
        return self.look()

    def look(self):
        return w.TunnelReported("k", "up" if self.is_up else "down")


class Device:
    def __init__(self) -> None:
        self.hands = Recorded()
        self.told: list[w.Reported] = []
        self.upkeep = Upkeep(Hands(self.hands, self.hands), self.told.append, lambda: datetime.now(UTC))

    def want(self, number: int = 0, **parts) -> None:
        now = datetime.now(UTC) + timedelta(microseconds=number)
        self.upkeep.take(w.DesiredPayload("d", now, now + timedelta(hours=1), **parts))

    async def says(self, wanted) -> None:
        async with asyncio.timeout(10):
            while not self.told or self.told[-1] != wanted:
                await asyncio.sleep(0.01)


UP, DOWN = w.TunnelReported("k", "up"), w.TunnelReported("k", "down")
PRESENT = w.ServiceAccountReported("present", 1)


@pytest.fixture
async def device():
    one = Device()
    running = asyncio.ensure_future(one.upkeep.run())
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_before_anything_is_wanted_it_tells_how_it_is(device):
    await device.says(w.Reported(DOWN))


async def test_a_tunnel_is_open_until_its_time_has_passed(device):
    device.want(tunnel=w.TunnelWanted(**{**TUNNEL.__dict__, "open_until": datetime.now(UTC) + timedelta(seconds=0.3)}))
    await device.says(w.Reported(UP))
    await device.says(w.Reported(DOWN))
    device.want(tunnel=TUNNEL)
    await device.says(w.Reported(UP))
    device.want()
    await device.says(w.Reported(DOWN))


async def test_where_nothing_is_said_of_the_account_it_stays_and_goes_on_being_told(device):
    device.want(service_account=ACCOUNT)
    await device.says(w.Reported(DOWN, PRESENT))
    device.want(tunnel=TUNNEL)
    await device.says(w.Reported(UP, PRESENT))
    assert [one for one in device.hands.done if isinstance(one, w.ServiceAccountWanted)] == [ACCOUNT]


async def test_of_wishes_that_come_while_one_is_carried_out_only_the_last_is(device):
    await device.says(w.Reported(DOWN))
    device.hands.gate.clear()
    for generation in range(1, 6):
        device.want(
            generation, service_account=w.ServiceAccountWanted("svc-watchbill", "present", (), True, generation)
        )
        await asyncio.sleep(0)
    device.hands.gate.set()
    await device.says(w.Reported(DOWN, w.ServiceAccountReported("present", 5)))
    done = [one.generation for one in device.hands.done if isinstance(one, w.ServiceAccountWanted)]
    assert done[-1] == 5
    assert len(done) <= 2
