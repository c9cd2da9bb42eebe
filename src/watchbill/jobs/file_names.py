"""Turns the names in a job's file into ids: assemblies by name, devices by host name and site. What leads nowhere is told."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies
from watchbill.core.fields import shown as quoted
from watchbill.core.problems import Problem
from watchbill.identity import Actor
from watchbill.jobs import store
from watchbill.jobs.store import DeviceName

_LISTS: Final = ("targets", "exclusions")


class Resolved:
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


async def resolve(tx: AsyncConnection, actor: Actor, definition: object) -> Resolved:
    """Replace the names of a definition; devices are found among those of the actor's sites."""
    resolved = Resolved(definition)
    for place, component in resolved.items("components"):
        if "assembly" in component:
            await _resolve_assembly(tx, resolved, place, component)
    for name in _LISTS:
        await _resolve_devices(tx, actor, resolved, name)
    return resolved


async def _resolve_assembly(tx: AsyncConnection, resolved: Resolved, place: int, component: dict[str, Any]) -> None:
    name, path = component.pop("assembly"), f"components.{place}"
    found = await assemblies.find_named(tx, [name]) if isinstance(name, str) else []
    if found:
        component["assembly_id"] = str(found[0].id)
    else:
        message = f"there is no assembly named {quoted(name)}"
        resolved.refuse(f"{path}.assembly", f"{path}.assembly_id", "assembly_not_found", message)


async def _resolve_devices(tx: AsyncConnection, actor: Actor, resolved: Resolved, name: str) -> None:
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


def _take_device(resolved: Resolved, path: str, item: dict[str, Any], device: DeviceName, found: list[UUID]) -> None:
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
