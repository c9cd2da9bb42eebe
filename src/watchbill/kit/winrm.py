"""pywinrm's `Protocol`, for servers that are reached at an address, show a certificate of their name, and may be in anybody's hands."""

from typing import Any

import requests
import winrm.protocol
from winrm.protocol import Protocol
from winrm.transport import Transport

from watchbill.kit.bounded_http import LONGEST, Adapter

__all__ = ["LONGEST", "Protocol"]


class _Transport(Transport):
    """`kerberos_hostname_override` is the server's name to Kerberos, and here to its certificate too."""

    def build_session(self) -> requests.Session:
        return self._fitted(super().build_session())

    def setup_encryption(self, session: requests.Session) -> None:
        """Its messages are the first of a session."""
        super().setup_encryption(self._fitted(session))

    def _fitted(self, session: requests.Session) -> requests.Session:
        if not isinstance(session.get_adapter(self.endpoint), Adapter):
            session.trust_env = False
            scheme = f"{self.endpoint.partition(':')[0]}://"
            session.mount(scheme, Adapter(self.kerberos_hostname_override if scheme == "https://" else None))
        return session


# A protocol makes its transport by this name. It stays pywinrm's own, as Ansible looks at the arguments that it takes.
_module: Any = winrm.protocol
_module.Transport = _Transport
