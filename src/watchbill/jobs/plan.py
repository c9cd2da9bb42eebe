"""What saving the job of a file would change, told by names, and nothing saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies, credentials
from watchbill.core import schedule as calendar
from watchbill.core.job_rules import read
from watchbill.core.job_rules_values import Job
from watchbill.core.problems import Problem
from watchbill.core.targets import label, to_json
from watchbill.identity import Actor
from watchbill.jobs import saving
from watchbill.jobs.definition import TARGET_LISTS, Definition, stored, targets_in
from watchbill.jobs.differences import changes
from watchbill.jobs.file_names import name_targets
from watchbill.jobs.files import FileReading, read_file
from watchbill.jobs.values import Difference
from watchbill.kit.secrets import KeyRing


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What a save of the file would do; None = that cannot be said, `problems` says why. `revision` is the present one."""

    name: str | None
    action: Literal["create", "update", "unchanged"] | None
    job_id: int | None
    revision: int | None
    schedule_text: str | None
    changes: Sequence[Difference]
    problems: Sequence[Problem]


async def plan_file(tx: AsyncConnection, actor: Actor, content: str, *, keys: KeyRing, now: datetime) -> FilePlan:
    """Plan a file for the one visible job with its name, else for a new one."""
    reading = await read_file(tx, actor, content, "update", now=now)
    if reading.problems or reading.job is None:
        return _refused(reading)
    saving.require_context(actor, reading.job)
    before = reading.before
    enabled = reading.job.enabled if reading.job.enabled is not None else before.enabled if before else True
    job_id = before.id if before else 0
    kept = before.definition if before else None
    after = stored(reading.job, job_id=job_id, enabled=enabled, keys=keys, before=kept)
    found = await _by_names(tx, actor, kept or _least(reading.job), after)
    if kept is None:
        found = [one for one in found if one.after is not None]  # nothing can be taken from a new job
    return FilePlan(
        name=reading.name,
        action="create" if before is None else "update" if found else "unchanged",
        job_id=before.id if before else None,
        revision=before.revision if before else None,
        schedule_text=calendar.in_words(reading.job.schedule),
        changes=found,
        problems=(),
    )


def _refused(reading: FileReading) -> FilePlan:
    before = reading.before
    job_id, revision = (before.id, before.revision) if before else (None, None)
    return FilePlan(reading.name, None, job_id, revision, None, (), reading.problems)


def _least(job: Job) -> dict[str, Any]:
    """What a file need not say: against it, a new job differs by what it does say. None = there is no default."""
    defaults = read({}).draft
    return {
        "name": None,
        "description": defaults.description,
        "tags": [],
        "job_kind": defaults.job_kind,
        "components": [{}]
        if job.onboarding
        else [
            {"assembly_id": None, "kind": one.kind.value, "revision": "latest", "variables": {}}
            for one in job.components
        ],
        "targets": [],
        "exclusions": [],
        "schedule": dict.fromkeys(("type", "timezone", "timezone_source", "start", "end", "count")),
        "execution_context": None if job.onboarding or job.workflow_id else defaults.execution_context.value,
        "credential_id": None,
        "use_service_account": False,
        **({"credential_ids": []} if job.onboarding else {}),
        "duration": {},
        "policies": defaults.policies.to_json(),
        "enabled": True,
    }


async def _by_names(
    tx: AsyncConnection, actor: Actor, before: Mapping[str, Any], after: Definition
) -> list[Difference]:
    """The differences, with targets, assemblies and credentials told by their names."""
    named = await name_targets(tx, actor, [*targets_in(before), *targets_in(after)])
    labels = {label(to_json(target)): _label(written) for target, written in named.items()}
    components = [*before["components"], *after["components"]]
    for assembly_id in {one.get("assembly_id") for one in components} - {None}:
        labels[assembly_id] = (await assemblies.get(tx, actor, UUID(assembly_id))).draft.name
    logins = {one["credential_id"] for one in (before, after)} - {None}
    called: dict[object, str] = {
        number: known.name for number, known in (await credentials.facts(tx, actor.scope, logins)).items()
    }
    return [_named(one, labels, called) for one in changes(before, after)]


def _label(written: Mapping[str, Any]) -> str:
    match written:
        case {"hostname": hostname, "site": site}:
            return f"{site or '(no site)'}/{hostname}"
        case {"kind": "all_devices"}:
            return "all devices"
        case {"device_id": device_id}:
            return str(device_id)
        case {"kind": kind}:
            return f"{kind} {written.get(kind, written.get(f'{kind}_id'))}"
        case _:
            return str(dict(written))


def _named(one: Difference, labels: Mapping[str, str], called: Mapping[object, str]) -> Difference:
    if one.field == "credential_id":
        return Difference("credential", *(called.get(value, value) for value in (one.before, one.after)))
    first, _, place = one.field.partition(".")
    if first in TARGET_LISTS and place in labels:
        named = labels[place]
        return Difference(first, named if one.before else None, named if one.after else None)
    if one.field.endswith(".assembly_id"):
        before, after = (labels.get(str(value)) for value in (one.before, one.after))
        return Difference(one.field.removesuffix("_id"), before, after)
    return one
