"""The parts of discovery by themselves: names, neighbours, what a sighting says of a platform, and turns at the limiter."""

import asyncio
import ipaddress
import socket
import threading
import time

import pytest

from tests.onboarding.listeners import eventually
from watchbill.onboarding.base import Knock, Ports, Sighting
from watchbill.onboarding.discovery_limits import Limiter, SweepLimits
from watchbill.onboarding.discovery_names import Neighbours, in_thread, neighbours, resolve, reverse_name
from watchbill.onboarding.discovery_platform import found_ports, platform_of, service_of

HERE = ipaddress.ip_address("127.0.0.1")

# --- names -------------------------------------------------------------------------------------------------------------


async def test_every_name_has_addresses_or_a_reason():
    found = await resolve(["localhost", "nobody.invalid", "localhost", "a" * 70 + ".lab", "no\x00name"], seconds=30)
    assert HERE in found.addresses["localhost"]
    assert found.failures.keys() == {"nobody.invalid", "a" * 70 + ".lab", "no\x00name"}
    assert "no such name" in found.failures["nobody.invalid"] or "resolver failed" in found.failures["nobody.invalid"]
    assert all(found.failures.values())


async def test_ipv4_goes_first_and_each_address_is_there_once():
    addresses = (await resolve(["localhost"])).addresses["localhost"]
    assert len(set(addresses)) == len(addresses)
    assert [one.version for one in addresses] == sorted(one.version for one in addresses)


async def test_a_resolver_that_hangs_is_not_waited_for():
    hanging = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await in_thread(hanging.wait, 0.1)
    assert time.monotonic() - began < 2
    hanging.set()


def test_a_look_up_that_outlives_its_loop_is_quiet():
    hanging = threading.Event()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await in_thread(hanging.wait, 0.05)

    asyncio.run(give_up())
    before = threading.active_count()
    hanging.set()
    asyncio.run(eventually(lambda: threading.active_count() < before))


async def test_so_many_names_are_looked_up_at_once_and_no_more(monkeypatch):
    running, most = 0, 0

    def slow(*_: object, **__: object) -> list[tuple[object, ...]]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return [(2, 1, 6, "", ("10.0.0.1", 0)), (10, 1, 6, "", ("fe80::1%2", 0, 0, 2)), (2, 1, 6, "", ("10.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    found = await resolve([f"n{number}" for number in range(40)], at_once=4)
    assert 1 < most <= 4
    assert set(map(tuple, found.addresses.values())) == {
        (ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("fe80::1"))
    }
    assert len(found.addresses) == 40


async def test_an_address_may_have_a_name():
    assert await reverse_name(HERE, seconds=30) == "localhost"
    assert await reverse_name(ipaddress.ip_address("198.18.255.254"), seconds=0.001) is None


# --- neighbours --------------------------------------------------------------------------------------------------------

ARP = """IP address       HW type     Flags       HW address            Mask     Device
10.0.0.1         0x1         0x2         52:54:00:12:34:56     *        eth0
10.0.0.2         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.3         0x1         0x6         52:54:00:12:34:57     *        eth0
"""


def test_neighbours_are_read_from_the_kernels_table():
    found = {str(address): mac for address, mac in neighbours(ARP).items()}
    assert found == {"10.0.0.1": "52:54:00:12:34:56", "10.0.0.2": None, "10.0.0.3": "52:54:00:12:34:57"}
    assert neighbours("") == {}
    assert isinstance(neighbours(), dict)


def test_the_table_is_not_read_for_every_address():
    reads = 0

    def read():
        nonlocal reads
        reads += 1
        return neighbours(ARP)

    table = Neighbours(read)
    missing = [table.is_missing(ipaddress.ip_address(f"10.0.0.{last}")) for last in (1, 2, 3, 4)]
    assert missing == [False, True, False, False]
    assert reads == 1


# --- platform ----------------------------------------------------------------------------------------------------------


def seen(*knocks: tuple[int, str]) -> Sighting:
    """Open ports and what they said; `!` before it: it is no such service."""
    return Sighting(
        HERE,
        [
            Knock(port, is_open=True, banner=said.lstrip("!"), detail="is something else" if said[:1] == "!" else "")
            for port, said in knocks
        ],
    )


@pytest.mark.parametrize(
    ("sighting", "platform", "why"),
    [
        (
            seen((22, "SSH-2.0-OpenSSH_9.2p1 Debian-2")),
            "linux",
            "SSH answers on port 22 (SSH-2.0-OpenSSH_9.2p1 Debian-2)",
        ),
        (seen((2222, "SSH-2.0-dropbear_2022.83"), (445, "SMB 3.0.2")), "linux", "SSH answers on port 2222"),
        (seen((22, "SSH-2.0-OpenSSH_for_Windows_9.5"), (5985, "WinRM x")), "windows", "is one for Windows"),
        (seen((22, "SSH-2.0-8.49 FlowSsh: Bitvise SSH Server")), "windows", "is one for Windows"),
        (seen((22, "SSH-2.0-Cisco-1.25")), None, "is that of Cisco"),
        (seen((22, "SSH-2.0-ROSSSH")), None, "is that of MikroTik"),
        (seen((22, "SSH-2.0-OpenSSH_9.7 FreeBSD-20240701"), (445, "SMB 2.1")), None, "is that of FreeBSD"),
        (seen((22, "!220 ftp"), (5985, "WinRM Microsoft-HTTPAPI/2.0")), "windows", "WinRM answers on port 5985"),
        (seen((5986, "WinRM (TLS) Microsoft-HTTPAPI/2.0")), "windows", "WinRM answers on port 5986"),
        (
            seen((445, "SMB 3.0.2, signing required")),
            "windows",
            "SMB answers on port 445, and neither SSH nor WinRM does",
        ),
        (seen((22, "!220 ftp")), None, "none of its ports is SSH, WinRM or SMB"),
        (Sighting(HERE, [Knock(22, is_open=False, detail="refused")]), None, "no port is open"),
    ],
)
def test_the_platform_is_told_with_the_reason(sighting, platform, why):
    found, reason = platform_of(sighting)
    assert found == platform
    assert why in reason


def test_a_port_of_the_scope_is_where_its_service_is():
    sighting = seen((2222, "SSH-2.0-a"), (2022, "SSH-2.0-b"), (8000, "WinRM x"), (8443, "WinRM (TLS) x"), (9, "!x"))
    assert found_ports(sighting, Ports()) == Ports(ssh=2222, winrm=8000, winrm_tls=8443, smb=445)
    assert [service_of(one) for one in sighting.knocks] == ["ssh", "ssh", "winrm", "winrm", None]
    assert found_ports(Sighting(HERE, []), Ports(ssh=7)) == Ports(ssh=7)


# --- the limiter -------------------------------------------------------------------------------------------------------

FAST = SweepLimits(at_once=32, per_second=None)


async def test_turns_are_in_the_order_of_asking_and_nobody_overtakes():
    limiter, order = Limiter(FAST), list[str]()
    await limiter.take(30)

    async def take(name: str, number: int) -> None:
        await limiter.take(number)
        order.append(name)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(take("large", 8))
        await asyncio.sleep(0)
        tasks.create_task(take("small", 1))
        await asyncio.sleep(0)
        assert not limiter.try_take(1)  # there is one, and others have asked before
        limiter.give(7)
    assert order == ["large", "small"]


async def test_who_gives_up_waiting_takes_nothing():
    limiter = Limiter(FAST)
    await limiter.take(32)
    for is_served in (False, True):
        waiting = asyncio.ensure_future(limiter.take(32))
        await asyncio.sleep(0)
        if is_served:
            limiter.give(32)  # it has its turn, and does not know yet
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert limiter.try_take(32)


async def test_who_waits_behind_one_that_gives_up_has_its_turn():
    limiter = Limiter(FAST)
    await limiter.take(31)
    first, second = asyncio.ensure_future(limiter.take(2)), asyncio.ensure_future(limiter.take(1))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 5)
    assert first.cancelled()
    assert not limiter.try_take(1), "thirty-one and one are all there are"


async def test_the_rate_holds_over_a_while_after_a_burst():
    limiter = Limiter(SweepLimits(at_once=1000, per_second=400))
    began = time.monotonic()
    for _ in range(50):
        await limiter.take(4)
    assert (200 - 32) / 400 * 0.9 < time.monotonic() - began < 5


def test_half_of_the_files_are_for_others(monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    assert Limiter(SweepLimits()).at_once == 128
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert Limiter(SweepLimits()).at_once == 1024
