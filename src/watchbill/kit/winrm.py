"""pywinrm's `Protocol`, for servers that are reached at an address, show a certificate of their name, and may be in anybody's hands."""

from collections.abc import Iterator
from typing import Any, Final

import requests
import winrm.protocol
from requests.adapters import HTTPAdapter
from winrm.protocol import Protocol
from winrm.transport import Transport

#: Bytes of one answer; WS-Management's are a hundredth of it.
LONGEST: Final = 16 * 1024 * 1024

__all__ = ["LONGEST", "Protocol"]


class _Adapter(HTTPAdapter):
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


class _Transport(Transport):
    """`kerberos_hostname_override` is the server's name to Kerberos, and here to its certificate too."""

    def build_session(self) -> requests.Session:
        return self._fitted(super().build_session())

    def setup_encryption(self, session: requests.Session) -> None:
        """Its messages are the first of a session."""
        super().setup_encryption(self._fitted(session))

    def _fitted(self, session: requests.Session) -> requests.Session:
        if not isinstance(session.get_adapter(self.endpoint), _Adapter):
            session.trust_env = False
            scheme = f"{self.endpoint.partition(':')[0]}://"
            session.mount(scheme, _Adapter(self.kerberos_hostname_override if scheme == "https://" else None))
        return session


# A protocol makes its transport by this name. It stays pywinrm's own, as Ansible looks at the arguments that it takes.
_module: Any = winrm.protocol
_module.Transport = _Transport
