"""The payload of a desired state: canonical text, strict parsing, and nothing that could take more than its hub into a tunnel."""

import base64
import ipaddress
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import watchbill_wire as w

DEVICE = "0190a0b1-0000-7000-8000-00000000abcd"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = base64.b64encode(bytes(range(32))).decode()
SSH_KEY = "ssh-ed25519 " + "A" * 68

times = st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))
addresses = st.ip_addresses().map(lambda one: f"{one}/{one.max_prefixlen}")
endpoints = st.one_of(
    st.builds("{}:{}".format, st.sampled_from(["hub.example", "192.0.2.1", "h"]), st.integers(1, 65535)),
    st.builds("[{}]:{}".format, st.ip_addresses(v=6), st.integers(1, 65535)),
)
keys = st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode())
ssh_keys = st.binary(min_size=51, max_size=51).map(lambda raw: "ssh-ed25519 " + base64.b64encode(raw).decode())
tunnels = st.builds(
    w.TunnelWanted,
    addresses,
    keys,
    endpoints,
    st.lists(addresses, max_size=3).map(tuple),
    st.integers(0, 3600),
    st.none() | times,
)
accounts = st.builds(
    w.ServiceAccountWanted,
    st.text("abc019-", min_size=1, max_size=16).map("svc-{}".format),
    st.sampled_from(["present", "absent"]),
    st.lists(ssh_keys | ssh_keys.map("{} watchbill".format), max_size=3).map(tuple),
    st.booleans(),
    st.integers(0, 2**63 - 1),
    st.none() | st.binary(min_size=32, max_size=32).map(w.base64url),
)


def tunnel(**changes):
    values = {
        "address": "100.96.0.7/32",
        "hub_public_key": KEY,
        "hub_endpoint": "hub.example:51820",
        "hub_addresses": ("100.96.0.1/32",),
        "keepalive_seconds": 25,
    }
    return w.TunnelWanted(**{**values, **changes})


def account(**changes):
    values = {"name": "svc-watchbill", "state": "present", "ssh_public_keys": (SSH_KEY,), "sudo": True, "generation": 1}
    return w.ServiceAccountWanted(**{**values, **changes})


def desired(**changes):
    values = {"device_id": DEVICE, "issued_at": NOW, "expires_at": NOW + timedelta(hours=1)}
    return w.DesiredPayload(**{**values, "tunnel": tunnel(), "service_account": account(), **changes})


@settings(deadline=None)
@given(times, st.timedeltas(timedelta(0), timedelta(days=1)), st.none() | tunnels, st.none() | accounts)
def test_a_payload_comes_back_from_its_text_and_its_text_is_canonical(issued_at, lasts, tunnel, account):
    whole = w.DesiredPayload(DEVICE, issued_at, issued_at + lasts, tunnel, account)
    assert w.parse_desired(whole.to_text()) == whole
    assert w.parse_desired(whole.to_text()).to_text() == whole.to_text()


@settings(deadline=None)
@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_garbage_instead_of_a_payload_is_a_wire_error(text):
    with pytest.raises(w.WireError):
        w.parse_desired(text)


@settings(deadline=None)
@given(
    st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=30)
    | st.ip_addresses(network="10.0.0.0/8").map(str)
    | addresses
)
def test_an_address_of_a_tunnel_is_that_of_one_host_or_refused(text):
    try:
        payload = w.parse_desired(desired(tunnel=tunnel(hub_addresses=(text,))).to_text())
    except w.WireError as error:
        assert error.field == "tunnel.hub_addresses"
        return
    assert payload.tunnel is not None
    (found,) = payload.tunnel.hub_addresses
    assert ipaddress.ip_network(found).num_addresses == 1


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("tunnel", "address", "100.96.0.7"),
        ("tunnel", "address", "100.96.0.0/24"),
        ("tunnel", "address", "0.0.0.0/0"),
        ("tunnel", "address", "100.96.0.7/32\nPostUp=x"),
        ("tunnel", "hub_addresses", ["0.0.0.0/0"]),
        ("tunnel", "hub_addresses", "100.96.0.1/32"),
        ("tunnel", "hub_public_key", KEY + "\n"),
        ("tunnel", "hub_public_key", KEY[:-2] + "B="),
        ("tunnel", "hub_endpoint", "hub:0"),
        ("tunnel", "hub_endpoint", "-hub:1"),
        ("tunnel", "hub_endpoint", "hub:1\nPostUp=x"),
        ("tunnel", "keepalive_seconds", -1),
        ("tunnel", "open_until", "soon"),
        ("service_account", "name", "root"),
        ("service_account", "name", "svc-watchbill:x"),
        ("service_account", "name", "svc-" + "a" * 17),
        ("service_account", "state", "there"),
        ("service_account", "ssh_public_keys", ["ssh-rsa AAAA"]),
        ("service_account", "ssh_public_keys", [SSH_KEY + '\ncommand="x" ' + SSH_KEY]),
        ("service_account", "ssh_public_keys", [SSH_KEY] * 9),
        ("service_account", "sudo", 1),
        ("service_account", "generation", -1),
        ("service_account", "password_key", "x"),
    ],
)
def test_a_payload_is_strict_in_every_field(part, field, value):
    plain = json.loads(desired().to_text())
    plain[part][field] = value
    with pytest.raises(w.WireError) as caught:
        w.parse_desired(json.dumps(plain))
    assert caught.value.field == f"{part}.{field}"


def test_a_payload_of_a_later_form_or_that_ends_before_it_begins_is_refused():
    for changes, field in (({"v": 2}, "v"), ({"expires_at": NOW - timedelta(seconds=1)}, "expires_at")):
        with pytest.raises(w.WireError) as caught:
            w.parse_desired(desired(**changes).to_text())
        assert caught.value.field == field


def test_the_signed_bytes_are_of_this_message_alone():
    text = desired().to_text()
    assert w.desired_signing_bytes(text) == b"watchbill-desired:v1\n" + text.encode()
    assert w.desired_signing_bytes(text) != w.envelope_signing_bytes(text)
