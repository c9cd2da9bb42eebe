"""What an assembly is: its script, playbook or workflow, the variables it declares, and which values these take. Pure.

`core.assembly_check` reads one as the API or a file gives it; jobs judge their variables by `value_problem`, the same rule that
judges a declared default.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final, assert_never

from watchbill.core.fields import Choice, is_integer, shown, text_fault
from watchbill.core.file_rules import BESIDE, File, FileRules
from watchbill.core.playbook_rules import TREE, Collection
from watchbill.core.workflow_types import Graph


class Interpreter(StrEnum):
    BASH = "bash"
    SH = "sh"
    PYTHON = "python"
    POWERSHELL = "powershell"
    BATCH = "batch"


class AssemblyKind(StrEnum):
    SCRIPT = "script"
    PLAYBOOK = "playbook"
    WORKFLOW = "workflow"


class VariableType(StrEnum):
    STRING = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    CHOICE = auto()
    SECRET = auto()


Value = str | int | float | bool

KINDS: Final = Choice(tuple(AssemblyKind))
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
    """One declared variable of a script or a playbook, or a parameter of a workflow."""

    name: str
    type: VariableType
    is_required: bool = False
    default: Value | None = None
    choices: tuple[str, ...] = ()
    description: str = ""
    #: Of a parameter: whether a job or a launch may set it. What a script or a playbook declares always can be.
    is_promptable: bool = True

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
    #: Of a script.
    interpreter: Interpreter | None
    content: str
    variables: tuple[Variable, ...]
    time_limit_seconds: int
    warning_exit_codes: tuple[int, ...]
    files: tuple[File, ...] = ()
    #: Of a playbook.
    collections: tuple[Collection, ...] = ()
    #: Of a workflow, which has neither content nor files.
    workflow: Graph | None = None

    @property
    def is_playbook(self) -> bool:
        return self.kind is AssemblyKind.PLAYBOOK

    @property
    def substance(self) -> str:
        """What a revision is told from another by: the content, or of a workflow its graph and parameters as canonical JSON."""
        if self.workflow is None:
            return self.content
        return json.dumps([self.workflow.to_json(), self._parameters()], sort_keys=True, separators=(",", ":"))

    @property
    def file_rules(self) -> FileRules:
        return TREE if self.is_playbook else BESIDE

    def variable(self, name: str) -> Variable | None:
        return next((variable for variable in self.variables if variable.name == name), None)

    def to_json(self) -> dict[str, object]:
        """The assembly as the API and a file show it; `check` reads it back to an equal draft."""
        plain = {"name": self.name, "description": self.description, "kind": self.kind.value}
        if self.workflow is not None:
            return {**plain, "variables": self._parameters(), "workflow": self.workflow.to_json()}
        of_playbook = {"collections": [one.to_json() for one in self.collections]} if self.is_playbook else {}
        return {
            **plain,
            "interpreter": self.interpreter.value if self.interpreter else None,
            "content": self.content,
            "variables": [variable.to_json() for variable in self.variables],
            "time_limit_seconds": self.time_limit_seconds,
            "warning_exit_codes": list(self.warning_exit_codes),
            "files": [file.to_json() for file in self.files],
            **of_playbook,
        }

    def _parameters(self) -> list[dict[str, object]]:
        return [{**one.to_json(), "promptable": one.is_promptable} for one in self.variables]


def carried_bytes(text: str) -> int:
    """The size of a text inside the frame that brings it to a device: JSON inside JSON."""
    inner = json.dumps(text, ensure_ascii=False)
    return len(json.dumps(inner, ensure_ascii=False).encode(errors="replace"))


def name_problem(name: str) -> tuple[str, str] | None:
    """Why a variable cannot have this name, as a code and a sentence; None when it can."""
    if fault := parameter_name_problem(name):
        return fault
    if is_reserved(name):
        return "reserved_name", f"{name} is reserved: it steers the shell, an interpreter or the agent"
    return None


def parameter_name_problem(name: str) -> tuple[str, str] | None:
    """The same of a parameter of a workflow, which no shell sees."""
    if not _VARIABLE_NAME.fullmatch(name):
        return "invalid_name", "must be 1 to 64 letters, digits and underscores, and not begin with a digit"
    return None


def is_reserved(name: str) -> bool:
    """Whether a script may not be given a variable of that name."""
    return name.upper() in _RESERVED or name.upper().startswith(_RESERVED_PREFIXES)


def value_problem(variable: Variable, value: object) -> tuple[str, str] | None:
    """Why `value` cannot be a value of `variable`, as a code and a sentence; None when it can."""
    match variable.type:
        case VariableType.STRING | VariableType.SECRET:
            fault = string_fault(value)
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


def string_fault(value: object) -> str | None:
    """Why a value cannot be a text that a device is given."""
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
