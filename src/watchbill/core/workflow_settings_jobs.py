"""Nodes of workflows that run scripts and playbooks: their settings are words of a job, read and judged by the rules of jobs.

A node stands for a job of one component that begins at once; what says when a job begins, or again, means nothing in a node.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from watchbill.core import job_rules
from watchbill.core.fields import Choice, Fields, join, shown
from watchbill.core.job_rules_kinds import contexts_of
from watchbill.core.job_rules_values import (
    DEFAULT_CONTEXTS,
    DEFAULT_RETRY_DELAY_SECONDS,
    EXPIRES_AFTER_SECONDS,
    INTERRUPTED,
    NO_TARGETS,
    NO_USER_SESSIONS,
    OFFLINES,
    RETRIES,
    RETRY_DELAY_SECONDS,
    TIME_LIMIT_SECONDS,
    ComponentKind,
    JobDraft,
)
from watchbill.core.job_rules_waves import (
    CONCURRENCY,
    COUNT,
    IF_NONE,
    MAX_WAVES,
    ORDERS,
    PERCENT,
    PROMOTES,
    SOAK_SECONDS,
)
from watchbill.core.problems import Problem
from watchbill.core.steps import RETRIED
from watchbill.core.tag_rules import MAX_TAG_CHARACTERS
from watchbill.core.waves import LEAST_RESULTS
from watchbill.core.workflow_settings_kinds import (
    UUID_SCHEMA,
    Assembly,
    Revision,
    Schema,
    Use,
    Values,
    Whole,
    closed_object,
    literal,
    nullable,
    number_of,
)

_VARIABLES: Final = Values("variables")
_ASSEMBLY: Final = Assembly("assembly_id")
_REVISION: Final = Revision("revision")
_FIELDS: Final = (
    "assembly_id", "revision", "variables", "execution_context", "credential_id", "use_service_account", "duration",
    "policies",
)  # fmt: skip
_OWN_TIMES: Final = "belongs to scheduled jobs: in a workflow the edges say when a node begins, and how often"
#: Of a job's words, those that mean nothing in a node.
_NO_POLICIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("overlap", "overlap_scope", "catch_up", "catch_up_window_seconds"), _OWN_TIMES),
    **dict.fromkeys(("splay_seconds", "splay_mode"), "belongs to scheduled jobs: use waves or concurrency here"),
    **dict.fromkeys(
        ("max_change_percent", "max_change_devices"),
        "belongs to scheduled jobs, whose runs are compared; ask a person by a node of type approval",
    ),
    "continue_on_failure": "belongs to jobs of several components: on_error and the edges say what follows a failure",
}
_NO_DURATIONS: Final[Mapping[str, str]] = {
    "run_limit_seconds": "is time_limit_seconds of the node itself",
}
_POLICIES: Final = (
    "offline", "waves", "concurrency", "site_concurrency", "retries", "retry_delay_seconds", "retry_on",
    "failure_threshold_percent", "no_user_session", "interrupted", "no_targets",
)  # fmt: skip
_DURATIONS: Final = ("time_limit_seconds", "expires_after_seconds")
#: Where a node's settings stand in the job that it stands for.
_COMPONENT: Final = "components.0"


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The settings of nodes of type script or playbook."""

    kind: ComponentKind

    def read(self, fields: Fields) -> dict[str, Any]:
        given = {name: fields.take(name) for name in _FIELDS}
        fields.refuse_unknown(f"the settings of a {self.kind}")
        given["variables"] = _VARIABLES.read(fields)
        given["duration"] = _meaningful(fields, "duration", _DURATIONS, _NO_DURATIONS)
        given["policies"] = _meaningful(fields, "policies", _POLICIES, _NO_POLICIES)
        reading = job_rules.read(job_document(self.kind, given))
        fields.problems += (moved(problem, fields.path) for problem in reading.problems)
        return _settings_of(reading.draft, given["variables"])

    def uses(self, values: Mapping[str, Any]) -> Iterator[Use]:
        return _VARIABLES.uses(values["variables"])

    def schema(self) -> Schema:
        contexts = list(contexts_of(self.kind).now)
        properties = {
            "assembly_id": _ASSEMBLY.schema(),
            "revision": _REVISION.schema(),
            "variables": _VARIABLES.schema(),
            "execution_context": {"enum": [*contexts, None], "default": DEFAULT_CONTEXTS[self.kind].value},
            "credential_id": nullable(number_of("credential_id").schema()),
            "use_service_account": {"type": ["boolean", "null"], "default": False},
            "duration": nullable(_duration_schema()),
            "policies": nullable(_policies_schema()),
        }
        return closed_object(properties, required=("assembly_id",))


def _meaningful(
    fields: Fields, name: str, known: Sequence[str], refused: Mapping[str, str]
) -> dict[str, object] | object:
    """What rules of jobs are to judge; the rest is refused here. What is no object they refuse too."""
    value = fields.value.get(name)
    if not isinstance(value, Mapping):
        return value
    for field, given in value.items():
        if field in refused and given is not None and given is not False:
            fields.refuse(join(name, field), "not_allowed", refused[field])
        elif field not in refused and field not in known:
            message = f"is not a field of {name}; it has: {', '.join(sorted(known))}"
            fields.refuse(join(name, shown(field)[1:-1]), "unknown_field", message)
    return {field: value[field] for field in known if field in value}


def job_document(
    kind: ComponentKind, settings: Mapping[str, Any], targets: Sequence[object] | None = None
) -> dict[str, Any]:
    """The job of one component that such settings stand for, on every device where no targets are named."""
    component = {"kind": kind.value, **{name: settings[name] for name in ("assembly_id", "revision")}}
    own = ("execution_context", "credential_id", "use_service_account", "duration", "policies")
    return {
        "name": "node",
        "components": [{**component, "variables": literal(settings["variables"])}],
        "targets": [{"kind": "all_devices"}] if targets is None else list(targets),
        "schedule": {"type": "immediately"},
        **{name: settings[name] for name in own},
    }


def moved(problem: Problem, path: str) -> Problem:
    """A problem of the job that a node stands for, where the node says it."""
    field = problem.field
    if field == _COMPONENT or field.startswith(f"{_COMPONENT}."):
        field = field.removeprefix(_COMPONENT).removeprefix(".")
    return Problem(join(path, field) if field else path, problem.code, problem.message)


def _settings_of(draft: JobDraft, variables: object) -> dict[str, Any]:
    component = draft.components[0]
    policies = draft.policies.to_json()
    return {
        "assembly_id": str(component.assembly_id) if component.assembly_id else None,
        "revision": component.revision or "latest",
        "variables": variables,
        "execution_context": draft.execution_context.value,
        "credential_id": draft.credential_id,
        "use_service_account": draft.use_service_account,
        "duration": {name: getattr(draft.duration, name) for name in _DURATIONS},
        "policies": {name: policies[name] for name in _POLICIES},
    }


def _duration_schema() -> Schema:
    bounds = {"time_limit_seconds": TIME_LIMIT_SECONDS, "expires_after_seconds": EXPIRES_AFTER_SECONDS}
    properties = {name: Whole(name, *bounds[name]).schema() for name in _DURATIONS}
    return closed_object(properties | _never(_NO_DURATIONS))


def _policies_schema() -> Schema:
    words = {
        "offline": OFFLINES,
        "no_user_session": NO_USER_SESSIONS,
        "interrupted": INTERRUPTED,
        "no_targets": NO_TARGETS,
    }
    numbers = {
        "concurrency": (*CONCURRENCY, None),
        "site_concurrency": (*CONCURRENCY, None),
        "retries": (*RETRIES, 0),
        "retry_delay_seconds": (*RETRY_DELAY_SECONDS, DEFAULT_RETRY_DELAY_SECONDS),
        "failure_threshold_percent": (0, 100, 0),
    }
    properties = {
        **{name: _word_schema(choice) for name, choice in words.items()},
        **{name: Whole(name, low, high, default).schema() for name, (low, high, default) in numbers.items()},
        "retry_on": nullable({"type": "array", "maxItems": 10, "items": {"enum": list(RETRIED)}}),
        "waves": nullable(_waves_schema()),
    }
    return closed_object(properties | _never(_NO_POLICIES))


def _waves_schema() -> Schema:
    words = {"promote": PROMOTES, "order_by": ORDERS}
    properties: dict[str, Schema] = {
        "sizes": {"type": "array", "minItems": 1, "maxItems": MAX_WAVES, "items": _SIZE},
        "soak_seconds": Whole("soak_seconds", *SOAK_SECONDS, 0).schema(),
        **{name: _word_schema(choice) for name, choice in words.items()},
        "reversed": {"type": ["boolean", "null"], "default": False},
        "canary": nullable(_canary_schema()),
        "stop": nullable(_stop_schema()),
    }
    return closed_object(properties, required=("sizes",))


def _canary_schema() -> Schema:
    device = {"kind": {"const": "device"}, "device_id": UUID_SCHEMA}
    by_filter = {"kind": {"const": "filter"}, "filter_id": number_of("filter_id").schema()}
    targets = [closed_object(one, required=tuple(one)) for one in (device, by_filter)]
    properties: dict[str, Schema] = {
        "tag": {"type": ["string", "null"], "maxLength": MAX_TAG_CHARACTERS},
        "targets": nullable({"type": "array", "items": {"anyOf": targets}}),
        "if_none": _word_schema(IF_NONE),
    }
    return closed_object(properties)


def _stop_schema() -> Schema:
    bounds = {
        "failed_percent": PERCENT,
        "failed_count": COUNT,
        "unreachable_percent": PERCENT,
        "unreachable_count": COUNT,
    }
    properties: dict[str, Schema] = {
        **{name: Whole(name, *lowest_and_highest).schema() for name, lowest_and_highest in bounds.items()},
        "least_results": Whole("least_results", *COUNT, LEAST_RESULTS).schema(),
        "cancel_running": {"type": ["boolean", "null"], "default": False},
    }
    return closed_object(properties)


def _word_schema(choice: Choice) -> Schema:
    return nullable({"enum": list(choice.now)})


_SIZE: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        {"type": "string", "pattern": "^(100|0?[1-9][0-9]|0{0,2}[1-9])%$"},
    ]
}


def _never(names: Mapping[str, str]) -> dict[str, Schema]:
    """A copied job may say what means nothing here, as long as it says nothing."""
    return {name: {"enum": [None, False], "description": message} for name, message in names.items()}
