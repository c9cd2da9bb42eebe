"""Sweeps of real sockets: what is found at each kind of port, how long it may take, and what is left behind, which is nothing."""

import asyncio
import ipaddress
import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import islice

import pytest
import uvloop

from tests.onboarding.listeners import (
    answers,
    closed_port,
    deaf,
    drips,
    eventually,
    floods,
    hangs_up,
    http,
    is_silent,
    listening,
    open_files,
    open_sockets,
    says,
    serves_smb,
)
from tests.winrm.certificates import authority, signed
from tests.winrm.endpoint import endpoint
from watchbill.onboarding.base import Address, Knock, Ports, Sighting
from watchbill.onboarding.discovery import Limiter, SweepLimits, sweep

HERE = ipaddress.ip_address("127.0.0.1")
QUICK = SweepLimits(connect_seconds=0.4, banner_seconds=0.6, quiet_seconds=0.2, per_second=None)
SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
#: Ports that nobody has in these tests, as far as they are not said to be others.
NOWHERE = Ports(ssh=1, winrm=2, winrm_tls=3, smb=4)


async def found(
    places: Iterable[tuple[Address, Sequence[int]]],
    ports: Ports = NOWHERE,
    limits: SweepLimits = QUICK,
    limiter: Limiter | None = None,
) -> list[Sighting]:
    async with sweep(places, ports, limits, limiter) as sightings:
        return [one async for one in sightings]


async def knock(port: int, ports: Ports = NOWHERE, limits: SweepLimits = QUICK) -> Knock:
    """The one knock at one port of this machine."""
    sightings = await found([(HERE, [port])], ports, limits)
    assert [one.address for one in sightings] == [HERE]
    assert [one.port for one in sightings[0].knocks] == [port]
    return sightings[0].knocks[0]


async def ssh_knock(serve, **options) -> Knock:
    async with listening(serve) as server:
        return await knock(server.port, Ports(ssh=server.port), **options)


# --- SSH ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        (SSH,),
        (b"Welcome.\r\nNo entry.\n", SSH),
        (SSH[:5], SSH[5:]),
        (SSH.replace(b"\r\n", b"\n"),),
        (SSH + b"\x00\x00\x05\xdc\x09\x14 a key exchange",),
    ],
)
async def test_ssh_says_who_it_is(parts):
    one = await ssh_knock(says(*parts, pause=0.02))
    assert (one.is_open, one.banner, one.detail) == (True, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "")


async def test_an_old_ssh_is_told():
    one = await ssh_knock(says(b"SSH-1.5-Cisco-1.25\n"))
    assert (one.is_open, one.banner, one.detail) == (True, "SSH-1.5-Cisco-1.25", "speaks an SSH that is too old")


async def test_a_port_that_is_something_else_says_so_and_what_it_said_is_harmless():
    one = await ssh_knock(says("220 mail.lab\u202e ESMTP \x1b[31mred\x00\r\n".encode()))
    assert one.is_open
    assert one.banner == "220 mail.lab ESMTP [31mred"
    assert "no banner after 0.6 s" in one.detail
    one = await ssh_knock(answers(http("400 Bad Request")))
    assert one.detail == "is not SSH, or very slow: it said nothing within 0.6 s"


async def test_a_port_that_hangs_up_says_so():
    one = await ssh_knock(hangs_up)
    assert (one.is_open, one.banner) == (True, "")
    assert one.detail == "is not SSH: it closes the connection without a word"


@pytest.mark.parametrize("serve", [drips, is_silent])
async def test_a_tarpit_costs_no_more_than_its_seconds(serve):
    began = time.monotonic()
    one = await ssh_knock(serve)
    assert 0.5 < time.monotonic() - began < 3
    assert one.is_open
    assert "0.6 s" in one.detail


async def test_a_flood_is_read_no_further_than_its_bytes():
    one = await ssh_knock(floods, limits=SweepLimits(banner_seconds=20))
    assert (one.is_open, one.banner, one.detail) == (True, "", "is not SSH: it says something else")


async def test_a_long_banner_is_cut():
    one = await ssh_knock(says(b"SSH-2.0-" + b"x" * 5000 + b"\r\n"))
    assert (len(one.banner), one.detail) == (200, "")


# --- closed ------------------------------------------------------------------------------------------------------------


async def test_a_closed_port_is_refused_at_once_and_all_usual_ports_are_tried():
    began = time.monotonic()
    (one,) = await found([(HERE, ())])
    assert time.monotonic() - began < QUICK.connect_seconds
    assert [(knock.port, knock.is_open, knock.detail) for knock in one.knocks] == [
        (port, False, "the connection was refused") for port in (1, 2, 3, 4)
    ]
    assert not one.is_seen


async def test_a_port_that_drops_is_tried_again_once_and_then_told():
    with deaf() as port:
        began = time.monotonic()
        one = await knock(port)
        assert 0.75 < time.monotonic() - began < 3
        assert (one.is_open, one.detail) == (False, "no answer within 0.4 s")
        began = time.monotonic()
        await knock(port, limits=SweepLimits(connect_seconds=0.4, retries=0))
        assert time.monotonic() - began < 0.75


async def test_who_showed_anything_is_not_tried_again():
    with deaf() as port:
        began = time.monotonic()
        (one,) = await found([(HERE, [port, closed_port()])])
        assert time.monotonic() - began < 0.75
        assert [knock.detail for knock in one.knocks] == ["no answer within 0.4 s", "the connection was refused"]


async def test_a_network_that_is_nowhere_is_told():
    (one,) = await found([(ipaddress.ip_address("2001:db8:1:2::3"), [22])])
    assert one.knocks[0].detail
    assert not one.is_seen


async def test_ipv6_is_looked_at():
    async with listening(says(SSH), host="::1") as server:
        (one,) = await found([(ipaddress.ip_address("::1"), [server.port])], Ports(ssh=server.port))
    assert one.knocks[0].banner.startswith("SSH-2.0-OpenSSH")


# --- WinRM, SMB --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate():
    return signed(authority("Authority of the tests"), "web-1", "web-1.corp.example")


async def test_winrm_is_known_by_what_it_offers(certificate):
    with endpoint({}, offers=("Negotiate",)) as plain, endpoint({}, server=certificate, offers=("Basic",)) as by_tls:
        ports = Ports(ssh=1, winrm=plain.port, winrm_tls=by_tls.port, smb=4)
        (one,) = await found([(HERE, ())], ports)
    assert [(knock.is_open, knock.banner[:11].strip(), knock.detail) for knock in one.knocks] == [
        (False, "", "the connection was refused"),
        (True, "WinRM BaseH", ""),
        (True, "WinRM (TLS)", ""),
        (False, "", "the connection was refused"),
    ]
    assert plain.attempts == by_tls.attempts == []  # nobody signed in


IDENTITY = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><wsmid:IdentifyResponse xmlns:wsmid="x">'
    b"<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
    b"<wsmid:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</wsmid:ProductVersion></wsmid:IdentifyResponse></s:Body></s:Envelope>"
)


@pytest.mark.parametrize(
    ("reply", "banner", "detail"),
    [
        (http("200 ", body=IDENTITY), "WinRM OS: 0.0.0 SP: 0.0 Stack: 3.0", ""),
        (http("401 ", "Server: Microsoft-HTTPAPI/2.0"), "WinRM Microsoft-HTTPAPI/2.0", ""),
        (http("401 ", "WWW-Authenticate: Kerberos"), "WinRM", ""),
        (
            http("401 ", 'WWW-Authenticate: Basic realm="router"'),
            "HTTP 401",
            "is not WinRM: another web server answers",
        ),
        (http("404 Not Found", "Server: nginx"), "HTTP 404 nginx", "is not WinRM: another web server answers"),
        (http("200 OK", body=b"<html>It works!"), "HTTP 200", "is not WinRM: another web server answers"),
        (b"\x00\x01\x02", "", "is not WinRM, or very slow: it had not answered after 0.6 s"),
        (b"", "", "is not WinRM, or very slow: it had not answered after 0.6 s"),
        (b"220 ftp\r\n" * 2000, "220 ftp 220", "is not WinRM: it does not speak HTTP"),
    ],
)
async def test_other_web_servers_are_not_winrm(reply, banner, detail):
    async with listening(answers(reply, wanted=b"WSMANIDENTIFY: unauthenticated\r\n")) as server:
        one = await knock(server.port, Ports(winrm=server.port))
    assert one.is_open
    assert one.banner[:40].startswith(banner)
    assert one.detail == detail


async def test_what_speaks_no_tls_is_not_winrm_by_tls():
    async with listening(says(SSH)) as server:
        one = await knock(server.port, Ports(winrm_tls=server.port))
    assert (one.is_open, one.detail) == (True, "is not WinRM: it does not speak TLS")


async def test_smb_negotiates():
    async with listening(serves_smb) as server:
        one = await knock(server.port, Ports(smb=server.port))
    assert (one.banner, one.detail) == ("SMB 3.0.2, signing required", "")


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (b"\x00\x00\x00\x60\xffSMB" + bytes(92), "speaks SMB 1 alone, which is too old"),
        (b"\x00\x00\x00\x60\xfeSMB" + b"@\0\0\0\xbb\0\0\xc0" + bytes(84), "refused to negotiate"),
        (b"SSH-2.0-x" * 10, "is not SMB: it says something else"),
        (b"", "had not answered after 0.6 s"),
    ],
)
async def test_other_things_are_not_smb(reply, detail):
    async with listening(says(reply)) as server:
        one = await knock(server.port, Ports(smb=server.port))
    assert one.is_open
    assert detail in one.detail


# --- ports that the scope gives ----------------------------------------------------------------------------------------


async def test_a_port_of_the_scope_is_what_it_turns_out_to_be(certificate):
    async with AsyncExitStack() as stack:
        ssh = await stack.enter_async_context(listening(says(SSH)))
        slow = await stack.enter_async_context(listening(says(b"hello\n", SSH, pause=0.3)))
        web = await stack.enter_async_context(listening(answers(http("404 "))))
        quiet = await stack.enter_async_context(listening(is_silent))
        plain = stack.enter_context(endpoint({}, offers=("Negotiate",)))
        by_tls = stack.enter_context(endpoint({}, server=certificate, offers=("Negotiate",)))
        ports = [one.port for one in (ssh, slow, web, quiet, plain, by_tls)]
        limits = SweepLimits(quiet_seconds=0.2, banner_seconds=2)
        (one,) = await found([(HERE, [*ports, ports[0]])], limits=limits)
    assert [one.port for one in one.knocks] == ports
    assert [knock.banner.split("_")[0].split(" Base")[0] for knock in one.knocks] == [
        *("SSH-2.0-OpenSSH", "SSH-2.0-OpenSSH", "HTTP 404", "", "WinRM", "WinRM (TLS)"),
    ]
    assert [bool(knock.detail) for knock in one.knocks] == [False, False, True, True, False, False]


# --- many --------------------------------------------------------------------------------------------------------------


def network(text: str) -> Iterator[tuple[Address, Sequence[int]]]:
    return ((address, ()) for address in ipaddress.ip_network(text))


async def test_every_address_of_a_network_has_one_sighting():
    async with listening(says(SSH), host="127.77.0.9") as server, listening(drips, "127.77.0.200", server.port):
        sightings = await found(network("127.77.0.0/23"), Ports(ssh=server.port, winrm=2, winrm_tls=3, smb=4))
    assert sorted(one.address for one in sightings) == list(ipaddress.ip_network("127.77.0.0/23"))
    assert [str(one.address) for one in sightings if one.is_seen] == ["127.77.0.9", "127.77.0.200"]


async def test_a_scope_without_end_is_taken_as_it_is_looked_at():
    taken = 0

    def places() -> Iterator[tuple[Address, Sequence[int]]]:
        nonlocal taken
        for one in network("127.64.0.0/10"):
            taken += 1
            yield one

    limits = SweepLimits(at_once=64, per_second=None)
    async with sweep(places(), NOWHERE, limits) as sightings:
        for delivered in range(1, 2001):
            await anext(sightings)
            if delivered % 500 == 0:
                await asyncio.sleep(0.1)  # whoever reads is slow
                assert taken - delivered <= 64 + 1


async def test_no_more_sockets_than_allowed_are_open_at_once():
    limits = SweepLimits(at_once=32, banner_seconds=0.3, per_second=None)
    before, most = open_sockets(), 0
    async with listening(is_silent) as server, asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(found([(HERE, [server.port])] * 100, Ports(ssh=server.port), limits))
        while not sweeping.done():
            most = max(most, server.open)
            await asyncio.sleep(0.005)
        assert len(sweeping.result()) == server.seen == 100
    assert 16 < most <= 32
    await eventually(lambda: open_sockets() <= before)


async def test_connections_are_made_at_a_rate():
    limits = SweepLimits(per_second=200)
    began = time.monotonic()
    await found(islice(network("127.0.0.0/8"), 40), limits=limits)
    assert 0.4 < time.monotonic() - began < 5  # 160 ports, 32 of them at once


async def test_two_sweeps_share_and_a_small_one_is_not_behind_a_large_one():
    with deaf() as port:
        limits = SweepLimits(at_once=32, connect_seconds=0.2, retries=0, per_second=None)
        limiter, ended = Limiter(limits), []

        async def one_sweep(name: str, number: int) -> None:
            sightings = await found([(HERE, [port])] * number, limits=limits, limiter=limiter)
            assert len(sightings) == number
            ended.append(name)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(one_sweep("large", 400))
            await asyncio.sleep(0.1)
            tasks.create_task(one_sweep("small", 40))
        assert ended == ["small", "large"]
        assert limiter.try_take(32)  # all were given back


@pytest.mark.parametrize("how", ["left", "cancelled", "failed"])
async def test_a_sweep_that_ends_early_closes_every_socket_at_once(how):
    limits = SweepLimits(at_once=64, per_second=None, connect_seconds=30, banner_seconds=30)
    limiter = Limiter(limits)
    before = open_sockets()
    with deaf() as dropped:
        async with listening(drips) as tarpit, listening(is_silent) as quiet:
            places = [(HERE, [one]) for one in (closed_port(), *[dropped, tarpit.port, quiet.port] * 30)]
            ports = Ports(ssh=tarpit.port, winrm_tls=quiet.port)

            async def sweep_on() -> None:
                async with sweep(places, ports, limits, limiter) as sightings:
                    async for one in sightings:
                        assert not one.is_seen
                        if how == "failed":
                            raise ValueError("of whoever reads")
                        if how == "left":
                            break

            async with asyncio.TaskGroup() as tasks:
                sweeping = tasks.create_task(expecting(ValueError, sweep_on()) if how == "failed" else sweep_on())
                if how == "cancelled":
                    await eventually(lambda: tarpit.open + quiet.open >= 40)
                    sweeping.cancel()
                began = time.monotonic()
                await asyncio.wait([sweeping])
            assert time.monotonic() - began < 2
            await eventually(lambda: tarpit.open + quiet.open == 0)
    await eventually(lambda: open_sockets() <= before)
    assert limiter.try_take(64)


async def expecting(kind: type[Exception], work) -> None:
    """What the block of a sweep raises is what comes out."""
    with pytest.raises(kind):
        await work


async def test_a_machine_without_files_calls_nobody_unreachable():
    limits = SweepLimits(at_once=200, per_second=None, connect_seconds=0.3, retries=0)
    limiter = Limiter(limits)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with deaf() as port:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files() + 20, hard))
        try:
            sightings = await found([(HERE, [port])] * 60, limits=limits, limiter=limiter)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {one.knocks[0].detail for one in sightings} == {"no answer within 0.3 s"}
    assert len(sightings) == 60


async def test_more_ports_than_anybody_means_are_refused():
    with pytest.raises(BaseExceptionGroup) as caught:
        await found([(HERE, range(1, 40))])
    assert caught.group_contains(ValueError, match="39 ports are given for 127.0.0.1: at most 32 may be")


@pytest.mark.parametrize("wrong", [{"at_once": 31}, {"per_second": 0}])
def test_limits_that_cannot_be_kept_are_refused(wrong):
    with pytest.raises(ValueError, match="at least"):
        SweepLimits(**wrong)


@pytest.mark.parametrize(
    "work",
    [
        lambda _: test_an_old_ssh_is_told(),
        lambda _: test_a_port_that_drops_is_tried_again_once_and_then_told(),
        test_winrm_is_known_by_what_it_offers,
        test_a_port_of_the_scope_is_what_it_turns_out_to_be,
        lambda _: test_every_address_of_a_network_has_one_sighting(),
        lambda _: test_two_sweeps_share_and_a_small_one_is_not_behind_a_large_one(),
        *(
            lambda _, how=how: test_a_sweep_that_ends_early_closes_every_socket_at_once(how)
            for how in ("left", "cancelled", "failed")
        ),
    ],
)
def test_it_works_on_uvloop_too(certificate, work):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(certificate))
