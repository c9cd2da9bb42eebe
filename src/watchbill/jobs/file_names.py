"""Turns the names in a job's file into ids, and back: assemblies, filters, sites and credentials by name, devices by host name and site.

What leads nowhere is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies, credentials, filters, sites
from watchbill.core.fields import shown as quoted
from watchbill.core.job_rules_waves import CANARIES
from watchbill.core.problems import Problem
from watchbill.core.targets import FilterTarget, OnboardingScope, SiteTarget, Target, devices_among, to_json
from watchbill.identity import Actor
from watchbill.jobs import store
from watchbill.jobs.definition import TARGET_LISTS
from watchbill.jobs.store import DeviceName


class Resolved:
    """A definition whose names are being replaced by ids."""

    def __init__(self, definition: object) -> None:
        self.definition = dict(definition) if isinstance(definition, Mapping) else definition
        self.problems: list[Problem] = []
        #: Fields for which a name was given that leads nowhere.
        self.replaced: set[str] = set()

    def items(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """The objects in a list of the definition (its path with dots), copied so that they can be changed; others are judged later."""
        *outer, last = name.split(".")
        inner = self.definition
        for step in outer:
            if not isinstance(inner, dict) or not isinstance(inner.get(step), Mapping):
                return []
            inner[step] = dict(inner[step])
            inner = inner[step]
        if not isinstance(inner, dict) or not isinstance(inner.get(last), list):
            return []
        inner[last] = [dict(one) if isinstance(one, Mapping) else one for one in inner[last]]
        return [(place, one) for place, one in enumerate(inner[last]) if isinstance(one, dict)]

    def refuse(self, path: str, instead_of: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))
        self.replaced.add(instead_of)


async def resolve(tx: AsyncConnection, actor: Actor, definition: object) -> Resolved:
    """Replace the names of a definition; devices are found among those of the actor's sites."""
    resolved = Resolved(definition)
    for place, component in resolved.items("components"):
        if "assembly" in component:
            await _resolve_assembly(tx, resolved, place, component)
    await _resolve_credential(tx, actor, resolved)
    await _resolve_credentials(tx, actor, resolved)
    for name in (*TARGET_LISTS, CANARIES):
        await _resolve_devices(tx, actor, resolved, name)
        await _resolve_filters(tx, actor, resolved, name)
        await _resolve_sites(tx, actor, resolved, name)
    return resolved


async def _resolve_assembly(tx: AsyncConnection, resolved: Resolved, place: int, component: dict[str, Any]) -> None:
    name, path = component.pop("assembly"), f"components.{place}"
    found = await assemblies.find_named(tx, [name]) if isinstance(name, str) else []
    if found:
        component["assembly_id"] = str(found[0].id)
    else:
        message = f"there is no assembly named {quoted(name)}"
        resolved.refuse(f"{path}.assembly", f"{path}.assembly_id", "assembly_not_found", message)


async def _resolve_credential(tx: AsyncConnection, actor: Actor, resolved: Resolved) -> None:
    if not isinstance(resolved.definition, dict) or "credential" not in resolved.definition:
        return
    name = resolved.definition.pop("credential")
    if name is None:
        return
    found = await credentials.ids_named(tx, actor.scope, name) if isinstance(name, str) else []
    if len(found) == 1:
        resolved.definition["credential_id"] = found[0]
    elif found:
        numbers = ", ".join(str(one) for one in found)
        message = f"{len(found)} credentials are named {quoted(name)} (numbers {numbers}): give credential_id"
        resolved.refuse("credential", "credential_id", "credential_ambiguous", message)
    else:
        message = f"there is no credential named {quoted(name)}"
        resolved.refuse("credential", "credential_id", "credential_not_found", message)


async def _resolve_credentials(tx: AsyncConnection, actor: Actor, resolved: Resolved) -> None:
    """Of onboarding: a list of names, and of ids where a name is another one's too."""
    if not isinstance(resolved.definition, dict) or not isinstance(resolved.definition.get("credentials"), list):
        return
    found: list[object] = []
    for place, name in enumerate(resolved.definition.pop("credentials")):
        ids = await credentials.ids_named(tx, actor.scope, name) if isinstance(name, str) else [name]
        if len(ids) == 1:
            found += ids
        else:
            code, how = ("ambiguous", f"{len(ids)} credentials are") if ids else ("not_found", "there is no credential")
            message = f"{how} named {quoted(name)}"
            resolved.refuse(f"credentials.{place}", "credential_ids", f"credential_{code}", message)
    resolved.definition["credential_ids"] = found


async def name_login(tx: AsyncConnection, actor: Actor, definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a job signs in with as a file says it; by its id where the name is another one's too. Nothing where it does not sign in."""
    if definition.get("credential_ids"):
        ids = definition["credential_ids"]
        named = await credentials.facts(tx, actor.scope, ids)
        alone = {one: await credentials.ids_named(tx, actor.scope, named[one].name) == [one] for one in named}
        return {"credentials": [named[one].name if alone.get(one) else one for one in ids]}
    if definition["use_service_account"]:
        return {"use_service_account": True}
    credential_id = definition["credential_id"]
    if credential_id is None:
        return {}
    known = (await credentials.facts(tx, actor.scope, [credential_id])).get(credential_id)
    if known is None or await credentials.ids_named(tx, actor.scope, known.name) != [credential_id]:
        return {"credential_id": credential_id}
    return {"credential": known.name}


async def _resolve_devices(tx: AsyncConnection, actor: Actor, resolved: Resolved, name: str) -> None:
    named: dict[int, tuple[dict[str, Any], DeviceName]] = {}
    for place, item in resolved.items(name):
        if "hostname" in item and item.get("kind", "device") == "device":
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


async def _resolve_filters(tx: AsyncConnection, actor: Actor, resolved: Resolved, name: str) -> None:
    named = _taken(resolved, name, "filter")
    found = await filters.ids_named(tx, actor.scope, list({given for _, given in named.values()}))
    for place, (item, given) in named.items():
        ids, path = found[given], f"{name}.{place}"
        if len(ids) == 1:
            item["filter_id"] = ids[0]
        elif ids:
            numbers = ", ".join(str(one) for one in ids)
            message = f"{len(ids)} filters are named {quoted(given)} (numbers {numbers})"
            resolved.refuse(f"{path}.filter", f"{path}.filter_id", "filter_ambiguous", message)
        else:
            message = f"there is no filter named {quoted(given)}"
            resolved.refuse(f"{path}.filter", f"{path}.filter_id", "filter_not_found", message)


async def _resolve_sites(tx: AsyncConnection, actor: Actor, resolved: Resolved, name: str) -> None:
    named = _taken(resolved, name, "site", of=("site", "onboarding_scope"))
    found = await sites.ids_named(tx, {given for _, given in named.values()}, actor.scope)
    for place, (item, given) in named.items():
        if given in found:
            item["site_id"] = found[given]
        else:
            path = f"{name}.{place}"
            message = f"there is no site named {quoted(given)}"
            resolved.refuse(f"{path}.site", f"{path}.site_id", "site_not_found", message)


def _taken(
    resolved: Resolved, name: str, kind: str, *, of: Sequence[str] = ()
) -> dict[int, tuple[dict[str, Any], str]]:
    """The targets of a kind (of these kinds, else the same) that give a name of this kind, with the name taken out; by their place."""
    taken: dict[int, tuple[dict[str, Any], str]] = {}
    for place, item in resolved.items(name):
        if item.get("kind") in (of or (kind,)) and kind in item:
            given = item.pop(kind)
            if isinstance(given, str):
                taken[place] = (item, given)
            else:
                path = f"{name}.{place}"
                resolved.refuse(f"{path}.{kind}", f"{path}.{kind}_id", "wrong_type", "must be a text")
    return taken


async def name_targets(tx: AsyncConnection, actor: Actor, targets: Sequence[Target]) -> dict[Target, dict[str, Any]]:
    """Each target as a file names it; by its id where the name is another one's too, or not to be seen."""
    devices = await _name_devices(tx, actor, devices_among(targets))
    rules = await filters.names_of(tx, actor.scope, {one.filter_id for one in targets if isinstance(one, FilterTarget)})
    same = await filters.ids_named(tx, actor.scope, list(set(rules.values())))
    at = {one.site_id for one in targets if isinstance(one, SiteTarget | OnboardingScope)}
    places = await sites.names_of(tx, at, actor.scope)

    def written(target: Target) -> dict[str, Any]:
        match target:
            case FilterTarget(filter_id) if len(same.get(rules.get(filter_id, ""), ())) == 1:
                return {"kind": "filter", "filter": rules[filter_id]}
            case SiteTarget(site_id) if site_id in places:
                return {"kind": "site", "site": places[site_id]}
            case OnboardingScope(site_id) if site_id in places:
                plain = to_json(target)
                del plain["site_id"]
                return {**plain, "site": places[site_id]}
            case _:
                plain = to_json(target)
                return devices.get(plain.get("device_id"), plain)

    return {target: written(target) for target in targets}


async def _name_devices(tx: AsyncConnection, actor: Actor, ids: list[UUID]) -> dict[str | None, dict[str, Any]]:
    """The devices that a file can name by site and host name: those whose name no other one has there. A revoked one keeps its own."""
    named = {
        one: DeviceName(hostname, site)
        for one, (site, hostname) in (await store.names_of(tx, actor.scope, ids)).items()
    }
    found = await store.devices_named(tx, actor.scope, list(dict.fromkeys(named.values())))
    return {
        str(device_id): {"kind": "device", "site": name.site, "hostname": name.hostname}
        for device_id, name in named.items()
        if len(found[name]) <= 1
    }
