"""One entry of a discovery scope: every form that is read, every one that is refused and why, and properties against `ipaddress`."""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from watchbill.core.scope_entry import BadEntry, Entry, read_entry, why_not_looked_at
from watchbill.core.scope_spans import address_at, number_of

GOOD = [
    # text, kind, canonical, count, first host
    ("10.4.0.10", "address", "10.4.0.10", 1, "10.4.0.10"),
    ("10.4.0.10:2222", "address", "10.4.0.10:2222", 1, "10.4.0.10"),
    ("2001:DB8:0::7", "address", "2001:db8::7", 1, "2001:db8::7"),
    ("[2001:db8::7]", "address", "2001:db8::7", 1, "2001:db8::7"),
    ("[2001:db8::7]:2222", "address", "[2001:db8::7]:2222", 1, "2001:db8::7"),
    ("::ffff:10.4.0.10", "address", "10.4.0.10", 1, "10.4.0.10"),
    ("[::ffff:10.4.0.10]:22", "address", "10.4.0.10:22", 1, "10.4.0.10"),
    ("::1:22", "address", "::1:22", 1, "::1:22"),  # one address, no port
    ("10.4.0.10-40", "range", "10.4.0.10-10.4.0.40", 31, "10.4.0.10"),
    ("10.4.0.10-40:2222", "range", "10.4.0.10-10.4.0.40:2222", 31, "10.4.0.10"),
    ("10.4.0.0-255", "range", "10.4.0.0-10.4.0.255", 256, "10.4.0.0"),
    ("10.4.0.10-10.4.1.9", "range", "10.4.0.10-10.4.1.9", 256, "10.4.0.10"),
    ("10.4.0.10 - 10.4.1.9", "range", "10.4.0.10-10.4.1.9", 256, "10.4.0.10"),
    ("10.4.0.10 -40", "range", "10.4.0.10-10.4.0.40", 31, "10.4.0.10"),
    ("10.4.0.7-7", "range", "10.4.0.7-10.4.0.7", 1, "10.4.0.7"),
    ("2001:db8::1-2001:db8::ff", "range", "2001:db8::1-2001:db8::ff", 255, "2001:db8::1"),
    ("[2001:db8::1-2001:db8::ff]:22", "range", "[2001:db8::1-2001:db8::ff]:22", 255, "2001:db8::1"),
    ("::ffff:10.0.0.1-::ffff:10.0.0.3", "range", "10.0.0.1-10.0.0.3", 3, "10.0.0.1"),
    ("10.4.0.0/24", "network", "10.4.0.0/24", 254, "10.4.0.1"),
    ("10.4.0.0/24:2222", "network", "10.4.0.0/24:2222", 254, "10.4.0.1"),
    ("10.4.0.0/30", "network", "10.4.0.0/30", 2, "10.4.0.1"),
    ("10.4.0.0/31", "network", "10.4.0.0/31", 2, "10.4.0.0"),
    ("10.4.0.1/32", "network", "10.4.0.1/32", 1, "10.4.0.1"),
    ("10.0.0.0/8", "network", "10.0.0.0/8", 2**24 - 2, "10.0.0.1"),
    ("2001:db8::/126", "network", "2001:db8::/126", 3, "2001:db8::1"),
    ("2001:db8::/127", "network", "2001:db8::/127", 2, "2001:db8::"),
    ("2001:db8::5/128", "network", "2001:db8::5/128", 1, "2001:db8::5"),
    ("2001:db8::/64", "network", "2001:db8::/64", 2**64 - 1, "2001:db8::1"),
    ("[2001:db8::/126]:2222", "network", "[2001:db8::/126]:2222", 3, "2001:db8::1"),
    ("::ffff:10.4.0.0/120", "network", "10.4.0.0/24", 254, "10.4.0.1"),
    ("web", "name", "web", 1, None),
    ("Web-1.Lab.", "name", "web-1.lab", 1, None),
    ("web-1.lab:2222", "name", "web-1.lab:2222", 1, None),
    ("srv_01", "name", "srv_01", 1, None),
    ("10-4-0-5.lab", "name", "10-4-0-5.lab", 1, None),
    ("3com", "name", "3com", 1, None),
    ("cafe", "name", "cafe", 1, None),
    ("bücher.example", "name", "xn--bcher-kva.example", 1, None),
    ("a" * 63 + ".lab", "name", "a" * 63 + ".lab", 1, None),
]

BAD = [
    ("10.0.0", "four numbers"),
    ("10.0.0.", "four numbers"),
    ("10..0.1", "four numbers"),
    ("1", "four numbers"),
    ("10.0.0.1.5", "four numbers"),
    ("300.1.1.1", "'300' is more than 255"),
    ("10.0.0.1000", "'1000' is more than 255"),
    ("010.0.0.1", "'010' begins with a zero"),
    ("10.0.0.00", "'00' begins with a zero"),
    ("10.0.0.1-x", "neither an address nor the last number of one"),
    ("10.0.0.1-web.lab", "neither an address nor the last number of one"),
    ("10.0.0.1-", "range without an end"),
    ("10.0.0.1-05", "range without an end"),
    ("10.0.0.1-300", "at most 255"),
    ("10.0.0.9-5", "ends before it begins: 10.0.0.5 is less than 10.0.0.9"),
    ("10.0.0.9-9.0.0.1", "ends before it begins"),
    ("10.0.0.9-10.0.0", "four numbers"),
    ("10.0.0.9-10.0.0.300", "more than 255"),
    ("10.0.0.1-2001:db8::1", "of one kind"),
    ("2001:db8::1-10.0.0.1", "whole IPv6 address"),
    ("2001:db8::1-ff", "whole IPv6 address"),
    ("::ffff:10.0.0.1-2001:db8::", "of one kind"),
    ("10-20", "neither a range nor a host name"),
    ("10.0.0-5", "four numbers|neither"),
    ("10.4.0.5/24", "write 10.4.0.0/24, or 10.4.0.5 for the one address"),
    ("2001:db8::5/64", "write 2001:db8::/64, or 2001:db8::5"),
    ("::ffff:10.4.0.5/120", "write 10.4.0.0/24, or 10.4.0.5"),
    ("10.4.0.0/33", "from 0 to 32"),
    ("2001:db8::/129", "from 0 to 128"),
    ("10.4.0.0/", "from 0 to 32"),
    ("10.4.0.0/024", "from 0 to 32"),
    ("10.4.0.0/255.255.255.0", "from 0 to 32"),
    ("10.4.0/24", "four numbers"),
    ("web/24", "no address before it"),
    ("/24", "no address before it"),
    ("fe80::1%eth0", "has a zone"),
    ("[fe80::1%eth0]:22", "has a zone"),
    ("2001:db8::g", "not an IPv6 address"),
    ("2001:db8", "has the port"),
    ("10.0.0.1:22-10.0.0.5:22", "not an IPv6 address"),
    ("[10.0.0.1]:22", "brackets"),
    ("[2001:db8::1", "brackets"),
    ("[2001:db8::]/64", "brackets"),
    ("web[1-3]", "brackets"),
    ("web:", "has the port ''"),
    ("web:0", "port is a number from 1 to 65535"),
    ("web:65536", "port is a number from 1 to 65535"),
    ("web:022", "port is a number from 1 to 65535"),
    ("web:ssh", "port is a number from 1 to 65535"),
    ("[2001:db8::1]:", "has the port ''"),
    (":22", "no address or name before the port"),
    ("http://web.lab", "web address"),
    ("web lab", "space"),
    ("10.0.0.1 10.0.0.2", "space"),
    ("web\x00", "space or control"),
    ("-web", "no “-” at its ends"),
    ("web-.lab", "no “-” at its ends"),
    ("web..lab", "between two dots"),
    (".lab", "before the first"),
    (".", "four numbers"),
    ("..web", "between two dots"),
    ("a" * 64, "more than 63"),
    (".".join(["a" * 60] * 5), "longer than 300|at most 253"),
    ("w" * 301, "longer than 300"),
    ("web.5", "does not end with a number"),
    ("0x7f000001", "does not end with a number"),
    ("web*.lab", "letters, digits"),
    ("straße.lab", "write the name as xn--"),
    ("\u0665.lab\u3002\u3002", "host name"),
    ("１０.0.0.1", "does not end with a number"),
    ("\ud800.lab", "IDNA"),
]


@pytest.mark.parametrize(("text", "kind", "canonical", "count", "first"), GOOD)
def test_it_is_read(text, kind, canonical, count, first):
    entry = read_entry(text)
    assert (entry.kind, entry.canonical, entry.count, entry.text) == (kind, canonical, count, text)
    assert (None if entry.hosts is None else str(address_at(entry.hosts[0]))) == first


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_it_is_refused_with_a_reason(text, reason):
    with pytest.raises(BadEntry, match=reason):
        read_entry(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1", "is loopback"),
        ("127.0.0.0/8", "is loopback"),
        ("127.0.0.0-127.0.0.9", "is loopback"),
        ("::1", "is loopback"),
        ("localhost:22", "is loopback"),
        ("db.localhost", "is loopback"),
        ("0.0.0.0", "is unspecified"),
        ("0.0.0.0/0", r"holds unspecified addresses \(0.0.0.0 to 0.255.255.255\)"),
        ("::", "is unspecified"),
        ("224.0.0.1", "is multicast"),
        ("223.255.255.0-224.0.0.1", r"holds multicast addresses \(224.0.0.0 to 239.255.255.255\)"),
        ("ff02::1", "is multicast"),
        ("255.255.255.255", "is broadcast"),
        ("fe80::1", "is link-local"),
        ("fe80::/10", "is link-local"),
        ("::fffe:ffff:fff0-::1:0:0:0", "holds IPv4-mapped"),
    ],
)
def test_what_no_single_machine_has_is_not_looked_at(text, reason):
    found = why_not_looked_at(read_entry(text), allows_loopback=False)
    assert found is not None
    assert re.search(reason, found), found


@pytest.mark.parametrize("text", ["127.0.0.0/8", "::1", "localhost", "127.1.2.3-9"])
def test_loopback_may_be_allowed(text):
    assert why_not_looked_at(read_entry(text), allows_loopback=True) is None


@pytest.mark.parametrize("text", ["10.0.0.1", "192.168.0.0/16", "169.254.1.1", "240.0.0.1", "2001:db8::/32", "web"])
def test_others_are_looked_at(text):
    assert why_not_looked_at(read_entry(text), allows_loopback=False) is None


def test_how_it_was_written_is_kept_and_tells_no_difference():
    assert read_entry("10.0.0.1-5") == read_entry("10.0.0.1 - 10.0.0.5")
    assert read_entry("10.0.0.1") != read_entry("10.0.0.1:22")
    assert read_entry(" Web.Lab ").text == "Web.Lab"


# --- against ipaddress -------------------------------------------------------------------------------------------------

v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda one: one.ipv4_mapped is None)
addresses = v4 | v6
networks = st.one_of(
    st.tuples(v4, st.integers(0, 32)).map(lambda one: IPv4Network(one, strict=False)),
    st.tuples(v6, st.integers(0, 128)).map(lambda one: IPv6Network(one, strict=False)),
)
ports = st.none() | st.integers(1, 65535)
labels = st.from_regex(r"[a-z][a-z0-9_-]{0,20}[a-z0-9]", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)


def with_port(text: str, port: int | None) -> str:
    if port is None:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


@given(addresses, ports)
def test_an_address_is_the_one_that_ipaddress_reads(address, port):
    entry = read_entry(with_port(str(address), port))
    assert entry.kind == "address"
    assert entry.port == port
    assert entry.hosts == (number_of(address), number_of(address))
    assert address_at(number_of(address)) == address


@given(v6)
def test_an_address_may_be_written_out(address):
    assert read_entry(address.exploded.upper()) == read_entry(str(address))


@given(networks, ports)
def test_a_network_has_the_hosts_that_ipaddress_lists(network, port):
    assume(network.version == 4 or network.network_address.ipv4_mapped is None)
    entry = read_entry(with_port(str(network), port))
    assert entry.whole == (number_of(network[0]), number_of(network[-1]))
    if network.num_addresses <= 2**12:
        hosts = list(network.hosts())
        assert entry.hosts == (number_of(hosts[0]), number_of(hosts[-1]))
        assert entry.count == len(hosts)


@given(networks, st.integers(1, 2**128))
def test_host_bits_are_told_with_the_network_that_was_meant(network, offset):
    assume(network.version == 4 or network.network_address.ipv4_mapped is None)
    address = network[offset % network.num_addresses]
    assume(address != network[0])
    with pytest.raises(BadEntry, match=f"write {network}, or {address} "):
        read_entry(f"{address}/{network.prefixlen}")


@given(st.tuples(v4, v4) | st.tuples(v6, v6), ports)
def test_a_range_has_both_ends_and_all_between(ends, port):
    first, last = sorted(ends)
    entry = read_entry(with_port(f"{first}-{last}", port))
    assert entry.count == int(last) - int(first) + 1
    assert entry.hosts == entry.whole == (number_of(first), number_of(last))
    if first != last:
        with pytest.raises(BadEntry, match="ends before it begins"):
            read_entry(f"{last}-{first}")


@given(v4, st.integers(0, 255))
def test_a_short_range_ends_in_the_same_24(first, last):
    assume(int(first) & 255 <= last)
    network = ip_network(f"{first}/24", strict=False)
    assert read_entry(f"{first}-{last}") == read_entry(f"{first}-{network[last]}")


entries = st.one_of(addresses.map(str), networks.map(str), names)


@given(entries, ports)
def test_the_printed_form_is_the_same_entry(text, port):
    entry = read_entry(with_port(text, port))
    assert read_entry(entry.canonical) == entry
    assert read_entry(entry.canonical).canonical == entry.canonical


odd = st.text("0123456789abcdefx.:-/[]% #*_ßüà１。\u0665\ud800\t", max_size=30)


@given(odd | st.text(max_size=40))
def test_any_text_is_an_entry_or_refused(text):
    try:
        entry = read_entry(text)
    except BadEntry as bad:
        assert str(bad)
        return
    assert isinstance(entry, Entry)
    assert entry.count >= 1
    assert read_entry(entry.canonical) == entry


@given(odd)
def test_no_name_is_an_address_to_anybody(text):
    """What is read as a name must not be one that a resolver takes for an address."""
    try:
        entry = read_entry(text)
    except BadEntry:
        return
    if entry.name is None:
        return
    with pytest.raises(OSError):
        socket.inet_aton(entry.name)
    with pytest.raises(ValueError):
        ip_address(entry.name)
