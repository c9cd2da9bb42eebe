"""E-mail on its way: real mail servers, what they answer, and what senders make of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import text

from tests.notifications import sinks
from tests.notifications.conftest import Watch, channel_draft
from tests.notifications.test_sending import _failing as failing
from tests.notifications.test_sending import _states as states
from watchbill import notifications
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.kit.secrets import Secret
from watchbill.notifications import MailServer, Retried, mail
from watchbill.notifications.values import Endpoint


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
        await failing(watch, kind="email", to=["night@example.org", "ops@example.org"])
        assert await watch.send_all() == 1
    (got,) = box.mails
    assert (got.sender, got.recipients) == ("watchbill@example.org", ["night@example.org", "ops@example.org"])
    assert got.message["Subject"] == "[Watchbill] Clear print spool failed: 1 of 1 device did not succeed"
    body = got.message.get_content()
    assert "/api/scheduled_jobs/" in body
    assert got.message["Auto-Submitted"] == "auto-generated"
    assert await states(watch) == [("sent", 1)]


async def test_a_digest_is_one_e_mail(watch: Watch, environment: dict[str, str]) -> None:
    async with sinks.smtp() as box:
        _mail_settings(environment, box)
        digest = {"every_minutes": 30}
        await failing(watch, number=4, kind="email", to=["night@example.org"], digest=digest)
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
        await failing(watch, kind="email", to=["night@example.org"])
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
        channel = await failing(watch, kind="email", to=["night@example.org"], smtp=_server(own))
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
        channel = await failing(watch, number=2, kind="email", to=["night@example.org"])
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
    await failing(watch)
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
        await failing(watch, kind="email", to=["night@example.org"])
        await watch.send_all()
    assert box.mails == []
    assert await states(watch) == [("waiting", 1)]


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
        await failing(watch, kind="email", to=["night@example.org"])
        await watch.send_all()
    assert words in ((await watch.told())[0].deliveries[0].error or "")
    assert await states(watch) == [("waiting", 1)]


async def test_who_was_refused_alone_is_named_and_the_others_do_not_get_it_twice(
    watch: Watch, environment: dict[str, str]
) -> None:
    async with sinks.smtp(refuses=lambda one: one.startswith("gone")) as box:
        _mail_settings(environment, box)
        await failing(watch, kind="email", to=["night@example.org", "gone@example.org"])
        await watch.send_all()
    assert [one.recipients for one in box.mails] == [["night@example.org"]]
    assert await states(watch) == [("failed", 1)]
    assert "gone@example.org" in ((await watch.told())[0].deliveries[0].error or "")


async def test_a_mail_server_that_says_nothing_costs_one_bounded_attempt(
    watch: Watch, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.3)
    async with sinks.smtp(greeting=None) as box:
        _mail_settings(environment, box)
        await failing(watch, kind="email", to=["night@example.org"])
        async with asyncio.timeout(5):
            await watch.send_all()
        assert "did not answer in time" in ((await watch.told())[0].deliveries[0].error or "")


async def test_without_a_mail_server_it_says_which_settings_are_missing(watch: Watch) -> None:
    await failing(watch, kind="email", to=["night@example.org"])
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
