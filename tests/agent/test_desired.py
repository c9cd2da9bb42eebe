"""What a device makes of the word on how it is to be: by playbooks of the session, and a real agent with a real account."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import watchbill_wire as w
from tests.agent.conftest import Agent, until
from tests.agent.test_session import DEVICE, ENGINE_KEY, KEY, NOON, PURGE, Playbook
from tests.factories.accounts import needs_root
from tests.factories.enclosure import enclosed, needs
from watchbill_agent import events as e

SSH_KEY = f"ssh-ed25519 {base64.b64encode(bytes(51)).decode()}"
ACCOUNT = w.ServiceAccountWanted("svc-watchbill", "present", (SSH_KEY,), True, 1)
TOLD = w.Reported(None, w.ServiceAccountReported("present", 1))


def payload(**changes) -> w.DesiredPayload:
    values = {
        "device_id": DEVICE,
        "issued_at": NOON,
        "expires_at": NOON + timedelta(hours=1),
        "service_account": ACCOUNT,
    }
    return w.DesiredPayload(**{**values, **changes})


def desired(one: w.DesiredPayload, key: Ed25519PrivateKey = KEY, key_id: str = "k1") -> w.Desired:
    text = one.to_text()
    return w.Desired(key_id, text, key.sign(w.desired_signing_bytes(text)))


def taken(one: w.DesiredPayload) -> list[e.Command]:
    return [e.KeepDesired(one.to_text()), e.Apply(one)]


def test_it_is_written_down_before_it_is_applied():
    Playbook().welcomed().hear(desired(payload())).expect(*taken(payload()))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (desired(payload(), Ed25519PrivateKey.generate()), "the signature does not fit the payload"),
        (desired(payload(device_id="0190a0b1-0000-7000-8000-0000000000d2")), "made out to another device"),
        (
            desired(payload(issued_at=NOON - timedelta(hours=2), expires_at=NOON - timedelta(hours=1))),
            "its time has passed",
        ),
        (w.Desired("k1", "{}", KEY.sign(w.desired_signing_bytes("{}"))), None),
        (w.Desired("k1", payload().to_text(), KEY.sign(w.envelope_signing_bytes(payload().to_text()))), None),
    ],
)
def test_what_is_not_the_engines_word_for_this_device_now_is_refused_and_changes_nothing(message, why):
    book = Playbook().welcomed().hear(message)
    (refused,) = book.commands
    assert isinstance(refused, e.RefuseDesired)
    assert why is None or refused.detail == why
    book.hear(desired(payload())).expect(*taken(payload()))


def test_an_older_word_is_refused_and_the_same_one_again_is_taken():
    later = payload(issued_at=NOON + timedelta(seconds=1))
    book = Playbook().welcomed().hear(desired(later))
    book.hear(desired(payload())).expect(e.RefuseDesired("older than what is known already"))
    book.hear(desired(later)).expect(*taken(later))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_in_whatever_order_words_come_the_newest_is_what_stays(order):
    book = Playbook().welcomed()
    applied = []
    for number in order:
        book.hear(desired(payload(issued_at=NOON + timedelta(milliseconds=number))))
        applied += [c.payload.issued_at for c in book.commands if isinstance(c, e.Apply)]
    assert applied == sorted(applied)
    assert applied[-1] == NOON + timedelta(milliseconds=max(order))


def test_a_key_that_is_not_known_yet_is_asked_for_and_the_word_waits():
    other = Ed25519PrivateKey.generate()
    book = Playbook().welcomed().hear(desired(payload(), other, "k2")).expect(e.RefreshKeys())
    fresh = w.EngineKey("k2", other.public_key().public_bytes_raw())
    book.hear(e.KeysLearned((ENGINE_KEY, fresh))).expect(*taken(payload()))


def test_how_it_is_is_told_once_at_each_connection_and_whenever_it_changes():
    book = Playbook()
    book.hear(e.StateLookedAt(TOLD)).expect()
    book.welcomed().expect(TOLD, PURGE)
    book.hear(e.StateLookedAt(TOLD)).expect()
    other = w.Reported(None, w.ServiceAccountReported("failed", 1, "no"))
    book.hear(e.StateLookedAt(other)).expect(other)
    book.hear(e.Disconnected(None))
    book.welcomed().expect(other, PURGE)


# --- a real agent ------------------------------------------------------------------------------------------------------


class Enclosed(Agent):
    """In an enclosure of its own: what it does to accounts, this machine does not take part in."""

    def start(self, *extra: str, within: Sequence[str] = ()) -> None:
        number = len(list(self.data.parent.glob("enclosure*")))
        super().start(*extra, within=[*enclosed(self.data.parent / f"enclosure{number}"), *within])

    async def stop(self) -> None:
        """As a machine loses its power: whoever holds the enclosure takes no other sign."""
        if self.process is not None and self.process.poll() is None:
            self.kill()


@pytest.fixture
async def up(engine, tmp_path):
    agent = Enclosed(tmp_path / "agent", engine)
    yield await agent.up()
    await agent.stop()


def said(engine, **changes) -> w.Desired:
    now = datetime.now(UTC)
    one = payload(device_id=engine.device_id, issued_at=now, expires_at=now + timedelta(hours=1), **changes)
    return desired(one, engine.key)


async def told(engine, state: str, generation: int = 1) -> w.ServiceAccountReported:
    def found():
        accounts = [m.service_account for m in engine.all(w.Reported) if m.service_account is not None]
        return [a for a in accounts[-1:] if (a.state, a.generation) == (state, generation)]

    last: w.ServiceAccountReported = (await engine.until(found))[0]
    return last


async def test_an_agent_tells_its_tunnels_key_at_once_and_keeps_it(engine, agent):
    await agent.up()
    first = await engine.first(w.Reported)
    assert first.tunnel is not None
    assert first.service_account is None
    key = agent.data / "tunnel.key"
    assert key.stat().st_mode & 0o777 == 0o600
    await agent.stop()
    engine.heard.clear()
    agent.start()
    assert (await engine.first(w.Reported)).tunnel.public_key == first.tunnel.public_key


@needs_root
@needs("useradd", "sudo", "visudo")
async def test_an_account_comes_is_rotated_and_goes_and_an_older_word_does_nothing(engine, up):
    old = said(engine, service_account=w.ServiceAccountWanted("svc-watchbill", "absent", (), True, 1))
    await engine.send(said(engine))
    assert (await told(engine, "present")).detail is None
    etc = up.data.parent / "enclosure0" / "etc"
    assert "svc-watchbill" in (etc / "passwd").read_text()
    await engine.send(old)
    await until(lambda: "desired.refused" in up.log.read_text())
    assert "older than what is known" in up.log.read_text()
    assert "svc-watchbill" in (etc / "passwd").read_text()
    await engine.send(
        said(engine, service_account=w.ServiceAccountWanted("svc-watchbill", "present", (SSH_KEY,), True, 2))
    )
    await told(engine, "present", 2)
    await engine.send(said(engine, service_account=w.ServiceAccountWanted("svc-watchbill", "absent", (), True, 2)))
    await told(engine, "absent", 2)
    assert "svc-watchbill" not in (etc / "passwd").read_text()


@needs_root
@needs("useradd", "sudo", "visudo")
async def test_what_is_wanted_outlives_the_agent_and_is_told_again(engine, up):
    message = said(engine)
    await engine.send(message)
    await told(engine, "present")
    assert (up.data / "desired.json").read_text() == message.payload
    await up.stop()
    engine.heard.clear()
    up.start()  # in a fresh enclosure: the account is made anew, by what was kept
    await told(engine, "present")
    assert json.loads((up.data / "service-account.json").read_text())["name"] == "svc-watchbill"
