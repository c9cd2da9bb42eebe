"""Owns reading the value of one criterion into its node, by the kind of its field. Knows nothing of groups."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from watchbill.core.fields import Fields, join
from watchbill.core.filter_fields import NAME_OPERATORS, VERSION_OPERATORS, WITH_LIST, Field, FieldKind
from watchbill.core.filter_nodes import (
    AddressTest,
    BooleanTest,
    ChoiceTest,
    DateTest,
    KnownTest,
    Leaf,
    NameTest,
    NumberTest,
    PatternTest,
    SiteTest,
    SoftwareTest,
    TagsTest,
    TextTest,
    VersionBound,
    VersionTest,
)
from watchbill.core.filter_regex_tree import Pattern
from watchbill.core.filter_values import Values

MAX_TAG: Final = 200
_One = TypeVar("_One", bound=Hashable)


def read_test(values: Values, field: Field, operator: str, value: object, path: str) -> Leaf | None:
    """The criterion, whose operator is one of its field's; None when the value is refused."""
    if operator in ("is_known", "is_unknown"):
        return KnownTest(field, operator)
    if field.kind is FieldKind.BOOLEAN:
        return BooleanTest(field, operator)
    if value is None:
        values.refuse(path, "required", f"is required by {operator}")
        return None
    return _READERS[field.kind](_Asked(values, field, operator, value, path))


@dataclass(frozen=True, slots=True)
class _Asked:
    """One criterion with a value that is yet to be read."""

    values: Values
    field: Field
    operator: str
    value: object
    path: str

    def ones(self, read: Callable[[object, str], _One | None]) -> tuple[_One, ...] | None:
        """The values of an operator that takes one or a list."""
        if self.operator in WITH_LIST:
            return self.values.many(self.value, self.path, read)
        one = read(self.value, self.path)
        return None if one is None else (one,)


def _text(asked: _Asked) -> Leaf | None:
    if asked.operator in ("matches", "not_matches"):
        pattern = asked.values.pattern(asked.value, asked.path)
        return None if pattern is None else PatternTest(asked.field, asked.operator, pattern)
    texts = asked.ones(asked.values.text)
    return None if texts is None else TextTest(asked.field, asked.operator, texts)


def _choice(asked: _Asked) -> Leaf | None:
    words = asked.ones(lambda value, path: asked.values.choice(value, path, asked.field.choices))
    return None if words is None else ChoiceTest(asked.field, asked.operator, words)


def _site(asked: _Asked) -> Leaf | None:
    sites = asked.ones(asked.values.site)
    return None if sites is None else SiteTest(asked.field, asked.operator, sites)


def _version(asked: _Asked) -> Leaf | None:
    versions = asked.ones(asked.values.version)
    return None if versions is None else VersionTest(asked.field, asked.operator, versions)


def _integer(asked: _Asked) -> Leaf | None:
    return _number_test(asked, asked.values.integer(asked.value, asked.path))


def _size(asked: _Asked) -> Leaf | None:
    return _number_test(asked, asked.values.size(asked.value, asked.path))


def _duration(asked: _Asked) -> Leaf | None:
    return _number_test(asked, asked.values.duration(asked.value, asked.path))


def _number(asked: _Asked) -> Leaf | None:
    return _number_test(asked, asked.values.number(asked.value, asked.path))


def _number_test(asked: _Asked, number: int | Decimal | None) -> Leaf | None:
    return None if number is None else NumberTest(asked.field, asked.operator, Decimal(number))


def _date(asked: _Asked) -> Leaf | None:
    day = asked.values.date(asked.value, asked.path)
    return None if day is None else DateTest(asked.field, asked.operator, day)


def _address(asked: _Asked) -> Leaf | None:
    network = asked.values.network(asked.value, asked.path)
    return None if network is None else AddressTest(asked.field, asked.operator, network)


def _tags(asked: _Asked) -> Leaf | None:
    tags = asked.ones(lambda value, path: asked.values.text(value, path, MAX_TAG))
    return None if tags is None else TagsTest(asked.field, asked.operator, tags)


def _software(asked: _Asked) -> Leaf | None:
    fields = asked.values.fields(asked.value, asked.path)
    if fields is None:
        return None
    before = len(asked.values.problems)
    name, version, source = _name(fields, asked.values), _bound(fields, asked.values), fields.take("source")
    if source is not None:
        source = asked.values.text(source, join(fields.path, "source"), MAX_TAG)
    fields.refuse_unknown("a software criterion")
    if name is None or len(asked.values.problems) > before:
        return None
    return SoftwareTest(asked.field, asked.operator, name, version, source if isinstance(source, str) else None)


def _name(fields: Fields, values: Values) -> NameTest | Pattern | None:
    path, operator = join(fields.path, "name_operator"), fields.take("name_operator")
    chosen = "equals" if operator is None else values.choice(operator, path, NAME_OPERATORS)
    path, value = join(fields.path, "name"), fields.take("name")
    if value is None:
        values.refuse(path, "required", "is required: the name of the software")
        return None
    if chosen == "matches":
        return values.pattern(value, path)
    name = values.text(value, path)
    return None if chosen is None or name is None else NameTest(chosen, name)


def _bound(fields: Fields, values: Values) -> VersionBound | None:
    operator, version = fields.take("version_operator"), fields.take("version")
    if operator is None and version is None:
        return None
    # Each asks for the other, and both are judged.
    chosen = values.choice(operator, join(fields.path, "version_operator"), VERSION_OPERATORS)
    found = values.version(version, join(fields.path, "version"))
    return None if chosen is None or found is None else VersionBound(chosen, found)


#: Booleans are not here: none of their operators takes a value.
_READERS: Final[Mapping[FieldKind, Callable[[_Asked], Leaf | None]]] = {
    FieldKind.TEXT: _text,
    FieldKind.CHOICE: _choice,
    FieldKind.SITE: _site,
    FieldKind.VERSION: _version,
    FieldKind.INTEGER: _integer,
    FieldKind.SIZE: _size,
    FieldKind.DURATION: _duration,
    FieldKind.NUMBER: _number,
    FieldKind.DATE: _date,
    FieldKind.ADDRESS: _address,
    FieldKind.TAGS: _tags,
    FieldKind.SOFTWARE: _software,
}
