"""`watchbill agent-packages`: packages of the agent, built on this machine and published on branches."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from watchbill.apps.client import asking
from watchbill.apps.client.output import Column, size
from watchbill.apps.client.session import Limit, Session, Yes, command, group
from watchbill.apps.commands.exits import CliError

app = group("Packages of the agent, by branch and platform: what onboarding and the install command bring to machines.")
PATH = "/api/agent_packages"
_CHUNK = 1024 * 1024

Branch = Annotated[str, typer.Option("--branch", metavar="NAME", help="The line of agents, such as stable or beta.")]
PackageId = Annotated[int, typer.Argument(metavar="ID", min=1, help="A package's number, as `list` shows it.")]


@command(app, "build")
def build(
    session: Session,
    *,
    branch: Branch = "stable",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where to; with --publish it need not stay.")
    ] = None,
    is_published: Annotated[bool, typer.Option("--publish", help="Publish it on the branch at once.")] = False,
) -> None:
    """Build the agent for machines like this one: Linux, of this architecture, with the glibc of this system or a newer one."""
    from watchbill.apps.agent_build import build

    if output is None and not is_published:
        output = Path()
    with tempfile.TemporaryDirectory(prefix="watchbill-package-") as folder:
        built = build(output or Path(folder))
        reply: dict[str, Any] = {**asdict(built), "path": str(built.path) if output else None, "published": None}
        said = [
            f"Built {built.path.name}: {size(built.size)}, {size(built.unpacked_size)} unpacked, needs {_needs(built.glibc)}."
        ]
        if is_published:
            reply["published"] = session.api.upload(PATH, _chunks(built.path), {"branch": branch})
            said.append(_sentence(reply["published"]))
    session.out.done("\n".join(said), reply)


def _needs(glibc: str | None) -> str:
    return f"glibc {glibc} or newer" if glibc else "no glibc"


@command(app, "publish")
def publish(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A package, as `build` makes it.")],
    *,
    branch: Branch = "stable",
) -> None:
    """Publish a package on a branch; the Engine checks and signs it."""
    reply = session.api.upload(PATH, _chunks(file), {"branch": branch})
    session.out.done(_sentence(reply), reply)


def _sentence(package: dict[str, Any]) -> str:
    return f"Version {package['version']} for {package['platform']} {package['arch']} is on the branch {package['branch']}."


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as source:
            while data := source.read(_CHUNK):
                yield data
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None


@command(app, "list")
def list_packages(
    session: Session,
    *,
    branch: Annotated[str | None, typer.Option("--branch", metavar="NAME", help="Only of this branch.")] = None,
    limit: Limit = 100,
) -> None:
    """What is published, the last first."""
    page = session.api.page(PATH, {"branch": branch}, limit=limit)
    columns = [
        Column("id", "id", is_right=True),
        Column("branch", "branch"),
        Column("version", "version"),
        Column("for", lambda row: f"{row['platform']} {row['arch']}"),
        Column("glibc", "glibc"),
        Column("size", lambda row: size(row["size"]), is_right=True),
        Column("published", lambda row: session.out.when(row["published_at"])),
        Column("by", "published_by"),
        Column("withdrawn", lambda row: session.out.when(row["withdrawn_at"])),
    ]
    empty = "No package is published: `watchbill agent-packages build --publish` makes one."
    session.out.listing(page.items, columns, is_more=page.is_more, empty=empty)


@command(app, "promote")
def promote(session: Session, package: PackageId, *, branch: Branch) -> None:
    """Have a package on another branch too."""
    reply = session.api.post(f"{PATH}/{package}/promote", {"branch": branch})
    session.out.done(f"Version {reply['version']} is on the branch {reply['branch']} too.", reply)


@command(app, "withdraw")
def withdraw(session: Session, package: PackageId, *, yes: Yes = False) -> None:
    """Give a package to nobody any more; where it is installed it stays."""
    asking.sure("Nobody will get this package from its branch any more. Go on?", is_sure=yes)
    reply = session.api.post(f"{PATH}/{package}/withdraw")
    session.out.done(f"Version {reply['version']} is withdrawn from the branch {reply['branch']}.", reply)
