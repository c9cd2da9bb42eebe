"""Where the value of a variable comes from: what a job, a device, its site and everything say, in one order. Pure.

An assembly's default < everything < site < device < job. Only what an assembly declares is given to its script.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from watchbill.core.assembly_rules import (
    MAX_VALUE_CHARACTERS,
    AssemblyDraft,
    Value,
    Variable,
    VariableType,
    as_text,
    name_problem,
    value_problem,
)
from watchbill.core.fields import Fields, as_uuid, is_integer, text_fault
from watchbill.core.problems import Problem

#: Of one site, of one device, and of everything.
MAX_VALUES: Final = 200
MAX_DESCRIPTION: Final = 1000


class Scope(StrEnum):
    """Whom a value is for, the weakest first."""

    EVERYTHING = "everything"
    SITE = "site"
    DEVICE = "device"


_STRENGTH: Final = tuple(Scope)


@dataclass(frozen=True, slots=True)
class Place:
    """One site, one device, or everything."""

    site_id: int | None = None
    device_id: UUID | None = None

    @property
    def scope(self) -> Scope:
        if self.device_id is not None:
            return Scope.DEVICE
        return Scope.EVERYTHING if self.site_id is None else Scope.SITE


@dataclass(frozen=True, slots=True)
class Found:
    """A value that was set somewhere, opened. `id`: its immutable revision."""

    id: int
    place: Place
    name: str
    is_secret: bool
    value: Value = field(repr=False)


@dataclass(slots=True)
class Given:
    """What a script is given, secrets apart. `used`: the values that came from neither the job nor the assembly, by name.

    `problems`: why it cannot be started, each naming its variable.
    """

    plain: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    used: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def strongest(found: Sequence[Found], site_id: int | None, device_id: UUID) -> dict[str, Found]:
    """Of the values that mean this device, the strongest of each name."""
    mine = [one for one in found if one.place in (Place(), Place(site_id=site_id), Place(device_id=device_id))]
    return {one.name: one for one in sorted(mine, key=lambda one: _STRENGTH.index(one.place.scope))}


def give(
    declared: AssemblyDraft, job: Mapping[str, Value], job_secrets: Collection[str], found: Mapping[str, Found]
) -> Given:
    """What one device's script is given: `job` holds the job's own values, opened, and `job_secrets` names the sealed ones."""
    given = Given()
    for variable in declared.variables:
        is_secret = variable.type is VariableType.SECRET
        if variable.name in job:
            _put(given, variable.name, job[variable.name], is_secret=is_secret or variable.name in job_secrets)
        elif variable.name in found:
            _take(given, variable, found[variable.name])
        elif variable.default is not None:
            _put(given, variable.name, variable.default, is_secret=is_secret)
        elif variable.is_required:
            given.problems.append(lacking([variable.name]))
    return given


def _put(given: Given, name: str, value: Value, *, is_secret: bool) -> None:
    (given.secrets if is_secret else given.plain)[name] = as_text(value)


def _take(given: Given, variable: Variable, found: Found) -> None:
    fault = _unfit(variable, found)
    if fault:
        given.problems.append(f"{variable.name}: the value set for {_WORDS[found.place.scope]} {fault}.")
        return
    given.used[variable.name] = found.id
    is_secret = found.is_secret or variable.type is VariableType.SECRET
    _put(given, variable.name, found.value, is_secret=is_secret)


_WORDS: Final = {Scope.EVERYTHING: "everything", Scope.SITE: "its site", Scope.DEVICE: "it"}


def _unfit(variable: Variable, found: Found) -> str | None:
    is_text = variable.type in (VariableType.STRING, VariableType.SECRET, VariableType.CHOICE)
    fault = value_problem(variable, as_text(found.value) if is_text else found.value)
    if fault is None:
        return None
    # The reason might quote it.
    return f"is not what the assembly declares, a {variable.type}" if found.is_secret else fault[1]


def lacking(names: Sequence[str]) -> str:
    """The sentence about a device for which nothing gives these required variables."""
    listed = ", ".join(names)
    return f"{listed}: required, and neither the job nor the device, its site or everything has a value."


def required(declared: AssemblyDraft, job: Collection[str]) -> tuple[str, ...]:
    """The variables that somebody else than the job and the assembly must give."""
    return tuple(
        one.name for one in declared.variables if one.is_required and one.default is None and one.name not in job
    )


def carries_secrets(declared: AssemblyDraft, job: Collection[str]) -> bool:
    """Whether a secret is certain to be given: only a device that it can be sealed to can run this."""
    return any(
        one.type is VariableType.SECRET and (one.name in job or (one.is_required and one.default is None))
        for one in declared.variables
    )


@dataclass(frozen=True, slots=True)
class Draft:
    """A value as somebody sets it. `value` None = the one that is stored stays."""

    name: str
    place: Place
    is_secret: bool
    value: Value | None = field(repr=False)
    description: str


#: What a reply adds to a value.
READ_ONLY: Final = ("id", "scope", "site_name", "hostname", "is_set", "revision", "set_at", "set_by")


def read(definition: object) -> tuple[Draft, list[Problem]]:
    """Read a value for everything, a site or a device, and name everything that is wrong with it."""
    problems: list[Problem] = []
    fields = Fields.of(definition, problems)
    draft = Draft(
        name=_name(fields),
        place=_place(fields),
        is_secret=fields.boolean("is_secret", default=False),
        value=_value(fields),
        description=fields.text("description", most=MAX_DESCRIPTION, default=""),
    )
    fields.refuse_unknown("a value", READ_ONLY)
    return draft, problems


def _name(fields: Fields) -> str:
    name = fields.text("name", most=64, least=1)
    fault = name_problem(name) if name else None
    if fault:
        fields.refuse("name", *fault)
    return name


def _place(fields: Fields) -> Place:
    site_id, device_id = fields.take("site_id"), fields.take("device_id")
    if site_id is not None and not (is_integer(site_id) and 1 <= site_id < 2**63):
        fields.refuse("site_id", "wrong_type", "must be the number of a site, or null")
        site_id = None
    known = as_uuid(device_id) if device_id is not None else None
    if device_id is not None and known is None:
        fields.refuse("device_id", "wrong_type", "must be the id of a device, or null")
    if site_id is not None and device_id is not None:
        fields.refuse("device_id", "not_allowed", "must be null where a site is named: a value is for one of them")
        known = None
    return Place(site_id if is_integer(site_id) else None, known)


def _value(fields: Fields) -> Value | None:
    """What is wrong is told without the value, which may be secret."""
    value = fields.take("value")
    if value is None:
        return None
    fault = _value_fault(value)
    if fault:
        fields.refuse("value", *fault)
        return None
    assert isinstance(value, Value)
    return value


def _value_fault(value: object) -> tuple[str, str] | None:
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        is_number = value_problem(Variable("value", VariableType.NUMBER), value) is None
        return None if is_number else ("wrong_type", "must be a text, a finite number, or true or false")
    if not value:
        return "required", "must not be empty: remove the value instead"
    if len(value) > MAX_VALUE_CHARACTERS:
        return "length", f"must have at most {MAX_VALUE_CHARACTERS} characters, not {len(value)}"
    fault = text_fault(value)
    return ("wrong_type", fault) if fault else None
