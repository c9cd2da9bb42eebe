"""The gateway: agents' sockets on one side, the database on the other."""

from watchbill.apps.gateway.server import gateway, main

__all__ = ["gateway", "main"]
