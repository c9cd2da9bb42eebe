"""Requests of nodes to other systems as rows have them: written by a step, claimed by one sender, answered under that sender's name."""

from collections.abc import Mapping
from typing import Any

from watchbill.core.http_texts import Closed, HttpRequest, Text
from watchbill.core.workflow_types import NodeState
from watchbill.workflows.http_requests import HttpAnswer


def to_json(request: HttpRequest, interrupted: str) -> dict[str, Any]:
    """As it is kept: variables of the Engine stay closed."""
    return {
        "method": request.method,
        "url": _pieces(request.url),
        "headers": {name: _pieces(value) for name, value in request.headers.items()},
        "body": request.body,
        "timeout_seconds": request.timeout_seconds,
        "expect": sorted(request.expect) if request.expect is not None else None,
        "interrupted": interrupted,
    }


def _pieces(text: Text) -> list[Any]:
    return [{"variable": one.name} if isinstance(one, Closed) else one for one in text.pieces]


def from_json(stored: Mapping[str, Any]) -> HttpRequest:
    headers = {name: _text(value) for name, value in stored["headers"].items()}
    expect = stored["expect"]
    return HttpRequest(
        stored["method"],
        _text(stored["url"]),
        headers,
        stored["body"],
        stored["timeout_seconds"],
        None if expect is None else frozenset(expect),
    )


def _text(stored: list[Any]) -> Text:
    return Text(tuple(Closed(one["variable"]) if isinstance(one, dict) else one for one in stored))


def told(answer: HttpAnswer) -> dict[str, Any]:
    """An answer as it is kept for the next step of its run."""
    is_good = answer.state is NodeState.SUCCESS
    return {"ok": is_good, "reason": answer.reason, "detail": answer.detail, "result": answer.result()}
