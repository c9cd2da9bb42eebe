"""Properties that hold for every schedule in every zone of the wheel (I1 to I6, I10 of the schedule semantics)."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.schedule_strategies import MOMENTS, STARTS, STEPS, UNITS, UNTIMED, ZONES, near_change, specs
from watchbill.core import schedule as sut
from watchbill.core.schedule_types import Elapsed

FAR = datetime(2500, 1, 1, tzinfo=UTC)


def start_of(plan):
    assert plan.start is not None
    return plan.start


def step_of(plan):
    assert isinstance(plan.rule, Elapsed)
    return plan.rule.step


@UNTIMED
@given(st.data(), specs())
def test_instants_ascend_and_lie_after_the_asked_moment(data, spec):
    plan, after = sut.parse(spec), data.draw(near_change(spec))
    instants = list(islice(sut.instants_after(plan, after), 12))
    assert all(earlier < later for earlier, later in pairwise([after, *instants]))
    assert all(instant.microsecond == 0 and instant.tzinfo is UTC for instant in instants)


@UNTIMED
@given(st.data(), specs(), st.floats(0, 1))
def test_the_next_instant_does_not_depend_on_where_in_the_interval_one_asks(data, spec, share):
    plan, after = sut.parse(spec), data.draw(near_change(spec))
    following = sut.next_due(plan, after)
    between = after + ((following or after + timedelta(days=9000)) - after) * share
    assume(following is None or between < following)
    assert sut.next_due(plan, between) == following


@UNTIMED
@given(st.data(), specs())
def test_asking_step_by_step_gives_the_same_instants_as_one_walk(data, spec):
    plan, after = sut.parse(spec), data.draw(near_change(spec))
    walked = list(islice(sut.instants_after(plan, after), 8))
    stepped: list[datetime] = []
    while len(stepped) < 8 and (following := sut.next_due(plan, stepped[-1] if stepped else after)):
        stepped.append(following)
    assert stepped == walked


@UNTIMED
@given(st.data(), specs(), st.integers(0, 5 * 86400))
def test_counting_and_looking_back_agree_with_the_walk(data, spec, seconds):
    plan, after = sut.parse(spec), data.draw(near_change(spec))
    until = after + timedelta(seconds=seconds)
    instants = list(sut.instants_between(plan, after, until))
    assert sut.count_between(plan, after, until, 10_000) == len(instants)
    assert sut.count_between(plan, after, until, 2) == min(2, len(instants))
    assert sut.count_between(plan, until, after, 10_000) == 0
    latest = sut.latest_before(plan, until)
    if instants:
        assert latest == instants[-1]
    else:
        assert latest is None or latest <= after
    if latest is not None:
        assert sut.next_due(plan, latest - timedelta(seconds=1)) == latest


@UNTIMED
@given(st.data(), specs(kinds=["cron", "rrule"]), st.integers(0, 100 * 86400))
def test_a_long_range_is_counted_as_a_walk_counts_it(data, spec, seconds):
    spec.pop("count", None)
    plan, after = sut.parse(spec), data.draw(near_change(spec))
    until = after + timedelta(seconds=seconds)
    walked = sum(1 for _ in sut.instants_between(plan, after, until))
    assert sut.count_between(plan, after, until, 10**9) == walked


@UNTIMED
@given(specs(), st.integers(1, 40))
def test_count_keeps_the_first_instants_of_the_same_schedule(spec, count):
    whole = sut.parse({name: value for name, value in spec.items() if name != "count"})
    assume(spec["type"] != "once")
    limited = sut.parse(spec | {"count": count})
    before = datetime(1980, 1, 1, tzinfo=UTC)
    assert list(sut.instants_after(limited, before)) == list(islice(sut.instants_after(whole, before), count))


@UNTIMED
@given(st.data(), specs())
def test_start_and_end_cut_the_same_instants_out(data, spec):
    plan, after = sut.parse(spec), data.draw(near_change(spec))
    instants = list(islice(sut.instants_after(plan, after), 6))
    assume(len(instants) == 6 and spec["type"] != "once")
    bounded = sut.parse(spec | {"end": instants[3].isoformat()})
    assert list(sut.instants_between(bounded, after, FAR)) == instants[:4]


@UNTIMED
@given(st.data(), specs(kinds=STEPS))
def test_steps_are_exact_over_every_change_of_the_clocks(data, spec):
    plan, after = sut.parse(spec), data.draw(near_change(spec))
    instants = list(islice(sut.instants_after(plan, after), 30))
    assert {later - earlier for earlier, later in pairwise(instants)} <= {step_of(plan)}


@UNTIMED
@given(specs(kinds=STEPS), st.integers(-500, 500), MOMENTS)
def test_moving_the_start_by_whole_steps_leaves_later_instants(spec, steps, after):
    assume("count" not in spec)
    plan = sut.parse(spec)
    moved = sut.parse(spec | {"start": (start_of(plan).instant + steps * step_of(plan)).isoformat()})
    after = max(after, start_of(plan).instant, start_of(moved).instant)
    assert list(islice(sut.instants_after(moved, after), 5)) == list(islice(sut.instants_after(plan, after), 5))


@UNTIMED
@given(st.data(), specs(kinds=["daily"]))
def test_daily_runs_exactly_once_for_each_date_that_exists(data, spec):
    spec.pop("count", None)
    plan = sut.parse(spec)
    after = max(data.draw(near_change(spec)), start_of(plan).instant)
    coming = sut.upcoming(plan, after, 6)
    for item in coming:
        shown, asked = item.local, datetime.combine(item.local.date(), start_of(plan).wall.time())
        assert shown == asked or "shifted_gap" in item.flags
        assert plan.zone.resolve(asked) == item.at or "shifted_gap" in item.flags
    dates = [item.local.date() for item in coming]
    for earlier, later in pairwise(dates):
        skipped = [earlier + timedelta(days=number) for number in range(1, (later - earlier).days)]
        assert all(plan.zone.spread(datetime.combine(day, start_of(plan).wall.time())) > timedelta() for day in skipped)


@UNTIMED
@given(st.data(), specs(kinds=UNITS))
def test_calendar_units_show_the_anchors_wall_clock_or_say_why_not(data, spec):
    plan = sut.parse(spec)
    for item in sut.upcoming(plan, data.draw(near_change(spec)), 5):
        wall = start_of(plan).wall
        assert item.local.time() == wall.time() or "shifted_gap" in item.flags
        if spec["type"] == "weekly":
            assert item.local.weekday() == wall.weekday() or "shifted_gap" in item.flags
        if spec["type"] in {"monthly", "yearly"}:
            assert item.local.day == wall.day or {"shifted_gap", "clamped"} & set(item.flags)


@UNTIMED
@given(specs(zones=st.just("UTC")), MOMENTS)
def test_utc_and_etc_utc_are_the_same(spec, after):
    other = sut.parse(spec | {"timezone": "Etc/UTC"})
    assert list(islice(sut.instants_after(sut.parse(spec), after), 5)) == list(
        islice(sut.instants_after(other, after), 5)
    )


@UNTIMED
@given(specs())
def test_writing_and_reading_a_schedule_gives_it_back(spec):
    plan = sut.parse(spec)
    assert sut.parse(sut.to_json(plan)) == plan


@UNTIMED
@given(st.sampled_from(STEPS), ZONES, MOMENTS)
def test_a_computed_anchor_shows_a_multiple_of_the_step_and_survives_storing(kind, zone, now):
    plan = sut.anchored(sut.parse({"type": kind, "timezone": zone}), now)
    since_midnight = start_of(plan).wall - datetime.combine(start_of(plan).wall.date(), datetime.min.time())
    assert since_midnight % step_of(plan) == timedelta()
    assert now <= start_of(plan).instant < now + 2 * step_of(plan) + timedelta(days=1)
    assert sut.parse(sut.to_json(plan)) == plan
    assert sut.anchored(plan, now + timedelta(days=1)) == plan


@UNTIMED
@given(specs(), STARTS)
def test_every_schedule_has_words_that_name_its_zone(spec, start):
    words = sut.in_words(sut.parse(spec | {"start": start}))
    assert f"({spec['timezone']})" in words
    assert words.endswith(".")


@UNTIMED
@given(st.dictionaries(st.sampled_from(["type", "start", "end", "count", "timezone", "expression", "rule", "exdate", "x"]),
                       st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=2)
                       | st.sampled_from(["daily", "cron", "rrule", "once", "2026-01-01T00:00", "UTC", "* * * * *", "FREQ=DAILY"])))  # fmt: skip
def test_any_object_is_read_or_refused_with_named_fields(spec):
    try:
        plan = sut.parse(spec)
    except sut.ScheduleProblems as refusal:
        assert refusal.problems
        assert all(problem.field and problem.code and problem.message for problem in refusal.problems)
    else:
        assert sut.parse(sut.to_json(plan)) == plan
