"""Writing jobs, and reading one: rows, their projections for SQL, revisions. Decides nothing.

Lists are read by `listing`, due jobs by `due`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Uuid,
    and_,
    any_,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.job_rules_values import Component
from watchbill.core.targets import (
    DeviceTarget,
    FilterTarget,
    OnboardingScope,
    SeenTargets,
    SiteTarget,
    Target,
    kind_of,
)
from watchbill.devices.tables import devices
from watchbill.filters import Use
from watchbill.filters.visible import IS_SEEN
from watchbill.identity.actor import SiteScope
from watchbill.identity.tables import operators
from watchbill.jobs.tables import job_canaries, job_components, job_revisions, job_targets, jobs
from watchbill.jobs.values import AssemblyUse, StoredRevision
from watchbill.kit.paging import Page, decode_cursor, page_of

_INSERT_TARGETS = text("""
INSERT INTO job_targets (job_id, position, kind, is_exclusion, device_id, filter_id, site_id)
SELECT :job_id, t.place - 1, t.kind, :is_exclusion, t.device_id, t.filter_id, t.site_id
FROM unnest(CAST(:kinds AS text[]), CAST(:devices AS uuid[]), CAST(:filters AS bigint[]), CAST(:sites AS bigint[])) WITH ORDINALITY
  AS t(kind, device_id, filter_id, site_id, place)
""")

_INSERT_CANARIES = text("""
INSERT INTO job_canaries (job_id, position, device_id, filter_id)
SELECT :job_id, t.place - 1, t.device_id, t.filter_id
FROM unnest(CAST(:devices AS uuid[]), CAST(:filters AS bigint[])) WITH ORDINALITY AS t(device_id, filter_id, place)
""")

# Before anything else of the job is touched, and in one order: a device that moves meanwhile holds itself first, then its targets.
_HOLD_DEVICES = text("SELECT FROM devices WHERE id = ANY(CAST(:devices AS uuid[])) ORDER BY id FOR SHARE")

_SITES = text("""
SELECT job_id, array_agg(DISTINCT nullif(site_id, 0)) AS sites FROM job_reach WHERE job_id = ANY(:job_ids) GROUP BY job_id
""")


async def insert_job(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    """A new row; its definition follows by `update_job`, once secrets can be sealed for its id."""
    made = await tx.execute(insert(jobs).values(**values, definition={}).returning(jobs.c.id))
    job_id: int = made.scalar_one()
    return job_id


async def update_job(tx: AsyncConnection, job_id: int, values: Mapping[str, Any]) -> None:
    await tx.execute(update(jobs).where(jobs.c.id == job_id).values(**values, **_whole_from(values)))


def _whole_from(values: Mapping[str, Any]) -> dict[str, ColumnElement[Any]]:
    """A clock that went back has a mark put back: what was settled beyond it was settled as the job was before."""
    if "mark_at" not in values:
        return {}
    ahead = case((jobs.c.mark_at > values["mark_at"], jobs.c.mark_at))
    return {"ledger_from_at": func.greatest(jobs.c.ledger_from_at, ahead)}


async def hold_name(tx: AsyncConnection, name: str) -> None:
    """Whoever saves the job of a file by this name waits here for the other: so that a look before the insert can be trusted."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('job ' || :name, 0))"), {"name": name})


async def insert_revisions(
    tx: AsyncConnection, revisions: Sequence[tuple[int, int, Mapping[str, Any]]], *, by: int | None, now: datetime
) -> None:
    """(job, number, definition) of new revisions."""
    rows = [
        {"job_id": job_id, "revision": revision, "definition": definition, "changed_by": by, "changed_at": now}
        for job_id, revision, definition in revisions
    ]
    await tx.execute(insert(job_revisions), rows)


async def replace_targets(
    tx: AsyncConnection, job_id: int, targets: Sequence[Target], exclusions: Sequence[Target]
) -> None:
    """The job's targets as rows; one statement a list, whatever its length."""
    await tx.execute(_HOLD_DEVICES, {"devices": [one.device_id for one in targets if isinstance(one, DeviceTarget)]})
    await tx.execute(delete(job_targets).where(job_targets.c.job_id == job_id))
    for is_exclusion, chosen in ((False, targets), (True, exclusions)):
        if chosen:
            await tx.execute(
                _INSERT_TARGETS, {"job_id": job_id, "is_exclusion": is_exclusion, **target_columns(chosen)}
            )


async def replace_canaries(tx: AsyncConnection, job_id: int, targets: Sequence[Target]) -> None:
    """Who goes first in the job's waves, as rows."""
    await tx.execute(delete(job_canaries).where(job_canaries.c.job_id == job_id))
    if targets:
        columns = target_columns(targets)
        await tx.execute(
            _INSERT_CANARIES, {"job_id": job_id, **{name: columns[name] for name in ("devices", "filters")}}
        )


def target_columns(targets: Sequence[Target]) -> dict[str, list[Any]]:
    """Targets as arrays of their columns."""
    return {
        "kinds": [kind_of(one) for one in targets],
        "devices": [one.device_id if isinstance(one, DeviceTarget) else None for one in targets],
        "filters": [one.filter_id if isinstance(one, FilterTarget) else None for one in targets],
        "sites": [one.site_id if isinstance(one, SiteTarget | OnboardingScope) else None for one in targets],
    }


async def forget_rules(tx: AsyncConnection, job_id: int) -> None:
    """A job that is gone uses its filters and sites no longer; what it ran on is frozen elsewhere."""
    await tx.execute(delete(job_targets).where(job_targets.c.job_id == job_id, job_targets.c.device_id.is_(None)))
    await tx.execute(delete(job_canaries).where(job_canaries.c.job_id == job_id))


async def replace_components(
    tx: AsyncConnection,
    job_id: int,
    components: Sequence[tuple[UUID, int | None, Mapping[str, Any]]],
    roles: Sequence[Component],
) -> None:
    """(assembly, revision or None, stored variables) in order, and the same components with their roles."""
    await tx.execute(delete(job_components).where(job_components.c.job_id == job_id))
    rows = [
        {
            "job_id": job_id,
            "position": position,
            "assembly_id": assembly_id,
            "assembly_revision": revision,
            "variables": variables,
            "role": its.role.value,
            "not_compliant_exit_codes": list(its.not_compliant_exit_codes),
        }
        for position, ((assembly_id, revision, variables), its) in enumerate(zip(components, roles, strict=True))
    ]
    if rows:
        await tx.execute(insert(job_components), rows)


async def usable_devices(tx: AsyncConnection, scope: SiteScope, ids: Collection[UUID]) -> frozenset[UUID]:
    """Of these devices, those that exist in the scope and are not revoked."""
    table = devices.c
    wanted = table.id == any_(literal(list(ids), ARRAY(Uuid)))
    query = select(table.id).where(wanted, table.status != "revoked", scope.clause(table.site_id))
    return frozenset((await tx.execute(query)).scalars())


async def sites_of(tx: AsyncConnection, job_ids: Sequence[int]) -> dict[int, list[int | None]]:
    """The sites that each job reaches; None for devices without one."""
    return {row.job_id: row.sites for row in await tx.execute(_SITES, {"job_ids": list(job_ids)})} if job_ids else {}


async def using_assembly(tx: AsyncConnection, assembly_id: UUID, visible: Select[tuple[int]]) -> list[AssemblyUse]:
    """The jobs with an assembly in them, and which of its revisions each runs."""
    revisions = func.array_agg(job_components.c.assembly_revision.distinct()).label("revisions")
    context = jobs.c.definition["execution_context"].astext.label("context")
    query = (
        select(jobs.c.id, jobs.c.name, jobs.c.state, context, jobs.c.id.in_(visible).label("is_visible"), revisions)
        .join(job_components, job_components.c.job_id == jobs.c.id)
        .where(jobs.c.deleted_at.is_(None), job_components.c.assembly_id == assembly_id)
        .group_by(jobs.c.id)
        .order_by(func.lower(jobs.c.name), jobs.c.id)
    )
    return [
        AssemblyUse(row.id, row.name, row.state, row.context, row.is_visible, row.revisions)
        for row in await tx.execute(query)
    ]


async def count_users(tx: AsyncConnection, assembly_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many jobs have each of these assemblies in them; those that no job has are left out."""
    number = func.count(job_components.c.job_id.distinct()).label("number")
    query = (
        select(job_components.c.assembly_id, number)
        .join(jobs, jobs.c.id == job_components.c.job_id)
        .where(jobs.c.deleted_at.is_(None), job_components.c.assembly_id.in_(assembly_ids))
        .group_by(job_components.c.assembly_id)
    )
    return {row.assembly_id: row.number for row in await tx.execute(query)}


async def using_filter(tx: AsyncConnection, filter_id: int, visible: Select[tuple[int]]) -> list[Use]:
    """The jobs that a filter is a target, an exclusion or a canary of; those that are gone need it no more."""
    aimed = select(job_targets.c.job_id, job_targets.c.is_exclusion, job_targets.c.filter_id)
    first = select(job_canaries.c.job_id, literal(value=False), job_canaries.c.filter_id)
    named = union_all(aimed, first).subquery("named")
    is_exclusion = func.bool_and(named.c.is_exclusion).label("is_exclusion")
    query = (
        select(jobs.c.id, jobs.c.name, jobs.c.id.in_(visible).label("is_visible"), is_exclusion)
        .join(named, named.c.job_id == jobs.c.id)
        .where(jobs.c.deleted_at.is_(None), named.c.filter_id == literal(filter_id, BigInteger))
        .group_by(jobs.c.id)
        .order_by(func.lower(jobs.c.name), jobs.c.id)
    )
    return [Use(row.id, row.name, row.is_visible, row.is_exclusion) for row in await tx.execute(query)]


async def list_revisions(tx: AsyncConnection, job_id: int, *, limit: int, cursor: str | None) -> Page[StoredRevision]:
    """Newest first."""
    table, before_it = job_revisions.c, job_revisions.alias("before_it")
    is_before = and_(before_it.c.job_id == table.job_id, before_it.c.revision == table.revision - 1)
    query: Select[Any] = (
        select(table.revision, table.definition, operators.c.username, table.changed_at, before_it.c.definition)
        .select_from(job_revisions)
        .outerjoin(operators, operators.c.id == table.changed_by)
        .outerjoin(before_it, is_before)
        .where(table.job_id == job_id)
    )
    if cursor is not None:
        [before] = decode_cursor(cursor, (int,))
        query = query.where(table.revision < before)
    rows = (await tx.execute(query.order_by(table.revision.desc()).limit(limit + 1))).all()
    return page_of(rows, limit, lambda row: (row.revision,)).map(lambda row: StoredRevision(*row))


_SEEN = text(f"""
SELECT ARRAY(SELECT d.id FROM devices d WHERE d.id = ANY(CAST(:devices AS uuid[])) AND (CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites)))
    AS devices,
  ARRAY(SELECT f.id FROM device_filters f WHERE f.id = ANY(CAST(:filters AS bigint[])) AND {IS_SEEN}) AS filters
""")


async def seen_of(tx: AsyncConnection, scope: SiteScope, targets: Collection[Target]) -> SeenTargets:
    """Of these targets, those that the reader may know of, revoked devices too."""
    wanted = {
        "devices": [one.device_id for one in targets if isinstance(one, DeviceTarget)],
        "filters": [one.filter_id for one in targets if isinstance(one, FilterTarget)],
        "sites": scope.as_list(),
    }
    row = (await tx.execute(_SEEN, wanted)).one()
    named = {one.site_id for one in targets if isinstance(one, SiteTarget | OnboardingScope)}
    sites = frozenset(one for one in named if scope.allows(one))
    return SeenTargets(frozenset(str(one) for one in row.devices), sites, frozenset(row.filters))


@dataclass(frozen=True, slots=True)
class DeviceName:
    """A device as a file names it: by site and host name, by host name anywhere, or (site None) in no site."""

    hostname: str
    site: str | None
    anywhere: bool = False


async def devices_named(
    tx: AsyncConnection, scope: SiteScope, names: Sequence[DeviceName]
) -> dict[DeviceName, list[UUID]]:
    """Every device in the scope that has one of these names; case does not count."""
    columns = {
        "hostnames": [one.hostname for one in names],
        "site_names": [one.site for one in names],
        "anywhere": [one.anywhere for one in names],
    }
    found: dict[DeviceName, list[UUID]] = {name: [] for name in names}
    for row in await tx.execute(_DEVICES_NAMED, {**columns, "sites": scope.as_list()}) if names else ():
        found[names[row.place - 1]].append(row.id)
    return found


_DEVICES_NAMED = text("""
SELECT w.place, d.id
FROM unnest(CAST(:hostnames AS text[]), CAST(:site_names AS text[]), CAST(:anywhere AS boolean[])) WITH ORDINALITY
  AS w(hostname, site_name, anywhere, place)
JOIN devices d ON lower(d.hostname) = lower(w.hostname) AND d.status <> 'revoked'
LEFT JOIN sites s ON s.id = d.site_id
WHERE (w.anywhere OR lower(s.name) IS NOT DISTINCT FROM lower(w.site_name))
  AND (CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites))
ORDER BY w.place, d.id
""")


async def names_of(tx: AsyncConnection, scope: SiteScope, ids: Collection[UUID]) -> dict[UUID, tuple[str | None, str]]:
    """Site name and host name of the devices in the scope."""
    query = text("""
        SELECT d.id, s.name, d.hostname FROM devices d LEFT JOIN sites s ON s.id = d.site_id
        WHERE d.id = ANY(CAST(:ids AS uuid[])) AND (CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites))
    """)
    rows = await tx.execute(query, {"ids": list(ids), "sites": scope.as_list()})
    return {row.id: (row.name, row.hostname) for row in rows}
