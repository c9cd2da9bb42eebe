"""When an account may be tried on a machine, so that onboarding locks none: a state goes in, a decision comes out. Pure.

An account is a user name and a domain: two credentials of one account are two tries of it. On one machine it has one try. Across
machines it may be refused a few times in a row; after that its tries come one after another, each after a longer wait, and an account
that no machine has accepted is set aside in the end.
"""

from dataclasses import dataclass, replace
from typing import Final

#: Refusals in a row that are not waited after; as many tries of an account may be under way before it is known to be right.
FREE: Final = 3
#: Seconds of the first wait; each refusal doubles it, up to the longest.
FIRST_WAIT: Final = 5.0
LONGEST_WAIT: Final = 60.0
#: An account that was accepted nowhere is tried no more after so many refusals in a row.
ASIDE_AFTER: Final = 10


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a machine knows. Names of accounts are compared without regard to case, as Windows and many directories do."""

    username: str
    domain: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.username.casefold(), (self.domain or "").casefold())


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of an account in one run. `not_before` is on the clock that `now` is read from, in seconds."""

    under_way: int = 0
    refused_in_row: int = 0
    is_proven: bool = False
    not_before: float = 0.0

    @property
    def is_aside(self) -> bool:
        return not self.is_proven and self.refused_in_row >= ASIDE_AFTER


@dataclass(frozen=True, slots=True)
class Decision:
    """`wait_seconds`: 0 = now; None = until a try that is under way has ended. `why_not`: never in this run."""

    wait_seconds: float | None = 0.0
    why_not: str | None = None

    @property
    def may_go(self) -> bool:
        return self.why_not is None and self.wait_seconds == 0


def decide(record: Record, now: float) -> Decision:
    """Whether a try of the account may begin now."""
    if record.is_aside:
        return Decision(None, f"it was refused by {record.refused_in_row} machines in a row and accepted by none")
    if record.is_proven and record.refused_in_row == 0:
        return Decision()
    if record.refused_in_row + record.under_way < FREE:
        return Decision()
    if record.under_way:
        return Decision(None)
    return Decision(max(0.0, record.not_before - now))


def begun(record: Record) -> Record:
    """A try has begun: who begins one asks `decide` first."""
    return replace(record, under_way=record.under_way + 1)


def ended(record: Record, now: float, *, accepted: bool | None) -> Record:
    """A try has ended. `accepted` None: it was cut off, and nothing is known of it."""
    rest = replace(record, under_way=max(0, record.under_way - 1))
    if accepted is None:
        return rest
    if accepted:
        return replace(rest, refused_in_row=0, is_proven=True, not_before=now)
    refused = record.refused_in_row + 1
    return replace(rest, refused_in_row=refused, not_before=max(record.not_before, now + wait_after(refused)))


def wait_after(refused_in_row: int) -> float:
    """Seconds from the last of so many refusals to the next try."""
    if refused_in_row < FREE:
        return 0.0
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(refused_in_row - FREE, 30))
