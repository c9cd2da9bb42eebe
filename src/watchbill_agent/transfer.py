"""How far the output of one execution has travelled: what exists, what was sent, what the Engine stored. Pure counting."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from watchbill_agent.events import NOTHING_KEPT, Kept
from watchbill_wire import MAX_OUTPUT_BYTES


@dataclass
class Transfer:
    kept: Kept = NOTHING_KEPT
    acked: int = 0
    sent: int = 0
    in_flight: int = 0
    chunks: deque[tuple[int, int]] = field(default_factory=deque)  # (end offset, length)

    def grow(self, head: int) -> None:
        if head > self.kept.head:
            self.kept = Kept(head, head, head)

    def next_chunk(self, room: int) -> tuple[int, int] | None:
        """Where to read next and how much; None when nothing is there. The gap that was not kept is stepped over."""
        if self.sent >= self.kept.head and self.sent < self.kept.tail:
            self.sent = self.kept.tail
        end = self.kept.head if self.sent < self.kept.head else self.kept.end
        length = min(end - self.sent, MAX_OUTPUT_BYTES, room)
        return (self.sent, length) if length > 0 else None

    def mark_sent(self, length: int) -> None:
        self.sent += length
        self.in_flight += length
        self.chunks.append((self.sent, length))

    def mark_acked(self, offset: int) -> bool:
        """False for an acknowledgement that says nothing new, or more than was ever sent."""
        if not self.acked < offset <= max(self.sent, self.acked):
            return False
        self.acked = offset
        while self.chunks and self.chunks[0][0] <= offset:
            self.in_flight -= self.chunks.popleft()[1]
        return True

    def rewind(self) -> None:
        self.sent = self.acked
        self.in_flight = 0
        self.chunks.clear()

    @property
    def is_sent(self) -> bool:
        return self.next_chunk(MAX_OUTPUT_BYTES) is None
