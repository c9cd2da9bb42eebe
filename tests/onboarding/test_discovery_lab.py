"""Sweeps of a network of real machines: one with a real sshd, one that is unplugged, and addresses that nobody has."""

import json
import sys

import pytest

from tests.lab.conftest import lab, needs_lab
from tests.lab.network import Lab
from tests.lab.sshd import start_sshd

__all__ = ["lab"]
pytestmark = [needs_lab, pytest.mark.timeout(180)]

_SWEEP = """
import asyncio, ipaddress, json, sys, time
from watchbill.onboarding.base import Ports
from watchbill.onboarding.discovery import SweepLimits, sweep
from watchbill.onboarding.discovery_names import neighbours
from watchbill.onboarding.discovery_platform import platform_of

async def main():
    began = time.monotonic()
    places = [(ipaddress.ip_address(one), ()) for one in sys.argv[2:]]
    found = {}
    async with sweep(places, Ports(), SweepLimits(connect_seconds=float(sys.argv[1]))) as sightings:
        async for one in sightings:
            knocks = [[knock.port, knock.is_open, knock.banner, knock.detail] for knock in one.knocks]
            found[str(one.address)] = [platform_of(one)[0], round(time.monotonic() - began, 2), knocks]
    table = {str(address): mac for address, mac in neighbours().items()}
    print(json.dumps([found, table]))

asyncio.run(main())
"""


def swept(host, seconds, *addresses):
    return json.loads(host.run(sys.executable, "-c", _SWEEP, str(seconds), *addresses).stdout)


def test_who_is_there_is_found_and_who_is_not_is_told_with_the_ports_that_were_tried(lab: Lab) -> None:
    engine, good, cut = lab.add("engine"), lab.add("web-1"), lab.add("web-2")
    start_sshd(good)
    start_sshd(cut)
    assert good.address is not None
    assert cut.address is not None
    assert engine.is_reachable(cut.address, 22)
    lab.unplug(cut)
    nobody = "198.18.77.7"
    found, table = swept(engine, 1.5, good.address, cut.address, nobody)
    assert found.keys() == {good.address, cut.address, nobody}

    platform, _, knocks = found[good.address]
    assert platform == "linux"
    assert knocks[0][:2] == [22, True]
    assert knocks[0][2].startswith("SSH-2.0-OpenSSH")
    assert [knock[3] for knock in knocks] == ["", *["the connection was refused"] * 3]
    assert table[good.address] is not None

    for address in (cut.address, nobody):
        platform, _, knocks = found[address]
        assert platform is None
        assert [knock[:2] for knock in knocks] == [[port, False] for port in (22, 5985, 5986, 445)]
        assert {knock[3] for knock in knocks} <= {"no answer within 1.5 s", "the host is not to be reached"}
    assert table[nobody] is None


def test_an_address_that_no_neighbour_has_is_not_tried_twice(lab: Lab) -> None:
    """The one on the same wire ends after one try; one behind a gateway that drops is tried again."""
    engine, gateway = lab.add("engine"), lab.add("gateway")
    assert gateway.address is not None
    engine.run("ip", "route", "add", "203.0.113.0/24", "via", gateway.address)
    gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    found, table = swept(engine, 1, "198.18.77.8", "203.0.113.5")
    assert table["198.18.77.8"] is None
    assert "203.0.113.5" not in table
    assert 0.9 < found["198.18.77.8"][1] < 1.8
    assert 1.9 < found["203.0.113.5"][1] < 4
    assert {knock[3] for knock in found["203.0.113.5"][2]} == {"no answer within 1 s"}
