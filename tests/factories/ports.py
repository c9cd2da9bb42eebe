"""Ports of loopback for servers that begin to listen later, in processes of their own."""

import itertools
import socket

# Below those that the kernel hands out by itself (32768 and up, unless it is told otherwise): one of those can be taken by any
# connection and any other server of the tests before whoever was given it listens. Requests to an API then reached a gateway.
_FIRST, _BLOCKS, _IN_BLOCK = 12_000, 100, 200


def free_port() -> int:
    """A port that nobody uses and nobody else is given: not by this process soon, and by no other one while this one lives."""
    return next(one for one in _IN_TURN if _is_free(one))


def _claimed() -> tuple[int, socket.socket]:
    """A block of ports that no other process has, and what keeps it: a name that the kernel takes back when this process ends."""
    for block in range(_BLOCKS):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0watchbill-tests-ports-{block}")  # known in one network namespace, as ports are
        except OSError:
            claim.close()
        else:
            return block, claim
    raise RuntimeError("other processes have claimed every block of ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# When this is imported: later, a test may be in another network namespace, or count the files that are open.
_BLOCK, _CLAIM = _claimed()
_IN_TURN = itertools.cycle(range(_FIRST + _IN_BLOCK * _BLOCK, _FIRST + _IN_BLOCK * (_BLOCK + 1)))
