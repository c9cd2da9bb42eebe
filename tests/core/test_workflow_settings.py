"""The settings of every type of node: their defaults, their bounds, and what they name."""

import json
from uuid import UUID

import pytest

from tests.factories.workflows import ASSEMBLY, DEVICE, LEAST, edge, graph_of, node, patching, workflow
from watchbill.core.fields import Fields
from watchbill.core.job_rules import read as read_job
from watchbill.core.job_rules_values import ComponentKind
from watchbill.core.problems import Problem
from watchbill.core.workflow_settings import SETTINGS, AssemblyReference, node_job, references, uses
from watchbill.core.workflow_types import Node, NodeType

UNSET_STOP = {
    "failed_percent": None,
    "failed_count": None,
    "unreachable_percent": None,
    "unreachable_count": None,
    "least_results": 5,
    "cancel_running": False,
}
JOB = {
    "assembly_id": ASSEMBLY,
    "revision": "latest",
    "variables": {},
    "credential_id": None,
    "use_service_account": False,
    "duration": {"time_limit_seconds": None, "expires_after_seconds": None},
    "policies": {
        "offline": "wait",
        "waves": None,
        "concurrency": None,
        "site_concurrency": None,
        "retries": 0,
        "retry_delay_seconds": 60,
        "retry_on": ["failed", "timed_out"],
        "failure_threshold_percent": 0,
        "no_user_session": "skip",
        "interrupted": "lost",
        "no_targets": "skip",
    },
}
DEFAULTS = {
    "trigger_manual": {},
    "trigger_job": {},
    "trigger_webhook": {"payload": []},
    "devices_filter": {"filter_id": 1},
    "devices_list": {"device_ids": [DEVICE]},
    "devices_site": {"site_id": 1},
    "devices_combine": {"operation": "union"},
    "devices_take": {"number": 1, "percent": None, "order": "name"},
    "split": {},
    "script": JOB | {"execution_context": "system"},
    "playbook": JOB | {"execution_context": "ssh_individual", "use_service_account": True},
    "workflow": {"assembly_id": ASSEMBLY, "revision": "latest", "parameters": {}},
    "condition": {"expression": "true"},
    "wait": {"for": "duration", "seconds": 60},
    "approval": {"message": "Go on?", "timeout_seconds": 3600},
    "http": {
        "method": "GET",
        "url": "https://example.org/hook",
        "headers": {},
        "body": None,
        "timeout_seconds": 30,
        "expect": None,
        "interrupted": "lost",
    },
    "notify": {"channel_id": 1, "subject": "News", "message": "It is done."},
    "set_value": {"expression": "1"},
    "join": {"mode": "all", "n": None},
}


def read(kind, settings):
    problems: list[Problem] = []
    values = SETTINGS[NodeType(kind)].read(Fields.of(settings, problems))
    return values, sorted((problem.field, problem.code) for problem in problems)


def faults(kind, **settings):
    return read(kind, LEAST[kind] | settings)[1]


@pytest.mark.parametrize("kind", NodeType)
def test_defaults_are_filled_in_and_read_as_they_are_kept(kind):
    values, problems = read(kind, LEAST[kind])
    assert (values, problems) == (DEFAULTS[kind], [])
    assert read(kind, json.loads(json.dumps(values))) == (values, [])
    assert read(kind, dict.fromkeys(values) | LEAST[kind]) == (values, [])


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("trigger_manual", {"a": 1}, [("a", "unknown_field")]),
        ("trigger_webhook", {"payload": {}}, [("payload", "wrong_type")]),
        ("trigger_webhook", {"payload": [{}]}, [("payload.0.parameter", "required"), ("payload.0.path", "required")]),
        ("trigger_webhook", {"payload": [{"parameter": "a", "path": "a..b"}]}, [("payload.0.path", "invalid")]),
        (
            "trigger_webhook",
            {"payload": [{"parameter": "a", "path": ".".join("a" * 31)}]},
            [("payload.0.path", "invalid")],
        ),
        (
            "trigger_webhook",
            {"payload": [{"parameter": "a", "path": "a"}, {"parameter": "a", "path": "b", "type": "x"}]},
            [("payload.1.parameter", "duplicate"), ("payload.1.type", "unknown_field")],
        ),
        ("devices_filter", {"filter_id": None}, [("filter_id", "required")]),
        ("devices_filter", {"filter_id": "1"}, [("filter_id", "out_of_range")]),
        ("devices_site", {"site_id": 0}, [("site_id", "out_of_range")]),
        ("devices_list", {"device_ids": []}, [("device_ids", "length")]),
        ("devices_list", {"device_ids": None}, [("device_ids", "required")]),
        ("devices_list", {"device_ids": [1, DEVICE]}, [("device_ids.0", "wrong_type")]),
        ("devices_list", {"device_ids": [DEVICE, DEVICE]}, [("device_ids", "duplicate")]),
        ("devices_combine", {"operation": "xor"}, [("operation", "not_allowed")]),
        ("devices_combine", {"operation": None}, [("operation", "required")]),
        ("devices_take", {"number": None}, [("number", "required")]),
        ("devices_take", {"percent": 5}, [("percent", "not_allowed")]),
        ("devices_take", {"number": 0}, [("number", "out_of_range")]),
        ("devices_take", {"number": None, "percent": 101}, [("percent", "out_of_range")]),
        ("devices_take", {"order": "age"}, [("order", "not_allowed")]),
        ("workflow", {"assembly_id": "x"}, [("assembly_id", "wrong_type")]),
        ("workflow", {"revision": "newest"}, [("revision", "not_allowed")]),
        ("workflow", {"revision": 0}, [("revision", "not_allowed")]),
        ("workflow", {"revision": True}, [("revision", "not_allowed")]),
        ("workflow", {"parameters": []}, [("parameters", "wrong_type")]),
        ("workflow", {"parameters": {"a": [1]}}, [("parameters.a", "wrong_type")]),
        ("workflow", {"parameters": {"a": float("inf")}}, [("parameters.a", "wrong_type")]),
        ("workflow", {"parameters": {"a": "\0"}}, [("parameters.a", "wrong_type")]),
        ("workflow", {"parameters": {"a": {}}}, [("parameters.a.expression", "required")]),
        ("workflow", {"parameters": {"a": {"expression": "1", "b": 1}}}, [("parameters.a.b", "unknown_field")]),
        ("workflow", {"parameters": {"a": {"expression": "1 +"}}}, [("parameters.a.expression", "invalid_expression")]),
        ("workflow", {"parameters": {f"a{number}": 1 for number in range(201)}}, [("parameters", "length")]),
        ("condition", {"expression": None}, [("expression", "required")]),
        ("condition", {"expression": ""}, [("expression", "length")]),
        ("condition", {"expression": 1}, [("expression", "wrong_type")]),
        ("set_value", {"expression": "((1)"}, [("expression", "invalid_expression")]),
        ("wait", {"for": None}, [("for", "required")]),
        ("wait", {"for": "rain"}, [("for", "not_allowed")]),
        ("wait", {"seconds": None}, [("seconds", "required")]),
        ("wait", {"seconds": 0}, [("seconds", "out_of_range")]),
        ("wait", {"for": "window"}, [("seconds", "not_allowed"), ("window_id", "required")]),
        ("wait", {"for": "devices", "seconds": None, "percent": 0}, [("percent", "out_of_range")]),
        ("wait", {"percent": 50}, [("percent", "not_allowed")]),
        ("approval", {"message": None}, [("message", "required")]),
        ("approval", {"message": "{{ 1 + }}"}, [("message", "invalid_expression")]),
        ("approval", {"timeout_seconds": None}, [("timeout_seconds", "required")]),
        ("approval", {"timeout_seconds": 59}, [("timeout_seconds", "out_of_range")]),
        ("http", {"method": "TRACE"}, [("method", "not_allowed")]),
        ("http", {"url": None}, [("url", "required")]),
        ("http", {"url": "example.org"}, [("url", "invalid")]),
        ("http", {"url": "https://a:b@example.org/"}, [("url", "invalid")]),
        ("http", {"url": "https://example.org/{{"}, [("url", "invalid_expression")]),
        ("http", {"headers": []}, [("headers", "wrong_type")]),
        ("http", {"headers": {"X A": "x"}}, [("headers.X A", "invalid")]),
        ("http", {"headers": {"Host": "x"}}, [("headers.Host", "invalid")]),
        ("http", {"headers": {"X-A": 1}}, [("headers.X-A", "wrong_type")]),
        ("http", {"headers": {"X-A": "a\nb"}}, [("headers.X-A", "invalid")]),
        ("http", {"headers": {"Content-Type": "a\nb"}}, [("headers.Content-Type", "invalid")]),
        ("http", {"headers": {"X-A": "a", "x-a": "b"}}, [("headers.x-a", "duplicate")]),
        ("http", {"headers": {"X-A": "{{ x }}"}}, [("headers.X-A", "invalid_expression")]),
        ("http", {"headers": {f"X-{number}": "a" for number in range(51)}}, [("headers", "length")]),
        ("http", {"body": "x"}, [("body", "not_allowed")]),
        ("http", {"method": "POST", "body": "{{ }}"}, [("body", "invalid_expression")]),
        ("http", {"timeout_seconds": 301}, [("timeout_seconds", "out_of_range")]),
        ("http", {"expect": []}, [("expect", "length")]),
        ("http", {"expect": [99, "200"]}, [("expect.0", "out_of_range"), ("expect.1", "out_of_range")]),
        ("http", {"interrupted": "never"}, [("interrupted", "not_allowed")]),
        ("notify", {"channel_id": None}, [("channel_id", "required")]),
        ("notify", {"subject": "a\nb"}, [("subject", "invalid_text")]),
        ("notify", {"message": ""}, [("message", "length")]),
        ("join", {"mode": "most"}, [("mode", "not_allowed")]),
        ("join", {"mode": "n"}, [("n", "required")]),
        ("join", {"n": 1}, [("n", "not_allowed")]),
        ("join", {"mode": "n", "n": 0}, [("n", "out_of_range")]),
    ],
)
def test_what_settings_may_not_say_is_named(kind, settings, expected):
    assert faults(kind, **settings) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"assembly_id": None}, [("assembly_id", "required")]),
        ({"revision": 2**31}, [("revision", "not_allowed")]),
        ({"colour": 1}, [("colour", "unknown_field")]),
        (
            {"variables": {"A": {"is_set": True}}},
            [("variables.A.expression", "required"), ("variables.A.is_set", "unknown_field")],
        ),
        ({"execution_context": "ssh"}, [("execution_context", "not_allowed")]),
        (
            {"execution_context": "ssh", "duration": 1},
            [("duration", "wrong_type"), ("execution_context", "not_allowed")],
        ),
        ({"credential_id": 1}, [("credential_id", "not_allowed")]),
        ({"use_service_account": True}, [("use_service_account", "not_allowed")]),
        ({"duration": {"time_limit_seconds": 0}}, [("duration.time_limit_seconds", "out_of_range")]),
        ({"duration": {"run_limit_seconds": 60}}, [("duration.run_limit_seconds", "not_allowed")]),
        ({"duration": {"colour": 1}}, [("duration.colour", "unknown_field")]),
        ({"policies": {"overlap": "skip"}}, [("policies.overlap", "not_allowed")]),
        ({"policies": {"catch_up": "all"}}, [("policies.catch_up", "not_allowed")]),
        ({"policies": {"splay_seconds": 0}}, [("policies.splay_seconds", "not_allowed")]),
        ({"policies": {"max_change_percent": 0}}, [("policies.max_change_percent", "not_allowed")]),
        ({"policies": {"continue_on_failure": True}}, [("policies.continue_on_failure", "not_allowed")]),
        (
            {"policies": {"offline": "maybe", "colour": 1}},
            [("policies.colour", "unknown_field"), ("policies.offline", "not_allowed")],
        ),
        ({"policies": {"retry_delay_seconds": 5}}, [("policies.retry_delay_seconds", "no_effect")]),
        ({"policies": {"no_user_session": "wait"}}, [("policies.no_user_session", "not_allowed")]),
        ({"policies": {"interrupted": "again"}}, [("policies.interrupted", "not_allowed")]),
        ({"policies": {"waves": {"sizes": ["200%"]}}}, [("policies.waves.sizes.0", "not_allowed")]),
        ({"policies": {"waves": {"sizes": [1], "canary": {}}}}, [("policies.waves.canary.tag", "required")]),
        (
            {"policies": {"retries": 1, "retry_delay_seconds": 90}, "duration": {"expires_after_seconds": 60}},
            [("policies.retry_delay_seconds", "out_of_range")],
        ),
    ],
)
def test_scripts_are_judged_by_the_rules_of_jobs_at_the_settings_of_the_node(settings, expected):
    assert faults("script", **settings) == expected


def test_a_playbook_signs_in_by_one_way():
    assert faults("playbook", use_service_account=False) == [("credential_id", "required")]
    assert faults("playbook", credential_id=4) == [("use_service_account", "not_allowed")]
    assert faults("playbook", use_service_account=False, credential_id=4, execution_context="winrm") == []
    assert faults("playbook", execution_context="system") == [("execution_context", "not_allowed")]


def test_what_means_nothing_in_a_node_may_be_said_to_be_nothing():
    empty = {"overlap": None, "max_change_devices": None, "continue_on_failure": False}
    assert read("script", LEAST["script"] | {"policies": empty}) == (DEFAULTS["script"], [])


def test_a_request_may_say_what_it_sends():
    values, problems = read(
        "http",
        LEAST["http"]
        | {
            "method": "PUT",
            "headers": {"Content-Type": "text/plain", "X-A": "{{ run.id }}"},
            "expect": [204, 200, 204],
        },
    )
    assert problems == []
    assert values["headers"] == {"Content-Type": "text/plain", "X-A": "{{ run.id }}"}
    assert values["expect"] == [200, 204]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("{{ parameters.base }}/x", []),
        ("https://{{ parameters.host }}:{{ parameters.port }}/{{ run.id }}?a={{ inputs.b }}", []),
        ("https://example.org/{{ variables.token }}", []),
        ("ftp://{{ parameters.host }}/", [("url", "invalid")]),
        ("https://example.org/{{ variables.token + 'x' }}", [("url", "invalid_expression")]),
    ],
)
def test_an_address_is_judged_as_far_as_it_is_known(url, expected):
    assert faults("http", url=url) == expected


def test_variables_of_the_engine_stand_only_where_the_sender_opens_them():
    headers = {"Authorization": "Bearer {{ variables.token }}", "X-Of": "{{variables.a}} {{ run.id }}"}
    assert faults("http", headers=headers) == []
    assert faults("http", method="POST", body="{{ variables.token }}") == [("body", "invalid_expression")]
    assert faults("approval", message="{{ variables.token }}") == [("message", "invalid_expression")]
    assert faults("condition", expression="variables.token == 1") == [("expression", "invalid_expression")]
    settings, _ = read("http", LEAST["http"] | {"headers": headers})
    found = [(one.path, one.name.dotted, one.at) for one in uses(Node("call", NodeType.HTTP, "Call", settings))]
    assert found == [("headers.X-Of", "run.id", 19)]


def test_a_node_stands_for_a_job_that_the_rules_of_jobs_read():
    graph = graph_of(patching())
    for one in graph.nodes:
        if one.type not in (NodeType.SCRIPT, NodeType.PLAYBOOK):
            continue
        reading = read_job(node_job(one))
        assert reading.problems == ()
        assert reading.draft.name == one.name
        assert reading.draft.components[0].assembly_id == UUID(ASSEMBLY)
        assert reading.draft.execution_context.value == one.settings["execution_context"]
        given = reading.draft.policies.to_json()
        assert {name: given[name] for name in one.settings["policies"]} == one.settings["policies"]


def test_what_is_computed_is_left_out_of_the_job_until_it_is():
    check = next(one for one in graph_of(patching()).nodes if one.id == "check")
    assert node_job(check)["components"][0]["variables"] == {"Deep": True}
    targets = [{"kind": "device", "device_id": DEVICE}]
    job = node_job(check, variables={"Deep": False, "Limit": 10}, targets=targets)
    assert job["components"][0]["variables"] == {"Deep": False, "Limit": 10}
    assert job["targets"] == targets


def test_everything_that_a_graph_names_is_found_with_its_place():
    canaries = [{"kind": "device", "device_id": DEVICE}, {"kind": "filter", "filter_id": 9}]
    waves = {"waves": {"sizes": [1], "canary": {"targets": canaries}}}
    nodes = [
        node("start", "trigger_manual"),
        node("web", "devices_filter", filter_id=4),
        node("list", "devices_list"),
        node("there", "devices_site", site_id=5),
        node("hold", "wait") | {"settings": {"for": "window", "window_id": 6}},
        node("tell", "notify", channel_id=7),
        node("run", "script", policies=waves, revision=3),
        node("play", "playbook", credential_id=8, use_service_account=False),
        node("sub", "workflow"),
    ]
    to = [edge("start.out", f"{name}.in") for name in ("hold", "tell", "run", "play", "sub")]
    sets = [edge("web.devices", "run.devices"), edge("web.devices", "play.devices")]
    found = references(graph_of(workflow(nodes, [*to, *sets])))
    at = "workflow.nodes"
    assert [(one.node_id, one.field, one.id) for one in found.filters] == [
        ("web", f"{at}.1.settings.filter_id", 4),
        ("run", f"{at}.6.settings.policies.waves.canary.targets.1.filter_id", 9),
    ]
    assert [(one.node_id, one.field, one.id) for one in found.devices] == [
        ("list", f"{at}.2.settings.device_ids.0", UUID(DEVICE)),
        ("run", f"{at}.6.settings.policies.waves.canary.targets.0.device_id", UUID(DEVICE)),
    ]
    assert [(one.node_id, one.id) for one in found.sites] == [("there", 5)]
    assert [(one.node_id, one.id) for one in found.windows] == [("hold", 6)]
    assert [(one.node_id, one.id) for one in found.channels] == [("tell", 7)]
    assert [(one.node_id, one.id) for one in found.credentials] == [("play", 8)]
    assert found.assemblies == (
        AssemblyReference("run", f"{at}.6.settings.assembly_id", UUID(ASSEMBLY), ComponentKind.SCRIPT, 3),
        AssemblyReference("play", f"{at}.7.settings.assembly_id", UUID(ASSEMBLY), ComponentKind.PLAYBOOK, None),
        AssemblyReference("sub", f"{at}.8.settings.assembly_id", UUID(ASSEMBLY), ComponentKind.WORKFLOW, None),
    )


def test_the_names_in_texts_are_found_with_their_places():
    settings, _ = read("notify", LEAST["notify"] | {"subject": "{{ run.id }}", "message": "ab {{ inputs.a.b }}"})
    found = [(one.path, one.name.dotted, one.at) for one in uses(Node("tell", NodeType.NOTIFY, "Tell", settings))]
    assert found == [("subject", "run.id", 3), ("message", "inputs.a", 6)]
