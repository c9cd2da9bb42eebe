"""An occurrence to open, as the planner makes it and as the opening statement reads it. Decides nothing, writes nothing."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from watchbill.core.job_rules_values import REMOTE_CONTEXTS, ExecutionContext
from watchbill.core.waves import WavePlan
from watchbill.kit.clock import rfc3339
from watchbill.queue import Lane


@dataclass(frozen=True, slots=True)
class Wave:
    """The targets in one zone, for a job that follows their clocks. `reason` = why none of them runs.

    `starts_at` is when that zone's clocks come to it, `from_at` from when they really go: later than that when they are late.
    """

    zone: str
    starts_at: datetime
    from_at: datetime
    expires_at: datetime
    stop_by_at: datetime | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """What launches a workflow, and with what. `revision` None = the newest. `draft`: a document that is tried out instead of a saved one."""

    workflow_id: uuid.UUID
    source: str
    revision: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    draft: Mapping[str, Any] | None = None
    only_device_id: uuid.UUID | None = None
    #: The run, and the node of it, that this is the work of.
    parent: tuple[int, str] | None = None
    #: The run that this one goes on with, and the nodes that run again.
    resumes: int | None = None
    rerun_from: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What a node runs on devices: one component as a job has it, and what else a job would say."""

    assembly_id: uuid.UUID
    revision: int
    variables: Mapping[str, Any]
    step_rules: Mapping[str, Any] | None = None
    credential_id: int | None = None
    use_service_account: bool = False

    def to_json(self) -> dict[str, Any]:
        component = {
            "position": 0,
            "assembly_id": str(self.assembly_id),
            "assembly_revision": self.revision,
            "variables": dict(self.variables),
            "role": "run",
            "not_compliant_exit_codes": [1],
        }
        login = {"credential_id": self.credential_id, "use_service_account": self.use_service_account}
        return {"components": [component], "step_rules": self.step_rules, **login}


_NO_WORK: Final = {"components": None, "step_rules": None, "credential_id": None, "use_service_account": False}


@dataclass(frozen=True, slots=True)
class Opening:
    """An occurrence to open. `device_ids` None = the job's own targets; a list = exactly these (a rerun of some).

    `is_release`: it is there already and was held. Starts are spread over `splay_seconds` from `starts_from` (None = its
    instant) on; `splay_salt` makes each occurrence spread in its own way. `waves` decide starts and bounds where there are any.
    """

    id: uuid.UUID
    job_id: int
    job_revision: int
    kind: str
    scheduled_for: datetime
    expires_at: datetime
    request_id: str = ""
    is_late: bool = False
    allowed_site_ids: Sequence[int] | None = None
    failure_threshold_percent: int = 0
    time_limit_seconds: int | None = None
    offline: str = "wait"
    overlap: str = "skip"
    overlap_scope: str = "device"
    device_ids: Sequence[uuid.UUID] | None = None
    origin: uuid.UUID | None = None
    started_by: int | None = None
    starts_from: datetime | None = None
    stop_by_at: datetime | None = None
    splay_seconds: int = 0
    splay_salt: str = ""
    zone_source: str = "fixed"
    waves: Sequence[Wave] = ()
    local_time: datetime | None = None
    #: The scope that the job was saved with: its rules look no further. None = everywhere.
    reach_site_ids: Sequence[int] | None = None
    #: What it is when there is nobody to run on: `skip` or `fail`.
    no_targets: str = "skip"
    #: How many devices, and what share of those of the occurrence before, may differ before a person is asked. None = any.
    max_change_devices: int | None = None
    max_change_percent: int | None = None
    start_reason: str | None = None
    ignores_windows: bool = False
    is_release: bool = False
    execution_context: str = "system"
    #: Where that is `current_user`: whether a device on which nobody is signed in is left out (`skip`) or waits for somebody (`wait`).
    no_user_session: str = "skip"
    #: How it is spread over waves and limited; None = it is not.
    waves_plan: WavePlan | None = None
    concurrency: int | None = None
    site_concurrency: int | None = None
    #: Of a playbook on many devices at once: on how many of them it works at the same time. None = as many as Ansible likes.
    forks: int | None = None
    #: What becomes of a device on which a playbook was running when its worker died: `lost`, or it runs `again`.
    interrupted: str = "lost"
    #: Of a job that brings machines under management, as `DueJob` has it; and of its scope those addresses that are looked at, None = all.
    onboarding: Mapping[str, Any] | None = None
    only: Sequence[str] | None = None
    #: Of a job that launches a workflow, or a launch without one.
    workflow: Launch | None = None
    #: What it runs, where that is not what its job says: the work of a node.
    work: Work | None = None

    @property
    def is_paced(self) -> bool:
        """Whether it goes in waves or with a limit. Playbooks always do: what moves waves on also tells their workers when to look."""
        is_limited = self.concurrency is not None or self.site_concurrency is not None
        return self.waves_plan is not None or is_limited or self.execution_context in REMOTE_CONTEXTS


def lane_of(execution_context: str) -> Lane:
    """The lane of the work that a run in this context makes."""
    if execution_context == ExecutionContext.NONE:
        return Lane.ONBOARDING
    return Lane.PLAYBOOKS if execution_context in REMOTE_CONTEXTS else Lane.SCHEDULED_JOB


#: The opening as columns of a JSON record set; `as_json` makes such records.
COLUMNS: Final = """AS s(id uuid, job_id bigint, job_revision integer, kind text, scheduled_for timestamptz, expires_at timestamptz,
    request_id text, is_late boolean, allowed_site_ids bigint[], failure_threshold_percent integer, time_limit_seconds integer,
    offline text, overlap text, overlap_scope text, device_ids uuid[], origin uuid, started_by bigint, starts_from timestamptz,
    stop_by_at timestamptz, splay_seconds integer, splay_salt text, zone_source text, local_time timestamp, start_reason text,
    ignores_windows boolean, is_release boolean, reach_site_ids bigint[], execution_context text,
    no_user_session text, forks integer, interrupted text, components jsonb, step_rules jsonb, credential_id bigint,
    use_service_account boolean)"""

#: Waves as rows of arrays. Arrays, not JSON: the planner sees their length.
WAVE_ROWS: Final = """unnest(CAST(:wave_occurrences AS uuid[]), CAST(:wave_zones AS text[]), CAST(:wave_starts AS timestamptz[]),
    CAST(:wave_froms AS timestamptz[]), CAST(:wave_ends AS timestamptz[]), CAST(:wave_stops AS timestamptz[]),
    CAST(:wave_reasons AS text[]), CAST(:wave_details AS text[]))
    AS w(occurrence_id, zone, starts_at, from_at, expires_at, stop_by_at, reason, detail)"""

_PLAIN: Final = (
    "job_id", "job_revision", "kind", "request_id", "is_late", "failure_threshold_percent", "time_limit_seconds", "offline",
    "overlap", "overlap_scope", "started_by", "splay_seconds", "splay_salt", "start_reason", "ignores_windows", "is_release",
    "execution_context", "no_user_session", "forks", "interrupted",
)  # fmt: skip


def as_json(one: Opening) -> dict[str, object]:
    return {
        **{name: getattr(one, name) for name in _PLAIN},
        "id": str(one.id),
        "scheduled_for": rfc3339(one.scheduled_for),
        "expires_at": rfc3339(one.expires_at),
        "starts_from": rfc3339(one.starts_from or one.scheduled_for),
        "stop_by_at": rfc3339(one.stop_by_at) if one.stop_by_at else None,
        "allowed_site_ids": None if one.allowed_site_ids is None else list(one.allowed_site_ids),
        "reach_site_ids": None if one.reach_site_ids is None else list(one.reach_site_ids),
        "device_ids": None if one.device_ids is None else [str(device) for device in one.device_ids],
        "origin": str(one.origin) if one.origin else None,
        # Without waves everything starts at the same instant, whatever the zone.
        "zone_source": one.zone_source if one.waves else "fixed",
        "local_time": one.local_time.isoformat() if one.local_time else None,
        **(one.work.to_json() if one.work else _NO_WORK),
    }


def wave_columns(openings: Sequence[Opening]) -> dict[str, list[Any]]:
    """The waves of all openings as parameters of WAVE_ROWS, and every zone among them."""
    rows = [(one.id, wave) for one in openings for wave in one.waves]
    return {
        "wave_occurrences": [occurrence for occurrence, _ in rows],
        "wave_zones": [wave.zone for _, wave in rows],
        "wave_starts": [wave.starts_at for _, wave in rows],
        "wave_froms": [wave.from_at for _, wave in rows],
        "wave_ends": [wave.expires_at for _, wave in rows],
        "wave_stops": [wave.stop_by_at for _, wave in rows],
        "wave_reasons": [wave.reason for _, wave in rows],
        "wave_details": [wave.detail for _, wave in rows],
        "known_zones": sorted({wave.zone for _, wave in rows}),
    }
