"""Which values a script was given: noted at its hand-out by reference to immutable revisions, told without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill import assemblies, jobs, variables
from watchbill.core.assembly_rules import Value, Variable, VariableType
from watchbill.core.variable_rules import Scope
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import NotFoundError
from watchbill.variables import Used

_NOTE = text("""
UPDATE executions e SET variables = n.used
FROM jsonb_to_recordset(:notes) AS n(run_id bigint, id uuid, used jsonb) WHERE e.run_id = n.run_id AND e.id = n.id
""").bindparams(bindparam("notes", type_=JSONB))
_READ = text("""
SELECT r.components->e.component AS part, e.variables FROM executions e JOIN runs r ON r.id = e.run_id
WHERE e.id = :id AND (CAST(:sites AS bigint[]) IS NULL OR e.site_id = ANY(:sites))
""")

Source = Literal["assembly", "everything", "site", "device", "job"]
_SOURCES: Final[Mapping[Scope, Source]] = {Scope.EVERYTHING: "everything", Scope.SITE: "site", Scope.DEVICE: "device"}


@dataclass(frozen=True, slots=True)
class GivenValue:
    """One variable of one execution. A secret has no value here; `revision` and `set_at` are those of a value that was set elsewhere.

    `value` None and no secret: it was removed with its site.
    """

    name: str
    source: Source
    is_secret: bool
    value: Value | None = None
    revision: int | None = None
    set_at: datetime | None = None


async def note(tx: AsyncConnection, used: Mapping[tuple[int, UUID], Mapping[str, int]]) -> None:
    """Keep which values these executions (by run and id) are given; those that use none are left alone."""
    notes = [{"run_id": run_id, "id": str(id_), "used": dict(names)} for (run_id, id_), names in used.items() if names]
    if notes:
        await tx.execute(_NOTE, {"notes": notes})


async def given_to(tx: AsyncConnection, scope: SiteScope, execution_id: UUID) -> list[GivenValue]:
    """What one execution was given, in the order of its assembly's declarations."""
    row = (await tx.execute(_READ, {"id": execution_id, "sites": scope.as_list()})).one_or_none()
    if row is None:
        raise NotFoundError("There is no such execution.", code="execution_not_found")
    wanted = (UUID(row.part["assembly_id"]), row.part["revision"])
    declared = (await assemblies.load_revisions(tx, [wanted]))[wanted].draft
    used: Mapping[str, int] = row.variables or {}
    known = await variables.values_used(tx, list(used.values()))
    stored = jobs.masked(row.part["variables"])
    found = [_given(one, stored, used, known) for one in declared.variables]
    return [one for one in found if one is not None]


def _given(
    one: Variable, stored: Mapping[str, Any], used: Mapping[str, int], known: Mapping[int, Used]
) -> GivenValue | None:
    is_secret = one.type is VariableType.SECRET
    if one.name in stored:
        is_hidden = is_secret or isinstance(stored[one.name], Mapping)
        return GivenValue(one.name, "job", is_hidden, None if is_hidden else stored[one.name])
    if one.name in used:
        return _used(one.name, known.get(used[one.name]), is_secret=is_secret)
    return None if one.default is None else GivenValue(one.name, "assembly", is_secret=False, value=one.default)


def _used(name: str, value: Used | None, *, is_secret: bool) -> GivenValue:
    if value is None:
        return GivenValue(name, "site", is_secret)
    is_hidden = is_secret or value.is_secret
    shown = None if is_hidden else value.value
    return GivenValue(name, _SOURCES[value.place.scope], is_hidden, shown, value.revision, value.set_at)
