"""`watchbill assemblies`: the catalogue of scripts."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from watchbill.apps.client import asking, assembly_files, playbook_archives
from watchbill.apps.client.documents import read_text
from watchbill.apps.client.output import Column, plain, size
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError, ExitCode

app = group("The catalogue of scripts and playbooks.")
app.add_typer(assembly_files.app, name="files")
PATH = "/api/assemblies"
Assembly = Annotated[str, typer.Argument(metavar="ASSEMBLY", help="An assembly's id or name.")]


@command(app, "list")
def list_assemblies(
    session: Session,
    *,
    q: Annotated[str | None, typer.Option("-q", metavar="TEXT", help="Part of the name.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones instead.")] = False,
    limit: Limit = 100,
) -> None:
    """Assemblies by name."""
    page = session.api.page(PATH, {"q": q, "archived": archived}, limit=limit)
    columns = [
        Column("name", "name"),
        Column("kind", lambda row: row["interpreter"] or row["kind"]),
        Column("revision", "revision", is_right=True),
        Column("variables", lambda row: [one["name"] for one in row["variables"]]),
        Column("updated", lambda row: session.out.when(row["updated_at"])),
        Column("by", "updated_by"),
        Column("id", "id"),
    ]
    session.out.listing(page.items, columns, is_more=page.is_more, empty="There are no assemblies.")


@command(app, "show")
def show(session: Session, assembly: Assembly) -> None:
    """One assembly with its script or playbook."""
    found = session.api.get(f"{PATH}/{session.assembly_id(assembly)}")
    if session.out.is_json:
        session.out.json(found)
        return
    session.out.facts(
        {
            "Assembly": found["name"],
            "Id": found["id"],
            "Description": found["description"] or None,
            "Kind": found["kind"],
            "Interpreter": found["interpreter"],
            "Revision": f"{found['revision']}, {session.out.when(found['updated_at'])} by {found['updated_by'] or '-'}",
            "Time limit": f"{found['time_limit_seconds']} s",
            "Warning codes": found["warning_exit_codes"] or None,
            "Collections": [f"{one['name']} {one['version']}" for one in found["collections"]] or None,
            "Files": [f"{one['name']} ({size(one['size'])})" for one in found["files"]] or None,
            "Archived": session.out.when(found["archived_at"]),
        }
    )
    if found["variables"]:
        columns = [Column(name, name) for name in ("name", "type", "required", "default", "choices", "description")]
        sys.stdout.write("\n")
        session.out.table(found["variables"], columns)
    sys.stdout.write(f"\n{plain(found['content']).rstrip()}\n")


@command(app, "import")
def import_file(
    session: Session,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A YAML file, - for standard input; of a playbook its folder or a zip archive."
        ),
    ],
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="What the playbook of a folder or archive is called.")
    ] = None,
    main: Annotated[
        str | None, typer.Option("--main", metavar="FILE", help="Which file in it is the playbook.")
    ] = None,
) -> None:
    """Save the assembly of a file: a new one, or a new revision of the one with its name."""
    if playbook_archives.is_one(file):
        made = playbook_archives.send(session, file, name=name, main=main)
        session.out.done(f"Saved {made['name']}, revision {made['revision']} ({made['id']}).", made)
        return
    if name is not None or main is not None:
        raise CliError("--name and --main are for the folder or the archive of a playbook.", ExitCode.USAGE)
    headers = {"Content-Type": "text/yaml"}
    response = session.api.send("POST", f"{PATH}/import", body=read_text(file).encode(), headers=headers)
    made = response.json()
    verb = "Made" if response.status_code == 201 else "Saved"
    session.out.done(f"{verb} {made['name']}, revision {made['revision']} ({made['id']}).", made)


@command(app, "export")
def export(
    session: Session,
    assembly: Assembly,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Else to standard output; a playbook with its files into one.zip."
        ),
    ] = None,
) -> None:
    """Write an assembly as one file that `import` reads: YAML, or a zip archive."""
    assembly_id = session.assembly_id(assembly)
    if to is not None and to.endswith(".zip"):
        playbook_archives.save(session, assembly_id, to)
        session.out.done(f"Wrote {to}.", {"file": to})
        return
    text = session.api.send("GET", f"{PATH}/{assembly_id}/export").text
    if to is None:
        sys.stdout.write(text)
        return
    try:
        Path(to).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{to} cannot be written: {error.strerror}") from None
    session.out.done(f"Wrote {to}.", {"file": to})


@command(app, "archive")
def archive(session: Session, assembly: Assembly, *, yes: Yes = False) -> None:
    """Take an assembly out of use; refused while jobs use it."""
    assembly_id = session.assembly_id(assembly)
    asking.sure(f"{assembly} will be taken out of use. Go on?", is_sure=yes)
    reply = session.api.post(f"{PATH}/{assembly_id}/archive")
    session.out.done(f"{reply['name']} is archived.", reply)
