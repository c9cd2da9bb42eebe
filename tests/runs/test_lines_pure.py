"""Lines of sessions by themselves: whatever the order in which sessions end, the device comes to the same, and nothing is begun twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from watchbill.core.states import TargetEvent, TargetState
from watchbill.core.steps import Again, Ended, Start, Waits
from watchbill.runs import lines
from watchbill.runs.decided import Decided, next_on

NOW = datetime(2026, 3, 1, tzinfo=UTC)
USERS = ("ada", "bob", "eve")
#: Exit codes that scripts answer with, by session, component and look: 1 of a check is "something to fix".
Codes = dict[str, list[int]]


@dataclass
class Device:
    """A target in memory, with the executions that it was given, and what is still to be answered."""

    components: list[dict[str, Any]]
    codes: Codes
    retries: int = 0
    rows: list[Any] = field(default_factory=list)
    begun: list[tuple[Any, ...]] = field(default_factory=list)
    last: Decided | None = None

    def __post_init__(self) -> None:
        self.target: Any = SimpleNamespace(
            id=1,
            state=TargetState.RUNNING,
            attempt=1,
            retried=0,
            expires_at=NOW + timedelta(hours=1),
            stop_by_at=None,
            stop_reason=None,
            deadline_at=NOW + timedelta(hours=1),
            time_limit_seconds=3600,
            components=self.components,
            step_rules={
                "continue_on_failure": False,
                "retries": self.retries,
                "retry_delay_seconds": 1,
                "retry_on": ["failed"],
            },
            session_ends=None,
        )
        for user in self.codes:
            self._begin(user, 0, is_recheck=False)

    def _begin(self, user: str, component: int, *, is_recheck: bool) -> None:
        self.begun.append((user, component, is_recheck, self.target.attempt))
        self._add(user, component, "dispatched", is_recheck=is_recheck)

    def _add(self, user: str, component: int, state: str, *, is_recheck: bool = False, **more: Any) -> None:
        row = {
            "component": component, "is_recheck": is_recheck, "attempt": self.target.attempt, "state": state, "outcome": None,
            "exit_code": None, "signal": None, "reason": None, "tree": None, "detail": None, "last_line": None,
            "started_at": None, "finished_at": None, "session_id": f"of-{user}", "session_user_name": user, **more,
        }  # fmt: skip
        self.rows.append(SimpleNamespace(**row))

    @property
    def open(self) -> list[Any]:
        return [row for row in self.rows if row.state != "finished"]

    def end(self, row: Any) -> None:
        """The device answers for one execution, and the Engine follows."""
        row.state, row.outcome, row.started_at, row.finished_at = "finished", "exited", NOW, NOW
        row.exit_code = self.codes[row.session_user_name].pop(0) if self.codes[row.session_user_name] else 0
        some = [
            replace(next_on(self.target, its, NOW), session=who) for who, its in lines.going(self.target, self.rows)
        ]
        self.last = lines.joined(self.target, some, self.rows, NOW)
        self._follow(self.last)

    def _follow(self, one: Decided) -> None:
        self.target.session_ends = one.session_ends
        for part in one.parts:
            assert part.session is not None
            for left in getattr(part.next, "left_out", ()):
                more = {"outcome": "skipped", "reason": left.reason, "finished_at": NOW}
                self._add(part.session.user, left.component, "finished", **more)
            if isinstance(part.next, Start):
                step = part.next.step
                self._begin(part.session.user, step.component, is_recheck=step.is_recheck)
        if isinstance(one.next, Again):
            self.target.attempt, self.target.retried = self.target.attempt + 1, self.target.retried + 1
            for end in (one.session_ends or {}).values():
                if end["again"] is not None:
                    self._begin(end["user"], end["again"], is_recheck=False)


def _part(role: str) -> dict[str, Any]:
    return {"role": role, "warning_exit_codes": [9], "not_compliant_exit_codes": [1] if role == "check" else []}


parts = st.lists(st.sampled_from(["run", "check"]).map(_part), min_size=1, max_size=4)
codes = st.dictionaries(
    st.sampled_from(USERS), st.lists(st.sampled_from([0, 0, 0, 1, 5, 9]), max_size=6), min_size=1, max_size=3
)


def _played(components: list[dict[str, Any]], codes: Codes, order: Sequence[int], retries: int = 0) -> Device:
    device = Device(components, {user: list(some) for user, some in sorted(codes.items())}, retries)
    for number in (*order, *[0] * 500):
        if not device.open:
            return device
        device.end(device.open[number % len(device.open)])
    raise AssertionError("it never ends")


def _came_to(device: Device) -> tuple[Any, ...]:
    assert device.last is not None
    over = device.last.next
    assert isinstance(over, Ended)
    return over.event, over.reason, over.verdict, device.last.detail


@given(parts, codes, st.lists(st.integers(0, 10), max_size=40), st.integers(0, 2))
def test_the_order_in_which_sessions_answer_changes_nothing(components, codes, order, retries):
    assert _came_to(_played(components, codes, order, retries)) == _came_to(_played(components, codes, (), retries))


@given(parts, codes, st.lists(st.integers(0, 10), max_size=40), st.integers(0, 2))
def test_nothing_is_begun_twice_and_every_component_of_every_session_is_accounted_for(
    components, codes, order, retries
):
    device = _played(components, codes, order, retries)
    assert len(device.begun) == len(set(device.begun))
    told = {(row.session_user_name, row.component) for row in device.rows}
    assert told == {(user, place) for user in codes for place in range(len(components))}


@given(parts, codes, st.lists(st.integers(0, 10), max_size=40), st.integers(0, 2))
def test_each_session_runs_what_it_would_have_run_alone(components, codes, order, retries):
    together = _played(components, codes, order, retries)
    for user, some in codes.items():
        alone = _played(components, {user: some}, (), retries)
        assert [one for one in together.begun if one[0] == user] == alone.begun


@given(parts, codes, st.lists(st.integers(0, 10), max_size=40))
def test_it_goes_on_until_the_last_session_has_ended(components, codes, order):
    device = Device(components, {user: list(some) for user, some in sorted(codes.items())})
    for number in (*order, *[0] * 200):
        if not device.open:
            break
        device.end(device.open[number % len(device.open)])
        assert device.last is not None
        assert isinstance(device.last.next, Start | Waits) == bool(device.open)


@given(parts, codes, st.integers(1, 3))
def test_tries_are_counted_in_each_session_and_who_was_fine_is_left_in_peace(components, codes, retries):
    device = _played(components, codes, (), retries)
    for user in codes:
        tries = [one[3] for one in device.begun if one[0] == user]
        assert max(tries) <= retries + 1
        ends = [end for end in (device.target.session_ends or {}).values() if end["user"] == user]
        assert [end["attempt"] for end in ends] == [max(tries)], "its last try is the one that counts"
        if max(tries) <= retries:
            assert ends[0]["event"] != TargetEvent.FAIL, "a failure is tried again as often as may be"
