"""What a person or a script gets to see: aligned tables, local times with their zone, or JSON. Knows no endpoint.

Results go to standard output, everything else to standard error. Text that came from devices cannot steer the terminal.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Row = Mapping[str, Any]

#: Wide enough that a pipe never gets a wrapped or cut line.
_PIPE_WIDTH = 10_000
_STYLES = {
    "green": {"success", "active", "approved", "online", "yes", "on", "done"},
    "yellow": {
        "warning",
        "cancelled",
        "cancelling",
        "pending",
        "waiting_online",
        "held",
        "paused",
        "missed",
        "skipped",
    },
    "red": {"failed", "timed_out", "lost", "expired", "revoked", "denied", "blocked"},
    "cyan": {"running", "dispatched", "connecting", "open"},
    "dim": {"no", "off", "offline", "disabled", "archived", "-"},
}
STYLE_OF = {word: style for style, words in _STYLES.items() for word in words}
#: What could move the cursor, change colours or retitle the window: everything but line ends and tabs.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """The text with everything made visible that could steer a terminal."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    return plain(" ".join(text.split()))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, and a key of the row or a function of it."""

    title: str
    value: str | Callable[[Row], object]
    is_wrapped: bool = False
    is_right: bool = False

    def of(self, row: Row) -> object:
        return row.get(self.value) if isinstance(self.value, str) else self.value(row)


@dataclass(slots=True)
class Out:
    """Where and how one command writes."""

    is_json: bool = False
    is_utc: bool = False
    _console: "Console | None" = field(default=None, repr=False)

    @property
    def console(self) -> "Console":
        if self._console is None:
            from rich.console import Console

            is_terminal = sys.stdout.isatty()
            self._console = Console(width=None if is_terminal else _PIPE_WIDTH, highlight=False, soft_wrap=False)
        return self._console

    # --- results -------------------------------------------------------------------------------------------------------

    def json(self, value: object) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None) + "\n")
        sys.stdout.flush()

    def listing(self, items: Sequence[Row], columns: Sequence[Column], *, is_more: bool, empty: str) -> None:
        """A page of a list; as JSON in the shape of the API's lists."""
        if self.is_json:
            self.json({"items": items, "is_more": is_more})
        elif not items:
            self.say(empty)
        else:
            self.table(items, columns)
            if is_more:
                self.say(f"Only the first {len(items)} are shown; --limit shows more.")

    def table(self, rows: Sequence[Row], columns: Sequence[Column]) -> None:
        self.print(self.table_of(rows, columns))

    def print(self, renderable: object) -> None:
        """Anything of Rich's; a pipe gets it without blanks at the ends of lines."""
        if sys.stdout.isatty():
            self.console.print(renderable)
            return
        with self.console.capture() as capture:
            self.console.print(renderable)
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())
        sys.stdout.flush()

    def table_of(self, rows: Sequence[Row], columns: Sequence[Column]) -> "Table":
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(
                column.title.upper(),
                no_wrap=not column.is_wrapped,
                overflow="fold" if column.is_wrapped else "ellipsis",
                justify="right" if column.is_right else "left",
            )
        for row in rows:
            table.add_row(*(self._cell(column.of(row)) for column in columns))
        return table

    def facts(self, facts: Mapping[str, object]) -> None:
        """One thing: a line for each fact, names in one column. What is None is left out."""
        from rich.table import Table

        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in facts.items():
            if value is not None:
                table.add_row(name, self._cell(value, is_block=True))
        self.print(table)

    def _cell(self, value: object, *, is_block: bool = False) -> "Text":
        from rich.text import Text

        if isinstance(value, Text):
            return value
        words = "-" if value is None or value == "" else _words(value)
        return Text(plain(words) if is_block else one_line(words), style=STYLE_OF.get(words, ""))

    # --- everything else -----------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A message for people, which no pipe gets to see."""
        sys.stderr.write(plain(text) + "\n")
        sys.stderr.flush()

    def hint(self, text: str) -> None:
        """A help for reading what was written; for people at a terminal only."""
        if sys.stdout.isatty():
            self.say(text)

    def done(self, text: str, reply: object) -> None:
        """The end of a command that changed something: its reply as JSON, or a sentence."""
        if self.is_json:
            self.json(reply)
        else:
            sys.stdout.write(plain(text) + "\n")

    def when(self, instant: str | None) -> str | None:
        """An instant of the API for people: in their zone (or UTC), which is always named."""
        if instant is None:
            return None
        read = datetime.fromisoformat(instant)
        return f"{read.astimezone(UTC if self.is_utc else None):%Y-%m-%d %H:%M:%S %Z}"


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_words(inner) for inner in value)
    return str(value)


def counts(numbers: Mapping[str, int]) -> "Text":
    """Targets by state, each in its colour."""
    from rich.text import Text

    parts = [Text(f"{number} {state}", STYLE_OF.get(state, "")) for state, number in numbers.items() if number]
    return Text(", ").join(parts) if parts else Text("-", "dim")


def size(number: int) -> str:
    """Bytes for people."""
    amount = float(number)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def against_windows(occurrence: Mapping[str, Any]) -> str:
    """Said of one that was started by overriding what keeps it back."""
    return " although a window is closed" if occurrence["ignores_windows"] else ""
