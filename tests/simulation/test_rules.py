"""The second release of the zone rules, which the simulation changes to, is one that the Engine really reads."""

from datetime import UTC, datetime
from pathlib import Path

from tests.simulation.rules import NEW_RELEASE, two_releases
from watchbill.core import schedule

SUMMER = datetime(2027, 7, 1, tzinfo=UTC)
BERLIN = {"type": "daily", "start": "2027-01-04T07:00", "timezone": "Europe/Berlin"}


def _next() -> datetime | None:
    return schedule.next_due(schedule.parse(BERLIN), SUMMER)


def test_a_change_of_release_changes_what_is_due_and_a_change_back_restores_it(tmp_path: Path) -> None:
    with two_releases(tmp_path) as rules:
        before, version = _next(), schedule.tzdata_version()
        rules.use("new")
        assert _next() == datetime(2027, 7, 1, 4, tzinfo=UTC)
        assert schedule.tzdata_version() == NEW_RELEASE
        rules.use("old")
        assert (_next(), schedule.tzdata_version()) == (before, version)
    assert before == datetime(2027, 7, 1, 5, tzinfo=UTC)
