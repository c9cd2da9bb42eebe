"""Files that a command sends to the Engine: YAML or JSON, `-` for standard input; every problem gets its line."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.core.problems import Problem
from watchbill.kit import yaml_file
from watchbill.kit.errors import InvalidError


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read: its text, what it holds, and the lines of its fields when it is YAML."""

    name: str
    text: str
    value: Any
    yaml: yaml_file.YamlDocument | None

    def placed(self, problems: Sequence[Problem]) -> list[Problem]:
        return self.yaml.placed(problems) if self.yaml else list(problems)


def read_text(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"{name} cannot be read: {error.strerror}", ExitCode.USAGE) from None
    except UnicodeDecodeError:
        raise CliError(f"{_shown(name)} is not UTF-8 text.", ExitCode.USAGE) from None


def read(name: str) -> Document:
    """Read one object from a file."""
    text = read_text(name)
    value, document = _parsed(name, text)
    if not isinstance(value, dict):
        raise CliError(f"{_shown(name)} must hold one object with names and values.", ExitCode.USAGE)
    return Document(name, text, value, document)


def _parsed(name: str, text: str) -> tuple[Any, yaml_file.YamlDocument | None]:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text), None
        except (ValueError, RecursionError) as error:
            raise CliError(f"{_shown(name)} is not JSON: {error}", ExitCode.USAGE) from None
    try:
        document = yaml_file.read(text)
    except InvalidError as error:
        raise CliError(f"{_shown(name)} cannot be read:", ExitCode.USAGE, [p.message for p in error.problems]) from None
    return document.value, document


def _shown(name: str) -> str:
    return "The standard input" if name == "-" else name
