"""The OpenAPI document explains what a newcomer cannot guess: operations, parameters and fields have descriptions."""

from collections.abc import Iterator
from typing import Any

import pytest

from watchbill.api.app import create_app
from watchbill.api.common import Deps
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import KeyRing
from watchbill.kit.settings import load

JOBS = "/api/scheduled_jobs"
#: Each operation, with words of which its description needs one at least.
OPERATIONS = {
    ("post", f"{JOBS}/plan"): "Nothing is saved",
    ("post", f"{JOBS}/{{job_id}}/toggle"): "catch_up",
    ("post", f"{JOBS}/{{job_id}}/backfill"): "dry run",
    ("get", "/api/outages"): "absences",
    ("get", "/api/outages/{outage_id}"): "latest",
    ("post", "/api/outages/{outage_id}/release"): "held",
    ("get", "/api/storm_guard"): "goes up",
    ("put", "/api/storm_guard"): "default",
    ("post", "/api/windows/import"): "calendar file",
    ("get", "/api/windows/check"): "why",
    ("get", "/api/windows/{window_id}/preview"): "open",
    ("get", "/api/occurrences"): "to come",
    ("post", "/api/device_filters"): "anew",
    ("post", "/api/notification_channels"): "this reply only",
    ("put", "/api/notification_channels/{channel_id}"): "stay when they are left out",
    ("post", "/api/notification_channels/{channel_id}/test"): "what happened",
    ("post", "/api/notification_rules"): "every site",
    ("post", "/api/scheduled_jobs/{job_id}/notifications"): "not told again",
    ("get", "/api/notifications"): "each channel",
    ("post", "/api/device_filters/preview"): "too_slow",
    ("get", "/api/device_filters/fields"): "operators",
    ("post", "/api/device_filters/{filter_id}/archive"): "bring it back",
}
FIELDS = [
    ("JobSchedule", "timezone_source"),
    ("JobDuration", "run_limit_seconds"),
    ("JobPolicies", "splay_mode"),
    ("JobPolicies", "splay_seconds"),
    ("CheckReply", "action"),
    ("CheckReply", "opens_at"),
    ("JobAwayReply", "proposed"),
    ("PlanReply", "revision"),
    ("DeliveryReply", "message_id"),
    ("MadeChannelReply", "secret"),
    ("HeartbeatReply", "enabled"),
]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    settings = load({"WATCHBILL_DATA_DIR": "/nonexistent"})
    return create_app(Deps(nowhere, Clock(), KeyRing("none", {}), settings)).openapi()


def explained(schema: dict[str, Any]) -> bool:
    """A description of its own, or in one of the shapes that it may have."""
    return bool(schema.get("description")) or any(explained(one) for one in schema.get("anyOf", []))


def unexplained(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    for one in operation.get("parameters", []):
        if one["in"] == "query" and not one.get("description") and not explained(one["schema"]):
            yield one["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        fields = document["components"]["schemas"].get(name, {}).get("properties", {})
        yield from (f"{name}.{field}" for field, schema in fields.items() if not explained(schema))


@pytest.mark.parametrize(("operation", "words"), OPERATIONS.items())
def test_an_operation_and_everything_that_is_sent_to_it_is_explained(document, operation, words) -> None:
    method, path = operation
    found = document["paths"][path][method]
    assert words in found["description"]
    assert list(unexplained(document, found)) == []


@pytest.mark.parametrize(("shape", "field"), FIELDS)
def test_a_field_that_cannot_be_guessed_is_explained(document, shape, field) -> None:
    names = [name for name in document["components"]["schemas"] if name.startswith(shape)]
    assert names
    for name in names:
        assert explained(document["components"]["schemas"][name]["properties"][field]), name
