"""The gateway: agents' sockets on one side, the database on the other."""

from watchbill.apps.gateway.server import main

__all__ = ["main"]
