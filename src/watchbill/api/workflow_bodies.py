"""The shapes of a workflow's document: its nodes, its edges, and how it runs. What each kind of node may say is told by its schema."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from watchbill.api.common import Model
from watchbill.core.workflow_graph import NODE_ID
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
    Concurrency,
    NodeType,
    OnError,
    RouteOn,
)

_NODE_ID: Final = NODE_ID.pattern
_END: Final = Field(pattern=rf"^{_NODE_ID}\.[a-z]+$", description="a node and one of its ports, as node.port")


class NodeBody(Model):
    """One step of a workflow. What its settings hold depends on its type: `GET /api/workflows/schema`."""

    id: Annotated[str, Field(pattern=rf"^{_NODE_ID}$", description="unique in the workflow")]
    type: NodeType
    name: Annotated[str, Field(max_length=200)] = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    x: Annotated[int, Field(description="where the editor draws it")] = 0
    y: int = 0
    time_limit_seconds: Annotated[
        int | None,
        Field(ge=NODE_LIMIT_SECONDS[0], le=NODE_LIMIT_SECONDS[1], description="with all its tries; null = none"),
    ] = None
    retries: Annotated[int, Field(ge=RETRIES[0], le=RETRIES[1], description="of the whole node")] = 0
    retry_delay_seconds: Annotated[int, Field(ge=RETRY_DELAY_SECONDS[0], le=RETRY_DELAY_SECONDS[1])] = 60
    on_error: OnError = Field(default="stop", description="what a failure means that no route takes care of")


class EdgeBody(Model):
    """From an output of a node to an input of another one."""

    from_: Annotated[str, _END] = Field(alias="from")
    to: Annotated[str, _END]
    route_on: RouteOn | None = Field(default=None, description="of control that leaves by the port out; null elsewhere")


class WorkflowBody(Model):
    """A graph with typed ports."""

    version: Literal[1] = Field(default=SCHEMA, alias="schema", description="of the format")
    max_parallel: Annotated[
        int | None,
        Field(ge=MAX_PARALLEL[0], le=MAX_PARALLEL[1], description="nodes at work at once; null = any number"),
    ] = None
    time_limit_seconds: Annotated[int, Field(ge=RUN_LIMIT_SECONDS[0], le=RUN_LIMIT_SECONDS[1])] = (
        DEFAULT_RUN_LIMIT_SECONDS
    )
    concurrency: Concurrency = Field(default="skip", description="what a launch does while another run is open")
    nodes: list[NodeBody] = Field(max_length=MAX_NODES)
    edges: list[EdgeBody] = Field(default_factory=list, max_length=MAX_EDGES)
