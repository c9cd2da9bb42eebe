"""What a job that launches a workflow may say: read without a database, everything wrong at once."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.assembly_check import check
from watchbill.core.job_rules import AssemblyFacts, Facts, read, settle
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.job_rules_workflow import workflow_in_words
from watchbill.core.targets import TargetFacts

NOW = datetime(2026, 11, 29, tzinfo=UTC)
ID = UUID("a0000000-0000-0000-0000-000000000001")
PAUSE = {"id": "pause", "type": "wait", "name": "Pause", "settings": {"for": "duration", "seconds": 5}}


def workflow(trigger="trigger_job", **changes):
    start = {"id": "start", "type": trigger, "name": "Start", "settings": {}}
    edge = {"from": "start.out", "to": "pause.in", "route_on": "success"}
    checked = check(
        {
            "name": "Patch",
            "kind": "workflow",
            "variables": [
                {"name": "ring", "type": "string", "required": True},
                {"name": "fixed", "type": "number", "default": 1, "promptable": False},
            ],
            "workflow": {"nodes": [start, PAUSE], "edges": [edge]} | changes,
        }
    )
    assert not checked.problems
    return checked.draft


def job(**changes):
    return {
        "name": "Nightly",
        "components": [{"assembly_id": str(ID), "kind": "workflow", "variables": {"ring": "first"}}],
        "schedule": {"type": "daily", "start": "2027-01-01T03:00"},
    } | changes


def judged(body, declared=None):
    facts = Facts(NOW, {ID: AssemblyFacts(1, is_archived=False, revisions={1: declared or workflow()})}, TargetFacts())
    reading = read(body)
    settled = settle(reading.draft, facts)
    return settled.job, {(one.field, one.code) for one in (*reading.problems, *settled.problems)}


def test_a_job_with_the_least_is_whole_and_runs_in_no_context():
    made, problems = judged(job())
    assert problems == set()
    assert made is not None
    assert (made.workflow_id, made.time_limit_seconds, made.targets) == (ID, None, ())
    assert made.execution_context is ExecutionContext.NONE
    assert made.components[0].variables == {"ring": "first"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"targets": [{"kind": "all_devices"}]}, ("targets", "not_allowed")),
        ({"execution_context": "system"}, ("execution_context", "not_allowed")),
        ({"use_service_account": True}, ("use_service_account", "not_allowed")),
        ({"policies": {"overlap": "replace"}}, ("policies.overlap", "not_allowed")),
        ({"policies": {"splay_seconds": 60}}, ("policies.splay_seconds", "not_allowed")),
        ({"duration": {"run_limit_seconds": 60}}, ("duration.run_limit_seconds", "not_allowed")),
        (
            {"schedule": {"type": "daily", "start": "2027-01-01T03:00", "timezone_source": "device"}},
            ("schedule.timezone_source", "not_allowed"),
        ),
        (
            {"components": [{"assembly_id": str(ID), "kind": "workflow", "role": "check"}]},
            ("components.0.role", "not_allowed"),
        ),
        ({"components": [*job()["components"], {"assembly_id": str(ID)}]}, ("components", "length")),
        (
            {"components": [{"assembly_id": str(ID)}], "targets": [{"kind": "all_devices"}]},
            ("components.0.kind", "kind_mismatch"),
        ),
    ],
)
def test_what_it_may_not_say_is_told_once_at_its_field(changes, problem):
    _, problems = judged(job(**changes))
    assert problem in problems
    assert len([one for one in problems if one[0] == problem[0]]) == 1


def test_a_workflow_that_no_job_starts_is_refused():
    _, problems = judged(job(), workflow("trigger_manual"))
    assert problems == {("components.0.assembly_id", "no_trigger")}


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just({"is_set": True})


@given(st.dictionaries(st.sampled_from(["ring", "fixed", "other"]), values))
def test_only_promptable_parameters_of_their_type_come_through(given_values):
    component = {"assembly_id": str(ID), "kind": "workflow", "variables": given_values}
    made, problems = judged(job(components=[component]))
    if made is None:
        assert problems
    else:
        assert made.components[0].variables.keys() == {"ring"}
        assert isinstance(made.components[0].variables["ring"], str)


def test_it_is_told_what_is_taken_from_the_workflow():
    graph = workflow(max_parallel=2, time_limit_seconds=7200, concurrency="queue_one").workflow
    assert graph is not None
    assert workflow_in_words("Patch", 3, graph) == [
        "1. Launch the workflow `Patch` at revision 3: 2 nodes, at most 2 at once.",
        "The workflow names no devices.",
        "A run is stopped after 2 hours.",
        "While another run of the workflow is open, one waits for its end.",
    ]
