"""The generated part of docs/states.md. `python -m tests.core.states_page` writes it; a test says when that is due."""

import re
from pathlib import Path

from watchbill.core.states import TERMINAL_TARGET, TargetEvent, TargetState, target_after

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
BEGIN, END = "<!-- from core/states.py: begin -->", "<!-- from core/states.py: end -->"


def table() -> str:
    """One line for each thing that can happen and where it leads, with every state that it leads there from."""
    sources: dict[tuple[TargetEvent, TargetState], list[str]] = {}
    for event in TargetEvent:
        for state in TargetState:
            after = target_after(state, event)
            if after is not None:
                sources.setdefault((event, after), []).append(f"`{state}`")
    lines = ["| event | from | to |", "| --- | --- | --- |"]
    lines += [f"| `{event}` | {', '.join(states)} | `{after}` |" for (event, after), states in sources.items()]
    final = ", ".join(f"`{state}`" for state in TargetState if state in TERMINAL_TARGET)
    return "\n".join([*lines, "", f"Terminal: {final}."])


def rewritten(page: str) -> str:
    return re.sub(f"({BEGIN}\n).*?(\n{END})", lambda found: found[1] + table() + found[2], page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
