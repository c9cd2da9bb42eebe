"""`watchbill assemblies files`: what lies beside a script on its device."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column, size
from watchbill.apps.client.session import Session, Yes, command, group
from watchbill.apps.commands.exits import CliError

app = group("Files of assemblies.")
PATH = "/api/assemblies"
_CHUNK = 1024 * 1024

Assembly = Annotated[str, typer.Argument(metavar="ASSEMBLY", help="An assembly's id or name.")]
FileName = Annotated[str, typer.Argument(metavar="NAME", help="What the file is called beside the script.")]
Revision = Annotated[int | None, typer.Option("--revision", min=1, help="Of this revision; else the latest.")]


@command(app, "list")
def list_files(session: Session, assembly: Assembly, *, revision: Revision = None) -> None:
    """The files of an assembly."""
    reply = session.api.get(f"{PATH}/{session.assembly_id(assembly)}/files", {"revision": revision})
    columns = [
        Column("name", "name"),
        Column("size", lambda row: size(row["size"]), is_right=True),
        Column("stored", "is_stored"),
        Column("sha-256", "sha256"),
    ]
    session.out.listing(reply["items"], columns, is_more=False, empty="The assembly has no files.")


@command(app, "attach")
def attach(
    session: Session,
    assembly: Assembly,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of this machine.")],
    *,
    under: Annotated[
        str, typer.Option("--under", metavar="FOLDER", help="Of a playbook's tree, such as roles/web/files.")
    ] = "",
) -> None:
    """Store files and attach them beside a script or a playbook, in place of those that have their names: one new revision."""
    assembly_id = session.assembly_id(assembly)
    before = session.api.get(f"{PATH}/{assembly_id}")
    folder = f"{under.rstrip('/')}/" if under else ""
    given = {f"{folder}{file.name}": _stored(session, file)["sha256"] for file in files}
    taken = {name.casefold() for name in given}
    kept = [one for one in before["files"] if one["name"].casefold() not in taken]
    added = [{"name": name, "sha256": digest} for name, digest in given.items()]
    after = session.api.put(f"{PATH}/{assembly_id}", _definition(before, [*kept, *added]), revision=before["revision"])
    session.out.done(f"{after['name']} is at revision {after['revision']} with {', '.join(given)}.", after)


def _definition(assembly: dict[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("name", "description", "kind", "interpreter", "content", "variables", "time_limit_seconds")
    same = {name: assembly[name] for name in (*names, "warning_exit_codes", "collections")}
    return {**same, "files": sorted(files, key=lambda one: str(one["name"]).casefold())}


def _stored(session: Session, file: Path) -> Any:
    return session.api.upload("/api/assembly_files", _chunks(file))


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as source:
            while data := source.read(_CHUNK):
                yield data
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None


@command(app, "detach")
def detach(session: Session, assembly: Assembly, name: FileName, *, yes: Yes = False) -> None:
    """Carry a file no longer: a new revision. Runs of earlier revisions still get it."""
    assembly_id = session.assembly_id(assembly)
    asking.sure(f"{assembly} will run without {name}. Go on?", is_sure=yes)
    after = session.api.delete(f"{PATH}/{assembly_id}/files/{quote(name, safe='')}")
    session.out.done(f"{after['name']} is at revision {after['revision']} without {name}.", after)


@command(app, "download")
def download(
    session: Session,
    assembly: Assembly,
    name: FileName,
    *,
    revision: Revision = None,
    to: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Where to; - is standard output.")] = "",
) -> None:
    """Write a file of an assembly, by default under its name into this folder."""
    path = f"{PATH}/{session.assembly_id(assembly)}/files/{quote(name, safe='')}"
    chunks = session.api.download(path, {"revision": revision})
    if to == "-":
        sys.stdout.buffer.writelines(chunks)
        return
    # Only the last part of what a server calls it: it does not say where on this machine.
    target = Path(to or Path(name).name)
    try:
        with target.open("wb") as file:
            file.writelines(chunks)
    except OSError as error:
        raise CliError(f"{target} cannot be written: {error.strerror}") from None
    session.out.done(f"Wrote {target}.", {"file": str(target)})
