"""What the hub's process tells of its peers: news only, and how long ago each was heard."""

from dataclasses import replace

from watchbill.apps.vpn.hub import Watch
from watchbill.core.wireguard_text import PeerDump

PEER = PeerDump("A=", "203.0.113.7:40000", ("100.96.0.2/32",), 1_000, 100, 50)
SILENT = PeerDump("B=", None, ("100.96.0.3/32",), 0, 0, 0)


def test_each_news_is_told_once() -> None:
    watch = Watch()
    assert watch.news([PEER, SILENT], 10) == [(PEER, None)]
    watch.told([PEER, SILENT])
    assert watch.news([PEER, SILENT], 20) == []
    later = replace(PEER, handshake=1_120)
    assert watch.news([later, SILENT], 30) == [(later, None)]


def test_what_was_not_stored_is_told_again() -> None:
    watch = Watch()
    assert watch.news([PEER], 10) == watch.news([PEER], 11)


def test_a_peer_is_heard_when_its_counter_has_moved() -> None:
    watch = Watch()
    watch.told([PEER])
    more = replace(PEER, rx_bytes=132)
    assert watch.news([more], 30) == [(more, 0)]
    watch.told([more])
    sent = replace(more, tx_bytes=99)
    assert watch.news([sent], 45) == [(sent, 15)], "something was sent to it, nothing came"


def test_a_peer_that_was_gone_is_new_when_it_comes_back() -> None:
    watch = Watch()
    watch.told([PEER])
    watch.told([])
    assert watch.news([replace(PEER, rx_bytes=7)], 50) == [(replace(PEER, rx_bytes=7), None)]
