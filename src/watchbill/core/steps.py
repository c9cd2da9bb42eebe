"""Several components on one device: from what has run there, what comes next. Pure; knows no store.

A component may have several executions at a time: it has ended when all of them have, and the worst of them counts. A check decides
whether the components after it, up to the next check, are needed; where they ran, it looks once more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from watchbill.core.answers import may_repeat, meaning
from watchbill.core.states import TargetEvent, TargetState


class Role(StrEnum):
    RUN = "run"
    CHECK = "check"


class Verdict(StrEnum):
    """What a device's checks found: nothing to fix, fixed by what followed, or still not as it should be."""

    COMPLIANT = "compliant"
    FIXED = "fixed"
    STILL_WRONG = "still_wrong"


@dataclass(frozen=True, slots=True)
class Part:
    """What of a run's component decides here."""

    role: Role = Role.RUN
    warning_exit_codes: Sequence[int] = ()
    not_compliant_exit_codes: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """A run's components and what its job wants done about failures."""

    parts: Sequence[Part]
    continue_on_failure: bool = False
    retries: int = 0
    retry_delay: timedelta = timedelta()
    retry_on: frozenset[TargetEvent] = frozenset()


#: What may be tried again, as jobs say it. What is `lost` may still run: it is never repeated blindly.
RETRIED: Final[Mapping[str, TargetEvent]] = {
    "failed": TargetEvent.FAIL,
    "timed_out": TargetEvent.TIME_OUT,
    "warning": TargetEvent.WARN,
}


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One component; or, `is_recheck`, a check that looks again after its fix."""

    component: int
    is_recheck: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One execution of a step. `event` None = it has not ended. `is_wrong`: a check that found something to fix."""

    step: Step
    attempt: int
    event: TargetEvent | None
    reason: str | None = None
    is_wrong: bool = False
    is_repeatable: bool = False
    is_left_out: bool = False
    spent: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Situation:
    """How the target stands. `time_limit` is for all components of one attempt together."""

    now: datetime
    state: TargetState
    attempt: int
    retried: int
    expires_at: datetime
    time_limit: timedelta
    stop_by_at: datetime | None = None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A component that will not run in this attempt, and why."""

    component: int
    reason: str


@dataclass(frozen=True, slots=True)
class Waits:
    """Something of the present step has not ended."""


@dataclass(frozen=True, slots=True)
class Start:
    """The next step, at once, with what is left of the time limit."""

    step: Step
    time_left: timedelta
    left_out: Sequence[LeftOut] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """Another try from `component` on, not before `at`. `event`: what this one has come to."""

    component: int
    at: datetime
    event: TargetEvent
    reason: str | None
    decided_by: Step


@dataclass(frozen=True, slots=True)
class Ended:
    """What becomes of the target. `decided_by`: the step whose answer that is."""

    event: TargetEvent
    reason: str | None
    decided_by: Step | None
    left_out: Sequence[LeftOut] = ()
    verdict: Verdict | None = None
    #: Another try would have been due, and no time is left for it.
    is_too_late_for_another: bool = False


Next = Waits | Start | Again | Ended

_BADNESS: Final = {
    event: place
    for place, event in enumerate(
        (
            TargetEvent.SUCCEED,
            TargetEvent.WARN,
            TargetEvent.SKIP,
            TargetEvent.EXPIRE,
            TargetEvent.FAIL,
            TargetEvent.TIME_OUT,
            TargetEvent.STOPPED,
        )
    )
}
#: Why what a check has found to be as it should be is not fixed.
COMPLIANT: Final = "compliant"
#: Whoever it ran as has signed out: as a device tells it, and what it means where something had run before.
NO_SESSION: Final = "no_user_session"
SESSION_ENDED: Final = "session_ended"
_GOOD: Final = (TargetEvent.SUCCEED, TargetEvent.WARN)
_EXIT_WORDS: Final = {
    TargetEvent.SUCCEED: "success",
    TargetEvent.WARN: "warning",
    TargetEvent.FAIL: "failed",
}
_NEVER_RAN: Final = (TargetEvent.SKIP, TargetEvent.EXPIRE)


def answer(step: Step, attempt: int, part: Part, told: Mapping[str, Any], spent: timedelta) -> Answer:
    """What the end of an execution says. `told` has outcome, exit_code, signal, reason and tree."""
    outcome, code = told["outcome"], told["exit_code"]
    if outcome == "skipped":
        return Answer(step, attempt, TargetEvent.SUCCEED, told["reason"], is_left_out=True)
    is_check = part.role is Role.CHECK
    codes = () if is_check else part.warning_exit_codes
    if is_check and outcome == "exited" and code in part.not_compliant_exit_codes:
        return Answer(step, attempt, TargetEvent.SUCCEED, is_wrong=True, is_repeatable=True, spent=spent)
    ends = {name: told[name] for name in ("exit_code", "signal", "reason", "tree")}
    event, reason = meaning(outcome, **ends, warning_exit_codes=codes)
    if is_check and event is TargetEvent.FAIL:
        reason = reason or "check_failed"
    return Answer(step, attempt, event, reason, is_repeatable=may_repeat(outcome, told["tree"]), spent=spent)


def exit_word(part: Part, exit_code: int | None) -> str:
    """What an exit code means by the rules of its component: success, warning, failed or not_compliant."""
    is_check = part.role is Role.CHECK
    if is_check and exit_code in part.not_compliant_exit_codes:
        return "not_compliant"
    codes = () if is_check else part.warning_exit_codes
    event, _reason = meaning(
        "exited", exit_code=exit_code, signal=None, reason=None, tree=None, warning_exit_codes=codes
    )
    return _EXIT_WORDS[event]


def order(parts: Sequence[Part]) -> Iterator[Step]:
    """All steps there may be: the components, and after the fix of each check that check again."""
    check: int | None = None
    for place, part in enumerate(parts):
        if part.role is Role.CHECK:
            if check is not None and check < place - 1:
                yield Step(check, is_recheck=True)
            check = place
        yield Step(place)
    if check is not None and check < len(parts) - 1:
        yield Step(check, is_recheck=True)


def following(rules: Rules, answers: Iterable[Answer], situation: Situation) -> Next:
    """What comes next on a device that has begun."""
    known = list(answers)
    was_wrong = frozenset(one.step.component for one in known if one.is_wrong)
    walk = _Walk(rules, _current(rules, known, situation.attempt), was_wrong)
    found = walk.next_step()
    if isinstance(found, Waits):
        return found
    if found is None:
        return _ended(walk, situation)
    left = situation.time_limit - walk.spent
    stop = _why_not(situation, left)
    if stop is None:
        return Start(found, left, walk.left_out)
    return _cut_off(walk, *stop)


def _current(rules: Rules, answers: Iterable[Answer], attempt: int) -> dict[Step, list[Answer]]:
    """The answers that count: those of this attempt, and before where it began the last ones."""
    known = [one for one in answers if not one.is_left_out or one.reason == COMPLIANT]
    place = {step: number for number, step in enumerate(order(rules.parts))}
    begins = min((place[one.step] for one in known if one.attempt == attempt and not one.is_left_out), default=0)
    newest: dict[Step, list[Answer]] = {}
    for one in sorted(known, key=lambda each: each.attempt):
        if one.attempt < attempt and place[one.step] >= begins:
            continue
        some = newest.setdefault(one.step, [])
        if some and some[0].attempt < one.attempt:
            some.clear()
        some.append(one)
    return newest


@dataclass(slots=True)
class _Worst:
    step: Step
    event: TargetEvent
    reason: str | None
    is_repeatable: bool


@dataclass(slots=True)
class _Walk:
    """One walk through the steps in order, up to the first that has no answer and is due."""

    rules: Rules
    answers: Mapping[Step, Sequence[Answer]]
    #: Checks that found something to fix, in whichever attempt.
    was_wrong: frozenset[int]
    left_out: list[LeftOut] = field(default_factory=list)
    ended: list[_Worst] = field(default_factory=list)
    verdicts: list[Verdict | None] = field(default_factory=list)
    spent: timedelta = timedelta()
    rest: list[int] = field(default_factory=list)
    #: The check that governs the present step, and whether it found something; None = it did not say.
    _check: int | None = None
    _is_wrong: bool | None = None
    _has_failed: bool = False
    _is_stopped: bool = False
    _is_session_over: bool = False

    def next_step(self) -> Step | Waits | None:
        steps = list(order(self.rules.parts))
        for place, step in enumerate(steps):
            if self.rules.parts[step.component].role is Role.CHECK and not step.is_recheck:
                self._check, self._is_wrong = step.component, None
            found = self._look_at(step)
            if found is not None:
                self.rest = [one.component for one in steps[place:] if not one.is_recheck]
                return found
        return None

    def _look_at(self, step: Step) -> Step | Waits | None:
        known = self.answers.get(step)
        if known is None:
            why = self._not_needed(step)
            if why is None:
                return step
            self._leave_out(step, why)
        elif any(one.event is None for one in known):
            return Waits()
        else:
            self._take(step, known)
        return None

    def _not_needed(self, step: Step) -> str | None:
        is_governed = self._check is not None and (step.component != self._check or step.is_recheck)
        if is_governed and self._is_wrong is False:
            return COMPLIANT
        if self._is_stopped:
            return "cancelled"
        if self._is_session_over:
            return NO_SESSION
        if self._has_failed and not self.rules.continue_on_failure:
            return "after_failure"
        if is_governed and self._is_wrong is None:
            return "check_failed"
        return None

    def _leave_out(self, step: Step, why: str) -> None:
        if not step.is_recheck:
            self.left_out.append(LeftOut(step.component, why))
            if step.component == self._check:
                self.verdicts.append(None)

    def _take(self, step: Step, known: Sequence[Answer]) -> None:
        self.spent += max(one.spent for one in known)
        if all(one.is_left_out for one in known):
            return
        worst = max(known, key=lambda one: _BADNESS[one.event or TargetEvent.FAIL])
        event, reason = worst.event or TargetEvent.FAIL, worst.reason
        if self.rules.parts[step.component].role is Role.CHECK:
            event, reason = self._judge(step, event, reason, is_wrong=any(one.is_wrong for one in known))
        self._has_failed |= event not in _GOOD
        self._is_stopped |= event is TargetEvent.STOPPED
        self._is_session_over |= event is TargetEvent.SKIP and reason == NO_SESSION
        self.ended.append(_Worst(step, event, reason, worst.is_repeatable))

    def _judge(
        self, step: Step, event: TargetEvent, reason: str | None, *, is_wrong: bool
    ) -> tuple[TargetEvent, str | None]:
        """What a check's answer means for the verdict, and whether it is a failure: only where no fix can follow any more."""
        said = event in _GOOD
        if step.is_recheck:
            self.verdicts[-1] = Verdict.FIXED if said and not is_wrong else Verdict.STILL_WRONG
        else:
            self._is_wrong = is_wrong if said else None
            fine = Verdict.FIXED if step.component in self.was_wrong else Verdict.COMPLIANT
            found = Verdict.STILL_WRONG if is_wrong else fine
            self.verdicts.append(found if said else None)
        if said and is_wrong and (step.is_recheck or not self._has_fix(step.component)):
            return TargetEvent.FAIL, "still_wrong"
        return event, reason

    def _has_fix(self, check: int) -> bool:
        parts = self.rules.parts
        return check + 1 < len(parts) and parts[check + 1].role is not Role.CHECK

    def verdict(self) -> Verdict | None:
        return worst_of(self.verdicts)


def worst_of(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """Of several; None where there is none, or one did not say."""
    if Verdict.STILL_WRONG in verdicts:
        return Verdict.STILL_WRONG
    if not verdicts or None in verdicts:
        return None
    return Verdict.FIXED if Verdict.FIXED in verdicts else Verdict.COMPLIANT


def _why_not(situation: Situation, left: timedelta) -> tuple[TargetEvent, str | None, str] | None:
    """Why no further step may start: what the target ends with, the reason, and that of what is left out."""
    if situation.state is TargetState.CANCELLING:
        return TargetEvent.STOPPED, None, "cancelled"
    if situation.state not in (TargetState.DISPATCHED, TargetState.RUNNING):
        return TargetEvent.FAIL, "not_completed", "lost"
    if situation.stop_by_at is not None and situation.stop_by_at <= situation.now:
        reason = situation.stop_reason or "run_limit"
        return TargetEvent.STOPPED, reason, reason
    if left <= timedelta():
        return TargetEvent.TIME_OUT, None, "time_limit"
    return None


def _cut_off(walk: _Walk, event: TargetEvent, reason: str | None, why: str) -> Ended:
    """The rest does not run. A failure that there was already stays what is told, but for a stop."""
    left_out = [*walk.left_out, *(LeftOut(one, why) for one in walk.rest)]
    decided = _worst(walk.ended)
    if decided is not None and event is not TargetEvent.STOPPED and _BADNESS[decided.event] >= _BADNESS[event]:
        return Ended(*_as_one(decided, walk), decided.step, left_out, walk.verdict())
    last = walk.ended[-1].step if walk.ended else None
    return Ended(event, reason, last, left_out, walk.verdict())


def _worst(ended: Sequence[_Worst]) -> _Worst | None:
    return max(ended, key=lambda one: _BADNESS[one.event], default=None)


def _as_one(decided: _Worst, walk: _Walk) -> tuple[TargetEvent, str | None]:
    """A component that never came to run is a failure where another one did."""
    if decided.event in _NEVER_RAN and (decided.step != Step(0) or len(walk.ended) > 1):
        said = {NO_SESSION: SESSION_ENDED}.get(decided.reason or "", decided.reason)
        return TargetEvent.FAIL, "not_completed" if decided.event is TargetEvent.EXPIRE else said
    return decided.event, decided.reason


def _ended(walk: _Walk, situation: Situation) -> Again | Ended:
    decided = _worst(walk.ended)
    if decided is None:  # every component was left out before: nothing more can be said of it
        return Ended(TargetEvent.SUCCEED, None, None, walk.left_out, walk.verdict())
    event, reason = _as_one(decided, walk)
    origin = _to_repeat(walk, situation)
    if origin is None:
        return Ended(event, reason, decided.step, walk.left_out, walk.verdict())
    at = situation.now + walk.rules.retry_delay
    if at < min(situation.expires_at, situation.stop_by_at or situation.expires_at):
        return Again(origin, at, event, reason, decided.step)
    return Ended(event, reason, decided.step, walk.left_out, walk.verdict(), is_too_late_for_another=True)


def _to_repeat(walk: _Walk, situation: Situation) -> int | None:
    """The component from which it is tried again: the first one that went wrong; None where it is not."""
    wanted, worst = walk.rules.retry_on, _worst(walk.ended)
    if situation.state not in (TargetState.DISPATCHED, TargetState.RUNNING) or situation.retried >= walk.rules.retries:
        return None
    if worst is None or worst.event not in wanted:
        return None
    wrong = [one for one in walk.ended if one.event is not TargetEvent.SUCCEED]
    if not all(one.is_repeatable for one in wrong if one.event is not TargetEvent.WARN):
        return None
    return min(one.step.component for one in wrong if one.event in wanted)
