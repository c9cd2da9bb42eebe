"""The bounds of what notifications send over HTTP; the guard itself is in `kit.guarded_http`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watchbill.kit import guarded_http
from watchbill.kit.guarded_http import Bounds

#: A whole attempt, from the first look-up to the last byte.
TIMEOUT: Final = 15.0
#: Of an answer only so much is read.
_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str


async def request(
    method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, allows_private: bool
) -> Answer:
    """One request on a connection of its own; its answer, whatever that is. Raises what `guarded_http.request` does."""
    bounds = Bounds(TIMEOUT, _MOST)
    answer = await guarded_http.request(method, url, headers, body, bounds=bounds, allows_private=allows_private)
    return Answer(answer.status, answer.body.decode("utf-8", "replace"))
