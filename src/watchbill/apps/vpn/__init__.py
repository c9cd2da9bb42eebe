"""The VPN's process: the only one of the Engine that needs the right to change the host's network (CAP_NET_ADMIN).

It listens on no TCP port and answers nobody: what it is to do, and what it has seen, is in the database.
"""

from watchbill import devices, vpn
from watchbill.apps.vpn.hub import Hub
from watchbill.apps.wiring import Engine
from watchbill.kit.db import Listener
from watchbill.kit.instances import Heartbeat
from watchbill.kit.service import Service, run_all

__all__ = ["Hub", "main", "services"]


def services(engine: Engine) -> tuple[list[Service], Heartbeat]:
    """All that the process runs, and the heartbeat that says when it should end."""
    hub = Hub(engine)
    heartbeat = Heartbeat(engine.db, engine.clock, "vpn")
    listener = Listener(engine.db.conninfo)
    listener.on(vpn.HUB_CHANNEL, hub.heard)
    listener.on(devices.REFUSED_CHANNEL, hub.heard)
    return [listener, heartbeat, hub], heartbeat


async def main(engine: Engine) -> None:
    """Own the hub, or stand by for it, until told to stop."""
    parts, heartbeat = services(engine)
    await run_all(parts, heartbeat.should_stop)
