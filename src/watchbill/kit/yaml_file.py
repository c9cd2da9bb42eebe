"""Documents as one YAML file: a strict subset that holds what JSON holds, read with the line of every field. Knows no product word.

No tags, anchors or aliases (so nothing can expand), no second document, no repeated key, bounded size, depth and number of
values. Plain words mean what YAML 1.2's core schema says: `no` and `2026-05-04` are texts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from watchbill.core.problems import Problem
from watchbill.kit.errors import InvalidError

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_VALUES: Final = 100_000
MAX_DEPTH: Final = 20

_WORDS: Final[Mapping[str, object]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
#: Texts with these are written in quotes, where an escape can spell them.
_AWKWARD: Final = re.compile("[^\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """What a file holds, and in which line each field (by its dotted path) begins."""

    value: object
    lines: Mapping[str, int]

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems with the line of the nearest field that the file has, in the order of the lines."""
        known = [(self._line(problem.field), problem) for problem in problems]
        known.sort(key=lambda one: one[0])
        return [Problem(p.field, p.code, f"line {line}: {p.message}") for line, p in known]

    def _line(self, path: str) -> int:
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path, 1)


def read(text: str) -> YamlDocument:
    """Read one document; raises InvalidError with its place when the file is not of that subset."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise _refused("too_large", f"the file must be at most {MAX_BYTES // 1024} KiB")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refused("malformed_yaml", str(error.problem or "is not YAML"), mark) from None
    except yaml.YAMLError as error:
        raise _refused("malformed_yaml", f"is not YAML: {error}".splitlines()[0]) from None
    return YamlDocument(builder.value, builder.lines)


def write(value: object) -> str:
    """The file of a document; `read` gives the same document back."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _refused(code: str, message: str, mark: Any = None) -> InvalidError:
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return InvalidError("The file cannot be read.", problems=[Problem("file", code, place + message)])


@dataclass(slots=True)
class _Open:
    """A list or an object that is still being read."""

    path: str
    value: list[object] | dict[str, object]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Turns parser events into plain values without recursion."""

    value: object = None
    lines: dict[str, int] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=list)
    _documents: int = 0
    _values: int = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _refused("several_documents", "holds more than one document", event.start_mark)
        elif isinstance(event, yaml.AliasEvent):
            raise _refused("alias", "anchors and aliases are not allowed", event.start_mark)
        elif isinstance(event, yaml.NodeEvent):
            self._count(event)
            self._begin(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._open.pop()

    def _count(self, event: yaml.NodeEvent) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _refused("too_large", f"must hold at most {MAX_VALUES} values", event.start_mark)
        if event.anchor is not None:
            raise _refused("alias", "anchors and aliases are not allowed", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _refused("tag", "tags are not allowed", event.start_mark)

    def _begin(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
            return
        inner: list[object] | dict[str, object] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        path = self._place(event, inner)
        if len(self._open) >= MAX_DEPTH:
            raise _refused("too_deep", f"must not be nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self._open.append(_Open(path, inner))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if "\0" in event.value:
            raise _refused("not_text", "must not have the character U+0000 in it", event.start_mark)
        holder = self._open[-1] if self._open else None
        if holder is None or not isinstance(holder.value, dict) or holder.key is not None:
            self._place(event, _plain(event))
        elif event.value in holder.value:
            raise _refused("repeated_key", f"{event.value!r} is given twice", event.start_mark)
        else:
            holder.key = event.value

    def _place(self, event: yaml.NodeEvent, item: object) -> str:
        """Put an item where it belongs; returns its path."""
        if not self._open:
            self.value, path = item, ""
        else:
            path = self._place_in(self._open[-1], event, item)
        mark = event.start_mark
        self.lines[path] = mark.line + 1 if mark else 1
        return path

    def _place_in(self, holder: _Open, event: yaml.NodeEvent, item: object) -> str:
        if isinstance(holder.value, list):
            holder.value.append(item)
            name = str(len(holder.value) - 1)
        elif holder.key is None:
            raise _refused("malformed_yaml", "the name of a field must be a plain text", event.start_mark)
        else:
            name, holder.key = holder.key, None
            holder.value[name] = item
        return f"{holder.path}.{name}" if holder.path else name


def _plain(event: yaml.ScalarEvent) -> object:
    """The value of a scalar: quoted and block texts are texts, plain words are resolved."""
    text: str = event.value
    if event.style is not None and event.style != "":
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Dumper(yaml.SafeDumper):
    """Writes what `read` reads, and what readers of YAML 1.1 take for the same: several lines as a block, no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _AWKWARD.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


# A text that looks like a number to `read` must be quoted; the words of YAML 1.1 are quoted already.
for _tag, _form in (("int", _INTEGER), ("float", _FLOAT)):
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_form.pattern})$"), [*"-+.0123456789"])
_Dumper.add_representer(str, _write_text)
