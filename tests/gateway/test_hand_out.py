"""When orders leave the gateway: at their start to the moment, when a window opens or is lifted, when it is their turn."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import watchbill_wire as wire
from tests.factories.scene import GATEWAY
from tests.gateway.harbour import Harbour, Peer
from watchbill import runs, windows
from watchbill.apps.gateway.hub import Coming, Hub
from watchbill.apps.wiring import Engine
from watchbill.core.states import TargetState as S
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import load

#: What lies behind a start or a ring comes within this; the sweep, which hides a lost ring, comes every 60 s.
SOON = 5.0


async def _now(harbour: Harbour) -> datetime:
    async with harbour.db.begin() as tx:
        return await Clock().now(tx)


async def _open(harbour: Harbour, job: int, minutes: int = 0, **changes: Any) -> uuid.UUID:
    """Opened, not released."""
    async with harbour.db.begin() as tx:
        one = harbour.scene.opening(job, minutes, **changes)
        await runs.open_occurrences(tx, [one], harbour.scene.now)
        return one.id


async def _release(harbour: Harbour, *occurrences: uuid.UUID) -> None:
    async with harbour.db.begin() as tx:
        for run in await runs.runs_of(tx, list(occurrences)):
            await runs.release(tx, run.id, harbour.scene.site, harbour.scene.now)


async def _starting(harbour: Harbour, starts: dict[str, datetime], **changes: Any) -> uuid.UUID:
    """A released occurrence on devices that exist, with a start for each."""
    async with harbour.db.begin() as tx:
        job = await harbour.scene.job(tx, *starts)
    occurrence = await _open(harbour, job, **changes)
    async with harbour.db.begin() as tx:
        for name, at in starts.items():
            await tx.execute(
                text("UPDATE run_targets SET starts_at = :at WHERE occurrence_id = :id AND hostname = :name"),
                {"at": at, "id": occurrence, "name": name},
            )
    await _release(harbour, occurrence)
    return occurrence


async def _job(harbour: Harbour, *names: str, **changes: Any) -> int:
    async with harbour.db.begin() as tx:
        return await harbour.scene.job(tx, *names, **changes)


async def _finish(peer: Peer, order: wire.EnvelopePayload, outcome: wire.Outcome = "exited") -> None:
    code = {"exit_code": 0} if outcome == "exited" else {"tree": "stopped"}
    await peer.say(wire.Result(order.execution_id, outcome, order.issued_at, **code))


async def test_orders_leave_at_their_start_and_never_before_it(harbour: Harbour) -> None:
    names = [f"d{number}" for number in range(12)]
    devices = [await harbour.device(name) for name in names]
    begin = await _now(harbour) + timedelta(seconds=1)
    starts = {name: begin + timedelta(milliseconds=70 * number) for number, name in enumerate(names)}
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(harbour.dial(device)) for device in devices]
        await _starting(harbour, starts)
        orders = await asyncio.gather(*[peer.order() for peer in peers])
    late = [(order.issued_at - starts[name]).total_seconds() for name, order in zip(names, orders, strict=True)]
    assert min(late) >= 0, "nothing goes early"
    assert sorted(late)[len(late) // 2] < 0.1
    assert max(late) < SOON


async def test_a_nearer_start_that_comes_later_is_not_slept_over(harbour: Harbour) -> None:
    first, second = await harbour.device("first"), await harbour.device("second")
    now = await _now(harbour)
    async with harbour.dial(first) as far, harbour.dial(second) as near:
        await _starting(harbour, {"first": now + timedelta(minutes=30)})
        soon = now + timedelta(seconds=0.5)
        await _starting(harbour, {"second": soon})
        assert (await near.order()).issued_at >= soon
        with pytest.raises(TimeoutError):
            await far.hear(wire.Execute, seconds=0.3)


async def test_a_start_that_comes_while_something_else_is_looked_at_is_not_forgotten(
    harbour: Harbour, db: Database, keys: KeyRing, tmp_path: Path
) -> None:
    """The hub alone: the look for a new run is later than the start that it was going to wait for."""
    await harbour.device()
    now = await _now(harbour)
    coming = now - timedelta(milliseconds=1)
    await _starting(harbour, {"alpha": coming})
    values = {"WATCHBILL_DATA_DIR": str(tmp_path), "WATCHBILL_DATABASE_URL": db.conninfo}
    hub = Hub(Engine(load(values), db, Clock(), keys), GATEWAY)
    async with db.begin() as tx:
        await harbour.scene.connect(tx, "alpha")
    hub._nearest, hub._looked_at = Coming(coming, 0.0), now
    await hub._look_ahead()
    assert hub._nearest is not None
    assert hub._nearest.at == coming


async def test_a_device_takes_its_start_along_to_another_gateway(two_gateways: Harbour) -> None:
    harbour = two_gateways
    device = await harbour.device()
    start = await _now(harbour) + timedelta(seconds=1)
    async with harbour.dial(device):
        await _starting(harbour, {"alpha": start})
    async with harbour.dial(device, gateway=1) as peer:
        order = await peer.order()
        assert start <= order.issued_at < start + timedelta(seconds=SOON)


async def test_a_device_that_comes_after_its_start_gets_its_order_at_once(harbour: Harbour) -> None:
    device = await harbour.device()
    occurrence = await _starting(harbour, {"alpha": await _now(harbour) + timedelta(seconds=0.3)})
    assert await harbour.state(occurrence) == (S.WAITING_ONLINE, None)
    await asyncio.sleep(0.4)  # the start itself, not a wait for something to happen
    async with harbour.dial(device) as peer:
        assert (await peer.order()).labels["occurrence_id"] == str(occurrence)


async def test_what_a_window_put_off_goes_when_the_window_is_lifted(two_gateways: Harbour) -> None:
    harbour = two_gateways
    here, there = await harbour.device("here"), await harbour.device("there")
    now = await _now(harbour)
    start = (now - timedelta(minutes=60)).strftime("2026-01-01T%H:%M")
    definition = {
        "name": "freeze",
        "kind": "deny",
        "spans": [{"schedule": {"type": "daily", "start": start, "timezone": "UTC"}, "duration_seconds": 5400}],
        "when_closed": "defer",
        "attachments": [{"kind": "global"}],
    }
    async with harbour.db.begin() as tx:
        window = await windows.create(tx, harbour.scene.admin, definition, now=now)
    async with harbour.dial(here) as one, harbour.dial(there, gateway=1) as other:
        _, occurrence = await harbour.job("here", "there")
        await harbour.becomes(occurrence, S.PENDING, "blackout", name="here")
        await harbour.becomes(occurrence, S.PENDING, "blackout", name="there")
        async with harbour.db.begin() as tx:
            admin = harbour.scene.admin
            await windows.delete(tx, admin, await windows.lock(tx, admin, window.id), now=now)
        async with asyncio.timeout(SOON):
            assert (await one.order()).device_id == str(here)
            assert (await other.order()).device_id == str(there)


@pytest.mark.parametrize("ending", ["expired", "skipped", "cancelled"])
async def test_what_waits_behind_a_row_that_never_ran_follows_when_that_ends(harbour: Harbour, ending: str) -> None:
    device = await harbour.device()
    job = await _job(harbour, "alpha")
    first, second = [await _open(harbour, job, number, kind="backfill", request_id=str(number)) for number in range(2)]
    async with harbour.dial(device) as peer:
        await _release(harbour, second)
        with pytest.raises(TimeoutError):  # the one before it is not released yet
            await peer.hear(wire.Execute, seconds=0.3)
        async with harbour.db.begin() as tx:
            match ending:
                case "cancelled":
                    await runs.cancel_occurrences(tx, [first], operator_id=None, now=harbour.scene.now)
                case "skipped":
                    (run,) = await runs.runs_of(tx, [first])
                    await runs.fail_unreleased(tx, run.id, harbour.scene.site, "gone", harbour.scene.now)
                case _:
                    await tx.execute(
                        text("UPDATE run_targets SET deadline_at = :at WHERE occurrence_id = :id"),
                        {"at": harbour.scene.now, "id": first},
                    )
                    await runs.reap(tx, harbour.scene.now)
        async with asyncio.timeout(SOON):
            assert (await peer.order()).labels["occurrence_id"] == str(second)


async def test_a_replaced_script_answers_and_the_new_one_follows_at_once(harbour: Harbour) -> None:
    device = await harbour.device()
    job = await _job(harbour, "alpha")
    first = await _open(harbour, job)
    async with harbour.dial(device) as peer:
        await _release(harbour, first)
        order = await peer.order()
        await peer.say(wire.Accepted(order.execution_id))
        await peer.say(wire.Started(order.execution_id, order.issued_at))
        await harbour.becomes(first, S.RUNNING, None)
        second = await _open(harbour, job, 5, overlap="replace")
        await _release(harbour, second)
        assert (await peer.hear(wire.Cancel)).execution_id == order.execution_id
        await _finish(peer, order, "cancelled")
        async with asyncio.timeout(SOON):
            assert (await peer.order()).labels["occurrence_id"] == str(second)
        assert await harbour.state(first) == (S.CANCELLED, "replaced")


async def test_runs_of_a_lone_job_follow_one_another_over_two_gateways(two_gateways: Harbour) -> None:
    harbour = two_gateways
    here, there = await harbour.device("here"), await harbour.device("there")
    job = await _job(harbour, "here", "there")
    async with harbour.db.begin() as tx:
        batch = [harbour.scene.opening(job, n, overlap="queue_one", overlap_scope="job") for n in range(3)]
        await runs.open_occurrences(tx, batch, harbour.scene.now)
    async with harbour.dial(here) as one, harbour.dial(there, gateway=1) as other:
        await _release(harbour, *[each.id for each in batch])
        for each in batch:
            async with asyncio.timeout(SOON):
                orders = [await one.order(), await other.order()]
            assert {order.labels["occurrence_id"] for order in orders} == {str(each.id)}
            await _finish(one, orders[0])
            with pytest.raises(TimeoutError):
                await one.hear(wire.Execute, seconds=0.2)
            await _finish(other, orders[1])
            await harbour.becomes(each.id, S.SUCCESS, None, name="there")


async def test_a_script_knows_which_instant_it_runs_for(harbour: Harbour) -> None:
    device = await harbour.device()
    job = await _job(harbour, "alpha")
    async with harbour.dial(device) as peer:
        at = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
        later = harbour.scene.now + timedelta(hours=1)
        plain = await _open(harbour, job, scheduled_for=at, expires_at=later, kind="backfill", request_id="b")
        await _release(harbour, plain)
        order = await peer.order()
        assert order.labels["job_id"] == str(job)
        assert (order.labels["scheduled_for"], order.labels.get("local_time")) == ("2026-03-01T03:00:00Z", None)
        await _finish(peer, order)
        await harbour.becomes(plain, S.SUCCESS, None)
        follows = await _open(harbour, job, 5, local_time=datetime(2026, 3, 1, 3, 0))
        await _release(harbour, follows)
        assert (await peer.order()).labels["local_time"] == "2026-03-01T03:00:00"
