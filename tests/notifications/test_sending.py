"""Messages on their way: real receivers, real mail servers, what they answer, and what senders make of it."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import text

from tests.notifications import sinks
from tests.notifications.conftest import SECRET, Watch, channel_draft
from watchbill import notifications
from watchbill.apps.notifying import Sender
from watchbill.core.notification_rules import Event
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.kit.secrets import Secret
from watchbill.kit.service import Wake
from watchbill.notifications import MailServer, Retried, mail, network
from watchbill.notifications.values import Endpoint

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
        with pytest.raises(network.RefusedAddressError):
            await network.request("POST", receiver.url(host="rebind.test"), {}, allows_private=False)
        with pytest.raises(network.RefusedAddressError):
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


# --- e-mail ------------------------------------------------------------------------------------------------------------


def _mail_settings(environment: dict[str, str], box: sinks.Mailbox, **more: str) -> None:
    environment.update(
        {
            "WATCHBILL_SMTP_HOST": "127.0.0.1",
            "WATCHBILL_SMTP_PORT": str(box.port),
            "WATCHBILL_SMTP_TLS": "off",
            "WATCHBILL_SMTP_FROM": "watchbill@example.org",
            **more,
        }
    )


async def test_an_e_mail_says_what_happened_and_where_to_look(watch: Watch, environment: dict[str, str]) -> None:
    async with sinks.smtp() as box:
        _mail_settings(environment, box)
        await _failing(watch, kind="email", to=["night@example.org", "ops@example.org"])
        assert await watch.send_all() == 1
    (got,) = box.mails
    assert (got.sender, got.recipients) == ("watchbill@example.org", ["night@example.org", "ops@example.org"])
    assert got.message["Subject"] == "[Watchbill] Clear print spool failed: 1 of 1 device did not succeed"
    body = got.message.get_content()
    assert "/api/scheduled_jobs/" in body
    assert got.message["Auto-Submitted"] == "auto-generated"
    assert await _states(watch) == [("sent", 1)]


async def test_a_digest_is_one_e_mail(watch: Watch, environment: dict[str, str]) -> None:
    async with sinks.smtp() as box:
        _mail_settings(environment, box)
        digest = {"every_minutes": 30}
        await _failing(watch, number=4, kind="email", to=["night@example.org"], digest=digest)
        watch.go(minutes=30)
        await watch.send_all()
    (got,) = box.mails
    assert got.message["Subject"] == "[Watchbill] 4 notifications"
    assert got.message.get_content().count("Clear print spool failed") == 4


async def test_starttls_is_demanded_and_its_certificate_checked(
    watch: Watch, environment: dict[str, str], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with sinks.smtp(tls=context) as box:
        more = {"WATCHBILL_SMTP_TLS": "starttls", "WATCHBILL_SMTP_USER": "wb", "WATCHBILL_SMTP_PASSWORD": "hush hush"}
        _mail_settings(environment, box, **more)
        await _failing(watch, kind="email", to=["night@example.org"])
        await watch.send_all()
        assert box.mails == []
        assert "ertificate" in ((await watch.told())[0].deliveries[0].error or "")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        watch.go(seconds=11)
        await watch.send_all()
    assert [one.was_encrypted for one in box.mails] == [True]
    assert len(box.signed_in) == 1


def _server(box: sinks.Mailbox, **changes: Any) -> MailServer:
    return MailServer(**{"host": "127.0.0.1", "port": box.port, "tls": "off", "sender": "night@example.net", **changes})


async def test_a_channel_with_a_mail_server_of_its_own_uses_that_alone(
    watch: Watch, environment: dict[str, str]
) -> None:
    async with sinks.smtp() as engines, sinks.smtp() as own:
        _mail_settings(environment, engines)
        channel = await _failing(watch, kind="email", to=["night@example.org"], smtp=_server(own))
        assert await watch.send_all() == 1
        async with watch.db.begin() as tx:
            settings = watch.engine().settings
            sent = await notifications.try_out(tx, channel, settings, keys=watch.keys, now=watch.now)
    assert sent.is_ok, "a test goes the same way"
    assert engines.mails == []
    assert [one.sender for one in own.mails] == ["night@example.net"] * 2


async def test_a_mail_servers_password_is_sealed_and_kept_for_its_account_only(
    watch: Watch, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    admin = watch.scene.admin
    async with sinks.smtp(tls=context) as box:
        login = {"tls": "starttls", "user": "wb"}
        first = _server(box, **login, password=Secret("hush hush"))
        channel = await watch.channel(kind="email", to=["night@example.org"], smtp=first)
        assert "hush" not in repr(channel)
        async with watch.db.begin() as tx:
            before = await notifications.lock_channel(tx, admin, channel.id)
            again = channel_draft(kind="email", name=before.name, to=["day@example.org"], smtp=_server(box, **login))
            saved = await notifications.update_channel(tx, admin, before, again, keys=watch.keys, now=watch.now)
            settings = watch.engine().settings
            sent = await notifications.try_out(tx, saved, settings, keys=watch.keys, now=watch.now)
            assert sent.is_ok
            for moved in ({"host": "localhost"}, {"user": "other"}):
                other = _server(box, **{**login, **moved})
                draft = channel_draft(kind="email", name=before.name, to=["day@example.org"], smtp=other)
                with pytest.raises(InvalidError) as refused:
                    await notifications.update_channel(tx, admin, saved, draft, keys=watch.keys, now=watch.now)
                assert [(one.field, one.code) for one in refused.value.problems] == [("smtp.password", "required")]
    assert len(box.signed_in) == 1
    assert [one.recipients for one in box.mails] == [["day@example.org"]]


async def test_what_was_given_up_is_sent_once_more_when_a_person_says_so(
    watch: Watch, environment: dict[str, str]
) -> None:
    admin = watch.scene.admin
    async with sinks.smtp(after_data=b"250 kept\r\n") as box:
        _mail_settings(environment, box, WATCHBILL_SMTP_PORT="1")
        channel = await _failing(watch, number=2, kind="email", to=["night@example.org"])
        for _ in range(60):
            watch.go(minutes=61)
            await watch.send_all()
        told = await watch.told()
        assert [one.deliveries[0].state for one in told] == ["failed", "failed"]
        _mail_settings(environment, box)
        async with watch.db.begin() as tx:
            assert (await notifications.retry(tx, admin, told[-1].id, now=watch.now)).deliveries[0].state == "waiting"
            with pytest.raises(ConflictError) as refused:
                await notifications.retry(tx, admin, told[-1].id, now=watch.now)
            assert refused.value.code == "nothing_failed"
            assert await notifications.retry_many(tx, admin, None, channel.id, now=watch.now) == Retried(1, 0)
            assert await notifications.retry_many(tx, admin, [one.id for one in told], None, now=watch.now) == Retried(
                0, 0
            )
        await watch.send_all()
        ids = {one.message["Message-ID"] for one in box.mails}
        assert (len(box.mails), len(ids)) == (2, 2)
        assert [one.deliveries[0].state for one in await watch.told()] == ["sent", "sent"]


async def test_what_failed_on_a_channel_that_is_off_or_not_seen_is_not_sent_again(watch: Watch) -> None:
    admin = watch.scene.admin
    await _failing(watch)
    async with watch.db.begin() as tx:
        await tx.execute(text("UPDATE notification_messages SET state = 'failed', ended_at = now()"))
        await tx.execute(text("UPDATE notification_channels SET enabled = false"))
        told = (await watch.told())[0]
        with pytest.raises(ConflictError) as refused:
            await notifications.retry(tx, admin, told.id, now=watch.now)
        assert refused.value.code == "channel_not_usable"
        assert await notifications.retry_many(tx, admin, [told.id], None, now=watch.now) == Retried(0, 1)


async def test_a_server_without_starttls_gets_no_mail(watch: Watch, environment: dict[str, str]) -> None:
    async with sinks.smtp() as box:
        _mail_settings(environment, box, WATCHBILL_SMTP_TLS="starttls")
        await _failing(watch, kind="email", to=["night@example.org"])
        await watch.send_all()
    assert box.mails == []
    assert await _states(watch) == [("waiting", 1)]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"greeting": b"421 busy\r\n"}, "421"),
        ({"after_data": b"451 try later\r\n"}, "451 try later"),
        ({"refuses": lambda _: True}, "refused night@example.org"),
    ],
)
async def test_what_a_mail_server_refuses_is_said(
    watch: Watch, environment: dict[str, str], how: dict[str, Any], words: str
) -> None:
    async with sinks.smtp(**how) as box:
        _mail_settings(environment, box)
        await _failing(watch, kind="email", to=["night@example.org"])
        await watch.send_all()
    assert words in ((await watch.told())[0].deliveries[0].error or "")
    assert await _states(watch) == [("waiting", 1)]


async def test_who_was_refused_alone_is_named_and_the_others_do_not_get_it_twice(
    watch: Watch, environment: dict[str, str]
) -> None:
    async with sinks.smtp(refuses=lambda one: one.startswith("gone")) as box:
        _mail_settings(environment, box)
        await _failing(watch, kind="email", to=["night@example.org", "gone@example.org"])
        await watch.send_all()
    assert [one.recipients for one in box.mails] == [["night@example.org"]]
    assert await _states(watch) == [("failed", 1)]
    assert "gone@example.org" in ((await watch.told())[0].deliveries[0].error or "")


async def test_a_mail_server_that_says_nothing_costs_one_bounded_attempt(
    watch: Watch, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.3)
    async with sinks.smtp(greeting=None) as box:
        _mail_settings(environment, box)
        await _failing(watch, kind="email", to=["night@example.org"])
        async with asyncio.timeout(5):
            await watch.send_all()
        assert "did not answer in time" in ((await watch.told())[0].deliveries[0].error or "")


async def test_without_a_mail_server_it_says_which_settings_are_missing(watch: Watch) -> None:
    await _failing(watch, kind="email", to=["night@example.org"])
    await watch.send_all()
    assert "WATCHBILL_SMTP_HOST" in ((await watch.told())[0].deliveries[0].error or "")


@pytest.mark.parametrize("name", ["a\r\nBcc: x@example.org", "a\nb", "a\u2028b", "a\x00b", "a\x85b"])
def test_nothing_that_is_said_can_begin_another_header(name: str) -> None:
    from uuid import uuid4

    from watchbill.core.notification_words import subject

    now = datetime(2027, 1, 1, tzinfo=UTC)
    made: EmailMessage = mail.compose(
        "w@example.org", ["n@example.org"], subject([f"{name} failed."]), "x", uuid4(), now
    )
    head = made.as_bytes().split(b"\r\n\r\n")[0].lower()
    assert b"\r\nbcc:" not in head
    assert len(head.split(b"\r\n")) <= 11
    with pytest.raises(ValueError, match="Header values"):
        mail.compose("w@example.org", ["n@example.org\r\nBcc: x@example.org"], "s", "x", uuid4(), now)


def test_what_leads_somewhere_is_not_shown() -> None:
    shown = repr(Endpoint("webhook", (), "https://h/T0P", "whsec_x", {"A": "secret"}))
    assert not any(one in shown for one in ("T0P", "whsec", "secret"))


def _certificate(folder):
    """Of 127.0.0.1, its own authority."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sink")])
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "sink.pem", folder / "sink.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
