"""The rules of the VPN: addresses are given once, keys are keys, and a tunnel that cannot be used says why."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.vpn_rules import (
    HUB_SILENT,
    KEEPALIVES,
    NO_HUB,
    READ_LATE,
    SESSION,
    HubFacts,
    HubState,
    PeerFacts,
    ReadyState,
    TunnelState,
    capacity,
    fresh_addresses,
    hub_address,
    key_problem,
    readiness_of,
)

NOW = datetime(2026, 5, 4, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HUB = HubFacts(HubState.UP, None, NOW, timedelta(seconds=25))
PEER = PeerFacts(
    has_key=True,
    problem=None,
    address="100.96.0.7",
    is_applied=True,
    open_until=NOW + timedelta(minutes=5),
    reported=TunnelState.UP,
    reported_detail=None,
    handshake_at=NOW - timedelta(seconds=20),
    heard_at=NOW - timedelta(seconds=3),
)

subnets = st.builds(
    lambda base, prefix: IPv4Network((base, prefix), strict=False), st.integers(0, 2**32 - 1), st.integers(8, 29)
)


@given(subnets, st.integers(1, 50), st.integers(1, 50))
def test_addresses_are_given_once_and_are_of_devices(subnet: IPv4Network, first: int, second: int) -> None:
    given_first = fresh_addresses(subnet, None, first)
    given_then = fresh_addresses(subnet, given_first[-1], second)
    every = [*given_first, *given_then]
    assert len(set(every)) == len(every)
    assert every == sorted(every)
    assert len(every) == min(first + second, capacity(subnet)) or len(given_first) == capacity(subnet)
    kept = {hub_address(subnet), subnet.network_address, subnet.broadcast_address}
    assert all(one in subnet and one not in kept for one in every)


@given(subnets)
def test_a_pool_that_is_used_up_gives_nothing(subnet: IPv4Network) -> None:
    assert fresh_addresses(subnet, subnet.broadcast_address - 1, 3) == []


def test_the_smallest_pool_has_room_for_five() -> None:
    subnet = IPv4Network("100.96.0.0/29")
    assert capacity(subnet) == 5
    assert fresh_addresses(subnet, None, 99) == [IPv4Address(f"100.96.0.{last}") for last in range(2, 7)]


@given(st.binary(min_size=32, max_size=32).filter(any))
def test_every_key_is_one(raw: bytes) -> None:
    assert key_problem(base64.b64encode(raw).decode()) is None


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode()))
def test_what_is_no_key_is_none(text: str) -> None:
    try:
        raw = base64.b64decode(text, validate=True)
        is_key = len(raw) == 32 and any(raw) and base64.b64encode(raw).decode() == text
    except ValueError:
        is_key = False
    assert (key_problem(text) is None) == is_key


def test_a_key_that_protects_nothing_is_refused() -> None:
    assert "protects nothing" in (key_problem(base64.b64encode(bytes(32)).decode()) or "")


def test_a_tunnel_with_all_that_it_needs_is_ready() -> None:
    assert readiness_of(HUB, PEER, NOW).state is ReadyState.READY
    assert readiness_of(HUB, PEER, NOW).detail is None
    assert readiness_of(HUB, PEER, NOW).address == "100.96.0.7"


@pytest.mark.parametrize(
    ("hub", "peer", "said"),
    [
        (None, PEER, NO_HUB),
        (replace(HUB, state=HubState.FAILED, detail="no right"), PEER, "does not work: no right"),
        (replace(HUB, state=HubState.STOPPED), PEER, "is stopped"),
        (replace(HUB, heard_at=NOW - HUB_SILENT - SECOND), PEER, "no sign of life for 46 seconds"),
        (HUB, None, "has told no key"),
        (HUB, replace(PEER, problem="another device has told the same key"), "same key"),
        (HUB, replace(PEER, has_key=False), "has told no key"),
        (HUB, replace(PEER, reported=TunnelState.UNAVAILABLE, reported_detail="no tools"), "no tools"),
        (HUB, replace(PEER, address=None), "all addresses"),
    ],
)
def test_what_waiting_does_not_help_is_unavailable(hub: HubFacts | None, peer: PeerFacts | None, said: str) -> None:
    judged = readiness_of(hub, peer, NOW)
    assert judged.state is ReadyState.UNAVAILABLE
    assert said in (judged.detail or "")


@pytest.mark.parametrize(
    ("peer", "said"),
    [
        (replace(PEER, is_applied=False), "does not know the device's key yet"),
        (replace(PEER, open_until=None), "nothing has asked for it"),
        (replace(PEER, open_until=NOW), "nothing has asked for it"),
        (replace(PEER, reported=None), "has not opened its end yet"),
        (replace(PEER, reported=TunnelState.DOWN, reported_detail="starting"), "yet: starting"),
        (replace(PEER, handshake_at=None), "no handshake yet"),
        (replace(PEER, handshake_at=NOW - SESSION - SECOND), "last handshake was 3 minutes ago"),
        (
            replace(PEER, handshake_at=NOW - timedelta(seconds=170), heard_at=NOW - timedelta(seconds=100)),
            "nothing has come through the tunnel for 100 seconds",
        ),
    ],
)
def test_what_may_still_come_is_not_ready(peer: PeerFacts, said: str) -> None:
    judged = readiness_of(HUB, peer, NOW)
    assert judged.state is ReadyState.NOT_READY
    assert said in (judged.detail or "")
    assert judged.handshake_at == peer.handshake_at


@given(st.integers(0, 400), st.none() | st.integers(0, 400))
def test_a_silent_tunnel_is_never_ready_and_a_lively_one_always(shaken: int, heard: int | None) -> None:
    handshake_at = NOW - timedelta(seconds=shaken)
    heard_at = None if heard is None else NOW - timedelta(seconds=heard)
    judged = readiness_of(HUB, replace(PEER, handshake_at=handshake_at, heard_at=heard_at), NOW)
    last = max(handshake_at, heard_at or handshake_at)
    is_lively = timedelta(seconds=shaken) <= SESSION and NOW - last <= KEEPALIVES * HUB.keepalive + READ_LATE
    assert (judged.state is ReadyState.READY) == is_lively
