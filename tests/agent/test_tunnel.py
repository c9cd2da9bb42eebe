"""The tunnel on Linux: by recorded tools what is asked of them, and by real ones that it carries, is ours alone, and goes."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import watchbill_wire as w
from tests.factories.accounts import needs_root
from tests.factories.enclosure import driven, needs
from watchbill_agent.commands import CommandError
from watchbill_agent.tunnel import TunnelKey
from watchbill_agent.tunnel_linux import LinuxTunnel

KEY = TunnelKey(X25519PrivateKey.generate())
HUB = TunnelKey(X25519PrivateKey.from_private_bytes(bytes(range(2, 34))))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WANTED = w.TunnelWanted("100.96.0.7/32", HUB.public, "192.0.2.2:51820", ("100.96.0.1/32",), 25)


class Recorded:
    """A system by what its tools would answer; what was asked of them in order."""

    def __init__(self, *tools: str, **answers: str) -> None:
        self.tools = tools or ("ip", "wg", "wireguard-go")
        self.answers = answers
        self.asked: list[str] = []
        self.given: list[str] = []
        self.interface: dict[str, object] | None = None
        self.faults: dict[str, str] = {}

    def has(self, name: str) -> bool:
        return name in self.tools

    def run(self, name: str, *arguments: str, given: str = "") -> str:
        line = " ".join((name, *arguments))
        if line == "ip -json address show dev wb0":
            return json.dumps([self.interface])
        if line == "ip -json link show":
            return json.dumps([{"ifname": "lo"}, *([self.interface] if self.interface else [])])
        if line in self.faults:
            raise CommandError(self.faults[line])
        self.asked.append(line)
        self.given.append(given)
        if line.startswith(("ip link add", "wireguard-go")):
            self.interface = {"ifname": "wb0", "addr_info": []}
        if self.interface and " alias " in line:
            self.interface["ifalias"] = arguments[-1]
        if line.startswith("ip link delete"):
            self.interface = None
        return self.answers.get("handshakes", "") if "latest-handshakes" in line else ""


def tunnel(system: Recorded, now: datetime = NOON) -> LinuxTunnel:
    return LinuxTunnel(KEY, "watchbill-agent /data", system, lambda: now)


def test_it_is_opened_with_the_key_on_standard_input_and_in_no_argument():
    system = Recorded()
    assert tunnel(system).put(WANTED) == w.TunnelReported(KEY.public, "up")
    assert system.asked[:7] == [
        "ip link add dev wb0 type wireguard",
        "ip link set dev wb0 alias watchbill-agent /data",
        "wg syncconf wb0 /dev/stdin",
        "ip address replace 100.96.0.7/32 dev wb0",
        "ip link set dev wb0 mtu 1420 up",
        "ip route replace 100.96.0.1/32 dev wb0",
        "wg show wb0 latest-handshakes",
    ]
    assert f"PrivateKey = {KEY.private()}" in system.given[2]
    assert f"AllowedIPs = {WANTED.hub_addresses[0]}\n" in system.given[2]
    assert KEY.private() not in " ".join(system.asked)
    assert KEY.private() not in repr(KEY)


def test_once_more_it_is_set_anew_without_being_taken_down():
    system = Recorded()
    end = tunnel(system)
    end.put(WANTED)
    system.asked.clear()
    end.put(WANTED)
    assert not [line for line in system.asked if "add" in line.split() or "delete" in line]


def test_another_address_is_a_new_interface():
    system = Recorded()
    end = tunnel(system)
    end.put(WANTED)
    assert system.interface is not None
    system.interface["addr_info"] = [{"local": "100.96.0.9", "prefixlen": 32, "scope": "global"}]
    end.put(WANTED)
    assert "ip link delete dev wb0" in system.asked


def test_without_the_kernels_wireguard_it_takes_the_other_one_or_says_so():
    for tools, expected in ((("ip", "wg", "wireguard-go"), "up"), (("ip", "wg"), "unavailable")):
        system = Recorded(*tools)
        system.faults["ip link add dev wb0 type wireguard"] = "ip: Error: Unknown device type."
        told = tunnel(system).put(WANTED)
        assert told.state == expected
        assert told.detail == (None if expected == "up" else "ip: Error: Unknown device type.")


def test_an_interface_of_somebody_else_is_left_alone():
    system = Recorded()
    system.interface = {"ifname": "wb0", "ifalias": "watchbill-agent /other", "addr_info": []}
    end = tunnel(system)
    assert end.put(WANTED) == w.TunnelReported(
        KEY.public, "unavailable", None, "there is an interface wb0 that this agent did not make"
    )
    assert end.put(None) == w.TunnelReported(KEY.public, "down")
    assert system.asked == []


def test_without_tools_it_tells_its_key_all_the_same_and_which_are_missing():
    told = tunnel(Recorded("none")).put(WANTED)
    assert told == w.TunnelReported(KEY.public, "unavailable", None, "ip and wg are not installed")


def test_a_handshake_is_told_by_the_engines_clock_and_does_not_waver():
    seconds = int(time.time()) - 60
    system = Recorded(handshakes=f"{HUB.public}\t{seconds}\n")
    moments = iter([NOON, NOON + timedelta(seconds=7)])
    end = LinuxTunnel(KEY, "watchbill-agent /data", system, lambda: next(moments))
    first = end.put(WANTED).handshake_at
    assert first is not None
    assert timedelta(seconds=58) < NOON - first < timedelta(seconds=65)
    assert end.look().handshake_at == first, "the same handshake is the same time"
    system.answers["handshakes"] = f"{HUB.public}\t0\n"
    assert end.look().handshake_at is None


@pytest.fixture
def there(tmp_path):
    with driven(tmp_path / "enclosure", "tests.agent.driver", "tunnel", str(tmp_path), more=("--net",)) as driver:
        yield driver


HUBS_END = f"""
set -e
ip link set lo up
ip netns add hub
ip link add wbtest0 type veth peer name wbtest1 netns hub
ip address add 192.0.2.1/24 dev wbtest0 && ip link set wbtest0 up
exec ip netns exec hub sh -ec '
  ip address add 192.0.2.2/24 dev wbtest1 && ip link set wbtest1 up && ip link set lo up
  ip link add dev hub0 type wireguard 2> /dev/null || wireguard-go hub0 > /dev/null 2>&1
  ip address add 100.96.0.1/32 dev hub0
  printf "[Interface]\\nPrivateKey = {HUB.private()}\\nListenPort = 51820\\n[Peer]\\nPublicKey = DEVICE\\nAllowedIPs = 100.96.0.7/32\\n" | wg setconf hub0 /dev/stdin
  ip link set hub0 up && ip route add 100.96.0.7/32 dev hub0'
"""


@needs_root
@needs("ip", "wg", "wireguard-go")
def test_a_real_tunnel_carries_between_hub_and_device_and_is_gone_when_it_is_closed(there):
    public = there.ask(look=True)["public_key"]
    assert there.sh(HUBS_END.replace("DEVICE", public)) == ""
    wanted = {
        "address": "100.96.0.7/32",
        "hub_public_key": HUB.public,
        "hub_endpoint": "192.0.2.2:51820",
        "hub_addresses": ["100.96.0.1/32"],
        "keepalive_seconds": 1,
    }
    told = there.ask(wanted=wanted)
    assert (told["state"], told["detail"]) == ("up", None)
    ends = time.monotonic() + 15
    while there.ask(look=True)["handshake_at"] is None:
        assert time.monotonic() < ends, there.sh("ip address; wg show wb0 latest-handshakes")
    listen = 'import socket; s = socket.create_server(("100.96.0.7", 7022)); print(s.accept()[1][0])'
    dial = 'import socket; socket.create_connection(("100.96.0.7", 7022), 10)'
    said = there.sh(
        f"python3 -c '{listen}' & until ss -ltn | grep -q 7022; do :; done; ip netns exec hub python3 -c '{dial}'; wait"
    )
    assert said == "100.96.0.1\n", "the hub reaches a port of the device through it"
    assert "100.96.0.1 dev wb0" in there.sh("ip route")
    port = there.sh("wg show wb0 listen-port")
    assert there.ask(wanted=wanted)["handshake_at"] is not None, "setting it anew does not cut it"
    assert there.sh("wg show wb0 listen-port") == port, "the hub goes on sending to the right place"
    assert there.ask(wanted=None)["state"] == "down"
    assert "wb0" not in there.sh("ip link; ip route")
