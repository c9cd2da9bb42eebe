"""`/api/workflows/check` and `/api/workflows/schema`: what is wrong with the document of a workflow, and what it may say at all."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from watchbill import assemblies
from watchbill.api.assemblies import AssemblyBody
from watchbill.api.auth import Caller
from watchbill.api.common import FieldProblem, Model, Tx, router
from watchbill.api.documented import Documented
from watchbill.api.workflow_checks import with_references
from watchbill.core.workflow_graph import Located, located
from watchbill.core.workflow_schema import document_schema, shapes_json
from watchbill.identity import Permission

resource = router(prefix="/api/workflows", tags=["workflows"])


class WorkflowCheckBody(Model):
    """A workflow that is not saved, as it would be."""

    definition: Annotated[Any, Documented(AssemblyBody)]
    assembly_id: UUID | None = Field(default=None, description="the workflow that is to be changed; null = a new one")


class PlacedProblem(FieldProblem):
    """A problem with the node and the port that it is about, where it is about one."""

    node: str | None
    port: str | None


class WorkflowCheck(Model):
    """What a save would find, every problem at once."""

    problems: list[PlacedProblem]


@resource.post("/check")
async def check_workflow(body: WorkflowCheckBody, tx: Tx, caller: Caller) -> WorkflowCheck:
    """Everything that a save of a workflow would check, with its places in the graph, and nothing saved."""
    before = await assemblies.get(tx, caller, body.assembly_id) if body.assembly_id is not None else None
    caller.require(Permission.ASSEMBLIES_WRITE)
    verdicts = await with_references(tx, caller, body.definition, assemblies.NO_VERDICTS, body.assembly_id)
    _, problems = await assemblies.judge(tx, caller, body.definition, before, verdicts)
    return WorkflowCheck(problems=[_placed(one) for one in located(problems, body.definition)])


def _placed(one: Located) -> PlacedProblem:
    problem = one.problem
    return PlacedProblem(field=problem.field, code=problem.code, message=problem.message, node=one.node, port=one.port)


@resource.get("/schema")
async def get_workflow_schema(caller: Caller) -> dict[str, Any]:
    """The JSON schema (2020-12) of the document of a workflow, as it is saved, exported and imported."""
    caller.require(Permission.READ)
    return document_schema()


@resource.get("/node_types")
async def get_node_types(caller: Caller) -> dict[str, Any]:
    """The types of nodes with their ports, for whoever draws a workflow."""
    caller.require(Permission.READ)
    return shapes_json()
