"""Owns reading a criteria tree of the API into an expression, with every problem at once, and writing it back. Matches nothing.

What it accepts is bounded in every direction before it is walked, so that no tree, not even one that holds itself, takes long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from watchbill.core.fields import Fields, join
from watchbill.core.filter_fields import WITHOUT_VALUE, CustomKind, Field, all_fields
from watchbill.core.filter_nodes import AllOf, AnyOf, Expression, Leaf, Not
from watchbill.core.filter_parse_tests import read_test
from watchbill.core.filter_values import Values, told
from watchbill.core.problems import Problem

MAX_DEPTH: Final = 10
MAX_CRITERIA: Final = 200
MAX_GROUPS: Final = 200

_FORMS: Final = ("all", "any", "not", "field")
_EMPTY: Final = {
    "all": "an empty group would match every device; name at least one criterion",
    "any": "an empty group would match no device; name at least one criterion",
}


class FilterProblems(ValueError):  # noqa: N818 - it carries a list of problems, which is what callers render
    """Everything that is wrong with a criteria tree, at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


def parse(tree: object, custom_fields: Mapping[str, CustomKind], *, path: str = "criteria") -> Expression:
    """The expression that a criteria tree says. Raises `FilterProblems`, with paths that begin with `path`."""
    problems: list[Problem] = []
    reader = _Reader(all_fields(custom_fields), Values(problems), path)
    expression = reader.node(tree, path, depth=1)
    if problems or expression is None:
        raise FilterProblems(problems)
    return expression


@dataclass(slots=True)
class _Reader:
    """Walks one tree. Once it is too large as a whole it is not walked on."""

    fields: Mapping[str, Field]
    values: Values
    root: str
    criteria: int = 0
    groups: int = 0
    is_too_large: bool = False

    def node(self, value: object, path: str, *, depth: int) -> Expression | None:
        """One group or criterion; None when it is refused, or when nothing more is read."""
        if self.is_too_large:
            return None
        fields = self.values.fields(value, path)
        forms = [] if fields is None else [form for form in _FORMS if form in fields.value]
        if not self._has_room(forms) or fields is None:
            return None
        if len(forms) != 1:
            self.values.refuse(
                path, "invalid_node", "must be one of: a group (all, any, not), a criterion (field, operator, value)"
            )
            return None
        return self._criterion(fields) if forms == ["field"] else self._group(fields, forms[0], depth)

    def _has_room(self, forms: list[str]) -> bool:
        """Count one node more; what is neither group nor criterion counts too, so that a tree of nonsense has an end."""
        is_group = bool(forms) and forms != ["field"]
        self.groups += is_group
        self.criteria += not is_group
        if self.criteria > MAX_CRITERIA or self.groups > MAX_GROUPS:
            self.is_too_large = True
            self.values.refuse(
                self.root, "too_large", f"must have at most {MAX_CRITERIA} criteria and {MAX_GROUPS} groups in all"
            )
        return not self.is_too_large

    def _group(self, fields: Fields, form: str, depth: int) -> Expression | None:
        inner = fields.take(form)
        fields.refuse_unknown("a group")
        if depth > MAX_DEPTH:
            self.values.refuse(fields.path, "too_deep", f"groups nest at most {MAX_DEPTH} deep")
            return None
        path = join(fields.path, form)
        if form == "not":
            node = self.node(inner, path, depth=depth + 1)
            return None if node is None else Not(node)
        nodes = self._nodes(inner, path, form, depth)
        if not nodes:
            return None
        return AllOf(nodes) if form == "all" else AnyOf(nodes)

    def _nodes(self, inner: object, path: str, form: str, depth: int) -> tuple[Expression, ...]:
        """The nodes of a group; none when any of them is refused."""
        if not isinstance(inner, list):
            self.values.refuse(path, "wrong_type", f"must be a list of criteria and groups, not {told(inner)}")
        elif not inner:
            self.values.refuse(path, "empty_group", _EMPTY[form])
        elif len(inner) > MAX_CRITERIA:
            self.values.refuse(path, "length", f"must have 1 to {MAX_CRITERIA} nodes, not {len(inner)}")
        else:
            nodes = [self.node(item, join(path, place), depth=depth + 1) for place, item in enumerate(inner)]
            found = tuple(node for node in nodes if node is not None)
            return found if len(found) == len(nodes) else ()
        return ()

    def _criterion(self, fields: Fields) -> Leaf | None:
        field, operator, value = self._field(fields), fields.take("operator"), fields.take("value")
        fields.refuse_unknown("a criterion")
        if field is None or not self._is_operator(fields, field, operator):
            return None
        path = join(fields.path, "value")
        if operator in WITHOUT_VALUE and value is not None:
            self.values.refuse(path, "not_allowed", f"{operator} takes no value; leave it out")
            return None
        return read_test(self.values, field, str(operator), value, path)

    def _field(self, fields: Fields) -> Field | None:
        name = fields.take("field")
        found = self.fields.get(name) if isinstance(name, str) else None
        if found is None:
            self.values.refuse(join(fields.path, "field"), "unknown_field", self._unknown(name))
        return found

    def _unknown(self, name: object) -> str:
        nearest = get_close_matches(name[:100].lower(), self.fields, n=1) if isinstance(name, str) else []
        hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(self.fields)}"
        return f"{told(name)} is no field of devices; {hint}"

    def _is_operator(self, fields: Fields, field: Field, operator: object) -> bool:
        if isinstance(operator, str) and operator in field.operators:
            return True
        self.values.refuse(
            join(fields.path, "operator"),
            "unknown_operator",
            f"{told(operator)} is no operator of {field.name}; allowed: {', '.join(field.operators)}",
        )
        return False
