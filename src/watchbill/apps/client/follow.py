"""`watchbill jobs follow`: one occurrence watched over server-sent events until it is closed.

At a terminal a live view, else a line for each change. The events only say that something changed; what is shown is read from
the API, so that a lost event costs a moment and no truth.
"""

import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import httpx
from httpx_sse import SSEError, connect_sse

from watchbill.apps.client.connection import Api, refusal
from watchbill.apps.client.output import STYLE_OF, Column, Out, counts, plain
from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import CliError, ExitCode
from watchbill.core.states import TERMINAL_TARGET, TargetState

if TYPE_CHECKING:
    from rich.console import RenderableType

KINDS = "occurrence.changed,run.progress,target.changed,reset"
_FAILING = [str(state) for state in (TargetState.FAILED, TargetState.TIMED_OUT, TargetState.LOST, TargetState.EXPIRED)]
_EXIT_CODES = {"success": ExitCode.OK, "failed": ExitCode.FAILED}
#: Looked at no oftener than this however many events come, and at least this often when none comes.
_LEAST_SECONDS, _MOST_SECONDS = 0.3, 10.0
_SHOWN_FAILURES = 8
_RECONNECT_SECONDS = 2.0

Row = Mapping[str, Any]


@dataclass
class Seen:
    """What is known of the occurrence: its row, and some of its devices that failed."""

    occurrence: Row
    failing: list[Row] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.occurrence["counts"].values())

    @property
    def done(self) -> int:
        found: Mapping[str, int] = self.occurrence["counts"]
        return sum(number for state, number in found.items() if state in TERMINAL_TARGET)

    @property
    def is_over(self) -> bool:
        return self.occurrence["state"] not in {"open", "held"}

    @property
    def result(self) -> str:
        return str(self.occurrence["outcome"] or self.occurrence["state"])


class View(Protocol):
    def show(self, seen: Seen) -> None: ...


def follow(session: Session, job_id: int, occurrence: str | None, *, is_next: bool) -> ExitCode:
    """Watch until it is over; the exit code says how it ended."""
    with events(session.api, KINDS, "job_id", job_id) as news:
        watched = _Watch(session.api, job_id, occurrence, news)
        first = watched.find(is_next=is_next, say=session.out.say)
        with _view(session.out) as view:
            seen = watched.until_over(first, view)
    if session.out.is_json:
        session.out.json(seen.occurrence)
    else:
        _tell_end(session.out, seen)
    return _EXIT_CODES.get(seen.result, ExitCode.WARNING)


@dataclass
class _Watch:
    api: Api
    job_id: int
    wanted: str | None
    news: "queue.Queue[Row]"

    def find(self, *, is_next: bool, say: Any) -> Row:
        """The occurrence to watch: the one asked for, else the newest, else the one that opens next."""
        base = f"/api/scheduled_jobs/{self.job_id}"
        if self.wanted is not None:
            found: Row = self.api.get(f"{base}/occurrences/{self.wanted}")
            return found
        known = {one["id"] for one in self._newest()} if is_next else set[str]()
        is_told = False
        while True:
            fresh = [one for one in self._newest() if one["id"] not in known]
            if fresh:
                return fresh[0]
            if not is_told:
                due = self.api.get(base)["next_due_at"]
                say("Waits for the next occurrence." if due else "Waits; nothing is due at present.")
                is_told = True
            wait(self.news, _MOST_SECONDS)

    def _newest(self) -> list[Row]:
        return self.api.page(f"/api/scheduled_jobs/{self.job_id}/runs", limit=20).items

    def until_over(self, first: Row, view: View) -> Seen:
        seen = Seen(first)
        path = f"/api/scheduled_jobs/{self.job_id}"
        while True:
            seen = self._look(path, str(first["id"]))
            view.show(seen)
            if seen.is_over:
                return seen
            time.sleep(_LEAST_SECONDS)
            wait(self.news, _MOST_SECONDS)

    def _look(self, path: str, occurrence: str) -> Seen:
        row = self.api.get(f"{path}/occurrences/{occurrence}")
        if not any(row["counts"].get(state) for state in _FAILING):
            return Seen(row)
        query = {"occurrence": occurrence, "state": _FAILING}
        return Seen(row, self.api.page(f"{path}/devices", query, limit=_SHOWN_FAILURES).items)


def wait(news: "queue.Queue[Row]", seconds: float) -> None:
    """Return when something happened, or after `seconds`; all that waits counts as one."""
    try:
        news.get(timeout=seconds)
        while True:
            news.get_nowait()
    except queue.Empty:
        return


# --- events ------------------------------------------------------------------------------------------------------------


@contextmanager
def events(api: Api, kinds: str, name: str, number: int) -> Iterator["queue.Queue[Row]"]:
    """Events whose `name` is `number`, read in a thread; the connection stands when the block begins."""
    news: queue.Queue[Row] = queue.Queue()
    reader = _Reader(Api(api.server, api.trust, api.token), kinds, name, number, news)
    thread = threading.Thread(target=reader.run, daemon=True, name="events")
    thread.start()
    reader.is_connected.wait(10)
    try:
        yield news
    finally:
        reader.stop()
        thread.join(5)


@dataclass
class _Reader:
    api: Api
    kinds: str
    name: str
    number: int
    news: "queue.Queue[Row]"
    is_connected: threading.Event = field(default_factory=threading.Event)
    is_stopping: threading.Event = field(default_factory=threading.Event)
    last_id: str = ""
    wire: socket.socket | None = None

    def stop(self) -> None:
        self.is_stopping.set()
        if self.wire is not None:
            # The thread waits for bytes in there; nothing else wakes it.
            with suppress(OSError):
                self.wire.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        with closing(self.api):
            self._run()

    def _run(self) -> None:
        while not self.is_stopping.is_set():
            try:
                self._read()
            except (httpx.HTTPError, SSEError, CliError):
                # Without events the view goes on by looking now and then, and says so when that fails too.
                self.is_connected.set()
            self.is_stopping.wait(_RECONNECT_SECONDS)

    def _read(self) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        timeout = httpx.Timeout(60.0, connect=10.0)
        with connect_sse(
            self.api.client, "GET", "/api/events", params={"kinds": self.kinds}, headers=headers, timeout=timeout
        ) as source:
            if source.response.is_error:
                source.response.read()
                raise refusal(source.response)
            self.wire = source.response.extensions["network_stream"].get_extra_info("socket")
            self.is_connected.set()
            for event in source.iter_sse():
                self.last_id = event.id or self.last_id
                self._take(event.event, event.data)
                if self.is_stopping.is_set():
                    return

    def _take(self, kind: str, data: str) -> None:
        if not data:
            return
        payload = json.loads(data)
        if kind == "reset" or payload.get(self.name) == self.number:
            self.news.put(payload)


# --- views -------------------------------------------------------------------------------------------------------------


def _view(out: Out) -> Any:
    if out.is_json:
        return nullcontext(_JsonLines(out))
    return _live(out) if out.console.is_terminal else nullcontext(_Lines(out))


@dataclass
class _JsonLines:
    """A line for each change before the last one."""

    out: Out
    last: Row | None = None

    def show(self, seen: Seen) -> None:
        if seen.occurrence != self.last and not seen.is_over:
            self.out.json(seen.occurrence)
            self.last = seen.occurrence


@dataclass
class _Lines:
    """For pipes and logs."""

    out: Out
    said: set[Any] = field(default_factory=set)

    def show(self, seen: Seen) -> None:
        for row in seen.failing:
            self._once(f"{row['device']['hostname']}: {_why(row)}")
        numbers = counts(seen.occurrence["counts"]).plain
        self._once(f"{seen.done} of {seen.total} done: {numbers}")

    def _once(self, line: str) -> None:
        if line not in self.said:
            self.said.add(line)
            sys.stdout.write(f"{plain(line)}\n")
            sys.stdout.flush()


@contextmanager
def _live(out: Out) -> Iterator[View]:
    from rich.live import Live

    view = _LiveView(out)
    with Live(console=out.console, refresh_per_second=4, transient=True, get_renderable=view.picture):
        yield view


@dataclass
class _LiveView:
    """Drawn anew four times a second, so that the clock goes on while nothing happens."""

    out: Out
    seen: Seen | None = None
    begun: float = field(default_factory=time.monotonic)

    def show(self, seen: Seen) -> None:
        self.seen = seen

    def picture(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self.seen is None:
            return Text()
        total, done = self.seen.total, self.seen.done
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(total, 1), completed=done, width=40)
        head.add_row(bar, f"{done}/{total}", f"{time.monotonic() - self.begun:.0f} s")
        parts: list[RenderableType] = [head, counts(self.seen.occurrence["counts"])]
        if self.seen.failing:
            parts += [Text(), failures(self.out, self.seen.failing)]
        return Group(*parts)


def failures(out: Out, rows: list[Row]) -> "RenderableType":
    columns = [
        Column("hostname", lambda row: row["device"]["hostname"]),
        Column("state", "state"),
        Column("why", _why, is_wrapped=True),
    ]
    return out.table_of(rows, columns)


def _why(row: Row) -> str:
    """The last line that a failing device wrote, else why it has none."""
    parts = [
        f"exit {row['exit_code']}" if row["exit_code"] is not None else None,
        row["reason"],
        row["last_line"] or row["detail"],
    ]
    return " · ".join(str(part) for part in parts if part) or "no reason was given"


def _tell_end(out: Out, seen: Seen) -> None:
    from rich.text import Text

    row = seen.occurrence
    if out.console.is_terminal and seen.failing:
        out.print(failures(out, seen.failing))
    reason = f" ({row['reason']})" if row["reason"] else ""
    end = Text.assemble((seen.result, f"bold {STYLE_OF.get(seen.result, '')}"), reason, ": ", counts(row["counts"]))
    out.print(end)
    if row["closed_at"]:
        out.say(f"Occurrence {row['id']}, closed {out.when(row['closed_at'])}.")
