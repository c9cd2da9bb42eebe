"""Messages on their way: real receivers, real mail servers, what they answer, and what senders make of it."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.notifications import sinks
from tests.notifications.conftest import SECRET, Watch
from watchbill import notifications
from watchbill.apps.notifying import Sender
from watchbill.core.notification_rules import Event
from watchbill.kit.guarded_http import RefusedAddressError
from watchbill.kit.secrets import Secret
from watchbill.kit.service import Wake
from watchbill.notifications import network

E = Event


async def _failing(watch: Watch, *events: Event, number: int = 1, rule: dict[str, Any] | None = None, **channel: Any):
    """A job that failed, and a channel that is to be told."""
    job = await watch.job()
    made = await watch.channel(**channel)
    await watch.rule(*(events or (E.FAILED,)), job_id=job, channel=made, **(rule or {}))
    for _ in range(number):
        await watch.ran(job, 1)
    await watch.look()
    return made


async def _states(watch: Watch) -> list[tuple[str, int]]:
    return [tuple(row) for row in await watch.rows("SELECT state, attempt FROM notification_messages ORDER BY seq")]


async def _hook(watch: Watch, receiver: sinks.Receiver, **more: Any):
    return await _failing(watch, url=Secret(receiver.url()), **more)


# --- webhooks ----------------------------------------------------------------------------------------------------------


async def test_a_webhook_is_signed_as_standard_webhooks_says(watch: Watch) -> None:
    async with sinks.http() as receiver:
        await _hook(watch, receiver, headers={"X-Team": Secret("night")})
        assert await watch.send_all() == 1
    (got,) = receiver.requests
    stamp, name = got.headers["webhook-timestamp"], got.headers["webhook-id"]
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = hmac.new(key, f"{name}.{stamp}.".encode() + got.body, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert int(stamp) == int(watch.now.timestamp())
    assert (got.method, got.path, got.headers["x-team"]) == ("POST", "/hook", "night")
    told = json.loads(got.body)
    assert told["type"] == "watchbill.failed"
    assert told["data"]["sentence"] == "Clear print spool failed: 1 of 1 device did not succeed."
    assert told["data"]["url"].startswith("http://127.0.0.1:8470/api/scheduled_jobs/")
    assert await _states(watch) == [("sent", 1)]


async def test_a_receiver_in_trouble_is_asked_again_later_with_the_same_id(watch: Watch) -> None:
    async with sinks.http(500, 503, 204) as receiver:
        channel = await _hook(watch, receiver)
        assert await watch.send_all() == 1
        assert await watch.send_all() == 0, "not at once"
        for _ in range(2):
            watch.go(seconds=11)
            assert await watch.send_all() == 1
    assert len({one.headers["webhook-id"] for one in receiver.requests}) == 1
    assert len({one.headers["webhook-signature"] for one in receiver.requests}) == 3
    assert await _states(watch) == [("sent", 3)]
    async with watch.db.begin() as tx:
        found = await notifications.get_channel(tx, watch.scene.admin, channel.id)
    assert found.last_error == "The receiver answered with status 503."
    assert found.last_success_at is not None


async def test_after_a_day_it_is_given_up_and_everybody_can_see_it(watch: Watch) -> None:
    async with sinks.http(500) as receiver:
        await _hook(watch, receiver)
        attempts = 0
        for _ in range(400):
            attempts += await watch.send_all()
            if (await _states(watch))[0][0] == "failed":
                break
            watch.go(minutes=10)
    assert 24 <= attempts <= 70
    (one,) = await watch.told()
    assert [(sent.state, sent.error) for sent in one.deliveries] == [
        ("failed", "The receiver answered with status 500.")
    ]


async def test_a_redirect_is_not_followed(watch: Watch) -> None:
    async with sinks.http() as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {other.url()}\r\nContent-Length: 0\r\n\r\n".encode()
        async with sinks.http(moved) as receiver:
            await _hook(watch, receiver)
            await watch.send_all()
    assert other.requests == []
    assert "redirect (307)" in ((await watch.told())[0].deliveries[0].error or "")


async def test_a_receiver_that_is_gone_for_good_is_not_asked_again(watch: Watch) -> None:
    async with sinks.http(410) as receiver:
        await _hook(watch, receiver)
        await watch.send_all()
    assert await _states(watch) == [("failed", 1)]


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow"])
async def test_who_answers_slowly_or_never_costs_one_bounded_attempt(
    watch: Watch, answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "TIMEOUT", 0.3)
    async with sinks.http(answer) as receiver:
        await _hook(watch, receiver)
        async with asyncio.timeout(5):
            await watch.send_all()
        assert await _states(watch) == [("waiting", 1)]


async def test_an_endless_answer_is_not_read_to_its_end(watch: Watch) -> None:
    flood = b"HTTP/1.1 400 No\r\nContent-Length: 500000000\r\n\r\n" + b"x" * 100_000
    async with sinks.http(flood) as receiver:
        await _hook(watch, receiver)
        async with asyncio.timeout(5):
            await watch.send_all()
    error = (await watch.told())[0].deliveries[0].error or ""
    assert len(error) < 300


@pytest.mark.parametrize("environment", [{}])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"])
async def test_what_is_not_public_is_refused_at_the_connection(
    watch: Watch, host: str, environment: dict[str, str]
) -> None:
    async with sinks.http() as receiver:
        await _failing(watch, url=Secret(receiver.url(host=host)))
        await watch.send_all()
    assert receiver.requests == []
    assert "not a public address" in ((await watch.told())[0].deliveries[0].error or "")


async def test_a_name_that_answers_differently_the_second_time_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checked is what is connected to: a public address first and this host after it reaches neither."""
    asked = []

    async def rebinding(*place: Any, **_: Any) -> list[Any]:
        asked.append(place)
        address = "192.0.2.7" if len(asked) == 1 else "127.0.0.1"
        return [(2, 1, 6, "", (address, place[1]))]

    async with sinks.http() as receiver:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebinding)
        with pytest.raises(RefusedAddressError):
            await network.request("POST", receiver.url(host="rebind.test"), {}, allows_private=False)
        with pytest.raises(RefusedAddressError):
            await network.request("POST", receiver.url(host="rebind.test"), {}, allows_private=False)
    assert receiver.requests == []


# --- lines -------------------------------------------------------------------------------------------------------------


async def test_a_channel_gets_its_messages_in_their_order_also_after_trouble(watch: Watch) -> None:
    async with sinks.http(503, 204) as receiver:
        await _hook(watch, receiver, number=3)
        assert await watch.send_all() == 1, "the others wait behind the first"
        watch.go(seconds=11)
        assert await watch.send_all() == 3
    due = [json.loads(one.body)["data"]["scheduled_for_at"] for one in receiver.requests]
    assert due[0] == due[1]
    assert due[1:] == sorted(set(due))


async def test_one_message_that_is_refused_does_not_hold_the_others(watch: Watch) -> None:
    async with sinks.http(422, 204) as receiver:
        await _hook(watch, receiver, number=3)
        assert await watch.send_all() == 3
    assert await _states(watch) == [("waiting", 1), ("sent", 1), ("sent", 1)]


async def test_dead_channels_keep_nobody_else_waiting(watch: Watch) -> None:
    job = await watch.job()
    async with sinks.http(None) as dead, sinks.http() as alive:
        for _ in range(3):
            await watch.rule(E.FAILED, job_id=job, channel=await watch.channel(url=Secret(dead.url())))
        await watch.rule(E.FAILED, job_id=job, channel=await watch.channel(url=Secret(alive.url())))
        for _ in range(4):
            await watch.ran(job, 1)
        await watch.look()
        sender, stop = Sender(watch.engine(), Wake()), asyncio.Event()
        running = asyncio.ensure_future(sender.run(stop))
        async with asyncio.timeout(10):
            while len(alive.requests) < 4:
                alive.arrived.clear()
                await alive.arrived.wait()
        stop.set()
        sender.wake.ring()
        dead.gone.set()
        await running


async def test_two_senders_never_send_the_same_message(watch: Watch) -> None:
    async with sinks.http() as receiver:
        await _hook(watch, receiver, number=6)
        one, two = watch.engine(), watch.engine()
        await asyncio.gather(*(watch.send_all(engine) for engine in (one, two, one, two)))
        await watch.send_all()
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 6


async def test_who_dies_between_sending_and_noting_it_leaves_it_to_another_under_the_same_id(watch: Watch) -> None:
    async with sinks.http() as receiver:
        await _hook(watch, receiver)
        dying = Sender(watch.engine())
        (message,), _ = await dying.claim(1)
        await notifications.send(dying.engine.settings, "http://x", message, watch.now)  # and no more of it
        assert await watch.send_all() == 0, "its lease lasts"
        watch.go(seconds=61)
        assert await watch.send_all() == 1
        async with watch.db.begin() as tx:  # it was only asleep: what it writes now counts for nothing
            late = notifications.Sent(is_ok=False, sentence="too late")
            await notifications.settle(tx, message, late, watch.now)
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert await _states(watch) == [("sent", 2)]


# --- digests and quiet hours -------------------------------------------------------------------------------------------


async def test_a_digest_is_one_message_at_its_time(watch: Watch) -> None:
    async with sinks.http() as receiver:
        await _hook(watch, receiver, number=3, digest={"every_minutes": 60})
        assert await watch.send_all() == 0
        watch.go(hours=1)
        assert await watch.send_all() == 1
    told = json.loads(receiver.requests[0].body)
    assert told["type"] == "watchbill.digest"
    assert [one["event"] for one in told["data"]["notifications"]] == ["failed"] * 3


async def test_what_comes_to_a_digest_that_is_on_its_way_goes_by_itself(watch: Watch) -> None:
    async with sinks.http(503, 204) as receiver:
        channel = await _hook(watch, receiver, digest={"daily_at": "00:00"})
        (slot,) = (await watch.rows("SELECT slot_at FROM notification_messages"))[0]
        kept = watch.now
        watch.scene.now = slot
        assert await watch.send_all() == 1
        watch.scene.now = kept + timedelta(seconds=1)  # a clock that went back: the slot lies ahead again, and is taken
        job = await watch.job("beta")
        await watch.rule(E.FAILED, job_id=job, channel=channel)
        await watch.ran(job, 1)
        await watch.look()
        watch.scene.now = slot + timedelta(minutes=1)
        assert await watch.send_all() == 2
    assert await _states(watch) == [("sent", 2), ("sent", 1)]


async def test_quiet_hours_hold_all_but_what_is_urgent(watch: Watch) -> None:
    watch.scene.now = datetime(2027, 6, 1, 22, 30, tzinfo=UTC)
    quiet = {"from": "22:00", "to": "07:00"}
    async with sinks.http() as receiver:
        rule = {"urgent_events": [E.FIRST_FAILURE]}
        job = await watch.job()
        channel = await watch.channel(url=Secret(receiver.url()), quiet=quiet)
        await watch.rule(E.FIRST_FAILURE, E.FAILED, job_id=job, channel=channel, **rule)
        await watch.ran(job, 1)
        await watch.ran(job, 1)
        await watch.look()
        assert await watch.send_all() == 1
        assert json.loads(receiver.requests[0].body)["type"] == "watchbill.first_failure"
        watch.scene.now = datetime(2027, 6, 2, 6, 59, tzinfo=UTC)
        assert await watch.send_all() == 0
        watch.scene.now = datetime(2027, 6, 2, 7, 0, tzinfo=UTC)
        assert await watch.send_all() == 1
    assert len(json.loads(receiver.requests[1].body)["data"]["notifications"]) == 2


async def test_an_archived_channel_gets_nothing_that_waits(watch: Watch) -> None:
    async with sinks.http() as receiver:
        channel = await _hook(watch, receiver, number=2)
        async with watch.db.begin() as tx:
            locked = await notifications.lock_channel(tx, watch.scene.admin, channel.id)
            await notifications.archive_channel(tx, watch.scene.admin, locked, now=watch.now)
        assert await watch.send_all() == 0
    assert await _states(watch) == [("failed", 0), ("failed", 0)]
