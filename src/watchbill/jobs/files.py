"""A job as one YAML file: what it refers to is named, not numbered, so that a file means the same on another Engine.

Secrets are left out of a file; who imports it adds them, or keeps those of the job that the file is for. The same job is
always the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core.job_rules import read
from watchbill.core.job_rules_values import Job
from watchbill.core.job_rules_variables import IS_SET
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission
from watchbill.jobs import listing, saving, store
from watchbill.jobs.definition import (
    TARGET_LISTS,
    canaries_of,
    secrets_in,
    shown,
    targets_in,
    targets_of,
    with_canaries,
)
from watchbill.jobs.file_names import name_login, name_targets, resolve
from watchbill.jobs.saving import Saved
from watchbill.jobs.values import SavedJob
from watchbill.kit import yaml_file
from watchbill.kit.errors import ConflictError, InvalidError
from watchbill.kit.secrets import KeyRing
from watchbill.kit.yaml_file import YamlDocument

#: What a file does when a visible job has its name: make another one, refuse, or save that job anew.
OnExisting = Literal["create", "refuse", "update"]


async def export_file(tx: AsyncConnection, actor: Actor, job: SavedJob) -> str:
    """The job as one YAML file that `read_file` reads. Only whole: a file of some of its devices is another job."""
    saving.require_whole(job)
    definition = shown(job.definition)
    named = await name_targets(tx, actor, targets_in(definition))
    definition = with_canaries(definition, [named[target] for target in canaries_of(definition)])
    document = {
        **{name: definition[name] for name in ("name", "description", "tags", "job_kind")},
        "components": [await _named_component(tx, actor, component) for component in definition["components"]],
        **{name: [named[target] for target in targets_of(definition, name)] for name in TARGET_LISTS},
        **{name: definition[name] for name in ("schedule", "execution_context")},
        **await name_login(tx, actor, definition),
        **{name: definition[name] for name in ("duration", "policies", "enabled")},
    }
    return yaml_file.write(document)


async def _named_component(tx: AsyncConnection, actor: Actor, component: Mapping[str, Any]) -> dict[str, Any]:
    if "assembly_id" not in component:
        return dict(component)
    assembly = await assemblies.get(tx, actor, UUID(component["assembly_id"]))
    open_values = {name: value for name, value in component["variables"].items() if value != IS_SET}
    return {
        "assembly": assembly.draft.name,
        "kind": component["kind"],
        "revision": component["revision"],
        "variables": open_values,
        **{name: component[name] for name in ("role", "not_compliant_exit_codes") if name in component},
    }


@dataclass(frozen=True, slots=True)
class FileReading:
    """A file, the job that it is for (None = it makes a new one), and everything that is wrong with it, by line."""

    name: str | None
    before: SavedJob | None
    job: Job | None
    problems: list[Problem] = field(default_factory=list)


async def read_file(
    tx: AsyncConnection, actor: Actor, content: str, on_existing: OnExisting, *, now: datetime
) -> FileReading:
    """Read a file and judge the job in it, as a save would. The job that it is for is held until the transaction ends."""
    actor.require(Permission.JOBS_WRITE)
    document = yaml_file.read(content)
    name = _name_of(document)
    resolved = await resolve(tx, actor, document.value)
    saving.require_context(actor, read(resolved.definition).draft)
    before, own = await _find_before(tx, actor, name, on_existing)
    if before is not None:
        _keep_secrets(resolved.definition, before)
    judged = await saving.judge(tx, actor, resolved.definition, now=now, before=before)
    # What a name did not lead to is told once, at the name.
    own += [problem for problem in judged.problems if problem.field not in resolved.replaced]
    return FileReading(name, before, judged.job, document.placed([*own, *resolved.problems]))


async def save_file(tx: AsyncConnection, actor: Actor, reading: FileReading, *, keys: KeyRing, now: datetime) -> Saved:
    """Save what was read in this transaction; InvalidError lists every problem with its line."""
    if reading.problems or reading.job is None:
        raise InvalidError.of(reading.problems, what="The file")
    if reading.before is None:
        return await saving.insert(tx, actor, reading.job, keys=keys, now=now)
    return await saving.change(tx, actor, reading.before, reading.job, keys=keys, now=now)


def _name_of(document: YamlDocument) -> str | None:
    name = document.value.get("name") if isinstance(document.value, Mapping) else None
    return name if isinstance(name, str) else None


async def _find_before(
    tx: AsyncConnection, actor: Actor, name: str | None, on_existing: OnExisting
) -> tuple[SavedJob | None, list[Problem]]:
    """The one visible job with exactly this name, and why it cannot be saved anew."""
    if name is None or on_existing == "create":
        return None, []
    await store.hold_name(tx, name)
    found = await listing.ids_named(tx, actor.scope, name)
    if found and on_existing == "refuse":
        raise ConflictError(f"There is a job with this name already: number {found[0]}.", code="job_exists")
    if len(found) > 1:
        numbers = ", ".join(str(one) for one in found)
        message = f"{len(found)} jobs have this name (numbers {numbers}): rename all but one"
        return None, [Problem("name", "job_ambiguous", message)]
    before = await listing.find(tx, actor.scope, found[0], for_update=True) if found else None
    if before is not None and (before.spans_other_sites or before.spares_other_sites):
        return None, [Problem("name", "job_spans_other_sites", "the job reaches sites that you do not see")]
    return before, []


def _keep_secrets(definition: object, before: SavedJob) -> None:
    """A secret that the file does not give stays, for the assembly that it was given to."""
    components = definition.get("components") if isinstance(definition, dict) else None
    if not isinstance(components, list):
        return
    for component, (assembly_id, names) in zip(components, secrets_in(before.definition), strict=False):
        if isinstance(component, dict) and component.get("assembly_id") == str(assembly_id):
            given = component.get("variables") or {}
            if isinstance(given, Mapping):
                component["variables"] = {**{name: dict(IS_SET) for name in sorted(names)}, **given}
