"""What a webhook's body gives to the parameters of a workflow, by the schema that its trigger declares. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from watchbill.core.assembly_rules import AssemblyDraft, Variable, value_problem
from watchbill.core.problems import Problem
from watchbill.core.workflow_types import NodeType

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,6}")


class NoJsonError(Exception):
    """A body is not what JSON is."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """The parameters that a body gives, to be trusted only when there is no problem. A problem's field is a path in the body, or a parameter."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[Problem] = ()


def read_body(body: bytes) -> Any:
    """The JSON of a body. Raises NoJsonError."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NoJsonError from None


def _refuse(word: str) -> None:
    raise ValueError(word)


def schema_of(draft: AssemblyDraft) -> Sequence[Mapping[str, Any]] | None:
    """What the webhook trigger of a workflow takes from a body; None when the workflow has no such trigger."""
    nodes = draft.workflow.nodes if draft.workflow else ()
    trigger = next((node for node in nodes if node.type is NodeType.TRIGGER_WEBHOOK), None)
    return None if trigger is None else trigger.settings.get("payload") or ()


def mapped(schema: Sequence[Mapping[str, Any]], variables: Sequence[Variable], document: Any) -> Mapped:
    """The values at the paths of `schema`, each judged by the type of its parameter. What is absent or null is left to the default."""
    declared = {one.name: one for one in variables}
    parameters: dict[str, Any] = {}
    problems: list[Problem] = []
    for entry in schema:
        name, path = str(entry["parameter"]), str(entry["path"])
        value, variable = look(document, path), declared.get(name)
        if variable is None:
            problems.append(
                Problem(path, "not_declared", f"is for the parameter {name}, which the workflow does not declare")
            )
        elif value is None:
            problems += _missing(variable, path, is_required=bool(entry.get("required")))
        elif fault := value_problem(variable, value):
            problems.append(Problem(path, fault[0], f"{fault[1]} (for the parameter {name})"))
        else:
            parameters[name] = value
    problems += _ungiven(variables, {str(entry["parameter"]) for entry in schema})
    return Mapped(parameters, tuple(problems))


def _missing(variable: Variable, path: str, *, is_required: bool) -> list[Problem]:
    if is_required or (variable.is_required and variable.default is None):
        return [Problem(path, "required", f"must be in the body: the parameter {variable.name} is taken from it")]
    return []


def _ungiven(variables: Sequence[Variable], taken: set[str]) -> list[Problem]:
    message = "is required, and the webhook trigger of the workflow takes it from nowhere"
    return [
        Problem(f"parameters.{one.name}", "required", message)
        for one in variables
        if one.is_required and one.default is None and one.name not in taken
    ]


def look(document: Any, path: str) -> Any:
    """What is at a dotted path; None where nothing is. A number is a place in a list, and a name in an object."""
    value = document
    for name in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
