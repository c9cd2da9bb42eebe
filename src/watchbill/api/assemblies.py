"""`/api/assemblies`: scripts, playbooks and workflows with their declared variables; every save that changes something is a revision."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Header, Path, Query, Response
from pydantic import Field

from watchbill import assemblies, jobs
from watchbill.api.auth import Caller
from watchbill.api.common import (
    FieldProblem,
    Instant,
    Model,
    Now,
    PageOf,
    PageQuery,
    SearchQuery,
    Tx,
    check_if_match,
    etag,
)
from watchbill.api.documented import Documented
from watchbill.api.playbook_checks import TheVerdicts, checked_router
from watchbill.api.workflow_bodies import WorkflowBody
from watchbill.api.workflow_checks import with_references
from watchbill.assemblies import Assembly, AssemblyBrief, AssemblyFilter, Revision, WorkflowUse
from watchbill.core.assembly_rules import (
    DEFAULT_TIME_LIMIT_SECONDS,
    MAX_CONTENT_CHARACTERS,
    MAX_TIME_LIMIT_SECONDS,
    MAX_VARIABLES,
    AssemblyKind,
    Interpreter,
    VariableType,
)
from watchbill.core.file_rules import MAX_FILE_BYTES
from watchbill.core.playbook_rules import MAX_COLLECTIONS, MAX_TREE_FILES
from watchbill.jobs import AssemblyUse, JobState
from watchbill.kit import yaml_file

resource = checked_router(prefix="/api/assemblies", tags=["assemblies"])

IfMatch = Annotated[str | None, Header(description="ETag of the revision that the change is based on")]
YAML = "text/yaml"
ExitCode = Annotated[int, Field(ge=1, le=255)]
RevisionNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]


class VariableBody(Model):
    """A variable that a job gives to the script through its environment, or to the playbook for each host."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    type: VariableType
    required: bool = False
    default: bool | int | float | str | None = Field(default=None, description="a value of its type; none for a secret")
    choices: list[str] = Field(default_factory=list, max_length=200, description="for type choice only")
    description: Annotated[str, Field(max_length=1000)] = ""
    promptable: bool | None = Field(
        default=None, description="of a workflow's parameter: whether a job or a launch may set it; null for others"
    )


class FileBody(Model):
    """A file that lies in the script's folder when it starts, or in the playbook's tree. Its content is stored before: `POST
    /api/assembly_files`.
    """

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=255,
            description="a plain name that every system takes; for a playbook a path below it such as roles/web/tasks/main.yml",
        ),
    ]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="of a stored content")]
    size: Annotated[int, Field(ge=0, le=MAX_FILE_BYTES, description="in bytes; 0 or left out = as it is stored")] = 0


class CollectionBody(Model):
    """A collection that a playbook takes something from. The Engine has it, or installs it from its configured source."""

    name: Annotated[str, Field(min_length=1, max_length=129, description="such as ansible.posix")]
    version: Annotated[str, Field(max_length=200, description="which will do, such as 1.5.4 or >=1.5,<2")] = "*"


class _Settings(Model):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    kind: AssemblyKind = Field(default=AssemblyKind.SCRIPT, description="stays what it is")
    interpreter: Interpreter | None = Field(default=None, description="of a script, which needs one")
    variables: list[VariableBody] = Field(default_factory=list, max_length=MAX_VARIABLES)
    time_limit_seconds: Annotated[int, Field(ge=1, le=MAX_TIME_LIMIT_SECONDS)] = DEFAULT_TIME_LIMIT_SECONDS
    warning_exit_codes: list[ExitCode] = Field(default_factory=list, max_length=255)
    files: list[FileBody] = Field(
        default_factory=list,
        max_length=MAX_TREE_FILES,
        description="where a saved assembly is changed, they stay when this is left out; at most 50 for a script",
    )
    collections: list[CollectionBody] = Field(
        default_factory=list, max_length=MAX_COLLECTIONS, description="for a playbook only"
    )


class AssemblyBody(_Settings):
    """A script, a playbook or a workflow, and how it is run."""

    content: Annotated[
        str,
        Field(
            max_length=MAX_CONTENT_CHARACTERS,
            description="the script itself, or the playbook's YAML, which lies as playbook.yml in its tree; empty for a workflow",
        ),
    ] = ""
    workflow: WorkflowBody | None = Field(default=None, description="of a workflow, which needs one; null for others")


class _Origin(Model):
    id: UUID
    revision: int
    content_sha256: str
    archived_at: Instant | None
    created_by: str | None
    updated_by: str | None
    created_at: Instant
    updated_at: Instant


class AssemblyListItem(_Settings, _Origin):
    """An assembly without its script. `used_by_jobs`: how many there are, also those that the caller does not see."""

    used_by_jobs: int
    used_by_workflows: int


class AssemblyReply(AssemblyBody, _Origin):
    """An assembly as it stands."""


class RevisionReply(AssemblyBody):
    """What one save held. It never changes."""

    assembly_id: UUID
    revision: int
    content_sha256: str
    created_by: str | None
    created_at: Instant


class AssemblyJobReply(Model):
    """A job that an assembly is part of. `revisions`: those that it runs; latest = each new one, from its next occurrence on."""

    id: int
    name: str
    state: JobState
    execution_context: str | None
    revisions: list[int | Literal["latest"]]


class AssemblyWorkflowReply(Model):
    """A workflow that has an assembly as a node. `revisions`: those that it runs; latest = each new one."""

    id: UUID
    name: str
    revisions: list[int | Literal["latest"]]


class AssemblyUsageReply(Model):
    """What keeps an assembly from being archived. Jobs that the caller does not see are counted, not named."""

    jobs: list[AssemblyJobReply]
    unseen_jobs: int
    workflows: list[AssemblyWorkflowReply]


class AssemblyCheck(Model):
    """What a save would find, every problem at once; those of YAML and of Ansible begin with their line and column."""

    problems: list[FieldProblem]


class AssemblyQuery(SearchQuery):
    kind: AssemblyKind | None = None
    interpreter: Interpreter | None = None
    archived: Literal["false", "true", "all"] = "false"


AnyAssembly = Annotated[Any, Documented(AssemblyBody), Body()]
YamlFile = Annotated[str, Body(media_type=YAML, description="one assembly as GET …/export writes it")]

_ORIGIN = tuple(_Origin.model_fields)


def assembly_reply(assembly: Assembly, response: Response) -> AssemblyReply:
    response.headers["ETag"] = etag(assembly.revision)
    origin = {name: getattr(assembly, name) for name in _ORIGIN}
    return AssemblyReply.model_validate({**assembly.draft.to_json(), **origin})


def _item(brief: AssemblyBrief, used_by_jobs: int, used_by_workflows: int) -> AssemblyListItem:
    origin = {name: getattr(brief, name) for name in _ORIGIN}
    used = {"used_by_jobs": used_by_jobs, "used_by_workflows": used_by_workflows}
    return AssemblyListItem.model_validate({**brief.definition, **origin, **used})


def _usage(uses: Sequence[AssemblyUse], workflows: Sequence[WorkflowUse]) -> AssemblyUsageReply:
    names = ("id", "name", "state", "execution_context")
    seen = [
        {**{name: getattr(one, name) for name in names}, "revisions": _revisions(one.revisions)}
        for one in uses
        if one.is_visible
    ]
    others = [{"id": one.id, "name": one.name, "revisions": _revisions(one.revisions)} for one in workflows]
    return AssemblyUsageReply.model_validate({"jobs": seen, "unseen_jobs": len(uses) - len(seen), "workflows": others})


def _revisions(numbers: Sequence[int | None]) -> list[int | str]:
    return ["latest" if number is None else number for number in numbers]


def _named(uses: Sequence[AssemblyUse], workflows: Sequence[WorkflowUse]) -> list[str]:
    """As a refusal names them."""
    names = [one.name for one in uses if one.is_visible]
    hidden = len(uses) - len(names)
    unseen = [f"{hidden} of sites that you do not see"] if hidden else []
    return [*names, *unseen, *(f"the workflow {one.name}" for one in workflows)]


def _revision(one: Revision) -> RevisionReply:
    names = ("assembly_id", "revision", "content_sha256", "created_by", "created_at")
    return RevisionReply.model_validate({**one.draft.to_json(), **{name: getattr(one, name) for name in names}})


@resource.get("")
async def list_assemblies(tx: Tx, caller: Caller, query: Annotated[AssemblyQuery, Query()]) -> PageOf[AssemblyListItem]:
    """Assemblies by name; archived ones only when asked for."""
    archived = {"false": False, "true": True, "all": None}[query.archived]
    wanted = AssemblyFilter(query.q, query.kind, query.interpreter, archived)
    page = await assemblies.list_assemblies(tx, caller, wanted, limit=query.limit, cursor=query.cursor)
    ids = [one.id for one in page.items]
    users, workflows = await jobs.count_users(tx, ids), await assemblies.count_users(tx, ids)
    return PageOf[AssemblyListItem].of(page, lambda one: _item(one, users.get(one.id, 0), workflows.get(one.id, 0)))


@resource.post("", status_code=201)
async def create_assembly(
    body: AnyAssembly, tx: Tx, caller: Caller, now: Now, response: Response, verdicts: TheVerdicts
) -> AssemblyReply:
    """Save a new assembly. The syntax of a playbook is checked before, which takes some seconds."""
    verdicts = await with_references(tx, caller, body, verdicts)
    made = await assemblies.create(tx, caller, body, now=now, verdicts=verdicts)
    response.headers["Location"] = f"/api/assemblies/{made.id}"
    return assembly_reply(made, response)


@resource.post("/import")
async def import_assembly(
    body: YamlFile, tx: Tx, caller: Caller, now: Now, response: Response, verdicts: TheVerdicts
) -> AssemblyReply:
    """Save the assembly of a YAML file: a new one (201), or a new revision of the one with that name (200)."""
    verdicts = await with_references(tx, caller, yaml_file.read(body).value, verdicts)
    saved = await assemblies.import_file(tx, caller, body, now=now, verdicts=verdicts)
    if saved.is_changed and not saved.is_new:
        await jobs.require_followers(tx, caller, saved.assembly.id)
    response.status_code = 201 if saved.is_new else 200
    return assembly_reply(saved.assembly, response)


@resource.post("/check")
async def check_assembly(
    body: AnyAssembly,
    tx: Tx,
    caller: Caller,
    verdicts: TheVerdicts,
    assembly_id: Annotated[
        UUID | None, Query(description="the assembly that is to be changed; none for a new one")
    ] = None,
) -> AssemblyCheck:
    """Everything that a save would check, the syntax of a playbook and what a workflow names among it, and nothing saved."""
    before = await assemblies.get(tx, caller, assembly_id) if assembly_id is not None else None
    verdicts = await with_references(tx, caller, body, verdicts, assembly_id)
    _, problems = await assemblies.judge(tx, caller, body, before, verdicts)
    return AssemblyCheck.model_validate({"problems": problems})


@resource.get("/{assembly_id}")
async def get_assembly(assembly_id: UUID, tx: Tx, caller: Caller, response: Response) -> AssemblyReply:
    """One assembly at its latest revision."""
    return assembly_reply(await assemblies.get(tx, caller, assembly_id), response)


@resource.put("/{assembly_id}")
async def update_assembly(
    assembly_id: UUID,
    body: AnyAssembly,
    tx: Tx,
    caller: Caller,
    now: Now,
    response: Response,
    verdicts: TheVerdicts,
    if_match: IfMatch = None,
) -> AssemblyReply:
    """Save an assembly anew; what changes nothing makes no revision."""
    before = await assemblies.lock(tx, caller, assembly_id)
    check_if_match(if_match, before.revision)
    verdicts = await with_references(tx, caller, body, verdicts, assembly_id)
    after = await assemblies.update(tx, caller, before, body, now=now, verdicts=verdicts)
    if after.revision != before.revision:
        await jobs.require_followers(tx, caller, assembly_id)
    return assembly_reply(after, response)


@resource.get("/{assembly_id}/usage")
async def get_assembly_usage(assembly_id: UUID, tx: Tx, caller: Caller) -> AssemblyUsageReply:
    """The jobs and workflows that the assembly is part of, and which of its revisions each runs."""
    await assemblies.get(tx, caller, assembly_id)
    workflows = await assemblies.using_assembly(tx, caller, assembly_id)
    return _usage(await jobs.using_assembly(tx, caller, assembly_id), workflows)


@resource.get("/{assembly_id}/revisions")
async def list_assembly_revisions(
    assembly_id: UUID, tx: Tx, caller: Caller, query: Annotated[PageQuery, Query()]
) -> PageOf[RevisionReply]:
    """Every save, newest first."""
    page = await assemblies.list_revisions(tx, caller, assembly_id, limit=query.limit, cursor=query.cursor)
    return PageOf[RevisionReply].of(page, _revision)


@resource.get("/{assembly_id}/revisions/{revision}")
async def get_assembly_revision(assembly_id: UUID, revision: RevisionNumber, tx: Tx, caller: Caller) -> RevisionReply:
    """One immutable revision."""
    return _revision(await assemblies.get_revision(tx, caller, assembly_id, revision))


@resource.post("/{assembly_id}/archive")
async def archive_assembly(assembly_id: UUID, tx: Tx, caller: Caller, now: Now, response: Response) -> AssemblyReply:
    """Take it out of use; refused while a job or a workflow uses it. Its history stays, its name becomes free."""
    before = await assemblies.lock(tx, caller, assembly_id)
    workflows = await assemblies.using_assembly(tx, caller, assembly_id)
    used_by = _named(await jobs.using_assembly(tx, caller, assembly_id), workflows)
    return assembly_reply(await assemblies.archive(tx, caller, before, used_by=used_by, now=now), response)


@resource.post("/{assembly_id}/restore")
async def restore_assembly(assembly_id: UUID, tx: Tx, caller: Caller, now: Now, response: Response) -> AssemblyReply:
    """Bring an archived assembly back into use."""
    before = await assemblies.lock(tx, caller, assembly_id)
    return assembly_reply(await assemblies.restore(tx, caller, before, now=now), response)


@resource.get(
    "/{assembly_id}/export",
    response_class=Response,
    responses={200: {"content": {YAML: {"schema": {"type": "string"}}}}},
)
async def export_assembly(assembly_id: UUID, tx: Tx, caller: Caller) -> Response:
    """The assembly as one YAML file."""
    assembly = await assemblies.get(tx, caller, assembly_id)
    return Response(assemblies.export_file(assembly), media_type=YAML, headers={"ETag": etag(assembly.revision)})
