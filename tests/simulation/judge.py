"""The oracle: a perfect scheduler without a clock of its own. It sees each commit and says what that commit owed to the ledger.

Whenever a job's mark moves over a span of time, every instant that its schedule names in that span must enter the ledger in the
same transaction, once, in the way that D11 says. It stands on the calendar itself (which other tests compare with other engines)
and on nothing else of the Engine.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.simulation.closing import Closing
from tests.simulation.recorder import Change
from tests.simulation.ways import settle
from watchbill.core import schedule as calendar
from watchbill.core.following import leading_now, next_start
from watchbill.core.schedule import Schedule

Row = dict[str, Any]

ON_TIME = timedelta(seconds=60)
#: How late an occurrence may be opened while nothing is wrong.
PROMPT = timedelta(seconds=3)
#: A mark further ahead of the clock than this may be set back (D20).
AHEAD = timedelta(minutes=5)
#: After a jump of the clock the guard also holds what fell due while everybody waited (D20).
JUMP_PAUSE = timedelta(seconds=60)
_SECOND = timedelta(seconds=1)
#: Who commits what a person asks for.
_EDIT = "api.request"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class BrokenPromiseError(AssertionError):
    """The ledger is not what a perfect scheduler would have written."""

    def __init__(self, job_id: int, what: str) -> None:
        super().__init__(f"job {job_id}: {what}")
        self.job_id = job_id


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Commit:
    """What one transaction changed. `now` is what its clock said, at step `began` of the run; `release` its zone rules."""

    who: str
    now: datetime
    began: int
    release: str
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Span:
    """The mark of a job moved over (after, until] under this schedule and these policies.

    `is_asked`: a person made up for a pause; what of it runs is theirs to say.
    """

    schedule: Schedule
    policies: Row
    after: datetime
    until: datetime
    is_asked: bool = False


@dataclass
class Judge:
    """What every job owes, and what it has paid. `is_excused(due, now)`: something happened that explains lateness."""

    is_excused: Callable[[datetime, datetime], bool] = field(default=lambda _due, _now: False)
    #: The zones that jobs can follow, the latest last: which of them a transaction saw is its own affair for a while.
    zones: list[frozenset[str]] = field(default_factory=lambda: [frozenset({"UTC"})])
    jobs: dict[int, Row] = field(default_factory=dict)
    #: Job -> instant -> how it entered the ledger.
    settled: dict[int, dict[datetime, str]] = field(default_factory=dict)
    #: The mark that a job began with, as long as only its mark has moved since.
    untouched: dict[int, datetime] = field(default_factory=dict)
    #: Held occurrences by id.
    held_rows: dict[str, Row] = field(default_factory=dict)
    #: What the storm guard held up to, from which step of the run on; None = it was down.
    guards: list[tuple[int, datetime | None]] = field(default_factory=lambda: [(0, None)])
    #: When a jump of the clock was noticed: nothing starts by itself for a while.
    jumps: list[datetime] = field(default_factory=list)
    closing: Closing = field(default_factory=Closing)
    counts: Counter[str] = field(default_factory=Counter)
    _specs: dict[tuple[int, int], Row] = field(default_factory=dict)
    _schedules: dict[tuple[str, str], Schedule] = field(default_factory=dict)

    # --- what a commit owes -----------------------------------------------------------------------------------------------

    def committed(self, commit: Commit, step: int) -> None:
        spans: dict[int, list[Span]] = {}
        inserted: dict[str, Row] = {}
        for change in commit.changes:
            if change.table == "jobs" and change.new is not None:
                spans.setdefault(change.new["id"], []).extend(self._moved(change.old, change.new, commit))
        for change in commit.changes:
            match change.table:
                case "outages":
                    self._guarded(change.new, step)
                case "windows" | "window_attachments":
                    self.closing.note(change.table, change.old, change.new, step)
                case "occurrences" if (change.new or change.old or {})["kind"] == "schedule":
                    self._entered(change, inserted, commit)
                case _:
                    continue
        for job_id in sorted({*spans, *(row["job_id"] for row in inserted.values())}):
            new = [row for row in inserted.values() if row["job_id"] == job_id]
            self._settle(job_id, spans.get(job_id, []), new, commit)
        for job_id in spans:
            self._look_at_next(self.jobs[job_id], commit.release)

    def _entered(self, change: Change, inserted: dict[str, Row], commit: Commit) -> None:
        """A row of the ledger came, went on, or was taken back."""
        if change.new is None or (change.old is not None and change.old["range_count"] != change.new["range_count"]):
            self._take_back(change, commit)
            return
        row = change.new
        if change.old is None or row["id"] in inserted:
            inserted[row["id"]] = row
        elif at(row["scheduled_for_at"]) != at(change.old["scheduled_for_at"]):
            raise BrokenPromiseError(row["job_id"], f"the occurrence of {change.old['scheduled_for_at']} moved")
        if row["state"] == "held":
            self.held_rows[row["id"]] = row
        elif held := self.held_rows.pop(row["id"], None):
            self.counts["let_go"] += 1
            self._is_let_go_promptly(held, commit)

    def _is_let_go_promptly(self, held: Row, commit: Commit) -> None:
        until = instant(held["held_until_at"])
        if until and commit.now - until > PROMPT and not self.is_excused(until, commit.now):
            what = f"the occurrence of {held['scheduled_for_at']} was held until {until}, and let go at {commit.now}"
            raise BrokenPromiseError(held["job_id"], what)

    def _guarded(self, row: Row | None, step: int) -> None:
        if row is None:
            return
        self.counts[row["kind"]] += row["guard"] != "released"
        if row["kind"] == "clock_jump":
            self.jumps.append(at(row["noticed_at"]))
        until = at(row["to_at"]) + (JUMP_PAUSE if row["kind"] == "clock_jump" else timedelta())
        if row["guard"] == "up":
            self.guards.append((step, until))
            self.counts["guards_up"] += 1
        elif self.guards[-1][1] == until:
            self.guards.append((step, None))

    @property
    def guard(self) -> datetime | None:
        return self.guards[-1][1]

    def _moved(self, old: Row | None, new: Row, commit: Commit) -> list[Span]:
        """The spans that this change of a job's row settles."""
        job_id = new["id"]
        self.jobs[job_id] = new
        self.settled.setdefault(job_id, {})
        if new["definition"].get("schedule"):
            self._specs[job_id, new["revision"]] = new["definition"]["schedule"]
        if old is None or not _has_schedule(old):
            self.untouched[job_id] = at(new["mark_at"])
            return []
        is_same = _is_same(old, new)
        if not is_same:
            self.untouched.pop(job_id, None)
            self.counts["edits"] += 1
        schedule = self.schedule(old["definition"]["schedule"], commit.release)
        before, after = at(old["mark_at"]), at(new["mark_at"])
        now = self._reached(schedule, {before, after}, commit.now)
        policies = old["definition"]["policies"]
        if _is_resumed(old, new):
            return [Span(schedule, policies, before, now, is_asked=True)]
        if not _is_live(old):
            return []
        if is_same and after < before:
            self._went_back(job_id, before, after, now, commit)
        if old["state"] == "completed":
            return []  # it was so when its last instant was settled; other zone rules do not revive it
        until = after if is_same else now
        return [Span(schedule, policies, before, until)] if until > before else []

    def _reached(self, schedule: Schedule, marks: set[datetime], now: datetime) -> datetime:
        """What the clocks of a job have come to: for one that follows zones, by the set of them that its marks agree with."""
        if not schedule.is_following:
            return now
        candidates = [leading_now(zones, now) for zones in self.zones]
        return next((one for one in candidates if one in marks), candidates[-1])

    def _went_back(self, job_id: int, before: datetime, after: datetime, now: datetime, commit: Commit) -> None:
        """D20: to where the clock stands now, or to what was missed only by a clock that was ahead."""
        untrue = [
            at(one.old["scheduled_for_at"]) - _SECOND
            for one in commit.changes
            if one.old is not None and _is_taken_back(one, job_id)
        ]
        if before - now <= AHEAD or after != min([now, *untrue]):
            raise BrokenPromiseError(job_id, f"its mark went back from {before} to {after} at {now}")
        self.counts["marks_back"] += 1
        if job_id in self.untouched:
            self.untouched[job_id] = min(self.untouched[job_id], after)

    def _take_back(self, change: Change, commit: Commit) -> None:
        """Only a miss that a clock wrote which was ahead may be taken back: its instants are looked at again."""
        old = change.old
        assert old is not None
        job_id = old["job_id"]
        if change.new is not None or old["state"] != "missed" or at(old["created_at"]) <= commit.now:
            raise BrokenPromiseError(job_id, f"the ledger was rewritten: {old} became {change.new}")
        for one in self._instants(old, commit):
            del self.settled[job_id][one]
            self.counts["instants"] -= 1
            self.counts["missed"] -= 1

    def _settle(self, job_id: int, spans: list[Span], rows: list[Row], commit: Commit) -> None:
        paid = self.settled[job_id]
        owed = _named(span for span in spans if not span.is_asked)
        asked = _named(span for span in spans if span.is_asked)
        is_repeat = not owed.isdisjoint(paid)
        entered: dict[datetime, str] = {}
        for row in rows:
            for one in self._instants(row, commit):
                if one in paid or one in entered:
                    was = paid.get(one) or entered[one]
                    raise BrokenPromiseError(job_id, f"{one} entered the ledger twice: {was}, then {_how(row)}")
                entered[one] = _how(row)
        owed -= paid.keys()
        compare(job_id, owed, entered.keys() - (asked - owed))
        if owed and not is_repeat:
            self._compare_ways(
                next(span for span in reversed(spans) if not span.is_asked), job_id, owed, entered, commit
            )
        self._are_prompt(job_id, {one: entered[one] for one in owed}, commit.now)
        self._count(entered, rows)
        paid.update(entered)
        self.counts["following"] += len(entered) * (self.jobs[job_id]["zone_source"] != "fixed")
        self.counts["asked"] += len(entered) - len(owed)

    def _instants(self, row: Row, commit: Commit) -> list[datetime]:
        first = at(row["scheduled_for_at"])
        if row["state"] != "missed":
            return [first]
        schedule = self.schedule(self._specs[row["job_id"], row["job_revision"]], commit.release)
        named = list(calendar.instants_between(schedule, first - _SECOND, at(row["range_end_at"])))
        if len(named) != row["range_count"] and not row["is_range_capped"]:
            what = f"a range from {first} to {row['range_end_at']} counts {row['range_count']} instants of {len(named)}"
            raise BrokenPromiseError(row["job_id"], what)
        return named

    def _compare_ways(
        self, span: Span, job_id: int, owed: Collection[datetime], entered: dict[datetime, str], commit: Commit
    ) -> None:
        """Under any guard that was up or down while the transaction ran, each instant entered as it should."""
        answers = [
            settle(span.schedule, sorted(owed), commit.now, span.policies, guard)
            for guard in {
                *(guard for began, guard in self.guards if began >= commit.began),
                self._guard_at(commit.began),
            }
        ]
        allowed = [
            {
                one: self._behind_windows(span, job_id, one, answer[one], commit)
                | self._waiting(span, one, answer[one], commit)
                for one in owed
            }
            for answer in answers
        ]
        if any(all(entered[one] in answer[one] for one in owed) for answer in allowed):
            return
        one = next(one for one in sorted(owed) if entered[one] not in allowed[0][one])
        what = f"{one} is {entered[one]} at {commit.now}, and should be {' or '.join(sorted(allowed[0][one]))}"
        raise BrokenPromiseError(job_id, what)

    def _waiting(self, span: Span, one: datetime, how: str, commit: Commit) -> set[str]:
        """What may wait for a person besides: what an edit settles that no tick would start yet, and turns that were late everywhere."""
        ways: set[str] = set()
        if how not in ("on_time", "late"):
            return ways
        if span.schedule.is_following and self.counts["guards_up"]:
            ways.add("held:storm_guard")
        if commit.who == _EDIT and how == "late" and self.is_excused(one, commit.now):
            ways.add("held:storm_guard")  # no tick has judged an absence yet
        if commit.who == _EDIT and any(noticed <= commit.now <= noticed + JUMP_PAUSE for noticed in self.jumps):
            ways |= {"held:storm_guard", "held:misfire_hold"}
        return ways

    def _behind_windows(self, span: Span, job_id: int, one: datetime, how: str, commit: Commit) -> set[str]:
        """Jobs that follow zones are judged device by device, at their starts; a window saved meanwhile may count or not."""
        if how not in ("on_time", "late") or span.schedule.is_following:
            return {how}
        ways = self.closing.ways(job_id, one, commit.now, is_late=how == "late")
        if self.closing.changed >= commit.began:
            return {how, "held:held_by_window", "skipped:blackout", *ways}
        return ways

    def _guard_at(self, step: int) -> datetime | None:
        return next(guard for began, guard in reversed(self.guards) if began <= step)

    def _are_prompt(self, job_id: int, entered: dict[datetime, str], now: datetime) -> None:
        job = self.jobs[job_id]
        if job["zone_source"] != "fixed":
            return  # what their instants name is no moment of the real clock
        for one, how in entered.items():
            if how == "on_time" and now - one > ON_TIME:
                raise BrokenPromiseError(job_id, f"{one} was opened at {now} and does not count as late")
            if now - one > PROMPT and not self.is_excused(one, now):
                raise BrokenPromiseError(job_id, f"{one} entered at {now} only, and nothing was wrong")

    def _count(self, entered: dict[datetime, str], rows: list[Row]) -> None:
        self.counts["instants"] += len(entered)
        self.counts["rows"] += len(rows)
        for how in entered.values():
            self.counts[how.split(":")[0]] += 1

    def _look_at_next(self, job: Row, release: str, *, is_strict: bool = False) -> None:
        """`next_due_at` is the first instant after the mark."""
        if not _is_live(job):
            return
        if job["state"] == "error":
            raise BrokenPromiseError(job["id"], f"it is in state error: {job['state_reason']}")
        schedule = self.schedule(job["definition"]["schedule"], release)
        expected = next_start(schedule, at(job["mark_at"]), self.zones[-1])
        others = {next_start(schedule, at(job["mark_at"]), zones) for zones in self.zones}
        if instant(job["next_due_at"]) not in ({expected} if is_strict else others):
            what = f"its next instant after {job['mark_at']} is {expected}, stored is {job['next_due_at']}"
            raise BrokenPromiseError(job["id"], what)
        if (job["state"] == "completed") != (expected is None):
            raise BrokenPromiseError(job["id"], f"its state is {job['state']} and its next instant {expected}")

    # --- questions from outside -------------------------------------------------------------------------------------------

    def schedule(self, spec: Row, release: str) -> Schedule:
        key = (json.dumps(spec, sort_keys=True), release)
        if key not in self._schedules:
            self._schedules[key] = calendar.parse(spec)
            self._schedules[key].zone.offset(_ANY_TIME)  # its rules are read now, from the release that is in use
        return self._schedules[key]

    def live(self) -> list[Row]:
        return [job for job in self.jobs.values() if _is_live(job)]

    def earliest_due(self) -> datetime | None:
        """When the next job is due, or a pause ends."""
        due = [instant(job["next_due_at"]) for job in self.live()]
        pauses = [instant(job["paused_until"]) for job in self.jobs.values() if not job["deleted_at"]]
        return min((one for one in [*due, *pauses] if one), default=None)

    def earliest_held(self) -> datetime | None:
        until = [instant(row["held_until_at"]) for row in self.held_rows.values()]
        return min((one for one in until if one), default=None)

    def adopt_zones(self, zones: Collection[str]) -> None:
        self.zones = [*self.zones[-3:], frozenset(zones)]

    def look_for_overdue(self, now: datetime) -> None:
        """Called when everybody sleeps: what was due a while ago has been taken by somebody, and what was held is let go."""
        for row in self.held_rows.values():
            until = instant(row["held_until_at"])
            if until and now - until > ON_TIME + PROMPT and not self.is_excused(until, now):
                what = f"the occurrence of {row['scheduled_for_at']} was held until {until}, and nobody let it go"
                raise BrokenPromiseError(row["job_id"], what)
        for job in self.live():
            due = instant(job["next_due_at"])
            if due and now - due > ON_TIME + PROMPT and not self.is_excused(due, now):
                raise BrokenPromiseError(job["id"], f"{due} is due since {now - due}, and nobody took it")

    def compare_next(self, release: str) -> None:
        """At the end every job is due next when its schedule says so."""
        for job in self.live():
            if job["state"] != "completed" or release == "old":
                self._look_at_next(job, release, is_strict=True)

    def compare_lives(self, release: str) -> int:
        """I7: whoever was never edited has exactly the instants that one look at the calendar names; how many were compared."""
        compared = 0
        for job_id, since in self.untouched.items():
            job = self.jobs[job_id]
            if not _is_live(job):
                continue
            schedule = self.schedule(job["definition"]["schedule"], release)
            named = set(calendar.instants_between(schedule, since, at(job["mark_at"])))
            compare(job_id, named, {one for one in self.settled[job_id] if one <= at(job["mark_at"])})
            compared += len(named)
        return compared


def compare(job_id: int, owed: Iterable[datetime], entered: Iterable[datetime]) -> None:
    named, there = set(owed), set(entered)
    lost, invented = sorted(named - there), sorted(there - named)
    if lost:
        raise BrokenPromiseError(job_id, f"{len(lost)} instants never entered the ledger: {_some(lost)}")
    if invented:
        raise BrokenPromiseError(job_id, f"{len(invented)} instants entered that were not owed: {_some(invented)}")


def _named(spans: Iterable[Span]) -> set[datetime]:
    return {one for span in spans for one in calendar.instants_between(span.schedule, span.after, span.until)}


def _how(row: Row) -> str:
    """How a new row stands when its transaction commits. A skipped one was opened and found nobody, or was kept by a window."""
    if row["state"] in ("missed", "held") or row["reason"] == "blackout":
        return f"{row['state']}:{row['reason']}"
    return "late" if row["is_late"] else "on_time"


def _is_taken_back(change: Change, job_id: int) -> bool:
    return change.table == "occurrences" and change.new is None and (change.old or {})["job_id"] == job_id


def _has_schedule(job: Row) -> bool:
    return bool(job["definition"].get("schedule")) and job["schedule_type"] != "immediately"


def _is_live(job: Row) -> bool:
    return bool(job["enabled"]) and job["deleted_at"] is None and _has_schedule(job)


def _is_resumed(old: Row, new: Row) -> bool:
    return not old["enabled"] and bool(new["enabled"])


def _is_same(old: Row, new: Row) -> bool:
    """Whether only time has passed for the job: nobody has saved, paused or deleted it."""
    return (old["revision"], old["enabled"], old["deleted_at"]) == (new["revision"], new["enabled"], new["deleted_at"])


def _some(instants: Sequence[datetime]) -> str:
    shown = ", ".join(f"{one:%Y-%m-%d %H:%M:%S}" for one in instants[:3])
    return f"{shown}{' …' if len(instants) > 3 else ''}"
