"""What the Engine seals for a device: opened by its key alone, in the order it was made for, and masked before it is stored."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import watchbill_wire as w
from watchbill.agents import seal_for
from watchbill_agent.datadir import DataDir
from watchbill_agent.sealing import UnopenedError, open_secrets

ID, OTHER = "0190a0b1-0000-7000-8000-00000000abcd", "0190a0b1-0000-7000-8000-00000000abce"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = X25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
SECRET = "correct-horse-battery-staple"
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
names = st.text("abz_", min_size=1, max_size=20)


def order(sealed, execution_id=ID):
    return w.EnvelopePayload(
        execution_id=execution_id,
        device_id=ID,
        issued_at=NOW,
        start_by=NOW,
        interpreter="bash",
        content="true",
        content_sha256=w.content_digest("true"),
        time_limit_seconds=60,
        kill_grace_seconds=5,
        head_bytes=1000,
        tail_bytes=1000,
        sealed=sealed,
    )


@given(st.dictionaries(names, texts, max_size=5))
def test_what_was_sealed_is_opened_through_the_text_of_the_order(variables):
    sent = order(seal_for(PUBLIC, ID, variables)).to_text()
    assert open_secrets(KEY, w.parse_payload(sent)) == variables


def test_a_box_is_for_one_device_and_one_execution_and_shows_nothing():
    box = seal_for(PUBLIC, ID, {"PASSWORD": SECRET})
    assert box != seal_for(PUBLIC, ID, {"PASSWORD": SECRET})
    assert SECRET not in box
    damaged = ("A" if box[0] != "A" else "B") + box[1:]
    wrong = [
        (X25519PrivateKey.generate(), order(box)),
        (KEY, order(box, OTHER)),
        (KEY, order(damaged)),
        (KEY, order("AAAA")),
    ]
    for key, payload in wrong:
        with pytest.raises(UnopenedError) as caught:
            open_secrets(key, payload)
        assert caught.value.__cause__ is None
        assert SECRET not in str(caught.value)
    assert "sealed" not in repr(order(box))


def test_what_is_sealed_must_be_variables():
    for bad in ({"WATCHBILL_X": "x"}, {"9": "x"}):
        with pytest.raises(UnopenedError):
            open_secrets(KEY, order(seal_for(PUBLIC, ID, bad)))


def test_an_order_of_an_engine_that_seals_nothing_is_read():
    text = order(None).to_text().replace('"sealed":null,', "")
    assert "sealed" not in text
    assert open_secrets(KEY, w.parse_payload(text)) == {}


def test_the_key_is_made_once_and_private(tmp_path):
    data = DataDir(tmp_path)
    made = data.load_or_make_sealing_key().private_bytes_raw()
    assert data.load_or_make_sealing_key().private_bytes_raw() == made
    assert (tmp_path / "sealing.key").stat().st_mode & 0o777 == 0o600
    data.forget_identity()
    assert data.load_or_make_sealing_key().private_bytes_raw() != made


def test_a_key_that_nothing_can_be_sealed_to_is_refused():
    with pytest.raises(ValueError, match=r"\S"):
        seal_for(bytes(32), ID, {"X": "x"})
