"""What one request about many jobs may say: which jobs, what to do with each, and how many that is expected to change. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from watchbill.core.fields import Choice, Fields, is_integer, shown
from watchbill.core.job_rules_tags import tags
from watchbill.core.job_rules_toggle import Toggle, read_toggle
from watchbill.core.job_rules_values import JOB_KINDS
from watchbill.core.problems import Problem

Action = Literal["toggle", "rerun", "tag", "delete"]
Which = Literal["all", "failed", "not_finished"]

MAX_JOBS: Final = 1_000
_ACTIONS: Final = Choice(("toggle", "rerun", "tag", "delete"))
_WHICH: Final = Choice(("all", "failed", "not_finished"))
#: Those that launch a workflow are automation as well.
_KINDS: Final = Choice((*JOB_KINDS.now, *JOB_KINDS.later, "workflow"))
_STATES: Final = Choice(("active", "paused", "completed", "error"))
_HEALTH: Final = Choice(("failing", "missed", "waiting", "will_not_fire"))
#: What belongs to which action.
_ARGUMENTS: Final = {
    "toggle": ("enabled", "reason", "until"),
    "rerun": ("targets", "reason"),
    "tag": ("add", "remove"),
    "delete": (),
}
_BIG: Final = 2**63 - 1
_NO_TOGGLE: Final = Toggle(enabled=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of the list of jobs."""

    q: str | None = None
    kind: str | None = None
    state: str | None = None
    site_id: int | None = None
    enabled: bool | None = None
    tags: tuple[str, ...] = ()
    health: str | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """One action on many jobs: those with these numbers, or (None) those that a filter finds.

    `expected` None = only count. What belongs to another action holds its default.
    """

    action: Action
    job_ids: tuple[int, ...] | None
    asked: Asked
    expected: int | None
    toggle: Toggle = _NO_TOGGLE
    which: Which = "all"
    reason: str | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def read_bulk(body: object, now: datetime) -> tuple[Bulk, list[Problem]]:
    """The request, to be trusted only when there is no problem."""
    problems: list[Problem] = []
    fields = Fields.of(body, problems)
    action = fields.choice("action", _ACTIONS)
    job_ids, asked = _chosen(fields)
    expected = _expected(fields)
    bulk = Bulk(cast("Action", action or "delete"), job_ids, asked, expected)
    if action is None:
        return bulk, problems  # which fields belong to it depends on the action
    return _with_arguments(fields, bulk, now), problems


def _chosen(fields: Fields) -> tuple[tuple[int, ...] | None, Asked]:
    """The numbers of jobs, or a filter; one of them is needed."""
    has_ids, has_filter = (fields.value.get(name) is not None for name in ("job_ids", "filter"))
    if has_ids == has_filter:
        code, message = (
            ("not_allowed", "and filter exclude each other") if has_ids else ("required", "or filter is required")
        )
        fields.refuse("job_ids", code, message)
    asked = _asked(fields.object("filter"))
    if not has_ids:
        fields.take("job_ids")
        return None, asked
    found: dict[int, int] = {}
    for place, item in enumerate(fields.items("job_ids", least=1, most=MAX_JOBS)):
        if not is_integer(item) or not 1 <= item <= _BIG:
            fields.refuse(f"job_ids.{place}", "wrong_type", f"must be the number of a job, not {shown(item)}")
        elif found.setdefault(item, place) != place:
            fields.refuse(f"job_ids.{place}", "duplicate", f"{item} is listed already at job_ids.{found[item]}")
    return tuple(found), asked


def _asked(fields: Fields) -> Asked:
    def word(name: str, choice: Choice) -> str | None:
        return None if fields.value.get(name) is None and fields.take(name) is None else fields.choice(name, choice)

    asked = Asked(
        q=fields.text("q", most=200, default="") or None,
        kind=word("kind", _KINDS),
        state=word("state", _STATES),
        site_id=fields.optional_integer("site_id", 1, _BIG),
        enabled=fields.optional_boolean("enabled"),
        tags=tags(fields, "tag"),
        health=word("health", _HEALTH),
    )
    fields.refuse_unknown("a filter of jobs")
    return asked


def _expected(fields: Fields) -> int | None:
    """How many jobs are to change; None where it is only counted."""
    is_dry = fields.boolean("dry_run", default=True)
    expected = fields.optional_integer("expected", 0, MAX_JOBS)
    if not is_dry and fields.value.get("expected") is None:
        fields.refuse("expected", "required", "is required with dry_run false: the count that a dry run told")
    if is_dry and expected is not None:
        fields.refuse("expected", "not_allowed", "belongs to a request with dry_run false")
    return None if is_dry else expected


def _with_arguments(fields: Fields, bulk: Bulk, now: datetime) -> Bulk:
    for name in ("enabled", "reason", "until", "targets", "add", "remove", "catch_up"):
        fields.take(name)
        if fields.value.get(name) is not None and name not in _ARGUMENTS[bulk.action]:
            fields.refuse(name, "not_allowed", _why_not(name, bulk.action))
    fields.refuse_unknown("a request about many jobs")
    match bulk.action:
        case "toggle":
            given = {name: fields.value[name] for name in _ARGUMENTS["toggle"] if name in fields.value}
            toggle, problems = read_toggle(given, now)
            fields.problems += problems
            return Bulk(bulk.action, bulk.job_ids, bulk.asked, bulk.expected, toggle=toggle)
        case "rerun":
            which = cast("Which", fields.choice("targets", _WHICH, default="all") or "all")
            reason = fields.text("reason", most=1_000, default="").strip() or None
            return Bulk(bulk.action, bulk.job_ids, bulk.asked, bulk.expected, which=which, reason=reason)
        case "tag":
            add, remove = tags(fields, "add"), tags(fields, "remove")
            _check_tags(fields, add, remove)
            return Bulk(bulk.action, bulk.job_ids, bulk.asked, bulk.expected, add=add, remove=remove)
        case "delete":
            return bulk


def _why_not(name: str, action: str) -> str:
    if name == "catch_up":
        return "is not for many jobs at once: resume those one by one whose pause is to be made up for"
    allowed = _ARGUMENTS[action]
    return f"does not belong to the action {action}, which takes {', '.join(allowed) if allowed else 'nothing more'}"


def _check_tags(fields: Fields, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    if not fields.value.get("add") and not fields.value.get("remove"):
        fields.refuse("add", "required", "or remove is required: the tags to give or to take")
    both = [one for one in add if one in remove]
    if both:
        fields.refuse("remove", "not_allowed", f"and add both name {', '.join(both)}")
