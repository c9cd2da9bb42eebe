"""Jobs as code: a folder with one YAML file per job, compared with the jobs of an Engine and brought into force.

The Engine reads the files and says what each would change; this finds them, shows it, and sends them.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from watchbill.apps.client import documents
from watchbill.apps.client.connection import Api
from watchbill.apps.commands.exits import CliError, ExitCode

JOBS: Final = "/api/scheduled_jobs"
YAML: Final = {"Content-Type": "text/yaml"}
_SUFFIXES: Final = (".yaml", ".yml")
#: A name in any script fits into the 255 bytes of a file system.
_LONGEST: Final = 50
_ALL: Final = 100_000
_NOT_IN_NAMES: Final = re.compile(r"[^\w.-]+")

Job = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobFile:
    """One file and what the Engine says about it; `plan` None = it could not even be read."""

    path: Path
    text: str
    plan: Mapping[str, Any] | None
    problems: Sequence[str]
    #: How it is told: its path below the folder.
    label: str

    @property
    def action(self) -> str | None:
        return self.plan["action"] if self.plan and not self.problems else None

    @property
    def name(self) -> str | None:
        return self.plan["name"] if self.plan else None


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """All files, and the jobs that no file names. Of those only `deleted` go; `kept` have the reason why they cannot."""

    files: Sequence[JobFile]
    others: Sequence[Job] = ()
    deleted: Sequence[Job] = ()
    kept: Sequence[tuple[Job, str]] = ()

    def of(self, action: str) -> list[JobFile]:
        return [one for one in self.files if one.action == action]

    @property
    def faulty(self) -> list[JobFile]:
        return [one for one in self.files if one.problems]

    @property
    def has_changes(self) -> bool:
        return bool(self.of("create") or self.of("update") or self.deleted)


@dataclass(slots=True)
class Exported:
    """What an export wrote. `left_out`: jobs that cannot be a file, with the reason; `strange`: files of no job."""

    files: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)


# --- export ------------------------------------------------------------------------------------------------------------


def all_jobs(api: Api) -> list[Job]:
    """Every job that the caller sees, oldest first."""
    return list(api.page(JOBS, {"sort": "id"}, limit=_ALL).items)


def file_names(jobs: Sequence[Job]) -> dict[int, str]:
    """A file name for each job, made of its name. Where two would share one, the newer job's number makes the difference."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for job in sorted(jobs, key=lambda one: one["id"]):
        stem = _stem(job["name"])
        name = stem if stem not in taken else f"{stem}-{job['id']}"
        while name in taken:
            name += "-"
        taken.add(name)
        names[job["id"]] = f"{name}.yaml"
    return names


def _stem(name: str) -> str:
    # Case does not tell files apart everywhere.
    return _NOT_IN_NAMES.sub("-", unicodedata.normalize("NFC", name).lower())[:_LONGEST].strip("-._") or "job"


def content_of(api: Api, job_id: int) -> str:
    return api.send("GET", f"{JOBS}/{job_id}/export").text


def export_jobs(api: Api, folder: Path, only: int | None) -> Exported:
    """Write the jobs (`only` this one) into the folder; a file that says the same already is not touched."""
    jobs, done = all_jobs(api), Exported()
    names = file_names(jobs)
    _make(folder)
    for job in jobs:
        if only in (None, job["id"]):
            _export_one(api, folder / names[job["id"]], job, done)
    top = [path.name for path in _paths(folder) if path.parent == folder]
    done.strange = [name for name in top if name not in names.values()]
    return done


def _export_one(api: Api, path: Path, job: Job, done: Exported) -> None:
    try:
        content = content_of(api, job["id"])
    except CliError as error:
        if error.exit_code is not ExitCode.FAILED:
            raise
        done.left_out.append((job["name"], error.message))
        return
    done.files[path.name] = job["id"]
    done.changed += _write(path, content)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CliError(f"{folder} cannot be made: {error.strerror}") from None


def _write(path: Path, content: str) -> bool:
    """Whether the file had to be written."""
    try:
        if path.exists() and path.read_bytes() == content.encode():
            return False
        path.write_bytes(content.encode())
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}") from None
    return True


# --- plan --------------------------------------------------------------------------------------------------------------


def plan_folder(api: Api, place: Path, *, prune: bool) -> FolderPlan:
    """What the files of a folder (or one file) would change; with `prune`, which jobs have no file and would go."""
    if prune and not place.is_dir():
        raise CliError(f"{place} is no folder: --prune deletes what is not in a folder.")
    paths = _paths(place) if place.is_dir() else [place]
    if not paths:
        raise CliError(f"There are no .yaml files in {place}.")
    base = place if place.is_dir() else place.parent
    files = _without_twins([_plan_one(api, path, str(path.relative_to(base))) for path in paths])
    if not place.is_dir():
        return FolderPlan(files)
    named = {one.name for one in files}
    others = [job for job in all_jobs(api) if job["name"] not in named]
    if not prune:
        return FolderPlan(files, others)
    reasons = [(job, _why_not_deleted(job)) for job in others]
    return FolderPlan(
        files,
        others,
        deleted=[job for job, reason in reasons if reason is None],
        kept=[(job, reason) for job, reason in reasons if reason is not None],
    )


def _paths(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, whatever the case of their endings; what is hidden is none of them."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    return sorted(path for path in found if not _is_hidden(path.relative_to(folder)) and path.is_file())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _plan_one(api: Api, path: Path, label: str) -> JobFile:
    text = ""
    try:
        text = documents.read_text(str(path))
        plan = api.send("POST", f"{JOBS}/plan", body=text.encode(), headers=YAML).json()
    except CliError as error:
        if error.exit_code not in (ExitCode.FAILED, ExitCode.USAGE):
            raise
        return JobFile(path, text, None, error.problems or (error.message,), label)
    return JobFile(path, text, plan, [f"{one['field']}: {one['message']}" for one in plan["problems"]], label)


def _without_twins(files: Sequence[JobFile]) -> list[JobFile]:
    """The files, those refused that name the same job."""
    shared = Counter(one.name for one in files if one.name is not None)
    return [_twin(one, files) if one.name is not None and shared[one.name] > 1 else one for one in files]


def _twin(one: JobFile, files: Sequence[JobFile]) -> JobFile:
    others = ", ".join(other.label for other in files if other.name == one.name and other is not one)
    problems = [*one.problems, f"name: {one.name} is also the name in {others}"]
    return JobFile(one.path, one.text, one.plan, problems, one.label)


def _why_not_deleted(job: Job) -> str | None:
    for action in job["allowed_actions"]:
        if action["action"] == "delete" and not action["allowed"]:
            return str(action["reason"])
    return None


# --- apply -------------------------------------------------------------------------------------------------------------


def apply(api: Api, plan: FolderPlan) -> Iterator[Mapping[str, Any]]:
    """Do what was planned, one request per job, and tell each; a job that changed since then is refused.

    The first that fails ends it: what was done stays, and the error says how far it came.
    """
    saved = [one for one in plan.files if one.action in ("create", "update")]
    steps = [*(partial(_save, api, one) for one in saved), *(partial(_delete, api, job) for job in plan.deleted)]
    for number, step in enumerate(steps):
        try:
            done = step()
        except CliError as error:
            error.hint = (
                f"{number} of {len(steps)} changes are done; run it again for the others. {error.hint}".rstrip()
            )
            raise
        yield done


def _delete(api: Api, job: Job) -> Mapping[str, Any]:
    api.send("DELETE", f"{JOBS}/{job['id']}", headers={"If-Match": f'"{job["revision"]}"'})
    return {"action": "delete", "id": job["id"], "name": job["name"], "file": None, "warnings": []}


def _save(api: Api, one: JobFile) -> Mapping[str, Any]:
    plan = one.plan or {}
    headers = {**YAML, "Idempotency-Key": uuid4().hex}
    if plan["action"] == "update":
        headers["If-Match"] = f'"{plan["revision"]}"'
    # The plan found no job of that name: whoever made one since then is not overwritten.
    query = {"on_existing": "refuse" if plan["action"] == "create" else "update"}
    try:
        saved = api.send("POST", f"{JOBS}/import", query=query, body=one.text.encode(), headers=headers).json()
    except CliError as error:
        error.message = f"{one.label}: {error.message}"
        raise
    told = {"id": saved["id"], "name": saved["name"], "file": one.label, "warnings": saved.get("warnings", [])}
    return {"action": plan["action"], **told}
