"""How long to wait before the next connection: jittered, so that a fleet does not come back in one instant. Pure.

Half of each wait is fixed: with none of it, small draws use up several tries at once and a long wait follows.
"""

from __future__ import annotations

from collections.abc import Callable

CAP_SECONDS = 60.0
# Close codes of the gateway: (least, most) seconds. A device that was refused or replaced has no reason to hurry.
CODE_WAITS = {1012: (0.2, 5.0), 4403: (60.0, 300.0), 4409: (30.0, 120.0), 4429: (10.0, 60.0)}


class Backoff:
    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.failures = 0

    def succeeded(self) -> None:
        self.failures = 0

    def after(self, code: int | None, at_least: float = 0.0) -> float:
        longest = min(CAP_SECONDS, 2.0**self.failures)
        least, most = CODE_WAITS.get(code or 0, (longest / 2 if self.failures else 0.0, longest))
        self.failures = min(self.failures + 1, 16)
        return max(least, at_least) + self._random() * max(most - least, at_least * 0.5)
