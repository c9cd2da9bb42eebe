"""Services: they start together, outlive a fault, and stop when told."""

import asyncio
import os
import signal
from dataclasses import dataclass, field

import pytest

from watchbill.kit.service import Wake, keep_running, pause, run_all, run_together, wait_any

SOON = 5.0


@dataclass
class Counting:
    """Fails `faults` times, then works until it is told to stop."""

    faults: int = 0
    starts: int = 0
    is_up: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        self.starts += 1
        if self.starts <= self.faults:
            raise ConnectionError("the database is away")
        self.is_up.set()
        await stop.wait()
        self.has_ended = True


@pytest.fixture
def stop() -> asyncio.Event:
    return asyncio.Event()


async def test_a_failed_service_is_started_again(stop: asyncio.Event) -> None:
    service = Counting(faults=3)
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        group.create_task(keep_running(service, stop, longest_pause_seconds=0.01))
        await service.is_up.wait()
        stop.set()
    assert (service.starts, service.has_ended) == (4, True)


async def test_the_pause_after_a_fault_ends_with_a_stop(stop: asyncio.Event) -> None:
    service = Counting(faults=100)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        group.create_task(keep_running(service, stop, longest_pause_seconds=60))
        while service.starts < 3:
            await asyncio.sleep(0.01)
        stop.set()
    assert loop.time() - began < SOON


async def test_a_service_that_returns_too_early_is_started_again(stop: asyncio.Event) -> None:
    class Impatient:
        starts = 0

        async def run(self, stop: asyncio.Event) -> None:
            self.starts += 1
            if self.starts == 2:
                stop.set()

    service = Impatient()
    async with asyncio.timeout(SOON):
        await keep_running(service, stop, longest_pause_seconds=0.01)
    assert service.starts == 2


async def test_a_cancelled_service_is_not_started_again(stop: asyncio.Event) -> None:
    service = Counting()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await keep_running(service, stop)
    assert service.starts == 1


async def test_one_fault_does_not_stop_the_others(stop: asyncio.Event) -> None:
    broken, sound = Counting(faults=10**6), Counting()
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        group.create_task(run_together([broken, sound], stop))
        while broken.starts < 2:
            await asyncio.sleep(0.01)
        assert not sound.has_ended
        stop.set()
    assert (sound.starts, sound.has_ended) == (1, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_every_service_in_order(number: signal.Signals) -> None:
    services = [Counting(), Counting()]
    try:
        async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
            group.create_task(run_all(services))
            for service in services:
                await service.is_up.wait()
            os.kill(os.getpid(), number)
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(one)
    assert [service.has_ended for service in services] == [True, True]


async def test_a_ring_before_the_wait_is_kept_and_used_once(stop: asyncio.Event) -> None:
    wake = Wake()
    wake.ring()
    wake.ring("payload")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await wake.wait(stop, 60)
    rung = loop.time() - began
    await wake.wait(stop, 0.05)
    assert rung < 1
    assert loop.time() - began >= 0.04


async def test_a_ring_ends_a_wait(stop: asyncio.Event) -> None:
    wake = Wake()
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        group.create_task(wake.wait(stop, 60))
        await asyncio.sleep(0)
        wake.ring()


async def test_a_stop_ends_every_wait(stop: asyncio.Event) -> None:
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        group.create_task(Wake().wait(stop, 60))
        group.create_task(pause(stop, 60))
        group.create_task(wait_any((asyncio.Event(), stop), None))
        await asyncio.sleep(0)
        stop.set()


async def test_waiting_leaves_no_task_behind(stop: asyncio.Event) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(20):
        await Wake().wait(stop, 0.001)
        await pause(stop, 0.001)
    assert len(asyncio.all_tasks()) == before
