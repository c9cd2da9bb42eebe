"""What `wg` writes is read, or refused; what it reads is just what is wanted; and the private key goes nowhere."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.wireguard_text import (
    Dump,
    PeerConfig,
    PeerDump,
    difference,
    interface_text,
    parse_dump,
    peers_text,
    quiet_text,
)

PRIVATE = base64.b64encode(b"p" * 32).decode()
keys = st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode())
addresses = st.integers(2, 2**20).map(lambda number: f"100.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}")
numbers = st.integers(0, 2**63)
peers = st.builds(
    PeerDump,
    keys,
    st.none() | st.just("203.0.113.7:51820") | st.just("[2001:db8::1]:40000"),
    st.lists(addresses.map(lambda one: f"{one}/32"), max_size=3).map(tuple),
    numbers,
    numbers,
    numbers,
)


def written(peer: PeerDump) -> str:
    allowed = ",".join(peer.allowed_ips) or "(none)"
    parts = (
        peer.public_key,
        "(none)",
        peer.endpoint or "(none)",
        allowed,
        peer.handshake,
        peer.rx_bytes,
        peer.tx_bytes,
    )
    return "\t".join(map(str, parts)) + "\toff\n"


@given(st.none() | keys, st.integers(0, 65_535), st.lists(peers, max_size=5))
def test_a_dump_is_read_as_it_was_written(key: str | None, port: int, some: list[PeerDump]) -> None:
    text = f"{PRIVATE}\t{key or '(none)'}\t{port}\toff\n" + "".join(map(written, some))
    assert parse_dump(text) == Dump(key, port, tuple(some))


@given(st.text())
def test_anything_else_is_refused_and_never_repeated(text: str) -> None:
    try:
        parse_dump(text)
    except ValueError as error:
        assert PRIVATE not in str(error)


@pytest.mark.parametrize(
    "text", ["", "one\ttwo\n", f"{PRIVATE}\tkey\tport\toff\n", f"{PRIVATE}\tkey\t1\toff\nshort\tpeer\n"]
)
def test_half_a_dump_is_refused_without_its_key(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_dump(text)
    assert PRIVATE not in str(refused.value)


def test_the_private_key_is_in_no_value_of_a_dump() -> None:
    assert PRIVATE not in repr(parse_dump(f"{PRIVATE}\tkey\t1\toff\n"))


configs = st.lists(st.builds(PeerConfig, keys, addresses), max_size=6, unique_by=lambda one: one.public_key)


@given(configs, configs)
def test_a_difference_makes_one_the_other_and_is_then_empty(there: list[PeerConfig], wanted: list[PeerConfig]) -> None:
    found = {one.public_key: one.address for one in there}
    change = difference(_dump(there), wanted)
    for key in change.remove:
        del found[key]
    found |= {one.public_key: one.address for one in change.put}
    assert found == {one.public_key: one.address for one in wanted}
    assert difference(_dump(wanted), wanted).is_empty


def _dump(some: list[PeerConfig]) -> Dump:
    return Dump("k", 1, tuple(PeerDump(one.public_key, None, (f"{one.address}/32",), 0, 0, 0) for one in some))


def test_peers_are_written_as_wg_reads_them() -> None:
    here, there = PeerConfig("A=", "100.96.0.2"), PeerConfig("B=", "100.96.0.3", "203.0.113.7:51820")
    assert peers_text([here, there]) == (
        "[Peer]\nPublicKey = A=\nAllowedIPs = 100.96.0.2/32\n"
        "[Peer]\nPublicKey = B=\nAllowedIPs = 100.96.0.3/32\nEndpoint = 203.0.113.7:51820\n"
    )
    assert "PersistentKeepalive" not in peers_text([here], knock_seconds=25)
    assert peers_text([there], knock_seconds=25).endswith("Endpoint = 203.0.113.7:51820\nPersistentKeepalive = 25\n")
    # Where it has moved to meanwhile is not undone.
    assert quiet_text([there]) == "[Peer]\nPublicKey = B=\nAllowedIPs = 100.96.0.3/32\nPersistentKeepalive = off\n"
    assert interface_text("S=", 51820) == "[Interface]\nPrivateKey = S=\nListenPort = 51820\n"
