"""Owns what a filter can ask about: the fields, what kind each is, and the operators of each kind. Reads and matches nothing.

How SQL finds a field stands with its kind: `known` is when the fact counts as known, `test` how operators compare. Every positive
test is `coalesce(test, false)`: a criterion about something unknown is false. Every negated operator (`NEGATED`) is `NOT` of its
positive one, so it is true of the unknown, and so is `not`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class FieldKind(StrEnum):
    """What kind of fact a field is.

    text: known when not NULL and not ''. test on folded texts (`translate`, see `filter_text`), value folded too: equals `=`,
      contains `strpos(x, v) > 0`, starts_with `starts_with(x, v)`, ends_with `right(x, length(v)) = v`, in `= ANY`, matches `~`
      (see `filter_regex_sql`). All under `COLLATE "C"`.
    choice: known when not NULL and not ''. test `=`, `= ANY` on the stored words, case counts: they are the Engine's own.
    site: known when not NULL. test `=`, `= ANY` on the integer id.
    version: known when its key is not NULL (see `filter_version`). test `= < <= > >=` on keys under `COLLATE "C"`.
    integer, size, duration: bigint; number: numeric. known when not NULL. test `= < <= > >=`.
    boolean: known when not NULL. is_true `x`, is_false `NOT x`; is_false is an assertion of its own and false of the unknown.
    date: known when not NULL. test `= < <= > >=` on `date`.
    address: known when there is at least one. in_network is `EXISTS (… WHERE address <<= network)` over `inet`; a network of the
      other IP version never holds an address, and `::ffff:192.0.2.1` is an IPv6 address.
    tags: a set of texts, folded; always known. has `v = ANY(tags)`, has_any `tags && v`, has_all `tags @> v`.
    software: rows of name, version, source; always known. installed is `EXISTS` of one row for which all conditions hold.
    """

    TEXT = "text"
    CHOICE = "choice"
    SITE = "site"
    VERSION = "version"
    INTEGER = "integer"
    SIZE = "size"
    DURATION = "duration"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    ADDRESS = "address"
    TAGS = "tags"
    SOFTWARE = "software"


class CustomKind(StrEnum):
    """The types that a custom field may have."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


_KNOWN: Final = ("is_known", "is_unknown")
_CHOSEN: Final = ("is", "is_not", "in", "not_in", *_KNOWN)
_ORDERED: Final = ("equals", "not_equals", "lower", "lower_or_equal", "higher", "higher_or_equal")
_NUMERIC: Final = (*_ORDERED, *_KNOWN)
_K = FieldKind
#: Kind -> its operators, in the order in which they are shown.
OPERATORS: Final[Mapping[FieldKind, tuple[str, ...]]] = {
    _K.TEXT: (
        *("equals", "not_equals", "contains", "not_contains", "starts_with", "ends_with"),
        *("in", "not_in", "matches", "not_matches", *_KNOWN),
    ),
    _K.CHOICE: _CHOSEN,
    _K.SITE: _CHOSEN,
    _K.VERSION: (*_ORDERED, "in", "not_in", *_KNOWN),
    _K.INTEGER: _NUMERIC,
    _K.SIZE: _NUMERIC,
    _K.DURATION: _NUMERIC,
    _K.NUMBER: _NUMERIC,
    _K.BOOLEAN: ("is_true", "is_false", *_KNOWN),
    _K.DATE: ("on", "not_on", "before", "on_or_before", "after", "on_or_after", *_KNOWN),
    _K.ADDRESS: ("in_network", "not_in_network", *_KNOWN),
    _K.TAGS: ("has", "has_not", "has_any", "has_all"),
    _K.SOFTWARE: ("installed", "not_installed"),
}
#: Negated operator -> the positive one that it is the exact complement of.
NEGATED: Final[Mapping[str, str]] = {
    "not_equals": "equals",
    "not_contains": "contains",
    "not_in": "in",
    "not_matches": "matches",
    "is_not": "is",
    "not_on": "on",
    "not_in_network": "in_network",
    "has_not": "has",
    "not_installed": "installed",
    "is_unknown": "is_known",
}
NAME_OPERATORS: Final = ("equals", "contains", "starts_with", "matches")
VERSION_OPERATORS: Final = ("equals", "lower", "lower_or_equal", "higher", "higher_or_equal")
WITHOUT_VALUE: Final = frozenset({"is_known", "is_unknown", "is_true", "is_false"})
WITH_LIST: Final = frozenset({"in", "not_in", "has_any", "has_all"})


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a filter can ask about. `label` stands in sentences, `example` is a value as the API takes it."""

    name: str
    kind: FieldKind
    label: str
    example: object = field(hash=False)
    operators: tuple[str, ...]
    choices: tuple[str, ...] = ()
    unit: str | None = None

    @property
    def custom_name(self) -> str | None:
        """The name of the custom field that it is, None for a field of the Engine's own."""
        return self.name.removeprefix(CUSTOM_PREFIX) if self.name.startswith(CUSTOM_PREFIX) else None


CUSTOM_PREFIX: Final = "custom."
_UNITS: Final = {_K.SIZE: "bytes", _K.DURATION: "seconds"}
_CUSTOM_EXAMPLES: Final[Mapping[CustomKind, object]] = {
    CustomKind.TEXT: "B-12",
    CustomKind.NUMBER: 42,
    CustomKind.BOOLEAN: None,
    CustomKind.DATE: "2026-05-04",
}


def _field(name: str, kind: FieldKind, label: str, example: object, choices: tuple[str, ...] = ()) -> Field:
    return Field(name, kind, label, example, OPERATORS[kind], choices, _UNITS.get(kind))


_FIELDS: Final = (
    _field("hostname", _K.TEXT, "hostname", "web-1"),
    _field("description", _K.TEXT, "description", "spare"),
    _field("site", _K.SITE, "site", 3),
    _field("os_family", _K.CHOICE, "OS family", "linux", ("linux", "windows", "macos")),
    _field("os_name", _K.TEXT, "OS name", "Debian GNU/Linux"),
    _field("os_version", _K.VERSION, "OS version", "12.5"),
    _field("arch", _K.TEXT, "architecture", "x86_64"),
    _field(
        "device_type",
        _K.CHOICE,
        "device type",
        "server",
        ("server", "desktop", "laptop", "virtual", "container", "other"),
    ),
    _field("agent_version", _K.VERSION, "agent version", "1.4.0"),
    _field("agent_branch", _K.TEXT, "agent branch", "stable"),
    _field("domain", _K.TEXT, "domain", "corp.example"),
    _field("last_user", _K.TEXT, "last user", "alice"),
    _field("internal_address", _K.ADDRESS, "internal address", "10.0.0.0/8"),
    _field("external_address", _K.ADDRESS, "external address", "203.0.113.7"),
    _field("cpu_count", _K.INTEGER, "CPU count", 8),
    _field("ram_bytes", _K.SIZE, "RAM", "8 GiB"),
    _field("disk_free_bytes", _K.SIZE, "free space of the system disk", "20 GB"),
    # A device is online or it is not: nothing there can be unknown.
    Field("online", _K.BOOLEAN, "online", None, ("is_true", "is_false")),
    _field("last_seen_age", _K.DURATION, "time since last seen", "7 days"),
    _field("timezone", _K.TEXT, "time zone", "Europe/Berlin"),
    _field("tags", _K.TAGS, "tags", "prod"),
    _field("software", _K.SOFTWARE, "software", {"name": "openssl", "version_operator": "lower", "version": "3.0.1"}),
)
#: Every field of the Engine's own, in the order in which they are shown.
FIELDS: Final[Mapping[str, Field]] = {one.name: one for one in _FIELDS}


def custom_field(name: str, kind: CustomKind) -> Field:
    """The custom field `name` as filters name it: `custom.name`."""
    return _field(CUSTOM_PREFIX + name, FieldKind(kind.value), f"custom field {name}", _CUSTOM_EXAMPLES[kind])


def all_fields(custom_fields: Mapping[str, CustomKind]) -> dict[str, Field]:
    """Everything that can be asked about where these custom fields exist, by name."""
    custom = [custom_field(name, kind) for name, kind in sorted(custom_fields.items())]
    return {**FIELDS, **{one.name: one for one in custom}}
