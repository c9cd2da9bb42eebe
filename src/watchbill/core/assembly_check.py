"""Reads an assembly as the API or a file gives it, a script, a playbook or a workflow, and names every fault at once. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NotRequired, TypedDict

from watchbill.core.assembly_rules import (
    DEFAULT_TIME_LIMIT_SECONDS,
    INTERPRETERS,
    KINDS,
    MAX_CARRIED_CONTENT_BYTES,
    MAX_CONTENT_CHARACTERS,
    MAX_TIME_LIMIT_SECONDS,
    MAX_VARIABLES,
    VARIABLE_TYPES,
    AssemblyDraft,
    AssemblyKind,
    Interpreter,
    Value,
    Variable,
    VariableType,
    carried_bytes,
    name_problem,
    parameter_name_problem,
    string_fault,
    value_problem,
)
from watchbill.core.fields import Fields, is_integer, join, shown
from watchbill.core.file_rules import BESIDE, File, read_files
from watchbill.core.playbook_rules import TREE, Collection, read_collections, refuse_clashes, variable_name_problem
from watchbill.core.problems import Problem
from watchbill.core.workflow_graph import read_graph
from watchbill.core.workflow_types import Graph, NodeType


@dataclass(frozen=True, slots=True)
class CheckedAssembly:
    """What was read, to be trusted only when there is no problem."""

    draft: AssemblyDraft
    problems: tuple[Problem, ...]


def check(value: object) -> CheckedAssembly:
    """Read an assembly and name everything that is wrong with it."""
    problems: list[Problem] = []
    fields = Fields.of(value, problems)
    kind = AssemblyKind(fields.choice("kind", KINDS, default=AssemblyKind.SCRIPT) or AssemblyKind.SCRIPT)
    draft = AssemblyDraft(
        name=fields.name(),
        description=fields.text("description", most=10_000, default=""),
        kind=kind,
        **_READERS[kind](fields),
    )
    for name, message in _FOREIGN[kind].items():
        if fields.take(name) not in (None, "", []):
            fields.refuse(name, "not_allowed", message)
    fields.refuse_unknown("an assembly", READ_ONLY)
    return CheckedAssembly(draft, tuple(problems))


class _Parts(TypedDict):
    """What the kinds of assemblies say each in its own way."""

    interpreter: Interpreter | None
    content: str
    variables: tuple[Variable, ...]
    time_limit_seconds: int
    warning_exit_codes: tuple[int, ...]
    files: NotRequired[tuple[File, ...]]
    collections: NotRequired[tuple[Collection, ...]]
    workflow: NotRequired[Graph | None]


def _script(fields: Fields) -> _Parts:
    return {
        "interpreter": Interpreter(fields.choice("interpreter", INTERPRETERS) or Interpreter.BASH),
        "content": _content(fields, is_playbook=False),
        "variables": _variables(fields, name_problem),
        "time_limit_seconds": _time_limit(fields),
        "warning_exit_codes": _exit_codes(fields),
        "files": read_files(fields, BESIDE),
    }


def _playbook(fields: Fields) -> _Parts:
    parts: _Parts = {
        "interpreter": None,
        "content": _content(fields, is_playbook=True),
        "variables": _variables(fields, variable_name_problem),
        "time_limit_seconds": _time_limit(fields),
        "warning_exit_codes": (),
        "files": read_files(fields, TREE),
        "collections": read_collections(fields),
    }
    refuse_clashes(fields, parts["files"])
    return parts


def _workflow(fields: Fields) -> _Parts:
    parameters = _variables(fields, parameter_name_problem, is_workflow=True)
    if fields.take("time_limit_seconds") not in (None, DEFAULT_TIME_LIMIT_SECONDS):
        fields.refuse("time_limit_seconds", "not_allowed", "must be left out: workflow.time_limit_seconds says it")
    graph = read_graph(fields, parameters)
    if graph is not None:
        _refuse_unreachable(fields, parameters, graph)
    return {
        "interpreter": None,
        "content": "",
        "variables": parameters,
        "time_limit_seconds": DEFAULT_TIME_LIMIT_SECONDS,
        "warning_exit_codes": (),
        "workflow": graph,
    }


def _refuse_unreachable(fields: Fields, parameters: Sequence[Variable], graph: Graph) -> None:
    """A parameter that is required, and that no launch could give a value."""
    triggers = [node for node in graph.nodes if node.type is NodeType.TRIGGER_WEBHOOK]
    mapped = {one["parameter"] for node in triggers for one in node.settings.get("payload", ())}
    for place, one in enumerate(parameters):
        if one.is_required and not one.is_promptable and one.default is None and one.name not in mapped:
            message = "must have a default or be promptable: it is required, and no launch could give it a value"
            fields.refuse(f"variables.{place}.promptable", "not_allowed", message)


def _time_limit(fields: Fields) -> int:
    return fields.integer("time_limit_seconds", 1, MAX_TIME_LIMIT_SECONDS, default=DEFAULT_TIME_LIMIT_SECONDS)


_READERS: Final[Mapping[AssemblyKind, Callable[[Fields], _Parts]]] = {
    AssemblyKind.SCRIPT: _script,
    AssemblyKind.PLAYBOOK: _playbook,
    AssemblyKind.WORKFLOW: _workflow,
}
_NO_GRAPH: Final = "must be null: only an assembly of kind workflow has nodes and edges"
#: What belongs to other kinds; empty is let pass, since replies have it.
_FOREIGN: Final[Mapping[AssemblyKind, Mapping[str, str]]] = {
    AssemblyKind.SCRIPT: {
        "collections": "must be empty: only a playbook takes something from collections",
        "workflow": _NO_GRAPH,
    },
    AssemblyKind.PLAYBOOK: {
        "interpreter": "must be null: a playbook is run by Ansible",
        "warning_exit_codes": "must be empty: Ansible says by itself what failed on which device",
        "workflow": _NO_GRAPH,
    },
    AssemblyKind.WORKFLOW: {
        "interpreter": "must be null: a workflow runs the scripts of its nodes, each with its own interpreter",
        "content": "must be empty: what a workflow does stands in its nodes and edges",
        "warning_exit_codes": "must be empty: the scripts of its nodes have their own",
        "files": "must be empty: the scripts and playbooks of its nodes have their own",
        "collections": "must be empty: the playbooks of its nodes have their own",
    },
}


#: What a reply adds to an assembly.
READ_ONLY: Final = (
    "id", "revision", "content_sha256", "archived_at", "created_by", "updated_by", "created_at", "updated_at"
)  # fmt: skip


def from_json(stored: object) -> AssemblyDraft:
    """A draft that was stored after a check. Raises ValueError when it is none."""
    checked = check(stored)
    if checked.problems:
        raise ValueError("; ".join(f"{problem.field}: {problem.message}" for problem in checked.problems))
    return checked.draft


def _content(fields: Fields, *, is_playbook: bool) -> str:
    content = fields.text("content", most=MAX_CONTENT_CHARACTERS, least=1)
    if content and not content.strip():
        what = "plays" if is_playbook else "a script"
        fields.refuse("content", "required", f"must hold {what}, not only white space")
    elif not is_playbook and carried_bytes(content) > MAX_CARRIED_CONTENT_BYTES:
        most = MAX_CARRIED_CONTENT_BYTES // 1024
        fields.refuse("content", "length", f"is too large for one message to a device: at most {most} KiB when escaped")
    return content


def _exit_codes(fields: Fields) -> tuple[int, ...]:
    codes = fields.items("warning_exit_codes", most=255)
    for position, code in enumerate(codes):
        if not is_integer(code) or not 1 <= code <= 255:
            message = f"must be a whole number from 1 to 255, not {shown(code)}"
            fields.refuse(f"warning_exit_codes.{position}", "out_of_range", message)
        elif code in codes[:position]:
            fields.refuse(f"warning_exit_codes.{position}", "duplicate", f"{code} is listed twice")
    return tuple(sorted({code for code in codes if is_integer(code)}))


NameRule = Callable[[str], tuple[str, str] | None]


def _variables(fields: Fields, rule: NameRule, *, is_workflow: bool = False) -> tuple[Variable, ...]:
    read: list[Variable] = []
    for position, item in enumerate(fields.items("variables", most=MAX_VARIABLES)):
        variable_fields = Fields.of(item, fields.problems, join(fields.path, f"variables.{position}"))
        variable = _variable(variable_fields, rule)
        variable = replace(variable, is_promptable=_promptable(variable_fields, is_workflow=is_workflow))
        variable_fields.refuse_unknown("a variable")
        if variable.name and any(variable.name.upper() == other.name.upper() for other in read):
            variable_fields.refuse("name", "duplicate", f"{variable.name} is declared twice (case does not count)")
        read.append(variable)
    return tuple(read)


def _variable(fields: Fields, rule: NameRule) -> Variable:
    kind = fields.choice("type", VARIABLE_TYPES)
    variable = Variable(
        name=_variable_name(fields, rule),
        type=VariableType(kind or VariableType.STRING),
        is_required=fields.boolean("required", default=False),
        choices=_choices(fields) if kind else (),
        description=fields.text("description", most=1000, default=""),
    )
    default = fields.take("default")
    if kind is None:  # without its type nothing can be said of the rest
        fields.take("choices")
    elif default is not None:
        variable = _with_default(fields, variable, default)
    return variable


_KEPT_ELSEWHERE: Final = (
    "must not be secret: what a workflow is launched with is shown in its runs; keep secrets as variables of the Engine, "
    "which give them to the scripts of its nodes"
)


def _promptable(fields: Fields, *, is_workflow: bool) -> bool:
    """Whether launches may set a parameter; whatever a script declares they may."""
    if not is_workflow and fields.take("promptable") is not None:
        fields.refuse(
            "promptable", "not_allowed", "must be left out: only a parameter of a workflow is promptable or not"
        )
        return True
    if is_workflow and fields.value.get("type") == VariableType.SECRET:
        fields.refuse("type", "not_allowed", _KEPT_ELSEWHERE)
    return fields.boolean("promptable", default=True)


def _with_default(fields: Fields, variable: Variable, default: object) -> Variable:
    if variable.type is VariableType.SECRET:
        fields.refuse("default", "not_allowed", "a secret has no default: an assembly is readable by everyone")
        return variable
    fault = value_problem(variable, default)
    if fault:
        fields.refuse("default", fault[0], fault[1])
        return variable
    assert isinstance(default, Value)
    return replace(variable, default=default)


def _variable_name(fields: Fields, rule: NameRule) -> str:
    name = fields.text("name", most=64, least=1)
    if not name:
        return name
    fault = rule(name)
    if fault:
        fields.refuse("name", *fault)
    return name


def _choices(fields: Fields) -> tuple[str, ...]:
    if fields.value.get("type") != VariableType.CHOICE:
        if fields.take("choices"):
            fields.refuse("choices", "not_allowed", "only a variable of type choice has choices")
        return ()
    items = fields.items("choices", least=1, most=200)
    for position, item in enumerate(items):
        fault = string_fault(item) if isinstance(item, str) and item else "must be a text of at least one character"
        if fault:
            fields.refuse(f"choices.{position}", "wrong_type", fault)
        elif item in items[:position]:
            fields.refuse(f"choices.{position}", "duplicate", f"{shown(item)} is listed twice")
    return tuple(item for item in items if isinstance(item, str))
