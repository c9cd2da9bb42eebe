"""`watchbill output` and `watchbill search`: what scripts wrote, as it comes, as a file, in groups, and who wrote something."""

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import httpx
import typer

from watchbill.apps.client.connection import Api, Query, query_params, refusal
from watchbill.apps.client.output import STYLE_OF, Column, one_line, plain, size
from watchbill.apps.client.session import Limit, Session, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("What scripts wrote.")
search_app = typer.Typer(add_completion=False)

Execution = Annotated[str, typer.Argument(metavar="EXECUTION", help="Its id, as `runs devices` shows it.")]
Stream = Literal["stdout", "stderr", "both"]
To = Annotated[str, typer.Option("--to", metavar="FILE", help="Where to; - for standard output.")]
#: Silence after which a stream counts as lost: the Engine speaks every 15 seconds.
_SILENT_SECONDS = 60.0


@command(app, "follow")
def follow(
    session: Session,
    execution: Execution,
    *,
    stream: Annotated[Stream, typer.Option(help="Which; standard error goes to standard error.")] = "both",
) -> None:
    """Write what a script writes as it comes, from the beginning, until it has ended."""
    end = None
    for kind, event in _events(session.api, f"/api/executions/{execution}/output/follow", {"stream": stream}):
        if session.out.is_json:
            sys.stdout.write(json.dumps({"event": kind, **event}) + "\n")
            sys.stdout.flush()
        elif kind == "output":
            _write(event)
        end = event if kind == "end" else None
    if end is not None and not session.out.is_json:
        code = end["exit_code"]
        session.out.say(f"[{end['outcome']}]" if code is None else f"[{end['outcome']}, exit code {code}]")


def _events(api: Api, path: str, query: Query) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Events up to the end; a connection that is lost is made again, as long as anything came by the last one."""
    last = ""
    while True:
        before = last
        try:
            for id_, kind, data in _stream(api, path, query, last):
                last = id_
                yield kind, data
                if kind == "end":
                    return
        except httpx.TransportError as error:
            if last == before:
                raise CliError(f"{api.server} cannot be reached: {error}", ExitCode.UNREACHABLE) from None


def _stream(api: Api, path: str, query: Query, last: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    from httpx_sse import connect_sse

    headers = {"Last-Event-ID": last} if last else {}
    timeout = httpx.Timeout(_SILENT_SECONDS, connect=10.0)
    params = query_params(query)
    with connect_sse(api.client, "GET", path, params=params, headers=headers, timeout=timeout) as source:
        if source.response.is_error:
            source.response.read()
            raise refusal(source.response)
        for event in source.iter_sse():
            if event.data:
                yield event.id, event.event, json.loads(event.data)


def _write(piece: Mapping[str, Any]) -> None:
    target = sys.stderr if piece["stream"] == "stderr" else sys.stdout
    if piece["skipped"]:
        target.write(f"\n[{piece['skipped']} bytes were not kept]\n")
    raw = base64.b64decode(piece["base64"]) if piece["base64"] is not None else piece["text"].encode()
    if target.isatty():
        target.write(plain(raw.decode(errors="replace")))
    else:
        # A file or a pipe gets the very bytes.
        target.flush()
        target.buffer.write(raw)
    target.flush()


@command(app, "download")
def download(
    session: Session,
    execution: Execution,
    *,
    stream: Annotated[Stream, typer.Option(help="Which; `both` is standard output, then standard error.")] = "stdout",
    to: To = "-",
) -> None:
    """Write a whole stream to a file. Lines mark what was not kept."""
    reply = save(session.api, f"/api/executions/{execution}/output/download", {"stream": stream}, to)
    told = int(reply.headers["X-Output-Bytes"])
    if reply.headers["X-Output-Truncated"] == "true":
        session.out.say(f"The script wrote {size(told)}; not all of it was kept.")


def save(api: Api, path: str, query: Query, to: str) -> httpx.Response:
    """Stream a reply into a file, or to standard output."""
    with (
        api.reaching(),
        api.client.stream("GET", path, params=query_params(query)) as reply,
        _target(reply, to) as file,
    ):
        for part in reply.iter_bytes():
            file.write(part)
    return reply


@contextmanager
def _target(reply: httpx.Response, to: str) -> Iterator[BinaryIO]:
    """Opened only once there is something to write: a refusal leaves a file as it was."""
    if reply.is_error:
        reply.read()
        raise refusal(reply)
    if to == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with Path(to).open("wb") as file:
            yield file
    except OSError as error:
        raise CliError(f"{to} cannot be written: {error.strerror}.", ExitCode.USAGE) from None


@command(app, "groups")
def groups(
    session: Session,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job's number or name.")],
    *,
    occurrence: Annotated[str, typer.Option(metavar="ID", help="Its id or due instant; else the latest.")] = "latest",
    limit: Limit = 20,
) -> None:
    """Which devices wrote the same, the largest group first; `runs devices --output` lists those of one."""
    path = f"/api/scheduled_jobs/{session.job_id(job)}/occurrences/{occurrence}/output_groups"
    page = session.api.page(path, limit=limit)
    columns = [
        Column("devices", "devices", is_right=True),
        Column("outcome", "outcome"),
        Column("exit", "exit_code", is_right=True),
        Column("bytes", lambda row: size(row["stdout_bytes"] + row["stderr_bytes"]), is_right=True),
        Column("begins", _begins),
        Column("output", "output"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="Nothing of it has ended yet.")


def _begins(row: Mapping[str, Any]) -> str:
    return one_line(row["stdout"] or row["stderr"])[:60]


@command(search_app, "search", is_group=False)
def search(
    session: Session,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORD...", help='Words that all occur; "in quotes" next to one another; err* by its beginning.'
        ),
    ],
    *,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Only of this job.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="Only with this device, site, occurrence, state, stream or exit; may be repeated.",
        ),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="INSTANT", help="Of runs that began then or later.")] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="Of runs that began then or earlier.")] = None,
    limit: Limit = 50,
) -> None:
    """Which devices printed something, newest first. The beginning and the end of each output are searched."""  # fmt: skip
    query = {
        "q": _question(words),
        "job_id": session.job_id(job) if job else None,
        "since": since,
        "until": until,
        **_where(session, where or []),
    }
    page = session.api.page("/api/search", query, limit=limit)
    columns = [
        Column("finished", lambda row: session.out.when(row["finished_at"])),
        Column("hostname", "hostname"),
        Column("job", lambda row: row["job_name"] or row["job_id"]),
        Column("state", "state"),
        Column("exit", "exit_code", is_right=True),
        Column("found", _found),
        Column("execution", "execution_id"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="No output has that.")


def _question(words: list[str]) -> str:
    """As the shell hands it on: an argument with blanks was in quotes."""
    return " ".join(f'"{word}"' if " " in word and '"' not in word else word for word in words)


_WHERE = {"device": "device_id", "site": "site_id", "occurrence": "occurrence_id", "state": "state", "stream": "stream", "exit": "exit_code"}  # fmt: skip


def _where(session: Session, conditions: list[str]) -> dict[str, object]:
    query: dict[str, list[object]] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if name not in _WHERE or not equals:
            raise CliError(f"--where {condition}: must be FIELD=VALUE with one of {', '.join(_WHERE)}.", ExitCode.USAGE)
        named: object = value
        if name == "site":
            named = session.site_id(value)
        elif name == "device":
            named = session.device_id(value)
        query.setdefault(_WHERE[name], []).append(named)
    return dict(query)


def _found(row: Mapping[str, Any]) -> object:
    from rich.text import Text

    if row["text"] is None:
        return None
    begins, ends = row["begins"], row["ends"]
    parts = (row["text"][max(0, begins - 30) : begins], row["text"][begins:ends], row["text"][ends : ends + 30])
    before, hit, after = (one_line(part) for part in parts)
    return Text.assemble(
        f"{before} " if before else "", (hit, STYLE_OF.get("warning", "")), f" {after}" if after else ""
    )
