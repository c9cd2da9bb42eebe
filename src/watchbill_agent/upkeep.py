"""Makes the device as the Engine wants it, beside scripts, and looks how it is: one thing after the other, away from the loop.

It decides nothing about whose word counts: that is the session's. A tunnel is closed here when its time has passed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from watchbill_agent import clock
from watchbill_agent.service_account import ServiceAccount
from watchbill_agent.tunnel import Tunnel
from watchbill_wire import DesiredPayload, Reported, TunnelWanted

#: An open tunnel is looked at this often, everything else is put right again this often.
LOOK_SECONDS = 5.0
ANEW_SECONDS = 900.0


@dataclass(frozen=True)
class Hands:
    """What does it on this system."""

    tunnel: Tunnel
    account: ServiceAccount


class Upkeep:
    def __init__(self, hands: Hands, tell: Callable[[Reported], None], engine_time: Callable[[], datetime]) -> None:
        self._hands = hands
        self._tell = tell
        self._engine_time = engine_time
        self._wanted: DesiredPayload | None = None
        self._wake = asyncio.Event()
        self._reported = Reported()
        #: What the device was made as last, and when that is looked after again.
        self._made: tuple[DesiredPayload | None, TunnelWanted | None] | None = None
        self._anew_at = 0.0

    def take(self, wanted: DesiredPayload) -> None:
        """From now on it is to be so; what was wanted before is not begun any more."""
        self._wanted = wanted
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            tunnel = self._open_now()
            self._reported = await asyncio.get_running_loop().run_in_executor(None, self._next, self._wanted, tunnel)
            self._tell(self._reported)
            await self._rest(tunnel)

    def _next(self, wanted: DesiredPayload | None, tunnel: TunnelWanted | None) -> Reported:
        now = clock.monotonic()
        if self._made == (wanted, tunnel) and now < self._anew_at:
            return replace(self._reported, tunnel=self._hands.tunnel.look())
        self._made, self._anew_at = (wanted, tunnel), now + ANEW_SECONDS
        account = self._reported.service_account
        if wanted is not None and wanted.service_account is not None:
            account = self._hands.account.put(wanted.service_account)
        return Reported(self._hands.tunnel.put(tunnel), account)

    def _open_now(self) -> TunnelWanted | None:
        wanted = self._wanted.tunnel if self._wanted is not None else None
        if wanted is None or (wanted.open_until is not None and self._engine_time() >= wanted.open_until):
            return None
        return wanted

    async def _rest(self, tunnel: TunnelWanted | None) -> None:
        seconds = ANEW_SECONDS if tunnel is None else LOOK_SECONDS
        if tunnel is not None and tunnel.open_until is not None:
            left = (tunnel.open_until - self._engine_time()).total_seconds()
            seconds = min(seconds, max(left, 0.0))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
