"""A job's variables against what its assembly declares: unknown and missing ones, wrong types, and which are secret. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from watchbill.core.assembly_rules import AssemblyDraft, Variable, VariableType, value_problem, values_problem
from watchbill.core.fields import shown
from watchbill.core.problems import Problem
from watchbill.core.variable_rules import required

#: How a stored secret is shown, and how an edit says that it stays.
IS_SET: Final[Mapping[str, object]] = {"is_set": True}


@dataclass(slots=True)
class SettledVariables:
    """The values of one component, secrets apart."""

    plain: dict[str, object] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    kept: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))


def settle_variables(
    declared: AssemblyDraft,
    given: Mapping[str, object],
    stored: Collection[str],
    path: str,
    elsewhere: Collection[str] = (),
) -> SettledVariables:
    """Judge the `given` values; `stored` names the secrets that may be kept, `elsewhere` what sites or devices have values of."""
    settled = SettledVariables()
    # An empty field of a form sends null: the variable is then not given.
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        variable = declared.variable(name)
        if variable is None:
            known = ", ".join(variable.name for variable in declared.variables) or "none"
            settled.refuse(f"{path}.{shown(name)[1:-1]}", "unknown_variable", f"is not declared; declared are: {known}")
        else:
            _take(settled, variable, value, stored, f"{path}.{name}")
    for name in required(declared, values):
        if name not in elsewhere:
            message = "is required, and has no value for everything, a site or a device either"
            settled.refuse(f"{path}.{name}", "required", message)
    fault = values_problem({**settled.plain, **settled.secrets})
    if fault:
        settled.refuse(path, "length", fault)
    return settled


def _take(settled: SettledVariables, variable: Variable, value: object, stored: Collection[str], path: str) -> None:
    if variable.type is VariableType.SECRET and value == IS_SET:
        if variable.name in stored:
            settled.kept |= {variable.name}
        else:
            settled.refuse(path, "secret_not_set", "no value is stored here that could be kept: give the secret itself")
        return
    fault = value_problem(variable, value)
    if fault:
        settled.refuse(path, *fault)
    elif variable.type is VariableType.SECRET:
        settled.secrets[variable.name] = str(value)
    else:
        settled.plain[variable.name] = value
