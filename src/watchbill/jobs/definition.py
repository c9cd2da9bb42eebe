"""A job as it is stored: one JSON object in the API's shape, its secrets sealed. Turns jobs into it, and shows it without secrets.

A sealed value is bound to its job, component and variable: moved elsewhere, it cannot be opened.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from watchbill.core import schedule as calendar
from watchbill.core import waves
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.job_rules_values import DEFAULT_RETRY_ON, Component, ExecutionContext, Job, Onboarding, Policies
from watchbill.core.job_rules_variables import IS_SET
from watchbill.core.steps import Role
from watchbill.core.targets import SeenTargets, Target, from_json, to_json
from watchbill.core.variable_rules import Found, Given, give
from watchbill.kit.secrets import KeyRing

#: A stored definition: what `stored` made, read back from the database.
Definition = Mapping[str, Any]
TARGET_LISTS: Final = ("targets", "exclusions")
_SEALED: Final = "sealed"
_FIELDS: Final = (
    "name", "description", "tags", "job_kind", "components", "targets", "exclusions", "schedule", "execution_context",
    "credential_id", "use_service_account", "credential_ids", "duration", "policies", "enabled",
)  # fmt: skip
_SCHEDULE: Final = (
    "type", "timezone", "timezone_source", "start", "end", "count", "expression", "rule", "exdate", "rdate",
)  # fmt: skip
_NO_LIMITS: Final = dict.fromkeys(("time_limit_seconds", "expires_after_seconds", "run_limit_seconds"))


def stored(job: Job, *, job_id: int, enabled: bool, keys: KeyRing, before: Definition | None) -> dict[str, Any]:
    """The definition to store; secrets that are kept are taken from `before`."""
    return {
        "name": job.name,
        "description": job.description,
        "tags": list(job.tags),
        "job_kind": job.job_kind,
        "components": _components(job, job_id, keys, before),
        "targets": [to_json(target) for target in job.targets],
        "exclusions": [to_json(target) for target in job.exclusions],
        "schedule": calendar.to_json(job.schedule),
        "execution_context": None if job.execution_context is ExecutionContext.NONE else job.execution_context.value,
        "credential_id": job.credential_id,
        "use_service_account": job.use_service_account,
        **({"credential_ids": list(job.credential_ids)} if job.onboarding else {}),
        "duration": {
            "time_limit_seconds": job.time_limit_seconds,
            "expires_after_seconds": job.expires_after_seconds,
            "run_limit_seconds": job.run_limit_seconds,
        },
        "policies": job.policies.to_json(),
        "enabled": enabled,
    }


def _components(job: Job, job_id: int, keys: KeyRing, before: Definition | None) -> list[dict[str, Any]]:
    if job.onboarding is not None:
        return [job.onboarding.to_json()]
    return [_component(component, job_id, position, keys, before) for position, component in enumerate(job.components)]


def complete(definition: Definition) -> dict[str, Any]:
    """A stored definition in the contract's order, with what a later version added to jobs at its default."""
    schedule = definition["schedule"]
    whole = {
        "tags": [],
        **definition,
        "components": [
            {**one, "variables": dict(sorted(one["variables"].items()))} if "variables" in one else one
            for one in definition["components"]
        ],
        "schedule": _in_order(schedule, _SCHEDULE) if isinstance(schedule, Mapping) else schedule,
        "duration": {**_NO_LIMITS, **definition["duration"]},
        "policies": _policies(definition["policies"]),
    }
    return _in_order(whole, _FIELDS)


def _policies(given: Mapping[str, Any]) -> dict[str, Any]:
    known = policies_of(given).to_json()
    return {**known, **given, "waves": known["waves"]}


def _in_order(given: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """An object with the names in `order` first and the others by the alphabet; the database has an order of its own."""
    names = [*(name for name in order if name in given), *sorted(given.keys() - set(order))]
    return {name: given[name] for name in names}


def shown(definition: Definition, seen: SeenTargets | None = None) -> dict[str, Any]:
    """The definition as the API shows it: no secrets, and of the targets only those seen (None = all)."""
    public = complete(definition)
    public["components"] = [
        {**one, "variables": masked(one["variables"])} if "variables" in one else one for one in public["components"]
    ]
    return public if seen is None else only_seen(public, seen)


def only_seen(definition: Definition, seen: SeenTargets) -> dict[str, Any]:
    """The definition with those of its targets, exclusions and canaries that are seen."""
    kept = {name: [one for one in definition[name] if seen.holds(one)] for name in TARGET_LISTS if name in definition}
    return with_canaries({**definition, **kept}, [one for one in _canaries(definition) if seen.holds(one)])


def _canaries(definition: Definition) -> Sequence[Mapping[str, Any]]:
    canary = (definition["policies"].get("waves") or {}).get("canary") or {}
    some: Sequence[Mapping[str, Any]] = canary.get("targets", ())
    return some


def with_canaries(definition: Definition, targets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The definition with these as the targets of its canary; as it is where it has none."""
    if not _canaries(definition):
        return dict(definition)
    policies = definition["policies"]
    waves = policies["waves"]
    named = {**waves, "canary": {**waves["canary"], "targets": list(targets)}}
    return {**definition, "policies": {**policies, "waves": named}}


@dataclass(frozen=True, slots=True)
class Listed:
    """A definition as lists use it: read, as the API shows it without targets, and its schedule as a text. Not to be changed."""

    definition: Definition
    shown: Mapping[str, Any]
    schedule: str


@lru_cache(maxsize=2048)
def read_listed(stored: str) -> Listed:
    """A stored definition without its targets, from its text: most of what lists show is what they have shown before."""
    whole = json.loads(stored)
    definition = with_canaries(whole, ())
    return Listed(definition, shown(definition), json.dumps(definition["schedule"], sort_keys=True))


def variables_of(definition: Definition) -> list[tuple[UUID, int | None, dict[str, Any]]]:
    """Assembly, revision (None = latest) and stored variables of each component that has an assembly."""
    return [
        (
            UUID(component["assembly_id"]),
            None if component["revision"] == "latest" else component["revision"],
            component["variables"],
        )
        for component in definition["components"]
        if "assembly_id" in component
    ]


def onboarding_of(definition: Definition) -> Onboarding:
    """The component of a job that brings machines under management."""
    component = definition["components"][0]
    return Onboarding(**{name: component[name] for name in Onboarding.__slots__})


def secrets_in(definition: Definition) -> list[tuple[UUID, frozenset[str]]]:
    """For each component its assembly and the names of the secrets it holds."""
    return [
        (assembly_id, frozenset(name for name, value in variables.items() if is_sealed(value)))
        for assembly_id, _, variables in variables_of(definition)
    ]


def policies_of(stored_policies: Mapping[str, Any]) -> Policies:
    """The stored policies; what they were saved without has its default."""
    given = {name: stored_policies[name] for name in Policies.__slots__ if name in stored_policies}
    read = {"retry_on": tuple(given.get("retry_on", DEFAULT_RETRY_ON)), "waves": waves.from_json(given.get("waves"))}
    return Policies(**{**given, **read})


def read_schedule(stored: Any) -> tuple[calendar.Schedule | None, str | None]:
    """The stored schedule, or why it cannot be read any more (a zone that is gone, a word of a newer version)."""
    if not isinstance(stored, dict):
        return None, "the stored schedule is not an object"
    try:
        return calendar.parse(stored), None
    except calendar.ScheduleProblems as error:
        return None, "; ".join(f"{problem.field}: {problem.message}" for problem in error.problems)


@lru_cache(maxsize=20_000)
def read_schedule_text(stored: str) -> tuple[calendar.Schedule | None, str | None]:
    """The same from its text, for lists: most of what they show is what they have shown before."""
    return read_schedule(json.loads(stored))


@lru_cache(maxsize=4096)
def duration_of_text(stored: str) -> Mapping[str, Any]:
    """The stored limits; those that it was saved without are none."""
    return {**_NO_LIMITS, **json.loads(stored)}


@lru_cache(maxsize=4096)
def policies_of_text(stored: str) -> Policies:
    return policies_of(json.loads(stored))


def open_variables(keys: KeyRing, job_id: int, position: int, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Stored variables of one component with their secrets opened. For whoever hands them to a device, at that moment."""
    return {
        name: keys.open_text(value[_SEALED], _context(job_id, position, name)).reveal() if is_sealed(value) else value
        for name, value in variables.items()
    }


def renewed(keys: KeyRing, job_id: int, position: int, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Stored variables of one component with their secrets sealed under the active key."""
    return {
        name: {_SEALED: keys.renewed(value[_SEALED], _context(job_id, position, name))} if is_sealed(value) else value
        for name, value in variables.items()
    }


def given(
    keys: KeyRing,
    job_id: int,
    position: int,
    variables: Mapping[str, Any],
    declared: AssemblyDraft,
    elsewhere: Mapping[str, Found] = MappingProxyType({}),
) -> Given:
    """What the script of one component is given on a device: stored values, what was set `elsewhere`, declared defaults."""
    sealed = {name for name, value in variables.items() if is_sealed(value)}
    return give(declared, open_variables(keys, job_id, position, variables), sealed, elsewhere)


def _component(
    component: Component, job_id: int, position: int, keys: KeyRing, before: Definition | None
) -> dict[str, Any]:
    kept = before["components"][position]["variables"] if before and component.kept else {}
    secrets = {
        name: {_SEALED: keys.seal_text(text, _context(job_id, position, name))}
        for name, text in component.secrets.items()
    }
    return {
        "assembly_id": str(component.assembly_id),
        "kind": component.kind.value,
        "variables": {**component.variables, **secrets, **{name: kept[name] for name in sorted(component.kept)}},
        "revision": component.revision or "latest",
        **({} if component.role is Role.RUN else _role(component)),
    }


def _role(component: Component) -> dict[str, Any]:
    return {
        "role": component.role.value,
        "not_compliant_exit_codes": list(component.not_compliant_exit_codes),
    }


def _context(job_id: int, position: int, name: str) -> str:
    return f"job:{job_id}:{position}:{name}"


def is_sealed(value: object) -> bool:
    """Whether the stored value of a variable is a sealed secret."""
    return isinstance(value, Mapping) and value.keys() == {_SEALED}


def masked(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(IS_SET) if is_sealed(value) else value for name, value in variables.items()}


def targets_of(definition: Definition, name: str) -> list[Target]:
    """The stored `targets` or `exclusions`, in order."""
    return [from_json(one) for one in definition[name]]


def canaries_of(definition: Definition) -> list[Target]:
    """The stored targets of the canary, in order."""
    return [from_json(one) for one in _canaries(definition)]


def targets_in(definition: Definition) -> list[Target]:
    """Every target, exclusion and canary that a definition names."""
    return [*(one for name in TARGET_LISTS for one in targets_of(definition, name)), *canaries_of(definition)]
