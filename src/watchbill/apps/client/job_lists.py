"""How a list of jobs is asked for and shown: filters and views, the last outcomes as marks, and why a job will not fire.

A mark is a letter, never a colour alone. On a narrow terminal each job is a few lines instead of one that would be cut.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from watchbill.apps.client import views
from watchbill.apps.client.output import STYLE_OF, Column, Out, Row, counts, one_line
from watchbill.apps.client.session import Session
from watchbill.apps.commands.exits import CliError, ExitCode

if TYPE_CHECKING:
    from rich.text import Text

PATH: Final = "/api/scheduled_jobs"
#: What `--where` may name, as the API calls it; a site is also found by its name.
WHERE: Final = ("q", "kind", "state", "site", "enabled", "tag", "health")
#: Below this a table would cut what it is for.
NARROW: Final = 120
_MARKS: Final = {
    "success": "+", "warning": "!", "failed": "x", "cancelled": "/", "skipped": "-", "missed": "?", "held": "h", "open": ">",
}  # fmt: skip
LEGEND: Final = (
    "Last ten, the newest at the right: " + ", ".join(f"{mark} {word}" for word, mark in _MARKS.items()) + "."
)


def query_of(
    session: Session, given: Mapping[str, object], where: Sequence[str], view: Mapping[str, Any] | None = None
) -> dict[str, object]:
    """The parameters of the list: a view's, those of `--where`, and what other options gave, each before the ones before it."""
    said = {name: value for name, value in given.items() if value is not None}
    return {**(view["query"] if view else {}), **where_of(session, where), **said}


def where_of(session: Session, conditions: Sequence[str]) -> dict[str, object]:
    """FIELD=VALUE conditions as parameters; `tag` may be given several times."""
    query: dict[str, Any] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if name not in WHERE or not equals:
            raise CliError(f"--where {condition}: must be FIELD=VALUE with one of {', '.join(WHERE)}.", ExitCode.USAGE)
        if name == "tag":
            query.setdefault("tag", []).append(value)
        else:
            query["site_id" if name == "site" else name] = session.site_id(value) if name == "site" else value
    return query


def show(session: Session, query: Mapping[str, object], view: Mapping[str, Any] | None, *, limit: int) -> None:
    page = session.api.page(PATH, query, limit=limit)
    out, chosen = session.out, view["columns"] if view else None
    if out.is_json or not page.items or chosen or out.console.width >= NARROW:
        out.listing(page.items, columns(out, chosen), is_more=page.is_more, empty="There are no jobs.")
    else:
        for line in blocks(out, page.items):
            out.print(line)
        if page.is_more:
            out.say(f"Only the first {len(page.items)} are shown; --limit shows more.")
    if page.items and not out.is_json and (chosen is None or "recent_outcomes" in chosen):
        out.hint(LEGEND)


def find_view(session: Session, name: str | None) -> Mapping[str, Any] | None:
    return views.find(session, name, screen="jobs") if name else None


def columns(out: Out, chosen: Sequence[str] | None = None) -> list[Column]:
    """The columns of a table: those of a view, or what tells most about a job."""
    known = _known(out)
    names = chosen or (
        "id",
        "state",
        "name",
        "schedule_text",
        "next_due_at",
        "recent_outcomes",
        "waiting_count",
        "note",
    )
    return [known.get(name) or Column(name.replace("_", " "), name) for name in names]


def _known(out: Out) -> dict[str, Column]:
    return {
        "id": Column("id", "id", is_right=True),
        "schedule_text": Column("schedule", "schedule_text", is_wrapped=True),
        "next_due_at": Column("next due", lambda row: out.when(row["next_due_at"])),
        "recent_outcomes": Column("last ten", lambda row: marks(row["recent_outcomes"])),
        "waiting_count": Column("waiting", lambda row: row["waiting_count"] or None, is_right=True),
        "missed_count": Column("missed", lambda row: row["missed_count"] or None, is_right=True),
        "note": Column("note", lambda row: note(row) or "", is_wrapped=True),
        "will_not_fire": Column(
            "will not fire", lambda row: (row["will_not_fire"] or {}).get("sentence"), is_wrapped=True
        ),
        "drift": Column("drift", "drift", is_wrapped=True),
        "last_occurrence": Column("last", _last),
        "target_summary": Column("devices", lambda row: row["target_summary"]["devices"], is_right=True),
        **{name: _time(out, name) for name in ("last_run_at", "created_at", "updated_at", "paused_until")},
    }


def _time(out: Out, name: str) -> Column:
    return Column(name.removesuffix("_at").replace("_", " "), lambda row: out.when(row[name]))


def _last(row: Row) -> "Text | None":
    return counts(row["last_occurrence"]["counts"]) if row["last_occurrence"] else None


def marks(recent: Sequence[Mapping[str, Any]]) -> "Text":
    """The last outcomes as letters, the newest at the right."""
    from rich.text import Text

    words = [one["outcome"] or one["state"] for one in reversed(recent)]
    if not words:
        return Text("-", "dim")
    return Text("").join(Text(_MARKS.get(word, "*"), STYLE_OF.get(word, "")) for word in words)


def note(job: Row) -> str | None:
    """What a person should know of a job that is not well; None of one that is."""
    said = []
    if job["will_not_fire"]:
        said.append(job["will_not_fire"]["sentence"])
    if job["missed_count"]:
        said.append(f"{job['missed_count']} missed in {job['missed_span_seconds'] // 86_400} days.")
    if job["drift"]:
        said.append(job["drift"])
    return " ".join(said) or None


def blocks(out: Out, jobs: Sequence[Row]) -> list["Text"]:
    """Each job as its name, then what there is to say, a line each; lines wrap where the terminal ends."""
    from rich.text import Text

    lines = []
    for job in jobs:
        head = Text(f"{job['id']} ", "dim") + Text(one_line(job["name"]), "bold")
        lines.append(head + Text("  ") + Text(job["state"], STYLE_OF.get(job["state"], "")))
        due, waiting = out.when(job["next_due_at"]), job["waiting_count"]
        lines.append(Text(f"  {one_line(job['schedule_text'] or job['schedule']['type'])}"))
        lines.append(
            Text("  ")
            + marks(job["recent_outcomes"])
            + Text(f"  next {due}" if due else "  no next due time")
            + Text(f"  {waiting} waiting" if waiting else "", STYLE_OF["pending"])
        )
        said = note(job)
        if said:
            lines.append(Text(f"  {one_line(said)}"))
    return lines
