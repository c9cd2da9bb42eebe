"""The YAML of playbooks, roles and variables: what is wrong with it, each fault with its line and column. Pure: text in, problems out.

Looks only at the form: what Ansible makes of it is Ansible's to say. Reads by events and without recursion, so that no depth harms it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from watchbill.core.fields import shown
from watchbill.core.problems import Problem

MAX_DEPTH: Final = 60
MAX_NODES: Final = 100_000
#: One document that names another again and again grows without bound when it is worked with.
MAX_ALIASES: Final = 1000
MAX_PROBLEMS: Final = 50

_VAULTED: Final = "$ANSIBLE_VAULT;"
_NO_VAULT: Final = (
    "is encrypted by Ansible Vault, whose password the Engine does not have: declare a variable of type secret instead"
)
_TAGS: Final = frozenset(("!unsafe", "!"))
_PLAY_KEYS: Final = frozenset(("hosts", "import_playbook", "ansible.builtin.import_playbook"))
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def playbook_problems(text: str) -> list[Problem]:
    """What is wrong with the text of a playbook itself: a list of plays."""
    return _problems("content", text, _Reader("content", is_playbook=True))


def file_problems(field_name: str, text: str) -> list[Problem]:
    """What is wrong with another YAML file of its tree."""
    return _problems(field_name, text, _Reader(field_name, is_playbook=False))


def _problems(field_name: str, text: str, reader: "_Reader") -> list[Problem]:
    if text.startswith(_VAULTED):
        return [Problem(field_name, "vault", f"line 1, column 1: {_NO_VAULT}")]
    try:
        for event in yaml.parse(text, Loader=_Loader):
            reader.take(event)
    except _TooMuchError as error:
        reader.refuse(error.mark, "too_large", str(error))
    except yaml.MarkedYAMLError as error:
        reader.refuse(error.problem_mark or error.context_mark, "malformed_yaml", str(error.problem or "is not YAML"))
    except yaml.YAMLError as error:
        reader.refuse(None, "malformed_yaml", f"is not YAML: {error}".splitlines()[0])
    return reader.problems[:MAX_PROBLEMS]


class _TooMuchError(Exception):
    """More than anybody writes by hand: reading ends."""

    def __init__(self, message: str, mark: Any) -> None:
        super().__init__(message)
        self.mark = mark


@dataclass(slots=True)
class _Open:
    """A list or an object that is still being read. `keys`: the names in an object, and whether one waits for its value."""

    mark: Any
    is_object: bool
    keys: set[str] = field(default_factory=set)
    has_key: bool = False


@dataclass(slots=True)
class _Reader:
    """Follows the events of one text and notes what is wrong."""

    field_name: str
    is_playbook: bool
    problems: list[Problem] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)
    _documents: int = 0
    _nodes: int = 0
    _aliases: int = 0

    def refuse(self, mark: Any, code: str, message: str) -> None:
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        self.problems.append(Problem(self.field_name, code, place + message))

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._begin_document(event)
            case yaml.NodeEvent():
                self._count(event)
                self._take_node(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end(self._open.pop())
            case yaml.StreamEndEvent() if not self._documents and self.is_playbook:
                self.refuse(event.start_mark, "not_a_playbook", "must be a list of plays, and is empty")

    def _begin_document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents == 2:
            self.refuse(event.start_mark, "several_documents", "holds more than one document; Ansible reads one")

    def _count(self, event: yaml.NodeEvent) -> None:
        self._nodes += 1
        self._aliases += isinstance(event, yaml.AliasEvent)
        if self._nodes > MAX_NODES:
            raise _TooMuchError(f"must hold at most {MAX_NODES} values", event.start_mark)
        if self._aliases > MAX_ALIASES:
            raise _TooMuchError(f"must hold at most {MAX_ALIASES} aliases", event.start_mark)
        if len(self._open) > MAX_DEPTH:
            raise _TooMuchError(f"must not be nested deeper than {MAX_DEPTH} levels", event.start_mark)

    def _take_node(self, event: yaml.NodeEvent) -> None:
        self._judge_tag(event)
        holder = self._open[-1] if self._open else None
        if holder is not None and holder.is_object and not holder.has_key:
            self._take_key(holder, event)
        else:
            if holder is not None:
                holder.has_key = False
            self._judge_place(event)
        if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._open.append(_Open(event.start_mark, isinstance(event, yaml.MappingStartEvent)))

    def _judge_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is None or tag in _TAGS or tag.startswith("tag:yaml.org,2002:"):
            return
        if tag in ("!vault", "!vault-encrypted"):
            self.refuse(event.start_mark, "vault", _NO_VAULT)
        else:
            self.refuse(event.start_mark, "tag", f"the tag {shown(tag)} is not one of Ansible's")

    def _take_key(self, holder: _Open, event: yaml.NodeEvent) -> None:
        holder.has_key = True
        if not isinstance(event, yaml.ScalarEvent):
            self.refuse(event.start_mark, "malformed_yaml", "the name of a field must be a plain text")
        elif event.value in holder.keys:
            self.refuse(event.start_mark, "repeated_key", f"{shown(event.value)} is given twice")
        else:
            holder.keys.add(event.value)

    def _judge_place(self, event: yaml.NodeEvent) -> None:
        """A playbook is a list, and each of its items an object."""
        if not self.is_playbook or self._documents > 1:
            return
        if not self._open and not isinstance(event, yaml.SequenceStartEvent):
            self.refuse(event.start_mark, "not_a_playbook", "must be a list of plays: - hosts: all …")
        elif len(self._open) == 1 and not self._open[0].is_object and not isinstance(event, yaml.MappingStartEvent):
            self.refuse(event.start_mark, "not_a_play", "must be a play: an object with hosts and what is done there")

    def _end(self, ended: _Open) -> None:
        is_play = self.is_playbook and len(self._open) == 1 and ended.is_object and not self._open[0].is_object
        if is_play and self._documents == 1 and not ended.keys & _PLAY_KEYS:
            self.refuse(ended.mark, "not_a_play", "must have hosts, or import_playbook")
        if not self._open and self.is_playbook and not ended.is_object and self._nodes == 1:
            self.refuse(ended.mark, "not_a_playbook", "must have at least one play")


def is_yaml(path: str) -> bool:
    """Whether Ansible reads a file of the tree as YAML: templates and plain files are what their tasks make of them."""
    parts = path.casefold().split("/")
    return parts[-1].endswith((".yml", ".yaml")) and not {"templates", "files"} & set(parts[:-1])


def texts(contents: Iterator[tuple[str, bytes]]) -> Iterator[Problem]:
    """The problems of the YAML files among these, by their paths."""
    for path, data in contents:
        if not is_yaml(path):
            continue
        try:
            yield from file_problems(f"files.{path}", data.decode())
        except UnicodeDecodeError as error:
            yield Problem(f"files.{path}", "not_utf8", f"must be text in UTF-8; byte {error.start + 1} is none")
