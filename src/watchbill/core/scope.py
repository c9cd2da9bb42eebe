"""Discovery scopes: which addresses and names an onboarding job looks at, counted, and listed once names are resolved. Pure.

A scope is text: entries (`core/scope_entry`) separated by new lines, commas or semicolons, with `#` comments and blank lines as they were
written. Exclusions are of the same grammar. They leave out an address whatever its port, also where the exclusion names one; an excluded
network leaves out all of its addresses, its first and last too; an excluded name leaves out every address that it resolves to.

    scope, problems = read_scope(entries, exclusions, field="targets.0", most=4096)
    scope.names_to_resolve                     # who runs it resolves these
    expand(scope, {"web.lab": [address, …]})   # one Place for every machine: the rows of the ledger

`outline` is for whoever is still typing: what each line is, its count and its error, and the count of all that is right so far.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from watchbill.core.fields import join, shown
from watchbill.core.problems import Problem
from watchbill.core.scope_entry import BadEntry, Entry, nobodys, read_entry, why_not_looked_at
from watchbill.core.scope_spans import Address, Covered, Span, address_at, is_within, merged, number_of, size, without

#: One text, or texts of one or more lines each. What is no text is refused.
Source = str | Sequence[object]

#: The longest scope that is read at all: characters, lines, entries.
MOST_CHARACTERS: Final = 500_000
MOST_LINES: Final = 20_000
MOST_ENTRIES: Final = 10_000
#: Different ports in one scope.
MOST_PORTS: Final = 16
#: So many bad entries are told one by one.
MOST_PROBLEMS: Final = 50

LineKind = Literal["blank", "comment", "address", "range", "network", "name", "several", "bad"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a scope as it is written. `line` counts from 1, through all texts of a list.

    `count` is what the line names, whether other lines name it too or not. `problem` is why it cannot be used, `note` what is good to know.
    """

    line: int
    text: str
    kind: LineKind
    count: int
    problem: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope without faults.

    `count` is what is looked at: addresses and names, each once, without the excluded ones; `excluded_count` is what entries name and
    exclusions leave out. A name and its address are two here, as long as the name is not resolved.
    """

    entries: tuple[Entry, ...]
    exclusions: tuple[Entry, ...]
    lines: tuple[Line, ...]
    exclusion_lines: tuple[Line, ...]
    count: int
    excluded_count: int
    allows_loopback: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return _names(self.entries)

    @property
    def excluded_names(self) -> tuple[str, ...]:
        """Names among the exclusions. One that does not resolve leaves out only itself: what its addresses are is not known."""
        return _names(self.exclusions)

    @property
    def names_to_resolve(self) -> tuple[str, ...]:
        """What `expand` needs to know, each once."""
        return tuple(dict.fromkeys((*self.names, *self.excluded_names)))


@dataclass(frozen=True, slots=True)
class Outline:
    """A scope that may have faults still: the lines of both texts, and the count of all that is right."""

    lines: tuple[Line, ...]
    exclusion_lines: tuple[Line, ...]
    count: int
    excluded_count: int


@dataclass(frozen=True, slots=True)
class Place:
    """One machine that a scope names, as far as can be told.

    `key` tells it from the others: its address, or its name while that is not known. `ports` are those that entries give, in their order;
    `entry` is the first entry that names it. `detail` is why its name leads to no address.
    """

    key: str
    address: Address | None
    ports: tuple[int, ...]
    names: tuple[str, ...]
    entry: str
    is_excluded: bool
    detail: str = ""


# --- reading -----------------------------------------------------------------------------------------------------------


def read_scope(
    entries: Source, exclusions: Source, *, field: str, most: int, allows_loopback: bool = False
) -> tuple[Scope | None, list[Problem]]:
    """The scope, or everything that is wrong with it. `field` is the target that holds both: `targets.0` leads to `targets.0.entries.3`.

    At most `most` addresses and names are looked at, and as many may be excluded out of what entries name: each has a row.
    """
    wanted, unwanted = (
        _Text.read(entries, allows_loopback=allows_loopback),
        _Text.read(exclusions, allows_loopback=None),
    )
    problems = [*wanted.problems(join(field, "entries")), *unwanted.problems(join(field, "exclusions"))]
    found = _scope(wanted, unwanted, allows_loopback=allows_loopback)
    problems += _size_problems(found, join(field, "entries"), most, has_faults=bool(problems))
    return (None, problems) if problems else (found, [])


def describe(entries: Source, *, is_exclusion: bool = False, allows_loopback: bool = False) -> list[Line]:
    """What each line of a text is, with its count or its error; every text has an answer."""
    return list(_Text.read(entries, allows_loopback=None if is_exclusion else allows_loopback).lines())


def outline(entries: Source, exclusions: Source, *, allows_loopback: bool = False) -> Outline:
    """What there is of a scope while it is being written."""
    wanted, unwanted = (
        _Text.read(entries, allows_loopback=allows_loopback),
        _Text.read(exclusions, allows_loopback=None),
    )
    found = _scope(wanted, unwanted, allows_loopback=allows_loopback)
    return Outline(found.lines, found.exclusion_lines, found.count, found.excluded_count)


def _scope(wanted: "_Text", unwanted: "_Text", *, allows_loopback: bool) -> Scope:
    entries, exclusions = tuple(wanted.entries()), tuple(unwanted.entries())
    named = merged(one.hosts for one in entries if one.hosts)
    looked_at = size(without(named, merged(one.whole for one in exclusions if one.whole)))
    names = set(_names(entries))
    left_names = len(names - set(_names(exclusions)))
    excluded = size(named) - looked_at + len(names) - left_names
    lines, exclusion_lines = tuple(wanted.lines()), tuple(unwanted.lines())
    return Scope(entries, exclusions, lines, exclusion_lines, looked_at + left_names, excluded, allows_loopback)


def _names(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for one in entries if one.name is not None))


def _size_problems(found: Scope, path: str, most: int, *, has_faults: bool) -> Iterator[Problem]:
    if found.count > most:
        words = f"names {found.count:,} addresses, and at most {most:,} are allowed: name less, or exclude some"
        yield Problem(path, "too_many", words)
    if found.excluded_count > most:
        words = f"names {found.excluded_count:,} addresses that are excluded, and each has a row: at most {most:,} are allowed, name less"
        yield Problem(path, "too_many_excluded", words)
    if len(ports := {one.port for one in found.entries} - {None}) > MOST_PORTS:
        yield Problem(path, "too_many_ports", f"has {len(ports)} different ports, and at most {MOST_PORTS} are allowed")
    if has_faults or found.count:
        return
    if found.entries:
        yield Problem(path, "nothing_left", "names nothing that is not excluded")
    else:
        yield Problem(path, "required", "names no address: write an address, range, network or host name")


@dataclass(slots=True)
class _Written:
    """One line: where it stands, the entries in it, and what is wrong with others."""

    line: int
    index: int | None
    text: str
    entries: list[Entry] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    note: str | None = None


@dataclass(slots=True)
class _Text:
    """A text of entries, read. Loopback None = these are exclusions, which may name anything."""

    written: list[_Written]
    #: Why it was not read, and where that is in a list.
    refused: list[tuple[int | None, str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, source: Source, *, allows_loopback: bool | None) -> "_Text":
        refused: list[tuple[int | None, str, str]] = []
        texts = list(_texts(source, refused))
        if sum(len(text) for _, text in texts) > MOST_CHARACTERS:
            return cls([], [(None, "length", f"is longer than {MOST_CHARACTERS:,} characters")])
        lines = [(index, line) for index, text in texts for line in re.split(r"\r\n|\r|\n", text)]
        if len(lines) > MOST_LINES:
            return cls([], [(None, "length", f"has {len(lines):,} lines, and at most {MOST_LINES:,} are allowed")])
        written = [_Written(number, index, line) for number, (index, line) in enumerate(lines, start=1)]
        pieces = [(one, piece) for one in written for piece in _pieces(one.text)]
        if len(pieces) > MOST_ENTRIES:
            words = (
                f"has {len(pieces):,} entries, and at most {MOST_ENTRIES:,} are allowed: ranges and networks say more"
            )
            return cls([], [(None, "length", words)])
        for one, piece in pieces:
            _read_piece(one, piece, allows_loopback=allows_loopback)
        _note_repeats(written)
        return cls(written, refused)

    def entries(self) -> Iterator[Entry]:
        return (entry for one in self.written for entry in one.entries)

    def lines(self) -> Iterator[Line]:
        for index, _, words in self.refused:
            yield Line((index or 0) + 1, "", "bad", 0, words)
        for one in self.written:
            count = sum(entry.count for entry in one.entries)
            yield Line(one.line, one.text, _kind(one), count, "; ".join(one.faults) or None, one.note)

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong, in the order of the text, the first of very many."""
        for index, code, words in self.refused:
            yield Problem(path if index is None else join(path, index), code, words)
        faults = [(one, fault) for one in self.written for fault in one.faults]
        for one, fault in faults[:MOST_PROBLEMS]:
            yield Problem(
                path if one.index is None else join(path, one.index), "bad_entry", f"line {one.line}: {fault}"
            )
        if len(faults) > MOST_PROBLEMS:
            yield Problem(path, "bad_entry", f"{len(faults) - MOST_PROBLEMS:,} more entries are bad")


def _texts(source: Source, refused: list[tuple[int | None, str, str]]) -> Iterator[tuple[int | None, str]]:
    if isinstance(source, str):
        yield None, source
        return
    for index, text in enumerate(source):
        if isinstance(text, str):
            yield index, text
        elif len(refused) < MOST_PROBLEMS:
            refused.append((index, "wrong_type", f"must be text, not {shown(text)}"))


def _pieces(line: str) -> Iterator[str]:
    return (piece for part in re.split("[,;]", line.partition("#")[0]) if (piece := part.strip()))


def _read_piece(one: _Written, piece: str, *, allows_loopback: bool | None) -> None:
    try:
        entry = read_entry(piece)
    except BadEntry as bad:
        one.faults.append(f"{shown(piece)} {bad}")
        return
    fault = None if allows_loopback is None else why_not_looked_at(entry, allows_loopback=allows_loopback)
    if fault is None:
        one.entries.append(entry)
    else:
        one.faults.append(f"{shown(piece)} {fault}")


def _note_repeats(written: Sequence[_Written]) -> None:
    """Say which lines name what was named above: an overlap is no fault, and seldom meant."""
    seen, names = Covered(), set[str]()
    for one in written:
        count = sum(entry.count for entry in one.entries)
        new = 0
        for entry in one.entries:
            if entry.whole is not None and entry.hosts is not None:
                new += size(seen.add(entry.hosts))
            elif entry.plain not in names:
                names.add(entry.plain)
                new += 1
        if new < count:
            one.note = "named already" if not new else f"{count - new:,} of these are named already"


def _kind(one: _Written) -> LineKind:
    if one.faults:
        return "bad"
    if len(one.entries) == 1:
        return one.entries[0].kind
    if one.entries:
        return "several"
    return "comment" if "#" in one.text else "blank"


# --- expanding ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """A place while it is put together. `order` is that of the first entry that names it."""

    order: int
    number: int | None
    entry: str
    is_excluded: bool
    ports: list[tuple[int, int]] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    detail: str = ""

    def note(self, order: int, entry: Entry) -> None:
        """Another entry names it."""
        if order < self.order:
            self.order, self.entry = order, entry.text
        if entry.port is not None:
            self.ports.append((order, entry.port))

    def place(self) -> Place:
        address = None if self.number is None else address_at(self.number)
        ports = tuple(dict.fromkeys(port for _, port in sorted(self.ports)))
        key = next(iter(self.names)) if address is None else str(address)
        return Place(key, address, ports, tuple(self.names), self.entry, self.is_excluded, self.detail)


def expand(scope: Scope, resolved: Mapping[str, Sequence[Address]]) -> list[Place]:
    """Every machine that the entries name, in the order in which they first do; excluded ones too, marked.

    A name is one machine: at the first of its addresses that entries name by themselves, or else at the first of all. One of several addresses
    that is excluded excludes the name. Names that `resolved` has no addresses for have places without one.
    """
    excluded = _excluded(scope, resolved)
    found = _by_address(scope, excluded)
    among = _Names(resolved, scope.allows_loopback, frozenset(scope.excluded_names), excluded, found, {})
    for order, entry in enumerate(scope.entries):
        if entry.name is None:
            continue
        one = _find_name(entry.name, order, entry, among)
        one.note(order, entry)
        one.names.setdefault(entry.name)
    every = sorted((*found.values(), *among.nameless.values()), key=lambda one: (one.order, one.number or 0))
    return [one.place() for one in every]


def _excluded(scope: Scope, resolved: Mapping[str, Sequence[Address]]) -> list[Span]:
    spans = [one.whole for one in scope.exclusions if one.whole is not None]
    numbers = [_plain_number(address) for name in scope.excluded_names for address in resolved.get(name, ())]
    return merged((*spans, *((number, number) for number in numbers)))


def _by_address(scope: Scope, excluded: Sequence[Span]) -> dict[int, _Found]:
    """The places of all addresses. Each is visited once for every port: entries that say the same again cost nothing."""
    found: dict[int, _Found] = {}
    seen: dict[int | None, Covered] = {}
    for order, entry in enumerate(scope.entries):
        if entry.hosts is None:
            continue
        for first, last in seen.setdefault(entry.port, Covered()).add(entry.hosts):
            for number in range(first, last + 1):
                one = found.get(number)
                if one is None:
                    one = found[number] = _Found(order, number, entry.text, is_within(excluded, number))
                one.note(order, entry)
    return found


@dataclass(frozen=True, slots=True)
class _Names:
    """What is needed to find the place of a name."""

    resolved: Mapping[str, Sequence[Address]]
    allows_loopback: bool
    excluded_names: frozenset[str]
    excluded: Sequence[Span]
    found: dict[int, _Found]
    nameless: dict[str, _Found]


def _find_name(name: str, order: int, entry: Entry, among: _Names) -> _Found:
    """The place of a name: one that is there already, or a new one."""
    numbers, detail = _usable(among.resolved.get(name, ()), allows_loopback=among.allows_loopback)
    if not numbers:
        is_excluded = name in among.excluded_names
        return among.nameless.setdefault(name, _Found(order, None, entry.text, is_excluded, detail=detail))
    left_out = [number for number in numbers if is_within(among.excluded, number)]
    candidates = left_out or numbers
    number = next((one for one in candidates if one in among.found), candidates[0])
    return among.found.setdefault(number, _Found(order, number, entry.text, bool(left_out)))


def _usable(addresses: Sequence[Address], *, allows_loopback: bool) -> tuple[list[int], str]:
    """Addresses that a name may lead to, and why there are none: a name must not lead where an entry may not."""
    faults: list[str] = []
    numbers: list[int] = []
    for address in addresses:
        number = _plain_number(address)
        fault = nobodys((number, number), allows_loopback=allows_loopback)
        if fault is None:
            numbers.append(number)
        else:
            faults.append(f"resolves to {address}, which {fault}")
    return numbers, "" if numbers else "; ".join(faults)


def _plain_number(address: Address) -> int:
    mapped = address.ipv4_mapped if address.version == 6 else None
    return number_of(mapped or address)
