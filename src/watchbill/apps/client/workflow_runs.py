"""A run of a workflow shown node by node, once or live until it has ended. Events only say when to look; what is shown is read from the API."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from watchbill.apps.client.follow import events, wait
from watchbill.apps.client.output import Column, Out, counts, plain
from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import ExitCode

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

PATH: Final = "/api/workflow_runs"
_KINDS: Final = "workflow.changed,reset"
_OPEN: Final = ("queued", "running", "cancelling")
_EXIT_CODES: Final = {"success": ExitCode.OK, "failed": ExitCode.FAILED}
#: Looked at no oftener than this however many events come, and at least this often when none comes.
_LEAST_SECONDS, _MOST_SECONDS = 0.3, 5.0

Row = Mapping[str, Any]


class View(Protocol):
    def show(self, run: Row) -> None: ...


def show(out: Out, run: Row) -> None:
    if out.is_json:
        out.json(run)
        return
    out.facts(_facts(out, run))
    out.print(table(out, run))


def _facts(out: Out, run: Row) -> dict[str, object]:
    reason = f" ({run['reason']})" if run["reason"] else ""
    return {
        "Run": f"{run['id']} of {run['workflow_name']}, revision {run['revision']}",
        "State": f"{run['state']}{reason}",
        "What happened": run["detail"],
        "Started by": run["started_by"] or run["source"],
        "Goes on with": f"run {run['origin_run_id']}" if run["origin_run_id"] else None,
        "Parameters": run["parameters"] or None,
        "Started": out.when(run["started_at"]),
        "Finished": out.when(run["finished_at"]),
    }


def table(out: Out, run: Row) -> "Table":
    columns = [
        Column("node", "node_id"),
        Column("state", "state"),
        Column("reason", "reason"),
        Column("started", lambda row: out.when(row["started_at"])),
        Column("took", _took, is_right=True),
        Column("devices", lambda row: counts(row["counts"])),
        Column("detail", "detail", is_wrapped=True),
    ]
    return out.table_of(run["nodes"], columns)


def _took(row: Row) -> str | None:
    if not row["started_at"] or not row["finished_at"]:
        return None
    passed = datetime.fromisoformat(row["finished_at"]) - datetime.fromisoformat(row["started_at"])
    return f"{passed.total_seconds():.0f} s"


def watch(session: Session, number: int) -> ExitCode:
    """Show a run until it has ended; the exit code says how."""
    with events(session.api, _KINDS, "run_id", number) as news, _view(session.out) as view:
        while True:
            run = session.api.get(f"{PATH}/{number}")
            view.show(run)
            if run["state"] not in _OPEN:
                break
            time.sleep(_LEAST_SECONDS)
            wait(news, _MOST_SECONDS)
    if session.out.is_json or session.out.console.is_terminal:
        show(session.out, run)
    return _EXIT_CODES.get(run["state"], ExitCode.WARNING)


def _view(out: Out) -> Any:
    if out.is_json:
        return nullcontext(_Nothing())
    return _live(out) if out.console.is_terminal else nullcontext(_Lines())


@dataclass
class _Nothing:
    """JSON is written once, at the end."""

    last: Row | None = None

    def show(self, run: Row) -> None:
        self.last = run


@dataclass
class _Lines:
    """For pipes and logs: a line for each change of a node, and of the run."""

    said: dict[str, str] = field(default_factory=dict)

    def show(self, run: Row) -> None:
        for node in run["nodes"]:
            if node["state"] != "pending":
                self._once(node["node_id"], _words(node))
        self._once("", f"run {run['id']}: {_words(run)}")

    def _once(self, key: str, words: str) -> None:
        if self.said.get(key) != words:
            self.said[key] = words
            sys.stdout.write(f"{plain(f'{key}: {words}' if key else words)}\n")
            sys.stdout.flush()


def _words(row: Row) -> str:
    return " · ".join(str(one) for one in (row["state"], row["reason"], row["detail"]) if one)


@contextmanager
def _live(out: Out) -> Iterator[View]:
    from rich.live import Live

    view = _LiveView(out)
    with Live(console=out.console, refresh_per_second=4, transient=True, get_renderable=view.picture):
        yield view


@dataclass
class _LiveView:
    out: Out
    run: Row | None = None

    def show(self, run: Row) -> None:
        self.run = run

    def picture(self) -> "RenderableType":
        from rich.text import Text

        return table(self.out, self.run) if self.run else Text()
