"""Owns the SQL of criteria: a condition over devices `d` and device_presence `p`, and its values. Runs none of it.

`$1` holds the values (jsonb), `$2` the time. A value never stands in the text. A node is true where it IS TRUE: what is unknown
makes it NULL, and `not` is IS NOT TRUE, the exact complement. `not` is carried down to the criteria, so that each is in a form that
indexes serve. What each criterion means is told by `core.filter_match`, which a test holds equal to this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from watchbill.core.filter_expr import (
    AddressTest,
    AllOf,
    AnyOf,
    BooleanTest,
    ChoiceTest,
    DateTest,
    Expression,
    Field,
    FieldKind,
    KnownTest,
    Leaf,
    NameTest,
    Not,
    NumberTest,
    Pattern,
    PatternTest,
    SiteTest,
    SoftwareTest,
    TagsTest,
    TextTest,
    VersionBound,
    VersionTest,
    fold,
    postgres_pattern,
    version_key,
)

#: Grows whenever the same criteria become other SQL: what was stored before is compiled anew.
COMPILER: Final = 1

_ORDERS: Final = {
    "equals": "=",
    "lower": "<",
    "lower_or_equal": "<=",
    "higher": ">",
    "higher_or_equal": ">=",
    "on": "=",
    "before": "<",
    "on_or_before": "<=",
    "after": ">",
    "on_or_after": ">=",
}
_CUSTOM_COLUMNS: Final = {
    FieldKind.TEXT: "fold_text(c.text_value)",
    # By its shortest digits, as Python and JSON write it: a cast alone would round to fifteen.
    FieldKind.NUMBER: "c.number_value::text::numeric",
    FieldKind.BOOLEAN: "c.boolean_value",
    FieldKind.DATE: "c.date_value",
}
_COLUMNS: Final = {
    "site": "d.site_id",
    "online": "(p.gateway_id IS NOT NULL)",
    "last_seen_age": "CASE WHEN p.gateway_id IS NOT NULL THEN 0 "
    "WHEN p.last_seen_at IS NOT NULL THEN greatest(0, floor(extract(epoch FROM $2 - p.last_seen_at))) END",
}
_TYPES: Final = {
    FieldKind.INTEGER: "bigint",
    FieldKind.SIZE: "bigint",
    FieldKind.DURATION: "bigint",
    FieldKind.NUMBER: "numeric",
}

_Simple = KnownTest | BooleanTest | TextTest | PatternTest | ChoiceTest | SiteTest | VersionTest | NumberTest | DateTest


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition and its values, ready to be stored."""

    condition: str
    parameters: dict[str, object]


def compiled(expression: Expression) -> Compiled:
    """The SQL of criteria: the same for the same criteria."""
    values = _Values()
    return Compiled(_node(expression, values, is_negated=False), values.found)


@dataclass(slots=True)
class _Values:
    """Values in the order in which they are met. Each is a text, or a list of texts."""

    found: dict[str, object] = field(default_factory=dict)

    def one(self, value: object, kind: str = "text") -> str:
        """How SQL names one value. With a cast that is the same for ever, so that the planner sees the value."""
        name = self._name(str(value))
        return f"($1->>'{name}')" if kind == "text" else f"($1->>'{name}')::{kind}"

    def many(self, values: Sequence[object], kind: str = "text") -> str:
        """A list of values as a query. One by one they would not be looked up in a table but compared in turn."""
        cast = "" if kind == "text" else f"::{kind}"
        return f"(SELECT v{cast} FROM jsonb_array_elements_text($1->'{self._name([str(one) for one in values])}') AS v)"

    def _name(self, value: object) -> str:
        name = f"v{len(self.found) + 1}"
        self.found[name] = value
        return name


def _node(node: Expression, values: _Values, *, is_negated: bool) -> str:
    match node:
        case Not(node=inner):
            return _node(inner, values, is_negated=not is_negated)
        case AllOf(nodes=nodes):
            return _group(nodes, values, "OR" if is_negated else "AND", is_negated=is_negated)
        case AnyOf(nodes=nodes):
            return _group(nodes, values, "AND" if is_negated else "OR", is_negated=is_negated)
        case _:
            return _leaf(node, values, is_negated=node.is_negated is not is_negated)


def _group(nodes: Sequence[Expression], values: _Values, word: str, *, is_negated: bool) -> str:
    inner = f" {word} ".join(_node(node, values, is_negated=is_negated) for node in nodes)
    return f"({inner})" if len(nodes) > 1 else inner


def _leaf(leaf: Leaf, values: _Values, *, is_negated: bool) -> str:
    match leaf:
        case TagsTest():
            return _complement(_tags(leaf, values), is_negated=is_negated)
        case SoftwareTest():
            return _exists("device_software s", "s.device_id", _software(leaf, values), is_negated=is_negated)
        case AddressTest():
            return _complement(_address(leaf, values), is_negated=is_negated)
        case _ if leaf.field.custom_name is not None:
            whose = (
                f"c.field_id = (SELECT f.id FROM custom_fields f WHERE f.name = {values.one(leaf.field.custom_name)})"
            )
            held = f"{whose} AND {_simple(leaf, values, _CUSTOM_COLUMNS[leaf.field.kind])}"
            return _exists("device_custom_values c", "c.device_id", held, is_negated=is_negated)
        case KnownTest() if leaf.field.kind is FieldKind.ADDRESS:
            return _complement(_has_address(leaf.field), is_negated=is_negated)
        case _:
            return _complement(_simple(leaf, values, _column(leaf.field)), is_negated=is_negated)


def _complement(test: str, *, is_negated: bool) -> str:
    return f"({test}) IS NOT TRUE" if is_negated else test


def _exists(table: str, device: str, condition: str, *, is_negated: bool) -> str:
    """Never NULL, and in the form that the planner turns into a join either way."""
    found = f"EXISTS (SELECT FROM {table} WHERE {device} = d.id AND {condition})"
    return f"NOT {found}" if is_negated else found


def _column(of: Field) -> str:
    match of.kind:
        case FieldKind.TEXT:
            return f"fold_text(d.{of.name})"
        case FieldKind.VERSION:
            return f"d.{of.name}_key"
        case _:
            return _COLUMNS.get(of.name, f"d.{of.name}")


def _simple(leaf: _Simple, values: _Values, column: str) -> str:
    """The positive test of one plain fact; NULL or false about what is unknown."""
    match leaf:
        case KnownTest():
            is_word = leaf.field.kind in (FieldKind.TEXT, FieldKind.CHOICE)
            return f"{column} <> ''" if is_word else f"{column} IS NOT NULL"
        case BooleanTest():
            return column if leaf.operator == "is_true" else f"NOT {column}"
        case TextTest():
            return _text(leaf.positive, [fold(one) for one in leaf.values], values, f'{column} COLLATE "C"')
        case PatternTest():
            return f"nullif({column}, '') COLLATE \"C\" ~ {values.one(postgres_pattern(leaf.pattern))}"
        case ChoiceTest():
            return _equal(column, leaf.values, values)
        case SiteTest():
            return _equal(column, leaf.values, values, "bigint")
        case _:
            return _by_order(leaf, values, column)


def _by_order(leaf: VersionTest | NumberTest | DateTest, values: _Values, column: str) -> str:
    match leaf:
        case VersionTest(operator="in" | "not_in"):
            return _equal(column, [version_key(one) for one in leaf.values], values)
        case VersionTest():
            return _ordered(column, leaf, values.one(version_key(leaf.values[0])))
        case NumberTest():
            return _ordered(column, leaf, values.one(f"{leaf.value:f}", _TYPES[leaf.field.kind]))
        case DateTest():
            # A date read from a text depends on settings, and is no constant therefore; a number of days is one.
            days = values.one(leaf.value.toordinal() - 1, "integer")
            return _ordered(column, leaf, f"(DATE '0001-01-01' + {days})")
        case _:
            assert_never(leaf)


def _ordered(column: str, leaf: VersionTest | NumberTest | DateTest, value: str) -> str:
    return f"{column} {_ORDERS[leaf.positive]} {value}"


def _equal(column: str, wanted: Sequence[object], values: _Values, kind: str = "text") -> str:
    different = list(dict.fromkeys(wanted))
    if len(different) == 1:
        return f"{column} = {values.one(different[0], kind)}"
    return f"{column} IN {values.many(different, kind)}"


def _text(operator: str, wanted: Sequence[str], values: _Values, column: str) -> str:
    """A test of a folded text. No value is empty, so none is found in an empty text."""
    match operator:
        case "contains":
            return f"strpos({column}, {values.one(wanted[0])}) > 0"
        case "starts_with":
            return f"{column} ^@ {values.one(wanted[0])}"
        case "ends_with":
            return f"right({column}, {len(wanted[0])}) = {values.one(wanted[0])}"
        case _:
            return _equal(column, wanted, values)


def _address(leaf: AddressTest, values: _Values) -> str:
    network = values.one(leaf.network, "inet")
    if leaf.field.name == "external_address":
        return f"d.external_address <<= {network}"
    return f"EXISTS (SELECT FROM unnest(d.internal_addresses) AS a WHERE a <<= {network})"


def _has_address(of: Field) -> str:
    return (
        "d.external_address IS NOT NULL" if of.name == "external_address" else "cardinality(d.internal_addresses) > 0"
    )


def _tags(leaf: TagsTest, values: _Values) -> str:
    """Tags are kept folded."""
    wanted = list(dict.fromkeys(map(fold, leaf.values)))
    if leaf.positive != "has_all" or len(wanted) == 1:
        return f"EXISTS (SELECT FROM device_tags t WHERE t.device_id = d.id AND {_equal('t.tag', wanted, values)})"
    having = f"HAVING count(*) = {len(wanted)}"
    listed = _equal("t.tag", wanted, values)
    return f"d.id IN (SELECT t.device_id FROM device_tags t WHERE {listed} GROUP BY t.device_id {having})"


def _software(leaf: SoftwareTest, values: _Values) -> str:
    """The conditions on one row `s`."""
    parts = [_named(leaf.name, values)]
    if leaf.version is not None:
        parts.append(_of_version(leaf.version, values))
    if leaf.source is not None:
        parts.append(f'fold_text(s.source) COLLATE "C" = {values.one(fold(leaf.source))}')
    return " AND ".join(parts)


def _named(name: NameTest | Pattern, values: _Values) -> str:
    """There are few names and many rows: the names that fit are found first, and their rows by the index."""
    if isinstance(name, NameTest) and name.operator == "equals":
        return f"s.name_key = {values.one(fold(name.value))}"
    if isinstance(name, NameTest):
        test = _text(name.operator, [fold(name.value)], values, 'n COLLATE "C"')
    else:
        test = f'n COLLATE "C" ~ {values.one(postgres_pattern(name))}'
    return f"s.name_key = ANY (ARRAY(SELECT n FROM software_names() AS n WHERE {test}))"


def _of_version(bound: VersionBound, values: _Values) -> str:
    """An empty key is a version that is unknown; it comes before all others."""
    test = f"s.version_key {_ORDERS[bound.operator]} {values.one(version_key(bound.version))}"
    return f"{test} AND s.version_key <> ''" if bound.operator.startswith("lower") else test
