"""How a plan for a folder of jobs is shown: a line for each job with its mark, below it what changes. Decides nothing."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from watchbill.apps.client.job_files import FolderPlan, JobFile
from watchbill.apps.client.output import plain

if TYPE_CHECKING:
    from rich.text import Text

_MARKS: Final = {"create": "+", "update": "~", "delete": "-", "refused": "!"}
_STYLES: Final = {"+": "green", "~": "yellow", "-": "red", "!": "bold red", " ": "dim"}
_LONGEST_VALUE: Final = 100


def summary(plan: FolderPlan) -> str:
    """The plan in one sentence."""
    create, update, same = (len(plan.of(action)) for action in ("create", "update", "unchanged"))
    parts = [f"{create} to create", f"{update} to update", f"{len(plan.deleted)} to delete", f"{same} unchanged"]
    refused = f", {len(plan.faulty)} refused" if plan.faulty else ""
    return f"{', '.join(parts)}{refused}."


def as_json(plan: FolderPlan) -> dict[str, Any]:
    """The same for scripts."""
    files = [
        {"file": one.label, **{name: (one.plan or {}).get(name) for name in ("name", "job_id", "changes")},
         "action": one.action, "problems": list(one.problems)}
        for one in plan.files
    ]  # fmt: skip
    deleted = [{"id": job["id"], "name": job["name"]} for job in plan.deleted]
    others = [{"id": job["id"], "name": job["name"]} for job in plan.others]
    return {"files": files, "deleted": deleted, "not_in_files": others}


def lines(plan: FolderPlan) -> Iterator["Text"]:
    """Every job that is touched or refused; what stays as it is is only counted."""
    for one in plan.files:
        if one.problems:
            yield from _refused(one)
        elif one.action in ("create", "update"):
            yield from _saved(one)
    for job in plan.deleted:
        yield _line("-", f"{job['name']} (number {job['id']}, in no file)")
    for job, reason in plan.kept:
        yield _line(" ", f"{job['name']} (number {job['id']}, in no file) stays: {reason}")


def _refused(one: JobFile) -> Iterator["Text"]:
    yield _line("!", f"{one.label}:")
    for problem in one.problems:
        yield _line(" ", problem, depth=2)


def _saved(one: JobFile) -> Iterator["Text"]:
    plan = one.plan or {}
    yield _line(_MARKS[plan["action"]], f"{plan['name']} ({one.label})")
    if plan["action"] == "create" and plan["schedule_text"]:
        yield _line(" ", plan["schedule_text"], depth=1)
    for change in plan["changes"]:
        if plan["action"] == "update" or change["field"] != "name":
            yield from _change(change)


def _change(change: Mapping[str, Any]) -> Iterator["Text"]:
    name, before, after = change["field"], change["before"], change["after"]
    if before is not None and after is not None:
        yield _line("~", f"{name}: {_value(before)} -> {_value(after)}", depth=1)
    elif before is not None:
        yield _line("-", f"{name}: {_value(before)}", depth=1)
    elif after is not None:
        yield _line("+", f"{name}: {_value(after)}", depth=1)
    elif name.endswith(".order"):
        yield _line("~", f"{name}: another order", depth=1)


def _value(value: object) -> str:
    if isinstance(value, dict) and value == {"is_set": True}:
        return "***"
    text = value if isinstance(value, str) and value and "\n" not in value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _line(mark: str, text: str, *, depth: int = 0) -> "Text":
    from rich.text import Text

    return Text(f"{'    ' * depth}{mark} {plain(text)}", _STYLES[mark])
