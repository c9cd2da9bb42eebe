"""What an install decides to do about the agent that it finds: the same words for every way in."""

from dataclasses import dataclass
from enum import Enum


class Plan(Enum):
    """`ENROL`: install and ask. `FINISH`: install, and go on with the request that was made. `REPAIR`: install, and keep the identity.

    `DONE`: this very target has asked, and its agent runs.
    """

    ENROL = "enrol"
    FINISH = "finish"
    REPAIR = "repair"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Decided:
    """`words`: for the timeline. `is_forced`: the identity that is there is given up."""

    plan: Plan
    words: str
    is_forced: bool = False
