"""What a workflow names, judged for whoever saves it: that it is there, in use, of the right kind, and does not lead back to itself.

One text for absent and invisible: what one may not see does not exist. Every look is one statement, however many nodes there are.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import credentials, filters, jobs, notifications, sites, windows
from watchbill.core import workflow_facts
from watchbill.core.job_rules import AssemblyFacts, Facts
from watchbill.core.job_rules_login import LoginFacts
from watchbill.core.problems import Problem, under
from watchbill.core.targets import TargetFacts
from watchbill.core.workflow_settings import AssemblyReference, References, references
from watchbill.core.workflow_types import Graph, NodeType
from watchbill.identity import Actor, Permission

#: A revision of a workflow; None = the latest.
_Pinned = tuple[UUID, int | None]
_PLACE: Final = "workflow.nodes"
#: A node begins when it is its turn: the job that it stands for is right at any time.
_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


async def judge(tx: AsyncConnection, actor: Actor, graph: Graph, own_id: UUID | None = None) -> list[Problem]:
    """Everything that is wrong with what the nodes name. `own_id`: the workflow itself, None = a new one.

    What is right stays so until the transaction ends.
    """
    actor.require(Permission.READ)
    named = references(graph)
    targets = await _target_facts(tx, actor, named)
    found = [
        *_judge_sets(named, targets),
        *await _judge_others(tx, actor, named),
        *await _judge_nodes(tx, actor, graph, named, targets),
        *await _judge_recursion(tx, graph, own_id),
    ]
    return list(dict.fromkeys(found))  # who goes first in waves is judged as a device set and as a part of a job


async def _target_facts(tx: AsyncConnection, actor: Actor, named: References) -> TargetFacts:
    places, devices = {one.id for one in named.sites}, {one.id for one in named.devices}
    return TargetFacts(
        devices=await jobs.usable_devices(tx, actor.scope, devices) if devices else frozenset(),
        sites=frozenset(await sites.existing(tx, places, actor.scope)) if places else frozenset(),
        filters=await filters.facts_of(tx, actor.scope, {one.id for one in named.filters}),
    )


def _judge_sets(named: References, targets: TargetFacts) -> Iterator[Problem]:
    """What device sets and canaries name."""
    for one in named.filters:
        known = (targets.filters or {}).get(one.id)
        if known is None:
            yield _missing(one.field, "filter", one.id)
        elif known.is_archived:
            message = f"the filter “{known.name}” is archived: an archived filter finds nothing"
            yield Problem(one.field, "filter_archived", message)
    yield from (_missing(one.field, "site", one.id) for one in named.sites if one.id not in targets.sites)
    yield from (_missing(one.field, "device", one.id) for one in named.devices if one.id not in targets.devices)


async def _judge_others(tx: AsyncConnection, actor: Actor, named: References) -> list[Problem]:
    """Channels and maintenance windows."""
    wanted = {one.id for one in named.channels}
    enabled = await notifications.channels_enabled(tx, actor.scope, wanted) if wanted else {}
    opening = {one.id for one in named.windows}
    there = await windows.existing(tx, actor.scope, opening) if opening else set()
    silent = [one for one in named.channels if not enabled.get(one.id, True)]
    return [
        *(_missing(one.field, "channel", one.id) for one in named.channels if one.id not in enabled),
        *(Problem(one.field, "channel_disabled", f"channel {one.id} is off: nothing would be sent") for one in silent),
        *(_missing(one.field, "window", one.id) for one in named.windows if one.id not in there),
    ]


def _missing(field: str, what: str, number: object) -> Problem:
    return Problem(field, f"{what}_not_found", f"there is no {what} {number}")


async def _judge_nodes(
    tx: AsyncConnection, actor: Actor, graph: Graph, named: References, targets: TargetFacts
) -> list[Problem]:
    """What scripts, playbooks and workflows are run with, by the rules of jobs."""
    known = await jobs.assembly_facts(tx, {(one.id, one.revision) for one in named.assemblies})
    elsewhere = await jobs.set_elsewhere(tx, actor, known)
    numbers = {one.id for one in named.credentials}
    logins = await credentials.facts(tx, actor.scope, numbers) if numbers else {}
    problems: list[Problem] = []
    for place, node in enumerate(graph.nodes):
        # One for a site is for those devices that are there; which are is known when the node runs.
        login = logins.get(node.settings.get("credential_id") or 0)
        told = LoginFacts(login.kind, None, login.is_locked) if login else None
        facts = Facts(_ANY_TIME, known, targets, set_elsewhere=elsewhere, login=told)
        problems += under(f"{_PLACE}.{place}", workflow_facts.judge_node(node, facts))
    return problems


async def _judge_recursion(tx: AsyncConnection, graph: Graph, own_id: UUID | None) -> list[Problem]:
    """The nodes whose workflows lead back to this one. Level by level; no revision is looked at twice."""
    if own_id is None:
        return []  # nothing that is saved can name what is not yet
    inner = list(_workflows(graph))
    leads: dict[_Pinned, set[_Pinned]] = {}
    level = {(one.id, one.revision) for one in inner}
    while level:
        known = await jobs.assembly_facts(tx, level)
        leads |= {which: _led_to(which, known) if which[0] != own_id else set() for which in level}
        level = {which for found in leads.values() for which in found} - leads.keys()
    back = _leading_to(leads, own_id)
    message = "leads back to this workflow, which would then run within itself without end"
    return [Problem(one.field, "recursion", message) for one in inner if (one.id, one.revision) in back]


def _workflows(graph: Graph) -> Iterator[AssemblyReference]:
    return (one for one in references(graph).assemblies if one.kind.value == NodeType.WORKFLOW.value)


def _led_to(which: _Pinned, known: Mapping[UUID, AssemblyFacts]) -> set[_Pinned]:
    facts = known.get(which[0])
    declared = facts.revisions.get(which[1] or facts.latest) if facts else None
    graph = declared.workflow if declared else None
    return {(one.id, one.revision) for one in _workflows(graph)} if graph else set()


def _leading_to(leads: Mapping[_Pinned, Collection[_Pinned]], own_id: UUID) -> set[_Pinned]:
    """Those that reach the workflow at any depth."""
    found = {which for which in leads if which[0] == own_id}
    while True:
        more = {which for which, inner in leads.items() if which not in found and not found.isdisjoint(inner)}
        if not more:
            return found
        found |= more
