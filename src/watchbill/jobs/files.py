"""A job as one YAML file: what it refers to is named, not numbered, so that a file means the same on another Engine.

Secrets are left out of a file; who imports it adds them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core.fields import shown as quoted
from watchbill.core.job_rules_variables import IS_SET
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission
from watchbill.jobs import saving, store
from watchbill.jobs.definition import device_ids, devices_in, shown
from watchbill.jobs.saving import Saved
from watchbill.jobs.store import DeviceName
from watchbill.jobs.values import SavedJob
from watchbill.kit import yaml_file
from watchbill.kit.errors import ForbiddenError, InvalidError
from watchbill.kit.secrets import KeyRing

_LISTS: Final = ("targets", "exclusions")


async def export_file(tx: AsyncConnection, actor: Actor, job: SavedJob) -> str:
    """The job as one YAML file that `import_file` reads. Only whole: a file of some of its devices is another job."""
    if job.spans_other_sites:
        raise ForbiddenError("This job has devices in sites that you do not see.", code="job_spans_other_sites")
    definition = shown(job.definition)
    named = await store.names_of(tx, devices_in(definition))
    revisions = [await _named_component(tx, actor, component) for component in definition["components"]]
    document = {
        **{name: definition[name] for name in ("name", "description", "job_kind")},
        "components": revisions,
        **{name: [_named(named[device_id]) for device_id in device_ids(definition[name])] for name in _LISTS},
        **{name: definition[name] for name in ("schedule", "execution_context", "duration", "policies", "enabled")},
    }
    return yaml_file.write(document)


async def _named_component(tx: AsyncConnection, actor: Actor, component: Mapping[str, Any]) -> dict[str, Any]:
    assembly = await assemblies.get(tx, actor, UUID(component["assembly_id"]))
    open_values = {name: value for name, value in component["variables"].items() if value != IS_SET}
    return {
        "assembly": assembly.draft.name,
        "kind": component["kind"],
        "revision": component["revision"],
        "variables": open_values,
    }


def _named(name: tuple[str | None, str]) -> dict[str, Any]:
    return {"kind": "device", "site": name[0], "hostname": name[1]}


async def import_file(tx: AsyncConnection, actor: Actor, content: str, *, keys: KeyRing, now: datetime) -> Saved:
    """Save the job that a YAML file holds as a new one; every problem is told with its line."""
    actor.require(Permission.JOBS_WRITE)
    document = yaml_file.read(content)
    resolved = await _resolve(tx, actor, document.value)
    judged = await saving.judge(tx, actor, resolved.definition, now=now)
    # What a name did not lead to is told once, at the name.
    own = [problem for problem in judged.problems if problem.field not in resolved.replaced]
    problems = document.placed([*own, *resolved.problems])
    if problems or judged.job is None:
        raise InvalidError.of(problems, what="The file")
    return await saving.insert(tx, actor, judged.job, keys=keys, now=now)


class _Resolved:
    """A definition whose names are being replaced by ids."""

    def __init__(self, definition: object) -> None:
        self.definition = dict(definition) if isinstance(definition, Mapping) else definition
        self.problems: list[Problem] = []
        #: Fields for which a name was given that leads nowhere.
        self.replaced: set[str] = set()

    def items(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """The objects in a list of the definition, copied so that they can be changed; others are judged later."""
        if not isinstance(self.definition, dict) or not isinstance(self.definition.get(name), list):
            return []
        self.definition[name] = [dict(one) if isinstance(one, Mapping) else one for one in self.definition[name]]
        return [(place, one) for place, one in enumerate(self.definition[name]) if isinstance(one, dict)]

    def refuse(self, path: str, instead_of: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))
        self.replaced.add(instead_of)


async def _resolve(tx: AsyncConnection, actor: Actor, definition: object) -> _Resolved:
    resolved = _Resolved(definition)
    for place, component in resolved.items("components"):
        if "assembly" in component:
            await _resolve_assembly(tx, resolved, place, component)
    for name in _LISTS:
        await _resolve_devices(tx, actor, resolved, name)
    return resolved


async def _resolve_assembly(tx: AsyncConnection, resolved: _Resolved, place: int, component: dict[str, Any]) -> None:
    name, path = component.pop("assembly"), f"components.{place}"
    found = await assemblies.find_named(tx, [name]) if isinstance(name, str) else []
    if found:
        component["assembly_id"] = str(found[0].id)
    else:
        message = f"there is no assembly named {quoted(name)}"
        resolved.refuse(f"{path}.assembly", f"{path}.assembly_id", "assembly_not_found", message)


async def _resolve_devices(tx: AsyncConnection, actor: Actor, resolved: _Resolved, name: str) -> None:
    named: dict[int, tuple[dict[str, Any], DeviceName]] = {}
    for place, item in resolved.items(name):
        if "hostname" in item:
            hostname, anywhere = item.pop("hostname"), "site" not in item
            site = item.pop("site", None)
            if isinstance(hostname, str) and (site is None or isinstance(site, str)):
                named[place] = (item, DeviceName(hostname, site, anywhere))
            else:
                path = f"{name}.{place}"
                resolved.refuse(path, f"{path}.device_id", "wrong_type", "hostname and site must be texts")
    wanted = list(dict.fromkeys(one for _, one in named.values()))
    found = await store.devices_named(tx, actor.scope, wanted)
    for place, (item, device) in named.items():
        _take_device(resolved, f"{name}.{place}", item, device, found[device])


def _take_device(resolved: _Resolved, path: str, item: dict[str, Any], device: DeviceName, found: list[UUID]) -> None:
    if len(found) == 1:
        item["device_id"] = str(found[0])
        return
    where = "" if device.anywhere else (f" in site {quoted(device.site)}" if device.site else " without a site")
    if found:
        message = f"{len(found)} devices are named {quoted(device.hostname)}{where}"
        resolved.refuse(f"{path}.hostname", f"{path}.device_id", "device_ambiguous", message)
    else:
        message = f"there is no device named {quoted(device.hostname)}{where}"
        resolved.refuse(f"{path}.hostname", f"{path}.device_id", "device_not_found", message)
