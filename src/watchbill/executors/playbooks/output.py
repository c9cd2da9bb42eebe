"""What is kept of the output of one execution that runs in the Engine: the head as it comes, the tail at the end, and the true size.

The same cut as agents make on devices. Secrets are taken out before anything is kept.
"""

import re
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from watchbill.executors.base import Piece
from watchbill_wire.masking import patterns

MASK: Final = b"***"
_CHUNK: Final = 64 * 1024


class Masker:
    """Takes every form of some secrets out of whole texts."""

    def __init__(self, secrets: Collection[str]) -> None:
        forms = patterns(secrets)
        self._forms = re.compile(b"|".join(re.escape(form) for form in forms)) if forms else None

    def masked(self, text: str) -> bytes:
        raw = text.encode(errors="replace")
        return raw if self._forms is None else self._forms.sub(MASK, raw)


@dataclass
class Output:
    """Standard output of one execution; a playbook has no other."""

    execution_id: uuid.UUID
    device_id: uuid.UUID
    head_bytes: int
    tail_bytes: int
    size: int = 0
    last_line: str | None = None
    _tail: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> list[Piece]:
        """What of it is to be stored now."""
        head = data[: max(self.head_bytes - self.size, 0)]
        chunks = list(self._chunks(self.size, head))
        self._tail += data[len(head) :]
        del self._tail[: max(len(self._tail) - self.tail_bytes, 0)]
        self.size += len(data)
        self._note_line(data)
        return chunks

    def end(self) -> list[Piece]:
        """The tail, when nothing more comes."""
        return list(self._chunks(self.size - len(self._tail), bytes(self._tail)))

    @property
    def is_truncated(self) -> bool:
        return self.size > self.head_bytes + self.tail_bytes

    def _chunks(self, offset: int, data: bytes) -> Iterator[Piece]:
        for at in range(0, len(data), _CHUNK):
            yield Piece(self.execution_id, self.device_id, offset + at, data[at : at + _CHUNK])

    def _note_line(self, data: bytes) -> None:
        for line in reversed(data.decode(errors="replace").splitlines()):
            plain = _COLOURS.sub("", line).strip()
            if plain:
                self.last_line = plain[:500]
                return


_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
