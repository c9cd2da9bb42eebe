"""Hypothesis strategies for filters: any criteria tree, and devices that often just hit or just miss it.

Facts and values are drawn from the same small pools, so that a criterion hits about as often as it misses. `NOW` is the instant
that ages are counted from. Shared by the tests of the core and by the test that holds compiled SQL equal to it.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from watchbill.core.filter_expr import CustomKind, Device, FieldKind, Software, all_fields, parse
from watchbill.core.filter_fields import NAME_OPERATORS, VERSION_OPERATORS, WITH_LIST, WITHOUT_VALUE

# A busy machine is no fault of a filter.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOW = datetime(2026, 11, 28, 12, 0, 0, 500_000, tzinfo=UTC)
CUSTOM_FIELDS = {
    "rack": CustomKind.TEXT,
    "slots": CustomKind.NUMBER,
    "leased": CustomKind.BOOLEAN,
    "bought": CustomKind.DATE,
}
ALL_FIELDS = all_fields(CUSTOM_FIELDS)

TEXTS = (
    *("web-1", "WEB-1", "web-10", "db", "Äpfel", "äpfel", "ΣΟΦΟΣ", "σοφος", "σοφοσ", "Жук", "жук", "İ", "ß", "ſ", "S"),
    *("a\nb", "x%y_z", "back\\slash", "100%", " ", "日本", "😀", "e\u0301", "ÿŸ"),
)
PATTERNS = (
    *(r"^web-\d+$", "b", "[^a-z]", r"^.+$", "(web|db)-?", r"\W", "[Ä-Ü]", "^[σ]", "Ж", r"\\", r"^\w{2}$", ".b", "x*y"),
    *(r"^(a|b)?\s", "[0-9]{1,2}$", r"[\d_%]", "😀", "[^😀]"),
)
VERSIONS = (
    *("1", "1.0", "1.00", "1.0-0", "1.0-1", "1.0~rc1", "1.0~rc1-1", "1.0a", "1.0+b", "1.0.1", "1.10", "1.9", "0:1.0"),
    *("1:0.9", "10.0.19045", "3.0.11", "3.0.2", "ä1", "1-2-3", "~", "V1", "v1"),
)
SITES = (1, 2, 3)
AMOUNTS = (0, 1, 2, 59, 60, 61, 4 * 2**30, 8 * 2**30, 8 * 2**30 + 1, 500_000_000)
NUMBERS = (0, -1, 1, 0.1, 0.30000000000000004, 0.3, 1e-7, 12.5, 2**53 + 1)
DATES = (date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 2), date(1, 1, 1))
ADDRESSES = (
    "10.0.0.1",
    "10.0.0.255",
    "10.0.1.0",
    "192.0.2.7",
    "fd00::1",
    "fd00:1::1",
    "::ffff:10.0.0.1",
    "2001:db8::7",
)
NETWORKS = ("10.0.0.0/24", "10.0.0.0/23", "10.0.0.1", "0.0.0.0/0", "fd00::/16", "fd00::1", "::/0", "::ffff:0:0/96")
TAGS = ("prod", "PROD", "Prüfstand", "prüfstand", "x", "tag with space")
NAMES = ("openssl", "OpenSSL", "libopenssl3", "bash", "Bäsh")
SOURCES = ("dpkg", "DPKG", "rpm")

_texts = st.sampled_from([text for text in TEXTS if text])


@st.composite
def pieces(draw, pool):
    """A text of the pool or a piece of one: what contains, starts_with and ends_with ask for."""
    text = draw(st.sampled_from(pool))
    start = draw(st.integers(0, len(text) - 1))
    return draw(st.sampled_from([text, text[start:], text[: start + 1], text[start : start + 2]]))


@st.composite
def software_values(draw):
    operator = draw(st.sampled_from(NAME_OPERATORS))
    patterns = st.sampled_from(["^open", "ssl$", "b.sh", "[0-9]$"])
    value = {"name": draw(patterns if operator == "matches" else pieces(NAMES)), "name_operator": operator}
    if draw(st.booleans()):
        value |= {
            "version_operator": draw(st.sampled_from(VERSION_OPERATORS)),
            "version": draw(st.sampled_from(VERSIONS)),
        }
    if draw(st.booleans()):
        value["source"] = draw(st.sampled_from(SOURCES))
    return value


_VALUES = {
    FieldKind.TEXT: pieces(TEXTS),
    FieldKind.SITE: st.sampled_from(SITES),
    FieldKind.VERSION: st.sampled_from(VERSIONS),
    FieldKind.INTEGER: st.sampled_from(AMOUNTS),
    FieldKind.SIZE: st.sampled_from((*AMOUNTS, "8 GiB", "500 MB", "60B")),
    FieldKind.DURATION: st.sampled_from((*AMOUNTS, "1 min", "60 s")),
    FieldKind.NUMBER: st.sampled_from(NUMBERS),
    FieldKind.DATE: st.sampled_from(DATES).map(date.isoformat),
    FieldKind.ADDRESS: st.sampled_from(NETWORKS),
    FieldKind.TAGS: st.sampled_from(TAGS),
    FieldKind.SOFTWARE: software_values(),
}


@st.composite
def criteria(draw, fields=None):
    """One criterion as the API takes it."""
    field = draw(st.sampled_from(fields or list(ALL_FIELDS.values())))
    operator = draw(st.sampled_from(field.operators))
    tree = {"field": field.name, "operator": operator}
    if operator in WITHOUT_VALUE:
        return tree
    if operator in ("matches", "not_matches"):
        return {**tree, "value": draw(st.sampled_from(PATTERNS))}
    values = st.sampled_from(field.choices) if field.choices else _VALUES[field.kind]
    return {**tree, "value": draw(st.lists(values, min_size=1, max_size=4) if operator in WITH_LIST else values)}


def trees(leaves=None):
    """Any criteria tree as the API takes it."""

    def groups(inner):
        nodes = st.lists(inner, min_size=1, max_size=3)
        return (
            nodes.map(lambda found: {"all": found})
            | nodes.map(lambda found: {"any": found})
            | inner.map(lambda found: {"not": found})
        )

    return st.recursive(criteria() if leaves is None else leaves, groups, max_leaves=8).filter(
        lambda tree: depth(tree) <= 10
    )


def depth(tree):
    inner = [*tree.get("all", ()), *tree.get("any", ()), *([tree["not"]] if "not" in tree else ())]
    return 1 + max(map(depth, inner)) if inner else 0


def expressions(leaves=None):
    return trees(leaves).map(lambda tree: parse(tree, CUSTOM_FIELDS))


def _maybe(values):
    return st.none() | values


software = st.builds(
    Software,
    st.sampled_from(NAMES),
    _maybe(st.sampled_from((*VERSIONS, "", "9" * 201))),
    _maybe(st.sampled_from((*SOURCES, ""))),
)
custom_values = st.fixed_dictionaries(
    {},
    optional={
        "rack": st.sampled_from((*TEXTS, "")),
        "slots": st.sampled_from([Decimal(repr(number)) for number in NUMBERS]),
        "leased": st.booleans(),
        "bought": st.sampled_from(DATES),
    },
)


def devices():
    """Any device; each fact is unknown now and then."""
    texts = _maybe(st.sampled_from((*TEXTS, "")))
    versions = _maybe(st.sampled_from((*VERSIONS, "", "9" * 201)))
    amounts = _maybe(st.sampled_from(AMOUNTS))
    addresses = st.sampled_from(ADDRESSES).map(ip_address)
    ages = st.sampled_from([-5, 0, 1, 59, 60, 61, 86_400 * 400]) | st.integers(0, 125)
    return st.builds(
        Device,
        **dict.fromkeys(
            ("hostname", "description", "os_name", "arch", "agent_branch", "domain", "last_user", "timezone"), texts
        ),
        **dict.fromkeys(("os_version", "agent_version"), versions),
        **dict.fromkeys(("cpu_count", "ram_bytes", "disk_free_bytes"), amounts),
        site=_maybe(st.sampled_from(SITES)),
        os_family=_maybe(st.sampled_from((*ALL_FIELDS["os_family"].choices, ""))),
        device_type=_maybe(st.sampled_from((*ALL_FIELDS["device_type"].choices, ""))),
        internal_addresses=st.lists(addresses, max_size=3, unique=True).map(tuple),
        external_address=_maybe(addresses),
        online=st.booleans(),
        last_seen_at=_maybe(st.tuples(ages, st.sampled_from([0, 1, 999_999])).map(_ago)),
        tags=st.frozensets(st.sampled_from(TAGS), max_size=3),
        custom=custom_values,
        software=st.lists(software, max_size=3).map(tuple),
    )


def _ago(parts):
    seconds, microseconds = parts
    return NOW - timedelta(seconds=seconds, microseconds=microseconds)
