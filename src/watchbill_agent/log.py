"""What the agent tells its operator: one line per fact on standard error, as text or JSON.

Callers pass names, ids and counts. Never content, variables, tokens, codes or keys.
"""

from __future__ import annotations

import json
import sys
from typing import Union

from watchbill_agent import clock

Value = Union[str, int, float, bool, None]


class Log:
    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._said: set[str] = set()

    def __call__(self, event: str, **facts: Value) -> None:
        at = clock.wall_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._is_json:
            line = json.dumps({"at": at, "event": event, **facts}, ensure_ascii=False)
        else:
            line = " ".join([at, event, *(f"{name}={value}" for name, value in facts.items() if value is not None)])
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def once(self, event: str, key: str, **facts: Value) -> None:
        if key not in self._said and len(self._said) < 1000:
            self._said.add(key)
            self(event, **facts)
