"""Takes secrets out of a stream of output: whatever any pattern covers becomes `***`, however the stream was cut into pieces.

Part of the supervisor: no imports at all. A stretch that several patterns cover, or that patterns cover side by side, becomes one mask.
"""

from __future__ import annotations

MASK = b"***"
#: Shorter patterns would cover half of every output.
SHORTEST = 4


class Masker:
    """One stream. What could still become a secret is held back until it is known, or until the stream ends."""

    def __init__(self, patterns: list[bytes]) -> None:
        self.patterns = [pattern for pattern in patterns if len(pattern) >= SHORTEST]
        self.held = b""
        self.covered = 0  # so many of the first held bytes are known to be secret
        self.is_masking = False  # the last thing given out was a mask, and what follows may still belong to it

    def feed(self, data: bytes) -> bytes:
        text = self.held + data
        return self._give_out(text, self._settled(text))

    def finish(self) -> bytes:
        return self._give_out(self.held, len(self.held))

    def _settled(self, text: bytes) -> int:
        """So many bytes that nothing to come can make part of another match: no unfinished match begins before."""
        settled = len(text)
        for pattern in self.patterns:
            at = _unfinished(text, pattern, settled)
            settled = min(settled, at)
        return settled

    def _spans(self, text: bytes) -> list[tuple[int, int]]:
        spans = [(0, self.covered)] if self.covered else []
        for pattern in self.patterns:
            at = text.find(pattern)
            while at >= 0:
                spans.append((at, at + len(pattern)))
                at = text.find(pattern, at + 1)
        return sorted(spans)

    def _give_out(self, text: bytes, end: int) -> bytes:
        given: list[bytes] = []
        at, reach = 0, self.covered
        for start, stop in self._spans(text):
            if start >= end:
                break
            reach = max(reach, stop)
            if start > at:
                given.append(text[at:start])
                self.is_masking = False
            if not self.is_masking:
                given.append(MASK)
                self.is_masking = True
            at = max(at, min(stop, end))
        if at < end:
            given.append(text[at:end])
            self.is_masking = False
        self.held, self.covered = text[end:], max(reach - end, 0)
        return b"".join(given)


def _unfinished(text: bytes, pattern: bytes, before: int) -> int:
    """Where the longest end of the text begins that is a beginning of the pattern; `before` when that is no earlier."""
    first = max(0, len(text) - len(pattern) + 1)
    at = text.find(pattern[:SHORTEST], first)
    while 0 <= at < before:
        if pattern.startswith(text[at:]):
            return at
        at = text.find(pattern[:SHORTEST], at + 1)
    for last in range(max(first, len(text) - SHORTEST + 1), before):
        if pattern.startswith(text[last:]):
            return last
    return before
