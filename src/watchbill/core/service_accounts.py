"""Service accounts: what state one is in, by what is wanted of a device and what it has told, and which actions change that."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

#: The name on every device.
USERNAME: Final = "svc-watchbill"


class AccountState(StrEnum):
    NONE = "none"
    CREATING = "creating"  # wanted, and its device has not told yet that it is there
    PRESENT = "present"
    ROTATING = "rotating"  # there with an older key than is wanted
    REMOVING = "removing"
    FAILED = "failed"  # its device could not do what is wanted; it tries again by itself
    UNSUPPORTED = "unsupported"  # its system or its agent has no such accounts


class AccountAction(StrEnum):
    CREATE = "create"
    ROTATE = "rotate"
    REMOVE = "remove"


Wanted = Literal["present", "absent"]
Told = Literal["present", "absent", "failed", "unsupported"]


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """`generation` names the key that is wanted, `told_generation` the one that what was told is about. `told` None: nothing yet."""

    wanted: Wanted
    generation: int
    told: Told | None = None
    told_generation: int | None = None


def state_of(facts: AccountFacts | None) -> AccountState:
    """None: nothing was ever wanted."""
    if facts is None:
        return AccountState.NONE
    if facts.told == "failed":
        return AccountState.FAILED
    if facts.wanted == "absent":
        is_over = facts.told in ("absent", "unsupported")
        return AccountState.NONE if is_over else AccountState.REMOVING
    if facts.told == "unsupported":
        return AccountState.UNSUPPORTED
    if facts.told != "present":
        return AccountState.CREATING
    return AccountState.PRESENT if facts.told_generation == facts.generation else AccountState.ROTATING


_CHANGED_BY: Final = {
    AccountAction.CREATE: {
        AccountState.NONE,
        AccountState.REMOVING,
        AccountState.FAILED,
        AccountState.UNSUPPORTED,
    },
    AccountAction.ROTATE: {AccountState.PRESENT, AccountState.ROTATING},
    AccountAction.REMOVE: set(AccountState) - {AccountState.NONE, AccountState.REMOVING},
}


def is_changed_by(state: AccountState, action: AccountAction) -> bool:
    """Whether the action does anything. What failed is begun anew by the same action."""
    return state in _CHANGED_BY[action]
