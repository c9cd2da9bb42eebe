"""What makes this device as it is wanted, as far as its system and the agent's own rights allow."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial

from watchbill_agent import sealing
from watchbill_agent.commands import SystemCommands
from watchbill_agent.datadir import DataDir
from watchbill_agent.service_account import NoServiceAccount, Notes, ServiceAccount
from watchbill_agent.service_account_linux import LinuxServiceAccount
from watchbill_agent.service_account_windows import WINDOWS_PATH, WindowsServiceAccount
from watchbill_agent.tunnel import NoTunnel, Tunnel, TunnelKey
from watchbill_agent.tunnel_linux import LinuxTunnel
from watchbill_agent.upkeep import Hands

_NOT_ROOT = "the agent does not run as root"


def of_this_device(data: DataDir, device_id: str, engine_time: Callable[[], datetime]) -> Hands:
    return Hands(_tunnel(data, engine_time), _account(data, device_id))


def _tunnel(data: DataDir, engine_time: Callable[[], datetime]) -> Tunnel:
    key = TunnelKey(data.load_or_make_tunnel_key())
    if not sys.platform.startswith("linux"):
        return NoTunnel(key, "this agent opens tunnels on Linux only")
    if os.geteuid() != 0:
        return NoTunnel(key, _NOT_ROOT)
    return LinuxTunnel(key, f"watchbill-agent {data.path}", SystemCommands(), engine_time)


def _account(data: DataDir, device_id: str) -> ServiceAccount:
    notes = Notes(data.service_account, data.write)
    if sys.platform == "win32":
        commands = SystemCommands(WINDOWS_PATH, {"SystemRoot": r"C:\Windows"})
        return WindowsServiceAccount(notes, commands, partial(sealing.seal_password, device_id))
    if not sys.platform.startswith("linux"):
        return NoServiceAccount("this agent keeps service accounts on Linux and Windows only")
    if os.geteuid() != 0:
        return NoServiceAccount(_NOT_ROOT)
    return LinuxServiceAccount(notes, SystemCommands())
