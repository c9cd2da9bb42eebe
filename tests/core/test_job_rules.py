"""What a job may say; every fault is named at once, and what this version lacks is refused as such."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core import schedule as calendar
from watchbill.core.assembly_check import check as check_assembly
from watchbill.core.job_rules import AssemblyFacts, Facts, read, settle
from watchbill.core.job_rules_toggle import read_toggle
from watchbill.core.targets import TargetFacts

NOW = datetime(2026, 5, 4, 7, 1, tzinfo=UTC)
ASSEMBLY, OLD = UUID(int=1), UUID(int=2)
DEVICES = [UUID(int=100 + number) for number in range(3)]
SCRIPT = {
    "name": "Clean",
    "interpreter": "bash",
    "content": "true",
    "time_limit_seconds": 900,
    "variables": [
        {"name": "Age", "type": "number", "default": 24},
        {"name": "Mode", "type": "choice", "choices": ["soft", "hard"]},
        {"name": "Dry", "type": "boolean"},
        {"name": "Where", "type": "string", "required": True},
        {"name": "Token", "type": "secret", "required": True},
    ],
}
VALUES = {"Where": "here", "Token": "hush"}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def facts(**changes) -> Facts:
    draft = check_assembly(SCRIPT).draft
    known = {
        ASSEMBLY: AssemblyFacts(2, is_archived=False, revisions={1: draft, 2: draft}),
        OLD: AssemblyFacts(1, is_archived=True, revisions={1: draft}),
    }
    return replace(Facts(NOW, known, TargetFacts(frozenset(DEVICES))), **changes)


def device(device_id):
    return {"kind": "device", "device_id": str(device_id)}


def component(**changes):
    return {"assembly_id": str(ASSEMBLY), "variables": VALUES} | changes


def job(**changes):
    return {
        "name": "Spool",
        "components": [component()],
        "targets": [device(DEVICES[0])],
        "schedule": {"type": "daily", "start": "2026-05-05T07:00"},
    } | changes


def judged(definition, known=None):
    reading = read(definition)
    settled = settle(reading.draft, known or facts())
    return settled.job if not reading.problems else None, [*reading.problems, *settled.problems]


def found(definition, known=None):
    return sorted((problem.field, problem.code) for problem in judged(definition, known)[1])


def with_values(**values):
    return job(components=[component(variables=VALUES | values)])


def test_the_least_that_a_job_needs_gets_every_default():
    saved, problems = judged(job())
    assert not problems
    assert saved is not None
    assert (saved.job_kind, saved.execution_context, saved.enabled) == ("automation", "system", None)
    assert (saved.time_limit_seconds, saved.expires_after_seconds) == (900, None)
    assert saved.policies.to_json() == {
        "overlap": "skip", "overlap_scope": "device", "catch_up": "latest", "catch_up_window_seconds": None,
        "offline": "wait", "splay_seconds": 0, "splay_mode": "fixed", "retries": 0, "retry_delay_seconds": 60, "retry_on": ["failed", "timed_out"],
        "continue_on_failure": False, "concurrency": None, "waves": None, "failure_threshold_percent": 0,
        "no_targets": "skip", "max_change_percent": None, "max_change_devices": None, "no_user_session": "skip",
        "site_concurrency": None, "interrupted": "lost",
    }  # fmt: skip


def test_the_documented_job_is_accepted_except_for_its_filter():
    definition = {
        "name": "Clear print spool", "description": "", "job_kind": "automation",
        "components": [component(kind="script", revision="latest")],
        "targets": [device(DEVICES[0]), device(DEVICES[1])], "exclusions": [device(DEVICES[1])],
        "schedule": {"type": "every_15_minutes", "start": "2026-05-04T07:00", "timezone": "Europe/Berlin", "end": None, "count": None},
        "execution_context": "system", "credential_id": None, "use_service_account": False,
        "duration": {"time_limit_seconds": 1800, "expires_after_seconds": 86400},
        "policies": {"overlap": "skip", "overlap_scope": "device", "catch_up": "latest", "catch_up_window_seconds": 3600,
                     "offline": "wait", "splay_seconds": 0, "retries": 0, "retry_delay_seconds": 60, "retry_on": ["failed", "timed_out"],
                     "continue_on_failure": False, "concurrency": None, "waves": None, "failure_threshold_percent": 0},
        "enabled": True,
    }  # fmt: skip
    assert found(definition) == []


def test_faults_in_every_part_are_named_at_once():
    definition = {
        "name": 7,
        "components": [component(assembly_id=str(UUID(int=9)))],
        "targets": [device(DEVICES[0]), device(DEVICES[0]), {"kind": "device", "device_id": "x"}, device(UUID(int=9))],
        "schedule": {"type": "daily", "start": 5, "timezone": "Mars/Olympus"},
        "duration": {"time_limit_seconds": 0, "speed": 1},
        "policies": {"overlap": "sometimes"},
        "enabled": "yes",
        "colour": "red",
        "id": 4,
    }
    assert found(definition) == [
        ("colour", "unknown_field"),
        ("components.0.assembly_id", "assembly_not_found"),
        ("duration.speed", "unknown_field"),
        ("duration.time_limit_seconds", "out_of_range"),
        ("enabled", "wrong_type"),
        ("id", "read_only"),
        ("name", "wrong_type"),
        ("policies.overlap", "not_allowed"),
        ("schedule.start", "invalid_time"),
        ("schedule.timezone", "unknown_timezone"),
        ("targets.1.device_id", "duplicate"),
        ("targets.2.device_id", "wrong_type"),
        ("targets.3.device_id", "device_not_found"),
    ]


@pytest.mark.parametrize("definition", [None, [], "job", 5])
def test_a_job_is_an_object(definition):
    assert ("", "wrong_type") in found(definition)


def test_what_a_later_version_brings_is_refused_by_name():
    problems = judged(job(job_kind="agent_maintenance"))[1]
    (problem,) = [problem for problem in problems if problem.field == "job_kind"]
    assert (problem.code, "must be" in problem.message) == ("not_available_yet", True)


CHECK = {"role": "check"}
RETRIES = {"retries": 2}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"components": [component()] * 21}, ("components", "length")),
        ({"components": [component(role="fix")]}, ("components.0.role", "not_allowed")),
        (
            {"components": [component(not_compliant_exit_codes=[3])]},
            ("components.0.not_compliant_exit_codes", "not_allowed"),
        ),
        (
            {"components": [component(**CHECK, not_compliant_exit_codes=[1, 0])]},
            ("components.0.not_compliant_exit_codes.1", "out_of_range"),
        ),
        ({"policies": {"retries": False}}, ("policies.retries", "out_of_range")),
        ({"policies": {"retries": 11}}, ("policies.retries", "out_of_range")),
        ({"policies": {"retry_delay_seconds": 5}}, ("policies.retry_delay_seconds", "no_effect")),
        ({"policies": {"retry_on": ["warning"]}}, ("policies.retry_on", "no_effect")),
        ({"policies": {**RETRIES, "retry_on": ["failed", "lost"]}}, ("policies.retry_on.1", "not_allowed")),
        ({"policies": {**RETRIES, "retry_on": ["expired"]}}, ("policies.retry_on.0", "not_allowed")),
        ({"policies": {**RETRIES, "retry_on": [["failed"]]}}, ("policies.retry_on.0", "not_allowed")),
        ({"policies": {"continue_on_failure": True}}, ("policies.continue_on_failure", "no_effect")),
        (
            {"policies": {**RETRIES, "retry_delay_seconds": 600}, "duration": {"expires_after_seconds": 600}},
            ("policies.retry_delay_seconds", "out_of_range"),
        ),
        (
            {
                "policies": {**RETRIES, "retry_delay_seconds": 600},
                "duration": {"time_limit_seconds": 5, "run_limit_seconds": 300},
            },
            ("policies.retry_delay_seconds", "out_of_range"),
        ),
    ],
)
def test_components_and_retries_that_cannot_be_are_named(changes, problem):
    assert problem in [(one.field, one.code) for one in judged(job(**changes))[1]]


def test_a_device_has_the_time_limits_of_all_components_together():
    saved, problems = judged(job(components=[component(**CHECK), component(), component()]))
    one = judged(job(components=[component()]))[0]
    assert not problems
    assert saved is not None and one is not None
    assert saved.time_limit_seconds == 3 * one.time_limit_seconds
    assert [part.not_compliant_exit_codes for part in saved.components] == [(1,), (), ()]


@pytest.mark.parametrize("context", ["ssh", "winrm", "root", 5])
def test_a_script_does_not_run_over_ssh(context):
    assert found(job(execution_context=context)) == [("execution_context", "not_allowed")]


def test_a_job_may_run_as_who_is_signed_in_and_only_such_a_job_waits_for_somebody():
    waiting = {"policies": {"no_user_session": "wait"}}
    saved = judged(job(execution_context="current_user", **waiting))[0]
    assert saved is not None
    assert (saved.execution_context, saved.policies.no_user_session) == ("current_user", "wait")
    assert found(job(**waiting)) == [("policies.no_user_session", "not_allowed")]
    assert found(job(policies={"no_user_session": "ask"})) == [("policies.no_user_session", "not_allowed")]


def test_a_job_for_signed_in_users_has_components_checks_and_tries_as_any_other():
    parts = job()["components"] * 2
    parts[0] = {**parts[0], "role": "check"}
    several = {"components": parts, "policies": {"retries": 2}, "execution_context": "current_user"}
    assert found(job(**several)) == []


@pytest.mark.parametrize(
    ("part", "name", "low", "high"),
    [
        ("duration", "time_limit_seconds", 1, 604_800),
        ("duration", "expires_after_seconds", 60, 2_592_000),
        ("policies", "catch_up_window_seconds", 60, 604_800),
        ("policies", "failure_threshold_percent", 0, 100),
        ("policies", "splay_seconds", 0, 86_399),
        ("duration", "run_limit_seconds", 900, 2_592_000),
    ],
)
def test_numbers_have_their_bounds(part, name, low, high):
    for value in (low, high, None):
        assert found(job(**{part: {name: value}})) == []
    for value in (low - 1, high + 1, 1.5, "5", True):
        assert found(job(**{part: {name: value}})) == [(f"{part}.{name}", "out_of_range")]


@pytest.mark.parametrize("name", [None, "", " a", "a ", "a\nb", "x" * 201])
def test_a_name_is_one_line(name):
    assert [field for field, _ in found(job(name=name))] == ["name"]


def test_at_most_ten_thousand_devices():
    many = [uuid4() for _ in range(10_001)]
    known = facts(targets=TargetFacts(frozenset(many)))
    assert found(job(targets=[device(one) for one in many[:-1]]), known) == []
    assert found(job(targets=[device(one) for one in many]), known) == [("targets", "length")]


@pytest.mark.parametrize("targets", [None, []])
def test_a_job_without_targets_is_refused(targets):
    assert [field for field, _ in found(job(targets=targets))] == ["targets"]


def test_excluding_every_target_is_refused():
    assert found(job(exclusions=[device(DEVICES[0])])) == [("exclusions", "nothing_left")]


def test_an_unknown_device_is_named_where_it_stands():
    stranger = UUID(int=9)
    definition = job(targets=[device(DEVICES[0]), device(stranger)], exclusions=[device(stranger)])
    problems = judged(definition)[1]
    assert [problem.field for problem in problems] == ["targets.1.device_id", "exclusions.0.device_id"]
    assert all(str(stranger) in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"Token": "x"}, [("components.0.variables.Where", "required")]),
        ({"Where": "x"}, [("components.0.variables.Token", "required")]),
        (VALUES | {"Where": None}, [("components.0.variables.Where", "required")]),
        (VALUES | {"Speed": 1}, [("components.0.variables.Speed", "unknown_variable")]),
        (VALUES | {"Age": "8"}, [("components.0.variables.Age", "wrong_type")]),
        (VALUES | {"Mode": "wild"}, [("components.0.variables.Mode", "not_a_choice")]),
        (VALUES | {"Dry": 0}, [("components.0.variables.Dry", "wrong_type")]),
        (VALUES | {"Token": 5}, [("components.0.variables.Token", "wrong_type")]),
        (VALUES | {"Token": {"is_set": True}}, [("components.0.variables.Token", "secret_not_set")]),
        (VALUES | {"Token": {"is_set": False}}, [("components.0.variables.Token", "wrong_type")]),
        ({}, [("components.0.variables.Token", "required"), ("components.0.variables.Where", "required")]),
    ],
)
def test_variables_are_judged_by_their_declaration(variables, expected):
    assert found(job(components=[component(variables=variables)])) == expected


def test_secrets_are_kept_apart_from_open_values():
    saved, _ = judged(with_values(Age=8))
    assert saved is not None
    assert saved.components[0].variables == {"Where": "here", "Age": 8}
    assert saved.components[0].secrets == {"Token": "hush"}
    assert "hush" not in repr(saved)


def test_a_stored_secret_is_kept_only_for_the_assembly_it_was_given_to():
    definition = with_values(Token={"is_set": True})
    kept = facts(stored_secrets=[(ASSEMBLY, frozenset({"Token"}))])
    saved, problems = judged(definition, kept)
    assert not problems
    assert saved is not None
    assert saved.components[0].kept == {"Token"}
    moved = facts(stored_secrets=[(OLD, frozenset({"Token"}))])
    assert found(definition, moved) == [("components.0.variables.Token", "secret_not_set")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"assembly_id": None}, [("components.0.assembly_id", "required")]),
        ({"assembly_id": "6b1c"}, [("components.0.assembly_id", "wrong_type")]),
        ({"assembly_id": str(OLD)}, [("components.0.assembly_id", "assembly_archived")]),
        ({"revision": 3}, [("components.0.revision", "revision_not_found")]),
        ({"revision": "newest"}, [("components.0.revision", "not_allowed")]),
        ({"revision": 0}, [("components.0.revision", "not_allowed")]),
        ({"revision": 1}, []),
        ({"revision": "latest"}, []),
        ({"variables": []}, [("components.0.variables", "wrong_type"),
                             ("components.0.variables.Token", "required"), ("components.0.variables.Where", "required")]),
        ({"name": "x"}, [("components.0.name", "unknown_field")]),
    ],
)  # fmt: skip
def test_a_component_names_an_assembly_that_exists(changes, expected):
    assert found(job(components=[component(**changes)])) == expected


def test_a_past_start_is_refused_but_an_unchanged_schedule_may_have_passed():
    past = {"type": "once", "start": "2026-05-01T07:00"}
    assert found(job(schedule=past)) == [("schedule.start", "in_the_past")]
    assert found(job(schedule=past), facts(stored_schedule=calendar.parse(past))) == []


def test_the_anchor_is_fixed_when_the_job_is_saved():
    saved, _ = judged(job(schedule={"type": "every_15_minutes"}))
    assert saved is not None
    assert saved.schedule.start is not None
    assert saved.schedule.start.instant == datetime(2026, 5, 4, 7, 15, tzinfo=UTC)


def test_who_names_no_start_keeps_the_anchor_that_was_found_first():
    stored = calendar.parse({"type": "every_15_minutes", "start": "2026-05-01T07:15"})
    saved, _ = judged(job(schedule={"type": "every_15_minutes"}), facts(stored_schedule=stored))
    assert saved is not None
    assert saved.schedule == stored
    other, _ = judged(job(schedule={"type": "every_5_minutes"}), facts(stored_schedule=stored))
    assert other is not None
    assert other.schedule.start != stored.start


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        ({"type": "every_5_minutes"}, 299),
        ({"type": "hourly"}, 3_599),
        ({"type": "daily", "start": "2026-05-05T07:00"}, 86_399),
        ({"type": "weekly", "start": "2026-05-05T07:00"}, 86_400),
        ({"type": "monthly", "start": "2026-05-31T07:00"}, 86_400),
        ({"type": "cron", "expression": "*/5 * * * *"}, 86_400),
        ({"type": "once", "start": "2026-05-05T07:00"}, 86_400),
        ({"type": "daily", "start": "2026-05-05T07:00", "timezone_source": "device"}, 86_399),
    ],
)
def test_a_splay_ends_before_the_next_instant_of_a_regular_schedule(schedule, longest):
    for seconds in (0, longest):
        assert found(job(schedule=schedule, policies={"splay_seconds": seconds})) == []
    too_long = job(schedule=schedule, policies={"splay_seconds": longest + 1})
    assert found(too_long) == [("policies.splay_seconds", "out_of_range")]


@pytest.mark.parametrize("source", ["site", "device"])
def test_nobody_can_be_asked_about_single_waves(source):
    schedule = {"type": "daily", "start": "2026-05-05T07:00", "timezone_source": source}
    assert found(job(schedule=schedule, policies={"catch_up": "all"})) == []
    assert found(job(schedule=schedule, policies={"catch_up": "hold"})) == [("policies.catch_up", "not_allowed")]


@pytest.mark.parametrize(
    ("duration", "is_right"),
    [
        ({"run_limit_seconds": 900}, True),
        ({"run_limit_seconds": 899}, False),
        ({"run_limit_seconds": 60, "time_limit_seconds": 60}, True),
        ({"run_limit_seconds": 60, "time_limit_seconds": 61}, False),
        ({"run_limit_seconds": None, "time_limit_seconds": 604_800}, True),
    ],
)
def test_a_run_does_not_end_before_a_device_has_to(duration, is_right):
    """The assembly's own limit is 900 seconds."""
    assert found(job(duration=duration)) == ([] if is_right else [("duration.run_limit_seconds", "out_of_range")])


@pytest.mark.parametrize("overlap", ["skip", "queue_one", "replace", "allow"])
@pytest.mark.parametrize("scope", ["device", "job"])
def test_every_overlap_goes_with_every_scope(overlap, scope):
    saved, _ = judged(job(policies={"overlap": overlap, "overlap_scope": scope, "splay_mode": "per_occurrence"}))
    assert saved is not None
    assert (saved.policies.overlap, saved.policies.overlap_scope) == (overlap, scope)
    assert saved.policies.splay_mode == "per_occurrence"


@given(
    st.dictionaries(st.sampled_from([*job(), "policies", "duration", "exclusions", "enabled", "x"]), anything)
    | anything
)
def test_any_document_is_judged_without_a_fault_of_our_own(definition):
    saved, problems = judged(definition)
    assert bool(problems) == (saved is None)


@given(st.sampled_from(["components", "targets", "schedule", "policies", "duration", "name"]), anything)
def test_one_fault_never_hides_another(part, value):
    """A fault planted elsewhere is still told, whatever else is wrong."""
    definition = job(description=5) | {part: value}
    assert ("description", "wrong_type") in found(definition)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"enabled": True}, []),
        ({"enabled": False, "reason": "audit", "until": "2026-05-05T00:00:00Z"}, []),
        ({}, [("enabled", "required")]),
        (None, [("", "wrong_type")]),
        ({"enabled": "no"}, [("enabled", "wrong_type")]),
        ({"enabled": True, "reason": "x"}, [("reason", "not_allowed")]),
        ({"enabled": True, "catch_up": "all"}, []),
        ({"enabled": True, "catch_up": "some"}, [("catch_up", "not_allowed")]),
        ({"enabled": False, "catch_up": "all"}, [("catch_up", "not_allowed")]),
        ({"enabled": False, "until": "tomorrow"}, [("until", "invalid_time")]),
        ({"enabled": False, "until": "9999-12-31T23:59:59-14:00"}, [("until", "out_of_range")]),
        ({"enabled": False, "until": "2401-01-01T00:00:00Z"}, [("until", "out_of_range")]),
        ({"enabled": False, "until": "0001-01-01T00:00:00+14:00"}, [("until", "in_the_past")]),
        ({"enabled": False, "until": "2026-05-05T00:00:00"}, [("until", "invalid_time")]),
        (
            {"enabled": False, "until": "2026-05-04T07:00:00Z", "x": 1},
            [("until", "in_the_past"), ("x", "unknown_field")],
        ),
    ],
)
def test_a_toggle_says_what_it_means(body, expected):
    toggle, problems = read_toggle(body, NOW)
    assert [(problem.field, problem.code) for problem in problems] == expected
    if body and not expected and body.get("until"):
        assert toggle.until == NOW + timedelta(hours=16, minutes=59)
