"""The oracle notices each kind of broken promise. What it is shown here are commits that a faulty scheduler could have made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulation.judge import BrokenPromiseError, Commit, Judge
from tests.simulation.recorder import Change

T0 = datetime(2027, 3, 1, 12, 0, 30, tzinfo=UTC)
SPEC = {"type": "every_5_minutes", "start": "2027-03-01T12:05", "timezone": "UTC"}


def _at(minutes: float) -> str:
    return (T0.replace(second=0) + timedelta(minutes=minutes)).isoformat()


def _job(mark: str, next_due: str | None, **changes: Any) -> dict[str, Any]:
    policies = {"catch_up": "all", "catch_up_window_seconds": 3600, **changes.pop("policies", {})}
    return {
        "id": 1,
        "revision": 1,
        "enabled": True,
        "state": "active",
        "state_reason": None,
        "deleted_at": None,
        "paused_until": None,
        "zone_source": "fixed",
        "schedule_type": "every_5_minutes",
        "definition": {"schedule": SPEC, "policies": policies},
        "mark_at": mark,
        "next_due_at": next_due,
        **changes,
    }


def _row(minutes: float, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"row {minutes}",
        "job_id": 1,
        "job_revision": 1,
        "kind": "schedule",
        "scheduled_for_at": _at(minutes),
        "state": "open",
        "reason": None,
        "is_late": False,
        "range_end_at": None,
        "range_count": 1,
        "is_range_capped": False,
        "held_until_at": None,
        "created_at": _at(minutes),
        **changes,
    }


class _Bench:
    """A judge who knows one job, settled up to T0, and a scheduler that commits what it is told."""

    def __init__(self, **policies: Any) -> None:
        self.judge = Judge()
        self.policies = policies
        self.job = _job(_at(0.5), _at(5), policies=policies)
        self._show(_at(0.5), [Change("jobs", None, self.job)])

    def tick(self, minutes: float, *rows: dict[str, Any], **changes: Any) -> None:
        """The mark moves to `minutes`, with these rows."""
        due = _at((minutes // 5 + 1) * 5)
        after = _job(_at(minutes), due, **{"policies": self.policies, **changes})
        made = [Change("occurrences", None, row) for row in rows]
        self._show(_at(minutes), [*made, Change("jobs", self.job, after)])
        self.job = after

    def _show(self, now: str, changes: list[Change]) -> None:
        self.judge.committed(Commit("tick", datetime.fromisoformat(now), 0, "old", changes), 0)


def test_a_faultless_scheduler_is_let_pass() -> None:
    bench = _Bench()
    bench.tick(5.01, _row(5))
    bench.tick(10.01, _row(10))
    assert bench.judge.counts["instants"] == 2
    assert bench.judge.compare_lives("old") == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "never entered"),
        ([_row(5), _row(6)], "not owed"),
        ([_row(5), _row(5, id="again")], "twice"),
        ([_row(5, is_late=True)], "should be on_time"),
        ([_row(5, state="missed", reason="misfire_policy", range_end_at=_at(5))], "should be on_time"),
        ([_row(5, state="held", reason="storm_guard")], "should be on_time"),
        ([_row(5, state="skipped", reason="blackout")], "should be on_time"),
    ],
)
def test_a_tick_that_does_something_else_than_its_duty_is_noticed(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BrokenPromiseError, match=said):
        _Bench().tick(5.01, *rows)


def test_a_second_occurrence_of_an_instant_is_noticed_ticks_later() -> None:
    bench = _Bench()
    bench.tick(5.01, _row(5))
    with pytest.raises(BrokenPromiseError, match="twice"):
        bench.tick(10.01, _row(10), _row(5, id="again"))


def test_a_late_run_that_does_not_say_so_is_noticed() -> None:
    with pytest.raises(BrokenPromiseError, match="should be late"):
        _Bench().tick(9, _row(5))


def test_lateness_without_a_cause_is_noticed() -> None:
    with pytest.raises(BrokenPromiseError, match="nothing was wrong"):
        _Bench().tick(5.9, _row(5))


def test_a_range_that_counts_wrongly_is_noticed() -> None:
    bench = _Bench(catch_up="skip")
    bench.judge.is_excused = lambda _due, _now: True
    missed = _row(5, state="missed", reason="misfire_policy", range_end_at=_at(20), range_count=3)
    with pytest.raises(BrokenPromiseError, match="counts 3 instants of 4"):
        bench.tick(22, missed)
    bench = _Bench(catch_up="skip")
    bench.judge.is_excused = lambda _due, _now: True
    bench.tick(22, {**missed, "range_count": 4})
    assert bench.judge.counts["missed"] == 4


def test_a_wrong_next_instant_is_noticed() -> None:
    with pytest.raises(BrokenPromiseError, match="its next instant"):
        _Bench().tick(5.01, _row(5), next_due_at=_at(15))


def test_a_mark_that_goes_back_for_nothing_is_noticed() -> None:
    bench = _Bench()
    bench.tick(5.01, _row(5))
    with pytest.raises(BrokenPromiseError, match="went back"):
        bench.tick(4)


def test_a_job_in_error_is_noticed() -> None:
    with pytest.raises(BrokenPromiseError, match="in state error"):
        _Bench().tick(5.01, _row(5), state="error", next_due_at=None)


def test_a_pause_that_swallows_what_was_due_is_noticed() -> None:
    with pytest.raises(BrokenPromiseError, match="never entered"):
        _Bench().tick(6, enabled=False, next_due_at=None, state="paused", revision=2)


def test_what_nobody_takes_is_noticed() -> None:
    bench = _Bench()
    bench.judge.look_for_overdue(T0 + timedelta(minutes=5))
    with pytest.raises(BrokenPromiseError, match="nobody took it"):
        bench.judge.look_for_overdue(T0 + timedelta(minutes=6))
