"""What a job may say of waves and of how many devices run at once: reads it, and judges it against the rest of the job. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, cast

from watchbill.core.fields import Choice, Fields, join, shown
from watchbill.core.job_rules_values import JobDraft
from watchbill.core.problems import Problem
from watchbill.core.tag_rules import MAX_TAG_CHARACTERS, read_tags
from watchbill.core.targets import read_targets
from watchbill.core.waves import LEAST_RESULTS, Canary, IfNone, OrderBy, Promote, Size, Stop, WavePlan, size_of

MAX_WAVES: Final = 20
SOAK_SECONDS: Final = (0, 7 * 86_400)
CONCURRENCY: Final = (1, 1_000_000)
PERCENT: Final = (1, 100)
COUNT: Final = (1, 1_000_000)
PROMOTES: Final = Choice(("auto", "manual"))
ORDERS: Final = Choice(("hostname", "site", "os", "last_seen", "random"))
#: Where a job lists them.
CANARIES: Final = "policies.waves.canary.targets"
CANARY_KINDS: Final = Choice(("device", "filter"))
IF_NONE: Final = Choice(("refuse", "go_on"))


def read_waves(policies: Fields) -> WavePlan | None:
    """The policy `waves`; None = all devices in one."""
    value = policies.take("waves")
    if value is None:
        return None
    fields = Fields.of(value, policies.problems, join(policies.path, "waves"))
    plan = WavePlan(
        sizes=_sizes(fields),
        soak_seconds=fields.integer("soak_seconds", *SOAK_SECONDS, default=0),
        promote=cast("Promote", fields.choice("promote", PROMOTES, default="auto") or "auto"),
        order_by=cast("OrderBy", fields.choice("order_by", ORDERS, default="hostname") or "hostname"),
        is_reversed=fields.boolean("reversed", default=False),
        canary=_canary(fields),
        stop=_stop(fields.object("stop")),
    )
    fields.refuse_unknown("waves")
    return plan


def _sizes(fields: Fields) -> tuple[Size, ...]:
    found = []
    for position, item in enumerate(fields.items("sizes", least=1, most=MAX_WAVES)):
        size = size_of(item)
        if size is None:
            what = f'must be a number of devices such as 5, or a share of all such as "10%", not {shown(item)}'
            fields.refuse(f"sizes.{position}", "not_allowed", what)
        else:
            found.append(size)
    return tuple(found)


def _canary(fields: Fields) -> Canary | None:
    if fields.value.get("canary") is None:
        fields.take("canary")
        return None
    canary = fields.object("canary")
    is_named = canary.value.get("tag") is not None or bool(canary.value.get("targets"))
    found = Canary(
        tag=_tag(canary),
        targets=read_targets(canary, "targets", CANARY_KINDS, least=0),
        if_none=cast("IfNone", canary.choice("if_none", IF_NONE, default="refuse") or "refuse"),
    )
    if not is_named:
        canary.refuse("tag", "required", "is required where no `targets` say who the canaries are")
    canary.refuse_unknown("a canary")
    return found


def _tag(canary: Fields) -> str | None:
    if canary.value.get("tag") is None:
        canary.take("tag")
        return None
    tag = canary.text("tag", least=1, most=MAX_TAG_CHARACTERS)
    problems: list[Problem] = []
    kept = read_tags([tag], "", problems) if tag else ()
    for problem in problems:
        canary.refuse("tag", problem.code, problem.message)
    return kept[0] if kept else None


def _stop(fields: Fields) -> Stop:
    stop = Stop(
        failed_percent=fields.optional_integer("failed_percent", *PERCENT),
        failed_count=fields.optional_integer("failed_count", *COUNT),
        unreachable_percent=fields.optional_integer("unreachable_percent", *PERCENT),
        unreachable_count=fields.optional_integer("unreachable_count", *COUNT),
        least_results=fields.integer("least_results", *COUNT, default=LEAST_RESULTS),
        cancel_running=fields.boolean("cancel_running", default=False),
    )
    fields.refuse_unknown("a brake")
    return stop


def pacing_conflicts(draft: JobDraft, gap: timedelta | None) -> Iterator[Problem]:
    """What cannot be together with waves and limits: clocks of several zones and splays, which say when devices start too."""
    policies = draft.policies
    named = {
        "waves": policies.waves,
        "concurrency": policies.concurrency,
        "site_concurrency": policies.site_concurrency,
    }
    given = [f"policies.{name}" for name, value in named.items() if value is not None]
    if given and draft.schedule is not None and draft.schedule.is_following:
        what = "must be null where the schedule follows the clocks of sites or devices: each zone is a wave by itself"
        yield from (Problem(name, "not_allowed", what) for name in given)
    if given and policies.splay_seconds:
        what = f"must be 0 where {' and '.join(given)} say when a device starts"
        yield Problem("policies.splay_seconds", "not_allowed", what)
    yield from _soaks(draft, gap)


def _soaks(draft: JobDraft, gap: timedelta | None) -> Iterator[Problem]:
    plan = draft.policies.waves
    if plan is None:
        return
    # The last wave soaks no longer; what the sizes leave may make one more wave.
    soaks = plan.soak_seconds * (len(plan.sizes) - 1 + (plan.canary is not None))
    for limit, what in (
        (draft.duration.expires_after_seconds, "duration.expires_after_seconds"),
        (draft.duration.run_limit_seconds, "duration.run_limit_seconds"),
        (None if gap is None else int(gap.total_seconds()), "the time to the next instant"),
    ):
        if limit is not None and soaks >= limit:
            message = f"makes {soaks} seconds of soaking in all, which must be less than {what}, {limit} seconds"
            yield Problem("policies.waves.soak_seconds", "out_of_range", message)
            return
