"""What a device answered to a stop, folded from all that it said, and that in a sentence. Pure."""

from typing import Final, Literal

from watchbill.core.states import TargetState

StopAnswer = Literal["waiting", "withdrawn", "killed", "already_done", "could_not", "no_answer"]

#: Answer, outcome and tree of a target of which nothing was ever handed out.
NOT_HANDED_OUT: Final[tuple[None, None, None]] = (None, None, None)
_SENTENCES: Final[dict[StopAnswer, str]] = {
    "waiting": "It is being stopped; its device has not answered yet.",
    "withdrawn": "It was withdrawn before it began.",
    "killed": "It was stopped, with everything that it had started.",
    "already_done": "It had ended before the stop reached it.",
    "could_not": "Some of its processes could not be stopped and may still run.",
    "no_answer": "Its device has not answered within its bound; whether it still runs is not known.",
}
_OFFLINE: Final = " The device is offline: the stop reaches it when it comes back."


def answer_of(state: TargetState, answer: str | None, outcome: str | None, tree: str | None) -> StopAnswer:
    """`answer` to the stop, `outcome` and `tree` of the last execution of a target that was to be stopped; None = not known.

    The result counts where the answer was lost on its way, and survivors count before anything else.
    """
    if tree == "survived" or answer == "could_not":
        return "could_not"
    if outcome is not None:
        return _of_outcome(outcome)
    match state:
        case TargetState.CANCELLING:
            return "waiting"
        case TargetState.LOST:
            return "no_answer"
        case _:
            return "withdrawn"


def _of_outcome(outcome: str) -> StopAnswer:
    match outcome:
        case "exited":
            return "already_done"
        case "refused":
            return "withdrawn"
        case _:
            return "killed"


def stop_sentence(answer: StopAnswer, *, is_online: bool) -> str:
    """An offline device is named where something still depends on its coming back."""
    is_owed = answer in ("waiting", "no_answer") and not is_online
    return _SENTENCES[answer] + (_OFFLINE if is_owed else "")
