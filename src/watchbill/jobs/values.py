"""The values that the jobs package hands out. They decide nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from watchbill.core.job_rules_values import Policies
from watchbill.core.schedule import Schedule
from watchbill.core.schedule_types import ZoneSource
from watchbill.core.targets import SeenTargets
from watchbill.jobs.definition import Listed

JobState = Literal["active", "paused", "completed", "error"]
Sort = Literal[
    "name", "-name", "next_due", "-next_due", "last_run", "-last_run", "updated", "-updated", "state", "-state", "id", "-id"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class AssemblyUse:
    """A job with an assembly in it, and whether the reader sees it. `revisions`: those that it runs; None = each new one."""

    id: int
    name: str
    state: JobState
    execution_context: str
    is_visible: bool
    revisions: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """The targets of a job that its reader sees. Devices: those named one by one, left out by name, and of the first how many are
    online (None: they are too many for a list to look). `filters` and `sites` by their names; whom these find is known when they are asked.
    """

    devices: int = 0
    excluded: int = 0
    online: int | None = 0
    filters: Sequence[str] = ()
    sites: Sequence[str] = ()
    all_devices: bool = False


@dataclass(frozen=True, slots=True)
class SavedJob:
    """A job as stored, as one reader sees it. `definition` has its secrets sealed: show it by `shown`."""

    id: int
    revision: int
    definition: Mapping[str, Any]
    enabled: bool
    state: str
    state_reason: str | None
    paused_until: datetime | None
    mark_at: datetime
    next_due_at: datetime | None
    created_by: str | None
    updated_by: str | None
    created_at: datetime
    updated_at: datetime
    #: The site scope it was saved with, None = every site; and what is left of it to whoever saved it.
    allowed_site_ids: Sequence[int] | None
    scope_left: Sequence[int] | None = None
    targets: TargetSummary = TargetSummary()
    #: Whether its targets reach, or may reach, devices of sites that the reader does not see.
    spans_other_sites: bool = False
    #: Whether what the reader does not see is among its exclusions: who saved it anew would let it run there.
    spares_other_sites: bool = False
    #: The targets the reader may know of; None = all.
    seen: SeenTargets | None = None
    #: When it opened its newest occurrence; None = never.
    last_run_at: datetime | None = None
    #: The name of its credential, where nothing can sign in with that any more.
    locked_by: str | None = None
    #: Of a job in a list: its definition, which has no targets then, as lists use it.
    listed: Listed | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; None = it is not there. A list whose order alone differs is told without its items."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class JobRevision:
    """A job as it was from one save to the next, as its reader may see it: without secrets."""

    revision: int
    definition: Mapping[str, Any]
    changed_by: str | None
    changed_at: datetime
    #: Against the revision before; none for the first one.
    changes: Sequence[Difference] = ()


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """The same as stored, with the definition that it replaced."""

    revision: int
    definition: Mapping[str, Any]
    changed_by: str | None
    changed_at: datetime
    before: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list shows, and in which order."""

    q: str | None = None
    kind: str | None = None
    state: str | None = None
    site_id: int | None = None
    enabled: bool | None = None
    sort: Sort = "name"
    #: All of them.
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DueJob:
    """What opening an occurrence needs to know of a job. `schedule` None = it cannot be read any more; `error` says why."""

    id: int
    revision: int
    schedule: Schedule | None
    error: str | None
    mark_at: datetime
    next_due_at: datetime | None
    policies: Policies
    time_limit_seconds: int
    expires_after_seconds: int | None
    #: The limit of a whole run from its instant; None = none.
    run_limit_seconds: int | None
    #: Whose clocks the schedule is read on: `fixed`, `site` or `device`.
    zone_source: ZoneSource
    #: The sites that whoever saved it still has, None = all; and those it was saved for.
    allowed_site_ids: Sequence[int] | None
    reach_site_ids: Sequence[int] | None
    failure_threshold_percent: int
    tzdata_version: str
    execution_context: str = "system"
    #: Of a job that brings machines under management: what it is told, as stored (its component, its scope, its credentials).
    onboarding: Mapping[str, Any] | None = None
    #: Of a job that launches a workflow: `assembly_id`, `revision` (None = the latest) and `variables`, the parameters that it sets.
    workflow: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """Where a job goes on after a tick. `last_occurrence_id` None = as before."""

    job_id: int
    mark_at: datetime
    next_due_at: datetime | None
    state: JobState
    state_reason: str | None
    last_occurrence_id: UUID | None


@dataclass(frozen=True, slots=True)
class Action:
    """Whether the reader may do something to a job, and why not."""

    action: str
    allowed: bool
    reason: str | None = None
