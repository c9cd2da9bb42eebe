"""What a workflow names, judged for whoever saves it: that it is there, of the right kind, in use, and does not lead back to itself.

One text for absent and invisible: what one may not see does not exist. Every look is one statement, however many nodes there are.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import assemblies, filters, jobs, notifications, sites, windows
from watchbill.assemblies import Assembly
from watchbill.core.assembly_rules import AssemblyDraft
from watchbill.core.problems import Problem
from watchbill.core.workflow_types import Graph, Node, NodeType
from watchbill.identity import Actor, Permission

_T: Final = NodeType
#: Of which kind an assembly has to be, by the kind of node; the words are the same.
_ASSEMBLIES: Final = frozenset((_T.SCRIPT, _T.PLAYBOOK, _T.WORKFLOW))
Revisions = Mapping[tuple[UUID, int], AssemblyDraft]


async def judge(tx: AsyncConnection, actor: Actor, graph: Graph, own_id: UUID | None = None) -> list[Problem]:
    """Everything that is wrong with what the nodes name. `own_id`: the workflow itself, None = a new one.

    What is right stays so until the transaction ends.
    """
    actor.require(Permission.READ)
    return [
        *await _judge_sets(tx, actor, graph),
        *await _judge_others(tx, actor, graph),
        *await _judge_assemblies(tx, graph, own_id),
    ]


def _path(place: int, name: str) -> str:
    return f"workflow.nodes.{place}.settings.{name}"


def _named(graph: Graph, kind: NodeType, name: str) -> Iterator[tuple[str, Any]]:
    """What the nodes of a kind say there, each with its path."""
    for place, node in enumerate(graph.nodes):
        if node.type is kind and node.settings.get(name) is not None:
            yield _path(place, name), node.settings[name]


async def _judge_sets(tx: AsyncConnection, actor: Actor, graph: Graph) -> list[Problem]:
    """The device sets."""
    named = list(_named(graph, _T.DEVICES_FILTER, "filter_id"))
    known = await filters.facts_of(tx, actor.scope, {one for _, one in named})
    problems = [
        Problem(path, "filter_not_found", f"there is no filter {one}") for path, one in named if one not in known
    ]
    problems += [
        Problem(
            path, "filter_archived", f"the filter “{known[one].name}” is archived: an archived filter finds nothing"
        )
        for path, one in named
        if one in known and known[one].is_archived
    ]
    at = list(_named(graph, _T.DEVICES_SITE, "site_id"))
    there = await sites.existing(tx, {one for _, one in at}, actor.scope) if at else set()
    problems += [Problem(path, "site_not_found", f"there is no site {one}") for path, one in at if one not in there]
    return [*problems, *await _judge_devices(tx, actor, graph)]


async def _judge_devices(tx: AsyncConnection, actor: Actor, graph: Graph) -> list[Problem]:
    named = [
        (f"{path}.{place}", UUID(str(one)))
        for path, some in _named(graph, _T.DEVICES_LIST, "device_ids")
        for place, one in enumerate(some)
    ]
    there = await jobs.usable_devices(tx, actor.scope, {one for _, one in named}) if named else frozenset()
    return [Problem(path, "device_not_found", f"there is no device {one}") for path, one in named if one not in there]


async def _judge_others(tx: AsyncConnection, actor: Actor, graph: Graph) -> list[Problem]:
    """Channels and maintenance windows."""
    channels = list(_named(graph, _T.NOTIFY, "channel_id"))
    enabled = await notifications.channels_enabled(tx, actor.scope, {one for _, one in channels}) if channels else {}
    problems = [
        Problem(path, "channel_not_found", f"there is no channel {one}") for path, one in channels if one not in enabled
    ]
    problems += [
        Problem(path, "channel_disabled", f"channel {one} is disabled: nothing would be sent")
        for path, one in channels
        if not enabled.get(one, True)
    ]
    waits = list(_named(graph, _T.WAIT, "window_id"))
    there = await windows.existing(tx, actor.scope, {one for _, one in waits}) if waits else set()
    return [
        *problems,
        *(Problem(path, "window_not_found", f"there is no window {one}") for path, one in waits if one not in there),
    ]


@dataclass(frozen=True, slots=True)
class _Used:
    """A node that runs an assembly. `revision` None = the latest."""

    place: int
    node: Node
    assembly_id: UUID
    revision: int | None

    def problem(self, name: str, code: str, message: str) -> Problem:
        return Problem(_path(self.place, name), code, message)


@dataclass(slots=True)
class _Catalogue:
    """Assemblies as they stand, and the revisions that were asked for."""

    assemblies: dict[UUID, Assembly] = field(default_factory=dict)
    revisions: dict[tuple[UUID, int], AssemblyDraft] = field(default_factory=dict)

    def declared(self, assembly_id: UUID, revision: int | None) -> AssemblyDraft | None:
        one = self.assemblies.get(assembly_id)
        if one is None or revision in (None, one.revision):
            return one.draft if one else None
        return self.revisions.get((assembly_id, revision)) if revision is not None else None


def _used(graph: Graph) -> list[_Used]:
    return [
        _Used(place, node, UUID(str(node.settings["assembly_id"])), _number(node.settings.get("revision")))
        for place, node in enumerate(graph.nodes)
        if node.type in _ASSEMBLIES and node.settings.get("assembly_id")
    ]


def _number(revision: object) -> int | None:
    return revision if isinstance(revision, int) else None


async def _load(tx: AsyncConnection, catalogue: _Catalogue, wanted: Collection[tuple[UUID, int | None]]) -> None:
    missing = {one for one, _ in wanted} - catalogue.assemblies.keys()
    catalogue.assemblies |= {one.id: one for one in await assemblies.hold_many(tx, missing)} if missing else {}
    pinned = [(one, number) for one, number in wanted if number is not None]
    loaded = await assemblies.load_revisions(tx, pinned)
    catalogue.revisions |= {which: one.draft for which, one in loaded.items()}


async def _judge_assemblies(tx: AsyncConnection, graph: Graph, own_id: UUID | None) -> list[Problem]:
    used, catalogue = _used(graph), _Catalogue()
    await _load(tx, catalogue, {(one.assembly_id, one.revision) for one in used})
    problems = [problem for one in used for problem in _assembly_problems(one, catalogue)]
    return [*problems, *await _judge_recursion(tx, used, catalogue, own_id)]


def _assembly_problems(one: _Used, catalogue: _Catalogue) -> Iterator[Problem]:
    known = catalogue.assemblies.get(one.assembly_id)
    if known is None:
        yield one.problem("assembly_id", "assembly_not_found", f"there is no assembly {one.assembly_id}")
        return
    if known.archived_at is not None:
        yield one.problem("assembly_id", "assembly_archived", f"the assembly “{known.draft.name}” is archived")
    if known.draft.kind.value != one.node.type.value:
        message = f"“{known.draft.name}” is a {known.draft.kind}; this node runs a {one.node.type}"
        yield one.problem("assembly_id", "kind_mismatch", message)
    elif catalogue.declared(one.assembly_id, one.revision) is None:
        message = f"there is no revision {one.revision}; the assembly has 1 to {known.revision}"
        yield one.problem("revision", "revision_not_found", message)


async def _judge_recursion(
    tx: AsyncConnection, used: Sequence[_Used], catalogue: _Catalogue, own_id: UUID | None
) -> list[Problem]:
    """The nodes whose workflows lead back to this one. Level by level, each level in two statements; no workflow is looked at twice."""
    inner = [one for one in used if one.node.type is _T.WORKFLOW]
    if own_id is None:
        return []  # nothing that is saved can name what is not
    problems = []
    leads: dict[tuple[UUID, int | None], set[tuple[UUID, int | None]]] = {}
    level = {(one.assembly_id, one.revision) for one in inner}
    while level:
        await _load(tx, catalogue, level)
        for which in level:
            draft = catalogue.declared(*which)
            graph = draft.workflow if draft is not None and which[0] != own_id else None
            leads[which] = (
                {(one.assembly_id, one.revision) for one in _used(graph) if one.node.type is _T.WORKFLOW}
                if graph
                else set()
            )
        level = {which for found in leads.values() for which in found} - leads.keys()
    back = _leading_to(leads, own_id)
    for one in inner:
        if (one.assembly_id, one.revision) in back:
            message = "leads back to this workflow, which would then run within itself without end"
            problems.append(one.problem("assembly_id", "recursion", message))
    return problems


def _leading_to(
    leads: Mapping[tuple[UUID, int | None], Collection[tuple[UUID, int | None]]], own_id: UUID
) -> set[tuple[UUID, int | None]]:
    """Those that reach the workflow at any depth."""
    found = {which for which in leads if which[0] == own_id}
    while True:
        more = {which for which, inner in leads.items() if which not in found and found & set(inner)}
        if not more:
            return found
        found |= more
