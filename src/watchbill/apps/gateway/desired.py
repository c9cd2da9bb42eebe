"""How devices are wanted to be, on the way to them; and how they are, on the way back. The one place that knows what that consists of.

A device is told at each connection and whenever it changes: all of it, signed for it alone, so that nothing is lost by losing one word.
"""

import asyncio
import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

import watchbill_wire as wire
from watchbill import agents, vpn
from watchbill.apps.gateway.connection import Connection
from watchbill.apps.wiring import Engine
from watchbill.kit.secrets import KeyRing
from watchbill.kit.service import Wake

#: Told by one transaction.
HANDFUL = 500
#: What is said of a state does not hold for ever: a word that somebody kept back does nothing later.
LIFETIME = timedelta(hours=1)

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def wanted_of(
    tx: AsyncConnection, device_ids: Collection[uuid.UUID], now: datetime
) -> dict[uuid.UUID, wire.DesiredPayload]:
    """By device, for those of which anything is wanted."""
    accounts = await agents.service_accounts_wanted(tx, device_ids)
    tunnels = await vpn.wanted(tx, sorted(device_ids), now)
    return {one: payload_of(one, now, accounts.get(one), tunnels.get(one)) for one in accounts.keys() | tunnels.keys()}


def payload_of(
    device_id: uuid.UUID,
    now: datetime,
    account: wire.ServiceAccountWanted | None = None,
    tunnel: vpn.TunnelWanted | None = None,
) -> wire.DesiredPayload:
    told = wire.TunnelWanted(**asdict(tunnel)) if tunnel is not None else None
    return wire.DesiredPayload(str(device_id), now, now + LIFETIME, told, account)


async def note(tx: AsyncConnection, keys: KeyRing, told: Mapping[uuid.UUID, wire.Reported], now: datetime) -> None:
    """Store what devices tell; of each the last word of a batch."""
    accounts = {one: said.service_account for one, said in told.items() if said.service_account is not None}
    await agents.service_accounts_told(tx, keys, accounts, now)
    tunnels = {one: said.tunnel for one, said in told.items() if said.tunnel is not None}
    if tunnels:
        await vpn.note_reported(tx, {one: _tunnel(said) for one, said in tunnels.items()}, now)


def _tunnel(said: wire.TunnelReported) -> vpn.TunnelReported:
    return vpn.TunnelReported(said.public_key, vpn.TunnelState(said.state), said.detail)


@dataclass
class Teller:
    """A service that tells the devices of one gateway."""

    engine: Engine
    held: Mapping[uuid.UUID, Connection]
    wake: Wake = field(default_factory=Wake)
    #: Whether something changed for it: then it is told also that nothing is wanted any more.
    _waiting: dict[uuid.UUID, bool] = field(default_factory=dict)

    def came(self, device_ids: Collection[uuid.UUID], *, has_changed: bool = False) -> None:
        for one in device_ids:
            self._waiting[one] = has_changed or self._waiting.get(one, False)
        self.wake.ring()

    def heard(self, payload: str) -> None:
        """A NOTIFY with ids of devices, or (empty) look for yourself."""
        named = {uuid.UUID(one) for one in _ID.findall(payload)} if payload else set(self.held)
        self.came(named & self.held.keys(), has_changed=bool(payload))

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._waiting:
                await self.wake.wait(stop, 60)
                continue
            some = dict(self._waiting.popitem() for _ in range(min(HANDFUL, len(self._waiting))))
            try:
                await self._tell(some)
            except BaseException:
                for one, has_changed in some.items():  # in vain: again
                    self.came([one], has_changed=has_changed)
                raise

    async def _tell(self, some: Mapping[uuid.UUID, bool]) -> None:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            said = {one: payload_of(one, now) for one, has_changed in some.items() if has_changed}
            said |= await wanted_of(tx, some, now)
            signer = await agents.load_signer(tx, self.engine.keys) if said else None
        for device_id, payload in said.items():
            connection = self.held.get(device_id)
            if connection is not None and signer is not None:
                connection.send(_signed(signer, payload.to_text()))


def _signed(signer: agents.Signer, text: str) -> wire.Desired:
    return wire.Desired(signer.key_id, text, signer.sign(wire.desired_signing_bytes(text)))
