"""How devices are wanted to be, over real gateways: told when they come and when it changes, each its own; and what they tell, stored."""

import json
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

import watchbill_wire as wire
from tests.flows.fleet import until
from tests.gateway.harbour import Harbour, Peer
from watchbill import agents
from watchbill.core.service_accounts import AccountAction, AccountState
from watchbill.identity import ENGINE
from watchbill.kit import db


async def do(harbour: Harbour, action: AccountAction, *devices: uuid.UUID) -> None:
    async with harbour.db.begin() as tx:
        await agents.change_service_accounts(
            tx, ENGINE, list(devices), action, keys=harbour.keys, now=harbour.scene.now
        )


async def state(harbour: Harbour, device: uuid.UUID) -> AccountState:
    async with harbour.db.begin() as tx:
        return (await agents.get_service_account(tx, ENGINE, device)).state


async def becomes(harbour: Harbour, device: uuid.UUID, wanted: AccountState) -> None:
    async def there() -> bool:
        return await state(harbour, device) is wanted

    await until(there)


async def heard(harbour: Harbour, peer: Peer) -> wire.DesiredPayload:
    """The next word, its signature checked as an agent does."""
    message = await peer.hear(wire.Desired)
    async with harbour.db.begin() as tx:
        known = dict(await agents.public_keys(tx))
    signed = wire.desired_signing_bytes(message.payload)
    Ed25519PublicKey.from_public_bytes(known[message.key_id]).verify(message.signature, signed)
    return wire.parse_desired(message.payload)


def report(account: wire.ServiceAccountWanted, told: wire.AccountState = "present") -> wire.Reported:
    return wire.Reported(None, wire.ServiceAccountReported(told, account.generation))


async def test_a_device_is_told_when_it_comes_and_when_it_changes_and_only_its_own(harbour: Harbour) -> None:
    one, two = await harbour.device("one"), await harbour.device("two")
    await do(harbour, AccountAction.CREATE, one)
    async with harbour.dial(one) as first, harbour.dial(two) as second:
        said = await heard(harbour, first)
        assert (said.device_id, said.tunnel) == (str(one), None)
        assert said.service_account is not None
        await first.say(report(said.service_account))
        await becomes(harbour, one, AccountState.PRESENT)
        await do(harbour, AccountAction.CREATE, two)
        assert (await heard(harbour, second)).device_id == str(two)
        await do(harbour, AccountAction.REMOVE, one)
        now: wire.ServiceAccountWanted | None = said.service_account
        while now is None or now.state == "present":
            now = (await heard(harbour, first)).service_account
        await first.say(report(now, "absent"))
        await becomes(harbour, one, AccountState.NONE)
        assert not [m for m in second.heard[:-1] if isinstance(m, wire.Desired)]


async def test_a_rotation_ends_with_the_new_key_alone(harbour: Harbour) -> None:
    device = await harbour.device()
    await do(harbour, AccountAction.CREATE, device)
    async with harbour.dial(device) as peer:
        first = (await heard(harbour, peer)).service_account
        assert first is not None
        await peer.say(report(first))
        await becomes(harbour, device, AccountState.PRESENT)
        await do(harbour, AccountAction.ROTATE, device)
        both = first
        while len(both.ssh_public_keys) != 2:
            said = (await heard(harbour, peer)).service_account
            assert said is not None
            both = said
        keys = both.ssh_public_keys
        assert keys[1] == first.ssh_public_keys[0]
        await peer.say(report(both))
        last = (await heard(harbour, peer)).service_account
        assert last is not None
        assert last.ssh_public_keys == keys[:1]


async def test_what_was_wanted_while_a_device_was_away_or_on_another_gateway_reaches_it(two_gateways: Harbour) -> None:
    device = await two_gateways.device()
    async with two_gateways.dial(device):
        pass
    await do(two_gateways, AccountAction.CREATE, device)
    async with two_gateways.dial(device, gateway=1) as peer:
        assert (await heard(two_gateways, peer)).service_account is not None
        await do(two_gateways, AccountAction.REMOVE, device)
        said = await heard(two_gateways, peer)
        assert said.service_account is not None
        assert said.service_account.state == "absent"


async def test_of_whom_nothing_is_wanted_is_told_so_only_when_it_changed(harbour: Harbour) -> None:
    device, other = await harbour.device(), await harbour.device("other")
    async with harbour.dial(device) as peer, harbour.dial(other) as untold:
        async with harbour.db.begin() as tx:
            await db.notify(tx, agents.DESIRED_CHANNEL, f"{device},{uuid.uuid4()}")
        said = await heard(harbour, peer)
        assert (said.device_id, said.tunnel, said.service_account) == (str(device), None, None)
        await do(harbour, AccountAction.CREATE, other)
        assert (await heard(harbour, untold)).service_account is not None, "it is the first word that it hears"


async def test_a_device_that_lies_hurts_itself_alone(harbour: Harbour) -> None:
    good, bad = await harbour.device("good"), await harbour.device("bad")
    await do(harbour, AccountAction.CREATE, good)
    async with harbour.dial(good) as peer, harbour.dial(bad) as liar:
        said = (await heard(harbour, peer)).service_account
        assert said is not None
        for generation in (said.generation, 2**63 - 1):
            lie = wire.ServiceAccountReported("present", generation, "x" * 2000, "A" * 2000)
            await liar.say(wire.Reported(wire.TunnelReported("A" * 43 + "=", "up"), lie))
        await peer.say(report(said))
        await becomes(harbour, good, AccountState.PRESENT)
        assert await state(harbour, bad) is AccountState.NONE
        plain = json.loads(wire.encode(report(said)))
        plain["service_account"]["generation"] = -1
        await liar.socket.send(json.dumps(plain))
        assert await liar.closed() == 1002
        assert await state(harbour, good) is AccountState.PRESENT
    async with harbour.db.begin() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM service_accounts"))).scalar_one() == 1
