"""The world of the tests of jobs, and windows to save in it."""

import pytest

from tests.jobs.conftest import World, make_world
from watchbill.kit.db import Database


@pytest.fixture
async def tx(db: Database):
    async with db.begin() as tx:
        yield tx


@pytest.fixture
async def world(tx, clock) -> World:
    return await make_world(tx, await clock.now(tx))


def window(*attachments, **changes):
    """Every Sunday for two hours; `attachments` are pairs such as ("site", 3) or ("global", None)."""
    named = [
        {"kind": kind, **({} if kind == "global" else {f"{kind}_id": _text(value)})} for kind, value in attachments
    ]
    return {
        "name": "Sunday maintenance",
        "kind": "allow",
        "spans": [
            {
                "schedule": {"type": "weekly", "start": "2026-01-04T02:00", "timezone": "Europe/Berlin"},
                "duration_seconds": 7200,
            }
        ],
        "attachments": named or [{"kind": "global"}],
    } | changes


def _text(value):
    return value if isinstance(value, int) else str(value)
