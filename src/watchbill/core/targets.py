"""What a job may be aimed at: devices by name, or rules that find them when an occurrence falls due. Reads them; resolves nothing.

A rule never means more than it says: `all_devices` is a word that somebody wrote, and what cannot be told reaches nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never
from uuid import UUID

from watchbill.core.fields import Choice, Fields, is_integer, join, shown
from watchbill.core.problems import Problem

TARGET_KINDS: Final = Choice(("device", "filter", "site", "all_devices"))
EXCLUSION_KINDS: Final = Choice(("device", "filter", "site"))
#: The longest list of targets, and of exclusions.
MAX_TARGETS: Final = 10_000
#: Of which rules: each is looked up for itself.
MAX_RULES: Final = 100


@dataclass(frozen=True, slots=True)
class DeviceTarget:
    device_id: UUID


@dataclass(frozen=True, slots=True)
class FilterTarget:
    filter_id: int


@dataclass(frozen=True, slots=True)
class SiteTarget:
    site_id: int


@dataclass(frozen=True, slots=True)
class AllDevices:
    """Every device in the scope of whoever saved the job last."""


@dataclass(frozen=True, slots=True)
class OnboardingScope:
    """Addresses of a site's network where machines are looked for, as written: devices that are not there yet."""

    site_id: int
    entries: tuple[str, ...]
    exclusions: tuple[str, ...] = ()


Target = DeviceTarget | FilterTarget | SiteTarget | AllDevices | OnboardingScope
#: Targets, each once, with its place in the list that it was read from.
Placed = Mapping[Target, int]


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """What is known of a filter that a job names and its writer may see."""

    name: str
    is_archived: bool


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What there is of what a job is aimed at, in the sites of whoever saves it."""

    devices: frozenset[UUID] = frozenset()
    sites: frozenset[int] = frozenset()
    filters: Mapping[int, FilterFacts] | None = None


def read_targets(fields: Fields, name: str, kinds: Choice, *, least: int) -> dict[Target, int]:
    """The targets or exclusions of a job, each once; what is wrong is told at its place."""
    found: dict[Target, int] = {}
    for position, item in enumerate(fields.items(name, least=least, most=MAX_TARGETS)):
        one = Fields.of(item, fields.problems, join(fields.path, f"{name}.{position}"))
        target = _read(one, kinds)
        if target is None:
            continue
        first = found.setdefault(target, position)
        if first != position:
            one.refuse(_key(target), "duplicate", f"{in_words(target)} is listed already at {name}.{first}")
    if sum(not isinstance(one, DeviceTarget) for one in found) > MAX_RULES:
        fields.refuse(name, "length", f"must have at most {MAX_RULES} filters and sites")
    return found


def _read(one: Fields, kinds: Choice) -> Target | None:
    kind = one.choice("kind", kinds)
    target: Target | None
    match kind:
        case "device":
            device_id = one.identifier("device_id")
            target = DeviceTarget(device_id) if device_id else None
        case "filter":
            filter_id = _number(one, "filter_id")
            target = FilterTarget(filter_id) if filter_id else None
        case "site":
            site_id = _number(one, "site_id")
            target = SiteTarget(site_id) if site_id else None
        case "all_devices":
            target = AllDevices()
        case _:
            return None  # which fields belong to it depends on its kind
    one.refuse_unknown(f"a target of kind {kind}")
    return target


def _number(fields: Fields, name: str) -> int | None:
    value = fields.take(name)
    if is_integer(value) and 1 <= value < 2**63:
        return value
    code = "required" if value is None else "wrong_type"
    fields.refuse(name, code, f"must be the number of a {name.removesuffix('_id')}, not {shown(value)}")
    return None


def judge_targets(name: str, targets: Placed, facts: TargetFacts) -> list[Problem]:
    """What does not exist for whoever saves the job. One text for absent and invisible: what one may not see does not exist."""
    return [problem for target, place in targets.items() if (problem := _missing(f"{name}.{place}", target, facts))]


def _missing(path: str, target: Target, facts: TargetFacts) -> Problem | None:
    match target:
        case DeviceTarget(device_id):
            is_there = device_id in facts.devices
        case SiteTarget(site_id):
            is_there = site_id in facts.sites
        case FilterTarget(filter_id):
            known = (facts.filters or {}).get(filter_id)
            if known is not None and known.is_archived:
                message = f"the filter “{known.name}” is archived: an archived filter finds nothing"
                return Problem(f"{path}.filter_id", "filter_archived", message)
            is_there = known is not None
        case OnboardingScope(site_id):
            is_there = site_id in facts.sites
        case AllDevices():
            return None
        case _:
            assert_never(target)
    if is_there:
        return None
    what = "site" if isinstance(target, OnboardingScope) else kind_of(target)
    number = f"site {target.site_id}" if isinstance(target, OnboardingScope) else in_words(target)
    return Problem(f"{path}.{_key(target)}", f"{what}_not_found", f"there is no {number}")


def kind_of(target: Target) -> str:
    """The API's word for a kind of target."""
    match target:
        case DeviceTarget():
            return "device"
        case FilterTarget():
            return "filter"
        case SiteTarget():
            return "site"
        case AllDevices():
            return "all_devices"
        case OnboardingScope():
            return "onboarding_scope"
    assert_never(target)


def _key(target: Target) -> str:
    match target:
        case AllDevices():
            return "kind"
        case OnboardingScope():
            return "site_id"
        case _:
            return f"{kind_of(target)}_id"


def in_words(target: Target) -> str:
    """How a message names it."""
    match target:
        case DeviceTarget(device_id):
            return f"device {device_id}"
        case FilterTarget(filter_id):
            return f"filter {filter_id}"
        case SiteTarget(site_id):
            return f"site {site_id}"
        case AllDevices():
            return "all devices"
        case OnboardingScope(site_id):
            return f"addresses of site {site_id}"
    assert_never(target)


def to_json(target: Target) -> dict[str, Any]:
    """A target as the API and the stored definition write it."""
    match target:
        case DeviceTarget(device_id):
            return {"kind": "device", "device_id": str(device_id)}
        case FilterTarget(filter_id):
            return {"kind": "filter", "filter_id": filter_id}
        case SiteTarget(site_id):
            return {"kind": "site", "site_id": site_id}
        case AllDevices():
            return {"kind": "all_devices"}
        case OnboardingScope(site_id, entries, exclusions):
            scope = {"entries": list(entries), "exclusions": list(exclusions)}
            return {"kind": "onboarding_scope", "site_id": site_id, **scope}
    assert_never(target)


def from_json(stored: Mapping[str, Any]) -> Target:
    """The target that a stored definition holds: what `to_json` wrote."""
    match stored["kind"]:
        case "filter":
            return FilterTarget(stored["filter_id"])
        case "site":
            return SiteTarget(stored["site_id"])
        case "all_devices":
            return AllDevices()
        case "onboarding_scope":
            return OnboardingScope(stored["site_id"], tuple(stored["entries"]), tuple(stored["exclusions"]))
        case _:
            return DeviceTarget(UUID(stored["device_id"]))


def label(stored: Mapping[str, Any]) -> str:
    """What tells a stored target from the others of its list: a device's id, `filter:12`, `site:3`, `all_devices`."""
    match stored["kind"]:
        case "device":
            return str(stored["device_id"])
        case "all_devices" | "onboarding_scope" as kind:
            return str(kind)
        case kind:
            return f"{kind}:{stored[f'{kind}_id']}"


@dataclass(frozen=True, slots=True)
class SeenTargets:
    """Of a job's targets and exclusions those that its reader may know of."""

    devices: frozenset[str] = frozenset()
    sites: frozenset[int] = frozenset()
    filters: frozenset[int] = frozenset()

    def holds(self, stored: Mapping[str, Any]) -> bool:
        """Whether the reader may know of this stored target."""
        match stored["kind"]:
            case "filter":
                return stored["filter_id"] in self.filters
            case "site" | "onboarding_scope":
                return stored["site_id"] in self.sites
            case "all_devices":
                return True
            case _:
                return stored["device_id"] in self.devices


def devices_among(targets: Sequence[Target] | Placed) -> list[UUID]:
    """The devices that are named one by one, in order."""
    return [one.device_id for one in targets if isinstance(one, DeviceTarget)]


def nothing_is_left(targets: Placed, exclusions: Placed) -> bool:
    """Whether the exclusions repeat every target. What else they may exclude is known only when it is resolved."""
    return bool(targets) and targets.keys() <= exclusions.keys()
