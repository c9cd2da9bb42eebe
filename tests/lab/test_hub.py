"""The hub's process in the Engine's namespace, and devices in theirs, over real WireGuard: ready, cut, revoked, killed, started again."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import make_url, text

from tests.factories import places
from tests.lab.conftest import needs_lab
from tests.lab.host import Host, Program
from tests.lab.network import ENGINE_ADDRESS, Lab
from tests.lab.peer import Peer
from tests.lab.sshd import start_sshd
from watchbill import devices, vpn
from watchbill.devices import DeviceStatus
from watchbill.identity import ENGINE
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.secrets import create_key_ring, load_key_ring
from watchbill.vpn import Readiness, ReadyState, TunnelReported, TunnelState

pytestmark = [needs_lab, pytest.mark.timeout(240)]
HUB = [sys.executable, "-m", "watchbill.apps.cli", "vpn"]
REPO = Path(__file__).parents[2]


async def until(what: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Wait for a condition, with a bound."""
    async with asyncio.timeout(seconds):
        while not await what():
            await asyncio.sleep(0.1)


@dataclass
class Harbour:
    """An Engine's host with its hub, and devices with tunnels."""

    lab: Lab
    engine: Host
    db: Database
    clock: Clock
    env: Mapping[str, str]
    site: int = 0
    devices: dict[UUID, Peer] = field(default_factory=dict)

    def start_hub(self, name: str = "hub", *, before: tuple[str, ...] = (), **more: str) -> Program:
        return self.engine.start(name, *before, *HUB, env={**self.env, **more}, cwd=str(REPO))

    async def now(self) -> datetime:
        async with self.db.begin() as tx:
            return await self.clock.now(tx)

    async def hub(self) -> tuple[str, str | None]:
        async with self.db.begin() as tx:
            row = (await tx.execute(text("SELECT state, detail FROM vpn_hub"))).one_or_none()
        return (row.state, row.detail) if row else ("none", None)

    async def is_up(self) -> bool:
        return (await self.hub())[0] == "up"

    async def device(self, name: str) -> UUID:
        """A device on a host of its own, whose end of the tunnel is open and told of as such."""
        host, now = self.lab.add(name), await self.now()
        start_sshd(host)
        async with self.db.begin() as tx:
            device = await places.make_device(tx, name, self.site, now=now)
            peer = self.devices[device] = Peer(host)
            await vpn.note_reported(tx, {device: TunnelReported(peer.public_key, TunnelState.DOWN)}, now)
            await vpn.prepare(tx, [device], now + timedelta(hours=1), now)
            wanted = (await vpn.wanted(tx, [device], now))[device]
        peer.up(wanted)
        async with self.db.begin() as tx:
            await vpn.note_reported(tx, {device: TunnelReported(peer.public_key, TunnelState.UP)}, now)
        return device

    async def readiness(self, device: UUID) -> Readiness:
        async with self.db.begin() as tx:
            return (await vpn.readiness(tx, [device], await self.clock.now(tx)))[device]

    async def is_ready(self, device: UUID) -> bool:
        return (await self.readiness(device)).state is ReadyState.READY

    async def until_ready(self, device: UUID) -> None:
        await until(lambda: self.is_ready(device))

    async def stop_being_heard_of(self) -> None:
        """As after a minute in which no process gave a sign of life."""
        async with self.db.begin() as tx:
            await tx.execute(text("UPDATE vpn_hub SET state = 'stopped', heard_at = heard_at - interval '1 hour'"))

    def peers(self) -> set[str]:
        """What the interface has."""
        return set(self.engine.run("wg", "show", "wbhub", "peers").stdout.split())

    def has_interface(self) -> bool:
        return self.engine.run("ip", "link", "show", "wbhub", is_checked=False).returncode == 0

    def reaches(self, readiness: Readiness) -> bool:
        assert readiness.address is not None
        return self.engine.is_reachable(readiness.address, 22)


@pytest.fixture
async def harbour(lab: Lab, db: Database, clock: Clock, database_url: str, tmp_path: Path) -> AsyncIterator[Harbour]:
    host = str(make_url(database_url).query.get("host") or "")
    if not host.startswith("/"):
        pytest.skip("NO LAB: hosts of a lab reach no database but one at a socket of this machine")
    create_key_ring(tmp_path / "ring.json")
    env = {
        "WATCHBILL_DATABASE_URL": database_url,
        "WATCHBILL_DATA_DIR": str(tmp_path),
        "WATCHBILL_KEY_RING": str(tmp_path / "ring.json"),
        "WATCHBILL_VPN_ENDPOINT": f"{ENGINE_ADDRESS}:51820",
        "WATCHBILL_VPN_KEEPALIVE_SECONDS": "1",
    }
    made = Harbour(lab, lab.add("engine"), db, clock, env)
    async with db.begin() as tx:
        made.site = await places.make_site(tx, "Harbour", now=await clock.now(tx))
    yield made
    for log in sorted(made.engine.folder.glob("*.log")):
        print(f"--- {log.name}\n{log.read_text(errors='replace')}")  # shown where a test fails


async def test_a_tunnel_is_ready_and_work_goes_through_it(harbour: Harbour, tmp_path: Path) -> None:
    program = harbour.start_hub()
    await until(harbour.is_up)
    one, two = await harbour.device("web-1"), await harbour.device("web-1")
    for device in (one, two):
        await harbour.until_ready(device)
        assert harbour.reaches(await harbour.readiness(device))
    first, second = [(await harbour.readiness(device)).address for device in (one, two)]
    assert first is not None
    assert first != second
    # Devices are shut off from each other: each takes packets from the hub alone.
    assert not harbour.devices[two].host.is_reachable(first, 22)
    async with harbour.db.begin() as tx:
        sealed = (await tx.execute(text("SELECT private_key_sealed FROM vpn_hub"))).scalar_one()
    private = load_key_ring(tmp_path / "ring.json").open(sealed, "vpn_hub.private_key").decode()
    assert private not in program.output()
    assert harbour.engine.run("wg", "show", "wbhub", "private-key").stdout.strip() == private


async def test_a_cut_tunnel_is_not_ready_and_comes_back(harbour: Harbour) -> None:
    harbour.start_hub()
    await until(harbour.is_up)
    cut, whole = await harbour.device("web-1"), await harbour.device("web-2")
    for device in (cut, whole):
        await harbour.until_ready(device)
    harbour.lab.cut_tunnel(harbour.devices[cut].host)

    async def is_cut() -> bool:
        return (await harbour.readiness(cut)).state is ReadyState.NOT_READY

    await until(is_cut)
    assert "nothing has come through the tunnel" in ((await harbour.readiness(cut)).detail or "")
    assert await harbour.is_ready(whole)
    harbour.lab.mend_tunnel(harbour.devices[cut].host)
    await until(lambda: harbour.is_ready(cut))


async def test_a_device_whose_packets_never_arrive_has_no_handshake(harbour: Harbour) -> None:
    harbour.start_hub()
    await until(harbour.is_up)
    device = await harbour.device("web-1")
    harbour.lab.cut_tunnel(harbour.devices[device].host)
    harbour.devices[device].down()
    async with harbour.db.begin() as tx:
        now = await harbour.clock.now(tx)
        fresh = Peer(harbour.devices[device].host)
        await vpn.note_reported(tx, {device: TunnelReported(fresh.public_key, TunnelState.UP)}, now)
        wanted = (await vpn.wanted(tx, [device], now))[device]
    fresh.up(wanted)

    async def is_known() -> bool:
        return "no handshake" in ((await harbour.readiness(device)).detail or "")

    await until(is_known)
    assert harbour.peers() == {fresh.public_key}


async def test_a_revoked_device_is_no_peer_within_a_moment(harbour: Harbour) -> None:
    harbour.start_hub()
    await until(harbour.is_up)
    gone, kept = await harbour.device("web-1"), await harbour.device("web-2")
    await until(lambda: harbour.is_ready(gone))
    before = await harbour.readiness(gone)
    async with harbour.db.begin() as tx:
        now = await harbour.clock.now(tx)
        await devices.set_status(tx, ENGINE, gone, DeviceStatus.REVOKED, now=now)
        await vpn.remove(tx, [gone], now)

    async def is_removed() -> bool:
        return harbour.peers() == {harbour.devices[kept].public_key}

    await until(is_removed, 5)
    assert not harbour.reaches(before)
    assert (await harbour.readiness(gone)).state is ReadyState.UNAVAILABLE


async def test_a_disabled_device_is_no_peer_either_until_it_is_enabled(harbour: Harbour) -> None:
    harbour.start_hub()
    await until(harbour.is_up)
    device = await harbour.device("web-1")
    await until(lambda: harbour.is_ready(device))

    async def set_status(status: DeviceStatus) -> None:
        async with harbour.db.begin() as tx:
            await devices.set_status(tx, ENGINE, device, status, now=await harbour.clock.now(tx))

    async def has_none() -> bool:
        return not harbour.peers()

    await set_status(DeviceStatus.DISABLED)
    await until(has_none, 5)
    await set_status(DeviceStatus.ACTIVE)
    async with harbour.db.begin() as tx:
        await vpn.look_again(tx)
    await until(lambda: harbour.is_ready(device), 20)


async def test_tunnels_outlive_a_killed_process_and_the_next_one_goes_on(harbour: Harbour) -> None:
    program = harbour.start_hub()
    await until(harbour.is_up)
    device = await harbour.device("web-1")
    await until(lambda: harbour.is_ready(device))
    program.end(signal.SIGKILL)
    before = await harbour.readiness(device)
    assert harbour.reaches(before), "the interface is still there"
    await harbour.stop_being_heard_of()
    assert (await harbour.readiness(device)).state is ReadyState.UNAVAILABLE
    again = harbour.start_hub("again")
    await until(lambda: harbour.is_ready(device))
    assert (await harbour.readiness(device)).handshake_at == before.handshake_at, "no new handshake was needed"
    assert '"is_new": true' not in again.output()


async def test_tunnels_come_back_after_the_interface_was_lost_too(harbour: Harbour) -> None:
    program = harbour.start_hub()
    await until(harbour.is_up)
    device = await harbour.device("web-1")
    await until(lambda: harbour.is_ready(device))
    program.end(signal.SIGKILL)
    harbour.engine.run("ip", "link", "delete", "wbhub")
    before = await harbour.readiness(device)
    harbour.start_hub("again")

    async def is_back() -> bool:
        now = await harbour.readiness(device)
        return now.state is ReadyState.READY and now.handshake_at != before.handshake_at

    # The hub knocks where the device was: by itself, the device would not notice for two minutes.
    await until(is_back, 30)
    assert harbour.reaches(before)


async def test_an_interface_that_is_taken_away_is_made_again(harbour: Harbour) -> None:
    harbour.start_hub()
    await until(harbour.is_up)
    device = await harbour.device("web-1")
    await until(lambda: harbour.is_ready(device))
    harbour.engine.run("ip", "link", "delete", "wbhub")

    async def is_made() -> bool:
        return harbour.has_interface()

    await until(is_made)
    await until(lambda: harbour.is_ready(device))
    assert harbour.reaches(await harbour.readiness(device))


async def test_a_stop_takes_the_interface_away_and_says_so(harbour: Harbour) -> None:
    program = harbour.start_hub()
    await until(harbour.is_up)
    assert program.end() == 0
    assert not harbour.has_interface()
    assert await harbour.hub() == ("stopped", None)
    async with harbour.db.begin() as tx:
        row = (await tx.execute(text("SELECT kind, stopped_at IS NOT NULL AS is_over FROM services"))).one()
    assert (row.kind, row.is_over) == ("vpn", True)


async def test_of_two_processes_one_owns_the_hub_and_the_other_takes_over(harbour: Harbour) -> None:
    first = harbour.start_hub("first")
    await until(harbour.is_up)
    device = await harbour.device("web-1")
    await until(lambda: harbour.is_ready(device))
    second = harbour.start_hub("second")

    async def are_two() -> bool:
        async with harbour.db.begin() as tx:
            return bool((await tx.execute(text("SELECT count(*) = 2 FROM services"))).scalar_one())

    await until(are_two)
    assert "hub.up" not in second.output()
    first.end(signal.SIGKILL)
    await harbour.stop_being_heard_of()
    await until(harbour.is_up)

    async def has_taken_over() -> bool:
        return "hub.up" in second.output()

    await until(has_taken_over)
    await until(lambda: harbour.is_ready(device))
    assert second.end() == 0
    assert not harbour.has_interface()


async def test_who_lost_the_hub_to_another_host_takes_its_interface_away(harbour: Harbour) -> None:
    first = harbour.start_hub("first")
    await until(harbour.is_up)
    spare = harbour.lab.add("spare")
    second = spare.start("second", *HUB, env=harbour.env, cwd=str(REPO))

    async def are_two() -> bool:
        async with harbour.db.begin() as tx:
            return bool((await tx.execute(text("SELECT count(*) = 2 FROM services"))).scalar_one())

    await until(are_two)
    async with harbour.db.begin() as tx:
        lost = "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objid = 35 AND l.granted"
        await tx.execute(
            text(f"{lost} AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())")
        )

    async def has_moved() -> bool:
        return "hub.up" in second.output() and not harbour.has_interface()

    await until(has_moved)
    assert spare.run("wg", "show", "wbhub", "public-key").stdout.strip()
    assert first.is_running


async def test_a_key_that_cannot_be_opened_is_told(harbour: Harbour, tmp_path: Path) -> None:
    program = harbour.start_hub()
    await until(harbour.is_up)
    assert program.end() == 0
    create_key_ring(tmp_path / "other.json")
    harbour.start_hub("other", WATCHBILL_KEY_RING=str(tmp_path / "other.json"))
    await failed(harbour, "the hub's private key cannot be opened")


async def failed(harbour: Harbour, *words: str) -> None:
    async def is_told() -> bool:
        return (await harbour.hub())[0] == "failed"

    await until(is_told)
    detail = (await harbour.hub())[1] or ""
    assert all(word in detail for word in words), detail


async def test_without_the_right_it_says_what_it_needs_and_goes_on_trying(harbour: Harbour) -> None:
    program = harbour.start_hub(before=("setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin", "--"))
    await failed(harbour, "needs root or CAP_NET_ADMIN")
    assert program.is_running


async def test_that_right_is_all_it_needs_of_root(harbour: Harbour) -> None:
    # And to come to the socket of the test's database, which is another account's.
    few = "-all,+net_admin,+dac_override"
    only = ("setpriv", f"--inh-caps={few}", f"--bounding-set={few}", "--")
    program = harbour.start_hub(before=only)
    await until(harbour.is_up)
    device = await harbour.device("web-1")
    await harbour.until_ready(device)
    assert program.end() == 0
    assert not harbour.has_interface()


async def test_without_its_programs_it_says_which_are_missing(harbour: Harbour) -> None:
    harbour.engine.run("mount", "--bind", "/dev/null", "/usr/bin/wireguard-go")
    program = harbour.start_hub()
    await failed(harbour, "wireguard-go", "Debian package")
    harbour.engine.run("umount", "/usr/bin/wireguard-go")
    await until(harbour.is_up)
    assert program.is_running


async def test_an_interface_of_somebody_else_is_left_alone(harbour: Harbour) -> None:
    harbour.engine.run("mkdir", "-p", "/run/wireguard")
    harbour.engine.run("wireguard-go", "wbhub")
    harbour.engine.run(
        "wg", "set", "wbhub", "private-key", "/dev/stdin", given=harbour.engine.run("wg", "genkey").stdout
    )
    before = harbour.engine.run("wg", "show", "wbhub", "public-key").stdout
    program = harbour.start_hub()
    await failed(harbour, "another key than the hub's")
    program.end()
    assert harbour.engine.run("wg", "show", "wbhub", "public-key").stdout == before


async def test_an_address_or_port_that_is_changed_is_changed_at_the_interface(harbour: Harbour) -> None:
    first = harbour.start_hub()
    await until(harbour.is_up)
    first.end(signal.SIGKILL)
    harbour.start_hub("again", WATCHBILL_VPN_SUBNET="10.77.0.0/24", WATCHBILL_VPN_LISTEN_PORT="51999")

    async def is_changed() -> bool:
        shown = harbour.engine.run("ip", "-4", "-br", "address", "show", "dev", "wbhub").stdout
        return "10.77.0.1/24" in shown and "100.96" not in shown

    await until(is_changed)
    assert harbour.engine.run("wg", "show", "wbhub", "listen-port").stdout.strip() == "51999"


async def test_it_listens_on_no_tcp_port(harbour: Harbour) -> None:
    program = harbour.start_hub()
    await until(harbour.is_up)
    listening = harbour.engine.run("ss", "-Hltn").stdout
    assert listening == ""
    assert "51820" in harbour.engine.run("ss", "-Hlun").stdout
    assert program.is_running
