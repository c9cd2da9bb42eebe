"""The kinds of settings that nodes of workflows have: how each is read, what of it is an expression, and its JSON schema.

What a type of node has is in `core.workflow_settings`, a table of these. A setting that is read has its default filled in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from watchbill.core.assembly_rules import Variable, VariableType, value_problem
from watchbill.core.expression_nodes import MAX_SOURCE, ExpressionError, Name
from watchbill.core.expressions import MAX_TEMPLATE, Template, parse
from watchbill.core.fields import Choice, Fields, as_uuid, is_integer, join, shown
from watchbill.core.http_texts import VARIABLE, UnsendableError, build, pieces

Schema = dict[str, Any]

MAX_ID: Final = 2**63 - 1
MAX_REVISION: Final = 2**31 - 1
MAX_DEVICES: Final = 10_000
MAX_VARIABLES: Final = 200
MAX_PAYLOAD: Final = 100
MAX_HEADERS: Final = 50
STATUSES: Final = (100, 599)


@dataclass(frozen=True, slots=True)
class Use:
    """A name that an expression speaks of. `path` leads from the settings to its text, `at` is its place in that."""

    path: str
    name: Name
    at: int


class Setting(Protocol):
    """One field of the settings of a node."""

    @property
    def name(self) -> str: ...
    def read(self, fields: Fields) -> Any:
        """The value with its default; what is wrong goes to the problems of `fields`."""

    def uses(self, value: Any) -> Iterator[Use]:
        """The names in the expressions of a value that was read."""

    def schema(self) -> Schema: ...


def nullable(schema: Schema) -> Schema:
    """What is left out may also be said as null."""
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"anyOf": [schema, {"type": "null"}]}


def read_expression(fields: Fields, name: str) -> str:
    """The text of an expression, required; whether its names are there only the graph tells."""
    before = len(fields.problems)
    source = fields.text(name, least=1, most=MAX_SOURCE)
    if len(fields.problems) == before:
        try:
            parse(source)
        except ExpressionError as error:
            fields.refuse(name, "invalid_expression", str(error))
    return source


def expression_uses(source: str, path: str) -> Iterator[Use]:
    """None of one that cannot be read: that is told already."""
    try:
        names = parse(source).placed_names
    except ExpressionError:
        return
    yield from (Use(path, name, name.at) for name in names)


def template_uses(text: str, path: str) -> Iterator[Use]:
    try:
        template = Template.parse(text)
    except ExpressionError:
        return
    for part in template.placeholders:
        yield from (Use(path, name, part.at + name.at) for name in part.expression.placed_names)


def template_fault(text: str) -> str | None:
    try:
        Template.parse(text)
    except ExpressionError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True)
class Plain:
    """A setting without expressions."""

    name: str

    def uses(self, value: Any) -> Iterator[Use]:
        del value
        return iter(())


@dataclass(frozen=True, slots=True)
class Whole(Plain):
    """A whole number. Without a default it may be left out, unless it is required."""

    low: int
    high: int
    default: int | None = None
    is_required: bool = False

    def read(self, fields: Fields) -> int | None:
        value = fields.optional_integer(self.name, self.low, self.high)
        if value is None and self.is_required and fields.value.get(self.name) is None:
            fields.refuse(self.name, "required", f"is required: a whole number from {self.low} to {self.high}")
        return self.default if value is None else value

    def schema(self) -> Schema:
        schema = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return schema if self.is_required else {**nullable(schema), "default": self.default}


def number_of(name: str) -> Whole:
    """The required number of a thing of which there are many."""
    return Whole(name, 1, MAX_ID, is_required=True)


@dataclass(frozen=True, slots=True)
class Word(Plain):
    choice: Choice
    default: str | None = None

    def read(self, fields: Fields) -> str | None:
        return fields.choice(self.name, self.choice, default=self.default) or self.default

    def schema(self) -> Schema:
        schema: Schema = {"enum": list(self.choice.now)}
        return schema if self.default is None else {**nullable(schema), "default": self.default}


@dataclass(frozen=True, slots=True)
class Devices(Plain):
    def read(self, fields: Fields) -> list[str]:
        found: list[str] = []
        for place, item in enumerate(fields.items(self.name, least=1, most=MAX_DEVICES)):
            known = as_uuid(item)
            if known is None:
                fields.refuse(f"{self.name}.{place}", "wrong_type", f"must be the id of a device, not {shown(item)}")
            else:
                found.append(str(known))
        unique = list(dict.fromkeys(found))
        if len(unique) < len(found):
            twice = next(one for place, one in enumerate(found) if one in found[:place])
            fields.refuse(self.name, "duplicate", f"{twice} is listed twice")
        return unique

    def schema(self) -> Schema:
        return {"type": "array", "minItems": 1, "maxItems": MAX_DEVICES, "items": UUID_SCHEMA}


UUID_SCHEMA: Final[Schema] = {"type": "string", "minLength": 36, "maxLength": 36}


@dataclass(frozen=True, slots=True)
class Assembly(Plain):
    def read(self, fields: Fields) -> str | None:
        found = fields.identifier(self.name)
        return str(found) if found else None

    def schema(self) -> Schema:
        return UUID_SCHEMA


@dataclass(frozen=True, slots=True)
class Revision(Plain):
    """The latest one when the node begins, or one by its number."""

    def read(self, fields: Fields) -> int | str:
        value = fields.take(self.name)
        if value is None or value == "latest":
            return "latest"
        if is_integer(value) and 1 <= value <= MAX_REVISION:
            return value
        message = f'must be "latest" or the number of a revision, not {shown(value)}'
        fields.refuse(self.name, "not_allowed", message)
        return "latest"

    def schema(self) -> Schema:
        number = {"type": "integer", "minimum": 1, "maximum": MAX_REVISION}
        return {"anyOf": [{"enum": ["latest", None]}, number], "default": "latest"}


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression, required."""

    name: str

    def read(self, fields: Fields) -> str:
        return read_expression(fields, self.name)

    def uses(self, value: Any) -> Iterator[Use]:
        return expression_uses(value, self.name)

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": MAX_SOURCE}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that may hold `{{ expressions }}`."""

    name: str
    most: int = MAX_TEMPLATE
    is_one_line: bool = False
    is_required: bool = True

    def read(self, fields: Fields) -> str | None:
        if not self.is_required and fields.value.get(self.name) is None:
            fields.take(self.name)
            return None
        before = len(fields.problems)
        text = fields.text(self.name, least=1, most=self.most, is_one_line=self.is_one_line)
        if len(fields.problems) == before:
            self._judge(fields, text)
        return text

    def _judge(self, fields: Fields, text: str) -> None:
        if fault := template_fault(text):
            fields.refuse(self.name, "invalid_expression", fault)

    def uses(self, value: Any) -> Iterator[Use]:
        return template_uses(value or "", self.name)

    def schema(self) -> Schema:
        schema = {"type": "string", "minLength": 1, "maxLength": self.most}
        return schema if self.is_required else nullable(schema)


@dataclass(frozen=True, slots=True)
class Url(Text):
    """Where a request goes. What begins with an expression is judged when it is sent."""

    def _judge(self, fields: Fields, text: str) -> None:
        if fault := template_fault(without_variables(text)):
            fields.refuse(self.name, "invalid_expression", fault)
        elif not text.startswith("{{") and (fault := _unsendable(url=text)):
            fields.refuse(self.name, "invalid", fault)

    def uses(self, value: Any) -> Iterator[Use]:
        return template_uses(without_variables(value or ""), self.name)


def without_variables(text: str) -> str:
    """A text of a request with something in the places of the Engine's variables, which only the sender opens."""
    return "".join("x" * len(piece) if VARIABLE.fullmatch(piece) else piece for _, piece in pieces(text))


def _unsendable(**settings: object) -> str | None:
    """Why no request with these settings can be sent, whatever the values in it are."""
    try:
        request = build({"method": "GET", "url": "https://example.org/", **settings}, lambda _: _SAMPLE)
        request.opened(dict.fromkeys(request.variables, _SAMPLE))
    except UnsendableError as error:
        return str(error)
    return None


#: A value that fits everywhere: into a name, a port, a path, a header.
_SAMPLE: Final = "1"


@dataclass(frozen=True, slots=True)
class Headers:
    """Of a request: names as they are, values that may hold expressions and variables of the Engine."""

    name: str

    def read(self, fields: Fields) -> dict[str, str]:
        inner = fields.object(self.name)
        if len(inner.value) > MAX_HEADERS:
            fields.refuse(self.name, "length", f"must have at most {MAX_HEADERS} headers, not {len(inner.value)}")
        lowered = [name.lower() for name in inner.value]
        found = {}
        for place, (name, value) in enumerate(inner.value.items()):
            path = join(self.name, shown(name)[1:-1])
            if name.lower() in lowered[:place]:
                fields.refuse(path, "duplicate", "is given twice (case does not count)")
            elif fault := _header_fault(name, value):
                fields.refuse(path, *fault)
            else:
                found[name] = str(value)
        return found

    def uses(self, value: Any) -> Iterator[Use]:
        for name, text in value.items():
            yield from template_uses(without_variables(text), join(self.name, name))

    def schema(self) -> Schema:
        values = {"type": "string", "minLength": 1, "maxLength": 2000}
        return nullable({"type": "object", "maxProperties": MAX_HEADERS, "additionalProperties": values})


def _header_fault(name: str, value: object) -> tuple[str, str] | None:
    if not isinstance(value, str) or not 1 <= len(value) <= 2000:
        return "wrong_type", "must be a text of 1 to 2000 characters"
    if fault := template_fault(without_variables(value)):
        return "invalid_expression", fault
    fault = _unsendable(headers={name: value})
    return ("invalid", fault) if fault else None


@dataclass(frozen=True, slots=True)
class Expect(Plain):
    """The statuses that count as success; None = 200 to 299."""

    def read(self, fields: Fields) -> list[int] | None:
        if fields.take(self.name) is None:
            return None
        low, high = STATUSES
        found = []
        for place, item in enumerate(fields.items(self.name, least=1, most=50)):
            if is_integer(item) and low <= item <= high:
                found.append(item)
            else:
                message = f"must be a status from {low} to {high}, not {shown(item)}"
                fields.refuse(f"{self.name}.{place}", "out_of_range", message)
        return sorted(set(found))

    def schema(self) -> Schema:
        low, high = STATUSES
        status = {"type": "integer", "minimum": low, "maximum": high}
        return nullable({"type": "array", "minItems": 1, "maxItems": 50, "items": status})


@dataclass(frozen=True, slots=True)
class Payload(Plain):
    """What a webhook's body gives to which parameter. `path` is dotted; a number in it is a place in a list."""

    def read(self, fields: Fields) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for place, item in enumerate(fields.items(self.name, most=MAX_PAYLOAD)):
            one = Fields.of(item, fields.problems, join(fields.path, f"{self.name}.{place}"))
            parameter = one.text("parameter", least=1, most=64)
            if parameter and any(parameter == other["parameter"] for other in found):
                one.refuse("parameter", "duplicate", f"{shown(parameter)} is given twice")
            read = {"parameter": parameter, "path": _body_path(one), "required": one.boolean("required", default=False)}
            one.refuse_unknown("a value of a payload")
            found.append(read)
        return found

    def schema(self) -> Schema:
        properties = {
            "parameter": {"type": "string", "minLength": 1, "maxLength": 64},
            "path": {"type": "string", "minLength": 1, "maxLength": 500},
            "required": {"type": ["boolean", "null"], "default": False},
        }
        item = closed_object(properties, required=("parameter", "path"))
        return {"type": ["array", "null"], "maxItems": MAX_PAYLOAD, "items": item}


def _body_path(fields: Fields) -> str:
    path = fields.text("path", least=1, most=500, is_one_line=True)
    if path and ("" in (parts := path.split(".")) or len(parts) > 30):
        message = "must be at most 30 names with dots between them, such as alert.labels.host or alerts.0.name"
        fields.refuse("path", "invalid", message)
    return path


@dataclass(frozen=True, slots=True)
class Values:
    """Variables of a script or parameters of a workflow: each a value, or `{"expression": "…"}`."""

    name: str

    def read(self, fields: Fields) -> dict[str, object]:
        inner = fields.object(self.name)
        if len(inner.value) > MAX_VARIABLES:
            fields.refuse(self.name, "length", f"must have at most {MAX_VARIABLES} values, not {len(inner.value)}")
        return {name: found for name in inner.value if (found := _value(inner, name)) is not None}

    def uses(self, value: Any) -> Iterator[Use]:
        for name, source in computed(value).items():
            yield from expression_uses(source, f"{self.name}.{name}.expression")

    def schema(self) -> Schema:
        formula = closed_object({"expression": Formula("expression").schema()}, required=("expression",))
        values = {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, formula]}
        return nullable({"type": "object", "maxProperties": MAX_VARIABLES, "additionalProperties": values})


def _value(fields: Fields, name: str) -> object:
    value = fields.take(name)
    if value is None:
        return None
    if isinstance(value, str | int | float):
        kind = VariableType.STRING if isinstance(value, str) else VariableType.NUMBER
        fault = None if isinstance(value, bool) else value_problem(Variable(name, kind), value)
        if fault:
            fields.refuse(name, *fault)
        return value
    if not isinstance(value, Mapping):
        message = f'must be a text, a number, true or false, or {{"expression": "…"}}; not {shown(value)}'
        fields.refuse(name, "wrong_type", message)
        return None
    inner = fields.object(name)
    source = read_expression(inner, "expression")
    inner.refuse_unknown("a computed value")
    return {"expression": source}


def computed(values: Mapping[str, object]) -> dict[str, str]:
    """Those of read values that are expressions."""
    return {name: value["expression"] for name, value in values.items() if isinstance(value, Mapping)}


def literal(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if not isinstance(value, Mapping)}


def closed_object(properties: Mapping[str, Schema], *, required: tuple[str, ...] = ()) -> Schema:
    """The schema of an object with these fields and no others."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema
