"""Discovery scopes: counted without being walked, listed with every address accounted for, every fault told at its line."""

import time
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchbill.core import scope as scopes
from watchbill.core.problems import Problem
from watchbill.core.scope import Place, Scope, describe, expand, outline, read_scope
from watchbill.core.scope_entry import read_entry
from watchbill.core.scope_spans import Address, Covered, is_within, merged, size, without

# A busy machine is no fault of a scope.
UNTIMED = settings(deadline=None)


def read(entries, exclusions=(), most=4096, **options) -> Scope:
    found, problems = read_scope(entries, exclusions, field="targets.0", most=most, **options)
    assert problems == []
    assert found is not None
    return found


def faults(entries, exclusions=(), most=4096) -> list[Problem]:
    found, problems = read_scope(entries, exclusions, field="targets.0", most=most)
    assert found is None
    return problems


def places(entries, exclusions=(), resolved=None, **options) -> list[Place]:
    addresses = {name: [ip_address(one) for one in them] for name, them in (resolved or {}).items()}
    return expand(read(entries, exclusions, **options), addresses)


def keys(entries, exclusions=(), resolved=None, **options) -> list[str]:
    return [one.key for one in places(entries, exclusions, resolved, **options)]


# --- lines -------------------------------------------------------------------------------------------------------------


def test_every_line_says_what_it_is_and_how_much():
    text = "# the lab\n10.4.0.10-12 # three\n\nweb.lab:2222; 10.4.0.0/30\n10.4.0.300, 10.4.0.1\n\t10.4.1.1"
    assert [(one.line, one.kind, one.count, one.problem) for one in describe(text)] == [
        (1, "comment", 0, None),
        (2, "range", 3, None),
        (3, "blank", 0, None),
        (4, "several", 3, None),
        (5, "bad", 1, "'10.4.0.300' is not an IPv4 address: '300' is more than 255"),
        (6, "address", 1, None),
    ]
    assert [one.text for one in describe(text)] == text.split("\n")  # as it was written


def test_lines_are_counted_through_the_texts_of_a_list_and_the_place_in_it_is_told():
    source = ["10.0.0.1\r\n10.0.0.2", "x y", "10.0.0.3\rweb..lab"]
    assert [(one.field, one.message[:6]) for one in faults(source)] == [
        ("targets.0.entries.1", "line 3"),
        ("targets.0.entries.2", "line 5"),
    ]


def test_one_text_has_no_places_in_a_list():
    assert faults("10.0.0.1\n10.0.0\n", "1.2.3.4.5") == [
        Problem(
            "targets.0.entries",
            "bad_entry",
            "line 2: '10.0.0' is not an IPv4 address: it needs four numbers with dots between them",
        ),
        Problem(
            "targets.0.exclusions",
            "bad_entry",
            "line 1: '1.2.3.4.5' is not an IPv4 address: it needs four numbers with dots between them",
        ),
    ]


def test_what_is_named_twice_is_noted_and_is_one():
    lines = describe("10.0.0.0/24\n10.0.0.5\n10.0.0.250-10.0.1.5:22\nweb\nWEB.\n")
    assert [one.note for one in lines] == [
        None,
        "named already",
        "5 of these are named already",
        None,
        "named already",
        None,
    ]
    assert read("10.0.0.0/24\n10.0.0.5\n10.0.0.250-10.0.1.5:22\nweb\nWEB.\n").count == 254 + 7 + 1


def test_exclusions_may_name_what_entries_may_not():
    assert describe("127.0.0.1")[0].kind == "bad"
    assert describe("127.0.0.1", allows_loopback=True)[0].kind == "address"
    assert describe("127.0.0.1\n0.0.0.0/0", is_exclusion=True)[0].kind == "address"
    assert read("10.0.0.1", "127.0.0.0/8, 224.0.0.0/4").count == 1


def test_who_still_types_sees_what_is_right_so_far():
    found = outline("10.0.0.0/24\n10.0.", "10.0.0.4\n???")
    assert (found.count, found.excluded_count) == (253, 1)
    assert [one.kind for one in found.lines] == ["network", "bad"]
    assert [one.kind for one in found.exclusion_lines] == ["address", "bad"]


# --- what is refused ---------------------------------------------------------------------------------------------------


def test_a_scope_of_comments_names_nothing():
    for text in ("", "# nothing\n\n", [], ["  ", ";,"]):
        assert [(one.field, one.code) for one in faults(text)] == [("targets.0.entries", "required")]


def test_what_is_excluded_as_a_whole_leaves_nothing():
    assert [one.code for one in faults("10.0.0.0/30, web", "10.0.0.0/24\nweb")] == ["nothing_left"]


def test_what_is_no_text_is_refused():
    assert [(one.field, one.code) for one in faults(["10.0.0.1", 7, None])] == [
        ("targets.0.entries.1", "wrong_type"),
        ("targets.0.entries.2", "wrong_type"),
    ]


def test_bad_entries_are_told_all_at_once_up_to_a_number():
    found = faults("\n".join(f"10.0.0.1-x{number}" for number in range(75)))
    assert len(found) == scopes.MOST_PROBLEMS + 1
    assert found[49].message.startswith("line 50: '10.0.0.1-x49' ")
    assert found[50].message == "25 more entries are bad"


def test_faults_and_too_much_are_told_together():
    assert [one.code for one in faults("10.0.0.0/8\nx y", "z z")] == ["bad_entry", "bad_entry", "too_many"]


@pytest.mark.parametrize(
    ("entries", "exclusions", "count"),
    [
        ("10.0.0.0/8", "", "16,777,214"),
        ("10.0.0.0/8\n10.0.0.0/9\n10.0.0.0", "", "16,777,215"),
        ("10.0.0.0/8", "10.128.0.0/9", "8,388,607"),
        ("2001:db8::/32", "2001:db8::1", f"{2**96 - 2:,}"),
        ("10.0.0.0/20, web, db", "web", "4,095"),
    ],
)
def test_too_much_is_counted_at_once_and_not_cut(entries, exclusions, count):
    began = time.monotonic()
    first = faults(entries, exclusions, most=4_094)[0]
    assert time.monotonic() - began < 1
    assert first == Problem(
        "targets.0.entries",
        "too_many",
        f"names {count} addresses, and at most 4,094 are allowed: name less, or exclude some",
    )


def test_as_much_as_is_allowed_is_allowed():
    assert read("10.0.0.0/20", most=4094).count == 4094


def test_more_excluded_rows_than_can_be_shown_are_refused():
    found = faults("10.0.0.0/8", "10.0.0.0/9, 10.128.0.0-10.255.255.250")
    assert [one.code for one in found] == ["too_many_excluded"]
    assert "16,777,210 addresses that are excluded" in found[0].message


def test_a_text_without_end_is_not_read():
    assert [one.code for one in faults("x" * 500_001)] == ["length"]
    assert [one.code for one in faults("10.0.0.1," * 10_001)] == ["length"]
    assert [one.code for one in faults("\n" * 20_000)] == ["length"]
    assert [(one.kind, one.problem) for one in describe("\n" * 20_000)] == [
        ("bad", "has 20,001 lines, and at most 20,000 are allowed")
    ]


def test_there_are_not_many_ports():
    assert read([f"10.0.0.1:{port}" for port in range(1, 17)]).count == 1
    assert [one.code for one in faults([f"10.0.0.1:{port}" for port in range(1, 18)])] == ["too_many_ports"]


# --- expanding ---------------------------------------------------------------------------------------------------------


def test_places_are_in_the_order_in_which_they_are_named():
    assert keys("10.0.0.9\nweb\n10.0.0.1-3, 10.0.0.2\n10.0.0.0/29") == [
        *("10.0.0.9", "web", "10.0.0.1", "10.0.0.2", "10.0.0.3"),
        *("10.0.0.4", "10.0.0.5", "10.0.0.6"),
    ]


def test_a_machine_has_every_port_that_is_given_for_it():
    found = places("10.0.0.1:2222\n10.0.0.0/30:22\n10.0.0.1-2\n10.0.0.1:2022\n10.0.0.1:22")
    assert [(one.key, one.ports, one.entry) for one in found] == [
        ("10.0.0.1", (2222, 22, 2022), "10.0.0.1:2222"),
        ("10.0.0.2", (22,), "10.0.0.0/30:22"),
    ]


def test_a_name_and_its_address_are_one():
    found = places(
        "web.lab:2222\n10.0.0.5\nwww.lab", resolved={"web.lab": ["10.0.0.5"], "www.lab": ["::ffff:10.0.0.5"]}
    )
    assert found == [
        Place("10.0.0.5", IPv4Address("10.0.0.5"), (2222,), ("web.lab", "www.lab"), "web.lab:2222", is_excluded=False)
    ]


def test_a_name_of_several_addresses_is_one_machine_and_joins_what_is_named_already():
    resolved = {"web": ["10.0.0.5", "2001:db8::5"], "db": ["10.0.0.7", "10.0.0.6"]}
    found = places("web\ndb\n2001:db8::5", resolved=resolved)
    assert [(one.key, one.names) for one in found] == [("2001:db8::5", ("web",)), ("10.0.0.7", ("db",))]


def test_two_names_of_the_same_addresses_are_one_machine():
    found = places("a\nb", resolved={"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.0.2", "10.0.0.1"]})
    assert [(one.key, one.names) for one in found] == [("10.0.0.1", ("a", "b"))]


def test_a_name_without_address_has_its_own_row():
    found = places("gone.lab:22\ngone.lab:2222\n10.0.0.1")
    assert found[0] == Place("gone.lab", None, (22, 2222), ("gone.lab",), "gone.lab:22", is_excluded=False)


@pytest.mark.parametrize(
    ("address", "why"), [("127.0.0.1", "is loopback"), ("fe80::1", "is link-local"), ("0.0.0.0", "is unspecified")]
)
def test_a_name_must_not_lead_where_an_entry_may_not(address, why):
    one = places("web", resolved={"web": [address]})[0]
    assert (one.key, one.address) == ("web", None)
    assert one.detail.startswith(f"resolves to {address}, which {why}")
    assert places("web", resolved={"web": [address, "10.0.0.1"]})[0].key == "10.0.0.1"


def test_a_name_may_lead_to_loopback_where_that_is_allowed():
    assert keys("localhost", resolved={"localhost": ["127.0.0.1"]}, allows_loopback=True) == ["127.0.0.1"]


def test_an_exclusion_leaves_out_an_address_whatever_its_port():
    found = places("10.0.0.1:22, 10.0.0.1, 10.0.0.2:2222, 10.0.0.3", "10.0.0.1:9999\n10.0.0.2")
    assert [(one.key, one.is_excluded) for one in found] == [
        ("10.0.0.1", True),
        ("10.0.0.2", True),
        ("10.0.0.3", False),
    ]


def test_an_excluded_network_leaves_out_its_ends_and_gives_rows_only_to_what_is_named():
    found = places("10.0.0.254-10.0.1.1", "10.0.0.0/24, 192.168.0.0/16")
    assert [(one.key, one.is_excluded) for one in found] == [
        *(("10.0.0.254", True), ("10.0.0.255", True)),
        *(("10.0.1.0", False), ("10.0.1.1", False)),
    ]


def test_an_excluded_name_leaves_out_its_addresses_and_itself():
    scope = read("10.0.0.1-2, web, db, old", "db\nmail")
    assert scope.names_to_resolve == ("web", "db", "old", "mail")
    found = expand(
        scope, {"web": [IPv4Address("10.0.0.9")], "mail": [IPv4Address("10.0.0.2"), IPv4Address("10.0.0.9")]}
    )
    assert [(one.key, one.is_excluded) for one in found] == [
        ("10.0.0.1", False),
        ("10.0.0.2", True),
        ("10.0.0.9", True),
        ("db", True),
        ("old", False),
    ]


def test_a_name_with_one_excluded_address_is_excluded_and_takes_no_other_with_it():
    resolved = {"web": ["10.0.0.5", "10.0.0.9"]}
    found = places("10.0.0.5, web", "10.0.0.9", resolved)
    assert [(one.key, one.names, one.is_excluded) for one in found] == [
        ("10.0.0.5", (), False),
        ("10.0.0.9", ("web",), True),
    ]


def test_the_largest_scope_is_expanded_soon():
    entries = [f"10.{number % 7}.0.0/20:{22 + number % 16}" for number in range(5_000)]
    entries += [f"n{number}" for number in range(5_000)]
    began = time.monotonic()
    scope = read(entries, [f"x{number}" for number in range(10_000)], most=50_000)
    same = [IPv4Address("10.9.9.9")]
    found = expand(scope, {f"n{number}": same for number in range(0, 5_000, 2)})
    assert len(found) == 7 * 4094 + 1 + 2_500
    assert time.monotonic() - began < 20


# --- properties --------------------------------------------------------------------------------------------------------

# Few addresses, so that what is drawn overlaps: 10.0.0.0/26 and as many of IPv6.
small = st.integers(0, 63)
v4 = small.map(lambda number: f"10.0.0.{number}")
v6 = small.map(lambda number: str(IPv6Address("2001:db8::") + number))
nets = st.tuples(small, st.integers(26, 32)).map(
    lambda one: str(IPv4Network((int(IPv4Address("10.0.0.0")) + one[0], one[1]), strict=False))
)
runs = st.tuples(small, small).map(lambda one: f"10.0.0.{min(one)}-{max(one)}")
runs6 = st.tuples(small, small).map(
    lambda one: f"{IPv6Address('2001:db8::') + min(one)}-{IPv6Address('2001:db8::') + max(one)}"
)
NAMES = ("web", "db-1.lab", "mail")
ports = st.sampled_from(["", "", ":22", ":2222"])
entries = st.one_of(
    st.tuples(v4 | nets | runs | st.sampled_from(NAMES), ports).map("".join),
    v6 | runs6,
    v6.map(lambda text: f"[{text}]:22"),
)
texts = st.lists(entries, max_size=8).flatmap(
    lambda items: st.lists(
        st.sampled_from(["\n", ",", " ; ", " # why\n"]), min_size=len(items), max_size=len(items)
    ).map(lambda ends: "".join(item + end for item, end in zip(items, ends, strict=True)))
)
resolutions = st.dictionaries(
    st.sampled_from(NAMES), st.lists((v4 | v6).map(ip_address), max_size=3), max_size=len(NAMES)
)


def listed(text: str, *, is_exclusion: bool = False) -> tuple[set[Address], set[str]]:
    """Addresses and names that a text names, by `ipaddress` and by walking."""
    addresses: set[Address] = set()
    names: set[str] = set()
    for line in text.split("\n"):
        for piece in line.split("#")[0].replace(";", ",").split(","):
            body = piece.strip()
            if body.startswith("["):
                body = body[1:].partition("]")[0]
            elif body.count(":") == 1:
                body = body.partition(":")[0]
            if not body:
                continue
            if "/" in body:
                network = IPv4Network(body)
                addresses |= set(network) if is_exclusion else set(network.hosts())
            elif body in NAMES:
                names.add(body)
            elif "-" in body:
                first, last = body.split("-")
                begin = ip_address(first)
                end = ip_address(last) if ":" in last else IPv4Address(last if "." in last else f"10.0.0.{last}")
                addresses |= {begin + step for step in range(int(end) - int(begin) + 1)}
            else:
                addresses.add(ip_address(body))
    return addresses, names


@UNTIMED
@given(texts, texts)
def test_the_count_is_what_walking_finds(text, excluding):
    addresses, names = listed(text)
    without_addresses, without_names = listed(excluding, is_exclusion=True)
    found = outline(text, excluding)
    assert found.count == len(addresses - without_addresses) + len(names - without_names)
    assert found.excluded_count == len(addresses & without_addresses) + len(names & without_names)
    scope, problems = read_scope(text, excluding, field="t", most=10_000)
    assert (scope is None) == bool(problems) == (found.count == 0)


@UNTIMED
@given(texts, texts, resolutions)
def test_every_address_is_accounted_for_once(text, excluding, resolved):
    scope, _ = read_scope(text, excluding, field="t", most=10_000)
    if scope is None:
        return
    addresses, names = listed(text)
    left_out, names_left_out = listed(excluding, is_exclusion=True)
    left_out |= {address for name in names_left_out for address in resolved.get(name, ())}
    found = expand(scope, resolved)
    assert len({one.key for one in found}) == len(found)
    assert len({one.address for one in found if one.address}) == sum(one.address is not None for one in found)
    there = {one.address for one in found if one.address is not None}
    assert addresses <= there
    assert there - addresses <= {address for name in names for address in resolved.get(name, ())}
    assert sorted(name for one in found for name in one.names) == sorted(names)
    for one in found:
        if one.address is not None:
            assert one.is_excluded == (one.address in left_out)
        else:
            assert one.is_excluded == (one.key in names_left_out)
            assert not resolved.get(one.key)
        for name in one.names:
            assert one.is_excluded or not set(resolved.get(name, ())) & left_out


@UNTIMED
@given(texts)
def test_every_port_is_kept_in_the_order_of_the_entries(text):
    scope, _ = read_scope(text, "", field="t", most=10_000)
    if scope is None:
        return
    for one in expand(scope, {}):
        if one.address is None:
            continue
        naming = [entry for entry in scope.entries if entry.hosts and one.address in listed(entry.canonical)[0]]
        assert one.ports == tuple(dict.fromkeys(entry.port for entry in naming if entry.port is not None))
        assert one.entry == naming[0].text


@UNTIMED
@given(st.text() | st.lists(st.text()), st.text("0123456789.:-/[]%# \n,;web*", max_size=60))
def test_any_text_has_an_answer(source, other):
    for text in (source, other):
        read_scope(text, other, field="", most=10)
        lines = describe(text)
        assert [one.line for one in lines] == list(range(1, len(lines) + 1))
    outline(source, other)


@UNTIMED
@given(texts)
def test_what_is_printed_is_the_same_scope(text):
    scope, _ = read_scope(text, "", field="t", most=10_000)
    if scope is not None:
        again = read([one.canonical for one in scope.entries])
        assert again.entries == scope.entries
        assert again.count == scope.count


@pytest.mark.parametrize("text", ["10.0.0.0/8", "::/3", "2001:db8::/32"])
def test_networks_without_end_cost_nothing(text):
    began = time.monotonic()
    assert outline(text, "").count == read_entry(text).count or text == "::/3"
    assert time.monotonic() - began < 1


spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda one: (one[0], one[0] + one[1])), max_size=8
)


def walked(stretches) -> set[int]:
    return {number for first, last in stretches for number in range(first, last + 1)}


@given(spans, spans)
def test_stretches_are_sets(some, others):
    there, taken = merged(some), merged(others)
    assert walked(there) == walked(some)
    assert size(there) == len(walked(some))
    assert all(one[1] + 1 < other[0] for one, other in pairwise(there))
    assert walked(without(there, taken)) == walked(some) - walked(others)
    assert {number for number in range(60) if is_within(there, number)} == walked(some)


@given(spans)
def test_what_is_new_is_told_once(some):
    seen, before = Covered(), set[int]()
    for span in some:
        new = seen.add(span)
        assert walked(new) == walked([span]) - before
        assert size(new) == len(walked(new))
        before |= walked([span])
