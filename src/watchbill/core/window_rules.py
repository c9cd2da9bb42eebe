"""What a window may say: reads one as the API or a file gives it, and judges it against what it is attached to. Pure.

Two steps, as for jobs: `read` needs only the window, `settle` also the facts. Their problems together are all there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, cast
from uuid import UUID

from watchbill.core import schedule as calendar
from watchbill.core.fields import Choice, Fields, is_integer, join, shown
from watchbill.core.problems import Problem, under
from watchbill.core.schedule_rrule import Recurrence
from watchbill.core.schedule_types import Elapsed, Immediate
from watchbill.core.schedule_wording import counted
from watchbill.core.targets import FilterFacts
from watchbill.core.window_spans import Spans
from watchbill.core.windows import Kind, WhenClosed, ZoneSource

AttachmentKind = Literal["global", "site", "device", "job", "filter"]

KINDS: Final = Choice(("allow", "deny"))
WHEN_CLOSED: Final = Choice(("skip", "defer"))
ZONE_SOURCES: Final = Choice(("fixed", "site"), ("device",))
ATTACHMENT_KINDS: Final = Choice(("global", "site", "device", "job", "filter"))

MAX_SPANS: Final = 500
MAX_ATTACHMENTS: Final = 200
DURATION_SECONDS: Final = (60, 31 * 86_400)
DURATION_DAYS: Final = (1, 31)
CUTOFF_SECONDS: Final = (0, 31 * 86_400)

#: What a reply adds to a window.
READ_ONLY: Final = frozenset(
    {
        "id", "revision", "span_texts", "covers", "current", "spans_other_sites", "created_by", "updated_by", "created_at", "updated_at",
        "allowed_actions",
    }
)  # fmt: skip
#: A rule without any instant takes a tenth of a second to be found out, so not all of five hundred such are looked at.
_MOST_SEARCHES: Final = 20
#: The clocks that show a date last.
_LAST_ZONE: Final = "Etc/GMT+12"
_BLACKOUT_STARTS_NOTHING: Final = "belongs to maintenance windows (kind allow): a blackout lets nothing start"


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a window covers. `id` is a device's UUID, or the number of a site, job or filter; global windows have none."""

    kind: AttachmentKind
    id: int | UUID | None = None

    def to_json(self) -> dict[str, object]:
        named = {} if self.id is None else {f"{self.kind}_id": str(self.id) if isinstance(self.id, UUID) else self.id}
        return {"kind": self.kind, **named}


@dataclass(frozen=True, slots=True)
class SpanDraft:
    """One span as read. `schedule` None = it was faulty; `name` is for people."""

    name: str | None
    schedule: calendar.Schedule | None
    duration_seconds: int | None
    duration_days: int | None

    @property
    def least_seconds(self) -> int:
        """How long it is at least, changes of the clocks aside."""
        return self.duration_seconds or (self.duration_days or 0) * 86_400


@dataclass(frozen=True, slots=True)
class WindowDraft:
    """A window as somebody wants to save it. `enabled` None = a new one is, an edit leaves it as it is."""

    name: str
    description: str
    kind: Kind
    zone_source: ZoneSource
    spans: tuple[SpanDraft, ...]
    when_closed: WhenClosed
    cutoff_seconds: int
    stop_at_end: bool
    enabled: bool | None
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """What was read; faulty parts hold defaults, so that the rest can still be judged."""

    draft: WindowDraft
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a window is judged against: of what it names, what exists in the actor's sites.

    `jobs` says of each visible job whether all its devices lie there too.
    """

    now: datetime
    sites: frozenset[int]
    devices: frozenset[UUID]
    jobs: Mapping[int, bool]
    has_every_site: bool
    #: An edit that leaves the spans alone must not fail because they have passed meanwhile.
    stored_spans: Sequence[Mapping[str, object]] | None = None
    filters: Mapping[int, FilterFacts] = field(default_factory=dict)


@dataclass(slots=True)
class Settled:
    """The spans ready to be stored, and what speaks against saving the window."""

    spans: list[dict[str, object]]
    problems: list[Problem] = field(default_factory=list)


def read(definition: object) -> ReadWindow:
    """Read a window's own words and name everything that is wrong with them."""
    problems: list[Problem] = []
    fields = Fields.of(definition, problems)
    kind = cast("Kind", fields.choice("kind", KINDS) or "deny")
    zone_source = cast("ZoneSource", fields.choice("zone_source", ZONE_SOURCES, default="fixed") or "fixed")
    draft = WindowDraft(
        name=fields.name(),
        description=fields.text("description", most=10_000, default=""),
        kind=kind,
        zone_source=zone_source,
        spans=_spans(fields, zone_source),
        when_closed=cast("WhenClosed", fields.choice("when_closed", WHEN_CLOSED, default="skip") or "skip"),
        cutoff_seconds=fields.integer("cutoff_seconds", *CUTOFF_SECONDS, default=0),
        stop_at_end=fields.boolean("stop_at_end", default=False),
        enabled=fields.optional_boolean("enabled"),
        attachments=_attachments(fields),
    )
    if "kind" in fields.value:
        _judge_kind(fields, draft)
    fields.refuse_unknown("a window", READ_ONLY)
    return ReadWindow(draft, tuple(problems))


def _judge_kind(fields: Fields, draft: WindowDraft) -> None:
    if draft.kind == "deny":
        if draft.cutoff_seconds:
            fields.refuse("cutoff_seconds", "not_allowed", _BLACKOUT_STARTS_NOTHING)
        if draft.stop_at_end:
            fields.refuse("stop_at_end", "not_allowed", _BLACKOUT_STARTS_NOTHING)
        return
    shortest = min((span.least_seconds for span in draft.spans if span.least_seconds), default=None)
    if shortest is not None and draft.cutoff_seconds >= shortest:
        message = f"must be less than {shortest}, the seconds of the shortest span: nothing could start in that"
        fields.refuse("cutoff_seconds", "out_of_range", message)


def _spans(fields: Fields, zone_source: ZoneSource) -> tuple[SpanDraft, ...]:
    items = fields.items("spans", least=1, most=MAX_SPANS)
    paths = [join(fields.path, f"spans.{position}") for position in range(len(items))]
    return tuple(
        _span(Fields.of(item, fields.problems, path), zone_source) for item, path in zip(items, paths, strict=True)
    )


def read_span(value: object, zone_source: ZoneSource) -> tuple[SpanDraft, list[Problem]]:
    """One span by itself, and what is wrong with it."""
    problems: list[Problem] = []
    return _span(Fields.of(value, problems), zone_source), problems


def _span(fields: Fields, zone_source: ZoneSource) -> SpanDraft:
    name = fields.text("name", most=200, default="", is_one_line=True)
    seconds = fields.optional_integer("duration_seconds", *DURATION_SECONDS)
    days = fields.optional_integer("duration_days", *DURATION_DAYS)
    given = [one for one in ("duration_seconds", "duration_days") if fields.value.get(one) is not None]
    if not given:
        message = "or duration_days is required: elapsed seconds, or days to the same wall clock"
        fields.refuse("duration_seconds", "required", message)
    elif len(given) > 1:
        fields.refuse("duration_days", "not_allowed", "must be left out where duration_seconds is given")
    draft = SpanDraft(name or None, _schedule(fields, zone_source), seconds, days)
    fields.refuse_unknown("a span")
    return draft


def _schedule(fields: Fields, zone_source: ZoneSource) -> calendar.Schedule | None:
    value = fields.take("schedule")
    if value is None:
        fields.refuse("schedule", "required", "is required: an object with at least a type")
        return None
    if not isinstance(value, Mapping):
        fields.refuse("schedule", "wrong_type", f"must be an object, not {shown(value)}")
        return None
    spec = Fields.of(value, [], "schedule").value
    problems = list(_zone_problems(spec, zone_source))
    try:
        schedule = calendar.parse({name: one for name, one in spec.items() if name != "timezone_source"})
        problems += _unfit(schedule, zone_source, is_searching=len(fields.problems) < _MOST_SEARCHES)
    except calendar.ScheduleProblems as error:
        schedule, told = None, {problem.field for problem in problems}
        problems += [Problem(one.field, one.code, one.message) for one in error.problems if one.field not in told]
    fields.problems += under(join(fields.path, "schedule"), problems)
    return None if problems else schedule


def _zone_problems(spec: Mapping[str, object], zone_source: ZoneSource) -> Iterator[Problem]:
    if spec.get("timezone_source") not in (None, "fixed"):
        message = "must be left out: whose clocks a window is read on is its own zone_source, for all its spans"
        yield Problem("timezone_source", "not_allowed", message)
    if zone_source == "site" and spec.get("timezone") is not None:
        message = "must be left out: this window is read on the clocks of each device's site"
        yield Problem("timezone", "not_allowed", message)


def _unfit(schedule: calendar.Schedule, zone_source: ZoneSource, *, is_searching: bool) -> Iterator[Problem]:
    """What a schedule may say for a job, and not for a window. `is_searching`: also whether it names any instant."""
    if isinstance(schedule.rule, Immediate):
        yield Problem("type", "not_allowed", "must not be immediately: a window has its time")
        return
    if schedule.start is None and (isinstance(schedule.rule, Elapsed) or schedule.count):
        if zone_source == "site":
            message = "is required where the clocks of sites are read: the wall clock from which is counted"
            yield Problem("start", "required", message)
    elif is_searching and (never := calendar.never_fires(schedule)):
        yield Problem(never.field, never.code, never.message)
    if zone_source == "site":
        yield from _offsets(schedule)


def _offsets(schedule: calendar.Schedule) -> Iterator[Problem]:
    rule = schedule.rule
    dates = {"exdate": rule.exdates, "rdate": rule.rdates} if isinstance(rule, Recurrence) else {}
    moments = {"start": (schedule.start,), "end": (schedule.end,), **dates}
    for name, named in moments.items():
        if any(one is not None and datetime.fromisoformat(one.text).tzinfo is not None for one in named):
            yield Problem(name, "invalid_time", "must be a wall clock without an offset: each site has its own")


def _attachments(fields: Fields) -> tuple[Attachment, ...]:
    found: dict[Attachment, int] = {}
    for position, item in enumerate(fields.items("attachments", least=1, most=MAX_ATTACHMENTS)):
        one = Fields.of(item, fields.problems, join(fields.path, f"attachments.{position}"))
        attachment = _attachment(one)
        first = found.setdefault(attachment, position) if attachment else position
        if first != position:
            one.refuse("kind", "duplicate", f"the same is listed already at attachments.{first}")
    return tuple(found)


def _attachment(fields: Fields) -> Attachment | None:
    """None when it is faulty."""
    kind = cast("AttachmentKind | None", fields.choice("kind", ATTACHMENT_KINDS))
    if kind is None:
        return None  # which field belongs to it depends on its kind
    found: int | UUID | None = None
    if kind == "device":
        found = fields.identifier("device_id")
    elif kind != "global":
        found = _number(fields, f"{kind}_id")
    fields.refuse_unknown(f"a {kind} attachment")
    return Attachment(kind, found) if kind == "global" or found is not None else None


def _number(fields: Fields, name: str) -> int | None:
    if fields.value.get(name) is None:
        fields.take(name)
        fields.refuse(name, "required", "is required: a number")
        return None
    return fields.optional_integer(name, 1, 2**63 - 1)


def settle(draft: WindowDraft, facts: Facts) -> Settled:
    """Judge what a window is attached to and whether it can be open at all, and anchor its schedules."""
    stored = [stored_span(span, draft.zone_source, facts.now) for span in draft.spans]
    settled = Settled([one for one in stored if one is not None])
    for position, attachment in enumerate(draft.attachments):
        settled.problems += _judge_attachment(attachment, f"attachments.{position}", facts)
    is_whole = len(settled.spans) == len(draft.spans) > 0
    if is_whole and settled.spans != facts.stored_spans and is_over(settled.spans, draft.zone_source, facts.now):
        settled.problems.append(Problem("spans", "in_the_past", "every span lies in the past"))
    return settled


def stored_span(span: SpanDraft, zone_source: ZoneSource, now: datetime) -> dict[str, object] | None:
    """A span as it is kept; None for a faulty one."""
    if span.schedule is None:
        return None
    if zone_source == "fixed":
        schedule = calendar.to_json(calendar.anchored(span.schedule, now))
    else:
        schedule = {name: value for name, value in calendar.to_json(span.schedule).items() if name != "timezone"}
    if span.duration_seconds is not None:
        return {"name": span.name, "schedule": schedule, "duration_seconds": span.duration_seconds}
    return {"name": span.name, "schedule": schedule, "duration_days": span.duration_days}


def is_over(spans: Sequence[Mapping[str, object]], zone_source: ZoneSource, now: datetime) -> bool:
    """Whether stored spans are past, wherever a site may be."""
    stage = Spans(tuple(spans), follows_site=zone_source == "site").in_zone(_LAST_ZONE).stage(now - calendar.GRACE)
    return not stage.is_inside and stage.until is None


def _judge_attachment(attachment: Attachment, path: str, facts: Facts) -> Iterator[Problem]:
    """One text for what is unknown and what lies in other sites: what one may not see does not exist."""
    match attachment.kind:
        case "global":
            if not facts.has_every_site:
                message = "must not be global: that takes somebody who sees every site"
                yield Problem(f"{path}.kind", "needs_every_site", message)
        case "site":
            if attachment.id not in facts.sites:
                yield Problem(f"{path}.site_id", "site_not_found", f"there is no site {attachment.id}")
        case "device":
            if attachment.id not in facts.devices:
                yield Problem(f"{path}.device_id", "device_not_found", f"there is no device {attachment.id}")
        case "job":
            yield from _judge_job(attachment.id, path, facts)
        case "filter":
            yield from _judge_filter(attachment.id, path, facts)


def _judge_job(job_id: object, path: str, facts: Facts) -> Iterator[Problem]:
    is_inside = facts.jobs.get(job_id) if is_integer(job_id) else None
    if is_inside is None:
        yield Problem(f"{path}.job_id", "job_not_found", f"there is no job {job_id}")
    elif not is_inside:
        message = f"the job {job_id} has devices in sites that you do not see"
        yield Problem(f"{path}.job_id", "job_spans_other_sites", message)


def _judge_filter(filter_id: object, path: str, facts: Facts) -> Iterator[Problem]:
    known = facts.filters.get(filter_id) if is_integer(filter_id) else None
    if known is None:
        yield Problem(f"{path}.filter_id", "filter_not_found", f"there is no filter {filter_id}")
    elif known.is_archived:
        message = f"the filter “{known.name}” is archived: an archived filter finds nothing"
        yield Problem(f"{path}.filter_id", "filter_archived", message)


def span_text(span: Mapping[str, object], *, follows_site: bool) -> str | None:
    """A stored span in words; None when it can no longer be read."""
    given = span["schedule"]
    try:
        schedule = calendar.parse(given if isinstance(given, Mapping) else {})
    except calendar.ScheduleProblems:
        return None
    if follows_site:
        schedule = replace(schedule, zone_source="site")
    when = calendar.in_words(schedule).partition(". ")[0].removesuffix(".")
    return f"{when}, for {_length(span)}"


def _length(span: Mapping[str, object]) -> str:
    days = span.get("duration_days")
    if is_integer(days):
        return counted(days, "day")
    left, parts = span["duration_seconds"], []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number, left = divmod(left, size) if is_integer(left) else (0, 0)
        parts += [counted(number, unit)] if number else []
    return " ".join(parts)
