"""What an assembly may be: its script or playbook, the variables it declares, and which values these take. Pure: knows no store and no clock.

`check` reads an assembly as the API or a file gives it and names every fault at once; jobs judge their variables by
`value_problem`, the same rule that judges a declared default.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Final, assert_never

from watchbill.core.fields import Choice, Fields, is_integer, join, shown, text_fault
from watchbill.core.file_rules import BESIDE, File, FileRules, read_files
from watchbill.core.playbook_rules import TREE, Collection, read_collections, refuse_clashes, variable_name_problem
from watchbill.core.problems import Problem


class Interpreter(StrEnum):
    BASH = "bash"
    SH = "sh"
    PYTHON = "python"
    POWERSHELL = "powershell"
    BATCH = "batch"


class AssemblyKind(StrEnum):
    SCRIPT = "script"
    PLAYBOOK = "playbook"


class VariableType(StrEnum):
    STRING = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    CHOICE = auto()
    SECRET = auto()


Value = str | int | float | bool

KINDS: Final = Choice(tuple(AssemblyKind), ("workflow",))
INTERPRETERS: Final = Choice(tuple(Interpreter))
VARIABLE_TYPES: Final = Choice(tuple(VariableType))

MAX_TIME_LIMIT_SECONDS: Final = 7 * 86_400
DEFAULT_TIME_LIMIT_SECONDS: Final = 3600
MAX_CONTENT_CHARACTERS: Final = 384 * 1024
MAX_VALUE_CHARACTERS: Final = 32 * 1024
MAX_VARIABLES: Final = 200
#: A script, its variables and their envelope travel to the device in one frame of 1 MiB, escaped twice on the way.
MAX_CARRIED_CONTENT_BYTES: Final = 800 * 1024
MAX_CARRIED_VALUES_BYTES: Final = 160 * 1024

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# Variables reach the script through its environment. These names steer a shell, an interpreter, the loader or the
# agent itself, or are overwritten by the shell. Windows knows no case in names, so none is known here.
_RESERVED: Final = frozenset((
    "_", "PATH", "IFS", "ENV", "HOME", "PWD", "OLDPWD", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "CDPATH",
    "GLOBIGNORE", "RANDOM", "SECONDS", "LINENO", "OPTIND", "UID", "EUID", "PPID", "SHLVL", "TMPDIR", "TMP", "TEMP",
    "PATHEXT", "COMSPEC", "SYSTEMROOT", "WINDIR", "PSMODULEPATH", "LOCPATH", "GCONV_PATH", "GLIBC_TUNABLES",
    "PERL5LIB", "PERL5OPT", "PERL5DB", "RUBYLIB", "RUBYOPT", "NODE_OPTIONS", "NODE_PATH",
))  # fmt: skip
_RESERVED_PREFIXES: Final = ("LD_", "DYLD_", "PYTHON", "BASH_", "WATCHBILL_")


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable of a script or a playbook."""

    name: str
    type: VariableType
    is_required: bool = False
    default: Value | None = None
    choices: tuple[str, ...] = ()
    description: str = ""

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "type": self.type.value,
            "required": self.is_required,
            "default": self.default,
            "choices": list(self.choices),
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class AssemblyDraft:
    """A checked assembly, defaults filled in: what one immutable revision holds."""

    name: str
    description: str
    kind: AssemblyKind
    #: None for a playbook.
    interpreter: Interpreter | None
    content: str
    variables: tuple[Variable, ...]
    time_limit_seconds: int
    warning_exit_codes: tuple[int, ...]
    files: tuple[File, ...] = ()
    #: Of a playbook.
    collections: tuple[Collection, ...] = ()

    @property
    def is_playbook(self) -> bool:
        return self.kind is AssemblyKind.PLAYBOOK

    @property
    def file_rules(self) -> FileRules:
        return TREE if self.is_playbook else BESIDE

    def variable(self, name: str) -> Variable | None:
        return next((variable for variable in self.variables if variable.name == name), None)

    def to_json(self) -> dict[str, object]:
        """The assembly as the API and a file show it; `check` reads it back to an equal draft."""
        of_playbook = {"collections": [one.to_json() for one in self.collections]} if self.is_playbook else {}
        return {
            "name": self.name,
            "description": self.description,
            "kind": self.kind.value,
            "interpreter": self.interpreter.value if self.interpreter else None,
            "content": self.content,
            "variables": [variable.to_json() for variable in self.variables],
            "time_limit_seconds": self.time_limit_seconds,
            "warning_exit_codes": list(self.warning_exit_codes),
            "files": [file.to_json() for file in self.files],
            **of_playbook,
        }


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
    is_playbook = kind is AssemblyKind.PLAYBOOK
    draft = AssemblyDraft(
        name=fields.name(),
        description=fields.text("description", most=10_000, default=""),
        kind=kind,
        interpreter=None if is_playbook else _interpreter(fields),
        content=_content(fields, is_playbook=is_playbook),
        variables=_variables(fields, variable_name_problem if is_playbook else name_problem),
        time_limit_seconds=fields.integer(
            "time_limit_seconds", 1, MAX_TIME_LIMIT_SECONDS, default=DEFAULT_TIME_LIMIT_SECONDS
        ),
        warning_exit_codes=() if is_playbook else _exit_codes(fields),
        files=read_files(fields, TREE if is_playbook else BESIDE),
        collections=read_collections(fields) if is_playbook else (),
    )
    if is_playbook:
        refuse_clashes(fields, draft.files)
    for name, message in (_NOT_OF_PLAYBOOKS if is_playbook else _NOT_OF_SCRIPTS).items():
        if fields.take(name):
            fields.refuse(name, "not_allowed", message)
    fields.refuse_unknown("an assembly", READ_ONLY)
    return CheckedAssembly(draft, tuple(problems))


_NOT_OF_PLAYBOOKS: Final = {
    "interpreter": "must be null: a playbook is run by Ansible",
    "warning_exit_codes": "must be empty: Ansible says by itself what failed on which device",
}
_NOT_OF_SCRIPTS: Final = {"collections": "must be empty: only a playbook takes something from collections"}


def _interpreter(fields: Fields) -> Interpreter:
    return Interpreter(fields.choice("interpreter", INTERPRETERS) or Interpreter.BASH)


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


def carried_bytes(text: str) -> int:
    """The size of a text inside the frame that brings it to a device: JSON inside JSON."""
    inner = json.dumps(text, ensure_ascii=False)
    return len(json.dumps(inner, ensure_ascii=False).encode(errors="replace"))


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


def _variables(fields: Fields, rule: NameRule) -> tuple[Variable, ...]:
    read: list[Variable] = []
    for position, item in enumerate(fields.items("variables", most=MAX_VARIABLES)):
        variable_fields = Fields.of(item, fields.problems, join(fields.path, f"variables.{position}"))
        variable = _variable(variable_fields, rule)
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
    fields.refuse_unknown("a variable")
    return variable


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


def name_problem(name: str) -> tuple[str, str] | None:
    """Why a variable cannot have this name, as a code and a sentence; None when it can."""
    if not _VARIABLE_NAME.fullmatch(name):
        return "invalid_name", "must be 1 to 64 letters, digits and underscores, and not begin with a digit"
    if is_reserved(name):
        return "reserved_name", f"{name} is reserved: it steers the shell, an interpreter or the agent"
    return None


def is_reserved(name: str) -> bool:
    """Whether a script may not be given a variable of that name."""
    return name.upper() in _RESERVED or name.upper().startswith(_RESERVED_PREFIXES)


def _choices(fields: Fields) -> tuple[str, ...]:
    if fields.value.get("type") != VariableType.CHOICE:
        if fields.take("choices"):
            fields.refuse("choices", "not_allowed", "only a variable of type choice has choices")
        return ()
    items = fields.items("choices", least=1, most=200)
    for position, item in enumerate(items):
        fault = _string_fault(item) if isinstance(item, str) and item else "must be a text of at least one character"
        if fault:
            fields.refuse(f"choices.{position}", "wrong_type", fault)
        elif item in items[:position]:
            fields.refuse(f"choices.{position}", "duplicate", f"{shown(item)} is listed twice")
    return tuple(item for item in items if isinstance(item, str))


def value_problem(variable: Variable, value: object) -> tuple[str, str] | None:
    """Why `value` cannot be a value of `variable`, as a code and a sentence; None when it can."""
    match variable.type:
        case VariableType.STRING | VariableType.SECRET:
            fault = _string_fault(value)
            return ("wrong_type", fault) if fault else None
        case VariableType.NUMBER:
            return None if _is_number(value) else ("wrong_type", f"must be a finite number, not {shown(value)}")
        case VariableType.BOOLEAN:
            is_boolean = isinstance(value, bool)
            return None if is_boolean else ("wrong_type", f"must be true or false, not {shown(value)}")
        case VariableType.CHOICE:
            listed = ", ".join(variable.choices)
            is_listed = isinstance(value, str) and value in variable.choices
            return None if is_listed else ("not_a_choice", f"must be one of: {listed}; not {shown(value)}")
    assert_never(variable.type)


def _string_fault(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be a text, not {type(value).__name__}"  # the value itself may be a secret
    if len(value) > MAX_VALUE_CHARACTERS:
        return f"must have at most {MAX_VALUE_CHARACTERS} characters, not {len(value)}"
    return text_fault(value)


def _is_number(value: object) -> bool:
    if is_integer(value):
        return abs(value) < 2**53  # beyond that JSON readers round
    return isinstance(value, float) and math.isfinite(value)


def values_problem(values: Mapping[str, object]) -> str | None:
    """Why these values together cannot be brought to a device, None when they can."""
    size = sum(carried_bytes(name) + carried_bytes(text) for name, text in _texts(values))
    if size <= MAX_CARRIED_VALUES_BYTES:
        return None
    return f"are too large together for one message to a device: at most {MAX_CARRIED_VALUES_BYTES // 1024} KiB"


def _texts(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in values.items() if isinstance(value, str))


def as_text(value: Value) -> str:
    """A value as a script reads it from its environment."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
