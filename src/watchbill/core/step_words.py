"""What a job does on each device, in plain English: its components in order, what checks decide, failures, other tries, sessions. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from watchbill.core.job_rules_values import ExecutionContext, Policies
from watchbill.core.schedule_wording import counted, listed
from watchbill.core.steps import Role

_FAILURES: Final = {"failed": "failed", "timed_out": "ran out of time", "warning": "had warnings"}
_NOBODY: Final = {
    "skip": "A device on which nobody is signed in is left out.",
    "wait": "A device on which nobody is signed in waits for somebody until its latest start.",
}
_SESSIONS: Final = (
    "All of this in each session of a signed-in user by itself, and the worst of them is what the device comes to."
)


@dataclass(frozen=True, slots=True)
class Told:
    """One component. `name`: its assembly's; None = there is no such assembly."""

    name: str | None
    role: Role = Role.RUN
    not_compliant_exit_codes: Sequence[int] = ()


def steps_in_words(parts: Sequence[Told], policies: Policies, context: ExecutionContext) -> list[str]:
    """A sentence for each component, and one for each rule about all of them that matters here."""
    return [*_components(parts), *_rules(parts, policies), *_in_sessions(policies, context)]


def _components(parts: Sequence[Told]) -> Iterator[str]:
    check: int | None = None
    for place, part in enumerate(parts):
        name = f"`{part.name}`" if part.name else "an assembly that is not there"
        if part.role is Role.CHECK:
            check = place
            yield f"{place + 1}. Check {name}: {_decides(part, place, _last_fix(parts, place))}."
        else:
            condition = f", where check {check + 1} found something to fix" if check is not None else ""
            yield f"{place + 1}. Run {name}{condition}."


def _last_fix(parts: Sequence[Told], check: int) -> int:
    """The last component that this check decides for; itself, when there is none."""
    following = (place for place in range(check + 1, len(parts)) if parts[place].role is Role.CHECK)
    return next(following, len(parts)) - 1


def _decides(part: Told, place: int, last: int) -> str:
    codes = listed([str(code) for code in part.not_compliant_exit_codes or (1,)], "or")
    if last == place:
        return f"exit code 0 is as it should be, {codes} still wrong"
    which = f"{place + 2}" if last == place + 1 else f"{place + 2} to {last + 1}"
    return f"exit code 0 is as it should be, {codes} lets {which} run, and then it looks once more"


def _rules(parts: Sequence[Told], policies: Policies) -> Iterator[str]:
    if len(parts) > 1:
        goes_on = policies.continue_on_failure
        yield "What comes after a failure runs all the same." if goes_on else "What comes after a failure is left out."
    if policies.retries:
        what = listed([_FAILURES[name] for name in policies.retry_on], "or")
        often = counted(policies.retries, "time")
        origin = ", from the first component that went wrong" if len(parts) > 1 else ""
        yield f"What {what} is tried again up to {often}, {counted(policies.retry_delay_seconds, 'second')} later{origin}."


def _in_sessions(policies: Policies, context: ExecutionContext) -> Iterator[str]:
    if context is ExecutionContext.CURRENT_USER:
        yield _SESSIONS
        yield _NOBODY[policies.no_user_session]
