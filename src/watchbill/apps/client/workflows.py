"""`watchbill workflows`: their documents, their runs watched node by node, stopped, gone on with and decided about."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from watchbill.apps.client import assemblies, documents, webhooks, workflow_runs
from watchbill.apps.client.output import Column
from watchbill.apps.client.session import Limit, Session, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("Workflows: graphs of steps, started by hand, by jobs and by webhooks.")
app.add_typer(webhooks.app, name="webhooks")
PATH: Final = "/api/workflows"
Name = Annotated[str, typer.Argument(metavar="NAME", help="A workflow's name or id.")]
Run = Annotated[int, typer.Argument(metavar="RUN", min=1, help="A run's number.")]
Node = Annotated[str, typer.Argument(metavar="NODE", help="The id of the node that asks.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; it is kept with the decision.")]
Watch = Annotated[bool, typer.Option("--watch", help="Then watch the run until it has ended.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON; - reads standard input.")]


@command(app, "list")
def list_workflows(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    limit: Limit = 100,
) -> None:
    """Workflows by name."""
    page = session.api.page(assemblies.PATH, {"q": q, "kind": "workflow"}, limit=limit)
    columns = [
        Column("name", "name"),
        Column("revision", "revision", is_right=True),
        Column("parameters", lambda row: [one["name"] for one in row["variables"]]),
        Column("updated", lambda row: session.out.when(row["updated_at"])),
        Column("by", "updated_by"),
        Column("id", "id"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no workflows.")


@command(app, "show")
def show(session: Session, name: Name) -> None:
    """One workflow: its parameters, its nodes, and where they lead."""
    found = session.api.get(f"{assemblies.PATH}/{session.assembly_id(name)}")
    if found["workflow"] is None:
        raise CliError(f"{found['name']} is a {found['kind']}, not a workflow.", ExitCode.NOT_FOUND)
    if session.out.is_json:
        session.out.json(found)
        return
    graph = found["workflow"]
    session.out.facts(
        {
            "Workflow": f"{found['name']} ({found['id']})",
            "Description": found["description"] or None,
            "Revision": f"{found['revision']}, {session.out.when(found['updated_at'])} by {found['updated_by'] or '-'}",
            "Parameters": [_parameter(one) for one in found["variables"]] or None,
            "At most": f"{graph['time_limit_seconds']} seconds",
            "Beside itself": graph["concurrency"],
        }
    )
    columns = [
        Column("node", "id"),
        Column("type", "type"),
        Column("name", "name"),
        Column("leads to", lambda row: _leads(row["id"], graph["edges"]), is_wrapped=True),
    ]
    session.out.table(graph["nodes"], columns)


def _parameter(one: Mapping[str, Any]) -> str:
    said = [one["type"], *(["required"] if one["required"] else [])]
    default = "" if one["default"] is None else f" = {json.dumps(one['default'])}"
    return f"{one['name']} ({', '.join(said)}){default}"


def _leads(node: str, edges: Sequence[Mapping[str, Any]]) -> list[str]:
    own = [one for one in edges if one["from"].partition(".")[0] == node]
    return [f"{one['to']}{' on ' + one['route_on'] if one['route_on'] else ''}" for one in own]


@command(app, "check")
def check(session: Session, file: File) -> None:
    """Say everything that is wrong with a workflow in a file; saves nothing. Exit code 1 when something is."""
    document = documents.read(file)
    found = session.api.post(f"{PATH}/check", {"definition": document.value})["problems"]
    if session.out.is_json:
        session.out.json({"problems": found})
    for one in () if session.out.is_json else found:
        session.out.print(f"{one['field']}: {one['message']}")
    if found:
        raise typer.Exit(ExitCode.FAILED)
    session.out.say("Nothing is wrong with it.")


@command(app, "import")
def import_file(session: Session, file: File) -> None:
    """Save the workflow of a file: a new one, or a new revision of the one with its name."""
    text = documents.read_text(file)
    response = session.api.send(
        "POST", f"{assemblies.PATH}/import", body=text.encode(), headers={"Content-Type": "text/yaml"}
    )
    made = response.json()
    verb = "Made" if response.status_code == 201 else "Saved"
    session.out.done(f"{verb} {made['name']}, revision {made['revision']} ({made['id']}).", made)


@command(app, "export")
def export(session: Session, name: Name) -> None:
    """Write a workflow to standard output as a file that `import` reads."""
    sys.stdout.write(session.api.send("GET", f"{assemblies.PATH}/{session.assembly_id(name)}/export").text)


@command(app, "run")
def run(
    session: Session,
    name: Name,
    *,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter; may be repeated. Not for secrets."),
    ] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="Another revision than the newest.")] = None,
    device: Annotated[str | None, typer.Option(help="Try it out on this device alone (host name or id).")] = None,
    watch: Watch = False,
) -> None:
    """Start a workflow now, in the sites that you see."""
    workflow = session.api.get(f"{assemblies.PATH}/{session.assembly_id(name)}")
    body = {
        "parameters": parameters(values or (), workflow["variables"]),
        "revision": revision,
        "only_device_id": session.device_id(device) if device else None,
    }
    started = session.api.post(f"{PATH}/{workflow['id']}/runs", body, is_creating=True)
    _begun(session, started, f"Started run {started['id']} of {workflow['name']}.", is_watched=watch)


def _begun(session: Session, started: Mapping[str, Any], said: str, *, is_watched: bool) -> None:
    if not is_watched:
        session.out.done(said, started)
        return
    session.out.say(said)
    raise typer.Exit(workflow_runs.watch(session, int(started["id"])))


def parameters(given: Sequence[str], declared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """NAME=VALUE texts as values of the declared types. A name that is not declared is the Engine's to refuse."""
    types = {one["name"]: one["type"] for one in declared}
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CliError(f"--set {text}: must be NAME=VALUE.", ExitCode.USAGE)
        found[name] = _typed(name, value, types.get(name, "string"))
    return found


def _typed(name: str, value: str, kind: str) -> Any:
    match kind:
        case "boolean":
            if value.lower() not in ("true", "false"):
                raise CliError(f"--set {name}: must be true or false.", ExitCode.USAGE)
            return value.lower() == "true"
        case "number":
            try:
                return int(value) if value.lstrip("+-").isdecimal() else float(value)
            except ValueError:
                raise CliError(f"--set {name}: must be a number.", ExitCode.USAGE) from None
        case _:
            return value


@command(app, "runs")
def list_runs(
    session: Session,
    name: Name,
    *,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    limit: Limit = 50,
) -> None:
    """The runs of a workflow, newest first."""
    page = session.api.page(f"{PATH}/{session.assembly_id(name)}/runs", {"state": state}, limit=limit)
    columns = [
        Column("run", "id", is_right=True),
        Column("state", "state"),
        Column("reason", "reason"),
        Column("revision", "revision", is_right=True),
        Column("by", lambda row: row["started_by"] or row["source"]),
        Column("started", lambda row: session.out.when(row["started_at"])),
        Column("finished", lambda row: session.out.when(row["finished_at"])),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="It has not run yet.")


@command(app, "status")
def status(
    session: Session,
    number: Run,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Until it has ended.")] = False,
) -> None:
    """One run: its nodes with their states and times. With --watch live, and the exit code says how it ended."""
    if watch:
        raise typer.Exit(workflow_runs.watch(session, number))
    workflow_runs.show(session.out, session.api.get(f"{workflow_runs.PATH}/{number}"))


@command(app, "cancel")
def cancel(session: Session, number: Run) -> None:
    """Stop a run: nothing new begins, and what is at work is stopped."""
    reply = session.api.post(f"{workflow_runs.PATH}/{number}/cancel")
    session.out.done(f"Run {number} of {reply['workflow_name']} is {reply['state']}.", reply)


@command(app, "resume")
def resume(
    session: Session,
    number: Run,
    *,
    nodes: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="NODE",
            help="Run this node again, with all behind it; may be repeated. Else those that failed.",
        ),
    ] = None,
    watch: Watch = False,
) -> None:
    """Start a new run that keeps what ended well in this one, and does the rest again."""
    started = session.api.post(f"{workflow_runs.PATH}/{number}/resume", {"from": nodes}, is_creating=True)
    _begun(session, started, f"Run {started['id']} goes on with run {number}.", is_watched=watch)


@command(app, "approve")
def approve(session: Session, number: Run, node: Node, *, comment: Comment = "") -> None:
    """Approve what a node asks."""
    _decide(session, number, node, "approve", comment)


@command(app, "deny")
def deny(session: Session, number: Run, node: Node, *, comment: Comment = "") -> None:
    """Deny what a node asks."""
    _decide(session, number, node, "deny", comment)


def _decide(session: Session, number: int, node: str, decision: str, comment: str) -> None:
    body = {"decision": decision, "comment": comment}
    reply = session.api.post(f"{workflow_runs.PATH}/{number}/nodes/{node}/decision", body)
    word = "approved" if decision == "approve" else "denied"
    session.out.done(f"{node} of run {number} is {word}.", reply)
