"""The JSON schema of a workflow's document, and its types of node for who draws one. Both are made of the tables that judge it.

Whatever `core.workflow_graph` accepts is valid by the schema. A schema cannot say what edges mean together: that only a check says.
"""

from typing import Any, Final

from watchbill.core.assembly_rules import MAX_VALUE_CHARACTERS, MAX_VARIABLES, VariableType
from watchbill.core.fields import Choice
from watchbill.core.workflow_graph import (
    CONCURRENCIES,
    DEFAULT_RETRY_DELAY_SECONDS,
    NODE_ID,
    NODE_TYPES,
    ON_ERRORS,
    PLACE,
    ROUTES,
    WITH_TIME_LIMIT,
)
from watchbill.core.workflow_graph_rules import RUN_NAMES, TAKES_FROM
from watchbill.core.workflow_settings import SETTINGS
from watchbill.core.workflow_settings_kinds import Schema, Whole, closed_object, nullable
from watchbill.core.workflow_steps import WORK
from watchbill.core.workflow_types import (
    DEFAULT_RUN_LIMIT_SECONDS,
    MAX_EDGES,
    MAX_NODES,
    MAX_PARALLEL,
    NODE_LIMIT_SECONDS,
    RETRIES,
    RETRY_DELAY_SECONDS,
    RUN_LIMIT_SECONDS,
    SCHEMA,
    SHAPES,
    NodeType,
    Port,
    Shape,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_T: Final = NodeType
#: How the editor names a type, and the group it shows it in.
TITLES: Final[dict[NodeType, tuple[str, str]]] = {
    _T.TRIGGER_MANUAL: ("Started by hand", "triggers"),
    _T.TRIGGER_JOB: ("Started by a job", "triggers"),
    _T.TRIGGER_WEBHOOK: ("Started by a webhook", "triggers"),
    _T.DEVICES_FILTER: ("Devices by filter", "devices"),
    _T.DEVICES_LIST: ("Devices by name", "devices"),
    _T.DEVICES_SITE: ("Devices of a site", "devices"),
    _T.DEVICES_COMBINE: ("Combine devices", "devices"),
    _T.DEVICES_TAKE: ("Take some devices", "devices"),
    _T.SPLIT: ("Split by outcome", "devices"),
    _T.SCRIPT: ("Run a script", "work"),
    _T.PLAYBOOK: ("Run a playbook", "work"),
    _T.WORKFLOW: ("Run a workflow", "work"),
    _T.HTTP: ("HTTP request", "work"),
    _T.NOTIFY: ("Send a message", "work"),
    _T.CONDITION: ("Condition", "flow"),
    _T.JOIN: ("Join", "flow"),
    _T.WAIT: ("Wait", "flow"),
    _T.APPROVAL: ("Approval", "flow"),
    _T.SET_VALUE: ("Set a value", "flow"),
}


def document_schema() -> Schema:
    """The JSON schema (2020-12) of an assembly of kind workflow, as it is saved, imported and exported."""
    properties: dict[str, Schema] = {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "description": {"type": ["string", "null"], "maxLength": 10_000, "default": ""},
        "kind": {"const": "workflow"},
        "variables": nullable({"type": "array", "maxItems": MAX_VARIABLES, "items": {"$ref": "#/$defs/parameter"}}),
        "workflow": {"$ref": "#/$defs/workflow"},
    }
    return {
        "$schema": DIALECT,
        "title": "Workflow",
        "type": "object",
        "properties": properties,
        "required": ["name", "kind", "workflow"],
        "$defs": {
            "parameter": _parameter(),
            "workflow": _workflow(),
            "node": _node(),
            "edge": _edge(),
            **{f"settings_{kind}": SETTINGS[kind].schema() for kind in NodeType},
        },
    }


def _parameter() -> Schema:
    types = [one.value for one in VariableType if one is not VariableType.SECRET]
    properties: dict[str, Schema] = {
        "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$"},
        "type": {"enum": types},
        "default": {"type": ["string", "number", "boolean", "null"], "maxLength": MAX_VALUE_CHARACTERS},
        "required": {"type": ["boolean", "null"], "default": False},
        "promptable": {"type": ["boolean", "null"], "default": True},
        "choices": {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}},
        "description": {"type": ["string", "null"], "maxLength": 1_000, "default": ""},
    }
    return closed_object(properties, required=("name", "type"))


def _workflow() -> Schema:
    properties: dict[str, Schema] = {
        "schema": {"enum": [SCHEMA, None], "default": SCHEMA},
        "max_parallel": Whole("max_parallel", *MAX_PARALLEL).schema(),
        "time_limit_seconds": Whole("time_limit_seconds", *RUN_LIMIT_SECONDS, DEFAULT_RUN_LIMIT_SECONDS).schema(),
        "concurrency": _word(CONCURRENCIES, "skip"),
        "nodes": {"type": "array", "minItems": 1, "maxItems": MAX_NODES, "items": {"$ref": "#/$defs/node"}},
        "edges": nullable({"type": "array", "maxItems": MAX_EDGES, "items": {"$ref": "#/$defs/edge"}}),
    }
    return closed_object(properties, required=("nodes",))


def _node() -> Schema:
    properties: dict[str, Schema] = {
        "id": {"type": "string", "pattern": f"^{NODE_ID.pattern}$"},
        "type": {"enum": list(NODE_TYPES.now)},
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "settings": {"type": ["object", "null"]},
        "x": Whole("x", *PLACE, 0).schema(),
        "y": Whole("y", *PLACE, 0).schema(),
        "time_limit_seconds": Whole("time_limit_seconds", *NODE_LIMIT_SECONDS).schema(),
        "retries": Whole("retries", *RETRIES, 0).schema(),
        "retry_delay_seconds": Whole("retry_delay_seconds", *RETRY_DELAY_SECONDS, DEFAULT_RETRY_DELAY_SECONDS).schema(),
        "on_error": _word(ON_ERRORS, "stop"),
    }
    node = closed_object(properties, required=("id", "type", "name"))
    return {**node, "allOf": [_of_type(kind) for kind in NodeType]}


def _of_type(kind: NodeType) -> Schema:
    """Settings, and what of a node has an effect, by its type."""
    settings: Schema = {"$ref": f"#/$defs/settings_{kind}"}
    needs_some = bool(SETTINGS[kind].schema().get("required"))
    then: Schema = {"properties": {"settings": settings if needs_some else {"anyOf": [settings, {"type": "null"}]}}}
    if kind not in WITH_TIME_LIMIT:
        then["properties"]["time_limit_seconds"] = {"type": "null"}
    if kind not in WORK:
        then["properties"]["retries"] = {"enum": [0, None]}
    if needs_some:
        then["required"] = ["settings"]
    return {"if": {"properties": {"type": {"const": kind.value}}, "required": ["type"]}, "then": then}


def _edge() -> Schema:
    properties: dict[str, Schema] = {
        "from": {"type": "string", "pattern": _ends(outputs=True)},
        "to": {"type": "string", "pattern": _ends(outputs=False)},
        "route_on": nullable({"enum": list(ROUTES.now)}),
    }
    return closed_object(properties, required=("from", "to"))


def _ends(*, outputs: bool) -> str:
    names = {port.name for shape in SHAPES.values() for port in (shape.outputs if outputs else shape.inputs)}
    return rf"^{NODE_ID.pattern}\.({'|'.join(sorted(names))})$"


def _word(choice: Choice, default: str) -> Schema:
    return {**nullable({"enum": list(choice.now)}), "default": default}


def shapes_json() -> dict[str, Any]:
    """The types of node with their ports, in the order in which a palette shows them."""
    return {
        "node_types": [_shape(kind, SHAPES[kind]) for kind in TITLES],
        "routes": list(ROUTES.now),
        "run_names": list(RUN_NAMES),
    }


def _shape(kind: NodeType, shape: Shape) -> dict[str, Any]:
    title, group = TITLES[kind]
    return {
        "type": kind.value,
        "title": title,
        "group": group,
        "is_trigger": shape.is_trigger,
        "has_time_limit": kind in WITH_TIME_LIMIT,
        "has_retries": kind in WORK,
        "inputs": [_port(kind, port) for port in shape.inputs],
        "outputs": [_port(kind, port) for port in shape.outputs],
    }


def _port(kind: NodeType, port: Port) -> dict[str, Any]:
    """`takes_from`: the only types of node that may be wired to it; null = any with a port of these kinds."""
    types = TAKES_FROM.get((kind, port.name))
    return {
        "name": port.name,
        "kinds": sorted(port.kinds),
        "required": port.is_required,
        "many": port.is_many,
        "takes_from": sorted(types) if types else None,
    }
