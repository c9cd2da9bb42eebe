"""The settings of each type of node: one table, read with every default filled in, and the source of their JSON schema.

Owns what a node may say by itself, and what it names; whether that fits into the graph is in `core.workflow_graph`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from watchbill.core.fields import Choice, Fields, join
from watchbill.core.job_rules_values import ComponentKind
from watchbill.core.workflow_settings_jobs import JobSettings, job_document
from watchbill.core.workflow_settings_kinds import (
    Assembly,
    Devices,
    Expect,
    Formula,
    Headers,
    Payload,
    Revision,
    Schema,
    Setting,
    Text,
    Url,
    Use,
    Values,
    Whole,
    Word,
    closed_object,
    number_of,
)
from watchbill.core.workflow_types import Graph, Node, NodeType

_T: Final = NodeType
WAIT_SECONDS: Final = (1, 30 * 86_400)
APPROVAL_SECONDS: Final = (60, 30 * 86_400)
REQUEST_SECONDS: Final = (1, 300)
PERCENT: Final = (1, 100)
TAKE: Final = (1, 1_000_000)
JOIN_COUNT: Final = (1, 2_000)
MAX_MESSAGE: Final = 10_000


class SettingsOf(Protocol):
    """The settings of a type of node."""

    def read(self, fields: Fields) -> dict[str, Any]:
        """With defaults; faulty ones hold what a default would."""

    def uses(self, values: Mapping[str, Any]) -> Iterator[Use]:
        """The names that the expressions in them speak of."""

    def schema(self) -> Schema: ...


@dataclass(frozen=True, slots=True)
class _Table:
    """Settings one by one, and what they may not say together."""

    what: str
    settings: tuple[Setting, ...] = ()
    judge: Callable[[Fields, dict[str, Any]], None] | None = None
    #: Settings that are shown only where they say something.
    optional: frozenset[str] = field(default_factory=frozenset)

    def read(self, fields: Fields) -> dict[str, Any]:
        values = {one.name: one.read(fields) for one in self.settings}
        fields.refuse_unknown(
            f"the settings of {self.what}" if self.settings else f"{self.what}, which has no settings"
        )
        if self.judge:
            self.judge(fields, values)
        return {name: value for name, value in values.items() if value is not None or name not in self.optional}

    def uses(self, values: Mapping[str, Any]) -> Iterator[Use]:
        for one in self.settings:
            yield from one.uses(values.get(one.name))

    def schema(self) -> Schema:
        properties = {one.name: one.schema() for one in self.settings}
        return closed_object(properties, required=tuple(one.name for one in self.settings if _is_required(one)))


def _is_required(setting: Setting) -> bool:
    """What has to be there may not be null either."""
    schema = setting.schema()
    kinds: Any = schema.get("type", ())
    return not (schema.get("enum") and None in schema["enum"]) and "anyOf" not in schema and "null" not in kinds


def _judge_take(fields: Fields, values: dict[str, Any]) -> None:
    if fields.value.get("number") is None and fields.value.get("percent") is None:
        fields.refuse("number", "required", "or percent is required: how many devices of those that come in")
    elif values["number"] is not None and values["percent"] is not None:
        fields.refuse("percent", "not_allowed", "must be null where a number is given: one of them says how many")


#: What a wait is for, and the setting that says how long.
_WAITS: Final = {"duration": "seconds", "window": "window_id", "devices": "percent"}


def _judge_wait(fields: Fields, values: dict[str, Any]) -> None:
    reason = values["for"]
    for word, name in _WAITS.items():
        if reason == word and fields.value.get(name) is None:
            fields.refuse(name, "required", f"is required to wait for {_WAIT_WORDS[word]}")
        elif reason != word and reason is not None and values[name] is not None:
            fields.refuse(name, "not_allowed", f"must be null: it belongs to waiting for {_WAIT_WORDS[word]}")
            values[name] = None


_WAIT_WORDS: Final = {"duration": "a duration", "window": "a maintenance window", "devices": "devices to be online"}


def _judge_join(fields: Fields, values: dict[str, Any]) -> None:
    if values["mode"] == "n" and fields.value.get("n") is None:
        fields.refuse("n", "required", "is required where so many edges must be taken: a whole number from 1")
    elif values["mode"] in ("all", "any") and values["n"] is not None:
        fields.refuse("n", "not_allowed", f"must be null where the mode is {values['mode']}")


def _judge_request(fields: Fields, values: dict[str, Any]) -> None:
    if values["method"] == "GET" and values["body"] is not None:
        fields.refuse("body", "not_allowed", "must be null: a request by GET has no body")


_METHODS: Final = Choice(("GET", "POST", "PUT", "PATCH", "DELETE"))
_PARAMETERS: Final = Values("parameters")
SETTINGS: Final[Mapping[NodeType, SettingsOf]] = {
    _T.TRIGGER_MANUAL: _Table("a trigger by hand"),
    _T.TRIGGER_JOB: _Table("a trigger by a job"),
    _T.TRIGGER_WEBHOOK: _Table("a trigger by a webhook", (Payload("payload"),)),
    _T.DEVICES_FILTER: _Table("a set of devices by a filter", (number_of("filter_id"),)),
    _T.DEVICES_LIST: _Table("a list of devices", (Devices("device_ids"),)),
    _T.DEVICES_SITE: _Table("the devices of a site", (number_of("site_id"),)),
    _T.DEVICES_COMBINE: _Table(
        "two sets together", (Word("operation", Choice(("union", "intersection", "difference"))),)
    ),
    _T.DEVICES_TAKE: _Table(
        "some devices of a set",
        (Whole("number", *TAKE), Whole("percent", *PERCENT), Word("order", Choice(("name", "random")), "name")),
        _judge_take,
    ),
    _T.SPLIT: _Table("a split"),
    _T.SCRIPT: JobSettings(ComponentKind.SCRIPT),
    _T.PLAYBOOK: JobSettings(ComponentKind.PLAYBOOK),
    _T.WORKFLOW: _Table("a workflow", (Assembly("assembly_id"), Revision("revision"), _PARAMETERS)),
    _T.CONDITION: _Table("a condition", (Formula("expression"),)),
    _T.WAIT: _Table(
        "a wait",
        (
            Word("for", Choice(tuple(_WAITS))),
            Whole("seconds", *WAIT_SECONDS),
            Whole("window_id", 1, 2**63 - 1),
            Whole("percent", *PERCENT),
        ),
        _judge_wait,
        frozenset(_WAITS.values()),
    ),
    _T.APPROVAL: _Table(
        "an approval",
        (Text("message", MAX_MESSAGE), Whole("timeout_seconds", *APPROVAL_SECONDS, is_required=True)),
    ),
    _T.HTTP: _Table(
        "a request",
        (
            Word("method", _METHODS, "GET"),
            Url("url", 2_000, is_one_line=True),
            Headers("headers"),
            Text("body", is_required=False),
            Whole("timeout_seconds", *REQUEST_SECONDS, 30),
            Expect("expect"),
            Word("interrupted", Choice(("lost", "again")), "lost"),
        ),
        _judge_request,
    ),
    _T.NOTIFY: _Table(
        "a message", (number_of("channel_id"), Text("subject", 500, is_one_line=True), Text("message", MAX_MESSAGE))
    ),
    _T.SET_VALUE: _Table("a value", (Formula("expression"),)),
    _T.JOIN: _Table("a join", (Word("mode", Choice(("all", "any", "n")), "all"), Whole("n", *JOIN_COUNT)), _judge_join),
}


def uses(node: Node) -> Iterator[Use]:
    """The names that the expressions of a node speak of; of one that cannot be read, none."""
    return SETTINGS[node.type].uses(node.settings)


Id = TypeVar("Id", int, UUID)


def node_job(
    node: Node, *, variables: Mapping[str, object] | None = None, targets: Sequence[object] | None = None
) -> dict[str, Any]:
    """The definition of the job that a node of type script or playbook stands for; `core.job_rules.read` reads it.

    `variables`: with what is computed in their places; without them, what is computed is left out. `targets`: the devices that
    it is wired to; without them, every device stands for those.
    """
    settings = {**node.settings, "variables": node.settings["variables"] if variables is None else variables}
    return {**job_document(ComponentKind(node.type.value), settings, targets), "name": node.name}


@dataclass(frozen=True, slots=True)
class Reference(Generic[Id]):
    """Something that a node names by its number or id. `field` is its path in the document."""

    node_id: str
    field: str
    id: Id


@dataclass(frozen=True, slots=True)
class AssemblyReference:
    """`kind` is what the node takes the assembly for, `revision` None the latest."""

    node_id: str
    field: str
    id: UUID
    kind: ComponentKind
    revision: int | None


@dataclass(frozen=True, slots=True)
class References:
    """All that a graph names, in the order of its nodes; what several nodes name is there for each."""

    assemblies: tuple[AssemblyReference, ...] = ()
    devices: tuple[Reference[UUID], ...] = ()
    filters: tuple[Reference[int], ...] = ()
    sites: tuple[Reference[int], ...] = ()
    windows: tuple[Reference[int], ...] = ()
    channels: tuple[Reference[int], ...] = ()
    credentials: tuple[Reference[int], ...] = ()


#: Settings that name one thing by its number.
_NUMBERS: Final = {
    "filter_id": "filters",
    "site_id": "sites",
    "window_id": "windows",
    "channel_id": "channels",
    "credential_id": "credentials",
}


def references(graph: Graph) -> References:
    """What a checked graph names: to be looked up, and to be kept from being deleted."""
    assemblies: list[AssemblyReference] = []
    devices: list[Reference[UUID]] = []
    numbers: dict[str, list[Reference[int]]] = {kind: [] for kind in _NUMBERS.values()}
    for place, node in enumerate(graph.nodes):
        path = f"workflow.nodes.{place}.settings"
        canaries = tuple(_canaries(node, path))
        if "assembly_id" in node.settings:
            assemblies.append(_assembly(node, path))
        for name, kind in _NUMBERS.items():
            if node.settings.get(name) is not None:
                numbers[kind].append(Reference(node.id, f"{path}.{name}", node.settings[name]))
        for index, device_id in enumerate(node.settings.get("device_ids", ())):
            devices.append(Reference(node.id, f"{path}.device_ids.{index}", UUID(device_id)))
        devices += (
            Reference(node.id, one, UUID(target["device_id"])) for one, target in canaries if "device_id" in target
        )
        numbers["filters"] += (
            Reference(node.id, one, target["filter_id"]) for one, target in canaries if "filter_id" in target
        )
    return References(tuple(assemblies), tuple(devices), **{kind: tuple(ones) for kind, ones in numbers.items()})


def _assembly(node: Node, path: str) -> AssemblyReference:
    revision = node.settings["revision"]
    return AssemblyReference(
        node.id,
        f"{path}.assembly_id",
        UUID(node.settings["assembly_id"]),
        ComponentKind(node.type.value),
        None if revision == "latest" else revision,
    )


def _canaries(node: Node, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Devices and filters that go first in the waves of a node, each with its path."""
    waves = node.settings.get("policies", {}).get("waves") or {}
    for index, target in enumerate((waves.get("canary") or {}).get("targets", ())):
        place = f"{path}.policies.waves.canary.targets.{index}"
        yield join(place, "device_id" if "device_id" in target else "filter_id"), target
