"""Questions to the person at the terminal, or answers from standard input. A password is never an argument and never shown."""

import sys

import typer

from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.kit.secrets import Secret


def password(question: str) -> Secret:
    """Asked for without echo; without a terminal, the next line of standard input."""
    if sys.stdin.isatty():
        return Secret(str(typer.prompt(question, hide_input=True, err=True)))
    return _next_line(question)


def new_password(question: str) -> Secret:
    """As `password`, and at a terminal asked for twice."""
    if sys.stdin.isatty():
        return Secret(str(typer.prompt(question, hide_input=True, confirmation_prompt="Once more", err=True)))
    return _next_line(question)


def value(question: str) -> Secret:
    """Asked for without echo; without a terminal, all of standard input but the end of its last line."""
    if sys.stdin.isatty():
        return Secret(str(typer.prompt(question, hide_input=True, err=True)))
    given = sys.stdin.read()
    if not given.strip("\r\n"):
        raise CliError(f"{question}: give it on standard input, or use a terminal.", ExitCode.USAGE)
    return Secret(given.removesuffix("\n").removesuffix("\r"))


def text(question: str, default: str | None = None) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(question, default=default, err=True))
    if default is not None:
        return default
    return _next_line(question).reveal()


def sure(question: str, *, is_sure: bool) -> None:
    """Ask before something that cannot be undone; `--yes` or a script's own decision answers it."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise CliError(f"{question} Nothing was done: repeat it with --yes.", ExitCode.USAGE)
    typer.confirm(question, abort=True, err=True)


def _next_line(question: str) -> Secret:
    line = sys.stdin.readline()
    if not line.strip("\r\n"):
        raise CliError(f"{question}: give it as a line of standard input, or use a terminal.", ExitCode.USAGE)
    return Secret(line.strip("\r\n"))
