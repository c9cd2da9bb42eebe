"""What workflows say in words of their own: to one channel, once for each key, as anything else that is sent, and shown to whom it may be."""

import asyncio
import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.factories import people, places
from tests.notifications import sinks
from tests.notifications.conftest import SECRET, Watch, channel_draft
from watchbill import notifications
from watchbill.core.notification_rules import Event
from watchbill.identity import Role
from watchbill.kit.errors import ConflictError, NotFoundError
from watchbill.kit.secrets import Secret
from watchbill.notifications import About, Channel

WORKFLOW = uuid.UUID("00000000-0000-4000-8000-0000000000f1")


async def _run(watch: Watch, *, is_of_job: bool = True, **opening: Any) -> About:
    """A run, as far as telling knows one."""
    job = await watch.job()
    watch.number += 1
    async with watch.db.begin() as tx:
        occurrence = await watch.scene.open(tx, job, watch.number, overlap="allow", **opening)
    return _about(job if is_of_job else None, occurrence)


def _about(job: int | None, occurrence: uuid.UUID) -> About:
    return About(
        job_id=job, occurrence_id=occurrence, run_id=77, workflow_id=WORKFLOW, workflow_name="Patch with approval"
    )


async def _tell(
    watch: Watch, channel: Channel | int, about: About, key: str = "77/tell", subject: str = "Disk is full", said: str = "On crane."
) -> bool:  # fmt: skip
    number = channel if isinstance(channel, int) else channel.id
    async with watch.db.begin() as tx:
        return await notifications.tell(tx, number, key=key, subject=subject, text=said, about=about, now=watch.now)


async def _switch(watch: Watch, channel: Channel, **changes: Any) -> None:
    async with watch.db.begin() as tx:
        locked = await notifications.lock_channel(tx, watch.scene.admin, channel.id)
        draft = channel_draft(name=channel.name, url=None, secret=None, **changes)
        await notifications.update_channel(tx, watch.scene.admin, locked, draft, keys=watch.keys, now=watch.now)


async def _archive(watch: Watch, channel: Channel) -> None:
    async with watch.db.begin() as tx:
        locked = await notifications.lock_channel(tx, watch.scene.admin, channel.id)
        await notifications.archive_channel(tx, watch.scene.admin, locked, now=watch.now)


async def _states(watch: Watch) -> list[tuple[str, int]]:
    return [tuple(row) for row in await watch.rows("SELECT state, attempt FROM notification_messages ORDER BY seq")]


# --- as it arrives -----------------------------------------------------------------------------------------------------


async def test_a_message_arrives_signed_with_its_subject_its_text_and_where_it_comes_from(watch: Watch) -> None:
    about = await _run(watch)
    async with sinks.http() as receiver:
        channel = await watch.channel(url=Secret(receiver.url()), headers={"X-Team": Secret("night")})
        assert await _tell(watch, channel, about)
        assert await watch.send_all() == 1
    (got,) = receiver.requests
    stamp, name = got.headers["webhook-timestamp"], got.headers["webhook-id"]
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = hmac.new(key, f"{name}.{stamp}.".encode() + got.body, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    told = json.loads(got.body)
    assert told["type"] == "watchbill.message"
    at, number, url = (told["data"].pop(one) for one in ("at", "id", "url"))
    assert (told["timestamp"], number, url.split("/api/")[1]) == (
        at,
        (await watch.told())[0].id,
        "workflow_runs/77",
    )
    assert told["data"] == {
        "event": "message",
        "sentence": "Disk is full",
        "subject": "Disk is full",
        "text": "On crane.",
        "job_id": about["job_id"],
        "job_name": "Clear print spool",
        "occurrence_id": str(about["occurrence_id"]),
        "workflow_id": str(WORKFLOW),
        "workflow_name": "Patch with approval",
        "workflow_run_id": 77,
    }
    assert await _states(watch) == [("sent", 1)]


async def test_a_message_arrives_as_a_mail_of_its_own(watch: Watch, environment: dict[str, str]) -> None:
    async with sinks.smtp() as box:
        _mail(environment, box)
        channel = await watch.channel(kind="email", to=["night@example.org"])
        await _tell(
            watch, channel, await _run(watch), subject="Disk\r\nBcc: x@example.org", said="One line.\nAnother äöü."
        )
        assert await watch.send_all() == 1
    (got,) = box.mails
    assert got.message["Subject"] == "[Watchbill] Disk Bcc: x@example.org"
    assert (got.message["Bcc"], got.recipients) == (None, ["night@example.org"])
    body = got.message.get_content().replace("\r\n", "\n")
    assert body.startswith("One line.\nAnother äöü.\n\nWorkflow: Patch with approval. Told: ")
    assert "/api/workflow_runs/77" in body


def _mail(environment: dict[str, str], box: sinks.Mailbox) -> None:
    where = {"HOST": "127.0.0.1", "PORT": str(box.port), "TLS": "off", "FROM": "watchbill@example.org"}
    environment.update({f"WATCHBILL_SMTP_{name}": value for name, value in where.items()})


async def test_what_no_database_and_no_line_takes_is_replaced_or_cut(watch: Watch) -> None:
    async with sinks.http() as receiver:
        channel = await watch.channel(url=Secret(receiver.url()))
        await _tell(watch, channel, await _run(watch), subject="\0\n \ud800", said=f"a\0b\ud800{'x' * 30_000}")
        await watch.send_all()
    data = json.loads(receiver.requests[0].body)["data"]
    assert data["subject"] == "A message of Patch with approval"
    assert data["text"].startswith("a\ufffdb\ufffdxxx")
    assert data["text"].endswith("…\n(10004 characters more were left out.)")


# --- once, in the caller's transaction ---------------------------------------------------------------------------------


async def test_a_key_is_told_once_whatever_it_says_the_second_time(watch: Watch) -> None:
    about = await _run(watch)
    channel, other = await watch.channel(), await watch.channel()
    assert await _tell(watch, channel, about)
    assert await _tell(watch, channel, about, subject="Changed")
    assert await _tell(watch, other, about)
    await _archive(watch, channel)
    assert await _tell(watch, channel, about), "it was told; what becomes of the channel later changes nothing in that"
    assert [one.sentence for one in await watch.told()] == ["Disk is full"]
    assert len(await _states(watch)) == 1
    assert await _tell(watch, other, about, key="77/tell/2")
    assert len(await _states(watch)) == 2


async def test_what_is_rolled_back_is_not_told(watch: Watch) -> None:
    about, channel = await _run(watch), await watch.channel()
    with pytest.raises(RuntimeError):
        async with watch.db.begin() as tx:
            await notifications.tell(tx, channel.id, key="k", subject="S", text="", about=about, now=watch.now)
            raise RuntimeError
    assert await watch.told() == []
    assert await _tell(watch, channel, about, key="k")


async def test_of_two_who_tell_the_same_at_once_one_does(watch: Watch) -> None:
    about, channel = await _run(watch), await watch.channel()
    assert await asyncio.gather(*(_tell(watch, channel, about, subject=f"S{one}") for one in range(4))) == [True] * 4
    assert len(await watch.told()) == len(await _states(watch)) == 1


async def test_a_run_that_is_not_there_is_an_error(watch: Watch) -> None:
    channel = await watch.channel()
    with pytest.raises(IntegrityError):
        await _tell(watch, channel, _about(None, uuid.uuid4()))


@pytest.mark.parametrize("how", ["off", "archived", "gone"])
async def test_a_channel_that_is_not_in_use_is_told_nothing(watch: Watch, how: str) -> None:
    about, channel = await _run(watch), await watch.channel()
    if how == "off":
        await _switch(watch, channel, enabled=False)
    elif how == "archived":
        await _archive(watch, channel)
    assert await _tell(watch, channel if how != "gone" else channel.id + 1, about) is False
    assert await watch.told() == []
    if how == "off":
        await _switch(watch, channel, enabled=True)
        assert await _tell(watch, channel, about), "nothing kept the key"


async def test_who_tells_while_the_channel_is_archived_waits_and_leaves_nothing_behind(watch: Watch) -> None:
    about, channel = await _run(watch), await watch.channel()
    async with watch.db.begin() as tx:
        locked = await notifications.lock_channel(tx, watch.scene.admin, channel.id)
        telling = asyncio.ensure_future(_tell(watch, channel, about))
        async with asyncio.timeout(10):
            while not (await watch.rows("SELECT 1 FROM pg_locks WHERE NOT granted")):
                await asyncio.sleep(0)
        await notifications.archive_channel(tx, watch.scene.admin, locked, now=watch.now)
    assert await telling is False
    assert await _states(watch) == []


# --- as anything else that is sent -------------------------------------------------------------------------------------


async def test_what_fails_is_sent_again_and_again_by_hand(watch: Watch) -> None:
    async with sinks.http(503, 410, 204) as receiver:
        channel = await watch.channel(url=Secret(receiver.url()))
        await _tell(watch, channel, await _run(watch))
        assert await watch.send_all() == 1
        watch.go(seconds=11)
        assert await watch.send_all() == 1
        (one,) = await watch.told()
        assert [(delivery.state, delivery.attempt) for delivery in one.deliveries] == [("failed", 2)]
        async with watch.db.begin() as tx:
            await notifications.retry(tx, watch.scene.admin, one.id, now=watch.now)
        assert await watch.send_all() == 1
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert await _states(watch) == [("sent", 3)]


async def test_a_digest_gathers_messages_with_what_rules_tell(watch: Watch, environment: dict[str, str]) -> None:
    async with sinks.smtp() as box, sinks.http() as receiver:
        _mail(environment, box)
        digest = {"every_minutes": 60}
        hook = await watch.channel(url=Secret(receiver.url()), digest=digest)
        mail = await watch.channel(kind="email", to=["night@example.org"], digest=digest)
        about = await _run(watch)
        await watch.finish()
        job = await watch.job("beta")
        for channel in (hook, mail):
            await watch.rule(Event.FAILED, job_id=job, channel=channel)
            assert await _tell(watch, channel, about, key=f"of {channel.id}")
        await watch.ran(job, 1)
        await watch.look()
        assert await watch.send_all() == 0
        watch.go(hours=1)
        assert await watch.send_all() == 2
    told = json.loads(receiver.requests[0].body)
    assert told["type"] == "watchbill.digest"
    assert sorted(one["event"] for one in told["data"]["notifications"]) == ["failed", "message"]
    assert box.mails[0].message["Subject"] == "[Watchbill] 2 notifications"
    body = box.mails[0].message.get_content().replace("\r\n", "\n")
    assert "Disk is full\nOn crane.\nWorkflow: Patch with approval." in body
    assert "Clear print spool failed" in body


async def test_quiet_hours_hold_a_message_until_their_end(watch: Watch) -> None:
    about = await _run(watch)
    async with sinks.http() as receiver:
        channel = await watch.channel(url=Secret(receiver.url()), quiet={"from": "22:00", "to": "07:00"})
        watch.scene.now = datetime(2027, 6, 1, 22, 30, tzinfo=UTC)
        await _tell(watch, channel, about)
        assert await watch.send_all() == 0
        watch.scene.now = datetime(2027, 6, 2, 7, 0, tzinfo=UTC)
        assert await watch.send_all() == 1


# --- who sees it -------------------------------------------------------------------------------------------------------


async def _seen_by(watch: Watch, site: int, name: str) -> list[str]:
    async with watch.db.begin() as tx:
        reader = await people.make_actor(tx, name, Role.OPERATOR, now=watch.now, site_ids=(site,))
        found = await notifications.list_notifications(
            tx, reader, notifications.NotificationFilter(), limit=50, cursor=None
        )
        return [one.sentence for one in found.items]


async def test_words_are_shown_to_who_sees_every_site_that_they_may_be_about(watch: Watch) -> None:
    site = watch.scene.site
    async with watch.db.begin() as tx:
        other = await places.make_site(tx, "Quay", now=watch.now)
    channel = await watch.channel(site_ids=[site])
    for name, sites in (("of one", [site]), ("of both", [site, other]), ("of all", None), ("of none", [])):
        await _tell(watch, channel, await _run(watch, allowed_site_ids=sites), key=name, subject=name)
    assert [one.sentence for one in await watch.told()] == ["of one", "of both", "of all", "of none"]
    assert await _seen_by(watch, site, "hal") == ["of one"]
    assert await _seen_by(watch, other, "quin") == []


async def test_a_message_that_is_not_seen_is_not_there(watch: Watch) -> None:
    channel = await watch.channel(site_ids=[watch.scene.site])
    await _tell(watch, channel, await _run(watch))
    (told,) = await watch.told()
    async with watch.db.begin() as tx:
        site = (watch.scene.site,)
        reader = await people.make_actor(tx, "hal", Role.OPERATOR, now=watch.now, site_ids=site)
        with pytest.raises(NotFoundError):
            await notifications.get_notification(tx, reader, told.id)
        with pytest.raises(NotFoundError):
            await notifications.retry(tx, reader, told.id, now=watch.now)
        with pytest.raises(ConflictError):
            await notifications.retry(tx, watch.scene.admin, told.id, now=watch.now)


async def test_a_list_tells_of_the_run_and_leaves_the_text_to_who_asks_for_one(watch: Watch) -> None:
    channel = await watch.channel()
    await _tell(watch, channel, await _run(watch, is_of_job=False))
    (told,) = await watch.told()
    assert (told.event, told.rule_id, told.job_id, told.job_name) == ("message", None, None, None)
    assert (told.workflow_name, told.workflow_run_id, told.text) == ("Patch with approval", 77, None)
    assert [(one.channel, one.state) for one in told.deliveries] == [(channel.name, "waiting")]
    async with watch.db.begin() as tx:
        assert (await notifications.get_notification(tx, watch.scene.admin, told.id)).text == "On crane."


async def test_nothing_of_a_channel_is_kept_with_a_message(watch: Watch) -> None:
    async with sinks.http() as receiver:
        channel = await watch.channel(url=Secret(receiver.url("/T0P")), headers={"X-Key": Secret("hush")})
        await _tell(watch, channel, await _run(watch))
        await watch.send_all()
    kept = await watch.rows("SELECT n::text, m::text FROM notifications n, notification_messages m")
    for word in ("T0P", "hush", SECRET):
        assert word not in str(kept)
        assert word.encode() not in receiver.requests[0].body


# --- who may name a channel --------------------------------------------------------------------------------------------


async def test_a_channel_is_named_by_who_sees_it_while_it_is_in_use_and_on(watch: Watch) -> None:
    whole, ours, off, gone = [
        await watch.channel(),
        await watch.channel(site_ids=[watch.scene.site]),
        await watch.channel(site_ids=[watch.scene.site], enabled=False),
        await watch.channel(),
    ]
    await _archive(watch, gone)
    ids = [whole.id, ours.id, off.id, gone.id, gone.id + 1, 0, 2**70]
    async with watch.db.begin() as tx:
        site = (watch.scene.site,)
        hal = await people.make_actor(tx, "hal", Role.OPERATOR, now=watch.now, site_ids=site)
        of_admin = await notifications.unusable_channels(tx, watch.scene.admin, ids)
        of_hal = await notifications.unusable_channels(tx, hal, ids)
        absent = dict.fromkeys(ids[3:], "not_found")
        assert {one: problem.code for one, problem in of_admin.items()} == {off.id: "channel_off", **absent}
        assert {one: problem.code for one, problem in of_hal.items()} == {
            whole.id: "not_found",
            off.id: "channel_off",
            **absent,
        }
        assert await notifications.unusable_channels(tx, hal, []) == {}


async def test_a_channel_that_was_found_usable_stays_until_the_save_ends(watch: Watch) -> None:
    channel = await watch.channel()
    async with watch.db.begin() as tx:
        assert await notifications.unusable_channels(tx, watch.scene.admin, [channel.id]) == {}
        async with watch.db.begin() as other:
            query = "SELECT id FROM notification_channels FOR UPDATE SKIP LOCKED"
            assert (await other.execute(text(query))).all() == []
