"""Waves: how a fleet is split, when the next begins, when the brake stops the rest, and what a job may say of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbill.core import waves
from watchbill.core.fields import Fields
from watchbill.core.job_rules_waves import read_waves
from watchbill.core.problems import Problem
from watchbill.core.states import TargetState as S
from watchbill.core.targets import DeviceTarget, FilterTarget
from watchbill.core.waves import Canary, Phase, Progress, Size, Step, Stop, WavePlan, next_step, split

NOW = datetime(2026, 5, 4, 5, tzinfo=UTC)
PERCENT = st.integers(1, 100)
SIZES = st.one_of(st.builds(Size, st.integers(1, 50)), st.builds(Size, PERCENT, st.just(value=True)))
MAYBE = st.none() | PERCENT
STOPS = st.builds(Stop, MAYBE, MAYBE, MAYBE, MAYBE, least_results=st.integers(1, 9), cancel_running=st.booleans())
AIMS = st.builds(DeviceTarget, st.uuids()) | st.builds(FilterTarget, st.integers(1, 2**40))
PLACED = st.lists(AIMS, max_size=4, unique=True).map(lambda some: {one: place for place, one in enumerate(some)})
IF_NONE = st.sampled_from(["refuse", "go_on"])
CANARIES = st.builds(Canary, st.just("canary"), PLACED, IF_NONE) | st.builds(
    Canary, st.none(), PLACED.filter(bool), IF_NONE
)
PLANS = st.builds(
    WavePlan,
    st.lists(SIZES, min_size=1, max_size=20).map(tuple),
    st.integers(0, 3600),
    st.sampled_from(["auto", "manual"]),
    st.sampled_from(["hostname", "site", "os", "last_seen", "random"]),
    st.booleans(),
    st.none() | CANARIES,
    STOPS,
)
COUNTS = st.dictionaries(st.sampled_from(list(S)), st.integers(0, 30))


def plan(*sizes: int | str, **more) -> WavePlan:
    found = [waves.size_of(size) for size in sizes]
    return WavePlan(tuple(size for size in found if size), **more)


def progress(phase: Phase, wave: int, *counts, soak_until=None) -> Progress:
    return Progress(phase, wave, len(counts), dict(enumerate(counts, 1)), soak_until)


@pytest.mark.parametrize(
    ("total", "sizes", "canaries", "expected"),
    [
        (100, (1, "10%", "100%"), 0, [1, 10, 89]),
        (100, (1, "10%", "100%"), 3, [3, 1, 10, 86]),
        (100, (1, 5), 0, [1, 5, 94]),
        (7, ("10%", "50%", "40%"), 0, [1, 4, 2]),
        (2, (1, 5, "100%"), 0, [1, 1]),
        (3, ("100%",), 0, [3]),
        (0, (1,), 0, []),
        (4, (9,), 9, [4]),
    ],
)
def test_sizes_are_devices_and_what_they_leave_is_one_more_wave(total, sizes, canaries, expected) -> None:
    assert split(total, plan(*sizes), canaries) == expected


@given(st.integers(0, 10_000), PLANS, st.integers(0, 100))
def test_every_device_is_in_one_wave_and_no_wave_is_empty(total, some, canaries) -> None:
    sizes = split(total, some, canaries)
    assert sum(sizes) == total
    assert all(sizes)
    assert len(sizes) <= len(some.sizes) + 2


@given(PLANS)
def test_a_plan_is_kept_as_it_was(some: WavePlan) -> None:
    assert waves.from_json(some.to_json()) == some
    problems: list[Problem] = []
    assert read_waves(Fields.of({"waves": some.to_json()}, problems)) == some
    assert problems == []


def test_a_canary_says_who_it_is() -> None:
    problems: list[Problem] = []
    read_waves(Fields.of({"waves": {"sizes": [1], "canary": {"if_none": "go_on"}}}, problems))
    assert [(one.field, one.code) for one in problems] == [("waves.canary.tag", "required")]


def test_a_canary_that_was_saved_before_there_was_a_choice_goes_on_without_one() -> None:
    stored = {**plan(1).to_json(), "canary": {"tag": "canary"}}
    found = waves.from_json(stored)
    assert found is not None
    assert found.canary == Canary("canary", {}, "go_on")


@given(PLANS, st.lists(COUNTS, min_size=1, max_size=5), st.data())
def test_no_wave_is_passed_over_and_every_way_comes_to_rest(some: WavePlan, counts, data) -> None:
    wave = data.draw(st.integers(1, len(counts)))
    step = Step(Phase.RUNNING, wave)
    for _ in range(2 * len(counts) + 2):
        following = next_step(some, progress(step.phase, step.wave, *counts, soak_until=step.soak_until), NOW)
        if following == step:
            break
        assert following.wave in (step.wave, step.wave + 1)
        if following.wave > step.wave:
            assert waves.is_over(counts[step.wave - 1])
            assert some.promote == "auto"
        step = following
    else:
        pytest.fail(f"does not come to rest: {step}")


@given(STOPS, PLANS, st.lists(COUNTS, min_size=1, max_size=5))
def test_one_more_failure_never_lets_go_of_the_brake(stop: Stop, some: WavePlan, counts) -> None:
    before = waves.tally(progress(Phase.RUNNING, len(counts), *counts), is_over=False)
    worse = waves.Tally(before.results + 1, before.failed + 1, before.unreachable)
    if stop.unreachable_percent is None and waves.brake(stop, before, is_over=False):
        assert waves.brake(stop, worse, is_over=False)


@pytest.mark.parametrize(
    ("failed", "fine", "is_over", "stops"),
    [(1, 0, False, False), (1, 3, False, False), (1, 4, False, True), (1, 5, False, False), (1, 0, True, True)],
)
def test_a_share_is_judged_from_five_results_on_and_at_the_end_of_a_wave(failed, fine, is_over, stops) -> None:
    known = waves.tally(progress(Phase.RUNNING, 1, {S.FAILED: failed, S.SUCCESS: fine}), is_over=is_over)
    assert bool(waves.brake(Stop(failed_percent=20), known, is_over=is_over)) is stops


def test_a_number_stops_at_once_and_says_what_of_how_many() -> None:
    counts = {S.TIMED_OUT: 1, S.FAILED: 1, S.SUCCESS: 1, S.PENDING: 9}
    step = next_step(plan(12, stop=Stop(failed_count=2)), progress(Phase.RUNNING, 1, counts), NOW)
    assert (step.phase, step.detail) == (Phase.BRAKED, "2 of 3 devices failed; the brake is set at 2.")


def test_who_is_away_when_the_wave_is_over_could_not_be_reached() -> None:
    away = {S.SUCCESS: 3, S.WAITING_ONLINE: 1}
    step = next_step(plan(4, stop=Stop(unreachable_percent=25)), progress(Phase.RUNNING, 1, away, {S.PENDING: 6}), NOW)
    assert step.phase is Phase.BRAKED
    running = {S.SUCCESS: 3, S.WAITING_ONLINE: 1, S.RUNNING: 1}
    step = next_step(
        plan(5, stop=Stop(unreachable_percent=25)), progress(Phase.RUNNING, 1, running, {S.PENDING: 6}), NOW
    )
    assert step == Step(Phase.RUNNING, 1)


def test_a_wave_of_which_nothing_is_known_is_not_over() -> None:
    assert not waves.is_over({S.WAITING_ONLINE: 3})
    assert waves.is_over({S.WAITING_ONLINE: 3, S.SUCCESS: 1})
    assert waves.is_over({S.SKIPPED: 3})
    assert not waves.is_over({S.SUCCESS: 3, S.RUNNING: 1})


def test_a_wave_soaks_then_waits_for_a_person_then_the_next_begins() -> None:
    some = plan(1, "100%", soak_seconds=60, promote="manual")
    counts = ({S.SUCCESS: 1}, {S.PENDING: 3})
    soaking = next_step(some, progress(Phase.RUNNING, 1, *counts), NOW)
    until = NOW + timedelta(seconds=60)
    assert soaking == Step(Phase.SOAKING, 1, until)
    assert next_step(some, progress(Phase.SOAKING, 1, *counts, soak_until=until), NOW) == soaking
    waiting = next_step(some, progress(Phase.SOAKING, 1, *counts, soak_until=until), until)
    assert waiting == Step(Phase.AWAITING, 1)
    assert next_step(some, progress(Phase.AWAITING, 1, *counts), until) == waiting
    alone = plan(1, "100%", soak_seconds=60)
    assert next_step(alone, progress(Phase.SOAKING, 1, *counts, soak_until=until), until) == Step(Phase.RUNNING, 2)


def test_everything_wrong_with_waves_is_said_at_once() -> None:
    problems: list[Problem] = []
    said = {
        "sizes": [0, "0%", "101%", 1.5, True],
        "soak_seconds": -1,
        "promote": "later",
        "order_by": "price",
        "canary": {"tag": "a b", "x": 1, "targets": [{"kind": "site", "site_id": 1}], "if_none": "maybe"},
        "stop": {"failed_percent": 0, "failed_count": 0, "what": 1},
        "size": 3,
    }
    read_waves(Fields.of({"waves": said}, problems, "policies"))
    assert sorted({problem.field.removeprefix("policies.waves.") for problem in problems}) == [
        "canary.if_none", "canary.tag", "canary.targets.0.kind", "canary.x", "order_by", "promote", "size", "sizes.0", "sizes.1", "sizes.2", "sizes.3", "sizes.4",
        "soak_seconds", "stop.failed_count", "stop.failed_percent", "stop.what",
    ]  # fmt: skip


@given(st.none() | st.integers(0, 50), st.integers(0, 100))
def test_places_are_never_less_than_none(limit, busy) -> None:
    free = waves.free_slots(limit, busy)
    assert free is None if limit is None else free == max(0, limit - busy)
