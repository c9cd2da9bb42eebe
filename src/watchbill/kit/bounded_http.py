"""HTTP with servers that may be in anybody's hands: an answer has an end, and a certificate is of the name that it has to be of."""

from collections.abc import Iterator
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

#: Bytes of one answer; WS-Management's are a hundredth of it.
LONGEST: Final = 16 * 1024 * 1024


class Adapter(HTTPAdapter):
    """The certificate must be of a name that is not the one in the URL, and an answer has an end."""

    def __init__(self, name: str | None) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, assert_hostname=self._name, **options)

    def build_response(self, *args: Any, **options: Any) -> requests.Response:
        response = super().build_response(*args, **options)
        response.__class__ = _Bounded
        return response


class _Bounded(requests.Response):
    """A response that nobody has to read to its end."""

    def iter_content(self, *args: Any, **options: Any) -> Iterator[Any]:
        left = LONGEST
        for piece in super().iter_content(*args, **options):
            left -= len(piece)
            if left < 0:
                self.close()
                raise requests.RequestException("The answer is too long.")
            yield piece
