"""pywinrm, for servers that are reached at an address and show a certificate of their name."""

from typing import Any

from requests.adapters import HTTPAdapter
from winrm.protocol import Protocol


class _NamedAdapter(HTTPAdapter):
    """Connections whose certificate must be of a name that is not the one in the URL."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, assert_hostname=self._name, **options)


class NamedProtocol(Protocol):
    """Its certificate must be of the name in `kerberos_hostname_override`, which is also Kerberos' for it.

    It takes its arguments like pywinrm's own: Ansible looks at them.
    """

    def send_message(self, message: str) -> bytes:
        if self.transport.session is None and self.transport.endpoint.startswith("https:"):
            session = self.transport.build_session()
            session.trust_env = False
            if self.kerberos_hostname_override:
                session.mount("https://", _NamedAdapter(self.kerberos_hostname_override))
        return super().send_message(message)
