"""Ports that tests are given belong to one process, and never to the kernel."""

import subprocess
import sys
from pathlib import Path

from tests.factories.ports import free_port

_ANOTHER = "from tests.factories.ports import free_port; print(*(free_port() for _ in range(150)))"


def test_a_port_is_given_to_one_process_and_by_nobody_else():
    ours = {free_port() for _ in range(150)}
    another = subprocess.run(
        [sys.executable, "-c", _ANOTHER], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    theirs = {int(one) for one in another.stdout.split()}
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert (len(ours), len(theirs)) == (150, 150)
    assert not ours & theirs
    assert max(ours | theirs) < lowest
